//! What a backup says about itself, and where its parts are in the bucket.
//! Must stay true: a reader refuses a format that it does not know; what a restore relies on was [authenticated](authenticate); no
//! name of a person or practice is in it.
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use labor_catalog::TenantName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::CLOCKS_DIFFER;
use crate::mac::{self, MacKey};
use crate::{BackupError, TableDigest};

/// The format this version writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// `<UTC time>-<UUIDv7>`: sorts by time, and two backups in one second differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

/// The text is not the id of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a backup: expected yyyymmddThhmmssZ-<uuid>, as `labor-backup list` shows it")]
pub struct InvalidId;

impl BackupId {
    pub(crate) fn new(at: DateTime<Utc>) -> Self {
        Self(format!("{}-{}", at.format("%Y%m%dT%H%M%SZ"), Uuid::now_v7()))
    }

    /// Whether it says that it is of a time that has not come.
    pub(crate) fn is_future(&self, now: DateTime<Utc>) -> bool {
        self.0.as_str() > (now + CLOCKS_DIFFER).format("%Y%m%dT%H%M%SZ").to_string().as_str()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for BackupId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (time, uuid) = text.split_once('-').ok_or(InvalidId)?;
        let sound = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").is_ok()
            && Uuid::parse_str(uuid).is_ok_and(|parsed| parsed.to_string() == uuid);
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
    }
}

impl TryFrom<String> for BackupId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Length and SHA-256 of a stream of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Length.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What a backup must contain, taken in the dump's own snapshot. Written last: an object without manifest is no backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this document.
    pub format: u32,
    /// Whose backup it is.
    pub tenant: TenantName,
    /// Which one.
    pub backup: BackupId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the dump was stored.
    pub finished_at: DateTime<Utc>,
    /// Version in the tenant's stamp.
    pub schema_version: i32,
    /// Digest of the schema's definition.
    pub fingerprint: String,
    /// Digest of what `pg_dump` writes besides what the fingerprint tells (comments, grantors …); none when only `pg_dump` can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub besides: Option<String>,
    /// The ledger's fingerprint when it differs: the schema had drifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_fingerprint: Option<String>,
    /// Rows and digest of every table.
    pub tables: BTreeMap<String, TableDigest>,
    /// The plain SQL text.
    pub plain: Sum,
    /// The object as stored.
    pub sealed: Sum,
    /// Whom it is encrypted to (an age recipient, public).
    pub recipient: String,
    /// Where the write-ahead log stood at the snapshot.
    pub snapshot_lsn: String,
    /// Version of the server.
    pub server_version: String,
    /// Version of `pg_dump`.
    pub pg_dump_version: String,
    /// Version of this program.
    pub labor_backup_version: String,
    /// HMAC-SHA256 of all the rest, by a key derived from the tenant's own; see `mac.rs`.
    #[serde(default)]
    pub mac: String,
}

impl Manifest {
    /// Reads a manifest, and checks that it is the one of this tenant and backup. **Anybody who can write into the bucket can have
    /// made it**: good enough to list it, not to restore by it.
    pub(crate) fn read(bytes: &[u8], tenant: &TenantName, backup: &BackupId) -> Result<Self, BackupError> {
        let unreadable =
            |error: serde_json::Error| BackupError::Damaged(format!("the manifest of {backup} can't be read: {error}"));
        let document: Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        if let Some(format) =
            document.get("format").and_then(Value::as_u64).filter(|format| *format != u64::from(FORMAT))
        {
            return Err(BackupError::Refused(format!(
                "{backup} has format {format}, this version reads format {FORMAT}"
            )));
        }
        let manifest: Self = serde_json::from_value(document).map_err(unreadable)?;
        if manifest.tenant != *tenant || manifest.backup != *backup {
            return Err(BackupError::Damaged(format!("the manifest of {backup} belongs to another backup")));
        }
        Ok(manifest)
    }

    /// The same with its HMAC.
    pub(crate) fn signed(mut self, key: &MacKey) -> Result<Self, BackupError> {
        let document = serde_json::to_value(&self).map_err(|error| BackupError::Invalid(error.to_string()))?;
        self.mac = mac::of(&document, key)?;
        Ok(self)
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }
}

/// A document of this tenant's as it is stored: with its HMAC in the field `mac`.
pub(crate) fn sealed(document: &impl Serialize, key: &MacKey) -> Result<Vec<u8>, BackupError> {
    let invalid = |error: serde_json::Error| BackupError::Invalid(error.to_string());
    let mut document = serde_json::to_value(document).map_err(invalid)?;
    let mac = mac::of(&document, key)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("mac".to_owned(), Value::String(mac));
    }
    serde_json::to_vec_pretty(&document).map_err(invalid)
}

/// Reads one back: none unless the tenant's key made it, for this backup, in the format that is known here. What is none of that
/// **can't be judged**, which is something else than that it says nothing.
pub(crate) fn authentic<T: DeserializeOwned>(
    bytes: &[u8],
    tenant: &TenantName,
    backup: &BackupId,
    key: &MacKey,
) -> Option<T> {
    authenticate(bytes, backup, key).ok()?;
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let has = |field: &str, value: &str| document.get(field).and_then(Value::as_str) == Some(value);
    let known = document.get("format").and_then(Value::as_u64) == Some(u64::from(FORMAT));
    let ours = known && has("tenant", tenant.as_str()) && has("backup", backup.as_str());
    ours.then(|| serde_json::from_value(document).ok()).flatten()
}

