//! `tidegate bridge`: what AWS does between a deployed stack and its functions, for functions that
//! run elsewhere.
//!
//! Queues, table, bus, schedules and secrets stand at an AWS endpoint (`LocalStack`, ministack, AWS);
//! the functions are served by an Invoke API on this machine (`cargo lambda watch`). The bridge polls
//! the queues, follows the rules of the bus and the schedules, serves the HTTP API, and invokes.
//! Everything is found by the names that the template gives a stage; rules and schedules are read
//! from the stack, so that a flow's own are followed too.
//!
//! Invariants
//! - A message of the stack's queues is deleted only after a function has answered for it. An event of
//!   the bus is given up, and the log says so, when its function has failed it three times, as Lambda
//!   does with what it is asked for asynchronously, and when it is no JSON ([`source`]); what waits
//!   when the bridge ends goes with its queue.
//! - It leaves nothing behind: what it made on the bus goes when it ends, be it at Ctrl-C, before all
//!   is made, by an error or for want of a reader of its lines. Only after a kill it stays, until the
//!   next bridge of the stage ends ([`bus`]).
//! - A stack that starts its functions itself is told of: with `StartedBy=bridge` it does not.

mod bus;
mod expression;
mod functions;
mod gateway;
mod queue;
mod schedules;
mod source;
mod timetable;

use std::{io::Write as _, net::SocketAddr, pin::pin, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Args;
use tidegate_aws::Aws;
use tidegate_engine::ports::Clock;
use tidegate_lambda::{Config, SystemClock};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    cli::{self, Outcome},
    dev,
    log::{self, LogTo},
};
use bus::{Bus, Diverted, Elsewhere, Made};
use functions::{Functions, InvokeApi, NamedAs, Names};
use gateway::Gateway;
use queue::SqsSource;
use schedules::{Schedules, Starter};
use source::{Feed, Lane};
use timetable::{Listed, Timetable};

/// Where `cargo lambda watch` serves unless it is told otherwise.
const DEFAULT_FUNCTIONS: &str = "http://127.0.0.1:9000";
/// Where the HTTP API is served unless `--listen` says otherwise: beside `tidegate dev`.
const DEFAULT_LISTEN: &str = "127.0.0.1:8788";
/// Environment key of the endpoint, as AWS's own tools name it.
const ENDPOINT_KEY: &str = "AWS_ENDPOINT_URL";
/// Events of one rule in work at once: a run takes minutes, and another flow must not wait for it.
const EVENT_LANES: usize = 4;

const HELP: &str = "\
Deploy with StartedBy=bridge first, so that AWS itself starts nothing; region and credentials are
read from AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or found by AWS's own rules.

Examples:
  tidegate bridge --endpoint http://127.0.0.1:4566 --functions http://127.0.0.1:9000
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8788/v1/flows";

/// What `bridge` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct BridgeArgs {
    /// Where AWS's services answer [default: AWS itself]
    #[arg(long, value_name = "URL", env = ENDPOINT_KEY, value_parser = cli::http_url)]
    pub endpoint: Option<String>,
    /// The Invoke API that serves the functions
    #[arg(long, value_name = "URL", default_value = DEFAULT_FUNCTIONS, value_parser = cli::http_url)]
    pub functions: String,
    /// How functions are named there
    #[arg(long, value_enum, default_value_t = NamedAs::Binary)]
    pub named: NamedAs,
    /// The stage of the stack
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub stage: String,
    /// Where the HTTP API is served; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN, value_parser = dev::parse_address)]
    pub listen: SocketAddr,
}

/// An event source mapping of the template.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    queue: &'static str,
    function: &'static str,
    /// Messages at once.
    batch: i32,
    /// Batches in work at once: the mapping's `MaximumConcurrency`, or the least there is.
    lanes: usize,
}

/// The mappings of the template, which a test holds equal.
const MAPPINGS: [Mapping; 4] = [
    Mapping {
        queue: "realtime",
        function: "worker-realtime",
        batch: 10,
        lanes: 4,
    },
    Mapping {
        queue: "batch",
        function: "worker-batch",
        batch: 1,
        lanes: 2,
    },
    Mapping {
        queue: "realtime-dead",
        function: "digest",
        batch: 10,
        lanes: 2,
    },
    Mapping {
        queue: "batch-dead",
        function: "digest",
        batch: 10,
        lanes: 2,
    },
];

