//! A queue in memory that counts receives and hides what it delivers, and functions that answer as
//! they are told.

use std::sync::{Mutex, MutexGuard};

use tidegate_testkit::memory::ManualClock;

use super::*;

const ARN: &str = "arn:aws:sqs:eu-central-1:000000000000:tidegate-dev-realtime";

#[derive(Default)]
struct MemorySource {
    waiting: Mutex<Vec<Received>>,
    /// What was delivered and is neither deleted nor back.
    hidden: Mutex<Vec<Received>>,
    /// Whoever was hidden for how long, by id.
    held: Mutex<Vec<(String, Duration)>>,
    /// Told when nothing waits any more.
    stop: Option<watch::Sender<bool>>,
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap()
}

fn message(id: &str) -> Received {
    Received {
        id: id.to_owned(),
        handle: format!("handle of {id}"),
        body: format!("{{\"n\":\"{id}\"}}"),
        ..Received::default()
    }
}

fn ids(messages: &[Received]) -> Vec<&str> {
    messages.iter().map(|message| message.id.as_str()).collect()
}

#[async_trait]
impl Source for MemorySource {
    fn arn(&self) -> &str {
        ARN
    }

    async fn receive(&self, most: i32) -> Result<Vec<Received>, PortError> {
        let mut waiting = locked(&self.waiting);
        let most = usize::try_from(most).unwrap().min(waiting.len());
        let mut taken: Vec<Received> = waiting.drain(..most).collect();
        if taken.is_empty() {
            self.stop.as_ref().unwrap().send_replace(true);
        }
        for message in &mut taken {
            let count = receives_so_far(message) + 1;
            let count = count.to_string();
            message.attributes.insert(RECEIVE_COUNT.to_owned(), count);
        }
        locked(&self.hidden).extend(taken.clone());
        Ok(taken)
    }

    async fn delete(&self, messages: &[&Received]) -> Result<(), PortError> {
        let mut hidden = locked(&self.hidden);
        hidden.retain(|kept| !messages.iter().any(|gone| gone.handle == kept.handle));
        Ok(())
    }

    async fn hold(&self, message: &Received, hidden: Duration) -> Result<(), PortError> {
        locked(&self.held).push((message.id.clone(), hidden));
        locked(&self.hidden).retain(|other| other.handle != message.handle);
        locked(&self.waiting).push(message.clone());
        Ok(())
    }
}

fn receives_so_far(message: &Received) -> u32 {
    let count = message.attributes.get(RECEIVE_COUNT);
    count.map_or(0, |digits| digits.parse().unwrap())
}

/// Answers in this order; the last one is for ever.
struct Scripted {
    answers: Mutex<Vec<Answer>>,
    events: Mutex<Vec<Value>>,
    /// How often it was asked whether it is there.
    asked: Mutex<u32>,
}

#[derive(Clone)]
enum Answer {
    Json(Value),
    Throws,
    NotThere,
    Refused,
}

impl Scripted {
    fn new(answers: &[Answer]) -> Self {
        Self {
            answers: Mutex::new(answers.to_vec()),
            events: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

#[async_trait]
impl Functions for Scripted {
    async fn invoke(&self, _: &str, event: &Value, _: Duration) -> Result<Value, InvokeError> {
        let answer = {
            let mut answers = locked(&self.answers);
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            }
        };
        let function = "tidegate-worker".to_owned();
        match answer {
            Answer::NotThere => {
                // What a client says that can not connect.
                let source = reqwest::get("http://127.0.0.1:1").await.unwrap_err();
                let url = String::new();
                return Err(InvokeError::NotThere { url, source });
            }
            Answer::Json(answer) => {
                locked(&self.events).push(event.clone());
                Ok(answer)
            }
            Answer::Throws => {
                locked(&self.events).push(event.clone());
                Err(InvokeError::Failed {
                    function,
                    kind: "Boom".to_owned(),
                    message: String::new(),
                })
            }
            Answer::Refused => Err(InvokeError::Refused {
                function,
                status: 404,
            }),
        }
    }

    async fn are_there(&self) -> bool {
        let mut asked = locked(&self.asked);
        *asked += 1;
        *asked >= 3
    }
}

struct Story {
    source: Arc<MemorySource>,
    functions: Arc<Scripted>,
    clock: Arc<ManualClock>,
}

/// Runs a lane until nothing waits in its queue any more.
async fn story(waiting: &[&str], feed: Feed, answers: &[Answer]) -> Story {
    let (stop, stopped) = watch::channel(false);
    let source = Arc::new(MemorySource {
        waiting: Mutex::new(waiting.iter().map(|id| message(id)).collect()),
        stop: Some(stop),
        ..MemorySource::default()
    });
    let functions = Arc::new(Scripted::new(answers));
    let clock = Arc::new(ManualClock::new(tidegate_model::UnixMs(1_795_140_000_000)));
    let lane = Lane {
        source: source.clone(),
        functions: functions.clone(),
        function: "worker-realtime",
        feed,
        clock: clock.clone(),
    };
    lane.run(stopped).await;
    Story {
        source,
        functions,
        clock,
    }
}

impl Story {
    fn hidden(&self) -> Vec<String> {
        let hidden = locked(&self.source.hidden);
        ids(&hidden).into_iter().map(str::to_owned).collect()
    }

    fn held(&self) -> Vec<(String, Duration)> {
        locked(&self.source.held).clone()
    }

    fn batches(&self) -> Vec<usize> {
        let events = locked(&self.functions.events);
        let batches = events.iter();
        batches
            .map(|event| event["Records"].as_array().unwrap().len())
            .collect()
    }
}

fn failures(ids: &[&str]) -> Answer {
    let failures = ids.iter().map(|id| json!({ "itemIdentifier": id }));
    Answer::Json(json!({ "batchItemFailures": failures.collect::<Vec<_>>() }))
}

#[tokio::test]
async fn what_the_answer_names_stays_and_the_rest_is_deleted() {
    let told = story(&["a", "b", "c"], Feed::Batches(10), &[failures(&["b"])]).await;
    assert_eq!(told.hidden(), ["b"]);
    assert_eq!(told.held(), [], "its visibility is the function's to set");
    let events = locked(&told.functions.events);
    let record = &events[0]["Records"][1];
    assert_eq!(record["messageId"], "b");
    assert_eq!(record["receiptHandle"], "handle of b");
    assert_eq!(record["attributes"][RECEIVE_COUNT], "1");
    assert_eq!(record["eventSourceARN"], ARN);
    assert_eq!(record["awsRegion"], "eu-central-1");
}

#[tokio::test]
async fn a_batch_is_at_most_so_large_and_waits_for_no_other_message() {
    let all: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let told = story(&all, Feed::Batches(10), &[failures(&[])]).await;
    assert_eq!(told.batches(), [10, 2]);
    assert_eq!(told.hidden(), [""; 0]);
    let told = story(&["a", "b"], Feed::Batches(1), &[failures(&[])]).await;
    assert_eq!(told.batches(), [1, 1]);
}

#[tokio::test]
async fn a_thrown_error_keeps_the_whole_batch_and_the_next_one_is_worked() {
    let answers = [Answer::Throws, failures(&[])];
    let told = story(&["a", "b", "c"], Feed::Batches(2), &answers).await;
    assert_eq!(told.hidden(), ["a", "b"]);
    assert_eq!(told.held(), []);
    assert_eq!(told.batches(), [2, 1]);
}

#[tokio::test]
async fn an_answer_that_names_no_message_of_the_batch_keeps_all_of_it() {
    for nonsense in [
        json!("done"),
        json!([]),
        json!({"batchItemFailures": "a"}),
        json!({"batchItemFailures": [{"itemIdentifier": ""}]}),
        json!({"batchItemFailures": [{"itemIdentifier": null}]}),
        json!({"batchItemFailures": [{"id": "a"}]}),
        json!({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "z"}]}),
    ] {
        let answer = Answer::Json(nonsense.clone());
        let told = story(&["a", "b"], Feed::Batches(10), &[answer]).await;
        assert_eq!(told.hidden(), ["a", "b"], "{nonsense}");
    }
}

