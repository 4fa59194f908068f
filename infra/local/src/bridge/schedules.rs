//! Schedules of EventBridge Scheduler, fired here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_scheduler::{
    Client,
    operation::get_schedule::{GetScheduleError, GetScheduleOutput},
    types::{ActionAfterCompletion, ScheduleState},
};
use tidegate_aws::AwsFailure;
use tidegate_engine::{
    chain,
    ports::{Clock, PortError},
};
use tidegate_model::UnixMs;
use tokio::{sync::watch, task::JoinSet};

use super::{
    functions::{Functions, Names},
    source::LONGEST_INVOCATION,
    timetable::{Firing, Listed, Timetable},
};

/// How often the schedules are listed: one that is made is followed within so long.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// The longest wait in one piece: a machine that slept knows its own waits wrongly.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// Before a start that failed is tried again. Scheduler waits longer from try to try.
const RETRY_WAIT: Duration = Duration::from_secs(30);
/// What Scheduler does where a schedule has no retry policy: tries, and the oldest age in seconds.
const DEFAULT_RETRIES: i32 = 185;
const DEFAULT_OLDEST_S: i32 = 86_400;
/// The zone where a schedule names none.
const DEFAULT_ZONE: &str = "UTC";

/// Lists and deletes schedules.
#[derive(Clone)]
pub(super) struct Schedules {
    client: Client,
    names: Names,
}

impl Schedules {
    /// Those of the stage.
    pub(super) fn new(client: Client, names: Names) -> Self {
        Self { client, names }
    }

    /// Every schedule that starts a function of the stage.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, PortError> {
        let failed = |failure| PortError::new("list the schedules", failure);
        let pages = self
            .client
            .list_schedules()
            .name_prefix(self.names.prefix());
        let listed: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let mut schedules = Vec::new();
        for summary in listed.map_err(|error| failed(AwsFailure::from(error)))? {
            let asked = self.client.get_schedule().set_name(summary.name);
            match asked.set_group_name(summary.group_name).send().await {
                Ok(schedule) => schedules.extend(self.read(schedule)),
                Err(error) => {
                    // It may have gone since it was listed.
                    let gone = error.as_service_error();
                    if !gone.is_some_and(GetScheduleError::is_resource_not_found_exception) {
                        return Err(failed(AwsFailure::from(error)));
                    }
                }
            }
        }
        Ok(schedules)
    }

    fn read(&self, schedule: GetScheduleOutput) -> Option<Listed> {
        let target = schedule.target?;
        let function = self.names.function_of(&target.arn)?;
        let policy = target.retry_policy.as_ref();
        let retries = policy.and_then(|policy| policy.maximum_retry_attempts);
        let oldest_s = policy.and_then(|policy| policy.maximum_event_age_in_seconds);
        let natural = |number: i32| u32::try_from(number).unwrap_or(0);
        Some(Listed {
            name: schedule.name?,
            group: schedule.group_name.unwrap_or_default(),
            expression: schedule.schedule_expression.unwrap_or_default(),
            zone: schedule
                .schedule_expression_timezone
                .filter(|zone| !zone.is_empty())
                .unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
            function,
            input: target.input.unwrap_or_else(|| "{}".to_owned()),
            retries: natural(retries.unwrap_or(DEFAULT_RETRIES)),
            oldest: Duration::from_secs(natural(oldest_s.unwrap_or(DEFAULT_OLDEST_S)).into()),
            goes: schedule.action_after_completion == Some(ActionAfterCompletion::Delete),
            is_enabled: schedule.state != Some(ScheduleState::Disabled),
        })
    }

    async fn delete(&self, listed: &Listed) {
        let asked = self.client.delete_schedule().name(&listed.name);
        if let Err(error) = asked.group_name(&listed.group).send().await {
            let error = chain(&AwsFailure::from(error));
            tracing::error!(
                schedule = listed.name,
                error,
                "a schedule that has fired is left"
            );
        }
    }
}

/// Who fires schedules.
pub(super) struct Starter {
    schedules: Schedules,
    functions: Arc<dyn Functions>,
    clock: Arc<dyn Clock>,
    /// The newest start of each schedule that has one in work.
    newest: Mutex<BTreeMap<Key, UnixMs>>,
}

/// A schedule's group and name.
type Key = (String, String);

