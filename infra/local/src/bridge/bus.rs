//! Events of the bus, brought here by a queue.
//!
//! EventBridge can not be polled. So for each rule of the stage that starts a function a rule of
//! our own with the same pattern brings the same events into a queue of our own.
//!
//! Invariants
//! - What is made is noted before it is made, so that whoever ends, and wherever, can remove it. What
//!   waits in a queue then goes with it, as events do that come while a rule is disabled.
//! - Rule and queue are named after the rule that they follow and its target. So what a killed bridge
//!   left is used by the next one for the same function, which gets what waited there for up to an
//!   hour; and what follows a rule that is gone is removed with the rest.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use aws_sdk_eventbridge::{
    Client,
    operation::{delete_rule::DeleteRuleError, remove_targets::RemoveTargetsError},
    types::{Rule, RuleState, Target},
};
use aws_sdk_sqs::{
    operation::{create_queue::CreateQueueError, get_queue_url::GetQueueUrlError},
    types::QueueAttributeName,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate_aws::AwsFailure;
use tidegate_engine::ports::Clock;

use super::{functions::Names, queue::SqsSource, source::Source as _};

/// Rules of a bus that are looked at: one page.
const MAX_RULES: i32 = 100;
/// Other buses that are looked at for rules of the stage: one page. An account has few.
const MAX_BUSES: i32 = 100;
/// Queues of ours that are looked for: one page, and more than rules are followed.
const MAX_QUEUES: i32 = 1_000;
/// Bytes of a hash in the name of what we make: chance enough for 100 rules, and a rule's name has at
/// most 64 characters, of which stage and prefix take up to 37.
const NAME_BYTES: usize = 6;
/// The one target of a rule of ours.
const TARGET_ID: &str = "bridge";
/// How long an event is hidden while its function runs, in seconds: longer than a function can.
const HIDDEN_S: u32 = 960;
/// How long an event waits for a bridge, in seconds.
const KEPT_S: u32 = 3_600;
/// SQS makes no queue of a name that was deleted less than a minute ago, as by the last bridge: so
/// often it is asked, and so long is waited in between.
const MAKE_TRIES: u32 = 8;
const MAKE_WAIT: Duration = Duration::from_secs(10);

/// A rule of the stage, and the way of its events to here.
pub(super) struct Diverted {
    /// The stage's rule.
    pub rule: String,
    /// What it starts, without the prefix.
    pub function: &'static str,
    /// Whether AWS starts it too.
    pub is_enabled: bool,
    /// Where the events arrive.
    pub source: Arc<SqsSource>,
    /// The ARN by which the rule names the function.
    arn: String,
}

/// Names of the rules and queues that a bridge made, or is about to make; a rule and its queue have
/// the same.
pub(super) type Made = BTreeSet<String>;

/// A rule on another bus that starts a function of the stage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Its bus.
    pub bus: String,
    /// Its name.
    pub rule: String,
    /// What it starts, without the prefix.
    pub function: &'static str,
}

/// The way from a bus to here.
pub(super) struct Bus {
    events: Client,
    sqs: aws_sdk_sqs::Client,
    name: String,
    clock: Arc<dyn Clock>,
}

