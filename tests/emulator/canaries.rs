//! What must not be told is told nowhere: values of fields, names of unknown ones, secrets and what
//! stands in a query are planted, taken through success, retry, review, time-out, refusal, digest and a panic,
//! and looked for in all that leaves: logs, the metrics in them, events and mails.

mod forms;

use serde_json::{Value, json};
use tidegate_testkit::doubles::{Action, Fault};

use crate::{
    binaries::PANICS,
    journey::{LIMIT, QUICK_RETRIES},
    stack::FUNCTION_LOGS,
    template::BUCKET,
    until::until,
    world::{FLOW, SECRETS, World, scheduled_now, signed_event},
};
use forms::Forms;

const SUPPLIERS: u32 = 6;

/// Values, each with what a URL and JSON write differently.
const NAME: &str = "Canary Nähe+1/Ltd";
const EMAIL: &str = "canary+value@example.com";
const PHONE: &str = "+49 canary 0815";
/// The first of all that are planted: these reach the target.
const SENT: usize = 3;
const ENUM: &str = "canary-certified";
const UNKNOWN_NAME: &str = "canary_unknown_name";
const UNKNOWN_VALUE: &str = "canary unknown value";
const QUERY: &str = "canary-in-a-query";
const LETTER: &str = "canary-in-a-dead-letter";
const FORGED: &str = "v1,Y2FuYXJ5LWZvcmdlZC1zaWduYXR1cmU=";

/// So that a call that is not answered ends soon; what is slow must be answered all the same.
const IMPATIENT: (&str, &str) = ("name = \"qualio\"", "name = \"qualio\"\ntimeout_s = 4");
/// Longer than that.
const TOO_LONG_MS: u64 = 6_000;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_must_not_be_told_leaves_by_logs_metrics_events_or_mails() {
    let world = World::start(SUPPLIERS, &[QUICK_RETRIES, IMPATIENT]).await;
    let events = hear_events(&world).await;
    let keys: Vec<String> = world.keys_in_erp().into_iter().collect();
    let [good, failing, refused, slow, invalid, told] = keys.as_slice() else {
        panic!("{SUPPLIERS} suppliers: {keys:?}");
    };
    for key in &keys {
        plant(&world, key);
    }
    let certified = world.erp.change(invalid, |row| {
        ENUM.clone_into(&mut row.quality.certification_status);
    });
    assert!(certified.is_some());
    trouble(&world, failing, refused, slow);

    world.stack.fire_schedule(FLOW, &scheduled_now()).await;
    for key in [good, failing, slow, told] {
        until("what can be sent stands in Qualio", LIMIT, || async {
            world.keys_in_qualio().contains(key).then_some(())
        })
        .await;
    }
    tell_all_kinds(&world, told).await;
    let letter = json!(format!("not a message: {LETTER}"));
    world.stack.send("RealtimeDeadLettersUrl", &letter).await;
    until("what can not be sent is in review", LIMIT, || async {
        let reviews = world.read("/v1/reviews").await.to_string();
        let named = [refused, invalid].iter().all(|key| reviews.contains(*key));
        (named && reviews.contains("can not be read")).then_some(())
    })
    .await;
    world.drained(LIMIT).await;
    world
        .stack
        .invoke("ReconcileName", &json!({"flow": FLOW}))
        .await;
    world.stack.fire_schedule("digest", &scheduled_now()).await;
    let mail = until("a digest was mailed", LIMIT, || async {
        world.stack.wire().mails().await.pop()
    })
    .await;

    let held = format!("{:?}", world.qualio.suppliers());
    let canaries = canaries();
    for canary in &canaries[..SENT] {
        assert!(canary.found_in(&held), "{canary} was not sent: {held}");
    }
    let panicked = panic_with_all(&world, &canaries).await;
    let mut lines = all_lines(&world, &events, &mail).await;
    assert!(lines.iter().any(|line| line.contains("panicked")));
    lines.push(panicked);
    let leaks: Vec<String> = canaries
        .iter()
        .flat_map(|canary| {
            let telling = lines.iter().filter(|line| canary.found_in(line));
            telling.map(move |line| format!("{canary}: {line}"))
        })
        .collect();
    assert!(leaks.is_empty(), "{} lines tell: {leaks:#?}", leaks.len());
}

fn canaries() -> Vec<Forms> {
    let values = [
        NAME,
        EMAIL,
        PHONE,
        ENUM,
        UNKNOWN_NAME,
        UNKNOWN_VALUE,
        QUERY,
        LETTER,
        FORGED,
    ];
    let secrets = SECRETS.iter().map(|(_, secret)| *secret);
    values.into_iter().chain(secrets).map(Forms::of).collect()
}

