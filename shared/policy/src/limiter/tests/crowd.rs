//! A crowd of workers on one limit, in virtual time: clocks apart, calls that travel, answers that
//! get lost, permits given back. The target's side is kept to the microsecond.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::{SeedableRng, rngs::StdRng};

use super::*;

/// Largest difference between two clocks, and longest travel (LIM-1): figures of their own, so that
/// a guard cut short is found.
pub(super) const CLOCKS_APART: Duration = Duration::from_millis(250);
pub(super) const TRAVELS: Duration = Duration::from_millis(250);

/// What a crowd is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub limit: Limit,
    pub workers: u32,
    pub seed: u64,
    /// Of a hundred permits so many are given back.
    pub given_back_percent: u32,
    /// Of a hundred answers to a grant so many are lost, and the write is sent again.
    pub lost_percent: u32,
    /// Of a hundred workers with a grant so many die before they call: what they remember is gone.
    pub crash_percent: u32,
    /// True time at which it begins.
    pub begin: UnixMs,
    pub lasts: Duration,
}

/// What the target and the table saw.
pub(super) struct Seen {
    /// When calls reached the target, in microseconds of true time.
    pub arrivals_us: Vec<i64>,
    /// Grants whose condition failed.
    pub refused: u32,
}

struct Worker {
    /// How far its clock is ahead.
    ahead_us: i64,
    remembered: Option<Item>,
    /// A grant whose answer was lost.
    unsure: Option<Grant>,
}

pub(super) fn run(crowd: Crowd) -> Seen {
    let mut rng = StdRng::seed_from_u64(crowd.seed);
    let mut item: Option<Item> = None;
    let mut workers: Vec<Worker> = (0..crowd.workers)
        .map(|_| Worker {
            ahead_us: extreme(&mut rng, CLOCKS_APART),
            remembered: None,
            unsure: None,
        })
        .collect();
    let begin_us = crowd.begin.0 * MICROS;
    let end_us = begin_us + us(crowd.lasts);
    let mut turns: BinaryHeap<Reverse<(i64, usize)>> = (0..workers.len())
        .map(|worker| Reverse((begin_us, worker)))
        .collect();
    let mut seen = Seen {
        arrivals_us: Vec::new(),
        refused: 0,
    };
    while let Some(Reverse((at_us, index))) = turns.pop() {
        if at_us > end_us {
            break;
        }
        let next_us = step(
            &mut workers[index],
            at_us,
            crowd,
            &mut item,
            &mut seen,
            &mut rng,
        );
        turns.push(Reverse((next_us, index)));
    }
    seen.arrivals_us.sort_unstable();
    seen
}

/// One thing that a worker does; the true time of its next.
fn step(
    worker: &mut Worker,
    at_us: i64,
    crowd: Crowd,
    item: &mut Option<Item>,
    seen: &mut Seen,
    rng: &mut StdRng,
) -> i64 {
    let now = UnixMs((at_us + worker.ahead_us).div_euclid(MICROS));
    let grant = if let Some(grant) = worker.unsure.take() {
        grant
    } else {
        // Now and then a look-up and its create, which are reserved farther ahead.
        let most = if rng.random_ratio(1, 8) { 7 } else { 2 };
        let groups: Vec<u32> = (0..rng.random_range(1..=3))
            .map(|_| rng.random_range(1..=crowd.limit.calls.min(most)))
            .collect();
        let slots = Slots::read(worker.remembered.as_ref(), crowd.limit);
        let apart = Duration::from_millis(rng.random_range(0..=500));
        match slots.plan(crowd.limit, &groups, apart, now, rng) {
            Plan::Take(grant) => grant,
            Plan::Wait(until) | Plan::DayUsedUp(until) => {
                // The last seen stays remembered: it is not read again while it shows nothing.
                return (until.0 * MICROS - worker.ahead_us).max(at_us + MICROS);
            }
        }
    };
    let written = grant.write.evaluate(item.as_ref());
    seen.refused += u32::from(written.is_none());
    if let Some(after) = &written {
        *item = Some(after.clone());
    }
    if written.is_some() && rng.random_range(0..100) < crowd.lost_percent {
        worker.unsure = Some(grant);
        return at_us + 10 * MICROS;
    }
    worker.remembered.clone_from(item);
    if written.is_none() && !is_mine(item.as_ref(), &grant) {
        return at_us + rng.random_range(5..=60) * MICROS;
    }
    if rng.random_range(0..100) < crowd.crash_percent {
        worker.remembered = None;
        return at_us + 1_000 * MICROS;
    }
    use_permits(worker, &grant, at_us, crowd, item, seen, rng)
}

fn use_permits(
    worker: &Worker,
    grant: &Grant,
    at_us: i64,
    crowd: Crowd,
    item: &mut Option<Item>,
    seen: &mut Seen,
    rng: &mut StdRng,
) -> i64 {
    let mut free_again_us = at_us + MICROS;
    for permit in &grant.permits {
        let from_us = permit.from().0 * MICROS - worker.ahead_us;
        let until_us = permit.until().0 * MICROS + MICROS - 1 - worker.ahead_us;
        if from_us < at_us || rng.random_range(0..100) < crowd.given_back_percent {
            // Before its stamp: a claim was refused, or less was to be called than was thought.
            if let Some(after) = give_back(*permit).evaluate(item.as_ref()) {
                *item = Some(after);
            }
            continue;
        }
        let leaves_us = if rng.random_bool(0.5) {
            from_us
        } else {
            rng.random_range(from_us..=until_us)
        };
        seen.arrivals_us.push(leaves_us + extreme(rng, TRAVELS));
        free_again_us = free_again_us.max(from_us);
    }
    free_again_us
}

/// Mostly none or all of it.
pub(super) fn extreme(rng: &mut StdRng, whole: Duration) -> i64 {
    match rng.random_range(0..3) {
        0 => 0,
        1 => us(whole),
        _ => rng.random_range(0..=us(whole)),
    }
}

pub(super) fn us(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap()
}

/// The first window, whatever its start, in which more calls arrived than the limit allows.
pub(super) fn overfull(arrivals_us: &[i64], limit: Limit) -> Option<i64> {
    let calls = limit.calls as usize;
    arrivals_us
        .iter()
        .zip(arrivals_us.iter().skip(calls))
        .find(|(first, past)| *past - *first < us(limit.window))
        .map(|(first, _)| *first)
}
