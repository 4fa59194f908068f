//! What deployed functions log as metrics is what alarms and dashboard watch, and each alarm fires and
//! clears.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidegate_model::metric::{
    DECISIONS, LOAD_COMPARISON_AGE, LOAD_FINDINGS, LOAD_LAG, LOADED, METRICS,
};

use crate::{
    evaluation::{Comparison, Missing, Rule, State},
    journey::{LIMIT, a_dead_letter_reaches_review},
    metrics::{self, Point, Series, Span},
    stack::Stack,
    until::until,
    world::{FLOW, World, scheduled_now, wall_clock_ms},
};

/// More than a window of the batch limit below carries: some must wait for their turn.
const SUPPLIERS: u32 = 12;
const SLOW_BATCH: (&str, &str) = (
    "batch = { calls = 50, per_s = 60 }",
    "batch = { calls = 7, per_s = 18 }",
);

/// Far enough from now that what functions emit meanwhile does not mix in.
const LATER_S: i64 = 2 * 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn each_alarm_fires_and_clears_by_what_the_functions_log() {
    let world = World::start(SUPPLIERS, &[SLOW_BATCH]).await;
    live_through_a_day(&world).await;
    let wire = world.stack.wire();
    let logged = metrics::logged(&world.stack).await;
    metrics::put(wire, &logged).await;
    let series: BTreeSet<Series> = logged.iter().map(|point| point.series.clone()).collect();
    the_table_names_what_is_logged(&world.stack, &logged);
    the_dashboard_shows_what_is_logged(&world.stack, &series).await;

    let alarms = metrics::alarms(&world.stack).await;
    let mut firing = BTreeSet::new();
    for alarm in &alarms {
        let series_of_it = Series::of_alarm(alarm);
        is_watched(&world.stack, alarm, &series_of_it, &series);
        if fires_now(&world, alarm).await {
            firing.insert(alarm["AlarmName"].as_str().unwrap_or_default().to_owned());
        }
        fires_and_clears(&world, alarm, &series_of_it).await;
    }
    let expected = BTreeSet::from([world.stack.name("suppliers-dead-letters")]);
    assert_eq!(firing, expected, "what the functions logged fires these");
}

/// A batch, a webhook of a critical change, a message that can not be read, a dead letter, and a tick after
/// them.
async fn live_through_a_day(world: &World) {
    world.stack.fire_schedule(FLOW, &scheduled_now()).await;
    until("every supplier stands in Qualio", LIMIT, || async {
        (world.keys_in_qualio().len() == SUPPLIERS as usize).then_some(())
    })
    .await;
    let key = world.erp.suppliers()[0].id.clone();
    world
        .erp
        .change(&key, |row| row.quality.blocked = !row.quality.blocked);
    assert_eq!(world.tell(&key, "msg_critical").await, 202);
    until("the critical change stands in Qualio", LIMIT, || async {
        world.shows_blocked(&key).then_some(())
    })
    .await;
    let poison = json!({"messageId": "poison", "receiptHandle": "of-no-queue", "body": "x"});
    let poison = json!({"Records": [poison]});
    world.stack.invoke("WorkerBatchName", &poison).await;
    a_dead_letter_reaches_review(world).await;
    world.drained(LIMIT).await;
    until("all of it is logged", LIMIT, || async {
        // What a function logged late is handed over with its next invocation.
        world.stack.invoke("TickName", &json!({})).await;
        let nothing = json!({"Records": []});
        world.stack.invoke("DigestName", &nothing).await;
        world.stack.invoke("WorkerBatchName", &nothing).await;
        let audit = json!({"flow": FLOW});
        world.stack.invoke("QualityAuditName", &audit).await;
        let points = metrics::logged(&world.stack).await;
        let names: BTreeSet<&str> = points.iter().map(|one| one.series.name.as_str()).collect();
        ["Ticks", "ReviewsOpened", "Failed", "Audited"]
            .iter()
            .all(|name| names.contains(name))
            .then_some(())
    })
    .await;
}

/// Each line is of the table, and each entry of the table was logged.
fn the_table_names_what_is_logged(stack: &Stack, logged: &[Point]) {
    let mut names = BTreeSet::new();
    for point in logged {
        assert_eq!(
            point.series.namespace,
            format!("tidegate-{}", stack.stage())
        );
        let metric = point.series.metric();
        assert_eq!(point.unit, metric.unit.as_str(), "{metric}");
        names.insert(metric.name);
    }
    // The flow of this stack decides nothing and has no warehouse: functions/decide and functions/warehouse
    // show what is counted of these.
    let of_others = [
        &DECISIONS,
        &LOADED,
        &LOAD_LAG,
        &LOAD_FINDINGS,
        &LOAD_COMPARISON_AGE,
    ]
    .map(|metric| metric.name);
    let all = METRICS
        .iter()
        .filter(|metric| !of_others.contains(&metric.name));
    let all: BTreeSet<&str> = all.map(|metric| metric.name).collect();
    assert_eq!(names, all, "an entry of the table that nothing logs");
}

