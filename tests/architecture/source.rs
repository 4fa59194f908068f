//! What may stand in a source: a function's `main.rs` only wires, and nothing below the adapters
//! reads a clock, spawns, sleeps or throws its own dice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::root;

/// `main.rs` is telemetry, configuration, adapters, run.
const MAIN_LINES: usize = 40;

/// What makes time, tasks or chance, which are arguments below the adapters.
const NOT_BELOW_ADAPTERS: [&str; 15] = [
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "Utc::now",
    "Local::now",
    "spawn(",
    "spawn_blocking",
    "spawn_local",
    "sleep(",
    "sleep_until(",
    "tokio::time",
    "rand::rng(",
    "rand::random",
    "thread_rng",
];

/// Crates to which that applies.
const BELOW_ADAPTERS: [&str; 3] = ["shared/model", "shared/policy", "shared/engine"];

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

fn faults_of_main(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > MAIN_LINES {
        faults.push(format!(
            "has {lines} lines, at most {MAIN_LINES} are allowed"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if words(code(line)).any(|word| word == "if") {
            faults.push(format!("decides in line {number}"));
        }
    }
    faults
}

fn faults_below_adapters(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for banned in NOT_BELOW_ADAPTERS {
            if code(line).contains(banned) {
                faults.push(format!("has {banned} in line {number}"));
            }
        }
    }
    faults
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn told(path: &Path, faults: &[String]) -> Vec<String> {
    let path = path.strip_prefix(root()).unwrap().display();
    faults
        .iter()
        .map(|fault| format!("{path} {fault}"))
        .collect()
}

#[test]
fn the_main_of_each_function_only_wires() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("functions")).unwrap() {
        let main = entry.unwrap().path().join("src/main.rs");
        faults.extend(told(
            &main,
            &faults_of_main(&fs::read_to_string(&main).unwrap()),
        ));
        seen += 1;
    }
    assert!(
        seen >= 10,
        "batch-sync, reconcile, quality-audit, warehouse, decide, webhook, worker, tick, digest, api"
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_below_the_adapters_makes_time_tasks_or_chance() {
    let mut faults = Vec::new();
    for folder in BELOW_ADAPTERS {
        let files = sources(&root().join(folder).join("src"));
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            faults.extend(told(&file, &faults_below_adapters(&text)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What judges the engine must not share its decisions: the checkers and the ledger of the simulator
/// would agree with any mistake of policy.
fn uses_policy(text: &str) -> bool {
    text.lines()
        .map(code)
        .any(|line| line.contains("tidegate_policy"))
}

#[test]
fn the_checkers_of_the_simulator_use_nothing_of_policy() {
    let files = sources(&root().join("tests/src"));
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!uses_policy(&text), "{}", file.display());
    }
    assert!(uses_policy("use tidegate_policy::register;"));
    assert!(!uses_policy("// tidegate_policy is not used"));
}

#[test]
fn a_main_that_decides_or_grows_is_found() {
    assert_eq!(
        faults_of_main("fn main() {\n    if x { y() }\n}\n"),
        ["decides in line 2"]
    );
    assert_eq!(
        faults_of_main("fn main() { let z = if x { 1 } else { 2 }; }"),
        ["decides in line 1"]
    );
    let long = "fn a() {}\n".repeat(MAIN_LINES + 1);
    assert_eq!(
        faults_of_main(&long),
        ["has 41 lines, at most 40 are allowed"]
    );
    let fine = "// if it were so\nfn main() { notify_if_open(); }\n";
    assert_eq!(faults_of_main(fine), Vec::<String>::new());
}

#[test]
fn a_clock_a_task_a_sleep_and_dice_are_found() {
    for banned in [
        "let now = std::time::SystemTime::now();",
        "let now = Instant::now();",
        "let now = jiff::Timestamp::now();",
        "tokio::spawn(work);",
        "std::thread::spawn(|| {});",
        "tokio::time::timeout(a, b).await;",
        "std::thread::sleep(a);",
        "sleep(a).await;",
        "let mut dice = rand::rng();",
    ] {
        assert!(!faults_below_adapters(banned).is_empty(), "{banned}");
    }
    for fine in [
        "let now = self.clock.now();",
        "// tokio::spawn(work) would hide it",
        "self.clock.wait_until(until).await;",
    ] {
        assert_eq!(faults_below_adapters(fine), Vec::<String>::new(), "{fine}");
    }
}
