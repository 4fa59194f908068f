//! Secrets that a test chose, and changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tidegate_engine::ports::{Secret, SecretError, Vault};

/// Secrets by name. Clones are the same vault.
#[derive(Clone, Debug, Default)]
pub struct MemoryVault(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    secrets: BTreeMap<String, Secret>,
    fetched: BTreeMap<String, u32>,
    is_down: bool,
}

impl MemoryVault {
    /// These names and texts.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let vault = Self::default();
        for (name, text) in secrets {
            vault.put(name, text);
        }
        vault
    }

    fn state<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another text from now on.
    pub fn put(&self, name: &str, text: &str) {
        self.state(|state| state.secrets.insert(name.to_owned(), Secret::new(text)));
    }

    /// From now on it does not answer, or does again.
    pub fn set_down(&self, is_down: bool) {
        self.state(|state| state.is_down = is_down);
    }

    /// How often a secret was looked up.
    pub fn fetched(&self, name: &str) -> u32 {
        self.state(|state| state.fetched.get(name).copied().unwrap_or(0))
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn fetch(&self, name: &str) -> Result<Secret, SecretError> {
        self.state(|state| {
            *state.fetched.entry(name.to_owned()).or_default() += 1;
            if state.is_down {
                return Err(SecretError::Unavailable {
                    name: name.to_owned(),
                    source: "the vault is down".into(),
                });
            }
            let found = state.secrets.get(name).cloned();
            found.ok_or_else(|| SecretError::Missing(name.to_owned()))
        })
    }
}
