//! The shipped flow of suppliers, held against what a Qualio says that it takes.

use super::*;

const SUPPLIERS: &str = include_str!("../../../../../infra/flows/suppliers.toml");

/// A Qualio that takes what the connector sends.
fn supplier() -> Value {
    let text = || json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {
            "name": text(),
            "intended_use": text(),
            "sponsor_user_id": {"type": "number"},
            "risk_id": text(),
            "contact_information": {"type": "object", "properties": {
                "name": text(), "email": text(), "phone": text(),
                "address": text(), "website": text(), "notes": text(),
            }},
        },
        "required": ["name"],
    })
}

fn qualio(supplier: &Value) -> Value {
    let call =
        json!({ "requestBody": { "content": { "application/json": { "schema": supplier } } } });
    json!({
        "openapi": "3.1.0",
        "servers": [{ "url": "https://qualio" }],
        "paths": {
            "/v1/suppliers/suppliers": { "get": {}, "post": call },
            "/v1/suppliers/suppliers/{supplierId}": { "get": {}, "put": call },
        },
    })
}

/// Differences of the flow file, each without its line.
fn differences_of(text: &str, document: &Value) -> Option<Vec<String>> {
    let found =
        check::against(&FlowText::alone("a.toml", text), &Settings::new(), document)?.unwrap();
    let told = found.iter().map(ToString::to_string);
    Some(
        told.map(|one| one.split_once(": ").unwrap().1.to_owned())
            .collect(),
    )
}

#[test]
fn what_the_shipped_flow_writes_fits_and_no_contract_needs_to_be_named() {
    assert!(!SUPPLIERS.contains("contract"));
    assert_eq!(
        differences_of(SUPPLIERS, &qualio(&supplier())),
        Some(vec![])
    );
    assert_eq!(
        differences_of(SUPPLIERS, &described(&json!({}))),
        None,
        "of another target"
    );
}

#[rstest]
#[case::gone("/properties/intended_use", None,
    &["`intended_use`: the flow writes it, the target does not name it"])]
#[case::gone_below("/properties/contact_information/properties/website", None,
    &["`contact_information/website`: the flow writes it, the target does not name it"])]
#[case::the_place_of_the_marker("/properties/contact_information/properties/notes", None,
    &["`contact_information/notes`: the flow writes it, the target does not name it"])]
#[case::required_and_unknown("/required", Some(json!(["name", "category"])),
    &["`category`: the flow does not write it, the target requires it"])]
#[case::required_and_not_always_there("/required", Some(json!(["sponsor_user_id"])),
    &["`sponsor_user_id`: the flow leaves it out where its field has no value (it is not in `schema.required`), the target requires it"])]
#[case::required_and_always_there("/required", Some(json!(["name", "contact_information", "risk_id"])), &[])]
#[case::required_below("/properties/contact_information/required", Some(json!(["notes", "name"])),
    &["`contact_information/name`: the flow leaves it out where its field has no value (it is not in `schema.required`), the target requires it"])]
#[case::whole_numbers_fit("/properties/sponsor_user_id/type", Some(json!("integer")), &[])]
#[case::another_type("/properties/sponsor_user_id/type", Some(json!("string")),
    &["`sponsor_user_id`: the flow writes a whole number, the target accepts a text"])]
#[case::another_type_of_what_is_computed("/properties/risk_id/type", Some(json!("integer")),
    &["`risk_id`: the flow writes a text, the target accepts a whole number"])]
#[case::another_type_of_a_field_without_a_schema("/properties/intended_use/type", Some(json!("array")),
    &["`intended_use`: the flow writes a text, the target accepts a list"])]
#[case::another_type_of_the_notes("/properties/contact_information/properties/notes/type", Some(json!("object")),
    &["`contact_information/notes`: the flow writes a text, the target accepts a table"])]
#[case::another_type_below("/properties/contact_information/properties/phone/type", Some(json!("number")),
    &["`contact_information/phone`: the flow writes a text, the target accepts a number"])]
#[case::no_table("/properties/contact_information", Some(json!({"type": "string"})),
    &["`contact_information`: the flow writes a table, the target accepts a text"])]
#[case::shorter("/properties/name/maxLength", Some(json!(100)),
    &["`name`: the flow writes up to 200 characters, the target accepts 100"])]
#[case::long_enough("/properties/name/maxLength", Some(json!(200)), &[])]
#[case::only_shown("/properties/risk_id/readOnly", Some(json!(true)),
    &["`risk_id`: the flow writes it, the target only shows it (`readOnly`)"])]
