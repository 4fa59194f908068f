//! Secrets that a test chose.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tidegate_engine::ports::{Secret, SecretError, Secrets};

/// Secrets by name.
#[derive(Clone, Debug, Default)]
pub struct FixedSecrets(BTreeMap<String, Secret>);

impl FixedSecrets {
    /// These names and texts.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let named = secrets.into_iter();
        Self(
            named
                .map(|(name, text)| (name.to_owned(), Secret::new(text)))
                .collect(),
        )
    }
}

#[async_trait]
impl Secrets for FixedSecrets {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let found = self.0.get(name).cloned();
        found.ok_or_else(|| SecretError::Missing(name.to_owned()))
    }
}
