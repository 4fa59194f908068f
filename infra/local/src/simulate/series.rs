//! From looks and counted calls to figures.

mod calls;

use std::time::Duration;

use tidegate_engine::{RunEnd, RunReport};
use tidegate_model::{EndpointId, Tier, UnixMs};
use tidegate_policy::{breaker::Gate, flow::Flow};
use tidegate_simulator::{CallMade, Meters};

use super::{
    day::{Plan, Trouble},
    figures::{BreakerIs, BrokenWindow, Figures, Freshness, Minute},
    options::{Of, Spread},
    price::{Units, total},
    story::{Changes, Parts, TAIL},
    watch::{Ages, Class, Look, Watch},
    words::number,
};
use calls::{TierCalls, calls_while_away, lane, recovery, statuses};

const MINUTE_MS: i64 = 60_000;
const DAY_S: u64 = 86_400;
/// Starts a day by a schedule besides the windows and tick: reconcile and digest.
const DAILY_STARTS: u64 = 2;

/// How the story ended.
pub(super) struct Ended<'a> {
    /// Who saw every write.
    pub watch: &'a Watch,
    /// What was counted before the first day ...
    pub before: &'a Meters,
    /// ... and until the end.
    pub after: &'a Meters,
    /// Windows whose work was not done.
    pub broken: Vec<BrokenWindow>,
    /// What the source came to have.
    pub came: &'a Changes,
    /// Accounts of the runs.
    pub reports: &'a [RunReport],
    /// Records that the target holds.
    pub at_target: u64,
    /// Records that source and target hold alike ...
    pub equal: u64,
    /// ... and those that differ, are missing or stand twice.
    pub differing: u64,
}

/// The story by minutes.
pub(super) struct Series {
    target: EndpointId,
    source: EndpointId,
    begin: UnixMs,
    minutes: Vec<Minute>,
    longest_gap_s: u64,
    due: Vec<UnixMs>,
}

impl Series {
    pub(super) fn new(flow: &Flow, plan: &Plan) -> Self {
        let first = flow.schedule().latest_due(plan.begin);
        let windows = std::iter::successors(first, |due| flow.schedule().next_after(due.at));
        let due: Vec<UnixMs> = windows
            .map(|due| due.at)
            .take_while(|at| *at < plan.end + TAIL)
            .collect();
        // The gap behind the last window counts too: what comes in it waits until the next day.
        let gaps = due.windows(2).filter_map(|pair| match pair {
            [from, to] if *from < plan.end => Some(to.since(*from).as_secs()),
            _ => None,
        });
        Self {
            target: flow.target().name().clone(),
            source: flow.file().source.name().clone(),
            begin: plan.begin,
            minutes: Vec::new(),
            longest_gap_s: gaps.max().unwrap_or(0),
            due,
        }
    }

    /// Takes a look at the beginning of a minute.
    pub(super) fn look(&mut self, at: UnixMs, look: &Look, watch: &Watch) {
        let age = |since: Option<UnixMs>| since.map_or(0, |since| at.since(since).as_secs());
        let (gate, _) = watch.breaker(self.target.as_str(), at);
        self.minutes.push(Minute {
            at_ms: at.0,
            pending_real_time: look.pending_real_time,
            pending_batch: look.pending_batch,
            for_window: look.for_window,
            in_review: look.in_review,
            critical_age_s: age(look.oldest_critical),
            other_age_s: age(look.oldest_other),
            breaker: match gate {
                Gate::Closed { .. } => BreakerIs::Closed,
                Gate::Open { .. } => BreakerIs::Open,
                Gate::HalfOpen | Gate::Probing { .. } => BreakerIs::HalfOpen,
                Gate::Held { .. } => BreakerIs::Held,
            },
            ..Minute::default()
        });
    }

