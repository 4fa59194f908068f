use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Map, Value, json};
use tidegate_model::{UnixMs, flow::FlowFile};

use super::*;
use crate::{
    check::{self, Elsewhere},
    flow::{Flow, FlowText, Settings},
};

mod qualio;
mod stages;

const CONTACTS: &str = include_str!("../../../../infra/flows/examples/contacts.toml");

/// The contacts flow with a description, and its body as these lines have it.
fn flow(body: &str, schema: &str) -> String {
    let (head, _) = CONTACTS.split_once("[schema]").unwrap();
    format!(
        "{head}
[schema]
type = \"object\"
required = [\"email\", \"subscribed\"]
[schema.properties]
{schema}
[schedule]
time_zone = \"UTC\"
every_minutes = 15
[target]
type = \"rest\"
name = \"newsletter\"
base_url = \"http://newsletter/api\"
upsert = {{ method = \"PUT\", path = \"/3.0/members/{{{{ key }}}}\" }}
delete = {{ method = \"DELETE\", path = \"/3.0/members/{{{{ key }}}}\" }}
contract = {{ openapi = \"/openapi.json\" }}
limits = {{ real_time = {{ calls = 30, per_s = 60 }}, batch = {{ calls = 60, per_s = 60 }} }}
[target.body]
{body}
[freshness]
critical_s = 300
other_s = 1800
"
    )
}

fn writes(body: &str, schema: &str) -> Writes {
    let file: FlowFile = toml::from_str(&flow(body, schema)).unwrap();
    Writes::of(&file, "http://newsletter/api")
}

/// A description with this schema of the body.
fn described(schema: &Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": { "/3.0/members/{id}": { "put": { "requestBody": { "content": {
            "application/json": { "schema": schema },
        } } } } },
    })
}

fn told_of(body: &str, schema: &str, accepted: &Value) -> Vec<String> {
    let writes = writes(body, schema);
    let contract = Contract::read(&described(accepted), &writes).unwrap();
    let found = differences(&writes, &contract);
    found.iter().map(ToString::to_string).collect()
}

const EMAIL: &str = "email = \"fields.email\"";
const TEXT_OF_80: &str = "email = { type = \"string\", maxLength = 80 }";

#[rstest]
#[case::fits(EMAIL, TEXT_OF_80, json!({"properties": {"email": {"type": "string", "maxLength": 80}}}), &[])]
#[case::a_type(EMAIL, TEXT_OF_80, json!({"properties": {"email": {"type": "integer"}}}),
    &["`email`: the flow writes a text, the target accepts a whole number"])]
#[case::whole_numbers_are_numbers(EMAIL, "email = { type = \"integer\" }", json!({"properties": {"email": {"type": "number"}}}), &[])]
#[case::numbers_are_not_whole(EMAIL, "email = { type = \"number\" }", json!({"properties": {"email": {"type": "integer"}}}),
    &["`email`: the flow writes a number, the target accepts a whole number"])]
#[case::null_is_left_out(EMAIL, "email = { type = [\"string\", \"null\"] }", json!({"properties": {"email": {"type": "string"}}}), &[])]
#[case::a_length(EMAIL, TEXT_OF_80, json!({"properties": {"email": {"maxLength": 79}}}),
    &["`email`: the flow writes up to 80 characters, the target accepts 79"])]
#[case::no_length_of_ours(EMAIL, "email = { type = \"string\" }", json!({"properties": {"email": {"maxLength": 79}}}), &[])]
#[case::values(EMAIL, "email = { enum = [\"a\", \"b\"] }", json!({"properties": {"email": {"enum": ["a", "c"]}}}),
    &["`email`: the flow may write \"b\", the target accepts \"a\", \"c\""])]
#[case::a_constant("kind = \"'person'\"", "", json!({"properties": {"kind": {"enum": ["human"]}}}),
    &["`kind`: the flow may write \"person\", the target accepts \"human\""])]
#[case::a_number_of_the_file("level = 7", "", json!({"properties": {"level": {"type": "string"}}}),
    &["`level`: the flow writes a whole number, the target accepts a text"])]
