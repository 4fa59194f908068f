//! The OpenAPI description: right by its own rules, and right about what is served.

use std::collections::BTreeSet;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tidegate_api::{openapi, openapi_text};
use tidegate_engine::Why;

use crate::caller::{Caller, described, invalid, rows};

/// The schema of OpenAPI 3.1 documents as the OpenAPI Initiative publishes it (2022-10-07, Apache 2.0).
const META: &str = include_str!("openapi-3.1.schema.json");

#[test]
fn the_description_is_openapi_3_1() {
    let meta: Value = serde_json::from_str(META).unwrap();
    let validator = jsonschema::validator_for(&meta).unwrap();
    let document = openapi();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    let mut broken = document;
    broken["paths"]["/v1/flows"]["get"]["responses"] = json!(7);
    assert!(
        !validator.is_valid(&broken),
        "the schema looks at operations"
    );
}

#[test]
fn every_schema_is_one_and_every_reference_leads_somewhere() {
    let document = openapi();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        let checked = jsonschema::draft202012::meta::validate(schema);
        assert!(checked.is_ok(), "{name}");
    }
    let text = openapi_text();
    let references = text.split("\"$ref\": \"").skip(1);
    let references: BTreeSet<&str> = references
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn operations_have_names_of_their_own_and_paths_name_their_parameters() {
    let document = openapi();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{path}");
            let parameters = operation["parameters"].as_array().unwrap();
            let in_path = parameters.iter().filter(|one| one["in"] == "path");
            let parts: Vec<String> = in_path
                .map(|one| format!("{{{}}}", one["name"].as_str().unwrap()))
                .collect();
            assert_eq!(parts.len(), path.matches('{').count(), "{path}");
            assert!(parts.iter().all(|name| path.contains(name)), "{path}");
        }
    }
}

#[test]
fn a_scheme_that_an_operation_names_is_there() {
    let document = openapi();
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|methods| methods.as_object().unwrap().values());
    let named = operations.filter_map(|operation| operation["security"].as_array());
    let named = named.chain(document["security"].as_array()).flatten();
    let named: BTreeSet<&String> = named
        .flat_map(|one| one.as_object().unwrap().keys())
        .collect();
    assert_eq!(named, schemes.keys().collect());
}

/// The function that decides writes its reasons by hand.
#[test]
fn every_reason_of_a_decision_is_described() {
    let document = openapi();
    let reasons = document["components"]["schemas"]["Why"]["oneOf"].as_array();
    let reasons = reasons.unwrap().iter();
    let reasons: Vec<&str> = reasons.map(|one| one["const"].as_str().unwrap()).collect();
    assert_eq!(reasons, Why::ALL.map(Why::as_str));
}

#[tokio::test]
async fn the_description_is_served_without_a_token_and_holds_none() {
    let caller = Caller::new();
    let answer = caller
        .send(Request::get("/v1/openapi.json"), Body::empty())
        .await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let served = answer.ok(200);
    assert_eq!(served, openapi());
    let apart: Vec<(&str, &Value)> = served["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .values()
                .map(move |of| (path, of))
        })
        .filter_map(|(path, operation)| Some((path.as_str(), operation.get("security")?)))
        .collect();
    let hook = "/v1/flows/{flow}/webhook";
    let (nobody_s, decisions) = (json!([]), json!([{"decideToken": []}]));
    let expected = [
        ("/v1/flows/{flow}/decide", &decisions),
        (hook, &nobody_s),
        (hook, &nobody_s),
        ("/v1/openapi.json", &nobody_s),
    ];
    assert_eq!(apart, expected);
    let others = Request::post("/v1/openapi.json");
    caller.send(others, Body::empty()).await.problem(405);
}

/// Each answer of each test is held against the description where it arrives; here each operation is
/// called once, so that none is described alone.
#[tokio::test]
async fn every_operation_is_served_as_it_is_described() {
    let caller = Caller::new();
    let mut all = rows(2);
    let second = invalid(all.pop().unwrap());
    all.push(second);
    caller.batch("suppliers", all).await;
    let flow = "/v1/flows/suppliers";
    let review = "/v1/reviews/suppliers~SUP-000002";
    caller.get("/v1/flows").await.ok(200);
    caller.get(&format!("{flow}/schema")).await.ok(200);
    caller.post(&format!("{flow}/runs")).await.ok(202);
    caller.post(&format!("{flow}/reconcile")).await.ok(202);
    caller.get(&format!("{flow}/reconcile")).await.problem(404);
    caller.post(&format!("{flow}/audit")).await.ok(202);
    caller.get(&format!("{flow}/audit")).await.problem(404);
    // This flow has none.
    caller.post(&format!("{flow}/warehouse")).await.problem(404);
    caller.get(&format!("{flow}/warehouse")).await.problem(404);
    let who = json!({"by": "Ana", "reason": "audit"});
    caller
        .post_json(&format!("{flow}/pause"), who.clone())
        .await
        .ok(200);
    caller
        .post_json(&format!("{flow}/resume"), who)
        .await
        .ok(200);
    caller.get(&format!("{flow}/records")).await.ok(200);
    caller
        .get(&format!("{flow}/records/SUP-000001"))
        .await
        .ok(200);
    caller
        .post(&format!("{flow}/records/SUP-000001/sync"))
        .await
        .ok(202);
    caller.get("/v1/reviews").await.ok(200);
    caller.get(review).await.ok(200);
    let edit = json!({"fields": {"name": "Acme"}, "by": "Ana", "why": "typo"});
    caller.patch_json(review, edit).await.ok(200);
    caller
        .post(&format!("{review}/replay?dry_run=true"))
        .await
        .ok(200);
    caller.post(&format!("{review}/replay")).await.ok(202);
    caller.post(&format!("{review}/discard")).await.problem(404);
    caller
        .post(&format!("{flow}/records/SUP-000001/forget"))
        .await
        .problem(409);
    let event = json!({"source": "erp", "detail_type": "end of day"});
    caller.post_json("/v1/events", event).await.ok(202);
    caller.get("/v1/openapi.json").await.ok(200);
    let seen: BTreeSet<String> = caller.called();
    // Webhook and decisions are functions of their own, and their tests hold them against the description.
    let all = described()
        .ids()
        .into_iter()
        .filter(|id| !["pushChange", "askConsent", "decide"].contains(id));
    let all: BTreeSet<String> = all.map(str::to_owned).collect();
    assert_eq!(seen, all);
}
