//! Secrets that were pasted into a flow file. A flow names its secrets and holds none; what may be one is
//! not repeated in any message, and where the flow would work with it, it is warned of.

use serde_json::Value;

use super::{
    Findings,
    document::child,
    places::{Holds, PLACES, literal_text, matches},
    words::short,
};

/// What follows a message that leaves out what the file has.
pub(super) const NOT_REPEATED: &str =
    "; what is written may be the secret itself, so it is not repeated";

/// Stands in a message for what may be a secret.
const HIDDEN: &str = "***";

/// Generated keys are longer: 128 bits are 22 characters of base64.
const MIN_GENERATED: usize = 16;
/// Letters without `_` or `-` between them, of which a longer key that has such marks has a run. Names with
/// figures are made of shorter ones, such as `s3_b2b_eu1_v2`.
const MIN_RUN: usize = 10;
/// Of so many neighbours one pair changes between lower case, upper case and digits: of generated text
/// every second or third does, of a name with a number or two in it far fewer.
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

/// Whether a secret's name belongs here, for which somebody may have pasted the secret itself, or what is
/// here may be one by the name of its place.
pub(super) fn is_named_at(pointer: &str) -> bool {
    let place = pointer.trim_end_matches(|c: char| c == '/' || c.is_ascii_digit());
    pointer.contains("/auth/")
        || ["/auth", "/secret", "/secrets"]
            .iter()
            .any(|end| place.ends_with(end))
        || ["/headers/", "/query/"]
            .iter()
            .any(|table| pointer.contains(table) && carries(pointer))
}

/// A message without what looks like a secret: a generated key, a password in an address, the value of
/// what is named `password` and the like. By such looks not every secret is known: where one belongs,
/// nothing is repeated.
pub fn hide(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for word in split_after(message, |c| c.is_whitespace() || "`\"".contains(c)) {
        for part in split_after(&without_user(word), |c| "?&".contains(c)) {
            match part.split_once('=') {
                Some((name, value)) if carries(name) && has_value(value) => {
                    shown.push_str(name);
                    shown.push('=');
                    shown.push_str(HIDDEN);
                    shown.extend(value.chars().next_back().filter(|c| !c.is_alphanumeric()));
                }
                _ => {
                    for text in split_after(part, |c| !is_of_key(c)) {
                        push_text(&mut shown, text);
                    }
                }
            }
        }
    }
    shown
}

fn split_after(text: &str, ends: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split_inclusive(ends)
}

fn push_text(shown: &mut String, text: &str) {
    let word = text.trim_end_matches(|c| !is_of_key(c));
    shown.push_str(if is_generated(word) { HIDDEN } else { word });
    shown.push_str(text.get(word.len()..).unwrap_or_default());
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-+".contains(c)
}

/// Whether a parameter's value is written out.
fn has_value(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphanumeric())
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

/// Whether a name is one of a carrier of secrets. One of a token against forged requests asks for that.
fn carries(name: &str) -> bool {
    let ends = |end: &&str| {
        let at = name.len().checked_sub(end.len());
        let tail = at.and_then(|at| name.get(at..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    let is_against_forgery = ["csrf-token", "csrf_token", "csrftoken"].iter().any(ends);
    CARRIERS.iter().any(ends) && !is_against_forgery
}

/// Whether a word looks as if a machine had drawn its letters: figures among them, and changes
/// everywhere.
fn is_generated(word: &str) -> bool {
    let runs: Vec<&str> = word.split(['_', '-']).collect();
    let whole = runs.concat();
    let is_long = |run: &&str| run.len() >= MIN_GENERATED;
    runs.iter().any(|run| is_long(run) && is_jumbled(run))
        || (is_long(&whole.as_str())
            && is_jumbled(&whole)
            && runs.iter().any(|run| run.len() >= MIN_RUN))
}

fn is_jumbled(word: &str) -> bool {
    #[derive(PartialEq)]
    enum Kind {
        Lower,
        Upper,
        Digit,
    }
    let kind = |c: char| match c {
        '0'..='9' => Kind::Digit,
        'A'..='Z' => Kind::Upper,
        _ => Kind::Lower,
    };
    let kinds: Vec<Kind> = word.chars().map(kind).collect();
    let is_change = |pair: &&[Kind]| match pair {
        // A capital begins a word.
        [Kind::Upper, Kind::Lower] => false,
        [one, two] => one != two,
        _ => false,
    };
    let changes = kinds.windows(2).filter(is_change).count();
    kinds.contains(&Kind::Digit) && changes * NEIGHBOURS_A_CHANGE >= kinds.len()
}

/// Warns of secrets that would be sent: written out in an address, a path, a header, a parameter or an
/// expression.
pub(super) fn check(findings: &mut Findings<'_>) {
    refuse_secrets_as_names(findings);
    let document = findings.document;
    for (pattern, holds) in PLACES {
        if pattern.contains("/auth/") {
            continue;
        }
        let is_template = matches!(holds, Holds::Template(_) | Holds::Path(_));
        for (pointer, value) in matches(&document.value, pattern) {
            each_text(&pointer, value, &mut |pointer, text| {
                let (literal, is_constant) = if is_template {
                    let literal = literal_text(text);
                    let is_constant = literal == text && has_value(text) && is_named_at(pointer);
                    (literal, is_constant)
                } else {
                    (text.to_owned(), is_quoted(text) && carries(pointer))
                };
                if is_constant || hide(&literal) != literal {
                    warn(findings, pointer, is_template);
                }
            });
        }
    }
}

/// Each text in a value, with the pointer to it.
fn each_text(pointer: &str, value: &Value, look: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => look(pointer, text),
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                each_text(&format!("{pointer}/{index}"), entry, look);
            }
        }
        Value::Object(table) => {
            for (name, entry) in table {
                each_text(&child(pointer, name), entry, look);
            }
        }
        _ => {}
    }
}

