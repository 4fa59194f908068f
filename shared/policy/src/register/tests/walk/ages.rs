//! How old what waits is, by a ledger of the walk's own: each change that was staged and that the
//! target was not yet seen to hold, by itself or by a newer one.

use super::*;

#[derive(Clone, Debug)]
struct Waiting {
    version: Version,
    at: UnixMs,
    tier: Tier,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ages {
    /// Oldest first.
    waiting: Vec<Waiting>,
    /// When a person last asked that what was tried is sent again. That waits too, until a call that began
    /// later: one that had begun before, and of which nobody knew any more, does not end it.
    replayed: Option<UnixMs>,
}

impl Ages {
    /// A stage or a reconciliation made work of the register.
    pub(super) fn began(&mut self, register: &Register, at: UnixMs) {
        self.waiting.push(Waiting {
            version: register.desired.version,
            at,
            tier: register.tier,
        });
    }

    /// The target holds all up to a version.
    pub(super) fn applied(&mut self, version: Version) {
        self.waiting.retain(|waiting| waiting.version > version);
    }

    /// A person decided that nothing is sent.
    pub(super) fn discarded(&mut self) {
        *self = Self::default();
    }

    /// A person had it sent again.
    pub(super) fn replayed(&mut self, at: UnixMs) {
        self.replayed = Some(at);
    }

    /// The age told is that of the oldest change that the target was not seen to hold: neither less,
    /// nor more. That of the real-time tier is not less than that of its own oldest.
    pub(super) fn check(&self, register: &Register) {
        let oldest = self.waiting.first().map(|waiting| waiting.at);
        let told = register.pending_since;
        let is_replay = told.is_some()
            && told == self.replayed
            && oldest.is_none_or(|oldest| told <= Some(oldest));
        assert!(told == oldest || is_replay, "{self:?} of {register:?}");
        let mut urgent = self.waiting.iter().filter(|it| it.tier == Tier::RealTime);
        if let Some(urgent) = urgent.next() {
            let told = register.urgent_since;
            assert!(told.is_some_and(|at| at <= urgent.at), "{register:?}");
        }
        assert!(register.urgent_since.is_none_or(|at| Some(at) >= told));
    }
}
