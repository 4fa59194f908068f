//! What Qualio refuses: one row per rule, with the source of the rule and the raw request that
//! it refuses.

use serde_json::{Value, json};

use super::tests::{JSON_KEY, SUPPLIERS, created, send_raw, start};
use crate::doubles::Limit;

/// A refusal: the rule, where it stands, the body that breaks it, and where the answer points.
type BodyRule = (&'static str, &'static str, &'static str, &'static str);

const SCHEMA: &str = "createSupplier of the vendor's document";
const ONLY: &str = "only the five documented properties are accepted";

const BODY_RULES: [BodyRule; 25] = [
    ("a body is JSON", SCHEMA, "{", "body"),
    ("a body is there", SCHEMA, "", "body"),
    ("a body is an object", SCHEMA, "[]", "body"),
    (
        "name is required",
        SCHEMA,
        r#"{"intended_use":"x"}"#,
        "name",
    ),
    ("name is a string", SCHEMA, r#"{"name":7}"#, "name"),
    ("name is not null", SCHEMA, r#"{"name":null}"#, "name"),
    (
        "intended_use is a string",
        SCHEMA,
        r#"{"name":"A","intended_use":["x"]}"#,
        "intended_use",
    ),
    (
        "intended_use is not null",
        SCHEMA,
        r#"{"name":"A","intended_use":null}"#,
        "intended_use",
    ),
    (
        "contact is an object",
        SCHEMA,
        r#"{"name":"A","contact_information":"x"}"#,
        "contact_information",
    ),
    (
        "contact is not null",
        SCHEMA,
        r#"{"name":"A","contact_information":null}"#,
        "contact_information",
    ),
    (
        "contact name is a string",
        SCHEMA,
        r#"{"name":"A","contact_information":{"name":1}}"#,
        "contact_information.name",
    ),
    (
        "contact email is a string",
        SCHEMA,
        r#"{"name":"A","contact_information":{"email":null}}"#,
        "contact_information.email",
    ),
    (
        "contact phone is a string",
        SCHEMA,
        r#"{"name":"A","contact_information":{"phone":1}}"#,
        "contact_information.phone",
    ),
    (
        "contact address is a string",
        SCHEMA,
        r#"{"name":"A","contact_information":{"address":{}}}"#,
        "contact_information.address",
    ),
    (
        "contact website is a string",
        SCHEMA,
        r#"{"name":"A","contact_information":{"website":true}}"#,
        "contact_information.website",
    ),
    (
        "contact notes is a string",
        SCHEMA,
        r#"{"name":"A","contact_information":{"notes":1}}"#,
        "contact_information.notes",
    ),
    (
        "contact holds nothing else",
        ONLY,
        r#"{"name":"A","contact_information":{"fax":"1"}}"#,
        "contact_information.fax",
    ),
    (
        "sponsor is a number",
        SCHEMA,
        r#"{"name":"A","sponsor_user_id":"101"}"#,
        "sponsor_user_id",
    ),
    (
        "sponsor is a user",
        "an id of a user of the company",
        r#"{"name":"A","sponsor_user_id":999}"#,
        "sponsor_user_id",
    ),
    (
        "risk_id is a string",
        SCHEMA,
        r#"{"name":"A","risk_id":3}"#,
        "risk_id",
    ),
    (
        "risk_id is a UUID",
        SCHEMA,
        r#"{"name":"A","risk_id":"High"}"#,
        "risk_id",
    ),
    (
        "risk_id is a level",
        "an id from the risk levels",
        r#"{"name":"A","risk_id":"458bf34c-8ee1-475f-8c4c-ae735518991b"}"#,
        "risk_id",
    ),
    (
        "risk_type is not written",
        ONLY,
        r#"{"name":"A","risk_type":{"id":"x"}}"#,
        "risk_type",
    ),
    (
        "status is not written",
        ONLY,
        r#"{"name":"A","status":"APPROVED"}"#,
        "status",
    ),
    (
        "there is no external id",
        ONLY,
        r#"{"name":"A","external_id":"SUP-000123"}"#,
        "external_id",
    ),
];

#[tokio::test]
async fn a_create_or_replace_that_breaks_a_rule_is_refused_and_says_where() {
    let (qualio, _) = start(Limit::CountOnly).await;
    let standing = created(&qualio, json!({ "name": "Standing" })).await;
    let one = format!("{SUPPLIERS}/{}", standing.supplier_id);
    for (rule, source, body, name) in BODY_RULES {
        for call in [("POST", SUPPLIERS), ("PUT", &one)] {
            let with = ("a-key", "application/json");
            let (status, _, answer) = send_raw(&qualio, call, with, body).await;
            assert_eq!(status, 400, "{rule} ({source}): {call:?} {body}");
            assert_eq!(answer["status"], "error", "{rule}");
            let errors = answer["errors"].as_array().unwrap();
            assert_eq!(errors.len(), 1, "{rule}: {answer}");
            assert_eq!(errors[0]["location"], "body", "{rule}");
            assert_eq!(errors[0]["name"], name, "{rule}");
            assert!(errors[0]["description"].is_string(), "{rule}");
        }
    }
    assert_eq!(qualio.suppliers(), [standing]);
    let refused = BODY_RULES.len() * 2;
    let without_effect = qualio.calls().iter().filter(|call| !call.effect).count();
    assert_eq!(without_effect, refused);
}

/// Rule, source, method, path, key, content type, status, and what the answer holds.
type CallRule = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
    (u16, &'static str, &'static str),
);

const MISSING: &str = "/v1/suppliers/suppliers/none";

const CALL_RULES: [CallRule; 13] = [
    (
        "a key is needed",
        "security of the document",
        ("GET", "/v1/suppliers/risks"),
        ("", ""),
        (403, "/message", ""),
    ),
    (
        "the key must be right",
        "403 of the document",
        ("POST", SUPPLIERS),
        ("b-key", "application/json"),
        (403, "/message", ""),
    ),
    (
        "a list names a status",
        "required parameter",
        ("GET", SUPPLIERS),
        JSON_KEY,
        (400, "/errors/0/name", "status"),
    ),
    (
        "a status is one of five",
        "enum of the parameter",
        ("GET", "/v1/suppliers/suppliers?status=DELETED"),
        JSON_KEY,
        (400, "/errors/0/name", "status"),
    ),
    (
        "a status is in capitals",
        "enum of the parameter",
        ("GET", "/v1/suppliers/suppliers?status=draft"),
        JSON_KEY,
        (400, "/errors/0/location", "query"),
    ),
    (
        "all statuses are no status",
        "enum of the parameter",
        ("GET", "/v1/suppliers/suppliers?status="),
        JSON_KEY,
        (400, "/status", "error"),
    ),
    (
        "an unknown id is read",
        "404 of the document",
        ("GET", MISSING),
        JSON_KEY,
        (404, "/errors/0/name", "supplierId"),
    ),
    (
        "an unknown id is replaced",
        "404 of the document",
        ("PUT", MISSING),
        JSON_KEY,
        (404, "/status", "error"),
    ),
    (
        "a body is sent as JSON",
        "content of the request body",
        ("POST", SUPPLIERS),
        ("a-key", "text/plain"),
        (400, "/errors/0/name", "Content-Type"),
    ),
    (
        "a body has a type",
        "content of the request body",
        ("POST", SUPPLIERS),
        ("a-key", ""),
        (400, "/errors/0/location", "header"),
    ),
    (
        "nothing is deleted",
        "no such operation",
        ("DELETE", MISSING),
        JSON_KEY,
        (404, "/message", "Not Found"),
    ),
    (
        "nothing is patched",
        "no such operation",
        ("PATCH", MISSING),
        JSON_KEY,
        (404, "/message", "Not Found"),
    ),
    (
        "there is no other path",
        "no such path",
        ("GET", "/v1/suppliers"),
        JSON_KEY,
        (404, "/message", "Not Found"),
    ),
];

#[tokio::test]
async fn a_call_that_breaks_a_rule_is_refused_in_the_documented_shape() {
    let (qualio, _) = start(Limit::CountOnly).await;
    for (rule, source, call, with, (status, pointer, value)) in CALL_RULES {
        let (answered, _, body) = send_raw(&qualio, call, with, r#"{"name":"A"}"#).await;
        assert_eq!(answered, status, "{rule} ({source}): {body}");
        let told = body.pointer(pointer).and_then(Value::as_str);
        let told = told.unwrap_or_else(|| panic!("{rule}: {pointer} in {body}"));
        assert!(told.contains(value), "{rule}: {body}");
    }
    assert!(qualio.suppliers().is_empty());
    assert_eq!(qualio.calls().len(), CALL_RULES.len());
}
