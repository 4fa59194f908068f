//! What can be typed, and what the process answers with.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidegate_policy::run::Mode;

use crate::{
    bridge::{self, BridgeArgs},
    check, dev,
    double::{self, DoubleArgs},
    offline, plan, preview, remote,
    render::{self, RenderArgs},
    report::{self, ReportArgs},
    simulate::{self, SimulateArgs},
};

/// Where the state of an instance lies unless `--data` says otherwise.
pub(crate) const DEFAULT_DATA: &str = ".tidegate";
/// Where the HTTP server listens unless `--listen` says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8787";

const ABOUT: &str = "\
Keeps the records of two systems in step, inside their API limits.

Without a command, tidegate runs the whole bundle on this machine, with a demo: an ERP and a Qualio
that are simulated on loopback, 120 suppliers, and changes that trickle in. No cloud, no Docker.";

const EXAMPLES: &str = "\
Examples:
  tidegate                            run everything with the demo; Ctrl-C stops, a second start goes on
  tidegate report --since 2026-11-22 --baseline before.json
                                      success, latency, freshness and cost since then, beside a saved report
  tidegate status                     in another terminal: how the flows are doing
  tidegate preview suppliers          what the next batch would send, and why; sends nothing
  tidegate reviews                    what needs a person
  tidegate replay suppliers~SUP-000017 --dry-run
  tidegate event --source erp --detail-type \"end of day\"
                                      starts a batch of each flow that has a trigger for it
  tidegate check --flows my-flows     every mistake in your flow files, with its line
  tidegate check --against https://api.example.com/openapi.json
                                      does what the flows write fit what the target accepts now?
  tidegate check --against \"$STAGING\" --token \"$A\" --against \"$PRODUCTION\" --token \"$B\"
                                      does staging match production, and both the files here?
  tidegate render --check             is the template of the stack on AWS as the flow files have it?
  tidegate plan infra/flows/examples/sheet.csv
                                      which pattern carries each flow, and what quotas allow
  tidegate double shopify --port 9100 serves a shop's orders on this machine, with its quota and refusals
  tidegate dev --no-demo --flows my-flows --data /var/lib/tidegate
                                      your flows against the real systems, windows and all
  tidegate status --url https://abc.execute-api.eu-central-1.amazonaws.com --token \"$TOKEN\"

Whoever else works on this machine can read and change the table while tidegate runs: it is served on
a port of loopback that takes any credentials. Beyond the machine only --listen is reached, if it is
not loopback: that is plain HTTP, guarded by the token in the data folder.

With --no-demo, a flow's settings (`env.NAME` in the flow file) are read from TIDEGATE_VAR_NAME and
its secrets from TIDEGATE_SECRET_NAME. What is missing is listed at once.

Exit code: 0 done, 1 it failed or mistakes were found, 2 the command line is wrong, 3 what was
simulated was not kept.";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    about = "Keeps the records of two systems in step, inside their API limits",
    long_about = ABOUT,
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    dev: DevArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine (also without a command)
    Dev(DevArgs),
    /// Tell every mistake of the flow files, each with its line, and what each flow promises
    Check(CheckArgs),
    /// Write what the flow files say of the stack (schedules, rules, secrets, alarms) into its template
    Render(RenderArgs),
    /// Compute the pattern of each flow and its reason, and the headroom of each daily quota
    Plan(PlanArgs),
    /// Run days of a flow in virtual time: are its windows and freshness goals kept, and at what price?
    Simulate(Box<SimulateArgs>),
    /// Sum up the metrics of a time: success, latency, freshness, calls spared, cost; beside an earlier one
    Report(ReportArgs),
    /// Show what a batch would send and why that tier; sends and stages nothing
    Preview(PreviewArgs),
    /// Start a batch now
    Run(RunArgs),
    /// Compare source, registers and target in full now; heal what is wrong and tell what it was
    Reconcile(ReconcileArgs),
    /// Look at the data of a flow now, as its `[audit]` says, and tell what was found
    Audit(AuditArgs),
    /// Load a flow into its warehouse now, compare the two, and tell what was found
    Warehouse(WarehouseArgs),
    /// Show how the flows are doing
    Status(Remote),
    /// List what needs a person, oldest first
    Reviews(ReviewsArgs),
    /// Send a record in review again
    Replay(ReplayArgs),
    /// Erase the values of a record, and keep the hashes that stop them from coming back
    Forget(ForgetArgs),
    /// Print the mail of the day as it would be sent now
    Digest(Remote),
    /// Poll a stack's queues, rules and schedules, and invoke functions that are served elsewhere
    Bridge(BridgeArgs),
    /// Tell of an event of another system: it starts a batch of each flow that has a trigger for it
    Event(EventArgs),
    /// Serve a stand-in of another system, to try a flow against; without a name, list them
    Double(DoubleArgs),
    /// Print the JSON Schema of a flow file, for editors; of events, the HTTP API, or the metrics
    Schema(SchemaArgs),
}

