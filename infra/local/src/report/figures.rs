//! The figures of a report, each under a name by which a later report finds it again.

use serde::{Deserialize, Serialize};
use tidegate_model::metric::{self, Metric};
use tidegate_policy::schedule::utc;

use super::lines::{At, Lines};
use crate::simulate::price::{Units, total};

/// Outcomes that spared a call.
const SPARED: [&str; 2] = ["unchanged", "coalesced"];
/// Runs below which nothing is said of a trend.
const RUNS_OF_A_TREND: usize = 4;

/// A name, in which `{}` is what a series is told by, and what is made of its values.
type Named<'a> = (&'a str, fn(&[At]) -> f64);

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Of when its first line is.
    pub from: String,
    /// Of when its last line is.
    pub to: String,
    /// The figures, in the order in which they are shown.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// Flow or system.
    pub of: String,
    /// What it is.
    pub what: String,
    /// `%`, `ms`, `s`, `$`; empty for a count.
    pub unit: String,
    /// Its value.
    pub value: f64,
}

impl Report {
    /// What lines come to; `None` when there are none.
    pub(super) fn of(lines: &Lines) -> Option<Self> {
        let (from, to) = lines.span()?;
        let mut figures = Figures::default();
        figures.calls(lines);
        figures.latency(lines);
        figures.freshness(lines);
        figures.changes(lines);
        figures.runs(lines);
        figures.cost(lines);
        Some(Self {
            from: utc(from),
            to: utc(to),
            figures: figures.0,
        })
    }

    /// The figure of the same name.
    pub(super) fn figure(&self, like: &Figure) -> Option<&Figure> {
        let mut all = self.figures.iter();
        all.find(|one| (&one.of, &one.what) == (&like.of, &like.what))
    }
}

#[derive(Default)]
struct Figures(Vec<Figure>);

impl Figures {
    fn push(&mut self, of: &str, what: impl Into<String>, unit: &str, value: f64) {
        self.0.push(Figure {
            of: of.to_owned(),
            what: what.into(),
            unit: unit.to_owned(),
            value,
        });
    }

    /// A figure for each series of a metric with two dimensions: by what the second is told.
    fn each(&mut self, lines: &Lines, metric: &'static Metric, unit: &str, figures: &[Named<'_>]) {
        for (dimensions, values) in lines.of(metric) {
            if let [of, told] = dimensions {
                for (what, figure) in figures {
                    let what = what.replace("{}", told);
                    self.push(of, what, unit, figure(values));
                }
            }
        }
    }

    fn calls(&mut self, lines: &Lines) {
        self.each(lines, &metric::CALLS, "", &[("calls, {}", sum)]);
        let success: &[Named<'_>] = &[("success rate, {}", mean)];
        self.each(lines, &metric::CALL_SUCCESS, "%", success);
        let times: &[Named<'_>] = &[
            ("response time, {} windows", mean),
            ("response time, {} windows, p95", p95),
        ];
        self.each(lines, &metric::RESPONSE_TIME, "ms", times);
    }

    fn latency(&mut self, lines: &Lines) {
        let latency: &[Named<'_>] = &[("sync latency, {}", mean), ("sync latency, {}, p95", p95)];
        self.each(lines, &metric::SYNC_LATENCY, "ms", latency);
    }

    fn freshness(&mut self, lines: &Lines) {
        let age: &[Named<'_>] = &[
            ("age of {} fields", mean),
            ("age of {} fields, worst", most),
        ];
        self.each(lines, &metric::FRESHNESS, "s", age);
    }

    fn changes(&mut self, lines: &Lines) {
        for (dimensions, values) in lines.of(&metric::RECEIVED) {
            if let [flow] = dimensions {
                self.push(flow, "changes received", "", sum(values));
            }
        }
        self.each(lines, &metric::OUTCOMES, "", &[("changes {}", sum)]);
        for (dimensions, _) in lines.of(&metric::RECEIVED) {
            if let [flow] = dimensions {
                let spared = lines.of(&metric::OUTCOMES).filter(|(named, _)| {
                    matches!(named, [of, how] if of == flow && SPARED.contains(&how.as_str()))
                });
                let spared = spared.map(|(_, values)| sum(values)).sum();
                self.push(flow, "changes that spared a call", "", spared);
            }
        }
        self.each(
            lines,
            &metric::REVIEWS_OPENED,
            "",
            &[("reviews opened, {}", sum)],
        );
    }

    fn runs(&mut self, lines: &Lines) {
        for (dimensions, values) in lines.of(&metric::RUN_TIME) {
            let [flow, start] = dimensions else {
                continue;
            };
            self.push(flow, format!("time of a run, {start}"), "s", mean(values));
            if let Some(trend) = trend(values) {
                let what = format!("trend of run times, {start}");
                self.push(flow, what, "%", trend);
            }
        }
    }

    /// What was counted at list prices.
    fn cost(&mut self, lines: &Lines) {
        let units = Units {
            writes: whole(lines.sum(&metric::WRITE_UNITS)),
            reads: whole(lines.sum(&metric::READ_UNITS)),
            invocations: lines.invocations,
            gb_ms: whole(lines.gb_ms),
            ..Units::default()
        };
        let bill = units.bill();
        for line in bill.iter().filter(|line| line.count > 0) {
            self.push("cost", line.unit, "$", line.dollars);
        }
        self.push("cost", "together", "$", total(&bill));
        let applied = lines
            .of(&metric::OUTCOMES)
            .filter(|(named, _)| matches!(named, [_, how] if how == "applied"));
        let applied: f64 = applied.map(|(_, values)| sum(values)).sum();
        if applied > 0.0 {
            let a_million = total(&bill) / applied * 1e6;
            self.push("cost", "a million applied changes", "$", a_million);
        }
    }
}

fn sum(values: &[At]) -> f64 {
    values.iter().map(|(_, value)| value).sum()
}

fn mean(values: &[At]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = values.len() as f64;
    if values.is_empty() {
        0.0
    } else {
        sum(values) / count
    }
}

fn most(values: &[At]) -> f64 {
    let values = values.iter().map(|(_, value)| *value);
    values.fold(0.0, f64::max)
}

/// The least value that 95 of 100 are not above.
fn p95(values: &[At]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(0.0)
}

/// By how many percent the later half of the values is above the earlier one.
fn trend(values: &[At]) -> Option<f64> {
    if values.len() < RUNS_OF_A_TREND {
        return None;
    }
    let mut in_order = values.to_vec();
    in_order.sort_by_key(|(at, _)| *at);
    let (earlier, later) = in_order.split_at(in_order.len() / 2);
    let before = mean(earlier);
    (before > 0.0).then(|| 100.0 * (mean(later) - before) / before)
}

/// Started units.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of counts, far below 2^52"
)]
fn whole(units: f64) -> u64 {
    units.ceil() as u64
}
