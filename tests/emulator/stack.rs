//! The stack of the real template on an emulator of its own.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    binaries::{packages, repository, zipped},
    emulator::Emulator,
    snowflake::double::KEY,
    template::{self, BUCKET},
    until::until,
    wire::Wire,
    world::wall_clock_ms,
};

const DEPLOY_LIMIT: Duration = Duration::from_mins(2);

/// Sender of the digest in tests.
pub const MAIL_FROM: &str = "tidegate@example.com";
/// Receiver of the digest in tests.
pub const MAIL_TO: &str = "quality@example.com";
/// Where files are dropped in tests, where any are.
pub const FILES_BUCKET: &str = "tidegate-drop";
/// Receiver of the alarms in tests.
const ALARM_MAIL: &str = "operations@example.com";

/// The functions by the name in their log group.
pub const FUNCTION_LOGS: [&str; 11] = [
    "api",
    "batch-sync",
    "decide",
    "digest",
    "quality-audit",
    "reconcile",
    "tick",
    "warehouse",
    "webhook",
    "worker-batch",
    "worker-realtime",
];

/// Who runs the functions of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunBy {
    /// The emulator, as AWS does.
    Emulator,
    /// `tidegate bridge` and `cargo lambda watch`: the template's switches are off.
    Bridge,
    /// The emulator, and only when the test invokes one: the switches are off too.
    Hand,
}

impl RunBy {
    /// A bridged one is of a stage of its own, so that nothing depends on the name of one; at an
    /// endpoint that lives on, of one that no earlier run had.
    fn stage(self, endpoint: Option<&str>) -> String {
        match (self, endpoint) {
            (Self::Emulator, _) => "dev".to_owned(),
            (Self::Hand, _) => "by-hand".to_owned(),
            (Self::Bridge, None) => "bridged".to_owned(),
            (Self::Bridge, Some(_)) => format!("journey-{}", wall_clock_ms() / 1_000),
        }
    }

    /// The template's parameter.
    fn started_by(self) -> &'static str {
        match self {
            Self::Emulator => "aws",
            Self::Bridge | Self::Hand => "bridge",
        }
    }
}

/// Where functions and HTTP API of a bridged stack are served.
pub struct Served {
    /// The Invoke API.
    pub functions: String,
    /// The HTTP API.
    pub api: String,
}

/// What a deployment under test differs in.
pub struct Deployment<'a> {
    /// Who runs the functions.
    pub run_by: RunBy,
    /// Folder of the flow files.
    pub flows: &'a Path,
    /// Settings of its stage, put beside the flow files; none: what is there is meant.
    pub settings: &'a [(&'a str, &'a str)],
    /// Secrets by the name that a flow file gives them.
    pub secrets: &'a [(&'a str, &'a str)],
}

/// A deployed stack.
pub struct Stack {
    outputs: BTreeMap<String, String>,
    stage: String,
    /// Set once something serves the functions of a bridged stack.
    pub served: Option<Served>,
    wire: Wire,
    emulator: Emulator,
}

impl Stack {
    /// Starts an emulator, uploads the packages and creates the stack.
    pub async fn deploy(deployment: &Deployment<'_>) -> Self {
        packages();
        let endpoint = given_endpoint(deployment.run_by);
        let stage = deployment.run_by.stage(endpoint.as_deref());
        let emulator = match endpoint {
            None => Emulator::start().await,
            Some(endpoint) => Emulator::given(endpoint),
        };
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
        if !deployment.settings.is_empty() {
            write_stage(deployment, &stage);
        }
        create(&wire, deployment, &stage).await;
        let described = until("the stack stands", DEPLOY_LIMIT, || {
            described(&wire, &stage, "CREATE_COMPLETE")
        })
        .await;
        for (name, value) in deployment.secrets {
            let id = format!("tidegate/{stage}/{name}");
            let secret = json!({"SecretId": id, "SecretString": value});
            wire.json("secretsmanager", "secretsmanager.PutSecretValue", &secret)
                .await;
        }
        Self {
            outputs: pairs(&described, "OutputKey", "OutputValue")
                .into_iter()
                .collect(),
            stage,
            served: None,
            wire,
            emulator,
        }
    }

