//! What Dataverse refuses: one row per rule, with the source of the rule and the raw request that it
//! refuses.
//!
//! "docs" is learn.microsoft.com. The codes and texts are those that its pages and forums show, where
//! they do.

use serde_json::json;

use super::tests::{World, world};
use crate::doubles::{Quota, tests::NOON_MS};

/// Rule, source, method and path, preference, status, and what the message holds.
type Rule = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    &'static str,
    u16,
    &'static str,
);

const ALONE: &str = "docs: change tracking takes $select alone; without it stricter on purpose";
const SIZE: &str = "OData 4.0, 8.2.8.5: a positive number; else assumed";
const TOKEN: &str = "assumed: the vendor documents no form of tokens";

const CLIENT_ERRORS: &str = "docs: Troubleshoot Dataverse Web API client errors";

/// The accounts, with this query.
macro_rules! list {
    ($query:literal) => {
        ("GET", concat!("/api/data/v9.2/accounts?", $query))
    };
}

/// An account that there is, with this query.
macro_rules! one {
    ($query:literal) => {
        (
            "GET",
            concat!(
                "/api/data/v9.2/accounts(a0c0de00-0000-4000-8000-000000000001)?",
                $query
            ),
        )
    };
}

const RULES: [Rule; 24] = [
    (
        "rows are not filtered",
        ALONE,
        list!("$filter=name%20eq%20'A'"),
        "",
        400,
        "$filter",
    ),
    (
        "rows are not sorted",
        ALONE,
        list!("$orderby=name"),
        "",
        400,
        "$orderby",
    ),
    (
        "rows are not expanded",
        ALONE,
        list!("$expand=primarycontactid"),
        "",
        400,
        "$expand",
    ),
    (
        "rows are not limited",
        ALONE,
        list!("$top=5"),
        "",
        400,
        "$top",
    ),
    (
        "a parameter is known",
        ALONE,
        list!("since=2026-09-01"),
        "",
        400,
        "since",
    ),
    (
        "a column is known",
        CLIENT_ERRORS,
        list!("$select=name,nmae"),
        "",
        400,
        "named 'nmae'",
    ),
    (
        "capitals of a column count",
        CLIENT_ERRORS,
        list!("$select=creditLimit"),
        "",
        400,
        "named 'creditLimit' on type 'Microsoft.Dynamics.CRM.account'",
    ),
    (
        "a column of one account is known",
        CLIENT_ERRORS,
        one!("$select=creditlimit,creditonhld"),
        "",
        400,
        "named 'creditonhld' on type 'Microsoft.Dynamics.CRM.account'",
    ),
    (
        "a currency is selected by the column that holds its id",
        "docs: a lookup is _NAME_value",
        one!("$select=creditlimit,transactioncurrencyid_value"),
        "",
        400,
        "named 'transactioncurrencyid_value'",
    ),
    (
        "a parameter comes once",
        "OData 4.0, URL conventions 5.1",
        list!("$select=name&$select=name"),
        "",
        400,
        "more than once",
    ),
    (
        "a query is text",
        "RFC 3986; else assumed",
        list!("$select=%ff"),
        "",
        400,
        "no text",
    ),
    (
        "a page has rows",
        SIZE,
        list!("$select=name"),
        "odata.maxpagesize=0",
        400,
        "positive",
    ),
    (
        "a page size is a number",
        SIZE,
        list!("$select=name"),
        "odata.maxpagesize=all",
        400,
        "positive",
    ),
    (
        "a delta token was given",
        TOKEN,
        list!("$deltatoken=yesterday"),
        "",
        400,
        "malformed",
    ),
    (
        "a delta token is whole",
        TOKEN,
        list!("$deltatoken="),
        "",
        400,
        "malformed",
    ),
    (
        "a delta token is no paging token",
        TOKEN,
        list!("$deltatoken=p!1!0!1790000000"),
        "",
        400,
        "malformed",
    ),
    (
        "a paging token is no delta token",
        TOKEN,
        list!("$skiptoken=0!1790000000"),
        "",
        400,
        "malformed",
    ),
    (
        "one token is enough",
        TOKEN,
        list!("$skiptoken=p!1!0!1790000000&$deltatoken=0!1790000000"),
        "",
        400,
        "and a delta",
    ),
    (
        "a token of another environment is not known",
        "OData 4.0, 11.3: 410",
        list!("$deltatoken=999!1790000000"),
        "",
        410,
        "full sync",
    ),
    (
        "a token is good for seven days",
        "docs: 7 days by default; OData 4.0, 11.3: 410",
        list!("$deltatoken=0!1789395200"),
        "",
        410,
        "full sync",
    ),
    (
        "an id is one",
        "docs: the key of an account",
        ("GET", "/api/data/v9.2/accounts(41)"),
        "",
        400,
        "syntax",
    ),
    (
        "an account is there",
        "docs: 404",
        (
            "GET",
            "/api/data/v9.2/accounts(a0c0de00-0000-4000-8000-000000000029)",
        ),
        "",
        404,
        "Does Not Exist",
    ),
    (
        "accounts are only read here",
        "stricter on purpose",
        (
            "DELETE",
            "/api/data/v9.2/accounts(a0c0de00-0000-4000-8000-000000000001)",
        ),
        "",
        405,
        "not allowed",
    ),
    (
        "there is no other table",
        "docs: 404",
        ("GET", "/api/data/v9.2/leads"),
        "",
        404,
        "not found",
    ),
];

async fn refused(world: &World, token: &str, rule: Rule) {
    let (rule, source, call, prefer, status, told) = rule;
    let answered = world.raw(call, prefer, token).await;
    assert_eq!(
        answered.status, status,
        "{rule} ({source}): {}",
        answered.body
    );
    let message = answered.body["error"]["message"]
        .as_str()
        .unwrap_or_default();
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
async fn a_column_that_is_not_known_is_refused_with_the_documented_body() {
    let world = world(Quota::CountOnly).await;
    let answered = world.raw(one!("$select=Name"), "", &world.token).await;
    let message =
        "Could not find a property named 'Name' on type 'Microsoft.Dynamics.CRM.account'.";
    let body = json!({"error": {"code": "0x0", "message": message}});
    assert_eq!((answered.status, answered.body), (400, body));
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
        let row = (rule, "docs: 401", list!("$select=name"), "", 401, "");
        refused(&world, token, row).await;
    }
    let good = world.raw(list!("$select=name"), "", &world.token).await;
    assert_eq!(good.status, 200);
}
