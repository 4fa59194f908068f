//! What schedules and the bus ask of a function.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_engine::Event;
use tidegate_model::{EventId, FlowId, UnixMs};
use tidegate_policy::{
    audit::AuditRequest,
    load::LoadRequest,
    reconcile::ReconcileRequest,
    run::{Mode, RunRequest, Trigger},
};

use super::{Arrival, BatchAnswer, EventError, arrivals};

const DETAIL_TYPE: &str = "detail-type";
const RUN: &str = "a run: {\"flow\", \"window\" or \"trigger\"} or RunRequested";
const RECONCILE: &str = "a reconciliation: {\"flow\", \"window\"} or ReconcileRequested";
const AUDIT: &str = "an audit: {\"flow\", \"window\"} or AuditRequested";
const LOAD: &str = "a load: {\"flow\", \"compare\"} or LoadRequested";
const SWEEP: &str = "SweepRequested";
const DIGEST: &str = "{\"digest\": \"daily\"} or dead letters";

/// What a schedule sends, or a rule for an event that starts a batch. A key that is misspelt is an
/// error, not a default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scheduled {
    flow: FlowId,
    window: Option<String>,
    mode: Option<Mode>,
    trigger: Option<Triggered>,
}

/// What a rule's input transformer takes out of an event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggered {
    id: EventId,
    time: String,
}

/// Which run of which flow is asked for: by a schedule, by a rule for an event that starts a batch, or
/// by `RunRequested` on the bus.
pub fn run_request(event: &Value) -> Result<(FlowId, RunRequest), EventError> {
    if let Some(event) = from_bus(event, RUN)? {
        return match event {
            Event::RunRequested { flow, request, .. } => Ok((flow, request)),
            other => Err(unexpected(&other, RUN)),
        };
    }
    let Scheduled {
        flow,
        window,
        mode,
        trigger,
    } = Scheduled::deserialize(event).map_err(|source| EventError::Form { form: RUN, source })?;
    let window = window.map(moment).transpose()?;
    let trigger = match trigger {
        Some(Triggered { id, time }) => Some(Trigger {
            id,
            at: moment(time)?,
        }),
        None => None,
    };
    let request = RunRequest {
        window,
        mode,
        lookback_s: None,
        resume: None,
        trigger,
    };
    Ok((flow, request))
}

/// What the daily schedule sends, or a person for a window.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Daily {
    flow: FlowId,
    window: Option<String>,
}

/// Which flow is to be reconciled: by the daily schedule, or by `ReconcileRequested` on the bus.
pub fn reconcile_request(event: &Value) -> Result<(FlowId, ReconcileRequest), EventError> {
    if let Some(event) = from_bus(event, RECONCILE)? {
        return match event {
            Event::ReconcileRequested { flow, request, .. } => Ok((flow, request)),
            other => Err(unexpected(&other, RECONCILE)),
        };
    }
    let form = RECONCILE;
    let Daily { flow, window } =
        Daily::deserialize(event).map_err(|source| EventError::Form { form, source })?;
    let request = ReconcileRequest {
        window: window.map(moment).transpose()?,
        ..ReconcileRequest::default()
    };
    Ok((flow, request))
}

/// Which flow is to be audited: by `AuditRequested` on the bus, or by hand.
pub fn audit_request(event: &Value) -> Result<(FlowId, AuditRequest), EventError> {
    if let Some(event) = from_bus(event, AUDIT)? {
        return match event {
            Event::AuditRequested { flow, request, .. } => Ok((flow, request)),
            other => Err(unexpected(&other, AUDIT)),
        };
    }
    let form = AUDIT;
    let Daily { flow, window } =
        Daily::deserialize(event).map_err(|source| EventError::Form { form, source })?;
    let request = AuditRequest {
        window: window.map(moment).transpose()?,
        resume: None,
    };
    Ok((flow, request))
}

/// What a person sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    flow: FlowId,
    #[serde(default)]
    compare: bool,
}

/// Which flow is to be loaded into its warehouse: by `LoadRequested` on the bus, or by hand.
pub fn load_request(event: &Value) -> Result<(FlowId, LoadRequest), EventError> {
    if let Some(event) = from_bus(event, LOAD)? {
        return match event {
            Event::LoadRequested { flow, request, .. } => Ok((flow, request)),
            other => Err(unexpected(&other, LOAD)),
        };
    }
    let form = LOAD;
    let Load { flow, compare } =
        Load::deserialize(event).map_err(|source| EventError::Form { form, source })?;
    Ok((flow, LoadRequest { compare }))
}

