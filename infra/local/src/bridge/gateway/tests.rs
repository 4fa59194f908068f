//! Requests, and the events that become of them.

use std::sync::Mutex;

use async_trait::async_trait;
use axum::{body::to_bytes, extract::Request};
use tower::ServiceExt as _;

use super::*;

/// Answers each invocation by one answer, and keeps what it was sent.
struct One {
    answer: Mutex<Option<Result<Value, InvokeError>>>,
    invoked: Mutex<Vec<(String, Value)>>,
}

#[async_trait]
impl Functions for One {
    async fn invoke(&self, name: &str, event: &Value, _: Duration) -> Result<Value, InvokeError> {
        let mut invoked = self.invoked.lock().unwrap();
        invoked.push((name.to_owned(), event.clone()));
        self.answer.lock().unwrap().take().unwrap()
    }

    async fn are_there(&self) -> bool {
        true
    }
}

type Told = (u16, HeaderMap, Vec<u8>, Vec<(String, Value)>);

async fn told(request: Request, answer: Result<Value, InvokeError>) -> Told {
    let one = Arc::new(One {
        answer: Mutex::new(Some(answer)),
        invoked: Mutex::default(),
    });
    let clock = tidegate_testkit::memory::ManualClock::new(UnixMs(1_795_140_000_000));
    let gateway = Gateway {
        functions: one.clone(),
        clock: Arc::new(clock),
    };
    let response = gateway.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_PAYLOAD_BYTES).await.unwrap().to_vec();
    let invoked = one.invoked.lock().unwrap().clone();
    (parts.status.as_u16(), parts.headers, body, invoked)
}

fn request(method: &str, uri: &str, body: &[u8]) -> Request {
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("host", "localhost:8788");
    request.body(Body::from(body.to_vec())).unwrap()
}

fn failed() -> InvokeError {
    InvokeError::Failed {
        function: "tidegate-api".to_owned(),
        kind: "Boom".to_owned(),
        message: "secret".to_owned(),
    }
}

