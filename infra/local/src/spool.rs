//! What was promised and stands in no register: hints of webhooks, force syncs, runs asked for.
//!
//! One small file each, written and synced before the promise is given, removed when it is kept.
//! Why not the table: these are the local stand-in for SQS and EventBridge, which are durable by
//! themselves, and the table belongs to the engine. Files hold keys and names only (QUE-1).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Most files. More hints than these in hand means that the worker stands still; refusing makes
/// their senders try again.
const MAX_FILES: usize = 100_000;

/// A folder of promises.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    next: AtomicU64,
    count: AtomicU64,
}

/// Names one promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slip(String);

impl Spool {
    /// Opens the folder and gives what is still promised, in the order it was.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<(Slip, String)>)> {
        fs::create_dir_all(folder)?;
        let mut kept = Vec::new();
        let mut next = 0;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let number = name.strip_suffix(".json").map(str::parse::<u64>);
            if let Some(Ok(number)) = number {
                next = next.max(number + 1);
                kept.push((Slip(name.to_owned()), fs::read_to_string(&path)?));
            } else {
                // Half written when the process died: never promised.
                fs::remove_file(&path)?;
            }
        }
        kept.sort_by(|(one, _), (two, _)| one.0.cmp(&two.0));
        let spool = Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(next),
            count: AtomicU64::new(u64::try_from(kept.len()).unwrap_or(u64::MAX)),
        };
        Ok((spool, kept))
    }

    /// Makes a promise durable.
    pub(crate) fn keep(&self, text: &str) -> io::Result<Slip> {
        let limit = u64::try_from(MAX_FILES).unwrap_or(u64::MAX);
        if self.count.load(Ordering::Relaxed) >= limit {
            return Err(io::Error::other("too much is waiting already"));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let slip = Slip(format!("{number:012}.json"));
        crate::data::write_private(&self.folder.join(&slip.0), text)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(slip)
    }

    /// The promise is kept. A file that stays makes work again, which changes nothing.
    pub(crate) fn forget(&self, slip: &Slip) {
        match fs::remove_file(self.folder.join(&slip.0)) {
            Ok(()) => {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "a spooled file was not removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_forgotten_is_there_at_the_next_start_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, kept) = Spool::open(folder.path()).unwrap();
        assert!(kept.is_empty());
        let first = spool.keep("one").unwrap();
        spool.keep("two").unwrap();
        spool.keep("three").unwrap();
        spool.forget(&first);
        fs::write(folder.path().join("000000000009.new"), "ha").unwrap();
        let (spool, kept) = Spool::open(folder.path()).unwrap();
        let texts: Vec<_> = kept.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["two", "three"]);
        let fourth = spool.keep("four").unwrap();
        assert!(kept.iter().all(|(slip, _)| *slip != fourth));
    }
}
