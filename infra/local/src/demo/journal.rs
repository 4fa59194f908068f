//! A file of JSON lines, one a write: what a simulated system holds, kept beyond its process.
//!
//! A line is handed to the operating system in one piece before the write is answered, so `kill -9`
//! can lose only what nobody was told. A last line that is not whole is such a write. Opening makes
//! the file short again: one line for each row that stands.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A row as it then stands, or that it is gone.
#[derive(Serialize, Deserialize)]
struct Line<T> {
    id: String,
    row: Option<T>,
}

/// The file, open for more lines.
pub(super) struct Journal(Mutex<File>);

impl Journal {
    /// Reads what stands, by id; none where there is no file.
    pub(super) fn open<T>(path: &Path) -> io::Result<(Self, Vec<T>)>
    where
        T: Serialize + DeserializeOwned,
    {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut rows = BTreeMap::new();
        for line in text.split_inclusive('\n') {
            if !line.ends_with('\n') {
                break;
            }
            let Line { id, row } = serde_json::from_str::<Line<T>>(line)?;
            match row {
                Some(row) => rows.insert(id, row),
                None => rows.remove(&id),
            };
        }
        Self::write_all(path, rows.iter().map(|(id, row)| (id.as_str(), row)))?;
        let file = OpenOptions::new().append(true).open(path)?;
        let rows = rows.into_values().collect();
        Ok((Self(Mutex::new(file)), rows))
    }

    /// Writes a file that holds just these rows.
    pub(super) fn write_all<'a, T: Serialize + 'a>(
        path: &Path,
        rows: impl Iterator<Item = (&'a str, &'a T)>,
    ) -> io::Result<()> {
        let mut text = String::new();
        for (id, row) in rows {
            text.push_str(&line(id, Some(row))?);
        }
        crate::data::write_private(path, &text)
    }

    /// Adds a line. A simulated system whose disk is full goes on in memory; the log says so.
    pub(super) fn put<T: Serialize>(&self, id: &str, row: Option<&T>) {
        let written = line(id, row).and_then(|line| {
            let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(line.as_bytes())
        });
        if let Err(error) = written {
            tracing::error!(%error, "a simulated system could not keep a write");
        }
    }
}

fn line<T: Serialize>(id: &str, row: Option<&T>) -> io::Result<String> {
    let id = id.to_owned();
    let mut line = serde_json::to_string(&Line { id, row })?;
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_line_of_a_row_counts_and_a_torn_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let (journal, rows) = Journal::open::<u32>(&path).unwrap();
        assert!(rows.is_empty());
        for (id, row) in [
            ("a", Some(1)),
            ("b", Some(2)),
            ("a", Some(3)),
            ("c", Some(4)),
        ] {
            journal.put(id, row.as_ref());
        }
        journal.put::<u32>("b", None);
        drop(journal);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"id\":\"d\",\"ro");
        fs::write(&path, text).unwrap();
        let (_, rows) = Journal::open::<u32>(&path).unwrap();
        assert_eq!(rows, [3, 4]);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
