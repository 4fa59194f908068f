//! What an answer of another system means: a table, one row a case.
//!
//! A connector's own rows come first, then those of HTTP. The same status means different things
//! at different providers (403 is a bad key here and a used-up quota there), so nothing is decided
//! outside the table.
//!
//! What a refusal says is read by [`refusal`] and must pass [`scrub`] before anybody sees it:
//! providers like to repeat the value that they refuse.

#[cfg(test)]
mod tests;

mod limits;
mod refusal;
mod retry_after;
mod scrub;

use std::time::Duration;

pub use limits::{Told, limits};
pub use refusal::refusal;
pub use retry_after::hold;
pub use scrub::{MAX_REASON_CHARS, query_values, scrub};

use tidegate_model::flow::{ErrorAction, ErrorRow};

/// How long to wait after a 429 that does not say: the window of most limits.
pub const DEFAULT_HOLD: Duration = Duration::from_mins(1);
/// The longest wait that a provider may ask for; a longer one is tried again then.
pub const MAX_HOLD: Duration = Duration::from_mins(15);
/// The shortest: a provider that says `0`, or names a moment that is over, answered 429 all the same.
pub const MIN_HOLD: Duration = Duration::from_secs(1);

/// Decides what an answer means.
pub fn classify(rows: &[ErrorRow], status: u16, body: Option<&serde_json::Value>) -> ErrorAction {
    rows.iter()
        .find(|row| matches_row(row, status, body))
        .map_or_else(|| by_http(status), |row| row.action)
}

fn matches_row(row: &ErrorRow, status: u16, body: Option<&serde_json::Value>) -> bool {
    let status_fits = row.status.is_none_or(|wanted| wanted == status);
    let code_fits = match (&row.code_at, &row.code) {
        (Some(pointer), Some(code)) => {
            body.and_then(|body| body.pointer(pointer))
                .is_some_and(|found| match found {
                    serde_json::Value::String(text) => text == code,
                    other => {
                        let text = other.to_string();
                        text == *code
                    }
                })
        }
        (Some(pointer), None) => body.is_some_and(|body| body.pointer(pointer).is_some()),
        (None, _) => true,
    };
    status_fits && code_fits
}

/// What HTTP says (RFC 9110, RFC 6585).
fn by_http(status: u16) -> ErrorAction {
    match status {
        200..=299 => ErrorAction::Ok,
        401 | 403 => ErrorAction::Blocked,
        404 | 410 => ErrorAction::Missing,
        412 => ErrorAction::Stale,
        429 => ErrorAction::Defer,
        408 | 425 | 500..=599 => ErrorAction::Retry,
        // A redirect is never followed: it could lead a secret to another host.
        _ => ErrorAction::Review,
    }
}
