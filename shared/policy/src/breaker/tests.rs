mod crowd;
mod memory;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);
/// S, as PROTOCOL has it.
const S: Duration = Duration::from_millis(250);
const SETTINGS: Settings = Settings {
    slow_after: Some(Duration::from_secs(3)),
    slow: 2,
    of: 5,
    failures: 3,
    cool_down: Duration::from_mins(1),
};

fn token(text: &str) -> ClaimToken {
    ClaimToken::try_new(text).unwrap()
}

fn failed(key: &str) -> Report {
    Report::Failed {
        key: RecordKey::try_new(key).unwrap(),
    }
}

/// The breaker's item in a table of its own.
#[derive(Clone, Default)]
struct Table {
    item: Option<Item>,
}

impl Table {
    fn read(&self) -> Breaker {
        Breaker::read(self.item.as_ref())
    }

    fn write(&mut self, update: &Update) -> bool {
        let after = update.evaluate(self.item.as_ref());
        let written = after.is_some();
        self.item = after.or(self.item.take());
        written
    }

    /// Reports a call of the present epoch; whether it opened the breaker.
    #[track_caller]
    fn report(&mut self, report: Report) -> bool {
        let seen = self.read();
        let (update, opens) = seen
            .report(&[report], seen.epoch(), 1, &SETTINGS, NOW)
            .expect("closed");
        assert!(self.write(&update));
        opens
    }

    fn opened() -> Self {
        let mut table = Self::default();
        for key in ["a", "b", "c"] {
            table.report(failed(key));
        }
        assert_eq!(table.read().open_since(), Some(NOW));
        table
    }

    /// The probe succeeds.
    fn close(&mut self, by: &str, now: UnixMs) -> bool {
        let close = self.read().close(&token(by), now);
        self.write(&close)
    }

    /// Open, and the probe taken right after the cool-down.
    fn probed(by: &str, until: UnixMs) -> Self {
        let mut table = Self::opened();
        let take = table.read().take_probe(&token(by), until, HALF_OPEN);
        assert!(table.write(&take));
        table
    }
}

/// The first moment at which every clock agrees that the cool-down is over.
const HALF_OPEN: UnixMs = UnixMs(NOW.0 + 60_000 + 251);

#[rstest]
#[case::failures_of_several_records(&["a", "b", "a"], true)]
#[case::one_record_alone(&["a", "a", "a", "a", "a"], false)]
#[case::too_few(&["a", "b"], false)]
fn failures_of_at_least_two_records_open_it_try_1(#[case] keys: &[&str], #[case] open: bool) {
    let mut table = Table::default();
    let opened: Vec<bool> = keys.iter().map(|key| table.report(failed(key))).collect();
    assert_eq!(opened.last(), Some(&open));
    assert_eq!(table.read().open_since().is_some(), open);
}

#[test]
fn slow_answers_open_it_when_n_of_m_are_slow() {
    let mut table = Table::default();
    assert!(!table.report(Report::Slow), "one slow call stops nothing");
    assert!(!table.report(Report::Ok(3)));
    assert!(table.report(Report::Slow), "the second among five");
    let mut table = Table::default();
    assert!(!table.report(Report::Slow));
    assert!(!table.report(Report::Ok(4)));
    assert!(!table.report(Report::Slow), "the first is forgotten");
}

#[rstest]
#[case::just_opened(NOW, Some(60_250))]
#[case::when_the_cool_down_ends(UnixMs(NOW.0 + 60_000), Some(60_250))]
#[case::within_the_difference_of_clocks(UnixMs(NOW.0 + 60_250), Some(60_250))]
#[case::after_it(HALF_OPEN, None)]
fn while_open_no_call_is_made_brk_1(#[case] at: UnixMs, #[case] until: Option<i64>) {
    let expected = until.map_or(Gate::HalfOpen, |ms| Gate::Open {
        until: UnixMs(NOW.0 + ms),
    });
    let table = Table::opened();
    assert_eq!(table.read().gate(at), expected);
    let take = table.read().take_probe(&token("p"), at, at);
    let taken = take.evaluate(table.item.as_ref()).is_some();
    assert_eq!(taken, until.is_none(), "the write agrees with the gate");
}

#[test]
fn a_closed_breaker_gives_no_probe() {
    let mut table = Table::default();
    let take = table.read().take_probe(&token("p"), HALF_OPEN, HALF_OPEN);
    assert!(!table.write(&take));
}

