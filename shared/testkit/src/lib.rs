//! Ports in memory, a manual clock, seeded faults, doubles of target systems.

pub mod doubles;
pub mod host;
pub mod log;
pub mod memory;
pub mod openapi;