/// Runs until Ctrl-C.
pub(crate) async fn run(args: BridgeArgs) -> anyhow::Result<Outcome> {
    let config = Config::from_env();
    log::start(&LogTo::Stderr, &config)?;
    let mut values = config.values().clone();
    if let Some(endpoint) = &args.endpoint {
        values.insert(ENDPOINT_KEY.to_owned(), endpoint.clone());
    }
    let aws = Aws::connect(&values).await?;
    let names = Names::new(&args.stage, args.named);
    let api = InvokeApi::new(&args.functions, names.clone()).context("there is no HTTP client")?;
    let bridge = Bridge {
        sqs: queue::client(&aws),
        functions: Arc::new(api),
        clock: Arc::new(SystemClock),
        aws,
        names,
    };
    bridge.run(&args).await
}

struct Bridge {
    aws: Aws,
    sqs: aws_sdk_sqs::Client,
    names: Names,
    functions: Arc<dyn Functions>,
    clock: Arc<dyn Clock>,
}

/// What stands at the endpoint, and is to be followed from here.
struct Found {
    queues: Vec<(Mapping, Arc<SqsSource>)>,
    schedules: Schedules,
    listed: Vec<Listed>,
    diverted: Vec<Diverted>,
    elsewhere: anyhow::Result<Vec<Elsewhere>>,
    listener: TcpListener,
    url: String,
}

impl Bridge {
    async fn run(self, args: &BridgeArgs) -> anyhow::Result<Outcome> {
        let events = aws_sdk_eventbridge::Client::new(self.aws.config());
        let name = format!("tidegate-{}", args.stage);
        let bus = Bus::new(events, self.sqs.clone(), name, Arc::clone(&self.clock));
        let mut made = Made::new();
        let ended = self.run_over(&bus, args, &mut made).await;
        // However it ended.
        bus.give_back(&made).await;
        ended?;
        say("Stopped.")?;
        Ok(Outcome::Fine)
    }

    async fn run_over(&self, bus: &Bus, args: &BridgeArgs, made: &mut Made) -> anyhow::Result<()> {
        let mut stop = pin!(dev::stop_signal());
        let found = tokio::select! {
            signal = &mut stop => return Ok(signal?),
            found = self.find(bus, args, made) => found?,
        };
        let table = self.tell(args, &found)?;
        if !self.functions.are_there().await {
            say("No Invoke API answers yet: nothing is taken from a queue until one does.")?;
        }
        say(&format!("Serving {}/v1/. Ctrl-C stops.", found.url))?;
        if let Some(warning) = dev::warning(args.listen) {
            say(&warning)?;
        }

        let (end, ending) = watch::channel(false);
        let mut tasks = self.lanes(&found.queues, &found.diverted, &ending);
        let functions = Arc::clone(&self.functions);
        let starter = Starter::new(found.schedules, functions, Arc::clone(&self.clock));
        tasks.spawn(starter.run(table, ending.clone()));
        let gateway = Gateway {
            functions: Arc::clone(&self.functions),
            clock: Arc::clone(&self.clock),
        };
        let mut ended = ending;
        let served = axum::serve(found.listener, gateway.router());
        let served = served.with_graceful_shutdown(async move {
            drop(ended.wait_for(|end| *end).await);
        });
        tasks.spawn(async move { drop(served.await) });
        stop.await?;
        end.send_replace(true);
        // What is in hand ends, whether anybody reads this or not.
        let said = say("Stopping: what was invoked ends first. A second Ctrl-C stops at once.");
        tokio::select! {
            () = async { while tasks.join_next().await.is_some() {} } => {}
            signal = dev::stop_signal() => signal?,
        }
        said
    }

    /// Looks for all there is, and makes the ways from the bus to here.
    async fn find(&self, bus: &Bus, args: &BridgeArgs, made: &mut Made) -> anyhow::Result<Found> {
        let queues = self.queues().await?;
        let client = aws_sdk_scheduler::Client::new(self.aws.config());
        let schedules = Schedules::new(client, self.names.clone());
        let listed = schedules.list().await?;
        let (listener, url) = dev::listen(args.listen).await?;
        let diverted = bus.divert(&self.names, made).await?;
        let elsewhere = bus.elsewhere(&diverted).await;
        Ok(Found {
            queues,
            schedules,
            listed,
            diverted,
            elsewhere,
            listener,
            url,
        })
    }

