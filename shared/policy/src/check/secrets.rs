//! Secrets that were pasted into a flow file. A flow names its secrets and holds none; what may be one is
//! not repeated in any message, and where the flow would work with it, it is warned of.

use serde_json::Value;

use super::{
    Findings,
    places::{Holds, PLACES, literal_text, matches},
    words::short,
};

/// What follows a message that leaves out what the file has.
pub(super) const NOT_REPEATED: &str =
    "; what is written may be the secret itself, so it is not repeated";

/// Stands in a message for what may be a secret.
const HIDDEN: &str = "***";

/// Generated keys are longer: 128 bits are 22 characters of base64. Words of that length are of few kinds
/// of letters.
const MIN_GENERATED: usize = 16;

/// Of so many neighbours one pair changes between lower case, upper case and digits: every second pair does
/// in hexadecimal and base64 text, every sixth at most in names, at the humps of `camelCase`.
const NEIGHBOURS_A_CHANGE: usize = 4;

/// What the name of a header or a parameter that carries a secret ends with.
const CARRIERS: [&str; 9] = [
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "passwd",
    "password",
    "secret",
    "token",
];

/// Whether a secret's name belongs here, for which somebody may have pasted the secret itself.
pub(super) fn is_named_at(pointer: &str) -> bool {
    let place = pointer.trim_end_matches(|c: char| c == '/' || c.is_ascii_digit());
    pointer.contains("/auth")
        || ["/secret", "/secrets"]
            .iter()
            .any(|end| place.ends_with(end))
}

/// A message without what looks like a secret: a generated key, a password in an address, the value of
/// what is named `password` and the like.
pub(super) fn hide(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for word in message.split_inclusive(is_end) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, last)) if is_end(last) => word.split_at(at),
            _ => (word, ""),
        };
        let word = without_user(word);
        for part in word.split_inclusive(is_between) {
            let (part, between) = match part.char_indices().next_back() {
                Some((at, last)) if is_between(last) => part.split_at(at),
                _ => (part, ""),
            };
            let is_carried = shown.strip_suffix('=').is_some_and(carries);
            let is_secret = is_generated(part) || (is_carried && !part.is_empty());
            shown.push_str(if is_secret { HIDDEN } else { part });
            shown.push_str(between);
        }
        shown.push_str(end);
    }
    shown
}

fn is_end(c: char) -> bool {
    c.is_whitespace() || "`\"'(){}[]<>,;".contains(c)
}

fn is_between(c: char) -> bool {
    "/:?&.=@|#".contains(c)
}

/// An address without its user and password.
fn without_user(word: &str) -> String {
    let parts = || {
        let (scheme, rest) = word.split_once("://")?;
        let host_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(host_ends)?;
        let (_, host) = host.rsplit_once('@')?;
        Some(format!("{scheme}://{HIDDEN}@{host}{path}"))
    };
    parts().unwrap_or_else(|| word.to_owned())
}

fn carries(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CARRIERS.iter().any(|carrier| name.ends_with(carrier))
}

/// Whether a word looks as if a machine had drawn its letters.
fn is_generated(word: &str) -> bool {
    #[derive(PartialEq)]
    enum Kind {
        Lower,
        Upper,
        Digit,
        Other,
    }
    let kinds: Vec<Kind> = word
        .chars()
        .map(|c| match c {
            'a'..='z' => Kind::Lower,
            'A'..='Z' => Kind::Upper,
            '0'..='9' => Kind::Digit,
            _ => Kind::Other,
        })
        .collect();
    let is_change = |pair: &&[Kind]| match pair {
        // A capital begins a word.
        [Kind::Upper, Kind::Lower] | [Kind::Other, _] | [_, Kind::Other] => false,
        [one, two] => one != two,
        _ => false,
    };
    let changes = kinds.windows(2).filter(is_change).count();
    kinds.len() >= MIN_GENERATED && changes * NEIGHBOURS_A_CHANGE >= kinds.len()
}

/// Warns of secrets that would be sent: written out in an address, a path, a header or a parameter.
pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    for (pattern, holds) in PLACES {
        if !matches!(holds, Holds::Template(_) | Holds::Path(_)) {
            continue;
        }
        for (pointer, value) in matches(&document.value, pattern) {
            let Value::String(text) = value else {
                continue;
            };
            let literal = literal_text(text);
            let name = short(&pointer);
            let is_written_out = literal == *text && carries(&name);
            if is_written_out || hide(&literal) != literal {
                findings.odd(
                    &pointer,
                    format!(
                        "`{name}` may hold a secret, for all who read the file: put it into the vault and name it in `auth`"
                    ),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::hexadecimal("the key `9f86d081884c7d659a2feaa0c55ad015` is", "the key `***` is")]
    #[case::base64("unknown `MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`", "unknown `***`")]
    #[case::marked("`whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=`", "`***=`")]
    #[case::uuid("/v1/7c9e6679-7425-40de-944b-e07fc1f90ae7/x", "/v1/***/x")]
    #[case::web_token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0", "***.***")]
    #[case::in_an_address(
        "`https://me:hunter2@erp.example/a` is",
        "`https://***@erp.example/a` is"
    )]
    #[case::a_parameter("/a?x=1&api_key=short&y=2", "/a?x=1&api_key=***&y=2")]
    #[case::a_password("`password=hunter2`", "`password=***`")]
    fn what_looks_like_a_secret_is_hidden(#[case] message: &str, #[case] shown: &str) {
        assert_eq!(hide(message), shown);
    }

    #[rstest]
    #[case::a_field("`fields.additional_information_2_for_suppliers` is not in `[fields]`")]
    #[case::humps("`additionalInformationForTheSupplier2`")]
    #[case::a_certificate("`ISO9001Certificate2024`")]
    #[case::a_path("`/api/v2/suppliers/{{ key }}` and /workspaces/A1-B2/items.json")]
    #[case::a_moment("2026-11-29T10:00:00.000Z, 1772434800000")]
    #[case::an_address("https://erp.example:8443/a@b?since={{ since }}")]
    #[case::a_setting("the setting `TIDEGATE_QUALIO_BASE_URL` is not set")]
    #[case::a_template("token={{ page.cursor }}")]
    fn names_are_repeated(#[case] message: &str) {
        assert_eq!(hide(message), message);
    }
}
