//! The alarms on what a flow and its systems are held to, one resource each. Names, dimensions and
//! statistics come from the table of the metrics, so none can watch what is never emitted.

use std::collections::BTreeSet;

use tidegate_model::{
    Tier,
    flow::FlowFile,
    metric::{self, Metric},
};
use tidegate_policy::register::ReviewKind;

use super::resources::{Resource, camel, quoted};

/// Success rate below which somebody is told, in percent (R11).
pub(super) const SUCCESS_GOAL: f64 = 99.5;
/// Time over which it is taken, in seconds: a batch window lies within it, and enough calls that one
/// that failed is not yet half a percent.
const SUCCESS_PERIOD_S: u32 = 6 * 3_600;
/// Net growth of the reviews of a flow, and in which time, of which somebody is told.
const REVIEWS_GROWTH: f64 = 10.0;
const REVIEWS_PERIOD_S: u32 = 6 * 3_600;
/// Seconds that a breaker may be open.
const BREAKER_OPEN_S: f64 = 3_600.0;
/// Waits of a message without progress: two days of a backlog. The worker warns of each 200th.
const MESSAGE_HOPS: f64 = 200.0;
/// Half an hour in spans of two ticks.
const RUN_MISSED_PERIODS: u32 = 3;
/// Two ticks: what each of them emits is there at least once, also when one is late.
const TICKS_S: u32 = 600;

/// What a missing value is taken for.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// As bad, since what is watched is that it happens. It tells where this condition of the template holds.
    Breaching(&'static str),
    /// Nothing new: a tick that stands still, which has an alarm of its own, ends none.
    Ignore,
    /// Nothing happened.
    NotBreaching,
}

/// An alarm of the template.
struct Alarm {
    id: String,
    name: String,
    /// Lines of what is wrong and what to do.
    says: Vec<String>,
    metric: &'static Metric,
    dimensions: Vec<String>,
    period_s: u32,
    periods: u32,
    comparison: &'static str,
    threshold: f64,
    missing: Missing,
}

/// The alarms of all flows, then those of the systems that they name, each once.
pub(super) fn alarms(flows: &[FlowFile]) -> Vec<Resource> {
    let mut alarms: Vec<Alarm> = flows.iter().flat_map(of_flow).collect();
    let mut seen = BTreeSet::new();
    for alarm in flows.iter().flat_map(of_systems) {
        if seen.insert(alarm.id.clone()) {
            alarms.push(alarm);
        }
    }
    alarms.iter().map(written).collect()
}

fn of_flow(flow: &FlowFile) -> Vec<Alarm> {
    let mut alarms = vec![
        freshness(flow, "critical", flow.freshness.critical_s),
        freshness(flow, "other", flow.freshness.other_s),
        run_missed(flow),
        blocked(flow),
        reviews_growing(flow),
        dead_letters(flow),
        messages_go_round(flow),
    ];
    if flow.source.lists_all() {
        alarms.push(comparison_missed(flow));
    }
    if flow.warehouse.is_some() {
        alarms.extend([
            loads_late(flow),
            warehouse_differs(flow),
            warehouse_not_compared(flow),
        ]);
    }
    alarms.extend(webhooks_silent(flow));
    alarms
}

/// Loads are five minutes apart.
const LOADS_LATE_S: f64 = 3_600.0;
/// A day, and half of one more for the comparison itself.
const COMPARISON_MISSED_S: f64 = 36.0 * 3_600.0;

/// An alarm of a flow that looks at the last ticks.
fn at_ticks(flow: &FlowFile, id: &str, name: &str, metric: &'static Metric) -> Alarm {
    Alarm {
        id: format!("{}{id}", camel(flow.name.as_str())),
        name: format!("{}-{name}", flow.name),
        says: Vec::new(),
        metric,
        dimensions: vec![flow.name.to_string()],
        period_s: TICKS_S,
        periods: 1,
        comparison: "GreaterThanThreshold",
        threshold: 0.0,
        missing: Missing::Ignore,
    }
}

