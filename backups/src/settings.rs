//! What the caller must say. No secret is ever printed.
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::KeyServiceSettings;

/// Settings of the backup. The program reads them from the environment (see its `--help`).
#[derive(Clone)]
pub struct Settings {
    /// URL of the login `labor_backup`: BYPASSRLS, SELECT, read only.
    pub database_url: String,
    /// The same login at the primary, when `database_url` names a standby: there schedules are, and what became of them.
    pub schedule_url: Option<String>,
    /// URL of the login `labor_migrator`, for verify and restore only: they need DDL.
    pub restore_url: Option<String>,
    /// Folder with one age identity per tenant. It must never be part of what is backed up.
    pub keys: PathBuf,
    /// What wraps them.
    pub key_service: KeyServiceSettings,
    /// Folder with `pg_dump`; else it is looked for.
    pub program_folder: Option<PathBuf>,
    /// Where backups go.
    pub store: StoreSettings,
}

/// An S3 bucket and what opens it.
#[derive(Clone)]
pub struct StoreSettings {
    /// Address of a server other than Amazon's; requests are then path-style.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// Bucket.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// How long it is waited for.
    pub limits: StoreLimits,
}

/// How long a store is waited for that says nothing.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Within this it answers, and within this something more of an answer comes.
    pub answer: Duration,
    /// What is sent may take longer: as long as on a line that takes so many bytes in a second.
    pub bytes_per_second: u32,
}

/// Thirty seconds, and 32 KiB in a second: a part of 8 MiB has some five minutes.
impl Default for StoreLimits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(30), bytes_per_second: 32 << 10 }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("keys", &self.keys)
            .field("key_service", &self.key_service)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}
