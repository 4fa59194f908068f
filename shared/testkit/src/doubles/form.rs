//! The pairs of a query or of a form body, with their order and their repeats.
//!
//! Why not a map: several systems refuse a parameter that comes twice, and a map would hide it.

use percent_encoding::percent_decode_str;

/// Names and values as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `a=b&c=d` of `application/x-www-form-urlencoded`; nothing when an escape gives no UTF-8.
    pub(super) fn read(text: &str) -> Option<Self> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let read = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescaped(name)?, unescaped(value)?))
        };
        pairs.map(read).collect::<Option<_>>().map(Self)
    }

    /// The first value of `name`; nothing where it is absent or empty, as RFC 6749 3.2 has it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.sent(name).filter(|value| !value.is_empty())
    }

    /// The first value of `name`, an empty one too.
    pub(super) fn sent(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Each value of `name`, in the order in which they came.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.0.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The names in the order of their first coming.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A name that comes twice.
    pub(super) fn repeated(&self) -> Option<&str> {
        let twice = |name: &&str| self.names().filter(|other| other == name).count() > 1;
        self.names().find(twice)
    }
}

/// One name or value without its escapes.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8().ok()?;
    Some(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::Pairs;

    #[test]
    fn pairs_keep_their_repeats_and_lose_their_escapes() {
        let pairs = Pairs::read("a=x+y%26&b=&a=2&c").unwrap();
        assert_eq!(pairs.get("a"), Some("x y&"));
        assert_eq!((pairs.get("b"), pairs.sent("b")), (None, Some("")));
        assert_eq!((pairs.get("d"), pairs.sent("c")), (None, Some("")));
        assert_eq!(pairs.repeated(), Some("a"));
        assert_eq!(pairs.all("a").collect::<Vec<_>>(), ["x y&", "2"]);
        assert_eq!(Pairs::read("a=%ff"), None);
        assert_eq!(Pairs::read("").unwrap(), Pairs::default());
    }
}
