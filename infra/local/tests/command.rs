//! The command as a person runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod wait;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use serde_json::Value;
use tidegate_testkit::doubles::{
    Action, Fault, Gate, Seed,
    erp::{ErpConfig, ErpDouble, realistic_suppliers},
    qualio::{QualioConfig, QualioDouble, RISK_LEVELS},
    stand_in_qualio,
};
use wait::until;

const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows");

fn tidegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// The command with what the shipped flow needs to reach these systems.
fn against(erp: &ErpDouble, qualio: &QualioDouble, folder: &Path) -> Command {
    let mut command = tidegate();
    command
        .current_dir(folder)
        .env("TIDEGATE_VAR_ERP_URL", erp.url())
        .env("TIDEGATE_VAR_QUALIO_URL", qualio.url())
        .env("TIDEGATE_SECRET_ERP_TOKEN", "erp-token")
        .env("TIDEGATE_SECRET_QUALIO_API_KEY", "qualio-key")
        .env("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_1", WEBHOOK_SECRET)
        .env("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_2", WEBHOOK_SECRET);
    for (id, title, ..) in RISK_LEVELS {
        let name = format!("TIDEGATE_VAR_QUALIO_RISK_{}", title.to_uppercase());
        command.env(name, id);
    }
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    let mut command = tidegate();
    command.args(arguments).current_dir(folder);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A running instance with its demo. Killed when it is dropped.
struct Instance {
    child: Child,
    url: String,
    qualio: String,
    said: std::sync::mpsc::Receiver<String>,
}

impl Instance {
    fn start(folder: &Path) -> Self {
        let mut command = tidegate();
        command.current_dir(folder);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let command = command.args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (say, said) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // A test that is over listens no longer.
                drop(say.send(line));
            }
        });
        // The first lines, up to the empty one, say what runs.
        let told: Vec<String> = said.iter().take_while(|line| !line.is_empty()).collect();
        let word = |start: &str| {
            let rest = told.iter().find_map(|line| line.split_once(start));
            rest.map(|(_, rest)| rest.trim().to_owned())
        };
        let url = word("Tidegate runs at ").expect("it says where it runs");
        let qualio = word("a simulated Qualio at ").unwrap_or_default();
        Self {
            child,
            url,
            qualio,
            said,
        }
    }

    /// Suppliers that Qualio holds, by key.
    async fn standing(&self) -> BTreeMap<String, usize> {
        let all = get(&format!("{}/_double/suppliers", self.qualio), "").await;
        let mut by_key = BTreeMap::new();
        for supplier in all.as_array().unwrap() {
            let notes = supplier["contact_information"]["notes"].as_str().unwrap();
            let (_, rest) = notes.split_once("[key:").unwrap();
            let key = rest.split(']').next().unwrap().to_owned();
            *by_key.entry(key).or_insert(0) += 1;
        }
        by_key
    }

    async fn stands_more_than(&self, count: usize) -> BTreeMap<String, usize> {
        until("more suppliers stand in Qualio", async || {
            let standing = self.standing().await;
            (standing.len() > count).then_some(standing)
        })
        .await
    }
}

/// The API of whichever instance has the folder.
struct Api {
    token: String,
}

impl Api {
    fn of(folder: &Path) -> Self {
        let token = fs::read_to_string(folder.join(".tidegate/token")).unwrap();
        Self {
            token: token.trim().to_owned(),
        }
    }

    async fn get(&self, instance: &Instance, path: &str) -> Value {
        get(&format!("{}{path}", instance.url), &self.token).await
    }

