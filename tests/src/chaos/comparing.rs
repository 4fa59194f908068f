//! Reconciliations of a story: a whole comparison, and again what of it was cut off or broke.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidegate_engine::{Event, RunEnd};
use tidegate_simulator::{Died, ProcessKind};

use super::{flow::FLOW, story::Told};

/// Invocations for one reconciliation at most: rare calls fail twice in a story, each ends one.
const PARTS: u32 = 40;
/// What broke or was held by another comes again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// Compares everything, once to its end.
pub(super) async fn reconcile(told: Arc<Told>) {
    told.ledger.with(|state| state.comparing += 1);
    let mut next = asked();
    for _ in 0..PARTS {
        let Event::ReconcileRequested { flow, request } = next.clone() else {
            break;
        };
        let timeout = told.plan.run_time;
        let compared = told.world.ask(ProcessKind::Reconcile, |engine| async move {
            let deadline = engine.now() + timeout;
            engine.reconcile(&flow, &request, deadline).await
        });
        // What dies beside another in one process is not always told so.
        let ended = tokio::time::timeout(timeout * 2, compared).await;
        match ended.unwrap_or(Err(Died)) {
            Ok(Ok(report)) if report.end == RunEnd::Complete => break,
            Ok(Ok(report)) if report.end == RunEnd::Continues => {
                if let Some(rest) = told.ledger.with(|state| state.rest.take()) {
                    next = rest;
                }
            }
            _ => {
                tokio::time::sleep(AGAIN).await;
                next = asked();
            }
        }
    }
    told.ledger.with(|state| state.comparing -= 1);
}

fn asked() -> Event {
    let event = json!({ "detail-type": "ReconcileRequested", "detail": { "flow": FLOW } });
    serde_json::from_value(event).expect("an event")
}
