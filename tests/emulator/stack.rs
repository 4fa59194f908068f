//! The stack of the real template on an emulator of its own.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tidegate_testkit::doubles::qualio::RISK_LEVELS;

use crate::{
    binaries::{packages, repository, zipped},
    emulator::Emulator,
    template::{self, BUCKET},
    until::until,
    wire::Wire,
};

const STACK: &str = "tidegate";
const DEPLOY_LIMIT: Duration = Duration::from_mins(2);

/// Sender of the digest in tests.
pub const MAIL_FROM: &str = "tidegate@example.com";
/// Receiver of the digest in tests.
pub const MAIL_TO: &str = "quality@example.com";

/// The functions by the name in their log group.
const FUNCTION_LOGS: [&str; 8] = [
    "api",
    "batch-sync",
    "digest",
    "reconcile",
    "tick",
    "webhook",
    "worker-batch",
    "worker-realtime",
];

/// What a deployment under test differs in.
pub struct Deployment<'a> {
    /// Base URL of the ERP.
    pub erp_url: &'a str,
    /// Base URL of Qualio.
    pub qualio_url: &'a str,
    /// Folder of the flow files.
    pub flows: &'a Path,
    /// Secrets by the name that a flow file gives them.
    pub secrets: &'a [(&'a str, &'a str)],
}

/// A deployed stack.
pub struct Stack {
    outputs: BTreeMap<String, String>,
    wire: Wire,
    emulator: Emulator,
}

impl Stack {
    /// Starts an emulator, uploads the packages and creates the stack.
    pub async fn deploy(deployment: &Deployment<'_>) -> Self {
        packages();
        let emulator = Emulator::start().await;
        let wire = Wire::new(emulator.endpoint());
        upload(&wire).await;
        for address in [MAIL_FROM, MAIL_TO] {
            let identity = json!({"EmailIdentity": address});
            wire.rest(
                "ses",
                reqwest::Method::POST,
                "/v2/email/identities",
                &identity,
            )
            .await;
        }
        create(&wire, deployment).await;
        let described = until("the stack stands", DEPLOY_LIMIT, || described(&wire)).await;
        for (name, value) in deployment.secrets {
            let secret = json!({"SecretId": format!("tidegate/dev/{name}"), "SecretString": value});
            wire.json("secretsmanager", "secretsmanager.PutSecretValue", &secret)
                .await;
        }
        Self {
            outputs: pairs(&described, "OutputKey", "OutputValue")
                .into_iter()
                .collect(),
            wire,
            emulator,
        }
    }

    /// An output of the template.
    pub fn output(&self, name: &str) -> &str {
        self.outputs
            .get(name)
            .unwrap_or_else(|| panic!("the template has an output {name}"))
    }

    /// Calls of the emulated services.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The emulator that the stack stands on.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// A URL of the HTTP API.
    pub fn api_url(&self, path: &str) -> String {
        let id = self.output("HttpApiId");
        self.wire
            .url(&format!("/_aws/execute-api/{id}/$default{path}"))
    }

    /// Runs what a schedule of the template runs, by the schedule's own target and role, as soon
    /// as the emulator looks (every 10 s). `scheduled` stands for the scheduled time, which the
    /// emulator does not fill in.
    pub async fn fire_schedule(&self, name: &str, scheduled: &str) {
        let rest = |method, path: String, body: Value| async move {
            self.wire.rest("scheduler", method, &path, &body).await
        };
        let real = rest(
            reqwest::Method::GET,
            format!("/schedules/{name}"),
            Value::Null,
        )
        .await;
        let mut target = real["Target"].clone();
        let input = target["Input"].as_str().unwrap_or("{}");
        target["Input"] = json!(input.replace("<aws.scheduler.scheduled-time>", scheduled));
        let once = json!({
            "ScheduleExpression": "at(2026-01-01T00:00:00)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": target,
        });
        rest(
            reqwest::Method::POST,
            format!("/schedules/{name}-now"),
            once,
        )
        .await;
    }

    /// Sends a message to the queue whose URL is this output.
    pub async fn send(&self, queue: &str, message: &Value) {
        let sent = json!({"QueueUrl": self.output(queue), "MessageBody": message.to_string()});
        self.wire.json("sqs", "AmazonSQS.SendMessage", &sent).await;
    }

