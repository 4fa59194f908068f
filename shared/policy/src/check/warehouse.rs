//! What a warehouse is called by. Its address, and where its files are put, are looked at as those of
//! sources are.

use super::{Findings, rendered::Rendered};
use crate::flow::Settings;

/// What a name may be, and the same in words.
struct Rule {
    names: &'static [&'static str],
    holds: fn(&str) -> bool,
    words: &'static str,
}

const RULES: [Rule; 3] = [
    Rule {
        names: &["account"],
        holds: is_account,
        words: "`ORGANISATION-ACCOUNT`: letters, digits, `_`, `-` and `.`, no address",
    },
    Rule {
        names: &["user"],
        holds: is_user,
        words: "the name of a user as tokens have it, without blanks and quotes",
    },
    // They stand in statements without quotes.
    Rule {
        names: &["role", "warehouse", "database", "schema"],
        holds: is_plain,
        words: "letters, digits, `_` and `$`: it stands in statements without quotes",
    },
];

pub(super) fn check(findings: &mut Findings<'_>, settings: &Settings) {
    for rule in RULES {
        for name in rule.names {
            let pointer = format!("/warehouse/{name}");
            let rendered = Rendered::at(findings, &pointer, settings);
            let wrong = rendered.filter(|rendered| !(rule.holds)(&rendered.text));
            if let Some(rendered) = wrong {
                let (words, but) = (rule.words, rendered.but_written());
                findings.wrong(&pointer, format!("`{name}` must be {words}{but}"));
            }
        }
    }
}

/// Periods become hyphens in a token.
fn is_account(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    !text.is_empty() && text.bytes().all(is_part)
}

/// Some name users by addresses of mail.
fn is_user(text: &str) -> bool {
    let is_none = |c: char| c.is_whitespace() || c.is_control() || "\"'`".contains(c);
    !text.is_empty() && !text.contains(is_none)
}

fn is_plain(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_$".contains(&b);
    !text.is_empty() && text.bytes().all(is_part)
}
