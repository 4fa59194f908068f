//! The start of a function, up to where it asks the runtime for its first invocation.
//!
//! Lambda bills it, and whoever meets a cold start waits for it. So nothing is asked over the network
//! before: an address that does not answer would cost every start its time-out.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Until a function must have asked, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// What a function asks for its first invocation by.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next ";
/// Where the shipped environment has what is not the function.
const LOOPBACK: &str = "http://127.0.0.1:";

/// How a function started.
pub struct FirstPoll {
    /// From the start of the process until it asked.
    pub after: Duration,
    /// Connections to anybody but the runtime before that.
    pub connections: usize,
}

/// Starts a function as Lambda does, with AWS and both systems at a place that counts and does not
/// answer, and ends it as soon as it has asked for its first invocation.
pub fn first_poll(binary: &Path) -> FirstPoll {
    let runtime = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let others = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = |listener: &TcpListener| listener.local_addr().expect("it is bound");
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(environment(place(&others)))
        .env("AWS_LAMBDA_RUNTIME_API", place(&runtime).to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let (told, heard) = mpsc::channel();
    thread::spawn(move || {
        let (connection, _) = runtime.accept()?;
        let mut line = String::new();
        BufReader::new(&connection).read_line(&mut line)?;
        // Handed on, since a function whose connection ends asks no more and fails.
        let _closed_if_too_late = told.send((now(), line, connection));
        Ok::<(), std::io::Error>(())
    });
    let began = now();
    let process = Running(command.spawn().expect("the function starts"));
    let asked = heard.recv_timeout(LIMIT);
    let connections = waiting(&others);
    // Before the connection, without which it would complain.
    drop(process);
    let Ok((asked_at, line, _connection)) = asked else {
        panic!(
            "{} asked for nothing in {LIMIT:?}, with {connections} connections to others",
            binary.display()
        );
    };
    assert!(line.starts_with(NEXT), "{}: {line}", binary.display());
    FirstPoll {
        after: asked_at - began,
        connections,
    }
}

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("a child can be ended");
        self.0.wait().expect("a child ends");
    }
}

/// What the template gives its functions, by the shipped environment, which has all of it, and what
/// Lambda adds.
fn environment(others: SocketAddr) -> Vec<(String, String)> {
    let path = repository().join("infra/events/local.env");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let given = pairs.map(|(name, value)| (name.to_owned(), deployed(name, value, others)));
    let added = [
        ("AWS_LAMBDA_FUNCTION_NAME", "tidegate"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("TIDEGATE_STAGE", "dev"),
    ];
    let added = added.map(|(name, value)| (name.to_owned(), value.to_owned()));
    given.chain(added).chain(certificates()).collect()
}

/// Where the certificates of authorities lie: Lambda's image has them in one file, where other systems have
/// each in a file of its own besides, which takes four times as long to read.
fn certificates() -> Option<(String, String)> {
    let bundles = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    ];
    let bundle = bundles.into_iter().find(|path| Path::new(path).exists())?;
    Some(("SSL_CERT_FILE".to_owned(), bundle.to_owned()))
}

/// A value as a deployed function has it: secrets are addresses of what would have to be asked for.
fn deployed(name: &str, value: &str, others: SocketAddr) -> String {
    if name == "TIDEGATE_FLOWS" {
        return repository().join(value).display().to_string();
    }
    if let Some(secret) = name.strip_prefix("TIDEGATE_SECRET_") {
        return format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{secret}");
    }
    match value.strip_prefix(LOOPBACK) {
        Some(rest) => {
            let path = rest.split_once('/').map_or("", |(_port, path)| path);
            format!("http://{others}/{path}")
        }
        None => value.to_owned(),
    }
}

/// How many wait to be let in.
fn waiting(listener: &TcpListener) -> usize {
    let asked = listener.set_nonblocking(true);
    asked.expect("a listener can be asked without waiting");
    let mut count = 0;
    loop {
        match listener.accept() {
            Ok(_) => count += 1,
            Err(none) if none.kind() == ErrorKind::WouldBlock => return count,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The root of the repository, of a crate in `tests` or below it.
fn repository() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|folder| folder.join("infra/template.yaml").is_file());
    root.expect("the tests lie in the repository").to_path_buf()
}

#[allow(
    clippy::disallowed_methods,
    reason = "how long a real process takes; no test decides by it"
)]
fn now() -> Instant {
    Instant::now()
}
