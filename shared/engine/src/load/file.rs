//! A file that is being made.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tidegate_model::{FlowId, RecordKey};
use tidegate_policy::load::{Line, Mark};

/// A record of a file, and what its register was when its line was made.
pub(super) type Record = (RecordKey, Mark);

/// Lines, compressed as they come, and the records they are of.
pub(super) struct FileInMaking {
    encoder: GzEncoder<Vec<u8>>,
    records: Vec<Record>,
}

impl Default for FileInMaking {
    fn default() -> Self {
        Self::new()
    }
}

impl FileInMaking {
    pub fn new() -> Self {
        Self {
            encoder: GzEncoder::new(Vec::new(), Compression::default()),
            records: Vec::new(),
        }
    }

    /// Adds a line. Of its content nothing is kept but the compressed bytes.
    pub fn add(&mut self, flow: &FlowId, key: RecordKey, mark: Mark, line: &Line) {
        let mut text = line.text(flow, &key);
        text.push('\n');
        #[allow(
            clippy::expect_used,
            reason = "a vector takes whatever is written to it"
        )]
        self.encoder
            .write_all(text.as_bytes())
            .expect("a vector takes every byte");
        self.records.push((key, mark));
    }

    pub fn lines(&self) -> usize {
        self.records.len()
    }

    /// Compressed bytes so far; some are still in the encoder.
    pub fn bytes(&self) -> usize {
        self.encoder.get_ref().len()
    }

    /// The whole file, and whose lines are in it.
    pub fn finish(self) -> (Vec<u8>, Vec<Record>) {
        #[allow(
            clippy::expect_used,
            reason = "a vector takes whatever is written to it"
        )]
        let bytes = self.encoder.finish().expect("a vector takes every byte");
        (bytes, self.records)
    }
}
