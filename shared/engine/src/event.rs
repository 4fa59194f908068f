//! Events on the bus: requests between functions, and what others may want to know.

use serde::{Deserialize, Serialize};
use tidegate_model::{EndpointId, FlowId};
use tidegate_policy::{
    flow_state::Side,
    reconcile::{Findings, ReconcileRequest},
    run::{Counts, RunRequest},
};

/// An event. Its name on the bus is `detail-type`, the rest is `detail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "detail-type", content = "detail")]
pub enum Event {
    /// Starts or continues a run.
    RunRequested {
        /// The flow.
        flow: FlowId,
        /// What is asked for.
        #[serde(flatten)]
        request: RunRequest,
    },
    /// Starts or continues a reconciliation.
    ReconcileRequested {
        /// The flow.
        flow: FlowId,
        /// What is asked for.
        #[serde(flatten)]
        request: ReconcileRequest,
    },
    /// Asks tick to look at a flow now.
    SweepRequested {
        /// The flow.
        flow: FlowId,
    },
    /// A run ended.
    RunFinished {
        /// The flow.
        flow: FlowId,
        /// The run.
        run: String,
        /// Whether everything was read.
        complete: bool,
        /// What became of its rows.
        counts: Counts,
    },
    /// A reconciliation ended.
    ReconcileFinished {
        /// The flow.
        flow: FlowId,
        /// The reconciliation.
        run: String,
        /// Whether everything was compared.
        complete: bool,
        /// How many keys, and how each ended.
        findings: Findings,
    },
    /// A flow needs a person.
    FlowBlocked {
        /// The flow.
        flow: FlowId,
        /// The system that refuses.
        side: Side,
        /// What it says.
        reason: String,
    },
    /// Calls to a system pause.
    BreakerOpened {
        /// The system.
        endpoint: EndpointId,
    },
    /// Calls go on.
    BreakerClosed {
        /// The system.
        endpoint: EndpointId,
    },
}
