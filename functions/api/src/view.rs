//! What callers see: the engine's answers with every moment as RFC 3339 in UTC.

mod audit;
mod flow;
mod moment;
mod record;
mod review;
mod schema;
mod warehouse;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use audit::AuditView;
pub(crate) use flow::{FlowView, ReconcileView, StopView};
pub(crate) use moment::Moment;
pub(crate) use record::RecordView;
pub(crate) use review::ReviewView;
pub(crate) use schema::SchemaView;
pub(crate) use warehouse::WarehouseView;

/// Some items of a listing, in the order in which their fields are declared.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where to go on; none at the end.
    pub(crate) next: Option<String>,
}
