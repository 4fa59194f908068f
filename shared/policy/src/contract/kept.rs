//! The contract of a flow as it is kept in the table: what the target was last known to accept.

use tidegate_model::{
    UnixMs,
    item::{Condition, Item, Op, Update, Value},
};

use super::Contract;

const FORMAT_OF: &str = "format";
const CONTRACT: &str = "contract";
const HASH: &str = "hash";
const REVISION: &str = "revision";
const FETCHED: &str = "fetched";

/// Version of what a contract says and how it is written. What was kept in another one is fetched anew,
/// since two formats can not be compared.
pub const FORMAT: i64 = 1;

/// A contract that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the target accepts.
    pub contract: Contract,
    /// Its hash.
    pub hash: String,
    /// Revision of the flow file that it was held against.
    pub revision: u32,
    /// When it was fetched.
    pub fetched_at: UnixMs,
}

impl Kept {
    /// Reads the item; none where there is none of this format.
    pub fn read(item: Option<&Item>) -> Option<Self> {
        let item = item?;
        let number = |name: &str| item.get(name).and_then(Value::as_number);
        let text = |name: &str| item.get(name).and_then(Value::as_text);
        if number(FORMAT_OF) != Some(FORMAT) {
            return None;
        }
        Some(Self {
            contract: serde_json::from_str(text(CONTRACT)?).ok()?,
            hash: text(HASH)?.to_owned(),
            revision: u32::try_from(number(REVISION)?).ok()?,
            fetched_at: UnixMs(number(FETCHED)?),
        })
    }
}

/// Keeps a contract; refused where one that was fetched later is kept.
pub fn keep(contract: &Contract, revision: u32, fetched_at: UnixMs) -> Update {
    Update::when(Condition::absent_or(FETCHED, Op::Le, fetched_at.0))
        .set(FORMAT_OF, FORMAT)
        .set(CONTRACT, contract.text())
        .set(HASH, contract.hash())
        .set(REVISION, i64::from(revision))
        .set(FETCHED, fetched_at.0)
}
