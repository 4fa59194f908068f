//! The API of an instance, called.

use std::{fs, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problem;
use crate::{cli::Remote, data::DataDir};

/// API Gateway answers within 30 s or not at all.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An instance.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    /// The instance that is named, or the one that runs with the data folder.
    pub(super) fn new(remote: &Remote) -> anyhow::Result<Self> {
        let data = DataDir::at(&remote.data);
        let is_named = remote.url.is_some();
        let url = match &remote.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => match data.running()? {
                Some(instance) => instance.url,
                None => bail!(
                    "no instance runs with the data folder {}; start `tidegate`, or name an instance with --url",
                    data.root().display()
                ),
            },
        };
        let token = match &remote.token {
            Some(token) => token.clone(),
            // A token of this machine is not shown to another.
            None if is_named => bail!("give the token of {url} with --token or TIDEGATE_API_TOKEN"),
            None => fs::read_to_string(data.token_path())
                .with_context(|| format!("{} can not be read", data.token_path().display()))?
                .trim()
                .to_owned(),
        };
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
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let body = self.call(Method::GET, path, None).await?;
        self.read(body)
    }

    fn read<T: DeserializeOwned>(&self, body: Value) -> anyhow::Result<T> {
        serde_json::from_value(body).with_context(|| {
            format!(
                "{} answered something that this release can not read",
                self.url
            )
        })
    }

    /// Reads what may not be there.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let body = self.judge(status, body)?;
        Ok(Some(self.read(body)?))
    }

    /// Asks for something.
    pub(super) async fn post(&self, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let (status, body) = self.send(method, path, body).await?;
        self.judge(status, body)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
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
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    fn judge(&self, status: StatusCode, body: Value) -> anyhow::Result<Value> {
        if status.is_success() {
            return Ok(body);
        }
        let problem = Problem::of(&body);
        match status {
            StatusCode::UNAUTHORIZED => bail!("{} does not know this token", self.url),
            _ if !problem.detail.is_empty() => bail!("{}", problem.detail),
            _ if !problem.title.is_empty() => bail!("{}", problem.title),
            _ => bail!("{} answered {}", self.url, status.as_u16()),
        }
    }
}
