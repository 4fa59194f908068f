//! Sources and targets over HTTP, described by data.
//!
//! [`connect`] makes the two sides of a flow. A connector turns what the engine wants (a page, one
//! record, a write) into requests and reads the answers; it makes each call through the engine's
//! [`Calls`](tidegate_engine::ports::Calls), which brings the permit, the breaker and the meaning of
//! the status. [`HttpClient`] is the transport below that. [`Snowflake`] is a warehouse beside these.
//!
//! Invariants:
//! - A connector never sees a secret: a request names it, and the transport puts it in.
//! - No redirect is followed and nothing is retried here: each request is one call at the other
//!   side, paid for with one permit (LIM-1).
//! - A page's next address stays on the origin of its listing.
//! - No error holds a secret or a field's value.

mod contract;
mod endpoint;
mod files;
mod http;
mod pages;
mod print;
mod qualio;
mod rest_source;
mod rest_target;
#[cfg(test)]
mod script;
mod snowflake;
mod store;

use std::sync::Arc;

use tidegate_engine::ports::{Files, Source, Target};
use tidegate_model::flow::TargetSpec;
use tidegate_policy::flow::{Flow, Origin};

pub use files::{FilesSource, NoFiles};
pub use http::{HttpClient, MAX_ANSWER_BYTES};
pub use qualio::QualioTarget;
pub use rest_source::RestSource;
pub use rest_target::RestTarget;
pub use snowflake::Snowflake;
pub use store::OwnStore;

/// The two sides of a flow.
type Sides = (Arc<dyn Source>, Arc<dyn Target>);

/// Makes the source and the target that a flow names, where no files are read.
pub fn connect(flow: &Arc<Flow>) -> Sides {
    sides(flow, Arc::new(NoFiles))
}

/// The same, where files are read by this port.
pub fn connect_reading(files: Arc<dyn Files>) -> impl Fn(&Arc<Flow>) -> Sides {
    move |flow| sides(flow, Arc::clone(&files))
}

fn sides(flow: &Arc<Flow>, files: Arc<dyn Files>) -> Sides {
    let source: Arc<dyn Source> = match flow.origin() {
        Origin::Rest(source) => Arc::new(RestSource::new(Arc::clone(flow), Arc::clone(source))),
        Origin::Files(spec) => Arc::new(FilesSource::new(flow, Arc::clone(spec), files)),
    };
    let target: Arc<dyn Target> = match &flow.file().target {
        TargetSpec::Rest(_) => Arc::new(RestTarget::new(Arc::clone(flow))),
        TargetSpec::Qualio(_) => Arc::new(QualioTarget::new(Arc::clone(flow))),
        TargetSpec::Store(_) => Arc::new(OwnStore),
    };
    (source, target)
}
