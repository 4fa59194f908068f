//! The name of a secret.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Longest name of a secret, in characters.
const MAX_CHARS: usize = 64;

/// Names a secret, as environment variables are named: capital letters, digits and `_`, a letter
/// first. Secrets Manager takes that too.
///
/// Names are printed. So the rule is narrow, and most keys that are pasted in the place of their name
/// break it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that names no secret. It is not repeated: it may be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a secret must be capital letters, digits and `_`, a letter first, {MAX_CHARS} at most"
)]
pub struct SecretNameError;

impl SecretName {
    /// The rule as a regular expression.
    pub const PATTERN: &str = "^[A-Z][A-Z0-9_]{0,63}$";

    /// Checks the text and makes the name of it.
    pub fn try_new(text: impl Into<String>) -> Result<Self, SecretNameError> {
        let text = text.into();
        let fits = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.len() <= MAX_CHARS
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if fits {
            Ok(Self(text))
        } else {
            Err(SecretNameError)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for SecretName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": Self::PATTERN})
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;
    fn try_from(text: String) -> Result<Self, SecretNameError> {
        Self::try_new(text)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("ERP_TOKEN", true)]
    #[case::digits("SUPPLIERS_WEBHOOK_1", true)]
    #[case::one_letter("S", true)]
    #[case::longest(&"A".repeat(64), true)]
    #[case::too_long(&"A".repeat(65), false)]
    #[case::empty("", false)]
    #[case::digit_first("1PASSWORD", false)]
    #[case::underscore_first("_TOKEN", false)]
    #[case::small_letter("ERP_TOKEn", false)]
    #[case::dash("ERP-TOKEN", false)]
    #[case::line_break("ERP_TOKEN\n", false)]
    #[case::other_alphabet("ÄRP_TOKEN", false)]
    #[case::a_pasted_key("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", false)]
    fn a_name_of_a_secret_is_no_secret(#[case] text: &str, #[case] allowed: bool) {
        assert_eq!(SecretName::try_new(text).is_ok(), allowed);
        let read = serde_json::from_value::<SecretName>(text.into());
        assert_eq!(read.is_ok(), allowed);
        if let Err(error) = read {
            assert!(
                text.is_empty() || !error.to_string().contains(text),
                "{error}"
            );
        }
    }
}
