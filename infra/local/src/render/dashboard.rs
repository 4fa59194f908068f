//! The dashboard: every metric of the table, for each flow and system of the flow files.

use serde_json::{Value, json};
use tidegate_engine::Why;
use tidegate_model::{
    flow::FlowFile,
    metric::{self, Metric},
};
use tidegate_policy::{audit::FindingKind, register::ReviewKind};

use super::{alarms::SUCCESS_GOAL, resources::Resource};

/// Widgets in a row; a dashboard is 24 wide.
const IN_A_ROW: usize = 3;
const WIDTH: usize = 24 / IN_A_ROW;
const HEIGHT: usize = 6;
/// Seconds of a point, where nothing else is said: a tick.
const PERIOD_S: u32 = 300;
/// Of figures that come once in hours.
const HOUR_S: u32 = 3_600;

const TIERS: [&str; 2] = ["real_time", "batch"];
const OUTCOMES: [&str; 6] = [
    "applied",
    "unchanged",
    "superseded",
    "coalesced",
    "rejected",
    "in_review",
];
const KINDS: [ReviewKind; 9] = [
    ReviewKind::Invalid,
    ReviewKind::Refused,
    ReviewKind::RetriesSpent,
    ReviewKind::DeletedAtSource,
    ReviewKind::PutBackAtSource,
    ReviewKind::Ambiguous,
    ReviewKind::DeadLetter,
    ReviewKind::Rejected,
    ReviewKind::Audit,
];

/// A graph before it has a place.
struct Graph {
    title: String,
    period_s: u32,
    metrics: Vec<Value>,
    /// A line that is not to be crossed, by its name.
    goals: Vec<(&'static str, f64)>,
}

/// The dashboard of these flows.
pub(super) fn dashboard(flows: &[FlowFile]) -> Vec<Resource> {
    let mut graphs: Vec<Graph> = flows.iter().flat_map(of_flow).collect();
    for system in systems(flows) {
        graphs.extend(of_system(&system, flows));
    }
    graphs.extend(of_all());
    let widgets: Vec<Value> = graphs.iter().enumerate().map(widget).collect();
    let lines: Vec<String> = widgets
        .iter()
        .map(|widget| format!("          {widget}"))
        .collect();
    let text = format!(
        r#"  Dashboard:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardName: !Sub tidegate-${{Stage}}
      DashboardBody: !Sub |
        {{"widgets": [
{}
        ]}}
"#,
        lines.join(",\n")
    );
    vec![Resource {
        id: "Dashboard".to_owned(),
        text,
    }]
}

fn widget((at, graph): (usize, &Graph)) -> Value {
    let goals: Vec<Value> = graph
        .goals
        .iter()
        .map(|(label, value)| json!({"label": label, "value": value}))
        .collect();
    json!({
        "type": "metric",
        "x": at % IN_A_ROW * WIDTH,
        "y": at / IN_A_ROW * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": graph.title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "period": graph.period_s,
            "metrics": graph.metrics,
            "annotations": {"horizontal": goals},
        },
    })
}

/// A metric for values of its dimensions, read as the table says.
fn line(metric: &Metric, values: &[&str]) -> Value {
    line_of(metric, values, metric.statistic.as_str())
}

fn line_of(metric: &Metric, values: &[&str], statistic: &str) -> Value {
    let mut line = vec![json!("tidegate-${Stage}"), json!(metric.name)];
    for (name, value) in metric.dimensions.iter().zip(values) {
        line.extend([json!(name.as_str()), json!(value)]);
    }
    line.push(json!({"stat": statistic}));
    line.into()
}

fn graph(title: String, period_s: u32, metrics: Vec<Value>) -> Graph {
    Graph {
        title,
        period_s,
        metrics,
        goals: Vec::new(),
    }
}

fn of_flow(flow: &FlowFile) -> Vec<Graph> {
    let name = flow.name.as_str();
    let goals = &flow.freshness;
    let mut freshness = graph(
        format!("{name}: age per class of fields"),
        PERIOD_S,
        ["critical", "other"]
            .map(|class| line(&metric::FRESHNESS, &[name, class]))
            .into(),
    );
    freshness.goals = vec![
        ("goal of critical fields", goals.critical_s.into()),
        ("goal of the others", goals.other_s.into()),
    ];
    let latency = TIERS.iter().flat_map(|tier| {
        ["Average", "p95"].map(|statistic| line_of(&metric::SYNC_LATENCY, &[name, tier], statistic))
    });
    let backlog = TIERS.map(|tier| line(&metric::BACKLOG, &[name, tier]));
    let mut outcomes = vec![line(&metric::RECEIVED, &[name])];
    outcomes.extend(OUTCOMES.map(|outcome| line(&metric::OUTCOMES, &[name, outcome])));
    let mut reviews = vec![
        line(&metric::REVIEWS, &[name]),
        line(&metric::REVIEWS_GROWTH, &[name]),
    ];
    reviews.extend(KINDS.map(|kind| line(&metric::REVIEWS_OPENED, &[name, kind.as_str()])));
    let runs = starts(flow);
    let runs = runs
        .iter()
        .map(|start| line(&metric::RUN_TIME, &[name, start]));
    let mut all = vec![
        freshness,
        graph(
            format!("{name}: from staging to commit"),
            PERIOD_S,
            latency.collect(),
        ),
        graph(format!("{name}: backlog"), PERIOD_S, backlog.into()),
        graph(format!("{name}: changes by outcome"), HOUR_S, outcomes),
        graph(format!("{name}: reviews"), HOUR_S, reviews),
        graph(
            format!("{name}: time and trend of runs"),
            HOUR_S,
            runs.collect(),
        ),
        graph(
            format!("{name}: windows without a run"),
            PERIOD_S,
            vec![line(&metric::RUN_OVERDUE, &[name])],
        ),
        graph(
            format!("{name}: time since a comparison"),
            HOUR_S,
            vec![line(&metric::RECONCILE_AGE, &[name])],
        ),
        graph(
            format!("{name}: time blocked"),
            PERIOD_S,
            vec![line(&metric::BLOCKED, &[name])],
        ),
        graph(
            format!("{name}: waits without progress"),
            PERIOD_S,
            vec![line(&metric::MESSAGE_HOPS, &[name])],
        ),
    ];
    if flow.audit.is_some() {
        let mut found = vec![line(&metric::AUDITED, &[name])];
        let kinds = FindingKind::ALL.iter();
        found.extend(kinds.map(|kind| line(&metric::AUDIT_FINDINGS, &[name, kind.as_str()])));
        all.push(graph(format!("{name}: what audits find"), HOUR_S, found));
    }
    if flow.warehouse.is_some() {
        all.extend(of_warehouse(name));
    }
    if flow.decide.is_some() {
        let whys = Why::ALL.iter();
        let decided = whys.map(|why| line(&metric::DECISIONS, &[name, why.as_str()]));
        all.push(graph(
            format!("{name}: decisions"),
            HOUR_S,
            decided.collect(),
        ));
    }
    if flow.webhook.is_some() {
        let webhooks = vec![line(&metric::WEBHOOKS, &[name])];
        all.push(graph(format!("{name}: webhooks"), HOUR_S, webhooks));
    }
    all
}