impl Bus {
    /// The bus of this name.
    pub(super) fn new(
        events: Client,
        sqs: aws_sdk_sqs::Client,
        name: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            events,
            sqs,
            name,
            clock,
        }
    }

    /// Diverts the events of all rules that start functions of the stage. The caller gives back what
    /// is `made`, be this done, failed or dropped.
    pub(super) async fn divert(
        &self,
        names: &Names,
        made: &mut Made,
    ) -> anyhow::Result<Vec<Diverted>> {
        let own = names.of("bridge-");
        let mut diverted = Vec::new();
        made.extend(self.queues_left(&own).await?);
        for rule in self.rules().await? {
            let name = rule.name().unwrap_or_default();
            if is_own(&own, name) {
                made.insert(name.to_owned());
                continue;
            }
            for target in self.targets(name).await? {
                if let Some(function) = names.function_of(target.arn()) {
                    let own = own_name(&own, name, target.id(), function);
                    made.insert(own.clone());
                    let way = self.way(&rule, target, function, own).await;
                    diverted
                        .push(way.with_context(|| format!("the rule {name} can not be followed"))?);
                }
            }
        }
        Ok(diverted)
    }

    /// Queues that a killed bridge left.
    async fn queues_left(&self, own: &str) -> anyhow::Result<Vec<String>> {
        let asked = self.sqs.list_queues().queue_name_prefix(own);
        let answer = asked.max_results(MAX_QUEUES).send().await;
        let answer = answer.map_err(AwsFailure::from);
        let urls = answer
            .context("the queues can not be listed")?
            .queue_urls
            .unwrap_or_default();
        let names = urls.iter().filter_map(|url| url.rsplit('/').next());
        Ok(names
            .filter(|name| is_own(own, name))
            .map(str::to_owned)
            .collect())
    }

    /// Rules on other buses that start a function of the stage: they are not followed, since what AWS
    /// services tell there is not the stage's alone.
    pub(super) async fn elsewhere(&self, diverted: &[Diverted]) -> anyhow::Result<Vec<Elsewhere>> {
        let answer = self.events.list_event_buses().limit(MAX_BUSES).send().await;
        let answer = answer.map_err(AwsFailure::from);
        let buses = answer.context("the event buses can not be listed")?;
        let functions: BTreeSet<(&str, &'static str)> = diverted
            .iter()
            .map(|way| (way.arn.as_str(), way.function))
            .collect();
        let mut elsewhere = Vec::new();
        for bus in buses.event_buses.unwrap_or_default() {
            let bus = bus.name.unwrap_or_default();
            if bus == self.name {
                continue;
            }
            for (arn, function) in &functions {
                let asked = self.events.list_rule_names_by_target().target_arn(*arn);
                let answer = asked.event_bus_name(&bus).send().await;
                let answer = answer.map_err(AwsFailure::from);
                let rules = answer
                    .with_context(|| format!("the rules of the bus {bus} can not be listed"))?
                    .rule_names
                    .unwrap_or_default();
                elsewhere.extend(rules.into_iter().map(|rule| Elsewhere {
                    bus: bus.clone(),
                    rule,
                    function,
                }));
            }
        }
        Ok(elsewhere)
    }

    async fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let bus = &self.name;
        let asked = self
            .events
            .list_rules()
            .event_bus_name(bus)
            .limit(MAX_RULES);
        let answer = asked.send().await.map_err(AwsFailure::from);
        let answer =
            answer.with_context(|| format!("the rules of the bus {bus} can not be listed"))?;
        if answer.next_token.is_some() {
            bail!("the bus {bus} has more than {MAX_RULES} rules");
        }
        let rules = answer.rules.unwrap_or_default();
        // A rule without a pattern is a schedule of the old kind: the stage has none.
        Ok(rules
            .into_iter()
            .filter(|rule| rule.event_pattern.is_some())
            .collect())
    }

    async fn targets(&self, rule: &str) -> anyhow::Result<Vec<Target>> {
        let asked = self.events.list_targets_by_rule().rule(rule);
        let answer = asked.event_bus_name(&self.name).send().await;
        let answer = answer.map_err(AwsFailure::from);
        let answer =
            answer.with_context(|| format!("the targets of the rule {rule} can not be listed"))?;
        Ok(answer.targets.unwrap_or_default())
    }

    /// Makes a rule like `rule` that brings what `target` gets into a queue.
    async fn way(
        &self,
        rule: &Rule,
        target: Target,
        function: &'static str,
        own: String,
    ) -> anyhow::Result<Diverted> {
        let made = self
            .events
            .put_rule()
            .name(&own)
            .event_bus_name(&self.name)
            .set_event_pattern(rule.event_pattern.clone())
            .state(RuleState::Enabled)
            .description(description(rule.name().unwrap_or_default()))
            .send()
            .await
            .map_err(AwsFailure::from)?;
        let rule_arn = made.rule_arn.unwrap_or_default();
        let source = self.queue(&own, &rule_arn).await?;
        let arn = target.arn.clone();
        let mut brought = target;
        TARGET_ID.clone_into(&mut brought.id);
        source.arn().clone_into(&mut brought.arn);
        brought.role_arn = None;
        brought.dead_letter_config = None;
        let asked = self.events.put_targets().rule(&own).targets(brought);
        let answer = asked.event_bus_name(&self.name).send().await;
        let answer = answer.map_err(AwsFailure::from)?;
        if let Some(refused) = answer.failed_entries.unwrap_or_default().first() {
            let code = refused.error_code().unwrap_or_default();
            bail!("EventBridge does not take the queue {own} as a target: {code}");
        }
        Ok(Diverted {
            rule: rule.name().unwrap_or_default().to_owned(),
            function,
            is_enabled: rule.state() != Some(&RuleState::Disabled),
            source: Arc::new(source),
            arn,
        })
    }

    /// The queue `name`, into which the rule may send.
    async fn queue(&self, name: &str, rule_arn: &str) -> anyhow::Result<SqsSource> {
        let failed = || format!("the queue {name} can not be made");
        let url = self.make(name).await.with_context(failed)?;
        let source = SqsSource::at(&self.sqs, name, url).await?;
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": source.arn(),
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
        }]});
        let asked = self.sqs.set_queue_attributes().queue_url(&source.url);
        let set = asked.attributes(QueueAttributeName::Policy, policy.to_string());
        set.send()
            .await
            .map_err(AwsFailure::from)
            .with_context(failed)?;
        Ok(source)
    }

    /// Makes a queue and gives its address.
    async fn make(&self, name: &str) -> Result<String, AwsFailure> {
        let mut tries = 1;
        loop {
            let asked = self
                .sqs
                .create_queue()
                .queue_name(name)
                .attributes(QueueAttributeName::VisibilityTimeout, HIDDEN_S.to_string())
                .attributes(
                    QueueAttributeName::MessageRetentionPeriod,
                    KEPT_S.to_string(),
                );
            let error = match asked.send().await {
                Ok(made) => return made.queue_url.ok_or(AwsFailure::Incomplete("QueueUrl")),
                Err(error) => error,
            };
            let refused = error.as_service_error();
            let waits = refused.is_some_and(CreateQueueError::is_queue_deleted_recently);
            if !waits || tries == MAKE_TRIES {
                return Err(error.into());
            }
            tries += 1;
            tracing::info!(
                queue = name,
                "waits until SQS has forgotten the last bridge"
            );
            self.clock.wait_until(self.clock.now() + MAKE_WAIT).await;
        }
    }

    /// Removes what was made. What can not be is logged, and is used again or removed by the next
    /// bridge.
    pub(super) async fn give_back(&self, made: &Made) {
        for name in made {
            // The one may fail and the other not.
            for removed in [self.remove_rule(name).await, self.remove_queue(name).await] {
                if let Err(error) = removed {
                    tracing::error!(name, %error, "a rule or a queue of the bridge is left");
                }
            }
        }
    }

    async fn remove_rule(&self, name: &str) -> Result<(), AwsFailure> {
        let bus = &self.name;
        let targets = self.events.remove_targets().rule(name).event_bus_name(bus);
        if let Err(error) = targets.ids(TARGET_ID).send().await {
            let missing = error.as_service_error();
            if missing.is_some_and(RemoveTargetsError::is_resource_not_found_exception) {
                return Ok(());
            }
            return Err(error.into());
        }
        let rule = self.events.delete_rule().name(name).event_bus_name(bus);
        match rule.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let missing = error.as_service_error();
                if missing.is_some_and(DeleteRuleError::is_resource_not_found_exception) {
                    return Ok(());
                }
                Err(error.into())
            }
        }
    }

    async fn remove_queue(&self, name: &str) -> Result<(), AwsFailure> {
        let url = match self.sqs.get_queue_url().queue_name(name).send().await {
            Ok(found) => found.queue_url.ok_or(AwsFailure::Incomplete("QueueUrl"))?,
            Err(error) => {
                let missing = error.as_service_error();
                if missing.is_some_and(GetQueueUrlError::is_queue_does_not_exist) {
                    return Ok(());
                }
                return Err(error.into());
            }
        };
        self.sqs.delete_queue().queue_url(url).send().await?;
        Ok(())
    }
}

/// What the rule of ours says of itself: EventBridge takes 512 characters.
fn description(rule: &str) -> String {
    format!("Made by `tidegate bridge` to follow the rule {rule}; goes when it stops.")
}

/// The name of the rule, and of the queue, by which a function gets what a target of a rule gets.
fn own_name(own: &str, rule: &str, target: &str, function: &str) -> String {
    // No name may hold a line break.
    let hash = Sha256::digest(format!("{rule}\n{target}\n{function}"));
    let digits = hash.iter().take(NAME_BYTES);
    let digits: Vec<String> = digits.map(|byte| format!("{byte:02x}")).collect();
    format!("{own}{}", digits.concat())
}

/// Whether a bridge made it. The prefix alone does not say so: a stage `dev-bridge` has queues too.
fn is_own(own: &str, name: &str) -> bool {
    let hash = name.strip_prefix(own);
    hash.is_some_and(|hash| {
        hash.len() == 2 * NAME_BYTES && hash.chars().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests;
