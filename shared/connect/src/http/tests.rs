use std::{future::pending, io::Write as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flate2::{Compression, write::GzEncoder};
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_engine::ports::{
    Body, Doubt, Effect, Header, HeaderValue, Http, Request, Secret, SecretError, Secrets,
    TransportError,
};
use tidegate_model::{UnixMs, flow::Method};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::{HttpClient, MAX_ANSWER_BYTES};

const SECRET: &str = "correct-horse-battery";
/// Time in which loopback surely answers on a busy machine.
const AMPLE: Duration = Duration::from_secs(20);

struct Known;

#[async_trait]
impl Secrets for Known {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        match name {
            "KEY" => Ok(Secret::new(SECRET)),
            "TWO_LINES" => Ok(Secret::new(format!("{SECRET}\n"))),
            "NEVER" => pending().await,
            "DOWN" => Err(SecretError::Unavailable {
                name: name.to_owned(),
                source: "the keeper is down".into(),
            }),
            _ => Err(SecretError::Missing(name.to_owned())),
        }
    }

    async fn renew(&self, _: &str, _: Doubt, _: UnixMs) -> Result<bool, SecretError> {
        Ok(false)
    }
}

/// What the server does after it has read a request.
#[derive(Clone)]
enum Does {
    /// Sends this and closes.
    Answer(Vec<u8>),
    /// Sends this without end.
    Pour(Vec<u8>),
    /// Closes.
    Close,
    /// Sends this and waits until the client goes away.
    Hang(Vec<u8>),
}

/// A server on loopback that does the same to every request, and tells what it got.
async fn server(does: Does) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/things", listener.local_addr().unwrap());
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(attend(stream, does.clone(), tell.clone()));
        }
    });
    (url, told)
}

