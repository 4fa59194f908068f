use rstest::rstest;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const LATER: UnixMs = UnixMs(NOW.0 + 1);

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

    fn read(&self) -> FlowState {
        FlowState::read(self.item.as_ref())
    }

    fn stops(&self) -> (bool, bool) {
        let state = self.read();
        (
            state.stops(Side::Source).is_some(),
            state.stops(Side::Target).is_some(),
        )
    }
}

fn paused(scope: Scope) -> Update {
    paused_by(scope, "ann")
}

fn paused_by(scope: Scope, by: &str) -> Update {
    let pause = Pause {
        reason: "audit".to_owned(),
        by: by.to_owned(),
        since: NOW,
    };
    super::pause(scope, &pause)
}

/// A call that began then is refused by this side.
fn blocked(side: Side, began: UnixMs) -> Update {
    let blocker = Blocker {
        side,
        cause: BlockerCause::Refusal,
        reason: "the key is refused".to_owned(),
        since: began,
    };
    block(&blocker, began)
}

#[rstest]
#[case::source(Scope::Source, (true, false))]
#[case::target(Scope::Target, (false, true))]
#[case::all(Scope::All, (true, true))]
fn a_pause_stops_what_it_names(#[case] scope: Scope, #[case] stops: (bool, bool)) {
    let mut table = Table::default();
    assert_eq!(table.stops(), (false, false));
    table.write(&paused(scope));
    assert_eq!(table.stops(), stops);
    table.write(&resume(&table.read(), NOW));
    assert_eq!(table.stops(), (false, false));
}

#[rstest]
#[case::one_then_the_other(Scope::Target, Scope::Source, ("bob", "ann"))]
#[case::the_other_way_round(Scope::Source, Scope::Target, ("ann", "bob"))]
#[case::one_then_all(Scope::Target, Scope::All, ("bob", "bob"))]
#[case::all_then_one(Scope::All, Scope::Source, ("bob", "ann"))]
fn a_second_pause_lifts_nothing_and_each_side_says_who(
    #[case] first: Scope,
    #[case] second: Scope,
    #[case] (source, target): (&str, &str),
) {
    let mut table = Table::default();
    table.write(&paused_by(first, "ann"));
    table.write(&paused_by(second, "bob"));
    let state = table.read();
    let by = |side| state.paused.of(side).map(|pause| pause.by.as_str());
    assert_eq!(by(Side::Source), Some(source));
    assert_eq!(by(Side::Target), Some(target));
    assert_eq!(table.stops(), (true, true));
    table.write(&resume(&state, NOW));
    assert_eq!(table.stops(), (false, false));
}

#[test]
fn a_pause_says_who_and_why() {
    let mut table = Table::default();
    table.write(&paused(Scope::All));
    let said = table.read().stops(Side::Target).unwrap();
    assert_eq!(said, "paused by ann: audit");
}

#[test]
fn after_a_pause_every_dirty_record_is_swept_once_que_2() {
    let mut table = Table::default();
    table.write(&paused(Scope::Target));
    table.write(&resume(&table.read(), NOW));
    assert_eq!(table.read().sweep_all, Some(NOW));
    assert!(
        !table.write(&swept_all(LATER, LATER)),
        "another asked meanwhile"
    );
    assert!(table.write(&swept_all(NOW, NOW)));
    let state = table.read();
    assert_eq!(state.sweep_all, None);
}

#[test]
fn a_blocker_is_closed_by_a_call_that_succeeds_after_a_person_asked() {
    let mut table = Table::default();
    table.write(&blocked(Side::Target, NOW));
    assert_eq!(table.stops(), (false, true));
    assert!(!table.write(&unblock(Side::Target, LATER)), "nobody asked");
    table.write(&resume(&table.read(), NOW));
    assert_eq!(table.stops(), (false, false), "calls are made to check");
    assert!(table.read().blocker.is_some());
    assert!(
        !table.write(&unblock(Side::Source, LATER)),
        "the other side"
    );
    assert!(table.write(&unblock(Side::Target, LATER)));
    assert_eq!(table.read().blocker, None);
    assert_eq!(
        table.read().sweep_all,
        Some(LATER),
        "what was parked is queued (QUE-2)"
    );
}