/// What `schema` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Print the JSON Schemas of the events on the bus by name, or that of one
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with = "openapi")]
    #[allow(
        clippy::option_option,
        reason = "not asked for, asked for all, or for one"
    )]
    pub events: Option<Option<String>>,
    /// Print the OpenAPI 3.1 description of the HTTP API
    #[arg(long)]
    pub openapi: bool,
    /// Print the table of the metrics as Markdown
    #[arg(long, conflicts_with_all = ["events", "openapi"])]
    pub metrics: bool,
}

/// What `event` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct EventArgs {
    /// Who sends it: `source` of the trigger
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// What happened: `detail_type` of the trigger
    #[arg(long, value_name = "NAME")]
    pub detail_type: String,
    /// More of it: a JSON object
    #[arg(long, value_name = "JSON")]
    pub detail: Option<String>,
    /// Names it, so that a repeat is the same event [default: a new name]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
}

/// What `dev` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct DevArgs {
    /// Folder of flow files [default: infra/flows or flows, else the demo's own]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// Folder for all state: table, spool, mails, log, token
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// Where the HTTP server listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN, value_parser = dev::parse_address)]
    pub listen: SocketAddr,
    /// Serve the flows against the real systems, without simulated ones
    #[arg(long)]
    pub no_demo: bool,
    /// Write the log to standard error instead of the data folder's tidegate.log
    #[arg(long, short)]
    pub verbose: bool,
}

/// What `check` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = CHECK_HELP)]
pub(crate) struct CheckArgs {
    /// Folder of flow files, or one file [default: infra/flows or flows]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// Compare with what a target accepts now, or with instances and these with each other
    #[arg(long, value_name = "URL|FILE")]
    pub against: Vec<String>,
    /// Bearer token of the instance that --against names; one for each, in the same order
    #[arg(long, requires = "against")]
    pub token: Vec<String>,
}

const CHECK_HELP: &str = "\
--against takes one of
  the address of an OpenAPI 3.x document in JSON, or a file that holds one
  the address of a target: each flow's `[target.contract]` says where below it that document lies
  with --token, the address of another Tidegate, such as that of staging

A document is held against what the flows write: each flow with a `[target.contract]`, and each whose
calls it describes. It is fetched without credentials: one that needs some is fetched into a file first.

An instance is held against the files: revision, file and fields of each flow, and what its target there
accepts. Several, each with its --token and in the same order, are then compared with each other:
  tidegate check --against \"$STAGING\" --token \"$A\" --against \"$PRODUCTION\" --token \"$B\"
The last line says whether staging matches production. Settings (`env.NAME`) are told by name, never by
value: that another value stands there is no difference, a setting that one of them lacks is one.

Exit code 1 when something differs.";

