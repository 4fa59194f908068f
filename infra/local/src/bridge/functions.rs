//! Functions at an Invoke API, as `cargo lambda watch` serves it.

use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use serde_json::Value;

/// Until the Invoke API must say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Until a connection to it must stand: it is on this machine, or near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest event, and the longest answer, of a synchronous invocation, in bytes: 6 MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub(super) const MAX_PAYLOAD_BYTES: usize = 6 * 1_024 * 1_024;
/// Where the Invoke API says that it is the function that failed.
const FUNCTION_ERROR: &str = "x-amz-function-error";
/// The functions of the template, by their names without `tidegate-STAGE-`.
const FUNCTIONS: [&str; 11] = [
    "api",
    "batch-sync",
    "decide",
    "digest",
    "quality-audit",
    "reconcile",
    "tick",
    "warehouse",
    "webhook",
    "worker-batch",
    "worker-realtime",
];

/// How the Invoke API names functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NamedAs {
    /// By their binaries, `tidegate-worker`: `cargo lambda watch`
    Binary,
    /// As deployed, `tidegate-dev-worker-batch`: another emulator
    Deployed,
}

/// The names of a stage.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    named_as: NamedAs,
}

impl Names {
    /// The names of `stage`.
    pub(crate) fn new(stage: &str, named_as: NamedAs) -> Self {
        Self {
            prefix: format!("tidegate-{stage}-"),
            named_as,
        }
    }

    /// What the name of everything of the stage begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of something of the stage.
    pub(crate) fn of(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }

    /// The function of the stage that an ARN names, be it with a version or an alias.
    pub(crate) fn function_of(&self, arn: &str) -> Option<&'static str> {
        let (_, name) = arn.split_once(":function:")?;
        let name = name.split(':').next()?.strip_prefix(&self.prefix)?;
        FUNCTIONS.into_iter().find(|function| *function == name)
    }

    /// What the Invoke API calls a function. The worker is two functions of one binary.
    pub(crate) fn invoked_as(&self, function: &str) -> String {
        match self.named_as {
            NamedAs::Deployed => self.of(function),
            NamedAs::Binary if function.starts_with("worker-") => "tidegate-worker".to_owned(),
            NamedAs::Binary => format!("tidegate-{function}"),
        }
    }
}

/// Why there is no answer of a function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvokeError {
    /// Nothing was sent.
    #[error("no Invoke API answers at {url}")]
    NotThere {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It may have run.
    #[error("no answer of {function}")]
    NoAnswer {
        /// Its name at the Invoke API.
        function: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It did not run.
    #[error(
        "the Invoke API refuses to invoke {function} with status {status}: is it served there?"
    )]
    Refused {
        /// Its name at the Invoke API.
        function: String,
        /// What it answered.
        status: u16,
    },
    /// It ran and threw.
    #[error("{function} failed with {kind}: {message}")]
    Failed {
        /// Its name at the Invoke API.
        function: String,
        /// The type of its error.
        kind: String,
        /// What it says.
        message: String,
    },
    /// Its answer is longer than Lambda lets it be.
    #[error("{function} answered more than {MAX_PAYLOAD_BYTES} bytes")]
    TooLong {
        /// Its name at the Invoke API.
        function: String,
    },
    /// Its answer can not be read.
    #[error("{function} answered what is no JSON")]
    NoJson {
        /// Its name at the Invoke API.
        function: String,
    },
}

/// Whoever can run functions.
#[async_trait]
pub(crate) trait Functions: Send + Sync {
    /// Runs a function, named without its prefix, and waits for its answer.
    async fn invoke(
        &self,
        function: &str,
        event: &Value,
        limit: Duration,
    ) -> Result<Value, InvokeError>;

    /// Whether there is anybody to run them.
    async fn are_there(&self) -> bool;
}

/// The Invoke API of Lambda at an address. Nothing is signed, as emulators want it.
pub(crate) struct InvokeApi {
    http: reqwest::Client,
    url: String,
    names: Names,
}

impl InvokeApi {
    /// The API at `url`.
    pub(crate) fn new(url: &str, names: Names) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            names,
        })
    }
}

