//! What to do with a change that a source reports (REG-1).
//!
//! The register is read first: that one read unit decides the tier (which field changed value) and
//! spares the write where nothing would change. The write still carries its whole condition, so a
//! race with another stager is decided by the table and planned again.

#[cfg(test)]
mod tests;

use tidegate_model::{Content, FlowId, Tier, TierReason, UnixMs, Version};

use crate::register::{Equal, Register, ReviewCause, ReviewKind, Stage};

/// Who reports the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A batch that reads pages under the lease.
    Batch,
    /// A pushed payload, or the record that a pushed hint had read.
    Push,
    /// A person asked for this record.
    ForceSync,
}

/// A change, normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Its version.
    pub version: Version,
    /// Its content.
    pub content: Content,
    /// Who reports it.
    pub origin: Origin,
    /// Token of the stager.
    pub by: String,
    /// The value to search the target by.
    pub search: Option<String>,
    /// It may stand in the target already, which can be searched for it.
    pub look_first: bool,
    /// Id at the target, from a listing.
    pub link: Option<String>,
    /// Why it can not be sent, if it breaks the flow's schema or asks for a person.
    pub review: Option<(FlowId, ReviewCause)>,
    /// The next window: where a change that is not critical and was pushed waits.
    pub next_window: UnixMs,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum StagePlan {
    /// Write new content.
    New(Box<Stage>),
    /// Move the version: equal content, so that no older version can win later.
    Move(Equal),
    /// Equal content under a newer flow revision: send it again, as the mapping has it now. None of
    /// its fields changed, so a flow's records do not all stand before what is critical.
    Again(Equal, (Tier, TierReason)),
    /// Nothing to write.
    Nothing(NoChange),
}

/// Why nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoChange {
    /// The register holds the same.
    Unchanged,
    /// The register holds something newer.
    Superseded,
}

/// Plans a stage. `critical` are the critical fields that change value against the register.
pub fn plan(seen: Option<&Register>, incoming: &Incoming, critical: &[String]) -> StagePlan {
    let Some(seen) = seen else {
        return StagePlan::New(Box::new(stage_of(None, incoming, critical)));
    };
    let desired = &seen.desired;
    // What a person edited stands until the source gives other content.
    let same_content = *seen.given_hash() == incoming.content.hash();
    let same_read_of_source = desired.version.source == incoming.version.source
        && desired.version.revision == incoming.version.revision;
    if same_content && same_read_of_source {
        // What a lookback sees again costs no write. A source that changes a record and changes it
        // back within one tick of its version, read in between by a fetch, is left to the next
        // version.
        return StagePlan::Nothing(NoChange::Unchanged);
    }
    if incoming.version <= desired.version {
        let same = same_content && incoming.version == desired.version;
        return StagePlan::Nothing(if same {
            NoChange::Unchanged
        } else {
            NoChange::Superseded
        });
    }
    let agrees = desired.hash == incoming.content.hash();
    if same_content || agrees {
        let equal = Equal {
            hash: desired.hash.clone(),
            agrees: (agrees && seen.edited.is_some()).then(|| incoming.content.clone()),
        };
        // What was forgotten stays so until the source gives other content.
        let remapped = incoming.version.revision > desired.version.revision
            && desired.content != Content::Forgotten;
        // What breaks the schema is what was edited: with the edit it may be sent.
        let edit_stands = seen.edited.is_some() && !agrees;
        let review = incoming.review.as_ref().map(|(_, cause)| cause.kind);
        let review = review.filter(|kind| !edit_stands || *kind != ReviewKind::Invalid);
        if remapped && review.is_none() && incoming.content != Content::Deleted {
            return StagePlan::Again(equal, tier_of(Some(seen), incoming, &[]));
        }
        return StagePlan::Move(equal);
    }
    StagePlan::New(Box::new(stage_of(Some(seen), incoming, critical)))
}

/// Whether the record must be queued again although its stage wrote nothing: rule 1.
pub fn needs_message(seen: &Register) -> bool {
    seen.is_dirty() && seen.review.is_none()
}

/// Decides tier and waiting of new content.
fn stage_of(seen: Option<&Register>, incoming: &Incoming, critical: &[String]) -> Stage {
    let (tier, tier_reason) = tier_of(seen, incoming, critical);
    let pushed = tier == Tier::Batch && incoming.origin == Origin::Push;
    // What is to be applied already goes on waiting as it did: a push must not put it off to another
    // window.
    let due = match seen {
        Some(seen) if needs_message(seen) => seen.due,
        _ => Some(incoming.next_window),
    };
    Stage {
        version: incoming.version,
        content: incoming.content.clone(),
        by: incoming.by.clone(),
        tier,
        tier_reason,
        search: incoming.search.clone(),
        link: incoming.link.clone(),
        look_first: incoming.look_first && seen.is_none(),
        due: due.filter(|_| pushed),
        review: incoming.review.clone(),
    }
}

/// The tier of new content, and why (R3).
pub fn tier_of(
    seen: Option<&Register>,
    incoming: &Incoming,
    critical: &[String],
) -> (Tier, TierReason) {
    if incoming.origin == Origin::ForceSync {
        return (Tier::RealTime, TierReason::ForceSync);
    }
    if seen.is_none() && incoming.origin == Origin::Batch {
        return (Tier::Batch, TierReason::FirstSeenInBatch);
    }
    if !critical.is_empty() {
        return (
            Tier::RealTime,
            TierReason::Critical {
                fields: critical.to_vec(),
            },
        );
    }
    match seen {
        // A critical change that is not applied yet is part of this one.
        Some(seen) if seen.is_dirty() && seen.tier == Tier::RealTime => {
            (Tier::RealTime, TierReason::StillPending)
        }
        _ => (Tier::Batch, TierReason::NotCritical),
    }
}
