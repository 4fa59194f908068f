//! Realistic suppliers, the same for the same seed.

use super::{
    ErpContact, ErpQuality, ErpSupplier,
    names::{self, Place},
    row::whole_seconds,
};
use crate::doubles::{Seed, qualio::SPONSORS};

/// Every so many suppliers, one has the name of the one before it: a second site of the same
/// company. Names are not unique, and a look-up by name must be seen to fail.
const NAMESAKE_EVERY: u32 = 40;

/// The oldest change lies so far back, in seconds: 90 days.
const OLDEST_S: u32 = 90 * 24 * 3_600;

/// `count` suppliers, `SUP-000001` and on. Their last changes lie in the 90 days before
/// `now_ms` (milliseconds since the epoch), and a quarter of them share a second with another.
pub fn realistic_suppliers(seed: u64, count: u32, now_ms: i64) -> Vec<ErpSupplier> {
    let mut seed = Seed::new(seed);
    let mut rows: Vec<ErpSupplier> = Vec::new();
    for number in 1..=count {
        let mut row = supplier(&mut seed, number);
        let age_s = i64::from(1 + seed.below(OLDEST_S));
        row.modified_at = whole_seconds(now_ms - age_s * 1_000);
        if let Some(before) = rows.last() {
            if number % NAMESAKE_EVERY == 0 {
                row.legal_name.clone_from(&before.legal_name);
            }
            if seed.chance(25) {
                row.modified_at = before.modified_at;
            }
        }
        rows.push(row);
    }
    rows
}

/// One supplier of this number; its time is the epoch until it is inserted.
pub(super) fn supplier(seed: &mut Seed, number: u32) -> ErpSupplier {
    let place = names::place(seed);
    let stem = seed.pick(&names::STEMS);
    let field = seed.pick(&names::FIELDS);
    ErpSupplier {
        id: format!("SUP-{number:06}"),
        legal_name: format!("{stem} {field} {}", place.legal_form),
        purpose: seed.pick(&names::PURPOSES).to_owned(),
        contact: contact(seed, &place, &format!("{stem} {field}")),
        quality: quality(seed),
        sponsor_id: seed.pick(&SPONSORS),
        modified_at: whole_seconds(0),
        version: u64::from(1 + seed.below(9)),
    }
}

fn contact(seed: &mut Seed, place: &Place, company: &str) -> ErpContact {
    let (first, last) = names::person(seed);
    let domain = format!("{}.example", names::domain_part(company));
    let mailbox = format!("{first}.{last}").to_ascii_lowercase();
    ErpContact {
        name: format!("{first} {last}"),
        email: format!("{mailbox}@{domain}"),
        phone: names::phone(seed, place),
        address: names::address(seed, place),
        website: format!("https://www.{domain}"),
    }
}

/// Most suppliers are sound: about 6 in 7 are certified, 1 in 30 is blocked.
fn quality(seed: &mut Seed) -> ErpQuality {
    let certification_status = match seed.below(100) {
        0..86 => "valid",
        86..93 => "expired",
        93..96 => "suspended",
        _ => "none",
    };
    let blocked = seed.chance(3);
    let half_points = 2 * (62 + seed.below(38)) + seed.below(2);
    let mut certificates = Vec::new();
    if certification_status != "none" {
        for _ in 0..=seed.below(3) {
            let certificate = seed.pick(&names::CERTIFICATES).to_owned();
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
    }
    ErpQuality {
        audit_score: f64::from(half_points) / 2.0,
        certification_status: certification_status.to_owned(),
        certificates,
        blocked,
        approved: !blocked && seed.chance(90),
        regulatory_compliant: seed.chance(95),
    }
}
