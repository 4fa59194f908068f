//! Hosting: configuration, telemetry, event decoding, responses.
//!
//! What a function's `main.rs` needs before its handler can run, and what a handler needs to read
//! an event and to answer. Nothing here decides what becomes of a record. The clock, chance and the
//! environment are read here and nowhere else.
//!
//! The profiles keep `panic = "unwind"`: the runtime then answers the caller and lives on, where an
//! abort would answer nothing and cost a cold start.

mod clock;
mod config;
mod deadline;
pub mod event;
mod flows;
mod telemetry;

pub use clock::{SystemChance, SystemClock};
pub use config::{
    BaseUrl, Bus, Config, ConfigError, ConfigFault, FlowsFolder, FromConfig, LogFilter,
    MailAddresses, QueueAddresses, Reader, Table,
};
pub use deadline::deadline;
pub use flows::{FlowsError, FlowsProblem, load_flows};
pub use telemetry::{TelemetryError, start_telemetry};

mod problem;

pub use problem::Problem;
