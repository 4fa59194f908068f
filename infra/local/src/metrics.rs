//! Metrics of this machine: the lines that go to the log on AWS, in a file of the data folder that
//! `tidegate report` finds.

use std::{io::Write as _, path::Path};

use tidegate_engine::ports::Metrics;
use tidegate_lambda::emf_lines;
use tidegate_model::{UnixMs, metric::Sample};

use crate::log::LogFile;

/// What stands in the lines where the stage of a stack stands on AWS.
const NAMESPACE: &str = "tidegate-local";

/// Appends lines to a file that never grows beyond its limit.
pub(crate) struct MetricsFile(LogFile);

impl MetricsFile {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        LogFile::open(path).map(Self)
    }
}

impl Metrics for MetricsFile {
    fn emit(&self, at: UnixMs, samples: &[Sample]) {
        for line in emf_lines(NAMESPACE, at, samples) {
            // In one piece, so that a file that is put aside ends with a whole line.
            if let Err(error) = (&self.0).write_all(format!("{line}\n").as_bytes()) {
                tracing::warn!(error = %error, "metrics are not written");
            }
        }
    }
}