    /// Says what is followed, and gives the schedules that are.
    fn tell(&self, args: &BridgeArgs, found: &Found) -> anyhow::Result<Timetable> {
        say(&format!("Queues, bus and schedules: {}", self.aws))?;
        say(&format!("Functions:                 {}", args.functions))?;
        for (mapping, _) in &found.queues {
            say(&format!(
                "  queue     {} -> {}",
                mapping.queue, mapping.function
            ))?;
        }
        for way in &found.diverted {
            say(&format!("  rule      {} -> {}", way.rule, way.function))?;
            tell_of_rival("rule", &way.rule, way.is_enabled)?;
        }
        match &found.elsewhere {
            Ok(rules) => {
                for Elsewhere {
                    bus,
                    rule,
                    function,
                } in rules
                {
                    say(&format!(
                        "  rule      {rule} -> {function} is not followed: it is on the bus {bus}; `tidegate event` can tell of its events"
                    ))?;
                }
            }
            Err(error) => say(&format!(
                "  rules on other buses are not looked for: {error:#}"
            ))?,
        }
        let mut table = Timetable::new(self.clock.now());
        for (listed, followed) in table.take(found.listed.clone(), self.clock.now()) {
            let name = &listed.name;
            match followed {
                Ok(()) => say(&format!("  schedule  {name} -> {}", listed.function))?,
                Err(error) => say(&format!("  schedule  {name} is not followed: {error}"))?,
            }
            tell_of_rival("schedule", name, listed.is_enabled)?;
        }
        Ok(table)
    }

    /// The queues of the mappings; all that are missing are named at once.
    async fn queues(&self) -> anyhow::Result<Vec<(Mapping, Arc<SqsSource>)>> {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for mapping in MAPPINGS {
            let name = self.names.of(mapping.queue);
            let queue = SqsSource::find(&self.sqs, &name).await;
            match queue.with_context(|| format!("no way to SQS in {}", self.aws))? {
                Some(queue) => found.push((mapping, Arc::new(queue))),
                None => missing.push(name),
            }
        }
        if !missing.is_empty() {
            bail!(
                "{} has no queue {}: deploy the stack there first, or name its stage with --stage",
                self.aws,
                missing.join(", ")
            );
        }
        Ok(found)
    }

    fn lanes(
        &self,
        queues: &[(Mapping, Arc<SqsSource>)],
        diverted: &[Diverted],
        stop: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let mut lanes = JoinSet::new();
        let mut start = |source: &Arc<SqsSource>, function, feed, count| {
            for _ in 0..count {
                let lane = Lane {
                    source: Arc::<SqsSource>::clone(source),
                    functions: Arc::clone(&self.functions),
                    function,
                    feed,
                    clock: Arc::clone(&self.clock),
                };
                lanes.spawn(lane.run(stop.clone()));
            }
        };
        for (mapping, source) in queues {
            let feed = Feed::Batches(mapping.batch);
            start(source, mapping.function, feed, mapping.lanes);
        }
        for way in diverted {
            start(&way.source, way.function, Feed::Events, EVENT_LANES);
        }
        lanes
    }
}

/// Two who start the same share the work: neither harms, but a person does not see all of it here.
fn tell_of_rival(kind: &str, name: &str, is_enabled: bool) -> anyhow::Result<()> {
    if is_enabled {
        say(&format!(
            "            AWS starts it too: the {kind} {name} is enabled; deploy with StartedBy=bridge"
        ))?;
    }
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{line}").and_then(|()| out.flush());
    said.context("what is followed can not be told: standard output is closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the template writes a name.
    fn logical(name: &str) -> &'static str {
        match name {
            "realtime" => "RealtimeQueue",
            "batch" => "BatchQueue",
            "realtime-dead" => "RealtimeDeadLetters",
            _ => "BatchDeadLetters",
        }
    }

    #[test]
    fn the_mappings_are_those_of_the_template() {
        let template = include_str!("../../template.yaml");
        for mapping in MAPPINGS {
            let name = format!(
                "FunctionName: !Sub tidegate-${{Stage}}-{}",
                mapping.function
            );
            let (_, function) = template.split_once(&name).expect("a function of this name");
            let queue = format!("Queue: !GetAtt {}.Arn\n", logical(mapping.queue));
            let (before, event) = function.split_once(&queue).expect("an event of this queue");
            assert!(!before.contains("FunctionName:"), "{name} has {queue}");
            let (event, _) = event.split_once("[ReportBatchItemFailures]").unwrap();
            assert!(
                event.contains(&format!("BatchSize: {}\n", mapping.batch)),
                "{event}"
            );
            let queue = format!("QueueName: !Sub tidegate-${{Stage}}-{}\n", mapping.queue);
            assert!(template.contains(&queue), "{queue}");
        }
        let mapped = template.matches("Type: SQS\n").count();
        assert_eq!(mapped, MAPPINGS.len());
        for (mapping, function) in [
            (MAPPINGS[0], "WorkerRealtime:"),
            (MAPPINGS[1], "WorkerBatch:"),
        ] {
            let (_, text) = template.split_once(function).unwrap();
            let (_, text) = text.split_once("MaximumConcurrency: ").unwrap();
            assert!(text.starts_with(&mapping.lanes.to_string()), "{function}");
        }
    }
}
