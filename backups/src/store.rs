//! The bucket: client, small documents, listing, and reading an object in ranges.
//! Must stay true: listings are paged to their end; credentials are in the client only.
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::{ByteStream, DateTime as StoreTime};
use aws_sdk_s3::types::ChecksumAlgorithm;
use tokio::sync::mpsc;

use crate::pipe::Chunk;
use crate::{BackupError, StoreSettings};

/// Bytes asked for at once: a slow restore never holds a request open, and a failed one is asked again.
const RANGE: u64 = 8 << 20;
/// Manifests are a few KiB.
const LARGEST_DOCUMENT: i64 = 16 << 20;
/// Unfinished uploads older than this belong to a run that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// The bucket that backups go to.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: String,
}

/// An object in a listing.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) bytes: u64,
}

impl Store {
    pub(crate) fn new(settings: &StoreSettings) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(Duration::from_secs(300));
        let credentials = Credentials::new(&settings.access_key, &settings.secret_key, None, None, "labor-backup");
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .timeout_config(timeouts.build())
            .force_path_style(settings.endpoint.is_some());
        config.set_endpoint_url(settings.endpoint.clone());
        Self { client: Client::from_conf(config.build()), bucket: settings.bucket.clone() }
    }

    pub(crate) async fn ensure_bucket(&self) -> Result<(), BackupError> {
        match self.client.create_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(e))
                if e.err().is_bucket_already_owned_by_you() || e.err().is_bucket_already_exists() =>
            {
                Ok(())
            }
            Err(error) => Err(BackupError::store(format!("make the bucket {}", self.bucket))(error)),
        }
    }

    /// Writes a small document; with `create_only` an existing one is never replaced.
    pub(crate) async fn put(&self, key: &str, document: Vec<u8>, create_only: bool) -> Result<(), BackupError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/json")
            .set_if_none_match(create_only.then(|| "*".to_owned()))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(document))
            .send()
            .await
            .map(drop)
            .map_err(BackupError::store(format!("write {key}")))
    }

    /// Reads a small document, if it is there.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackupError> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(e)) if e.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(BackupError::store(format!("read {key}"))(error)),
        };
        if answer.content_length().is_none_or(|length| length > LARGEST_DOCUMENT) {
            return Err(BackupError::Damaged(format!("{key} is too large to be read")));
        }
        Ok(Some(collect(answer.body, key).await?))
    }

    /// All objects under a prefix.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Object>, BackupError> {
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(BackupError::store(format!("list {prefix}")))?;
            objects.extend(page.contents().iter().filter_map(|object| {
                let bytes = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
                Some(Object { key: object.key()?.to_owned(), bytes })
            }));
        }
        Ok(objects)
    }

    /// Reads an object of a known size, range by range, all of the same version of it. At most two ranges are in memory.
    pub(crate) async fn read(&self, key: &str, bytes: u64) -> Result<mpsc::Receiver<Chunk>, BackupError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|error| match error {
            SdkError::ServiceError(e) if e.err().is_not_found() => BackupError::Damaged(format!("{key} is not there")),
            error => BackupError::store(format!("find {key}"))(error),
        })?;
        let stored = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
        if stored != bytes {
            return Err(BackupError::Damaged(format!("{key} has {stored} bytes instead of {bytes}")));
        }
        let (sender, receiver) = mpsc::channel(1);
        let (store, key, etag) = (self.clone(), key.to_owned(), head.e_tag().map(str::to_owned));
        tokio::spawn(async move {
            for first in (0..bytes).step_by(8 << 20) {
                let last = (first + RANGE).min(bytes) - 1;
                let chunk = store.range(&key, etag.clone(), first, last).await.map_err(std::io::Error::other);
                let failed = chunk.is_err();
                if sender.send(chunk).await.is_err() || failed {
                    break;
                }
            }
        });
        Ok(receiver)
    }

    async fn range(&self, key: &str, etag: Option<String>, first: u64, last: u64) -> Result<Vec<u8>, BackupError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key).set_if_match(etag);
        let answer = get
            .range(format!("bytes={first}-{last}"))
            .send()
            .await
            .map_err(BackupError::store(format!("read {key}")))?;
        let bytes = collect(answer.body, key).await?;
        if bytes.len() as u64 == last - first + 1 {
            Ok(bytes)
        } else {
            Err(BackupError::Store { action: format!("read {key}"), reason: "the answer was cut short".to_owned() })
        }
    }

    /// Aborts uploads that a killed run left. Best effort: the bucket's lifecycle rules are the second net.
    pub(crate) async fn sweep(&self, prefix: &str) {
        let Ok(found) = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(prefix).send().await else {
            return;
        };
        let limit = std::time::SystemTime::now().checked_sub(ABANDONED).map(StoreTime::from);
        for upload in found.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else {
                continue;
            };
            if upload.initiated().zip(limit.as_ref()).is_some_and(|(begun, limit)| begun < limit) {
                tracing::info!(key, "aborting an upload that a killed run left");
                let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
                if let Err(error) = abort.send().await {
                    tracing::warn!(key, error = %BackupError::store("abort")(error), "an abandoned upload stays");
                }
            }
        }
    }
}

async fn collect(body: ByteStream, key: &str) -> Result<Vec<u8>, BackupError> {
    let cut = |error: aws_sdk_s3::primitives::ByteStreamError| BackupError::Store {
        action: format!("read {key}"),
        reason: error.to_string(),
    };
    Ok(body.collect().await.map_err(cut)?.to_vec())
}
