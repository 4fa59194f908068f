//! How old what waits is, by a ledger of the walk's own: each change that was staged and that the
//! target was not yet seen to hold, by itself or by a newer one.

use super::*;

#[derive(Clone, Debug)]
struct Waiting {
    version: Version,
    at: UnixMs,
    tier: Tier,
}

/// Oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages(Vec<Waiting>);

impl Ages {
    /// A stage or a reconciliation made work of the register.
    pub(super) fn began(&mut self, register: &Register, at: UnixMs) {
        self.0.push(Waiting {
            version: register.desired.version,
            at,
            tier: register.tier,
        });
    }

    /// The target holds all up to a version.
    pub(super) fn applied(&mut self, version: Version) {
        self.0.retain(|waiting| waiting.version > version);
    }

    /// A person decided that nothing is sent.
    pub(super) fn discarded(&mut self) {
        self.0.clear();
    }

    /// The age told is that of the oldest change that the target was not seen to hold: neither less,
    /// nor more. That of the real-time tier is not less than that of its own oldest.
    pub(super) fn check(&self, register: &Register) {
        let oldest = self.0.first().map(|waiting| waiting.at);
        assert_eq!(register.pending_since, oldest, "{self:?} of {register:?}");
        let mut urgent = self.0.iter().filter(|it| it.tier == Tier::RealTime);
        if let Some(urgent) = urgent.next() {
            let told = register.urgent_since;
            assert!(told.is_some_and(|at| at <= urgent.at), "{register:?}");
        }
        assert!(register.urgent_since.is_none_or(|at| Some(at) >= oldest));
    }
}
