//! A supplier as Qualio shows it, its risk levels, and the marker that we keep in its notes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A supplier as the API answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplier {
    /// Name; not unique.
    pub name: String,
    /// Contact, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_information: Option<Contact>,
    /// What it is used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_use: Option<String>,
    /// Id of the user who stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor_user_id: Option<u32>,
    /// Id given by Qualio.
    pub supplier_id: String,
    /// Whether it is archived.
    pub archived: bool,
    /// Where it stands in the way of approval.
    pub status: Status,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
    /// When it is due to be audited again.
    pub due_at: Option<Timestamp>,
    /// Its risk level; to be written as `risk_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_type: Option<RiskLevel>,
    /// Who approves it.
    pub approvers: Vec<Approver>,
}

/// How a supplier is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Name of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Free text, in which we keep the marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// A user who approves a supplier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// Id of the user.
    pub user_id: u32,
    /// Name of the user.
    pub full_name: String,
    /// Mail address of the user.
    pub email: String,
}

/// Where a supplier stands in the way of approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Waits for its review.
    ReviewPending,
    /// Approved.
    Approved,
    /// Rejected.
    Rejected,
    /// Not yet sent to review.
    Draft,
    /// Put away.
    Archived,
}

/// A risk level that the company has set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskLevel {
    /// Its UUID.
    pub id: String,
    /// Its name.
    pub title: String,
    /// What it means.
    pub description: String,
    /// Months between two audits.
    pub periodic_review: u32,
}

/// The risk levels of the double: UUID, title, description, months between two audits. The
/// UUIDs are fixed, so that a flow file can name them.
pub const RISK_LEVELS: [(&str, &str, &str, u32); 3] = [
    (
        "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a01",
        "Low",
        "Does not touch product quality",
        36,
    ),
    (
        "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a02",
        "Medium",
        "May touch product quality",
        24,
    ),
    (
        "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a03",
        "High",
        "Touches product quality or patients directly",
        12,
    ),
];

impl RiskLevel {
    /// The level of this UUID, in whatever case it is written.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::all().find(|level| level.id.eq_ignore_ascii_case(id))
    }

    /// The level of this title.
    pub fn of_title(title: &str) -> Option<Self> {
        Self::all().find(|level| level.title == title)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        RISK_LEVELS
            .iter()
            .map(|(id, title, description, months)| Self {
                id: (*id).to_owned(),
                title: (*title).to_owned(),
                description: (*description).to_owned(),
                periodic_review: *months,
            })
    }
}

impl Supplier {
    /// A draft of this name with nothing else; id and times are set by the double.
    pub fn draft(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            contact_information: None,
            intended_use: None,
            sponsor_user_id: None,
            supplier_id: String::new(),
            archived: false,
            status: Status::Draft,
            created_at: Timestamp::UNIX_EPOCH,
            modified_at: Timestamp::UNIX_EPOCH,
            approved_at: None,
            due_at: None,
            risk_type: None,
            approvers: Vec::new(),
        }
    }

    /// The record key in the marker in its notes.
    pub fn key(&self) -> Option<String> {
        let notes = self.contact_information.as_ref()?.notes.as_deref()?;
        marked_key(notes).map(str::to_owned)
    }
}

/// The marker by which a supplier is known as the record `key`: our stand-in for an external id.
pub fn key_marker(key: &str) -> String {
    format!("[key:{key}]")
}

/// The key in the first marker in `text`.
pub fn marked_key(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("[key:")?;
    let (key, _) = after.split_once(']')?;
    Some(key)
}

/// A time of the double's clock as it is written; the epoch when it is out of range.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
