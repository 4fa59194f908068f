//! The way to AWS: one configuration and one TLS setup for all clients.
//!
//! Nothing here makes a call. A client is made when it is first asked for, so that a function pays
//! only for what it uses; all of them share the connections and the 144 system certificates that
//! are loaded once, when the first client is made.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use tidegate_engine::{CachedSecrets, ports::Clock};

use crate::{
    DynamoStore, EventBridgeEvents, QueueUrls, S3Files, SecretsManager, SesMailer, SqsQueue,
};

/// Until a connection must stand. Inside a region it takes a few milliseconds, with TLS too; after
/// a second another attempt is the better bet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Until one attempt must be answered. DynamoDB and SQS answer in 5 to 50 ms; the slowest answer
/// seen in practice, a page of 1 MB, takes less than a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Until a call must be done with all its attempts. A webhook's function has 10 s and makes two.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);
/// Attempts of a call. More would deepen a throttling; what fails is retried by the queue.
const ATTEMPTS: u32 = 3;
/// Before the second attempt at most this long (the SDK draws at random below it). DynamoDB's own
/// advice is 50 ms; the SDK's 1 s is for calls that a person waits for.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// Before a further attempt at most this long.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

const REGION_KEYS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const ENDPOINT_KEY: &str = "AWS_ENDPOINT_URL";
const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_KEY: &str = "AWS_SESSION_TOKEN";

/// Why there is no way to AWS.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Without it no address is known, and asking the machine for it would be a call.
    #[error("no AWS region: neither AWS_REGION nor AWS_DEFAULT_REGION is set")]
    NoRegion,
}

/// Makes the adapters.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    dynamo: OnceLock<aws_sdk_dynamodb::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
}

impl Aws {
    /// Reads region, endpoint (`AWS_ENDPOINT_URL`: an emulator) and credentials from the map, under
    /// the names that AWS's own tools use. Where the map has no credentials, AWS's default chain
    /// finds them at the first call. No network call.
    pub async fn connect(config: &BTreeMap<String, String>) -> Result<Self, ConnectError> {
        let get = |key: &str| config.get(key).filter(|value| !value.is_empty()).cloned();
        let region = REGION_KEYS.iter().find_map(|key| get(key));
        let region = region.ok_or(ConnectError::NoRegion)?;
        let https = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region))
            .http_client(https)
            .timeout_config(timeouts())
            .retry_config(retries());
        if let Some(endpoint) = get(ENDPOINT_KEY) {
            loader = loader.endpoint_url(endpoint);
        }
        if let (Some(id), Some(secret)) = (get(ACCESS_KEY), get(SECRET_KEY)) {
            let session = get(SESSION_KEY);
            let credentials = Credentials::new(id, secret, session, None, "configuration");
            loader = loader.credentials_provider(credentials);
        }
        Ok(Self {
            config: loader.load().await,
            dynamo: OnceLock::new(),
            sqs: OnceLock::new(),
        })
    }

    /// For clients of services that no port needs.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// DynamoDB's client.
    pub fn dynamo(&self) -> aws_sdk_dynamodb::Client {
        let client = self
            .dynamo
            .get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config));
        client.clone()
    }

    /// The store on a table.
    pub fn store(&self, table: impl Into<String>) -> DynamoStore {
        DynamoStore::new(self.dynamo(), table)
    }

    /// The work queues.
    pub fn queue(&self, urls: QueueUrls) -> SqsQueue {
        let client = self
            .sqs
            .get_or_init(|| aws_sdk_sqs::Client::new(&self.config));
        SqsQueue::new(client.clone(), urls)
    }

    /// The event bus of this name.
    pub fn events(&self, bus: impl Into<String>) -> EventBridgeEvents {
        EventBridgeEvents::new(aws_sdk_eventbridge::Client::new(&self.config), bus)
    }

    /// The files of buckets.
    pub fn files(&self) -> Arc<S3Files> {
        Arc::new(S3Files::new(self.config.clone()))
    }

    /// Mail from one address to several.
    pub fn mailer(&self, from: impl Into<String>, to: Vec<String>) -> SesMailer {
        SesMailer::new(aws_sdk_sesv2::Client::new(&self.config), from, to)
    }

    /// Secrets by name: each of `values` is the secret itself, or its address in Secrets Manager; others are
    /// kept there below `path`.
    pub fn secrets(
        &self,
        (values, path): (BTreeMap<String, String>, Option<String>),
        clock: Arc<dyn Clock>,
    ) -> CachedSecrets<SecretsManager> {
        let vault = SecretsManager::new(self.config.clone(), values, path);
        CachedSecrets::new(vault, clock)
    }
}

impl fmt::Display for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.config.region().map_or("?", Region::as_ref);
        match self.config.endpoint_url() {
            Some(endpoint) => write!(f, "{region} at {endpoint}"),
            None => f.write_str(region),
        }
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_region_nothing_is_guessed() {
        let map = BTreeMap::from([("AWS_REGION".to_owned(), String::new())]);
        let refused = Aws::connect(&map).await.unwrap_err();
        assert!(refused.to_string().contains("AWS_DEFAULT_REGION"));
    }

    #[tokio::test]
    async fn region_and_endpoint_come_from_the_map() {
        let map = [
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ];
        let map = map.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let aws = Aws::connect(&map.into()).await.unwrap();
        assert_eq!(aws.to_string(), "eu-central-1 at http://127.0.0.1:1");
    }
}
