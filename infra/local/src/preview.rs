//! `tidegate preview`: what a batch would do, without doing it.
//!
//! Compared is with the table of the instance that has the data folder, running or not; its budgets
//! are taken from there too, so that a preview beside a running batch keeps the limits. Without an
//! instance both start empty, in memory.

use std::{collections::BTreeMap, io::Write as _, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use tidegate_connect::HttpClient;
use tidegate_engine::{
    Engine, Event, Foreseen, Ports, PreviewRequest, Previewed,
    api::PlannedRequest,
    ports::{Clock, Events, Mail, Mailer, Metrics, Outgoing, PortError, Queue, Receipt},
};
use tidegate_lambda::{Config, SystemChance, SystemClock};
use tidegate_model::{FlowId, RecordKey, Tier, TierReason, UnixMs, metric::Sample};

use crate::{
    cli::{Outcome, PreviewArgs, data_option},
    data::DataDir,
    demo::DemoPlace,
    flows,
    host::runtimes,
    offline::print,
    place::Place,
    table,
};

/// How long a preview waits for permits while a batch uses them up: two windows of a minute.
const PATIENCE: Duration = Duration::from_mins(2);
/// After so much time a person is told what they wait for.
const TELL_AFTER: Duration = Duration::from_secs(3);

/// Shows what a batch would send.
pub(crate) async fn run(args: PreviewArgs) -> anyhow::Result<Outcome> {
    let clock = SystemClock;
    let config = Config::from_env();
    let data = DataDir::at(&args.data);
    let demo = DemoPlace::read(&data)?.unwrap_or_default();
    let place = Place::of_config(&config).with_defaults(&demo.settings, &demo.secrets);
    let files = flows::read_or_demo(args.flows.as_deref())?;
    let flow = FlowId::try_new(args.flow.clone()).context("that is no flow")?;
    let loaded = flows::load(&files, &place, clock.now())?;
    if !loaded.iter().any(|one| *one.id() == flow) {
        let names: Vec<_> = loaded.iter().map(|one| one.id().as_str()).collect();
        bail!("there is no flow {flow}; there are: {}", names.join(", "));
    }
    let request = PreviewRequest {
        limit: usize::from(args.limit),
        key: args.key.map(RecordKey::try_new).transpose()?,
        patience: clock.now() + PATIENCE,
    };
    let running = data.running()?;
    // The lock keeps an instance from starting on the table while it is in use here.
    let lock = if running.is_none() && data.table().exists() {
        data.try_lock()?
    } else {
        None
    };
    let table_file = data.table();
    let at = match (&running, &lock) {
        (Some(instance), _) => table::Place::At(&instance.table),
        (None, Some(_)) => table::Place::File(&table_file),
        (None, None) => table::Place::Memory,
    };
    let table = table::open(at).await?;
    let secrets = Arc::new(place);
    let engine = Engine::new(
        Ports {
            store: table.store,
            queue: Arc::new(Nowhere),
            events: Arc::new(Nowhere),
            mailer: Arc::new(Nowhere),
            clock: Arc::new(clock),
            chance: Arc::new(SystemChance),
            http: Arc::new(HttpClient::new(Arc::<Place>::clone(&secrets))),
            secrets,
            metrics: Arc::new(Nowhere),
        },
        runtimes(loaded),
    );
    let previewed = tell_of_wait(engine.preview(&flow, &request)).await;
    let previews = previewed.map_err(|error| {
        anyhow::Error::new(error).context(if running.is_none() && !demo.settings.is_empty() {
            format!(
                "no instance runs with {}, so the simulated systems are not there; start `tidegate{}` first",
                args.data.display(),
                data_option(&args.data)
            )
        } else {
            format!("no preview of {flow}")
        })
    })?;
    print(&text_of(&previews))?;
    Ok(Outcome::Fine)
}

/// Says once what a long wait is about.
async fn tell_of_wait<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(TELL_AFTER) => {}
    }
    let told = writeln!(
        std::io::stderr().lock(),
        "waiting for calls within the limits, which a batch uses too (at most 2 minutes)"
    );
    drop(told);
    work.await
}

/// A preview sends nothing; that it can not is seen here.
struct Nowhere;

fn refused(what: &'static str) -> PortError {
    PortError::new(what, "a preview sends nothing")
}

#[async_trait]
impl Queue for Nowhere {
    async fn send(&self, _: Vec<Outgoing>) -> Result<(), PortError> {
        Err(refused("send a message"))
    }
    async fn hold(&self, _: &Receipt, _: Duration) -> Result<(), PortError> {
        Err(refused("hold a message"))
    }
}

#[async_trait]
impl Events for Nowhere {
    async fn emit_all(&self, _: &[Event]) -> Result<(), PortError> {
        // Only news of the breaker arrives here; the breaker itself is in the table.
        Ok(())
    }
}

