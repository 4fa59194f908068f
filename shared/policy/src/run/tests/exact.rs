//! What each part of a decision or a write does, one at a time.

use super::*;

fn resume_of(progress: &Progress) -> RunRequest {
    RunRequest {
        resume: Some(progress.run.clone()),
        ..by_hand()
    }
}

/// A table with a run for a window that stopped after one page.
fn with_a_cut_run(mode: Option<Mode>) -> (Table, Progress) {
    let mut table = Table::default();
    table.complete("first", &by_hand(), NOW, 1_000_000_000);
    let request = RunRequest {
        mode,
        ..window(NOW)
    };
    let (mut holder, mut progress) = table.begin("second", &request, NOW);
    table.page(&mut holder, &mut progress, 2_000_000_000);
    assert!(table.write(&yield_lease(&holder)));
    (table, progress)
}

const LATER: UnixMs = UnixMs(NOW.0 + 600_000);

#[test]
fn each_name_of_an_outcome_is_added_to_its_own() {
    let one = Counts {
        received: 2,
        staged: 3,
        critical: 5,
        unchanged: 7,
        superseded: 11,
        rejected: 13,
        in_review: 17,
        queued: 19,
        linked: 23,
    };
    let mut sum = one;
    sum += one;
    sum += one;
    let thrice = Counts {
        received: 6,
        staged: 9,
        critical: 15,
        unchanged: 21,
        superseded: 33,
        rejected: 39,
        in_review: 51,
        queued: 57,
        linked: 69,
    };
    assert_eq!(sum, thrice);
}

#[test]
fn a_lease_is_its_holders_and_nobody_elses_cp_2() {
    let mut table = Table::default();
    table.begin("mine", &by_hand(), NOW);
    assert!(table.read().is_held_by(&token("mine")));
    assert!(!table.read().is_held_by(&token("yours")));
    assert!(!Lease::default().is_held_by(&token("mine")));
}

#[test]
fn a_page_holds_the_lease_for_the_next_one_cp_2() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("mine", &by_hand(), NOW);
    assert!(table.write(&advance(&holder, &progress, LATER)));
    assert_eq!(table.read().held_until(LATER), Some(LATER + LEASE));
}

#[test]
fn each_write_of_a_holder_counts_one_up_cp_2() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("mine", &by_hand(), NOW);
    for pages in 1..4 {
        table.page(&mut holder, &mut progress, 1);
        assert_eq!(table.read().seq, pages);
    }
    assert!(table.write(&yield_lease(&holder)));
    assert_eq!(table.read().seq, 4);
    let (holder, progress) = table.begin("next", &by_hand(), LATER);
    assert!(table.write(&finish(&holder, &progress, None)));
    assert_eq!(table.read().seq, 5);
}

#[test]
fn an_unfinished_run_goes_on_where_it_was() {
    let (table, cut) = with_a_cut_run(None);
    for request in [resume_of(&cut), window(NOW), window(NEXT_WINDOW), by_hand()] {
        let progress = table.progress(&request, LATER);
        assert_eq!(progress.run, cut.run, "{request:?}");
        assert_eq!(progress.cursor, cut.cursor, "{request:?}");
    }
}

#[test]
fn a_backfill_that_is_asked_for_does_not_go_on_with_an_incremental_run() {
    let everything = RunRequest {
        mode: Some(Mode::Initial),
        ..by_hand()
    };
    let (table, cut) = with_a_cut_run(None);
    let progress = table.progress(&everything, LATER);
    assert_ne!(progress.run, cut.run);
    assert_eq!((progress.mode, progress.cursor), (Mode::Initial, None));

    let (table, cut) = with_a_cut_run(Some(Mode::Initial));
    let progress = table.progress(&everything, LATER);
    assert_eq!(
        progress.run, cut.run,
        "an unfinished backfill is what is asked for"
    );
}

#[rstest]
#[case::the_same_window_again(window(NOW), false)]
#[case::a_newer_window(window(NEXT_WINDOW), true)]
#[case::a_person(by_hand(), true)]
fn the_hard_limit_counts_anew_for_who_asks_anew(#[case] request: RunRequest, #[case] anew: bool) {
    let (table, cut) = with_a_cut_run(None);
    let progress = table.progress(&request, LATER);
    assert_eq!(
        progress.limit_from,
        if anew { LATER } else { cut.limit_from }
    );
}

#[test]
fn the_hard_limit_does_not_count_anew_for_the_rest_of_a_run() {
    let (table, cut) = with_a_cut_run(None);
    let progress = table.progress(&resume_of(&cut), LATER);
    assert_eq!(progress.limit_from, cut.limit_from);
}

#[test]
fn who_waits_for_a_lease_knows_whether_a_record_or_a_whole_run_is_read() {
    let mut table = Table::default();
    assert!(table.write(&take_for_fetch(&token("fetch"), LEASE, NOW)));
    assert!(table.read().fetches);
    let later = NOW + LEASE + S + MS;
    table.begin("run", &by_hand(), later);
    assert!(!table.read().fetches, "a fetch that died is over");
    let over = later + LEASE + S + MS;
    assert!(table.write(&take_for_fetch(&token("other"), LEASE, over)));
    assert!(table.write(&release_fetch(&token("other"))));
    assert!(!table.read().fetches);
}