fn a_drift_of_qualio_is_told_of_both_calls(
    #[case] pointer: &str,
    #[case] value: Option<Value>,
    #[case] told: &[&str],
) {
    let mut supplier = supplier();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = supplier
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    let of_both: Vec<String> = [
        "POST /v1/suppliers/suppliers",
        "PUT /v1/suppliers/suppliers/{}",
    ]
    .iter()
    .flat_map(|call| told.iter().map(move |one| format!("{call}: {one}")))
    .collect();
    assert_eq!(
        differences_of(SUPPLIERS, &qualio(&supplier)).unwrap(),
        of_both
    );
}

#[rstest]
#[case::fewer_values("intended_use = \"fields.certification_status\"", "/properties/intended_use/enum", json!(["valid", "none"]),
    &["`intended_use`: the flow may write \"expired\", \"suspended\", the target accepts \"none\", \"valid\""])]
#[case::unmapped("", "/required", json!(["name", "intended_use"]),
    &["`intended_use`: the flow does not write it, the target requires it"])]
fn a_drift_of_another_body_is_told(
    #[case] body: &str,
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] told: &[&str],
) {
    let text = SUPPLIERS.replace("intended_use = \"fields.purpose\"", body);
    let mut supplier = supplier();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    supplier.pointer_mut(parent).unwrap()[name] = value;
    let found = differences_of(&text, &qualio(&supplier)).unwrap();
    assert_eq!(found.len(), 2 * told.len(), "{found:?}");
    for (found, told) in found.iter().zip(told) {
        assert!(found.ends_with(told), "{found}");
    }
}

#[rstest]
#[case::as_one_expression(r#"contact_information = "fields.contact_name""#)]
#[case::not_at_all("")]
fn the_marker_is_sent_whatever_the_flow_says_of_contacts(#[case] contact: &str) {
    let (head, _) = SUPPLIERS
        .split_once("[target.body.contact_information]")
        .unwrap();
    let text = format!("{head}{contact}\n");
    let mut supplier = supplier();
    supplier["required"] = json!(["name", "contact_information"]);
    supplier["properties"]["contact_information"]["required"] = json!(["notes"]);
    assert_eq!(differences_of(&text, &qualio(&supplier)), Some(vec![]));
    supplier["properties"]["contact_information"]["properties"]
        .as_object_mut()
        .unwrap()
        .remove("notes");
    supplier["properties"]["contact_information"]["required"] = json!([]);
    assert_eq!(differences_of(&text, &qualio(&supplier)).unwrap().len(), 2);
}

#[test]
fn a_call_that_is_gone_is_told_at_the_target() {
    let mut document = qualio(&supplier());
    document["paths"]["/v1/suppliers/suppliers/{supplierId}"]
        .as_object_mut()
        .unwrap()
        .remove("put");
    let found = check::against(
        &FlowText::alone("a.toml", SUPPLIERS),
        &Settings::new(),
        &document,
    )
    .unwrap()
    .unwrap();
    let line = 1 + SUPPLIERS
        .lines()
        .position(|line| line == "[target]")
        .unwrap();
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [format!(
            "a.toml:{line}: PUT /v1/suppliers/suppliers/{{}}: the flow calls it, the target does not describe it"
        )]
    );
}

#[test]
fn a_contract_is_compared_by_runs_where_the_flow_names_it_only() {
    let settings: Settings = [
        "ERP_URL",
        "QUALIO_URL",
        "QUALIO_RISK_HIGH",
        "QUALIO_RISK_LOW",
        "QUALIO_RISK_MEDIUM",
    ]
    .map(|name| (name.to_owned(), "http://there".to_owned()))
    .into();
    let shipped = Flow::load("a.toml", SUPPLIERS, &settings).unwrap();
    assert!(shipped.writes().is_none() && shipped.target().contract().is_none());
    let text = SUPPLIERS.replace(
        "secret = \"QUALIO_API_KEY\"",
        "secret = \"QUALIO_API_KEY\"\ncontract = { openapi = \"/openapi.json\" }",
    );
    let flow = Flow::load("a.toml", &text, &settings).unwrap();
    let call = flow.target().contract().unwrap();
    let rendered = call.render(flow.target().contract_context()).unwrap();
    assert_eq!(rendered.path_and_query, "/openapi.json");
    let calls: Vec<String> = flow
        .writes()
        .unwrap()
        .operations()
        .iter()
        .map(Operation::name)
        .collect();
    assert_eq!(
        calls,
        [
            "POST /v1/suppliers/suppliers",
            "PUT /v1/suppliers/suppliers/{}"
        ]
    );
}