async fn attend(mut stream: TcpStream, does: Does, tell: UnboundedSender<String>) {
    let request = read_request(&mut stream).await;
    tell.send(request).unwrap();
    match does {
        Does::Answer(bytes) => drop(stream.write_all(&bytes).await),
        Does::Pour(bytes) => while stream.write_all(&bytes).await.is_ok() {},
        Does::Close => {}
        Does::Hang(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            tell.send("closed".to_owned()).unwrap();
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        assert!(count > 0, "the request ended early: {text}");
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

fn client() -> HttpClient {
    HttpClient::new(Arc::new(Known))
}

fn header(name: &str, value: HeaderValue) -> Header {
    Header {
        name: name.to_owned(),
        value,
    }
}

fn named(secret: &str) -> HeaderValue {
    HeaderValue::Secret {
        prefix: "Bearer ",
        secret: secret.to_owned(),
    }
}

fn get(url: &str) -> Request {
    Request {
        method: Method::Get,
        url: url.to_owned(),
        headers: vec![header("Authorization", named("KEY"))],
        body: None,
        effect: Effect::Read,
        timeout: AMPLE,
    }
}

/// No error tells the secret, in any of its forms.
fn assert_silent(error: &TransportError) {
    let texts = [error.to_string(), format!("{error:?}")];
    for text in texts {
        assert!(!text.contains("battery"), "{text}");
        assert!(!text.contains("YmF0dGVyeQ"), "{text}");
    }
}

#[tokio::test]
async fn a_request_goes_out_as_json_with_its_secret_in_place() {
    let (url, mut told) = server(Does::Answer(answer(
        "201 Created",
        "X-Id: 7\r\n",
        "{\"a\":1}",
    )))
    .await;
    let request = Request {
        method: Method::Post,
        headers: vec![
            header("X-Plain", HeaderValue::Plain("a b".to_owned())),
            header("Authorization", named("KEY")),
        ],
        body: Some(Body::Json(json!({"name": "Grüße"}))),
        ..get(&url)
    };
    let sent = client().send(&request).await.unwrap();
    assert_eq!(sent.status, 201);
    assert_eq!(sent.body, Some(json!({"a": 1})));
    assert!(sent.headers.contains(&("x-id".to_owned(), "7".to_owned())));
    let text = told.recv().await.unwrap();
    assert!(text.starts_with("POST /things HTTP/1.1\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n{\"name\":\"Grüße\"}"), "{text}");
    for line in [
        format!("authorization: Bearer {SECRET}"),
        "content-type: application/json".to_owned(),
        "accept: application/json".to_owned(),
        "x-plain: a b".to_owned(),
        format!("user-agent: tidegate/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(
            text.contains(&format!("\r\n{line}\r\n")),
            "{line} is not in {text}"
        );
    }
    assert!(
        !text.contains("accept-encoding"),
        "nothing asks for compression: {text}"
    );
}

#[tokio::test]
async fn basic_authentication_joins_user_and_secret() {
    let (url, mut told) = server(Does::Answer(answer("200 OK", "", "[]"))).await;
    let value = HeaderValue::Basic {
        user: "erp".to_owned(),
        secret: "KEY".to_owned(),
    };
    let request = Request {
        headers: vec![header("Authorization", value)],
        ..get(&url)
    };
    client().send(&request).await.unwrap();
    let text = told.recv().await.unwrap();
    // erp:correct-horse-battery
    let expected = "authorization: Basic ZXJwOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn the_flows_own_content_type_and_the_last_header_of_a_name_win() {
    let (url, mut told) = server(Does::Answer(answer("200 OK", "", ""))).await;
    let plain = |text: &str| HeaderValue::Plain(text.to_owned());
    let request = Request {
        method: Method::Patch,
        body: Some(Body::Json(json!({}))),
        headers: vec![
            header("Content-Type", plain("application/merge-patch+json")),
            header("X-Twice", plain("first")),
            header("x-twice", plain("last")),
        ],
        ..get(&url)
    };
    client().send(&request).await.unwrap();
    let text = told.recv().await.unwrap();
    assert!(
        text.contains("content-type: application/merge-patch+json"),
        "{text}"
    );
    assert!(
        text.contains("x-twice: last") && !text.contains("first"),
        "{text}"
    );
}

#[rstest]
#[case::object("{\"a\":[1,2]}", Some(json!({"a": [1, 2]})))]
#[case::nothing("", Some(Value::Null))]
#[case::blank(" \r\n", Some(Value::Null))]
#[case::byte_order_mark("\u{feff}[]", Some(json!([])))]
#[case::page("<html>", None)]
#[case::half("{\"a\":", None)]
#[case::two("{}{}", None)]
#[tokio::test]
async fn a_body_is_json_nothing_or_unreadable(#[case] body: &str, #[case] read: Option<Value>) {
    let (url, _told) = server(Does::Answer(answer("200 OK", "", body))).await;
    let sent = client().send(&get(&url)).await.unwrap();
    assert_eq!(sent.body, read);
}

/// What a system says of a request that it refused is told to people.
#[tokio::test]
async fn a_refusal_that_repeats_the_secret_is_read_without_it() {
    let body = format!("{{\"message\":\"no such key: Bearer {SECRET}\"}}");
    // A flow may take a success for a refusal, by what stands in it.
    for status in ["400 Bad Request", "302 Found", "200 OK"] {
        let (url, _told) = server(Does::Answer(answer(status, "", &body))).await;
        let mut request = get(&url);
        request.headers.push(header("Authorization", named("KEY")));
        let sent = client().send(&request).await.unwrap();
        assert_eq!(sent.body, Some(json!({ "message": "no such key: ***" })));
    }
}

#[tokio::test]
async fn what_is_called_compressed_and_is_not_is_read_as_it_came() {
    let bytes = answer("200 OK", "content-encoding: gzip\r\n", "{\"a\":1}");
    let (url, _told) = server(Does::Answer(bytes)).await;
    let sent = client().send(&get(&url)).await.unwrap();
    assert_eq!(sent.body, Some(json!({"a": 1})), "the bytes as they came");
}

/// An answer that came compressed without being asked for so.
fn packed(text: &[u8], encoding: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text).unwrap();
    let body = packed.finish().unwrap();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ncontent-encoding: {encoding}\r\n\r\n"
    );
    [head.into_bytes(), body].concat()
}

#[rstest]
#[case("gzip")]
#[case("GZIP")]
#[tokio::test]
async fn what_comes_compressed_is_unpacked(#[case] encoding: &str) {
    let (url, _told) = server(Does::Answer(packed(b"{\"a\":1}", encoding))).await;
    let sent = client().send(&get(&url)).await.unwrap();
    assert_eq!(sent.body, Some(json!({"a": 1})));
}

#[tokio::test]
async fn a_small_answer_does_not_grow_beyond_the_limit() {
    let at = |length: usize| format!("\"{}\"", "a".repeat(length - 2)).into_bytes();
    let (url, _told) = server(Does::Answer(packed(&at(MAX_ANSWER_BYTES), "gzip"))).await;
    let sent = client().send(&get(&url)).await.unwrap();
    let text = sent.body.unwrap();
    assert_eq!(text.as_str().unwrap().len(), MAX_ANSWER_BYTES - 2);
    let (url, _told) = server(Does::Answer(packed(&at(MAX_ANSWER_BYTES + 1), "gzip"))).await;
    let error = client().send(&get(&url)).await.unwrap_err();
    let limit_bytes = MAX_ANSWER_BYTES;
    assert_eq!(error, TransportError::TooLarge { limit_bytes });
}

#[tokio::test]
async fn what_is_compressed_and_cut_is_broken() {
    let mut body = packed(b"{\"a\":1}", "gzip");
    let last = body.len() - 1;
    body[last] ^= 1;
    let (url, _told) = server(Does::Answer(body)).await;
    let error = client().send(&get(&url)).await.unwrap_err();
    assert_eq!(error, TransportError::Broken);
}

#[tokio::test]
async fn a_key_pair_is_proved_by_a_token_of_a_few_minutes() {
    let (private, public) = key();
    let (url, mut told) = server(Does::Answer(answer("401 No", "", "{}"))).await;
    let value = HeaderValue::KeyPair {
        account: "my.org-tide".to_owned(),
        user: "loader".to_owned(),
        secret: "PRIVATE_KEY".to_owned(),
        issued: UnixMs(1_780_000_000_999),
    };
    assert!(!format!("{value:?} {value}").contains(private.reveal()));
    let request = Request {
        headers: vec![header("Authorization", value)],
        ..get(&url)
    };
    HttpClient::new(Arc::new(Private(private)))
        .send(&request)
        .await
        .unwrap();
    let text = told.recv().await.unwrap();
    let (_, rest) = text.split_once("authorization: Bearer ").unwrap();
    let (token, _) = rest.split_once("\r\n").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else {
        panic!("three parts: {token}")
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let table = |part: &str| -> Value { serde_json::from_slice(&decoded(part)).unwrap() };
    assert_eq!(table(head), json!({"typ": "JWT", "alg": "RS256"}));
    let print = STANDARD.encode(digest(&SHA256, &public));
    let expected = json!({
        "iss": format!("MY-ORG-TIDE.LOADER.SHA256:{print}"),
        "sub": "MY-ORG-TIDE.LOADER",
        "iat": 1_780_000_000,
        "exp": 1_780_000_300,
    });
    assert_eq!(table(claims), expected);
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
    let signed = format!("{head}.{claims}");
    key.verify(signed.as_bytes(), &decoded(signature)).unwrap();
}

#[tokio::test]
async fn a_token_that_an_answer_repeats_is_taken_out_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        let (_, rest) = request.split_once("authorization: Bearer ").unwrap();
        let (token, _) = rest.split_once("\r\n").unwrap();
        let body = json!({ "message": format!("no such token: {token}") }).to_string();
        let bytes = answer("401 Unauthorized", "", &body);
        stream.write_all(&bytes).await.unwrap();
    });
    let (private, _) = key();
    let value = HeaderValue::KeyPair {
        account: "a".to_owned(),
        user: "u".to_owned(),
        secret: "PRIVATE_KEY".to_owned(),
        issued: UnixMs(0),
    };
    let request = Request {
        headers: vec![header("Authorization", value)],
        ..get(&url)
    };
    let client = HttpClient::new(Arc::new(Private(private)));
    let sent = client.send(&request).await.unwrap();
    assert_eq!(sent.body, Some(json!({ "message": "no such token: ***" })));
}

