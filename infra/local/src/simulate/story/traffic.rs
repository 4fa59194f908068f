//! What changes at the source, and the webhooks that tell of it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidegate_engine::{HookRequest, ports::Clock as _};
use tidegate_simulator::{ProcessKind, TrueClock, World};
use tidegate_testkit::doubles::{Seed, erp::webhook::sign_body};

use super::micros;
use crate::simulate::{
    day::{Change, Kind},
    load::{ANY_SECRET, Loaded},
    network::Network,
    rows::{Rows, hook_body},
    watch::{Class, Watch},
};

/// A sender of webhooks delivers so long after the change.
const HOOK_DELAY: Duration = Duration::from_millis(200);

/// Whether the source tells of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) enum Webhooks {
    /// Of each, where the flow has a webhook.
    OfEach,
    /// Of none.
    None,
}

/// What changes at the source, and who tells.
pub(in crate::simulate) struct Traffic {
    pub(super) clock: Arc<TrueClock>,
    pub(super) watch: Arc<Watch>,
    pub(super) network: Arc<Network>,
    pub(super) world: Arc<World>,
    pub(super) rows: Arc<Rows>,
    pub(super) came: Arc<Came>,
    pub(super) webhooks: Webhooks,
}

/// What the source came to have.
#[derive(Default)]
pub(super) struct Came(Mutex<Changes>);

impl Came {
    pub(super) fn lock(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes by what they became, not by what was planned.
#[derive(Default)]
pub(in crate::simulate) struct Changes {
    /// New records.
    pub new: u64,
    /// Of a critical field.
    pub critical: u64,
    /// Of another one.
    pub other: u64,
    /// The records that they fell on.
    pub records: BTreeSet<String>,
}

impl Changes {
    pub(super) fn made(&self) -> u64 {
        self.new + self.critical + self.other
    }

    fn add(&mut self, kind: Kind, key: &str) {
        *match kind {
            Kind::New => &mut self.new,
            Kind::Critical => &mut self.critical,
            Kind::Other => &mut self.other,
        } += 1;
        if !self.records.contains(key) {
            self.records.insert(key.to_owned());
        }
    }
}

/// Lets the source have each change when it is due.
pub(super) async fn traffic(traffic: Traffic, changes: Vec<Change>, loaded: Loaded) {
    for change in changes {
        traffic.clock.wait_until(change.at).await;
        traffic.change(&loaded, change);
    }
}

impl Traffic {
    /// Lets the source have a change, and tells of it where the flow has a webhook.
    pub(in crate::simulate) fn change(&self, loaded: &Loaded, change: Change) {
        let runtime = &loaded.runtime;
        let mut seed = Seed::new(change.dice);
        let at_us = micros(change.at);
        let mut records = self.network.records();
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let made = if change.kind == Kind::New {
            let made = self.rows.first(&runtime.flow, count, at_us, &mut seed);
            made.ok().map(|made| (made, Kind::New))
        } else {
            let number = usize::try_from(seed.below(count)).unwrap_or(0);
            records.get(number).and_then(|before| {
                self.rows
                    .change(runtime, before, change.kind, at_us, &mut seed)
            })
        };
        // One that could not be made is missed at the end, and fails the story.
        let Some((made, kind)) = made else { return };
        let class = if kind == Kind::Critical {
            Class::Critical
        } else {
            Class::Other
        };
        let key = made.normal.key.clone();
        self.came.lock().add(kind, key.as_str());
        let hook =
            hook_body(&runtime.flow, &made.row, &key).filter(|_| self.webhooks == Webhooks::OfEach);
        self.watch
            .changed(key.as_str(), change.at, class, made.normal.content.hash());
        records.put(made, at_us);
        drop(records);
        if let Some(body) = hook {
            let id = format!("msg-{:016x}", change.dice);
            self.push(runtime.flow.id().to_string(), id, body.to_string());
        }
    }

    /// Sends a webhook, signed as the flow expects it.
    fn push(&self, flow: String, id: String, body: String) {
        let (clock, world) = (Arc::clone(&self.clock), Arc::clone(&self.world));
        tokio::spawn(async move {
            clock.wait_until(clock.now() + HOOK_DELAY).await;
            let Ok(signed) = sign_body(body, ANY_SECRET, &id, clock.now().0 / 1_000) else {
                return;
            };
            let header = |name: &str| {
                let found = signed.headers.iter().find(|(found, _)| *found == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let (timestamp, signature) = (header("webhook-timestamp"), header("webhook-signature"));
            let body = signed.body.clone();
            let asked = world.ask(ProcessKind::Webhook, |engine| async move {
                let request = HookRequest {
                    flow: &flow,
                    headers: &[
                        ("webhook-id", &id),
                        ("webhook-timestamp", &timestamp),
                        ("webhook-signature", &signature),
                    ],
                    query: &[],
                    body: body.as_bytes(),
                };
                engine.webhook(request).await.is_ok()
            });
            // In a calm world no webhook dies; a batch would find its change all the same.
            if asked.await.is_err() {
                tracing::warn!("a webhook died");
            }
        });
    }
}
