mod events;
mod exact;

use rstest::rstest;
use serde_json::json;
use tidegate_model::EventId;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);
/// S, as PROTOCOL has it.
const S: Duration = Duration::from_millis(250);
const LOOKBACK: Duration = Duration::from_mins(5);
const NEXT_WINDOW: UnixMs = UnixMs(NOW.0 + 3_600_000);

fn token(text: &str) -> ClaimToken {
    ClaimToken::try_new(text).unwrap()
}

fn window(at: UnixMs) -> RunRequest {
    RunRequest {
        window: Some(at),
        mode: None,
        lookback_s: None,
        resume: None,
        trigger: None,
    }
}

fn by_hand() -> RunRequest {
    RunRequest {
        window: None,
        ..window(NOW)
    }
}

/// The lease item in a table of its own.
#[derive(Default)]
struct Table {
    item: Option<Item>,
}

impl Table {
    fn write(&mut self, update: &Update) -> bool {
        let after = update.evaluate(self.item.as_ref());
        let written = after.is_some();
        self.item = after.or(self.item.take());
        written
    }

    fn read(&self) -> Lease {
        Lease::read(self.item.as_ref())
    }

    fn plan(&self, request: &RunRequest, now: UnixMs) -> Start {
        plan(&self.read(), request, LOOKBACK, &token("new"), now)
    }

    #[track_caller]
    fn progress(&self, request: &RunRequest, now: UnixMs) -> Progress {
        match self.plan(request, now) {
            Start::Go(progress) => *progress,
            other => panic!("{other:?}"),
        }
    }

    /// Plans, takes the lease, and says who holds it now.
    #[track_caller]
    fn begin(&mut self, by: &str, request: &RunRequest, now: UnixMs) -> (Holder, Progress) {
        let progress = self.progress(request, now);
        assert!(self.write(&take(
            &token(by),
            &self.read(),
            &progress,
            request.trigger.as_ref(),
            now
        )));
        let held = self.read();
        let holder = Holder {
            token: token(by),
            fence: held.fence,
            seq: held.seq,
            until: now + LEASE,
        };
        (holder, progress)
    }

    /// A page is done.
    #[track_caller]
    fn page(&mut self, holder: &mut Holder, progress: &mut Progress, newest_us: u64) {
        progress.pages += 1;
        progress.cursor = Some(json!(progress.pages));
        progress.newest_us = progress.newest_us.max(Some(newest_us));
        assert!(self.write(&advance(holder, progress, NOW)));
        holder.seq += 1;
    }

    /// A whole run.
    fn complete(&mut self, by: &str, request: &RunRequest, now: UnixMs, newest_us: u64) {
        let (holder, mut progress) = self.begin(by, request, now);
        progress.newest_us = progress.newest_us.max(Some(newest_us));
        assert!(self.write(&finish(&holder, &progress, None)));
    }
}

#[test]
fn the_first_run_reads_everything_and_links() {
    let progress = Table::default().progress(&window(NOW), NOW);
    assert_eq!(progress.mode, Mode::Initial);
    assert_eq!((progress.since_us, progress.cursor), (None, None));
    assert_eq!(progress.run.as_str(), format!("window-{}", NOW.0));
}

#[rstest]
#[case::the_flows_lookback(None, None, Mode::Incremental, Some(700_000_000))]
#[case::a_longer_one(None, Some(900), Mode::Incremental, Some(100_000_000))]
#[case::longer_than_time_itself(None, Some(u32::MAX), Mode::Incremental, Some(0))]
#[case::everything_again(Some(Mode::Initial), None, Mode::Initial, None)]
fn a_later_run_starts_before_the_watermark(
    #[case] asked: Option<Mode>,
    #[case] lookback_s: Option<u32>,
    #[case] mode: Mode,
    #[case] since_us: Option<u64>,
) {
    let mut table = Table::default();
    table.complete("w", &window(NOW), NOW, 1_000_000_000);
    let request = RunRequest {
        mode: asked,
        lookback_s,
        ..by_hand()
    };
    let progress = table.progress(&request, NOW);
    assert_eq!((progress.mode, progress.since_us), (mode, since_us));
    assert_eq!(progress.run.as_str(), "manual-new");
}

#[test]
fn where_later_changes_begin_is_kept_by_a_complete_run_alone_and_an_initial_run_ignores_it_cp_2() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("w", &window(NOW), NOW);
    let (first, second) = (json!({"url": "1"}), json!({"url": "2"}));
    assert!(table.write(&finish(&holder, &progress, Some(&first))));
    assert_eq!(table.read().from, Some(first.clone()));

    (holder, progress) = table.begin("w2", &by_hand(), NOW);
    assert_eq!(progress.cursor, Some(first.clone()));
    table.page(&mut holder, &mut progress, 1);
    assert!(table.write(&yield_lease(&holder)));
    assert_eq!(table.read().from, Some(first), "the run is incomplete");
    let all = RunRequest {
        mode: Some(Mode::Initial),
        ..by_hand()
    };
    assert_eq!(table.progress(&all, NOW).cursor, None);

    (holder, progress) = table.begin("w3", &by_hand(), NOW);
    assert_eq!(progress.cursor, Some(json!(1)), "it goes on");
    assert!(table.write(&finish(&holder, &progress, Some(&second))));
    assert_eq!(table.progress(&by_hand(), NOW).cursor, Some(second));

    (holder, progress) = table.begin("w4", &by_hand(), NOW);
    assert!(table.write(&finish(&holder, &progress, None)));
    assert_eq!(table.progress(&by_hand(), NOW).cursor, None);
}

