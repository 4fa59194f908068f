//! The edges of the queue: what is long overdue, and a budget of which half lies idle.

use tidegate_model::Turn;

use super::*;

fn join(item: &mut Option<Item>, limit: Limit, calls: u32) -> Turn {
    let (turn, write) = Slots::read(item.as_ref(), limit).take_turn(calls);
    *item = Some(write.evaluate(item.as_ref()).unwrap());
    turn
}

#[test]
fn what_is_long_overdue_comes_for_a_slot_of_the_next_round_lim_4() {
    let limit = limit(4, 60);
    let mut item = None;
    for call in 0..4 {
        take(&mut item, limit, &[1], NOON + ms(1_000 * call));
    }
    let turn = join(&mut item, limit, 8);
    item = leave(400).evaluate(item.as_ref());
    let slots = Slots::read(item.as_ref(), limit);
    let moments: std::collections::BTreeSet<UnixMs> = (0..100)
        .map(|seed| slots.comes_at(limit, turn, &mut dice(seed)) + EARLY)
        .collect();
    let of_one_round: std::collections::BTreeSet<UnixMs> =
        (1..=4).map(|calls| slots.free_for(limit, calls)).collect();
    assert_eq!(moments, of_one_round);
}

#[rstest]
#[case::a_third(2, true)]
#[case::half(3, false)]
fn a_queue_ends_where_half_of_the_budget_lies_idle_lim_2(#[case] idle: usize, #[case] kept: bool) {
    let limit = limit(6, 60);
    let mut item = None;
    take(&mut item, limit, &[1; 6], NOON);
    join(&mut item, limit, 400);
    let free = Slots::read(item.as_ref(), limit).free_for(limit, 6);
    take(&mut item, limit, &vec![1; 6 - idle], free);
    let now = free + ms(5_000);
    let slots = Slots::read(item.as_ref(), limit);
    let Plan::Take(grant) = slots.plan(limit, &[1], STEP, now, &mut dice(3)) else {
        panic!("slots are free");
    };
    let grant = slots.for_place(limit, Place::Last, now, grant);
    item = grant.write.evaluate(item.as_ref());
    let slots = Slots::read(item.as_ref(), limit);
    assert_eq!(slots.must_wait(Place::Last), kept);
}