    async fn post(&self, instance: &Instance, path: &str) {
        let request = reqwest::Client::new().post(format!("{}{path}", instance.url));
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn get(url: &str, token: &str) -> Value {
    let request = reqwest::Client::new().get(url).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_applies_suppliers_and_goes_on_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let one = Instance::start(folder.path());
    // 40 stood there from the beginning; whatever is more was created.
    let before = one.stands_more_than(40).await;
    let api = Api::of(folder.path());
    until("the first batch is complete", async || {
        let flows = api.get(&one, "/v1/flows").await;
        (flows["items"][0]["last_run"]["ended"] == "complete").then_some(())
    })
    .await;
    // A second process keeps its hands off the folder.
    let second = run(&["--listen", "127.0.0.1:0"], folder.path());
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another tidegate works with"));
    drop(one);

    let two = Instance::start(folder.path());
    let after = two.standing().await;
    assert!(
        before.keys().all(|key| after.contains_key(key)),
        "Qualio forgot"
    );
    // What waited still does; one of them is asked for, so that the test need not wait for permits.
    let records = api.get(&two, "/v1/flows/suppliers/records?limit=100").await;
    let all = records["items"].as_array().unwrap();
    let waiting = all
        .iter()
        .find(|record| record["state"] == "pending")
        .unwrap();
    let path = format!(
        "/v1/flows/suppliers/records/{}",
        waiting["key"].as_str().unwrap()
    );
    api.post(&two, &format!("{path}/sync")).await;
    until("it is applied", async || {
        let record = api.get(&two, &path).await;
        (record["state"] == "applied").then_some(())
    })
    .await;
    let after = two.standing().await;
    assert!(after.values().all(|count| *count == 1), "{after:?}");
    the_report_reads_what_both_wrote(folder.path()).await;
}

/// It finds the lines by itself, those of the process that was killed among them.
async fn the_report_reads_what_both_wrote(folder: &Path) {
    until("both measured what they applied", async || {
        let report = run(&["report", "--since", "2026-01-01"], folder);
        assert_eq!(report.status.code(), Some(0), "{}", text(&report.stderr));
        let text = text(&report.stdout);
        let has = |figure: &str| text.lines().any(|line| line.trim().starts_with(figure));
        let both = has("sync latency, batch") && has("sync latency, real_time");
        (both && has("success rate, batch") && has("DynamoDB write request units")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_commands_talk_to_the_running_instance() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| run(arguments, folder.path());
    let alone = ask(&["status"]);
    assert_eq!(alone.status.code(), Some(1));
    assert!(text(&alone.stderr).contains("no instance runs with the data folder .tidegate"));

    let instance = Instance::start(folder.path());
    instance.stands_more_than(41).await;
    let status = until("the first batch is done", async || {
        let status = ask(&["status"]);
        assert!(status.status.success(), "{}", text(&status.stderr));
        let shown = text(&status.stdout);
        shown.contains("last run   complete at").then_some(shown)
    })
    .await;
    assert!(status.contains("40 linked"), "{status}");
    let preview = ask(&["preview", "suppliers", "--key", "SUP-000001"]);
    let shown = text(&preview.stdout);
    assert!(preview.status.success(), "{}", text(&preview.stderr));
    assert!(shown.starts_with("SUP-000001  "), "{shown}");
    assert!(shown.ends_with("Nothing was staged or sent.\n"), "{shown}");
    assert!(ask(&["run", "suppliers"]).status.success());
    let unknown = ask(&["run", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("there is no flow nobody"));
    assert!(ask(&["reviews"]).status.success());
    let digest = ask(&["digest"]);
    assert!(text(&digest.stdout).starts_with("Subject: Tidegate: "));
    let replay = ask(&["replay", "suppliers~SUP-009999", "--dry-run"]);
    assert!(text(&replay.stderr).contains("there is no such review"));
    let forget = ask(&["forget", "suppliers", "SUP-009999"]);
    assert!(text(&forget.stderr).contains("has no such record"));
    let url = ["status", "--url", &instance.url, "--token", "wrong"];
    assert!(text(&ask(&url).stderr).contains("does not know this token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_reads_and_changes_nothing() {
    let clock = Arc::new(|| 1_795_140_000_000_i64);
    let mut rows = realistic_suppliers(5, 3, clock());
    rows[2].quality.audit_score = 140.0;
    let config = ErpConfig::new(clock.clone(), "erp-token").suppliers(rows.clone());
    let erp = ErpDouble::start(config).await.unwrap();
    let config = QualioConfig::new(clock, "qualio-key");
    let qualio = QualioDouble::start(config).await.unwrap();
    stand_in_qualio(&qualio, &rows[..1], &mut Seed::new(1));
    let folder = tempfile::tempdir().unwrap();
    let mut command = against(&erp, &qualio, folder.path());
    command.args(["preview", "suppliers", "--flows", FLOWS]);
    let shown = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = shown.await.unwrap();
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for line in [
        "SUP-000001  link to what stands there, then update  batch (first seen by a batch)\n",
        "SUP-000002  create  batch (first seen by a batch)\n",
        "SUP-000003  to review: audit_score must be at most 100\n",
        "  X-Api-Key: <QUALIO_API_KEY>\n",
        "1 for review, 1 to create, 1 to update. Nothing was staged or sent.\n",
    ] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    assert!(!shown.contains("qualio-key"));
    assert!(qualio.calls().iter().all(|call| call.method == "GET"));
    assert!(!qualio.calls().is_empty());
    assert!(!folder.path().join(".tidegate").exists(), "it left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_was_asked_for_survives_kill_9() {
    let clock = Arc::new(|| 1_795_140_000_000_i64);
    let rows = realistic_suppliers(5, 1, clock());
    let config = ErpConfig::new(clock.clone(), "erp-token").suppliers(rows);
    let erp = ErpDouble::start(config).await.unwrap();
    let qualio = QualioDouble::start(QualioConfig::new(clock, "qualio-key"));
    let qualio = qualio.await.unwrap();
    let reads = || {
        let calls = erp.calls();
        calls
            .iter()
            .filter(|call| call.path == "/api/suppliers/SUP-000001")
            .count()
    };
    let gate = Gate::default();
    let held = Fault::new(Action::Hold(gate.clone())).path_contains("/SUP-000001");
    erp.set_fault(held).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = against(&erp, &qualio, folder.path());
        command.args(["--no-demo", "--flows", FLOWS]);
        Instance::of(command)
    };
    let one = start();
    let api = Api::of(folder.path());
    api.post(&one, "/v1/flows/suppliers/records/SUP-000001/sync")
        .await;
    until("the record is being read", async || {
        (reads() == 1).then_some(())
    })
    .await;
    drop(one);
    erp.clear_faults();
    gate.open();
    let _two = start();
    until("the record is read again", async || {
        (reads() == 2).then_some(())
    })
    .await;
}

#[cfg(unix)]
async fn ctrl_c(instance: &mut Instance) {
    let pid = instance.child.id().to_string();
    let sent = Command::new("sh")
        .args(["-c", "kill -INT \"$0\"", &pid])
        .status();
    assert!(sent.unwrap().success());
    let ended = until("it ends", async || instance.child.try_wait().unwrap()).await;
    assert_eq!(ended.code(), Some(0));
}

/// Not in the table, and not in what its file no longer uses.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_in_no_file() {
    let clock = Arc::new(|| 1_795_140_000_000_i64);
    let rows = realistic_suppliers(5, 3, clock());
    let config = ErpConfig::new(clock.clone(), "erp-token").suppliers(rows.clone());
    let erp = ErpDouble::start(config).await.unwrap();
    let qualio = QualioDouble::start(QualioConfig::new(clock, "qualio-key"));
    let qualio = qualio.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = against(&erp, &qualio, folder.path());
    command.args(["--no-demo", "--flows", FLOWS]);
    let mut instance = Instance::of(command);
    let email = rows[1].contact.email.as_bytes();
    let has_email = || {
        let mut files = files(&folder.path().join(".tidegate")).into_values();
        files.any(|file| file.windows(email.len()).any(|part| part == email))
    };
    let api = Api::of(folder.path());
    api.post(&instance, "/v1/flows/suppliers/runs").await;
    until("it is staged", async || has_email().then_some(())).await;
    until("it is forgotten", async || {
        let forget = ["forget", "suppliers", &rows[1].id];
        let forgotten = run(&forget, folder.path()).status.success();
        forgotten.then_some(())
    })
    .await;
    ctrl_c(&mut instance).await;
    assert!(!has_email());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_calls_in_hand_and_then_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut instance = Instance::start(folder.path());
    instance.stands_more_than(41).await;
    ctrl_c(&mut instance).await;
    let said: Vec<String> = instance.said.try_iter().collect();
    let last = said.last().unwrap();
    assert_eq!(last, "Stopped. The next start goes on from here.");
}

#[test]
fn a_right_file_is_no_mistake_and_the_schema_is_json() {
    let checked = run(&["check", "--flows", FLOWS], Path::new("/"));
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    assert!(text(&checked.stdout).contains("records a minute"));
    let schema = run(&["schema"], Path::new("/"));
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["title"], "FlowFile");
}

/// The files of a folder and those below it, by their path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            let below = self::files(&path).into_iter();
            files.extend(below.map(|(path, bytes)| (name.join(path), bytes)));
        } else {
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

#[test]
fn another_window_shows_in_the_template_and_in_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let infra = folder.path().join("infra");
    for (path, bytes) in files(&Path::new(FLOWS).join("..")) {
        // Neither the command's own crate nor what `sam build` left.
        if !path.starts_with("local") && !path.starts_with(".aws-sam") {
            let copy = infra.join(path);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::write(copy, bytes).unwrap();
        }
    }
    let flow = infra.join("flows/suppliers.toml");
    let shipped = fs::read_to_string(&flow).unwrap();
    let earlier = shipped.replacen("at = \"10:00\"", "at = \"09:00\"", 1);
    assert_ne!(earlier, shipped);
    // What is written into files besides, and what is printed for others to keep.
    let printed = || {
        [
            &["schema"][..],
            &["schema", "--events"],
            &["schema", "--openapi"],
            &["schema", "--metrics"],
        ]
        .map(|arguments| run(arguments, folder.path()).stdout)
    };
    let (before, printed_before) = (files(&infra), printed());
    assert!(printed_before.iter().all(|output| !output.is_empty()));

    fs::write(&flow, earlier).unwrap();
    let stale = run(&["render", "--check"], folder.path());
    assert_eq!(stale.status.code(), Some(1), "{}", text(&stale.stdout));
    let rendered = run(&["render"], folder.path());
    assert!(rendered.status.success(), "{}", text(&rendered.stderr));

    assert_eq!(printed(), printed_before);
    let after = files(&infra);
    let paths: Vec<_> = after.keys().collect();
    assert_eq!(paths, before.keys().collect::<Vec<_>>());
    let differ = |path: &&PathBuf| before.get(*path) != after.get(*path);
    let differing: Vec<_> = after.keys().filter(differ).collect();
    assert_eq!(
        differing,
        [
            Path::new("flows/suppliers.toml"),
            Path::new("template.yaml")
        ]
    );
}

#[test]
fn the_schemas_of_events_and_of_the_api_are_printed() {
    let printed = |arguments: &[&str]| -> Value {
        let output = run(arguments, Path::new("/"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let all = printed(&["schema", "--events"]);
    let one = printed(&["schema", "--events", "RecordApplied"]);
    assert_eq!(all["RecordApplied"], one);
    assert_eq!(one["title"], "RecordApplied");
    assert_eq!(printed(&["schema", "--openapi"])["openapi"], "3.1.0");
    let unknown = run(&["schema", "--events", "RecordLost"], Path::new("/"));
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown.stderr).contains("RecordInReview"),
        "it names those there are"
    );
    let both = run(&["schema", "--events", "--openapi"], Path::new("/"));
    assert_eq!(both.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_files_are_compared_with_those_of_another_instance() {
    let folder = tempfile::tempdir().unwrap();
    let instance = Instance::start(folder.path());
    let token = fs::read_to_string(folder.path().join(".tidegate/token")).unwrap();
    let flows = folder.path().join("mine");
    fs::create_dir(&flows).unwrap();
    let shipped = fs::read_to_string(format!("{FLOWS}/suppliers.toml")).unwrap();
    let file = flows.join("suppliers.toml");
    let compared = |text: &str| {
        fs::write(&file, text).unwrap();
        let arguments = [
            "check",
            "--flows",
            "mine",
            "--against",
            &instance.url,
            "--token",
            token.trim(),
        ];
        let output = run(&arguments, folder.path());
        (output.status.code(), text_of(&output))
    };
    let (code, said) = compared(&shipped);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 flow: no differences from "), "{said}");
    let (code, said) = compared(&shipped.replacen("maxLength = 200", "maxLength = 100", 1));
    assert_eq!(code, Some(1), "{said}");
    for told in [
        "another file under the same revision: hash ",
        "`name` is {\"maxLength\":100,\"minLength\":1,\"type\":\"string\"} here, {\"maxLength\":200,",
        "2 differences from ",
    ] {
        assert!(said.contains(told), "{told} in {said}");
    }
    let (code, said) = compared(&shipped.replacen("revision = 1", "revision = 2", 1));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(": revision 2 here, 1 there\n1 difference from "),
        "{said}"
    );
    let (code, said) = compared(&shipped.replacen("name = \"suppliers\"", "name = \"others\"", 1));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(": the flow `others` is not deployed there\n"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_is_compared_with_production_and_no_setting_is_shown() {
    let stage = |flows: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("flows")).unwrap();
        for flow in flows {
            let name = flow.rsplit('/').next().unwrap();
            let to = folder.path().join("flows").join(name);
            fs::copy(format!("{FLOWS}/{flow}"), to).unwrap();
        }
        let mut command = tidegate();
        command
            .current_dir(folder.path())
            .env("TIDEGATE_VAR_CRM_URL", "http://127.0.0.1:9")
            .env("TIDEGATE_VAR_NEWSLETTER_URL", "http://127.0.0.1:9")
            .env("TIDEGATE_SECRET_CRM_API_KEY", "crm-key")
            .env("TIDEGATE_SECRET_NEWSLETTER_TOKEN", "newsletter-token")
            .env("TIDEGATE_SECRET_CRM_WEBHOOK", WEBHOOK_SECRET);
        let instance = Instance::of(command);
        let token = Api::of(folder.path()).token;
        (instance, token, folder)
    };
    let staging = stage(&["suppliers.toml"]);
    let production = stage(&["suppliers.toml"]);
    let with_more = stage(&["suppliers.toml", "examples/contacts.toml"]);
    let compared = |one: &(Instance, String, _), other: &(Instance, String, _)| {
        let mut arguments = vec!["check", "--flows", FLOWS];
        for (instance, token, _) in [one, other] {
            arguments.extend(["--against", &instance.url, "--token", token]);
        }
        let output = run(&arguments, Path::new("/"));
        (output.status.code(), text_of(&output))
    };
    let (a, b) = (&staging.0.url, &production.0.url);
    let (code, said) = compared(&staging, &production);
    assert_eq!(code, Some(0), "{said}");
    let told = format!(
        "1 flow: no differences from {a}\n\
         1 flow: no differences from {b}\n\
         suppliers: settings that differ, as they may: `env.ERP_URL`, `env.QUALIO_URL`\n\
         suppliers: settings that are the same: `env.QUALIO_RISK_HIGH`, `env.QUALIO_RISK_LOW`, `env.QUALIO_RISK_MEDIUM`\n\
         {a} matches {b}: 1 flow, no differences\n"
    );
    assert!(said.ends_with(&told), "{said}");
    assert!(!said.contains(&staging.0.qualio), "{said}");

    let (code, said) = compared(&staging, &with_more);
    assert_eq!(code, Some(1), "{said}");
    let c = &with_more.0.url;
    let told = format!(
        "contacts: deployed at {c} only\n\
         {a} does not match {c}: 1 difference\n"
    );
    assert!(said.ends_with(&told), "{said}");
    let files = format!(
        "{c}:1: the flow `contacts` is deployed there, and no file here has it\n\
         1 difference from {c}\n"
    );
    assert!(said.contains(&files), "{said}");

    let arguments = [
        "check",
        "--flows",
        FLOWS,
        "--against",
        a,
        "--against",
        b,
        "--token",
        "x",
    ];
    let output = run(&arguments, Path::new("/"));
    assert_eq!(output.status.code(), Some(1));
    let told = "give each instance its token, in the same order: --against is there 2 times, --token 1 times";
    assert!(
        text(&output.stderr).contains(told),
        "{}",
        text(&output.stderr)
    );
}

fn text_of(output: &Output) -> String {
    text(&[output.stdout.as_slice(), &output.stderr].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_starts_a_batch_of_the_flow_that_has_a_trigger_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let flows = folder.path().join("flows");
    fs::create_dir(&flows).unwrap();
    let shipped = fs::read_to_string(format!("{FLOWS}/suppliers.toml")).unwrap();
    let trigger = "[[trigger]]\nsource = \"erp\"\ndetail_type = \"end of day\"\ndetail = { \"/company\" = [1000] }\n";
    fs::write(
        flows.join("suppliers.toml"),
        format!("{shipped}\n{trigger}"),
    )
    .unwrap();
    let instance = Instance::start(folder.path());
    let tell = |company: &str, id: &str| {
        let detail = format!("{{\"company\": {company}}}");
        let arguments = [
            "event",
            "--source",
            "erp",
            "--detail-type",
            "end of day",
            "--detail",
            &detail,
            "--id",
            id,
        ];
        run(&arguments, folder.path())
    };
    let other = tell("2000", "day-0");
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(
        text(&other.stdout),
        "no flow has a trigger for this event\n"
    );
    let told = tell("1000", "day-1");
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let said = text(&told.stdout);
    assert!(
        said.starts_with("suppliers: a batch was asked for by the event day-1"),
        "{said}"
    );
    let api = Api::of(folder.path());
    until("the event's run is complete", async || {
        let flows = api.get(&instance, "/v1/flows").await;
        let run = flows["items"][0]["last_run"].clone();
        (run["run"] == "event-day-1" && run["ended"] == "complete").then_some(())
    })
    .await;
    drop(instance);
    let gone = tell("1000", "day-2");
    assert!(
        text(&gone.stderr).contains("no instance runs"),
        "{}",
        text(&gone.stderr)
    );
}
