//! Commands that talk to an instance: the one that runs here, or a deployed one by its address.

mod client;
mod show;

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_engine::{
    FlowDigest,
    api::{ReviewEntry, ReviewId},
    digest_mail,
    ports::Clock as _,
};
use tidegate_lambda::SystemClock;
use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::register::{ReviewCause, ReviewKind};
use tidegate_policy::run::Mode;

pub(crate) use self::client::Client;
use crate::{
    cli::{
        AuditArgs, EventArgs, ForgetArgs, Outcome, ReconcileArgs, Remote, ReplayArgs, ReviewsArgs,
        RunArgs, WarehouseArgs,
    },
    offline::print,
};

/// How often `reconcile` and `audit` look whether it has ended, and how many times: ten minutes in all, in
/// which 5,000 records of a slow source are compared.
const RECONCILE_LOOK: Duration = Duration::from_secs(1);
const RECONCILE_LOOKS: u32 = 600;
/// Reviews that one command reads: a flow with more needs something else than a longer list.
const MAX_REVIEWS: usize = 2_000;

/// `run FLOW`
pub(crate) async fn start_run(args: &RunArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let mode = args.mode.map(Mode::from);
    let path = format!("/v1/flows/{}/runs", ReviewId::encode_path(&args.flow));
    let body = mode.map(|mode| json!({ "mode": mode }));
    let asked: Asked = client.post(&path, body).await?;
    print(&format!(
        "{}: a batch was asked for; {}\n",
        asked.flow,
        look_again(&args.remote)
    ))?;
    Ok(Outcome::Fine)
}

/// `event`
pub(crate) async fn event(args: &EventArgs) -> anyhow::Result<Outcome> {
    let detail = args.detail.as_deref().map(serde_json::from_str::<Value>);
    let detail = detail.transpose().context("--detail is not JSON")?;
    let mut body = serde_json::Map::new();
    body.insert("source".to_owned(), json!(args.source));
    body.insert("detail_type".to_owned(), json!(args.detail_type));
    body.extend(detail.map(|detail| ("detail".to_owned(), detail)));
    body.extend(args.id.iter().map(|id| ("id".to_owned(), json!(id))));
    let taken: Taken = Client::new(&args.remote)?
        .post("/v1/events", Some(Value::Object(body)))
        .await?;
    if taken.flows.is_empty() {
        print("no flow has a trigger for this event\n")?;
        return Ok(Outcome::Found);
    }
    print(&format!(
        "{}: a batch was asked for by the event {}; {}\n",
        taken.flows.join(", "),
        taken.id,
        look_again(&args.remote)
    ))?;
    Ok(Outcome::Fine)
}

/// How a person goes on looking at the same instance.
fn look_again(remote: &Remote) -> String {
    format!("`tidegate status{}` shows how it goes", remote.options())
}

/// What became of an event.
#[derive(Deserialize)]
struct Taken {
    id: String,
    flows: Vec<String>,
}

/// The flow of which something was asked for.
#[derive(Deserialize)]
struct Asked {
    flow: String,
}

/// The review that something was done to.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// `reconcile FLOW`: asks for one, waits for its end and prints what it found.
pub(crate) async fn reconcile(args: &ReconcileArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let flows: show::Flows = client.get("/v1/flows").await?;
    let flow = flows.items.iter().find(|flow| flow.name == args.flow);
    if let Some(reason) = flow.and_then(show::Flow::stopped_at_source) {
        print(&format!(
            "{}: stopped, so nothing is compared: {reason}\nresume it first: POST /v1/flows/{}/resume with {{\"by\":\"your name\"}}\n",
            args.flow, args.flow
        ))?;
        return Ok(Outcome::Found);
    }
    let path = reconcile_path(&args.flow);
    let before: Option<show::Reconciled> = client.find(&path).await?;
    let body = args.accept_absent.then(|| json!({ "accept_absent": true }));
    let asked: Asked = client.post(&path, body).await?;
    for _ in 0..RECONCILE_LOOKS {
        SystemClock
            .wait_until(SystemClock.now() + RECONCILE_LOOK)
            .await;
        let Some(now) = client.find::<show::Reconciled>(&path).await? else {
            continue;
        };
        if before.as_ref() != Some(&now) && !now.goes_on() {
            print(&show::reconciled(&args.flow, &now))?;
            return Ok(if now.is_complete() {
                Outcome::Fine
            } else {
                Outcome::Found
            });
        }
    }
    print(&format!(
        "{}: asked for; it has not ended yet (or the flow is stopped), {}\n",
        asked.flow,
        look_again(&args.remote)
    ))?;
    Ok(Outcome::Found)
}

