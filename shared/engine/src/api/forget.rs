//! Forget: the values of one record go from everything that is kept about it.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_model::{
    FlowId, RecordKey,
    item::{Item, Value as ItemValue},
};
use tidegate_policy::{
    keys,
    register::{self, Register},
};

use crate::{
    Engine, EngineError, FlowRuntime, UnknownFlow, orphan,
    ports::{Listing, Written},
};

/// Reviews read in one call.
const LIST_PAGE: u32 = 100;

/// What was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forgotten {
    /// The record.
    pub key: RecordKey,
    /// Rows and messages among the reviews that were about it, and were discarded.
    pub reviews: u32,
}

/// Why nothing was forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The flow knows nothing of such a record.
    #[error("the flow {0} has no such record")]
    NotFound(FlowId),
    /// Its values are still needed.
    #[error("{0}")]
    Needed(&'static str),
    /// Store or queue failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<UnknownFlow> for ForgetError {
    fn from(unknown: UnknownFlow) -> Self {
        Self::Engine(unknown.into())
    }
}

impl Engine {
    /// Erases the values of a record from its register and from what stands about it among the
    /// reviews. What keeps an older version out stays. A record that still has work is refused.
    pub async fn forget(&self, flow: &FlowId, key: &RecordKey) -> Result<Forgotten, ForgetError> {
        let runtime = self.flow(flow)?.as_ref();
        let known = self.erase_register(runtime, key).await?;
        let reviews = self.erase_rows(runtime, key).await?;
        if !known && reviews == 0 {
            return Err(ForgetError::NotFound(flow.clone()));
        }
        tracing::info!(flow = %flow, key = key.as_str(), reviews, request_id = self.request(), "forgotten");
        Ok(Forgotten {
            key: key.clone(),
            reviews,
        })
    }

    /// False when there is no register.
    async fn erase_register(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
    ) -> Result<bool, ForgetError> {
        let seen = self.registers(runtime, std::slice::from_ref(key)).await?;
        let Some(seen) = seen.into_iter().next().flatten() else {
            return Ok(false);
        };
        let now = self.now();
        if let Some(why) = register::why_not_erasable(&seen, now) {
            return Err(ForgetError::Needed(why));
        }
        let id = keys::register(runtime.flow.id(), key);
        let written = self.write(&id, &register::erase(&seen, now)).await;
        match written.map_err(EngineError::from)? {
            Written::Done { .. } => Ok(true),
            Written::Refused { .. } => Err(ForgetError::Needed(
                "a change of it came meanwhile: ask again when it is applied",
            )),
        }
    }

    /// Discards rows of the record that are no record: under the hash that names it such a row stays
    /// discarded, though the source shows it again. Returns how many there were.
    async fn erase_rows(&self, runtime: &FlowRuntime, key: &RecordKey) -> Result<u32, EngineError> {
        let listing = Listing::Reviews(runtime.flow.id().to_string());
        let mut after: Option<String> = None;
        let mut erased = 0;
        loop {
            let store = &self.ports.store;
            let page = store.list(&listing, after.as_deref(), LIST_PAGE).await?;
            for (id, item) in page.items {
                if is_row_of(runtime, key, &item) {
                    self.write(&id, &orphan::discard()).await?;
                    erased += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(erased);
            }
        }
    }
}

/// Whether an item is a row that was kept and tells of this record: by its key, or where it was cut
/// and can not be read, by the key's text in it.
fn is_row_of(runtime: &FlowRuntime, key: &RecordKey, item: &Item) -> bool {
    let Some(body) = item.get("body").and_then(ItemValue::as_text) else {
        return false;
    };
    if !matches!(Register::read(item), Ok(None)) {
        return false;
    }
    match serde_json::from_str(body) {
        Ok(row) => runtime.flow.key_of_row(&row).is_ok_and(|of| of == *key),
        Err(_) => names(body, key.as_str()),
    }
}

/// Whether a text has a key in it that is no part of another word.
fn names(text: &str, key: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.match_indices(key).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text
            .get(at + key.len()..)
            .and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_key_is_no_part_of_another() {
        for text in [r#"{"id":"SUP-1","na"#, "SUP-1", r#"{"id":SUP-1}"#] {
            assert!(names(text, "SUP-1"), "{text}");
        }
        for text in [r#"{"id":"SUP-10","na"#, "XSUP-1", "SUP-1-a", "", "SUP-"] {
            assert!(!names(text, "SUP-1"), "{text}");
        }
        assert!(names("SUP-10 SUP-1", "SUP-1"));
        assert!(!names("1042", "42"));
    }
}
