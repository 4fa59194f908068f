//! The API of an instance, called.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problem;
use crate::{
    cli::{Remote, data_option},
    data::{DataDir, is_token},
};

/// API Gateway answers within 30 s or not at all.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An instance.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    /// The instance that is named, or the one that runs with the data folder.
    pub(super) fn new(remote: &Remote) -> anyhow::Result<Self> {
        let data = DataDir::at(&remote.data);
        let is_named = remote.url.is_some();
        refuse_secrets(remote.url.as_deref().unwrap_or_default())?;
        let url = match &remote.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => match data.running()? {
                Some(instance) => instance.url,
                None => bail!(
                    "no instance runs with the data folder {}; start `tidegate{}`, or name an instance with --url",
                    data.root().display(),
                    data_option(&remote.data)
                ),
            },
        };
        let token = match &remote.token {
            Some(token) if is_token(token) => token.clone(),
            Some(_) => bail!(
                "the token of --token (or TIDEGATE_API_TOKEN) is not one word of visible ASCII; give it without spaces and line breaks"
            ),
            // A token of this machine is not shown to another.
            None if is_named => bail!("give the token of {url} with --token or TIDEGATE_API_TOKEN"),
            None => data.token_of_running()?,
        };
        Self::new_at(url, token)
    }

    /// The instance at an address.
    pub(crate) fn at(url: &str, token: &str) -> anyhow::Result<Self> {
        refuse_secrets(url)?;
        if !is_token(token) {
            bail!(
                "the token of --token is not one word of visible ASCII; give it without spaces and line breaks"
            );
        }
        Self::new_at(url.trim_end_matches('/').to_owned(), token.to_owned())
    }

    fn new_at(url: String, token: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("there is no HTTP client")?;
        Ok(Self { http, url, token })
    }

    /// Its address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        self.read(status, &body)
    }

    /// Reads what may not be there.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.read(status, &body).map(Some)
    }

    /// Asks for something.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let (status, body) = self.send(Method::POST, path, body).await?;
        self.read(status, &body)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let unanswered = || format!("{} does not answer", self.url);
        let answer = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(unanswered)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(reqwest::Error::without_url);
        let broken = || format!("{} broke off its answer", self.url);
        Ok((status, body.with_context(broken)?.to_vec()))
    }

    /// An answer: what was asked for, or why it is not given.
    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<T> {
        if status.is_success() {
            return serde_json::from_slice(body).with_context(|| {
                format!(
                    "{} answered what this release can not read, so it is no Tidegate API, or one of another release",
                    self.url
                )
            });
        }
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        match status {
            StatusCode::UNAUTHORIZED => bail!("{} does not know this token", self.url),
            _ if !problem.detail.is_empty() => bail!("{}", problem.detail),
            _ if !problem.title.is_empty() => bail!("{}", problem.title),
            _ => bail!("{} answered {}", self.url, status.as_u16()),
        }
    }
}

/// An address is repeated in messages, and needs nothing but the token.
fn refuse_secrets(url: &str) -> anyhow::Result<()> {
    let has_more = |url: reqwest::Url| {
        !url.username().is_empty() || url.password().is_some() || url.query().is_some()
    };
    if reqwest::Url::parse(url).is_ok_and(has_more) {
        bail!(
            "the address of an instance has no user, no password and no query: the token is enough"
        );
    }
    Ok(())
}
