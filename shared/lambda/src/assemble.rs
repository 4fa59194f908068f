//! From ports and flow files to an engine: the last step of every `main.rs`.
//!
//! The adapters and the connectors come in as arguments, so that hosting depends on neither.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidegate_engine::{
    Engine, FlowRuntime, Ports,
    ports::{
        Http, Mail, Mailer, Outgoing, PortError, Queue, Receipt, Request, Sent, Source, Target,
        TransportError,
    },
};
use tidegate_policy::flow::{Flow, Settings};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{FlowsError, FlowsFolder, load_flows, load_settings};

/// Begins to load the flows of the folder, beside what else a start does: that and the making of the AWS
/// clients take milliseconds of CPU each, which whoever meets a cold start waits for. `given` are the
/// settings of the configuration itself, which go before those of the stage.
pub fn begin_flows(
    flows: FlowsFolder,
    given: Settings,
) -> JoinHandle<Result<Vec<Flow>, FlowsError>> {
    spawn_blocking(move || {
        let settings = load_settings(&flows, given)?;
        load_flows(&flows.folder, &settings)
    })
}

/// An engine over these ports for these flows. `connect` makes the two sides of a flow.
pub fn assemble(
    ports: Ports,
    flows: Vec<Flow>,
    connect: impl Fn(&Arc<Flow>) -> (Arc<dyn Source>, Arc<dyn Target>),
) -> Arc<Engine> {
    let runtimes = flows
        .into_iter()
        .map(|flow| {
            let flow = Arc::new(flow);
            // Once an environment: what it does later, it does by this file.
            tracing::info!(flow = %flow.id(), revision = flow.revision(), flow_hash = flow.hash(), "flow loaded");
            let (source, target) = connect(&flow);
            FlowRuntime::new(flow, source, target)
        })
        .collect();
    Arc::new(Engine::new(ports, runtimes))
}

/// Stands where a function has no such port: it calls no other system (READ-1), sends no
/// mail, or queues nothing.
/// Whoever uses it all the same gets an error and reaches nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwired;

#[async_trait]
impl Http for Unwired {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        tracing::error!(
            method = request.method.as_str(),
            "this function calls no other system"
        );
        Err(TransportError::NotConnected)
    }
}

#[async_trait]
impl Mailer for Unwired {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        Err(PortError::new(
            format!("send the mail {:?}", mail.subject),
            "this function sends no mail",
        ))
    }
}

#[async_trait]
impl Queue for Unwired {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError> {
        let operation = format!("send {} messages", messages.len());
        Err(PortError::new(operation, "this function queues nothing"))
    }

    async fn hold(&self, _: &Receipt, _: Duration) -> Result<(), PortError> {
        Err(PortError::new(
            "hold a message",
            "this function is given none",
        ))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_engine::ports::Effect;
    use tidegate_model::flow::Method;

    use super::*;

    #[tokio::test]
    async fn who_calls_or_mails_without_a_port_is_told() {
        let request = Request {
            method: Method::Get,
            url: "https://example.com".to_owned(),
            headers: Vec::new(),
            body: None,
            effect: Effect::Read,
            timeout: Duration::from_secs(1),
        };
        let called = Http::send(&Unwired, &request).await;
        assert_eq!(called, Err(TransportError::NotConnected));
        let mail = Mail {
            subject: "stuck".to_owned(),
            text: String::new(),
        };
        assert!(Mailer::send(&Unwired, &mail).await.is_err());
        assert!(Queue::send(&Unwired, Vec::new()).await.is_err());
    }
}
