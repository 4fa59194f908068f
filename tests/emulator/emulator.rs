//! One AWS emulator on a free port of loopback.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{python, until::until};

/// It starts in 0.6 s on a quiet machine.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A port that was free can be taken before the emulator binds it; three times in a row it is not.
const PORTS_TRIED: usize = 3;

/// How much of the emulator's log a failing test shows, in lines.
const LOG_TAIL_LINES: usize = 80;

/// A running emulator. It and the functions it started end with this value.
pub struct Emulator {
    supervisor: Child,
    port: u16,
    folder: TempDir,
}

impl Emulator {
    /// Starts an emulator and waits until it answers.
    pub async fn start() -> Self {
        for _ in 0..PORTS_TRIED {
            let mut emulator = Self::spawn(free_port());
            if emulator.answers().await {
                return emulator;
            }
        }
        panic!("no emulator started on any of {PORTS_TRIED} free ports");
    }

    fn spawn(port: u16) -> Self {
        let folder = TempDir::with_prefix_in("run-", python::workshop()).expect("a folder");
        let log = fs::File::create(folder.path().join("log.txt")).expect("a log file");
        let supervisor = Command::new(python::tool("python"))
            .arg("-c")
            .arg(include_str!("supervise.py"))
            .arg(python::tool("ministack"))
            // Functions inherit the environment of the emulator: they get nothing by accident.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            // Functions act as their roles, so a permission that the template forgot shows.
            .env("AUTH", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("Python starts");
        Self {
            supervisor,
            port,
            folder,
        }
    }

    async fn answers(&mut self) -> bool {
        let health = format!("{}/_ministack/health", self.endpoint());
        let supervisor = &mut self.supervisor;
        until("the emulator answers", START_LIMIT, || {
            let ended = supervisor
                .try_wait()
                .expect("a child can be asked")
                .is_some();
            let asked = reqwest::get(health.clone());
            async move {
                if ended {
                    return Some(false);
                }
                asked.await.ok().map(|answer| answer.status().is_success())
            }
        })
        .await
    }

    /// The base URL of every service.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A folder that goes when the emulator goes.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    /// All that the emulator and the functions have written so far.
    pub fn log(&self) -> String {
        fs::read(self.folder.path().join("log.txt"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LOG_TAIL_LINES);
            eprintln!("the emulator's last lines:\n{}", lines[from..].join("\n"));
        }
        // The supervisor ends the emulator and its functions when its standard input ends.
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().expect("the supervisor ends");
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port of loopback")
        .port()
}
