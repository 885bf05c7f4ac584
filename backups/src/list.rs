//! `list`: what is in the bucket, newest first.
//! Must stay true: only what has a manifest, and an object of the size it names, is shown as complete; only names that are ours are
//! part of a backup.
use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use labor_catalog::TenantName;
use serde::Serialize;

use crate::manifest::{self, Unchanged, Verified};
use crate::store::Object;
use crate::uploads::ABANDONED;
use crate::{Backup, BackupError, BackupId, Manifest};

/// Documents that are read at a time.
pub(crate) const AT_ONCE: usize = 16;

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
    /// When the tenant was last found to be as it is in this backup, after it was made.
    pub unchanged: Option<Unchanged>,
}

/// A backup that was made before. **Nobody checked its manifest's HMAC.**
pub(crate) struct Earlier {
    pub(crate) backup: BackupId,
    /// Its manifest, if it can be read.
    pub(crate) manifest: Option<Manifest>,
    pub(crate) document: Vec<u8>,
    pub(crate) found: Found,
    /// There is none after it, of which nothing is known.
    pub(crate) newest: bool,
}

/// What a listing tells of a document.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// When it was stored, in seconds since 1970.
    pub(crate) at: i64,
    /// Which version it is.
    pub(crate) etag: Option<String>,
}

impl Listed {
    pub(crate) fn stored(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.at, 0)
    }
}

/// The objects of one backup.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) dump_bytes: Option<u64>,
    /// When the newest of them was stored, in seconds since 1970.
    pub(crate) touched: i64,
    pub(crate) manifest: Option<Listed>,
    pub(crate) verified: Option<Listed>,
    pub(crate) unchanged: Option<Listed>,
    pub(crate) broken: Option<Listed>,
}

impl Found {
    /// The objects that are there, in the order in which they are to go. **The manifest is the first**: cut off at any point, nothing
    /// is left that says it is a backup and is not. The note that it is broken is the last: what is left goes with the next run.
    pub(crate) fn keys(&self, tenant: &TenantName, backup: &BackupId) -> Vec<String> {
        let keys = [
            (self.manifest.is_some(), manifest::manifest_key(tenant, backup)),
            (self.verified.is_some(), manifest::verified_key(tenant, backup)),
            (self.unchanged.is_some(), manifest::unchanged_key(tenant, backup)),
            (self.dump_bytes.is_some(), manifest::dump_key(tenant, backup)),
            (self.broken.is_some(), manifest::broken_key(tenant, backup)),
        ];
        keys.into_iter().filter_map(|(there, key)| there.then_some(key)).collect()
    }

    /// Whether something of it was written within a day.
    pub(crate) fn is_young(&self, now: DateTime<Utc>) -> bool {
        now.timestamp().saturating_sub(self.touched) < i64::try_from(ABANDONED.as_secs()).unwrap_or(i64::MAX)
    }

    /// Takes an object for a part of it; whether it is one.
    pub(crate) fn take(&mut self, name: &str, object: &Object) -> bool {
        let listed = || Some(Listed { at: object.modified, etag: object.etag.clone() });
        match name {
            "dump.sql.zst.age" => self.dump_bytes = Some(object.bytes),
            "manifest.json" => self.manifest = listed(),
            "verified.json" => self.verified = listed(),
            "unchanged.json" => self.unchanged = listed(),
            "broken.json" => self.broken = listed(),
            _ => return false,
        }
        self.touched = self.touched.max(object.modified);
        true
    }
}

