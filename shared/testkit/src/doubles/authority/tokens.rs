//! The access tokens that an authority has given, as other doubles ask about them.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
};

use crate::doubles::{Clock, Seed, locked};

/// Tokens remembered. One an hour is 11 years; a client that asks for one with each call is what a
/// test wants to see, and must not fill memory.
const MAX_TOKENS_KEPT: usize = 100_000;

/// What a token is worth at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was given and holds.
    Live,
    /// Its life is over.
    Expired,
    /// It was taken back before its life was over.
    Revoked,
    /// It was never given, or so long ago that it is forgotten.
    Unknown,
}

/// The tokens of one authority. Clones are the same tokens.
#[derive(Clone)]
pub struct Tokens {
    clock: Clock,
    held: Arc<Mutex<Held>>,
}

struct Held {
    by_text: BTreeMap<String, Given>,
    /// The texts in the order in which they were given.
    order: VecDeque<String>,
    words: Seed,
    count: u64,
}

struct Given {
    ends_ms: i64,
    is_revoked: bool,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given();
        f.debug_struct("Tokens").field("given", &given).finish()
    }
}

impl Tokens {
    /// None yet. `clock` gives milliseconds since the epoch and says when a life is over.
    pub fn new(clock: Clock) -> Self {
        let held = Held {
            by_text: BTreeMap::new(),
            order: VecDeque::new(),
            words: Seed::new(1),
            count: 0,
        };
        Self {
            clock,
            held: Arc::new(Mutex::new(held)),
        }
    }

    /// Gives a new token that begins with `prefix` and lives `life_s` seconds.
    pub fn give(&self, prefix: &str, life_s: u32) -> String {
        let ends_ms = (self.clock)().saturating_add(i64::from(life_s) * 1_000);
        let mut held = locked(&self.held);
        held.count += 1;
        let text = held.word(prefix);
        if held.order.len() >= MAX_TOKENS_KEPT
            && let Some(oldest) = held.order.pop_front()
        {
            held.by_text.remove(&oldest);
        }
        held.order.push_back(text.clone());
        let given = Given {
            ends_ms,
            is_revoked: false,
        };
        held.by_text.insert(text.clone(), given);
        text
    }

    /// What a token is worth now.
    pub fn standing(&self, token: &str) -> Standing {
        let now_ms = (self.clock)();
        match locked(&self.held).by_text.get(token) {
            None => Standing::Unknown,
            Some(given) if given.is_revoked => Standing::Revoked,
            Some(given) if given.ends_ms <= now_ms => Standing::Expired,
            Some(_) => Standing::Live,
        }
    }

    /// Whether a token holds now.
    pub fn is_live(&self, token: &str) -> bool {
        self.standing(token) == Standing::Live
    }

    /// Takes back one token; says whether it was given.
    pub fn revoke(&self, token: &str) -> bool {
        let mut held = locked(&self.held);
        let given = held.by_text.get_mut(token);
        given.map(|given| given.is_revoked = true).is_some()
    }

    /// Takes back every token that was given up to now.
    pub fn revoke_all(&self) {
        let mut held = locked(&self.held);
        for given in held.by_text.values_mut() {
            given.is_revoked = true;
        }
    }

    /// How many were ever given.
    pub fn given(&self) -> u64 {
        locked(&self.held).count
    }

    /// A text that nobody has had, for a token that is kept elsewhere.
    pub(super) fn other(&self, prefix: &str) -> String {
        locked(&self.held).word(prefix)
    }
}

impl Held {
    fn word(&mut self, prefix: &str) -> String {
        let (one, two) = (self.words.next_u64(), self.words.next_u64());
        format!("{prefix}{one:016x}{two:016x}")
    }
}
