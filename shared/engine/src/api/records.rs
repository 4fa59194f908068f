//! Records, as the table knows them.

use serde::Serialize;
use tidegate_model::{ContentHash, Fields, FlowId, RecordKey, Tier, TierReason, UnixMs};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    flow_state::{FlowState, Side},
    keys,
    register::{AttemptNote, Override, Register, ReviewCause, State},
    run::Lease,
};

use super::Access;
use crate::{Engine, EngineError, FlowRuntime, ports::Listing};

/// One record.
#[derive(Clone, Debug, Serialize)]
pub struct RecordView {
    /// The flow.
    pub flow: FlowId,
    /// The key.
    pub key: RecordKey,
    /// Where it stands.
    pub state: State,
    /// The canonical fields as they are to be sent; none for a deleted record.
    pub fields: Option<Fields>,
    /// The desired version: source version, flow revision, read number.
    pub version: String,
    /// When the target, or for an unchanged record the last complete run, was known to agree: no
    /// later than the oldest change that waits. In milliseconds since 1970.
    pub last_updated: Option<UnixMs>,
    /// How long ago that was, in seconds.
    pub staleness_s: Option<u64>,
    /// That is longer than the flow's goal for fields that are not critical.
    pub stale: bool,
    /// Why what is newer may not show yet, where the flow stands still or calls pause.
    pub degraded: Option<String>,
    /// The tier of its newest change.
    pub tier: Tier,
    /// Why.
    pub tier_reason: TierReason,
    /// When the oldest change came that the target is not known to hold.
    pub pending_since: Option<UnixMs>,
    /// Attempts that count.
    pub attempts: u32,
    /// Not tried again before.
    pub next_attempt: Option<UnixMs>,
    /// The last attempts, oldest first.
    pub history: Vec<AttemptNote>,
    /// Its id at the target.
    pub target_id: Option<String>,
    /// Why a person must look.
    pub review: Option<ReviewCause>,
    /// What a person changed.
    pub edited: Option<Override>,
    /// Changes whenever anything above but the age does.
    #[serde(skip)]
    pub etag: String,
}

/// Some records of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct RecordPage {
    /// The records, in the table's order.
    pub items: Vec<RecordView>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

