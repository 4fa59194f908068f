//! Files as a source: each is read once, piece by piece, in the order of their names.
//!
//! A page is a part of one file. The cursor says how far its file is read; that it is read to its end is
//! remembered with the page after which nothing of it is left, so that a crash repeats a page at most, and
//! a file is not read again before its content is another. Memory is that of a piece.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_engine::{
    chain,
    ports::{
        BadRow, CallError, Calls, DroppedFile, FilePart, Files, Page, PageRequest, PageSize,
        PortError, Source,
    },
};
use tidegate_model::{Content, RecordKey, flow};
use tidegate_policy::{
    files::{self, Form, MAX_ROW_BYTES, Piece, Place},
    flow::Flow,
};

use crate::endpoint::refused;

/// Files that are looked at for one page: of each it is read from the table whether it is done.
const LOOKS: usize = 100;

/// Files, as a flow describes them.
pub struct FilesSource {
    revision: u32,
    key_columns: BTreeSet<String>,
    spec: Arc<flow::FilesSource>,
    files: Arc<dyn Files>,
}

/// How far the files are read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// Those up to this one are done, or for another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The one that is being read, and from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<(DroppedFile, Place)>,
}

impl FilesSource {
    /// The files of a flow.
    pub fn new(flow: &Flow, spec: Arc<flow::FilesSource>, files: Arc<dyn Files>) -> Self {
        Self {
            revision: flow.revision(),
            key_columns: flow.key_columns(),
            spec,
            files,
        }
    }

    /// What is remembered of a file that was read. Under another revision it is read again.
    fn mark(&self, file: &DroppedFile) -> String {
        let named = json!([self.revision, file.tag, file.name]);
        let named = std::iter::once(("file".to_owned(), named)).collect();
        Content::Record(named).hash().0
    }

    /// Looks for the next file that is not done.
    async fn next_file(
        &self,
        calls: &mut dyn Calls,
        after: Option<&str>,
    ) -> Result<Option<Cursor>, CallError> {
        let listed = self.files.list(&self.spec.place, after).await;
        let listed = listed.map_err(|error| unread(calls, &error))?;
        let ending = self.spec.format.ending();
        let mut last = None;
        for file in listed.into_iter().take(LOOKS) {
            let is_one = file.name.ends_with(ending);
            if is_one && !calls.is_done(&self.mark(&file)).await? {
                return Ok(Some(Cursor {
                    after: last.or_else(|| after.map(str::to_owned)),
                    open: Some((file, Place::default())),
                }));
            }
            last = Some(file.name);
        }
        let after = last;
        Ok(after.map(|after| Cursor {
            after: Some(after),
            open: None,
        }))
    }

    /// Reads a piece; none when the file is another one by now.
    async fn piece(
        &self,
        calls: &mut dyn Calls,
        file: &DroppedFile,
        place: &Place,
        most_rows: usize,
    ) -> Result<Option<Result<Piece, files::BadFile>>, CallError> {
        for most in [place.bytes_for(most_rows), MAX_ROW_BYTES] {
            let read = self.files.read(&self.spec.place, file, place.at, most);
            let Some(bytes) = read.await.map_err(|error| unread(calls, &error))? else {
                return Ok(None);
            };
            let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let is_last = place.at.saturating_add(read) >= file.bytes;
            if !is_last && bytes.is_empty() {
                return Ok(None);
            }
            let form = Form {
                format: &self.spec.format,
                key_columns: &self.key_columns,
            };
            let piece = files::read(form, &file.name, place, &bytes, is_last, most_rows);
            match piece {
                Ok(piece) if piece.next == *place && !is_last && most < MAX_ROW_BYTES => {}
                piece => return Ok(Some(piece)),
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Source for FilesSource {
    async fn page(&self, calls: &mut dyn Calls, request: &PageRequest) -> Result<Page, CallError> {
        self.page_of(calls, request, self.spec.page_size).await
    }

    fn page_size(&self) -> PageSize {
        PageSize::UpTo(self.spec.page_size)
    }

    async fn page_of(
        &self,
        calls: &mut dyn Calls,
        request: &PageRequest,
        size: u32,
    ) -> Result<Page, CallError> {
        let cursor: Cursor = match &request.cursor {
            Some(cursor) => serde_json::from_value(cursor.clone())
                .map_err(|_| refused("the checkpoint is of no file"))?,
            None => Cursor::default(),
        };
        let after = cursor.after.as_deref();
        let Some((file, place)) = cursor.open else {
            let next = self.next_file(calls, after).await?;
            return Ok(Page {
                next: next.as_ref().map(text).transpose()?,
                ..Page::default()
            });
        };
        let most_rows = usize::try_from(size).unwrap_or(1);
        let behind = |file: &DroppedFile| Cursor {
            after: Some(file.name.clone()),
            open: None,
        };
        let part = Some(FilePart {
            name: file.name.clone(),
            mark: self.mark(&file),
        });
        let piece = match self.piece(calls, &file, &place, most_rows).await? {
            Some(Ok(piece)) => piece,
            Some(Err(reason)) => {
                let bad = BadRow {
                    line: place.line,
                    place: files::told(&file.name, place.line),
                    reason: format!("the file can not be read: {reason}"),
                    text: reason.found().to_owned(),
                };
                return Ok(Page {
                    bad: vec![bad],
                    part,
                    done: Some(self.mark(&file)),
                    next: Some(text(&behind(&file))?),
                    ..Page::default()
                });
            }
            None => {
                // Not remembered: as it is now, the next run reads it.
                tracing::warn!(source = %self.spec.name, file = file.name, "a file changed while it was read, or is gone");
                let next = Some(text(&behind(&file))?);
                return Ok(Page {
                    next,
                    ..Page::default()
                });
            }
        };
        let bad = piece.bad.into_iter().map(|line| BadRow {
            line: line.line,
            place: files::told(&file.name, line.line),
            reason: line.reason,
            text: line.text,
        });
        let is_read = piece.next.at >= file.bytes;
        Ok(Page {
            rows: piece.rows,
            bad: bad.collect(),
            part,
            done: is_read.then(|| self.mark(&file)),
            next: Some(text(&if is_read {
                behind(&file)
            } else {
                Cursor {
                    after: cursor.after,
                    open: Some((file, piece.next)),
                }
            })?),
            ..Page::default()
        })
    }

    async fn fetch(&self, _: &mut dyn Calls, _: &RecordKey) -> Result<Option<Value>, CallError> {
        Err(refused("files give no record by its key"))
    }
}

fn text(cursor: &Cursor) -> Result<Value, CallError> {
    serde_json::to_value(cursor).map_err(|_| refused("the place in a file has no form in JSON"))
}

fn unread(calls: &dyn Calls, error: &PortError) -> CallError {
    calls.unusable(chain(error), false)
}

/// Stands where no files are read. Whoever asks it all the same gets an error.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

#[async_trait]
impl Files for NoFiles {
    async fn list(&self, place: &str, _: Option<&str>) -> Result<Vec<DroppedFile>, PortError> {
        Err(nobody_reads(place))
    }

    async fn read(
        &self,
        place: &str,
        _: &DroppedFile,
        _: u64,
        _: usize,
    ) -> Result<Option<Vec<u8>>, PortError> {
        Err(nobody_reads(place))
    }
}

fn nobody_reads(place: &str) -> PortError {
    PortError::new(
        format!("read files of {place}"),
        "this function reads no files",
    )
}
