//! preview: what a batch would do with the first rows of a source, without doing it.
//!
//! The same steps as a run up to the stage: read, normalise, validate, compare with the register,
//! look into the target. Its calls are reads and pass the same gate as all others (LIM-1, BRK-1);
//! no register is written and no message is sent.

use serde_json::Value;
use tidegate_model::{Content, Fields, FlowId, RecordKey, Tier, TierReason, UnixMs};
use tidegate_policy::{
    flow_state::Side,
    keys,
    register::Register,
    run::Lease,
    stage::{self, Incoming, NoChange, Origin, StagePlan},
};

use crate::{
    Engine, EngineError, FlowRuntime, UnknownFlow,
    api::{Access, FaultView, PlannedRequest, ReviewError},
    ports::{CallError, Found, Index, PageRequest},
    session::{Scope, Session},
    staging::{Reader, critical_changes},
    worker::target_budget,
};

/// Rows that one preview reads at most: more is a run.
const MAX_ROWS: usize = 1_000;

/// What to look at.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// Most records to show.
    pub limit: usize,
    /// Only this record.
    pub key: Option<RecordKey>,
    /// Until when permits and held systems may be waited for.
    pub patience: UnixMs,
}

/// One row, as a batch would take it.
#[derive(Clone, Debug)]
pub struct Previewed {
    /// The record's key; none when the row has none.
    pub key: Option<RecordKey>,
    /// What would become of it.
    pub outcome: Foreseen,
    /// The tier in which it would go, and why; none when nothing would go.
    pub tier: Option<(Tier, TierReason)>,
    /// What schema and target have against its fields.
    pub faults: Vec<FaultView>,
    /// The requests that would be sent, secrets as names.
    pub requests: Vec<PlannedRequest>,
}

