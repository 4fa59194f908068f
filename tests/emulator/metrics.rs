//! The metric lines that deployed functions logged, and `CloudWatch` of the emulator, which does not take
//! them out of logs by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidegate_model::metric::{METRICS, Metric};

use crate::{
    stack::{FUNCTION_LOGS, Stack},
    wire::Wire,
};

/// Values of one request; AWS takes 1,000.
const MOST_VALUES: usize = 500;

/// A metric with values of its dimensions, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The namespace.
    pub namespace: String,
    /// The metric.
    pub name: String,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
}

/// Values of a series at a moment.
#[derive(Clone, Debug)]
pub struct Point {
    /// The series.
    pub series: Series,
    /// In milliseconds since 1970.
    pub at_ms: i64,
    /// The unit.
    pub unit: String,
    /// The values.
    pub values: Vec<f64>,
}

impl Series {
    /// What an alarm of `DescribeAlarms` watches.
    pub fn of_alarm(alarm: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let dimensions = alarm["Dimensions"].as_array().into_iter().flatten();
        Self {
            namespace: text(&alarm["Namespace"]),
            name: text(&alarm["MetricName"]),
            dimensions: dimensions
                .map(|one| (text(&one["Name"]), text(&one["Value"])))
                .collect(),
        }
    }

    /// The entry of the table; fails where name or dimensions are not of it.
    pub fn metric(&self) -> &'static Metric {
        let metric = METRICS.iter().find(|metric| metric.name == self.name);
        let metric = metric.unwrap_or_else(|| panic!("the table has no {}", self.name));
        let names: BTreeSet<&str> = metric.dimensions.iter().map(|one| one.as_str()).collect();
        let mine: BTreeSet<&str> = self.dimensions.keys().map(String::as_str).collect();
        assert_eq!(mine, names, "{}", self.name);
        metric
    }

    fn dimensions(&self) -> Value {
        let all = self.dimensions.iter();
        all.map(|(name, value)| json!({"Name": name, "Value": value}))
            .collect()
    }
}

/// All that the functions of a stack logged so far in embedded metric format.
pub async fn logged(stack: &Stack) -> Vec<Point> {
    let mut points = Vec::new();
    for function in FUNCTION_LOGS {
        let asked = json!({"logGroupName": stack.log_group(function)});
        let wire = stack.wire();
        let found = wire
            .json("logs", "Logs_20140328.FilterLogEvents", &asked)
            .await;
        for event in found["events"].as_array().into_iter().flatten() {
            let message = event["message"].as_str().unwrap_or_default();
            if let Ok(line) = serde_json::from_str::<Value>(message.trim()) {
                points.extend(points_of(&line));
            }
        }
    }
    points
}

/// The values of a line in embedded metric format, as its specification has `CloudWatch` take them out.
pub fn points_of(line: &Value) -> Vec<Point> {
    let mut points = Vec::new();
    let at_ms = line["_aws"]["Timestamp"].as_i64().unwrap_or_default();
    let directives = line["_aws"]["CloudWatchMetrics"].as_array();
    for directive in directives.into_iter().flatten() {
        for set in directive["Dimensions"].as_array().into_iter().flatten() {
            let names = set.as_array().into_iter().flatten();
            let dimensions: BTreeMap<String, String> = names
                .map(|name| {
                    let name = name.as_str().expect("the name of a dimension");
                    let value = line[name].as_str().expect("a member for each dimension");
                    (name.to_owned(), value.to_owned())
                })
                .collect();
            for metric in directive["Metrics"].as_array().into_iter().flatten() {
                let name = metric["Name"].as_str().expect("the name of a metric");
                let values = match &line[name] {
                    Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
                    one => vec![one.as_f64().expect("a member for each metric")],
                };
                points.push(Point {
                    series: Series {
                        namespace: directive["Namespace"].as_str().expect("one").to_owned(),
                        name: name.to_owned(),
                        dimensions: dimensions.clone(),
                    },
                    at_ms,
                    unit: metric["Unit"].as_str().expect("a unit").to_owned(),
                    values,
                });
            }
        }
    }
    points
}

