//! How the next page is found.

use serde_json::Value;
use tidegate_engine::ports::Answer;
use tidegate_model::flow::Pages;
use tidegate_policy::flow::Listing;

use super::{Unusable, cursor::Cursor, delta, link};

/// What an answer says beside its rows.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// Nothing: the rows decide.
    Nothing,
    /// A cursor or an address; none at the end.
    Next(Option<String>),
    /// Whether there is more; none where the answer leaves it out.
    More(Option<bool>),
}

impl Told {
    pub(super) fn read(pages: &Pages, answer: &Answer) -> Result<Self, Unusable> {
        Ok(match pages {
            Pages::None | Pages::Offset | Pages::Number { .. } => Self::Nothing,
            Pages::Delta { next, .. } => Self::Next(delta::link(&answer.body, next)?),
            Pages::Cursor { next } => Self::Next(cursor_text(answer.body.pointer(next), next)?),
            Pages::Header { name } => {
                let name = name.to_ascii_lowercase();
                let value = answer.header(&name).map(str::trim).unwrap_or_default();
                Self::Next(Some(value.to_owned()).filter(|value| !value.is_empty()))
            }
            Pages::Link => {
                let links = answer.headers.iter().filter(|(name, _)| name == "link");
                Self::Next(links.into_iter().find_map(|(_, value)| link::next(value)))
            }
            Pages::Keyset { more, .. } => {
                let flag = more.as_ref().and_then(|at| answer.body.pointer(at));
                Self::More(match flag {
                    None | Some(Value::Null) => None,
                    Some(Value::Bool(more)) => Some(*more),
                    Some(_) => {
                        let at = more.as_deref().unwrap_or_default();
                        return Err(Unusable(format!("{at:?} is neither true nor false")));
                    }
                })
            }
        })
    }
}

/// Absent, null, empty and false are the end.
fn cursor_text(found: Option<&Value>, pointer: &str) -> Result<Option<String>, Unusable> {
    match found {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Unusable(format!("the cursor at {pointer:?} is no text"))),
    }
}

/// The place of the next page; none at the end.
pub(super) fn next(
    listing: &Listing,
    current: Option<&Cursor>,
    rows: &[Value],
    told: Told,
) -> Result<Option<Cursor>, Unusable> {
    let spec = listing.spec();
    let read = rows.len() as u64;
    // A source may give fewer rows than it is asked for, so only an empty page is the end.
    let full = read > 0;
    Ok(match (&spec.pages, told) {
        (Pages::Offset, _) if full => {
            let at = match current {
                Some(Cursor::Offset { at }) => *at,
                _ => 0,
            };
            Some(Cursor::Offset { at: at + read })
        }
        (Pages::Number { first }, _) if full => {
            let at = match current {
                Some(Cursor::Number { at }) => *at,
                _ => u64::from(*first),
            };
            Some(Cursor::Number { at: at + 1 })
        }
        (Pages::Cursor { .. } | Pages::Header { .. }, Told::Next(Some(at))) => {
            Some(Cursor::Given { at })
        }
        (Pages::Link | Pages::Delta { .. }, Told::Next(Some(url))) => {
            Some(Cursor::Link { url, of: None })
        }
        (Pages::Keyset { .. }, Told::More(more)) if more.unwrap_or(full) => {
            Some(after_last(listing, rows)?)
        }
        _ => None,
    })
}

/// The last row whose time and id can be read. Rows after it are read once more with the next
/// page: they are told as broken twice, but nothing between is lost.
fn after_last(listing: &Listing, rows: &[Value]) -> Result<Cursor, Unusable> {
    let place = |row: &Value| {
        let (time, id) = listing.keyset_place(row)?;
        Some(Cursor::Keyset { time, id })
    };
    rows.iter().rev().find_map(place).ok_or_else(|| {
        Unusable("there is more, but no row has the time and id to go on from".to_owned())
    })
}
