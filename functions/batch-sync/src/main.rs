//! The batch-sync function.
fn main() {}
