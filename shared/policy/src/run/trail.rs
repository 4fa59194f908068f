//! Whether a listing goes round: a system that ignores where a page begins, or names pages in a
//! circle, would be listed for ever.
//!
//! One page is remembered, the first, second, fourth, eighth and so on (Brent's way to find a cycle):
//! a circle of any length is found within three times its length, and nothing grows.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::fingerprint::print_of_text;

/// Pages with the rows of the remembered one that are taken for chance: where records move while
/// they are listed by their number, a page can come twice.
const CHANCES: u32 = 3;
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
        if self.pages.is_power_of_two() {
            self.marked = Some((rows, next));
        }
        Ok(())
    }

    /// Takes a page of a source, which leads from `here` to `next`: whether it was there before. Rows that
    /// come again are no sign of it, since they move while a source is listed.
    pub fn leads_back(&mut self, here: Option<&Json>, next: &Json) -> bool {
        here == Some(next) || self.follow(None, print_of_text(&next.to_string())).is_err()
    }

    /// The pages so far.
    pub fn pages(&self) -> u64 {
        self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 100_000;

    /// Pages until it is refused.
    fn refused_at(page: impl Fn(u64) -> (Option<u64>, u64)) -> Option<u64> {
        let mut trail = Trail::default();
        (0..MANY).find(|at| {
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
    fn a_source_that_leads_back_is_seen_and_one_that_goes_on_is_not() {
        let read = |next_of: fn(u64) -> u64| {
            let (mut trail, mut here) = (Trail::default(), None);
            (0..10_000).find(|_| {
                let at = here.as_ref().and_then(Json::as_u64).unwrap_or(0);
                let next = Json::from(next_of(at));
                let leads_back = trail.leads_back(here.as_ref(), &next);
                here = Some(next);
                leads_back
            })
        };
        assert_eq!(read(|_| 7), Some(1), "a page that names itself");
        assert!(read(|at| 1 - at).is_some_and(|page| page < 6));
        assert!(read(|at| if at < 500 { at + 1 } else { 3 }).is_some_and(|page| page < 1_500));
        assert_eq!(read(|at| at + 1), None);
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
        assert_eq!(refused_at(once_again), None);
        assert_eq!(refused_at(|at| (None, at)), None);
    }
}
