//! Hosting: configuration, telemetry, event decoding, responses.
//!
//! What a function's `main.rs` needs before its handler can run, and what a handler needs to read
//! an event and to answer. Nothing here decides what becomes of a record. The clock, chance and the
//! environment are read here and nowhere else.
//!
//! The profiles keep `panic = "unwind"`: the runtime then answers the caller and lives on, where an
//! abort would answer nothing and cost a cold start.

mod asked;
mod assemble;
mod bearer;
mod clock;
mod config;
mod deadline;
mod emf;
pub mod event;
mod failed;
mod flows;
mod panic;
mod problem;
mod telemetry;

pub use asked::{Asked, asked, request_id};
pub use assemble::{Unwired, assemble, begin_flows};
pub use bearer::{bearer, is_token, no_token, without_token};
pub use clock::{SystemChance, SystemClock};
pub use config::{
    BaseUrl, Bus, Common, Config, ConfigError, ConfigFault, FlowsFolder, FromConfig, LogFilter,
    MailAddresses, QueueAddresses, Reader, SECRET_PREFIX, SETTING_PREFIX, Table,
};
pub use deadline::deadline;
pub use emf::{Emf, emf_lines};
pub use flows::{
    CONNECTORS, FlowsError, FlowsProblem, STAGES, load_flows, load_settings, read_connectors,
};
pub use panic::{guard, guarded};
pub use problem::Problem;
pub use telemetry::{TelemetryError, start_telemetry, start_telemetry_to};
