//! `tidegate double` as a person runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

/// Until a process that was told to stop has ended, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

fn tidegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_clear().stdin(Stdio::null()).args(arguments);
    command
}

fn ended(arguments: &[&str]) -> Output {
    tidegate(arguments).output().unwrap()
}

/// A double that serves. Killed when it is dropped.
struct Serving {
    child: Child,
    told: Vec<String>,
}

impl Serving {
    fn start(arguments: &[&str]) -> Self {
        let mut child = tidegate(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        while !told
            .last()
            .is_some_and(|line: &String| line.contains("Ctrl-C"))
        {
            told.push(lines.next().expect("it says how it is stopped").unwrap());
        }
        Self { child, told }
    }

    fn url(&self) -> &str {
        self.told[0].rsplit(' ').next().unwrap()
    }

    /// Ctrl-C.
    #[cfg(unix)]
    fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        signal(&pid, "INT");
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| tell.send(self.child.wait()).unwrap());
            let status = told.recv_timeout(LIMIT);
            if status.is_err() {
                // Otherwise the test would wait for it without end.
                signal(&pid, "KILL");
            }
            status.expect("it ends when it is told to").unwrap()
        })
    }
}

#[cfg(unix)]
fn signal(pid: &str, name: &str) {
    let line = format!("kill -{name} \"$0\"");
    let sent = Command::new("sh").args(["-c", &line, pid]).status();
    assert!(sent.unwrap().success());
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn without_a_name_each_double_is_listed() {
    let output = ended(&["double"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let expected = [
        "amazon",
        "authority",
        "dataverse",
        "erp",
        "members",
        "qualio",
        "shopify",
        "trustpilot",
        "webwinkelkeur",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_name_that_is_none_and_a_port_without_a_name_are_refused() {
    for (arguments, told) in [
        (&["double", "sap"][..], "shopify"),
        (&["double", "--port", "9100"], "NAME"),
        (&["double", "shopify", "--records", "0"], "1..=1000000"),
    ] {
        let output = ended(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(told), "{text}");
    }
    let output = ended(&["double", "qualio", "--records", "5"]);
    assert_eq!(output.status.code(), Some(1));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_double_says_how_it_is_reached_answers_and_ends_at_ctrl_c() {
    let shop = Serving::start(&["double", "shopify", "--records", "7"]);
    let text = shop.told.join("\n");
    assert!(text.contains("7 orders at http://127.0.0.1:"), "{text}");
    assert_eq!(text.matches("\n  curl -sS ").count(), 3, "{text}");
    let (name, token) = shop.told[1].trim().split_once(": ").unwrap();
    let url = format!("{}/admin/api/2026-07/orders.json?status=any", shop.url());
    let request = reqwest::Client::new().get(url).header(name, token);
    let page: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(page["orders"].as_array().unwrap().len(), 7);
    let calls = reqwest::get(format!("{}/_double/calls", shop.url()));
    let calls: Value = calls.await.unwrap().json().await.unwrap();
    assert_eq!(calls[0]["path"], "/admin/api/2026-07/orders.json");
    assert_eq!(shop.stop().code(), Some(0));
}
