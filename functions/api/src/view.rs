//! What callers see: the engine's answers with every moment as RFC 3339 in UTC.

mod flow;
mod moment;
mod record;
mod review;

pub(crate) use flow::{FlowView, StopView};
pub(crate) use record::RecordView;
pub(crate) use review::ReviewView;
