//! The configuration: read once, from a map of which the environment is one case.
//!
//! Every missing or bad key is reported at once, with where it was looked for. A function names
//! what it needs as a type: `config.read::<(Table, QueueAddresses, Bus)>()`.

mod parts;

use std::{collections::BTreeMap, fmt};

pub use parts::{
    BaseUrl, Bus, Common, FlowsFolder, LogFilter, MailAddresses, QueueAddresses, Table,
};
use tidegate_policy::flow::Settings;

/// What the key of a secret begins with.
pub const SECRET_PREFIX: &str = "TIDEGATE_SECRET_";
/// What the key of a setting of flow files begins with.
pub const SETTING_PREFIX: &str = "TIDEGATE_VAR_";

const SECRETS_PATH: &str = "TIDEGATE_SECRETS";

/// What a function was started with. Never shows a value, since some are secrets.
#[derive(Clone)]
pub struct Config {
    values: BTreeMap<String, String>,
    origin: &'static str,
}

/// One key that is missing or bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The key.
    pub key: String,
    /// What is wrong with it.
    pub wrong: String,
}

/// All that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where was looked.
    pub origin: &'static str,
    /// Every fault, in the order of reading.
    pub faults: Vec<ConfigFault>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration (looked in {}) is not complete:",
            self.origin
        )?;
        for ConfigFault { key, wrong } in &self.faults {
            write!(f, "\n  {key} {wrong}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self
            .values
            .keys()
            .filter(|key| key.starts_with("TIDEGATE_"))
            .collect();
        f.debug_struct("Config")
            .field("origin", &self.origin)
            .field("keys", &keys)
            .finish()
    }
}

impl Config {
    /// The environment of the process. Nothing else reads it.
    pub fn from_env() -> Self {
        let readable = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Self::from_map(readable.collect(), "the environment")
    }

    /// These values; `origin` says where they are from.
    pub fn from_map(values: BTreeMap<String, String>, origin: &'static str) -> Self {
        Self { values, origin }
    }

    /// All values, for those who read keys of their own (`AWS_REGION` and the like).
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Secrets by name, from `TIDEGATE_SECRET_NAME`: the secret itself, or its address.
    pub fn secrets(&self) -> BTreeMap<String, String> {
        self.with_prefix(SECRET_PREFIX)
    }

    /// [`Config::secrets`], and what the names of others begin with in Secrets Manager, from
    /// `TIDEGATE_SECRETS`: the secret `NAME` is kept there as this and `NAME`. May be left out.
    pub fn vault(&self) -> (BTreeMap<String, String>, Option<String>) {
        let path = self.values.get(SECRETS_PATH);
        let path = path.filter(|path| !path.is_empty());
        (self.secrets(), path.cloned())
    }

    /// What flow files see as `env.NAME`, from `TIDEGATE_VAR_NAME`.
    pub fn settings(&self) -> Settings {
        self.with_prefix(SETTING_PREFIX)
    }

    /// Reads parts; all that is wrong with any of them is reported at once.
    pub fn read<P: FromConfig>(&self) -> Result<P, ConfigError> {
        let mut reader = Reader {
            values: &self.values,
            faults: Vec::new(),
        };
        let parts = P::from_config(&mut reader);
        let faults = reader.faults;
        match parts {
            Some(parts) if faults.is_empty() => Ok(parts),
            _ => Err(ConfigError {
                origin: self.origin,
                faults,
            }),
        }
    }

    fn with_prefix(&self, prefix: &str) -> BTreeMap<String, String> {
        let named = self.values.iter().filter(|(_, value)| !value.is_empty());
        named
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
            .collect()
    }
}

/// A part of the configuration.
pub trait FromConfig: Sized {
    /// Reads it; `None` after at least one fault was noted.
    fn from_config(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Looks keys up and notes what is wrong.
#[derive(Debug)]
pub struct Reader<'a> {
    values: &'a BTreeMap<String, String>,
    faults: Vec<ConfigFault>,
}

impl Reader<'_> {
    /// The value of a key that must be there.
    pub fn required(&mut self, key: &str) -> Option<String> {
        let value = self.optional(key);
        if value.is_none() {
            self.fault(key, "is not set");
        }
        value
    }

    /// The value of a key; an empty one counts as absent.
    pub fn optional(&self, key: &str) -> Option<String> {
        self.values
            .get(key)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// Notes what is wrong with a key. Must not repeat the value of a secret.
    pub fn fault(&mut self, key: &str, wrong: impl Into<String>) {
        self.faults.push(ConfigFault {
            key: key.to_owned(),
            wrong: wrong.into(),
        });
    }
}

macro_rules! parts {
    ($($part:ident),+) => {
        impl<$($part: FromConfig),+> FromConfig for ($($part,)+) {
            fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
                // Each is read before the first `?`, so that every fault is noted.
                #[allow(non_snake_case, reason = "the types name the variables")]
                let ($($part,)+) = ($($part::from_config(reader),)+);
                Some(($($part?,)+))
            }
        }
    };
}

parts!(A, B);
parts!(A, B, C);
parts!(A, B, C, D);
parts!(A, B, C, D, E);
parts!(A, B, C, D, E, F);

#[cfg(test)]
mod tests;
