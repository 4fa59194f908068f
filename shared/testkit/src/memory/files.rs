//! Folders of files.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tidegate_engine::ports::{DroppedFile, Files, MOST_FILES, PortError};

use super::locked;

/// One folder, whatever its place is called. It keeps how it was read.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: Mutex<BTreeMap<String, (DroppedFile, Vec<u8>)>>,
    reads: Mutex<Vec<(String, u64, usize)>>,
    drops: AtomicU64,
}

impl MemoryFiles {
    /// Drops a file, or another one in its place.
    pub fn drop_file(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let file = DroppedFile {
            name: name.to_owned(),
            tag: self.drops.fetch_add(1, Ordering::Relaxed).to_string(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        };
        locked(&self.files).insert(name.to_owned(), (file, bytes));
    }

    /// Name, offset and most bytes of each read.
    pub fn reads(&self) -> Vec<(String, u64, usize)> {
        locked(&self.reads).clone()
    }
}

#[async_trait]
impl Files for MemoryFiles {
    async fn list(&self, _: &str, after: Option<&str>) -> Result<Vec<DroppedFile>, PortError> {
        let files = locked(&self.files);
        let behind = files.values().map(|(file, _)| file);
        let behind = behind.filter(|file| after.is_none_or(|after| file.name.as_str() > after));
        Ok(behind.take(MOST_FILES).cloned().collect())
    }

    async fn read(
        &self,
        _: &str,
        file: &DroppedFile,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, PortError> {
        locked(&self.reads).push((file.name.clone(), from, most));
        let files = locked(&self.files);
        let found = files.get(&file.name).filter(|(found, _)| found == file);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(found.map(|(_, bytes)| bytes.iter().skip(from).take(most).copied().collect()))
    }
}
