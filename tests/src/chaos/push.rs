//! Webhooks: a source, or a stranger, tells of a change. HOOK-1 is judged by what it is answered.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use standardwebhooks::Webhook;
use tidegate_engine::{HookAnswer, HookOutcome, HookRequest, ports::Clock};
use tidegate_model::UnixMs;
use tidegate_simulator::ProcessKind;

use super::{
    flow::FLOW,
    ledger::{record_of, text},
    locked,
    plan::{Order, Push},
    source::Row,
    story::{SECRETS, Told},
};

/// How often a sender repeats a webhook that was not answered with 2xx, and how long it waits.
const HOOK_TRIES: u32 = 4;
const HOOK_WAIT: Duration = Duration::from_secs(15);
/// The secret of a stranger.
const STRANGER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A source's webhook, repeated until it is answered with 2xx.
pub(super) async fn pushed(told: Arc<Told>, row: Row, push: Push, wait: Duration) {
    if push == Push::Missed {
        return;
    }
    tokio::time::sleep(wait).await;
    let whole = push == Push::Whole && !row.gone;
    let body = if whole {
        json!({ "id": row.key, "row": row.json() })
    } else {
        json!({ "id": row.key })
    };
    let id = {
        let mut hooks = locked(&told.hooks);
        *hooks += 1;
        format!("hook-{hooks}")
    };
    let open = |step: i64| {
        told.ledger.with(|state| {
            let open = state.unanswered.entry(row.key.clone()).or_default();
            *open = open.saturating_add_signed(step);
        });
    };
    open(1);
    for _ in 0..HOOK_TRIES {
        if once(&told, &row, (push, whole), &id, &body.to_string()).await {
            // What was accepted is accepted again, and changes nothing.
            if id.ends_with('3') {
                once(&told, &row, (push, whole), &id, &body.to_string()).await;
            }
            open(-1);
            return;
        }
        tokio::time::sleep(HOOK_WAIT).await;
    }
    // Given up: the next run or the sweep sees to it, so it stays among the unanswered.
}

async fn once(told: &Told, row: &Row, (push, whole): (Push, bool), id: &str, body: &str) -> bool {
    let secret = match push {
        Push::Forged => STRANGER,
        // Either secret is good.
        _ if id.ends_with('7') => SECRETS[1],
        _ => SECRETS[0],
    };
    let timestamp = told.clock.now().0 / 1_000;
    let signer = Webhook::new(secret).expect("a secret");
    let signature = signer
        .sign(id, timestamp, body.as_bytes())
        .expect("a signature");
    let began = told.clock.now();
    let (id, timestamp, body) = (id.to_owned(), timestamp.to_string(), body.to_owned());
    let asked = told.world.ask(ProcessKind::Webhook, |engine| async move {
        let request = HookRequest {
            flow: FLOW,
            id: &id,
            timestamp: &timestamp,
            signature: &signature,
            body: body.as_bytes(),
        };
        engine.webhook(request).await
    });
    let Ok(Ok(answer)) = asked.await else {
        return false;
    };
    hook_is_kept(told, row, (push, whole), &answer, began);
    true
}

/// HOOK-1: 2xx only when the change is durable; nothing is done for a stranger.
fn hook_is_kept(
    told: &Told,
    row: &Row,
    (push, whole): (Push, bool),
    answer: &HookAnswer,
    began: UnixMs,
) {
    let now = told.clock.now();
    told.ledger.with(|state| {
        let fault = match (push, answer) {
            (Push::Forged, HookAnswer::Unauthorized) => None,
            (Push::Forged, other) => Some(format!("a stranger's webhook was answered {other:?}")),
            (_, HookAnswer::Accepted(outcome)) => {
                let found = state
                    .items
                    .iter()
                    .find(|(key, _)| record_of(key) == Some(row.key.as_str()));
                let item = found.map(|(_, item)| item);
                let staged =
                    text(item, "dv").and_then(|version| version.get(..20)?.parse::<u64>().ok());
                let versioned = whole && told.plan.order != Order::Read;
                if versioned {
                    let kept = staged.unwrap_or(0) >= row.number(told.plan.order);
                    // Another's stage of the same change is for that other to queue.
                    let sent = state.messages.last_sent.get(&row.key);
                    let queued =
                        *outcome != HookOutcome::Critical || sent.is_some_and(|at| *at >= began);
                    (!kept || !queued).then(|| {
                        format!("answered {outcome:?}, staged is {staged:?}, queued: {queued}")
                    })
                } else {
                    let sent = state
                        .messages
                        .last_sent
                        .get(&row.key)
                        .is_some_and(|at| *at >= began);
                    let known = *outcome == HookOutcome::Known;
                    (!sent && !known)
                        .then(|| format!("answered {outcome:?}, and nothing was queued"))
                }
            }
            (_, other) => Some(format!("a good webhook was answered {other:?}")),
        };
        if let Some(what) = fault {
            state.book.fault("HOOK-1", now, Some(&row.key), what);
        }
    });
}
