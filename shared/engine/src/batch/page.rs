//! One page: normalised, deduped, staged and queued.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidegate_model::{RecordKey, Tier, UnixMs, metric};
use tidegate_policy::{
    files,
    flow::RowError,
    register::{Register, ReviewCause, ReviewKind},
    run::{Counts, Mode},
    stage::{Incoming, Origin},
};

use super::Running;
use crate::{
    EngineError,
    ports::{BadRow, Page},
    staging::{Reader, StageResult, Staged, newest_of_each},
    worker::chunks_of_messages,
};

/// Registers read in one call (the store's limit).
const READ_AT_ONCE: usize = 100;
/// Records staged side by side: enough to hide the table's latency.
const STAGE_AT_ONCE: usize = 16;

impl Running<'_> {
    /// Stages and queues the rows of a page. Nothing is counted before it is durable.
    pub(super) async fn take_page(&mut self, page: &Page) -> Result<(), EngineError> {
        let Page { rows, bad, .. } = page;
        let mut counts = Counts {
            received: count(rows.len() + bad.len()),
            rejected: count(bad.len()),
            ..Counts::default()
        };
        for row in bad {
            self.reject_unread(row).await?;
        }
        let (changes, newest_us) = self.normalise(rows, &mut counts).await?;
        let (changes, superseded) = newest_of_each(changes);
        counts.superseded += superseded;
        let mut queues: BTreeMap<(Tier, bool), Vec<RecordKey>> = BTreeMap::new();
        for chunk in changes.chunks(READ_AT_ONCE) {
            for (key, result) in self.stage_chunk(chunk, &mut counts).await? {
                tally(&mut counts, result);
                if let Some(tier) = result.message {
                    queues.entry((tier, result.repeats)).or_default().push(key);
                }
            }
        }
        counts.queued = count(queues.values().map(Vec::len).sum());
        for ((tier, repeats), record_keys) in queues.into_iter().rev() {
            self.queue(&record_keys, tier, repeats).await?;
        }
        debug_assert!(counts.add_up(), "OUT-1: {counts:?}");
        self.measure_unstaged(superseded, counts.rejected);
        self.progress.counts += counts;
        self.progress.newest_us = self.progress.newest_us.max(newest_us);
        Ok(())
    }

    /// Reads the rows; one that is no record is kept for a person, and the others go on.
    async fn normalise(
        &self,
        rows: &[Value],
        counts: &mut Counts,
    ) -> Result<(Vec<(RecordKey, Incoming)>, Option<u64>), EngineError> {
        let reader = Reader {
            origin: Origin::Batch,
            by: self.holder.token.to_string(),
            read: self.read,
        };
        let first = self.progress.counts.received;
        let now = self.engine.now();
        let mut changes = Vec::new();
        let mut newest = None;
        for (row, position) in rows.iter().zip(first..) {
            match self.runtime.incoming(row, &reader, position, now) {
                Ok((key, mut incoming, modified_us)) => {
                    self.link(&key, &mut incoming, now);
                    newest = newest.max(modified_us);
                    changes.push((key, incoming));
                }
                Err(error) => {
                    counts.rejected += 1;
                    self.reject(row, position, &error).await?;
                }
            }
        }
        Ok((changes, newest))
    }

    /// In an initial run: links a record that stands in the target. One that stands there several
    /// times needs a person, since a create would make one more.
    fn link(&self, key: &RecordKey, incoming: &mut Incoming, now: UnixMs) {
        match self.links.get(key) {
            Some(Some(id)) => incoming.link = Some(id.clone()),
            Some(None) => {
                let cause = ReviewCause {
                    kind: ReviewKind::Ambiguous,
                    field: None,
                    reason: "the target has several records that bear its mark".to_owned(),
                    since: now,
                };
                let flow = self.runtime.flow.id().clone();
                incoming.review.get_or_insert((flow, cause));
            }
            None => {
                let traits = self.runtime.target.traits();
                let unlisted = traits.searchable && !traits.listable && !traits.upsert;
                incoming.look_first = self.progress.mode == Mode::Initial && unlisted;
            }
        }
    }

    /// What can not even be read as a row needs a person too.
    async fn reject_unread(&self, row: &BadRow) -> Result<(), EngineError> {
        let flow = self.runtime.flow.id();
        let reason = format!("{}: {}", row.place, row.reason);
        tracing::warn!(flow = %flow, run = %self.progress.run, request_id = self.engine.request(), reason, "row rejected");
        // Named by where it stands too: each of two equal lines is one.
        let named = json!({ "place": row.place, "text": row.text });
        self.engine.keep_row(flow, &named, reason, false).await?;
        Ok(())
    }

    /// A row that is no record needs a person: it stands among the reviews, found again by the
    /// same name when the same row comes again.
    async fn reject(
        &self,
        row: &Value,
        position: u64,
        error: &RowError,
    ) -> Result<(), EngineError> {
        let flow = self.runtime.flow.id();
        let place = files::place_of(row)
            .unwrap_or_else(|| format!("row {position} of {}", self.progress.run));
        let reason = format!("{place}: {}", crate::chain(error));
        tracing::warn!(flow = %flow, run = %self.progress.run, request_id = self.engine.request(), row = position, reason, "row rejected");
        self.engine.keep_row(flow, row, reason, false).await?;
        Ok(())
    }

    async fn stage_chunk(
        &self,
        chunk: &[(RecordKey, Incoming)],
        counts: &mut Counts,
    ) -> Result<Vec<(RecordKey, StageResult)>, EngineError> {
        let record_keys: Vec<RecordKey> = chunk.iter().map(|(key, _)| key.clone()).collect();
        let seen = self
            .engine
            .registers_each(self.runtime, &record_keys)
            .await?;
        let mut work: Vec<(&(RecordKey, Incoming), Option<Register>)> =
            Vec::with_capacity(chunk.len());
        for (change, register) in chunk.iter().zip(seen) {
            match register {
                Ok(register) => work.push((change, register)),
                Err(error) => {
                    counts.rejected += 1;
                    let flow = self.runtime.flow.id();
                    self.engine.keep_unreadable(flow, &change.0, &error).await?;
                }
            }
        }
        let mut results = Vec::with_capacity(work.len());
        for part in work.chunks(STAGE_AT_ONCE) {
            let staged = join_all(part.iter().map(|((key, incoming), register)| async move {
                let result = self
                    .engine
                    .stage(self.runtime, key, incoming, register.clone())
                    .await?;
                Ok::<_, EngineError>((key.clone(), result))
            }));
            for result in staged.await {
                results.push(result?);
            }
        }
        Ok(results)
    }

    /// Rows that were not staged: others of the page were newer, or they are no record.
    fn measure_unstaged(&self, superseded: u64, rejected: u64) {
        let flow = self.runtime.flow.id().as_str();
        let measure = |metric, dimensions: &[&str], count| {
            self.engine.measure_count(metric, dimensions, count);
        };
        measure(&metric::RECEIVED, &[flow], superseded + rejected);
        measure(&metric::OUTCOMES, &[flow, "superseded"], superseded);
        measure(&metric::OUTCOMES, &[flow, "rejected"], rejected);
    }

    async fn queue(
        &self,
        record_keys: &[RecordKey],
        tier: Tier,
        repeats: bool,
    ) -> Result<(), EngineError> {
        let mut messages = chunks_of_messages(self.runtime, record_keys, tier, self.engine.now());
        for outgoing in &mut messages {
            outgoing.message.repeat = repeats;
        }
        if !messages.is_empty() {
            self.engine.send(messages).await?;
        }
        Ok(())
    }
}

fn tally(counts: &mut Counts, result: StageResult) {
    match result.staged {
        Staged::New { tier } => {
            counts.staged += 1;
            counts.critical += u64::from(tier == Tier::RealTime);
        }
        Staged::InReview => counts.in_review += 1,
        Staged::Unchanged => counts.unchanged += 1,
        Staged::Superseded => counts.superseded += 1,
    }
    counts.linked += u64::from(result.linked);
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
