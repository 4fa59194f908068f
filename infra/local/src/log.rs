//! The log: JSON lines in the data folder, or on standard error with `--verbose`.
//!
//! Standard output belongs to the screen. The file is bounded: a full one is kept once as
//! `tidegate.log.1`, so that an instance that runs for months fills no disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use tidegate_lambda::{Config, LogFilter};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Size at which the file is put aside, in bytes: some days of a busy flow.
const MAX_FILE_BYTES: u64 = 32 * 1_024 * 1_024;

/// The table's server warns of each condition that does not hold, which is daily bread here.
const TABLE: &str = "dynoxide";

/// Where the log goes.
#[derive(Clone, Debug)]
pub(crate) enum LogTo {
    /// A file.
    File(PathBuf),
    /// Standard error.
    Stderr,
}

/// Starts logging; what is logged is told by `TIDEGATE_LOG`.
pub(crate) fn start(to: &LogTo, config: &Config) -> anyhow::Result<()> {
    let filter = config.read::<LogFilter>()?;
    let targets: Targets = filter
        .0
        .parse()
        .with_context(|| format!("TIDEGATE_LOG is not a log filter: {}", filter.0))?;
    let targets = targets.with_target(TABLE, LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(LevelFilter::TRACE);
    let started = match to {
        LogTo::Stderr => {
            let lines = lines.with_writer(io::stderr).finish();
            lines.with(targets).try_init()
        }
        LogTo::File(path) => {
            let lines = lines.with_writer(LogFile::open(path)?).finish();
            lines.with(targets).try_init()
        }
    };
    started.map_err(|error| anyhow::anyhow!("logging can not start: {error}"))
}

/// A file that never grows beyond its limit.
#[derive(Clone)]
pub(crate) struct LogFile(Arc<Mutex<Open>>);

struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let open = Open::at(path)
            .with_context(|| format!("the log {} can not be opened", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(open))))
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
        })
    }

    fn put_aside(&mut self) -> io::Result<()> {
        fs::rename(&self.path, aside(&self.path))?;
        *self = Self::at(&self.path)?;
        Ok(())
    }
}

/// Where a full file is put: beside it, with `.1` at its end.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.bytes >= MAX_FILE_BYTES {
            open.put_aside()?;
        }
        open.file.write_all(line)?;
        open.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a LogFile;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidegate.log");
        fs::write(&path, "old\n").unwrap();
        let log = LogFile::open(&path).unwrap();
        log.0.lock().unwrap().bytes = MAX_FILE_BYTES;
        (&log).write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        let aside = folder.path().join("tidegate.log.1");
        assert_eq!(fs::read_to_string(aside).unwrap(), "old\n");
    }
}