#[test]
fn half_open_one_makes_the_probe_and_the_others_wait_for_it_brk_1() {
    let until = HALF_OPEN + Duration::from_secs(10);
    let mut table = Table::probed("p", until);
    assert!(table.read().is_probe(&token("p")));
    assert!(!table.read().is_probe(&token("q")));
    for at in [HALF_OPEN, until + S] {
        let gate = table.read().gate(at);
        assert_eq!(gate, Gate::Probing { until: until + S });
        assert!(!table.write(&table.read().take_probe(&token("q"), at, at)));
    }
    let at = until + S + MS;
    assert_eq!(table.read().gate(at), Gate::HalfOpen, "it died");
    assert!(table.write(&table.read().take_probe(&token("q"), at, at)));
    for late in [
        table.read().close(&token("p"), at),
        Breaker::reopen(&token("p"), &SETTINGS, at),
        Breaker::drop_probe(&token("p")),
    ] {
        assert!(!table.write(&late), "a late probe changes nothing");
    }
}

#[test]
fn a_probe_that_succeeds_closes_it_and_forgets_what_was() {
    let mut table = Table::probed("p", HALF_OPEN);
    assert!(table.close("p", HALF_OPEN));
    assert_eq!(table.read().gate(HALF_OPEN), Gate::Closed { epoch: 1 });
    assert!(!table.read().wants_successes());
    assert!(!table.report(failed("a")), "it counts from nothing");
}

#[test]
fn a_probe_that_fails_opens_it_again_in_the_same_epoch_try_1() {
    let mut table = Table::probed("p", HALF_OPEN);
    let reopen = Breaker::reopen(&token("p"), &SETTINGS, HALF_OPEN);
    assert!(table.write(&reopen));
    let breaker = table.read();
    let until = HALF_OPEN + SETTINGS.cool_down + S;
    assert_eq!(breaker.gate(HALF_OPEN), Gate::Open { until });
    assert_eq!(breaker.gate(until + MS), Gate::HalfOpen);
    assert_eq!(breaker.epoch(), 1, "a failed probe is nobody's attempt");
    assert_eq!(breaker.open_since(), Some(NOW), "it never closed");
}

#[test]
fn a_probe_that_was_not_made_can_be_taken_by_another() {
    let mut table = Table::probed("p", HALF_OPEN + Duration::from_mins(1));
    assert!(table.write(&Breaker::drop_probe(&token("p"))));
    assert_eq!(table.read().gate(HALF_OPEN), Gate::HalfOpen);
}

#[test]
fn messages_are_dropped_only_in_an_outage_and_whoever_closes_it_says_so_que_2() {
    let sure = NOW + OUTAGE + S * 2;
    let table = Table::opened();
    assert!(!table.read().parks(sure), "another clock may disagree");
    assert!(table.read().parks(sure + MS));
    assert!(!Table::default().read().parks(sure + MS), "it is closed");
    // Two clocks apart by S: one drops at its earliest, the other closes at its earliest.
    for (closed, over) in [
        (NOW + OUTAGE, None),
        (sure + MS - S * 2, Some(sure + MS - S * 2)),
    ] {
        let mut table = Table::opened();
        let take = table.read().take_probe(&token("p"), closed, closed);
        assert!(table.write(&take) && table.close("p", closed));
        assert_eq!(table.read().outage_over(), over);
        assert!(!table.read().parks(sure + MS));
    }
}

#[test]
fn a_short_failure_after_an_outage_is_no_other_outage() {
    let later = HALF_OPEN + OUTAGE;
    let mut table = Table::opened();
    let take = table.read().take_probe(&token("p"), later, later);
    assert!(table.write(&take) && table.close("p", later));
    for key in ["a", "b", "c"] {
        table.report(failed(key));
    }
    let take = table.read().take_probe(&token("p"), HALF_OPEN, HALF_OPEN);
    assert!(table.write(&take) && table.close("p", HALF_OPEN));
    assert_eq!(table.read().outage_over(), Some(later));
}

#[test]
fn an_epoch_ends_with_each_opening_try_1() {
    let mut table = Table::default();
    for epoch in 1..4 {
        assert_eq!(table.read().gate(NOW), Gate::Closed { epoch: epoch - 1 });
        for key in ["a", "b", "c"] {
            table.report(failed(key));
        }
        assert_eq!(table.read().epoch(), epoch);
        let take = table.read().take_probe(&token("p"), HALF_OPEN, HALF_OPEN);
        assert!(table.write(&take));
        assert!(table.close("p", HALF_OPEN));
    }
}

#[test]
fn a_late_report_changes_nothing() {
    let seen_before = Table::default().read();
    let mut table = Table::opened();
    let open = table.read();
    assert_eq!(open.report(&[failed("d")], 0, 1, &SETTINGS, NOW), None);
    assert_eq!(open.report(&[failed("d")], 1, 1, &SETTINGS, NOW), None);
    let (stale, _) = seen_before
        .report(&[failed("d")], 0, 1, &SETTINGS, NOW)
        .unwrap();
    assert!(!table.write(&stale), "it was planned before the opening");
    let take = table.read().take_probe(&token("p"), HALF_OPEN, HALF_OPEN);
    assert!(table.write(&take) && table.close("p", HALF_OPEN));
    assert!(!table.write(&stale), "nor after the closing");
    let closed = table.read();
    assert_eq!(closed.report(&[failed("d")], 0, 1, &SETTINGS, NOW), None);
}

