//! Makes a provider's text fit to be shown: what was sent to it is taken out.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The longest reason that is kept, in characters: it stands in a register, whose item is to stay
/// below 1 KB, in logs and in mails.
pub const MAX_REASON_CHARS: usize = 300;

/// The longest text that is searched, in characters. A longer one is a page or a dump, which tells
/// a person nothing and could be cut in the middle of a value.
const MAX_SEARCHED_CHARS: usize = 4_096;

/// The shortest value that is taken out, in characters. A shorter one stands in any sentence by
/// chance, and identifies nobody.
const MIN_VALUE_CHARS: usize = 3;

/// What stands where something was taken out.
const MARK: &str = "…";

/// Replaces every text or number of `sent`, the body of the refused request, that occurs in `text`
/// by `…`, and cuts the text to [`MAX_REASON_CHARS`]. Flags and nulls say nothing and stay.
pub fn scrub(text: &str, sent: Option<&Value>) -> String {
    if text.chars().nth(MAX_SEARCHED_CHARS).is_some() {
        return "the reason given is too long to be shown".to_owned();
    }
    let mut values = Vec::new();
    if let Some(sent) = sent {
        leaves(sent, &mut values);
    }
    // The longest first: a value may hold another one.
    values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    values.dedup();
    let mut shown = text.to_owned();
    for value in &values {
        shown = take_out(&shown, value);
    }
    // A line break could forge a line of a log.
    let shown: String = shown
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cut(&shown)
}

/// Whatever its case: a provider may quote an address of mail in small letters.
fn take_out(text: &str, value: &str) -> String {
    // Of ASCII letters only, so that every place is the same in both.
    let small = text.to_ascii_lowercase();
    let mut shown = String::new();
    let mut from = 0;
    for (at, found) in small.match_indices(&value.to_ascii_lowercase()) {
        shown.push_str(text.get(from..at).unwrap_or_default());
        shown.push_str(MARK);
        from = at + found.len();
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// What the query of an address says, word by word: the value that a record is looked up by stands
/// there, alone or in an expression.
pub fn query_values(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let decoded = query.split('&').map(|pair| {
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        percent_decode_str(&value.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    });
    let mut values = Vec::new();
    for value in decoded {
        let words = value.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '(' | ')'));
        values.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        values.push(value);
    }
    values
}

fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            push(text, found);
            // As it stands in JSON that a provider quotes.
            let quoted = Value::from(text.as_str()).to_string();
            push(quoted.trim_matches('"'), found);
            // Providers quote a line of a longer text, or the text without blanks around it.
            for line in text.lines() {
                push(line.trim(), found);
            }
        }
        Value::Number(number) => push(&number.to_string(), found),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(object) => object.values().for_each(|item| leaves(item, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn push(text: &str, found: &mut Vec<String>) {
    if text.chars().nth(MIN_VALUE_CHARS - 1).is_some() {
        found.push(text.to_owned());
    }
}

fn cut(text: &str) -> String {
    if text.chars().nth(MAX_REASON_CHARS).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(MAX_REASON_CHARS - 1).collect();
    kept + MARK
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{MAX_REASON_CHARS, query_values, scrub};

    #[test]
    fn what_a_record_was_looked_up_by_is_taken_out() {
        let at = "https://a.example/people?$filter=email%20eq%20'grete%40x.example'&name=Acme+GmbH";
        let sent = json!([query_values(at), null]);
        let told = "no `grete@x.example` of Acme GmbH among people";
        assert_eq!(scrub(told, Some(&sent)), "no `…` of … among people");
        assert_eq!(query_values("https://a.example/people"), [""; 1]);
    }

    #[rstest]
    #[case::text("name `Acme GmbH` is taken", json!({"name": "Acme GmbH"}), "name `…` is taken")]
    #[case::deep("x@y.example is no address", json!({"c": [{"email": "x@y.example"}]}), "… is no address")]
    #[case::number("user 4711 is unknown", json!({"sponsor": 4711}), "user … is unknown")]
    #[case::fraction("87.5 is too much", json!({"score": 87.5}), "… is too much")]
    #[case::short_stays("at 85 of 100", json!({"score": 85, "unit": "of"}), "at 85 of 100")]
    #[case::shortest_goes("Ulm is bad", json!({"town": "Ulm"}), "… is bad")]
    #[case::flag_stays("must be true", json!({"ok": true, "no": null}), "must be true")]
    #[case::longest_first("Acme GmbH, Ulm", json!(["Acme", "Acme GmbH"]), "…, Ulm")]
    #[case::one_line_of_many("line two is bad", json!({"notes": "line one\n line two \n"}), "… is bad")]
    #[case::blanks_around("Acme is bad", json!({"name": " Acme "}), "… is bad")]
    #[case::twice("Acme is not Acme", json!({"name": "Acme"}), "… is not …")]
    #[case::other_case("é@x.y is NOT É@X.Y, nor ACME", json!({"n": "Acme", "m": "É@x.y"}), "é@x.y is NOT …, nor …")]
    #[case::names_stay("name is missing", json!({"name": "Acme"}), "name is missing")]
    #[case::quoted(r#"{"n":"A \"B\" C"} is bad"#, json!({"name": r#"A "B" C"#}), r#"{"n":"…"} is bad"#)]
    #[case::line_breaks("one\r\ntwo", json!({}), "one  two")]
    fn what_was_sent_is_taken_out(#[case] text: &str, #[case] sent: Value, #[case] shown: &str) {
        assert_eq!(scrub(text, Some(&sent)), shown);
    }

    #[test]
    fn a_reason_to_a_request_without_body_stays() {
        assert_eq!(scrub("no such supplier", None), "no such supplier");
    }

    #[test]
    fn a_reason_is_cut_to_its_limit() {
        let shown = scrub(&"é".repeat(MAX_REASON_CHARS + 1), None);
        assert_eq!(shown.chars().count(), MAX_REASON_CHARS);
        assert!(shown.ends_with('…'));
        let whole = "é".repeat(MAX_REASON_CHARS);
        assert_eq!(scrub(&whole, None), whole);
    }

    #[test]
    fn a_page_that_could_hold_half_a_value_is_not_shown() {
        let value = "secret of the record ".repeat(400);
        let half = &value[..value.len() / 2];
        assert!(!scrub(half, Some(&json!(value))).contains("secret"));
    }
}
