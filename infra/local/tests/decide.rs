//! Decisions as whoever waits for one gets them: the program as a person runs it, the flow of accounts as
//! it ships, and a double of Dataverse (R28). Each exchange is held against the description that the
//! program serves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod wait;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use tidegate_engine::ports::Clock as _;
use tidegate_lambda::SystemClock;
use tidegate_testkit::{
    doubles::{
        Action, Answer, Call, Clock, Ended, Fault, Gate,
        authority::{AuthorityDouble, Tokens},
        dataverse::{DataverseConfig, DataverseDouble, login},
    },
    openapi::{self, Described},
};
use wait::until;

const FLOW: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../flows/examples/accounts-dataverse.toml"
);
const PATH: &str = "/v1/flows/accounts-dataverse/decide";

/// The program, what it asks, and who asks it.
struct Place {
    dataverse: DataverseDouble,
    url: String,
    /// That of decisions.
    token: String,
    api_token: String,
    described: Described,
    child: Child,
    _login: AuthorityDouble,
    _folder: tempfile::TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Place {
    async fn start() -> Self {
        let clock: Clock = Arc::new(|| SystemClock.now().0);
        let tokens = Tokens::new(clock.clone());
        let config = DataverseConfig::new(clock.clone(), tokens.clone()).accounts(7, 40);
        let dataverse = DataverseDouble::start(config).await.unwrap();
        let scope = format!("{}/.default", dataverse.url());
        let login = login(clock, "app", "app-secret", &scope).given_as(tokens);
        let login = AuthorityDouble::start(login).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command
            .env_clear()
            .current_dir(folder.path())
            .args(["dev", "--no-demo", "--listen", "127.0.0.1:0"])
            .args(["--flows", FLOW])
            .env("TIDEGATE_VAR_DATAVERSE_URL", dataverse.url())
            .env("TIDEGATE_VAR_DATAVERSE_LOGIN_URL", login.token_url())
            .env("TIDEGATE_VAR_DATAVERSE_CLIENT_ID", "app")
            .env("TIDEGATE_SECRET_DATAVERSE_CLIENT_SECRET", "app-secret");
        let (child, url) = started(command);
        let described = reqwest::get(format!("{url}/v1/openapi.json")).await;
        let described: Value = described.unwrap().json().await.unwrap();
        Self {
            token: token_at(&folder.path().join(".tidegate/token-decide")),
            api_token: token_at(&folder.path().join(".tidegate/token")),
            described: Described::try_new(&described).unwrap(),
            dataverse,
            url,
            child,
            _login: login,
            _folder: folder,
        }
    }

    /// By hand, as a person does.
    async fn by_hand(&self, what: &str, body: Value) {
        let url = format!("{}/_double/{what}", self.dataverse.url());
        let done = reqwest::Client::new().post(url).json(&body).send().await;
        assert_eq!(done.unwrap().status(), 200, "{what} {body}");
    }

    async fn set(&self, id: &str, set: Value) {
        self.by_hand("change", json!({"id": id, "set": set})).await;
    }

    /// Status and body, which are as they are described.
    async fn ask(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url));
        let answer = request.bearer_auth(token).json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let media_type = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let told: Value = answer.json().await.unwrap();
        let operation = self.described.check(openapi::Call {
            method: "POST",
            path,
            sent: Some(body),
            status,
            media_type: &media_type,
            body: &told,
        });
        assert_eq!(operation, Ok(Some("decide")), "{status} {told}");
        (status, told)
    }

    /// Why it is yes or no. Yes is what is approved, and nothing else.
    async fn why(&self, key: &str, ask: &Value) -> String {
        let question = json!({"key": key, "ask": ask});
        let (status, told) = self.ask(PATH, &self.token, &question).await;
        assert_eq!(status, 200, "{told}");
        let why = told["why"].as_str().unwrap();
        let expected = if why == "approved" { "yes" } else { "no" };
        assert_eq!(told["decision"], expected, "{told}");
        why.to_owned()
    }

    /// The same, from what the source says now. A busy machine may itself be too late for an answer, which
    /// rightly is a no; then it is asked again.
    async fn credit(&self, key: &str, ask: Value) -> String {
        until("the machine has time for a decision", async || {
            let before = self.calls(key).len();
            let why = self.why(key, &ask).await;
            if why == "no_answer_in_time" {
                return None;
            }
            assert_eq!(self.calls(key).len(), before + 1, "it is asked each time");
            Some(why)
        })
        .await
    }

    /// Calls about one account.
    fn calls(&self, key: &str) -> Vec<Call> {
        let calls = self.dataverse.calls().into_iter();
        calls
            .filter(|call| call.key.as_deref() == Some(key))
            .collect()
    }
}

fn started(mut command: Command) -> (Child, String) {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("Tidegate runs at ").map(str::to_owned))
        .expect("it says where it runs");
    // Its output is read to the end, or it would block on a full pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, url)
}

fn token_at(path: &Path) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

fn id(number: u64) -> String {
    DataverseDouble::id_of(number)
}

