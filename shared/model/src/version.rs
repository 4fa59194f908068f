//! What orders the changes of one record (invariant REG-1).

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the source itself says about order: a sequence number, or a last-modified time in
/// microseconds since 1970. Never taken from our own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceVersion(pub u64);

/// The version of a record's desired state: (source version, flow revision, read number).
///
/// The revision rises when mapping or schema changes. The read number is the fencing number of the
/// run or fetch that read the record, zero for a pushed payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// What the source says.
    pub source: SourceVersion,
    /// Revision of the flow file that mapped it.
    pub revision: u32,
    /// Fencing number of the read.
    pub read: u64,
}

/// A stored version that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored version has the form source.revision.read in fixed width, this one has not: {0:?}"
)]
pub struct VersionError(pub String);

impl Version {
    /// The text that sorts as the version does: DynamoDB compares strings by their bytes.
    pub fn encode(&self) -> String {
        format!(
            "{:020}.{:010}.{:020}",
            self.source.0, self.revision, self.read
        )
    }

    /// Reads what [`Version::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, VersionError> {
        let bad = || VersionError(text.to_owned());
        let mut parts = text.split('.');
        let (Some(source), Some(revision), Some(read), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let version = Self {
            source: SourceVersion(source.parse().map_err(|_| bad())?),
            revision: revision.parse().map_err(|_| bad())?,
            read: read.parse().map_err(|_| bad())?,
        };
        // Another width would sort otherwise than the version does.
        if version.encode() == text {
            Ok(version)
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.source.0, self.revision, self.read)
    }
}
