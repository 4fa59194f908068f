//! A running double of Snowflake, which ends with its value, or with the process that has it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{KeyPair as _, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_model::flow::WarehouseSpec;

use super::python::python;

/// A period parts the names in a token, so that the account has one.
pub const ACCOUNT: &str = "myorg.tide";
pub const USER: &str = "tidegate_loader";
/// The name of the secret that holds the private key.
pub const KEY: &str = "SNOWFLAKE_KEY";

/// The program, with an account, a user with a new key, and the shipped objects.
pub struct SnowflakeDouble {
    supervisor: Child,
    /// Kept open: the double would end at its next word.
    _output: BufReader<ChildStdout>,
    /// What it says of a failure of its own.
    folder: TempDir,
    url: String,
    private_key: String,
}

impl SnowflakeDouble {
    /// Starts it on a free port. It reads files when a test says so.
    pub fn start() -> Self {
        Self::start_with(&["--setup".as_ref()])
    }

    /// The same, and it reads what comes into this folder, every second.
    #[allow(dead_code, reason = "for the tests of a whole flow")]
    pub fn watching(folder: &Path) -> Self {
        Self::start_with(&["--watch".as_ref(), folder.as_os_str()])
    }

    fn start_with(arguments: &[&std::ffi::OsStr]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (private_key, public_key) = key_pair();
        let key_file = folder.path().join("key.pem");
        fs::write(&key_file, public_key).expect("a file of the public key");
        let log = File::create(folder.path().join("log.txt")).expect("a log file");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut supervisor = Command::new(python())
            .args(["-c", include_str!("../emulator/supervise.py")])
            .arg(python())
            .args(["double.py", "--account", ACCOUNT, "--user", USER])
            .arg("--public-key")
            .arg(&key_file)
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(root.join("warehouse"))
            // What ends the test's whole group must not end its supervisor before its work is done.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("Python starts");
        let mut output = BufReader::new(supervisor.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its first line");
        let port = line.trim().strip_prefix("port ").unwrap_or_else(|| {
            let log = fs::read_to_string(folder.path().join("log.txt"));
            panic!("the double did not start: {}", log.unwrap_or_default())
        });
        Self {
            url: format!("http://127.0.0.1:{port}"),
            supervisor,
            _output: output,
            folder,
            private_key,
        }
    }

    /// The address of its SQL API.
    #[allow(dead_code, reason = "for the tests of a whole flow")]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The user's private key, as a secret holds it.
    pub fn private_key(&self) -> &str {
        &self.private_key
    }

    /// The warehouse as a flow describes it, whose files are put into this folder.
    pub fn spec(&self, place: &str) -> WarehouseSpec {
        let spec = json!({
            "name": "snowflake",
            "place": place,
            "base_url": self.url,
            "account": ACCOUNT,
            "user": USER,
            "key": KEY,
            "role": "tidegate_load",
            "warehouse": "tidegate_wh",
            "database": "tidegate",
            "schema": "market",
            "view": "orders",
        });
        serde_json::from_value(spec).expect("a warehouse")
    }

    /// How it behaves from now on: a table of what `Behaviour` in double.py names.
    pub async fn behave(&self, behaviour: Value) {
        self.ask("behaviour", Some(behaviour)).await;
    }

    /// Lets the pipe read the files of a folder; what became of each, by name.
    pub async fn ingest(&self, folder: &Path) -> Vec<(String, String)> {
        let told = self.ask("ingest", Some(json!({ "folder": folder }))).await;
        serde_json::from_value(told).expect("a name and an outcome each")
    }

    /// The rows of a statement, as the owner of all.
    pub async fn sql(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        let statement = json!({ "statement": statement });
        let rows = self.ask("sql", Some(statement)).await;
        serde_json::from_value(rows).expect("rows of texts")
    }

    /// The calls of the API so far.
    pub async fn log(&self) -> Vec<Value> {
        let log = self.ask("log", None).await;
        serde_json::from_value(log).expect("a list")
    }

    async fn ask(&self, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/_double/{path}", self.url);
        let client = reqwest::Client::new();
        let request = match &body {
            Some(body) => client.post(url).json(body),
            None => client.get(url),
        };
        let answer = request.send().await.expect("the double answers");
        let is_well = answer.status().is_success();
        let told: Value = answer.json().await.expect("in JSON");
        assert!(is_well, "{path}: {told}");
        told
    }
}

impl Drop for SnowflakeDouble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log.txt"));
            eprintln!("the double's log:\n{}", log.unwrap_or_default());
        }
        // The supervisor ends the program when its standard input ends.
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().expect("the supervisor ends");
    }
}

/// A new private key and its public half, as PEM.
pub fn key_pair() -> (String, String) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("PKCS#8");
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).expect("X.509");
    let pem = |kind: &str, der: &[u8]| {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {kind} KEY-----\n{text}\n-----END {kind} KEY-----\n")
    };
    (
        pem("PRIVATE", private.as_ref()),
        pem("PUBLIC", public.as_ref()),
    )
}
