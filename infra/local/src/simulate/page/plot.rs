//! One plot over the time of the story, as SVG.

use std::fmt::{self, Write as _};

use super::{Figures, escaped};
use crate::simulate::words::{Local, number, span};

/// Size of a plot, in the units of its own picture.
const WIDTH: u64 = 980;
const HEIGHT: u64 = 190;
/// Room for the numbers at the left, the title's gap above and the times below.
const LEFT: u64 = 74;
const TOP: u64 = 12;
const BOTTOM: u64 = 24;
/// Points that a line has at most: one for each unit of width would not show more.
const MOST_POINTS: usize = 900;
/// Times that are written below.
const MOST_TIMES: usize = 12;
/// Steps between the lowest and the highest number at the left.
const STEPS: u64 = 4;
const MINUTE_MS: i64 = 60_000;

/// What is counted upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things.
    Count,
    /// Seconds, shown as spans.
    Seconds,
    /// States of a breaker.
    Breaker,
}

/// A line.
pub(super) struct Line {
    /// What it shows.
    pub name: &'static str,
    /// Its colour.
    pub class: &'static str,
    /// A value for each minute.
    pub values: Vec<u64>,
}

/// A plot.
pub(super) struct Plot {
    /// What it shows.
    pub title: &'static str,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Values that must not be passed, and how they are said.
    pub marks: Vec<(String, u64)>,
    /// What is counted.
    pub unit: Unit,
}

impl Plot {
    /// Draws it into the page.
    pub(super) fn draw(&self, page: &mut String, figures: &Figures, local: &Local) -> fmt::Result {
        let top = self.top();
        writeln!(page, "<h2>{}</h2>\n<p class=\"key\">", escaped(self.title))?;
        for line in &self.lines {
            write!(
                page,
                "<i class=\"{}\"></i>{}",
                line.class,
                escaped(line.name)
            )?;
        }
        for (said, _) in &self.marks {
            write!(page, "<i class=\"mark\"></i>{}", escaped(said))?;
        }
        writeln!(
            page,
            "</p>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.title)
        )?;
        spells(page, figures)?;
        self.grid(page, top)?;
        times(page, figures, local)?;
        for (_, value) in &self.marks {
            let y = y_of(*value, top);
            writeln!(
                page,
                "<line class=\"mark\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/>"
            )?;
        }
        for line in &self.lines {
            path(page, line, top)?;
        }
        self.hours(page, figures, local)?;
        writeln!(page, "</svg>")
    }

    /// The highest number at the left: round, and not below anything that is shown.
    fn top(&self) -> u64 {
        let of_lines = self
            .lines
            .iter()
            .flat_map(|line| line.values.iter().copied())
            .max();
        let of_marks = self.marks.iter().map(|(_, value)| *value).max();
        let highest = of_lines.unwrap_or(0).max(of_marks.unwrap_or(0)).max(1);
        match self.unit {
            Unit::Breaker => 2,
            Unit::Count => round_up(highest, &[1, 2, 4, 8, 10]),
            Unit::Seconds => {
                let steps = [
                    60, 240, 900, 1_200, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400,
                ];
                let step = steps.into_iter().find(|step| step * STEPS >= highest);
                step.map_or_else(|| round_up(highest, &[1, 2, 4, 8, 10]), |step| step * STEPS)
            }
        }
    }

    fn shown(&self, value: u64) -> String {
        match (self.unit, value) {
            (Unit::Count, _) => number(value),
            (Unit::Seconds, 0) => "0".to_owned(),
            (Unit::Seconds, _) => span(value),
            (Unit::Breaker, 0) => "closed".to_owned(),
            (Unit::Breaker, 1) => "half-open".to_owned(),
            (Unit::Breaker, _) => "open".to_owned(),
        }
    }

    fn grid(&self, page: &mut String, top: u64) -> fmt::Result {
        let steps = STEPS.min(top);
        for step in 0..=steps {
            let value = top * step / steps;
            let y = y_of(value, top);
            writeln!(
                page,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                LEFT - 8,
                y + 4.0,
                escaped(&self.shown(value))
            )?;
        }
        Ok(())
    }

    /// What a pointer that rests on an hour is told.
    fn hours(&self, page: &mut String, figures: &Figures, local: &Local) -> fmt::Result {
        let count = figures.minutes.len();
        let step = 60 * count.div_ceil(60 * 200).max(1);
        for (nth, hour) in figures.minutes.chunks(step).enumerate() {
            let Some(first) = hour.first() else { continue };
            let (from, until) = (
                x_of(nth * step, count),
                x_of(nth * step + hour.len(), count),
            );
            let mut told = local.day_time(first.at_ms);
            for line in &self.lines {
                let values = line.values.get(nth * step..nth * step + hour.len());
                let most = values
                    .unwrap_or_default()
                    .iter()
                    .max()
                    .copied()
                    .unwrap_or(0);
                write!(told, "\n{}: at most {}", line.name, self.shown(most))?;
            }
            writeln!(
                page,
                "<rect class=\"hour\" x=\"{from}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>",
                until - from,
                HEIGHT - TOP - BOTTOM,
                escaped(&told)
            )?;
        }
        Ok(())
    }
}

