//! Secrets from the configuration, or from Secrets Manager where the configuration says so.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use tidegate_engine::ports::{Clock, Secret, SecretError, Secrets};
use tidegate_model::UnixMs;

use crate::AwsFailure;

/// The service whose ARN is the address of a secret, not the secret.
const SERVICE: &str = "secretsmanager";
/// A secret that a person has changed is in use after at most this long; and at ten thousand
/// invocations a day a lookup each would cost more than all the rest.
const MAX_AGE: Duration = Duration::from_mins(5);

struct Cached {
    secret: Secret,
    until: UnixMs,
}

/// Secrets by name.
pub struct SecretsStore {
    config: SdkConfig,
    client: OnceLock<Client>,
    values: BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
    cache: Mutex<BTreeMap<String, Cached>>,
}

impl fmt::Debug for SecretsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.values.keys().collect();
        f.debug_struct("SecretsStore")
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

impl SecretsStore {
    /// By name the secret itself, or its ARN in Secrets Manager.
    pub fn new(config: SdkConfig, values: BTreeMap<String, String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            client: OnceLock::new(),
            values,
            clock,
            cache: Mutex::default(),
        }
    }

    fn cached(&self, name: &str) -> Option<Secret> {
        let now = self.clock.now();
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cache.get(name).filter(|cached| now < cached.until);
        found.map(|cached| cached.secret.clone())
    }

    async fn fetch(&self, address: &str) -> Result<Secret, AwsFailure> {
        let client = self.client.get_or_init(|| Client::new(&self.config));
        let answer = client.get_secret_value().secret_id(address).send().await?;
        let text = answer.secret_string.ok_or(AwsFailure::Incomplete("text"))?;
        Ok(Secret::new(text))
    }
}

/// Whether the value is an ARN of Secrets Manager, in any of AWS's partitions.
fn is_address(value: &str) -> bool {
    value.starts_with("arn:aws") && value.split(':').nth(2) == Some(SERVICE)
}

#[async_trait]
impl Secrets for SecretsStore {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let missing = || SecretError::Missing(name.to_owned());
        let value = self.values.get(name).ok_or_else(missing)?;
        if !is_address(value) {
            return Ok(Secret::new(value));
        }
        if let Some(secret) = self.cached(name) {
            return Ok(secret);
        }
        // Its age counts from before the call: the answer may be as old as that.
        let until = self.clock.now() + MAX_AGE;
        let fetched = self.fetch(value).await;
        let secret = fetched.map_err(|error| SecretError::Unavailable {
            name: name.to_owned(),
            source: error.into(),
        })?;
        let cached = Cached {
            secret: secret.clone(),
            until,
        };
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(name.to_owned(), cached);
        Ok(secret)
    }
}
