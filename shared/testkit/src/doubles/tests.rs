//! What every double does: the log, the faults and their points, over the handle and HTTP.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Action, Answer, Clock, Ended, Fault, FaultError, Gate, KillsOverHttp, Point,
    qualio::{QualioConfig, QualioDouble},
};

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A time that stands until it is set, milliseconds since the epoch.
#[derive(Clone)]
pub(super) struct StandingClock(Arc<AtomicI64>);

impl StandingClock {
    pub(super) fn new(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    pub(super) fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub(super) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Arc::new(move || now.load(Ordering::SeqCst))
    }
}

thread_local! {
    // Each test has a thread and a runtime of its own, and making a client loads certificates.
    static CLIENT: reqwest::Client = reqwest::Client::new();
}

pub(super) fn client() -> reqwest::Client {
    CLIENT.with(Clone::clone)
}

pub(super) const NOON_MS: i64 = 1_790_000_000_000;

async fn qualio() -> (QualioDouble, StandingClock) {
    let clock = StandingClock::new(NOON_MS);
    let config = QualioConfig::new(clock.clock(), "a-key").kills_over_http(KillsOverHttp::Allowed);
    (QualioDouble::start(config).await.unwrap(), clock)
}

async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, wait).await.unwrap()
}

/// Creates a supplier of this key; gives status and body, or nothing when no answer came.
async fn create(qualio: &QualioDouble, key: &str) -> Option<(u16, String)> {
    create_at(qualio.url(), key.to_owned()).await
}

async fn create_at(url: String, key: String) -> Option<(u16, String)> {
    let body =
        json!({ "name": "Acme", "contact_information": { "notes": format!("[key:{key}]") } });
    let request = client()
        .post(format!("{url}/v1/suppliers/suppliers"))
        .header("X-Api-Key", "a-key")
        .header("Content-Type", "application/json")
        .header("User-Agent", "a-test/1")
        .body(body.to_string());
    let answer = within(request.send()).await.ok()?;
    let status = answer.status().as_u16();
    Some((status, within(answer.text()).await.ok()?))
}

