//! The kinds of change that happen to a supplier in a demo or a test.

use super::{ErpSupplier, names};
use crate::doubles::Seed;

/// The ids from which users come who are no sponsors in Qualio: people who have left.
const FORMER_SPONSORS_FROM: u32 = 900;

/// What a random change does to a supplier. Every one alters at least one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Alters telephone, address or purpose.
    Ordinary,
    /// Alters a field of quality that a flow calls critical.
    Critical,
    /// Leaves a record that the schema of a flow refuses: no name, or 140 points of 100.
    Invalid,
    /// Leaves a record that passes a schema and that Qualio refuses: an unknown sponsor.
    Refused,
}

impl ChangeKind {
    pub(super) fn apply(self, row: &mut ErpSupplier, seed: &mut Seed) {
        match self {
            Self::Ordinary => ordinary(row, seed),
            Self::Critical => critical(row, seed),
            Self::Invalid => invalid(row, seed),
            Self::Refused => refused(row, seed),
        }
    }
}

fn ordinary(row: &mut ErpSupplier, seed: &mut Seed) {
    let before = row.clone();
    while *row == before {
        let place = names::place(seed);
        match seed.below(3) {
            0 => row.contact.phone = names::phone(seed, &place),
            1 => row.contact.address = names::address(seed, &place),
            _ => seed.pick(&names::PURPOSES).clone_into(&mut row.purpose),
        }
    }
}

fn critical(row: &mut ErpSupplier, seed: &mut Seed) {
    let quality = &mut row.quality;
    match seed.below(5) {
        0 => {
            // From 1 to 60 points away and back into the range, so never the same.
            let points = quality.audit_score.round() + f64::from(1 + seed.below(60));
            quality.audit_score = points.rem_euclid(101.0);
        }
        1 => {
            let mut others = names::CERTIFICATION.to_vec();
            others.retain(|status| *status != quality.certification_status);
            seed.pick(&others)
                .clone_into(&mut quality.certification_status);
        }
        2 => quality.blocked = !quality.blocked,
        3 => quality.approved = !quality.approved,
        _ => quality.regulatory_compliant = !quality.regulatory_compliant,
    }
}

fn invalid(row: &mut ErpSupplier, seed: &mut Seed) {
    if seed.chance(50) && !row.legal_name.is_empty() {
        row.legal_name.clear();
    } else if row.quality.audit_score < 140.0 {
        row.quality.audit_score = 140.0;
    } else {
        row.quality.audit_score += 1.0;
    }
}

fn refused(row: &mut ErpSupplier, seed: &mut Seed) {
    let before = row.sponsor_id;
    while row.sponsor_id == before {
        row.sponsor_id = FORMER_SPONSORS_FROM + seed.below(100);
    }
}