#[tokio::test]
async fn a_text_that_is_no_private_key_is_no_key_and_is_not_told() {
    let (url, mut told) = server(Does::Answer(answer("200 OK", "", "{}"))).await;
    let value = HeaderValue::KeyPair {
        account: "a".to_owned(),
        user: "u".to_owned(),
        secret: "KEY".to_owned(),
        issued: UnixMs(0),
    };
    let request = Request {
        headers: vec![header("Authorization", value)],
        ..get(&url)
    };
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(error, TransportError::NoSecret("KEY".to_owned()));
    assert_silent(&error);
    assert!(told.try_recv().is_err());
}

/// A private key as PEM, and its public half.
fn key() -> (Secret, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let text = STANDARD.encode(private.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    (Secret::new(pem), public.as_ref().to_vec())
}

struct Private(Secret);

#[async_trait]
impl Secrets for Private {
    async fn get(&self, _: &str) -> Result<Secret, SecretError> {
        Ok(self.0.clone())
    }

    async fn renew(&self, _: &str, _: Doubt, _: UnixMs) -> Result<bool, SecretError> {
        Ok(false)
    }
}

#[rstest]
#[case("301 Moved Permanently", 301)]
#[case("302 Found", 302)]
#[case("307 Temporary Redirect", 307)]
#[case("308 Permanent Redirect", 308)]
#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed(#[case] line: &str, #[case] status: u16) {
    let (elsewhere, mut reached) = server(Does::Answer(answer("200 OK", "", ""))).await;
    let location = format!("location: {elsewhere}\r\n");
    let (url, _told) = server(Does::Answer(answer(line, &location, ""))).await;
    let sent = client().send(&get(&url)).await.unwrap();
    assert_eq!(sent.status, status);
    assert!(reached.try_recv().is_err(), "the secret must not go there");
}

