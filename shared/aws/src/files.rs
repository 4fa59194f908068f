//! Files in buckets of S3.
//!
//! A piece is a `GetObject` of a range, on the condition that the object is the one that was listed: S3
//! answers 412 for another, so no piece is of two versions.
//!
//! Two reads of S3, and a write on the condition that its name is new, are all that is asked here. They are signed by `rusty-s3` and sent by the HTTP client
//! that the function has anyway: with the client of the SDK its zip was 6.7 MB, of which 6 are allowed.

mod shelf;

use std::{fmt, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use reqwest::{Client, Response, StatusCode, header, redirect};
use rusty_s3::{
    Bucket, Credentials, S3Action, UrlStyle,
    actions::{GetObject, ListObjectsV2},
};
use tidegate_engine::ports::{DroppedFile, Files, MOST_FILES, PortError};

const SCHEME: &str = "s3://";
/// Until an answer must be complete: a piece of 1 MiB takes less than a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a signature holds: until the call has surely arrived.
const SIGNED_FOR: Duration = Duration::from_secs(60);
/// Calls in which one listing looks for a file among folders.
const MOST_LISTINGS: usize = 10;
/// Bytes of a listing at most: 1,000 names of 1,024 bytes, each with what else is told of it.
const MAX_LISTING_BYTES: usize = 4 * 1_024 * 1_024;

/// Why files could not be read or put. It holds no address, which is signed.
#[derive(Debug, thiserror::Error)]
enum S3Error {
    #[error("it is no `s3://BUCKET/PREFIX/`, which is where functions on AWS have files")]
    NoBucket,
    #[error("there are no credentials")]
    NoCredentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the client can not be made")]
    Client(#[source] reqwest::Error),
    #[error("no whole answer")]
    NoAnswer(#[source] reqwest::Error),
    #[error("S3 answered {status}{code}")]
    Refused { status: StatusCode, code: String },
    #[error("the answer is no listing")]
    NoListing,
    #[error("the answer has another length than was asked for")]
    Length,
    #[error("there are only folders in the first {MOST_FILES} x {MOST_LISTINGS} of its names")]
    TooManyFolders,
}

/// Files below a prefix of a bucket; folders within it are passed over.
pub struct S3Files {
    config: SdkConfig,
    client: OnceLock<Client>,
}

impl fmt::Debug for S3Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Files").finish_non_exhaustive()
    }
}

impl S3Files {
    /// No client is made before a file is asked for.
    pub fn new(config: SdkConfig) -> Self {
        Self {
            config,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&Client, S3Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(S3Error::Client)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// A bucket has a host of its own; an emulator has one for all.
    fn bucket(&self, name: &str) -> Result<Bucket, S3Error> {
        let region = self.config.region().map_or("", Region::as_ref);
        let (address, style) = match self.config.endpoint_url() {
            Some(endpoint) => (endpoint.to_owned(), UrlStyle::Path),
            None => (endpoint_of(region), UrlStyle::VirtualHost),
        };
        let address = address.parse().map_err(|_| S3Error::NoBucket)?;
        let bucket = Bucket::new(address, style, name.to_owned(), region.to_owned());
        bucket.map_err(|_| S3Error::NoBucket)
    }

    async fn credentials(&self) -> Result<Credentials, S3Error> {
        use aws_sdk_dynamodb::config::ProvideCredentials as _;
        let provider = self.config.credentials_provider();
        let provider = provider.ok_or_else(|| S3Error::NoCredentials("none is set".into()))?;
        let found = provider.provide_credentials().await;
        let found = found.map_err(|error| S3Error::NoCredentials(error.into()))?;
        let (key, secret) = (found.access_key_id(), found.secret_access_key());
        Ok(match found.session_token() {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        })
    }

    async fn list(&self, place: &str, after: Option<&str>) -> Result<Vec<DroppedFile>, S3Error> {
        let (bucket, prefix) = parts(place)?;
        let (bucket, credentials) = (self.bucket(bucket)?, self.credentials().await?);
        let mut token: Option<String> = None;
        for _ in 0..MOST_LISTINGS {
            let mut call = ListObjectsV2::new(&bucket, Some(&credentials));
            call.with_prefix(prefix);
            call.with_delimiter("/");
            call.with_max_keys(MOST_FILES);
            if let Some(after) = after {
                call.with_start_after(format!("{prefix}{after}"));
            }
            if let Some(token) = token.take() {
                call.with_continuation_token(token);
            }
            let sent = self.client()?.get(call.sign(SIGNED_FOR)).send().await;
            let answer = sent.map_err(no_answer)?;
            if answer.status() != StatusCode::OK {
                return Err(refused(answer).await);
            }
            let text = bytes(answer, MAX_LISTING_BYTES).await?;
            let text = String::from_utf8(text).map_err(|_| S3Error::NoListing)?;
            let listed = ListObjectsV2::parse_response(&text).map_err(|_| S3Error::NoListing)?;
            let files = listed.contents.into_iter().filter_map(|object| {
                let name = object.key.strip_prefix(prefix)?.to_owned();
                Some(DroppedFile {
                    name: Some(name).filter(|name| !name.is_empty())?,
                    tag: object.etag?,
                    bytes: object.size?,
                })
            });
            let files: Vec<DroppedFile> = files.collect();
            token = listed.next_continuation_token;
            if !files.is_empty() || token.is_none() {
                return Ok(files);
            }
        }
        Err(S3Error::TooManyFolders)
    }

    async fn read(
        &self,
        place: &str,
        file: &DroppedFile,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, S3Error> {
        let (bucket, prefix) = parts(place)?;
        if from >= file.bytes || most == 0 {
            return Ok(Some(Vec::new()));
        }
        let (bucket, credentials) = (self.bucket(bucket)?, self.credentials().await?);
        let wanted = u64::try_from(most)
            .unwrap_or(u64::MAX)
            .min(file.bytes - from);
        let last = from + wanted - 1;
        let key = format!("{prefix}{}", file.name);
        let call = GetObject::new(&bucket, Some(&credentials), &key);
        let request = self.client()?.get(call.sign(SIGNED_FOR));
        let request = request.header(header::RANGE, format!("bytes={from}-{last}"));
        let sent = request.header(header::IF_MATCH, &file.tag).send().await;
        let answer = sent.map_err(no_answer)?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::PRECONDITION_FAILED
            | StatusCode::NOT_FOUND
            | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
            _ => return Err(refused(answer).await),
        }
        let read = bytes(answer, most).await?;
        if u64::try_from(read.len()).is_ok_and(|read| read == wanted) {
            Ok(Some(read))
        } else {
            Err(S3Error::Length)
        }
    }
}

#[async_trait]
impl Files for S3Files {
    async fn list(&self, place: &str, after: Option<&str>) -> Result<Vec<DroppedFile>, PortError> {
        let listed = self.list(place, after).await;
        listed.map_err(|error| PortError::new(format!("list {place}"), error))
    }

    async fn read(
        &self,
        place: &str,
        file: &DroppedFile,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let read = self.read(place, file, from, most).await;
        let operation = || format!("read {} of {place} from {from}", file.name);
        read.map_err(|error| PortError::new(operation(), error))
    }
}

/// An error without the address, which bears a signature.
fn no_answer(error: reqwest::Error) -> S3Error {
    S3Error::NoAnswer(error.without_url())
}

/// What S3 says against a call, by its code alone.
async fn refused(answer: Response) -> S3Error {
    let status = answer.status();
    let text = bytes(answer, MAX_LISTING_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or_else(String::new, |(code, _)| format!(" {code}"));
    S3Error::Refused { status, code }
}

/// The whole of an answer, which must not be longer.
async fn bytes(mut answer: Response, most: usize) -> Result<Vec<u8>, S3Error> {
    let mut read = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if read.len() + chunk.len() > most {
            return Err(S3Error::Length);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// S3's address in a region; China has a domain of its own.
fn endpoint_of(region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://s3.{region}.{domain}")
}

/// Bucket and prefix of a place.
fn parts(place: &str) -> Result<(&str, &str), S3Error> {
    let rest = place.strip_prefix(SCHEME).ok_or(S3Error::NoBucket)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || !(prefix.is_empty() || prefix.ends_with('/')) {
        return Err(S3Error::NoBucket);
    }
    Ok((bucket, prefix))
}
