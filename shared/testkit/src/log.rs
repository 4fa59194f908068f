//! A log that a test reads.

use std::{
    io::{self, Write},
    sync::Mutex,
};

use crate::doubles::locked;

/// What was logged. Behind an `Arc` it is a writer for a subscriber of `tracing`.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<u8>>);

impl Log {
    /// All lines so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&locked(&self.0)).into_owned()
    }
}

impl Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
