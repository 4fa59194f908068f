//! The queue of those that wait for their turn (LIM-2, LIM-4).

use super::*;

/// The budget all used at noon, and a turn promised until far later.
fn with_queue(limit: Limit) -> Option<Item> {
    let mut item = None;
    take(&mut item, limit, &vec![1; limit.calls as usize], NOON);
    let (_, turn) = Slots::read(item.as_ref(), limit).take_turn(limit, 400, NOON);
    turn.evaluate(item.as_ref())
}

#[test]
fn work_that_comes_while_others_wait_takes_a_turn_behind_them() {
    let limit = limit(20, 60);
    let item = with_queue(limit);
    let slots = Slots::read(item.as_ref(), limit);
    assert!(slots.has_queue(NOON));
    let (begin, _) = slots.take_turn(limit, 1, NOON);
    let waited = slots.next_free(limit) + limit.pace() * 400;
    assert_eq!(begin, waited);
    assert!(!slots.has_queue(waited - EARLY), "their turns have come");
}

#[test]
fn slots_that_lie_idle_are_seen_and_the_queue_of_nobody_is_forgotten_lim_2() {
    let limit = limit(4, 60);
    let mut item = with_queue(limit);
    let free = Slots::read(item.as_ref(), limit).next_free(limit);
    let slots = Slots::read(item.as_ref(), limit);
    assert_eq!(slots.idle(limit, free + IDLE - ms(1)), 0, "just free");
    assert_eq!(slots.idle(limit, free + IDLE), 4);

    let now = free + IDLE;
    let grant = granted(item.as_ref(), limit, &[1], now);
    item = slots
        .forget_queue(limit, now, grant)
        .write
        .evaluate(item.as_ref());
    assert!(!Slots::read(item.as_ref(), limit).has_queue(now));
}

#[test]
fn a_queue_is_kept_while_most_of_the_budget_is_used_lim_4() {
    let limit = limit(4, 60);
    let mut item = with_queue(limit);
    let free = Slots::read(item.as_ref(), limit).next_free(limit);
    take(&mut item, limit, &[1, 1, 1], free);
    let now = free + IDLE;
    let slots = Slots::read(item.as_ref(), limit);
    assert_eq!(slots.idle(limit, now), 1);
    let grant = granted(item.as_ref(), limit, &[1], now);
    let write = slots.forget_queue(limit, now, grant).write;
    item = write.evaluate(item.as_ref());
    assert!(Slots::read(item.as_ref(), limit).has_queue(now));
}
