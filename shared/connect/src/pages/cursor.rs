//! Where a listing goes on: what a checkpoint keeps between two pages.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_model::flow::Pages;
use tidegate_policy::flow::ListPosition;

/// The place of the next page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(super) enum Cursor {
    /// Rows read so far.
    Offset { at: u64 },
    /// Number of the page.
    Number { at: u64 },
    /// What the page before gave, in its body or a header.
    Given { at: String },
    /// The address that the page before named, or that a run before was given for what changes later.
    Link {
        url: String,
        /// Of which listing, where it outlives a run: a link goes on with what was asked for then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u64>,
    },
    /// Time and key of the last row of the page before.
    Keyset { time: Value, id: String },
}

impl Cursor {
    pub(super) fn to_json(&self) -> Value {
        // Derived, of texts and numbers: it always has a form in JSON.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    fn fits(&self, pages: &Pages) -> bool {
        matches!(
            (self, pages),
            (Self::Offset { .. }, Pages::Offset)
                | (Self::Number { .. }, Pages::Number { .. })
                | (
                    Self::Given { .. },
                    Pages::Cursor { .. } | Pages::Header { .. }
                )
                | (Self::Link { .. }, Pages::Link | Pages::Delta { .. })
                | (Self::Keyset { .. }, Pages::Keyset { .. })
        )
    }
}

/// Reads a stored cursor. One of another way of paging is from before the flow was changed: the
/// listing starts anew, which repeats rows but loses none.
pub(super) fn read(stored: Option<&Value>, pages: &Pages) -> Option<Cursor> {
    let cursor = Cursor::deserialize(stored?).ok()?;
    cursor.fits(pages).then_some(cursor)
}

/// What the templates of a listing see.
pub(super) fn position(cursor: Option<&Cursor>, pages: &Pages) -> ListPosition {
    let mut position = ListPosition::default();
    if let Pages::Number { first } = pages {
        position.number = u64::from(*first);
    }
    match cursor {
        None | Some(Cursor::Link { .. }) => {}
        Some(Cursor::Offset { at }) => position.offset = *at,
        Some(Cursor::Number { at }) => position.number = *at,
        Some(Cursor::Given { at }) => position.cursor = Some(at.clone()),
        Some(Cursor::Keyset { time, id }) => {
            position.after_time = Some(time.clone());
            position.after_id = Some(id.clone());
        }
    }
    position
}