#[test]
fn a_probe_whose_permit_comes_late_is_held_longer_and_only_by_its_holder_brk_1() {
    let until = HALF_OPEN + Duration::from_secs(5);
    let mut table = Table::probed("p", until);
    let longer = until + Duration::from_secs(5);
    assert!(!table.write(&Breaker::renew_probe(&token("q"), longer)));
    assert!(table.write(&Breaker::renew_probe(&token("p"), longer)));
    assert_eq!(table.read().probe_until(), Some(longer));
    let at = until + S + MS;
    assert!(!table.write(&table.read().take_probe(&token("q"), at, at)));
    assert!(table.write(&Breaker::drop_probe(&token("p"))));
    assert!(
        !table.write(&Breaker::renew_probe(&token("p"), longer)),
        "it was given up"
    );
}

#[test]
fn a_provider_that_asks_to_wait_is_left_alone_until_then() {
    let mut table = Table::default();
    let until = NOW + Duration::from_secs(30);
    assert!(table.write(&Breaker::hold(until)));
    assert!(
        !table.write(&Breaker::hold(until - MS)),
        "a longer wait stands"
    );
    assert_eq!(table.read().gate(until - MS), Gate::Held { until });
    assert_eq!(table.read().gate(until), Gate::Closed { epoch: 0 });
}

#[rstest]
#[case::slow_answers(BreakerPreset::SlowAnswers, Some(3_000), 300)]
#[case::failures(BreakerPreset::Failures, None, 60)]
fn a_preset_is_the_one_of_r6(
    #[case] preset: BreakerPreset,
    #[case] slow_ms: Option<u64>,
    #[case] cool_down_s: u64,
) {
    let settings = Settings::from(&BreakerSpec {
        preset,
        ..BreakerSpec::default()
    });
    assert_eq!(settings.slow_after, slow_ms.map(Duration::from_millis));
    assert_eq!(settings.cool_down, Duration::from_secs(cool_down_s));
    assert_eq!((settings.failures, settings.of), (5, 10));
}

#[test]
fn enough_calls_are_remembered_to_open_at_all() {
    let settings = Settings::from(&BreakerSpec {
        failures: Some(20),
        slow: Some(30),
        of: Some(4),
        ..BreakerSpec::default()
    });
    assert_eq!(settings.of, 30);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_record_alone_never_opens_it_try_1(calls in prop::collection::vec(0_u32..3, 1..60)) {
        let mut table = Table::default();
        for call in calls {
            let report = if call == 0 { Report::Ok(1) } else { failed("a") };
            prop_assert!(!table.report(report));
        }
    }

    #[test]
    fn at_most_one_probes_at_a_time_whatever_the_race_brk_1(seed: u64) {
        probes_race(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn workers_of_one_breaker_keep_to_it_whatever_goes_wrong_brk_1(seed: u64) {
        crowd::run(seed);
    }
}

#[test]
fn the_workers_of_one_breaker_do_meet_trouble() {
    let (mut calls, mut openings) = (0, 0);
    for seed in 0..20 {
        let seen = crowd::run(seed);
        calls += seen.calls;
        openings += seen.openings;
    }
    assert!(calls > 1_000 && openings > 40, "{calls} {openings}");
}

/// Workers with clocks apart and remembered states take, end, drop and abandon probes.
fn probes_race(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut table = Table::opened();
    let ahead: Vec<Duration> = (0..4)
        .map(|_| Duration::from_millis(dice.random_range(0..=250)))
        .collect();
    let mut remembered = vec![table.read(); 4];
    // Whose call may run until when, in true time.
    let mut running: Vec<(usize, ClaimToken, UnixMs)> = Vec::new();
    let mut now = HALF_OPEN;
    for step in 0..600 {
        now = now + Duration::from_millis(dice.random_range(0..200));
        running.retain(|(_, _, until)| *until >= now);
        let worker = dice.random_range(0..4);
        let clock = now + ahead[worker];
        let busy = running.iter().position(|(by, ..)| *by == worker);
        if let Some(at) = busy {
            let by = running[at].1.clone();
            let write = match dice.random_range(0..4) {
                0 => Breaker::reopen(&by, &SETTINGS, clock),
                1 => Breaker::drop_probe(&by),
                // It dies, or goes on.
                _ => continue,
            };
            table.write(&write);
            running.remove(at);
            continue;
        }
        if dice.random_bool(0.5) {
            remembered[worker] = table.read();
        }
        if remembered[worker].gate(clock) == Gate::HalfOpen {
            let by = token(&format!("p{step}"));
            let spans = Duration::from_millis(dice.random_range(100..2_000));
            let take = remembered[worker].take_probe(&by, clock + spans, clock);
            if table.write(&take) {
                assert!(running.is_empty(), "BRK-1: {running:?} at {now}");
                running.push((worker, by, now + spans));
            }
        }
    }
}
