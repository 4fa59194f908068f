//! What Shopify refuses: one row per rule, with the source of the rule and the raw request that it
//! refuses.
//!
//! "docs" is shopify.dev/docs/api/admin-rest; "measured" is told in public with its answer.

use serde_json::Value;

use super::{
    ShopifyDouble,
    tests::{ORDERS, TOKEN, config, raw},
};
use crate::doubles::{
    Quota,
    tests::{NOON_MS, StandingClock},
};

/// Rule, source, method and path, token, status, and where the answer says what.
type Rule = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    &'static str,
    u16,
    (&'static str, &'static str),
);

const ONE_CURSOR: &str = "MONEI/Shopify-api-node issue 465; Shopify/shopify-api-js issue 755";
const WHOLE: &str = "/errors";

const RULES: [Rule; 26] = [
    (
        "a token is needed",
        "docs: response status codes, 401",
        ("GET", ORDERS),
        "",
        401,
        (WHOLE, "[API] Invalid API key or access token"),
    ),
    (
        "the token is the shop's",
        "docs: response status codes, 401",
        ("GET", ORDERS),
        "other",
        401,
        (WHOLE, "unrecognized login or wrong password"),
    ),
    (
        "a token that reads writes nothing",
        "gnikyt/laravel-shopify issue 190 shows it for read_orders",
        ("POST", ORDERS),
        TOKEN,
        403,
        (WHOLE, "merchant approval for write_orders scope"),
    ),
    (
        "nor deletes",
        "gnikyt/laravel-shopify issue 190 shows it for read_orders",
        ("DELETE", "/admin/api/2026-07/orders/5600000032768.json"),
        TOKEN,
        403,
        (WHOLE, "merchant approval for write_orders scope"),
    ),
    (
        "there is no other path",
        "docs: response status codes, 404",
        ("GET", "/admin/api/2026-07/order.json"),
        TOKEN,
        404,
        (WHOLE, "Not Found"),
    ),
    (
        "a path ends in .json",
        "docs: endpoints",
        ("GET", "/admin/api/2026-07/orders/5600000032768"),
        TOKEN,
        404,
        (WHOLE, "Not Found"),
    ),
    (
        "a version that is not there yet is none",
        "assumed",
        ("GET", "/admin/api/2031-01/orders.json"),
        TOKEN,
        404,
        (WHOLE, "Not Found"),
    ),
    (
        "an id is known",
        "docs: response status codes, 404",
        ("GET", "/admin/api/2026-07/orders/5600000032769.json"),
        TOKEN,
        404,
        (WHOLE, "Not Found"),
    ),
    (
        "an id is a number, not the order's name",
        "measured: the answer stands in many public repositories",
        ("GET", "/admin/api/2026-07/orders/%231001.json"),
        TOKEN,
        400,
        ("/errors/id", "expected String to be a id"),
    ),
    (
        "a page has at most 250",
        "docs: pagination; the answer was measured in August 2026",
        ("GET", "/admin/api/2026-07/orders.json?limit=251"),
        TOKEN,
        400,
        (WHOLE, "Limit exceeds maximum limit of 250"),
    ),
    (
        "a page has at least one",
        "assumed",
        ("GET", "/admin/api/2026-07/orders.json?limit=0"),
        TOKEN,
        400,
        ("/errors/limit", "number"),
    ),
    (
        "a limit is a number",
        "assumed",
        ("GET", "/admin/api/2026-07/orders.json?limit=all"),
        TOKEN,
        400,
        ("/errors/limit", "number"),
    ),
    (
        "a cursor is one that was given",
        "Shopify/shopify_python_api issue 544",
        ("GET", "/admin/api/2026-07/orders.json?page_info=abc"),
        TOKEN,
        400,
        ("/errors/page_info", "Invalid value."),
    ),
    (
        "an empty cursor is none that was given",
        "Shopify/shopify_python_api issue 544",
        ("GET", "/admin/api/2026-07/orders.json?page_info="),
        TOKEN,
        400,
        ("/errors/page_info", "Invalid value."),
    ),
    (
        "status stands on the first page alone",
        ONE_CURSOR,
        (
            "GET",
            "/admin/api/2026-07/orders.json?status=any&page_info=e30",
        ),
        TOKEN,
        400,
        (
            "/errors/status",
            "status cannot be passed when page_info is present.",
        ),
    ),
    (
        "updated_at_min stands on the first page alone",
        ONE_CURSOR,
        (
            "GET",
            "/admin/api/2026-07/orders.json?page_info=e30&updated_at_min=2026-09-01T00:00:00Z",
        ),
        TOKEN,
        400,
        (
            "/errors/updated_at_min",
            "updated_at_min cannot be passed when",
        ),
    ),
    (
        "order stands on the first page alone",
        ONE_CURSOR,
        (
            "GET",
            "/admin/api/2026-07/orders.json?limit=5&page_info=e30&order=updated_at+asc",
        ),
        TOKEN,
        400,
        ("/errors/order", "order cannot be passed when page_info"),
    ),
    (
        "a status is one of four",
        "docs: order, status; the answer is assumed",
        ("GET", "/admin/api/2026-07/orders.json?status=all"),
        TOKEN,
        400,
        ("/errors/status", "open"),
    ),
    (
        "an order is a time and a direction",
        "assumed",
        ("GET", "/admin/api/2026-07/orders.json?order=name+asc"),
        TOKEN,
        400,
        ("/errors/order", "asc or desc"),
    ),
    (
        "a time is one",
        "docs: order, updated_at_min; the answer is assumed",
        (
            "GET",
            "/admin/api/2026-07/orders.json?updated_at_min=yesterday",
        ),
        TOKEN,
        400,
        ("/errors/updated_at_min", "no time"),
    ),
    (
        "a time has an offset",
        "docs: order, format of updated_at_min; the answer is assumed",
        (
            "GET",
            "/admin/api/2026-07/orders.json?updated_at_min=2026-09-01T00:00:00",
        ),
        TOKEN,
        400,
        ("/errors/updated_at_min", "offset"),
    ),
    (
        "a plus in an offset is escaped",
        "assumed",
        (
            "GET",
            "/admin/api/2026-07/orders.json?updated_at_min=2026-09-01T00:00:00+02:00",
        ),
        TOKEN,
        400,
        ("/errors/updated_at_min", "no time"),
    ),
    (
        "a latest time is one too",
        "docs: order, created_at_max; the answer is assumed",
        ("GET", "/admin/api/2026-07/orders.json?created_at_max=now"),
        TOKEN,
        400,
        ("/errors/created_at_max", "no time"),
    ),
    (
        "a parameter is known",
        "stricter on purpose",
        (
            "GET",
            "/admin/api/2026-07/orders.json?updated_min=2026-09-01",
        ),
        TOKEN,
        400,
        ("/errors/updated_min", "known"),
    ),
    (
        "a parameter comes once",
        "stricter on purpose",
        ("GET", "/admin/api/2026-07/orders.json?limit=5&limit=6"),
        TOKEN,
        400,
        ("/errors/limit", "twice"),
    ),
    (
        "a query is UTF-8",
        "assumed",
        ("GET", "/admin/api/2026-07/orders.json?fields=%ff"),
        TOKEN,
        400,
        (WHOLE, "Bad Request"),
    ),
];

#[tokio::test]
async fn a_call_that_breaks_a_rule_is_refused_in_shopifys_shape() {
    let clock = StandingClock::new(NOON_MS);
    let shop = ShopifyDouble::start(config(&clock).quota(Quota::CountOnly));
    let shop = shop.await.unwrap();
    for (rule, source, call, token, status, (pointer, value)) in RULES {
        let (answered, headers, body) = raw(&shop, call, token).await;
        assert_eq!(answered, status, "{rule} ({source}): {body}");
        let told = body.pointer(pointer).and_then(Value::as_str);
        let told = told.unwrap_or_else(|| panic!("{rule}: {pointer} in {body}"));
        assert!(told.contains(value), "{rule}: {body}");
        let is_counted = headers.contains_key("x-shopify-shop-api-call-limit");
        assert_eq!(is_counted, status != 401, "{rule}");
    }
    assert_eq!(shop.calls().len(), RULES.len());
    assert!(shop.calls().iter().all(|call| !call.effect));
}