    /// Everything that can be said.
    pub(super) fn figures(mut self, parts: &Parts<'_>, ended: Ended<'_>) -> Figures {
        let plan = parts.plan;
        let until = self
            .minutes
            .last()
            .map_or(plan.begin, |minute| UnixMs(minute.at_ms));
        let earlier = ended.before.calls.len();
        let calls = ended.after.calls.get(earlier..).unwrap_or_default();
        self.count_calls(calls);
        let mut figures = Figures {
            until_ms: until.0,
            at_target: ended.at_target,
            equal: ended.equal,
            differing: ended.differing,
            longest_gap_s: self.longest_gap_s,
            most_pending: self.most_pending(),
            most_pending_real_time: self.most_real_time(),
            longest_drain_s: self.longest_drain_s(),
            changes: (ended.came.new, ended.came.critical, ended.came.other),
            changed_records: count(ended.came.records.len()),
            in_review: ended.watch.look(until).in_review,
            ..asked(parts)
        };
        self.of_calls(parts, &ended, calls, &mut figures);
        of_registers(parts, ended.watch, until, &mut figures);
        let schedule = parts.loaded.runtime.flow.schedule();
        figures.worst_gap_s = schedule.worst_gap().span.as_secs();
        let first = schedule.next_after(plan.begin - Duration::from_millis(1));
        let due = std::iter::successors(first, |due| schedule.next_after(due.at));
        figures.windows = count(due.take_while(|due| due.at <= until).count());
        let started = figures.windows + DAILY_STARTS * until.since(plan.begin).as_secs() / DAY_S;
        figures.units = Units::between(ended.before, ended.after, started);
        figures.bill = figures.units.bill();
        figures.dollars = total(&figures.bill);
        figures.broken = ended.broken;
        add_cut(&mut figures.broken, ended.reports, plan.begin);
        figures.minutes = self.minutes;
        figures
    }

    /// What the calls tell.
    fn of_calls(&self, parts: &Parts<'_>, ended: &Ended<'_>, calls: &[CallMade], to: &mut Figures) {
        let flow = &parts.loaded.runtime.flow;
        let limits = flow.limits();
        let of = |endpoint: &EndpointId, tier: Option<Tier>| {
            let here = |call: &&CallMade| {
                call.endpoint.as_ref() == Some(endpoint)
                    && tier.is_none_or(|tier| tier == call.tier)
            };
            let mut made: Vec<&CallMade> = calls.iter().filter(here).collect();
            // They were counted in the order of their ends.
            made.sort_by_key(|call| call.at);
            made
        };
        let of_target = of(&self.target, None);
        let real_time = TierCalls {
            made: of(&self.target, Some(Tier::RealTime)),
            rate: limits.real_time,
            of: |minute| (minute.pending_real_time, minute.real_time_calls),
        };
        let batch = TierCalls {
            made: of(&self.target, Some(Tier::Batch)),
            rate: limits.batch,
            of: |minute| (minute.pending_batch, minute.batch_calls),
        };
        let source = flow.source().map(|source| TierCalls {
            made: of(&self.source, None),
            rate: source.spec().limit,
            of: |minute| (0, minute.source_calls),
        });
        to.real_time = lane(&real_time, &self.minutes);
        to.batch = lane(&batch, &self.minutes);
        if let Some(source) = &source {
            to.source_lane = lane(source, &self.minutes);
        }
        to.quota = ended.watch.quota(to.calls_per_update.into());
        to.answers = statuses(&of_target);
        to.calls_while_away = calls_while_away(parts.plan, None, &of_target);
        let opened = ended.watch.first_opened(self.target.as_str());
        to.probes = opened.map_or(0, |at| calls_while_away(parts.plan, Some(at), &of_target));
        to.recovery = [(true, &batch), (false, &real_time)]
            .into_iter()
            .flat_map(|(is_batch, tier)| recovery(parts.plan, is_batch, tier, &self.minutes))
            .collect();
        let received = |tier| {
            let of = |meters: &Meters| meters.queues.get(&tier).map_or(0, |queue| queue.received);
            of(ended.after) - of(ended.before)
        };
        to.receives = (received(Tier::RealTime), received(Tier::Batch));
    }

    fn count_calls(&mut self, calls: &[CallMade]) {
        for call in calls {
            let index = (call.at.0 - self.begin.0).div_euclid(MINUTE_MS);
            let minute = usize::try_from(index)
                .ok()
                .and_then(|index| self.minutes.get_mut(index));
            let Some(minute) = minute else { continue };
            let of = if call.endpoint.as_ref() == Some(&self.source) {
                &mut minute.source_calls
            } else if call.tier == Tier::RealTime {
                &mut minute.real_time_calls
            } else {
                &mut minute.batch_calls
            };
            *of += 1;
        }
    }

    fn most_pending(&self) -> (u64, i64) {
        let mut most = (0, self.begin.0);
        for minute in &self.minutes {
            if minute.pending_batch > most.0 {
                most = (minute.pending_batch, minute.at_ms);
            }
        }
        most
    }

    fn most_real_time(&self) -> u64 {
        let all = self.minutes.iter().map(|minute| minute.pending_real_time);
        all.max().unwrap_or(0)
    }

    fn is_due(&self, at: UnixMs) -> bool {
        self.due.binary_search(&at).is_ok()
    }

