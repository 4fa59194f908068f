//! A person who looks after the flow.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use tidegate_engine::{
    api::{Access, EditRequest, ReviewId},
    ports::Clock,
};
use tidegate_simulator::ProcessKind;

use super::{
    check::{decision::Edit, register::PUT_BACK_AT_SOURCE},
    flow::FLOW,
    ledger::{record_of, text},
    locked,
    plan::Push,
    push,
    story::{Told, flow},
};

/// Looks at one record at most: what comes back after them is for the next working day.
const TRIES: u32 = 4;
/// A newer version of what was edited is told so long after it.
const TOUCHED_AFTER: Duration = Duration::from_secs(2);
/// Reviews that may be sent again as they are: the reason may be gone, or a person was to look.
const MAY_PASS: [&str; 4] = [
    "retries_spent",
    "refused",
    "dead_letter",
    PUT_BACK_AT_SOURCE,
];

/// What a person does about a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Replay,
    Edit,
    Discard,
}

/// A person who looks in from time to time: resumes a blocked flow, and sees to what is in review.
pub(super) async fn person(told: Arc<Told>) {
    let mut looks: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        tokio::time::sleep(Duration::from_secs(told.plan.dose.person_s)).await;
        let now = told.clock.now();
        let (blocked, reviews) = told.ledger.with(|state| {
            let blocked = state.items.iter().any(|(key, item)| {
                let has = |name: &str| item.contains_key(name);
                let paused = has("pause_source") || has("pause_target");
                key.partition.starts_with("flow#")
                    && key.sort == "state"
                    && (has("blocker") || now >= told.plan.calm && paused)
            });
            let reviews: Vec<(String, String)> = state
                .items
                .iter()
                .filter_map(|(key, item)| {
                    let cause = text(Some(item), "rv")?;
                    Some((record_of(key)?.to_owned(), cause.to_owned()))
                })
                .collect();
            (blocked, reviews)
        });
        if blocked {
            resume(&told).await;
        }
        for (record, cause) in reviews {
            let tries = looks.entry(record.clone()).or_default();
            *tries += 1;
            if *tries > TRIES {
                continue;
            }
            if let Some(choice) = choice(&told, &record, *tries, &cause) {
                decide(&told, &record, *tries, choice).await;
                if choice == Choice::Edit {
                    touch(&told, &record, *tries);
                }
            }
        }
    }
}

/// What is done about a review; `None` leaves it to others.
fn choice(told: &Told, record: &str, tries: u32, cause: &str) -> Option<Choice> {
    let (edits, discards) = told.plan.dose.decides;
    let about = format!("{record} {tries}");
    let drawn = told.plan.dice.between(0, 99, "person", &about, 0);
    let is = |kind: &str| cause.contains(&format!("\"{kind}\""));
    if drawn < discards {
        return Some(Choice::Discard);
    }
    // It would be refused again.
    if is("invalid") {
        return Some(Choice::Edit);
    }
    let may_pass = MAY_PASS.iter().any(|kind| is(kind));
    may_pass.then_some(if drawn < discards + edits {
        Choice::Edit
    } else {
        Choice::Replay
    })
}

async fn decide(told: &Told, record: &str, tries: u32, choice: Choice) {
    let Some(id) = ReviewId::parse(&format!("{FLOW}~{record}")) else {
        return;
    };
    let edit = Edit {
        level: 10 + i64::from(tries),
        note: format!("§edited {tries}"),
    };
    if choice == Choice::Edit {
        told.ledger.with(|state| {
            state
                .decisions
                .asked
                .insert(record.to_owned(), edit.clone());
        });
    }
    let asked = told.world.ask(ProcessKind::Api, |engine| async move {
        if choice == Choice::Edit {
            let fields = json!({ "level": edit.level, "note": edit.note });
            let request = json!({ "fields": fields, "by": "person", "why": "a test" });
            let request: EditRequest = serde_json::from_value(request).expect("an edit");
            if engine
                .edit_review(&id, request, Access::Fields)
                .await
                .is_err()
            {
                // It is still there, or another has seen to it.
                return;
            }
        }
        drop(match choice {
            Choice::Discard => engine.discard(&id).await,
            Choice::Replay | Choice::Edit => engine.replay(&id).await,
        });
    });
    asked.await.unwrap_or(());
}

/// The source gives a newer version of what was edited: the edit stands.
fn touch(told: &Arc<Told>, record: &str, tries: u32) {
    let about = format!("{record} {tries}");
    let drawn = told.plan.dice.between(0, 99, "touch", &about, 0);
    let now = told.clock.now();
    if drawn >= told.plan.dose.touched || now >= told.plan.calm {
        return;
    }
    let order = told.plan.order;
    let row = locked(&told.systems.source).change(record, (now, now), order, |_| {});
    tokio::spawn(push::pushed(
        Arc::clone(told),
        row,
        Push::Whole,
        TOUCHED_AFTER,
    ));
}

pub(super) async fn resume(told: &Told) {
    for _ in 0..6 {
        let asked = told.world.ask(ProcessKind::Api, |engine| async move {
            engine.resume(&flow(), "person").await.is_ok()
        });
        if asked.await == Ok(true) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}
