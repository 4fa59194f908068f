//! `cargo bench -p tidegate --bench day`: figures of whole days, measured on the program as it is
//! released, and held to their bars.
//!
//! - A simulated day of 10,000 changes takes under 10 s.
//! - In a backlog of 10,000 records each applied record costs at most 1.5 receives (LIM-4), and it
//!   drains in 1.02 times what the limit allows (LIM-2).
//! - A day without the target costs no retry and no review and at most 288 probes; afterwards its
//!   backlog drains in 1.02 times what the limit allows (LIM-2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails by panic"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows");

fn figures(arguments: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(["simulate", "suppliers", "--json", "--flows", FLOWS]);
    command.args(arguments.split(' ')).stdin(Stdio::null());
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn number(figures: &Value, pointer: &str) -> f64 {
    figures.pointer(pointer).and_then(Value::as_f64).unwrap()
}

/// Prints a figure beside its bar; false when the bar is missed.
fn held(name: &str, figure: f64, most: f64) -> bool {
    let verdict = if figure <= most { "held" } else { "MISSED" };
    println!("{name}: {figure:.2} (at most {most}) {verdict}");
    figure <= most
}

fn main() {
    let mut all = true;
    let day = figures("--changes 10000");
    let seconds = number(&day, "/real_ms") / 1e3;
    let virtual_s = (number(&day, "/until_ms") - number(&day, "/begin_ms")) / 1e3;
    println!(
        "a day of 10,000 changes: {:.0} times as fast as the clock",
        virtual_s / seconds
    );
    all &= held("  seconds of real time", seconds, 10.0);

    let backlog = figures("--drain --records 10 --changes 10000 --new 100 --critical 0");
    let applied = number(&backlog, "/applied");
    println!("a backlog of {applied} records");
    let receives = number(&backlog, "/receives") / applied;
    all &= held("  receives for each applied record", receives, 1.5);
    let calls = number(&backlog, "/target_calls");
    let times = number(&backlog, "/drain_s") / (calls * 60.0 / 50.0);
    all &= held("  drained in, times what the limit allows", times, 1.02);

    let outage = figures("--records 5000 --changes 5000 --outage 00:00-24:00");
    println!("a day without the target");
    let reviewed = outage["reviewed"].as_object().unwrap();
    let reviews: u64 = reviewed.values().filter_map(Value::as_u64).sum();
    all &= held("  reviews", f64::from(u32::try_from(reviews).unwrap()), 0.0);
    all &= held("  retries spent", number(&outage, "/attempts_spent"), 0.0);
    all &= held("  probes", number(&outage, "/probes"), 288.0);
    for recovery in outage["recovery"].as_array().unwrap() {
        let tier = if recovery["is_batch"] == true {
            "batch"
        } else {
            "real-time"
        };
        let times = number(recovery, "/took_ms") / number(recovery, "/allowed_ms").max(1.0);
        all &= held(
            &format!("  {tier} backlog, times what the limit allows"),
            times,
            1.02,
        );
    }
    assert!(all, "a bar was missed");
}
