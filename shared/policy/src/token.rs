//! Tokens of an authorisation server (OAuth 2.0): when one is asked for, and what its answer means.
//!
//! A token serves until shortly before its end. At the start of a batch one is asked for once four
//! fifths of the old one's life are over, so that the calls find it warm (R24: to renew it within a
//! call costs 200 to 500 ms). One that a system refuses is replaced once: when its successor is
//! refused too, within `TRIAL`, it is what the credentials are allowed that is wrong. That other calls
//! are answered with it says nothing: a client may be allowed to read and not to write.

use std::{fmt, time::Duration};

use serde_json::{Map, Value, json};
use tidegate_model::{UnixMs, flow::JwtBearer};

/// A token is not used so shortly before its end: a call leaves up to some seconds after its token was
/// looked at, and clocks differ.
const LATE: Duration = Duration::from_secs(10);
/// How long a token lives whose server does not say (`expires_in` is only recommended, RFC 6749, 5.1):
/// the shortest that Salesforce, which leaves it out, can be set to.
const UNSAID_LIFE: Duration = Duration::from_mins(15);
/// The longest life that is believed. What lives longer is asked for once a day, which costs nothing.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// How long a token is on trial that took the place of a refused one. Short, since a token can be
/// revoked at any moment; long enough for a call of each kind, or a call that is never allowed would
/// have a new token each time and never stop the flow.
const TRIAL: Duration = Duration::from_mins(5);
/// How long an assertion is good for: it is used at once, and clocks differ. Servers take an hour at
/// most, some five minutes.
const ASSERTION_LIFE: Duration = Duration::from_mins(3);
/// Longest error code that is told (RFC 6749, 5.2, knows codes of 22 characters).
const MAX_CODE_CHARS: usize = 40;

/// For what a token is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A call that is about to leave.
    Call,
    /// Calls that are to come: a batch begins.
    Batch,
}

/// How long a token serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was asked for.
    pub got: UnixMs,
    /// Its end.
    pub ends: UnixMs,
    /// It took the place of one that was refused.
    pub is_successor: bool,
}

impl Life {
    /// Whether the token does for this need, or another is asked for.
    pub fn serves(&self, need: Need, now: UnixMs) -> bool {
        let whole = self.ends.since(self.got);
        let last = match need {
            Need::Call => self.ends - LATE.min(whole / 5),
            Need::Batch => self.got + whole * 4 / 5,
        };
        now < last
    }

    /// Whether another token may help, after this one was refused by a call that began at `used`.
    pub fn another_may_help(&self, used: UnixMs) -> bool {
        // Younger than the call: it has taken the refused one's place already.
        self.got > used || !self.is_successor || used >= self.got + TRIAL
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The credentials are refused, with the server's error code where it is one of OAuth's form.
    Refused(Option<String>),
    /// Too many requests.
    TooMany,
    /// The server failed, or answered something else than a token.
    Failed,
}

/// A token as it was answered. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub text: String,
    /// How long it serves.
    pub life: Life,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.life.fmt(f)
    }
}

/// Reads the answer to a request for a token that left at `asked`. `body` is none where it is no JSON.
pub fn read(status: u16, body: Option<&Value>, asked: UnixMs) -> Result<Given, NoToken> {
    match status {
        200..=299 => {}
        429 => return Err(NoToken::TooMany),
        400..=499 if status != 408 => return Err(NoToken::Refused(body.and_then(code))),
        _ => return Err(NoToken::Failed),
    }
    let body = body.ok_or(NoToken::Failed)?;
    let text = body.get("access_token").and_then(Value::as_str);
    // What no header can hold (RFC 6750, 2.1, allows less) is no token of any system.
    let fits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let text = text.filter(fits).ok_or(NoToken::Failed)?;
    let said = match body.get("expires_in") {
        // Some servers give it as a text.
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(other) => other.as_u64(),
        None => None,
    };
    let life = said.map_or(UNSAID_LIFE, Duration::from_secs);
    Ok(Given {
        text: text.to_owned(),
        life: Life {
            got: asked,
            ends: asked + life.min(LONGEST_LIFE),
            is_successor: false,
        },
    })
}

/// The error code (RFC 6749, 5.2), if it looks like one: nothing else of the answer is told, since a
/// server may repeat what it was sent.
fn code(body: &Value) -> Option<String> {
    let code = body.get("error")?.as_str()?;
    let fits =
        code.len() <= MAX_CODE_CHARS && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    fits.then(|| code.to_owned())
}

