//! A double of AWS's services: answers what a test laid ready, and keeps what was sent.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, http::Uri};
use serde_json::Value;
use tidegate_aws::Aws;
use tokio::net::TcpListener;

/// A request: what was asked of which service, and its body.
#[derive(Clone, Debug)]
pub struct Asked {
    pub what: String,
    pub body: Value,
}

#[derive(Default)]
struct Script {
    answers: VecDeque<(u16, Value)>,
    asked: Vec<Asked>,
}

#[derive(Clone, Default)]
pub struct Double(Arc<Mutex<Script>>);

impl Double {
    /// Serves for as long as the runtime lives, and connects to it. Where nothing is laid ready, the
    /// answer is an empty object.
    pub async fn connect() -> (Self, Aws) {
        let double = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(double.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let config: BTreeMap<_, _> = config
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        (double, Aws::connect(&config).await.unwrap())
    }

    /// Lays answers ready, in order.
    pub fn answers<const N: usize>(&self, answers: [(u16, Value); N]) {
        self.0.lock().unwrap().answers.extend(answers);
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().asked.clone()
    }
}

async fn answer(
    State(double): State<Double>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let asked = Asked {
        what: target.unwrap_or(uri.path()).to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let mut script = double.0.lock().unwrap();
    script.asked.push(asked);
    let (status, value) = script
        .answers
        .pop_front()
        .unwrap_or((200, Value::Object(<_>::default())));
    (StatusCode::from_u16(status).unwrap(), value.to_string())
}
