//! Secrets from the configuration, or from Secrets Manager where the configuration says so.

use std::{collections::BTreeMap, fmt, sync::OnceLock};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use tidegate_engine::ports::{Secret, SecretError, Vault};

use crate::AwsFailure;

/// The service whose ARN is the address of a secret, not the secret.
const SERVICE: &str = "secretsmanager";

/// What Secrets Manager says of a name that it does not know.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Secrets by name, looked up at each call.
pub struct SecretsManager {
    config: SdkConfig,
    client: OnceLock<Client>,
    values: BTreeMap<String, String>,
    path: Option<String>,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.values.keys().collect();
        f.debug_struct("SecretsManager")
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// By name the secret itself, or its ARN in Secrets Manager. What is not named is there under its name
    /// after `path`, if there is one.
    pub fn new(config: SdkConfig, values: BTreeMap<String, String>, path: Option<String>) -> Self {
        Self {
            config,
            client: OnceLock::new(),
            values,
            path,
        }
    }

    async fn look_up(&self, address: &str) -> Result<Secret, AwsFailure> {
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
impl Vault for SecretsManager {
    async fn fetch(&self, name: &str) -> Result<Secret, SecretError> {
        let address = match (self.values.get(name), &self.path) {
            (Some(value), _) if !is_address(value) => return Ok(Secret::new(value)),
            (Some(address), _) => address.clone(),
            (None, Some(path)) => format!("{path}{name}"),
            (None, None) => return Err(SecretError::Missing(name.to_owned())),
        };
        self.look_up(&address).await.map_err(|error| match error {
            AwsFailure::Refused { code, .. } if code == NOT_FOUND => {
                SecretError::Missing(name.to_owned())
            }
            error => SecretError::Unavailable {
                name: name.to_owned(),
                source: error.into(),
            },
        })
    }
}
