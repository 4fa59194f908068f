//! Metrics as lines of the log, in `CloudWatch`'s embedded metric format: `CloudWatch` Logs takes the
//! values out of them, so a metric costs a function no call and no wait.
//!
//! One line a set of dimension values, with all metrics that have it.

use std::{collections::BTreeMap, io::Write as _};

use serde_json::{Map, Value, json};
use tidegate_engine::ports::Metrics;
use tidegate_model::{
    UnixMs,
    metric::{Dimension, Sample},
};

/// Values that a metric of one line may have; the format's limit. Its limit of metrics a line, 100, is
/// above what the table has.
const MAX_VALUES: usize = 100;

/// Writes lines to standard output, for `CloudWatch` Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emf {
    namespace: String,
}

impl Emf {
    /// With this namespace.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
        }
    }
}

impl Metrics for Emf {
    fn emit(&self, at: UnixMs, samples: &[Sample]) {
        let mut out = std::io::stdout().lock();
        for line in emf_lines(&self.namespace, at, samples) {
            // A log that can not be written to has nobody to be told.
            drop(writeln!(out, "{line}"));
        }
    }
}

/// The lines of samples as of a moment.
pub fn emf_lines(namespace: &str, at: UnixMs, samples: &[Sample]) -> Vec<Value> {
    let mut sets: BTreeMap<Vec<(Dimension, &str)>, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        let names = sample.metric.dimensions.iter().copied();
        let values = sample.dimensions.iter().map(String::as_str);
        sets.entry(names.zip(values).collect())
            .or_default()
            .push(sample);
    }
    let mut lines = Vec::new();
    for (set, samples) in &sets {
        let longest = samples.iter().map(|sample| sample.values.len()).max();
        let parts = longest.unwrap_or(0).div_ceil(MAX_VALUES);
        lines.extend((0..parts).map(|part| line(namespace, at, set, samples, part)));
    }
    lines
}

/// The line of a set with one part of its values.
fn line(
    namespace: &str,
    at: UnixMs,
    set: &[(Dimension, &str)],
    samples: &[&Sample],
    part: usize,
) -> Value {
    let mut members = Map::new();
    let mut metrics = Vec::new();
    for sample in samples {
        let Some(values) = sample.values.chunks(MAX_VALUES).nth(part) else {
            continue;
        };
        let value = match values {
            [one] => json!(one),
            several => json!(several),
        };
        members.insert(sample.metric.name.to_owned(), value);
        metrics.push(json!({
            "Name": sample.metric.name,
            "Unit": sample.metric.unit.as_str(),
        }));
    }
    let names: Vec<&str> = set.iter().map(|(name, _)| name.as_str()).collect();
    for (name, value) in set {
        members.insert(name.as_str().to_owned(), json!(value));
    }
    let directive = json!({
        "Timestamp": at.0,
        "CloudWatchMetrics": [{
            "Namespace": namespace,
            "Dimensions": [names],
            "Metrics": metrics,
        }],
    });
    members.insert("_aws".to_owned(), directive);
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use tidegate_model::metric::{self, Metric};

    use super::*;

    fn sample(metric: &'static Metric, dimensions: &[&str], values: &[f64]) -> Sample {
        Sample {
            metric,
            dimensions: dimensions.iter().map(|one| (*one).to_owned()).collect(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn metrics_of_the_same_dimensions_share_a_line() {
        let samples = [
            sample(&metric::CALLS, &["qualio", "batch"], &[3.0]),
            sample(
                &metric::CALL_SUCCESS,
                &["qualio", "batch"],
                &[100.0, 0.0, 100.0],
            ),
            sample(&metric::TICKS, &[], &[1.0]),
        ];
        let lines = emf_lines("tidegate-dev", UnixMs(1_795_140_000_000), &samples);
        assert_eq!(
            lines,
            [
                json!({
                    "Ticks": 1.0,
                    "_aws": {
                        "Timestamp": 1_795_140_000_000_i64,
                        "CloudWatchMetrics": [{
                            "Namespace": "tidegate-dev",
                            "Dimensions": [[]],
                            "Metrics": [{ "Name": "Ticks", "Unit": "Count" }],
                        }],
                    },
                }),
                json!({
                    "System": "qualio",
                    "Tier": "batch",
                    "Calls": 3.0,
                    "CallSuccess": [100.0, 0.0, 100.0],
                    "_aws": {
                        "Timestamp": 1_795_140_000_000_i64,
                        "CloudWatchMetrics": [{
                            "Namespace": "tidegate-dev",
                            "Dimensions": [["System", "Tier"]],
                            "Metrics": [
                                { "Name": "Calls", "Unit": "Count" },
                                { "Name": "CallSuccess", "Unit": "Percent" },
                            ],
                        }],
                    },
                }),
            ]
        );
    }

    #[test]
    fn more_values_than_a_line_takes_are_several_lines() {
        let values: Vec<f64> = (0..250).map(f64::from).collect();
        let samples = [sample(
            &metric::SYNC_LATENCY,
            &["suppliers", "batch"],
            &values,
        )];
        let lines = emf_lines("tidegate", UnixMs::EPOCH, &samples);
        let told: Vec<f64> = lines
            .iter()
            .flat_map(|line| line["SyncLatency"].as_array().unwrap())
            .map(|value| value.as_f64().unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(told, values);
    }
}