fn freshness(flow: &FlowFile, class: &str, goal_s: u32) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(
        flow,
        &format!("Freshness{}", camel(class)),
        &format!("freshness-{class}"),
        &metric::FRESHNESS,
    );
    alarm.says = vec![
        format!("Fields of the class `{class}` of {name} are older than the goal of the flow file, {goal_s} s."),
        "`tidegate status` shows what holds them up: a breaker, a pause, a blocker, a backlog or a run that".to_owned(),
        "does not end. If it is the limit, `tidegate simulate` shows what would be enough.".to_owned(),
    ];
    alarm.dimensions.push(class.to_owned());
    alarm.threshold = goal_s.into();
    alarm
}

fn run_missed(flow: &FlowFile) -> Alarm {
    let (name, minutes) = (&flow.name, flow.schedule.max_run_minutes);
    let mut alarm = at_ticks(flow, "RunMissed", "run-missed", &metric::RUN_OVERDUE);
    alarm.says = vec![
        format!(
            "A window of {name} is due for longer than a run may take, {minutes} min, and no run is complete."
        ),
        "See in `tidegate status` whether the flow is paused or blocked, and in the log group"
            .to_owned(),
        "/tidegate/${Stage}/batch-sync how its last run ended; then `tidegate run`.".to_owned(),
    ];
    alarm.threshold = f64::from(minutes) * 60.0;
    // The first run of a new flow has this long, since its first window may be hours ago.
    alarm.periods = RUN_MISSED_PERIODS;
    alarm
}

fn comparison_missed(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(
        flow,
        "ComparisonMissed",
        "comparison-missed",
        &metric::RECONCILE_AGE,
    );
    alarm.says = vec![
        format!("No comparison of {name} is complete for 36 hours, so nobody knows what was missed. See in"),
        "`tidegate status` whether the flow is paused or blocked, whether its schedule is enabled, what the queue"
            .to_owned(),
        "tidegate-${Stage}-undelivered holds, and in the log group /tidegate/${Stage}/reconcile how the last one"
            .to_owned(),
        "ended; then `tidegate reconcile`.".to_owned(),
    ];
    alarm.threshold = COMPARISON_MISSED_S;
    alarm
}

fn loads_late(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(flow, "LoadsLate", "loads-late", &metric::LOAD_LAG);
    alarm.says = vec![
        format!(
            "Records of {name} have been in no file for its warehouse for an hour. Nothing is lost."
        ),
        format!(
            "`tidegate warehouse {name}` says how the last load ended; see in `tidegate status` whether the flow"
        ),
        "is paused or blocked, and the log group /tidegate/${Stage}/warehouse.".to_owned(),
    ];
    alarm.threshold = LOADS_LATE_S;
    alarm
}

fn warehouse_differs(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let metric = &metric::LOAD_FINDINGS;
    let mut alarm = at_ticks(flow, "WarehouseDiffers", "warehouse-differs", metric);
    alarm.says = vec![
        format!(
            "The warehouse of {name} does not hold what was loaded. What is missing is loaded again by itself, and"
        ),
        format!(
            "the next comparison is right. What stays is for a person: `tidegate warehouse {name}` names it, with"
        ),
        "what to do; infra/snowflake/README.md has the statements.".to_owned(),
    ];
    // Each comparison measures it once: what it found stands until the next one.
    alarm
}

fn warehouse_not_compared(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(
        flow,
        "WarehouseNotCompared",
        "warehouse-not-compared",
        &metric::LOAD_COMPARISON_AGE,
    );
    alarm.says = vec![
        format!("No comparison of {name} with its warehouse is complete for 36 hours, so nobody knows what is missing"),
        format!("there. `tidegate warehouse {name}` asks for one and says how the last load ended; see in `tidegate"),
        "status` whether the flow is paused or blocked, and the log group /tidegate/${Stage}/warehouse."
            .to_owned(),
    ];
    alarm.threshold = COMPARISON_MISSED_S;
    alarm
}

