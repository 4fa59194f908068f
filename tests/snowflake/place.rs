//! The adapter, wired to a running double.

use std::{fs, io::Write as _, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use tempfile::TempDir;
use tidegate_connect::{HttpClient, Snowflake};
use tidegate_engine::{
    CachedSecrets,
    ports::{Clock, PortError, Secrets, Shelf, ShelfError, Warehouse as _, WarehouseError},
};
use tidegate_lambda::{SystemChance, SystemClock};
use tidegate_model::{FlowId, SourceVersion, UnixMs, Version, flow::WarehouseSpec};
use tidegate_testkit::memory::MemoryVault;

use crate::double::{KEY, SnowflakeDouble};

/// True time, which the double looks at in a token; nobody waits.
struct Hasty;

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> UnixMs {
        SystemClock.now()
    }

    async fn wait_until(&self, _: UnixMs) {}
}

/// A folder that stands for the bucket.
struct Folder;

#[async_trait]
impl Shelf for Folder {
    async fn put(&self, place: &str, name: &str, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let path = Path::new(place).join(name);
        let folder = path.parent().unwrap_or(Path::new(place));
        let put = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
        put.map_err(|error| ShelfError::Failed(PortError::new(format!("put {name}"), error)))
    }
}

/// The adapter and its double.
pub struct Place {
    pub double: SnowflakeDouble,
    pub snowflake: Snowflake,
    pub spec: WarehouseSpec,
    pub vault: MemoryVault,
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let (double, folder) = (SnowflakeDouble::start(), TempDir::new().unwrap());
        let vault = MemoryVault::new([(KEY, double.private_key())]);
        Self {
            snowflake: adapter(&vault),
            spec: double.spec(folder.path().to_str().unwrap()),
            double,
            vault,
            folder,
        }
    }

    /// Another adapter, which has kept no secret yet.
    pub fn fresh(&self) -> Snowflake {
        adapter(&self.vault)
    }

    /// Puts a file of these lines, and lets the pipe read it.
    pub async fn land(&self, name: &str, lines: &[String]) {
        let name = format!("{name}.jsonl.gz");
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(lines.concat().as_bytes()).unwrap();
        let bytes = packed.finish().unwrap();
        self.snowflake.put(&self.spec, &name, bytes).await.unwrap();
        self.double.ingest(self.folder.path()).await;
    }

    pub async fn merge(&self, id: &str, again: bool) -> Result<(), WarehouseError> {
        let merge = self.snowflake.merge(&self.spec, id, again, deadline());
        merge.await
    }

    pub async fn waiting(&self) -> Result<u64, WarehouseError> {
        let waiting = self.snowflake.waiting(&self.spec, deadline());
        waiting.await
    }

    /// How often a merge has run to its end.
    pub async fn turns(&self) -> String {
        let rows = self.double.sql("SELECT turns FROM merge_turn").await;
        rows[0][0].clone().unwrap()
    }
}

/// More time than any call here takes.
pub fn deadline() -> UnixMs {
    SystemClock.now() + Duration::from_mins(2)
}

fn adapter(vault: &MemoryVault) -> Snowflake {
    let cached = CachedSecrets::new(vault.clone(), Arc::new(Hasty));
    let secrets: Arc<dyn Secrets> = Arc::new(cached);
    Snowflake::new(
        Arc::new(HttpClient::new(secrets.clone())),
        secrets,
        Arc::new(Hasty),
        Arc::new(SystemChance),
        Arc::new(Folder),
    )
}

/// A record as of a version; none of a deletion.
pub struct Record<'a> {
    pub flow: &'a str,
    pub key: &'a str,
    pub source: u64,
    pub content: Option<&'a str>,
}

impl Record<'_> {
    pub fn version(&self) -> Version {
        Version {
            source: SourceVersion(self.source),
            revision: 1,
            read: 0,
        }
    }

    /// As infra/snowflake/README.md says it.
    pub fn digest(&self) -> String {
        let flag = if self.content.is_none() { "1" } else { "0" };
        let version = self.version().encode();
        let content = self.content.unwrap_or_default();
        let parts = [&version, flag, HASH, self.flow, self.key, content];
        hex(parts.join("\n").as_bytes())
    }

    /// The first 60 bits of the digest.
    pub fn term(&self) -> u128 {
        u128::from_str_radix(&self.digest()[..15], 16).unwrap()
    }

    /// The first byte of the SHA-256 of the key.
    pub fn bucket(&self) -> u8 {
        digest(&SHA256, self.key.as_bytes()).as_ref()[0]
    }

    /// Its line in a file.
    pub fn line(&self) -> String {
        let line = json!({
            "flow": self.flow,
            "key": self.key,
            "version": { "source": self.source, "revision": 1, "read": 0 },
            "deleted": self.content.is_none(),
            "hash": HASH,
            "content": self.content,
            "digest": self.digest(),
        });
        format!("{line}\n")
    }
}

const HASH: &str = "00112233445566778899aabbccddeeff";

fn hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

pub fn flow(name: &str) -> FlowId {
    FlowId::try_new(name).unwrap()
}
