//! The search after an erasure: what of a tenant is still in the bucket.
//!
//! A listing can be of before, when the tenant had nothing there, or of a replica that is behind; then it finds nothing, and that would be
//! certified. So a mark is stored first, and only a listing that shows it counts.
//!
//! Must stay true: nothing is said of a listing without the mark (unfinished uploads are in a listing of their own, which no mark is in); the
//! mark is not among what is counted, and is removed, as far as the bucket lets it be.
use std::time::Duration;

use uuid::Uuid;

use crate::BackupError;
use crate::store::Store;

const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

impl Store {
    /// Everything in a tenant's folder: versions and delete markers, objects of stores that keep no versions, unfinished uploads.
    pub(crate) async fn count(&self, folder: &str) -> Result<usize, BackupError> {
        // Beside the folder, so that both are in one listing. Also those that killed runs left go with it.
        let both = folder.trim_end_matches('/');
        let marks = format!("{both}.mark-");
        let mark = format!("{marks}{}", Uuid::now_v7());
        self.put(&mark, b"{}".to_vec(), false).await?;
        let counted = self.count_with(folder, both, &mark).await;
        match self.delete_all(&marks).await {
            Ok((_, None)) => {}
            Ok((_, Some(refused))) => {
                tracing::warn!(mark, refused, "the mark of a search stays; there is nothing in it")
            }
            Err(error) => tracing::warn!(mark, %error, "the mark of a search stays; there is nothing in it"),
        }
        counted
    }

    async fn count_with(&self, folder: &str, both: &str, mark: &str) -> Result<usize, BackupError> {
        let has_versions = self.ever_kept_versions().await?;
        for _ in 0..TRIES {
            let versions: Vec<_> = self.versions(both).await?.into_iter().map(|id| id.key).collect();
            let objects: Vec<_> = self.list(both).await?.into_iter().map(|object| object.key).collect();
            let shows = |keys: &[String]| keys.iter().any(|key| key == mark);
            if shows(&objects) && (!has_versions || shows(&versions)) {
                let theirs = |keys: &[String]| keys.iter().filter(|key| key.starts_with(folder)).count();
                return Ok(theirs(&versions).max(theirs(&objects)) + self.unfinished(folder).await?.len());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(BackupError::Store {
            action: self.doing(format!("search for what is left in {folder}")),
            reason: "its listing does not show what was stored a moment ago, so it is of before: nothing is certified. Try again later"
                .to_owned(),
        })
    }
}
