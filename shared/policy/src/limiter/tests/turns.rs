//! The queue of those that wait for their turn (LIM-2, LIM-4).

use tidegate_model::Turn;

use super::*;

/// The budget all used at noon, by one call after another.
fn used_up(limit: Limit) -> Option<Item> {
    let mut item = None;
    for call in 0..limit.calls {
        let apart = limit.window / limit.calls * call;
        take(&mut item, limit, &[1], NOON + apart);
    }
    item
}

#[track_caller]
fn join(item: &mut Option<Item>, limit: Limit, calls: u32) -> Turn {
    let (turn, write) = Slots::read(item.as_ref(), limit).take_turn(calls);
    *item = Some(write.evaluate(item.as_ref()).unwrap());
    turn
}

fn comes(item: Option<&Item>, limit: Limit, turn: Turn) -> UnixMs {
    Slots::read(item, limit).comes_at(limit, turn, &mut dice(1)) + EARLY
}

fn free_for(item: Option<&Item>, limit: Limit, calls: u32) -> UnixMs {
    Slots::read(item, limit).free_for(limit, calls)
}

fn take_at(item: &mut Option<Item>, limit: Limit, place: Place, now: UnixMs) -> u32 {
    let slots = Slots::read(item.as_ref(), limit);
    let open = slots.open_to(limit, place, now).min(limit.calls);
    let groups = vec![1; open as usize];
    let Plan::Take(grant) = slots.plan(limit, &groups, STEP, now, &mut dice(3)) else {
        return 0;
    };
    let grant = slots.for_place(limit, place, now, grant);
    *item = Some(grant.write.evaluate(item.as_ref()).unwrap());
    u32::try_from(grant.permits.len()).unwrap()
}

#[test]
fn work_comes_back_when_the_slots_before_its_own_are_taken_lim_4() {
    let limit = limit(20, 60);
    let mut item = used_up(limit);
    let first = join(&mut item, limit, 7);
    let second = join(&mut item, limit, 3);
    assert_eq!(
        comes(item.as_ref(), limit, first),
        free_for(item.as_ref(), limit, 1)
    );
    assert_eq!(
        comes(item.as_ref(), limit, second),
        free_for(item.as_ref(), limit, 8)
    );
    // 61 calls are promised before the next: three rounds of the slots, and one.
    join(&mut item, limit, 51);
    let far = join(&mut item, limit, 1);
    let window = limit.window + GUARD;
    let same_slot = free_for(item.as_ref(), limit, 2);
    assert_eq!(comes(item.as_ref(), limit, far), same_slot + window * 3);
}

#[test]
fn a_turn_comes_nearer_with_each_call_that_is_made_or_given_up_lim_4() {
    let limit = limit(20, 60);
    let mut item = used_up(limit);
    let first = join(&mut item, limit, 10);
    let second = join(&mut item, limit, 5);
    let now = free_for(item.as_ref(), limit, 4);
    let took = take_at(&mut item, limit, Place::At(first), now);
    assert!(took >= 4, "those that are free, and the next");
    let slots = Slots::read(item.as_ref(), limit);
    assert!(slots.must_wait(Place::At(second)));
    item = leave(10 - took).evaluate(item.as_ref());
    assert!(!Slots::read(item.as_ref(), limit).must_wait(Place::At(second)));
    assert_eq!(
        comes(item.as_ref(), limit, second),
        free_for(item.as_ref(), limit, 1)
    );
}

#[test]
fn work_takes_only_what_those_ahead_of_it_leave_lim_4() {
    let limit = limit(20, 60);
    let mut item = None;
    for call in 0..20 {
        take(&mut item, limit, &[1], NOON + ms(400) * call);
    }
    join(&mut item, limit, 3);
    let second = join(&mut item, limit, 3);
    let now = free_for(item.as_ref(), limit, 5) - HORIZON;
    let open = |place| Slots::read(item.as_ref(), limit).open_to(limit, place, now);
    assert_eq!(open(Place::First), u32::MAX);
    assert_eq!(open(Place::At(second)), 2);
    assert_eq!(open(Place::Last), 0);
}

