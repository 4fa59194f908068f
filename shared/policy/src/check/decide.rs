//! The decision: a source that can be asked, and a yes that nothing else passes for.
//!
//! To minijinja a text is more than a number, and a number more than null. So what `yes` orders must
//! say what it is, and is named by dots, by which it is known whether it is there.

use super::Findings;

/// What ends a side of a comparison.
const BETWEEN: [&str; 7] = ["and", "or", "not", "if", "else", "in", "is"];
/// Filters after which a value is a number.
const NUMBERS: [&str; 3] = ["float", "int", "length"];

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    if document.get("/decide").is_none() {
        return;
    }
    if document.text("/source/type") == Some("files") {
        findings.wrong(
            "/decide",
            "files can not be asked: `[decide]` needs a source of type `rest`",
        );
    }
    let method = document.text("/decide/method");
    if method != Some("POST") && document.get("/decide/body").is_some() {
        findings.wrong(
            "/decide/body",
            "a GET has no body: say `method = \"POST\"`, or leave it out",
        );
    }
    let Some(yes) = document.text("/decide/yes") else {
        return;
    };
    let tokens = tokens(yes);
    if !tokens.iter().any(|token| token == "answer") {
        findings.wrong(
            "/decide/yes",
            "`decide.yes` reads nothing of the answer: every question would be answered alike",
        );
    }
    if has_subscript(&tokens) {
        findings.wrong(
            "/decide/yes",
            "`decide.yes` reads by brackets: name what it reads by dots (`answer.limit`), so that a value that is missing is no yes",
        );
    }
    for (at, token) in tokens.iter().enumerate() {
        let is_order = matches!(token.as_str(), "<" | "<=" | ">" | ">=");
        let sides = || (left_of(&tokens, at), right_of(&tokens, at));
        if is_order && !matches!(sides(), (Some(left), Some(right)) if left == right) {
            findings.wrong(
                "/decide/yes",
                format!("`decide.yes` orders by `{token}` what may be of two kinds, and any text is more than any number: write `| float` (or `int`, `length`) after both sides, or `| string`"),
            );
        }
    }
}

/// What a side of a comparison surely is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
}

fn kind(side: &[String]) -> Option<Kind> {
    match side {
        [.., pipe, filter] if pipe == "|" && NUMBERS.contains(&filter.as_str()) => {
            Some(Kind::Number)
        }
        [.., pipe, filter] if pipe == "|" && filter == "string" => Some(Kind::Text),
        [literal] if literal.parse::<f64>().is_ok() => Some(Kind::Number),
        [literal] if literal == QUOTED => Some(Kind::Text),
        _ => None,
    }
}

fn left_of(tokens: &[String], at: usize) -> Option<Kind> {
    let before = tokens.get(..at)?;
    let from = before.iter().rposition(|token| ends_side(token));
    kind(before.get(from.map_or(0, |from| from + 1)..)?)
}

fn right_of(tokens: &[String], at: usize) -> Option<Kind> {
    let after = tokens.get(at + 1..)?;
    let to = after.iter().position(|token| ends_side(token));
    kind(after.get(..to.unwrap_or(after.len()))?)
}

/// Anything but a name, a dot, a pipe or a literal: what is computed is not looked into, and so is of
/// no kind.
fn ends_side(token: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_.|".contains(c);
    BETWEEN.contains(&token) || !(token == QUOTED || token.chars().all(is_part))
}

fn has_subscript(tokens: &[String]) -> bool {
    let is_value = |token: &String| {
        let is_name = token.chars().all(|c| c.is_alphanumeric() || c == '_');
        (is_name && !BETWEEN.contains(&token.as_str())) || token == ")" || token == "]"
    };
    tokens
        .iter()
        .zip(tokens.iter().skip(1))
        .any(|(before, token)| token == "[" && is_value(before))
}

/// Stands for a text in quotes.
const QUOTED: &str = "''";

/// Names and numbers, operators, and signs; an expression that does not parse is told elsewhere.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut token = c.to_string();
        if c == '\'' || c == '"' {
            while let Some(next) = chars.next() {
                if next == '\\' {
                    chars.next();
                } else if next == c {
                    break;
                }
            }
            QUOTED.clone_into(&mut token);
        } else if c.is_alphanumeric() || c == '_' {
            let is_number = c.is_ascii_digit();
            let is_part =
                |next: &char| next.is_alphanumeric() || *next == '_' || (is_number && *next == '.');
            while let Some(next) = chars.next_if(is_part) {
                token.push(next);
            }
        } else if "<>=!".contains(c) {
            token.extend(chars.next_if_eq(&'='));
        } else if c.is_whitespace() {
            continue;
        }
        tokens.push(token);
    }
    tokens
}
