//! Which crate may use which: functions -> aws, connect, lambda -> engine -> policy -> model.

use std::collections::BTreeMap;

use crate::manifest::{Manifest, workspace};

/// Where a crate stands. Arrows go to a lower layer, never to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Model,
    Policy,
    Engine,
    /// aws, connect, lambda.
    Adapter,
    /// Ports in memory and doubles: for tests and for the demo.
    Testkit,
    /// The world in virtual time, over the testkit.
    Simulator,
    Function,
    /// The command of one machine: may use anything.
    Local,
    Tests,
}

fn layer(place: &str) -> Option<Layer> {
    Some(match place {
        "shared/model" => Layer::Model,
        "shared/policy" => Layer::Policy,
        "shared/engine" => Layer::Engine,
        "shared/aws" | "shared/connect" | "shared/lambda" => Layer::Adapter,
        "shared/testkit" => Layer::Testkit,
        "shared/simulator" => Layer::Simulator,
        "infra/local" => Layer::Local,
        "tests" => Layer::Tests,
        other if other.starts_with("functions/") => Layer::Function,
        _ => return None,
    })
}

/// What model and policy may use: crates that compute and do nothing else. A new one is added here
/// after a look at what it does.
const PURE: [&str; 18] = [
    "base64",
    // Opens a file where it is asked to; here it is given text.
    "csv",
    "hex",
    "hmac",
    "jiff",
    "jsonschema",
    "minijinja",
    "percent-encoding",
    "rand",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "strsim",
    "subtle",
    "thiserror",
    "toml",
    "uuid",
];

/// Crates that do I/O or run tasks; one that ends in `-` or `_` stands for all that begin so.
const IMPURE: [&str; 24] = [
    "actix-",
    "async-",
    "aws-",
    "aws_",
    "axum",
    "dynoxide-rs",
    "futures",
    "futures-",
    "hyper",
    "hyper-",
    "isahc",
    "lambda_",
    "mio",
    "poem",
    "reqwest",
    "rocket",
    "smol",
    "surf",
    "tokio",
    "tokio-",
    "tower",
    "tower-",
    "ureq",
    "warp",
];

/// What the engine may use of these: traits and joins, no runtime, no client and no server.
const ENGINE_MAY: [&str; 2] = ["async-trait", "futures-util"];

fn is_impure(name: &str) -> bool {
    IMPURE
        .iter()
        .any(|entry| name == *entry || (entry.ends_with(['-', '_']) && name.starts_with(entry)))
}

/// Every arrow that the design forbids, as a sentence.
fn forbidden(crates: &BTreeMap<String, Manifest>) -> Vec<String> {
    let mut faults = Vec::new();
    for manifest in crates.values() {
        let Some(from) = layer(&manifest.place) else {
            faults.push(format!("{} has no place in the layers", manifest.place));
            continue;
        };
        for used in &manifest.shipped {
            let ours = crates.get(used).and_then(|used| layer(&used.place));
            if !may_ship(from, used, ours) {
                faults.push(format!("{} must not use {used}", manifest.name));
            }
        }
        for used in &manifest.tested {
            let ours = crates.get(used).and_then(|used| layer(&used.place));
            if !may_test(from, used, ours) {
                faults.push(format!("tests of {} must not use {used}", manifest.name));
            }
        }
    }
    faults
}

fn may_ship(from: Layer, name: &str, ours: Option<Layer>) -> bool {
    match (from, ours) {
        (Layer::Model | Layer::Policy, None) => PURE.contains(&name),
        (Layer::Engine, None) => ENGINE_MAY.contains(&name) || !is_impure(name),
        (_, None) => true,
        (Layer::Local | Layer::Tests, Some(to)) => to < Layer::Local,
        // The testkit holds what the engine asks for, and no adapter.
        (Layer::Testkit, Some(to)) => to <= Layer::Engine,
        (Layer::Simulator, Some(to)) => to < from,
        (_, Some(to)) => to < from && !matches!(to, Layer::Testkit | Layer::Simulator),
    }
}

fn may_test(from: Layer, name: &str, ours: Option<Layer>) -> bool {
    match ours {
        None if from <= Layer::Policy => !is_impure(name),
        None => true,
        // A crate below the engine can not be tested by what is built on it.
        Some(Layer::Testkit) => from > Layer::Engine,
        Some(_) => may_ship(from, name, ours),
    }
}

