//! Secrets, by name.

use std::fmt;

use async_trait::async_trait;
use tidegate_model::UnixMs;

/// A secret's text. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends or compares it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The configuration does not name it.
    #[error("the secret {0} is not configured")]
    Missing(String),
    /// The place that keeps it did not answer.
    #[error("the secret {name} could not be read")]
    Unavailable {
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a secret may be an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The system that it is for refused it.
    Refused,
    /// What a caller sent does not fit it. The caller may be anybody.
    Unmatched,
}

/// Where secrets come from.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret of this name.
    async fn get(&self, name: &str) -> Result<Secret, SecretError>;

    /// The secret is doubted since a call that began at `used`. True when another has taken its place
    /// since: the call is worth repeating. False: the one that is kept is the one that is doubted.
    async fn renew(&self, name: &str, doubt: Doubt, used: UnixMs) -> Result<bool, SecretError>;
}

/// Where secrets are kept: each look-up is a call, or costs nothing where they are at hand.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The secret of this name as it is now.
    async fn fetch(&self, name: &str) -> Result<Secret, SecretError>;
}
