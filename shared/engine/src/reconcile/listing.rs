//! The listing of the target: each page behind permit and breaker, one listing for a pass.
//!
//! Invariants: only a listing that was read to its end says what the target lacks; one that goes
//! round, or of which no row is ours, is not believed; where a pass is cut, what was listed is kept,
//! so that no page is called for twice.

use std::time::Duration;

use serde_json::Value;
use tidegate_model::UnixMs;
use tidegate_policy::{
    fingerprint::print_of_text,
    flow_state::Side,
    reconcile::{Listed, MOST_PAGES, is_strange_listing},
};

use super::{
    Comparing, PAGE_TIME, Step, Stop,
    reading::{READ_TRIES, RETRY_WAIT},
};
use crate::{
    RunEnd,
    ports::{CallError, StandingPage, Wait},
};

/// How long a call to the target may wait for its permit within the call.
const PERMIT_PATIENCE: Duration = Duration::from_secs(30);

impl Comparing<'_> {
    /// Lists the target, or goes on with its listing. Where it can not be listed, source and registers
    /// are compared without it, and the report says so.
    pub(super) async fn list_target(&mut self) -> Step<()> {
        self.try_to_list().await?;
        let traits = self.runtime.target.traits();
        if !self.linked && !self.memory.target_listed && traits.listable && !traits.upsert {
            // Records that stand in the target would be created again (EFF-2), as a run would do.
            let why = self.progress.not_compared.clone().unwrap_or_default();
            let reason =
                format!("before an initial run is complete the target must be listed: {why}");
            return Err(Stop::End(RunEnd::Interrupted { reason }));
        }
        Ok(())
    }

    async fn try_to_list(&mut self) -> Step<()> {
        self.memory.forget_target();
        if self.runtime.target.traits().own {
            // The registers are what stands there.
            return Ok(());
        }
        let state = self.engine.flow_state(self.runtime.flow.id()).await?;
        if let Some(reason) = state.stops(Side::Target) {
            self.do_not_compare(&reason);
            return Ok(());
        }
        self.take_up_listing().await?;
        if !self.listed().whole {
            self.list_pages().await?;
        }
        let known = self.memory.known();
        let Some(listed) = &self.progress.listed else {
            return Ok(());
        };
        if is_strange_listing(listed.rows, listed.bearing, known) {
            let why = format!(
                "none of the {} records that it lists bears a key of ours",
                listed.rows
            );
            self.do_not_compare(&why);
        } else if listed.whole {
            self.memory.target_listed = true;
        }
        Ok(())
    }

    pub(super) fn listed(&mut self) -> &mut Listed {
        let now = self.engine.now();
        self.progress
            .listed
            .get_or_insert_with(|| Listed::begin(now))
    }

    async fn list_pages(&mut self) -> Step<()> {
        let mut tries = 0;
        while !self.listed().whole {
            self.may_go_on().await?;
            match self.try_standing().await {
                Ok(page) => {
                    tries = 0;
                    if let Err(why) = self.take_page(page)? {
                        self.do_not_compare(why);
                        return Ok(());
                    }
                }
                // Source and registers are compared all the same; a target out of order for days
                // would put that off for days.
                Err(CallError::Deferred { until, why }) if !self.is_worth_waiting(until, why) => {
                    self.do_not_compare(&format!("it allows no call now ({})", why.as_str()));
                    return Ok(());
                }
                Err(CallError::Throttled { until })
                    if !self.is_worth_waiting(until, Wait::Permit) =>
                {
                    self.do_not_compare("it asked to wait for longer than this may take");
                    return Ok(());
                }
                Err(CallError::Deferred { until, .. } | CallError::Throttled { until }) => {
                    self.wait(until, "the target allows no call before").await?;
                }
                Err(CallError::Failed { reason, .. }) if tries + 1 < READ_TRIES => {
                    tries += 1;
                    let until = self.engine.now() + RETRY_WAIT * 2_u32.saturating_pow(tries);
                    self.wait(until, &reason).await?;
                }
                Err(error) => {
                    if let CallError::Blocked { reason } = &error {
                        self.engine
                            .stop_flow(self.runtime, Side::Target, reason, self.began)
                            .await;
                    }
                    self.do_not_compare(&error.to_string());
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether a listing that can not go on now waits: for a permit, within this invocation.
    fn is_worth_waiting(&self, until: UnixMs, why: Wait) -> bool {
        let of_health = matches!(why, Wait::Breaker | Wait::Probe | Wait::Provider);
        !of_health && until + PAGE_TIME <= self.deadline
    }

    /// One page, once.
    async fn try_standing(&mut self) -> Result<StandingPage, CallError> {
        let cursor = self.listed().cursor.clone();
        let mut session = self.engine.listing_session(self.runtime, PERMIT_PATIENCE);
        let target = &self.runtime.target;
        let page = target.standing(&mut session, cursor.as_ref()).await;
        session.end().await;
        page
    }

    /// Remembers a page; why its listing is not to be believed, if it is not.
    fn take_page(&mut self, page: StandingPage) -> Step<Result<(), &'static str>> {
        let ours = page.standing.iter().filter(|one| !one.keys.is_empty());
        let bearing = u64::try_from(ours.count()).unwrap_or(u64::MAX);
        self.remember_standing(page.standing)?;
        let listed = self.listed();
        listed.rows += page.rows;
        listed.bearing += bearing;
        listed.whole = page.next.is_none();
        let print = page.print.map(|print| print_of_text(&print.0));
        let followed = page.next.as_ref().map_or(Ok(()), |next: &Value| {
            listed
                .trail
                .follow(print, print_of_text(&next.to_string()))?;
            if listed.trail.pages() >= MOST_PAGES {
                return Err("its listing has more pages than can be read in a day");
            }
            Ok(())
        });
        listed.cursor = page.next;
        Ok(followed)
    }

    /// A listing that is not whole says nothing about what it lacks. A later invocation lists anew.
    fn do_not_compare(&mut self, why: &str) {
        tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, reason = why, "the target is not compared");
        self.memory.forget_target();
        self.progress.listed = None;
        self.progress.not_compared = Some(why.to_owned());
    }
}