#[test]
fn no_arrow_of_the_workspace_is_forbidden() {
    let faults = forbidden(&workspace());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The workspace with one made-up entry more.
fn with(place: &str, section: &str, used: &str) -> Vec<String> {
    let name = match place {
        "infra/local" => "tidegate".to_owned(),
        _ => format!("tidegate-{}", place.rsplit('/').next().unwrap()),
    };
    let text = format!("[package]\nname = \"{name}\"\n[{section}]\n\"{used}\" = \"1\"\n");
    let mut crates = workspace();
    let made_up = Manifest::read(place, &text, &toml::Table::new());
    crates.insert(name, made_up);
    forbidden(&crates)
}

#[test]
fn each_forbidden_arrow_is_found() {
    for (place, used) in [
        ("shared/model", "tidegate-policy"),
        ("shared/model", "tokio"),
        ("shared/model", "serde_yaml_of_an_unknown_kind"),
        ("shared/policy", "tidegate-engine"),
        ("shared/policy", "reqwest"),
        ("shared/policy", "async-trait"),
        ("shared/policy", "aws-sdk-sqs"),
        ("shared/policy", "axum"),
        ("shared/policy", "futures-util"),
        ("shared/engine", "tidegate-aws"),
        ("shared/engine", "tidegate-connect"),
        ("shared/engine", "tidegate-lambda"),
        ("shared/engine", "tidegate-testkit"),
        ("shared/engine", "aws-config"),
        ("shared/engine", "aws_lambda_events"),
        ("shared/engine", "reqwest"),
        ("shared/engine", "axum"),
        ("shared/engine", "hyper"),
        ("shared/engine", "tokio"),
        ("shared/aws", "tidegate-connect"),
        ("shared/connect", "tidegate-lambda"),
        ("shared/lambda", "tidegate-aws"),
        ("shared/lambda", "tidegate-worker"),
        ("shared/aws", "tidegate-testkit"),
        ("shared/testkit", "tidegate-aws"),
        ("functions/worker", "tidegate-testkit"),
        ("functions/worker", "tidegate-simulator"),
        ("shared/connect", "tidegate-simulator"),
        ("shared/testkit", "tidegate-simulator"),
        ("shared/simulator", "tidegate-worker"),
        ("functions/worker", "tidegate-tick"),
        ("functions/worker", "tidegate"),
        ("functions/worker", "tidegate-tests"),
        ("infra/local", "tidegate-tests"),
    ] {
        let fault = format!("must not use {used}");
        for section in ["dependencies", "build-dependencies"] {
            let faults = with(place, section, used);
            assert!(
                faults.iter().any(|found| found.ends_with(&fault)),
                "{place} -> {used}: {faults:?}"
            );
        }
    }
}

#[test]
fn each_forbidden_arrow_of_a_test_is_found() {
    for (place, used) in [
        ("shared/model", "tidegate-testkit"),
        ("shared/policy", "tidegate-testkit"),
        ("shared/policy", "tidegate-engine"),
        ("shared/policy", "tokio"),
        ("shared/engine", "tidegate-testkit"),
        ("shared/connect", "tidegate-aws"),
        ("functions/worker", "tidegate-tick"),
    ] {
        let faults = with(place, "dev-dependencies", used);
        let fault = format!("must not use {used}");
        assert!(
            faults.iter().any(|found| found.ends_with(&fault)),
            "{place} -> {used}: {faults:?}"
        );
    }
}

#[test]
fn an_allowed_arrow_is_not_found() {
    for (place, section, used) in [
        ("shared/policy", "dependencies", "tidegate-model"),
        ("shared/engine", "dependencies", "async-trait"),
        ("shared/connect", "dependencies", "reqwest"),
        ("shared/connect", "dev-dependencies", "tidegate-testkit"),
        ("functions/worker", "dependencies", "tidegate-aws"),
        ("functions/worker", "dependencies", "tidegate-policy"),
        ("functions/worker", "dev-dependencies", "tidegate-testkit"),
        ("infra/local", "dependencies", "tidegate-testkit"),
        ("infra/local", "dependencies", "tidegate-worker"),
        ("infra/local", "dependencies", "tidegate-simulator"),
        ("shared/simulator", "dependencies", "tidegate-testkit"),
        ("shared/simulator", "dependencies", "tidegate-connect"),
        ("tests", "dev-dependencies", "tidegate-testkit"),
    ] {
        assert_eq!(
            with(place, section, used),
            Vec::<String>::new(),
            "{place} -> {used}"
        );
    }
}

#[test]
fn a_crate_without_a_place_is_found() {
    let faults = with("shared/utils", "dependencies", "serde");
    assert_eq!(faults, ["shared/utils has no place in the layers"]);
}