fn blocked(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(flow, "Blocked", "blocked", &metric::BLOCKED);
    alarm.says = vec![
        format!("A side of {name} stands still: no call is made to it until somebody has seen to it. Nothing is lost."),
        "`tidegate status` says which and why: credentials that are refused, another schema at the target, or"
            .to_owned(),
        format!("most records absent at once. Mend that, then `POST /v1/flows/{name}/resume`."),
    ];
    alarm
}

fn reviews_growing(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(
        flow,
        "ReviewsGrowing",
        "reviews-growing",
        &metric::REVIEWS_GROWTH,
    );
    alarm.says = vec![
        format!("{REVIEWS_GROWTH} more records of {name} are in review than six hours ago. `tidegate reviews` lists"),
        "them, oldest first, each with its reason. Many of one reason have one cause: mend the source or".to_owned(),
        "the flow file, then `tidegate replay`.".to_owned(),
    ];
    alarm.period_s = REVIEWS_PERIOD_S;
    alarm.comparison = "GreaterThanOrEqualToThreshold";
    alarm.threshold = REVIEWS_GROWTH;
    alarm.missing = Missing::NotBreaching;
    alarm
}

fn dead_letters(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(flow, "DeadLetters", "dead-letters", &metric::REVIEWS_OPENED);
    alarm.says = vec![
        format!("A message about {name} was received ten times and never handled, and became a review."),
        "Look why in the log groups /tidegate/${Stage}/worker-realtime and worker-batch, then replay what".to_owned(),
        "`tidegate reviews` lists as dead_letter.".to_owned(),
    ];
    alarm
        .dimensions
        .push(ReviewKind::DeadLetter.as_str().to_owned());
    alarm.period_s = 300;
    alarm.comparison = "GreaterThanOrEqualToThreshold";
    alarm.threshold = 1.0;
    alarm.missing = Missing::NotBreaching;
    alarm
}

fn messages_go_round(flow: &FlowFile) -> Alarm {
    let name = &flow.name;
    let mut alarm = at_ticks(
        flow,
        "MessagesGoRound",
        "messages-go-round",
        &metric::MESSAGE_HOPS,
    );
    alarm.says = vec![
        format!(
            "A message of {name} has waited {MESSAGE_HOPS} times and nothing came of it. Each wait costs a receive."
        ),
        "The warning `a message goes round without progress` of the worker's log names it, and the"
            .to_owned(),
        "verdicts of its keys there say what it waits for.".to_owned(),
    ];
    alarm.comparison = "GreaterThanOrEqualToThreshold";
    alarm.threshold = MESSAGE_HOPS;
    // A wait lasts 15 minutes at most.
    alarm.period_s = 900;
    alarm.missing = Missing::NotBreaching;
    alarm
}

fn webhooks_silent(flow: &FlowFile) -> Option<Alarm> {
    let hours = flow.webhook.as_ref()?.silent_after_h;
    let name = &flow.name;
    let mut alarm = at_ticks(flow, "WebhooksSilent", "webhooks-silent", &metric::WEBHOOKS);
    alarm.says = vec![
        format!(
            "No webhook of {name} was taken for {hours} h. Batches still find what changes, later. See whether"
        ),
        "the sender is switched on, where it sends to, and with which secret: the log group"
            .to_owned(),
        "/tidegate/${Stage}/webhook warns of what no active secret signed.".to_owned(),
    ];
    alarm.period_s = 3_600;
    alarm.periods = hours;
    alarm.comparison = "LessThanThreshold";
    alarm.threshold = 1.0;
    // A stage that nobody pushes to is silent for ever.
    alarm.missing = Missing::Breaching("IsProduction");
    Some(alarm)
}

