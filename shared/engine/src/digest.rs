//! digest: what is stuck, for a person (R9). Dead letters become reviews; the daily mail lists all
//! of them, oldest first.

use std::{collections::BTreeMap, fmt::Write};

use tidegate_model::{FlowId, Message, UnixMs};
use tidegate_policy::{
    flow_state::Side,
    keys,
    reconcile::Note,
    register::{self, ReviewCause, ReviewKind},
};

use crate::{
    AuditReport, Engine, EngineError,
    api::{Access, ReviewEntry, ReviewId, waiting_since},
    ports::{Mail, Written},
    reconcile::ReconcileReport,
};

/// Reviews that a mail lists for each flow; the rest is counted.
const LISTED: usize = 50;
/// Reviews that are read for a mail: a flow with more needs a person, not a longer mail.
const READ_MOST: usize = 2_000;

/// A dead letter, as the queue gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message, if it can be read.
    pub message: Option<Message>,
    /// Its text.
    pub body: String,
    /// Names it when it can not be read.
    pub id: String,
}

/// What a mail says of one flow.
#[derive(Clone, Debug)]
pub struct FlowDigest {
    /// The flow.
    pub flow: FlowId,
    /// Why no call is made to its source or target, if so: `target: blocked: why`.
    pub stopped: Vec<String>,
    /// What needs a person, oldest first.
    pub reviews: Vec<ReviewEntry>,
    /// What the newest reconciliation found; none before the first.
    pub reconciled: Option<Reconciled>,
    /// What the newest audit found; none before the first.
    pub audited: Option<Audited>,
}

/// What a mail says of an audit.
#[derive(Clone, Debug)]
pub struct Audited {
    /// When it ended.
    pub at: UnixMs,
    /// What it found, in one line.
    pub summary: String,
}

impl From<AuditReport> for Audited {
    fn from(report: AuditReport) -> Self {
        Self {
            at: report.ended_at,
            summary: report.summary(),
        }
    }
}

/// What a mail says of a reconciliation.
#[derive(Clone, Debug)]
pub struct Reconciled {
    /// When it ended.
    pub at: UnixMs,
    /// What it found, in one line.
    pub summary: String,
    /// How many of its findings only a person can put right.
    pub needing_person: u64,
    /// Those of them that it names.
    pub named: Vec<Note>,
}

impl From<ReconcileReport> for Reconciled {
    fn from(report: ReconcileReport) -> Self {
        let summary = report.summary();
        let needing = |note: &Note| note.kind.needs_person();
        Self {
            at: report.ended_at,
            summary,
            needing_person: report.findings.needing_person(),
            named: report.notes.into_iter().filter(needing).collect(),
        }
    }
}

impl Engine {
    /// Takes dead letters: each of their records that is still dirty goes to review.
    pub async fn dead_letters(&self, letters: &[DeadLetter]) -> Result<(), EngineError> {
        for letter in letters {
            match &letter.message {
                Some(message) => self.working_for(&message.trace).bury(message).await?,
                None => self.keep_unread(letter).await?,
            }
        }
        self.tell_noted().await;
        Ok(())
    }

    async fn bury(&self, message: &Message) -> Result<(), EngineError> {
        let now = self.now();
        let cause = ReviewCause {
            kind: ReviewKind::DeadLetter,
            field: None,
            reason: "a message about it was received too often without an end".to_owned(),
            since: now,
        };
        for key in &message.keys {
            let id = keys::register(&message.flow, key);
            let write = register::dead_letter(&message.flow, &cause, now);
            let reviewed = matches!(self.write(&id, &write).await?, Written::Done { .. });
            if reviewed {
                self.note_review(&message.flow, key, &cause);
            }
            tracing::error!(flow = %message.flow, key = key.as_str(), tier = message.tier.as_str(), run = self.run_id(), request_id = self.request(), reviewed, "dead letter");
            if message.fetch.is_some() && !reviewed {
                // Nothing else knows that this record was to be read.
                let reason = format!("{key} was to be read from the source, and its message died");
                self.keep_orphan(
                    &message.flow,
                    key.as_str(),
                    ReviewKind::DeadLetter,
                    reason,
                    "",
                )
                .await?;
            }
        }
        Ok(())
    }

    /// A message that nobody can read still needs a person. It stands under the first flow.
    async fn keep_unread(&self, letter: &DeadLetter) -> Result<(), EngineError> {
        let Some(runtime) = self.flows().next() else {
            return Ok(());
        };
        let flow = runtime.flow.id();
        let reason = "a message that can not be read".to_owned();
        self.keep_orphan(
            flow,
            &letter.id,
            ReviewKind::DeadLetter,
            reason,
            &letter.body,
        )
        .await?;
        tracing::error!(message_id = letter.id, "a dead letter can not be read");
        Ok(())
    }

