//! The digest function.
