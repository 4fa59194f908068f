//! What a listing asks for: columns, preferences, and where it goes on.

use super::account::COLUMNS;
use crate::doubles::{Incoming, form::Pairs};

/// The most rows of a page, and those where none are preferred.
const MAX_PAGE: usize = 5_000;
const KNOWN: [&str; 3] = ["$select", "$skiptoken", "$deltatoken"];

/// Where a listing stands. `version` is that of the environment when its first page was given, `at_s`
/// that moment: what is done while pages are read comes with the changes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind the account of this number.
    Standing { after: u64, version: u64, at_s: i64 },
    /// Behind the change of this version.
    Changed { after: u64, version: u64, at_s: i64 },
    /// At the first change behind this version.
    Since { version: u64, at_s: i64 },
}

/// A page that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// None: all.
    pub(super) select: Vec<String>,
    pub(super) page_size: usize,
    pub(super) tracks: bool,
    /// None: the first page of all.
    pub(super) place: Option<Place>,
}

/// Why a listing is refused: a code and what is wrong.
pub(super) type Wrong = (&'static str, String);

const BAD_QUERY: &str = "0x80060888";
/// "Troubleshoot Dataverse Web API client errors" shows it.
const NO_COLUMN: &str = "0x0";
const BAD_TOKEN: &str = "0x80040203";

impl Listing {
    pub(super) fn read(call: &Incoming) -> Result<Self, Wrong> {
        let wrong = |text: String| (BAD_QUERY, text);
        let query = Pairs::read(call.uri.query().unwrap_or_default());
        let query = query.ok_or_else(|| wrong("The query is no text.".to_owned()))?;
        if let Some(name) = query.repeated() {
            return Err(wrong(format!(
                "Query option '{name}' was specified more than once."
            )));
        }
        if let Some(name) = query.names().find(|name| !KNOWN.contains(name)) {
            return Err(wrong(format!(
                "The query parameter {name} is not supported with change tracking."
            )));
        }
        let (page_size, tracks) = preferences(call)?;
        Ok(Self {
            select: select(query.get("$select").unwrap_or_default())?,
            page_size,
            tracks,
            place: place(&query)?,
        })
    }
}

fn select(text: &str) -> Result<Vec<String>, Wrong> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            let known = COLUMNS.contains(&name).then(|| name.to_owned());
            let of = "on type 'Microsoft.Dynamics.CRM.account'";
            let wrong = || format!("Could not find a property named '{name}' {of}.");
            known.ok_or_else(|| (NO_COLUMN, wrong()))
        })
        .collect()
}

/// Preferences that are not known are passed over (RFC 7240).
fn preferences(call: &Incoming) -> Result<(usize, bool), Wrong> {
    let headers = call.headers.get_all("prefer").into_iter();
    let texts: Vec<&str> = headers.filter_map(|value| value.to_str().ok()).collect();
    let (mut size, mut tracks) = (MAX_PAGE, false);
    for preference in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
        if preference == "odata.track-changes" {
            tracks = true;
        }
        if let Some(text) = preference.strip_prefix("odata.maxpagesize=") {
            let asked = text.parse().ok().filter(|size: &usize| *size > 0);
            let bad = || {
                (
                    BAD_QUERY,
                    "odata.maxpagesize must be a positive number.".to_owned(),
                )
            };
            size = asked.ok_or_else(bad)?.min(MAX_PAGE);
        }
    }
    Ok((size, tracks))
}

fn place(query: &Pairs) -> Result<Option<Place>, Wrong> {
    let (text, is_delta) = match (query.sent("$skiptoken"), query.sent("$deltatoken")) {
        (None, None) => return Ok(None),
        (Some(text), None) => (text, false),
        (None, Some(text)) => (text, true),
        (Some(_), Some(_)) => {
            return Err((
                BAD_TOKEN,
                "A paging and a delta token were specified.".to_owned(),
            ));
        }
    };
    let place = Place::read(text).filter(|place| matches!(place, Place::Since { .. }) == is_delta);
    place
        .map(Some)
        .ok_or_else(|| (BAD_TOKEN, "The token is malformed.".to_owned()))
}

impl Place {
    /// As a link carries it: opaque to whoever follows it.
    pub(super) fn token(self) -> String {
        match self {
            Self::Standing {
                after,
                version,
                at_s,
            } => format!("p!{after}!{version}!{at_s}"),
            Self::Changed {
                after,
                version,
                at_s,
            } => format!("c!{after}!{version}!{at_s}"),
            Self::Since { version, at_s } => format!("{version}!{at_s}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('!').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        Some(match parts.as_slice() {
            [kind @ ("p" | "c"), after, version, at_s] => {
                let (after, version) = (number(after)?, number(version)?);
                let at_s = at_s.parse().ok()?;
                if *kind == "p" {
                    Self::Standing {
                        after,
                        version,
                        at_s,
                    }
                } else {
                    Self::Changed {
                        after,
                        version,
                        at_s,
                    }
                }
            }
            [version, at_s] => Self::Since {
                version: number(version)?,
                at_s: at_s.parse().ok()?,
            },
            _ => return None,
        })
    }

    /// The environment's version and time at its first page.
    pub(super) const fn began(self) -> (u64, i64) {
        match self {
            Self::Standing { version, at_s, .. }
            | Self::Changed { version, at_s, .. }
            | Self::Since { version, at_s } => (version, at_s),
        }
    }
}