#[async_trait]
impl Functions for InvokeApi {
    async fn invoke(
        &self,
        function: &str,
        event: &Value,
        limit: Duration,
    ) -> Result<Value, InvokeError> {
        let function = self.names.invoked_as(function);
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let request = self.http.post(format!("{}{path}", self.url));
        let mut answer = match request.timeout(limit).json(event).send().await {
            Ok(answer) => answer,
            Err(source) if source.is_connect() => {
                let url = self.url.clone();
                return Err(InvokeError::NotThere { url, source });
            }
            Err(source) => return Err(InvokeError::NoAnswer { function, source }),
        };
        let status = answer.status();
        let threw = answer.headers().contains_key(FUNCTION_ERROR);
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(piece)) if body.len() + piece.len() > MAX_PAYLOAD_BYTES => {
                    return Err(InvokeError::TooLong { function });
                }
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(source) => return Err(InvokeError::NoAnswer { function, source }),
            }
        }
        read(function, status.as_u16(), threw, &body)
    }

    async fn are_there(&self) -> bool {
        let asked = self.http.get(&self.url).timeout(PROBE_TIMEOUT).send();
        asked.await.is_ok()
    }
}

/// An answer of the Invoke API. One that throws without the header says so by its status and an
/// error's form (`cargo lambda watch`).
fn read(function: String, status: u16, threw: bool, body: &[u8]) -> Result<Value, InvokeError> {
    let answer = if body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice::<Value>(body)
    };
    let told = |name: &str| {
        let told = answer.as_ref().ok()?.get(name)?.as_str();
        told.map(str::to_owned)
    };
    let is_refused = !(200..300).contains(&status);
    if threw || (is_refused && told("errorType").is_some()) {
        return Err(InvokeError::Failed {
            function,
            kind: told("errorType").unwrap_or_else(|| "an error without a type".to_owned()),
            message: told("errorMessage").unwrap_or_default(),
        });
    }
    if is_refused {
        return Err(InvokeError::Refused { function, status });
    }
    answer.map_err(|_| InvokeError::NoJson { function })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, threw: bool, body: &str) -> Result<Value, String> {
        read("tidegate-tick".to_owned(), status, threw, body.as_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_of_the_function_is_told_from_a_refusal() {
        let thrown = r#"{"errorType":"Boom","errorMessage":"it broke"}"#;
        let failed = Err("tidegate-tick failed with Boom: it broke".to_owned());
        assert_eq!(told(200, true, thrown), failed);
        assert_eq!(told(500, false, thrown), failed, "without the header");
        assert!(
            told(404, false, "")
                .unwrap_err()
                .contains("is it served there?")
        );
        assert!(told(200, false, "<html>").unwrap_err().contains("no JSON"));
        assert_eq!(told(200, false, ""), Ok(Value::Null));
        assert_eq!(
            told(200, false, r#"{"flow":null}"#).unwrap()["flow"],
            Value::Null
        );
    }

    #[tokio::test]
    async fn an_answer_longer_than_lambda_s_is_not_read_to_its_end() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let long = axum::Router::new().fallback(async || vec![b' '; MAX_PAYLOAD_BYTES + 1]);
        tokio::spawn(async { axum::serve(listener, long).await });
        let names = Names::new("dev", NamedAs::Binary);
        let api = InvokeApi::new(&url, names).unwrap();
        let answer = api.invoke("tick", &Value::Null, PROBE_TIMEOUT).await;
        assert!(
            matches!(answer, Err(InvokeError::TooLong { .. })),
            "{answer:?}"
        );
    }

    #[test]
    fn an_arn_names_a_function_of_this_stage_or_none() {
        let names = Names::new("dev", NamedAs::Binary);
        let of = |name: &str| {
            names.function_of(&format!(
                "arn:aws:lambda:eu-central-1:000000000000:function:{name}"
            ))
        };
        assert_eq!(of("tidegate-dev-batch-sync"), Some("batch-sync"));
        assert_eq!(of("tidegate-dev-tick:live"), Some("tick"));
        assert_eq!(of("tidegate-dev-eu-tick"), None, "another stage");
        assert_eq!(
            names.function_of("arn:aws:sqs:eu-central-1:0:tidegate-dev-tick"),
            None
        );
        assert_eq!(names.invoked_as("worker-batch"), "tidegate-worker");
        let deployed = Names::new("dev", NamedAs::Deployed);
        assert_eq!(
            deployed.invoked_as("worker-batch"),
            "tidegate-dev-worker-batch"
        );
    }
}