#[test]
fn a_blocker_stands_again_when_its_check_fails() {
    let mut table = Table::default();
    table.write(&blocked(Side::Target, NOW));
    table.write(&resume(&table.read(), NOW));
    assert!(table.write(&blocked(Side::Target, LATER)));
    assert_eq!(table.stops(), (false, true));
    assert!(!table.write(&unblock(Side::Target, LATER)));
}

#[test]
fn a_call_that_began_before_the_check_says_nothing_about_it() {
    let mut table = Table::default();
    table.write(&blocked(Side::Target, NOW));
    table.write(&resume(&table.read(), NOW));
    assert!(!table.write(&blocked(Side::Target, NOW)));
    assert!(table.read().checking);
}

#[test]
fn a_pause_and_a_blocker_do_not_hide_each_other() {
    let mut table = Table::default();
    table.write(&blocked(Side::Target, NOW));
    table.write(&paused(Scope::Target));
    table.write(&resume(&FlowState::default(), NOW));
    assert_eq!(
        table.stops(),
        (false, true),
        "the blocker was not looked at"
    );
}

#[test]
fn messages_older_than_a_whole_sweep_are_one_too_many() {
    let mut table = Table::default();
    table.write(&resume(&table.read(), NOW));
    assert!(table.write(&swept_all(NOW, LATER)));
    let swept = table.read().swept.unwrap();
    assert!(swept < NOW, "a clock behind may have stamped a younger one");
}

#[test]
fn an_outage_asks_for_one_sweep_however_many_look() {
    let mut table = Table::default();
    assert!(table.write(&after_outage(NOW, NOW)));
    assert!(!table.write(&after_outage(NOW, LATER)), "another looked");
    let state = table.read();
    assert_eq!((state.outage, state.sweep_all), (Some(NOW), Some(NOW)));
    assert!(table.write(&swept_all(NOW, NOW)));
    assert!(!table.write(&after_outage(NOW, LATER)), "nor after it");
    assert!(table.write(&after_outage(LATER, LATER)), "a new outage");
}

#[test]
fn after_a_drift_no_call_is_made_until_the_description_closes_it() {
    let blocker = Blocker {
        side: Side::Target,
        cause: BlockerCause::Drift,
        reason: "a property is gone".to_owned(),
        since: UnixMs(10),
    };
    let stopped = block(&blocker, UnixMs(10)).evaluate(None).unwrap();
    let state = FlowState::read(Some(&stopped));
    assert_eq!(state.blocker.as_ref(), Some(&blocker));
    assert!(state.has_drifted() && !state.may_ask_contract());
    let resumed = resume(&state, UnixMs(20)).evaluate(Some(&stopped)).unwrap();
    let state = FlowState::read(Some(&resumed));
    assert!(
        state.stops(Side::Target).is_some(),
        "a record's call would be the harm"
    );
    assert!(state.may_ask_contract() && state.stops(Side::Source).is_none());
    for side in [Side::Source, Side::Target] {
        assert_eq!(unblock(side, UnixMs(30)).evaluate(Some(&resumed)), None);
    }
    let open = unblock_drift(UnixMs(30)).evaluate(Some(&resumed)).unwrap();
    assert_eq!(FlowState::read(Some(&open)).stops(Side::Target), None);
    assert_eq!(
        unblock_drift(UnixMs(30)).evaluate(Some(&stopped)),
        None,
        "nobody asked"
    );
    let pause = Pause {
        reason: "audit".to_owned(),
        by: "ana".to_owned(),
        since: UnixMs(25),
    };
    let paused = super::pause(Scope::Target, &pause)
        .evaluate(Some(&resumed))
        .unwrap();
    assert!(!FlowState::read(Some(&paused)).may_ask_contract());
}

#[test]
fn a_refusal_is_closed_by_a_call_and_not_by_a_description() {
    let blocker = Blocker {
        side: Side::Target,
        cause: BlockerCause::Refusal,
        reason: "403".to_owned(),
        since: UnixMs(10),
    };
    let stopped = block(&blocker, UnixMs(10)).evaluate(None).unwrap();
    let state = FlowState::read(Some(&stopped));
    let resumed = resume(&state, UnixMs(20)).evaluate(Some(&stopped)).unwrap();
    assert_eq!(unblock_drift(UnixMs(30)).evaluate(Some(&resumed)), None);
    assert!(
        unblock(Side::Target, UnixMs(30))
            .evaluate(Some(&resumed))
            .is_some()
    );
}
