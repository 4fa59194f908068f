//! What functions are configured with, one type a need.

use std::path::PathBuf;

use super::{FromConfig, Reader};
use crate::Emf;

/// The table's name, from `TIDEGATE_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(pub String);

impl FromConfig for Table {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        reader.required("TIDEGATE_TABLE").map(Self)
    }
}

/// Addresses of the work queues, from `TIDEGATE_QUEUE_REALTIME` and `TIDEGATE_QUEUE_BATCH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAddresses {
    /// Of the real-time queue.
    pub real_time: String,
    /// Of the batch queue.
    pub batch: String,
}

impl FromConfig for QueueAddresses {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        let real_time = url(reader, "TIDEGATE_QUEUE_REALTIME");
        let batch = url(reader, "TIDEGATE_QUEUE_BATCH");
        Some(Self {
            real_time: real_time?,
            batch: batch?,
        })
    }
}

/// The event bus's name, from `TIDEGATE_BUS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus(pub String);

impl FromConfig for Bus {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        reader.required("TIDEGATE_BUS").map(Self)
    }
}

/// Where the flow files are, and of which stage their settings are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowsFolder {
    /// Their folder, from `TIDEGATE_FLOWS`.
    pub folder: PathBuf,
    /// The stage, from `TIDEGATE_STAGE`. Without one the settings are those of the configuration.
    pub stage: Option<String>,
}

impl FromConfig for FlowsFolder {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        let key = "TIDEGATE_STAGE";
        let stage = reader.optional(key);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        // It is a part of a path.
        if stage.as_ref().is_some_and(|name| !name.chars().all(plain)) {
            reader.fault(key, "is not made of letters, digits and hyphens");
        }
        Some(Self {
            folder: reader.required("TIDEGATE_FLOWS")?.into(),
            stage,
        })
    }
}

/// Who sends the digest and who gets it, from `TIDEGATE_MAIL_FROM` and `TIDEGATE_MAIL_TO`
/// (separated by commas).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddresses {
    /// The sender.
    pub from: String,
    /// One or more receivers.
    pub to: Vec<String>,
}

impl FromConfig for MailAddresses {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        let from = mail_addresses(reader, "TIDEGATE_MAIL_FROM");
        let to = mail_addresses(reader, "TIDEGATE_MAIL_TO");
        let [from] = <[String; 1]>::try_from(from?)
            .map_err(|_| reader.fault("TIDEGATE_MAIL_FROM", "names more than one address"))
            .ok()?;
        Some(Self { from, to: to? })
    }
}

/// Where people reach the API, from `TIDEGATE_BASE_URL`, without a slash at its end: for links in
/// mails. May be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(pub Option<String>);

impl FromConfig for BaseUrl {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        let key = "TIDEGATE_BASE_URL";
        if reader.optional(key).is_none() {
            return Some(Self(None));
        }
        let url = url(reader, key)?;
        Some(Self(Some(url.trim_end_matches('/').to_owned())))
    }
}

/// What is logged, from `TIDEGATE_LOG`: a `tracing` filter, `info` when it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(pub String);

impl FromConfig for LogFilter {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        let filter = reader.optional("TIDEGATE_LOG");
        Some(Self(filter.unwrap_or_else(|| "info".to_owned())))
    }
}

/// The namespace of the metrics, from `TIDEGATE_NAMESPACE`; `tidegate` when it is left out.
impl FromConfig for Emf {
    fn from_config(reader: &mut Reader<'_>) -> Option<Self> {
        let namespace = reader.optional("TIDEGATE_NAMESPACE");
        Some(Self::new(
            namespace.unwrap_or_else(|| "tidegate".to_owned()),
        ))
    }
}

/// What every function is configured with.
pub type Common = (LogFilter, Table, QueueAddresses, Bus, FlowsFolder, Emf);

fn url(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    let value = reader.required(key)?;
    if value.starts_with("https://") || value.starts_with("http://") {
        return Some(value);
    }
    reader.fault(key, format!("is not an http address: {value}"));
    None
}

fn mail_addresses(reader: &mut Reader<'_>, key: &str) -> Option<Vec<String>> {
    let value = reader.required(key)?;
    let addresses: Vec<_> = value.split(',').map(|one| one.trim().to_owned()).collect();
    match addresses.iter().find(|one| !one.contains('@')) {
        None => Some(addresses),
        Some(bad) => {
            reader.fault(key, format!("has what is not a mail address: {bad:?}"));
            None
        }
    }
}