#[test]
fn a_row_dated_in_the_future_does_not_hide_what_changes_until_then_cp_2() {
    let mut table = Table::default();
    let tomorrow_us = u64::try_from(NOW.0 + 86_400_000).unwrap() * 1_000;
    table.complete("w", &window(NOW), NOW, tomorrow_us);
    let started_us = u64::try_from(NOW.0).unwrap() * 1_000;
    assert_eq!(table.read().watermark_us, Some(started_us));
}

#[test]
fn a_window_that_is_complete_is_not_run_again() {
    let mut table = Table::default();
    table.complete("w", &window(NOW), NOW, 1);
    assert_eq!(table.plan(&window(NOW), NOW), Start::AlreadyDone);
    assert_eq!(table.plan(&window(NOW - MS), NOW), Start::AlreadyDone);
    assert!(matches!(table.plan(&window(NOW + MS), NOW), Start::Go(_)));
    assert!(matches!(table.plan(&by_hand(), NOW), Start::Go(_)));
}

#[test]
fn a_lease_is_held_until_its_end_and_s_beyond_it() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("w", &window(NOW), NOW);
    let end = holder.until;
    let taken = |now: UnixMs| {
        let lease = table.read();
        take(&token("x"), &lease, &progress, None, now)
            .evaluate(table.item.as_ref())
            .is_some()
    };
    assert_eq!(table.plan(&by_hand(), end + S), Start::Busy { until: end });
    assert!(!taken(end + S));
    assert!(matches!(table.plan(&by_hand(), end + S + MS), Start::Go(_)));
    assert!(taken(end + S + MS));
}

#[test]
fn an_unfinished_run_is_finished_first_and_covers_the_newer_window() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("w", &window(NOW), NOW);
    table.page(&mut holder, &mut progress, 5);
    assert!(table.write(&yield_lease(&holder)));
    let goes_on = table.progress(&window(NEXT_WINDOW), NEXT_WINDOW);
    assert_eq!(goes_on.run, progress.run, "the same run");
    assert_eq!(goes_on.cursor, Some(json!(1)));
    assert_eq!(goes_on.started, NOW, "fresh as of its first start");
    assert_eq!(goes_on.window, Some(NEXT_WINDOW));
}

#[test]
fn a_request_to_go_on_with_a_run_that_ended_does_nothing() {
    let mut table = Table::default();
    table.complete("w", &window(NOW), NOW, 1);
    let request = RunRequest {
        resume: Some(RunId::try_new("manual-1").unwrap()),
        ..by_hand()
    };
    assert_eq!(table.plan(&request, NOW), Start::Over);
}

#[rstest]
#[case::not_the_owner(|holder: &mut Holder| holder.token = token("other"))]
#[case::an_older_fence(|holder: &mut Holder| holder.fence -= 1)]
#[case::an_older_sequence(|holder: &mut Holder| holder.seq -= 1)]
#[case::a_sequence_to_come(|holder: &mut Holder| holder.seq += 1)]
fn a_checkpoint_moves_only_for_owner_fence_and_sequence_cp_2(#[case] spoil: fn(&mut Holder)) {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("w", &window(NOW), NOW);
    table.page(&mut holder, &mut progress, 1);
    spoil(&mut holder);
    let before = table.item.clone();
    assert!(!table.write(&advance(&holder, &progress, NOW)));
    assert!(!table.write(&finish(&holder, &progress, None)));
    assert!(!table.write(&yield_lease(&holder)));
    assert_eq!(table.item, before);
}

#[test]
fn a_run_that_lost_its_lease_does_not_move_past_the_new_runs_page_cp_2() {
    let mut table = Table::default();
    let (mut zombie, mut old) = table.begin("zombie", &window(NOW), NOW);
    table.page(&mut zombie, &mut old, 1);
    let later = NOW + LEASE * 2;
    let (_, new) = table.begin("taker", &window(NOW), later);
    old.cursor = Some(json!("far ahead"));
    assert!(!table.write(&advance(&zombie, &old, later)));
    assert!(!table.write(&finish(&zombie, &old, None)));
    assert_eq!(table.read().progress.unwrap().cursor, new.cursor);
}

