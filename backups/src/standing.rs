//! What a backup is worth, told with the tenant's key at hand. The one place that judges a backup and the documents beside it: `run`
//! asks it whether a new one is needed, `status` what is proven, `prune` what may go, `verify --all` what was tried.
//!
//! `list` shows what the bucket says. That is not enough here: whoever can write into the bucket could forge manifests, and the
//! genuine backups would be removed as superfluous.
//!
//! Must stay true: only a document that the tenant's key made counts; **what can't be judged is told apart from what is bad**, so that
//! nobody who may write into the bucket, but not delete, has backups removed by overwriting what stands beside them.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::de::DeserializeOwned;

use crate::clock::CLOCKS_DIFFER;
use crate::list::{Found, Listed};
use crate::mac::MacKey;
use crate::manifest::{self, Broken, Unchanged, Verdict, Verified};
use crate::{Backup, BackupError, BackupId, Manifest};

/// What a backup is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its manifest is the key's and its object has the right size; it did not fail a verification.
    Good {
        /// It was restored, and was what its manifest says.
        verified: bool,
    },
    /// It was restored, and was not what its manifest says.
    Failed,
    /// Nobody can tell here.
    Unknown,
    /// The object is missing or has another size.
    Damaged {
        /// `prune` found that a day ago, and nothing of it was written since.
        due: bool,
    },
    /// No manifest.
    Incomplete {
        /// Likewise. Until then a run may be at work, or somebody may mend a mistake.
        due: bool,
    },
}

/// A backup, its worth, and the time it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) backup: BackupId,
    pub(crate) standing: Standing,
    /// What of it can't be judged: whatever its worth is, it stays, and somebody has to look at it.
    pub(crate) doubt: Option<&'static str>,
    /// When it was begun: what came into the database after that is not in it.
    pub(crate) made: DateTime<Utc>,
    /// Until when the tenant was found to be as it is in it; not before `made`.
    pub(crate) until: DateTime<Utc>,
    /// When it was verified last, with success.
    pub(crate) verified_at: Option<DateTime<Utc>>,
}

/// A document beside a manifest.
enum Beside<T> {
    Missing,
    Genuine(T),
    /// Not of the key, of another backup, of a later format, or not to be read.
    Unknown,
}

const MANIFEST: &str = "its manifest is not of the tenant's key, of a later version, or not to be read: look at it";
const VERDICT: &str =
    "its verified.json is not of the tenant's key, of a later version, or not to be read: verify it again";
const NOTE: &str = "its unchanged.json is not of the tenant's key, of a later version, or not to be read: look at it";
const CLOCK: &str = "it says that it is of a time that had not come when it was stored, or has not yet: look at it";

impl Backup {
    /// Reads a backup's documents.
    pub(crate) async fn judge(
        &self,
        tenant: &TenantName,
        backup: BackupId,
        found: &Found,
        mac_key: &MacKey,
        now: DateTime<Utc>,
    ) -> Result<Judged, BackupError> {
        let document = match &found.manifest {
            Some(listed) => self.store.get_listed(&manifest::manifest_key(tenant, &backup), listed).await?,
            None => None,
        };
        self.judge_document(tenant, backup, document.as_deref(), found, mac_key, now).await
    }

    /// The same, of a manifest that was read already.
    pub(crate) async fn judge_document(
        &self,
        tenant: &TenantName,
        backup: BackupId,
        document: Option<&[u8]>,
        found: &Found,
        mac_key: &MacKey,
        now: DateTime<Utc>,
    ) -> Result<Judged, BackupError> {
        let mut judged =
            Judged { backup, standing: Standing::Unknown, doubt: None, made: now, until: now, verified_at: None };
        let backup = judged.backup.clone();
        let Some(document) = document else {
            judged.standing = Standing::Incomplete { due: self.is_due(tenant, &backup, found, mac_key, now).await? };
            return Ok(judged);
        };
        let Some(manifest) = manifest::authentic::<Manifest>(document, tenant, &backup, mac_key) else {
            // What the key made is of a later version. The rest is nobody's, and where no dump is there is nothing to lose.
            if manifest::authenticate(document, &backup, mac_key).is_err() && found.dump_bytes.is_none() {
                judged.standing = Standing::Damaged { due: self.is_due(tenant, &backup, found, mac_key, now).await? };
            } else {
                judged.doubt = Some(MANIFEST);
            }
            return Ok(judged);
        };
        judged.made = manifest.started_at;
        judged.until = manifest.started_at;
        if found.dump_bytes != Some(manifest.sealed.bytes) {
            judged.standing = Standing::Damaged { due: self.is_due(tenant, &backup, found, mac_key, now).await? };
        } else if is_ahead(&manifest, found, now) {
            judged.doubt = Some(CLOCK);
        } else {
            self.look_beside(&mut judged, tenant, found, mac_key, now).await?;
        }
        Ok(judged)
    }

