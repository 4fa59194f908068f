//! What Trustpilot refuses: one row per rule, with the source of the rule and the raw request that it
//! refuses.
//!
//! "docs" is developers.trustpilot.com: its page of error messages for the statuses, of the business
//! units API for the parameters. The texts are assumed, since no page shows the body of an error.

use super::tests::{World, world};
use crate::doubles::{Quota, tests::NOON_MS};

/// Rule, source, method and path, status, and what the message holds.
type Rule = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    u16,
    &'static str,
);

/// The reviews of the business unit, with this query.
macro_rules! list {
    ($query:literal) => {
        (
            "GET",
            concat!(
                "/v1/private/business-units/507f191e810c19729de860ea/reviews?",
                $query
            ),
        )
    };
}

const PAGE: &str = "docs: page, from 1 to 2147483647";
const PER_PAGE: &str = "docs: perPage, from 1 to 100";
const ONCE: &str = "stricter on purpose: docs name arrays, and this is none";
const UNKNOWN: &str = "stricter on purpose";

const RULES: [Rule; 23] = [
    (
        "a page is a number from 1",
        PAGE,
        list!("page=0"),
        400,
        "page is not a number from 1",
    ),
    (
        "a page is a number",
        PAGE,
        list!("page=next"),
        400,
        "page is not",
    ),
    (
        "a page has a last number",
        PAGE,
        list!("page=2147483648"),
        400,
        "to 2147483647",
    ),
    (
        "a page has a number, not nothing",
        PAGE,
        list!("page="),
        400,
        "page is not",
    ),
    (
        "a page has at least one review",
        PER_PAGE,
        list!("perPage=0"),
        400,
        "from 1 to 100",
    ),
    (
        "a page has at most a hundred",
        PER_PAGE,
        list!("perPage=101"),
        400,
        "from 1 to 100",
    ),
    (
        "an order is one of four, two of which are served here",
        "docs: orderBy",
        list!("orderBy=updatedat.asc"),
        400,
        "orderBy",
    ),
    (
        "stars are from 1",
        "docs: stars",
        list!("stars=0"),
        400,
        "from 1 to 5",
    ),
    (
        "stars are to 5",
        "docs: stars",
        list!("stars=5&stars=6"),
        400,
        "from 1 to 5",
    ),
    (
        "stars are numbers",
        "docs: stars",
        list!("stars=5,good"),
        400,
        "from 1 to 5",
    ),
    (
        "a beginning is a time",
        "docs: startDateTime",
        list!("startDateTime=yesterday"),
        400,
        "startDateTime is no time",
    ),
    (
        "an end is a time",
        "docs: endDateTime",
        list!("endDateTime=2026-13-01"),
        400,
        "endDateTime is no time",
    ),
    (
        "a plus in an offset is escaped",
        "RFC 3986; else assumed",
        list!("startDateTime=2026-09-01T00:00:00+02:00"),
        400,
        "startDateTime is no time",
    ),
    (
        "one page is asked for",
        ONCE,
        list!("page=1&page=2"),
        400,
        "page is passed twice",
    ),
    (
        "one beginning is asked for, after several stars",
        ONCE,
        list!("stars=1&stars=2&startDateTime=2026-09-01&startDateTime=2026-09-02"),
        400,
        "startDateTime is passed twice",
    ),
    (
        "a parameter is known",
        UNKNOWN,
        list!("since=2026-09-01"),
        400,
        "since is no parameter",
    ),
    (
        "a query is text",
        "RFC 3986; else assumed",
        list!("page=%ff"),
        400,
        "no text",
    ),
    (
        "a business unit has an id of 24 hexadecimal digits",
        "docs: 400, and the examples of ids",
        (
            "GET",
            "/v1/private/business-units/tea-and-cup.example/reviews",
        ),
        400,
        "businessUnitId",
    ),
    (
        "a business unit is one's own",
        "docs: 403, no access to the domain",
        (
            "GET",
            "/v1/private/business-units/507f191e810c19729de86aaa/reviews",
        ),
        403,
        "Forbidden",
    ),
    (
        "a review has an id of 24 hexadecimal digits",
        "docs: 400, and the examples of ids",
        ("GET", "/v1/private/reviews/41"),
        400,
        "reviewId",
    ),
    (
        "a review is there",
        "docs: 404, a missing resource",
        ("GET", "/v1/private/reviews/65f0c0de0000000000000029"),
        404,
        "Review not found",
    ),
    (
        "reviews are only read",
        "docs: 501; that it is told so here is assumed",
        ("DELETE", "/v1/private/reviews/65f0c0de0000000000000001"),
        501,
        "not supported",
    ),
    (
        "there is no other path",
        "docs: 404, an incorrect URL",
        (
            "GET",
            "/v1/private/business-units/507f191e810c19729de860ea/reviews/all",
        ),
        404,
        "Not found",
    ),
];

async fn refused(world: &World, token: &str, rule: Rule) {
    let (rule, source, call, status, told) = rule;
    let (answered, body) = world.raw(call, token).await;
    assert_eq!(answered, status, "{rule} ({source}): {body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(told), "{rule}: {message}");
}

#[tokio::test]
async fn a_call_that_breaks_a_rule_is_refused_with_the_documented_status() {
    let world = world(Quota::CountOnly).await;
    for rule in RULES {
        refused(&world, &world.token, rule).await;
    }
    assert_eq!(world.double.calls().len(), RULES.len());
    assert!(world.double.calls().iter().all(|call| !call.effect));
}

#[tokio::test]
async fn a_token_that_is_missing_wrong_over_or_taken_back_is_401() {
    let world = world(Quota::Kept).await;
    let (over, revoked) = (world.tokens.give("", 60), world.tokens.give("", 600));
    world.tokens.revoke(&revoked);
    world.clock.set(NOON_MS + 60_000);
    for (rule, token) in [
        ("a token is needed", ""),
        ("a token was given", "other"),
        ("a token lives as long as it was told", &over),
        ("a token may be taken back", &revoked),
    ] {
        let row = (rule, "docs: 401", list!("page=1"), 401, "Unauthorized");
        refused(&world, token, row).await;
    }
    assert_eq!(world.raw(list!("page=1"), &world.token).await.0, 200);
}
