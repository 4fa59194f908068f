//! A deployed stack between the doubles of an ERP and of Qualio.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_model::flow::WarehouseSpec;
use tidegate_testkit::doubles::{
    Call, Clock,
    erp::{ErpConfig, ErpDouble, ErpSupplier, realistic_suppliers, webhook},
    qualio::{QualioConfig, QualioDouble, RISK_LEVELS},
};

use crate::{
    binaries::repository,
    python,
    snowflake::double::{self, SnowflakeDouble},
    stack::{Deployment, FILES_BUCKET, RunBy, Stack},
    until::until,
};

const ERP_TOKEN: &str = "erp-token-of-the-test";
const QUALIO_API_KEY: &str = "qualio-key-of-the-test";
const API_TOKEN: &str = "api-token-of-the-test";
const API_TOKEN_FIELDS: &str = "api-token-with-fields-of-the-test";
const DECIDE_TOKEN: &str = "decide-token-of-the-test";
/// The secret of the first vector of Standard Webhooks.
const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// The secret that is being rotated out: a valid one that nothing is signed with.
const OLD_WEBHOOK_SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Every secret, by the name that the flow file gives it.
pub const SECRETS: [(&str, &str); 7] = [
    ("ERP_TOKEN", ERP_TOKEN),
    ("QUALIO_API_KEY", QUALIO_API_KEY),
    ("API_TOKEN", API_TOKEN),
    ("API_TOKEN_FIELDS", API_TOKEN_FIELDS),
    ("DECIDE_TOKEN", DECIDE_TOKEN),
    ("SUPPLIERS_WEBHOOK_1", WEBHOOK_SECRET),
    ("SUPPLIERS_WEBHOOK_2", OLD_WEBHOOK_SECRET),
];

/// Any seed: the suppliers are realistic and always the same.
const SEED: u64 = 7;

/// The name that the flow file gives the flow.
pub const FLOW: &str = "suppliers";

/// A stack and the two systems that it keeps in step.
pub struct World {
    /// The source.
    pub erp: ErpDouble,
    /// The target.
    pub qualio: QualioDouble,
    /// What is deployed.
    pub stack: Stack,
    /// The warehouse, where the flow has one.
    pub snowflake: Option<SnowflakeDouble>,
    flows: TempDir,
}

impl World {
    /// Deploys the shipped flow with `edits` of its text, from an ERP of `count` suppliers to an
    /// empty Qualio.
    pub async fn start(count: u32, edits: &[(&str, &str)]) -> Self {
        Self::run_by(RunBy::Emulator, count, edits).await
    }

    /// The same, with functions that run where `run_by` says.
    pub async fn run_by(run_by: RunBy, count: u32, edits: &[(&str, &str)]) -> Self {
        Self::deploy(run_by, count, edits, None, None).await
    }

    /// The same, with a warehouse, and with the example of this name and its setting beside it.
    pub async fn with_warehouse(
        run_by: RunBy,
        count: u32,
        edits: &[(&str, &str)],
        example: Option<(&str, (&str, &str))>,
    ) -> Self {
        let snowflake = SnowflakeDouble::start();
        let spec = snowflake.spec(&format!("s3://{FILES_BUCKET}/staged/"));
        let spec = toml::to_string(&WarehouseSpec { view: None, ..spec });
        let table = format!("\n[warehouse]\n{}", spec.expect("a table"));
        let mut edits = edits.to_vec();
        let with = format!("{table}\n[schedule]\n");
        edits.push(("\n[schedule]\n", &with));
        Self::deploy(run_by, count, &edits, example, Some(snowflake)).await
    }