    /// What is said of a backup that is whole.
    async fn look_beside(
        &self,
        judged: &mut Judged,
        tenant: &TenantName,
        found: &Found,
        mac_key: &MacKey,
        now: DateTime<Utc>,
    ) -> Result<(), BackupError> {
        let backup = judged.backup.clone();
        judged.standing = match self.verification(tenant, &backup, found, mac_key).await? {
            Beside::Missing => Standing::Good { verified: false },
            Beside::Genuine(Verified { verdict: Verdict::Passed, verified_at, .. }) => {
                judged.verified_at = Some(verified_at);
                Standing::Good { verified: true }
            }
            Beside::Genuine(_) => Standing::Failed,
            Beside::Unknown => {
                judged.doubt = Some(VERDICT);
                Standing::Unknown
            }
        };
        let key = manifest::unchanged_key(tenant, &backup);
        match self.beside::<Unchanged>(found.unchanged.as_ref(), key, tenant, &backup, mac_key).await? {
            Beside::Missing => {}
            // Nothing is proven of a time after the proof was stored, whatever the clock of who wrote it said.
            Beside::Genuine(note) => {
                let stored = found.unchanged.as_ref().and_then(Listed::stored);
                let until = stored.map_or(note.until, |stored| note.until.min(stored + CLOCKS_DIFFER));
                judged.until = until.min(now).max(judged.made);
            }
            Beside::Unknown => judged.doubt = judged.doubt.or(Some(NOTE)),
        }
        Ok(())
    }

    /// When a backup passed a verification, if that is the last thing that the tenant's key says of it.
    pub(crate) async fn passed_at(
        &self,
        tenant: &TenantName,
        backup: &BackupId,
        found: &Found,
    ) -> Result<Option<DateTime<Utc>>, BackupError> {
        let mac_key = self.keys.sealing(tenant.as_str()).await?.mac;
        Ok(match self.verification(tenant, backup, found, &mac_key).await? {
            Beside::Genuine(verified) if verified.verdict == Verdict::Passed => Some(verified.verified_at),
            _ => None,
        })
    }

    async fn verification(
        &self,
        tenant: &TenantName,
        backup: &BackupId,
        found: &Found,
        mac_key: &MacKey,
    ) -> Result<Beside<Verified>, BackupError> {
        let key = manifest::verified_key(tenant, backup);
        self.beside(found.verified.as_ref(), key, tenant, backup, mac_key).await
    }

    /// Whether what is broken was found to be so a day ago. A note that the key did not make is none, and is written anew.
    async fn is_due(
        &self,
        tenant: &TenantName,
        backup: &BackupId,
        found: &Found,
        mac_key: &MacKey,
        now: DateTime<Utc>,
    ) -> Result<bool, BackupError> {
        if found.broken.is_none() || found.is_young(now) {
            return Ok(false);
        }
        let key = manifest::broken_key(tenant, backup);
        let note = self.beside::<Broken>(found.broken.as_ref(), key, tenant, backup, mac_key).await?;
        Ok(matches!(note, Beside::Genuine(_)))
    }

    async fn beside<T: DeserializeOwned>(
        &self,
        listed: Option<&Listed>,
        key: String,
        tenant: &TenantName,
        backup: &BackupId,
        mac_key: &MacKey,
    ) -> Result<Beside<T>, BackupError> {
        let document = match listed {
            Some(listed) => self.store.get_listed(&key, listed).await?,
            None => None,
        };
        Ok(document.map_or(Beside::Missing, |document| {
            manifest::authentic(&document, tenant, backup, mac_key).map_or(Beside::Unknown, Beside::Genuine)
        }))
    }
}

/// Whether a manifest is of a time that has not come, or that had not come when the store got it. An hour that is long past says
/// nothing: a bucket that was copied is stored anew.
fn is_ahead(manifest: &Manifest, found: &Found, now: DateTime<Utc>) -> bool {
    let stored = found.manifest.as_ref().and_then(Listed::stored);
    let newest = manifest.started_at.max(manifest.finished_at);
    newest > now + CLOCKS_DIFFER || stored.is_some_and(|stored| newest > stored + CLOCKS_DIFFER)
}
