mod ages;
mod forgotten;
mod mistakes;
mod people;
mod walk;
mod writes;

use std::time::Duration;

use serde_json::json;
use tidegate_model::{
    ClaimToken, Content, FlowId, SourceVersion, Tier, TierReason, UnixMs, Version,
    item::{Item, Update},
};

use super::*;
use crate::plan::TargetTraits;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);

/// The plainest target: ids of its own, found again by name.
const BY_NAME: TargetTraits = TargetTraits {
    upsert: false,
    idempotent_create: false,
    searchable: true,
    listable: false,
    own: false,
    create_calls: 1,
    update_calls: 1,
    find_calls: 1,
    deletes: true,
    archives: false,
};

fn version(source: u64) -> Version {
    Version {
        source: SourceVersion(source),
        revision: 1,
        read: 0,
    }
}

fn equal(name: &str) -> Equal {
    Equal {
        hash: named(name).hash(),
        agrees: None,
    }
}

fn named(name: &str) -> Content {
    Content::Record(std::iter::once(("name".to_owned(), json!(name))).collect())
}

fn token(text: &str) -> ClaimToken {
    ClaimToken::try_new(text).unwrap()
}

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn change(source: u64, name: &str) -> Stage {
    Stage {
        version: version(source),
        content: named(name),
        by: format!("stager-{source}"),
        tier: Tier::Batch,
        tier_reason: TierReason::NotCritical,
        search: Some(name.to_owned()),
        link: None,
        look_first: false,
        due: None,
        review: None,
    }
}

fn cause(kind: ReviewKind) -> ReviewCause {
    ReviewCause {
        kind,
        field: None,
        reason: "it is so".to_owned(),
        since: NOW,
    }
}

/// One register in a table of its own.
#[derive(Clone, Debug, Default)]
struct Table {
    item: Option<Item>,
}

impl Table {
    fn staged(source: u64, name: &str) -> Self {
        let mut table = Self::default();
        assert!(table.write(&stage(&change(source, name), NOW)));
        table
    }

    /// Staged and applied, with the target's id.
    fn applied(source: u64, name: &str) -> Self {
        let mut table = Self::staged(source, name);
        table.claim("first", NOW);
        let done = table.done(name);
        assert!(table.write(&commit(&token("first"), &done, &table.read(), NOW)));
        table
    }

    fn write(&mut self, update: &Update) -> bool {
        let after = update.evaluate(self.item.as_ref());
        let written = after.is_some();
        self.item = after.or(self.item.take());
        written
    }

    /// Reads it. What is told without reading the content agrees, in every story of these tests.
    #[track_caller]
    fn read(&self) -> Register {
        let item = self.item.as_ref().unwrap();
        let register = Register::read(item).unwrap().unwrap();
        assert_eq!(
            Register::is_at_rest(item),
            register.state() == State::Applied
        );
        register
    }

    /// Claims for ten seconds.
    #[track_caller]
    fn claim(&mut self, by: &str, now: UnixMs) -> Register {
        let until = now + Duration::from_secs(10);
        assert!(self.write(&claim(&token(by), until, now, true)));
        self.read()
    }

    /// The moment at which the register can be claimed again, and a claim of then.
    #[track_caller]
    fn claim_later(&mut self, by: &str) -> Register {
        let now = self.read().claimable_at().max(NOW);
        self.claim(by, now)
    }

    fn done(&self, name: &str) -> Committed {
        Committed {
            hash: named(name).hash(),
            version: self.read().desired.version,
            target_id: Some("T-1".to_owned()),
            etag: None,
            deleted: false,
            started: NOW,
        }
    }

    fn has(&self, attribute: &str) -> bool {
        self.item
            .as_ref()
            .is_some_and(|item| item.contains_key(attribute))
    }
}

fn failure(outcome: Outcome, attempt: Option<u64>) -> Failure {
    Failure {
        outcome,
        attempt,
        next_attempt: NOW + Duration::from_mins(1),
        reason: "the target answered 503".to_owned(),
        started: NOW,
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        quiet_until: NOW + Duration::from_secs(5),
    }
}

#[test]
fn a_kind_of_review_has_one_name_in_logs_and_in_the_table() {
    for kind in [
        ReviewKind::Invalid,
        ReviewKind::Refused,
        ReviewKind::RetriesSpent,
        ReviewKind::DeletedAtSource,
        ReviewKind::PutBackAtSource,
        ReviewKind::Ambiguous,
        ReviewKind::DeadLetter,
        ReviewKind::Rejected,
    ] {
        assert_eq!(json!(kind), json!(kind.as_str()));
    }
}
