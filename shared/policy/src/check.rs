//! The check of flow files: every mistake at once, with its line and what would be right.

use std::fmt;

use crate::flow::Settings;

/// One thing wrong with a flow file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// The mistakes of one file by itself.
pub(crate) fn mistakes_of(_file_name: &str, _text: &str, _settings: &Settings) -> Vec<Mistake> {
    Vec::new()
}
