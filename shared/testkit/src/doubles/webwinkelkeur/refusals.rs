//! What Webwinkelkeur refuses: one row per rule, with the source of the rule and the raw request that
//! it refuses.
//!
//! "docs" is docs.webwinkelkeur.nl/api/ratings/retrieve.

use super::{
    WebwinkelkeurDouble,
    tests::{config, raw},
};
use crate::doubles::{
    Quota,
    tests::{NOON_MS, StandingClock},
};

/// Rule, source, method and path, status, and what the message holds.
type Rule = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    u16,
    &'static str,
);

/// The ratings, with this query.
macro_rules! list {
    ($query:literal) => {
        ("GET", concat!("/api/1.0/ratings.json?", $query))
    };
}

/// The ratings of the shop, with this query behind its credentials.
macro_rules! own {
    ($query:literal) => {
        (
            "GET",
            concat!("/api/1.0/ratings.json?id=1001&code=shop-code&", $query),
        )
    };
}

const NEEDED: &str =
    "docs: id and code are required; response statuses; the HTTP status is assumed";
const INCOMPLETE: &str = "Not all obligated variables are set.";
const WRONG: &str = "docs: response statuses; the HTTP status is assumed";
const STRANGER: &str = "Incorrect authentication credentials.";
const OFFSET: &str = "docs: offset is an int; the answer is assumed";
const LIMIT: &str = "docs: limit is from 1 to 100; the answer is assumed";
const LANGUAGE: &str = "docs: language is of ISO 639-1; the answer is assumed";
const STRICT: &str = "stricter on purpose";

const RULES: [Rule; 22] = [
    ("nothing is said", NEEDED, list!(""), 200, INCOMPLETE),
    (
        "a shop is named",
        NEEDED,
        list!("code=shop-code"),
        200,
        INCOMPLETE,
    ),
    (
        "a shop is not empty",
        NEEDED,
        list!("id=&code=shop-code"),
        200,
        INCOMPLETE,
    ),
    (
        "a code is needed",
        NEEDED,
        list!("id=1001"),
        200,
        INCOMPLETE,
    ),
    (
        "a code is not empty",
        NEEDED,
        list!("id=1001&code="),
        200,
        INCOMPLETE,
    ),
    (
        "the code is the shop's",
        WRONG,
        list!("id=1001&code=other"),
        200,
        STRANGER,
    ),
    (
        "the shop is the code's",
        WRONG,
        list!("id=1002&code=shop-code"),
        200,
        STRANGER,
    ),
    (
        "a public code is no code",
        WRONG,
        list!("id=1001&code=page-code"),
        200,
        STRANGER,
    ),
    (
        "a code is no public code",
        WRONG,
        list!("id=1001&public_code=shop-code"),
        200,
        STRANGER,
    ),
    (
        "a public code does not stand in for a wrong code",
        "assumed",
        list!("id=1001&code=other&public_code=page-code"),
        200,
        STRANGER,
    ),
    (
        "an offset is a number",
        OFFSET,
        own!("offset=ten"),
        200,
        "offset",
    ),
    (
        "an offset is not negative",
        OFFSET,
        own!("offset=-1"),
        200,
        "offset",
    ),
    (
        "an answer has at least one",
        LIMIT,
        own!("limit=0"),
        200,
        "limit",
    ),
    (
        "an answer has at most a hundred",
        LIMIT,
        own!("limit=101"),
        200,
        "limit",
    ),
    (
        "a limit is a number",
        LIMIT,
        own!("limit=all"),
        200,
        "limit",
    ),
    (
        "a language has two letters",
        LANGUAGE,
        own!("language=nld"),
        200,
        "language",
    ),
    (
        "a language has small letters",
        LANGUAGE,
        own!("language=NL"),
        200,
        "language",
    ),
    (
        "a parameter is known",
        STRICT,
        own!("since=2026-09-01"),
        200,
        "since is no parameter",
    ),
    (
        "a parameter comes once",
        STRICT,
        own!("limit=1&limit=2"),
        200,
        "limit is passed twice",
    ),
    (
        "a query is text",
        "RFC 3986; else assumed",
        own!("language=%ff"),
        200,
        "no text",
    ),
    (
        "ratings are only read",
        "assumed",
        ("POST", "/api/1.0/ratings.json?id=1001&code=shop-code"),
        405,
        "not allowed",
    ),
    (
        "one rating can not be asked for",
        "docs: no page tells of such a call",
        ("GET", "/api/1.0/ratings/7.json?id=1001&code=shop-code"),
        404,
        "Not found",
    ),
];

#[tokio::test]
async fn a_call_that_breaks_a_rule_is_refused_by_what_its_body_says() {
    let clock = StandingClock::new(NOON_MS);
    let source = WebwinkelkeurDouble::start(config(&clock).quota(Quota::CountOnly));
    let source = source.await.unwrap();
    for (rule, from, call, status, told) in RULES {
        let (answered, body) = raw(&source, call).await;
        assert_eq!(answered, status, "{rule} ({from}): {body}");
        assert_eq!(body["status"], "error", "{rule}: {body}");
        assert!(body.get("ratings").is_none(), "{rule}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(told), "{rule}: {message}");
    }
    assert_eq!(source.calls().len(), RULES.len());
    assert!(source.calls().iter().all(|call| !call.effect));
}
