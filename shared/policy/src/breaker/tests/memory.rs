//! What is remembered of calls.

use super::*;

#[test]
fn successes_push_failures_out_and_are_wanted_only_while_there_are_any() {
    let mut table = Table::default();
    assert!(!table.read().wants_successes());
    table.report(failed("a"));
    table.report(failed("b"));
    assert!(table.read().wants_successes());
    table.report(Report::Ok(4));
    assert!(!table.report(failed("c")), "two of the last five");
    table.report(Report::Ok(100));
    assert!(
        !table.read().wants_successes(),
        "a healthy target costs no write"
    );
}

#[test]
fn a_run_of_successes_is_remembered_by_its_length_alone() {
    let mut table = Table::default();
    table.report(Report::Slow);
    for _ in 0..3 {
        table.report(Report::Ok(1));
    }
    assert_eq!(table.read().recent, [Recent::Slow, Recent::Ok(3)]);
}

#[test]
fn a_failure_is_the_records_own_only_if_a_call_succeeded_after_it_try_1() {
    let mut table = Table::default();
    table.report(failed("a"));
    assert!(!table.read().succeeded_since(UnixMs::EPOCH), "none did");
    for success in [Report::Ok(1), Report::Slow] {
        let mut table = table.clone();
        table.report(success);
        let breaker = table.read();
        assert!(breaker.succeeded_since(NOW - MS));
        assert!(!breaker.succeeded_since(NOW), "not after it");
        assert!(!breaker.succeeded_since(NOW + MS));
    }
    table.report(Report::Ok(0));
    assert!(!table.read().succeeded_since(UnixMs::EPOCH), "no call");
}

#[test]
fn a_report_whose_answer_was_lost_is_known_as_ones_own() {
    let mut table = Table::default();
    let write = |seen: Breaker| seen.report(&[failed("a")], 0, 7, &SETTINGS, NOW).unwrap().0;
    let sent = write(table.read());
    assert!(table.write(&sent));
    assert!(!table.write(&sent), "sent again");
    assert!(table.read().is_reported(7) && !table.read().is_reported(8));
}

#[test]
fn of_two_reports_that_race_one_is_planned_again() {
    let mut table = Table::default();
    table.report(failed("a"));
    let seen = table.read();
    let (one, _) = seen.report(&[failed("b")], 0, 1, &SETTINGS, NOW).unwrap();
    let (other, _) = seen.report(&[failed("c")], 0, 1, &SETTINGS, NOW).unwrap();
    assert!(table.write(&one));
    assert!(!table.write(&other), "or its failure would be lost");
    assert!(table.report(failed("c")));
}
