//! Reading objects: small documents, and dumps in ranges.
//! Must stay true: bytes that were [pinned](Store::pin) are the ones that are read afterwards; a line that breaks in the middle of an answer
//! or stands still there is no reason to give up at once, is not waited for without end, and condemns nothing; a version that is
//! not the listed one is not believed.
use std::time::Duration;

use aws_lc_rs::digest;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::mpsc;

use crate::list::Listed;
use crate::pipe::Chunk;
use crate::store::{Store, bare};
use crate::waiting::{Flow, PROGRESS};
use crate::{BackupError, Sum};

/// Bytes asked for at once: a slow restore never holds a request open, and a failed one is asked again.
const RANGE: u64 = 8 << 20;
/// Manifests are a few KiB.
const LARGEST_DOCUMENT: i64 = 16 << 20;
/// An answer that breaks off, or brings nothing, is asked for so often.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
const STILL: &str = "the answer stands still";

/// An object whose bytes were read and found to be the expected ones.
pub(crate) struct Pinned {
    key: String,
    etag: Option<String>,
    bytes: u64,
    /// SHA-256 of each range: the second reading need not trust the store, nor who can write into it.
    ranges: Vec<digest::Digest>,
}

/// A small document, and which version of it.
struct Document {
    bytes: Vec<u8>,
    etag: Option<String>,
}

