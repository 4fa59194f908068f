//! One AWS emulator on a free port of loopback.

use std::{net::TcpListener, path::Path, time::Duration};

use tempfile::TempDir;

use crate::{python, supervised::Supervised, until::until};

/// It starts in 0.6 s on a quiet machine.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A port that was free can be taken before the emulator binds it; three times in a row it is not.
const PORTS_TRIED: usize = 3;

/// A running emulator. It and the functions it started end with this value.
pub struct Emulator {
    // Before the folder, so that nothing writes there any more when it is removed. None where it is
    // not ours.
    server: Option<Supervised>,
    endpoint: String,
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

    /// One that runs already, and goes on.
    pub fn given(endpoint: String) -> Self {
        Self {
            server: None,
            endpoint,
            folder: folder(),
        }
    }

    fn spawn(port: u16) -> Self {
        let folder = folder();
        let program = python::tool("ministack");
        let log = folder.path().join("log.txt");
        let server = Supervised::start(program.as_os_str(), &log, |command| {
            // Functions inherit the environment of the emulator: they get nothing by accident.
            command
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
                .env("HOME", folder.path());
        });
        Self {
            server: Some(server),
            endpoint: format!("http://127.0.0.1:{port}"),
            folder,
        }
    }

    async fn answers(&mut self) -> bool {
        let health = format!("{}/_ministack/health", self.endpoint());
        let server = &mut self.server;
        until("the emulator answers", START_LIMIT, || {
            let ended = server.as_mut().is_some_and(Supervised::ended);
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
        self.endpoint.clone()
    }

    /// Whether it lives on.
    pub fn is_given(&self) -> bool {
        self.server.is_none()
    }

    /// A folder that goes when the emulator goes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A folder of its own.
fn folder() -> TempDir {
    TempDir::with_prefix_in("run-", python::workshop()).expect("a folder")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port of loopback")
        .port()
}
