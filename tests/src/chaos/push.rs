//! Webhooks: a source, or a stranger, tells of a change. HOOK-1 is judged by what it is answered.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use standardwebhooks::Webhook;
use tidegate_engine::{HookAnswer, HookOutcome, HookRequest, ports::Clock};
use tidegate_model::UnixMs;
use tidegate_simulator::ProcessKind;

use super::{
    flow::FLOW,
    locked,
    plan::{Order, Push},
    source::Row,
    story::{SECRETS, Told},
};

/// How long a sender waits before it repeats a webhook that was not answered with 2xx.
const HOOK_WAIT: Duration = Duration::from_secs(8);
/// How long after a row the same version comes with other content.
const TORN_WAIT: Duration = Duration::from_secs(4);
/// The secret of a stranger.
const STRANGER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A source's webhook, repeated until it is answered with 2xx.
pub(super) async fn pushed(told: Arc<Told>, row: Row, push: Push, wait: Duration) {
    if push == Push::Missed {
        return;
    }
    tokio::time::sleep(wait).await;
    told_of(&told, &row, push).await;
    if push == Push::Torn {
        tokio::time::sleep(TORN_WAIT).await;
        if let Some(torn) = torn(&told, &row) {
            told_of(&told, &torn, push).await;
        }
    }
}

/// The version of a row with the content before it. Only of a version that is staged: of whichever
/// comes first, nobody can know that it is the wrong one.
fn torn(told: &Told, row: &Row) -> Option<Row> {
    let number = row.number(told.plan.order);
    let staged = told.ledger.with(|state| state.staged(&row.key));
    if row.gone || number == 0 || staged.is_none_or(|staged| staged < number) {
        return None;
    }
    let mut torn = row.clone();
    torn.content.level += 7;
    Some(torn)
}

async fn told_of(told: &Told, row: &Row, push: Push) {
    let whole = matches!(push, Push::Whole | Push::Torn) && !row.gone;
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
    let first = told.clock.now();
    let hook = Hook {
        row,
        push,
        whole,
        id: &id,
        first,
    };
    for _ in 0..told.plan.dose.hook_tries {
        if once(told, &hook, &body.to_string()).await {
            // What was accepted is accepted again, and changes nothing.
            if id.ends_with('3') {
                once(told, &hook, &body.to_string()).await;
            }
            open(-1);
            return;
        }
        tokio::time::sleep(HOOK_WAIT).await;
    }
    // Given up: the next run or the sweep sees to it, so it stays among the unanswered.
}

/// A webhook.
struct Hook<'a> {
    row: &'a Row,
    push: Push,
    whole: bool,
    id: &'a str,
    /// When it was first sent.
    first: UnixMs,
}

async fn once(told: &Told, hook: &Hook<'_>, body: &str) -> bool {
    let id = hook.id;
    let secret = match hook.push {
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
            headers: &[
                ("webhook-id", &id),
                ("webhook-timestamp", &timestamp),
                ("webhook-signature", &signature),
            ],
            query: &[],
            body: body.as_bytes(),
        };
        engine.webhook(request).await
    });
    let Ok(Ok(answer)) = asked.await else {
        return false;
    };
    hook_is_kept(told, hook, &answer, began);
    true
}

/// HOOK-1: 2xx only when the change is durable; nothing is done for a stranger.
fn hook_is_kept(told: &Told, hook: &Hook<'_>, answer: &HookAnswer, began: UnixMs) {
    let now = told.clock.now();
    let key = hook.row.key.as_str();
    told.ledger.with(|state| {
        let sent_since = |from: UnixMs| {
            let sent = state.messages.last_sent.get(key);
            sent.is_some_and(|at| *at >= from)
        };
        let fault = match (hook.push, answer) {
            (Push::Forged, HookAnswer::Unauthorized) => None,
            (Push::Forged, other) => Some(format!("a stranger's webhook was answered {other:?}")),
            (_, HookAnswer::Accepted(outcome)) if hook.whole && told.plan.order != Order::Read => {
                let staged = state.staged(key);
                let kept = staged.unwrap_or(0) >= hook.row.number(told.plan.order);
                // Another's stage of the same change is for that other to queue.
                let queued = *outcome != HookOutcome::Critical || sent_since(began);
                (!kept || !queued).then(|| {
                    format!("answered {outcome:?}, staged is {staged:?}, queued: {queued}")
                })
            }
            // What is known already was queued when it came for the first time.
            (_, HookAnswer::Accepted(HookOutcome::Known)) => (!sent_since(hook.first))
                .then(|| "answered as known, and nothing was ever queued for it".to_owned()),
            (_, HookAnswer::Accepted(outcome)) => (!sent_since(began))
                .then(|| format!("answered {outcome:?}, and nothing was queued")),
            (_, other) => Some(format!("a good webhook was answered {other:?}")),
        };
        if let Some(what) = fault {
            state.book.fault("HOOK-1", now, Some(key), what);
        }
    });
}
