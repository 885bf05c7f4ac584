//! One multipart upload, each part with its SHA-256 so that the store refuses what arrived altered.
//! Must stay true: nothing appears under the key before [`Upload::complete`]; whoever does not complete aborts.
use aws_lc_rs::digest;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use tokio::sync::mpsc;

use crate::store::Store;
use crate::{BackupError, Sum};

/// S3 takes 10,000 parts: the first 2,000 have 8 MiB, and the size doubles every 2,000, which makes room for 484 GiB.
pub(crate) fn part_size(parts_before: usize) -> usize {
    (8 << 20) << (parts_before / 2_000).min(4)
}

/// An upload that has begun.
pub(crate) struct Upload<'a> {
    store: &'a Store,
    key: String,
    id: String,
    parts: Vec<CompletedPart>,
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(store: &'a Store, key: String) -> Result<Self, BackupError> {
        let begun = store
            .client
            .create_multipart_upload()
            .bucket(&store.bucket)
            .key(&key)
            .content_type("application/octet-stream")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await
            .map_err(store.failed(format!("begin the upload of {key}")))?;
        let id = begun.upload_id().unwrap_or_default().to_owned();
        Ok(Self { store, key, id, parts: Vec::new() })
    }

    /// Sends all parts that come.
    pub(crate) async fn send(&mut self, mut parts: mpsc::Receiver<Vec<u8>>) -> Result<(), BackupError> {
        while let Some(part) = parts.recv().await {
            let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
            let checksum = base64::engine::general_purpose::STANDARD.encode(digest::digest(&digest::SHA256, &part));
            let sent = self
                .store
                .client
                .upload_part()
                .bucket(&self.store.bucket)
                .key(&self.key)
                .upload_id(&self.id)
                .part_number(number)
                .checksum_sha256(&checksum)
                .body(ByteStream::from(part))
                .send()
                .await
                .map_err(self.store.failed(format!("send part {number} of {}", self.key)))?;
            let part = CompletedPart::builder().part_number(number).checksum_sha256(checksum);
            self.parts.push(part.set_e_tag(sent.e_tag().map(str::to_owned)).build());
        }
        Ok(())
    }

    /// Makes the object appear, and looks whether it has the size that was sent. After an error it can be there: the caller deletes it.
    pub(crate) async fn complete(mut self, sealed: &Sum) -> Result<(), BackupError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let Store { client, bucket, .. } = self.store;
        let completed = client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        if let Err(error) = completed {
            let error = self.store.failed(format!("complete the upload of {}", self.key))(error);
            self.abort().await;
            return Err(error);
        }
        let head = client.head_object().bucket(bucket).key(&self.key).send().await;
        let stored = head.map_err(self.store.failed(format!("find {}", self.key)))?.content_length();
        if stored.and_then(|length| u64::try_from(length).ok()) == Some(sealed.bytes) {
            return Ok(());
        }
        Err(BackupError::Damaged(format!("{} has {stored:?} bytes instead of {}", self.key, sealed.bytes)))
    }

    /// Gives up: the store forgets the parts. When even that fails, a later run's sweep does it.
    pub(crate) async fn abort(self) {
        let Store { client, bucket, .. } = self.store;
        let abort = client.abort_multipart_upload().bucket(bucket).key(&self.key).upload_id(&self.id);
        if let Err(error) = abort.send().await {
            tracing::warn!(key = self.key, error = %BackupError::store("abort")(error), "the unfinished upload stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_the_largest_practice() {
        let total: usize = (0..10_000).map(part_size).sum();
        assert!(total > 400 << 30);
        assert!((0..10_000).all(|before| part_size(before) >= 5 << 20), "S3 wants 5 MiB at least");
    }
}