impl Store {
    /// Reads a small document, if it is there. Of what is larger than any that this program writes nothing is read: it is nobody's
    /// manifest and nobody's verification, and no reason to give up what else there is.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackupError> {
        Ok(self.get_within(key, TRIES).await?.map(|read| read.bytes))
    }

    /// The same of a document that was listed. A store that is behind can answer with what was there before, such as a verification from
    /// before the one that failed: what it lists and what it answers with have to be the same version, or get to be it.
    pub(crate) async fn get_listed(&self, key: &str, listed: &Listed) -> Result<Option<Vec<u8>>, BackupError> {
        let mut listed = Some(listed.etag.clone());
        for _ in 0..TRIES {
            let read = self.get_within(key, TRIES).await?;
            let same = match (&read, &listed) {
                (None, None) => true,
                (Some(read), Some(listed)) => read.etag.is_none() || listed.is_none() || read.etag == *listed,
                _ => false,
            };
            if same {
                return Ok(read.map(|read| read.bytes));
            }
            tokio::time::sleep(PAUSE).await;
            // Somebody may have written or removed it since it was listed. By its name: a listing can be of before, too.
            listed = self.ask_for(key).await?.map(|object| object.etag);
        }
        Err(self.broken(
            key,
            "the store lists another version than it answers with, so one of the two is of before: try again later",
        ))
    }

    async fn get_within(&self, key: &str, tries: u32) -> Result<Option<Document>, BackupError> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(e)) if e.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(self.failed(format!("read {key}"))(error)),
        };
        if answer.content_length().is_none_or(|length| length > LARGEST_DOCUMENT) {
            tracing::warn!(key, "too large to be a document of ours; who put it there?");
            return Ok(Some(Document { bytes: Vec::new(), etag: None }));
        }
        let etag = answer.e_tag().map(bare);
        // From the beginning: it is small, and may be another one by now.
        match self.body(answer.body).await {
            Ok(bytes) => Ok(Some(Document { bytes, etag })),
            Err(_) if tries > 1 => {
                tokio::time::sleep(PAUSE).await;
                Box::pin(self.get_within(key, tries - 1)).await
            }
            Err(reason) => Err(self.broken(key, &reason)),
        }
    }

    async fn body(&self, mut body: ByteStream) -> Result<Vec<u8>, String> {
        let (mut bytes, mut flow) = (Vec::new(), Flow::new(self.limits));
        loop {
            match flow.next(body.try_next()).await {
                Some(Ok(Some(piece))) => {
                    flow.came(piece.len());
                    bytes.extend_from_slice(&piece);
                }
                Some(Ok(None)) => return Ok(bytes),
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err(STILL.to_owned()),
            }
        }
    }

    fn broken(&self, key: &str, reason: &str) -> BackupError {
        BackupError::Store { action: self.doing(format!("read {key}")), reason: reason.to_owned() }
    }

    /// Reads an object once and keeps its version and digests; refuses it unless it has the expected length and SHA-256.
    pub(crate) async fn pin(&self, key: &str, expected: &Sum) -> Result<Pinned, BackupError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|error| match error {
            SdkError::ServiceError(e) if e.err().is_not_found() => BackupError::Damaged(format!("{key} is not there")),
            error => self.failed(format!("find {key}"))(error),
        })?;
        let (stored, bytes) =
            (u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default(), expected.bytes);
        if stored != bytes {
            return Err(BackupError::Damaged(format!("{key} has {stored} bytes instead of {bytes}")));
        }
        let mut pinned =
            Pinned { key: key.to_owned(), etag: head.e_tag().map(str::to_owned), bytes, ranges: Vec::new() };
        let mut whole = digest::Context::new(&digest::SHA256);
        for (first, last) in ranges(bytes) {
            let range = self.range(key, pinned.etag.clone(), first, last).await?;
            whole.update(&range);
            pinned.ranges.push(digest::digest(&digest::SHA256, &range));
        }
        if hex::encode(whole.finish()) != expected.sha256 {
            return Err(BackupError::Damaged(format!("the SHA-256 of {key} is not the manifest's")));
        }
        Ok(pinned)
    }

    /// Reads a pinned object again, range by range. At most two ranges are in memory.
    pub(crate) fn read(&self, pinned: &Pinned) -> mpsc::Receiver<Chunk> {
        let (sender, receiver) = mpsc::channel(1);
        let (store, key, etag, bytes) = (self.clone(), pinned.key.clone(), pinned.etag.clone(), pinned.bytes);
        let digests = pinned.ranges.clone();
        tokio::spawn(async move {
            for ((first, last), expected) in ranges(bytes).zip(digests) {
                let range = store.range(&key, etag.clone(), first, last).await.and_then(|range| {
                    if digest::digest(&digest::SHA256, &range).as_ref() == expected.as_ref() {
                        return Ok(range);
                    }
                    Err(BackupError::Damaged(format!("{key} changed while it was read")))
                });
                let (chunk, failed) = match range {
                    Ok(range) => (Ok(range), false),
                    Err(error) => (Err(std::io::Error::other(error)), true),
                };
                if sender.send(chunk).await.is_err() || failed {
                    break;
                }
            }
        });
        receiver
    }

    /// The driver tries a request again until it has an answer; whose body then breaks off is asked for what is missing. Every part is of the
    /// same version, if the store tells versions apart.
    async fn range(&self, key: &str, etag: Option<String>, first: u64, last: u64) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        let mut tries = TRIES;
        loop {
            let (from, before) = (first + bytes.len() as u64, bytes.len());
            let get = self.client.get_object().bucket(&self.bucket).key(key).set_if_match(etag.clone());
            let answer = get.range(format!("bytes={from}-{last}")).send().await;
            let answer = answer.map_err(self.failed(format!("read {key}")))?;
            if answer.content_range().is_none_or(|range| !range.starts_with(&format!("bytes {from}-"))) {
                return Err(self.broken(key, "the store answers with other bytes than were asked for"));
            }
            let (mut body, mut flow) = (answer.body, Flow::new(self.limits));
            let ended = loop {
                match flow.next(body.try_next()).await {
                    // Never more in memory than was asked for.
                    Some(Ok(Some(piece))) if bytes.len() as u64 + piece.len() as u64 > last - first + 1 => {
                        return Err(self.broken(key, "the answer is longer than what was asked for"));
                    }
                    Some(Ok(Some(piece))) => {
                        flow.came(piece.len());
                        bytes.extend_from_slice(&piece);
                    }
                    Some(Ok(None)) => break "the answer was cut short".to_owned(),
                    Some(Err(error)) => break error.to_string(),
                    None => break STILL.to_owned(),
                }
            };
            if bytes.len() as u64 == last - first + 1 {
                return Ok(bytes);
            }
            // As long as something worth the while comes it goes on.
            tries = if bytes.len() - before >= PROGRESS { TRIES } else { tries - 1 };
            if tries == 0 {
                return Err(self.broken(key, &ended));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// First and last byte of each range.
fn ranges(bytes: u64) -> impl Iterator<Item = (u64, u64)> + Send {
    (0..bytes.div_ceil(RANGE)).map(move |index| (index * RANGE, ((index + 1) * RANGE).min(bytes) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    #[tokio::test]
    async fn what_changes_after_it_was_pinned_is_not_read() {
        let store = store("unit-pin").await;
        let sum = |bytes: &[u8]| Sum {
            bytes: bytes.len() as u64,
            sha256: hex::encode(digest::digest(&digest::SHA256, bytes)),
        };
        store.put("a", b"genuine".to_vec(), false).await.unwrap();
        assert!(store.pin("a", &sum(b"another")).await.is_err_and(|error| error.condemns()));
        let mut pinned = store.pin("a", &sum(b"genuine")).await.unwrap();
        assert_eq!(store.read(&pinned).recv().await.unwrap().unwrap(), b"genuine");
        store.put("a", b"forged!".to_vec(), false).await.unwrap();
        assert!(store.read(&pinned).recv().await.unwrap().is_err(), "the version is another");
        // Even where the store would not tell.
        pinned.etag = None;
        assert!(store.read(&pinned).recv().await.unwrap().is_err(), "the bytes are others");
    }

    #[test]
    fn ranges_cover_an_object_once() {
        for bytes in [0, 1, RANGE - 1, RANGE, RANGE + 1, 3 * RANGE] {
            assert_eq!(ranges(bytes).map(|(first, last)| last + 1 - first).sum::<u64>(), bytes);
        }
    }

    #[tokio::test]
    async fn what_is_too_large_for_a_document_is_read_as_nothing() {
        let store = store("unit-large").await;
        let large = vec![b'x'; usize::try_from(LARGEST_DOCUMENT).unwrap() + 1];
        store.put("large", large, false).await.unwrap();
        assert_eq!(store.get("large").await.unwrap(), Some(Vec::new()));
        assert_eq!(store.get("none").await.unwrap(), None);
    }
}
