//! The digest function.
fn main() {}
