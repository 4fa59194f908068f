//! `check --against`: flow files held against what a target accepts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::{path::Path, process::Command, sync::Arc};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_testkit::doubles::members::MembersDouble;

const SUPPLIERS: &str = include_str!("../../flows/suppliers.toml");

/// The supplier flow to a service that upserts, and says where it describes itself.
fn flows() -> TempDir {
    let (head, _) = SUPPLIERS.split_once("[target]").unwrap();
    let flow = format!(
        r#"{head}[target]
type = "rest"
name = "members"
base_url = "http://members"
upsert = {{ method = "PUT", path = "/v1/members/{{{{ key }}}}" }}
contract = {{ openapi = "/openapi.json" }}
[target.limits]
real_time = {{ calls = 20, per_s = 60 }}
batch = {{ calls = 50, per_s = 60 }}
[target.body]
name = "fields.name"
purpose = "fields.purpose"
"#
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("members.toml"), flow).unwrap();
    folder
}

fn check(folder: &Path, against: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .env_clear()
        .env("TIDEGATE_VAR_ERP_URL", "http://erp");
    command.args(["check", "--flows", ".", "--against", against]);
    let output = command.current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn member(name: &Value) -> Value {
    json!({
        "properties": { "name": name, "purpose": {} },
        "required": ["name"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_no_difference_and_what_drifted_is_told_with_its_line() {
    let double = MembersDouble::start(Arc::new(|| 0), "token").await.unwrap();
    let folder = flows();
    let (base, whole) = (double.url(), format!("{}/openapi.json", double.url()));
    double.describe(member(&json!({ "type": "string" })));
    for against in [&base, &whole] {
        let (code, said) = check(folder.path(), against);
        assert_eq!(code, Some(0), "{said}");
        let last = format!("1 flow: no differences from {against}");
        assert_eq!(said.lines().last(), Some(last.as_str()));
    }
    double.describe(member(&json!({ "type": "integer" })));
    let text = std::fs::read_to_string(folder.path().join("members.toml")).unwrap();
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("name = \"fields"))
        .unwrap();
    for against in [&base, &whole] {
        let (code, said) = check(folder.path(), against);
        assert_eq!(code, Some(1), "{said}");
        let told = format!(
            "members.toml:{line}: PUT /v1/members/{{}}: `name`: the flow writes a text, the target accepts a whole number\n1 difference from {against}\n"
        );
        assert!(said.ends_with(&told), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_compared_too_and_what_is_no_description_is_told() {
    let double = MembersDouble::start(Arc::new(|| 0), "token").await.unwrap();
    let folder = flows();
    let (code, said) = check(folder.path(), &double.url());
    assert_eq!(code, Some(1));
    assert!(said.contains("/openapi.json answered 404"), "{said}");
    let put = json!({ "requestBody": { "content": { "application/json": { "schema": member(&json!({})) } } } });
    let document = json!({ "openapi": "3.0.3", "paths": { "/v1/members/{ref}": { "put": put } } });
    for (text, code, told) in [
        (document.to_string(), 0, "no differences from api.json"),
        ("{".to_owned(), 1, "api.json is not JSON"),
        (
            "{}".to_owned(),
            1,
            "api.json can not be read: (document): this is no OpenAPI 3.x document",
        ),
    ] {
        std::fs::write(folder.path().join("api.json"), text).unwrap();
        let (ended, said) = check(folder.path(), "api.json");
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(told), "{said}");
    }
    let (code, said) = check(folder.path(), "gone.json");
    assert_eq!(code, Some(1));
    assert!(said.contains("neither an address nor a file"), "{said}");
}

/// What a Qualio says of its suppliers, in a file.
fn qualio(supplier: &Value) -> Value {
    let call =
        json!({ "requestBody": { "content": { "application/json": { "schema": supplier } } } });
    json!({ "openapi": "3.1.0", "paths": {
        "/v1/suppliers/suppliers": { "post": call },
        "/v1/suppliers/suppliers/{id}": { "put": call },
    } })
}

#[test]
fn the_shipped_flow_is_held_against_a_file_of_qualio_without_a_contract_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("suppliers.toml"), SUPPLIERS).unwrap();
    let against = |document: &Value| {
        std::fs::write(folder.path().join("qualio.json"), document.to_string()).unwrap();
        check(folder.path(), "qualio.json")
    };
    let text = || json!({ "type": "string" });
    let contact = ["name", "email", "phone", "address", "website", "notes"];
    let contact: serde_json::Map<String, Value> = contact
        .map(|name| (name.to_owned(), text()))
        .into_iter()
        .collect();
    let mut supplier = json!({ "properties": {
        "name": text(),
        "contact_information": { "properties": contact },
        "intended_use": text(),
        "sponsor_user_id": { "type": "number" },
        "risk_id": text(),
    }, "required": ["name"] });
    let (code, said) = against(&qualio(&supplier));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.ends_with("1 flow: no differences from qualio.json\n"),
        "{said}"
    );

    supplier["properties"]["name"]["maxLength"] = json!(80);
    let (code, said) = against(&qualio(&supplier));
    assert_eq!(code, Some(1), "{said}");
    let line = 1 + SUPPLIERS
        .lines()
        .position(|line| line == "name = \"fields.name\"")
        .unwrap();
    let told = ["POST /v1/suppliers/suppliers", "PUT /v1/suppliers/suppliers/{}"].map(|call| {
        format!("./suppliers.toml:{line}: {call}: `name`: the flow writes up to 200 characters, the target accepts 80\n")
    });
    assert!(
        said.ends_with(&format!(
            "{}2 differences from qualio.json\n",
            told.concat()
        )),
        "{said}"
    );

    let (code, said) = against(&json!({ "openapi": "3.1.0", "paths": {} }));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("qualio.json describes no call by which a flow writes"),
        "{said}"
    );
}
