//! The report: one HTML file that needs nothing else, with plots drawn as SVG in the page itself.
//!
//! It has no script, no style sheet and no picture of its own, so it can be mailed and kept. Colours
//! follow the reader's light or dark setting.

mod plot;

use std::fmt::{self, Write as _};

use super::{
    figures::{BreakerIs, Figures, Lane, Minute},
    price::{NOT_COUNTED, REGION},
    verdict,
    words::{Local, counted, dollars, number, rate, reviews, span, span_up},
};
use plot::{Line, Plot, Unit};

const STYLE: &str = include_str!("page/style.css");

/// The page.
pub(super) fn html(figures: &Figures) -> Result<String, fmt::Error> {
    let mut page = String::new();
    let local = Local::new(&figures.time_zone);
    let title = format!(
        "{}: simulated from {}",
        figures.flow,
        local.date(figures.begin_ms)
    );
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>",
        escaped(&title),
        escaped(&title)
    )?;
    answer(&mut page, figures)?;
    tiles(&mut page, figures)?;
    plots(&mut page, figures, &local)?;
    tables(&mut page, figures, &local)?;
    writeln!(page, "</main>\n</body>\n</html>")?;
    Ok(page)
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

fn answer(page: &mut String, figures: &Figures) -> fmt::Result {
    let class = if figures.is_kept() { "kept" } else { "broken" };
    writeln!(page, "<section class=\"answer {class}\">")?;
    for sentence in verdict::sentences(figures) {
        writeln!(page, "<p>{}</p>", escaped(&sentence))?;
    }
    let more = [Some(figures.setup.clone()), verdict::crowded(figures)];
    for line in more.into_iter().flatten() {
        writeln!(page, "<p class=\"quiet\">{}</p>", escaped(&line))?;
    }
    if !figures.command.is_empty() {
        writeln!(page, "<p><code>{}</code></p>", escaped(&figures.command))?;
    }
    writeln!(page, "</section>")
}

fn tiles(page: &mut String, figures: &Figures) -> fmt::Result {
    let (new, critical, other) = figures.changes;
    let reviewed: u64 = figures.reviewed.values().sum();
    let tiles = [
        (
            "changes",
            number(new + critical + other),
            format!(
                "{} critical, {} new, seed {}",
                number(critical),
                number(new),
                figures.seed
            ),
        ),
        (
            "oldest critical field",
            age(figures.critical.worst_s),
            format!("goal {}", span(figures.critical.goal_s)),
        ),
        (
            "oldest other field",
            age(figures.other.worst_s),
            format!("goal {}", span(figures.other.goal_s)),
        ),
        (
            "windows kept",
            format!(
                "{} of {}",
                figures.windows.saturating_sub(figures.broken.len() as u64),
                figures.windows
            ),
            format!("longest gap {}", span(figures.longest_gap_s)),
        ),
        (
            "batch budget",
            used(&figures.batch),
            format!(
                "busiest window {} of {}",
                figures.batch.busiest, figures.batch.most
            ),
        ),
        (
            "real-time budget",
            used(&figures.real_time),
            format!(
                "busiest window {} of {}",
                figures.real_time.busiest, figures.real_time.most
            ),
        ),
        (
            "to review",
            number(reviewed),
            if reviewed == 0 {
                "nobody is needed".to_owned()
            } else {
                reviews(&figures.reviewed)
            },
        ),
        (
            "price on AWS",
            dollars(figures.dollars),
            format!(
                "counted over {}; {} for 24 h",
                span(figures.virtual_ms() / 1_000),
                dollars(figures.dollars_a_day())
            ),
        ),
    ];
    writeln!(page, "<section class=\"tiles\">")?;
    for (name, value, more) in tiles {
        writeln!(
            page,
            "<div class=\"tile\"><span>{}</span><strong>{}</strong><small>{}</small></div>",
            escaped(name),
            escaped(&value),
            escaped(&more)
        )?;
    }
    writeln!(page, "</section>")
}

/// An age; what is below a second is none that anybody sees.
fn age(seconds: u64) -> String {
    if seconds == 0 {
        "under 1 s".to_owned()
    } else {
        span_up(seconds)
    }
}

fn used(lane: &Lane) -> String {
    match lane.used_percent {
        Some(percent) => format!("{percent:.1} % used"),
        None => "never work for a whole window".to_owned(),
    }
}

fn line(
    name: &'static str,
    class: &'static str,
    figures: &Figures,
    of: fn(&Minute) -> u64,
) -> Line {
    Line {
        name,
        class,
        values: figures.minutes.iter().map(of).collect(),
    }
}

