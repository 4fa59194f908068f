//! Settings and secrets of the place where flows run: the environment, over those of the demo.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tidegate_engine::ports::{Doubt, Secret, SecretError, Secrets};
use tidegate_lambda::Config;
use tidegate_model::UnixMs;
use tidegate_policy::flow::Settings;

/// Where settings and secrets are looked for.
pub(crate) const ORIGIN: &str =
    "the environment: settings in TIDEGATE_VAR_NAME, secrets in TIDEGATE_SECRET_NAME";

/// Settings and secrets.
#[derive(Clone)]
pub(crate) struct Place {
    settings: Settings,
    secrets: BTreeMap<String, Secret>,
}

impl Place {
    /// What a configuration names.
    pub(crate) fn of_config(config: &Config) -> Self {
        let secrets = config.secrets().into_iter();
        Self {
            settings: config.settings(),
            secrets: secrets
                .map(|(name, text)| (name, Secret::new(text)))
                .collect(),
        }
    }

    /// With these where the configuration names none.
    #[must_use]
    pub(crate) fn with_defaults(
        mut self,
        settings: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, String>,
    ) -> Self {
        for (name, value) in settings {
            let entry = self.settings.entry(name.clone());
            entry.or_insert_with(|| value.clone());
        }
        for (name, text) in secrets {
            let entry = self.secrets.entry(name.clone());
            entry.or_insert_with(|| Secret::new(text.clone()));
        }
        self
    }

    /// With a secret of ours.
    #[must_use]
    pub(crate) fn with_secret(mut self, name: &str, text: &str) -> Self {
        self.secrets.insert(name.to_owned(), Secret::new(text));
        self
    }

    /// Without secrets that are the ARN of one: that is looked up on AWS only.
    #[must_use]
    pub(crate) fn without_addresses(mut self) -> Self {
        self.secrets
            .retain(|_, secret| !secret.reveal().starts_with("arn:"));
        self
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }
}

#[async_trait]
impl Secrets for Place {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let found = self.secrets.get(name).cloned();
        found.ok_or_else(|| SecretError::Missing(name.to_owned()))
    }

    /// The environment is read once: none is replaced before the next start.
    async fn renew(&self, _: &str, _: Doubt, _: UnixMs) -> Result<bool, SecretError> {
        Ok(false)
    }
}
