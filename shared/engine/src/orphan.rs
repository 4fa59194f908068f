//! What needs a person and has no register: a row that is no record, a message that nobody can
//! read, a record that could not be fetched. It stands among the reviews, under the same name when
//! it comes again.

use futures_util::future::join_all;
use serde_json::Value;
use tidegate_model::{
    Content, FlowId, RecordKey, UnixMs,
    item::{Change, Condition, Item, Op, Update, Value as ItemValue},
};
use tidegate_policy::{
    keys,
    register::{ReviewCause, ReviewKind},
};

use crate::{
    Engine, Event,
    api::ReviewId,
    ports::{FilePart, Listing, StoreError, Written},
};

/// Says that a person decided about it.
const DISCARDED: &str = "discarded";
/// When the audit began that found it last.
pub(crate) const SEEN_BY_AUDIT: &str = "audit";
/// The content of a file, as it was read when the line was found last.
const READING: &str = "reading";
/// Number of the lease's holder that read it: a run that stood still closes nothing of a later one.
const FENCE: &str = "fence";
/// The record that an audit found something in.
pub(crate) const KEY: &str = "key";
/// Largest text that is kept, in characters.
const MAX_KEPT: usize = 10_240;

/// Reviews of a file that are looked at in one call.
const CLOSE_PAGE: u32 = 100;
/// Of them closed side by side: enough to hide the table's latency.
const CLOSE_AT_ONCE: usize = 16;

/// A file as a run reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// The file, and its content.
    pub part: &'a FilePart,
    /// Number of the lease's holder.
    pub fence: i64,
}

impl Reading<'_> {
    /// Names the file, however long its name is.
    fn file_id(&self) -> String {
        name_of(&self.part.name.as_str().into())
    }
}

impl Engine {
    /// Keeps it for a person. `name` tells it from others of the flow.
    pub(crate) async fn keep_orphan(
        &self,
        flow: &FlowId,
        name: &str,
        kind: ReviewKind,
        reason: String,
        body: &str,
    ) -> Result<(), StoreError> {
        let cause = (kind, reason);
        self.keep(flow, name, cause, body, Condition::ALWAYS).await
    }

    /// Keeps a row that is no record. One that a person has discarded stays so, since each lookback
    /// reads it again, unless a person asked for it.
    pub(crate) async fn keep_row(
        &self,
        flow: &FlowId,
        row: &Value,
        reason: String,
        is_asked_for: bool,
    ) -> Result<(), StoreError> {
        let cause = (ReviewKind::Rejected, reason);
        let undecided = if is_asked_for {
            Condition::ALWAYS
        } else {
            Condition::Absent(DISCARDED.to_owned())
        };
        let (name, body) = (name_of(row), row.to_string());
        self.keep(flow, &name, cause, &body, undecided).await
    }

    /// Keeps a line of a file that is no row, or what is told of several. One that a person has discarded
    /// stays so while it is found again.
    pub(crate) async fn keep_line(
        &self,
        flow: &FlowId,
        reading: Reading<'_>,
        line: &Value,
        reason: String,
    ) -> Result<(), StoreError> {
        let name = keys::file_orphan(&reading.file_id(), &name_of(line));
        let found = |write: Update| {
            write
                .set(READING, reading.part.mark.as_str())
                .set(FENCE, reading.fence)
        };
        let body: String = line.to_string().chars().take(MAX_KEPT).collect();
        let undecided = Condition::Absent(DISCARDED.to_owned());
        let write = found(Update::when(undecided)).set("body", body);
        let cause = (ReviewKind::Rejected, reason);
        if let Written::Refused { .. } = self.show(flow, &name, None, cause, write).await? {
            let write = found(Update::when(Condition::Exists(DISCARDED)));
            self.write(&keys::orphan(flow, &name), &write).await?;
        }
        Ok(())
    }

