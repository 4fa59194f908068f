use tidegate_model::item::{Item, Update};

use super::*;
use crate::{
    keys::REGISTER_SHARDS,
    run::{LEASE, STAGE_MARGIN},
};

fn token(text: &str) -> ClaimToken {
    ClaimToken::try_new(text).unwrap()
}

#[derive(Default)]
struct Table(Option<Item>);

impl Table {
    fn write(&mut self, update: &Update) -> bool {
        let after = update.evaluate(self.0.as_ref());
        let done = after.is_some();
        self.0 = after.or(self.0.take());
        done
    }

    fn seen(&self) -> Checkpoint {
        Checkpoint::read(self.0.as_ref())
    }

    /// Plans and takes.
    fn begin(&mut self, name: &str, request: &ReconcileRequest, now: UnixMs) -> (Holder, Progress) {
        let seen = self.seen();
        let Start::Go(progress) = plan(&seen, request, &token(name), now) else {
            panic!("{:?}", plan(&seen, request, &token(name), now));
        };
        assert!(self.write(&take(&token(name), &seen, &progress, now)));
        let held = self.seen();
        let holder = Holder {
            token: token(name),
            fence: held.fence,
            seq: held.seq,
            until: now + LEASE,
        };
        (holder, *progress)
    }
}

fn daily(window: UnixMs) -> ReconcileRequest {
    ReconcileRequest {
        window: Some(window),
        ..ReconcileRequest::default()
    }
}

#[test]
fn a_repeated_delivery_of_the_schedule_is_the_same_reconciliation() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("a", &daily(NOW), NOW);
    let busy = plan(&table.seen(), &daily(NOW), &token("b"), NOW);
    assert!(matches!(busy, Start::Busy { .. }));
    assert!(table.write(&finish(&holder, &progress)));
    let again = plan(&table.seen(), &daily(NOW), &token("b"), NOW);
    assert_eq!(again, Start::AlreadyDone);
    let next = daily(NOW + Duration::from_hours(24));
    assert!(matches!(
        plan(&table.seen(), &next, &token("b"), NOW),
        Start::Go(_)
    ));
}

/// CP-2.
#[test]
fn only_the_holder_advances_and_only_once_from_each_place() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("a", &daily(NOW), NOW);
    assert!(table.write(&renew(&holder, NOW)));
    assert_eq!(table.seen().seq, holder.seq + 1, "as its holder counts");
    // A repeat of the same write finds another sequence.
    assert!(!table.write(&renew(&holder, NOW)));
    let later = NOW + LEASE + CLOCK_SKEW + CLOCK_SKEW;
    let (newer, _) = table.begin("b", &ReconcileRequest::default(), later);
    assert!(newer.fence > holder.fence);
    let mine = Holder {
        seq: table.seen().seq,
        ..holder.clone()
    };
    for write in [
        renew(&mine, later),
        advance(&mine, &progress, later),
        keep(&mine, &progress, later),
        let_go(&mine),
        yield_lease(&mine, &progress),
        give_up(&mine),
        finish(&mine, &progress),
    ] {
        assert!(!table.write(&write), "{write:?}");
    }
}

/// CP-1: the index of a run is believed from its checkpoint on.
#[test]
fn an_index_is_believed_from_its_checkpoint_on() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("a", &daily(NOW), NOW);
    assert!(table.seen().indexed < holder.fence);
    assert!(table.write(&advance(&holder, &progress, NOW)));
    assert_eq!(table.seen().indexed, holder.fence);
}

#[test]
fn what_stopped_goes_on_where_it_was_within_a_day() {
    let mut table = Table::default();
    let (holder, mut progress) = table.begin("a", &daily(NOW), NOW);
    progress.pages = 7;
    progress.cursor = Some(json!({"page": 7}));
    assert!(table.write(&yield_lease(&holder, &progress)));
    let later = NOW + Duration::from_mins(5);
    let resume = ReconcileRequest {
        resume: Some(progress.run.clone()),
        accept_absent: true,
        ..ReconcileRequest::default()
    };
    let Start::Go(found) = plan(&table.seen(), &resume, &token("b"), later) else {
        panic!("it goes on");
    };
    assert_eq!((found.pages, &found.cursor), (7, &progress.cursor));
    assert!(found.accept_absent, "a person's word holds for the rest");
    let too_late = NOW + RESUME_WITHIN;
    let over = plan(&table.seen(), &resume, &token("b"), too_late);
    assert_eq!(over, Start::Over);
    let anew = plan(&table.seen(), &daily(too_late), &token("b"), too_late);
    assert!(matches!(anew, Start::Go(fresh) if fresh.pages == 0));
}

#[test]
fn what_was_given_up_begins_anew() {
    let mut table = Table::default();
    let (holder, _) = table.begin("a", &daily(NOW), NOW);
    assert!(table.write(&give_up(&holder)));
    assert_eq!(table.seen().progress, None);
    assert_eq!(table.seen().done_window, None);
}

#[test]
fn a_take_that_others_have_overtaken_is_refused() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("a", &daily(NOW), NOW);
    assert!(table.write(&renew(&holder, NOW)));
    let stale = Checkpoint::default();
    let later = NOW + LEASE + LEASE;
    assert!(!table.write(&take(&token("b"), &stale, &progress, later)));
}

