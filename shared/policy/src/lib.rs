//! Every decision of Tidegate as a pure function.