#[case::unknown(EMAIL, "", json!({"properties": {"mail": {}}, "additionalProperties": false}),
    &["`email`: the flow writes it, the target does not name it"])]
#[case::unnamed(EMAIL, "", json!({"properties": {"mail": {}}}),
    &["`email`: the flow writes it, the target does not name it"])]
#[case::others_are_taken(EMAIL, "", json!({"properties": {"mail": {}}, "additionalProperties": true}), &[])]
#[case::any_table(EMAIL, "", json!({"type": "object"}), &[])]
#[case::required(EMAIL, "", json!({"properties": {"email": {}, "name": {}}, "required": ["email", "name"]}),
    &["`name`: the flow does not write it, the target requires it"])]
#[case::required_but_shown(EMAIL, "", json!({"properties": {"email": {}, "id": {"readOnly": true}}, "required": ["id"]}), &[])]
#[case::may_be_left_out("name = \"fields.name\"", "", json!({"properties": {"name": {}}, "required": ["name"]}),
    &["`name`: the flow leaves it out where its field has no value (it is not in `schema.required`), the target requires it"])]
#[case::computed("name = \"fields.name | upper\"", "", json!({"properties": {"name": {"type": "integer"}}, "required": ["name"]}), &[])]
#[case::read_only(EMAIL, "", json!({"properties": {"email": {"readOnly": true}}}),
    &["`email`: the flow writes it, the target only shows it (`readOnly`)"])]
#[case::a_table_within("address = { city = \"fields.name\" }", "", json!({"properties": {"address": {"properties": {"town": {}}}}}),
    &["`address/city`: the flow writes it, the target does not name it"])]
#[case::entries("tags = \"fields.tags\"", "tags = { type = \"array\", items = { type = \"string\" } }",
    json!({"properties": {"tags": {"items": {"type": "object"}}}}),
    &["`tags/*`: the flow writes a text, the target accepts a table"])]
#[case::all_of(EMAIL, "", json!({"allOf": [{"properties": {"email": {}}}, {"required": ["name"], "properties": {"name": {}}}]}),
    &["`name`: the flow does not write it, the target requires it"])]
#[case::a_type_or_null(EMAIL, TEXT_OF_80, json!({"properties": {"email": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}),
    &["`email`: the flow writes a text, the target accepts a whole number or null"])]
#[case::one_of_two(EMAIL, TEXT_OF_80, json!({"properties": {"email": {"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 9}]}}}), &[])]
#[case::forms_are_not_told_apart(EMAIL, "", json!({"oneOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}), &[])]
fn what_does_not_fit_is_told(
    #[case] body: &str,
    #[case] schema: &str,
    #[case] accepted: Value,
    #[case] told: &[&str],
) {
    let told: Vec<String> = told
        .iter()
        .map(|one| format!("PUT /3.0/members/{{}}: {one}"))
        .collect();
    assert_eq!(told_of(body, schema, &accepted), told);
}

#[test]
fn references_are_followed_and_one_that_goes_round_is_told() {
    let mut document = described(&json!({"$ref": "#/components/schemas/a%7E1b"}));
    document["components"] = json!({"schemas": {
        "a/b": {"allOf": [{"$ref": "#/components/schemas/Base"}], "properties": {"email": {"$ref": "#/components/schemas/Email"}}},
        "Base": {"properties": {"name": {}}, "required": ["name"]},
        "Email": {"type": "integer"},
    }});
    let writes = writes(EMAIL, TEXT_OF_80);
    let contract = Contract::read(&document, &writes).unwrap();
    assert_eq!(differences(&writes, &contract).len(), 2, "{contract:?}");
    document["components"]["schemas"]["Email"] = json!({"$ref": "#/components/schemas/Email"});
    let error = Contract::read(&document, &writes).unwrap_err();
    assert_eq!(error.pointer, "/components/schemas/Email");
    document["components"]["schemas"]["Email"] = json!({"$ref": "other.json#/Email"});
    let error = Contract::read(&document, &writes).unwrap_err().to_string();
    assert_eq!(
        error,
        "/components/schemas/Email/$ref: `other.json#/Email` leads nowhere in this document"
    );
}