/// What `plan` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = PLAN_HELP)]
pub(crate) struct PlanArgs {
    /// The flow sheet, a CSV [default: the flow files alone]
    #[arg(value_name = "SHEET.csv")]
    pub sheet: Option<PathBuf>,
    /// Folder of flow files, or one file [default: infra/flows or flows]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const PLAN_HELP: &str = "\
Columns of the sheet (infra/flows/examples/sheet.csv is one to copy):
  flow, source, target   names: lower-case letters, digits and -
  direction              one-way, or both; then `conflict` and a row for the way back
  conflict               the system that wins, newest or review
  records_a_day          a whole number
  latency                after which a delay hurts: 30 s, 5 min, 4 h, 1 d
  impact                 financial, compliance or operational
  someone_waits          yes or no
  trigger                change (with `consumers`), schedule (with `runs_a_day`) or migration
  bulk_api               yes or no: whether the target has one; from 2,000 records a run
  loss                   zero, reconciled or best-effort
  calls_a_record         calls to the target; left out where a flow file knows the target
  quota_a_day            calls that the target allows, or none; the same
  bulk_quota_a_day       chunks of 10,000 records that its bulk API takes, or none

Exit code 1 when something is wrong or a quota keeps less than 30 % headroom.";

/// What `preview` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = PREVIEW_HELP)]
pub(crate) struct PreviewArgs {
    /// The flow
    pub flow: String,
    /// Most records to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
    /// Only the record of this key
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Folder of flow files [default: infra/flows or flows, else the demo's own]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// Folder with the state of the instance to compare with
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

const PREVIEW_HELP: &str = "\
Reads the source from its beginning (or one record with --key), maps and validates each row, looks
into the target where it can be listed or searched, and compares with what the instance in --data
has stored. The few calls that this takes are reads, and they count against the limits that a
running instance keeps. Nothing is staged, queued or sent.";

/// What `run` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The flow
    pub flow: String,
    /// How to read the source [default: what changed; everything if there was no complete run]
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    #[command(flatten)]
    pub remote: Remote,
}

/// What `reconcile` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// The flow
    pub flow: String,
    /// Delete what the source no longer has, however much it is: you have looked
    #[arg(long)]
    pub accept_absent: bool,
    #[command(flatten)]
    pub remote: Remote,
}

/// What `audit` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditArgs {
    /// The flow
    pub flow: String,
    #[command(flatten)]
    pub remote: Remote,
}

/// What `warehouse` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct WarehouseArgs {
    /// The flow
    pub flow: String,
    #[command(flatten)]
    pub remote: Remote,
}

/// The modes of a run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ModeArg {
    /// What changed since the last complete run
    Incremental,
    /// Everything; records that stand in the target already are linked, not created
    Initial,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Incremental => Self::Incremental,
            ModeArg::Initial => Self::Initial,
        }
    }
}

/// What `reviews` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReviewsArgs {
    /// Only those of this flow
    #[arg(long, value_name = "FLOW")]
    pub flow: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
}

/// What `replay` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The review, as `tidegate reviews` names it: suppliers~SUP-000017
    pub id: String,
    /// Show validation and the exact request, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub remote: Remote,
}

/// What `forget` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The flow
    pub flow: String,
    /// The record's key: SUP-000017
    pub key: String,
    #[command(flatten)]
    pub remote: Remote,
}

/// Which instance to talk to.
#[derive(Clone, Debug, Args)]
pub(crate) struct Remote {
    /// Address of an instance [default: the one that runs with --data]
    #[arg(long, value_name = "URL", env = "TIDEGATE_URL", value_parser = http_url)]
    pub url: Option<String>,
    /// Bearer token of its API [default: the one in the data folder]
    #[arg(long, env = "TIDEGATE_API_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Folder with the state of the running instance
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

impl Remote {
    /// The options that name the same instance once more, for a command line that is told; never the
    /// token.
    pub(crate) fn options(&self) -> String {
        match &self.url {
            Some(url) => format!(" --url {}", quoted(url)),
            None => data_option(&self.data),
        }
    }
}

/// The option that names a data folder; none for the usual one.
pub(crate) fn data_option(data: &Path) -> String {
    if data == Path::new(DEFAULT_DATA) {
        return String::new();
    }
    format!(" --data {}", quoted(&data.display().to_string()))
}

/// A text as a shell takes it.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// An address of a server.
pub(crate) fn http_url(text: &str) -> Result<String, &'static str> {
    let is_http = |url: &reqwest::Url| matches!(url.scheme(), "http" | "https");
    let url = reqwest::Url::parse(text).ok().filter(is_http);
    match url.and_then(|url| url.host().map(drop)) {
        Some(()) => Ok(text.to_owned()),
        None => Err("write an address that begins with http:// or https:// and names a host"),
    }
}

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As wished.
    Fine,
    /// It found what somebody must put right.
    Found,
    /// A simulation broke a goal, which is not a failure of the command.
    Broken,
}

