//! What Amazon refuses: one row per rule, with the source of the rule and the raw request that it
//! refuses.
//!
//! "model" is ordersV0.json of amzn/selling-partner-api-models; an issue is one of that repository or
//! of selling-partner-api-docs.

use super::tests::{World, world};
use crate::doubles::{Quota, tests::NOON_MS};

/// Rule, source, method and path, status, code, and what the details hold.
type Rule = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    u16,
    &'static str,
    &'static str,
);

const EITHER: &str = "model: CreatedAfter; the details are assumed";
const BEFORE: &str = "model: LastUpdatedBefore; selling-partner-api-docs issue 326";

const RULES: [Rule; 25] = [
    (
        "marketplaces are named",
        "model: MarketplaceIds, and its sandbox case TEST_CASE_400",
        ("GET", "/orders/v0/orders?CreatedAfter=TEST_CASE_400"),
        400,
        "InvalidInput",
        "MarketplaceIds is missing",
    ),
    (
        "a further page names them too",
        "model: MarketplaceIds is required, as its sandbox case of a NextToken has it",
        (
            "GET",
            "/orders/v0/orders?NextToken=2YgYW55IGNhcm5hbCBwbGVhc3VyZS4",
        ),
        400,
        "InvalidInput",
        "MarketplaceIds is missing",
    ),
    (
        "a marketplace is one where the seller sells",
        "assumed",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=ATVPDKIKX0DER&CreatedAfter=2026-09-01T00:00:00Z",
        ),
        400,
        "InvalidInput",
        "ATVPDKIKX0DER",
    ),
    (
        "a time to begin with is named",
        EITHER,
        ("GET", "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9"),
        400,
        "InvalidInput",
        "CreatedAfter or LastUpdatedAfter is missing",
    ),
    (
        "one time to begin with, not two",
        EITHER,
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z\
             &LastUpdatedAfter=2026-09-01T00:00:00Z",
        ),
        400,
        "InvalidInput",
        "exclude each other",
    ),
    (
        "an end goes with its own beginning: last updated",
        EITHER,
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z\
             &LastUpdatedBefore=2026-09-02T00:00:00Z",
        ),
        400,
        "InvalidInput",
        "does not go with",
    ),
    (
        "an end goes with its own beginning: created",
        "assumed",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&LastUpdatedAfter=2026-09-01T00:00:00Z\
             &CreatedBefore=2026-09-02T00:00:00Z",
        ),
        400,
        "InvalidInput",
        "does not go with",
    ),
    (
        "a time is one of ISO 8601",
        "model: LastUpdatedAfter; the details are those of issue 3324",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&LastUpdatedAfter=yesterday",
        ),
        400,
        "InvalidInput",
        "Invalid date/time field [LastUpdatedAfter]",
    ),
    (
        "a day alone is no time",
        "selling-partner-api-models issue 5056",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01",
        ),
        400,
        "InvalidInput",
        "[CreatedAfter]",
    ),
    (
        "a plus in an offset is escaped",
        "selling-partner-api-docs issue 3324",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9\
             &LastUpdatedAfter=2023-08-18T00:00:00+09:00",
        ),
        400,
        "InvalidInput",
        "[LastUpdatedAfter]",
    ),
    (
        "an end lies two minutes back",
        BEFORE,
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&LastUpdatedAfter=2026-09-01T00:00:00Z\
             &LastUpdatedBefore=2026-09-21T14:11:21Z",
        ),
        400,
        "InvalidInput",
        "less than two minutes back",
    ),
    (
        "an end does not lie before its beginning",
        BEFORE,
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&LastUpdatedAfter=2026-09-02T00:00:00Z\
             &LastUpdatedBefore=2026-09-01T00:00:00Z",
        ),
        400,
        "InvalidInput",
        "lies before",
    ),
    (
        "a beginning lies two minutes back too",
        "a comment in selling-partner-api-docs issue 2004; else assumed",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&LastUpdatedAfter=2026-09-21T14:11:21Z",
        ),
        400,
        "InvalidInput",
        "two minutes back",
    ),
    (
        "a page has at least one",
        "model: MaxResultsPerPage",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z\
             &MaxResultsPerPage=0",
        ),
        400,
        "InvalidInput",
        "MaxResultsPerPage",
    ),
    (
        "a page has at most a hundred",
        "model: MaxResultsPerPage",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z\
             &MaxResultsPerPage=101",
        ),
        400,
        "InvalidInput",
        "from 1 to 100",
    ),
    (
        "a status is one of eight",
        "model: OrderStatuses; the answer is assumed",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z\
             &OrderStatuses=Unshipped,Cancelled",
        ),
        400,
        "InvalidInput",
        "Cancelled",
    ),
    (
        "a channel is one of two",
        "model: FulfillmentChannels; the answer is assumed",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z\
             &FulfillmentChannels=FBA",
        ),
        400,
        "InvalidInput",
        "FBA",
    ),
    (
        "a token of a page is one that was given",
        "model: NextToken; the answer is assumed",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9\
             &NextToken=2YgYW55IGNhcm5hbCBwbGVhc3VyZS4",
        ),
        400,
        "InvalidInput",
        "NextToken is invalid",
    ),
    (
        "a parameter is known",
        "stricter on purpose",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&UpdatedAfter=2026-09-01T00:00:00Z",
        ),
        400,
        "InvalidInput",
        "UpdatedAfter",
    ),
    (
        "a parameter comes once",
        "stricter on purpose: the model has no lists by repetition",
        (
            "GET",
            "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&MarketplaceIds=A1PA6795UKMFR9",
        ),
        400,
        "InvalidInput",
        "twice",
    ),
    (
        "an id has three parts of digits",
        "model: orderId is in 3-7-7 format, and its sandbox case TEST_CASE_400",
        ("GET", "/orders/v0/orders/TEST_CASE_400"),
        400,
        "InvalidInput",
        "3-7-7",
    ),
    (
        "an id is known",
        "model: 404; code and text are assumed",
        ("GET", "/orders/v0/orders/902-1845936-5435065"),
        404,
        "NotFound",
        "",
    ),
    (
        "items are those of an order that is known",
        "model: 404; code and text are assumed",
        ("GET", "/orders/v0/orders/902-1845936-5435065/orderItems"),
        404,
        "NotFound",
        "",
    ),
    (
        "an order is only read",
        "assumed",
        ("PUT", "/orders/v0/orders/302-0000001-7654321"),
        404,
        "NotFound",
        "",
    ),
    (
        "there is no other path",
        "assumed",
        ("GET", "/orders/v1/orders"),
        404,
        "NotFound",
        "",
    ),
];

