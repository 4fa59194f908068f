//! Findings that a person is to look at. Each stands among the reviews under its rule and key, is the
//! same one when it is found again, and goes when a later audit no longer finds it.

use tidegate_model::{
    RecordKey,
    item::{Condition, Op, Update, Value},
};
use tidegate_policy::{audit::Finding, keys};

use super::{Auditing, PAGE, Step};
use crate::{
    orphan::{self, SEEN_BY_AUDIT},
    ports::Listing,
};

/// Findings of one audit that are put to a person: whoever has more of them mends the rule, or the
/// source, and not one record after another.
const MOST_REVIEWS: u64 = 500;

impl Auditing<'_> {
    pub(super) async fn put_to_person(
        &mut self,
        key: &RecordKey,
        finding: &Finding<'_>,
    ) -> Step<()> {
        if self.progress.reviews >= MOST_REVIEWS {
            self.progress.not_reviewed += 1;
            return Ok(());
        }
        let reason = format!("{}: {}", finding.name, finding.kind.why());
        let flow = self.runtime.flow.id();
        let name = format!("audit:{}:{key}", finding.name);
        self.engine
            .keep_audited(flow, &name, key, reason, self.progress.started)
            .await?;
        self.progress.reviews += 1;
        Ok(())
    }

    /// Closes the reviews of what this audit did not find any more; none where it left some out.
    pub(super) async fn close_reviews(&self) -> Step<()> {
        if self.progress.not_reviewed > 0 {
            return Ok(());
        }
        let flow = self.runtime.flow.id();
        let started = self.progress.started.0;
        let listing = Listing::Partition(keys::orphan_partition(flow));
        let ttl = self.engine.now().0 / 1_000;
        let over = Condition::is(SEEN_BY_AUDIT, Op::Lt, started);
        let close: Update = orphan::forget(over).set("ttl", ttl);
        let mut after: Option<String> = None;
        loop {
            let store = &self.engine.ports.store;
            let page = store.list(&listing, after.as_deref(), PAGE).await?;
            for (key, item) in &page.items {
                let seen = item.get(SEEN_BY_AUDIT).and_then(Value::as_number);
                if seen.is_some_and(|seen| seen < started) {
                    self.engine.write(key, &close).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
