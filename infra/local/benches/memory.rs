//! `cargo bench -p tidegate --bench memory`: 100,000 suppliers pulled and staged by the real program
//! on one machine, limits aside, at a peak of under 150 MB.
//!
//! The doubles of both systems live in the benchmark's process, so what is measured is the program
//! alone, with its table: the most that it ever had resident (`VmHWM` of Linux).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails by panic"
)]

#[path = "../../../tests/emulator/real/machine.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod machine;

use std::{path::Path, time::Duration};

use machine::{Program, Systems, suppliers_flow, until};
use tidegate_testkit::doubles::erp::realistic_suppliers;

const SUPPLIERS: u32 = 100_000;
/// The bar.
const MOST_MB: u64 = 150;
/// Until everything is staged, on a busy machine.
const LIMIT: Duration = Duration::from_secs(3_600);

/// The shipped flow without the source's limit.
fn flow() -> String {
    suppliers_flow()
        .replace(
            "limit = { calls = 120, per_s = 60 }",
            "limit = { calls = 300, per_s = 1 }",
        )
        .replace("page_size = 50", "page_size = 500")
}

/// The most that a process had resident, in MB.
fn peak_mb(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1_024
}

#[tokio::main]
async fn main() {
    let systems = Systems::new(
        realistic_suppliers(7, SUPPLIERS, machine::now_ms()),
        &[("suppliers", flow())],
    )
    .await;
    let began = machine::now_ms();
    let mut program = systems.start(Path::new(env!("CARGO_BIN_EXE_tidegate")));
    println!("started: {} MB", peak_mb(&program));
    let mut told = 0;
    let counts = until("all suppliers are staged", LIMIT, async || {
        assert!(!program.has_ended(), "the program ended");
        let health = program.health().await;
        let flows = health.get("items").unwrap_or(&health);
        let run = &flows[0]["last_run"];
        let staged = run["counts"]["staged"].as_u64().unwrap_or(0);
        let now = (machine::now_ms() - began) / 10_000;
        if now > told {
            told = now;
            println!("after {} s: {} MB", now * 10, peak_mb(&program));
        }
        (run["ended"] == "complete").then_some(staged)
    })
    .await;
    let seconds = (machine::now_ms() - began) / 1_000;
    let peak = peak_mb(&program);
    println!(
        "{counts} of {SUPPLIERS} suppliers pulled and staged in {seconds} s, peak {peak} MB (at most {MOST_MB})"
    );
    assert_eq!(counts, u64::from(SUPPLIERS));
    assert!(peak < MOST_MB, "the program took {peak} MB");
}
