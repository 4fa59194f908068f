//! Files in buckets of S3.
//!
//! A piece is a `GetObject` of a range, on the condition that the object is the one that was listed: S3
//! answers 412 for another, so no piece is of two versions.

use std::{fmt, sync::OnceLock};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use tidegate_engine::ports::{DroppedFile, Files, MOST_FILES, PortError};

use crate::AwsFailure;

const SCHEME: &str = "s3://";
/// `If-Match` failed: another object has the name.
const ANOTHER: u16 = 412;
/// No object has it.
const GONE: u16 = 404;
/// The range begins behind the object's end.
const BEHIND_ITS_END: u16 = 416;

/// Why a place is none.
#[derive(Debug, thiserror::Error)]
#[error("it is no `s3://BUCKET/PREFIX/`, which is where functions on AWS read files")]
struct NoBucket;

/// Calls in which one listing looks for a file among folders.
const MOST_LISTINGS: usize = 10;

/// Why no file was found.
#[derive(Debug, thiserror::Error)]
#[error("there are only folders in the first {MOST_FILES} x {MOST_LISTINGS} of its names")]
struct TooManyFolders;

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

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let mut config = aws_sdk_s3::config::Builder::from(&self.config);
            // An emulator has no host for each bucket.
            config.set_force_path_style(self.config.endpoint_url().map(|_| true));
            Client::from_conf(config.build())
        })
    }

    async fn list(
        &self,
        place: &str,
        after: Option<&str>,
    ) -> Result<Vec<DroppedFile>, Box<dyn std::error::Error + Send + Sync>> {
        let (bucket, prefix) = parts(place)?;
        let most = i32::try_from(MOST_FILES).unwrap_or(i32::MAX);
        let after = after.map(|after| format!("{prefix}{after}"));
        let mut token = None;
        for _ in 0..MOST_LISTINGS {
            let call = self.client().list_objects_v2();
            let call = call.bucket(bucket).prefix(prefix).delimiter("/");
            let call = call.max_keys(most).set_continuation_token(token);
            let answer = call.set_start_after(after.clone()).send().await;
            let answer = answer.map_err(AwsFailure::from)?;
            let files = answer.contents().iter().filter_map(|object| {
                let name = object.key()?.strip_prefix(prefix)?.to_owned();
                Some(DroppedFile {
                    name: Some(name).filter(|name| !name.is_empty())?,
                    tag: object.e_tag()?.to_owned(),
                    bytes: u64::try_from(object.size()?).ok()?,
                })
            });
            let files: Vec<DroppedFile> = files.collect();
            token = answer.next_continuation_token().map(str::to_owned);
            if !files.is_empty() || token.is_none() {
                return Ok(files);
            }
        }
        Err(Box::new(TooManyFolders))
    }

    async fn read(
        &self,
        place: &str,
        file: &DroppedFile,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        let (bucket, prefix) = parts(place)?;
        if from >= file.bytes || most == 0 {
            return Ok(Some(Vec::new()));
        }
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let last = from.saturating_add(most).min(file.bytes) - 1;
        let call = self.client().get_object();
        let call = call.bucket(bucket).key(format!("{prefix}{}", file.name));
        let call = call.if_match(&file.tag).range(format!("bytes={from}-{last}"));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let status = error.raw_response().map(|raw| raw.status().as_u16());
                return match status {
                    Some(ANOTHER | GONE | BEHIND_ITS_END) => Ok(None),
                    _ => Err(AwsFailure::from(error).into()),
                };
            }
        };
        let bytes = answer.body.collect().await?.to_vec();
        if u64::try_from(bytes.len()).is_ok_and(|read| read == last - from + 1) {
            Ok(Some(bytes))
        } else {
            Err(AwsFailure::Incomplete("bytes").into())
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

/// Bucket and prefix of a place.
fn parts(place: &str) -> Result<(&str, &str), NoBucket> {
    let rest = place.strip_prefix(SCHEME).ok_or(NoBucket)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || !(prefix.is_empty() || prefix.ends_with('/')) {
        return Err(NoBucket);
    }
    Ok((bucket, prefix))
}
