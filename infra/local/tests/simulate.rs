//! `tidegate simulate` as a person runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows");
/// A day that takes a second or two.
const SMALL: [&str; 4] = ["--records", "60", "--changes", "60"];

fn simulate(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_clear().stdin(Stdio::null()).current_dir(folder);
    command.arg("simulate").args(arguments).args(SMALL);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_day_is_told_with_its_answer_and_a_report_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("day.html");
    let arguments = [
        "suppliers",
        "--flows",
        FLOWS,
        "--report",
        report.to_str().unwrap(),
    ];
    let output = simulate(&arguments, folder.path());
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    assert!(
        told.contains("\nKept: with 60 changes in 1 day and 50 calls a minute"),
        "{told}"
    );
    assert!(told.contains("times as fast as the clock"), "{told}");
    assert!(told.contains("at list prices of"), "{told}");
    let page = std::fs::read_to_string(&report).unwrap();
    for reference in ["http:", "https:", "src=", "href=", "<script", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("<svg") && page.contains("Kept: "));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the report is written");
}

#[test]
fn a_goal_below_the_schedule_ends_in_exit_code_3_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["suppliers", "--flows", FLOWS, "--keep", "4h"];
    let output = simulate(&arguments, folder.path());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains("Not kept: ") && told.contains("4 h can not be kept"),
        "{told}"
    );
    assert!(
        told.contains("The schedule by itself lets 8 h pass"),
        "{told}"
    );
}

#[test]
fn a_system_that_is_slow_is_named_in_the_answer_and_was_not_away() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["suppliers", "--flows", FLOWS, "--slow", "09:00-12:00=12"];
    let output = simulate(&arguments, folder.path());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("and qualio slow for 3 h, "), "{told}");
    assert!(!told.contains("while it was away"), "{told}");
}

#[test]
fn three_times_the_peak_fails_where_limits_are_tight_and_passes_where_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let example = format!("{FLOWS}/examples/contacts.toml");
    let roomy = std::fs::read_to_string(&example).unwrap();
    // 0.4 calls in a window of a quarter of an hour: too few for three times 60 changes.
    let tight = roomy.replace(
        "batch = { calls = 60, per_s = 60 }",
        "batch = { calls = 1, per_s = 1200 }",
    );
    let path = folder.path().join("tight.toml");
    std::fs::write(&path, tight).unwrap();
    let with = |flow: &str, peak: &str| {
        let arguments = [
            flow,
            "--spread",
            "even",
            "--critical",
            "0",
            "--peak",
            peak,
            "--json",
        ];
        let output = simulate(&arguments, folder.path());
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), figures)
    };
    let (code, figures) = with(&example, "3");
    assert_eq!((code, figures["broken"].as_array().unwrap().len()), (0, 0));
    let (code, figures) = with(path.to_str().unwrap(), "3");
    assert_eq!(code, 3);
    assert_eq!(figures["kept"], false);
    let sentence = figures["sentences"][0].as_str().unwrap();
    assert!(sentence.starts_with("Not kept: "), "{sentence}");
    assert!(
        !figures["broken"].as_array().unwrap().is_empty(),
        "{figures}"
    );
    assert_eq!(figures["peak"], 3);
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let output = simulate(&["customers", "--flows", FLOWS], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("there is no flow customers; there are: suppliers"),
        "{told}"
    );
    let output = simulate(
        &["suppliers", "--flows", FLOWS, "--outage", "9-11"],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("write a span as 09:00-11:00"));
}
