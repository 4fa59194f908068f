//! Every decision of Tidegate as a pure function.

pub mod answer;
pub mod audit;
pub mod breaker;
pub mod check;
pub mod cloud_event;
pub mod contract;
pub mod expr;
pub mod files;
pub mod fingerprint;
pub mod flow;
pub mod flow_state;
pub mod keys;
pub mod limiter;
pub mod load;
pub mod pattern;
pub mod plan;
pub mod reconcile;
pub mod register;
pub mod run;
pub mod schedule;
pub mod signature;
pub mod stage;
pub mod sweep;
pub mod token;
pub mod trigger;
