//! One page: normalised, deduped, staged and queued.

use std::{borrow::Cow, collections::BTreeMap};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidegate_model::{RecordKey, Tier, UnixMs, metric};
use tidegate_policy::{
    files::{self, MOST_LINE_REVIEWS},
    flow::RowError,
    register::{Register, ReviewCause, ReviewKind},
    run::{BadLines, Counts, Mode},
    stage::{Incoming, Origin},
};

use super::Running;
use crate::{
    EngineError,
    orphan::Reading,
    ports::{BadRow, FilePart, Page},
    staging::{Reader, StageResult, Staged, newest_of_each},
    worker::chunks_of_messages,
};

/// Registers read in one call (the store's limit).
const READ_AT_ONCE: usize = 100;
/// Records staged side by side: enough to hide the table's latency.
const STAGE_AT_ONCE: usize = 16;

/// Rows that were read: changes, the newest time of change, and what is no record.
type Normalised<'a> = (Vec<(RecordKey, Incoming)>, Option<u64>, Vec<Rejected<'a>>);

/// What is no record.
struct Rejected<'a> {
    /// Its line, where it is of a file.
    line: u64,
    /// What it is, which names it.
    named: Cow<'a, Value>,
    /// Where, and why.
    reason: String,
}

/// What can not even be read as a row.
fn unread(row: &BadRow) -> Rejected<'_> {
    Rejected {
        line: row.line,
        // Named by where it stands too: each of two equal lines is one.
        named: Cow::Owned(json!({ "place": row.place, "text": row.text })),
        reason: format!("{}: {}", row.place, row.reason),
    }
}

impl Running<'_> {
    /// Stages and queues the rows of a page. Nothing is counted before it is durable.
    pub(super) async fn take_page(&mut self, page: &Page) -> Result<(), EngineError> {
        let Page {
            rows, bad, part, ..
        } = page;
        let mut counts = Counts {
            received: count(rows.len() + bad.len()),
            rejected: count(bad.len()),
            ..Counts::default()
        };
        let (changes, newest_us, mut rejected) = self.normalise(rows);
        counts.rejected += count(rejected.len());
        rejected.extend(bad.iter().map(unread));
        // Which lines are the first does not hang on where a page ends: a repeated one may end elsewhere.
        rejected.sort_by_key(|row| row.line);
        let bad_lines = self.reject(&rejected, part.as_ref()).await?;
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
        self.progress.bad_lines = bad_lines;
        self.progress.newest_us = self.progress.newest_us.max(newest_us);
        Ok(())
    }

    /// Reads the rows; one that is no record is for a person, and the others go on.
    fn normalise<'a>(&self, rows: &'a [Value]) -> Normalised<'a> {
        let reader = Reader {
            origin: Origin::Batch,
            by: self.holder.token.to_string(),
            read: self.read,
        };
        let first = self.progress.counts.received;
        let now = self.engine.now();
        let mut changes = Vec::new();
        let mut newest = None;
        let mut rejected = Vec::new();
        for (row, position) in rows.iter().zip(first..) {
            match self.runtime.incoming(row, &reader, position, now) {
                Ok((key, mut incoming, modified_us)) => {
                    self.link(&key, &mut incoming, now);
                    newest = newest.max(modified_us);
                    changes.push((key, incoming));
                }
                Err(error) => rejected.push(self.no_record(row, position, &error)),
            }
        }
        (changes, newest, rejected)
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

    fn no_record<'a>(&self, row: &'a Value, position: u64, error: &RowError) -> Rejected<'a> {
        let place = files::place_of(row)
            .unwrap_or_else(|| format!("row {position} of {}", self.progress.run));
        Rejected {
            line: row.get(files::LINE).and_then(Value::as_u64).unwrap_or(0),
            named: Cow::Borrowed(row),
            reason: format!("{place}: {}", crate::chain(error)),
        }
    }

    /// What is no record needs a person: it stands among the reviews, found again by the same name when
    /// the same comes again. Of a file's lines only the first do, and one says how many more there are.
    async fn reject(
        &self,
        rejected: &[Rejected<'_>],
        part: Option<&FilePart>,
    ) -> Result<BadLines, EngineError> {
        let flow = self.runtime.flow.id();
        let mut bad_lines = self.progress.bad_lines.clone();
        let reading = part.map(|part| Reading {
            part,
            fence: self.holder.fence,
        });
        let mut more = 0;
        for Rejected { named, reason, .. } in rejected {
            tracing::warn!(flow = %flow, run = %self.progress.run, request_id = self.engine.request(), reason, "row rejected");
            let reason = reason.clone();
            let Some(reading) = reading else {
                self.engine.keep_row(flow, named, reason, false).await?;
                continue;
            };
            more = bad_lines
                .count(&reading.part.mark)
                .saturating_sub(MOST_LINE_REVIEWS);
            if more == 0 {
                self.engine.keep_line(flow, reading, named, reason).await?;
            }
        }
        if let Some(reading) = reading.filter(|_| more > 0) {
            let name = &reading.part.name;
            let reason = format!(
                "{name}: {more} more lines are no rows, behind the first {MOST_LINE_REVIEWS}, which stand here each; all are in the log"
            );
            let named =
                json!({ "file": name, "mark": reading.part.mark, "more_than": MOST_LINE_REVIEWS });
            self.engine.keep_line(flow, reading, &named, reason).await?;
        }
        Ok(bad_lines)
    }

    /// A file was read to its end: what stands among the reviews of an earlier content of it is over. False
    /// when it took so long that the lease nearly ended; what was closed stays so, and the page comes again.
    pub(super) async fn close_earlier_lines(
        &mut self,
        part: &FilePart,
    ) -> Result<bool, EngineError> {
        let began = self.engine.now();
        let reading = Reading {
            part,
            fence: self.holder.fence,
        };
        let flow = self.runtime.flow.id();
        let mut after = None;
        loop {
            if !self.holder.may_stage(self.engine.now()) {
                return Ok(false);
            }
            after = self
                .engine
                .close_lines(flow, reading, after.as_deref())
                .await?;
            if after.is_none() {
                // It is no time of the page's rows.
                self.waited += self.engine.now().since(began);
                return Ok(true);
            }
        }
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
