//! Files that are put into a bucket, each name once.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{StatusCode, header};
use rusty_s3::{S3Action, actions::PutObject};
use tidegate_engine::ports::{PortError, Shelf, ShelfError};

use super::{S3Error, S3Files, SIGNED_FOR, TIMEOUT, no_answer, parts, refused};

/// Bytes that are sent in a second at least, beside the time that an answer takes: a function has about 70 MB of
/// network a second, and a file of 100 MB then has a minute.
const SLOWEST_BYTES_PER_S: usize = 2_000_000;

impl S3Files {
    async fn put_once(&self, place: &str, name: &str, bytes: Vec<u8>) -> Result<(), S3Error> {
        let (bucket, prefix) = parts(place)?;
        let (bucket, credentials) = (self.bucket(bucket)?, self.credentials().await?);
        let key = format!("{prefix}{name}");
        let timeout = timeout(bytes.len());
        let call = PutObject::new(&bucket, Some(&credentials), &key);
        // The signature is looked at when the call begins, so that it need not hold as long as the bytes take.
        let request = self.client()?.put(call.sign(SIGNED_FOR)).timeout(timeout);
        let request = request.header(header::IF_NONE_MATCH, "*").body(bytes);
        let answer = request.send().await.map_err(no_answer)?;
        match answer.status() {
            StatusCode::OK | StatusCode::PRECONDITION_FAILED => Ok(()),
            _ => Err(refused(answer).await),
        }
    }
}

fn timeout(bytes: usize) -> Duration {
    let seconds = u64::try_from(bytes / SLOWEST_BYTES_PER_S).unwrap_or(u64::MAX);
    TIMEOUT + Duration::from_secs(seconds)
}

#[async_trait]
impl Shelf for S3Files {
    async fn put(&self, place: &str, name: &str, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let put = self.put_once(place, name, bytes).await;
        put.map_err(|error| {
            let stays_so = is_refusal(&error);
            let error = PortError::new(format!("put {name} to {place}"), error);
            if stays_so {
                ShelfError::Refused(error)
            } else {
                ShelfError::Failed(error)
            }
        })
    }
}

/// Codes by which S3 says that it takes no file there ("Error responses" of its API reference). Others with
/// the same status pass: a token that expired, a clock that is behind.
const REFUSALS: [&str; 4] = [
    "AccessDenied",
    "InvalidBucketName",
    "NoSuchBucket",
    "PermanentRedirect",
];

fn is_refusal(error: &S3Error) -> bool {
    match error {
        S3Error::NoBucket => true,
        S3Error::Refused { code, .. } => REFUSALS.contains(&code.trim()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
    use axum::{
        Router,
        body::{Bytes, to_bytes},
        extract::Request,
        http::{HeaderMap, StatusCode as Status, Uri},
        response::IntoResponse as _,
    };
    use tokio::net::TcpListener;

    use super::*;

    /// What a bucket was asked for.
    type Asked = Arc<Mutex<Vec<(String, Uri, HeaderMap, Bytes)>>>;

    /// A bucket that answers each call with this status.
    async fn bucket(status: Status, body: &'static str) -> (S3Files, Asked) {
        let asked = Asked::default();
        let told = asked.clone();
        let answer = move |request: Request| {
            let told = told.clone();
            async move {
                let (head, body_of) = request.into_parts();
                let bytes = to_bytes(body_of, usize::MAX).await.unwrap();
                let call = (head.method.to_string(), head.uri, head.headers, bytes);
                told.lock().unwrap().push(call);
                (status, body).into_response()
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let credentials = Credentials::new("id", "the-secret-key", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(format!("http://{address}"))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        (S3Files::new(config.build()), asked)
    }

    #[tokio::test]
    async fn a_file_is_put_whole_below_the_prefix_unless_its_name_is_taken() {
        for status in [Status::OK, Status::PRECONDITION_FAILED] {
            let (files, asked) = bucket(status, "").await;
            let put = files.put("s3://staged/in/", "orders/a b.jsonl.gz", vec![7; 3_000_000]);
            put.await.unwrap();
            let asked = asked.lock().unwrap();
            let [(method, uri, headers, bytes)] = asked.as_slice() else {
                panic!("one call: {}", asked.len())
            };
            assert_eq!(method, "PUT");
            assert_eq!(uri.path(), "/staged/in/orders/a%20b.jsonl.gz");
            assert!(uri.query().unwrap().contains("X-Amz-Signature="));
            assert_eq!(headers["if-none-match"], "*");
            assert_eq!(headers["content-length"], "3000000");
            assert_eq!(bytes.len(), 3_000_000);
        }
    }

    #[tokio::test]
    async fn what_s3_says_against_it_is_told_by_its_code_and_without_a_signature() {
        let body = "<Error><Code>AccessDenied</Code><Message>the-secret-key</Message></Error>";
        let (files, _) = bucket(Status::FORBIDDEN, body).await;
        let put = files.put("s3://staged/in/", "a.jsonl.gz", vec![1]).await;
        assert_eq!(
            put.unwrap_err().to_string(),
            "no file may be put: put a.jsonl.gz to s3://staged/in/ failed: S3 answered 403 Forbidden AccessDenied"
        );
    }

    #[tokio::test]
    async fn only_what_stays_so_is_a_refusal() {
        for (status, body, stays_so) in [
            (
                Status::FORBIDDEN,
                "<Error><Code>AccessDenied</Code></Error>",
                true,
            ),
            (
                Status::NOT_FOUND,
                "<Error><Code>NoSuchBucket</Code></Error>",
                true,
            ),
            (
                Status::MOVED_PERMANENTLY,
                "<Error><Code>PermanentRedirect</Code></Error>",
                true,
            ),
            (
                Status::FORBIDDEN,
                "<Error><Code>RequestTimeTooSkewed</Code></Error>",
                false,
            ),
            (
                Status::BAD_REQUEST,
                "<Error><Code>ExpiredToken</Code></Error>",
                false,
            ),
            (Status::FORBIDDEN, "", false),
            (Status::CONFLICT, "", false),
            (Status::SERVICE_UNAVAILABLE, "", false),
            (Status::INTERNAL_SERVER_ERROR, "", false),
        ] {
            let (files, _) = bucket(status, body).await;
            let error = files.put("s3://staged/", "a", vec![1]).await.unwrap_err();
            let is_refused = matches!(error, ShelfError::Refused(_));
            assert_eq!(is_refused, stays_so, "{status}: {error}");
        }
    }

    #[tokio::test]
    async fn a_place_that_is_no_bucket_is_told() {
        let (files, asked) = bucket(Status::OK, "").await;
        for place in ["staged/folder/", "s3://", "s3://staged/in"] {
            let error = files.put(place, "a", vec![1]).await.unwrap_err();
            assert!(matches!(error, ShelfError::Refused(_)), "{place}: {error}");
        }
        assert!(asked.lock().unwrap().is_empty());
    }

    #[test]
    fn the_time_out_grows_with_the_file() {
        assert_eq!(timeout(0), TIMEOUT);
        assert_eq!(timeout(100_000_000), TIMEOUT + Duration::from_secs(50));
    }
}
