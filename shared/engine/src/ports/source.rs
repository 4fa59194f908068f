//! Sources: where records come from.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tidegate_model::{RecordKey, flow::Grant};
use tidegate_policy::flow::Question;

use super::{CallError, Calls};

/// Which page to read.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRequest {
    /// Rows changed since this time, in microseconds of the source's clock; `None`: all.
    pub since_us: Option<u64>,
    /// The cursor that the page before gave; `None` for the first page.
    pub cursor: Option<Value>,
}

/// Rows, and where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The rows as the source gave them.
    pub rows: Vec<Value>,
    /// What can not be read as a row.
    pub bad: Vec<BadRow>,
    /// The file that this is a part of, where it is one. With [`Page::done`] it is read to its end.
    pub part: Option<FilePart>,
    /// What must not be read again once this page is staged: remembered before the checkpoint moves on.
    pub done: Option<String>,
    /// The cursor of the next page; `None` at the end. Grows: an equal one would never end.
    pub next: Option<Value>,
    /// At the end: the cursor of what changes later, for the next run; where the source has none, it
    /// asks by the time of change.
    pub from: Option<Value>,
    /// The cursor was no longer known, so this is the first page of all: why.
    pub anew: Option<String>,
}

/// The file that a page is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Its name.
    pub name: String,
    /// Another one when its content is another, or what is made of it.
    pub mark: String,
}

/// What can not be read as a row. It needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its line, from 1: the order of what is told.
    pub line: u64,
    /// Where it stands, as in `line 17 of invoices.csv`.
    pub place: String,
    /// Why, without any of its values.
    pub reason: String,
    /// What stands there.
    pub text: String,
}

/// Whether a listing can be asked for pages of another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// It can, up to so many rows.
    UpTo(u32),
    /// All its pages have one size.
    Fixed,
}

/// A system that lists rows and, where its flow says how, gives one by its key.
#[async_trait]
pub trait Source: Send + Sync {
    /// For what the tokens are given that its calls bear, if they bear one.
    fn grant(&self) -> Option<&Arc<Grant>> {
        None
    }
    /// Reads one page.
    async fn page(&self, calls: &mut dyn Calls, request: &PageRequest) -> Result<Page, CallError>;
    /// Rows that a page has at most.
    fn page_size(&self) -> PageSize {
        PageSize::Fixed
    }
    /// Reads one page of at most so many rows; of the usual size where it is fixed.
    async fn page_of(
        &self,
        calls: &mut dyn Calls,
        request: &PageRequest,
        _size: u32,
    ) -> Result<Page, CallError> {
        self.page(calls, request).await
    }
    /// Reads one row; `None` when there is no such record. Never the row of another: it would
    /// overwrite the wrong one.
    async fn fetch(
        &self,
        calls: &mut dyn Calls,
        key: &RecordKey,
    ) -> Result<Option<Value>, CallError>;
    /// Asks for a decision, and gives what was answered (R28).
    async fn ask(&self, _calls: &mut dyn Calls, _question: Question) -> Result<Value, CallError> {
        Err(CallError::Refused {
            reason: "the source can not be asked".to_owned(),
            field: None,
        })
    }
}
