//! What the command can not use: files, options, settings, addresses. It says what, where and why.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::{
    path::Path,
    process::{Command, Stdio},
};

const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows");
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const SHORT_SECRET: &str = "whsec_c2hvcnQ=";
/// A token that is none. Never shown.
const TOKEN: &str = "two-words\nin-lines";

/// A command with what stands in its environment.
#[derive(Clone, Copy)]
struct Asked {
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

/// The same without an environment.
const fn asked(arguments: &'static [&'static str]) -> Asked {
    Asked {
        arguments,
        variables: &[],
    }
}

impl Asked {
    const fn with(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }
}

/// What a command says, and its exit code.
fn told(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_clear().stdin(Stdio::null()).current_dir(folder);
    command.args(arguments).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().unwrap();
    (code, String::from_utf8(said).unwrap())
}

/// A folder with a flow file that is no text and a table that is none.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("flows/x.toml", b"name = \"x\"\n# caf\xe9\n");
    write("data/table.db", b"this is no database");
    folder
}

const HERE: [&str; 3] = ["status", "--url", "http://127.0.0.1:1"];
const REAL: [&str; 6] = [
    "dev",
    "--no-demo",
    "--listen",
    "127.0.0.1:0",
    "--flows",
    FLOWS,
];
const BRIDGE: [&str; 3] = ["bridge", "--endpoint", "http://127.0.0.1:1"];
const AWS: [(&str, &str); 3] = [
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];
/// The other secret is right.
const SECRETS: [(&str, &str); 2] = [
    ("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_1", SECRET),
    ("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_2", SHORT_SECRET),
];

/// What is asked, the exit code, and parts of what is said: one line where it failed, and a second one
/// that points to `--help` where the command line is wrong.
const IN_ONE_LINE: [(Asked, i32, &[&str]); 10] = [
    (
        asked(&["check"]),
        1,
        &["flows/x.toml:2", "save the flow file as UTF-8"],
    ),
    (
        asked(&["simulate", "flows/x.toml"]),
        1,
        &["flows/x.toml:2", "UTF-8"],
    ),
    (asked(&["preview", "x"]), 1, &["flows/x.toml:2", "UTF-8"]),
    (
        asked(&HERE).with(&[("TIDEGATE_API_TOKEN", TOKEN)]),
        1,
        &["--token", "without spaces and line breaks"],
    ),
    (
        asked(&["dev", "--listen", "127.0.0.1:0"]).with(&[("TIDEGATE_API_TOKEN", TOKEN)]),
        1,
        &["TIDEGATE_API_TOKEN", "line breaks"],
    ),
    (
        asked(&["status", "--url", "ftp://x", "--token", "t"]),
        2,
        &["'ftp://x'", "--url", "http://"],
    ),
    (
        asked(&["simulate", "x", "--peak", "1e9"]),
        2,
        &["--peak", "from 1 to 100"],
    ),
    (
        asked(&["--listen", "0.0.0.0"]),
        2,
        &["--listen", "with its port"],
    ),
    (asked(&BRIDGE), 1, &["no AWS region"]),
    (
        asked(&BRIDGE).with(&AWS),
        1,
        &[
            "eu-central-1 at http://127.0.0.1:1",
            "the queue tidegate-dev-realtime",
        ],
    ),
];

/// The same of what is said in more lines.
const IN_A_LIST: [(Asked, &[&str]); 4] = [
    (
        asked(&[
            "--listen",
            "127.0.0.1:0",
            "--data",
            "data",
            "--flows",
            FLOWS,
        ]),
        &["the table data/table.db can not be opened", "move it away"],
    ),
    (
        asked(&REAL),
        &[
            "ERP_URL",
            "QUALIO_RISK_HIGH",
            "ERP_TOKEN",
            "QUALIO_API_KEY",
            "TIDEGATE_VAR_",
            "TIDEGATE_SECRET_",
        ],
    ),
    (
        asked(&REAL).with(&SECRETS),
        &["the secret `SUPPLIERS_WEBHOOK_2` can not be used: a webhook secret has 24 to 64 bytes"],
    ),
    (
        asked(&["check", "--flows", FLOWS]).with(&SECRETS),
        &[
            "the secret `SUPPLIERS_WEBHOOK_2` can not be used: a webhook secret has 24 to 64 bytes",
            "\n1 mistake\n",
        ],
    ),
];

