//! `tidegate plan` as a person runs it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows");
const SHEET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows/examples/sheet.csv");

/// Exit code and standard output.
fn plan(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_clear().stdin(Stdio::null());
    command.arg("plan").args(arguments).args(["--flows", FLOWS]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// Plans the shipped sheet with one text replaced.
fn plan_edited(folder: &Path, from: &str, to: &str) -> (i32, String) {
    let text = fs::read_to_string(SHEET).unwrap();
    assert!(text.contains(from), "{from}");
    let path = folder.join("sheet.csv");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let (code, told) = plan(&[path.to_str().unwrap()]);
    (code, told.replace(&format!("{}/", folder.display()), ""))
}

#[test]
fn the_shipped_sheet_is_a_table_with_a_reason_for_each_row() {
    let (code, told) = plan(&[SHEET]);
    assert_eq!(code, 0, "{told}");
    let row = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(name)).unwrap();
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("flow"),
        ["flow", "from -> to", "a day", "pattern", "why"]
    );
    assert_eq!(
        row("credit-check"),
        [
            "credit-check",
            "shop -> erp",
            "900",
            "real-time",
            "somebody waits for a financial decision, with replay and dead letters"
        ]
    );
    assert_eq!(
        row("crm"),
        [
            "crm",
            "15000",
            "0",
            "300",
            "7350",
            "98 %",
            "102 of 10000, 98 %",
            "yes"
        ]
    );
}

#[test]
fn flow_files_alone_are_planned_and_json_says_the_same() {
    let (code, told) = plan(&["--json"]);
    assert_eq!(code, 0, "{told}");
    let plan: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(plan["rows"][0]["flow"], "suppliers");
    assert_eq!(plan["rows"][0]["pattern"], "batch");
    assert_eq!(plan["rows"][1]["pattern"], "real-time");
    assert_eq!(plan["providers"][0]["name"], "qualio");
    assert_eq!(plan["providers"][0]["faults"], Value::Array(Vec::new()));
}

#[test]
fn a_row_that_stands_open_is_named_with_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = plan_edited(folder.path(), ",900,2 s,", ",900,TBD,");
    assert_eq!(code, 1);
    assert_eq!(
        told,
        "sheet.csv:4: `latency` of `credit-check` stands open: it must be the time after which a delay hurts, such as `30 s`, `5 min`, `4 h` or `1 d`, `TBD` is written\n1 mistake\n"
    );
}

#[test]
fn a_quota_without_headroom_is_told_and_fails_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = plan_edited(folder.path(), ",6000,1 h,", ",40000,1 h,");
    assert_eq!(code, 1);
    assert!(
        told.contains("ledger: 40,000 calls a day of 50,000 leave 20 % headroom, at least 30 % must stay: at most 35,000 calls\n"),
        "{told}"
    );
}