async fn refused(world: &World, token: Option<&str>, rule: Rule) {
    let (rule, source, call, status, code, details) = rule;
    let (answered, headers, body) = world.raw(call, token).await;
    assert_eq!(answered, status, "{rule} ({source}): {body}");
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(
        (errors.len(), &errors[0]["code"]),
        (1, &code.into()),
        "{rule}"
    );
    assert!(errors[0]["message"].is_string(), "{rule}");
    let told = errors[0]["details"].as_str().unwrap();
    assert!(told.contains(details), "{rule}: {told}");
    assert!(headers.contains_key("x-amzn-requestid"), "{rule}");
}

#[tokio::test]
async fn a_call_that_breaks_a_rule_is_refused_in_the_shape_of_the_model() {
    let world = world(Quota::CountOnly).await;
    let token = world.tokens.give("Atza|", 3_600);
    for rule in RULES {
        refused(&world, Some(&token), rule).await;
    }
    assert_eq!(world.amazon.calls().len(), RULES.len());
    assert!(world.amazon.calls().iter().all(|call| !call.effect));
}

/// The texts stand in amzn/selling-partner-api-docs: the developer guide and issues 2147 and 2336.
#[tokio::test]
async fn a_token_that_is_missing_wrong_over_or_taken_back_is_403_and_costs_nothing() {
    let world = world(Quota::Kept).await;
    let (over, revoked) = (
        world.tokens.give("Atza|", 60),
        world.tokens.give("Atza|", 600),
    );
    world.tokens.revoke(&revoked);
    world.clock.set(NOON_MS + 60_000);
    let path = "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-09-01T00:00:00Z";
    for (rule, token, details) in [
        ("a token is needed", None, "missing in the request header"),
        (
            "a token was given",
            Some("Atza|other"),
            "malformed or invalid",
        ),
        ("a token lives an hour", Some(over.as_str()), "has expired"),
        (
            "a token may be taken back",
            Some(revoked.as_str()),
            "revoked",
        ),
    ] {
        let row = (
            rule,
            "developer guide",
            ("GET", path),
            403,
            "Unauthorized",
            details,
        );
        for _ in 0..6 {
            refused(&world, token, row).await;
        }
    }
    // 24 refusals, and the bucket of 20 is still full.
    let token = world.tokens.give("Atza|", 3_600);
    for _ in 0..20 {
        assert_eq!(world.raw(("GET", path), Some(&token)).await.0, 200);
    }
}
