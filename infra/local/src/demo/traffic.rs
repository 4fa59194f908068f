//! What happens in the simulated ERP: every few seconds somebody changes a supplier.
//!
//! Some changes are told at once by a signed webhook, whole or as a hint; the others are found by
//! the next batch. Some leave a supplier that breaks the flow's schema or that Qualio refuses. There
//! are never many of those: before they pile up somebody mends one, as people do.

use std::{sync::Arc, time::Duration};

use tidegate_engine::{
    Engine, chain,
    ports::{Clock, Events},
};
use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::run::RunRequest;
use tidegate_testkit::doubles::{
    Seed,
    erp::{
        ChangeKind, ErpDouble, ErpSupplier,
        webhook::{Told, sign},
    },
    qualio::SPONSORS,
};

/// Between two changes. Of 15 a minute 6 are critical: Qualio's real-time limit of 20 calls a
/// minute takes 10 updates.
const CHANGE_EVERY: Duration = Duration::from_secs(4);
/// Until the first change: the initial batch is staged by then, so that the first critical change
/// is seen to overtake it.
const FIRST_CHANGE: Duration = Duration::from_secs(12);
/// Between two batches besides the windows of the flow, since nobody watches until two o'clock.
const BATCH_EVERY: Duration = Duration::from_mins(2);
/// Suppliers at one time that break the schema or that Qualio refuses.
const MAX_BROKEN: usize = 8;
/// A webhook must be answered in so much time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The flow that the simulated ERP tells of its changes.
pub(crate) const FLOW: &str = "suppliers";

/// The one who makes changes.
pub(crate) struct Traffic {
    /// The ERP.
    pub erp: Arc<ErpDouble>,
    /// Secret of its webhooks.
    pub secret: String,
    /// Where the instance answers.
    pub url: String,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The engine, to ask for batches.
    pub engine: Arc<Engine>,
    /// The bus.
    pub events: Arc<dyn Events>,
}

/// How a change is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Whole,
    Hint,
    Silent,
}

impl Traffic {
    /// Asks for the initial batch, then makes changes and asks for batches for ever.
    pub(crate) async fn run(self) {
        let Ok(flow) = FlowId::try_new(FLOW) else {
            return;
        };
        if let Err(error) = self.initial_batch(&flow).await {
            tracing::error!(
                error,
                "the demo's initial batch was not asked for; tick will"
            );
        }
        let batches = self.batches(&flow);
        let changes = self.changes();
        tokio::join!(batches, changes);
    }

    /// A flow that has never completed a run starts now. The request bears the newest window's
    /// name, so that tick does not start the same once more.
    async fn initial_batch(&self, flow: &FlowId) -> Result<(), String> {
        let told = |error: &dyn std::error::Error| chain(error);
        let runtime = self.engine.flow(flow).map_err(|error| told(&error))?;
        let health = self.engine.health().await.map_err(|error| told(&error))?;
        let is_new = health
            .iter()
            .any(|one| one.flow == flow.as_str() && one.last_run.is_none());
        if !is_new {
            return Ok(());
        }
        let window = runtime.flow.schedule().latest_due(self.clock.now());
        self.ask(flow, window.map(|due| due.at)).await
    }

    async fn ask(&self, flow: &FlowId, window: Option<UnixMs>) -> Result<(), String> {
        let event = tidegate_engine::Event::RunRequested {
            flow: flow.clone(),
            request: RunRequest {
                window,
                mode: None,
                lookback_s: None,
                resume: None,
                trigger: None,
            },
            request_id: None,
        };
        self.events
            .emit(&event)
            .await
            .map_err(|error| chain(&error))
    }

    async fn batches(&self, flow: &FlowId) {
        loop {
            self.clock.wait_until(self.clock.now() + BATCH_EVERY).await;
            if let Err(error) = self.ask(flow, None).await {
                tracing::error!(error, "the demo's batch was not asked for");
            }
        }
    }

    async fn changes(&self) {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build();
        let Ok(client) = client else {
            tracing::error!("the simulated ERP has no HTTP client");
            return;
        };
        let mut seed = Seed::new(rand::random());
        let mut wait = FIRST_CHANGE;
        loop {
            self.clock.wait_until(self.clock.now() + wait).await;
            wait = CHANGE_EVERY;
            let Some((row, telling)) = self.change(&mut seed) else {
                return;
            };
            match telling {
                Telling::Silent => {}
                Telling::Whole => self.tell(&client, Told::Whole(&row), &row).await,
                Telling::Hint => self.tell(&client, Told::Partial(&row.id), &row).await,
            }
        }
    }

    /// Of 100 changes: 40 critical, 40 ordinary, 10 invalid, 10 refused by Qualio.
    fn change(&self, seed: &mut Seed) -> Option<(ErpSupplier, Telling)> {
        let broken: Vec<ErpSupplier> = self.erp.suppliers().into_iter().filter(is_broken).collect();
        let kind = match seed.below(100) {
            0..40 => ChangeKind::Critical,
            40..80 => ChangeKind::Ordinary,
            _ if broken.len() >= MAX_BROKEN => {
                let row = seed.pick(&broken.iter().map(|row| row.id.clone()).collect::<Vec<_>>());
                return Some((self.erp.change(&row, mend)?, Telling::Whole));
            }
            80..90 => ChangeKind::Invalid,
            _ => ChangeKind::Refused,
        };
        let is_urgent = matches!(kind, ChangeKind::Critical | ChangeKind::Invalid);
        let telling = match (is_urgent, seed.below(3)) {
            (true, 0) => Telling::Hint,
            (true, _) | (false, 0) => Telling::Whole,
            (false, _) => Telling::Silent,
        };
        Some((self.erp.random_change(seed, kind)?, telling))
    }

    async fn tell(&self, client: &reqwest::Client, told: Told<'_>, row: &ErpSupplier) {
        let id = format!("msg_{}_{}", row.id, row.version);
        let now_s = self.clock.now().0 / 1_000;
        let signed = match sign(told, &self.secret, &id, now_s) {
            Ok(signed) => signed,
            Err(error) => {
                tracing::error!(error = %chain(&error), "a webhook was not signed");
                return;
            }
        };
        let url = format!("{}/v1/flows/{FLOW}/webhook", self.url);
        let mut request = client.post(url).body(signed.body);
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                tracing::warn!(status = answer.status().as_u16(), "a webhook was refused");
            }
            // The next batch finds the change.
            Err(_) => tracing::warn!("a webhook was not answered"),
        }
    }
}

fn is_broken(row: &ErpSupplier) -> bool {
    row.legal_name.is_empty()
        || row.quality.audit_score > 100.0
        || !SPONSORS.contains(&row.sponsor_id)
}

/// Puts right what makes a supplier unfit.
fn mend(row: &mut ErpSupplier) {
    if row.legal_name.is_empty() {
        row.legal_name = format!("Renamed Supplies {}", row.id);
    }
    row.quality.audit_score = row.quality.audit_score.min(95.0);
    let [first, ..] = SPONSORS;
    row.sponsor_id = first;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_is_no_longer_broken() {
        let mut row = tidegate_testkit::doubles::erp::realistic_suppliers(1, 1, 0).remove(0);
        assert!(!is_broken(&row));
        row.legal_name.clear();
        row.quality.audit_score = 140.0;
        row.sponsor_id = 950;
        assert!(is_broken(&row));
        mend(&mut row);
        assert!(!is_broken(&row));
    }
}