/// Which flow is to be swept now; `None`: all of them, since any other event is the heartbeat.
pub fn sweep_request(event: &Value) -> Result<Option<FlowId>, EventError> {
    if event.get(DETAIL_TYPE).and_then(Value::as_str) != Some(SWEEP) {
        return Ok(None);
    }
    match from_bus(event, SWEEP)? {
        Some(Event::SweepRequested { flow, .. }) => Ok(Some(flow)),
        _ => Ok(None),
    }
}

/// What the digest is asked for.
#[derive(Debug)]
pub enum DigestRequest {
    /// The daily mail.
    Daily,
    /// Dead letters are to be kept for a person; the answer says which to try again.
    DeadLetters(Vec<Arrival>, BatchAnswer),
}

/// Reads the digest's event.
pub fn digest_request(event: Value) -> Result<DigestRequest, EventError> {
    if event.get("Records").is_some() {
        let (letters, answer) = arrivals(event)?;
        return Ok(DigestRequest::DeadLetters(letters, answer));
    }
    match event.get("digest").and_then(Value::as_str) {
        Some("daily") => Ok(DigestRequest::Daily),
        _ => Err(EventError::Kind {
            found: kind(&event),
            expected: DIGEST,
        }),
    }
}

/// The event in an envelope of EventBridge; `None` when there is no envelope.
fn from_bus(event: &Value, form: &'static str) -> Result<Option<Event>, EventError> {
    let Some(name) = event.get(DETAIL_TYPE) else {
        return Ok(None);
    };
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let inner = json!({ DETAIL_TYPE: name, "detail": detail });
    let read = serde_json::from_value(inner);
    read.map(Some)
        .map_err(|source| EventError::Form { form, source })
}

fn moment(text: String) -> Result<UnixMs, EventError> {
    match text.parse::<Timestamp>() {
        Ok(time) => Ok(UnixMs(time.as_millisecond())),
        Err(_) => Err(EventError::Time(text)),
    }
}

fn unexpected(event: &Event, expected: &'static str) -> EventError {
    let form = serde_json::to_value(event).unwrap_or_default();
    EventError::Kind {
        found: kind(&form),
        expected,
    }
}

