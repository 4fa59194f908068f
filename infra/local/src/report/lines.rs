//! What the metric lines of logs say: values of each series, and what Lambda bills.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tidegate_model::{
    UnixMs,
    metric::{METRICS, Metric},
};

/// Megabytes of a gigabyte of memory, as Lambda bills them.
const MB_PER_GB: f64 = 1_024.0;

/// A value and when it was emitted.
pub(super) type At = (UnixMs, f64);

/// Everything that was found since a moment.
#[derive(Debug)]
pub(super) struct Lines {
    since: UnixMs,
    series: BTreeMap<(&'static str, Vec<String>), Vec<At>>,
    /// The first and the last moment of which something was found.
    span: Option<(UnixMs, UnixMs)>,
    /// Invocations of which Lambda wrote a bill.
    pub invocations: u64,
    /// Gigabyte-milliseconds of these.
    pub gb_ms: f64,
}

impl Lines {
    /// Nothing yet.
    pub(super) fn since(since: UnixMs) -> Self {
        Self {
            since,
            series: BTreeMap::new(),
            span: None,
            invocations: 0,
            gb_ms: 0.0,
        }
    }

    /// Takes a line; one of another kind is passed by. Tools put a time before it.
    pub(super) fn take(&mut self, line: &str) {
        let json = line.find('{').and_then(|at| line.get(at..));
        let Some(line) = json.and_then(|json| serde_json::from_str::<Value>(json).ok()) else {
            return;
        };
        if let Some(at) = line.pointer("/_aws/Timestamp").and_then(Value::as_i64) {
            if UnixMs(at) >= self.since {
                self.take_metrics(&line, UnixMs(at));
            }
        } else if line.get("type").and_then(Value::as_str) == Some("platform.report") {
            self.take_bill(&line);
        }
    }

    fn take_metrics(&mut self, line: &Value, at: UnixMs) {
        for metric in METRICS {
            let Some(found) = line.get(metric.name) else {
                continue;
            };
            let named = metric.dimensions.iter().map(|one| line.get(one.as_str()));
            let named = named.map(|value| Some(value?.as_str()?.to_owned()));
            let Some(dimensions) = named.collect::<Option<Vec<String>>>() else {
                continue;
            };
            let values: Vec<f64> = match found {
                Value::Array(several) => several.iter().filter_map(Value::as_f64).collect(),
                one => one.as_f64().into_iter().collect(),
            };
            let series = self.series.entry((metric.name, dimensions)).or_default();
            series.extend(values.into_iter().map(|value| (at, value)));
            let (first, last) = self.span.unwrap_or((at, at));
            self.span = Some((first.min(at), last.max(at)));
        }
    }

    /// What Lambda writes at the end of each invocation, where its log format is JSON.
    fn take_bill(&mut self, line: &Value) {
        let time = line.get("time").and_then(Value::as_str);
        let at = time.and_then(|time| time.parse::<Timestamp>().ok());
        if at.is_none_or(|at| UnixMs(at.as_millisecond()) < self.since) {
            return;
        }
        let metric = |name: &str| line.pointer(&format!("/record/metrics/{name}"))?.as_f64();
        if let (Some(ms), Some(mb)) = (metric("billedDurationMs"), metric("memorySizeMB")) {
            self.invocations += 1;
            self.gb_ms += ms * mb / MB_PER_GB;
        }
    }

    /// The first and the last moment; `None` when nothing was found.
    pub(super) fn span(&self) -> Option<(UnixMs, UnixMs)> {
        self.span
    }

    /// The series of a metric, by the values of its dimensions.
    pub(super) fn of<'a>(
        &'a self,
        metric: &'static Metric,
    ) -> impl Iterator<Item = (&'a [String], &'a [At])> {
        let series = self.series.iter();
        series
            .filter(|((name, _), _)| *name == metric.name)
            .map(|((_, dimensions), values)| (dimensions.as_slice(), values.as_slice()))
    }

    /// The sum of a metric without dimensions.
    pub(super) fn sum(&self, metric: &'static Metric) -> f64 {
        let series = self.of(metric).flat_map(|(_, values)| values);
        series.map(|(_, value)| value).sum()
    }
}