#[test]
fn of_two_that_take_a_turn_at_once_one_is_refused_lim_4() {
    let limit = limit(20, 60);
    let mut item = used_up(limit);
    let stale = Slots::read(item.as_ref(), limit);
    join(&mut item, limit, 3);
    assert_eq!(stale.take_turn(1).1.evaluate(item.as_ref()), None);
    let stale = Slots::read(item.as_ref(), limit);
    join(&mut item, limit, 3);
    assert_eq!(stale.take_turn(1).1.evaluate(item.as_ref()), None);
}

#[test]
fn what_is_overdue_does_not_come_all_for_the_same_slot_lim_4() {
    let limit = limit(20, 60);
    let mut item = used_up(limit);
    let turn = join(&mut item, limit, 8);
    item = leave(8).evaluate(item.as_ref());
    let moments: std::collections::BTreeSet<UnixMs> = (0..100)
        .map(|seed| Slots::read(item.as_ref(), limit).comes_at(limit, turn, &mut dice(seed)))
        .collect();
    assert_eq!(moments.len(), 9, "any of as many slots as it is overdue by");
}

#[test]
fn slots_that_lie_idle_are_taken_by_whoever_comes_and_end_the_queue_of_nobody_lim_2() {
    let limit = limit(4, 60);
    let mut item = None;
    take(&mut item, limit, &[1; 4], NOON);
    join(&mut item, limit, 400);
    let now = free_for(item.as_ref(), limit, 4) + ms(5_000);
    let just_before = Slots::read(item.as_ref(), limit).open_to(limit, Place::Last, now - ms(1));
    assert_eq!(just_before, 0, "just free");
    assert_eq!(take_at(&mut item, limit, Place::Last, now), 4);
    assert!(!Slots::read(item.as_ref(), limit).must_wait(Place::Last));
}

#[test]
fn a_queue_is_kept_while_most_of_the_budget_is_used_lim_4() {
    let limit = limit(4, 60);
    let mut item = None;
    take(&mut item, limit, &[1; 4], NOON);
    let turn = join(&mut item, limit, 400);
    let free = free_for(item.as_ref(), limit, 4);
    take(&mut item, limit, &[1, 1, 1], free);
    assert_eq!(take_at(&mut item, limit, Place::Last, free + ms(5_000)), 1);
    assert!(Slots::read(item.as_ref(), limit).must_wait(Place::Last));
    assert!(!Slots::read(item.as_ref(), limit).must_wait(Place::At(turn)));
}

#[test]
fn a_turn_without_a_promise_moves_nobody_lim_4() {
    let limit = limit(20, 60);
    let mut item = used_up(limit);
    let first = join(&mut item, limit, 4);
    let repeat = join(&mut item, limit, 0);
    let next = join(&mut item, limit, 4);
    let last = join(&mut item, limit, 4);
    assert_eq!((repeat.at, next.at), (4, 4), "nothing was promised to it");
    let now = free_for(item.as_ref(), limit, 4);
    assert_eq!(take_at(&mut item, limit, Place::At(first), now), 4);
    let later = now + Duration::from_secs(6);
    assert!(take_at(&mut item, limit, Place::At(repeat), later) > 0);
    // What it took all the same brings nobody forward.
    let slots = Slots::read(item.as_ref(), limit);
    assert!(!slots.must_wait(Place::At(next)));
    assert_eq!(
        comes(item.as_ref(), limit, last),
        free_for(item.as_ref(), limit, 5),
        "four are ahead of it"
    );
}

#[test]
fn turns_that_are_forgotten_have_come_and_new_ones_come_behind_them() {
    let limit = limit(4, 60);
    let mut item = None;
    assert_eq!(
        forget_turns().evaluate(item.as_ref()),
        None,
        "there are none"
    );
    join(&mut item, limit, 40);
    let waits = join(&mut item, limit, 40);
    item = forget_turns().evaluate(item.as_ref());
    let slots = Slots::read(item.as_ref(), limit);
    assert!(!slots.must_wait(Place::Last) && !slots.must_wait(Place::At(waits)));
    assert_eq!(join(&mut item, limit, 1).at, 80);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_are_promised_the_same_calls_lim_4(asks in prop::collection::vec((1_u32..40, 0_u32..40), 1..40)) {
        let limit = limit(20, 60);
        let mut item: Option<Item> = None;
        let mut promised = 0;
        for (calls, gone) in asks {
            let turn = join(&mut item, limit, calls);
            prop_assert!(turn.at >= promised);
            promised = turn.at + i64::from(calls);
            item = leave(gone).evaluate(item.as_ref());
        }
    }
}