    /// Closes some reviews of a file that has been read to its end, which were of an earlier content: a page
    /// of what there is of the file. Gives where to go on; none at the end.
    pub(crate) async fn close_lines(
        &self,
        flow: &FlowId,
        reading: Reading<'_>,
        after: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let file = keys::file_orphan_partition(flow, &reading.file_id());
        let listing = Listing::Partition(file);
        let page = self.ports.store.list(&listing, after, CLOSE_PAGE).await?;
        let mark = reading.part.mark.as_str();
        let earlier = Condition::All(vec![
            Condition::is(READING, Op::Ne, mark),
            Condition::is(FENCE, Op::Le, reading.fence),
        ]);
        let ttl = self.now().0 / 1_000;
        let close = forget(earlier)
            .remove(&["body", READING, FENCE])
            .set("ttl", ttl);
        let is_earlier = |item: &Item| {
            let of = item.get(READING).and_then(ItemValue::as_text);
            of.is_some_and(|of| of != mark)
        };
        let over: Vec<_> = page
            .items
            .iter()
            .filter(|(_, item)| is_earlier(item))
            .collect();
        for part in over.chunks(CLOSE_AT_ONCE) {
            let writes = part.iter().map(|(key, _)| self.write(key, &close));
            for written in join_all(writes).await {
                written?;
            }
        }
        Ok(page.next)
    }

    async fn keep(
        &self,
        flow: &FlowId,
        name: &str,
        cause: (ReviewKind, String),
        body: &str,
        condition: Condition,
    ) -> Result<(), StoreError> {
        let body: String = body.chars().take(MAX_KEPT).collect();
        let write = Update::when(condition).set("body", body);
        self.show(flow, name, None, cause, write).await?;
        Ok(())
    }

    /// Keeps what an audit that `began` then found in a record. One that a person has discarded stays so
    /// until an audit no longer finds it.
    pub(crate) async fn keep_audited(
        &self,
        flow: &FlowId,
        name: &str,
        key: &RecordKey,
        reason: String,
        began: UnixMs,
    ) -> Result<(), StoreError> {
        let seen = |write: Update| write.set(SEEN_BY_AUDIT, began.0);
        let undecided = Condition::Absent(DISCARDED.to_owned());
        let write = seen(Update::when(undecided)).set(KEY, key.as_str());
        let cause = (ReviewKind::Audit, reason);
        let shown = self.show(flow, name, Some(key), cause, write).await?;
        if let Written::Refused { .. } = shown {
            let write = seen(Update::when(Condition::Exists(DISCARDED)));
            self.write(&keys::orphan(flow, name), &write).await?;
        }
        Ok(())
    }

    /// Puts it among the reviews by this write.
    async fn show(
        &self,
        flow: &FlowId,
        name: &str,
        key: Option<&RecordKey>,
        (kind, reason): (ReviewKind, String),
        write: Update,
    ) -> Result<Written, StoreError> {
        let now = self.now();
        let cause = ReviewCause {
            kind,
            field: None,
            reason,
            since: now,
        };
        // One that was closed may still wait to be removed.
        let write = write
            .remove(&["ttl"])
            .set("rv", serde_json::to_string(&cause).unwrap_or_default())
            .set("rvf", flow.as_str())
            .change("rva", Change::Default(now.0.into()));
        let written = self.write(&keys::orphan(flow, name), &write).await?;
        // One that comes again is told of already.
        let is_new = match &written {
            Written::Done { before, .. } => {
                before.as_ref().is_none_or(|item| !item.contains_key("rv"))
            }
            Written::Refused { .. } => false,
        };
        if is_new {
            self.note(Event::RecordInReview {
                flow: flow.clone(),
                review: ReviewId::Orphan(flow.clone(), name.to_owned()).to_string(),
                key: key.cloned(),
                kind,
                field: None,
                at_ms: now,
            });
        }
        Ok(written)
    }
}

/// A person decides that nothing is to be done about it.
pub(crate) fn discard() -> Update {
    Update::when(Condition::Exists("rv"))
        .set(DISCARDED, 1)
        .remove(&["rv", "rvf", "rva", "body"])
}

/// It is no more, nor what a person decided about it.
pub(crate) fn forget(condition: Condition) -> Update {
    Update::when(condition).remove(&["rv", "rvf", "rva", SEEN_BY_AUDIT, KEY, DISCARDED])
}

/// Names a row by its content.
fn name_of(row: &Value) -> String {
    Content::Record(std::iter::once(("row".to_owned(), row.clone())).collect())
        .hash()
        .0
}