/// The claims of an assertion (RFC 7523, 3). `id` names it, since a server may refuse a second one of
/// the same name.
pub fn claims(client: &JwtBearer, id: &str, now: UnixMs) -> Value {
    let seconds = now.0.div_euclid(1_000);
    let audience = client.audience.as_deref().unwrap_or(&client.token_url);
    let subject = client.subject.as_deref().unwrap_or(&client.issuer);
    let life = i64::try_from(ASSERTION_LIFE.as_secs()).unwrap_or_default();
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", json!(client.issuer)),
        ("sub", json!(subject)),
        ("aud", json!(audience)),
        ("iat", json!(seconds)),
        ("exp", json!(seconds + life)),
        ("jti", json!(id)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    // Google reads it here, others in the form, and both may stand there.
    if let Some(scope) = &client.scope {
        claims.insert("scope".to_owned(), json!(scope));
    }
    Value::Object(claims)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ASKED: UnixMs = UnixMs(1_000_000);

    fn at(seconds: u64) -> UnixMs {
        ASKED + Duration::from_secs(seconds)
    }

    fn given(body: &Value) -> Life {
        read(200, Some(body), ASKED).unwrap().life
    }

    #[rstest]
    #[case::an_hour(3_600, 2_880, 3_590)]
    #[case::a_minute(60, 48, 50)]
    #[case::ten_seconds(10, 8, 8)]
    fn a_token_serves_a_batch_for_four_fifths_of_its_life_and_a_call_until_shortly_before_its_end(
        #[case] life: u64,
        #[case] batch: u64,
        #[case] call: u64,
    ) {
        let life = given(&json!({"access_token": "t", "expires_in": life}));
        for (need, last) in [(Need::Batch, batch), (Need::Call, call)] {
            assert!(
                life.serves(need, at(last) - Duration::from_millis(1)),
                "{need:?}"
            );
            assert!(!life.serves(need, at(last)), "{need:?}");
        }
    }

    #[rstest]
    #[case::a_number(json!(7_200), 7_200)]
    #[case::a_text(json!("7200"), 7_200)]
    #[case::nothing(Value::Null, 900)]
    #[case::no_number(json!("soon"), 900)]
    #[case::below_zero(json!(-5), 900)]
    #[case::a_week(json!(604_800), 86_400)]
    #[case::without_end(json!(u64::MAX), 86_400)]
    #[case::none_at_all(json!(0), 0)]
    fn a_life_is_read_in_the_forms_in_use(#[case] said: Value, #[case] seconds: u64) {
        let life = given(&json!({"access_token": "t", "expires_in": said}));
        assert_eq!(life.ends, at(seconds));
    }

    #[rstest]
    #[case::wrong_secret(401, json!({"error": "invalid_client"}), NoToken::Refused(Some("invalid_client".into())))]
    #[case::wrong_grant(400, json!({"error": "invalid_grant", "error_description": "x"}), NoToken::Refused(Some("invalid_grant".into())))]
    #[case::a_text_is_not_told(400, json!({"error": "The secret hunter2 is wrong"}), NoToken::Refused(None))]
    #[case::a_long_code(400, json!({"error": "a".repeat(41)}), NoToken::Refused(None))]
    #[case::no_code(403, json!([]), NoToken::Refused(None))]
    #[case::no_such_endpoint(404, json!({}), NoToken::Refused(None))]
    #[case::too_many(429, json!({}), NoToken::TooMany)]
    #[case::it_took_too_long(408, json!({}), NoToken::Failed)]
    #[case::it_failed(503, json!({"error": "server_error"}), NoToken::Failed)]
    #[case::a_redirect(302, json!({"access_token": "t"}), NoToken::Failed)]
    #[case::without_a_token(200, json!({"token": "t"}), NoToken::Failed)]
    #[case::an_empty_token(200, json!({"access_token": ""}), NoToken::Failed)]
    #[case::a_token_with_a_line_break(200, json!({"access_token": "a\nb"}), NoToken::Failed)]
    #[case::a_token_with_a_blank(200, json!({"access_token": "a b"}), NoToken::Failed)]
    #[case::a_token_that_is_no_text(200, json!({"access_token": 7}), NoToken::Failed)]
    fn an_answer_without_a_token_says_why(
        #[case] status: u16,
        #[case] body: Value,
        #[case] expected: NoToken,
    ) {
        assert_eq!(read(status, Some(&body), ASKED), Err(expected));
    }

    #[test]
    fn a_page_instead_of_a_token_is_a_failure() {
        assert_eq!(read(200, None, ASKED), Err(NoToken::Failed));
        assert_eq!(read(401, None, ASKED), Err(NoToken::Refused(None)));
    }

    #[test]
    fn a_refused_token_is_replaced_once() {
        let first = given(&json!({"access_token": "t"}));
        assert!(first.another_may_help(at(1)));
        let second = Life {
            got: at(2),
            is_successor: true,
            ..first
        };
        assert!(!second.another_may_help(at(3)), "it was never good");
        assert!(!second.another_may_help(at(301)), "it is on trial still");
        assert!(
            second.another_may_help(at(302)),
            "it may have been revoked since"
        );
        assert!(second.another_may_help(at(1)), "that call had the first");
    }

    #[test]
    fn a_token_is_not_shown() {
        let given = read(200, Some(&json!({"access_token": "hunter2"})), ASKED).unwrap();
        assert!(!format!("{given:?}").contains("hunter2"));
    }

    #[test]
    fn an_assertion_says_who_asks_for_whom_and_until_when() {
        let mut client: JwtBearer = serde_json::from_value(json!({
            "token_url": "https://auth.example/token", "issuer": "client-7", "secret": "KEY",
        }))
        .unwrap();
        let first = claims(&client, "a1", UnixMs(1_700_000_000_999));
        assert_eq!(
            first,
            json!({
                "iss": "client-7", "sub": "client-7", "aud": "https://auth.example/token",
                "iat": 1_700_000_000, "exp": 1_700_000_180, "jti": "a1",
            })
        );
        client.subject = Some("robot@example.com".to_owned());
        client.audience = Some("https://login.example".to_owned());
        client.scope = Some("orders.read".to_owned());
        let second = claims(&client, "a2", UnixMs(0));
        for (name, value) in [
            ("sub", "robot@example.com"),
            ("aud", "https://login.example"),
            ("scope", "orders.read"),
            ("jti", "a2"),
        ] {
            assert_eq!(second[name], value, "{name}");
        }
    }
}