impl Starter {
    /// Fires the schedules that stand there.
    pub(super) fn new(
        schedules: Schedules,
        functions: Arc<dyn Functions>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            schedules,
            functions,
            clock,
            newest: Mutex::default(),
        }
    }

    fn newest(&self) -> MutexGuard<'_, BTreeMap<Key, UnixMs>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on an older start of the same schedule is not tried again.
    fn begin(&self, firing: &Firing) {
        self.newest().insert(firing.key(), firing.at);
    }

    fn is_overtaken(&self, firing: &Firing) -> bool {
        let newest = self.newest().get(&firing.key()).copied();
        newest.is_some_and(|newest| newest > firing.at)
    }

    fn end(&self, firing: &Firing) {
        let mut newest = self.newest();
        if newest.get(&firing.key()) == Some(&firing.at) {
            newest.remove(&firing.key());
        }
    }

    /// Fires what is due until it is to stop; what was started ends first. `table` holds the
    /// schedules of the first list.
    pub(super) async fn run(self, mut table: Timetable, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let mut started = JoinSet::new();
        let mut list_at = this.clock.now() + LIST_EVERY;
        loop {
            for firing in table.due(this.clock.now()) {
                this.begin(&firing);
                started.spawn(Arc::clone(&this).fire(firing, stop.clone()));
            }
            while started.try_join_next().is_some() {}
            let now = this.clock.now();
            if list_at <= now {
                this.list_again(&mut table).await;
                list_at = this.clock.now() + LIST_EVERY;
            }
            let next = table.next().unwrap_or(list_at).min(list_at);
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = this.clock.wait_until(next.min(now + LONGEST_NAP)) => {}
            }
        }
        while started.join_next().await.is_some() {}
    }

    async fn list_again(&self, table: &mut Timetable) {
        match self.schedules.list().await {
            Ok(listed) => {
                for (listed, followed) in table.take(listed, self.clock.now()) {
                    match followed {
                        Ok(()) => tracing::info!(schedule = listed.name, "followed"),
                        Err(error) => {
                            tracing::error!(schedule = listed.name, %error, "not followed");
                        }
                    }
                }
            }
            // The old list is followed meanwhile.
            Err(error) => tracing::error!(error = %chain(&error), "no news of schedules"),
        }
    }

    async fn fire(self: Arc<Self>, firing: Firing, stop: watch::Receiver<bool>) {
        self.start(&firing, stop).await;
        self.end(&firing);
        if firing.is_last && firing.listed.goes {
            self.schedules.delete(&firing.listed).await;
        }
    }

    /// Starts the function of a schedule, as often as its policy allows. One that fails is said once;
    /// once the schedule is due again, that start takes its place, or those of hours would pile up
    /// while nobody runs functions.
    async fn start(&self, firing: &Firing, mut stop: watch::Receiver<bool>) {
        let Firing { listed, at, .. } = firing;
        let schedule = listed.name.as_str();
        let event = match serde_json::from_str(&firing.input()) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(schedule, %error, "the input of a schedule is no JSON");
                return;
            }
        };
        for attempt in 0..=listed.retries {
            if is_too_old(listed, *at, self.clock.now()) {
                tracing::error!(schedule, attempt, "given up: its time is too long past");
                return;
            }
            if self.is_overtaken(firing) {
                tracing::warn!(schedule, attempt, "given up: the schedule is due again");
                return;
            }
            let invoked = self
                .functions
                .invoke(listed.function, &event, LONGEST_INVOCATION);
            match invoked.await {
                Ok(_) => {
                    tracing::info!(schedule, function = listed.function, attempt, "started");
                    return;
                }
                Err(error) if attempt == 0 => {
                    let (function, error) = (listed.function, chain(&error));
                    tracing::error!(schedule, function, error, "failed; it is tried again");
                }
                Err(error) => {
                    let (function, error) = (listed.function, chain(&error));
                    tracing::debug!(schedule, function, attempt, error, "failed again");
                }
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.clock.wait_until(self.clock.now() + RETRY_WAIT) => {}
            }
        }
    }
}

fn is_too_old(listed: &Listed, at: UnixMs, now: UnixMs) -> bool {
    now.since(at) > listed.oldest
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::Value;
    use tidegate_aws::Aws;
    use tidegate_testkit::memory::ManualClock;

    use super::*;
    use crate::bridge::functions::{InvokeError, NamedAs};

    const START: UnixMs = UnixMs(1_795_140_000_000);

    fn firing(at: UnixMs) -> Firing {
        let listed = Listed {
            name: "tick".to_owned(),
            group: "default".to_owned(),
            expression: "rate(5 minutes)".to_owned(),
            zone: "UTC".to_owned(),
            function: "tick",
            input: "{}".to_owned(),
            retries: 185,
            oldest: Duration::from_hours(24),
            goes: false,
            is_enabled: false,
        };
        Firing {
            listed,
            at,
            is_last: false,
        }
    }

    /// Nobody is there for the first invocations.
    struct Late {
        invoked: Mutex<u32>,
        there_from: u32,
    }

    #[async_trait]
    impl Functions for Late {
        async fn invoke(&self, _: &str, _: &Value, _: Duration) -> Result<Value, InvokeError> {
            let mut invoked = self.invoked.lock().unwrap();
            *invoked += 1;
            if *invoked >= self.there_from {
                return Ok(Value::Null);
            }
            Err(InvokeError::Refused {
                function: "tidegate-tick".to_owned(),
                status: 404,
            })
        }

        async fn are_there(&self) -> bool {
            true
        }
    }

    async fn starter(functions: &Arc<Late>, clock: &Arc<ManualClock>) -> Arc<Starter> {
        let values = [
            ("AWS_REGION", "local"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let aws = Aws::connect(&values.into()).await.unwrap();
        let client = Client::new(aws.config());
        let schedules = Schedules::new(client, Names::new("dev", NamedAs::Binary));
        let functions = Arc::<Late>::clone(functions);
        Arc::new(Starter::new(
            schedules,
            functions,
            Arc::<ManualClock>::clone(clock),
        ))
    }

    /// How often the older of two starts is tried, where functions are there from the fourth try on.
    async fn tries(newer: Option<UnixMs>) -> u32 {
        let functions = Arc::new(Late {
            invoked: Mutex::default(),
            there_from: 4,
        });
        let clock = Arc::new(ManualClock::new(START));
        let starter = starter(&functions, &clock).await;
        let (_stop, stopped) = watch::channel(false);
        let older = firing(START);
        starter.begin(&older);
        let newer = newer.map(firing);
        if let Some(newer) = &newer {
            starter.begin(newer);
        }
        Arc::clone(&starter).fire(older, stopped).await;
        let waits: Vec<UnixMs> = starter.newest().values().copied().collect();
        let newer: Vec<UnixMs> = newer.iter().map(|newer| newer.at).collect();
        assert_eq!(waits, newer, "what has ended is forgotten");
        *functions.invoked.lock().unwrap()
    }

    #[tokio::test]
    async fn a_start_is_tried_until_a_newer_one_of_its_schedule_takes_its_place() {
        assert_eq!(tries(None).await, 4);
        assert_eq!(tries(Some(START + Duration::from_mins(5))).await, 0);
    }
}