fn amount(amount: impl Into<Value>) -> Value {
    json!({"amount": amount.into()})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_credit_up_to_its_limit_as_it_stands_now() {
    let place = Place::start().await;
    let id = id(3);
    place
        .set(&id, json!({"creditlimit": 1_000, "creditonhold": false}))
        .await;
    for (ask, why) in [
        (amount(1_000), "approved"),
        (amount(999.99), "approved"),
        (amount(1_000.01), "declined"),
        // What is no amount is no yes.
        (amount(0), "declined"),
        (amount(-5), "declined"),
        (amount("999.99"), "declined"),
        (amount("-inf"), "declined"),
        (amount("all"), "declined"),
        (amount(true), "declined"),
        (amount(Value::Null), "unclear"),
        (json!({}), "unclear"),
    ] {
        assert_eq!(place.credit(&id, ask.clone()).await, why, "{ask}");
    }

    for (set, why) in [
        (json!({"creditonhold": true}), "declined"),
        (json!({"creditonhold": false}), "approved"),
        (json!({"statecode": 1}), "declined"),
        (json!({"statecode": 0}), "approved"),
        (json!({"creditlimit": 299.99}), "declined"),
        (json!({"creditlimit": 300}), "approved"),
        (json!({"creditlimit": null}), "unclear"),
        (
            json!({"creditlimit": 5_000, "creditonhold": null}),
            "unclear",
        ),
        (json!({"creditonhold": false}), "approved"),
    ] {
        place.set(&id, set.clone()).await;
        assert_eq!(place.credit(&id, amount(300)).await, why, "{set}");
    }
    let calls = place.calls(&id);
    let select = calls.last().unwrap().query.as_deref().unwrap();
    let select = select.replace("%24", "$").replace("%2C", ",");
    assert_eq!(select, "$select=creditlimit,creditonhold,statecode");

    place.by_hand("delete", json!({"id": id})).await;
    let other = "00000000-0000-4000-8000-000000000001";
    for unknown in [&id, other, "41", "ACC-000003"] {
        let why = place.credit(unknown, amount(300)).await;
        let status = place.calls(unknown).last().unwrap().status();
        assert_eq!(why, "refused", "{unknown}: {status:?}");
        assert!(matches!(status, Some(400 | 404)), "{unknown}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_answer_is_a_no() {
    let place = Place::start().await;
    let id = id(3);
    let set = json!({"creditlimit": 1_000, "creditonhold": false});
    place.set(&id, set).await;
    let failing = |action: Action| {
        let fault = Fault::new(action).key(&id);
        place.dataverse.set_fault(fault).unwrap();
    };

    let gate = Gate::new();
    failing(Action::Hold(gate.clone()));
    let held = until("a call is held", async || {
        assert_eq!(place.why(&id, &amount(300)).await, "no_answer_in_time");
        place.calls(&id).pop()
    })
    .await;
    // It was decided without it.
    assert_eq!(held.ended, Ended::InHand);
    place.dataverse.clear_faults();
    gate.open();
    assert_eq!(place.credit(&id, amount(300)).await, "approved");

    failing(Action::answer(
        503,
        json!({"error": {"code": "0x80044150"}}),
    ));
    assert_eq!(place.credit(&id, amount(300)).await, "failed");
    place.dataverse.clear_faults();
    assert_eq!(place.credit(&id, amount(300)).await, "approved");

    // A page of HTML, with the status 200.
    failing(Action::Garbage);
    assert_eq!(place.credit(&id, amount(300)).await, "failed");
    place.dataverse.clear_faults();
    assert_eq!(place.credit(&id, amount(300)).await, "approved");

    failing(Action::Answer(Answer {
        status: 429,
        headers: [("Retry-After".to_owned(), "300".to_owned())].into(),
        body: json!({"error": {"code": "0x80072322", "message": "Number of requests exceeded"}}),
    }));
    assert_eq!(place.credit(&id, amount(300)).await, "no_permit");
    place.dataverse.clear_faults();
    let calls = place.calls(&id).len();
    assert_eq!(place.why(&id, &amount(300)).await, "no_permit");
    assert_eq!(place.calls(&id).len(), calls, "it asked to wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_a_problem_and_asks_nobody() {
    let place = Place::start().await;
    let question = json!({"key": id(3), "ask": {"amount": 300}});
    let token = place.token.as_str();
    for (path, token, body, status) in [
        (PATH, "", question.clone(), 401),
        (PATH, place.api_token.as_str(), question.clone(), 401),
        ("/v1/flows/suppliers/decide", token, question, 404),
        (PATH, token, json!({"ask": {"amount": 300}}), 400),
        (PATH, token, json!({"key": id(3), "ask": null}), 400),
        (PATH, token, json!({"key": "x".repeat(20_000)}), 413),
    ] {
        let (answered, told) = place.ask(path, token, &body).await;
        assert_eq!(answered, status, "{told}");
    }
    assert_eq!(place.calls(&id(3)), []);
    // Nor is the token of decisions good for anything else.
    let flows = reqwest::Client::new().get(format!("{}/v1/flows", place.url));
    let refused = flows.bearer_auth(token).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}
