//! Asking for a fetch, and when what was asked for is there already.

use std::time::Duration;

use tidegate_model::{Fetch, Message, RecordKey, Tier};
use tidegate_policy::{keys, limiter::Place, register::Register, run::Lease};

use super::{BY_FETCH, begin, source_budget};
use crate::{Engine, EngineError, FlowRuntime, ports::Outgoing, worker::delayed};

impl Engine {
    /// Has a record read: by the worker, or by a run where the source gives none by its key.
    pub(crate) async fn ask_read(
        &self,
        runtime: &FlowRuntime,
        key: RecordKey,
        why: Fetch,
    ) -> Result<(), EngineError> {
        if runtime.flow.file().source.gives_one() {
            self.ask_fetch(runtime, key, why).await
        } else {
            self.ask_run(runtime.flow.id()).await
        }
    }

    /// Sends the worker to read a record. Where others wait for the source's permits, the message
    /// takes its turn at once and comes when that does: sent without, it would be received twice.
    async fn ask_fetch(
        &self,
        runtime: &FlowRuntime,
        key: RecordKey,
        why: Fetch,
    ) -> Result<(), EngineError> {
        let flow = runtime.flow.id();
        let budget = source_budget(runtime);
        let slots = keys::slots(&budget.endpoint, budget.tier);
        let ids = [slots.clone(), keys::lease(flow)];
        let mut items = self.ports.store.get(&ids).await?.into_iter();
        let mut next = || items.next().flatten();
        let (item, lease) = (next(), Lease::read(next().as_ref()));
        let now = self.now();
        let mut message = Message::new(flow.clone(), vec![key], Tier::RealTime, now).fetching(why);
        // A person who asks for a record wants a read of its own.
        message.after_read = (why == Fetch::Hint).then(|| begin::number(&lease));
        let (seen, limit) = budget.slots(item.as_ref(), now);
        let open = seen.open_to(limit, Place::Last, now);
        self.remember(&slots, item);
        let outgoing = if open > 0 {
            Outgoing {
                message,
                delay: Duration::ZERO,
            }
        } else {
            let turn = self.take_turn(&budget, 1).await?;
            let until = self.comes_at(&budget, turn).await?;
            (message.had_turn, message.turn) = (true, Some(turn));
            delayed(message, until, now)
        };
        self.send(vec![outgoing]).await?;
        Ok(())
    }
}

/// Whether a fetch has staged the record that began after the hint came: then it saw what the hint
/// tells of. A read takes its number before it begins, so no clock is asked. A page does not count,
/// since a listing may lag behind, nor does what an older revision of the flow made of the record.
pub(super) fn was_read_after(
    runtime: &FlowRuntime,
    register: Option<&Register>,
    hint: &Message,
) -> bool {
    let Some((after, register)) = hint.after_read.zip(register) else {
        return false;
    };
    let desired = &register.desired;
    desired.staged_by.starts_with(BY_FETCH)
        && desired.version.read > after
        && desired.version.revision == runtime.flow.revision()
}