#[rstest]
#[case::as_it_is("/3.0/members/{id}", "", true)]
#[case::with_what_base_url_has("/api/3.0/members/{id}", "", true)]
#[case::below_a_server("/members/{id}", "https://api.example.com/api/3.0", true)]
#[case::a_server_that_is_a_path("/members/{id}", "/3.0", true)]
#[case::another_version("/4.0/members/{id}", "", false)]
#[case::below_another_server("/members/{id}", "/4.0", false)]
#[case::a_parameter_where_the_flow_has_a_text("/{version}/members/{id}", "", true)]
#[case::a_text_where_the_flow_has_a_parameter("/3.0/members/me", "", false)]
#[case::longer("/3.0/members/{id}/tags", "", false)]
fn a_call_is_found_by_its_path(#[case] path: &str, #[case] server: &str, #[case] found: bool) {
    let mut document = described(&json!({"properties": {"email": {}}}));
    let call = document["paths"]["/3.0/members/{id}"].take();
    document["paths"] = json!({ path: call });
    if !server.is_empty() {
        document["servers"] = json!([{ "url": server }]);
    }
    let writes = writes(EMAIL, "");
    let contract = Contract::read(&document, &writes).unwrap();
    let told = differences(&writes, &contract);
    let missing = "PUT /3.0/members/{}: the flow calls it, the target does not describe it";
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told.is_empty(), found, "{told:?}");
    assert!(found || told == [missing], "{told:?}");
}

#[rstest]
#[case(json!(7), "(document): this is no OpenAPI 3.x document")]
#[case(json!({"swagger": "2.0"}), "(document): this is no OpenAPI 3.x document")]
#[case(json!({"openapi": "2.0"}), "/openapi: this is no OpenAPI 3.x document")]
#[case(json!({"openapi": "3.0.0"}), "(document): `paths` is missing")]
#[case(json!({"openapi": "3.0.0", "paths": []}), "/paths: a table belongs here")]
#[case(described(&json!(7)), "/paths/~13.0~1members~1{id}/put/requestBody/content/application~1json/schema: a table belongs here")]
#[case(described(&json!({"properties": 7})), "/paths/~13.0~1members~1{id}/put/requestBody/content/application~1json/schema/properties: a table belongs here")]
#[case(described(&json!({"properties": {"email": {"type": "txt"}}})), "/schema/properties/email/type: `type` must be one of")]
#[case(described(&json!({"properties": {"email": {"maxLength": -1}}})), "/schema/properties/email/maxLength: a whole number belongs here")]
fn what_can_not_be_read_is_told_with_its_place(#[case] document: Value, #[case] told: &str) {
    let error = Contract::read(&document, &writes(EMAIL, "")).unwrap_err();
    assert!(error.to_string().contains(told), "{error}");
}

#[test]
fn what_changed_is_told_and_what_breaks_is_told_apart() {
    let writes = writes("email = \"fields.email\"\ntags = [\"fields.name\"]", "");
    let read = |schema: Value| Contract::read(&described(&schema), &writes).unwrap();
    let old = read(json!({"properties": {
        "email": {"type": "string", "maxLength": 80, "enum": ["a", "b"]},
        "tags": {"items": {"type": "string"}},
        "gone": {},
    }, "required": ["gone"], "additionalProperties": true}));
    let new = read(json!({"properties": {
        "email": {"type": ["string", "null"], "maxLength": 70, "enum": ["a", "b", "c"], "readOnly": true},
        "tags": {"items": {"type": "integer"}},
        "added": {},
        "needed": {},
    }, "required": ["needed", "email"]}));
    let told: Vec<(String, bool)> = changes(&old, &new)
        .iter()
        .map(|change| {
            (
                change.to_string().replacen("PUT /3.0/members/{}", "PUT", 1),
                change.breaks,
            )
        })
        .collect();
    let wanted = [
        ("PUT accepts no other properties any more", true),
        ("PUT: `added` is new", false),
        ("PUT: `email` is required now", true),
        ("PUT: `email` was a text and is null or a text", false),
        (
            "PUT: `email` accepted \"a\", \"b\" and accepts \"a\", \"b\", \"c\"",
            false,
        ),
        ("PUT: `email` had 80 characters at most and has 70", true),
        ("PUT: `email` is only shown now", true),
        ("PUT: `gone` is no longer there", true),
        ("PUT: `needed` is new and required", true),
        ("PUT: `tags/*` was a text and is a whole number", true),
    ];
    let wanted: Vec<(String, bool)> = wanted
        .map(|(text, breaks)| (text.to_owned(), breaks))
        .into();
    assert_eq!(told, wanted);
    assert_ne!(old.hash(), new.hash());
    assert_eq!(changes(&old, &old), []);
    let none = Contract::default();
    assert!(changes(&old, &none).iter().all(|change| change.breaks));
    assert!(!changes(&none, &old).iter().any(|change| change.breaks));
}

