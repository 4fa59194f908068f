//! Links in the body: to the next page, and to what changes later.

use serde_json::Value;
use tidegate_model::flow::Pages;

use super::Unusable;

/// The longest link that is kept, in bytes. Dataverse's take up to 2 KB; the item that holds the lease,
/// and with it two links, is written at each page, and a write is paid for by the KB.
const MAX_LINK_BYTES: usize = 4 * 1024;

/// The link at this place; absent, null and empty are none. No message holds it: it may hold a token.
pub(super) fn link(body: &Value, pointer: &str) -> Result<Option<String>, Unusable> {
    match body.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_LINK_BYTES => Err(Unusable(format!(
            "the link at {pointer:?} has {} bytes, at most {MAX_LINK_BYTES} are kept",
            text.len()
        ))),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Unusable(format!("the link at {pointer:?} is no text"))),
    }
}

/// On the last page: the link to what changes later. A page with neither link is not the last one of a
/// listing that tracks changes: taken for it, each run would read everything.
pub(super) fn at_the_end(pages: &Pages, body: &Value) -> Result<Option<String>, Unusable> {
    let Pages::Delta { next, delta } = pages else {
        return Ok(None);
    };
    if link(body, next)?.is_some() {
        return Ok(None);
    }
    let found = link(body, delta)?;
    found.map(Some).ok_or_else(|| {
        Unusable(format!(
            "the answer has neither the link of a next page at {next:?} nor that of later changes at {delta:?}: are changes tracked there?"
        ))
    })
}