fn shows_nothing(said: &str) {
    for never in ["two-words", "in-lines", "encryption`", "C2FVsBQ", "c2hvcnQ"] {
        assert!(!said.contains(never), "{said}");
    }
}

#[test]
fn what_can_not_be_used_is_told_in_one_line_with_its_place_and_what_to_do() {
    let folder = folder();
    for (asked, code, parts) in IN_ONE_LINE {
        let (status, said) = told(asked.arguments, asked.variables, folder.path());
        assert_eq!(status, code, "{:?}: {said}", asked.arguments);
        let lines = said.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(i32::try_from(lines).ok(), Some(code), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
        shows_nothing(&said);
    }
}

#[test]
fn what_is_missing_or_malformed_is_told_at_once() {
    let folder = folder();
    for (asked, parts) in IN_A_LIST {
        let (status, said) = told(asked.arguments, asked.variables, folder.path());
        assert_eq!(status, 1, "{:?}: {said}", asked.arguments);
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
        shows_nothing(&said);
    }
}

#[test]
fn a_secret_that_stands_on_aws_is_none_to_check() {
    let address = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:x";
    let variables = [("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_1", address)];
    let (status, said) = told(&["check", "--flows", FLOWS], &variables, Path::new("/"));
    assert_eq!(status, 0, "{said}");
}

#[test]
fn seven_mistakes_get_seven_messages_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let flow = include_str!("../../flows/suppliers.toml");
    let mistakes = [
        ("deletion = \"review\"", "deletoin = \"review\""),
        ("    \"audit_score\",\n", "    \"audit_scores\",\n"),
        ("{ at = \"10:00\" }", "{ at = \"25:00\" }"),
        ("real_time = { calls = 20", "real_time = { calls = 0"),
        (
            "path = \"/api/suppliers/{{ key }}\"",
            "path = \"/api/suppliers/{{ key\"",
        ),
        (
            "time_zone = \"Europe/Berlin\"",
            "time_zone = \"Europe/Berln\"",
        ),
        ("purpose = \"row.purpose\"", "purpose = \"row.purpose |\""),
    ];
    let mut bad = flow.to_owned();
    for (right, wrong) in mistakes {
        assert!(bad.contains(right), "{right}");
        bad = bad.replacen(right, wrong, 1);
    }
    std::fs::write(folder.path().join("suppliers.toml"), &bad).unwrap();
    let (status, shown) = told(&["check", "--flows", "."], &[], folder.path());
    assert_eq!(status, 1);
    for (_, wrong) in mistakes {
        let at = bad.find(wrong).unwrap();
        let line = bad[..at].lines().count() + usize::from(bad[..at].ends_with('\n'));
        let start = format!("suppliers.toml:{line}: ");
        let told = shown
            .lines()
            .filter(|told| told.contains(&start) && !told.contains("warning"));
        assert_eq!(told.count(), 1, "{start}{wrong} in\n{shown}");
    }
    assert!(shown.ends_with("7 mistakes\n"), "{shown}");
}

#[test]
fn a_port_in_use_is_told_plainly() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (status, said) = told(&["--listen", &address], &[], folder.path());
    assert_eq!(status, 1);
    assert!(
        said.contains(&format!("can not listen on {address}")),
        "{said}"
    );
    assert!(said.contains("--listen"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_tidegate_is_named_as_such() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page = axum::Router::new().fallback(async || "<html>");
    tokio::spawn(async { axum::serve(listener, page).await });
    let folder = tempfile::tempdir().unwrap();
    for asked in [
        &["status"][..],
        &["reviews"],
        &["digest"],
        &["run", "suppliers"],
        &["reconcile", "suppliers"],
        &["replay", "suppliers~A"],
        &["replay", "suppliers~A", "--dry-run"],
        &["forget", "suppliers", "A"],
        &["event", "--source", "erp", "--detail-type", "end of day"],
    ] {
        let arguments = [asked, &["--url", &url]].concat();
        let variables = [("TIDEGATE_API_TOKEN", "t")];
        let (status, said) = told(&arguments, &variables, folder.path());
        assert_eq!(status, 1, "{asked:?}");
        let named = format!("tidegate: {url} answered what this release can not read");
        assert!(said.starts_with(&named), "{said}");
    }
}
