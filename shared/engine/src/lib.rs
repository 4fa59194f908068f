//! Use cases of Tidegate and the ports they own.