    /// Deploys the same template with another value of a parameter, and waits until it stands.
    pub async fn update(&self, deployment: &Deployment<'_>, parameter: (&str, &str)) {
        let flows = deployment.flows.display().to_string();
        let mut parameters = parameters(deployment, &self.stage, &flows);
        parameters.retain(|(name, _)| *name != parameter.0);
        parameters.push(parameter);
        write(&self.wire, "UpdateStack", &self.stage, &parameters).await;
        until("the stack stands again", DEPLOY_LIMIT, || {
            described(&self.wire, &self.stage, "UPDATE_COMPLETE")
        })
        .await;
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

    /// The stage.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Deletes what was deployed at an endpoint that lives on: the stack, which goes by itself once
    /// told, and its table, which outlives it. The packages stay for the next journey.
    pub async fn remove(&self) {
        if self.emulator.is_given() {
            self.wire
                .form("cloudformation", &about("DeleteStack", &self.stage))
                .await;
            let table = json!({"TableName": self.output("TableName")});
            self.wire
                .json("dynamodb", "DynamoDB_20120810.DeleteTable", &table)
                .await;
        }
    }

    /// The name that the template gives something of this stage.
    pub fn name(&self, what: &str) -> String {
        format!("tidegate-{}-{what}", self.stage)
    }

    /// The log group of a function.
    pub fn log_group(&self, function: &str) -> String {
        format!("/tidegate/{}/{function}", self.stage)
    }

    /// The ARN of a secret.
    pub async fn secret_arn(&self, name: &str) -> String {
        let asked = json!({"SecretId": format!("tidegate/{}/{name}", self.stage)});
        let operation = "secretsmanager.DescribeSecret";
        let secret = self.wire.json("secretsmanager", operation, &asked).await;
        secret["ARN"].as_str().expect("an ARN").to_owned()
    }

    /// Runs the function whose name is this output, wherever it is served.
    pub async fn invoke(&self, output: &str, event: &Value) -> Value {
        let name = self.output(output);
        let Some(served) = &self.served else {
            return self.wire.invoke(name, event).await;
        };
        let binary = name.replace(&self.name(""), "tidegate-");
        Wire::new(served.functions.clone())
            .invoke(&binary, event)
            .await
    }

    /// A URL of the HTTP API.
    pub fn api_url(&self, path: &str) -> String {
        if let Some(served) = &self.served {
            return format!("{}{path}", served.api);
        }
        let id = self.output("HttpApiId");
        self.wire
            .url(&format!("/_aws/execute-api/{id}/$default{path}"))
    }

    /// Runs what a schedule of the template runs, by the schedule's own target, role and state, as
    /// soon as the emulator or the bridge looks (every 10 s). `scheduled` stands for the scheduled
    /// time, which the emulator does not fill in.
    pub async fn fire_schedule(&self, what: &str, scheduled: &str) {
        let name = self.name(what);
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
            "ScheduleExpression": format!("at({})", scheduled.trim_end_matches('Z')),
            "State": real["State"],
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

    /// Removes every item of the table.
    pub async fn empty_table(&self) {
        self.remove_items(|_| true).await;
    }

    /// Removes the register of a record.
    pub async fn forget_register(&self, key: &str) {
        let of_it = |item: &Value| {
            let register = item["pk"]["S"]
                .as_str()
                .is_some_and(|pk| pk.starts_with("register#"));
            register && item["sk"]["S"] == key
        };
        self.remove_items(of_it).await;
    }

    async fn remove_items(&self, which: impl Fn(&Value) -> bool) {
        for item in self.items().await.into_iter().filter(|item| which(item)) {
            let key = json!({
                "TableName": self.output("TableName"),
                "Key": {"pk": item["pk"], "sk": item["sk"]},
            });
            self.wire
                .json("dynamodb", "DynamoDB_20120810.DeleteItem", &key)
                .await;
        }
    }

    /// Lets the work of every record wait for so much longer than it has, in milliseconds.
    pub async fn age_registers(&self, by_ms: i64) {
        for mut item in self.items().await {
            for since in ["du", "ps", "us"] {
                let moment = item[since]["N"]
                    .as_str()
                    .and_then(|at| at.parse::<i64>().ok());
                if let Some(moment) = moment {
                    item[since]["N"] = json!((moment - by_ms).to_string());
                }
            }
            let put = json!({"TableName": self.output("TableName"), "Item": item});
            self.wire
                .json("dynamodb", "DynamoDB_20120810.PutItem", &put)
                .await;
        }
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
                let group = self.log_group(function);
                eprintln!("{group}:\n{}", self.wire.log_of(&group).join("\n"));
            }
        }
    }
}

