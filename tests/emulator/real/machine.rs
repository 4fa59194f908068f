//! The real program against doubles in the test's own process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tidegate_testkit::doubles::{
    erp::{ErpConfig, ErpDouble, ErpSupplier},
    qualio::{QualioConfig, QualioDouble, RISK_LEVELS},
};

pub const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The doubles' clock: that of the machine, since they judge a real program.
pub fn now_ms() -> i64 {
    #[allow(
        clippy::disallowed_methods,
        reason = "the doubles note when calls really arrive"
    )]
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Both doubles, and a folder for flows and data.
pub struct Systems {
    pub erp: ErpDouble,
    pub qualio: QualioDouble,
    pub folder: tempfile::TempDir,
}

impl Systems {
    pub async fn new(suppliers: Vec<ErpSupplier>, flows: &[(&str, String)]) -> Self {
        let clock = Arc::new(now_ms);
        let erp = ErpDouble::start(ErpConfig::new(clock.clone(), "erp-token").suppliers(suppliers))
            .await
            .unwrap();
        let qualio = QualioDouble::start(QualioConfig::new(clock, "qualio-key"))
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let flows_folder = folder.path().join("flows");
        std::fs::create_dir(&flows_folder).unwrap();
        for (name, text) in flows {
            std::fs::write(flows_folder.join(format!("{name}.toml")), text).unwrap();
        }
        Self {
            erp,
            qualio,
            folder,
        }
    }

    /// Starts the program `command` and waits until it serves.
    pub fn start(&self, command: &Path) -> Program {
        let folder: &Path = self.folder.path();
        let risk = |n: usize| RISK_LEVELS[n].0.to_owned();
        let given = [
            ("TIDEGATE_VAR_ERP_URL", self.erp.url()),
            ("TIDEGATE_VAR_QUALIO_URL", self.qualio.url()),
            ("TIDEGATE_VAR_QUALIO_RISK_LOW", risk(0)),
            ("TIDEGATE_VAR_QUALIO_RISK_MEDIUM", risk(1)),
            ("TIDEGATE_VAR_QUALIO_RISK_HIGH", risk(2)),
            ("TIDEGATE_SECRET_ERP_TOKEN", "erp-token".to_owned()),
            ("TIDEGATE_SECRET_QUALIO_API_KEY", "qualio-key".to_owned()),
            (
                "TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_1",
                WEBHOOK_SECRET.to_owned(),
            ),
            (
                "TIDEGATE_SECRET_SUPPLIERS_WEBHOOK_2",
                WEBHOOK_SECRET.to_owned(),
            ),
        ];
        Program::start(command, &folder.join("flows"), &folder.join("data"), &given)
    }
}

/// The running program. Killed when it is dropped.
pub struct Program {
    child: Child,
    pub url: String,
    token: String,
}

impl Program {
    /// Starts the program `command` on these flows with these variables and waits until it serves.
    pub fn start(command: &Path, flows: &Path, data: &Path, given: &[(&str, String)]) -> Self {
        let mut child = Command::new(command)
            .args(["dev", "--no-demo", "--listen", "127.0.0.1:0"])
            .arg("--flows")
            .arg(flows)
            .arg("--data")
            .arg(data)
            .envs(given.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Tidegate runs at ").map(str::to_owned))
            .expect("the program says where it runs");
        // Its output is read to the end, or it would block on a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let token = std::fs::read_to_string(data.join("token")).unwrap();
        Self {
            child,
            url,
            token: token.trim().to_owned(),
        }
    }

    /// Kills it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Health of the flows.
    pub async fn health(&self) -> serde_json::Value {
        self.get("/v1/flows").await
    }

    /// What it answers.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        self.ask(reqwest::Client::new().get(self.at(path))).await
    }

    /// What it answers to a request to do something.
    pub async fn post(&self, path: &str) -> serde_json::Value {
        self.ask(reqwest::Client::new().post(self.at(path))).await
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> serde_json::Value {
        let sent = request.bearer_auth(&self.token).send().await;
        let body = sent.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for a condition, with a limit.
pub async fn until<T>(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = AtomicI64::new(0);
    let step = Duration::from_millis(50);
    loop {
        if let Some(found) = holds().await {
            return found;
        }
        let passed = waited.fetch_add(50, Ordering::Relaxed);
        assert!(
            passed < i64::try_from(limit.as_millis()).unwrap(),
            "not within {limit:?}: {what}"
        );
        tokio::time::sleep(step).await;
    }
}

/// The flow that ships.
pub fn suppliers_flow() -> String {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above
        .find_map(|folder| std::fs::read_to_string(folder.join("infra/flows/suppliers.toml")).ok());
    found.expect("the flow lies in the repository")
}