/// The next round number: one of these times a power of ten.
fn round_up(highest: u64, steps: &[u64]) -> u64 {
    let mut power = 1;
    loop {
        let found = steps
            .iter()
            .map(|step| step * power)
            .find(|round| *round >= highest);
        if let Some(found) = found {
            return found;
        }
        power *= 10;
    }
}

#[allow(clippy::cast_precision_loss, reason = "drawn to a tenth of a unit")]
fn y_of(value: u64, top: u64) -> f64 {
    let height = (HEIGHT - TOP - BOTTOM) as f64;
    let part = value.min(top) as f64 / top.max(1) as f64;
    tenth(TOP as f64 + height * (1.0 - part))
}

#[allow(clippy::cast_precision_loss, reason = "drawn to a tenth of a unit")]
fn x_of(minute: usize, count: usize) -> f64 {
    let width = (WIDTH - LEFT) as f64;
    tenth(LEFT as f64 + width * minute as f64 / count.max(1) as f64)
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The line; where it has more minutes than points, each point shows the most of its minutes.
fn path(page: &mut String, line: &Line, top: u64) -> fmt::Result {
    let count = line.values.len();
    let step = count.div_ceil(MOST_POINTS).max(1);
    write!(page, "<path class=\"line {}\" d=\"", line.class)?;
    for (nth, values) in line.values.chunks(step).enumerate() {
        let most = values.iter().max().copied().unwrap_or(0);
        let to = if nth == 0 { 'M' } else { 'L' };
        write!(page, "{to}{} {}", x_of(nth * step, count), y_of(most, top))?;
    }
    writeln!(page, "\"/>")
}

/// Shades of the spans in which a system is away or slow.
fn spells(page: &mut String, figures: &Figures) -> fmt::Result {
    let count = figures.minutes.len();
    let minute = |at_ms: i64| {
        let minute = (at_ms - figures.begin_ms).div_euclid(MINUTE_MS).max(0);
        usize::try_from(minute).unwrap_or(0).min(count)
    };
    for (is_source, is_away, from, until) in &figures.spells {
        let (from, until) = (x_of(minute(*from), count), x_of(minute(*until), count));
        let name = if *is_source {
            &figures.source
        } else {
            &figures.target
        };
        let (class, what) = if *is_away {
            ("away", "away")
        } else {
            ("slow", "slow")
        };
        writeln!(
            page,
            "<rect class=\"{class}\" x=\"{from}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"/><text x=\"{}\" y=\"{}\">{} {what}</text>",
            until - from,
            HEIGHT - TOP - BOTTOM,
            from + 4.0,
            TOP + 12,
            escaped(name)
        )?;
    }
    Ok(())
}

/// The times below.
fn times(page: &mut String, figures: &Figures, local: &Local) -> fmt::Result {
    let count = figures.minutes.len();
    let hours = count.div_ceil(60);
    let step = 60 * hours.div_ceil(MOST_TIMES).max(1);
    for at in (0..count).step_by(step) {
        let Some(minute) = figures.minutes.get(at) else {
            continue;
        };
        let x = x_of(at, count);
        writeln!(
            page,
            "<line class=\"grid\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/><text x=\"{x}\" y=\"{}\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 5,
            HEIGHT - 6,
            escaped(&local.day_time(minute.at_ms))
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_is_round_and_above_everything() {
        let plot = |unit, values: Vec<u64>, mark| Plot {
            title: "t",
            lines: vec![Line {
                name: "l",
                class: "c1",
                values,
            }],
            marks: vec![("limit".to_owned(), mark)],
            unit,
        };
        let rows = [
            (Unit::Count, vec![0], 50, 80),
            (Unit::Count, vec![269], 0, 400),
            (Unit::Count, vec![], 0, 1),
            (Unit::Seconds, vec![28_700], 32_400, 57_600),
            (Unit::Seconds, vec![3], 900, 960),
            (Unit::Breaker, vec![0], 0, 2),
        ];
        for (unit, values, mark, top) in rows {
            assert_eq!(
                plot(unit, values.clone(), mark).top(),
                top,
                "{unit:?} {values:?}"
            );
        }
    }
}
