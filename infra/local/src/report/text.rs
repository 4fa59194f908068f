//! A report as text, beside its baseline.

use super::figures::{Figure, Report};
use crate::simulate::price::REGION;

/// What the sum of the cost leaves out.
const NOT_COUNTED: &str = "Not counted: requests to queues, bus and HTTP API, stored data, logs and metrics; and the \
computing time of functions whose `platform.report` lines are not among the logs.";

/// Widest name of a figure.
const NAME: usize = 44;
/// Width of a value.
const VALUE: usize = 16;

/// The report.
pub(super) fn shown(report: &Report, baseline: Option<&Report>) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("{} to {}", report.from, report.to));
    if let Some(before) = baseline {
        line(
            &mut text,
            format_args!("before: {} to {}", before.from, before.to),
        );
    }
    let mut of = "";
    let mut figures: Vec<&Figure> = report.figures.iter().collect();
    // Stable, so that the figures of one flow or system stay in their order; the cost is the last.
    figures.sort_by_key(|figure| (figure.of == "cost", figure.of.as_str()));
    for figure in figures {
        if figure.of != of {
            of = &figure.of;
            heading(&mut text, of, baseline.is_some());
        }
        let before = baseline.and_then(|baseline| baseline.figure(figure));
        row(&mut text, figure, before, baseline.is_some());
    }
    line(
        &mut text,
        format_args!("\nList prices of {REGION}. {NOT_COUNTED}"),
    );
    text
}

fn heading(text: &mut String, of: &str, compares: bool) {
    if compares {
        let (before, now) = ("before", "now");
        line(
            text,
            format_args!(
                "\n{of:<NAME$}{before:>VALUE$}{now:>VALUE$}{:>VALUE$}",
                "change"
            ),
        );
    } else {
        line(text, format_args!("\n{of}"));
    }
}

fn row(text: &mut String, now: &Figure, before: Option<&Figure>, compares: bool) {
    let name = format!("  {}", now.what);
    let value = shown_value(now);
    if !compares {
        line(text, format_args!("{name:<NAME$}{value:>VALUE$}"));
        return;
    }
    let (was, change) = match before {
        Some(before) => (shown_value(before), change(before, now)),
        None => ("-".to_owned(), String::new()),
    };
    line(
        text,
        format_args!("{name:<NAME$}{was:>VALUE$}{value:>VALUE$}{change:>VALUE$}"),
    );
}

fn shown_value(figure: &Figure) -> String {
    let Figure { unit, value, .. } = figure;
    match unit.as_str() {
        "" => format!("{value:.0}"),
        "$" => format!("{value:.6} $"),
        "%" => format!("{value:.2} %"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// In percent of what it was; what is a percentage itself, in points.
fn change(before: &Figure, now: &Figure) -> String {
    let difference = now.value - before.value;
    if now.unit == "%" {
        format!("{difference:+.2} points")
    } else if before.value == 0.0 {
        String::new()
    } else {
        format!("{:+.0} %", 100.0 * difference / before.value)
    }
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.push_str(&what.to_string());
    text.push('\n');
}
