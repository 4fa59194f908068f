//! How many rows a run asks for at once, and whether another page is begun (R34).
//!
//! A page is read, staged and queued as one, and a crash repeats it whole. So it is to take about
//! [`PAGE_GOAL`]: less wastes calls, more wastes work and lease. What a row took is learnt from the
//! pages before and kept with the checkpoint; the flow's `page_size` is the most that is asked for,
//! since a source may refuse more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A page is to take so long: a twelfth of its lease, so that repeats fit into it.
pub const PAGE_GOAL: Duration = Duration::from_secs(10);
/// A page of which nothing is known is begun only with so much time left.
pub const FIRST_PAGE: Duration = Duration::from_secs(25);
/// Rows that are asked for at least: fewer cost a call each for next to nothing.
pub const LEAST_ROWS: u32 = 10;
/// A page may take so many times what the last took for a row: sources are slower in bursts.
const MARGIN: u32 = 2;

/// What the pages of a run have taught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paging {
    /// Rows to ask for; none before the first page.
    pub size: Option<u32>,
    /// Time of a row in microseconds, staging included; none before the first page.
    pub row_us: Option<u64>,
    /// Time of the last page in microseconds: a smaller one may take no less.
    pub page_us: u64,
}

/// What to do about the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextPage {
    /// Ask for so many rows.
    Ask(u32),
    /// It would not be done in the time that is left.
    Stop,
}

impl Paging {
    /// Decides about the next page. `most` is what the flow names; `can_vary` tells whether its
    /// listing can be asked for another size from page to page.
    pub fn next(self, most: u32, can_vary: bool, left: Duration) -> NextPage {
        let Some(row_us) = self.row_us else {
            // Whatever can be told of the first page: a failure may have made it smaller.
            let size = self.size.filter(|_| can_vary).unwrap_or(most).min(most);
            return if left < FIRST_PAGE {
                NextPage::Stop
            } else {
                NextPage::Ask(size)
            };
        };
        if left < Duration::from_micros(self.page_us) {
            return NextPage::Stop;
        }
        let fits = rows_in(left / MARGIN, row_us);
        let least = LEAST_ROWS.min(most);
        if !can_vary {
            return if fits < most.min(self.size.unwrap_or(most)) {
                NextPage::Stop
            } else {
                NextPage::Ask(most)
            };
        }
        if fits < least {
            return NextPage::Stop;
        }
        let wanted = self.size.unwrap_or(most).clamp(least, most);
        NextPage::Ask(wanted.min(fits))
    }

    /// The page with which an invocation begins that has no time for another like the last: what was
    /// learnt may be of one bad moment, and a run that asks for nothing would never learn better.
    pub fn smallest(most: u32, can_vary: bool, left: Duration) -> NextPage {
        match (left < FIRST_PAGE, can_vary) {
            (true, _) => NextPage::Stop,
            (false, true) => NextPage::Ask(LEAST_ROWS.min(most)),
            (false, false) => NextPage::Ask(most),
        }
    }

    /// Learns from a page that was staged and queued: so many rows of those asked for, in so long.
    /// The size at most doubles or halves, since one page says little.
    #[must_use]
    pub fn learn(self, asked: u32, rows: usize, took: Duration) -> Self {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Some(row_us) = took_us.checked_div(u64::try_from(rows).unwrap_or(u64::MAX)) else {
            return self;
        };
        let wanted = rows_in(PAGE_GOAL, row_us);
        let size = wanted.clamp(asked / 2, asked.saturating_mul(2));
        Self {
            size: Some(size.max(LEAST_ROWS)),
            row_us: Some(row_us.max(1)),
            page_us: took_us,
        }
    }

    /// A page was not given: the next try asks for half.
    #[must_use]
    pub fn failed(self, asked: u32) -> Self {
        Self {
            size: Some((asked / 2).max(LEAST_ROWS)),
            ..self
        }
    }
}

