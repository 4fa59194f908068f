//! The transport: one request, one answer, one connection attempt; no redirects, no retries.
//!
//! Whether a failed request may have reached the other side decides what happens to its record, so
//! the errors are told apart by that: nothing was sent (no secret, no connection), or something may
//! have been (time-out, break, an answer too large).
//!
//! Invariants: a secret is put in here and nowhere else, never into an error; the time-out covers
//! everything from the first byte sent to the last byte read; dropping the future closes the
//! connection, so that nothing goes on after a function has answered.

mod answer;
mod form;
mod headers;
mod hidden;
mod jwt;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Client, Url, header::HeaderMap, redirect, retry};
use tidegate_engine::ports::{Body, Http, Request, Secrets, Sent, TransportError};
use tidegate_model::flow::Method;
use tokio::time::{Instant, timeout_at};

use self::hidden::Hidden;

pub use answer::MAX_ANSWER_BYTES;

/// How long a connection may take to stand. Longer than three handshakes around the world, and
/// shorter than the default time-out of a call, so that a host that is down is known not to have
/// got anything.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. Below the shortest keep-alive in common use (5 s in Node.js),
/// since a request on a connection that the server is closing breaks with its outcome unknown.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How other systems see us in their logs.
const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// Sends requests over HTTP. Makes its client at the first request: loading certificates is most of
/// a function's start, and not every function makes calls.
pub struct HttpClient {
    secrets: Arc<dyn Secrets>,
    client: OnceLock<Client>,
}

impl HttpClient {
    /// A transport that takes secrets from here.
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self {
            secrets,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&Client, TransportError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            // Not from the environment: a secret goes to the address that the flow names.
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|_| TransportError::NotConnected)?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn prepare(
        &self,
        request: &Request,
    ) -> Result<(reqwest::RequestBuilder, Hidden), TransportError> {
        let url = address(&request.url)?;
        let (mut map, mut hidden) = (HeaderMap::new(), Hidden::default());
        for header in &request.headers {
            headers::insert(&mut map, header, self.secrets.as_ref(), &mut hidden).await?;
        }
        headers::add_defaults(&mut map, request.body.as_ref());
        let mut builder = self
            .client()?
            .request(method(request.method), url)
            .headers(map);
        match &request.body {
            None => {}
            Some(Body::Json(value)) => builder = builder.body(value.to_string()),
            Some(Body::Form(form)) => {
                builder =
                    builder.body(form::encode(form, self.secrets.as_ref(), &mut hidden).await?);
            }
        }
        Ok((builder, hidden))
    }
}

#[async_trait]
impl Http for HttpClient {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        let deadline = Instant::now() + request.timeout;
        let (prepared, hidden) = timeout_at(deadline, self.prepare(request))
            .await
            .map_err(|_| TransportError::SecretUnavailable(headers::secret_name(request)))??;
        let exchange = async {
            let response = prepared
                .send()
                .await
                .map_err(|error| transport_error(&error, request.timeout))?;
            let mut sent = answer::read(response).await?;
            if let Some(body) = &mut sent.body {
                hidden.take_out(body, (200..300).contains(&sent.status));
            }
            Ok(sent)
        };
        timeout_at(deadline, exchange)
            .await
            .map_err(|_| TransportError::TimedOut(request.timeout))?
    }
}

fn address(url: &str) -> Result<Url, TransportError> {
    let bad = |why: &str| TransportError::BadRequest(why.to_owned());
    let url = Url::parse(url).map_err(|_| bad("it is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("its scheme is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a user or a password"));
    }
    Ok(url)
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// What a failed exchange tells. The client's own text is dropped: it holds the address.
fn transport_error(error: &reqwest::Error, timeout: Duration) -> TransportError {
    if error.is_builder() {
        TransportError::BadRequest("it cannot be sent".to_owned())
    } else if error.is_connect() {
        TransportError::NotConnected
    } else if error.is_timeout() {
        TransportError::TimedOut(timeout)
    } else {
        TransportError::Broken
    }
}
