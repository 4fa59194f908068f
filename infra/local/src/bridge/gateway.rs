//! The HTTP API of the template: its routes, each an event of payload format 2.0.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tidegate_engine::{chain, ports::Clock};
use tidegate_model::UnixMs;

use super::functions::{Functions, InvokeError, MAX_PAYLOAD_BYTES};

/// API Gateway gives up after 30 s.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The account of emulators: nothing reads it.
const ACCOUNT: &str = "000000000000";

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    function: &'static str,
    key: &'static str,
    parameters: Value,
}

/// The template's routes; the one that says more wins.
fn route(method: &Method, path: &str) -> Option<Route> {
    let proxied = path.strip_prefix("/v1/").filter(|rest| !rest.is_empty())?;
    let segments: Vec<&str> = proxied.split('/').collect();
    let key = match *method {
        Method::POST => Some("POST /v1/flows/{flow}/webhook"),
        Method::OPTIONS => Some("OPTIONS /v1/flows/{flow}/webhook"),
        _ => None,
    };
    if let (Some(key), ["flows", flow, "webhook"]) = (key, segments.as_slice()) {
        return Some(Route {
            function: "webhook",
            key,
            parameters: json!({ "flow": flow }),
        });
    }
    if let (&Method::POST, ["flows", flow, "decide"]) = (method, segments.as_slice()) {
        return Some(Route {
            function: "decide",
            key: "POST /v1/flows/{flow}/decide",
            parameters: json!({ "flow": flow }),
        });
    }
    Some(Route {
        function: "api",
        key: "ANY /v1/{proxy+}",
        parameters: json!({ "proxy": proxied }),
    })
}

/// What answers requests.
#[derive(Clone)]
pub(super) struct Gateway {
    /// Who runs the functions.
    pub functions: Arc<dyn Functions>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Gateway {
    /// The routes.
    pub(super) fn router(self) -> Router {
        Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(MAX_PAYLOAD_BYTES))
            .with_state(self)
    }
}

/// A body, or why it did not arrive.
type Arrived = Result<Bytes, BytesRejection>;

async fn answer(State(gateway): State<Gateway>, parts: Parts, body: Arrived) -> Response {
    let path = parts.uri.path();
    let Some(route) = route(&parts.method, path) else {
        let told = format!("no route for {} {path}: all are below /v1/", parts.method);
        return message(StatusCode::NOT_FOUND, &told);
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let told = format!("a body has at most {MAX_PAYLOAD_BYTES} bytes");
            return message(StatusCode::PAYLOAD_TOO_LARGE, &told);
        }
        Err(_) => return message(StatusCode::BAD_REQUEST, "the body did not arrive whole"),
    };
    let event = event(&route, &parts, &body, gateway.clock.now());
    let invoked = gateway.functions.invoke(route.function, &event, TIMEOUT);
    let error = match invoked.await {
        Ok(answer) => return response(&answer),
        Err(error) => error,
    };
    tracing::error!(
        function = route.function,
        error = chain(&error),
        "a request failed"
    );
    match error {
        InvokeError::Failed { .. } | InvokeError::TooLong { .. } | InvokeError::NoJson { .. } => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        InvokeError::NoAnswer { .. } => message(StatusCode::GATEWAY_TIMEOUT, &error.to_string()),
        _ => message(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(json!({ "message": text }))).into_response()
}

/// The event of a request.
fn event(route: &Route, parts: &Parts, body: &Bytes, now: UnixMs) -> Value {
    let mut headers = joined(parts.headers.iter().filter_map(|(name, value)| {
        let is_cookie = name == header::COOKIE;
        (!is_cookie).then_some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    }));
    let host = headers.entry("host".to_owned()).or_default().clone();
    let cookies = parts.headers.get_all(header::COOKIE).iter();
    let cookies: Vec<&str> = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split("; "))
        .collect();
    let query = parts.uri.query().unwrap_or_default();
    let path = parts.uri.path();
    let at = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": query,
        "cookies": cookies,
        "headers": headers,
        "queryStringParameters": joined(pairs(query)),
        "pathParameters": route.parameters,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "bridge",
            "domainName": host,
            "domainPrefix": "bridge",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": "127.0.0.1",
                "userAgent": headers.get("user-agent"),
            },
            "requestId": crate::data::random_hex(),
            "routeKey": route.key,
            "stage": "$default",
            "time": at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.0,
        },
        "isBase64Encoded": false,
    });
    if body.is_empty() {
        return event;
    }
    let (text, is_encoded) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64_STANDARD.encode(body), true),
    };
    if let Some(event) = event.as_object_mut() {
        event.insert("body".to_owned(), text.into());
        event.insert("isBase64Encoded".to_owned(), is_encoded.into());
    }
    event
}

/// Values of one name, joined by a comma.
fn joined(pairs: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in pairs {
        match joined.get_mut(&name) {
            // Writing to a string can not fail.
            Some(earlier) => drop(write!(earlier, ",{value}")),
            None => drop(joined.insert(name, value)),
        }
    }
    joined
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_encoding::percent_decode_str(&text);
        text.decode_utf8_lossy().into_owned()
    };
    let named = query.split('&').filter(|pair| !pair.is_empty());
    named.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// The response that a function's answer describes; one without a status is a body of its own.
fn response(answer: &Value) -> Response {
    let Some(status) = answer.get("statusCode").and_then(Value::as_u64) else {
        return axum::Json(answer.clone()).into_response();
    };
    let status = u16::try_from(status).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status else {
        return message(
            StatusCode::BAD_GATEWAY,
            "the function answered no HTTP status",
        );
    };
    let text = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == json!(true) {
        match BASE64_STANDARD.decode(text) {
            Ok(bytes) => Body::from(bytes),
            Err(_) => return message(StatusCode::BAD_GATEWAY, "the body is not in base64"),
        }
    } else {
        Body::from(text.to_owned())
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        add(headers, name, value);
    }
    for (name, values) in answer["multiValueHeaders"]
        .as_object()
        .into_iter()
        .flatten()
    {
        if answer["headers"].get(name).is_none() {
            values
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|value| add(headers, name, value));
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        add(headers, header::SET_COOKIE.as_str(), cookie);
    }
    response
}

fn add(headers: &mut HeaderMap, name: &str, value: &Value) {
    let name = HeaderName::try_from(name);
    let value = value.as_str().map(HeaderValue::try_from);
    // The server writes the length of the body itself.
    if let (Ok(name), Some(Ok(value))) = (name, value)
        && name != header::CONTENT_LENGTH
    {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests;
