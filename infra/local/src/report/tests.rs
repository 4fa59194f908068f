use std::fs;

use serde_json::json;
use tidegate_lambda::emf_lines;
use tidegate_model::metric::{self, Metric, Sample};

use super::*;

const NOVEMBER_22: UnixMs = UnixMs(1_795_305_600_000);

fn sample(metric: &'static Metric, dimensions: &[&str], values: &[f64]) -> Sample {
    Sample {
        metric,
        dimensions: dimensions.iter().map(|one| (*one).to_owned()).collect(),
        values: values.to_vec(),
    }
}

/// The log of a day, with so many failures of a hundred calls.
fn log(at: UnixMs, failed: usize) -> String {
    let mut success = vec![100.0; 100];
    success[..failed].fill(0.0);
    let samples = [
        sample(&metric::CALLS, &["qualio", "batch"], &[100.0]),
        sample(&metric::CALL_SUCCESS, &["qualio", "batch"], &success),
        sample(
            &metric::RESPONSE_TIME,
            &["qualio", "inside"],
            &[200.0, 400.0],
        ),
        sample(&metric::SYNC_LATENCY, &["suppliers", "batch"], &[60_000.0]),
        sample(&metric::FRESHNESS, &["suppliers", "other"], &[300.0, 900.0]),
        sample(&metric::RECEIVED, &["suppliers"], &[1_000.0]),
        sample(&metric::OUTCOMES, &["suppliers", "applied"], &[100.0]),
        sample(&metric::OUTCOMES, &["suppliers", "unchanged"], &[880.0]),
        sample(&metric::OUTCOMES, &["suppliers", "coalesced"], &[20.0]),
        sample(
            &metric::RUN_TIME,
            &["suppliers", "02:00"],
            &[60.0, 60.0, 90.0, 90.0],
        ),
        sample(&metric::WRITE_UNITS, &[], &[1_000_000.0]),
    ];
    let mut lines = vec![
        "START RequestId: 1 Version: 1".to_owned(),
        "{\"message\":\"call\"}".to_owned(),
    ];
    let metrics = emf_lines("tidegate-dev", at, &samples).into_iter();
    // As `aws logs tail` shows it.
    lines.extend(metrics.map(|line| format!("2026-11-22T02:00:05 {line}")));
    lines.join("\n")
}

fn report(logs: &[String]) -> Report {
    let mut lines = Lines::since(NOVEMBER_22);
    for line in logs.iter().flat_map(|log| log.lines()) {
        lines.take(line);
    }
    Report::of(&lines).unwrap()
}

fn figure(report: &Report, of: &str, what: &str) -> f64 {
    let mut figures = report.figures.iter();
    let found = figures.find(|figure| figure.of == of && figure.what == what);
    found.unwrap_or_else(|| panic!("no {what} of {of}")).value
}

#[test]
fn success_latency_freshness_spared_calls_and_cost_are_told() {
    let day = report(&[log(NOVEMBER_22, 1)]);
    let near = |of, what, expected: f64| {
        let value = figure(&day, of, what);
        assert!((value - expected).abs() < 1e-9, "{what}: {value}");
    };
    near("qualio", "calls, batch", 100.0);
    near("qualio", "success rate, batch", 99.0);
    near("qualio", "response time, inside windows", 300.0);
    near("qualio", "response time, inside windows, p95", 400.0);
    near("suppliers", "sync latency, batch", 60_000.0);
    near("suppliers", "age of other fields, worst", 900.0);
    near("suppliers", "changes that spared a call", 900.0);
    near("suppliers", "trend of run times, 02:00", 50.0);
    near("cost", "DynamoDB write request units", 0.625);
    near("cost", "a million applied changes", 6_250.0);
}

#[test]
fn what_was_before_counts_as_nothing() {
    let before = UnixMs(NOVEMBER_22.0 - 1);
    let day = report(&[log(before, 50), log(NOVEMBER_22, 0)]);
    assert!((figure(&day, "qualio", "success rate, batch") - 100.0).abs() < 1e-9);
    let mut none = Lines::since(NOVEMBER_22);
    none.take(&log(before, 0));
    assert_eq!(Report::of(&none), None);
}

#[test]
fn what_lambda_bills_is_counted_where_its_lines_are() {
    let bill = json!({
        "time": "2026-11-22T02:00:05.000Z",
        "type": "platform.report",
        "record": {"metrics": {"billedDurationMs": 4_000_000_000_u64, "memorySizeMB": 256}},
    });
    let day = report(&[log(NOVEMBER_22, 0), bill.to_string()]);
    let compute = figure(&day, "cost", "Lambda GB-milliseconds, arm64");
    assert!((compute - 13.333_4).abs() < 1e-9, "{compute}");
}

#[test]
fn a_saved_report_is_the_baseline_of_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let args = |failed: usize| {
        fs::write(path("log"), log(NOVEMBER_22, failed)).unwrap();
        ReportArgs {
            since: NOVEMBER_22,
            logs: vec![path("log")],
            baseline: None,
            save: Some(path("saved.json")),
            data: folder.path().to_owned(),
        }
    };
    run(&args(2)).unwrap();
    let before = saved(&path("saved.json")).unwrap();
    let text = text::shown(&report(&[log(NOVEMBER_22, 1)]), Some(&before));
    let row = text.lines().find(|line| line.contains("success rate"));
    let words: Vec<&str> = row.unwrap().split_whitespace().collect();
    let expected = "success rate, batch 98.00 % 99.00 % +1.00 points";
    assert_eq!(words.join(" "), expected, "{text}");

    fs::write(path("saved.json"), "{}").unwrap();
    let told = saved(&path("saved.json")).unwrap_err().to_string();
    assert!(
        told.contains("is not what `report --save` writes"),
        "{told}"
    );
}

#[test]
fn what_an_instance_of_this_machine_wrote_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::at(folder.path());
    let mut args = ReportArgs {
        since: NOVEMBER_22,
        logs: Vec::new(),
        baseline: None,
        save: None,
        data: folder.path().to_owned(),
    };
    assert!(run(&args).unwrap_err().to_string().contains("--logs"));
    fs::write(data.metrics(), log(NOVEMBER_22, 0)).unwrap();
    fs::write(aside(&data.metrics()), log(NOVEMBER_22, 0)).unwrap();
    assert_eq!(logs(&args).len(), 2, "the one that was put aside too");
    assert_eq!(run(&args).unwrap(), Outcome::Fine);
    args.logs = vec![folder.path().join("none")];
    assert!(
        run(&args)
            .unwrap_err()
            .to_string()
            .contains("can not be read")
    );
}

#[test]
fn a_day_is_a_moment_too() {
    assert_eq!(moment("2026-11-22"), Ok(NOVEMBER_22));
    assert_eq!(moment("2026-11-22T00:00:00Z"), Ok(NOVEMBER_22));
    assert!(moment("yesterday").unwrap_err().contains("2026-11-22"));
}
