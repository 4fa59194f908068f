//! The folder with the state of an instance.
//!
//! ```text
//! table.db         DynamoDB: registers, leases, budgets, reviews
//! spool/           what was promised and stands in no register
//! mail/            digests, as .eml
//! tidegate.log     JSON lines
//! metrics.jsonl    metrics, as AWS takes them out of logs
//! token            bearer token of the local API (mode 600)
//! token-fields     the one that shows private fields too (mode 600)
//! instance.json    where the running instance answers
//! demo/            state and secrets of the simulated systems
//! lock             held by the one process that works with the folder
//! ```

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tidegate_model::RequestId;

/// Bytes of chance in a generated token or secret: 24 is the least that Standard Webhooks allows.
const SECRET_BYTES: usize = 24;

/// Where an instance answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Its API.
    pub url: String,
    /// DynamoDB's protocol, on loopback.
    pub table: String,
}

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
}

/// Held while a process works with the folder; the system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl DataDir {
    /// A folder that need not exist.
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Makes the folder where there is none.
    pub(crate) fn create(root: &Path) -> anyhow::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            // Records and secrets lie in it.
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder
            .create(root)
            .with_context(|| format!("the data folder {} can not be made", root.display()))?;
        Ok(Self::at(root))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn table(&self) -> PathBuf {
        self.root.join("table.db")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    pub(crate) fn mail(&self) -> PathBuf {
        self.root.join("mail")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("tidegate.log")
    }

    pub(crate) fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    pub(crate) fn token_path(&self) -> PathBuf {
        self.root.join("token")
    }

    pub(crate) fn demo(&self) -> PathBuf {
        self.root.join("demo")
    }

    fn instance_path(&self) -> PathBuf {
        self.root.join("instance.json")
    }

    /// Takes the folder for this process; `None` when another has it.
    pub(crate) fn try_lock(&self) -> anyhow::Result<Option<Lock>> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| {
                format!(
                    "{} can not be opened; run as the user that made the folder, or name another with --data",
                    path.display()
                )
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} can not be locked", path.display()))
            }
        }
    }

    /// Says where this process answers.
    pub(crate) fn announce(&self, instance: &Instance) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(instance)?;
        write_private(&self.instance_path(), &text)
            .with_context(|| format!("{} can not be written", self.instance_path().display()))
    }

    /// Where the process answers that has the folder now; `None` when none has it.
    pub(crate) fn running(&self) -> anyhow::Result<Option<Instance>> {
        let path = self.instance_path();
        let is_there = path.try_exists().with_context(|| {
            format!(
                "the data folder {} can not be looked into; run as the user that started the instance, or name it with --url and --token",
                self.root.display()
            )
        })?;
        if !is_there || self.try_lock()?.is_some() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} can not be read", path.display()))?;
        let instance = serde_json::from_str(&text)
            .with_context(|| format!("{} is not what an instance writes", path.display()))?;
        Ok(Some(instance))
    }

    /// The API's token; made at the first start.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        token_at(&self.token_path())
    }

    /// The API's token with the scope `fields`; made at the first start.
    pub(crate) fn fields_token(&self) -> anyhow::Result<String> {
        token_at(&self.root.join("token-fields"))
    }

    /// The token of those who ask for decisions; made at the first start.
    pub(crate) fn decide_token(&self) -> anyhow::Result<String> {
        token_at(&self.root.join("token-decide"))
    }

    /// The token of the instance that runs with the folder.
    pub(crate) fn token_of_running(&self) -> anyhow::Result<String> {
        let path = self.token_path();
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "the token file {} can not be read; run as the user that started the instance, or give its token with --token",
                path.display()
            )
        })?;
        written_token(&path, &text)
    }
}

/// The token in a file, which is made where there is none.
fn token_at(path: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => return written_token(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "the token file {} can not be read; remove it to have a new one",
                    path.display()
                )
            });
        }
    }
    let token = random_hex();
    write_private(path, &format!("{token}\n"))
        .with_context(|| format!("{} can not be written", path.display()))?;
    Ok(token)
}

/// What a token's file says.
fn written_token(path: &Path, text: &str) -> anyhow::Result<String> {
    if !is_token(text.trim()) {
        bail!(
            "the token file {} does not hold one word of visible ASCII; remove it and start `tidegate` again to have a new one",
            path.display()
        );
    }
    Ok(text.trim().to_owned())
}

/// Whether a text can be a bearer token: what an HTTP header carries whole, without spaces and line
/// breaks.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Chance as text.
pub(crate) fn random_hex() -> String {
    let parts: [u64; SECRET_BYTES / 8] = rand::random();
    parts.map(|part| format!("{part:016x}")).concat()
}

/// Names one request or piece of work, as Lambda names an invocation.
#[allow(clippy::expect_used, reason = "32 hex digits always are an id")]
pub(crate) fn new_request_id() -> RequestId {
    let number: u128 = rand::random();
    RequestId::try_new(format!("{number:032x}")).expect("32 hex digits are an id")
}

/// Chance enough for a secret.
pub(crate) fn random_bytes() -> [u8; SECRET_BYTES] {
    rand::random()
}

/// Writes a file whole or not at all, for this user only.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::create(folder.path()).unwrap();
        let lock = data.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(data.try_lock().unwrap().is_none());
        drop(lock);
        assert!(data.try_lock().unwrap().is_some());
    }

    #[test]
    fn an_instance_counts_only_while_its_process_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::create(folder.path()).unwrap();
        let lock = data.try_lock().unwrap();
        let instance = Instance {
            url: "http://127.0.0.1:1".to_owned(),
            table: "http://127.0.0.1:2".to_owned(),
        };
        data.announce(&instance).unwrap();
        assert_eq!(data.running().unwrap().unwrap().url, instance.url);
        drop(lock);
        assert!(data.running().unwrap().is_none());
    }

    #[test]
    fn a_token_file_that_holds_no_token_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::create(folder.path()).unwrap();
        for text in ["", " \n", "secret-a\nsecret-b\n", "secret a"] {
            fs::write(data.token_path(), text).unwrap();
            for told in [data.token(), data.token_of_running()] {
                let told = told.unwrap_err().to_string();
                assert!(told.contains("token does not hold one word"), "{told}");
                assert!(!told.contains("secret"), "{told}");
            }
        }
        fs::write(data.token_path(), "a-token\n").unwrap();
        assert_eq!(data.token_of_running().unwrap(), "a-token");
    }

    #[test]
    fn the_token_stays_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::create(folder.path()).unwrap();
        let token = data.token().unwrap();
        assert_eq!(token.len(), 2 * SECRET_BYTES);
        assert_eq!(data.token().unwrap(), token);
        let with_fields = data.fields_token().unwrap();
        assert_ne!(with_fields, token);
        assert_eq!(data.fields_token().unwrap(), with_fields);
        #[cfg(unix)]
        for file in ["token", "token-fields"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(file))
                .unwrap()
                .permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
        }
    }
}