/// `audit FLOW`: asks for one, waits for its end and prints what it found.
pub(crate) async fn audit(args: &AuditArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let path = audit_path(&args.flow);
    let before: Option<show::Audited> = client.find(&path).await?;
    let asked: Asked = client.post(&path, None).await?;
    for _ in 0..RECONCILE_LOOKS {
        SystemClock
            .wait_until(SystemClock.now() + RECONCILE_LOOK)
            .await;
        let now = client.find::<show::Audited>(&path).await?;
        if let Some(now) = now.filter(|now| before.as_ref() != Some(now)) {
            print(&show::audited(&args.flow, &now))?;
            return Ok(if now.is_clean() {
                Outcome::Fine
            } else {
                Outcome::Found
            });
        }
    }
    print(&format!(
        "{}: asked for; it has not ended yet, {}\n",
        asked.flow,
        look_again(&args.remote)
    ))?;
    Ok(Outcome::Found)
}

/// `warehouse FLOW`: asks for a load and a comparison, waits for its end and prints what it found.
pub(crate) async fn warehouse(args: &WarehouseArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let flows: show::Flows = client.get("/v1/flows").await?;
    let flow = flows.items.iter().find(|flow| flow.name == args.flow);
    if let Some(reason) = flow.and_then(show::Flow::stopped_at_warehouse) {
        print(&format!(
            "{}: stopped, so nothing is loaded or compared: {reason}\nmend that, then resume it: POST /v1/flows/{}/resume with {{\"by\":\"your name\"}}\n",
            args.flow, args.flow
        ))?;
        return Ok(Outcome::Found);
    }
    let flow = ReviewId::encode_path(&args.flow);
    let path = format!("/v1/flows/{flow}/warehouse");
    let before: show::Warehouse = client.get(&path).await?;
    let asked: Asked = client.post(&path, None).await?;
    for _ in 0..RECONCILE_LOOKS {
        SystemClock
            .wait_until(SystemClock.now() + RECONCILE_LOOK)
            .await;
        let now: show::Warehouse = client.get(&path).await?;
        if now.has_ended_since(&before) {
            print(&now.told(&args.flow))?;
            return Ok(if now.is_clean() {
                Outcome::Fine
            } else {
                Outcome::Found
            });
        }
    }
    print(&format!(
        "{}: asked for; it has not ended yet, {}\n",
        asked.flow,
        look_again(&args.remote)
    ))?;
    Ok(Outcome::Found)
}

fn audit_path(flow: &str) -> String {
    format!("/v1/flows/{}/audit", ReviewId::encode_path(flow))
}

fn reconcile_path(flow: &str) -> String {
    format!("/v1/flows/{}/reconcile", ReviewId::encode_path(flow))
}

/// `status`
pub(crate) async fn status(remote: &Remote) -> anyhow::Result<Outcome> {
    let client = Client::new(remote)?;
    let flows: show::Flows = client.get("/v1/flows").await?;
    print(&show::status(&flows))?;
    Ok(Outcome::Fine)
}

/// `reviews`
pub(crate) async fn reviews(args: &ReviewsArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let reviews = all_reviews(&client, args.flow.as_deref()).await?;
    print(&show::reviews(&reviews, &args.remote.options()))?;
    Ok(Outcome::Fine)
}

/// `replay ID`
pub(crate) async fn replay(args: &ReplayArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let path = format!("/v1/reviews/{}/replay", ReviewId::encode_path(&args.id));
    if args.dry_run {
        let plan: show::Plan = client.post(&format!("{path}?dry_run=true"), None).await?;
        print(&show::plan(&plan))?;
        // What would be refused again is something to put right first.
        return Ok(if plan.faults.is_empty() {
            Outcome::Fine
        } else {
            Outcome::Found
        });
    }
    let named: Named = client.post(&path, None).await?;
    print(&format!(
        "{} is sent again, with all its retries\n",
        named.id
    ))?;
    Ok(Outcome::Fine)
}