/// Feeds points to `PutMetricData`.
pub async fn put(wire: &Wire, points: &[Point]) {
    let namespaces: BTreeSet<&str> = points
        .iter()
        .map(|point| point.series.namespace.as_str())
        .collect();
    for namespace in namespaces {
        let of_it: Vec<Value> = points
            .iter()
            .filter(|point| point.series.namespace == namespace)
            .map(|point| {
                json!({
                    "MetricName": point.series.name,
                    "Dimensions": point.series.dimensions(),
                    "Timestamp": seconds(point.at_ms),
                    "Unit": point.unit,
                    "Values": point.values,
                })
            })
            .collect();
        for part in of_it.chunks(MOST_VALUES) {
            let body = json!({"Namespace": namespace, "MetricData": part});
            call(wire, "PutMetricData", &body).await;
        }
    }
}

/// So many periods before a moment.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Seconds of a period.
    pub period: i64,
    /// How many.
    pub count: usize,
    /// The moment, in seconds since 1970.
    pub end: i64,
}

/// The values of a statistic in each period of a span, the newest last.
pub async fn values(wire: &Wire, series: &Series, statistic: &str, span: Span) -> Vec<Option<f64>> {
    let Span { period, count, end } = span;
    let count = i64::try_from(count).expect("a few periods");
    let first = end - period * count;
    let asked = json!({
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": series.dimensions(),
        "StartTime": first,
        "EndTime": end,
        "Period": period,
        "Statistics": [statistic],
    });
    let answer = call(wire, "GetMetricStatistics", &asked).await;
    let found: BTreeMap<i64, f64> = answer["Datapoints"]
        .as_array()
        .expect("datapoints")
        .iter()
        .map(|point| {
            let at = point["Timestamp"].as_f64().expect("a time");
            #[allow(clippy::cast_possible_truncation, reason = "a time of this age")]
            let at_s = at as i64;
            (at_s, point[statistic].as_f64().expect("a value"))
        })
        .collect();
    (0..count)
        .map(|number| found.get(&(first + number * period)).copied())
        .collect()
}

/// The alarms of a stage.
pub async fn alarms(stack: &Stack) -> Vec<Value> {
    let asked = json!({"AlarmNamePrefix": stack.name(""), "MaxRecords": 100});
    let answer = call(stack.wire(), "DescribeAlarms", &asked).await;
    assert!(answer["NextToken"].is_null(), "there are more than 100");
    answer["MetricAlarms"].as_array().expect("alarms").clone()
}

/// The series that the stage's dashboard shows.
pub async fn shown(stack: &Stack) -> BTreeSet<Series> {
    let name = format!("tidegate-{}", stack.stage());
    let asked = json!({"DashboardName": name});
    let answer = call(stack.wire(), "GetDashboard", &asked).await;
    let body = answer["DashboardBody"].as_str().expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let widgets = body["widgets"].as_array().expect("widgets").iter();
    let lines = widgets.flat_map(|widget| {
        let metrics = widget["properties"]["metrics"].as_array();
        metrics.expect("metrics").clone()
    });
    lines
        .map(|line| {
            let words: Vec<String> = line
                .as_array()
                .expect("a line")
                .iter()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect();
            let pairs = words[2..].chunks(2);
            Series {
                namespace: words[0].clone(),
                name: words[1].clone(),
                dimensions: pairs
                    .map(|pair| (pair[0].clone(), pair[1].clone()))
                    .collect(),
            }
        })
        .collect()
}

async fn call(wire: &Wire, operation: &str, body: &Value) -> Value {
    let operation = format!("GraniteServiceVersion20100801.{operation}");
    wire.json("monitoring", &operation, body).await
}

fn seconds(at_ms: i64) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "a time of this age")]
    let seconds = at_ms as f64 / 1_000.0;
    json!(seconds)
}
