//! Reads what a flow writes into its requests: a call is rendered with marks in the place of the
//! values, and where a mark stands, a later request has its value.
//!
//! So a simulated system understands any flow without being told its parameters' names. What a flow
//! writes into a request in a form that hides the mark (a hash, a part of a text) is not read.

use percent_encoding::percent_decode_str;

/// A place in a text where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hole {
    before: String,
    after: String,
}

impl Hole {
    fn of(text: &str, mark: &str) -> Option<Self> {
        let (before, after) = text.split_once(mark)?;
        Some(Self {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    fn read<'a>(&self, text: &'a str) -> Option<&'a str> {
        let value = text
            .strip_prefix(self.before.as_str())?
            .strip_suffix(self.after.as_str())?;
        (!value.is_empty()).then_some(value)
    }
}

/// Path and query of a request, parted and decoded where decoding is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The path as sent.
    path: String,
    /// The query's parameters, decoded.
    query: Vec<(String, String)>,
}

impl Address {
    /// Parts what follows a base URL.
    pub(super) fn of(path_and_query: &str) -> Self {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty());
        Self {
            path: path.to_owned(),
            query: query
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        }
    }

    /// The path as sent.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Where a value stands in an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the path.
    Path(PathHole),
    /// In a parameter of the query.
    Query(QueryHole),
}

/// A value in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathHole(Hole);

/// A value in a parameter, below one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueryHole {
    path: String,
    name: String,
    hole: Hole,
}

impl Place {
    /// Where the mark stands in a rendered address.
    pub(super) fn of(rendered: &str, mark: &str) -> Option<Self> {
        let address = Address::of(rendered);
        if let Some(hole) = Hole::of(&address.path, mark) {
            return Some(Self::Path(PathHole(hole)));
        }
        address.query.iter().find_map(|(name, value)| {
            let hole = Hole::of(value, mark)?;
            Some(Self::Query(QueryHole {
                path: address.path.clone(),
                name: name.clone(),
                hole,
            }))
        })
    }

    /// The value that an address has there.
    pub(super) fn read(&self, address: &Address) -> Option<String> {
        match self {
            Self::Path(PathHole(hole)) => {
                let value = hole.read(&address.path).map(decoded)?;
                // A value's own slash is encoded, so a plain one belongs to a longer path.
                (!hole.read(&address.path)?.contains('/')).then_some(value)
            }
            Self::Query(QueryHole { path, name, hole }) => {
                let value = address.parameter(name).filter(|_| *path == address.path)?;
                hole.read(value).map(str::to_owned)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rendered: &str, address: &str) -> Option<String> {
        Place::of(rendered, "MARK")?.read(&Address::of(address))
    }

    #[test]
    fn a_value_is_read_where_the_mark_stood() {
        let rows = [
            ("/a/MARK", "/a/K-1", Some("K-1")),
            ("/a/MARK", "/a/K%2F1", Some("K/1")),
            ("/a/MARK", "/a/K/1", None),
            ("/a/MARK", "/a/", None),
            ("/a('MARK')/b", "/a('7')/b", Some("7")),
            ("/a?f=id%20eq%20'MARK'", "/a?x=1&f=id%20eq%20'7'", Some("7")),
            ("/a?f=MARK", "/b?f=7", None),
            ("/a?f=1", "/a?f=7", None),
        ];
        for (rendered, address, expected) in rows {
            assert_eq!(
                read(rendered, address).as_deref(),
                expected,
                "{rendered} {address}"
            );
        }
    }
}