/// `forget FLOW KEY`
pub(crate) async fn forget(args: &ForgetArgs) -> anyhow::Result<Outcome> {
    let client = Client::new(&args.remote)?;
    let path = format!(
        "/v1/flows/{}/records/{}/forget",
        ReviewId::encode_path(&args.flow),
        ReviewId::encode_path(&args.key)
    );
    let forgotten: Forgotten = client.post(&path, None).await?;
    print(&format!(
        "{} is forgotten, and {} of its rows among the reviews; what its source changes of it is kept again\n",
        forgotten.key, forgotten.reviews
    ))?;
    Ok(Outcome::Fine)
}

/// What was forgotten.
#[derive(Deserialize)]
struct Forgotten {
    key: String,
    reviews: u32,
}

/// `digest`
pub(crate) async fn digest(remote: &Remote) -> anyhow::Result<Outcome> {
    let client = Client::new(remote)?;
    let flows: show::Flows = client.get("/v1/flows").await?;
    let reviews = all_reviews(&client, None).await?;
    let mut per_flow = Vec::new();
    for flow in &flows.items {
        let entries = reviews.iter().filter(|review| review.flow == flow.name);
        let entries: Vec<ReviewEntry> = entries.map(Review::entry).collect::<Result<_, _>>()?;
        // The list of flows names no findings.
        let found: Option<show::Reconciled> = client.find(&reconcile_path(&flow.name)).await?;
        per_flow.push(FlowDigest {
            flow: FlowId::try_new(flow.name.clone())?,
            stopped: flow.stopped(),
            reviews: entries,
            reconciled: found.as_ref().map(show::Reconciled::told),
            audited: flow.last_audit.as_ref().map(show::Audited::told),
        });
    }
    let mail = digest_mail(&per_flow, client.url(), SystemClock.now());
    print(&format!("Subject: {}\n\n{}", mail.subject, mail.text))?;
    Ok(Outcome::Fine)
}

/// A review as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Review {
    id: String,
    flow: String,
    key: Option<String>,
    cause: Cause,
    pending_since: Option<Timestamp>,
    #[serde(default)]
    history: Vec<Attempt>,
}

#[derive(Clone, Debug, Deserialize)]
struct Cause {
    kind: ReviewKind,
    field: Option<String>,
    reason: String,
    since: Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
struct Attempt {
    at: Timestamp,
    outcome: String,
}

impl Review {
    /// As the mail wants it.
    fn entry(&self) -> anyhow::Result<ReviewEntry> {
        Ok(ReviewEntry {
            id: self.id.clone(),
            flow: FlowId::try_new(self.flow.clone())?,
            key: self.key.clone(),
            cause: ReviewCause {
                kind: self.cause.kind,
                field: self.cause.field.clone(),
                reason: self.cause.reason.clone(),
                since: UnixMs(self.cause.since.as_millisecond()),
            },
            pending_since: self
                .pending_since
                .map(|since| UnixMs(since.as_millisecond())),
            fields: None,
            edited: None,
            history: Vec::new(),
            body: None,
        })
    }
}

#[derive(Deserialize)]
struct ReviewPage {
    items: Vec<Review>,
    next: Option<String>,
}

async fn all_reviews(client: &Client, flow: Option<&str>) -> anyhow::Result<Vec<Review>> {
    let mut reviews = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let given = [("flow", flow), ("cursor", cursor.as_deref())];
        let query: Vec<String> = given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .map(|(name, value)| format!("&{name}={}", ReviewId::encode_path(value)))
            .collect();
        let path = format!("/v1/reviews?limit=100{}", query.concat());
        let page: ReviewPage = client.get(&path).await?;
        reviews.extend(page.items);
        cursor = page.next;
        if cursor.is_none() || reviews.len() >= MAX_REVIEWS {
            return Ok(reviews);
        }
    }
}

/// What an API says when it refuses (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
}
