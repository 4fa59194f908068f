//! Events of the bus, brought here by a queue.
//!
//! EventBridge can not be polled. So for each rule of the stage that starts a function a rule of
//! our own with the same pattern brings the same events into a queue of our own. Both go when the
//! bridge stops. After a kill they stay and are used again by the next bridge of the stage; what
//! waited there for longer than an hour is gone then, as it would be if its schedule had started it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use aws_sdk_eventbridge::{
    Client,
    types::{Rule, RuleState, Target},
};
use aws_sdk_sqs::{operation::create_queue::CreateQueueError, types::QueueAttributeName};
use serde_json::json;
use tidegate_aws::AwsFailure;
use tidegate_engine::ports::Clock;

use super::{functions::Names, queue::SqsSource, source::Source as _};

/// Rules of a bus that are looked at: one page.
const MAX_RULES: i32 = 100;
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
    own_rule: String,
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

    /// Diverts the events of all rules that start functions of the stage.
    pub(super) async fn divert(&self, names: &Names) -> anyhow::Result<Vec<Diverted>> {
        let mut diverted = Vec::new();
        match self.divert_into(names, &mut diverted).await {
            Ok(()) => Ok(diverted),
            Err(error) => {
                self.give_back(&diverted).await;
                Err(error)
            }
        }
    }

    async fn divert_into(&self, names: &Names, diverted: &mut Vec<Diverted>) -> anyhow::Result<()> {
        let own = names.of("bridge-");
        for rule in self.rules().await? {
            let name = rule.name().unwrap_or_default();
            if name.starts_with(&own) {
                continue;
            }
            for target in self.targets(name).await? {
                if let Some(function) = names.function_of(target.arn()) {
                    let own = format!("{own}{}", diverted.len());
                    let way = self.way(&rule, target, function, own).await;
                    diverted
                        .push(way.with_context(|| format!("the rule {name} can not be followed"))?);
                }
            }
        }
        Ok(())
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
            .description("Made by `tidegate bridge`; goes when it stops.")
            .send()
            .await
            .map_err(AwsFailure::from)?;
        let rule_arn = made.rule_arn.unwrap_or_default();
        let source = self.queue(&own, &rule_arn).await?;
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
            own_rule: own,
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

    /// Removes what was made. What can not be is used again, or removed, by the next bridge.
    pub(super) async fn give_back(&self, diverted: &[Diverted]) {
        for way in diverted {
            if let Err(error) = self.remove(way).await {
                tracing::error!(rule = way.own_rule, %error, "a rule or a queue of the bridge is left");
            }
        }
    }

    async fn remove(&self, way: &Diverted) -> Result<(), AwsFailure> {
        let rule = &way.own_rule;
        let bus = &self.name;
        let targets = self.events.remove_targets().rule(rule).event_bus_name(bus);
        targets.ids(TARGET_ID).send().await?;
        let removed = self.events.delete_rule().name(rule).event_bus_name(bus);
        removed.send().await?;
        self.sqs
            .delete_queue()
            .queue_url(&way.source.url)
            .send()
            .await?;
        Ok(())
    }
}
