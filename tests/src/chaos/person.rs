//! A person who looks after the flow.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tidegate_engine::{api::ReviewId, ports::Clock};
use tidegate_simulator::ProcessKind;

use super::{
    flow::FLOW,
    ledger::{record_of, text},
    story::{Told, flow},
};

/// How long a person takes to see to a blocked flow.
const PERSON: Duration = Duration::from_secs(90);

/// A person who looks in from time to time: resumes a blocked flow, and sends again what is in review
/// for reasons that may be gone.
pub(super) async fn person(told: Arc<Told>) {
    let mut replayed: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        tokio::time::sleep(PERSON).await;
        let now = told.clock.now();
        let (blocked, reviews) = told.ledger.with(|state| {
            let blocked = state.items.iter().any(|(key, item)| {
                let has = |name: &str| item.contains_key(name);
                let paused = has("pause_source") || has("pause_target");
                key.partition.starts_with("flow#")
                    && key.sort == "state"
                    && (has("blocker") || now >= told.plan.calm && paused)
            });
            let gone = ["retries_spent", "refused", "dead_letter"];
            let reviews: Vec<String> = state
                .items
                .iter()
                .filter(|(_, item)| {
                    text(Some(item), "rv")
                        .is_some_and(|cause| gone.iter().any(|kind| cause.contains(kind)))
                })
                .filter_map(|(key, _)| record_of(key).map(str::to_owned))
                .collect();
            (blocked, reviews)
        });
        if blocked {
            resume(&told).await;
        }
        for record in reviews {
            // What comes back after a second try is for the next working day.
            let tries = replayed.entry(record.clone()).or_default();
            *tries += 1;
            if *tries > 4 {
                continue;
            }
            let id = format!("{FLOW}~{record}");
            let asked = told.world.ask(ProcessKind::Api, |engine| async move {
                let Some(id) = ReviewId::parse(&id) else {
                    return;
                };
                drop(engine.replay(&id).await);
            });
            asked.await.unwrap_or(());
        }
    }
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