async fn the_dashboard_shows_what_is_logged(stack: &Stack, logged: &BTreeSet<Series>) {
    let shown = metrics::shown(stack).await;
    for series in &shown {
        series.metric();
    }
    // A window of the journey starts when it starts, so its run is of no window of the flow file.
    let is_run = |series: &&Series| series.name == "RunTime";
    let hidden: Vec<&Series> = logged
        .difference(&shown)
        .filter(|series| !is_run(series))
        .collect();
    assert_eq!(hidden, Vec::<&Series>::new(), "logged and not shown");
}

/// An alarm on our own metrics watches a series that was logged, by the statistic of the table; one on
/// AWS's watches something that is deployed.
fn is_watched(stack: &Stack, alarm: &Value, series: &Series, logged: &BTreeSet<Series>) {
    let name = &alarm["AlarmName"];
    if !series.namespace.starts_with("AWS/") {
        assert!(logged.contains(series), "{name} watches {series:?}");
        assert_eq!(
            alarm["Statistic"],
            series.metric().statistic.as_str(),
            "{name}"
        );
        return;
    }
    let deployed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "FunctionName",
            &[
                "ApiName",
                "BatchSyncName",
                "DecideName",
                "DigestName",
                "QualityAuditName",
                "ReconcileName",
                "TickName",
                "WarehouseName",
                "WebhookName",
                "WorkerBatchName",
                "WorkerRealtimeName",
            ][..],
        ),
        (
            "QueueName",
            &[
                "RealtimeDeadLettersUrl",
                "BatchDeadLettersUrl",
                "UndeliveredUrl",
            ][..],
        ),
        ("ApiId", &["HttpApiId"][..]),
    ]);
    let (dimension, value) = series.dimensions.first_key_value().expect("a dimension");
    let outputs = deployed[dimension.as_str()].iter();
    let mut names = outputs.map(|output| {
        let output = stack.output(output);
        output.rsplit('/').next().unwrap_or(output)
    });
    assert!(
        names.any(|deployed| deployed == value),
        "{name} watches {series:?}"
    );
}

/// Whether what was logged fires it. One that takes silence for bad looks at a day, of which the journey
/// was the end.
async fn fires_now(world: &World, alarm: &Value) -> bool {
    let rule = Rule::read(alarm);
    let period_s = alarm["Period"].as_i64().expect("a period");
    let now_s = wall_clock_ms() / 1_000;
    let end_s = (now_s / period_s + 1) * period_s;
    let mut state = State::InsufficientData;
    // The journey may have crossed into another period.
    for end_s in [end_s - period_s, end_s] {
        state = at(world, alarm, &rule, state, end_s).await;
        if state == State::Alarm && rule.missing != Missing::Breaching {
            return true;
        }
    }
    state == State::Alarm
}

/// In order, with the number of its periods each: as it should be, beyond the threshold, as it should be.
async fn fires_and_clears(world: &World, alarm: &Value, series: &Series) {
    let rule = Rule::read(alarm);
    let name = &alarm["AlarmName"];
    let period_s = alarm["Period"].as_i64().expect("a period");
    let count = i64::try_from(rule.periods).expect("a few periods");
    let mut start_s = (wall_clock_ms() / 1_000 + LATER_S) / period_s * period_s;
    let mut state = State::InsufficientData;
    for (values, expected) in [
        (Some(good(&rule)), State::Ok),
        (bad(&rule), State::Alarm),
        (Some(good(&rule)), State::Ok),
    ] {
        let end_s = start_s + period_s * count;
        if let Some(value) = values {
            let points: Vec<Point> = (0..count)
                .map(|number| Point {
                    series: series.clone(),
                    at_ms: (start_s + number * period_s + 1) * 1_000,
                    unit: "None".to_owned(),
                    values: vec![value],
                })
                .collect();
            metrics::put(world.stack.wire(), &points).await;
        }
        state = at(world, alarm, &rule, state, end_s).await;
        assert_eq!(state, expected, "{name} at {values:?}");
        start_s = end_s;
    }
}

/// A value that is as it should be.
fn good(rule: &Rule) -> f64 {
    match rule.comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => 0.0,
        Comparison::Less | Comparison::LessOrEqual => 100.0,
    }
}

/// The least that is beyond the threshold; silence, where that is what is bad.
fn bad(rule: &Rule) -> Option<f64> {
    let value = match rule.comparison {
        Comparison::Greater => rule.threshold + 1.0,
        Comparison::Less => rule.threshold - 0.5,
        Comparison::GreaterOrEqual | Comparison::LessOrEqual => rule.threshold,
    };
    (rule.missing != Missing::Breaching).then_some(value)
}

/// The state at a moment.
async fn at(world: &World, alarm: &Value, rule: &Rule, state: State, end_s: i64) -> State {
    let series = Series::of_alarm(alarm);
    let statistic = alarm["Statistic"].as_str().expect("a statistic");
    let span = Span {
        period: alarm["Period"].as_i64().expect("a period"),
        count: rule.periods,
        end: end_s,
    };
    let values = metrics::values(world.stack.wire(), &series, statistic, span).await;
    rule.next(state, &values)
}
