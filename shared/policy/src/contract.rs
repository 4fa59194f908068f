//! What a target says it accepts, held against what a flow writes (R20).
//!
//! A target describes itself by an `OpenAPI` 3.x document in JSON. Of it only the request bodies of
//! the flow's own calls are read, and of these only the tables that the flow writes: that is a
//! [`Contract`], small enough to be kept. What a flow [`Writes`] is read of its file alone, so both
//! are known before anything is sent. Where the flow file says nothing of a value (an expression
//! that computes, a field without a schema) nothing is compared.
//!
//! Invariants: any JSON document gives a contract or an error that names the place; the work is
//! bounded by [`MAX_SCHEMAS`] and [`MAX_DEPTH`]; no value of a record is ever looked at.

mod changes;
mod differences;
mod document;
mod kept;
mod qualio;
mod schema;
mod words;
mod writes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_model::EndpointId;

pub use changes::{Change, changes};
pub use differences::{Difference, differences, told};
pub use kept::{FORMAT, Kept, keep};
pub use schema::{Kind, MAX_DEPTH, MAX_SCHEMAS, Schema};
pub use writes::{Operation, Writes};

use crate::{flow::hash_of, schedule::utc};

/// Bytes of a contract in JSON. It is kept as one item of the table, which holds 400 KB (`DynamoDB`).
pub const MAX_CONTRACT_BYTES: usize = 100 * 1_024;

/// Why a document says nothing about a flow's calls, and where. The text of both may come from the
/// document; it is made printable and short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {why}")]
pub struct ContractError {
    /// JSON pointer into the document.
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub why: String,
}

impl ContractError {
    pub(crate) fn new(pointer: &str, why: impl Into<String>) -> Self {
        let pointer = match pointer {
            "" => "(document)".to_owned(),
            some => words::pointer(some),
        };
        Self {
            pointer,
            why: why.into(),
        }
    }
}

/// What a target accepts as the bodies of a flow's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// By the call, as [`Operation::name`] has it. A call that the target does not describe is not here.
    operations: BTreeMap<String, Schema>,
}

impl Contract {
    /// Reads what a document says about the calls of a flow. A call that it does not have is left out:
    /// that is a difference, not an error.
    pub fn read(document: &Value, writes: &Writes) -> Result<Self, ContractError> {
        let document = document::Document::open(document)?;
        let mut contract = Self::default();
        for operation in writes.operations() {
            if let Some(schema) = document.body_of(operation, writes)? {
                contract.operations.insert(operation.name(), schema);
            }
        }
        if contract.text().len() > MAX_CONTRACT_BYTES {
            let why =
                format!("the bodies of the flow's calls take more than {MAX_CONTRACT_BYTES} bytes");
            return Err(ContractError::new("/paths", why));
        }
        Ok(contract)
    }

    /// Whether the target describes none of the flow's calls.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// First 12 hex digits of the SHA-256 of its canonical form: equal for equal contracts.
    pub fn hash(&self) -> String {
        hash_of(&self.text())
    }

    /// Its canonical form: JSON without blanks, names in order.
    fn text(&self) -> String {
        // Maps with text keys always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a flow must not write to its target any more: what does not fit, and what changed since the
/// target was last known to accept it. None where everything fits.
pub fn drift(
    target: &EndpointId,
    writes: &Writes,
    now: &Contract,
    kept: Option<&Kept>,
) -> Option<String> {
    let found = differences(writes, now);
    if found.is_empty() {
        return None;
    }
    let changed = kept.map_or_else(Vec::new, |kept| changes(&kept.contract, now));
    let since = match kept {
        Some(kept) if !changed.is_empty() => {
            format!(
                "; changed since {}: {}",
                utc(kept.fetched_at),
                told(&changed)
            )
        }
        _ => String::new(),
    };
    let found = told(&found);
    Some(format!(
        "{target} does not accept what the flow writes: {found}{since}. Mend the flow file, or have the target mended, and resume: the next run looks again"
    ))
}

#[cfg(test)]
mod tests;
