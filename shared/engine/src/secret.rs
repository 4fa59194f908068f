//! Secrets, kept for a while, and fetched anew when one is refused.
//!
//! Whoever rotates a secret changes it where it is kept; here it is in use after [`MAX_AGE`], or at
//! once when the old one is refused. Refusals are what other systems say, so that each is worth one
//! look; what anybody on the internet can send (a forged webhook, a guessed token) is worth one in
//! [`RENEW_EVERY`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tidegate_model::UnixMs;

use crate::{
    Engine,
    ports::{Clock, Doubt, Secret, SecretError, Secrets, Vault},
};

/// A secret that a person has changed is in use after at most this long; and at ten thousand
/// invocations a day a look-up each would cost more than all the rest.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How often a process looks a secret up because a caller's does not fit: what is forged without end
/// costs three look-ups a minute, and a caller who was first with a new secret is taken at its next try.
const RENEW_EVERY: Duration = Duration::from_secs(20);

struct Cached {
    secret: Secret,
    until: UnixMs,
    /// When it took the place of another; none of the first.
    replaced: Option<UnixMs>,
}

/// The secrets of a vault, each kept for five minutes.
pub struct CachedSecrets<V> {
    vault: V,
    clock: Arc<dyn Clock>,
    cache: Mutex<BTreeMap<String, Cached>>,
}

impl<V: fmt::Debug> fmt::Debug for CachedSecrets<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedSecrets")
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

impl<V: Vault> CachedSecrets<V> {
    /// Keeps what the vault gives.
    pub fn new(vault: V, clock: Arc<dyn Clock>) -> Self {
        Self {
            vault,
            clock,
            cache: Mutex::default(),
        }
    }

    fn with_cached<T>(&self, name: &str, look: impl FnOnce(&mut Cached) -> T) -> Option<T> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get_mut(name).map(look)
    }

    async fn fetch(&self, name: &str) -> Result<Secret, SecretError> {
        // Its age counts from before the call: the answer may be as old as that.
        let now = self.clock.now();
        let secret = self.vault.fetch(name).await?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = match cache.get(name) {
            Some(known) if known.secret == secret => known.replaced,
            Some(_) => Some(self.clock.now()),
            None => None,
        };
        let cached = Cached {
            secret: secret.clone(),
            until: now + MAX_AGE,
            replaced,
        };
        cache.insert(name.to_owned(), cached);
        Ok(secret)
    }
}

#[async_trait]
impl<V: Vault> Secrets for CachedSecrets<V> {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let now = self.clock.now();
        let fresh = |cached: &mut Cached| (now < cached.until).then(|| cached.secret.clone());
        match self.with_cached(name, fresh).flatten() {
            Some(secret) => Ok(secret),
            None => self.fetch(name).await,
        }
    }

    async fn renew(&self, name: &str, doubt: Doubt, used: UnixMs) -> Result<bool, SecretError> {
        let refused = self.with_cached(name, |cached| {
            // A refused secret is not sent again, should the vault not answer now. One that a caller's
            // does not fit stays: else anybody could take it from the others.
            if doubt == Doubt::Refused {
                cached.until = UnixMs::EPOCH;
            }
            (cached.secret.clone(), cached.replaced)
        });
        // Another call met the same rotation and was quicker.
        if refused
            .as_ref()
            .is_some_and(|(_, replaced)| *replaced >= Some(used))
        {
            return Ok(true);
        }
        let secret = self.fetch(name).await?;
        Ok(refused.is_some_and(|(refused, _)| refused != secret))
    }
}

impl Engine {
    /// Looks secrets up because what a caller sent at `used` fits none of them. True when one has
    /// been replaced since: compare again.
    pub async fn renew_secrets<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str> + Send,
        used: UnixMs,
    ) -> Result<bool, SecretError> {
        let mut any = false;
        for name in names {
            if !self.may_renew(name) {
                continue;
            }
            match self.ports.secrets.renew(name, Doubt::Unmatched, used).await {
                Ok(false) | Err(SecretError::Missing(_)) => {}
                Ok(true) => {
                    tracing::info!(secret = name, "a secret was replaced");
                    any = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(any)
    }

    fn may_renew(&self, name: &str) -> bool {
        let now = self.now();
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = renewed
            .get(name)
            .is_none_or(|last| now >= *last + RENEW_EVERY);
        if due {
            renewed.insert(name.to_owned(), now);
        }
        due
    }
}
