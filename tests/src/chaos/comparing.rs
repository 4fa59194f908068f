//! Reconciliations of a story: a whole comparison, and again what of it was cut off or broke.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_engine::{Event, ReconcileReport, RunEnd, ports::Clock};
use tidegate_simulator::ProcessKind;

use super::{flow::FLOW, site::RARE_TIMES, story::Told};

/// Invocations for one reconciliation at most: rare calls fail twice in a story, each ends one.
const PARTS: u32 = 40;
/// The last one may miss the target so often: at rare calls is aimed when all is calm, too, and those of
/// a listing fail at most this often.
const AIMED_AT: u64 = RARE_TIMES;
/// What broke, missed the target or was held by another comes again after this.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Which of a story's comparisons it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// One amid all that goes wrong.
    Early,
    /// The last, when nothing goes wrong any more: it has no reason not to complete.
    Last,
}

/// Compares everything, once to its end.
pub(super) async fn reconcile(told: Arc<Told>, which: Which) {
    told.ledger.with(|state| state.comparing += 1);
    let mut next = asked();
    let mut end = Err("it was never begun".to_owned());
    let mut aimed_at = AIMED_AT;
    for _ in 0..PARTS {
        let Event::ReconcileRequested { flow, request, .. } = next.clone() else {
            break;
        };
        let timeout = told.plan.run_time;
        let compared = told.world.ask(ProcessKind::Reconcile, |engine| async move {
            let deadline = engine.now() + timeout;
            engine.reconcile(&flow, &request, deadline).await
        });
        match compared.await {
            Ok(Ok(report)) if report.end == RunEnd::Complete => {
                let again = which == Which::Last && report.not_compared.is_some() && aimed_at > 0;
                end = Ok(report);
                if !again {
                    break;
                }
                aimed_at -= 1;
                tokio::time::sleep(AGAIN).await;
                next = asked();
            }
            Ok(Ok(report)) if report.end == RunEnd::Continues => {
                end = Err("it was cut off again and again".to_owned());
                if let Some(rest) = told.ledger.with(|state| state.rest.take()) {
                    next = rest;
                }
            }
            other => {
                end = Err(match other {
                    Ok(Ok(report)) => format!("{:?}", report.end),
                    Ok(Err(error)) => error.to_string(),
                    Err(died) => died.to_string(),
                });
                tokio::time::sleep(AGAIN).await;
                next = asked();
            }
        }
    }
    let now = told.clock.now();
    told.ledger.with(|state| {
        state.comparing -= 1;
        let fault = match &end {
            Ok(report) => fault_of(report, which),
            Err(why) if which == Which::Last => Some(format!("it did not complete: {why}")),
            Err(_) => None,
        };
        if let Some(what) = fault {
            let what = format!("a comparison was asked for, and {what}");
            state.book.fault("OUT-1", now, None, what);
        }
    });
}

/// OUT-1: a complete comparison says how each key ended, and the last one compared the target too.
fn fault_of(report: &ReconcileReport, which: Which) -> Option<String> {
    let findings = json!(report.findings);
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let terms = findings.as_object().into_iter().flatten();
    let named = terms.filter(|(name, _)| *name != "compared");
    let named: u64 = named.map(|(_, value)| count(value)).sum();
    if findings.get("compared").map(count) != Some(named) {
        return Some(format!("its counts do not add up: {findings}"));
    }
    let why = report
        .not_compared
        .as_ref()
        .filter(|_| which == Which::Last)?;
    Some(format!("the target was not compared: {why}"))
}

fn asked() -> Event {
    let event = json!({ "detail-type": "ReconcileRequested", "detail": { "flow": FLOW } });
    serde_json::from_value(event).expect("an event")
}
