//! Whether a listing goes round: a target that ignores where a page begins, or names pages in a
//! circle, would be listed for ever.
//!
//! One page is remembered, the first, second, fourth, eighth and so on (Brent's way to find a cycle):
//! a circle of any length is found within three times its length, and nothing grows.

use serde::{Deserialize, Serialize};

/// Pages with the rows of the remembered one that are taken for chance: where records move while
/// they are listed by their number, a page can come twice.
const CHANCES: u32 = 3;
/// Pages of one listing: one a second for the day in which a comparison must end.
pub const MOST_PAGES: u64 = 86_400;

/// The pages so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    pages: u64,
    /// Prints of the remembered page's rows and of where it led.
    marked: Option<(Option<u64>, u64)>,
    again: u32,
}

impl Trail {
    /// Takes a page that is not the last: a print of its rows (none where it had none) and of where
    /// it leads. Why it is not to be followed, if it is not.
    pub fn follow(&mut self, rows: Option<u64>, next: u64) -> Result<(), &'static str> {
        self.pages += 1;
        if let Some((marked_rows, marked_next)) = self.marked {
            if next == marked_next {
                return Err("the pages of its listing go round");
            }
            if rows.is_some() && rows == marked_rows {
                self.again += 1;
            }
        }
        if self.again >= CHANCES {
            return Err("its listing gives the same page again and again");
        }
        if self.pages >= MOST_PAGES {
            return Err("its listing has more pages than can be read in a day");
        }
        if self.pages.is_power_of_two() {
            self.marked = Some((rows, next));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages until it is refused.
    fn refused_at(page: impl Fn(u64) -> (Option<u64>, u64)) -> Option<u64> {
        let mut trail = Trail::default();
        (0..MOST_PAGES).find(|at| {
            let (rows, next) = page(*at);
            trail.follow(rows, next).is_err()
        })
    }

    #[test]
    fn a_circle_of_any_length_is_found_within_three_times_its_length() {
        for tail in [0, 1, 5] {
            for length in [1, 2, 3, 7, 100] {
                let next = |at: u64| {
                    if at < tail {
                        1_000 + at
                    } else {
                        (at - tail) % length
                    }
                };
                let found = refused_at(|at| (Some(5_000 + at), next(at)));
                let most = 3 * (length + tail) + 2;
                assert!(
                    found.is_some_and(|at| at <= most),
                    "{tail} {length} {found:?}"
                );
            }
        }
    }

    #[test]
    fn the_same_rows_under_ever_new_pages_are_found() {
        assert_eq!(refused_at(|at| (Some(7), at)), Some(3));
        let by_turns = refused_at(|at| (Some(at % 3), at));
        assert!(by_turns.is_some_and(|at| at < 20), "{by_turns:?}");
    }

    #[test]
    fn a_page_that_comes_twice_by_chance_and_pages_without_rows_are_followed() {
        let once_again = |at: u64| (Some(if at == 9 { 7 } else { at }), 1_000 + at);
        assert_eq!(refused_at(once_again), Some(MOST_PAGES - 1));
        assert_eq!(refused_at(|at| (None, at)), Some(MOST_PAGES - 1));
    }
}
