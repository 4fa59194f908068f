//! The flows that are deployed: compiled once, shared by all processes that run them.

use std::{collections::BTreeMap, sync::Arc};

use tidegate_connect::connect;
use tidegate_engine::FlowRuntime;
use tidegate_model::EndpointId;
use tidegate_policy::flow::Flow;

/// A flow file that can not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("{name} can not be loaded: {}", .mistakes.join("; "))]
pub struct BadFlow {
    /// The file.
    pub name: String,
    /// Every mistake in it.
    pub mistakes: Vec<String>,
}

/// The flows of one deployment.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) number: u64,
    pub(crate) flows: Vec<Arc<Flow>>,
    /// Base address and name of each source and target.
    endpoints: Vec<(String, EndpointId)>,
}

impl Deployment {
    pub(crate) fn load(
        number: u64,
        files: &[(String, String)],
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, BadFlow> {
        let mut flows = Vec::new();
        let mut endpoints = Vec::new();
        for (name, text) in files {
            let flow = Flow::load(name, text, settings).map_err(|mistakes| BadFlow {
                name: name.clone(),
                mistakes: mistakes.iter().map(ToString::to_string).collect(),
            })?;
            if let Some(source) = flow.source() {
                endpoints.push((source.base_url().to_owned(), source.name().clone()));
            }
            let target = flow.file().target.name().clone();
            endpoints.push((flow.target().base_url().to_owned(), target));
            flows.push(Arc::new(flow));
        }
        Ok(Self {
            number,
            flows,
            endpoints,
        })
    }

    /// Connectors of its own for each process.
    pub(crate) fn runtimes(&self) -> Vec<FlowRuntime> {
        let runtime = |flow: &Arc<Flow>| {
            let (source, target) = connect(flow);
            FlowRuntime::new(Arc::clone(flow), source, target)
        };
        self.flows.iter().map(runtime).collect()
    }

    /// The source or target at an address.
    pub(crate) fn endpoint(&self, url: &str) -> Option<EndpointId> {
        let here = self.endpoints.iter().find(|(base, _)| {
            url.strip_prefix(base.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        });
        here.map(|(_, name)| name.clone())
    }
}
