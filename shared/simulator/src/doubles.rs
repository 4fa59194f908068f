//! The doubles of an ERP, of Qualio and of a service that upserts, reached without a socket.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Uri},
};
use serde_json::Value;
use tidegate_engine::ports::{Http, Request, Sent, TransportError};
use tidegate_testkit::doubles::{
    Incoming, erp::ErpDouble, members::MembersDouble, qualio::QualioDouble,
};

/// Carries requests to the doubles: to the ERP at the host `erp`, to the service at `members`, to Qualio
/// at any other.
pub struct Doubles {
    /// The ERP.
    pub erp: Arc<ErpDouble>,
    /// Qualio.
    pub qualio: Arc<QualioDouble>,
    /// A service that upserts.
    pub members: Arc<MembersDouble>,
    /// How long a call takes, there and back.
    pub latency: Duration,
}

impl Doubles {
    fn incoming(request: &Request) -> Result<Incoming, TransportError> {
        let bad = |what: &str| TransportError::BadRequest(what.to_owned());
        let uri: Uri = request.url.parse().map_err(|_| bad("address"))?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for header in &request.headers {
            headers.insert(
                HeaderName::try_from(header.name.as_str()).map_err(|_| bad("header"))?,
                header
                    .value
                    .to_string()
                    .parse()
                    .map_err(|_| bad("header"))?,
            );
        }
        let body = request.json();
        Ok(Incoming {
            method: request.method.as_str().to_owned(),
            uri,
            headers,
            body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
        })
    }
}

#[async_trait]
impl Http for Doubles {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        let call = Self::incoming(request)?;
        let half = self.latency / 2;
        let (erp, qualio) = (Arc::clone(&self.erp), Arc::clone(&self.qualio));
        let members = Arc::clone(&self.members);
        // A task of its own: a client that dies or goes away does not undo what it has sent.
        let exchange = tokio::spawn(async move {
            tokio::time::sleep(half).await;
            let reply = match call.uri.host() {
                Some("erp") => erp.call(call).await,
                Some("members") => members.call(call).await,
                _ => qualio.call(call).await,
            };
            tokio::time::sleep(half).await;
            reply
        });
        let reply = exchange.await.ok().flatten();
        let reply = reply.ok_or(TransportError::Broken)?;
        let body = if reply.body.is_empty() {
            Some(Value::Null)
        } else {
            serde_json::from_slice(&reply.body).ok()
        };
        Ok(Sent {
            status: reply.status,
            headers: reply.headers,
            body,
        })
    }
}