    /// A window's work begins anew with the next window, and waits while the breaker is not closed.
    fn longest_drain_s(&self) -> u64 {
        let (mut longest, mut now) = (0_u64, 0_u64);
        for minute in &self.minutes {
            if minute.pending_batch == 0 || self.is_due(UnixMs(minute.at_ms)) {
                now = 0;
            }
            let works = minute.pending_batch > 0 && minute.breaker == BreakerIs::Closed;
            now += if works { 60 } else { 0 };
            longest = longest.max(now);
        }
        longest
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// What was asked for.
fn asked(parts: &Parts<'_>) -> Figures {
    let runtime = &parts.loaded.runtime;
    let flow = &runtime.flow;
    let plan = parts.plan;
    let traits = runtime.target.traits();
    let spells = plan.spells.iter().map(|spell| {
        let is_away = spell.trouble == Trouble::Away;
        (spell.of == Of::Source, is_away, spell.from.0, spell.until.0)
    });
    Figures {
        flow: flow.id().to_string(),
        source: flow.file().source.name().to_string(),
        target: flow.target().name().to_string(),
        time_zone: flow.file().schedule.time_zone.clone(),
        seed: parts.args.seed,
        peak: parts.args.peak,
        days: parts.args.days,
        begin_ms: plan.begin.0,
        end_ms: plan.end.0,
        records: parts.args.records().into(),
        changes_from: parts.args.changes_from(),
        setup: setup(parts),
        calls_per_update: if traits.upsert {
            traits.create_calls
        } else {
            traits.update_calls
        },
        spells: spells.collect(),
        ..Figures::default()
    }
}

/// The options that shape the days, in a line.
fn setup(parts: &Parts<'_>) -> String {
    let args = parts.args;
    let workers = args.workers.map_or_else(
        || "workers as in the template".to_owned(),
        |workers| format!("{workers} workers of each tier"),
    );
    let spread = match args.spread {
        Spread::Office => "most changes in office hours",
        Spread::Even => "changes spread evenly",
        Spread::Burst => "all changes from 09:00 to 10:00",
    };
    format!(
        "{} changes a day ({}), {} times that; {spread}; {workers}",
        number(args.changes().into()),
        args.changes_from(),
        args.peak,
    )
}

/// What the registers told.
fn of_registers(parts: &Parts<'_>, watch: &Watch, until: UnixMs, to: &mut Figures) {
    let flow = &parts.loaded.runtime.flow;
    let (_, epoch) = watch.breaker(flow.target().name().as_str(), until);
    let goal = parts.args.keep.unwrap_or(flow.other_goal());
    to.critical = freshness(
        watch.ages(Class::Critical, until),
        flow.critical_goal().as_secs(),
    );
    to.other = freshness(watch.ages(Class::Other, until), goal.as_secs());
    to.applied = watch.applied();
    to.reviewed = watch.reviewed();
    to.left = count(watch.open_before(until));
    to.attempts_spent = watch.attempts_spent(epoch);
    to.openings = epoch;
}

/// Runs that were cut at the flow's limit are windows that broke too.
fn add_cut(broken: &mut Vec<BrokenWindow>, reports: &[RunReport], begin: UnixMs) {
    for report in reports {
        let Some(window) = report.window.filter(|at| *at >= begin) else {
            continue;
        };
        if report.end != RunEnd::Cut {
            continue;
        }
        match broken.iter_mut().find(|broken| broken.at_ms == window.0) {
            Some(known) => known.cut = true,
            None => broken.push(BrokenWindow {
                at_ms: window.0,
                next_ms: report.ended_at.0,
                left: 0,
                cut: true,
            }),
        }
    }
}

fn freshness(mut ages: Ages, goal_s: u64) -> Freshness {
    ages.waited_ms.sort_unstable();
    let at = |percent: usize| {
        let index =
            (ages.waited_ms.len() * percent / 100).min(ages.waited_ms.len().saturating_sub(1));
        ages.waited_ms.get(index).map_or(0, |ms| ms / 1_000)
    };
    let (median_s, p95_s) = (at(50), at(95));
    let worst = ages.worst;
    Freshness {
        goal_s,
        came: ages.came,
        held: ages.held,
        // A started second counts: 15 min and a moment are not 15 min.
        worst_s: worst.as_ref().map_or(0, |worst| {
            u64::try_from(worst.age.as_millis()).map_or(u64::MAX, |ms| ms.div_ceil(1_000))
        }),
        worst_in_review: worst.as_ref().is_some_and(|worst| worst.in_review),
        worst_at_ms: worst.as_ref().map_or(0, |worst| worst.at.0),
        worst_key: worst.map(|worst| worst.key).unwrap_or_default(),
        median_s,
        p95_s,
    }
}
