//! Backup, verification, restore, export and erasure of one tenant.
//!
//! The way of a backup: `dump` (plain SQL out of one snapshot) → `seal` (zstd, then age to the tenant's own recipient) → `ship`
//! (multipart upload) → `manifest` (what it must contain); and later `restore` with `proof` (whether it does).
//!
//! What must stay true:
//! - **An object without a manifest is no backup.** The manifest is written last, after the dump's exit status was seen.
//! - **A backup is good when it was restored.** Nothing less is reported as verified.
//! - **The dump restores without Labor**: `age -d -i KEY dump.sql.zst.age | zstd -d | psql`.
//! - Nothing whole in memory or on disk; no password in an argument; no row of a patient in an error or a log.
mod dump;
mod erase;
mod error;
mod export;
mod keys;
mod list;
mod load;
mod manifest;
mod pipe;
mod program;
mod proof;
mod request;
mod restore;
mod rewrite;
mod run;
mod seal;
mod settings;
mod ship;
mod store;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use erase::ErasureCertificate;
pub use error::BackupError;
pub use export::{ExportManifest, ExportedFile, check_export};
pub use keys::KeyFolder;
pub use labor_catalog::TenantName;
pub use list::{Entry, State};
pub use manifest::{BackupId, InvalidId, Manifest, Sum, Verdict, Verified};
pub use proof::TableDigest;
pub use restore::{Destination, Restored, Which};
pub use settings::{Settings, StoreSettings};

type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What every command needs: two databases' logins (to read, to restore), the keys and the store.
#[derive(Clone)]
pub struct Backup {
    source: tokio_postgres::Config,
    target: Option<tokio_postgres::Config>,
    program_folder: Option<std::path::PathBuf>,
    keys: KeyFolder,
    store: store::Store,
    stop: CancellationToken,
    progress: Option<Progress>,
}

impl Backup {
    /// Reads the settings. Connects to nothing yet.
    ///
    /// # Errors
    /// When a URL can't be read.
    pub fn new(settings: Settings) -> Result<Self, BackupError> {
        let parse = |url: &str| labor_connect::parse(url, "labor-backup");
        Ok(Self {
            source: parse(&settings.database_url)?,
            target: settings.restore_url.as_deref().map(parse).transpose()?,
            program_folder: settings.program_folder,
            keys: KeyFolder::new(settings.keys),
            store: store::Store::new(&settings.store),
            stop: CancellationToken::new(),
            progress: None,
        })
    }

    /// Where progress goes: one line for each step, without any data.
    #[must_use]
    pub fn with_progress(mut self, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(say));
        self
    }

    /// Cancel it to stop orderly: an upload is aborted, a restore rolled back, and the call returns [`BackupError::Stopped`].
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Makes the bucket if there is none. For demo and tests: in production it is made with its versioning and lock policy.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn ensure_bucket(&self) -> Result<(), BackupError> {
        self.store.ensure_bucket().await
    }

    pub(crate) fn say(&self, line: &str) {
        if let Some(progress) = &self.progress {
            progress(line);
        }
    }

    /// Runs until done or stopped.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, BackupError>>,
    ) -> Result<T, BackupError> {
        tokio::select! {
            result = work => result,
            () = self.stop.cancelled() => Err(BackupError::Stopped),
        }
    }
}