/// A function of the stack gets the code of one that panics with what it was sent; what the caller is told.
async fn panic_with_all(world: &World, canaries: &[Forms]) -> String {
    let name = world.stack.output("DigestName");
    let code = json!({"S3Bucket": BUCKET, "S3Key": format!("{PANICS}.zip")});
    let path = format!("/2015-03-31/functions/{name}/code");
    let put = reqwest::Method::PUT;
    world.stack.wire().rest("lambda", put, &path, &code).await;
    let all: Vec<String> = canaries.iter().map(ToString::to_string).collect();
    let told = world.stack.invoke("DigestName", &json!(all)).await;
    // What it logged late is handed over with its next invocation.
    world.stack.invoke("DigestName", &json!([])).await;
    told.to_string()
}

fn plant(world: &World, key: &str) {
    let changed = world.erp.change(key, |row| {
        NAME.clone_into(&mut row.legal_name);
        EMAIL.clone_into(&mut row.contact.email);
        PHONE.clone_into(&mut row.contact.phone);
    });
    assert!(changed.is_some());
}

/// Qualio fails with one once, refuses another and repeats all that it was sent, and lets a third wait.
fn trouble(world: &World, failing: &str, refused: &str, slow: &str) {
    let echo = json!({"errors": [{"field": NAME, "message": format!("{NAME} {EMAIL} {PHONE}")}], "message": NAME});
    for fault in [
        Fault::new(Action::answer(500, echo.clone()))
            .key(failing)
            .times(1),
        Fault::new(Action::answer(400, echo)).key(refused),
        Fault::new(Action::DelayMs(TOO_LONG_MS)).key(slow).times(1),
    ] {
        world.qualio.set_fault(fault).expect("a fault");
    }
}

/// Webhooks: a whole one with a field that no flow knows, a forged one, one that is no record, one
/// with a query; and requests with what nobody asked for.
async fn tell_all_kinds(world: &World, key: &str) {
    let changed = world
        .erp
        .change(key, |row| row.quality.blocked = !row.quality.blocked);
    assert!(changed.is_some());
    let row = world.erp.supplier(key).expect("a supplier");
    let mut whole = json!({"event": "supplier.changed", "supplier": row});
    whole["supplier"][UNKNOWN_NAME] = json!(UNKNOWN_VALUE);
    let mut no_record = whole.clone();
    no_record["supplier"]["version"] = json!(NAME);
    let mut forged = signed_event(&whole.to_string(), "msg_forged");
    forged["headers"]["webhook-signature"] = json!(FORGED);
    let mut queried = signed_event(&whole.to_string(), "msg_query");
    queried["rawQueryString"] = json!(format!("token={QUERY}"));
    for event in [
        signed_event(&whole.to_string(), "msg_whole"),
        signed_event(&no_record.to_string(), "msg_no_record"),
        signed_event(&format!("{{{NAME}"), "msg_no_json"),
        forged,
        queried,
    ] {
        world.stack.invoke("WebhookName", &event).await;
    }
    for path in ["/v1/reviews", "/v1/flows", "/v1/nowhere"] {
        let url = world.stack.api_url(&format!("{path}?{QUERY}={QUERY}"));
        let asked = world
            .stack
            .wire()
            .http()
            .get(url)
            .bearer_auth(QUERY)
            .send()
            .await;
        assert!(asked.is_ok());
    }
}

/// A queue that hears all events of the bus; its URL.
async fn hear_events(world: &World) -> String {
    let wire = world.stack.wire();
    let name = world.stack.name("heard");
    let made = wire
        .json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name}))
        .await;
    let url = made["QueueUrl"].as_str().expect("a URL").to_owned();
    let bus = world.stack.output("BusName");
    let rule = json!({
        "Name": name,
        "EventBusName": bus,
        "EventPattern": json!({"account": ["000000000000"]}).to_string(),
    });
    wire.json("events", "AWSEvents.PutRule", &rule).await;
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let target =
        json!({"Rule": name, "EventBusName": bus, "Targets": [{"Id": "heard", "Arn": arn}]});
    wire.json("events", "AWSEvents.PutTargets", &target).await;
    url
}

/// Every line of every log, that of the HTTP API included, every event and every mail.
async fn all_lines(world: &World, events: &str, mail: &Value) -> Vec<String> {
    let wire = world.stack.wire();
    let mut told = Vec::new();
    for function in FUNCTION_LOGS.into_iter().chain(["http"]) {
        told.extend(wire.log_lines(&world.stack.log_group(function)).await);
    }
    let lines = told.len();
    assert!(lines > 100, "{lines} lines were logged");
    told.extend(heard(world, events).await);
    assert!(told.len() > lines, "no event was heard");
    told.push(mail.to_string());
    told
}

async fn heard(world: &World, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let asked = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let page = world
            .stack
            .wire()
            .json("sqs", "AmazonSQS.ReceiveMessage", &asked)
            .await;
        let messages = page["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            return bodies;
        }
        bodies.extend(messages.iter().map(|message| message["Body"].to_string()));
    }
}
