//! What an answer of the SQL API means: a table, one test a row.
//!
//! A message is repeated only where it is about the text of a statement, which holds no value: of a failure
//! while rows are computed Snowflake tells the value that it failed on.

use serde_json::Value;
use tidegate_engine::ports::{TransportError, WarehouseError};
use tidegate_model::flow::WarehouseSpec;

/// Characters of a message that are told: the name that is at fault stands among the first.
const MAX_MESSAGE_CHARS: usize = 300;
/// Characters of a code that are told: the vendor's have six, and SQL states five.
const MAX_CODE_CHARS: usize = 8;

/// Codes with states of another class that a person has to act on too: no virtual warehouse that the role may
/// use, a number of statements that is another, a statement that is not for this API.
const CODES_OF_PEOPLE: [&str; 4] = ["000606", "000008", "391911", "390201"];
/// A handle that is not known.
const NO_SUCH_HANDLE: &str = "000709";

/// What an answer says beside rows.
pub(super) enum Meaning {
    /// It is the result.
    Done,
    /// The statement is still running.
    Running,
    /// The credentials are refused: worth a look whether they are still the ones.
    Unauthorised(WarehouseError),
    /// Nothing came of it.
    Not(WarehouseError),
}

/// What a status and its body mean.
pub(super) fn meaning(spec: &WarehouseSpec, status: u16, body: Option<&Value>) -> Meaning {
    let said = Said::new(body);
    let name = spec.name.as_str();
    match status {
        200 => Meaning::Done,
        202 => Meaning::Running,
        401 => Meaning::Unauthorised(WarehouseError::Refused {
            reason: format!(
                "{name} refused the key of {}.{} with 401{said}: look at account and user, set {} anew, or give its public key to the user",
                spec.account, spec.user, spec.key
            ),
        }),
        408 => Meaning::Not(WarehouseError::Undone {
            reason: format!("{name} stopped a statement that took too long{said}"),
        }),
        429 | 503 => Meaning::Not(WarehouseError::Later {
            reason: format!("{name} asks to wait with {status}{said}"),
        }),
        422 if said.is_for_people() => Meaning::Not(WarehouseError::Refused {
            reason: format!("{name} refused a statement{said}{}", said.message()),
        }),
        422 if said.code == NO_SUCH_HANDLE => {
            Meaning::Not(failed(spec, &format!("it knows no such statement{said}")))
        }
        422 => Meaning::Not(WarehouseError::Undone {
            reason: format!("{name}: a statement failed{said}"),
        }),
        300..500 => Meaning::Not(WarehouseError::Refused {
            reason: format!("{name} refused a request with {status}{said}"),
        }),
        _ => Meaning::Not(failed(spec, &format!("it answered {status}{said}"))),
    }
}

/// What it means that no answer came. `is_over`: the deadline has come meanwhile.
pub(super) fn unanswered(
    spec: &WarehouseSpec,
    error: &TransportError,
    is_over: bool,
) -> WarehouseError {
    let name = spec.name.as_str();
    match error {
        TransportError::NoSecret(secret) => WarehouseError::Refused {
            reason: format!(
                "{name}: the secret {secret} is not configured, or holds no RSA key in PKCS#8 (PEM)"
            ),
        },
        TransportError::BadRequest(why) => WarehouseError::Refused {
            reason: format!("{name}: the address can not be used: {why}"),
        },
        TransportError::TimedOut(_) if is_over => over(spec),
        TransportError::NotConnected => failed(spec, &format!("{error} to {}", spec.base_url)),
        TransportError::TimedOut(_)
        | TransportError::Broken
        | TransportError::TooLarge { .. }
        | TransportError::SecretUnavailable(_) => failed(spec, &error.to_string()),
    }
}

/// Nothing is begun any more.
pub(super) fn over(spec: &WarehouseSpec) -> WarehouseError {
    WarehouseError::Later {
        reason: format!("{}: not done by the deadline", spec.name),
    }
}

pub(super) fn failed(spec: &WarehouseSpec, what: &str) -> WarehouseError {
    WarehouseError::Failed {
        reason: format!("{}: {what}", spec.name),
    }
}

/// What a body says of a failure.
struct Said<'a> {
    code: String,
    state: String,
    message: &'a str,
}

impl<'a> Said<'a> {
    fn new(body: Option<&'a Value>) -> Self {
        let text = |name: &str| body.and_then(|body| body.get(name)?.as_str());
        let short = |text: Option<&str>| {
            let plain = text.unwrap_or_default().chars();
            let plain = plain.filter(char::is_ascii_alphanumeric);
            plain.take(MAX_CODE_CHARS).collect()
        };
        Self {
            code: short(text("code")),
            state: short(text("sqlState")),
            message: text("message").unwrap_or_default(),
        }
    }

    /// Class 42: a syntax error, an object that does not exist, or no privilege for it. 02000 is the state of
    /// an object that is not there in statements about objects.
    fn is_for_people(&self) -> bool {
        self.state.starts_with("42")
            || CODES_OF_PEOPLE.contains(&self.code.as_str())
            || (self.state == "02000" && self.code != NO_SUCH_HANDLE)
    }

    fn message(&self) -> String {
        let words: Vec<&str> = self.message.split_whitespace().collect();
        let message: String = words.join(" ").chars().take(MAX_MESSAGE_CHARS).collect();
        if message.is_empty() {
            message
        } else {
            format!(": {message}")
        }
    }
}

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code.as_str(), self.state.as_str()) {
            ("", "") => Ok(()),
            (code, "") => write!(f, " ({code})"),
            (code, state) => write!(f, " ({code}, SQL state {state})"),
        }
    }
}