fn plots(page: &mut String, figures: &Figures, local: &Local) -> fmt::Result {
    let mark = |lane: &Lane| {
        let per_minute = (u64::from(lane.limit) * 60).div_ceil(u64::from(lane.per_s.max(1)));
        let said = format!("limit {}", rate(lane.limit.into(), lane.per_s));
        vec![(said, per_minute)]
    };
    let goal = |goal_s: u64| vec![(format!("goal {}", span(goal_s)), goal_s)];
    let all = [
        Plot {
            title: "Backlog: records that wait",
            lines: vec![
                line("for the next window", "c3", figures, |minute| {
                    minute.for_window
                }),
                line("batch", "c1", figures, |minute| minute.pending_batch),
                line("real-time", "c2", figures, |minute| {
                    minute.pending_real_time
                }),
                line("a person", "c4", figures, |minute| minute.in_review),
            ],
            marks: Vec::new(),
            unit: Unit::Count,
        },
        Plot {
            title: "Batch calls a minute, against the limit",
            lines: vec![line("batch calls", "c1", figures, |minute| {
                minute.batch_calls.into()
            })],
            marks: mark(&figures.batch),
            unit: Unit::Count,
        },
        Plot {
            title: "Real-time calls a minute, against the limit",
            lines: vec![line("real-time calls", "c2", figures, |minute| {
                minute.real_time_calls.into()
            })],
            marks: mark(&figures.real_time),
            unit: Unit::Count,
        },
        Plot {
            title: "Calls to the source a minute, against the limit",
            lines: vec![line("source calls", "c3", figures, |minute| {
                minute.source_calls.into()
            })],
            marks: mark(&figures.source_lane),
            unit: Unit::Count,
        },
        Plot {
            title: "Age of the oldest critical change that the target does not hold",
            lines: vec![line("critical fields", "c2", figures, |minute| {
                minute.critical_age_s
            })],
            marks: goal(figures.critical.goal_s),
            unit: Unit::Seconds,
        },
        Plot {
            title: "Age of the oldest other change that the target does not hold",
            lines: vec![line("other fields", "c1", figures, |minute| {
                minute.other_age_s
            })],
            marks: goal(figures.other.goal_s),
            unit: Unit::Seconds,
        },
        Plot {
            title: "Breaker of the target: closed, half-open, open",
            lines: vec![line("breaker", "c4", figures, |minute| {
                match minute.breaker {
                    BreakerIs::Closed => 0,
                    BreakerIs::HalfOpen | BreakerIs::Held => 1,
                    BreakerIs::Open => 2,
                }
            })],
            marks: Vec::new(),
            unit: Unit::Breaker,
        },
    ];
    for plot in &all {
        plot.draw(page, figures, local)?;
    }
    Ok(())
}

fn tables(page: &mut String, figures: &Figures, local: &Local) -> fmt::Result {
    if !figures.broken.is_empty() {
        writeln!(
            page,
            "<h2>Windows that broke</h2>\n<table><tr><th>window</th><th>open at the next</th><th>why</th></tr>"
        )?;
        for broken in &figures.broken {
            writeln!(
                page,
                "<tr><td>{}</td><td>{} at {}</td><td>{}</td></tr>",
                local.day_time(broken.at_ms),
                counted(broken.left, "change", "changes"),
                local.day_time(broken.next_ms),
                if broken.cut {
                    "cut at the flow's limit"
                } else {
                    "not done in time"
                }
            )?;
        }
        writeln!(page, "</table>")?;
    }
    writeln!(
        page,
        "<h2>Calls and receives</h2>\n<table><tr><th></th><th>count</th></tr>"
    )?;
    let answers = figures.answers.iter().map(|(status, count)| {
        let name = if *status == 0 {
            "no answer".to_owned()
        } else {
            format!("answered {status}")
        };
        (
            format!("calls to {}, {name}", figures.target),
            number(*count),
        )
    });
    let rows = [
        (
            "real-time calls".to_owned(),
            number(figures.real_time.calls),
        ),
        ("batch calls".to_owned(), number(figures.batch.calls)),
        (
            format!("calls to {}", figures.source),
            number(figures.source_lane.calls),
        ),
        ("records applied".to_owned(), number(figures.applied)),
        (
            "receives for each record applied".to_owned(),
            format!("{:.2}", figures.receives_per_applied()),
        ),
        ("retries spent".to_owned(), number(figures.attempts_spent)),
        (
            "times the breaker opened".to_owned(),
            number(figures.openings),
        ),
        (
            "calls while the target was away".to_owned(),
            number(figures.calls_while_away),
        ),
    ];
    for (name, count) in answers.chain(rows) {
        writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td></tr>",
            escaped(&name),
            escaped(&count)
        )?;
    }
    writeln!(
        page,
        "</table>\n<h2>Price of {}</h2>\n<p>List prices of {REGION}.</p>\n<table><tr><th>billed unit</th><th>counted</th><th>$ a million</th><th>$</th><th>price from</th></tr>",
        span(figures.virtual_ms() / 1_000)
    )?;
    for line in &figures.bill {
        writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.4}</td><td>{}, {}</td></tr>",
            escaped(line.unit),
            number(line.count),
            line.dollars_a_million,
            line.dollars,
            escaped(line.source),
            line.read
        )?;
    }
    writeln!(
        page,
        "<tr><th>together</th><td></td><td></td><td class=\"n\">{:.4}</td><td></td></tr>\n</table>\n<p>{}</p>",
        figures.dollars,
        escaped(NOT_COUNTED)
    )
}