fn of_systems(flow: &FlowFile) -> Vec<Alarm> {
    let target = flow.target.is_called().then(|| flow.target.name().as_str());
    let source = flow.source.rest().map(|source| source.name.as_str());
    let tiers = [Tier::RealTime, Tier::Batch];
    let of_target = target.map(|target| tiers.map(|tier| success_low(target, tier)));
    let of_source = source.map(|source| success_low(source, Tier::Batch));
    let breakers = target.into_iter().chain(source).map(breaker_open);
    let successes = of_target.into_iter().flatten().chain(of_source);
    successes.chain(breakers).collect()
}

fn success_low(system: &str, tier: Tier) -> Alarm {
    let tier = tier.as_str();
    let word = tier.replace('_', "-");
    Alarm {
        id: format!("{}{}SuccessLow", camel(system), camel(&word)),
        name: format!("{system}-{word}-success-low"),
        says: vec![
            format!("Less than {SUCCESS_GOAL} % of the calls of {system} ({tier}) in six hours were answered. The line `call`"),
            "of the worker's log (of batch-sync for a source) has status and reason of each: a 429 asks for".to_owned(),
            "lower limits in the flow file, 5xx and time-outs are for who runs the system.".to_owned(),
        ],
        metric: &metric::CALL_SUCCESS,
        dimensions: vec![system.to_owned(), tier.to_owned()],
        period_s: SUCCESS_PERIOD_S,
        periods: 1,
        comparison: "LessThanThreshold",
        threshold: SUCCESS_GOAL,
        missing: Missing::NotBreaching,
    }
}

fn breaker_open(system: &str) -> Alarm {
    Alarm {
        id: format!("{}BreakerOpen", camel(system)),
        name: format!("{system}-breaker-open"),
        says: vec![
            format!("Calls to {system} have been paused for more than an hour, since it fails or answers slowly. Ask who"),
            "runs it. Nothing is lost and no retry is spent: probes go on, and what waits is queued again when".to_owned(),
            "one succeeds.".to_owned(),
        ],
        metric: &metric::BREAKER_OPEN,
        dimensions: vec![system.to_owned()],
        period_s: TICKS_S,
        periods: 1,
        comparison: "GreaterThanThreshold",
        threshold: BREAKER_OPEN_S,
        missing: Missing::Ignore,
    }
}

fn written(alarm: &Alarm) -> Resource {
    let metric = alarm.metric;
    let names = metric.dimensions.iter().zip(&alarm.dimensions);
    let dimensions: Vec<String> = names
        .map(|(name, value)| format!("{{ Name: {}, Value: {} }}", name.as_str(), quoted(value)))
        .collect();
    let says = alarm.says.join("\n        ");
    // A text without a variable needs no `Sub`, and linters say so.
    let sub = if says.contains("${") { "!Sub " } else { "" };
    let (missing, off) = match alarm.missing {
        Missing::Breaching(tells) => (
            "breaching",
            format!("      ActionsEnabled: !If [{tells}, true, false]\n"),
        ),
        Missing::Ignore => ("ignore", String::new()),
        Missing::NotBreaching => ("notBreaching", String::new()),
    };
    let text = format!(
        r"  {id}:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub tidegate-${{Stage}}-{name}
      AlarmDescription: {sub}>-
        {says}
      Namespace: !Sub tidegate-${{Stage}}
      MetricName: {metric}
      Dimensions: [{dimensions}]
      Statistic: {statistic}
      Period: {period}
      EvaluationPeriods: {periods}
      ComparisonOperator: {comparison}
      Threshold: {threshold}
      TreatMissingData: {missing}
{off}      AlarmActions: [!Ref Alarms]
",
        id = alarm.id,
        name = alarm.name,
        dimensions = dimensions.join(", "),
        statistic = metric.statistic.as_str(),
        period = alarm.period_s,
        periods = alarm.periods,
        comparison = alarm.comparison,
        threshold = alarm.threshold,
    );
    Resource {
        id: alarm.id.clone(),
        text,
    }
}