#[tokio::test]
async fn an_answer_without_failures_deletes_all_of_it() {
    for fine in [
        json!(null),
        json!({}),
        json!({"batchItemFailures": null}),
        json!({"batchItemFailures": []}),
    ] {
        let answer = Answer::Json(fine.clone());
        let told = story(&["a", "b"], Feed::Batches(10), &[answer]).await;
        assert_eq!(told.hidden(), [""; 0], "{fine}");
    }
}

#[tokio::test]
async fn while_nobody_runs_functions_a_batch_is_given_back_and_no_receive_is_spent() {
    let answers = [Answer::NotThere, failures(&[])];
    let told = story(&["a"], Feed::Batches(10), &answers).await;
    assert_eq!(told.held(), [("a".to_owned(), Duration::ZERO)]);
    assert_eq!(*locked(&told.functions.asked), 3, "until it is there");
    let events = locked(&told.functions.events);
    assert_eq!(events[0]["Records"][0]["attributes"][RECEIVE_COUNT], "2");
    assert!(told.clock.now() >= tidegate_model::UnixMs(1_795_140_000_000) + 3 * PAUSE);
    assert_eq!(told.hidden(), [""; 0]);
}

#[tokio::test]
async fn a_function_that_is_not_served_keeps_its_messages_and_slows_the_lane() {
    let told = story(&["a"], Feed::Batches(10), &[Answer::Refused]).await;
    assert_eq!(told.hidden(), ["a"]);
    assert_eq!(*locked(&told.functions.asked), 3);
}

#[tokio::test]
async fn an_event_of_the_bus_is_handed_over_as_it_is_and_deleted() {
    let answer = Answer::Json(json!({"run": "manual-1"}));
    let told = story(&["a", "b"], Feed::Events, &[answer]).await;
    let events = locked(&told.functions.events);
    assert_eq!(*events, [json!({"n": "a"}), json!({"n": "b"})]);
    assert_eq!(told.hidden(), [""; 0]);
}

#[tokio::test]
async fn an_event_whose_function_throws_is_tried_three_times() {
    let told = story(&["a"], Feed::Events, &[Answer::Throws]).await;
    let waits = [EVENT_WAIT, 2 * EVENT_WAIT];
    assert_eq!(told.held(), waits.map(|wait| ("a".to_owned(), wait)));
    assert_eq!(locked(&told.functions.events).len(), 3);
    assert_eq!(told.hidden(), [""; 0], "it is given up");
}

#[tokio::test]
async fn what_is_no_event_is_given_up_without_an_invocation() {
    let told = story(&[], Feed::Events, &[failures(&[])]).await;
    let bad = Received {
        body: "no JSON".to_owned(),
        ..message("a")
    };
    let lane = Lane {
        source: told.source.clone(),
        functions: told.functions.clone(),
        function: "tick",
        feed: Feed::Events,
        clock: told.clock.clone(),
    };
    locked(&told.source.hidden).push(bad.clone());
    assert_eq!(lane.work(&[bad]).await, Next::Batch);
    assert_eq!(told.hidden(), [""; 0]);
    assert!(locked(&told.functions.events).is_empty());
}
