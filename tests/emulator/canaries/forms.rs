//! The forms in which a text may stand in another.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

/// Bytes that three of base64 stand for: a text may begin at any of them.
const GROUP: usize = 3;

/// A text in every form.
pub struct Forms {
    text: String,
    forms: Vec<String>,
}

impl Forms {
    /// As it is, in JSON, in a URL, and in base64 wherever it begins.
    pub fn of(text: &str) -> Self {
        let quoted = json!(text).to_string();
        let mut forms = vec![
            text.to_owned(),
            quoted.trim_matches('"').to_owned(),
            utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
            utf8_percent_encode(text, NON_ALPHANUMERIC)
                .to_string()
                .replace("%20", "+"),
        ];
        for before in 0..GROUP {
            let shifted = [vec![0; before], text.as_bytes().to_vec()].concat();
            let encoded = STANDARD_NO_PAD.encode(shifted);
            // What shares a character with its neighbours is left out at both ends.
            let from = if before == 0 { 0 } else { before + 1 };
            forms.push(encoded[from..encoded.len() - 1].to_owned());
        }
        Self {
            text: text.to_owned(),
            forms,
        }
    }

    /// Whether a line has it in any form.
    pub fn found_in(&self, line: &str) -> bool {
        self.forms.iter().any(|form| line.contains(form))
    }
}

impl fmt::Display for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[test]
fn a_text_is_found_in_each_form() {
    let forms = Forms::of("canary+ä/ 1");
    for line in [
        "a canary+ä/ 1 b",
        r#"{"x":"canary+ä/ 1"}"#,
        "https://a.example/?x=canary%2B%C3%A4%2F%201",
        "x=canary%2B%C3%A4%2F+1",
    ] {
        assert!(forms.found_in(line), "{line}");
    }
    for around in ["", "x", "xy", "xyz"] {
        let line = STANDARD_NO_PAD.encode(format!("{around}canary+ä/ 1{around}"));
        assert!(forms.found_in(&line), "{around}: {line}");
    }
    assert!(!forms.found_in("a canary of another kind"));
}