/// Where a person wants the bridged journey to go instead of an emulator of its own.
fn given_endpoint(run_by: RunBy) -> Option<String> {
    let given = std::env::var_os("TIDEGATE_JOURNEY_ENDPOINT").filter(|_| run_by == RunBy::Bridge);
    given.map(|url| url.to_string_lossy().trim_end_matches('/').to_owned())
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

fn write_stage(deployment: &Deployment<'_>, stage: &str) {
    let folder = deployment.flows.join("stages");
    fs::create_dir_all(&folder).expect("a folder of stages");
    let lines = deployment.settings.iter();
    let lines: Vec<String> = lines
        .map(|(name, value)| format!("{name} = {value:?}"))
        .collect();
    let file = folder.join(format!("{stage}.toml"));
    fs::write(file, lines.join("\n")).expect("the file of a stage");
}

async fn create(wire: &Wire, deployment: &Deployment<'_>, stage: &str) {
    let template = template::packaged(deployment.flows).into_bytes();
    wire.put_object(&format!("/{BUCKET}/{stage}.yaml"), template)
        .await;
    // The emulator mounts no layer, so the functions read the folder itself.
    let flows = deployment.flows.display().to_string();
    let parameters = parameters(deployment, stage, &flows);
    write(wire, "CreateStack", stage, &parameters).await;
}

fn parameters<'a>(
    deployment: &Deployment<'_>,
    stage: &'a str,
    flows: &'a str,
) -> Vec<(&'a str, &'a str)> {
    // A permission that nothing needs is a mistake.
    let reads_files = deployment
        .settings
        .iter()
        .any(|(name, _)| *name == "INVOICES");
    let loads = deployment.secrets.iter().any(|(name, _)| *name == KEY);
    let bucket = |used| if used { FILES_BUCKET } else { "" };
    vec![
        ("Stage", stage),
        ("StartedBy", deployment.run_by.started_by()),
        ("Architecture", "x86_64"),
        ("FlowsFolder", flows),
        ("MailFrom", MAIL_FROM),
        // The emulator sends by no identity.
        ("MailIdentity", "*"),
        ("MailTo", MAIL_TO),
        ("AlarmMail", ALARM_MAIL),
        ("FilesBucket", bucket(reads_files)),
        ("WarehouseBucket", bucket(loads)),
        ("GradualDeployment", "false"),
    ]
}

/// Creates or updates the stack from the uploaded template.
async fn write(wire: &Wire, action: &str, stage: &str, parameters: &[(&str, &str)]) {
    let mut form = about(action, stage);
    // By its address, since one that is sent along must be short.
    let template = wire.url(&format!("/{BUCKET}/{stage}.yaml"));
    form.push(("TemplateURL".to_owned(), template));
    for (at, capability) in (1..).zip(["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]) {
        form.push((
            format!("Capabilities.member.{at}"),
            (*capability).to_owned(),
        ));
    }
    for (at, (name, value)) in (1..).zip(parameters) {
        let member = format!("Parameters.member.{at}");
        form.push((format!("{member}.ParameterKey"), (*name).to_owned()));
        form.push((format!("{member}.ParameterValue"), (*value).to_owned()));
    }
    wire.form("cloudformation", &form).await;
}

/// The description of the stack once it stands; fails when it went wrong.
async fn described(wire: &Wire, stage: &str, stands: &str) -> Option<String> {
    let description = wire
        .form("cloudformation", &about("DescribeStacks", stage))
        .await;
    let status = between(&description, "<StackStatus>", "</StackStatus>").unwrap_or_default();
    if status == stands {
        return Some(description);
    }
    if status.ends_with("_IN_PROGRESS") || status == "CREATE_COMPLETE" {
        return None;
    }
    let events = wire
        .form("cloudformation", &about("DescribeStackEvents", stage))
        .await;
    let reasons = pairs(&events, "LogicalResourceId", "ResourceStatusReason");
    panic!("the stack is {status}: {reasons:#?}");
}

fn stack_name(stage: &str) -> String {
    format!("tidegate-{stage}")
}

fn about(action: &str, stage: &str) -> Vec<(String, String)> {
    [
        ("Action", action),
        ("Version", "2010-05-15"),
        ("StackName", &stack_name(stage)),
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

/// What stands between two texts.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}
