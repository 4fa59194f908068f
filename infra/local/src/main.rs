//! The command a person runs.
fn main() {}