/// What an event says it is. Never its content.
fn kind(event: &Value) -> String {
    let name = event.get(DETAIL_TYPE).and_then(Value::as_str);
    name.unwrap_or("of no known kind").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(name: &str, detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": name,
            "source": "tidegate",
            "account": "123456789012",
            "time": "2026-10-08T16:53:06Z",
            "region": "us-east-1",
            "resources": [],
            "detail": detail
        })
    }

    #[test]
    fn a_window_of_a_schedule_is_known_by_its_time() {
        let event = json!({"flow": "suppliers", "window": "2026-11-20T02:00:00Z"});
        let (flow, request) = run_request(&event).unwrap();
        assert_eq!(flow.as_str(), "suppliers");
        assert_eq!(request.window, Some(UnixMs(1_795_140_000_000)));
        assert_eq!(request.mode, None);
    }

    #[test]
    fn a_schedule_may_say_how_to_read_and_may_not_be_misspelt() {
        let event = json!({"flow": "suppliers", "mode": "initial"});
        assert_eq!(run_request(&event).unwrap().1.mode, Some(Mode::Initial));
        let event = json!({"flow": "suppliers", "windov": "2026-11-20T02:00:00Z"});
        assert!(run_request(&event).is_err());
        let event = json!({"flow": "suppliers", "window": "<aws.scheduler.scheduled-time>"});
        assert!(matches!(run_request(&event), Err(EventError::Time(_))));
    }

    #[test]
    fn a_run_asked_for_on_the_bus_arrives_as_it_was_sent() {
        let sent = Event::RunRequested {
            flow: FlowId::try_new("suppliers").unwrap(),
            request: RunRequest {
                window: Some(UnixMs(7)),
                mode: Some(Mode::Incremental),
                lookback_s: Some(60),
                resume: None,
                trigger: None,
            },
            request_id: None,
        };
        let form = serde_json::to_value(&sent).unwrap();
        let event = envelope("RunRequested", &form["detail"]);
        let (flow, request) = run_request(&event).unwrap();
        assert_eq!(
            Event::RunRequested {
                flow,
                request,
                request_id: None
            },
            sent
        );
    }

    #[test]
    fn a_reconciliation_is_asked_for_by_its_schedule_and_by_the_bus() {
        let flow = FlowId::try_new("suppliers").unwrap();
        let daily = json!({"flow": "suppliers", "window": "2026-11-20T03:00:00Z"});
        let (found, request) = reconcile_request(&daily).unwrap();
        assert_eq!(found, flow);
        assert_eq!(request.window, Some(UnixMs(1_795_143_600_000)));
        let sent = Event::ReconcileRequested {
            flow,
            request: ReconcileRequest {
                accept_absent: true,
                ..request
            },
            request_id: None,
        };
        let form = serde_json::to_value(&sent).unwrap();
        let event = envelope("ReconcileRequested", &form["detail"]);
        let (flow, request) = reconcile_request(&event).unwrap();
        assert_eq!(
            Event::ReconcileRequested {
                flow,
                request,
                request_id: None
            },
            sent
        );
        let other = envelope("SweepRequested", &json!({"flow": "suppliers"}));
        assert!(reconcile_request(&other).is_err());
        let misspelt = json!({"flow": "suppliers", "windov": "2026-11-20T03:00:00Z"});
        assert!(reconcile_request(&misspelt).is_err());
    }

    #[test]
    fn an_audit_is_asked_for_by_the_bus_and_by_hand() {
        let flow = FlowId::try_new("suppliers").unwrap();
        let by_hand = json!({"flow": "suppliers", "window": "2026-11-20T01:00:00Z"});
        let (found, request) = audit_request(&by_hand).unwrap();
        assert_eq!(found, flow);
        assert_eq!(request.window, Some(UnixMs(1_795_136_400_000)));
        let sent = Event::AuditRequested {
            flow,
            request: request.clone(),
            request_id: None,
        };
        let form = serde_json::to_value(&sent).unwrap();
        let event = envelope("AuditRequested", &form["detail"]);
        assert_eq!(audit_request(&event).unwrap(), (found, request));
        let other = envelope("ReconcileRequested", &json!({"flow": "suppliers"}));
        assert!(audit_request(&other).is_err());
        let misspelt = json!({"flow": "suppliers", "windov": "2026-11-20T01:00:00Z"});
        assert!(audit_request(&misspelt).is_err());
    }

    #[test]
    fn an_event_that_starts_a_batch_is_known_by_its_id() {
        let event = json!({
            "flow": "contacts",
            "trigger": {"id": "53dc4d37-cffa", "time": "2026-11-20T02:00:00Z"},
        });
        let (flow, request) = run_request(&event).unwrap();
        assert_eq!(flow.as_str(), "contacts");
        let trigger = Trigger {
            id: EventId::try_new("53dc4d37-cffa").unwrap(),
            at: UnixMs(1_795_140_000_000),
        };
        let expected = RunRequest {
            trigger: Some(trigger),
            ..RunRequest::default()
        };
        assert_eq!(request, expected);
        for wrong in [
            json!({"id": "", "time": "2026-11-20T02:00:00Z"}),
            json!({"id": "a", "time": "<time>"}),
            json!({"id": "a"}),
            json!({"id": "a", "time": "2026-11-20T02:00:00Z", "source": "crm"}),
        ] {
            let event = json!({"flow": "contacts", "trigger": wrong});
            assert!(run_request(&event).is_err(), "{event}");
        }
    }

    #[test]
    fn another_event_of_the_bus_starts_no_run() {
        let event = envelope("SweepRequested", &json!({"flow": "suppliers"}));
        let refused = run_request(&event).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("the event is SweepRequested")
        );
    }

    #[test]
    fn a_sweep_is_of_one_flow_when_the_bus_names_it_and_of_all_otherwise() {
        let asked = envelope("SweepRequested", &json!({"flow": "suppliers"}));
        let flow = FlowId::try_new("suppliers").unwrap();
        assert_eq!(sweep_request(&asked).unwrap(), Some(flow));
        for heartbeat in [
            json!({}),
            Value::Null,
            envelope("Scheduled Event", &json!({})),
        ] {
            assert_eq!(sweep_request(&heartbeat).unwrap(), None);
        }
        assert!(sweep_request(&envelope("SweepRequested", &json!({}))).is_err());
    }

    #[test]
    fn the_digest_tells_its_schedule_from_dead_letters() {
        let daily = digest_request(json!({"digest": "daily"})).unwrap();
        assert!(matches!(daily, DigestRequest::Daily));
        let dead = json!({"Records": [{"messageId": "a", "receiptHandle": "h", "body": "x"}]});
        let dead = digest_request(dead).unwrap();
        assert!(matches!(dead, DigestRequest::DeadLetters(letters, _) if letters.len() == 1));
        assert!(digest_request(json!({})).is_err());
    }
}