#[rstest]
#[case::no_answer(b"")]
#[case::half_a_head(b"HTTP/1.1 200 OK\r\n")]
#[case::half_a_body(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")]
#[tokio::test]
async fn an_answer_that_is_not_complete_in_time_is_given_up_and_the_connection_closed(
    #[case] bytes: &[u8],
) {
    let (url, mut told) = server(Does::Hang(bytes.to_vec())).await;
    let limit = Duration::from_millis(200);
    let request = Request {
        timeout: limit,
        ..get(&url)
    };
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(error, TransportError::TimedOut(limit));
    assert_silent(&error);
    told.recv().await.unwrap();
    assert_eq!(
        timeout(AMPLE, told.recv()).await.unwrap().unwrap(),
        "closed"
    );
}

#[tokio::test]
async fn a_request_that_is_dropped_closes_its_connection() {
    let (url, mut told) = server(Does::Hang(Vec::new())).await;
    let (client, request) = (client(), get(&url));
    let sending = client.send(&request);
    tokio::select! {
        _ = sending => panic!("there is no answer"),
        _ = told.recv() => {}
    }
    assert_eq!(
        timeout(AMPLE, told.recv()).await.unwrap().unwrap(),
        "closed"
    );
}

#[rstest]
#[case::at_once(Does::Close)]
#[case::in_the_head(Does::Answer(b"HTTP/1.1 200 OK\r\nx: ".to_vec()))]
#[case::in_the_body(Does::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}".to_vec()))]
#[case::not_http(Does::Answer(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()))]
#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_told_so_and_not_tried_again(
    #[case] does: Does,
) {
    let (url, mut told) = server(does).await;
    let error = client().send(&get(&url)).await.unwrap_err();
    assert_eq!(error, TransportError::Broken);
    assert_silent(&error);
    told.recv().await.unwrap();
    assert!(told.try_recv().is_err(), "one request, one call");
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = client().send(&get(&url)).await.unwrap_err();
    assert_eq!(error, TransportError::NotConnected);
}