/// The exit code of [`Outcome::Broken`]: 1 is a failure, and 2 a command line that is wrong.
const BROKEN: u8 = 3;

/// The exit code of a command line that is wrong, as clap has it.
const WRONG_COMMAND_LINE: u8 = 2;

/// Runs the command of this process.
pub(crate) async fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => dev::run(cli.dev).await,
        Some(Command::Dev(args)) => dev::run(args).await,
        Some(Command::Check(args)) => check::run(&args).await,
        Some(Command::Render(args)) => render::run(&args),
        Some(Command::Plan(args)) => plan::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Schema(args)) => offline::schema(&args),
        Some(Command::Event(args)) => remote::event(&args).await,
        Some(Command::Simulate(args)) => simulate::run(*args).await,
        Some(Command::Double(args)) => double::run(&args).await,
        Some(Command::Bridge(args)) => bridge::run(args).await,
        Some(Command::Preview(args)) => preview::run(args).await,
        Some(Command::Run(args)) => remote::start_run(&args).await,
        Some(Command::Reconcile(args)) => remote::reconcile(&args).await,
        Some(Command::Audit(args)) => remote::audit(&args).await,
        Some(Command::Warehouse(args)) => remote::warehouse(&args).await,
        Some(Command::Status(args)) => remote::status(&args).await,
        Some(Command::Reviews(args)) => remote::reviews(&args).await,
        Some(Command::Replay(args)) => remote::replay(&args).await,
        Some(Command::Forget(args)) => remote::forget(&args).await,
        Some(Command::Digest(args)) => remote::digest(&args).await,
    };
    match done {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::FAILURE,
        Ok(Outcome::Broken) => ExitCode::from(BROKEN),
        Err(error) => {
            // `{:#}` is the error with its causes in one line.
            let mut out = std::io::stderr().lock();
            drop(writeln!(out, "tidegate: {error:#}"));
            if error.is::<simulate::PlanError>() {
                // What was asked for does not fit together, each word of it being one.
                return ExitCode::from(WRONG_COMMAND_LINE);
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_dev() {
        let cli = Cli::try_parse_from(["tidegate", "--listen", "127.0.0.1:0", "--no-demo"]);
        let cli = cli.unwrap();
        assert!(cli.command.is_none());
        assert!(cli.dev.no_demo);
        let both = Cli::try_parse_from(["tidegate", "--no-demo", "check"]);
        assert!(both.is_err());
    }

    #[test]
    fn an_address_that_is_none_is_told_what_to_write() {
        for text in ["http://127.0.0.1:8787", "https://abc.example/stage/"] {
            assert_eq!(http_url(text).as_deref(), Ok(text));
        }
        for text in ["ftp://x", "localhost:8787", "http://", "x", ""] {
            assert!(http_url(text).unwrap_err().contains("http://"), "{text}");
        }
    }

    #[test]
    fn a_told_command_names_the_same_instance() {
        for (given, told) in [
            (&[][..], ""),
            (&["--data", ".tidegate"], ""),
            (
                &["--data", "/var/lib/tidegate"],
                " --data /var/lib/tidegate",
            ),
            (&["--data", "it's"], r" --data 'it'\''s'"),
            (
                &["--url", "https://x.example/a?b", "--token", "t"],
                " --url 'https://x.example/a?b'",
            ),
            (
                &["--url", "http://127.0.0.1:8787", "--data", "d"],
                " --url http://127.0.0.1:8787",
            ),
        ] {
            let line = [&["tidegate", "status"], given].concat();
            let Ok(Cli {
                command: Some(Command::Status(remote)),
                ..
            }) = Cli::try_parse_from(line)
            else {
                panic!("{given:?}");
            };
            assert_eq!(remote.options(), told);
        }
    }

    #[test]
    fn every_command_explains_itself() {
        let command = Cli::command();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{}", sub.get_name());
        }
    }
}