    async fn deploy(
        run_by: RunBy,
        count: u32,
        edits: &[(&str, &str)],
        example: Option<(&str, (&str, &str))>,
        snowflake: Option<SnowflakeDouble>,
    ) -> Self {
        let clock: Clock = Arc::new(wall_clock_ms);
        let suppliers = realistic_suppliers(SEED, count, wall_clock_ms());
        let erp = ErpConfig::new(Arc::clone(&clock), ERP_TOKEN).suppliers(suppliers);
        let erp = ErpDouble::start(erp).await.expect("the double of the ERP");
        let qualio = QualioConfig::new(clock, QUALIO_API_KEY);
        let qualio = QualioDouble::start(qualio)
            .await
            .expect("the double of Qualio");
        let flows = TempDir::with_prefix_in("flows-", python::workshop()).expect("a folder");
        write_flow(flows.path(), "suppliers.toml", edits);
        let (erp_url, qualio_url) = (erp.url(), qualio.url());
        let mut settings = vec![
            ("ERP_URL", erp_url.as_str()),
            ("QUALIO_URL", qualio_url.as_str()),
            ("QUALIO_RISK_LOW", RISK_LEVELS[0].0),
            ("QUALIO_RISK_MEDIUM", RISK_LEVELS[1].0),
            ("QUALIO_RISK_HIGH", RISK_LEVELS[2].0),
        ];
        if let Some((name, setting)) = example {
            write_flow(flows.path(), &format!("examples/{name}"), &[]);
            settings.push(setting);
        }
        let mut secrets = SECRETS.to_vec();
        let of_warehouse = snowflake.iter();
        secrets.extend(of_warehouse.map(|of| (double::KEY, of.private_key())));
        let stack = Stack::deploy(&Deployment {
            run_by,
            flows: flows.path(),
            settings: &settings,
            secrets: &secrets,
        })
        .await;
        Self {
            erp,
            qualio,
            stack,
            snowflake,
            flows,
        }
    }

    /// Sends a webhook that tells the whole of a supplier, and gives the status of the answer.
    pub async fn tell(&self, key: &str, message_id: &str) -> u16 {
        let row = self.erp.supplier(key).expect("a supplier of the ERP");
        let now_s = wall_clock_ms() / 1_000;
        let signed = webhook::sign(
            webhook::Told::Whole(&row),
            WEBHOOK_SECRET,
            message_id,
            now_s,
        )
        .expect("a webhook can be signed");
        let path = format!("/v1/flows/{FLOW}/webhook");
        let mut request = self.stack.wire().http().post(self.stack.api_url(&path));
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        let answer = request.body(signed.body).send().await;
        answer.expect("the webhook answers").status().as_u16()
    }

    /// Reads a path of the API.
    pub async fn read(&self, path: &str) -> Value {
        let request = self.stack.wire().http().get(self.stack.api_url(path));
        let answer = request.bearer_auth(API_TOKEN).send().await;
        let answer = answer.expect("the API answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"))
    }

    /// Sends JSON to a path of the API, and gives the status of the answer.
    pub async fn post(&self, path: &str, body: &Value) -> u16 {
        let request = self.stack.wire().http().post(self.stack.api_url(path));
        let answer = request.bearer_auth(API_TOKEN).json(body).send().await;
        answer.expect("the API answers").status().as_u16()
    }

    /// The folder of the flow file.
    pub fn flows(&self) -> &Path {
        self.flows.path()
    }

    /// The keys of the ERP's suppliers.
    pub fn keys_in_erp(&self) -> BTreeSet<String> {
        self.erp.suppliers().into_iter().map(|row| row.id).collect()
    }

    /// The keys that Qualio holds.
    pub fn keys_in_qualio(&self) -> BTreeSet<String> {
        self.qualio.created_by_key().into_keys().collect()
    }

    /// The calls that changed something in Qualio.
    pub fn writes_to_qualio(&self) -> Vec<Call> {
        let mut calls = self.qualio.calls();
        calls.retain(|call| call.effect);
        calls
    }

    /// Whether Qualio shows the ERP's present word on whether the supplier is blocked.
    pub fn shows_blocked(&self, key: &str) -> bool {
        let row = self.erp.supplier(key).expect("a supplier of the ERP");
        let word = if row.quality.blocked { "yes" } else { "no" };
        let notes = self
            .qualio
            .suppliers_of_key(key)
            .pop()
            .and_then(|supplier| supplier.contact_information?.notes);
        notes.is_some_and(|notes| notes.contains(&format!("blocked {word}")))
    }

    /// The keys that were created in Qualio more than once.
    pub fn created_twice(&self) -> Vec<String> {
        let created = self.qualio.created_by_key().into_iter();
        created
            .filter(|(_, times)| *times > 1)
            .map(|(key, _)| key)
            .collect()
    }

    /// The registers of the flow as stored, by key.
    pub async fn registers(&self) -> BTreeMap<String, Value> {
        let items = self.stack.items().await.into_iter();
        let text =
            |item: &Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        items
            .filter(|item| text(item, "pk").starts_with(&format!("register#{FLOW}#")))
            .map(|item| (text(&item, "sk"), item))
            .collect()
    }

    /// Waits until both queues are empty.
    pub async fn drained(&self, limit: Duration) {
        let wire = self.stack.wire();
        until("the queues are empty", limit, || async {
            let realtime = wire
                .queue_depth(self.stack.output("RealtimeQueueUrl"))
                .await;
            let batch = wire.queue_depth(self.stack.output("BatchQueueUrl")).await;
            (realtime + batch == 0).then_some(())
        })
        .await;
    }
}