#[test]
fn a_contract_is_read_as_it_was_kept_and_another_format_is_not_believed() {
    let writes = writes(EMAIL, "");
    let contract =
        Contract::read(&described(&json!({"properties": {"email": {}}})), &writes).unwrap();
    let item = keep(&contract, 3, UnixMs(70)).evaluate(None).unwrap();
    let kept = Kept::read(Some(&item)).unwrap();
    assert_eq!((&kept.contract, kept.revision), (&contract, 3));
    assert_eq!((kept.hash, kept.fetched_at), (contract.hash(), UnixMs(70)));
    assert_eq!(keep(&contract, 3, UnixMs(69)).evaluate(Some(&item)), None);
    let mut other = item;
    other.insert("format".to_owned(), (FORMAT + 1).into());
    assert_eq!(Kept::read(Some(&other)), None);
}

#[test]
fn a_file_is_held_against_a_description_at_its_lines() {
    let body = "email = \"fields.email\"\nname = \"fields.name\"";
    let text = flow(body, "");
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("name = \"fields.name"))
        .unwrap();
    let document = described(&json!({"properties": {"email": {}}}));
    let settings = Settings::new();
    let found = check::against(&FlowText::alone("a.toml", &*text), &settings, &document)
        .unwrap()
        .unwrap();
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [format!(
            "a.toml:{line}: PUT /3.0/members/{{}}: `name`: the flow writes it, the target does not name it"
        )]
    );
    let unnamed = text.replace("contract = { openapi = \"/openapi.json\" }\n", "");
    let found = |text: &str, document: &Value| {
        check::against(&FlowText::alone("a.toml", text), &settings, document)
    };
    assert_eq!(found(&unnamed, &document).unwrap().unwrap().len(), 1);
    let of_another = json!({"openapi": "3.1.0", "paths": {}});
    assert_eq!(found(&unnamed, &of_another), None);
    let told = found(&text, &of_another).unwrap().unwrap();
    assert_eq!(told.len(), 1, "it says that it is described: {told:?}");
}

#[test]
fn a_file_is_compared_with_the_same_flow_elsewhere() {
    let text = flow(EMAIL, TEXT_OF_80);
    let settings = Settings::new();
    let against = |there: Option<&Elsewhere>| -> Vec<String> {
        let found = check::against_instance(&FlowText::alone("a.toml", &*text), &settings, there);
        let told = found.iter().map(ToString::to_string);
        told.map(|one| one.split_once(": ").unwrap().1.to_owned())
            .collect()
    };
    let file: FlowFile = toml::from_str(&text).unwrap();
    let document = described(&json!({"properties": {"email": {"type": "string"}}}));
    let writes = writes(EMAIL, TEXT_OF_80);
    let same = Elsewhere {
        revision: file.revision,
        file_hash: hash_of(&text),
        schema: file.schema,
        settings: None,
        contract: Some(Contract::read(&document, &writes).unwrap()),
    };
    assert_eq!(against(Some(&same)), [] as [String; 0]);
    assert_eq!(against(None), ["the flow `contacts` is not deployed there"]);
    let mut other = same.clone();
    other.revision += 1;
    other.file_hash = "0".to_owned();
    assert_eq!(against(Some(&other)), ["revision 1 here, 2 there"]);
    other.revision -= 1;
    other.schema["properties"]["email"]["maxLength"] = json!(70);
    other.schema["properties"]["phone"] = json!({});
    other.schema.remove("required");
    other.contract = Some(Contract::default());
    let told = against(Some(&other));
    let wanted = [
        "another file under the same revision: hash ",
        "`required` is not in the schema there",
        "`email` is {\"maxLength\":80,\"type\":\"string\"} here, {\"maxLength\":70,\"type\":\"string\"} there",
        "`phone` is in the schema there only",
        "there, PUT /3.0/members/{}: the flow calls it, the target does not describe it",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(wanted), "{told}");
    }
}