#[tokio::test]
async fn a_server_that_can_not_prove_itself_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(&answer("400 Bad Request", "", ""))
            .await
            .unwrap();
        let mut got = Vec::new();
        drop(stream.read_to_end(&mut got).await);
        String::from_utf8_lossy(&got).into_owned()
    });
    let error = client().send(&get(&url)).await.unwrap_err();
    assert_eq!(error, TransportError::NotConnected);
    let got = timeout(AMPLE, serving).await.unwrap().unwrap();
    assert!(!got.contains(SECRET) && !got.contains("GET"), "{got}");
}

#[rstest]
#[case::announced(Does::Answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{{", MAX_ANSWER_BYTES + 1).into_bytes()))]
#[case::poured(Does::Pour(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".repeat(2_000)))]
#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read(#[case] does: Does) {
    let (url, _told) = server(does).await;
    let error = client().send(&get(&url)).await.unwrap_err();
    let limit_bytes = MAX_ANSWER_BYTES;
    assert_eq!(error, TransportError::TooLarge { limit_bytes });
}

#[tokio::test]
async fn an_answer_at_the_limit_is_read() {
    let body = format!("\"{}\"", "a".repeat(MAX_ANSWER_BYTES - 2));
    let (url, _told) = server(Does::Answer(answer("200 OK", "", &body))).await;
    let sent = client().send(&get(&url)).await.unwrap();
    assert_eq!(
        sent.body.unwrap().as_str().unwrap().len(),
        MAX_ANSWER_BYTES - 2
    );
}

#[rstest]
#[case::missing("OTHER", TransportError::NoSecret("OTHER".to_owned()))]
#[case::unfit("TWO_LINES", TransportError::NoSecret("TWO_LINES".to_owned()))]
#[case::down("DOWN", TransportError::SecretUnavailable("DOWN".to_owned()))]
#[case::too_slow("NEVER", TransportError::SecretUnavailable("NEVER".to_owned()))]
#[tokio::test]
async fn without_its_secret_nothing_is_sent(
    #[case] secret: &str,
    #[case] expected: TransportError,
) {
    let (url, mut told) = server(Does::Answer(answer("200 OK", "", ""))).await;
    let request = Request {
        headers: vec![header("Authorization", named(secret))],
        timeout: Duration::from_millis(200),
        ..get(&url)
    };
    let error = client().send(&request).await.unwrap_err();
    assert_eq!(error, expected);
    assert_silent(&error);
    assert!(told.try_recv().is_err());
}

#[rstest]
#[case::no_address("things", "X-A", "a")]
#[case::file("file:///etc/passwd", "X-A", "a")]
#[case::user_in_it("http://me:battery@127.0.0.1/", "X-A", "a")]
#[case::name_with_a_blank("http://127.0.0.1/", "X A", "a")]
#[case::line_break("http://127.0.0.1/", "X-A", "a\r\nX-B: b")]
#[case::another_host("http://127.0.0.1/", "Host", "evil.example")]
#[case::length("http://127.0.0.1/", "Content-Length", "0")]
#[case::framing("http://127.0.0.1/", "transfer-encoding", "chunked")]
#[tokio::test]
async fn what_can_not_be_sent_as_meant_is_not_sent(
    #[case] url: &str,
    #[case] name: &str,
    #[case] value: &str,
) {
    let request = Request {
        headers: vec![header(name, HeaderValue::Plain(value.to_owned()))],
        ..get(url)
    };
    let error = client().send(&request).await.unwrap_err();
    assert!(matches!(error, TransportError::BadRequest(_)), "{error:?}");
    assert_silent(&error);
}