fn of_warehouse(name: &str) -> [Graph; 3] {
    let loads = [&metric::LOADED, &metric::LOAD_FINDINGS];
    let loads = loads.map(|metric| line(metric, &[name])).into();
    let lag = vec![line(&metric::LOAD_LAG, &[name])];
    let age = vec![line(&metric::LOAD_COMPARISON_AGE, &[name])];
    [
        graph(format!("{name}: loads into the warehouse"), HOUR_S, loads),
        graph(format!("{name}: time without a load"), PERIOD_S, lag),
        graph(
            format!("{name}: time since a comparison of the warehouse"),
            HOUR_S,
            age,
        ),
    ]
}

/// What may start a run of the flow.
fn starts(flow: &FlowFile) -> Vec<String> {
    let schedule = &flow.schedule;
    let mut starts: Vec<String> = schedule.windows.iter().map(|one| one.at.clone()).collect();
    starts.extend(schedule.every_minutes.map(|_| "every".to_owned()));
    if !flow.trigger.is_empty() {
        starts.push("event".to_owned());
    }
    starts.push("manual".to_owned());
    starts
}

/// A source or target, and the tiers in which it is called.
struct System {
    name: String,
    tiers: &'static [&'static str],
}

/// Each system once, targets first.
fn systems(flows: &[FlowFile]) -> Vec<System> {
    let called = flows.iter().filter(|flow| flow.target.is_called());
    let targets = called.map(|flow| System {
        name: flow.target.name().to_string(),
        tiers: &TIERS,
    });
    let sources = flows.iter().filter_map(|flow| flow.source.rest());
    let sources = sources.map(|source| System {
        name: source.name.to_string(),
        tiers: &["batch"],
    });
    let mut systems: Vec<System> = Vec::new();
    for system in targets.chain(sources) {
        if systems.iter().all(|known| known.name != system.name) {
            systems.push(system);
        }
    }
    systems
}

fn of_system(system: &System, flows: &[FlowFile]) -> Vec<Graph> {
    let name = system.name.as_str();
    let of_tiers = |metric: &Metric| -> Vec<Value> {
        let tiers = system.tiers.iter();
        tiers.map(|tier| line(metric, &[name, tier])).collect()
    };
    let has_quota = flows
        .iter()
        .any(|flow| flow.target.name().as_str() == name && flow.target.limits().day.is_some());
    let mut left = of_tiers(&metric::BUDGET_LEFT);
    if has_quota {
        left.extend(of_tiers(&metric::QUOTA_LEFT));
    }
    let mut success = graph(
        format!("{name}: success rate"),
        HOUR_S,
        of_tiers(&metric::CALL_SUCCESS),
    );
    success.goals = vec![("goal", SUCCESS_GOAL)];
    let times = ["inside", "outside"].iter().flat_map(|window| {
        ["Average", "p95"]
            .map(|statistic| line_of(&metric::RESPONSE_TIME, &[name, window], statistic))
    });
    vec![
        success,
        graph(format!("{name}: calls"), PERIOD_S, of_tiers(&metric::CALLS)),
        graph(
            format!("{name}: response time inside and outside windows"),
            PERIOD_S,
            times.collect(),
        ),
        graph(
            format!("{name}: seconds that the breaker is open"),
            PERIOD_S,
            vec![line(&metric::BREAKER_OPEN, &[name])],
        ),
        graph(format!("{name}: budget left"), PERIOD_S, left),
    ]
}

fn of_all() -> Vec<Graph> {
    vec![
        graph(
            "Ticks".to_owned(),
            PERIOD_S,
            vec![line(&metric::TICKS, &[])],
        ),
        graph(
            "Failed".to_owned(),
            PERIOD_S,
            vec![line(&metric::FAILED, &[])],
        ),
        graph(
            "DynamoDB units".to_owned(),
            HOUR_S,
            [&metric::READ_UNITS, &metric::WRITE_UNITS]
                .map(|metric| line(metric, &[]))
                .into(),
        ),
    ]
}
