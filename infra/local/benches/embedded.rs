//! `cargo bench -p tidegate --bench embedded`: twenty minutes of limits in real time, on the store
//! that one machine uses, beside the same backlog in virtual time. Takes twenty minutes.
//!
//! 860 changes fall on about 520 of 800 suppliers; at 50 calls a minute and two calls each that is a
//! backlog of 20 minutes. It ends between two ticks: one of them reads as much as a tenth of all else,
//! and would be in one of the two counts only.
//! Both must agree within 5 % on calls, receives, write and read units and the time it takes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails by panic"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows");
const BACKLOG: &str = "--records 800 --changes 860 --critical 0 --new 0";
/// Share by which a figure may differ.
const NEAR: f64 = 0.05;

fn drained(further: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["simulate", "suppliers", "--drain", "--flows", FLOWS]);
    command.args(BACKLOG.split(' ')).args(further);
    let output = command.stdin(Stdio::null()).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn main() {
    let simulated = drained(&[]);
    let embedded = drained(&["--real-time"]);
    println!(
        "{:<14} {:>12} {:>12} {:>8}",
        "", "embedded", "simulated", "differ"
    );
    let mut all = true;
    for name in [
        "applied",
        "target_calls",
        "source_calls",
        "receives",
        "write_units",
        "read_units",
        "drain_s",
    ] {
        let of = |figures: &Value| figures.get(name).and_then(Value::as_f64).unwrap();
        let (real, virtually) = (of(&embedded), of(&simulated));
        let differ = (virtually - real).abs() / real.max(1.0);
        let verdict = if differ <= NEAR { "" } else { "  MISSED" };
        println!(
            "{name:<14} {real:>12.1} {virtually:>12.1} {:>7.2} %{verdict}",
            differ * 100.0
        );
        all &= differ <= NEAR;
    }
    assert!(all, "the simulation is more than 5 % away");
}
