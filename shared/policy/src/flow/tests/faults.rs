//! What the schema has against a record.

use super::*;

#[test]
fn faults_name_the_field_and_never_its_value() {
    let flow = suppliers();
    let Content::Record(mut fields) = flow.normalise(&row()).unwrap().content else {
        panic!("a record")
    };
    fields.insert("name".to_owned(), json!(""));
    fields.insert("audit_score".to_owned(), json!(173.25));
    fields.insert("certification_status".to_owned(), json!("secret-status"));
    fields.insert("certificates".to_owned(), json!(["ISO", 5_551_234]));
    fields.insert("blocked".to_owned(), Value::Null);
    fields.insert("sponsor_id".to_owned(), json!("secret-sponsor"));
    fields.remove("approved");
    let faults = flow.validate(&fields);
    let mut told: Vec<String> = faults
        .iter()
        .map(|fault| format!("{} {}", fault.field, fault.reason))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "approved is required",
            "audit_score must be at most 100",
            "blocked has no value",
            "certificates/1 must be a text",
            "certification_status must be one of [\"valid\",\"expired\",\"suspended\",\"none\"]",
            "name must not be empty",
            "sponsor_id must be null or a whole number",
        ]
    );
}

#[rstest]
#[case("\"string\"", json!(7), "must be a text")]
#[case("\"integer\"", json!("x"), "must be a whole number")]
#[case("\"number\"", json!("x"), "must be a number")]
#[case("\"boolean\"", json!("x"), "must be true or false")]
#[case("\"array\"", json!("x"), "must be a list")]
#[case("\"object\"", json!("x"), "must be a table")]
#[case("\"null\"", json!("x"), "must be null")]
#[case("[\"boolean\", \"object\"]", json!("x"), "must be true or false or a table")]
fn a_fault_names_the_kind_that_the_schema_asks_for(
    #[case] kind: &str,
    #[case] value: Value,
    #[case] reason: &str,
) {
    let property = format!("language = {{ type = {kind} }}");
    let flow = contacts(&[(
        "language = { type = \"string\", maxLength = 10 }",
        &property,
    )]);
    let fields = fields(json!({"email": "a@b.example", "subscribed": true, "language": value}));
    let told: Vec<String> = flow
        .validate(&fields)
        .into_iter()
        .map(|fault| fault.reason)
        .collect();
    assert_eq!(told, [reason]);
}