pub(crate) type Backups = BTreeMap<(BackupId, TenantName), Found>;

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
        let newest = whole(self.found(Some(tenant)).await?).next_back();
        newest
            .map(|((backup, _), _)| backup)
            .ok_or_else(|| BackupError::NotFound(format!("there is no backup of {tenant}")))
    }

    /// Of each tenant the newest backup with a manifest.
    pub(crate) async fn newest(&self) -> Result<BTreeMap<TenantName, (BackupId, Found)>, BackupError> {
        let found = whole(self.found(None).await?);
        // In the order of their ids, so by time: a later one takes an earlier one's place.
        Ok(found.map(|((backup, tenant), found)| (tenant, (backup, found))).collect())
    }

    /// The newest backup with a readable manifest, else the newest with any.
    pub(crate) async fn earlier(&self, tenant: &TenantName) -> Result<Option<Earlier>, BackupError> {
        let mut newest = None;
        for ((backup, _), found) in whole(self.found(Some(tenant)).await?).rev() {
            let document = self.store.get(&manifest::manifest_key(tenant, &backup)).await?.unwrap_or_default();
            let readable = Manifest::read(&document, tenant, &backup).ok();
            let stop = readable.is_some();
            let earlier = Earlier { backup, manifest: readable, document, found, newest: newest.is_none() };
            if stop {
                return Ok(Some(earlier));
            }
            newest = newest.or(Some(earlier));
        }
        Ok(newest)
    }

    /// Aborts the uploads that killed runs left, of one tenant or of all. Best effort. What they left of objects is for `prune`, which
    /// looks for holds.
    pub(crate) async fn sweep(&self, tenant: Option<&TenantName>) {
        self.store.sweep(&tenant.map_or_else(|| manifest::ALL.to_owned(), manifest::folder), Utc::now()).await;
    }

    /// Who has anything in the bucket.
    pub(crate) async fn tenants_in_bucket(&self) -> Result<BTreeSet<TenantName>, BackupError> {
        let folders = self.store.folders(manifest::ALL).await?;
        Ok(folders.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The objects of every backup, of one tenant or of all, in the order of the backups' ids.
    pub(crate) async fn found(&self, tenant: Option<&TenantName>) -> Result<Backups, BackupError> {
        let prefix = tenant.map_or_else(|| manifest::ALL.to_owned(), manifest::folder);
        let mut backups = Backups::new();
        for object in self.store.list(&prefix).await? {
            let Some((tenant, backup, name)) = parse(&object.key) else {
                continue;
            };
            match backups.entry((backup, tenant)) {
                Slot::Occupied(mut there) => _ = there.get_mut().take(name, &object),
                Slot::Vacant(place) => {
                    let mut found = Found::default();
                    // A folder in which nothing is ours is no backup of ours.
                    if found.take(name, &object) {
                        place.insert(found);
                    }
                }
            }
        }
        Ok(backups)
    }

    async fn entry(&self, tenant: TenantName, backup: BackupId, found: Found) -> Result<Entry, BackupError> {
        let document = async |wanted: bool, key: String| if wanted { self.store.get(&key).await } else { Ok(None) };
        let manifest = document(found.manifest.is_some(), manifest::manifest_key(&tenant, &backup)).await?;
        let manifest = manifest.and_then(|bytes| Manifest::read(&bytes, &tenant, &backup).ok());
        let verified = document(found.verified.is_some(), manifest::verified_key(&tenant, &backup)).await?;
        let verified = verified.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let unchanged = document(found.unchanged.is_some(), manifest::unchanged_key(&tenant, &backup)).await?;
        let unchanged = unchanged.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let state = match &manifest {
            _ if found.manifest.is_none() => State::Incomplete,
            Some(manifest) if found.dump_bytes == Some(manifest.sealed.bytes) => State::Complete,
            _ => State::Damaged,
        };
        Ok(Entry { tenant, backup, state, manifest, verified, unchanged })
    }
}

/// What has a manifest, the oldest first. One from the future would be the newest for ever, so it is nobody's backup.
fn whole(found: Backups) -> impl DoubleEndedIterator<Item = ((BackupId, TenantName), Found)> {
    let now = Utc::now();
    found.into_iter().filter(move |((backup, tenant), found)| {
        let future = backup.is_future(now);
        if future {
            tracing::warn!(%tenant, %backup, "a backup from the future is passed over; who put it there?");
        }
        found.manifest.is_some() && !future
    })
}

/// `tenants/<tenant>/backups/<id>/<name>`; anything else in the bucket is not ours.
fn parse(key: &str) -> Option<(TenantName, BackupId, &str)> {
    let mut parts = key.split('/');
    let (tenants, tenant, backups) = (parts.next()?, parts.next()?, parts.next()?);
    let (backup, name) = (parts.next()?, parts.next()?);
    let ours = tenants == "tenants" && backups == "backups" && parts.next().is_none();
    if ours { Some((tenant.parse().ok()?, backup.parse().ok()?, name)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_goes_before_what_it_points_to() {
        let (tenant, backup) = (TenantName::random().unwrap(), BackupId::new(Utc::now()));
        let at = || Some(Listed { at: 0, etag: None });
        let (dump_bytes, touched) = (Some(1), 0);
        let found = Found { dump_bytes, touched, manifest: at(), verified: at(), unchanged: at(), broken: at() };
        let keys = found.keys(&tenant, &backup);
        assert_eq!((keys.len(), &keys[0]), (5, &manifest::manifest_key(&tenant, &backup)));
        assert_eq!(keys[4], manifest::broken_key(&tenant, &backup), "what is left of it has to wait for another day");
    }
}