#[test]
fn a_description_that_no_call_could_be_held_against_is_a_mistake() {
    let text = flow(EMAIL, "").replace("method = \"PUT\"", "send_body = false, method = \"PUT\"");
    let report = check::check(
        &[FlowText::alone("a.toml", text)],
        &Settings::new(),
        UnixMs(0),
    );
    let told: Vec<&str> = report
        .mistakes
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(
        told,
        ["`[target.contract]` has nothing to be held against: no call sends a body"]
    );
}

#[test]
fn a_body_that_spreads_out_without_an_end_is_told() {
    let tables: Map<String, Value> = (0..MAX_SCHEMAS)
        .map(|n| (n.to_string(), json!({})))
        .collect();
    let document = described(&json!({ "properties": tables }));
    let error = Contract::read(&document, &writes(EMAIL, "")).unwrap_err();
    assert!(error.why.contains("more than 5000 schemas"), "{error}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "properties",
        "email",
        "required",
        "enum",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "$ref",
        "#",
        "#/paths",
        "string",
        "object",
        "maxLength",
        "additionalProperties",
        "const",
        "nullable",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..90).prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|table| Value::Object(table.into_iter().collect())),
        ]
    })
}

/// A schema that is one.
fn any_schema() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["email", "name", "a/b", "~"]).prop_map(str::to_owned);
    let kind = prop::sample::select(vec![
        "string", "integer", "number", "object", "array", "null",
    ]);
    let leaf = (kind, prop::option::of(0_u64..9), any::<bool>()).prop_map(|(kind, most, shown)| {
        let mut schema = json!({"type": kind, "readOnly": shown});
        if let Some(most) = most {
            schema["maxLength"] = json!(most);
        }
        schema
    });
    leaf.prop_recursive(4, 30, 4, move |inner| {
        let table = (
            prop::collection::btree_map(name(), inner.clone(), 0..4),
            prop::collection::btree_set(name(), 0..3),
            prop::option::of(any::<bool>()),
        )
            .prop_map(|(properties, required, others)| {
                let mut schema =
                    json!({"type": "object", "properties": properties, "required": required});
                if let Some(others) = others {
                    schema["additionalProperties"] = json!(others);
                }
                schema
            });
        prop_oneof![
            table,
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({ "allOf": all })),
            prop::collection::vec(inner, 1..3).prop_map(|some| json!({ "anyOf": some })),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_gives_a_contract_or_an_error_that_names_its_place(document in any_json(), body in any_json()) {
        let writes = writes("email = { name = \"fields.email\" }\ntags = [{ a = \"1\" }]", TEXT_OF_80);
        for document in [document, described(&body)] {
            match Contract::read(&document, &writes) {
                Ok(contract) => {
                    let found = differences(&writes, &contract);
                    prop_assert!(found.iter().all(|one| one.pointer.starts_with("/target/")));
                }
                Err(error) => {
                    prop_assert!(!error.pointer.is_empty() && !error.why.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_schema_takes_what_it_says_itself(schema in any_schema()) {
        let root = schema::Part { at: String::new(), value: &schema };
        let read = schema::Reader::new(&schema).read(&root, schema::Below::All, 0).unwrap();
        let mut writes = writes(EMAIL, "");
        writes.set_body(read.clone());
        let contract = Contract::read(&described(&schema), &writes).unwrap();
        prop_assert_eq!(differences(&writes, &contract), []);
        prop_assert_eq!(changes(&contract, &contract), []);
        let again: Contract = serde_json::from_str(&serde_json::to_string(&contract).unwrap()).unwrap();
        prop_assert_eq!(again.hash(), contract.hash());
    }
}