/// What would become of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// It is no record.
    Rejected {
        /// Why.
        reason: String,
    },
    /// A person would have to look at it.
    Review {
        /// Why.
        reason: String,
    },
    /// Created at the target.
    Create,
    /// Updated at the target.
    Update {
        /// Its id there.
        target_id: String,
        /// It would be linked first: it stands there, and no register knows it.
        link: bool,
    },
    /// Removed at the target as the flow says.
    Remove,
    /// The target holds it already.
    Unchanged,
    /// A newer version is known.
    Superseded,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The flow is not loaded here.
    #[error(transparent)]
    UnknownFlow(#[from] UnknownFlow),
    /// The source has no such record.
    #[error("the source has no record {0}")]
    NoRecord(RecordKey),
    /// The source can not be read.
    #[error("the source can not be read")]
    Source(#[source] CallError),
    /// The target can not be looked into.
    #[error("the target can not be looked into")]
    Target(#[source] CallError),
    /// The store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What is known while rows are looked at.
struct Known<'a> {
    runtime: &'a FlowRuntime,
    reader: Reader,
    /// Records that stand in the target; listed when it is first needed, since that takes calls.
    links: Option<Index>,
    /// A person asks for one record: what would be sent is shown even if nothing would.
    one: bool,
    patience: UnixMs,
}

impl Engine {
    /// Looks at the first rows of a flow's source, or at one record.
    pub async fn preview(
        &self,
        flow: &FlowId,
        request: &PreviewRequest,
    ) -> Result<Vec<Previewed>, PreviewError> {
        let runtime = self.flow(flow)?.as_ref();
        let rows = match &request.key {
            Some(key) => vec![self.preview_row(runtime, key, request.patience).await?],
            None => self.preview_rows(runtime, request).await?,
        };
        let lease = self.read(&keys::lease(flow)).await;
        let lease = Lease::read(lease.map_err(EngineError::from)?.as_ref());
        let mut known = Known {
            runtime,
            reader: Reader {
                origin: Origin::Batch,
                by: self.token().to_string(),
                // As the next read would have it, which is not taken.
                read: u64::try_from(lease.reads.saturating_add(1)).unwrap_or(1),
            },
            links: None,
            one: request.key.is_some(),
            patience: request.patience,
        };
        let mut previews = Vec::with_capacity(rows.len());
        for (row, position) in rows.iter().zip(0..) {
            previews.push(self.foresee(&mut known, row, position).await?);
        }
        Ok(previews)
    }

    async fn preview_row(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        patience: UnixMs,
    ) -> Result<Value, PreviewError> {
        loop {
            let mut session = self.source_session(runtime, Some(key), false);
            let row = runtime.source.fetch(&mut session, key).await;
            session.end().await;
            match row {
                Ok(row) => return row.ok_or_else(|| PreviewError::NoRecord(key.clone())),
                Err(error) => self
                    .wait_or(error, patience)
                    .await
                    .map_err(PreviewError::Source)?,
            }
        }
    }

    async fn preview_rows(
        &self,
        runtime: &FlowRuntime,
        request: &PreviewRequest,
    ) -> Result<Vec<Value>, PreviewError> {
        let limit = request.limit.min(MAX_ROWS);
        let mut rows = Vec::new();
        let mut wanted = PageRequest {
            since_us: None,
            cursor: None,
        };
        while rows.len() < limit {
            let mut session = self.source_session(runtime, None, false);
            let page = runtime.source.page(&mut session, &wanted).await;
            session.end().await;
            match page {
                Ok(page) => {
                    rows.extend(page.rows);
                    if page.next.is_none() || page.next == wanted.cursor {
                        break;
                    }
                    wanted.cursor = page.next;
                }
                Err(error) => self
                    .wait_or(error, request.patience)
                    .await
                    .map_err(PreviewError::Source)?,
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Records that stand in the target, where it can be listed.
    async fn preview_links(
        &self,
        runtime: &FlowRuntime,
        patience: UnixMs,
    ) -> Result<Index, PreviewError> {
        if !runtime.target.traits().listable {
            return Ok(Index::new());
        }
        loop {
            let mut session = self.preview_session(runtime, None, patience);
            let links = runtime.target.index(&mut session).await;
            session.end().await;
            match links {
                Ok(links) => return Ok(links),
                Err(error) => self
                    .wait_or(error, patience)
                    .await
                    .map_err(PreviewError::Target)?,
            }
        }
    }

    /// Waits where waiting helps and there is time for it; otherwise gives the error back.
    async fn wait_or(&self, error: CallError, patience: UnixMs) -> Result<(), CallError> {
        match error {
            CallError::Deferred { until, .. } | CallError::Throttled { until }
                if until <= patience =>
            {
                self.ports.clock.wait_until(until).await;
                Ok(())
            }
            other => Err(other),
        }
    }

    fn preview_session<'a>(
        &'a self,
        runtime: &'a FlowRuntime,
        key: Option<&'a RecordKey>,
        patience: UnixMs,
    ) -> Session<'a> {
        let scope = Scope {
            runtime,
            side: Side::Target,
            budget: target_budget(runtime, Tier::Batch),
            breaker: runtime.target_breaker,
            errors: runtime.target.errors(),
            settle: std::time::Duration::ZERO,
            key,
            attempt: None,
            patience,
            claim_until: None,
            checking: false,
            hurry: None,
        };
        Session::new(self, scope, Vec::new())
    }

    async fn foresee(
        &self,
        known: &mut Known<'_>,
        row: &Value,
        position: u64,
    ) -> Result<Previewed, PreviewError> {
        let runtime = known.runtime;
        let (key, incoming) = match runtime.incoming(row, &known.reader, position, self.now()) {
            Ok((key, incoming, _)) => (key, incoming),
            Err(error) => {
                let reason = crate::chain(&error);
                return Ok(Previewed {
                    key: runtime.flow.key_of_row(row).ok(),
                    ..bare(Foreseen::Rejected { reason })
                });
            }
        };
        let seen = self
            .registers(runtime, std::slice::from_ref(&key))
            .await?
            .pop()
            .flatten();
        let critical = critical_changes(runtime, seen.as_ref(), &incoming);
        let preview = match stage::plan(seen.as_ref(), &incoming, &critical) {
            StagePlan::New(plan) => {
                let tier = (plan.tier, plan.tier_reason);
                let Some(fields) = plan.content.fields() else {
                    return Ok(removal(key, &incoming, tier));
                };
                let place = self
                    .preview_place(known, &key, fields, seen.as_ref())
                    .await?;
                let mut preview = self.described(runtime, &key, fields, place, tier)?;
                if let Some((_, cause)) = plan.review {
                    preview.outcome = Foreseen::Review {
                        reason: cause.reason,
                    };
                    preview.tier = None;
                }
                preview
            }
            // A deletion is never planned so: only fields are mapped anew.
            StagePlan::Again(_, tier) => match again(seen.as_ref(), &incoming).fields() {
                Some(fields) => {
                    let place = self
                        .preview_place(known, &key, fields, seen.as_ref())
                        .await?;
                    self.described(runtime, &key, fields, place, tier)?
                }
                None => bare(Foreseen::Unchanged),
            },
            StagePlan::Nothing(NoChange::Superseded) => bare(Foreseen::Superseded),
            StagePlan::Move(_) | StagePlan::Nothing(NoChange::Unchanged) => {
                self.known_already(known, &key, seen.as_ref()).await?
            }
        };
        Ok(Previewed {
            key: Some(key),
            ..preview
        })
    }

    /// A row that is known: nothing to do, or what its register still has to send.
    async fn known_already(
        &self,
        known: &mut Known<'_>,
        key: &RecordKey,
        seen: Option<&Register>,
    ) -> Result<Previewed, PreviewError> {
        let Some(register) = seen else {
            return Ok(bare(Foreseen::Unchanged));
        };
        if let Some(cause) = &register.review {
            let reason = cause.reason.clone();
            return Ok(bare(Foreseen::Review { reason }));
        }
        let Content::Record(fields) = register.effective() else {
            return Ok(bare(Foreseen::Unchanged));
        };
        if !register.is_dirty() && !known.one {
            return Ok(bare(Foreseen::Unchanged));
        }
        let place = self.preview_place(known, key, &fields, seen).await?;
        let tier = (register.tier, register.tier_reason.clone());
        let mut preview = self.described(known.runtime, key, &fields, place, tier)?;
        if !register.is_dirty() {
            preview.outcome = Foreseen::Unchanged;
            preview.tier = None;
        }
        Ok(preview)
    }

    /// Where the record stands at the target, by its register, the target's listing or a search.
    async fn preview_place(
        &self,
        known: &mut Known<'_>,
        key: &RecordKey,
        fields: &Fields,
        seen: Option<&Register>,
    ) -> Result<Foreseen, PreviewError> {
        if let Some(target_id) = seen.and_then(|register| register.target_id.clone()) {
            return Ok(Foreseen::Update {
                target_id,
                link: false,
            });
        }
        let links = match known.links.take() {
            Some(links) => links,
            None => self.preview_links(known.runtime, known.patience).await?,
        };
        let link = links.get(key).cloned();
        known.links = Some(links);
        match link {
            Some(Some(target_id)) => {
                return Ok(Foreseen::Update {
                    target_id,
                    link: true,
                });
            }
            Some(None) => {
                return Ok(Foreseen::Review {
                    reason: "the target has several records of this key".to_owned(),
                });
            }
            None => {}
        }
        let target = &known.runtime.target;
        let search = target.search_value(key, fields);
        let (Some(search), false) = (search, target.traits().listable) else {
            return Ok(Foreseen::Create);
        };
        loop {
            let mut session = self.preview_session(known.runtime, Some(key), known.patience);
            let found = target.find(&mut session, &search).await;
            session.end().await;
            return Ok(match found {
                Ok(Found::None) => Foreseen::Create,
                Ok(Found::One(target_id)) => Foreseen::Update {
                    target_id,
                    link: true,
                },
                Ok(Found::Many(count)) => Foreseen::Review {
                    reason: format!("the target has {count} records that match"),
                },
                Err(error) => {
                    let waited = self.wait_or(error, known.patience).await;
                    waited.map_err(PreviewError::Target)?;
                    continue;
                }
            });
        }
    }

    fn described(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        fields: &Fields,
        outcome: Foreseen,
        tier: (Tier, TierReason),
    ) -> Result<Previewed, PreviewError> {
        let target_id = match &outcome {
            Foreseen::Update { target_id, .. } => Some(target_id.as_str()),
            _ => None,
        };
        if matches!(outcome, Foreseen::Review { .. }) {
            return Ok(bare(outcome));
        }
        let planned =
            match self.plan_requests(runtime, key, fields, target_id, None, Access::Fields) {
                Ok(planned) => planned,
                Err(ReviewError::Engine(error)) => return Err(error.into()),
                Err(error) => {
                    let reason = error.to_string();
                    return Ok(bare(Foreseen::Review { reason }));
                }
            };
        Ok(Previewed {
            key: None,
            outcome,
            tier: Some(tier),
            faults: planned.faults,
            requests: planned.requests,
        })
    }
}

/// What is sent again: what a person edited stands.
fn again(seen: Option<&Register>, incoming: &Incoming) -> Content {
    seen.map_or_else(|| incoming.content.clone(), Register::effective)
}

fn removal(key: RecordKey, incoming: &Incoming, tier: (Tier, TierReason)) -> Previewed {
    let (outcome, tier) = match &incoming.review {
        Some((_, cause)) => {
            let reason = cause.reason.clone();
            (Foreseen::Review { reason }, None)
        }
        None => (Foreseen::Remove, Some(tier)),
    };
    Previewed {
        key: Some(key),
        tier,
        ..bare(outcome)
    }
}

/// An outcome for which nothing is sent.
fn bare(outcome: Foreseen) -> Previewed {
    Previewed {
        key: None,
        outcome,
        tier: None,
        faults: Vec::new(),
        requests: Vec::new(),
    }
}