    /// All items of the table.
    pub async fn items(&self) -> Vec<Value> {
        let mut items = Vec::new();
        let mut scan = json!({"TableName": self.output("TableName"), "ConsistentRead": true});
        loop {
            let page = self
                .wire
                .json("dynamodb", "DynamoDB_20120810.Scan", &scan)
                .await;
            items.extend(page["Items"].as_array().cloned().unwrap_or_default());
            match page.get("LastEvaluatedKey") {
                Some(key) if !key.is_null() => scan["ExclusiveStartKey"] = key.clone(),
                _ => return items,
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for function in FUNCTION_LOGS {
                let group = format!("/tidegate/dev/{function}");
                eprintln!("{group}:\n{}", self.wire.log_of(&group).join("\n"));
            }
        }
    }
}

async fn upload(wire: &Wire) {
    wire.put_object(&format!("/{BUCKET}"), Vec::new()).await;
    for (function, package) in packages() {
        wire.put_object(&format!("/{BUCKET}/{function}.zip"), package.clone())
            .await;
    }
    let shipped = folder_files(&repository().join("infra/flows"));
    wire.put_object(&format!("/{BUCKET}/flows.zip"), zipped(&shipped))
        .await;
}

fn folder_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.expect("a folder can be listed"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let bytes = fs::read(entry.path()).expect("a flow file can be read");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect()
}

async fn create(wire: &Wire, deployment: &Deployment<'_>) {
    // The emulator mounts no layer, so the functions read the folder itself.
    let flows = deployment.flows.display().to_string();
    let parameters = [
        ("Architecture", "x86_64"),
        ("FlowsFolder", flows.as_str()),
        ("ErpUrl", deployment.erp_url),
        ("QualioUrl", deployment.qualio_url),
        ("QualioRiskLow", RISK_LEVELS[0].0),
        ("QualioRiskMedium", RISK_LEVELS[1].0),
        ("QualioRiskHigh", RISK_LEVELS[2].0),
        ("MailFrom", MAIL_FROM),
        ("MailTo", MAIL_TO),
    ];
    let mut form = vec![
        ("Action".to_owned(), "CreateStack".to_owned()),
        ("Version".to_owned(), "2010-05-15".to_owned()),
        ("StackName".to_owned(), STACK.to_owned()),
        ("TemplateBody".to_owned(), template::packaged()),
        (
            "Capabilities.member.1".to_owned(),
            "CAPABILITY_IAM".to_owned(),
        ),
        (
            "Capabilities.member.2".to_owned(),
            "CAPABILITY_AUTO_EXPAND".to_owned(),
        ),
    ];
    for (at, (name, value)) in parameters.iter().enumerate() {
        let member = format!("Parameters.member.{}", at + 1);
        form.push((format!("{member}.ParameterKey"), (*name).to_owned()));
        form.push((format!("{member}.ParameterValue"), (*value).to_owned()));
    }
    wire.cloudformation(&form).await;
}

/// The description of the stack once it stands; fails when it went wrong.
async fn described(wire: &Wire) -> Option<String> {
    let description = wire.cloudformation(&about("DescribeStacks")).await;
    let status = between(&description, "<StackStatus>", "</StackStatus>").unwrap_or_default();
    if status == "CREATE_COMPLETE" {
        return Some(description);
    }
    if status == "CREATE_IN_PROGRESS" {
        return None;
    }
    let events = wire.cloudformation(&about("DescribeStackEvents")).await;
    let reasons = pairs(&events, "LogicalResourceId", "ResourceStatusReason");
    panic!("the stack is {status}: {reasons:#?}");
}

fn about(action: &str) -> Vec<(String, String)> {
    [
        ("Action", action),
        ("Version", "2010-05-15"),
        ("StackName", STACK),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The values of two elements that stand together in each `member` of an XML list.
fn pairs(xml: &str, first: &str, second: &str) -> Vec<(String, String)> {
    xml.split("<member>")
        .filter_map(|member| {
            let key = between(member, &format!("<{first}>"), &format!("</{first}>"))?;
            let value = between(member, &format!("<{second}>"), &format!("</{second}>"))?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}
