//! Step-by-step work: `cargo lambda watch` serves every function, and each event of infra/events
//! is answered. The stack on the emulator gives the table, the queues and the bus.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    binaries::{FUNCTIONS, repository},
    emulator::free_port,
    python,
    supervised::Supervised,
    until::until,
    world::World,
};

/// The functions are built before; what is left is cargo's look at what changed.
const LIMIT: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread")]
async fn cargo_lambda_watch_serves_every_function() {
    let world = World::start(3, &[]).await;
    let folder = world.stack.emulator().folder().to_path_buf();
    let port = free_port();
    let _watch = watch(&folder, port, &environment(&world, &folder));
    until("cargo lambda watch answers", LIMIT, || async {
        reqwest::get(format!("http://127.0.0.1:{port}/"))
            .await
            .ok()
            .map(drop)
    })
    .await;
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
        "webhook" => assert_eq!(answer["statusCode"], 401, "{answer}"),
        // Nothing was staged for the key, so there is nothing to do and nothing to repeat.
        "worker" => assert_eq!(
            answer["batchItemFailures"],
            serde_json::json!([]),
            "{answer}"
        ),
        _ => assert_eq!(answer.get("errorMessage"), None, "{function}: {answer}"),
    }
}

/// The shipped environment with this run's ports.
fn environment(world: &World, folder: &Path) -> PathBuf {
    let shipped = repository().join("infra/events/local.env");
    let text = fs::read_to_string(&shipped).expect("the shipped environment");
    let text = text
        .replace("http://127.0.0.1:4566", &world.stack.wire().url(""))
        .replace("http://127.0.0.1:8701", &world.erp.url())
        .replace("http://127.0.0.1:8702", &world.qualio.url());
    let path = folder.join("local.env");
    fs::write(&path, text).expect("a file in the folder of the run");
    path
}

/// The command of the README that starts with `start`, without that start.
fn readme_command(start: &str) -> Vec<String> {
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README");
    let line = readme.lines().find_map(|line| line.strip_prefix(start));
    let line = line.unwrap_or_else(|| panic!("the README has no line `{start}`"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// The README's command, with the environment of this run and the binaries of the other tests.
fn watch(folder: &Path, port: u16, environment: &Path) -> Supervised {
    let program = python::tool("cargo-lambda");
    let log = folder.join("watch.txt");
    let shipped = "infra/events/local.env";
    let arguments = readme_command("cargo lambda watch ");
    assert!(arguments.iter().any(|argument| argument == shipped));
    let arguments = arguments.into_iter().map(|argument| {
        if argument == shipped {
            environment.display().to_string()
        } else {
            argument
        }
    });
    Supervised::start(program.as_os_str(), &log, |command| {
        command
            .args(["lambda", "watch"])
            .args(arguments)
            .args(["--invoke-port", &port.to_string()])
            .args(["--profile", "e2e", "--ignore-changes"])
            .env("CARGO_TARGET_DIR", python::build_folder())
            .current_dir(repository());
    })
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
