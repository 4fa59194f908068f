//! Files that lie where they are dropped.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortError;

/// Files that one listing gives at most.
pub const MOST_FILES: usize = 1_000;

/// A file, as it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFile {
    /// Its name below the place.
    pub name: String,
    /// Another one when its content is another.
    pub tag: String,
    /// Its bytes.
    pub bytes: u64,
}

/// Folders, or prefixes of a bucket, with files in them.
#[async_trait]
pub trait Files: Send + Sync {
    /// Files behind this name, in the order of their names, at most [`MOST_FILES`].
    async fn list(&self, place: &str, after: Option<&str>) -> Result<Vec<DroppedFile>, PortError>;
    /// Bytes of a file from here on: so many, or all up to its end. None when it is another one by now,
    /// or gone.
    async fn read(
        &self,
        place: &str,
        file: &DroppedFile,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, PortError>;
}