/// What API Gateway hands to the webhook of a supplier as this row shows it.
pub fn webhook_event(row: &ErpSupplier, message_id: &str) -> Value {
    let whole = json!({"event": "supplier.changed", "supplier": row});
    signed_event(&whole.to_string(), message_id)
}

/// What API Gateway hands to the webhook of a body that is signed as it is.
pub fn signed_event(body: &str, message_id: &str) -> Value {
    let now_s = wall_clock_ms() / 1_000;
    let signed = webhook::sign_body(body.to_owned(), WEBHOOK_SECRET, message_id, now_s);
    let signed = signed.expect("a webhook can be signed");
    let headers: BTreeMap<&str, String> = signed.headers.into_iter().collect();
    let path = format!("/v1/flows/{FLOW}/webhook");
    http_event("POST", &path, &json!(headers), &signed.body)
}

/// What API Gateway hands to the API.
pub fn api_event(method: &str, path: &str, body: &Value) -> Value {
    api_event_of(API_TOKEN, method, path, body)
}

/// The same from somebody who may see private fields.
pub fn fields_event(method: &str, path: &str) -> Value {
    api_event_of(API_TOKEN_FIELDS, method, path, &Value::Null)
}

/// The same from somebody who waits for a decision.
pub fn decide_event(key: &str) -> Value {
    let path = format!("/v1/flows/{FLOW}/decide");
    api_event_of(DECIDE_TOKEN, "POST", &path, &json!({ "key": key }))
}

fn api_event_of(token: &str, method: &str, path: &str, body: &Value) -> Value {
    let headers = json!({
        "authorization": format!("Bearer {token}"),
        "content-type": "application/json",
    });
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    http_event(method, path, &headers, &body)
}

/// An event of an HTTP API, payload format 2.0.
fn http_event(method: &str, path: &str, headers: &Value, body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
            "requestId": "test",
            "routeKey": "$default",
            "stage": "$default",
            "time": "20/Nov/2026:02:00:00 +0000",
            "timeEpoch": wall_clock_ms(),
        },
        "body": body,
        "isBase64Encoded": false,
    })
}

/// The shipped flow file with parts of its text replaced.
fn write_flow(folder: &Path, name: &str, edits: &[(&str, &str)]) {
    let shipped = repository().join("infra/flows").join(name);
    let mut text = fs::read_to_string(&shipped).expect("the shipped flow file");
    for (from, to) in edits {
        assert!(text.contains(from), "the shipped flow has no {from}");
        text = text.replace(from, to);
    }
    let name = shipped.file_name().expect("a file");
    fs::write(folder.join(name), text).expect("a flow file");
}

/// The functions run on the machine's clock, so what they are sent has to be dated by it.
#[allow(
    clippy::disallowed_methods,
    reason = "real functions check a webhook's time against the real clock; no test decides by it"
)]
pub fn wall_clock_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The present time as EventBridge Scheduler writes a scheduled time.
pub fn scheduled_now() -> String {
    let now = jiff::Timestamp::from_second(wall_clock_ms() / 1_000).expect("a time of this age");
    now.to_string()
}
