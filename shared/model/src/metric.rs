//! The metrics: what is measured, in one table.
//!
//! The table is the one place that names them. Who measures takes an entry of it, so nothing is
//! emitted under a name, unit or dimension that is not here; documentation and dashboard are written
//! from it, and tests hold the alarms of the template against it.
//!
//! Dimensions are few, since each combination of values is a metric of its own to `CloudWatch` (0.30 $ a
//! month): names of flows and systems, and words of small sets, never a key or a value of a record.

use std::fmt;

mod table;

pub use table::*;

/// What stands above the table.
const HEADING: &str = "\
# Metrics

Written by `tidegate schema --metrics` from `shared/model/src/metric/table.rs`. On AWS each is a line of
the log in CloudWatch's embedded metric format, in the namespace `tidegate-STAGE`; on one machine the
same lines lie in `metrics.jsonl` of the data folder. `tidegate report` reads either.

A flow with its source, its target and an audit is about 55 metrics. AWS takes 0.30 $ a month for one, by
the hours in which it is emitted, and 0.10 $ for each alarm: at most 17 $ and 3 $ a month.

| name | unit | dimensions | read as | meaning |
| --- | --- | --- | --- | --- |
";

/// What a value counts, as `CloudWatch` spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Percent, 0 to 100.
    Percent,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// The unit as `CloudWatch` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
            Self::Seconds => "Seconds",
        }
    }
}

/// What a metric is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// A class of fields: `critical` or `other`.
    Class,
    /// A flow, by its name.
    Flow,
    /// Why a person must look, by the name that reviews show, or what an audit found, by the name that
    /// its report shows.
    Kind,
    /// How a change ended, by its name.
    Outcome,
    /// What started a run: the local time of its window, `every`, `event` or `manual`.
    Start,
    /// A source or target, by the name that flow files give it.
    System,
    /// `real_time` or `batch`.
    Tier,
    /// Why a decision was yes or no, by its name.
    Why,
    /// Whether a batch of the flow may be under way: `inside` or `outside` its windows.
    Window,
}

impl Dimension {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Class => "Class",
            Self::Flow => "Flow",
            Self::Kind => "Kind",
            Self::Outcome => "Outcome",
            Self::Start => "Start",
            Self::System => "System",
            Self::Tier => "Tier",
            Self::Why => "Why",
            Self::Window => "Window",
        }
    }
}

/// The statistic by which a metric is read, which is also how values of one moment become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Each value stands for itself; percentiles make sense too.
    Average,
    /// The largest tells.
    Maximum,
    /// They add up.
    Sum,
}

impl Statistic {
    /// Its name, as `CloudWatch` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Average => "Average",
            Self::Maximum => "Maximum",
            Self::Sum => "Sum",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What it is told apart by, in the order in which values are given.
    pub dimensions: &'static [Dimension],
    /// How it is read.
    pub statistic: Statistic,
    /// What a value says, and when one is emitted.
    pub meaning: &'static str,
}

/// Values of a metric for one set of dimension values.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: &'static Metric,
    /// One for each of its dimensions, in the table's order.
    pub dimensions: Vec<String>,
    /// The values; one where the metric's statistic makes one of several.
    pub values: Vec<f64>,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The table as Markdown: the documentation.
pub fn markdown() -> String {
    let mut text = String::from(HEADING);
    for metric in METRICS {
        let named: Vec<&str> = metric.dimensions.iter().map(|one| one.as_str()).collect();
        let row = format!(
            "| `{}` | {} | {} | {} | {} |\n",
            metric.name,
            metric.unit.as_str(),
            named.join(", "),
            metric.statistic.as_str(),
            metric.meaning,
        );
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_metric_has_a_name_of_its_own_and_a_sentence() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert!(metric.meaning.ends_with('.'), "{metric}");
            let different: BTreeSet<_> = metric.dimensions.iter().collect();
            assert_eq!(different.len(), metric.dimensions.len(), "{metric}");
        }
    }

    #[test]
    fn the_documentation_is_the_table() {
        let written = include_str!("../../../infra/METRICS.md");
        assert_eq!(
            written,
            markdown(),
            "run `cargo run -- schema --metrics > infra/METRICS.md`"
        );
    }
}