fn rows_in(time: Duration, row_us: u64) -> u32 {
    let rows = time.as_micros() / u128::from(row_us.max(1));
    u32::try_from(rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn after(asked: u32, rows: usize, took_ms: u64) -> Paging {
        Paging::default().learn(asked, rows, Duration::from_millis(took_ms))
    }

    #[rstest]
    #[case::nothing_known(Paging::default(), HOUR, NextPage::Ask(200))]
    #[case::nothing_known_and_no_time(
        Paging::default(),
        Duration::from_millis(24_999),
        NextPage::Stop
    )]
    #[case::nothing_known_and_just_time(Paging::default(), FIRST_PAGE, NextPage::Ask(200))]
    #[case::just_right(after(100, 100, 10_000), HOUR, NextPage::Ask(100))]
    #[case::fast(after(100, 100, 1_000), HOUR, NextPage::Ask(200))]
    #[case::never_more_than_the_flow_names(after(200, 200, 100), HOUR, NextPage::Ask(200))]
    #[case::slow(after(100, 100, 60_000), HOUR, NextPage::Ask(50))]
    #[case::very_slow(after(12, 12, 600_000), HOUR, NextPage::Ask(10))]
    #[case::an_empty_page_teaches_nothing(after(100, 0, 9_000), HOUR, NextPage::Ask(200))]
    #[case::time_for_a_part(after(100, 100, 10_000), Duration::from_secs(12), NextPage::Ask(60))]
    #[case::no_time_for_another_like_the_last(
        after(100, 100, 10_000),
        Duration::from_millis(9_999),
        NextPage::Stop
    )]
    #[case::just_time_for_another_like_the_last(
        after(100, 100, 10_000),
        Duration::from_secs(10),
        NextPage::Ask(50)
    )]
    #[case::time_for_too_few(after(10, 10, 10_000), Duration::from_secs(19), NextPage::Stop)]
    #[case::time_for_just_enough(after(10, 10, 10_000), Duration::from_secs(20), NextPage::Ask(10))]
    #[case::not_given(Paging::default().failed(200), HOUR, NextPage::Ask(100))]
    #[case::not_given_again(Paging::default().failed(200).failed(12), HOUR, NextPage::Ask(10))]
    fn the_next_page_follows_from_what_the_last_took(
        #[case] paging: Paging,
        #[case] left: Duration,
        #[case] next: NextPage,
    ) {
        assert_eq!(paging.next(200, true, left), next);
    }

    #[rstest]
    #[case::slow(after(200, 200, 60_000), HOUR, NextPage::Ask(200))]
    #[case::not_given(Paging::default().failed(200), HOUR, NextPage::Ask(200))]
    #[case::too_little_time(after(200, 200, 20_000), Duration::from_secs(9), NextPage::Stop)]
    #[case::time_for_all_but_one(
        after(100, 100, 10_000),
        Duration::from_millis(19_999),
        NextPage::Stop
    )]
    #[case::just_time(after(100, 100, 10_000), Duration::from_secs(20), NextPage::Ask(200))]
    fn a_listing_that_can_not_vary_its_pages_keeps_their_size(
        #[case] paging: Paging,
        #[case] left: Duration,
        #[case] next: NextPage,
    ) {
        assert_eq!(paging.next(200, false, left), next);
    }

    #[test]
    fn an_invocation_that_has_done_no_page_asks_for_the_smallest() {
        assert_eq!(Paging::smallest(200, true, FIRST_PAGE), NextPage::Ask(10));
        assert_eq!(Paging::smallest(7, true, FIRST_PAGE), NextPage::Ask(7));
        assert_eq!(Paging::smallest(200, false, FIRST_PAGE), NextPage::Ask(200));
        let too_short = Duration::from_millis(24_999);
        assert_eq!(Paging::smallest(200, true, too_short), NextPage::Stop);
    }

    #[test]
    fn a_source_of_any_pace_settles_at_the_goal_or_a_limit() {
        for row_ms in [1_u64, 7, 60, 400, 5_000] {
            let mut paging = Paging::default();
            let mut sizes = Vec::new();
            for _ in 0..12 {
                let NextPage::Ask(size) = paging.next(1_000, true, HOUR * 10) else {
                    panic!("there is time");
                };
                sizes.push(size);
                let took = Duration::from_millis(row_ms * u64::from(size));
                paging = paging.learn(size, size as usize, took);
            }
            let goal = (10_000 / row_ms).clamp(u64::from(LEAST_ROWS), 1_000);
            assert_eq!(
                sizes.last().copied().map(u64::from),
                Some(goal),
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn a_checkpoint_of_an_older_release_has_no_measure() {
        let read: Paging = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Paging::default());
    }
}
