//! Backup and verification of one tenant or of all, what is kept of it, and restore, export and erasure of one.
//!
//! The way of a backup: `dump` (plain SQL out of one snapshot) → `seal` (zstd, then age to the tenant's own recipient) → `ship`
//! (upload) → `manifest` (what it must contain); and later `restore` with `proof` (whether it does). For all tenants at once (`fleet`)
//! the plain SQL comes out of the same kind of snapshot by the `layout` of their `class`.
//!
//! What must stay true:
//! - **An object without a manifest is no backup.** The manifest is written last, after the dump's exit status was seen.
//! - **Only a manifest that the tenant's own key made is believed** (`mac`), and nothing of a dump runs before that was checked.
//! - **A backup is good when it was restored.** Nothing less is reported as verified.
//! - **The two newest good backups and the newest verified one are never removed**, and a hold keeps all (`retention`, `prune`).
//! - **What can't be judged is never removed, and nobody who is not looked at is silently well** (`standing`, `recovery_point`).
//! - **A restore over a practice loses nothing** (`over`): what was there is kept, and what was accepted since is taken over.
//! - **A seal is never replaced** (`audit`): what it says of a practice's audit can't be unsaid by whoever rules the database.
//! - **The dump restores without Labor**: `age -d -i KEY dump.sql.zst.age | zstd -d | psql`.
//! - Nothing whole in memory or on disk; no password in an argument; no row of a patient in an error or a log.
mod admission;
mod audit;
mod blame;
mod bucket;
mod carry;
mod class;
mod clock;
mod control;
mod control_prune;
mod dump;
mod erase;
mod error;
mod export;
mod figures;
mod fleet;
mod kept;
mod keys;
mod layout;
mod leaned_on;
mod list;
mod load;
mod mac;
mod manifest;
mod missing;
mod over;
mod pace;
mod pipe;
mod practice;
mod program;
mod proof;
mod prune;
mod pruned;
mod reading;
mod recovery_point;
mod request;
mod restore;
mod retention;
mod rewrite;
mod row_rules;
mod run;
mod schedule;
mod scheduler;
mod script;
mod seal;
mod search;
mod settings;
mod ship;
mod signing;
mod snapshot;
mod standing;
mod store;
mod undone;
mod uploads;
mod verify_all;
mod waiting;
mod workers;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use audit::{AuditFault, AuditFindings, AuditHead, Audits, SealRun, Sealed, Sealer};
pub use bucket::{BucketFindings, ObjectLock};
pub use carry::Carried;
pub use class::Class;
pub use control::ControlBackup;
pub use erase::ErasureCertificate;
pub use error::BackupError;
pub use export::{Checked, ExportManifest, Exported, ExportedFile, Signature, check_export};
pub use fleet::{FleetOptions, FleetRun, Outcome};
pub use kept::Kept;
pub use keys::{
    InService, KeyEntry, KeyFate, KeyReceipt, KeyServiceSettings, KmsSettings, Rewrapped, Token, TransitSettings,
};
pub use labor_catalog::TenantName;
pub use list::{Entry, State};
pub use manifest::{BackupId, InvalidId, Manifest, Sum, Unchanged, Verdict, Verified};
pub use missing::MissingRun;
pub use practice::Replaced;
pub use proof::TableDigest;
pub use pruned::{ControlPruned, Fate, PruneOptions, PruneRun, Pruned, PrunedTenant};
pub use recovery_point::{ControlPoint, Patience, RecoveryPoint, RecoveryPoints};
pub use restore::{Destination, Restored, Which};
pub use retention::Retention;
pub use schedule::record::{RunOutcome, ScheduledRun};
pub use schedule::{Schedule, ScheduleEntry, Scope, SetSchedule};
pub use scheduler::{Attempted, Scheduler, SchedulerOptions};
pub use settings::{Settings, StoreLimits, StoreSettings};
pub use signing::{PublicKey, SigningKey};
pub use verify_all::{Proof, ProofRun, Sampling};

type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What every command needs: two databases' logins (to read, to restore), the keys and the store.
#[derive(Clone)]
pub struct Backup {
    source: tokio_postgres::Config,
    /// Where schedules and their runs are: the primary, when the source is a standby.
    plan: tokio_postgres::Config,
    target: Option<tokio_postgres::Config>,
    program_folder: Option<std::path::PathBuf>,
    keys: keys::Keys,
    store: store::Store,
    stop: CancellationToken,
    progress: Option<Progress>,
    new_key: bool,
}

impl Backup {
    /// Reads the settings. Connects to nothing yet.
    ///
    /// # Errors
    /// When a URL or a certificate can't be read.
    pub fn new(settings: Settings) -> Result<Self, BackupError> {
        let parse = |url: &str| labor_connect::parse(url, "labor-backup");
        Ok(Self {
            source: parse(&settings.database_url)?,
            plan: parse(settings.schedule_url.as_deref().unwrap_or(&settings.database_url))?,
            target: settings.restore_url.as_deref().map(parse).transpose()?,
            program_folder: settings.program_folder,
            keys: keys::Keys::new(settings.keys, &settings.key_service)?,
            store: store::Store::new(&settings.store),
            stop: CancellationToken::new(),
            progress: None,
            new_key: false,
        })
    }

    /// Where progress goes: one line for each step, without any data.
    #[must_use]
    pub fn with_progress(mut self, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(say));
        self
    }

    /// Lets `run` go on with a key that earlier backups of the tenant were not encrypted to, or make one although there are such
    /// backups. Whoever has lost the old key loses those backups; otherwise the key folder is the wrong one.
    #[must_use]
    pub const fn with_new_key(mut self, allowed: bool) -> Self {
        self.new_key = allowed;
        self
    }

    /// Sends no more than so many MiB in a second to the store, all uploads together.
    #[must_use]
    pub fn with_upload_limit(mut self, mib_per_second: Option<u32>) -> Self {
        self.store.pace = mib_per_second.map(|limit| pace::Pace::new(u64::from(limit) << 20));
        self
    }

    /// Cancel it to stop orderly: an upload is aborted, a restore rolled back, and the call returns [`BackupError::Stopped`].
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The same, which also stops when this is cancelled.
    pub(crate) fn stopped_by(&self, stop: CancellationToken) -> Self {
        Self { stop, ..self.clone() }
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