/// A look is not measured.
impl Metrics for Nowhere {
    fn emit(&self, _: UnixMs, _: &[Sample]) {}
}

#[async_trait]
impl Mailer for Nowhere {
    async fn send(&self, _: &Mail) -> Result<(), PortError> {
        Err(refused("send a mail"))
    }
}

fn text_of(previews: &[Previewed]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for preview in previews {
        *counts.entry(word_for(&preview.outcome)).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let summary = if counts.is_empty() {
        "the source has no rows".to_owned()
    } else {
        counts.join(", ")
    };
    let mut lines: Vec<String> = previews.iter().flat_map(record_lines).collect();
    lines.push(format!("{summary}. Nothing was staged or sent.\n"));
    lines.join("\n")
}

fn word_for(outcome: &Foreseen) -> &'static str {
    match outcome {
        Foreseen::Rejected { .. } => "no record",
        Foreseen::Review { .. } => "for review",
        Foreseen::Create => "to create",
        Foreseen::Update { .. } => "to update",
        Foreseen::Remove => "to remove",
        Foreseen::Unchanged => "unchanged",
        Foreseen::Superseded => "older than what is known",
    }
}

fn record_lines(preview: &Previewed) -> Vec<String> {
    let key = preview.key.as_ref().map_or("(no key)", RecordKey::as_str);
    let tier = tier_text(preview);
    let mut lines = vec![match &preview.outcome {
        Foreseen::Rejected { reason } => format!("{key}  no record: {reason}"),
        Foreseen::Review { reason } => format!("{key}  to review: {reason}"),
        Foreseen::Create => format!("{key}  create{tier}"),
        Foreseen::Update { link: true, .. } => {
            format!("{key}  link to what stands there, then update{tier}")
        }
        Foreseen::Update { .. } => format!("{key}  update{tier}"),
        Foreseen::Remove => format!("{key}  remove{tier}"),
        Foreseen::Unchanged if preview.requests.is_empty() => format!("{key}  unchanged"),
        Foreseen::Unchanged => format!("{key}  unchanged; sent again it would be"),
        Foreseen::Superseded => format!("{key}  older than what is known already"),
    }];
    lines.extend(preview.faults.iter().map(|fault| {
        let field = fault.field.as_deref().unwrap_or("(record)");
        format!("  {field} {}", fault.reason)
    }));
    lines.extend(preview.requests.iter().flat_map(request_lines));
    lines
}

/// A request as it would be sent, secrets as names.
fn request_lines(request: &PlannedRequest) -> Vec<String> {
    let mut lines = vec![format!("  {} {}", request.method, request.url)];
    let headers = request.headers.iter();
    lines.extend(headers.map(|(name, value)| format!("  {name}: {value}")));
    if let Some(body) = &request.body {
        let body = format!("{body:#}");
        lines.extend(body.lines().map(|line| format!("    {line}")));
    }
    lines
}

fn tier_text(preview: &Previewed) -> String {
    let Some((tier, reason)) = &preview.tier else {
        return String::new();
    };
    let tier = match tier {
        Tier::RealTime => "real-time",
        Tier::Batch => "batch",
    };
    let why = match reason {
        TierReason::NotCritical => "no critical field changes".to_owned(),
        TierReason::FirstSeenInBatch => "first seen by a batch".to_owned(),
        TierReason::Critical { fields } => format!("changed: {}", fields.join(", ")),
        TierReason::ForceSync => "a person asked for it".to_owned(),
        TierReason::StillPending => "an earlier critical change still waits".to_owned(),
        TierReason::Reconciled => "the target no longer held it".to_owned(),
    };
    format!("  {tier} ({why})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_with_its_request_and_the_reason_of_its_tier() {
        let preview = Previewed {
            key: Some(RecordKey::try_new("SUP-1").unwrap()),
            outcome: Foreseen::Update {
                target_id: "7".to_owned(),
                link: true,
            },
            tier: Some((
                Tier::RealTime,
                TierReason::Critical {
                    fields: vec!["blocked".to_owned()],
                },
            )),
            faults: Vec::new(),
            requests: vec![PlannedRequest {
                method: "PUT",
                url: "https://x.example/7".to_owned(),
                headers: vec![("X-Api-Key".to_owned(), "<QUALIO_API_KEY>".to_owned())],
                body: Some(serde_json::json!({ "name": "A" })),
            }],
        };
        assert_eq!(
            text_of(&[preview]),
            "SUP-1  link to what stands there, then update  real-time (changed: blocked)\n  \
             PUT https://x.example/7\n  X-Api-Key: <QUALIO_API_KEY>\n    {\n      \"name\": \"A\"\n    }\n\
             1 to update. Nothing was staged or sent.\n"
        );
    }
}
