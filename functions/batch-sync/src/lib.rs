//! The batch-sync function.
