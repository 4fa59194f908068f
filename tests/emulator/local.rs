//! Functions that run on this machine for a stack that stands elsewhere: `cargo lambda watch` serves
//! them with the shipped environment, and `tidegate bridge` starts them.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use crate::{
    binaries::{self, repository},
    emulator::free_port,
    python,
    stack::Served,
    supervised::Supervised,
    until::until,
    world::World,
};

/// The functions are built before; what is left is cargo's look at what changed.
const LIMIT: Duration = Duration::from_mins(3);

/// The shipped environment, as the README names it.
const SHIPPED: &str = "infra/events/local.env";

/// `cargo lambda watch`, serving.
pub struct Watch {
    /// Where the Invoke API is.
    pub port: u16,
    _server: Supervised,
}

impl Watch {
    /// The README's command, with this environment and the binaries of the other tests.
    pub async fn start(world: &World, environment: &str) -> Self {
        let port = free_port();
        let folder = world.stack.emulator().folder();
        let file = folder.join("local.env");
        fs::write(&file, environment).expect("a file in the folder of the run");
        let arguments = readme_command("cargo lambda watch ");
        let arguments = replaced(arguments, &[(SHIPPED, &file.display().to_string())]);
        let program = python::tool("cargo-lambda");
        let log = folder.join("watch.txt");
        let server = Supervised::start(program.as_os_str(), &log, |command| {
            command
                .args(["lambda", "watch"])
                .args(arguments)
                .args(["--invoke-port", &port.to_string()])
                .arg("--ignore-changes")
                .env("CARGO_TARGET_DIR", python::build_folder())
                .current_dir(repository());
        });
        until("cargo lambda watch answers", LIMIT, || async {
            let asked = reqwest::get(format!("http://127.0.0.1:{port}/")).await;
            asked.ok().map(drop)
        })
        .await;
        Self {
            port,
            _server: server,
        }
    }

    /// The Invoke API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// `tidegate bridge` before `cargo lambda watch`.
pub struct Bridge {
    // Before the functions, so that nothing is in hand any more when they end.
    process: Supervised,
    watch: Watch,
    api: String,
}

impl Bridge {
    /// Starts both, and waits until the API answers.
    pub async fn start(world: &World) -> Self {
        let watch = Watch::start(world, &environment_of_the_stack(world).await).await;
        let address = format!("127.0.0.1:{}", free_port());
        let log = world.stack.emulator().folder().join("bridge.txt");
        let command = binaries::command();
        let process = Supervised::start(command.as_os_str(), &log, |command| {
            prepare(command, world, &watch.url(), world.stack.stage(), &address);
        });
        let this = Self {
            process,
            watch,
            api: format!("http://{address}"),
        };
        // The first invocation of a function waits for its build.
        until("the API answers through the bridge", LIMIT, || async {
            let asked = reqwest::get(format!("{}/v1/flows", this.api)).await.ok()?;
            (asked.status() == reqwest::StatusCode::UNAUTHORIZED).then_some(())
        })
        .await;
        this
    }

    /// What it says of a stage that is not there.
    pub async fn refused(world: &World, stage: &str) -> String {
        let mut command = Command::new(binaries::command());
        prepare(
            &mut command,
            world,
            "http://127.0.0.1:1",
            stage,
            "127.0.0.1:0",
        );
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("it ends").expect("the command starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Where things are served.
    pub fn served(&self) -> Served {
        Served {
            functions: self.watch.url(),
            api: self.api.clone(),
        }
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The README's command, with the addresses of this run.
fn prepare(command: &mut Command, world: &World, functions: &str, stage: &str, listen: &str) {
    let arguments = readme_command("cargo run -- bridge ");
    let addresses = [
        ("http://127.0.0.1:4566", world.stack.wire().url("")),
        ("http://127.0.0.1:9000", functions.to_owned()),
    ];
    let addresses = addresses
        .each_ref()
        .map(|(shipped, other)| (*shipped, other.as_str()));
    command
        .arg("bridge")
        .args(replaced(arguments, &addresses))
        .args(["--stage", stage, "--listen", listen])
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
}

/// The shipped environment with other values; each name must stand there.
pub fn environment(values: &[(&str, String)]) -> String {
    let shipped = fs::read_to_string(shipped()).expect("the shipped environment");
    let mut lines: Vec<String> = shipped.lines().map(str::to_owned).collect();
    for (name, value) in values {
        let named = format!("{name}=");
        let line = lines.iter_mut().find(|line| line.starts_with(&named));
        *line.unwrap_or_else(|| panic!("{SHIPPED} has no {name}")) = format!("{named}{value}");
    }
    lines.join("\n")
}

fn shipped() -> PathBuf {
    repository().join(SHIPPED)
}

/// What the template gives its functions, its secrets by their ARNs.
async fn environment_of_the_stack(world: &World) -> String {
    let stack = &world.stack;
    let mut values = vec![
        ("AWS_ENDPOINT_URL", stack.wire().url("")),
        ("TIDEGATE_TABLE", stack.output("TableName").to_owned()),
        (
            "TIDEGATE_QUEUE_REALTIME",
            stack.output("RealtimeQueueUrl").to_owned(),
        ),
        (
            "TIDEGATE_QUEUE_BATCH",
            stack.output("BatchQueueUrl").to_owned(),
        ),
        ("TIDEGATE_BUS", stack.output("BusName").to_owned()),
        ("TIDEGATE_FLOWS", world.flows().display().to_string()),
        ("TIDEGATE_VAR_ERP_URL", world.erp.url()),
        ("TIDEGATE_VAR_QUALIO_URL", world.qualio.url()),
    ];
    for (variable, secret) in [
        ("TIDEGATE_SECRET_ERP_TOKEN", "ERP_TOKEN"),
        ("TIDEGATE_SECRET_QUALIO_API_KEY", "QUALIO_API_KEY"),
        ("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_1", "SUPPLIERS_WEBHOOK_1"),
        ("TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_2", "SUPPLIERS_WEBHOOK_2"),
        ("TIDEGATE_SECRET_API_TOKEN", "API_TOKEN"),
        ("TIDEGATE_SECRET_API_TOKEN_FIELDS", "API_TOKEN_FIELDS"),
        ("TIDEGATE_SECRET_DECIDE_TOKEN", "DECIDE_TOKEN"),
    ] {
        values.push((variable, stack.secret_arn(secret).await));
    }
    environment(&values)
}

/// The command of the README that starts with `start`, without that start.
pub fn readme_command(start: &str) -> Vec<String> {
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README");
    let line = readme.lines().find_map(|line| line.strip_prefix(start));
    let line = line.unwrap_or_else(|| panic!("the README has no line `{start}`"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// The arguments with others in the place of those named, which must be there.
fn replaced(arguments: Vec<String>, others: &[(&str, &str)]) -> Vec<String> {
    for (shipped, _) in others {
        let is_there = arguments.iter().any(|argument| argument == shipped);
        assert!(is_there, "the README's command has no {shipped}");
    }
    let other = |argument: String| {
        let other = others.iter().find(|(shipped, _)| argument == *shipped);
        other.map_or(argument.clone(), |(_, other)| (*other).to_owned())
    };
    arguments.into_iter().map(other).collect()
}