    /// Sends the daily mail. `base_url` is where the api answers; empty: paths only.
    pub async fn daily_digest(&self, base_url: &str) -> Result<Mail, EngineError> {
        let mut per_flow: Vec<FlowDigest> = Vec::new();
        for runtime in self.flows() {
            let flow = runtime.flow.id();
            let reconciled = self.latest_reconcile(flow).await?;
            let audited = self.latest_audit(flow).await?;
            let state = self.flow_state(flow).await?;
            let mut sides = vec![Side::Source, Side::Target];
            sides.extend(runtime.flow.warehouse().map(|_| Side::Warehouse));
            let stopped = sides.into_iter().filter_map(|side| {
                let reason = state.stops(side)?;
                Some(format!("{}: {reason}", side.as_str()))
            });
            per_flow.push(FlowDigest {
                flow: flow.clone(),
                stopped: stopped.collect(),
                reviews: self.all_reviews(flow).await?,
                reconciled: reconciled.map(Reconciled::from),
                audited: audited.map(Audited::from),
            });
        }
        let mail = digest_mail(&per_flow, base_url, self.now());
        self.ports.mailer.send(&mail).await?;
        let total: usize = per_flow.iter().map(|digest| digest.reviews.len()).sum();
        tracing::info!(reviews = total, "digest sent");
        Ok(mail)
    }

    async fn all_reviews(&self, flow: &FlowId) -> Result<Vec<ReviewEntry>, EngineError> {
        let mut entries = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .reviews(flow, after.as_deref(), 100, Access::Masked)
                .await?;
            entries.extend(page.items);
            after = page.next;
            if after.is_none() || entries.len() >= READ_MOST {
                return Ok(entries);
            }
        }
    }
}

/// The mail about these reviews of each flow, oldest first. `base_url` is where the api answers;
/// empty: paths only.
pub fn digest_mail(per_flow: &[FlowDigest], base_url: &str, now: UnixMs) -> Mail {
    let found = per_flow
        .iter()
        .filter_map(|digest| digest.reconciled.as_ref());
    let found: u64 = found.map(|reconciled| reconciled.needing_person).sum();
    let reviews: usize = per_flow.iter().map(|digest| digest.reviews.len()).sum();
    let stopped = per_flow.iter().filter(|digest| !digest.stopped.is_empty());
    let stopped: Vec<&str> = stopped.map(|digest| digest.flow.as_str()).collect();
    // Findings apart from the reviews, which would drown among them: nobody can dismiss a finding.
    let parts = [
        match stopped.as_slice() {
            [] => None,
            [flow] => Some(format!("{flow} stands still")),
            flows => Some(format!("{} flows stand still", flows.len())),
        },
        match reviews {
            0 if stopped.is_empty() => Some("nothing is stuck".to_owned()),
            0 => None,
            1 => Some("1 record needs you".to_owned()),
            n => Some(format!("{n} records need you")),
        },
        match found {
            0 => None,
            1 => Some("1 finding of a comparison".to_owned()),
            n => Some(format!("{n} findings of comparisons")),
        },
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Mail {
        subject: format!("Tidegate: {}", parts.join(", ")),
        text: text_of(per_flow, base_url.trim_end_matches('/'), now),
    }
}

fn text_of(per_flow: &[FlowDigest], base_url: &str, now: UnixMs) -> String {
    let mut text = String::new();
    for digest in per_flow {
        // Writing to a string can not fail.
        #[allow(
            clippy::let_underscore_must_use,
            reason = "writing to a string can not fail"
        )]
        let _ = write_flow(&mut text, digest, base_url, now);
    }
    text
}

fn write_flow(
    text: &mut String,
    digest: &FlowDigest,
    base_url: &str,
    now: UnixMs,
) -> std::fmt::Result {
    let FlowDigest {
        flow,
        stopped,
        reviews: entries,
        reconciled,
        audited,
    } = digest;
    for why in stopped {
        writeln!(text, "{flow} stands still, {why}")?;
    }
    writeln!(text, "{flow}: {} in review", entries.len())?;
    if let Some(reconciled) = reconciled {
        write_reconciled(text, reconciled, now)?;
    }
    if let Some(Audited { at, summary }) = audited {
        let age = readable(now.since(*at).as_secs());
        writeln!(text, "  audited {age} ago: {summary}")?;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *kinds.entry(entry.cause.kind.as_str()).or_default() += 1;
    }
    for (kind, count) in kinds {
        writeln!(text, "  {kind}: {count}")?;
    }
    for entry in entries.iter().take(LISTED) {
        let since = waiting_since(entry.pending_since, entry.cause.since);
        let age = now.since(since).as_secs();
        writeln!(
            text,
            "\n  {} for {}\n    {}{}\n    {base_url}/v1/reviews/{}",
            entry.key.as_deref().unwrap_or("(no key)"),
            readable(age),
            entry.cause.reason,
            entry
                .cause
                .field
                .as_ref()
                .map(|field| format!(" (field {field})"))
                .unwrap_or_default(),
            ReviewId::encode_path(&entry.id),
        )?;
    }
    if entries.len() > LISTED {
        writeln!(
            text,
            "\n  and {} more: {base_url}/v1/reviews?flow={flow}",
            entries.len() - LISTED
        )?;
    }
    writeln!(text)
}

fn write_reconciled(text: &mut String, reconciled: &Reconciled, now: UnixMs) -> std::fmt::Result {
    let age = readable(now.since(reconciled.at).as_secs());
    writeln!(text, "  reconciled {age} ago: {}", reconciled.summary)?;
    for note in &reconciled.named {
        writeln!(text, "    {}: {}", note.key, note.kind.why())?;
    }
    let named = u64::try_from(reconciled.named.len()).unwrap_or(u64::MAX);
    match reconciled.needing_person.saturating_sub(named) {
        0 => Ok(()),
        more => writeln!(text, "    and {more} more; the log of reconcile names each"),
    }
}

/// An age for people.
fn readable(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
