//! A supplier as the ERP shows it.
//!
//! The fields are plain text and numbers on purpose: an ERP holds values that its own rules
//! should have refused, and a test must be able to put them there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A row of the ERP's list of suppliers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErpSupplier {
    /// Id, as `SUP-000123`.
    pub id: String,
    /// Registered name; not unique.
    pub legal_name: String,
    /// What is bought from it.
    pub purpose: String,
    /// How it is reached.
    pub contact: ErpContact,
    /// What the quality department says of it.
    pub quality: ErpQuality,
    /// Id of the user who stands for it.
    pub sponsor_id: u32,
    /// When it was last changed; whole seconds.
    pub modified_at: Timestamp,
    /// Grows by one with each change.
    pub version: u64,
}

/// How a supplier is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErpContact {
    /// Name of a person.
    pub name: String,
    /// Mail address.
    pub email: String,
    /// Telephone.
    pub phone: String,
    /// Postal address in one line.
    pub address: String,
    /// Web site.
    pub website: String,
}

/// What the quality department says of a supplier. The independent flags are what ERPs have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErpQuality {
    /// Points of the last audit, 0 to 100.
    pub audit_score: f64,
    /// `valid`, `expired`, `suspended` or `none`.
    pub certification_status: String,
    /// Names of the standards that it is certified for.
    pub certificates: Vec<String>,
    /// Whether nothing may be ordered.
    pub blocked: bool,
    /// Whether it is an approved supplier.
    pub approved: bool,
    /// Whether it meets the regulations.
    pub regulatory_compliant: bool,
}

/// A time of the double's clock cut to whole seconds; the epoch when it is out of range.
pub(super) fn whole_seconds(ms: i64) -> Timestamp {
    Timestamp::from_second(ms.div_euclid(1_000)).unwrap_or(Timestamp::UNIX_EPOCH)
}