async fn control(qualio: &QualioDouble, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/_double/{path}", qualio.url());
    let answer = client()
        .request(method.parse().unwrap(), url)
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// A process that does nothing until it is killed.
struct Victim(Option<Child>);

impl Victim {
    fn start() -> Self {
        Self(Some(Command::new("sleep").arg("600").spawn().unwrap()))
    }

    fn pid(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    async fn end(&mut self) -> ExitStatus {
        let mut child = self.0.take().unwrap();
        let waited = tokio::task::spawn_blocking(move || child.wait().unwrap());
        within(waited).await.unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[tokio::test]
async fn every_call_is_in_the_log_with_what_came_of_it() {
    let (qualio, clock) = qualio().await;
    assert_eq!(create(&qualio, "SUP-000007").await.unwrap().0, 200);
    clock.set(NOON_MS + 500);
    let fault = Fault::new(Action::answer(503, Value::Null)).named("outage");
    qualio.set_fault(fault.times(1)).unwrap();
    assert_eq!(create(&qualio, "SUP-000008").await.unwrap().0, 503);

    let calls = qualio.calls();
    let seen = |call: &super::Call| (call.seq, call.at_ms - NOON_MS, call.effect, call.ended);
    let seen: Vec<_> = calls.iter().map(seen).collect();
    let expected = [
        (1, 0, true, Ended::Answered(200)),
        (2, 500, false, Ended::Answered(503)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(calls[0].key.as_deref(), Some("SUP-000007"));
    assert_eq!(calls[0].user_agent.as_deref(), Some("a-test/1"));
    assert_eq!(calls[1].faults, ["outage"]);
    assert_eq!(qualio.calls_between(NOON_MS, NOON_MS + 500), calls[..1]);

    let path = format!("calls?from_ms={}", NOON_MS + 500);
    let (_, over_http) = control(&qualio, "GET", &path, Value::Null).await;
    assert_eq!(over_http, json!(calls[1..]));
}

#[tokio::test]
async fn an_answer_in_place_keeps_the_call_from_acting_or_hides_that_it_acted() {
    for (point, acted) in [(Point::BeforeAct, 0), (Point::AfterActBeforeAnswer, 1)] {
        let (qualio, _) = qualio().await;
        let answer = Answer {
            status: 503,
            headers: [("Retry-After".to_owned(), "7".to_owned())].into(),
            body: json!({ "message": "later" }),
        };
        let fault = Fault::new(Action::Answer(answer)).at(point).times(1);
        qualio.set_fault(fault).unwrap();
        let (status, body) = create(&qualio, "K").await.unwrap();
        assert_eq!((status, body.as_str()), (503, r#"{"message":"later"}"#));
        assert_eq!(qualio.suppliers().len(), acted, "{point:?}");
        assert_eq!(create(&qualio, "K").await.unwrap().0, 200);
    }
}

#[tokio::test]
async fn a_dropped_call_gets_no_answer_and_acted_only_after_the_act() {
    for (point, acted) in [(Point::BeforeAct, 0), (Point::AfterActBeforeAnswer, 1)] {
        let (qualio, _) = qualio().await;
        let fault = Fault::new(Action::Drop).at(point).times(1);
        qualio.set_fault(fault).unwrap();
        assert_eq!(create(&qualio, "K").await, None, "{point:?}");
        assert_eq!(qualio.suppliers().len(), acted, "{point:?}");
        assert_eq!(qualio.calls()[0].ended, Ended::Cut);
    }
}

#[tokio::test]
async fn garbage_and_huge_bodies_are_answered_with_200() {
    let (qualio, _) = qualio().await;
    qualio
        .set_fault(Fault::new(Action::Garbage).times(1))
        .unwrap();
    let huge = Fault::new(Action::HugeBody(3_000_000)).times(1);
    qualio.set_fault(huge).unwrap();
    let (status, page) = create(&qualio, "K").await.unwrap();
    assert_eq!(status, 200);
    assert!(page.starts_with("<!DOCTYPE html>"));
    let (status, text) = create(&qualio, "K").await.unwrap();
    assert_eq!((status, text.len()), (200, 3_000_000));
    assert!(serde_json::from_str::<String>(&text).is_ok());
}

#[tokio::test]
async fn a_fault_strikes_only_the_calls_that_it_names() {
    let (qualio, clock) = qualio().await;
    let teapot = || Fault::new(Action::answer(418, Value::Null));
    let faults = [
        teapot().key("SUP-000001"),
        teapot().body_contains("SUP-000002"),
        teapot().method("PUT"),
        teapot().path_contains("/risks"),
        teapot().between(NOON_MS + 1_000, NOON_MS + 2_000),
        teapot().body_contains("SUP-000009").nth(2),
    ];
    for fault in faults {
        qualio.set_fault(fault).unwrap();
    }
    let cases = [
        (0, "SUP-000001", 418),
        (0, "SUP-000002", 418),
        (0, "SUP-000003", 200),
        (999, "SUP-000003", 200),
        (1_000, "SUP-000003", 418),
        (2_000, "SUP-000003", 200),
        (2_000, "SUP-000009", 200),
        (2_000, "SUP-000009", 418),
        (2_000, "SUP-000009", 200),
    ];
    for (after_ms, key, status) in cases {
        clock.set(NOON_MS + after_ms);
        assert_eq!(create(&qualio, key).await.unwrap().0, status, "{key}");
    }
    qualio.clear_faults();
    assert_eq!(create(&qualio, "SUP-000001").await.unwrap().0, 200);
    assert_eq!(qualio.fired().len(), 4);
}

#[tokio::test]
async fn a_call_whose_client_went_away_still_takes_effect_when_it_is_let_go() {
    let (qualio, _) = qualio().await;
    let gate = Gate::new();
    let (acted, mut has_acted) = mpsc::unbounded_channel();
    let hold = Fault::new(Action::Hold(gate.clone())).times(1);
    qualio.set_fault(hold).unwrap();
    let tell = Action::run(move |call| acted.send(call.seq).unwrap());
    let tell = Fault::new(tell).at(Point::AfterActBeforeAnswer);
    qualio.set_fault(tell).unwrap();

    let late = tokio::spawn(create_at(qualio.url(), "K".to_owned()));
    within(gate.reached(1)).await;
    late.abort();
    assert!(late.await.unwrap_err().is_cancelled());
    assert_eq!(create(&qualio, "K").await.unwrap().0, 200);
    assert_eq!(within(has_acted.recv()).await, Some(2));
    assert_eq!(qualio.created_by_key()["K"], 1);
    gate.open();
    assert_eq!(within(has_acted.recv()).await, Some(1));
    assert_eq!(qualio.created_by_key()["K"], 2);
}

#[tokio::test]
async fn a_delay_is_waited_for_before_or_after_the_act() {
    for point in [Point::BeforeAct, Point::AfterActBeforeAnswer] {
        let (qualio, _) = qualio().await;
        qualio
            .set_fault(Fault::new(Action::DelayMs(30)).at(point))
            .unwrap();
        assert_eq!(create(&qualio, "K").await.unwrap().0, 200);
        assert_eq!(qualio.calls()[0].faults, ["delay_ms"]);
    }
}

#[tokio::test]
async fn a_process_is_killed_at_each_point_of_a_call_as_asked_over_http() {
    // Point, answer of the call, effect of the call.
    let cases = [
        ("before_act", false, false),
        ("after_act_before_answer", false, true),
        ("after_answer", true, true),
        ("between_calls", true, true),
    ];
    for (point, answered, effect) in cases {
        let (qualio, _) = qualio().await;
        let mut victim = Victim::start();
        let fault = json!({ "at": point, "nth": 2, "do": { "kill_pid": victim.pid() } });
        let (status, set) = control(&qualio, "POST", "faults", fault).await;
        assert_eq!((status, set), (200, json!({ "ids": [1] })), "{point}");

        assert_eq!(create(&qualio, "K1").await.unwrap().0, 200, "{point}");
        assert!(qualio.fired().is_empty(), "{point}");
        assert_eq!(create(&qualio, "K2").await.is_some(), answered, "{point}");
        assert_eq!(victim.end().await.signal(), Some(9), "{point}");

        assert_eq!(qualio.calls()[1].effect, effect, "{point}");
        assert_eq!(qualio.suppliers().len(), 1 + usize::from(effect), "{point}");
        let (_, faults) = control(&qualio, "GET", "faults", Value::Null).await;
        assert_eq!(faults["fired"][0]["at"], point);
        assert_eq!(faults["fired"][0]["seq"], 2);
        assert_eq!(faults["fired"][0]["key"], "K2");
    }
}

#[tokio::test]
async fn between_calls_waits_until_no_call_is_in_hand() {
    let (qualio, _) = qualio().await;
    let gate = Gate::new();
    let (told, mut events) = mpsc::unbounded_channel();
    let slow = Fault::new(Action::Hold(gate.clone())).key("SLOW");
    qualio.set_fault(slow).unwrap();
    // Far longer than the quiet time below: a kill that looks only at arrivals would strike.
    let delayed = Fault::new(Action::DelayMs(60)).key("DELAYED");
    qualio.set_fault(delayed).unwrap();
    let ended = told.clone();
    let tell = Action::run(move |call| ended.send(format!("answered {}", call.seq)).unwrap());
    let tell = Fault::new(tell).at(Point::AfterAnswer);
    qualio.set_fault(tell).unwrap();
    let tell = Action::run(move |call| told.send(format!("between {}", call.seq)).unwrap());
    let mut tell = Fault::new(tell).at(Point::BetweenCalls).nth(1);
    tell.quiet_ms = Some(1);
    qualio.set_fault(tell).unwrap();

    let slow = tokio::spawn(create_at(qualio.url(), "SLOW".to_owned()));
    within(gate.reached(1)).await;
    assert_eq!(create(&qualio, "QUICK").await.unwrap().0, 200);
    assert_eq!(within(events.recv()).await.unwrap(), "answered 2");
    assert_eq!(create(&qualio, "DELAYED").await.unwrap().0, 200);
    assert_eq!(within(events.recv()).await.unwrap(), "answered 3");
    gate.open();
    assert_eq!(slow.await.unwrap().unwrap().0, 200);
    assert_eq!(within(events.recv()).await.unwrap(), "answered 1");
    assert_eq!(within(events.recv()).await.unwrap(), "between 2");
}

#[tokio::test]
async fn faults_that_could_not_do_what_they_say_are_refused() {
    let (qualio, _) = qualio().await;
    let own = std::process::id();
    let cases = [
        (Fault::new(Action::KillPid(0)), FaultError::Pid),
        (Fault::new(Action::KillPid(1)), FaultError::Pid),
        (Fault::new(Action::KillPid(own)), FaultError::Pid),
        (
            Fault::new(Action::Drop).at(Point::AfterAnswer),
            FaultError::TooLate,
        ),
        (
            Fault::new(Action::Garbage).at(Point::BetweenCalls),
            FaultError::TooLate,
        ),
        (
            Fault::new(Action::answer(99, Value::Null)),
            FaultError::Status,
        ),
        (Fault::new(Action::Drop).nth(0), FaultError::Count),
        (Fault::new(Action::DelayMs(u64::MAX)), FaultError::Delay),
        (Fault::new(Action::HugeBody(usize::MAX)), FaultError::Body),
    ];
    for (fault, error) in cases {
        assert_eq!(qualio.set_fault(fault), Err(error));
    }
    let unknown = json!({ "at": "before_act", "nht": 2, "do": "drop" });
    let (status, body) = control(&qualio, "POST", "faults", unknown).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("nht"), "{body}");
}

#[tokio::test]
async fn kills_over_http_need_leave() {
    let clock = StandingClock::new(NOON_MS).clock();
    let qualio = QualioDouble::start(QualioConfig::new(clock, "a-key"));
    let qualio = qualio.await.unwrap();
    let mut victim = Victim::start();
    let fault = json!([{ "do": { "kill_pid": victim.pid() } }, { "do": "drop" }]);
    let (status, _) = control(&qualio, "POST", "faults", fault).await;
    assert_eq!(status, 403);
    assert_eq!(create(&qualio, "K").await.unwrap().0, 200);
    let child = victim.0.as_mut().unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
}

#[tokio::test]
async fn a_dropped_double_listens_no_more() {
    let (qualio, _) = qualio().await;
    let addr = qualio.addr();
    drop(qualio);
    let refused = async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
}
