//! The secrets of a request, taken out of an answer that repeats them: what a system says of a request that
//! it refused is logged, and shown in reviews and mails.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Stands for a secret.
const HIDDEN: &str = "***";
/// Characters of the shortest secret that is taken out of a refusal. A shorter one is in any text by chance.
const MIN_CHARS: usize = 4;
/// And of an answer that may be a record, which is not to be altered by chance.
const MIN_CHARS_OF_RECORD: usize = 16;
/// What a query leaves as it is (RFC 3986, 2.3).
const IN_A_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Secrets in the forms in which they may come back, in lower case.
#[derive(Default)]
pub(super) struct Hidden(Vec<String>);

impl Hidden {
    /// Adds a secret and the value of the header that carries it.
    pub(super) fn add(&mut self, secret: &str, value: &str) {
        for text in [value, secret] {
            self.0.push(text.to_ascii_lowercase());
            self.0.push(STANDARD.encode(text).to_ascii_lowercase());
            let encoded = utf8_percent_encode(text, IN_A_QUERY).to_string();
            self.0.push(encoded.to_ascii_lowercase());
        }
        // The longest first: one may hold another.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
        self.0.dedup();
    }

    /// Takes them out of every text and name of an answer. What a system refuses is told to people, with
    /// any status; what is a record is kept.
    pub(super) fn take_out(mut self, body: &mut Value, is_success: bool) {
        let least = if is_success {
            MIN_CHARS_OF_RECORD
        } else {
            MIN_CHARS
        };
        self.0.retain(|form| form.len() >= least);
        if !self.0.is_empty() {
            self.clean(body);
        }
    }

    fn clean(&self, body: &mut Value) {
        match body {
            Value::String(text) => self.take_out_of(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item)),
            Value::Object(table) => {
                *table = std::mem::take(table)
                    .into_iter()
                    .map(|(mut name, mut value)| {
                        self.take_out_of(&mut name);
                        self.clean(&mut value);
                        (name, value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn take_out_of(&self, text: &mut String) {
        // In ASCII a letter keeps its place and length in lower case.
        let mut lower = text.to_ascii_lowercase();
        for form in &self.0 {
            while let Some(at) = lower.find(form) {
                text.replace_range(at..at + form.len(), HIDDEN);
                lower.replace_range(at..at + form.len(), HIDDEN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_from_texts_and_names_in_every_form() {
        let mut hidden = Hidden::default();
        hidden.add("s3cret+key_1", "Bearer s3cret+key_1");
        hidden.add("abc", "abc");
        let mut body = json!({
            "message": "ö bad Bearer s3cret+key_1, S3CRET+KEY_1 and s3cret+key_1, abc",
            "s3cret%2Bkey_1": [STANDARD.encode("s3cret+key_1"), "Bearer%20s3cret%2bkey_1"],
            "status": 400,
        });
        hidden.take_out(&mut body, false);
        let expected = json!({
            "message": "ö bad ***, *** and ***, abc",
            "***": ["***", "***"],
            "status": 400,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_record_keeps_what_is_short() {
        let mut hidden = Hidden::default();
        hidden.add("blue", "blue");
        hidden.add("a-long-enough-secret", "a-long-enough-secret");
        let mut body = json!({"colour": "blue", "note": "it is A-LONG-ENOUGH-SECRET"});
        hidden.take_out(&mut body, true);
        assert_eq!(body, json!({"colour": "blue", "note": "it is ***"}));
    }
}
