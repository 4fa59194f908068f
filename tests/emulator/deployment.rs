//! What the deployed stack promises without a single event: the figures that keep queues, functions
//! and schedules in step.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    binaries::repository,
    stack::{Deployment, RunBy, Stack},
};

/// Visibility is this many times the timeout of the function behind the queue.
const VISIBILITY_TIMES: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn the_template_deploys_and_its_queues_outlast_their_functions() {
    let flows = repository().join("infra/flows");
    let stack = Stack::deploy(&Deployment {
        run_by: RunBy::Emulator,
        flows: &flows,
        settings: &[],
        secrets: &[],
    })
    .await;

    let served = queues_and_functions(&stack).await;
    assert_eq!(
        served.len(),
        4,
        "each queue has a function behind it: {served:?}"
    );
    for (queue, (visibility_s, timeout_s)) in &served {
        assert_eq!(*visibility_s, VISIBILITY_TIMES * timeout_s, "{queue}");
    }
    for (queue, dead_letters) in [
        ("RealtimeQueueUrl", "RealtimeDeadLettersUrl"),
        ("BatchQueueUrl", "BatchDeadLettersUrl"),
    ] {
        let redrive = attributes(&stack, stack.output(queue)).await["RedrivePolicy"].clone();
        let redrive: Value =
            serde_json::from_str(redrive.as_str().expect("a redrive policy")).expect("JSON");
        assert_eq!(redrive["maxReceiveCount"], json!(10));
        let target = attributes(&stack, stack.output(dead_letters)).await["QueueArn"].clone();
        assert_eq!(redrive["deadLetterTargetArn"], target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_parameter_reaches_what_runs() {
    let flows = repository().join("infra/flows");
    let deployment = Deployment {
        run_by: RunBy::Hand,
        flows: &flows,
        settings: &[],
        secrets: &[],
    };
    let stack = Stack::deploy(&deployment).await;
    assert_eq!(live(&stack, "TickName").await, "info");
    stack.update(&deployment, ("LogFilter", "debug")).await;
    assert_eq!(live(&stack, "TickName").await, "debug");
    assert_eq!(live(&stack, "DigestName").await, "debug");
}

/// What the version that the alias of a function names was told to log.
async fn live(stack: &Stack, function: &str) -> String {
    let get = reqwest::Method::GET;
    let path = format!("/2015-03-31/functions/{}", stack.output(function));
    let alias = stack
        .wire()
        .rest(
            "lambda",
            get.clone(),
            &format!("{path}/aliases/live"),
            &Value::Null,
        )
        .await;
    let version = alias["FunctionVersion"].as_str().expect("a version");
    let path = format!("{path}/configuration?Qualifier={version}");
    let configured = stack.wire().rest("lambda", get, &path, &Value::Null).await;
    let filter = configured["Environment"]["Variables"]["TIDEGATE_LOG"].as_str();
    filter.expect("a filter").to_owned()
}

/// By queue: its visibility and the timeout of its function, in seconds.
async fn queues_and_functions(stack: &Stack) -> BTreeMap<String, (u64, u64)> {
    let wire = stack.wire();
    let get = reqwest::Method::GET;
    let listed = wire
        .rest(
            "lambda",
            get.clone(),
            "/2015-03-31/event-source-mappings/",
            &Value::Null,
        )
        .await;
    let mut served = BTreeMap::new();
    for mapping in listed["EventSourceMappings"].as_array().expect("mappings") {
        assert_eq!(
            mapping["FunctionResponseTypes"],
            json!(["ReportBatchItemFailures"])
        );
        let queue = part(&mapping["EventSourceArn"], 5);
        let function = part(&mapping["FunctionArn"], 6);
        assert_eq!(part(&mapping["FunctionArn"], 7), "live", "by its alias");
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let configured = wire.rest("lambda", get.clone(), &path, &Value::Null).await;
        let timeout_s = configured["Timeout"].as_u64().expect("a timeout");
        let url = wire.url(&format!("/000000000000/{queue}"));
        let visibility_s = attributes(stack, &url).await["VisibilityTimeout"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("a visibility");
        served.insert(queue, (visibility_s, timeout_s));
    }
    served
}

async fn attributes(stack: &Stack, queue_url: &str) -> Value {
    let asked = json!({"QueueUrl": queue_url, "AttributeNames": ["All"]});
    let answer = stack
        .wire()
        .json("sqs", "AmazonSQS.GetQueueAttributes", &asked)
        .await;
    answer["Attributes"].clone()
}

/// What stands after so many colons of an ARN.
fn part(arn: &Value, at: usize) -> String {
    let arn = arn.as_str().expect("an ARN");
    let part = arn.split(':').nth(at);
    part.unwrap_or_else(|| panic!("{arn} is too short"))
        .to_owned()
}
