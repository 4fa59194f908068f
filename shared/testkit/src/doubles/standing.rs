//! Suppliers that already stand in Qualio when a flow starts, so that linking can be shown.
//!
//! They are what people leave behind: the right name and marker, notes of their own, a risk
//! level that somebody chose, a telephone number from before the last move.

use super::{
    Seed,
    erp::ErpSupplier,
    qualio::{Contact, QualioDouble, RISK_LEVELS, RiskLevel, Status, Supplier, key_marker},
};

const NOTES: [&str; 8] = [
    "Prefers calls before noon.",
    "Ask for the quality manager, not for sales.",
    "Audit of spring went well; two minor findings closed.",
    "Certificates come by post, scan them.",
    "Closed in August.",
    "Second source for site 2.",
    "Sends batch records late, remind them.",
    "Quality agreement is in the document store.",
];

/// Puts `rows` into Qualio as suppliers that already stand, in this order, and gives them as
/// they then stand. About one in eight still waits for its review, the others are approved.
pub fn stand_in_qualio(
    qualio: &QualioDouble,
    rows: &[ErpSupplier],
    seed: &mut Seed,
) -> Vec<Supplier> {
    let stand = |row| qualio.put_standing(standing(row, seed));
    rows.iter().map(stand).collect()
}

fn standing(row: &ErpSupplier, seed: &mut Seed) -> Supplier {
    let (risk, ..) = seed.pick(&RISK_LEVELS);
    let notes = format!("{}\n{}", seed.pick(&NOTES), key_marker(&row.id));
    let moved = seed.chance(20);
    let old_phone = format!("{} (old)", row.contact.phone);
    let mut supplier = Supplier::draft(&row.legal_name);
    supplier.status = if seed.chance(12) {
        Status::ReviewPending
    } else {
        Status::Approved
    };
    supplier.approved_at = (supplier.status == Status::Approved).then_some(row.modified_at);
    supplier.intended_use = Some(row.purpose.clone());
    supplier.sponsor_user_id = Some(row.sponsor_id);
    supplier.risk_type = RiskLevel::of_id(risk);
    supplier.contact_information = Some(Contact {
        name: Some(row.contact.name.clone()),
        email: Some(row.contact.email.clone()),
        phone: Some(if moved {
            old_phone
        } else {
            row.contact.phone.clone()
        }),
        address: Some(row.contact.address.clone()),
        website: Some(row.contact.website.clone()),
        notes: Some(notes),
    });
    supplier
}
