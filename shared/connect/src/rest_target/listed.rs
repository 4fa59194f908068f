//! What the rows of a target's listing say: which record each is, and a print of what is compared.

use serde_json::Value;
use tidegate_engine::ports::{CallError, Standing};
use tidegate_model::{Content, ContentHash, Fields, RecordKey};
use tidegate_policy::flow::Standing as Listed;

use crate::{
    endpoint::{cannot_render, id_text, refused},
    print::plain_table,
};

/// What the rows of a page say, without those that are not ours and have no id of their own. A row
/// whose key or id can not be read is a mistake of the flow or a change of the target's, not a record
/// that is gone. What can not be compared in a row is an edit of that record, unless it is so in every
/// record of the page.
pub(super) fn standing(list: &Listed, rows: &[Value]) -> Result<Vec<Standing>, CallError> {
    let mut standing = Vec::with_capacity(rows.len());
    let (mut readable, mut unreadable) = (0_usize, None);
    for row in rows {
        let key = list.key(row).map_err(|error| cannot_render(&error))?;
        let Some(id) = id_of(list, row, key.as_ref())? else {
            continue;
        };
        let print = match key.as_ref().map(|_| list.shown(row)) {
            None => Content::Record(Fields::new()).hash(),
            Some(Ok(shown)) => {
                readable += 1;
                Content::Record(plain_table(&shown)).hash()
            }
            // A print that no record has.
            Some(Err(error)) => {
                unreadable = Some(error);
                Content::Deleted.hash()
            }
        };
        let keys = key.into_iter().collect();
        standing.push(Standing { id, keys, print });
    }
    match unreadable {
        Some(error) if readable == 0 => Err(cannot_render(&error)),
        _ => Ok(standing),
    }
}

/// The id of a row: the target's own where the flow says where it is, else our key.
fn id_of(list: &Listed, row: &Value, key: Option<&RecordKey>) -> Result<Option<String>, CallError> {
    match list.id_pointer() {
        Some(pointer) => match row.pointer(pointer).and_then(id_text) {
            Some(id) => Ok(Some(id)),
            None => Err(refused(format!(
                "a row of the listing has no id at {pointer:?}"
            ))),
        },
        None => Ok(key.map(|key| key.as_str().to_owned())),
    }
}

/// A print of a whole page, to see whether it comes again.
pub(super) fn print_of(rows: &[Value]) -> ContentHash {
    let rows = rows.iter().map(ToString::to_string);
    let joined = rows.collect::<Vec<_>>().join("\n");
    Content::Record([("rows".to_owned(), joined.into())].into_iter().collect()).hash()
}