#[test]
fn a_checkpoint_is_not_put_back_by_a_run_that_was_planned_before_it_cp_2() {
    let mut table = Table::default();
    let slow_saw = table.read();
    let slow = table.progress(&window(NOW), NOW);
    let (mut holder, mut progress) = table.begin("quick", &window(NEXT_WINDOW), NOW);
    table.page(&mut holder, &mut progress, 9);
    assert!(table.write(&yield_lease(&holder)));
    let put_back = take(&token("slow"), &slow_saw, &slow, None, NOW);
    assert!(
        !table.write(&put_back),
        "the lease is free, but the run went on"
    );
    let (holder, progress) = table.begin("again", &by_hand(), NOW);
    assert_eq!(progress.cursor, Some(json!(1)));
    assert!(table.write(&finish(&holder, &progress, None)));
    assert!(!table.write(&put_back));
    assert_eq!(table.read().done_window, Some(NEXT_WINDOW));
}

#[test]
fn only_a_complete_run_moves_the_watermark_cp_2() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("w", &window(NOW), NOW);
    table.page(&mut holder, &mut progress, 77);
    assert_eq!(table.read().watermark_us, None);
    assert!(table.write(&yield_lease(&holder)));
    let lease = table.read();
    assert_eq!((lease.watermark_us, lease.covered), (None, None));
    assert_eq!(lease.done_window, None);

    let (holder, progress) = table.begin("w2", &by_hand(), NOW + MS);
    assert!(table.write(&finish(&holder, &progress, None)));
    let lease = table.read();
    assert_eq!(lease.watermark_us, Some(77));
    assert_eq!((lease.covered, lease.done_window), (Some(NOW), Some(NOW)));
    assert_eq!((lease.held_until(NOW), lease.progress), (None, None));
}

#[test]
fn a_run_that_saw_nothing_keeps_the_watermark() {
    let mut table = Table::default();
    table.complete("w", &window(NOW), NOW, 50);
    table.complete("w2", &by_hand(), NOW, 0);
    assert_eq!(table.read().watermark_us, Some(50));
    assert_eq!(table.read().done_window, Some(NOW), "and the window");
}

#[test]
fn fences_and_read_numbers_only_rise() {
    let mut table = Table::default();
    let (holder, _) = table.begin("w", &window(NOW), NOW);
    assert_eq!((holder.fence, table.read().reads), (1, 1));
    assert!(table.write(&take_read_number()));
    assert_eq!((table.read().fence, table.read().reads), (1, 2));
    assert!(
        table.read().is_held_by(&token("w")),
        "a fetch beside the run"
    );
    assert!(table.write(&yield_lease(&holder)));
    assert!(table.write(&take_for_fetch(&token("f"), LEASE, NOW)));
    assert_eq!((table.read().fence, table.read().reads), (2, 3));
}

#[test]
fn a_fetch_that_is_ordered_by_the_lease_holds_it_alone() {
    let mut table = Table::default();
    assert!(table.write(&take_for_fetch(&token("f"), LEASE, NOW)));
    assert!(!table.write(&take_for_fetch(&token("g"), LEASE, NOW)));
    assert!(matches!(table.plan(&by_hand(), NOW), Start::Busy { .. }));
    assert!(!table.write(&release_fetch(&token("g"))));
    assert!(table.write(&release_fetch(&token("f"))));
    assert!(matches!(table.plan(&by_hand(), NOW), Start::Go(_)));
}

#[test]
fn a_lease_whose_holder_is_known_to_have_ended_is_free_at_once() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("killed", &window(NOW), NOW);
    table.page(&mut holder, &mut progress, 1);
    assert!(table.write(&release_ended()));
    assert!(!table.write(&release_ended()), "there is none left");
    assert_eq!(table.progress(&by_hand(), NOW).cursor, Some(json!(1)));
    assert!(!table.write(&advance(&holder, &progress, NOW)), "CP-2");
}

#[test]
fn a_page_is_staged_only_while_the_lease_outlasts_it() {
    let holder = Holder {
        token: token("w"),
        fence: 1,
        seq: 0,
        until: NOW + STAGE_MARGIN,
    };
    assert!(holder.may_stage(NOW));
    assert!(!holder.may_stage(NOW + MS));
}

#[test]
fn the_counts_of_a_page_come_with_its_checkpoint_out_1() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("w", &window(NOW), NOW);
    let page = Counts {
        received: 10,
        staged: 4,
        critical: 1,
        unchanged: 3,
        superseded: 1,
        rejected: 1,
        in_review: 1,
        queued: 4,
        linked: 2,
    };
    assert!(page.add_up());
    for _ in 0..2 {
        progress.counts += page;
        table.page(&mut holder, &mut progress, 1);
    }
    let stored = table.read().progress.unwrap().counts;
    assert_eq!(stored.received, 20);
    assert!(stored.add_up());
    let lost = Counts {
        rejected: 0,
        ..page
    };
    assert!(!lost.add_up(), "a row without an outcome is seen");
}
