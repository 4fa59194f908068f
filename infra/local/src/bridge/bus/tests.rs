//! The ways from a bus to here, made and removed at a small double of `EventBridge` and SQS.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tidegate_aws::Aws;
use tidegate_testkit::memory::ManualClock;

use super::{super::functions::NamedAs, *};

const OWN_BUS: &str = "tidegate-dev";

/// What stands at the double.
#[derive(Default)]
struct Stands {
    /// Rules by bus and name, each with its targets as sent.
    rules: Mutex<BTreeMap<(String, String), Vec<Value>>>,
    queues: Mutex<BTreeSet<String>>,
    /// An operation that is refused.
    refused: Mutex<&'static str>,
}

fn arn(function: &str) -> String {
    format!("arn:aws:lambda:eu-central-1:000000000000:function:tidegate-dev-{function}")
}

fn refuse(code: &str) -> Response {
    let told = json!({"__type": code, "message": "no"});
    (StatusCode::BAD_REQUEST, Json(told)).into_response()
}

impl Stands {
    fn rule(&self, bus: &str, name: &str, function: &str) {
        let target = json!({"Id": "one", "Arn": arn(function)});
        let key = (bus.to_owned(), name.to_owned());
        self.rules.lock().unwrap().insert(key, vec![target]);
    }

    /// Rules of the stage's bus.
    fn names(&self) -> Vec<String> {
        let rules = self.rules.lock().unwrap();
        let own = rules.keys().filter(|(bus, _)| bus == OWN_BUS);
        own.map(|(_, name)| name.clone()).collect()
    }

    fn queues(&self) -> Vec<String> {
        self.queues.lock().unwrap().iter().cloned().collect()
    }

    fn answer(&self, operation: &str, asked: &Value) -> Response {
        if operation == *self.refused.lock().unwrap() {
            return refuse("AccessDenied");
        }
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let bus = text("EventBusName");
        let mut rules = self.rules.lock().unwrap();
        let mut queues = self.queues.lock().unwrap();
        let url = |name: &str| format!("http://sqs/000000000000/{name}");
        let queue = text("QueueUrl").rsplit('/').next().unwrap().to_owned();
        let answer = match operation {
            "ListRules" => {
                let own = rules.keys().filter(|(of, _)| *of == bus);
                let own = own.map(|(_, name)| json!({"Name": name, "EventPattern": "{}"}));
                json!({"Rules": own.collect::<Vec<_>>()})
            }
            "ListTargetsByRule" => json!({"Targets": rules[&(bus, text("Rule"))]}),
            "PutRule" => {
                rules.insert((bus, text("Name")), Vec::new());
                json!({"RuleArn": format!("arn:aws:events:rule/{}", text("Name"))})
            }
            "PutTargets" => {
                let targets = asked["Targets"].as_array().unwrap().clone();
                rules.insert((bus, text("Rule")), targets);
                json!({"FailedEntryCount": 0, "FailedEntries": []})
            }
            "RemoveTargets" => match rules.get_mut(&(bus, text("Rule"))) {
                Some(targets) => {
                    targets.clear();
                    json!({"FailedEntryCount": 0, "FailedEntries": []})
                }
                None => return refuse("ResourceNotFoundException"),
            },
            "DeleteRule" => {
                let targets = rules.remove(&(bus, text("Name")));
                assert_eq!(targets.unwrap(), [json!(null); 0], "targets go first");
                json!({})
            }
            "ListEventBuses" => json!({"EventBuses": [{"Name": "default"}, {"Name": OWN_BUS}]}),
            "ListRuleNamesByTarget" => {
                let told = rules.iter().filter(|((of, _), targets)| {
                    *of == bus && targets.iter().any(|one| one["Arn"] == asked["TargetArn"])
                });
                json!({"RuleNames": told.map(|((_, name), _)| name).collect::<Vec<_>>()})
            }
            "ListQueues" => {
                let prefix = text("QueueNamePrefix");
                let own = queues.iter().filter(|name| name.starts_with(&prefix));
                json!({"QueueUrls": own.map(|name| url(name)).collect::<Vec<_>>()})
            }
            "CreateQueue" => {
                queues.insert(text("QueueName"));
                json!({"QueueUrl": url(&text("QueueName"))})
            }
            "GetQueueUrl" if queues.contains(&text("QueueName")) => {
                json!({"QueueUrl": url(&text("QueueName"))})
            }
            "GetQueueUrl" => return refuse("com.amazonaws.sqs#QueueDoesNotExist"),
            "GetQueueAttributes" => {
                json!({"Attributes": {"QueueArn": format!("arn:aws:sqs:eu-central-1:0:{queue}")}})
            }
            "SetQueueAttributes" => json!({}),
            "DeleteQueue" => {
                assert!(queues.remove(&queue), "{queue}");
                json!({})
            }
            other => panic!("{other}"),
        };
        Json(answer).into_response()
    }
}

async fn take(State(stands): State<Arc<Stands>>, headers: HeaderMap, body: String) -> Response {
    let operation = headers["x-amz-target"].to_str().unwrap();
    let (_, operation) = operation.split_once('.').unwrap();
    stands.answer(operation, &serde_json::from_str(&body).unwrap())
}

