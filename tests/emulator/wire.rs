//! The few calls to AWS's services that a test makes, as plain HTTP.
//!
//! Not by the SDK: that is what the functions use, and a test that reads by another way does not
//! share its mistakes. It also spares the build six more clients.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

/// How much of a function's log a failing test shows, in lines.
const LOG_TAIL_LINES: usize = 12;

/// The emulator's account, region and any signature: it reads the service's name from it and
/// checks nothing.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}

/// Calls of services at one endpoint.
#[derive(Clone)]
pub struct Wire {
    endpoint: String,
    http: reqwest::Client,
}

impl Wire {
    /// Calls to `endpoint`.
    pub fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            http: reqwest::Client::new(),
        }
    }

    /// The client, for calls of other kinds.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A URL below the endpoint.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    /// One operation of a service that speaks JSON, as `AmazonSQS.SendMessage`.
    pub async fn json(&self, service: &str, operation: &str, body: &Value) -> Value {
        let request = self
            .http
            .post(self.url("/"))
            .header("authorization", authorization(service))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", operation)
            .body(body.to_string());
        parsed(operation, &finished(operation, request).await)
    }

    /// One operation of a service that speaks JSON over paths.
    pub async fn rest(
        &self,
        service: &str,
        method: reqwest::Method,
        path: &str,
        body: &Value,
    ) -> Value {
        let request = self
            .http
            .request(method, self.url(path))
            .header("authorization", authorization(service))
            .header("content-type", "application/json")
            .body(body.to_string());
        parsed(path, &finished(path, request).await)
    }

    /// One operation of a service that takes a form and answers XML, as `CloudFormation`.
    pub async fn form<K: AsRef<str>, V: AsRef<str>>(
        &self,
        service: &str,
        form: &[(K, V)],
    ) -> String {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        let request = self
            .http
            .post(self.url("/"))
            .header("authorization", authorization(service))
            .form(&form);
        finished(service, request).await
    }

    /// Puts an object into the emulator's S3; a path of one segment makes the bucket.
    pub async fn put_object(&self, path: &str, bytes: Vec<u8>) {
        let request = self
            .http
            .put(self.url(path))
            .header("authorization", authorization("s3"))
            .body(bytes);
        finished(path, request).await;
    }

    /// Gets an object of the emulator's S3, or a listing.
    pub async fn get_object(&self, path: &str) -> Vec<u8> {
        let request = self.http.get(self.url(path));
        let request = request.header("authorization", authorization("s3"));
        let answer = request.send().await.expect("the emulator answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.bytes().await.expect("a body").to_vec()
    }

    /// Runs a function once and waits for its answer.
    pub async fn invoke(&self, function: &str, event: &Value) -> Value {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        self.rest("lambda", reqwest::Method::POST, &path, event)
            .await
    }

    /// The mails that were sent, oldest first.
    pub async fn mails(&self) -> Vec<Value> {
        let path = "/_ministack/ses/messages";
        let text = finished(path, self.http.get(self.url(path))).await;
        parsed(path, &text)["messages"]
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
            .filter_map(Value::as_array)
            .flatten()
            .cloned()
            .collect()
    }

    /// The lines of a log group, oldest first.
    pub async fn log_lines(&self, group: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut asked = json!({"logGroupName": group});
        loop {
            let page = self
                .json("logs", "Logs_20140328.FilterLogEvents", &asked)
                .await;
            let events = page["events"].as_array().into_iter().flatten();
            lines.extend(events.filter_map(|event| Some(event["message"].as_str()?.to_owned())));
            match page.get("nextToken") {
                Some(next) if !next.is_null() => asked["nextToken"] = next.clone(),
                _ => return lines,
            }
        }
    }

    /// How many messages a queue holds: waiting, in flight and delayed.
    pub async fn queue_depth(&self, url: &str) -> u64 {
        let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        let answer = self
            .json("sqs", "AmazonSQS.GetQueueAttributes", &asked)
            .await;
        [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        .iter()
        .filter_map(|name| answer["Attributes"][name].as_str()?.parse::<u64>().ok())
        .sum()
    }
}

impl Wire {
    /// The last lines of a log group. Blocking and forgiving: it is for a test that is failing.
    pub fn log_of(&self, group: &str) -> Vec<String> {
        let body = json!({"logGroupName": group}).to_string();
        let request = format!(
            "POST / HTTP/1.0\r\nhost: localhost\r\nauthorization: {}\r\n\
             content-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\
             x-amz-target: Logs_20140328.FilterLogEvents\r\n\r\n{body}",
            authorization("logs"),
            body.len(),
        );
        let address = self.endpoint.trim_start_matches("http://");
        let mut answer = String::new();
        let asked = TcpStream::connect(address).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        if let Err(error) = asked {
            return vec![format!("no log: {error}")];
        }
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let events = serde_json::from_str::<Value>(body).unwrap_or_default();
        let events = events["events"].as_array().cloned().unwrap_or_default();
        let lines = events.iter().filter_map(|event| event["message"].as_str());
        let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].to_vec()
    }
}

async fn finished(what: &str, request: reqwest::RequestBuilder) -> String {
    let answer = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    assert!(status.is_success(), "{what}: {status} {text}");
    text
}

fn parsed(what: &str, text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error} in {text}"))
}
