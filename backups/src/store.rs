//! The bucket: client, small documents, listing.
//! Must stay true: listings are paged to their end; credentials are in the client only.
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime as StoreTime};
use aws_sdk_s3::types::ChecksumAlgorithm;
use chrono::Utc;

use crate::bucket::ObjectLock;
use crate::pace::Pace;
use crate::{BackupError, StoreLimits, StoreSettings};

/// The bucket that backups go to.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    /// How fast dumps may be sent there; none: as fast as it takes them.
    pub(crate) pace: Option<Pace>,
    /// For how long dumps and manifests are locked.
    pub(crate) lock: Option<ObjectLock>,
    /// How long it is waited for.
    pub(crate) limits: StoreLimits,
    /// Where it is, for messages.
    address: String,
}

/// An object in a listing.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    /// Seconds since 1970. Of what the store gives no time it counts as of just now, whenever it is asked: nothing is too old then.
    pub(crate) modified: i64,
    /// Which version it is, by the store's own word. As every store writes it: some list it without quotes, and answer with them.
    pub(crate) etag: Option<String>,
}

impl Store {
    pub(crate) fn new(settings: &StoreSettings) -> Self {
        let credentials = Credentials::new(&settings.access_key, &settings.secret_key, None, None, "labor-backup");
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .timeout_config(settings.limits.of_answers())
            .stalled_stream_protection(settings.limits.watching())
            .force_path_style(settings.endpoint.is_some());
        config.set_endpoint_url(settings.endpoint.clone());
        let address = settings.endpoint.clone().unwrap_or_else(|| format!("Amazon S3, {}", settings.region));
        Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket.clone(),
            pace: None,
            lock: None,
            limits: settings.limits,
            address,
        }
    }

    /// For `.map_err(self.failed("…"))`: the error, and of which store.
    pub(crate) fn failed<E, R>(&self, action: impl std::fmt::Display) -> impl FnOnce(SdkError<E, R>) -> BackupError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        BackupError::store(self.doing(action))
    }

    /// What is done, and where.
    pub(crate) fn doing(&self, action: impl std::fmt::Display) -> String {
        format!("{action} (bucket {} at {})", self.bucket, self.address)
    }

    /// Waits until so many bytes of a dump may be sent.
    pub(crate) async fn wait_to_send(&self, bytes: usize) {
        if let Some(pace) = &self.pace {
            pace.turn(bytes).await;
        }
    }

    pub(crate) async fn ensure_bucket(&self) -> Result<(), BackupError> {
        match self.client.create_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(e))
                if e.err().is_bucket_already_owned_by_you() || e.err().is_bucket_already_exists() =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed("make the bucket")(error)),
        }
    }

    /// Writes a small document; with `create_only` an existing one is never replaced, and it is locked if that is asked for. When that is refused and the document stands
    /// there already, it was this very request, sent again after its answer was lost.
    pub(crate) async fn put(&self, key: &str, document: Vec<u8>, create_only: bool) -> Result<(), BackupError> {
        let lock = self.lock.filter(|_| create_only);
        let sent = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/json")
            .set_if_none_match(create_only.then(|| "*".to_owned()))
            .set_object_lock_mode(lock.map(ObjectLock::mode))
            .set_object_lock_retain_until_date(lock.map(|lock| lock.until(Utc::now())))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(document.clone()))
            .customize()
            .config_override(self.limits.of_sending(document.len()))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(_) if create_only && self.get(key).await.is_ok_and(|found| found.as_ref() == Some(&document)) => Ok(()),
            Err(error) => Err(self.failed(format!("write {key}"))(error)),
        }
    }

    /// The bucket, and where it is.
    pub(crate) fn place(&self) -> String {
        format!("{} at {}", self.bucket, self.address)
    }

    /// Takes back what a failed run has stored. Best effort: the error that made it fail is the one to tell.
    pub(crate) async fn take_back(&self, keys: &[String]) {
        for key in keys {
            if let Err(error) = self.delete(key).await {
                tracing::warn!(key, %error, "an object of a failed run stays");
            }
        }
    }

    /// Deletes an object. In a bucket with versioning the object is hidden behind a delete marker.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), BackupError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        deleted.map(drop).map_err(self.failed(format!("delete {key}")))
    }

    /// All objects under a prefix.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Object>, BackupError> {
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(self.failed(format!("list {prefix}")))?;
            objects.extend(page.contents().iter().filter_map(|object| {
                let bytes = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
                let modified = object.last_modified().map_or(i64::MAX, StoreTime::secs);
                Some(Object { key: object.key()?.to_owned(), bytes, modified, etag: object.e_tag().map(bare) })
            }));
        }
        Ok(objects)
    }

    /// One object, asked for by its name and not out of a listing.
    pub(crate) async fn ask_for(&self, key: &str) -> Result<Option<Object>, BackupError> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(head) => {
                let bytes = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
                let modified = head.last_modified().map_or(i64::MAX, StoreTime::secs);
                Ok(Some(Object { key: key.to_owned(), bytes, modified, etag: head.e_tag().map(bare) }))
            }
            Err(SdkError::ServiceError(e)) if e.err().is_not_found() => Ok(None),
            Err(error) => Err(self.failed(format!("find {key}"))(error)),
        }
    }

    /// The names of the folders in a folder, whose own name ends in a slash.
    pub(crate) async fn folders(&self, prefix: &str) -> Result<Vec<String>, BackupError> {
        let listing = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let (mut pages, mut names) = (listing.into_paginator().send(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(self.failed(format!("list the folders of {prefix}")))?;
            let found = page.common_prefixes().iter().filter_map(|folder| folder.prefix()?.strip_prefix(prefix));
            names.extend(found.map(|name| name.trim_end_matches('/').to_owned()));
        }
        Ok(names)
    }
}

/// An entity tag without what differs from one answer of a store to the other.
pub(crate) fn bare(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_the_same_with_quotes_and_without() {
        assert_eq!(["\"a-1\"", "a-1", "W/\"a-1\""].map(bare), ["a-1"; 3].map(str::to_owned));
    }

    pub(crate) async fn store(bucket: &str) -> Store {
        let server = labor_testing::s3().await;
        let store = Store::new(&StoreSettings {
            endpoint: Some(server.endpoint()),
            region: server.region().to_owned(),
            bucket: bucket.to_owned(),
            access_key: server.access_key().to_owned(),
            secret_key: server.secret_key().to_owned(),
            limits: StoreLimits::default(),
        });
        store.ensure_bucket().await.unwrap();
        store
    }

    #[tokio::test]
    async fn a_document_that_stands_there_already_is_written_and_another_is_never_replaced() {
        let store = store("unit-put").await;
        store.put("a", b"1".to_vec(), true).await.unwrap();
        store.put("a", b"1".to_vec(), true).await.unwrap();
        assert!(store.put("a", b"2".to_vec(), true).await.is_err());
        assert_eq!(store.get("a").await.unwrap(), Some(b"1".to_vec()));
    }
}