/// Refuses a manifest that was not made with the tenant's key: without HMAC, with another one, or altered.
pub(crate) fn authenticate(bytes: &[u8], backup: &BackupId, key: &MacKey) -> Result<(), BackupError> {
    let authentic = match serde_json::from_slice(bytes) {
        Ok(document) => mac::fits(&document, key)?,
        Err(_) => false,
    };
    if authentic {
        return Ok(());
    }
    Err(BackupError::Damaged(format!("the manifest of {backup} was not made with this tenant's key, or was altered")))
}

/// How a verification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Restored and equal to the manifest.
    Passed,
    /// Damaged, not restorable, or different.
    Failed,
}

/// The last verification of a backup, stored beside its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Format of this document.
    pub format: u32,
    /// Whose backup.
    pub tenant: TenantName,
    /// Which one.
    pub backup: BackupId,
    /// When.
    pub verified_at: DateTime<Utc>,
    /// By which version of this program.
    pub labor_backup_version: String,
    /// Against which server.
    pub server_version: String,
    /// The result.
    pub verdict: Verdict,
    /// What was wrong; names and numbers, no data.
    pub faults: Vec<String>,
    /// What could not be compared, if anything.
    pub remarks: Vec<String>,
    /// Rows that were restored.
    pub rows: u64,
    /// How long it took.
    pub milliseconds: u64,
    /// As the manifest's.
    #[serde(default)]
    pub mac: String,
}

/// That a tenant had not changed since a backup, stored beside its manifest instead of a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchanged {
    /// Format of this document.
    pub format: u32,
    /// Whose backup.
    pub tenant: TenantName,
    /// Which one.
    pub backup: BackupId,
    /// Until when nothing had changed: the snapshot whose rows and definitions were compared with the manifest's.
    pub until: DateTime<Utc>,
    /// Where the write-ahead log stood then.
    pub snapshot_lsn: String,
    /// As the manifest's.
    #[serde(default)]
    pub mac: String,
}

/// That `prune` found a backup damaged or without manifest, stored beside what is left of it: a day has to pass before that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broken {
    pub(crate) format: u32,
    pub(crate) tenant: TenantName,
    pub(crate) backup: BackupId,
    pub(crate) found_at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) mac: String,
}

/// Where all tenants' folders are.
pub(crate) const ALL: &str = "tenants/";

/// Folder of a tenant's backups.
pub(crate) fn folder(tenant: &TenantName) -> String {
    format!("{ALL}{tenant}/backups/")
}

/// What begins with this is one backup's.
pub(crate) fn of_backup(tenant: &TenantName, backup: &BackupId) -> String {
    format!("{}{backup}/", folder(tenant))
}

/// The encrypted dump.
pub(crate) fn dump_key(tenant: &TenantName, backup: &BackupId) -> String {
    format!("{}{backup}/dump.sql.zst.age", folder(tenant))
}

/// The manifest.
pub(crate) fn manifest_key(tenant: &TenantName, backup: &BackupId) -> String {
    format!("{}{backup}/manifest.json", folder(tenant))
}

/// The last verification.
pub(crate) fn verified_key(tenant: &TenantName, backup: &BackupId) -> String {
    format!("{}{backup}/verified.json", folder(tenant))
}

/// The last time that the tenant was found to be as it is in the backup.
pub(crate) fn unchanged_key(tenant: &TenantName, backup: &BackupId) -> String {
    format!("{}{backup}/unchanged.json", folder(tenant))
}

/// When it was found to be broken.
pub(crate) fn broken_key(tenant: &TenantName, backup: &BackupId) -> String {
    format!("{}{backup}/broken.json", folder(tenant))
}

#[cfg(test)]
mod tests {
    use age::x25519::Identity;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let id = BackupId::new(Utc::now());
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for bad in [
            "",
            "latest",
            "20260101T000000Z",
            "20260101T000000Z-x",
            "20261301T000000Z-019f0000-0000-7000-8000-000000000000",
            "../x",
        ] {
            assert!(bad.parse::<BackupId>().is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_manifest_of_a_later_format_is_refused_by_its_number() {
        let (tenant, id) = (TenantName::random().unwrap(), BackupId::new(Utc::now()));
        let error = Manifest::read(br#"{"format":2,"anything":"else"}"#, &tenant, &id).unwrap_err();
        assert!(matches!(error, BackupError::Refused(_)), "{error}");
    }

    #[test]
    fn a_document_of_another_backup_or_tenant_or_of_a_later_format_says_nothing_here() {
        let key = MacKey::of(&Identity::generate()).unwrap();
        let (tenant, backup) = (TenantName::random().unwrap(), BackupId::new(Utc::now()));
        let document = |format: u32, tenant: &TenantName, backup: &BackupId| {
            let (tenant, backup) = (tenant.clone(), backup.clone());
            let found = Broken { format, tenant, backup, found_at: Utc::now(), mac: String::new() };
            sealed(&found, &key).unwrap()
        };
        let read = |bytes: &[u8], key: &MacKey| authentic::<Broken>(bytes, &tenant, &backup, key).is_some();
        assert!(read(&document(FORMAT, &tenant, &backup), &key));
        assert!(!read(&document(FORMAT, &tenant, &backup), &MacKey::of(&Identity::generate()).unwrap()));
        assert!(!read(&document(FORMAT + 1, &tenant, &backup), &key));
        assert!(!read(&document(FORMAT, &TenantName::random().unwrap(), &backup), &key));
        assert!(!read(&document(FORMAT, &tenant, &BackupId::new(Utc::now())), &key));
        // The key's, but not what this version takes for one: a field has another type.
        let other = serde_json::json!({"format": FORMAT, "tenant": tenant, "backup": backup, "found_at": 7});
        assert!(!read(&sealed(&other, &key).unwrap(), &key));
        assert!(!read(b"", &key) && !read(b"{}", &key));
    }
}
