//! Tests of the bundle as a whole.

pub mod chaos;
