//! Many tenants at a time, each in a task of its own.
//! Must stay true: when one is stopped, the others come to the end of what they are at, so that they can clean up.
use futures_util::{StreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::BackupError;

/// What came of each, in whatever order; or the first error, which is one that ends all.
pub(crate) async fn all<T>(
    jobs: usize,
    work: impl Iterator<Item = JoinHandle<Result<T, BackupError>>>,
) -> Result<Vec<T>, BackupError> {
    let (mut work, mut done, mut failed) = (stream::iter(work).buffer_unordered(jobs.max(1)), Vec::new(), None);
    while let Some(one) = work.next().await {
        match one.map_err(|error| BackupError::io("run a worker")(std::io::Error::other(error))).flatten() {
            Ok(one) => done.push(one),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(done), Err)
}