async fn bus(stands: &Arc<Stands>) -> Bus {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let double = Router::new().fallback(take).with_state(Arc::clone(stands));
    tokio::spawn(async { axum::serve(listener, double).await });
    let values = [
        ("AWS_REGION", "local"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let aws = Aws::connect(&values.into()).await.unwrap();
    let clock = ManualClock::new(tidegate_model::UnixMs(1_795_140_000_000));
    Bus::new(
        Client::new(aws.config()),
        aws_sdk_sqs::Client::new(aws.config()),
        OWN_BUS.to_owned(),
        Arc::new(clock),
    )
}

fn names() -> Names {
    Names::new("dev", NamedAs::Binary)
}

#[tokio::test]
async fn what_was_made_goes_and_the_stage_s_own_stays() {
    let stands = Arc::new(Stands::default());
    stands.rule(OWN_BUS, "run", "batch-sync");
    stands.rule(OWN_BUS, "sweep", "tick");
    let bus = bus(&stands).await;
    let mut made = Made::new();
    let diverted = bus.divert(&names(), &mut made).await.unwrap();
    assert_eq!(diverted.len(), 2);
    assert_eq!(stands.names().len(), 4);
    assert_eq!(stands.queues().len(), 2);
    bus.give_back(&made).await;
    assert_eq!(stands.names(), ["run", "sweep"]);
    assert_eq!(stands.queues(), [""; 0]);
    // There is nothing left to remove, which is no failure.
    bus.give_back(&made).await;
}

#[tokio::test]
async fn a_way_that_is_not_made_to_its_end_goes_too() {
    for refused in ["PutRule", "CreateQueue", "SetQueueAttributes", "PutTargets"] {
        let stands = Arc::new(Stands::default());
        stands.rule(OWN_BUS, "run", "batch-sync");
        let bus = bus(&stands).await;
        *stands.refused.lock().unwrap() = refused;
        let mut made = Made::new();
        let error = bus.divert(&names(), &mut made).await.err().unwrap();
        assert_eq!(error.to_string(), "the rule run can not be followed");
        bus.give_back(&made).await;
        assert_eq!(stands.names(), ["run"], "{refused}");
        assert_eq!(stands.queues(), [""; 0], "{refused}");
    }
}

#[tokio::test]
async fn what_a_killed_bridge_left_is_used_for_the_same_function_or_removed() {
    let stands = Arc::new(Stands::default());
    stands.rule(OWN_BUS, "m", "tick");
    let bus = bus(&stands).await;
    let mut killed = Made::new();
    bus.divert(&names(), &mut killed).await.unwrap();
    let of_m = stands.queues();
    // A rule comes before it by name, so it has another place in the list.
    stands.rule(OWN_BUS, "a", "batch-sync");
    let mut made = Made::new();
    let diverted = bus.divert(&names(), &mut made).await.unwrap();
    let ways: Vec<_> = diverted
        .iter()
        .map(|way| (&*way.rule, way.function))
        .collect();
    assert_eq!(ways, [("a", "batch-sync"), ("m", "tick")]);
    assert!(diverted[1].source.url.ends_with(&of_m[0]), "{of_m:?}");
    assert!(!diverted[0].source.url.ends_with(&of_m[0]));
    // That one is killed too, and then the stage loses a rule.
    let gone = (OWN_BUS.to_owned(), "m".to_owned());
    stands.rules.lock().unwrap().remove(&gone);
    let mut made = Made::new();
    bus.divert(&names(), &mut made).await.unwrap();
    bus.give_back(&made).await;
    assert_eq!(stands.names(), ["a"]);
    assert_eq!(stands.queues(), [""; 0]);
}

#[tokio::test]
async fn queues_of_a_stage_with_a_like_name_are_not_taken_for_left() {
    let stands = Arc::new(Stands::default());
    let other = "tidegate-dev-bridge-realtime";
    stands.queues.lock().unwrap().insert(other.to_owned());
    let bus = bus(&stands).await;
    let mut made = Made::new();
    bus.divert(&names(), &mut made).await.unwrap();
    bus.give_back(&made).await;
    assert_eq!(stands.queues(), [other]);
}

#[tokio::test]
async fn rules_of_another_bus_are_found_and_not_followed() {
    let stands = Arc::new(Stands::default());
    stands.rule(OWN_BUS, "run", "batch-sync");
    stands.rule("default", "files", "batch-sync");
    stands.rule("default", "other", "not-ours");
    let bus = bus(&stands).await;
    let mut made = Made::new();
    let diverted = bus.divert(&names(), &mut made).await.unwrap();
    let elsewhere = bus.elsewhere(&diverted).await.unwrap();
    let files = Elsewhere {
        bus: "default".to_owned(),
        rule: "files".to_owned(),
        function: "batch-sync",
    };
    assert_eq!(elsewhere, [files]);
}

#[test]
fn a_name_is_short_enough_for_a_rule() {
    let names = Names::new("a2345678901234567890", NamedAs::Binary);
    let name = own_name(
        &names.of("bridge-"),
        &"r".repeat(64),
        "id",
        "worker-realtime",
    );
    assert!(name.len() <= 64, "{name}");
    assert!(is_own(&names.of("bridge-"), &name));
}
