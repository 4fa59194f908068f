//! Bars on a terminal.

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::figures::Figures;

/// Redraws a second at most: figures come once a second.
const REDRAWS_HZ: u8 = 4;
const BAR: &str = "  {prefix:<8} [{bar:30.cyan/blue}] {pos:>4} of {len:<4} {wide_msg}";
const TEXT: &str = "  {prefix:<8} {wide_msg}";

/// The bars of each flow.
pub(crate) struct Bars {
    all: MultiProgress,
    flows: Vec<FlowBars>,
}

struct FlowBars {
    flow: String,
    staged: ProgressBar,
    applied: ProgressBar,
    limits: ProgressBar,
}

impl Bars {
    /// Empty bars for these flows.
    pub(super) fn new(flows: &[String]) -> anyhow::Result<Self> {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(REDRAWS_HZ));
        let bar = ProgressStyle::with_template(BAR)
            .context("the bars have no style")?
            .progress_chars("=> ");
        let text = ProgressStyle::with_template(TEXT).context("the lines have no style")?;
        let add = |style: &ProgressStyle, prefix: &str| {
            let line = ProgressBar::new(0)
                .with_style(style.clone())
                .with_prefix(prefix.to_owned());
            all.add(line)
        };
        let flows = flows
            .iter()
            .map(|flow| FlowBars {
                flow: flow.clone(),
                staged: add(&bar, "staged"),
                applied: add(&bar, "applied"),
                limits: add(&text, "limits"),
            })
            .collect();
        Ok(Self { all, flows })
    }

    /// One line above the bars.
    pub(super) fn say(&self, line: &str) -> anyhow::Result<()> {
        self.all
            .println(line)
            .context("the terminal can not be written")
    }

    pub(super) fn show(&self, figures: &[Figures]) {
        for (bars, figures) in self.flows.iter().zip(figures) {
            let gauges = &figures.gauges;
            bars.staged.set_length(gauges.records.max(figures.received));
            bars.staged.set_position(gauges.records);
            bars.staged.set_message(bars.flow.clone());
            bars.applied.set_length(gauges.records);
            bars.applied.set_position(gauges.applied);
            let held_by = figures.held_by().map(|why| format!("; {why}"));
            let rest = format!("{}{}", figures.rest(), held_by.unwrap_or_default());
            bars.applied.set_message(rest);
            let limits = match figures.stopped() {
                Some(why) => format!("stopped: {why}"),
                None => figures.limits(),
            };
            bars.limits.set_message(limits);
        }
    }
}
