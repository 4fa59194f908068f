//! The secrets of a request, taken out of an answer that repeats them: what a system says of a request that
//! it refused is logged, and shown in reviews and mails.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Stands for a secret.
const HIDDEN: &str = "***";
/// Characters of the shortest secret that is taken out. A shorter one is in any text by chance.
const MIN_CHARS: usize = 4;

/// Secrets in the forms in which they may come back, in lower case.
#[derive(Default)]
pub(super) struct Hidden(Vec<String>);

impl Hidden {
    /// Adds a secret and the value of the header that carries it.
    pub(super) fn add(&mut self, secret: &str, value: &str) {
        let forms = [
            value.to_owned(),
            secret.to_owned(),
            STANDARD.encode(value),
            STANDARD.encode(secret),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        ];
        let forms = forms.into_iter().filter(|form| form.len() >= MIN_CHARS);
        self.0.extend(forms.map(|form| form.to_ascii_lowercase()));
    }

    /// Takes them out of every text and name of a body.
    pub(super) fn take_out(&self, body: &mut Value) {
        match body {
            Value::String(text) => self.take_out_of(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.take_out(item)),
            Value::Object(table) => {
                *table = std::mem::take(table)
                    .into_iter()
                    .map(|(mut name, mut value)| {
                        self.take_out_of(&mut name);
                        self.take_out(&mut value);
                        (name, value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn take_out_of(&self, text: &mut String) {
        for form in &self.0 {
            // In ASCII a letter keeps its place and length in lower case.
            let lower = text.to_ascii_lowercase();
            let places: Vec<usize> = lower.match_indices(form).map(|(at, _)| at).collect();
            for at in places.into_iter().rev() {
                text.replace_range(at..at + form.len(), HIDDEN);
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
        hidden.add("s3cret key", "Bearer s3cret key");
        hidden.add("abc", "abc");
        let mut body = json!({
            "message": "ö bad Bearer s3cret key, S3CRET KEY and s3cret key, abc",
            "s3cret%20key": [STANDARD.encode("s3cret key"), STANDARD.encode("Bearer s3cret key")],
            "status": 400,
        });
        hidden.take_out(&mut body);
        let expected = json!({
            "message": "ö bad ***, *** and ***, abc",
            "***": ["***", "***"],
            "status": 400,
        });
        assert_eq!(body, expected);
    }
}
