//! `cargo bench -p tidegate-bare`: what each function weighs and how it starts, as it is deployed.
//!
//! A zip of at most 6 MB, from its start to its first poll at most 4 times what a function takes that
//! does nothing, and nobody asked before. Builds the functions with the release profile, which takes
//! minutes, and zips them as `sam deploy` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails by panic"
)]

mod first_poll;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use first_poll::first_poll;

/// The functions by the name of their binary.
const FUNCTIONS: [&str; 10] = [
    "tidegate-api",
    "tidegate-batch-sync",
    "tidegate-decide",
    "tidegate-digest",
    "tidegate-quality-audit",
    "tidegate-warehouse",
    "tidegate-reconcile",
    "tidegate-tick",
    "tidegate-webhook",
    "tidegate-worker",
];
const BARE: &str = "tidegate-bare";

/// Starts of each, of which the median counts. They take turns, so that what else the machine does
/// meets all alike.
const RUNS: usize = 41;
/// The bars.
const MOST_MB: f64 = 6.0;
const MOST_TIMES_BARE: f64 = 4.0;

/// What the starts of a function came to.
struct Starts {
    median_ms: f64,
    connections: usize,
}

fn main() {
    let built = build();
    let all: Vec<&str> = FUNCTIONS.into_iter().chain([BARE]).collect();
    let mut polls: Vec<Vec<_>> = all.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        for (name, polls) in all.iter().zip(&mut polls) {
            polls.push(first_poll(&built.join(name)));
        }
    }
    let starts: Vec<Starts> = polls
        .into_iter()
        .map(|polls| {
            let mut after: Vec<_> = polls.iter().map(|poll| poll.after).collect();
            after.sort();
            Starts {
                median_ms: after.get(RUNS / 2).unwrap().as_secs_f64() * 1_000.0,
                connections: polls.iter().map(|poll| poll.connections).sum(),
            }
        })
        .collect();
    let bare_ms = starts.last().unwrap().median_ms;
    println!(
        "{:<20} {:>7} {:>15} {:>8} {:>12}",
        "", "zip", "first poll", "x bare", "connections"
    );
    let mut all_met = true;
    for (name, starts) in all.iter().zip(&starts) {
        let Starts {
            median_ms,
            connections,
        } = starts;
        let mb = zipped_mb(&built.join(name));
        let times = median_ms / bare_ms;
        let met = mb <= MOST_MB && times <= MOST_TIMES_BARE && *connections == 0;
        let verdict = if met { "" } else { "  MISSED" };
        println!(
            "{name:<20} {mb:>4.2} MB {median_ms:>12.2} ms {times:>8.2} {connections:>12}{verdict}"
        );
        all_met &= met;
    }
    println!("median of {RUNS} starts; at most {MOST_MB} MB, {MOST_TIMES_BARE} times bare, 0");
    assert!(all_met, "a bar is missed");
}

/// Builds all with the features that only what is deployed has; gives their folder.
fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--bins"]);
    for name in FUNCTIONS.into_iter().chain([BARE]) {
        cargo.args(["--package", name]);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    cargo.env("CARGO_TARGET_DIR", folder);
    // As the README has it built for AWS: small, since it is loaded at each cold start. Who simulates
    // builds for speed.
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z");
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "fat");
    assert!(cargo.status().unwrap().success(), "the functions build");
    folder.join("release")
}

/// The size of what is uploaded: the binary as `bootstrap`, zipped by Python as `sam deploy` does.
fn zipped_mb(binary: &Path) -> f64 {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("start");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(binary, folder.join("bootstrap")).unwrap();
    let mut python = Command::new("python3");
    python.args(["-m", "zipfile", "--create", "function.zip", "bootstrap"]);
    assert!(python.current_dir(&folder).status().unwrap().success());
    let bytes = fs::metadata(folder.join("function.zip")).unwrap().len();
    f64::from(u32::try_from(bytes).unwrap()) / 1_000_000.0
}