/// The daily comparison is of its day: what yesterday's saw is old.
#[test]
fn a_later_window_begins_anew() {
    let mut table = Table::default();
    let (holder, mut progress) = table.begin("a", &daily(NOW), NOW);
    progress.pages = 7;
    assert!(table.write(&yield_lease(&holder, &progress)));
    let tomorrow = NOW + RESUME_WITHIN - Duration::from_mins(5);
    let Start::Go(anew) = plan(&table.seen(), &daily(tomorrow), &token("b"), tomorrow) else {
        panic!("it begins");
    };
    assert_eq!((anew.pages, anew.window), (0, Some(tomorrow)));
    // Its own window, a person, or a window that it is younger than goes on with it.
    for request in [
        daily(NOW),
        ReconcileRequest::default(),
        daily(NOW - RESUME_WITHIN),
    ] {
        let found = plan(&table.seen(), &request, &token("b"), tomorrow);
        assert!(
            matches!(&found, Start::Go(found) if found.pages == 7),
            "{found:?}"
        );
    }
}

/// A person's word is for what is absent, whichever comparison finds it.
#[test]
fn a_person_s_word_outlasts_the_comparison_that_it_began() {
    let mut table = Table::default();
    let accepting = ReconcileRequest {
        accept_absent: true,
        ..ReconcileRequest::default()
    };
    let (holder, progress) = table.begin("a", &accepting, NOW);
    assert!(table.write(&yield_lease(&holder, &progress)));
    let later = NOW + Duration::from_hours(6);
    let anew = plan(&table.seen(), &daily(later), &token("b"), later);
    assert!(matches!(anew, Start::Go(anew) if anew.accept_absent));
}

/// CP-1: where it stands is kept within a pass, and its index is not believed before its end.
#[test]
fn a_place_within_a_pass_is_kept_and_its_index_not_believed() {
    let mut table = Table::default();
    let (holder, mut progress) = table.begin("a", &daily(NOW), NOW);
    progress.pages = 7;
    assert!(table.write(&keep(&holder, &progress, NOW)));
    assert!(table.seen().indexed < holder.fence);
    let broke = Holder {
        seq: table.seen().seq,
        ..holder
    };
    assert!(table.write(&let_go(&broke)));
    let found = plan(&table.seen(), &daily(NOW), &token("b"), NOW);
    assert!(matches!(found, Start::Go(found) if found.pages == 7));
}

/// OUT-1: what a pass counted and what it named go together.
#[test]
fn a_pass_that_begins_again_forgets_its_counts_and_its_names_together() {
    let mut table = Table::default();
    let (_, mut progress) = table.begin("a", &daily(NOW), NOW);
    let find = |progress: &mut Progress, key: &str| {
        progress.live += 1;
        progress.findings.compared += 1;
        progress.findings.count(Kind::Stranded);
        let key = key.to_owned();
        let kind = Kind::Stranded;
        progress.notes.push(Note { key, kind });
    };
    find(&mut progress, "first");
    progress.begin_pass(1, 2);
    find(&mut progress, "second");
    progress.begin_again(2, 4);
    assert_eq!((progress.findings.stranded, progress.live), (1, 0));
    let named: Vec<&str> = progress
        .notes
        .iter()
        .map(|note| note.key.as_str())
        .collect();
    assert_eq!(named, ["first"]);
    assert_eq!((progress.pass, progress.passes), (2, 4));
}

/// A window's comparison may begin before its hour by another clock.
#[test]
fn a_window_goes_on_with_what_began_for_it_or_after_it() {
    for (began_for, asked) in [
        (daily(NOW + LEASE), daily(NOW + LEASE)),
        (ReconcileRequest::default(), daily(NOW)),
    ] {
        let mut table = Table::default();
        let (holder, mut progress) = table.begin("a", &began_for, NOW);
        progress.pages = 7;
        assert!(table.write(&yield_lease(&holder, &progress)));
        let found = plan(&table.seen(), &asked, &token("b"), NOW);
        assert!(
            matches!(&found, Start::Go(found) if found.pages == 7),
            "{found:?}"
        );
    }
}

#[test]
fn rows_are_counted_in_the_first_pass_alone() {
    let mut table = Table::default();
    let (_, mut progress) = table.begin("a", &daily(NOW), NOW);
    assert_eq!(progress.sums, [0; REGISTER_SHARDS as usize]);
    progress.rows = 9;
    progress.begin_pass(1, 2);
    progress.begin_again(2, 4);
    assert_eq!(progress.rows, 9);
    progress.pass = 0;
    progress.begin_again(0, 8);
    assert_eq!(progress.rows, 0);
    assert_eq!(progress.sums, [0; REGISTER_SHARDS as usize]);
}

/// CP-2: no clock that is a little ahead takes the lease of one who may still write.
#[test]
fn a_lease_is_held_until_every_clock_says_that_it_is_over() {
    let ms = Duration::from_millis(1);
    let mut table = Table::default();
    let (holder, _) = table.begin("a", &daily(NOW), NOW);
    let end = NOW + LEASE;
    let seen = table.seen();
    assert!(seen.is_held_by(&token("a")) && !seen.is_held_by(&token("b")));
    assert_eq!(seen.held_until(end + CLOCK_SKEW), Some(end));
    assert_eq!(seen.held_until(end + CLOCK_SKEW + ms), None);
    assert!(holder.may_stage(end - STAGE_MARGIN));
    assert!(!holder.may_stage(end - STAGE_MARGIN + ms));
    assert!(!holder.wants_renewal(NOW + LEASE / 2 - ms));
    assert!(holder.wants_renewal(NOW + LEASE / 2));
    assert!(table.write(&renew(&holder, end)));
    assert_eq!(table.seen().held_until(end), Some(end + LEASE));
}