#[tokio::test]
async fn a_request_becomes_the_event_that_stands_among_the_shipped_ones() {
    let mut asked = request("GET", "/v1/flows", b"");
    let headers = asked.headers_mut();
    headers.insert("host", HeaderValue::from_static("localhost"));
    headers.insert("accept", HeaderValue::from_static("application/json"));
    let token = HeaderValue::from_static("Bearer local-api-token");
    headers.insert("authorization", token);
    let (.., invoked) = told(asked, Ok(json!({"statusCode": 200}))).await;
    let (function, event) = &invoked[0];
    assert_eq!(function, "api");
    let shipped = include_str!("../../../../events/api.json");
    let shipped: Value = serde_json::from_str(shipped).unwrap();
    for name in [
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "pathParameters",
        "isBase64Encoded",
    ] {
        assert_eq!(event[name], shipped[name], "{name}");
    }
    for name in [
        "accountId",
        "domainName",
        "routeKey",
        "stage",
        "time",
        "timeEpoch",
    ] {
        let context = &event["requestContext"];
        assert_eq!(context[name], shipped["requestContext"][name], "{name}");
    }
    for name in ["method", "path", "protocol", "sourceIp"] {
        let http = &event["requestContext"]["http"];
        assert_eq!(
            http[name], shipped["requestContext"]["http"][name],
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_webhook_goes_to_its_own_function_with_its_body_untouched() {
    let body = "{ \"id\" : \"SUP-1\" }";
    let uri = "/v1/flows/suppliers/webhook";
    let answer = Ok(json!({"statusCode": 202}));
    let (status, .., invoked) = told(request("POST", uri, body.as_bytes()), answer).await;
    let (function, event) = &invoked[0];
    assert_eq!((status, function.as_str()), (202, "webhook"));
    assert_eq!(event["body"], body);
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["pathParameters"]["flow"], "suppliers");
    let (.., invoked) = told(request("POST", uri, &[0xff, 0x00]), Ok(Value::Null)).await;
    assert_eq!(invoked[0].1["body"], "/wA=");
    assert_eq!(invoked[0].1["isBase64Encoded"], true);
}

#[test]
fn other_paths_below_v1_are_the_apis_and_none_beside_it() {
    let to = |method: Method, path: &str| route(&method, path).map(|route| route.function);
    assert_eq!(
        to(Method::POST, "/v1/flows/suppliers/webhook"),
        Some("webhook")
    );
    assert_eq!(
        to(Method::OPTIONS, "/v1/flows/suppliers/webhook"),
        Some("webhook"),
        "the handshake"
    );
    assert_eq!(
        to(Method::POST, "/v1/flows/suppliers/decide"),
        Some("decide")
    );
    assert_eq!(to(Method::GET, "/v1/flows/suppliers/decide"), Some("api"));
    assert_eq!(to(Method::OPTIONS, "/v1/flows/suppliers"), Some("api"));
    assert_eq!(to(Method::GET, "/v1/flows/suppliers/webhook"), Some("api"));
    assert_eq!(to(Method::POST, "/v1/flows/a/b/webhook"), Some("api"));
    assert_eq!(to(Method::GET, "/v1/"), None);
    assert_eq!(to(Method::GET, "/v2/flows"), None);
}

#[tokio::test]
async fn queries_cookies_and_repeated_headers_are_joined_as_api_gateway_joins_them() {
    let mut asked = request("GET", "/v1/x%20y?a=1&b=c%26d&a=2&e", b"");
    let headers = asked.headers_mut();
    headers.append("x-two", HeaderValue::from_static("1"));
    headers.append("x-two", HeaderValue::from_static("2"));
    headers.append("cookie", HeaderValue::from_static("k=v; l=w"));
    let (.., invoked) = told(asked, Ok(Value::Null)).await;
    let event = &invoked[0].1;
    let query = json!({"a": "1,2", "b": "c&d", "e": ""});
    assert_eq!(event["queryStringParameters"], query);
    assert_eq!(event["rawQueryString"], "a=1&b=c%26d&a=2&e");
    assert_eq!(event["headers"]["x-two"], "1,2");
    assert_eq!(event["headers"].get("cookie"), None);
    assert_eq!(event["cookies"], json!(["k=v", "l=w"]));
}

#[tokio::test]
async fn an_answer_becomes_a_response() {
    let answer = json!({
        "statusCode": 200,
        "headers": {"etag": "\"7\"", "content-length": "99"},
        "multiValueHeaders": {"etag": ["\"7\""], "x-more": ["1", "2"]},
        "cookies": ["a=b"],
        "body": "aGk=",
        "isBase64Encoded": true,
    });
    let (status, headers, body, _) = told(request("GET", "/v1/flows", b""), Ok(answer)).await;
    assert_eq!((status, body.as_slice()), (200, &b"hi"[..]));
    assert_eq!(headers.get_all("etag").iter().count(), 1);
    assert_eq!(headers.get_all("x-more").iter().count(), 2);
    assert_eq!(headers["set-cookie"], "a=b");
    assert_eq!(headers["content-length"], "2", "of the body as it is");
}

#[tokio::test]
async fn a_failure_is_a_status_and_what_a_function_threw_is_not_repeated() {
    let asked = || request("GET", "/v1/flows", b"");
    let (status, _, body, _) = told(asked(), Err(failed())).await;
    assert_eq!(status, 500);
    assert!(!String::from_utf8(body).unwrap().contains("secret"));
    let refused = InvokeError::Refused {
        function: "tidegate-api".to_owned(),
        status: 404,
    };
    let (status, _, body, _) = told(asked(), Err(refused)).await;
    assert_eq!(status, 503);
    assert!(String::from_utf8(body).unwrap().contains("tidegate-api"));
    let (status, ..) = told(asked(), Ok(json!({"statusCode": 99}))).await;
    assert_eq!(status, 502);
    let too_long = vec![b'a'; MAX_PAYLOAD_BYTES + 1];
    let asked = request("POST", "/v1/flows/suppliers/sync", &too_long);
    let (status, .., invoked) = told(asked, Ok(Value::Null)).await;
    assert_eq!((status, invoked.len()), (413, 0));
    let too_long = InvokeError::TooLong {
        function: "tidegate-api".to_owned(),
    };
    let (status, ..) = told(request("GET", "/v1/flows", b""), Err(too_long)).await;
    assert_eq!(status, 500, "as API Gateway answers for Lambda");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_body_that_is_too_long() {
    let pieces = [
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("the connection broke")),
    ];
    let broken = Body::from_stream(futures_util::stream::iter(pieces));
    let asked = Request::post("/v1/events").body(broken).unwrap();
    let (status, .., invoked) = told(asked, Ok(Value::Null)).await;
    assert_eq!((status, invoked.len()), (400, 0));
}
