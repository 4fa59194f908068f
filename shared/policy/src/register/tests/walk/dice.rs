//! What is left to chance in a walk: thrown at random, or told, so that every way is gone once.

use super::*;

#[derive(Clone)]
pub(super) enum Dice {
    Thrown(SmallRng),
    /// The first picks are given, the others are the first of their kind. Trouble comes so often
    /// and no more.
    Told {
        picks: Vec<(usize, usize)>,
        next: usize,
        troubles: u32,
    },
}

impl Dice {
    pub(super) fn thrown(seed: u64) -> Self {
        Self::Thrown(SmallRng::seed_from_u64(seed))
    }

    pub(super) fn told(picks: Vec<(usize, usize)>, troubles: u32) -> Self {
        Self::Told {
            picks,
            next: 0,
            troubles,
        }
    }

    pub(super) fn one_of(&mut self, count: usize) -> usize {
        match self {
            Self::Thrown(dice) => dice.random_range(0..count),
            Self::Told { picks, next, .. } => {
                if *next == picks.len() {
                    picks.push((0, count));
                }
                *next += 1;
                picks[*next - 1].0
            }
        }
    }

    pub(super) fn trouble(&mut self, percent: u32) -> bool {
        match self {
            Self::Thrown(dice) => dice.random_ratio(percent, 100),
            Self::Told { troubles: 0, .. } => false,
            Self::Told { .. } => {
                let comes = self.one_of(2) == 1;
                if let Self::Told { troubles, .. } = self {
                    *troubles -= u32::from(comes);
                }
                comes
            }
        }
    }

    /// So long at most: any time, or none and all of it.
    pub(super) fn span(&mut self, most: Duration) -> Duration {
        match self {
            Self::Thrown(dice) => dice.random_range(Duration::ZERO..=most),
            Self::Told { .. } => most * u32::try_from(self.one_of(2)).unwrap(),
        }
    }

    /// For how long a process stands still now. Where all is told, a worker that is not asked to go
    /// on stands still.
    pub(super) fn freeze(&mut self) -> Option<Duration> {
        let Self::Thrown(dice) = self else {
            return None;
        };
        let stands = dice.random_ratio(3, 100);
        stands.then(|| dice.random_range(Duration::ZERO..=Duration::from_secs(8)))
    }

    /// After one way was gone: the next one, if there is another.
    pub(super) fn other_way(self) -> Option<Vec<(usize, usize)>> {
        let Self::Told { mut picks, .. } = self else {
            return None;
        };
        while let Some((pick, count)) = picks.pop() {
            if pick + 1 < count {
                picks.push((pick + 1, count));
                return Some(picks);
            }
        }
        None
    }

    pub(super) fn troubles_left(&self) -> u32 {
        match self {
            Self::Thrown(_) => 0,
            Self::Told { troubles, .. } => *troubles,
        }
    }
}
