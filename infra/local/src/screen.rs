//! What a person sees while everything runs.
//!
//! On a terminal: bars for what is staged and applied, budgets and breakers, redrawn each second.
//! Elsewhere: plain lines, one when the figures have changed. News (a batch is done, a breaker
//! opened) is a line in both. The figures are counted from the registers, as tick counts them.

mod banner;
mod bars;
mod figures;

use std::{io::Write as _, time::Duration};

use anyhow::Context as _;
use jiff::{Timestamp, tz::TimeZone};
use tidegate_engine::{Engine, Event, ports::Clock};
use tidegate_model::UnixMs;
use tokio::sync::mpsc;

pub(crate) use self::banner::Banner;
use self::{bars::Bars, figures::Figures};

/// Between two looks at the figures on a terminal.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look reads every register, so it may take one part in so many of the time.
const LOOK_SHARE: u32 = 4;
/// Between two plain lines about figures: enough to follow, and a log of a day stays readable.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Where things are shown.
pub(crate) enum Screen {
    /// A terminal.
    Bars(Bars),
    /// Plain lines.
    Lines(Lines),
}

/// What was last written as lines.
#[derive(Default)]
pub(crate) struct Lines {
    shown: Vec<String>,
}

impl Screen {
    /// A terminal.
    pub(crate) fn bars(banner: &Banner) -> anyhow::Result<Self> {
        write_line(&banner.to_string())?;
        Ok(Self::Bars(Bars::new(&banner.flows)?))
    }

    /// Plain lines.
    pub(crate) fn lines(banner: &Banner) -> anyhow::Result<Self> {
        write_line(&banner.to_string())?;
        Ok(Self::Lines(Lines::default()))
    }

    /// Shows one line.
    pub(crate) fn say(&self, line: &str) -> anyhow::Result<()> {
        match self {
            Self::Bars(bars) => bars.say(line),
            Self::Lines(_) => write_line(line),
        }
    }

    fn look_every(&self) -> Duration {
        match self {
            Self::Bars(_) => LOOK_EVERY,
            Self::Lines(_) => LINE_EVERY,
        }
    }

    fn show(&mut self, figures: &[Figures], now: UnixMs) -> anyhow::Result<()> {
        match self {
            Self::Bars(bars) => {
                bars.show(figures);
                Ok(())
            }
            Self::Lines(lines) => lines.show(figures, now),
        }
    }
}

impl Lines {
    fn show(&mut self, figures: &[Figures], now: UnixMs) -> anyhow::Result<()> {
        let news: Vec<String> = figures.iter().map(Figures::counts).collect();
        if news == self.shown {
            return Ok(());
        }
        for one in figures {
            let line = format!("{} {}; {}", time_of_day(now), one.counts(), one.limits());
            write_line(&line)?;
        }
        self.shown = news;
        Ok(())
    }
}

/// Shows figures and news until the process ends.
pub(crate) async fn show(
    screen: &mut Screen,
    engine: &Engine,
    news: &mut mpsc::Receiver<Event>,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let mut look_at = clock.now();
    loop {
        tokio::select! {
            event = news.recv() => {
                let event = event.context("nothing happens any more")?;
                if let Some(line) = line_of(&event) {
                    screen.say(&format!("{} {line}", time_of_day(clock.now())))?;
                }
            }
            () = clock.wait_until(look_at) => {
                let begun = clock.now();
                match figures::read(engine).await {
                    Ok(figures) => screen.show(&figures, begun)?,
                    Err(error) => tracing::warn!(error = %format!("{error:#}"), "no figures"),
                }
                let took = clock.now().since(begun);
                look_at = begun + screen.look_every().max(took * LOOK_SHARE);
            }
        }
    }
}

/// What an event means for a person; none where the figures show it.
fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunFinished {
            flow,
            complete,
            counts,
            ..
        } => {
            let how = if *complete {
                "done"
            } else {
                "stopped before its end"
            };
            let mut parts = vec![
                format!("{flow}: batch {how}: {} read", counts.received),
                format!("{} staged", counts.staged),
            ];
            for (count, what) in [
                (counts.linked, "linked to what stood in the target"),
                (counts.critical, "critical"),
                (counts.in_review, "to review"),
                (counts.rejected, "no record"),
            ] {
                if count > 0 {
                    parts.push(format!("{count} {what}"));
                }
            }
            parts.join(", ")
        }
        Event::FlowBlocked { flow, reason, .. } => {
            format!("{flow}: stopped until a person acts: {reason}")
        }
        Event::BreakerOpened { endpoint } => format!("{endpoint}: calls pause, it fails too often"),
        Event::BreakerClosed { endpoint } => format!("{endpoint}: calls go on"),
        Event::ReconcileFinished {
            flow,
            complete,
            findings,
            ..
        } => {
            let how = if *complete {
                "reconciled"
            } else {
                "reconciliation stopped before its end"
            };
            format!("{flow}: {how}: {}", findings.summary())
        }
        Event::AuditFinished {
            flow,
            complete,
            counts,
            ..
        } => {
            let how = if *complete {
                "audited"
            } else {
                "audit stopped before its end"
            };
            format!("{flow}: {how}: {counts}")
        }
        Event::FreshnessBreached {
            flow,
            class,
            age_s,
            goal_s,
            ..
        } => format!(
            "{flow}: {} fields are {age_s} s old, the goal is {goal_s} s",
            class.as_str()
        ),
        // One by one they are too many for a line each; the figures count them.
        Event::RecordApplied { .. }
        | Event::RecordInReview { .. }
        | Event::RunRequested { .. }
        | Event::ReconcileRequested { .. }
        | Event::AuditRequested { .. }
        | Event::LoadRequested { .. }
        | Event::SweepRequested { .. } => return None,
    })
}

fn time_of_day(now: UnixMs) -> String {
    let now = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    now.to_zoned(TimeZone::UTC)
        .strftime("%H:%M:%SZ")
        .to_string()
}

/// A reader that has gone away ends nothing: the log still tells.
fn write_line(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output can not be written")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::FlowId;
    use tidegate_policy::run::Counts;

    use super::*;

    #[test]
    fn a_batch_is_told_in_one_line_without_zeros() {
        let event = Event::RunFinished {
            flow: FlowId::try_new("suppliers").unwrap(),
            run: "manual-1".to_owned(),
            complete: true,
            counts: Counts {
                received: 120,
                staged: 118,
                linked: 40,
                in_review: 2,
                ..Counts::default()
            },
        };
        assert_eq!(
            line_of(&event).unwrap(),
            "suppliers: batch done: 120 read, 118 staged, 40 linked to what stood in the target, \
             2 to review"
        );
    }

    #[test]
    fn a_moment_is_shown_as_time_of_day() {
        assert_eq!(time_of_day(UnixMs(1_795_140_000_000)), "02:00:00Z");
    }
}
