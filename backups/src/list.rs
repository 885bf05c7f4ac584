//! `list`: what is in the bucket, newest first.
//! Must stay true: only what has a manifest, and an object of the size it names, is shown as complete.
use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use labor_catalog::TenantName;
use serde::Serialize;

use crate::manifest::{self, Verified};
use crate::{Backup, BackupError, BackupId, Manifest};

/// Documents that are read at a time.
const AT_ONCE: usize = 16;

/// What a backup is worth at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has a manifest and an object of the right size. Only a verification tells more.
    Complete,
    /// No manifest: not a backup. A run was cut off, or is at work.
    Incomplete,
    /// The object is missing or has another size, or the manifest can't be read.
    Damaged,
}

/// One backup in the bucket.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Whose.
    pub tenant: TenantName,
    /// Which.
    pub backup: BackupId,
    /// Its state.
    pub state: State,
    /// Its manifest, if it can be read.
    pub manifest: Option<Manifest>,
    /// Its last verification.
    pub verified: Option<Verified>,
}

/// The objects of one backup.
#[derive(Default)]
struct Found {
    dump_bytes: Option<u64>,
    manifest: bool,
    verified: bool,
}

type Backups = BTreeMap<(BackupId, TenantName), Found>;

impl Backup {
    /// All backups, of one tenant or of all, newest first.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn list(&self, tenant: Option<&TenantName>) -> Result<Vec<Entry>, BackupError> {
        let found = self.found(tenant).await?;
        let entries = found.into_iter().rev().map(|((backup, tenant), found)| self.entry(tenant, backup, found));
        stream::iter(entries).buffered(AT_ONCE).try_collect().await
    }

    /// The newest backup with a manifest.
    pub(crate) async fn latest(&self, tenant: &TenantName) -> Result<BackupId, BackupError> {
        let found = self.found(Some(tenant)).await?;
        let newest = found.into_iter().rev().find(|(_, found)| found.manifest);
        newest
            .map(|((backup, _), _)| backup)
            .ok_or_else(|| BackupError::NotFound(format!("there is no backup of {tenant}")))
    }

    /// The newest earlier backup, and to whom it says it was encrypted (nobody checked that; nothing when no manifest is readable).
    pub(crate) async fn earlier(&self, tenant: &TenantName) -> Result<Option<(BackupId, Option<String>)>, BackupError> {
        let found = self.found(Some(tenant)).await?;
        let mut newest = None;
        for ((backup, _), _) in found.into_iter().rev().filter(|(_, found)| found.manifest) {
            let document = self.store.get(&manifest::manifest_key(tenant, &backup)).await?.unwrap_or_default();
            if let Ok(manifest) = Manifest::read(&document, tenant, &backup) {
                return Ok(Some((backup, Some(manifest.recipient))));
            }
            newest = newest.or(Some((backup, None)));
        }
        Ok(newest)
    }

    async fn found(&self, tenant: Option<&TenantName>) -> Result<Backups, BackupError> {
        let prefix = tenant.map_or_else(|| "tenants/".to_owned(), manifest::folder);
        let mut backups = Backups::new();
        for object in self.store.list(&prefix).await? {
            let Some((tenant, backup, name)) = parse(&object.key) else {
                continue;
            };
            let found = backups.entry((backup, tenant)).or_default();
            match name {
                "dump.sql.zst.age" => found.dump_bytes = Some(object.bytes),
                "manifest.json" => found.manifest = true,
                "verified.json" => found.verified = true,
                _ => {}
            }
        }
        Ok(backups)
    }

    async fn entry(&self, tenant: TenantName, backup: BackupId, found: Found) -> Result<Entry, BackupError> {
        let document = async |wanted: bool, key: String| if wanted { self.store.get(&key).await } else { Ok(None) };
        let manifest = document(found.manifest, manifest::manifest_key(&tenant, &backup)).await?;
        let manifest = manifest.and_then(|bytes| Manifest::read(&bytes, &tenant, &backup).ok());
        let verified = document(found.verified, manifest::verified_key(&tenant, &backup)).await?;
        let verified = verified.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let state = match &manifest {
            _ if !found.manifest => State::Incomplete,
            Some(manifest) if found.dump_bytes == Some(manifest.sealed.bytes) => State::Complete,
            _ => State::Damaged,
        };
        Ok(Entry { tenant, backup, state, manifest, verified })
    }
}

/// `tenants/<tenant>/backups/<id>/<name>`; anything else in the bucket is not ours.
fn parse(key: &str) -> Option<(TenantName, BackupId, &str)> {
    let mut parts = key.split('/');
    let (tenants, tenant, backups) = (parts.next()?, parts.next()?, parts.next()?);
    let (backup, name) = (parts.next()?, parts.next()?);
    let ours = tenants == "tenants" && backups == "backups" && parts.next().is_none();
    if ours { Some((tenant.parse().ok()?, backup.parse().ok()?, name)) } else { None }
}
