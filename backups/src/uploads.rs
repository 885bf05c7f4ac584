//! Uploads that were begun and are not there yet: found, told from those at work, and aborted.
//! Must stay true: listings are paged to their end; an upload to which something was sent within a day is nobody's leftover.
use std::time::Duration;

use aws_sdk_s3::primitives::DateTime as StoreTime;
use chrono::{DateTime, Utc};

use crate::BackupError;
use crate::store::Store;

/// Unfinished uploads in one answer; few in tests, so that these have a second page.
const PAGE: i32 = if cfg!(test) { 2 } else { 1_000 };
/// What nobody touched for so long belongs to a run that was killed.
pub(crate) const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// An upload that was begun and neither completed nor aborted.
pub(crate) struct Unfinished {
    pub(crate) key: String,
    pub(crate) id: String,
    begun: Option<StoreTime>,
}

impl Store {
    /// Uploads under a prefix that were begun and neither completed nor aborted.
    pub(crate) async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, BackupError> {
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let asked = (key.clone(), id.clone());
            let listing = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(prefix).max_uploads(PAGE);
            let page = listing.set_key_marker(key).set_upload_id_marker(id).send().await;
            let page = page.map_err(self.failed(format!("list the unfinished uploads of {prefix}")))?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                let (key, id) = (upload.key()?.to_owned(), upload.upload_id()?.to_owned());
                Some(Unfinished { key, id, begun: upload.initiated().copied() })
            }));
            (key, id) = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
            // Some stores page by the upload's id alone. A page that is asked for again would never end.
            let goes_on = page.is_truncated() == Some(true) && (&key, &id) != (&asked.0, &asked.1);
            if !goes_on {
                return Ok(found);
            }
        }
    }

    /// Makes the store forget an unfinished upload.
    pub(crate) async fn abort(&self, upload: &Unfinished) -> Result<(), BackupError> {
        let Unfinished { key, id, .. } = upload;
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
        abort.send().await.map(drop).map_err(self.failed(format!("abort the upload of {key}")))
    }

    /// Aborts uploads of which nothing was sent for a day: a killed run left them. One that is at work for longer, on a slow line or
    /// below a limit, goes on. Best effort: the bucket's lifecycle rules are the second net.
    pub(crate) async fn sweep(&self, prefix: &str, now: DateTime<Utc>) {
        let limit = now.timestamp().saturating_sub(i64::try_from(ABANDONED.as_secs()).unwrap_or(i64::MAX));
        for upload in self.unfinished(prefix).await.unwrap_or_default() {
            if upload.begun.is_none_or(|begun| begun.secs() >= limit) {
                continue;
            }
            match self.last_part(&upload).await {
                Ok(last) if last.is_none_or(|last| last < limit) => {
                    tracing::info!(upload.key, "aborting an upload that a killed run left");
                    if let Err(error) = self.abort(&upload).await {
                        tracing::warn!(upload.key, %error, "an abandoned upload stays");
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(upload.key, %error, "whether an upload is abandoned can't be told"),
            }
        }
    }

    /// When a part of an upload arrived last, in seconds since 1970.
    async fn last_part(&self, upload: &Unfinished) -> Result<Option<i64>, BackupError> {
        let Unfinished { key, id, .. } = upload;
        let listing = self.client.list_parts().bucket(&self.bucket).key(key).upload_id(id);
        let (mut pages, mut last) = (listing.into_paginator().send(), None);
        while let Some(page) = pages.next().await {
            let page = page.map_err(self.failed(format!("list the parts of {key}")))?;
            last = page
                .parts()
                .iter()
                .map(|part| part.last_modified().map_or(i64::MAX, StoreTime::secs))
                .chain(last)
                .max();
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::ByteStream;

    use super::*;
    use crate::store::tests::store;

    #[tokio::test]
    async fn unfinished_uploads_are_listed_to_the_last_page() {
        let store = store("unit-uploads").await;
        for number in 0..3 {
            let begin = store.client.create_multipart_upload().bucket("unit-uploads").key(format!("x/{number}"));
            begin.send().await.unwrap();
        }
        let found = store.unfinished("x/").await.unwrap();
        assert_eq!(found.len(), 3);
        for upload in &found {
            store.abort(upload).await.unwrap();
        }
        assert!(store.unfinished("x/").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_upload_to_which_something_was_sent_within_a_day_is_at_work() {
        let store = store("unit-sweep").await;
        let begin = async |key: &str| {
            let begun = store.client.create_multipart_upload().bucket("unit-sweep").key(key).send().await.unwrap();
            begun.upload_id().unwrap().to_owned()
        };
        begin("x/killed").await;
        let id = begin("x/slow").await;
        let begun = store.unfinished("x/").await.unwrap().iter().filter_map(|one| one.begun).max().unwrap().secs();
        let send = async || {
            let part = store.client.upload_part().bucket("unit-sweep").key("x/slow").upload_id(&id).part_number(1);
            part.body(ByteStream::from(vec![0; 1])).send().await.unwrap();
            let slow = store.unfinished("x/slow").await.unwrap().remove(0);
            let last = store.last_part(&slow).await.unwrap().unwrap();
            Ok(if last > begun { Ok(last) } else { Err("the same second".to_owned()) })
        };
        let last = labor_testing::until("a part of a later second", Duration::from_secs(20), send).await.unwrap();
        let day_after = DateTime::from_timestamp(last, 0).unwrap() + chrono::TimeDelta::days(1);
        let left = async || store.unfinished("x/").await.unwrap().into_iter().map(|one| one.key).collect::<Vec<_>>();
        store.sweep("x/", Utc::now()).await;
        assert_eq!(left().await.len(), 2, "what was begun today was aborted");
        store.sweep("x/", day_after).await;
        assert_eq!(left().await, ["x/slow"]);
        store.sweep("x/", day_after + chrono::TimeDelta::seconds(1)).await;
        assert_eq!(left().await, Vec::<String>::new());
    }
}
