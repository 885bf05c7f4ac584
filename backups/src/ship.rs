//! One upload, in one piece or many, each with its SHA-256 so that the store refuses what arrived altered.
//! Must stay true: nothing appears under the key before [`Upload::complete`]; whoever does not complete aborts; a part that stands still
//! is waited for as long as its size allows, and no longer.
use aws_lc_rs::digest;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use crate::bucket::ObjectLock;
use crate::store::Store;
use crate::{BackupError, Sum, clock};

const CONTENT_TYPE: &str = "application/octet-stream";

/// S3 takes 10,000 parts: the first 2,000 have 8 MiB, and the size doubles every 2,000, which makes room for 484 GiB.
pub(crate) fn part_size(parts_before: usize) -> usize {
    (8 << 20) << (parts_before / 2_000).min(4)
}

/// One object on its way. What fits one part is sent as a whole; the second part begins a multipart upload.
pub(crate) struct Upload<'a> {
    store: &'a Store,
    key: String,
    whole: Option<Vec<u8>>,
    begun: Option<Begun>,
    /// By this machine's clock.
    begun_at: DateTime<Utc>,
}

struct Begun {
    id: String,
    parts: Vec<CompletedPart>,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(store: &'a Store, key: String) -> Self {
        Self { store, key, whole: None, begun: None, begun_at: Utc::now() }
    }

    /// Sends all parts that come, but keeps the only one until [`Upload::complete`].
    pub(crate) async fn send(&mut self, mut parts: mpsc::Receiver<Vec<u8>>) -> Result<(), BackupError> {
        self.whole = parts.recv().await;
        while let Some(part) = parts.recv().await {
            if let Some(first) = self.whole.take() {
                self.begin().await?;
                self.part(first).await?;
            }
            self.part(part).await?;
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), BackupError> {
        let Store { client, bucket, .. } = self.store;
        let begun = client
            .create_multipart_upload()
            .bucket(bucket)
            .key(&self.key)
            .content_type(CONTENT_TYPE)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_object_lock_mode(self.store.lock.map(ObjectLock::mode))
            .set_object_lock_retain_until_date(self.store.lock.map(|lock| lock.until(self.begun_at)))
            .send()
            .await
            .map_err(self.store.failed(format!("begin the upload of {}", self.key)))?;
        self.begun = Some(Begun { id: begun.upload_id().unwrap_or_default().to_owned(), parts: Vec::new() });
        Ok(())
    }

    async fn part(&mut self, part: Vec<u8>) -> Result<(), BackupError> {
        let Some(Begun { id, parts }) = &mut self.begun else {
            return Ok(());
        };
        let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
        self.store.wait_to_send(part.len()).await;
        let (checksum, limits) = (sha256(&part), self.store.limits.of_sending(part.len()));
        let sent = self
            .store
            .client
            .upload_part()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .upload_id(id.as_str())
            .part_number(number)
            .checksum_sha256(&checksum)
            .body(ByteStream::from(part))
            .customize()
            .config_override(limits)
            .send()
            .await
            .map_err(self.store.failed(format!("send part {number} of {}", self.key)))?;
        let part = CompletedPart::builder().part_number(number).checksum_sha256(checksum);
        parts.push(part.set_e_tag(sent.e_tag().map(str::to_owned)).build());
        Ok(())
    }

    /// Makes the object appear, and looks whether it has the size that was sent. After an error it can be there: the caller deletes it.
    pub(crate) async fn complete(mut self, sealed: &Sum) -> Result<(), BackupError> {
        match (self.whole.take(), self.begun.is_some()) {
            (Some(whole), _) => self.put(whole).await?,
            (None, true) => {
                if let Err(error) = self.join().await {
                    self.abort().await;
                    return Err(error);
                }
            }
            (None, false) => return Err(BackupError::Dump("it is empty".to_owned())),
        }
        let Store { client, bucket, .. } = self.store;
        let head = client.head_object().bucket(bucket).key(&self.key).send().await;
        let head = head.map_err(self.store.failed(format!("find {}", self.key)))?;
        let stored = head.content_length();
        if stored.and_then(|length| u64::try_from(length).ok()) != Some(sealed.bytes) {
            let expected = sealed.bytes;
            return Err(BackupError::Damaged(format!("{} has {stored:?} bytes instead of {expected}", self.key)));
        }
        let stored = head.last_modified().and_then(|time| DateTime::from_timestamp(time.secs(), 0));
        stored.map_or(Ok(()), |stored| clock::agrees_with_store(self.begun_at, stored, Utc::now()))
    }

    async fn put(&self, whole: Vec<u8>) -> Result<(), BackupError> {
        self.store.wait_to_send(whole.len()).await;
        let put = self.store.client.put_object().bucket(&self.store.bucket).key(&self.key).content_type(CONTENT_TYPE);
        let put = put
            .set_object_lock_mode(self.store.lock.map(ObjectLock::mode))
            .set_object_lock_retain_until_date(self.store.lock.map(|lock| lock.until(self.begun_at)));
        let limits = self.store.limits.of_sending(whole.len());
        let put = put.checksum_sha256(sha256(&whole)).body(ByteStream::from(whole));
        let put = put.customize().config_override(limits).send().await;
        put.map(drop).map_err(self.store.failed(format!("store {}", self.key)))
    }

    async fn join(&mut self) -> Result<(), BackupError> {
        let Some(Begun { id, parts }) = &mut self.begun else {
            return Ok(());
        };
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(parts))).build();
        let Store { client, bucket, .. } = self.store;
        let complete = client.complete_multipart_upload().bucket(bucket).key(&self.key).upload_id(id.as_str());
        let complete = complete.multipart_upload(parts).customize().config_override(self.store.limits.of_joining());
        let completed = complete.send().await;
        completed.map(drop).map_err(self.store.failed(format!("complete the upload of {}", self.key)))
    }

    /// Gives up: the store forgets the parts. When even that fails, a later run's sweep does it.
    pub(crate) async fn abort(self) {
        let Store { client, bucket, .. } = self.store;
        let Some(Begun { id, .. }) = self.begun else {
            return;
        };
        let abort = client.abort_multipart_upload().bucket(bucket).key(&self.key).upload_id(id);
        if let Err(error) = abort.send().await {
            tracing::warn!(key = self.key, error = %BackupError::store("abort")(error), "the unfinished upload stays");
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_limit_holds_for_whole_objects_and_for_parts() {
        let mut store = crate::store::tests::store("unit-pace").await;
        store.pace = Some(crate::pace::Pace::new(1 << 20));
        let begun = std::time::Instant::now();
        let sum = Sum { bytes: 1 << 20, sha256: String::new() };
        for key in ["one", "two"] {
            let mut upload = Upload::new(&store, key.to_owned());
            upload.whole = Some(vec![0; 1 << 20]);
            upload.complete(&sum).await.unwrap();
        }
        let (to, parts) = mpsc::channel(2);
        for bytes in [1 << 20, 1] {
            to.send(vec![0; bytes]).await.unwrap();
        }
        drop(to);
        let mut upload = Upload::new(&store, "three".to_owned());
        upload.send(parts).await.unwrap();
        upload.abort().await;
        // Each MiB has its second, and the byte comes after the third.
        assert!(begun.elapsed().as_secs() >= 3, "{:?}", begun.elapsed());
    }

    #[test]
    fn ten_thousand_parts_hold_the_largest_practice() {
        let total: usize = (0..10_000).map(part_size).sum();
        assert!(total > 400 << 30);
        assert!((0..10_000).all(|before| part_size(before) >= 5 << 20), "S3 wants 5 MiB at least");
    }
}