impl Engine {
    /// One record; `None` when the flow has never seen it.
    pub async fn record(
        &self,
        flow: &FlowId,
        key: &RecordKey,
        access: Access,
    ) -> Result<Option<RecordView>, EngineError> {
        let runtime = self.flow(flow)?;
        let register = self
            .registers(runtime, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        let Some(register) = register else {
            return Ok(None);
        };
        let context = self.record_context(runtime).await?;
        Ok(Some(self.view(runtime, key, &register, &context, access)))
    }

    /// Records of a flow, some at a time.
    pub async fn records(
        &self,
        flow: &FlowId,
        cursor: Option<&str>,
        limit: u32,
        access: Access,
    ) -> Result<RecordPage, EngineError> {
        let runtime = self.flow(flow)?;
        let context = self.record_context(runtime).await?;
        let (mut shard, mut after) = read_cursor(cursor);
        let mut items = Vec::new();
        while shard < keys::REGISTER_SHARDS {
            let wanted = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            if wanted == 0 {
                break;
            }
            let listing = Listing::Partition(keys::register_partition(flow, shard));
            let page = self
                .ports
                .store
                .list(&listing, after.as_deref(), wanted)
                .await?;
            for (key, item) in page.items {
                if let (Ok(key), Some(register)) =
                    (RecordKey::try_new(key.sort), Register::read(&item)?)
                {
                    items.push(self.view(runtime, &key, &register, &context, access));
                }
            }
            after = page.next;
            if after.is_none() {
                shard += 1;
            }
        }
        let next = (shard < keys::REGISTER_SHARDS)
            .then(|| format!("{shard}.{}", after.unwrap_or_default()));
        Ok(RecordPage { items, next })
    }

    /// What all records of a flow have in common, in one read.
    async fn record_context(&self, runtime: &FlowRuntime) -> Result<Context, EngineError> {
        let (flow, file) = (runtime.flow.id(), runtime.flow.file());
        let (source, target) = (file.source.name(), file.target.name());
        let ids = [
            keys::lease(flow),
            keys::flow_state(flow),
            keys::breaker(target),
            keys::breaker(source),
        ];
        let mut items = self.ports.store.get(&ids).await?.into_iter();
        let mut next = || items.next().flatten();
        let (lease, state) = (
            Lease::read(next().as_ref()),
            FlowState::read(next().as_ref()),
        );
        let (of_target, of_source) = (
            Breaker::read(next().as_ref()),
            Breaker::read(next().as_ref()),
        );
        let stopped = [Side::Source, Side::Target]
            .into_iter()
            .find_map(|side| state.stops(side));
        let paused = [(source, &of_source), (target, &of_target)]
            .into_iter()
            .find(|(_, breaker)| pauses(breaker.gate(self.now())))
            .map(|(name, _)| format!("calls to {name} pause after failures"));
        Ok(Context {
            covered: lease.covered,
            epoch: of_target.epoch(),
            degraded: stopped.or(paused),
        })
    }

    fn view(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        register: &Register,
        context: &Context,
        access: Access,
    ) -> RecordView {
        let flow = &runtime.flow;
        let applied_at = register.applied.as_ref().map(|applied| applied.at);
        let last_updated = match register.state() {
            // Unchanged records are fresh as of the newest complete run.
            State::Applied => applied_at.max(context.covered),
            _ => match (applied_at, register.pending_since) {
                // A change that came during the call was not in it.
                (Some(applied), Some(pending)) => Some(applied.min(pending)),
                (applied, _) => applied,
            },
        };
        let staleness_s = last_updated.map(|at| self.now().since(at).as_secs());
        let goal_s = u64::from(flow.file().freshness.other_s);
        let mut view = RecordView {
            flow: flow.id().clone(),
            key: key.clone(),
            state: register.state(),
            fields: register
                .effective()
                .fields()
                .map(|fields| access.fields(flow, fields.clone())),
            version: register.desired.version.to_string(),
            last_updated,
            staleness_s,
            stale: staleness_s.is_none_or(|age_s| age_s > goal_s),
            degraded: context.degraded.clone(),
            tier: register.tier,
            tier_reason: register.tier_reason.clone(),
            pending_since: register.pending_since,
            attempts: register.attempts_in(context.epoch),
            next_attempt: register.next_attempt,
            history: register.history.clone(),
            target_id: register.target_id.clone(),
            review: register.review.clone(),
            edited: register.edited.clone().map(|edit| access.edit(flow, edit)),
            etag: String::new(),
        };
        view.etag = etag_of(&view);
        view
    }
}

/// What all records of a flow have in common.
struct Context {
    /// Start of the newest complete run.
    covered: Option<UnixMs>,
    /// The target's breaker epoch.
    epoch: u64,
    degraded: Option<String>,
}

/// Whether calls wait for a system to be well again; what a provider asks to wait is over soon.
fn pauses(gate: Gate) -> bool {
    match gate {
        Gate::Closed { .. } | Gate::Held { .. } => false,
        Gate::Open { .. } | Gate::HalfOpen | Gate::Probing { .. } => true,
    }
}

fn etag_of(view: &RecordView) -> String {
    let mut timeless = view.clone();
    timeless.staleness_s = None;
    let value = serde_json::to_value(&timeless).unwrap_or_default();
    let ContentHash(hash) =
        tidegate_model::Content::Record(std::iter::once(("view".to_owned(), value)).collect())
            .hash();
    format!("\"{hash}\"")
}

/// A cursor is `shard.token`; one that is not starts from the beginning.
fn read_cursor(cursor: Option<&str>) -> (u32, Option<String>) {
    let parsed = cursor
        .and_then(|text| text.split_once('.'))
        .and_then(|(shard, after)| {
            let shard: u32 = shard.parse().ok()?;
            Some((
                shard,
                Some(after.to_owned()).filter(|after| !after.is_empty()),
            ))
        });
    parsed.unwrap_or((0, None))
}