/// Whether an expression is one text in quotes.
fn is_quoted(text: &str) -> bool {
    let inner = |quote| {
        text.strip_prefix(quote)?
            .strip_suffix(quote)
            .filter(|t: &&str| !t.contains(quote))
    };
    let inner = inner('\'').or_else(|| inner('"'));
    inner.is_some_and(has_value)
}

fn warn(findings: &mut Findings<'_>, pointer: &str, is_template: bool) {
    let name = short(pointer);
    let setting = if is_template {
        "{{ env.NAME }}"
    } else {
        "env.NAME"
    };
    findings.odd(
        pointer,
        format!(
            "`{name}` may hold a secret, for all who read the file: name a secret in `auth`, and write an id that looks like one as `{setting}`"
        ),
    );
}

/// A key of capitals and digits is a name by its letters. Names are words, so none has such a run.
fn refuse_secrets_as_names(findings: &mut Findings<'_>) {
    let document = findings.document;
    let places = [
        "/source/auth/secret",
        "/source/auth/refresh_token",
        "/target/auth/secret",
        "/target/auth/refresh_token",
        "/target/secret",
        "/webhook/secrets/*",
    ];
    for place in places {
        for (pointer, value) in matches(&document.value, place) {
            let is_secret = |run: &str| run.len() >= MIN_GENERATED && is_jumbled(run);
            if value
                .as_str()
                .is_some_and(|name| name.split('_').any(is_secret))
            {
                let name = short(&pointer);
                findings.wrong(
                    &pointer,
                    format!("`{name}` looks like a secret and not like the name of one, as `ERP_TOKEN`{NOT_REPEATED}"),
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
    #[case::long_mark("xoxb-123456789012-1234567890123-a1B2c3D4e5F6g7H8i9J0kLmN", "***")]
    #[case::uuid("/v1/7c9e6679-7425-40de-944b-e07fc1f90ae7/x", "/v1/***/x")]
    #[case::web_token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0", "***.***")]
    #[case::in_an_address(
        "`https://me:hunter2@erp.example/a` is",
        "`https://***@erp.example/a` is"
    )]
    #[case::with_marks_in_it("https://me:p;s,s'(@erp.example", "https://***@erp.example")]
    #[case::a_parameter("/a?x=1&api_key=short&y=2", "/a?x=1&api_key=***&y=2")]
    #[case::a_password("`password=hunter2`", "`password=***`")]
    #[case::a_password_with_marks("`password=hun.ter,2`", "`password=***`")]
    fn what_looks_like_a_secret_is_hidden(#[case] message: &str, #[case] shown: &str) {
        assert_eq!(hide(message), shown);
    }

    #[rstest]
    #[case::a_field("`fields.additional_information_2_for_suppliers` is not in `[fields]`")]
    #[case::humps("`additionalInformationForTheSupplier2`")]
    #[case::short_humps(
        "`dueDateOfNextQaAudit`, `isOnHoldByQaTeam`, `legalNameInEnOrDe`, `isApprovedByQaAsOf`"
    )]
    #[case::figures("the setting `S3_B2B_EU1_URL_V2`, the flow `b2b-eu1-v2-s3-sync`")]
    #[case::a_certificate("`ISO9001Certificate2024`")]
    #[case::a_path("`/api/v2/suppliers/{{ key }}` and /workspaces/A1-B2/items.json")]
    #[case::a_moment("2026-11-29T10:00:00.000Z, 1772434800000")]
    #[case::an_address("https://erp.example:8443/a@b?since={{ since }}")]
    #[case::a_setting("the setting `TIDEGATE_QUALIO_BASE_URL` is not set")]
    #[case::a_template("token={{ page.cursor }}")]
    #[case::a_form("set `token=` and `password = row.a`")]
    fn names_are_repeated(#[case] message: &str) {
        assert_eq!(hide(message), message);
    }

    #[rstest]
    #[case("/source/auth/header", true)]
    #[case("/source/auth", true)]
    #[case("/webhook/secrets/1", true)]
    #[case("/source/headers/X-Api-Key", true)]
    #[case("/source/headers/X-CSRF-Token", false)]
    #[case("/fields/author", false)]
    #[case("/schema/properties/authority", false)]
    #[case("/fields/token", false)]
    fn secrets_belong_to_some_places(#[case] pointer: &str, #[case] is_one: bool) {
        assert_eq!(is_named_at(pointer), is_one);
    }
}
