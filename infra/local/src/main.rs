//! The command a person runs: everything on one machine, and a remote control for what is deployed.
//!
//! `tidegate` alone serves the functions' own handlers behind a local HTTP server, with DynamoDB on
//! a file, queues, event bus and schedules in the process ([`dev`]). The other commands check and
//! preview flow files, serve doubles of other systems ([`double`]) or talk to a running instance.
//! Nothing here decides what becomes of a record: that is the engine's, and the engine is the one
//! that runs on Lambda.
//!
//! Invariants
//! - What was answered with 2xx, and what a register says is to be done, survives `kill -9`: the
//!   table is on disk, queues are filled again from it, and what stands in no register (a hint, a
//!   force sync, a run that was asked for) lies in the spool until it is done.
//! - One process at a time works with a data folder.
//! - Preview and check change nothing.

mod bridge;
mod bus;
mod check;
mod cli;
mod data;
mod demo;
mod dev;
mod double;
mod drops;
mod flows;
mod host;
mod log;
mod mail;
mod metrics;
mod offline;
mod place;
mod plan;
mod preview;
mod queue;
mod refill;
mod remote;
mod render;
mod report;
mod schedule;
mod screen;
mod simulate;
mod spool;
mod table;
mod workers;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
