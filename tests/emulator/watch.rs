//! Step-by-step work: `cargo lambda watch` serves every function, and each event of infra/events
//! is answered. The stack on the emulator gives the table, the queues and the bus.

use std::process::Command;

use serde_json::Value;

use crate::{
    binaries::{FUNCTIONS, repository},
    local::{Watch, environment, readme_command},
    python,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn cargo_lambda_watch_serves_every_function() {
    let world = World::start(3, &[]).await;
    let wire = world.stack.wire();
    let queue = |name: &str| wire.url(&format!("/000000000000/tidegate-dev-{name}"));
    let watch = Watch::start(
        &world,
        &environment(&[
            ("AWS_ENDPOINT_URL", wire.url("")),
            ("TIDEGATE_QUEUE_REALTIME", queue("realtime")),
            ("TIDEGATE_QUEUE_BATCH", queue("batch")),
            ("TIDEGATE_BASE_URL", wire.url("")),
            ("TIDEGATE_VAR_ERP_URL", world.erp.url()),
            ("TIDEGATE_VAR_QUALIO_URL", world.qualio.url()),
        ]),
    )
    .await;
    let port = watch.port;
    for function in FUNCTIONS {
        let answer = tokio::task::spawn_blocking(move || invoke(port, function))
            .await
            .expect("an invocation ends");
        let answer: Value = serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{function}: {error} in {answer}"));
        expect(function, &answer);
    }
}

/// What each function answers to its event.
fn expect(function: &str, answer: &Value) {
    match function {
        "api" => assert_eq!(answer["statusCode"], 200, "{answer}"),
        // The event was signed long ago: it must be refused, and tells nothing else.
        // They bear a signature and a token that nobody has.
        "webhook" | "decide" => assert_eq!(answer["statusCode"], 401, "{answer}"),
        // Nothing was staged for the key, so there is nothing to do and nothing to repeat.
        "worker" => assert_eq!(
            answer["batchItemFailures"],
            serde_json::json!([]),
            "{answer}"
        ),
        _ => assert_eq!(answer.get("errorMessage"), None, "{function}: {answer}"),
    }
}

/// The README's command, for another function than `tick` where one is asked for.
fn invoke(port: u16, function: &str) -> String {
    let arguments = readme_command("cargo lambda invoke ")
        .into_iter()
        .map(|argument| argument.replace("tick", function));
    let mut command = Command::new(python::tool("cargo-lambda"));
    command
        .args(["lambda", "invoke"])
        .args(arguments)
        .args(["--invoke-port", &port.to_string()])
        .current_dir(repository());
    python::output_of(&mut command)
}
