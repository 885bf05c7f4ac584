//! One age identity (X25519) per tenant, in the age tool's own file format.
//!
//! **Deleting a tenant's file makes all of its backups unreadable, for everybody and for ever** (crypto-shredding): that is how a
//! deleted practice disappears from backups that an object lock still keeps, and why the folder itself needs a backup elsewhere.
//!
//! Must stay true: a key is on disk before anything is encrypted with it; two processes that make one at once end with one key;
//! only the owner can read; no key is part of a database or a bucket; a key is called destroyed only when it was there and a search
//! of the folder finds nothing of it. That it was there is on disk before it is taken away (`<tenant>.<request>.destroyed`), so a killed run is continued
//! by running it again.
use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::BackupError;

/// The folder that holds the tenants' keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

/// What became of a key that was to be destroyed. It speaks of this folder; copies of it elsewhere are their keepers' to destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum KeyFate {
    /// It was in the folder, and a search finds nothing of it any more.
    #[serde(rename = "destroyed")]
    Destroyed,
    /// The folder had none.
    #[serde(rename = "was not there")]
    WasNotThere,
}

/// That a key was there when it was to be destroyed, and for which request. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReceipt {
    /// The request for the tenant's deletion.
    pub request: Uuid,
    /// Which key: the other half, that backups were sealed to. None: its file could not be read as a key.
    pub public_key: Option<String>,
    /// When it was found, and then destroyed.
    pub at: DateTime<Utc>,
}

impl KeyFolder {
    /// The folder; it is made when the first key is.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where a tenant's key is, or the control schema's. Deleting this file shreds its backups.
    #[must_use]
    pub fn file(&self, of: &(impl Display + ?Sized)) -> PathBuf {
        self.0.join(format!("{of}.age-identity"))
    }

    /// The key of a tenant, or of the control schema.
    pub(crate) fn open(&self, of: &(impl Display + ?Sized)) -> Result<Identity, BackupError> {
        let path = self.file(of);
        match fs::read_to_string(&path) {
            Ok(text) => {
                only_owner(&self.0)?;
                only_owner(&path)?;
                parse(&text).map_err(|reason| BackupError::Key { path, reason })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(BackupError::Key {
                path,
                reason: format!("is not there; without it no backup of {of} can be read"),
            }),
            Err(error) => Err(BackupError::Key { path, reason: error.to_string() }),
        }
    }

    /// The key, made now if there is none. What is returned is what a later reader finds in the file.
    pub(crate) fn open_or_make(&self, of: &(impl Display + ?Sized)) -> Result<Identity, BackupError> {
        if !self.has(of)? {
            self.make(of)?;
        }
        self.open(of)
    }

    /// Whether there is a key that can be opened.
    pub(crate) fn has(&self, of: &(impl Display + ?Sized)) -> Result<bool, BackupError> {
        self.file(of).try_exists().map_err(self.failed("look into"))
    }

    /// Whether there is anything of the tenant's key.
    pub(crate) fn holds(&self, tenant: &TenantName) -> Result<bool, BackupError> {
        Ok(!self.traces(tenant).map_err(self.failed("search"))?.is_empty())
    }

    /// What an earlier run for this request wrote down before it destroyed the tenant's key.
    pub(crate) fn receipt(&self, tenant: &TenantName, request: Uuid) -> Result<Option<KeyReceipt>, BackupError> {
        let path = self.receipt_file(tenant, request);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(BackupError::io(format!("read {}", path.display())))?,
        };
        let unreadable = |error: serde_json::Error| BackupError::Key {
            path,
            reason: format!("is no receipt of a key ({error}): look who wrote it, remove it, and run this again"),
        };
        let receipt: KeyReceipt = serde_json::from_slice(&text).map_err(unreadable)?;
        Ok(Some(receipt).filter(|receipt| receipt.request == request))
    }

    /// Destroys the tenant's key and whatever a killed [`KeyFolder::make`] left of it. The receipt: it was there, now or when an earlier run
    /// for the same request began; none: it was not.
    pub(crate) fn destroy(&self, tenant: &TenantName, request: Uuid) -> Result<Option<KeyReceipt>, BackupError> {
        let found = self.traces(tenant).map_err(self.failed("search"))?;
        let known = self.receipt(tenant, request)?;
        if found.is_empty() {
            return Ok(known);
        }
        if let Some(path) = found.iter().find(|path| path.is_symlink()) {
            let reason = "is a symbolic link: destroy what it points to, then the link, by hand".to_owned();
            return Err(BackupError::Key { path: path.clone(), reason });
        }
        let receipt = match known {
            Some(receipt) => receipt,
            None => self.write_receipt(tenant, request)?,
        };
        for path in found {
            fs::remove_file(&path).map_err(BackupError::io(format!("destroy {}", path.display())))?;
        }
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(self.failed("write"))?;
        match self.traces(tenant).map_err(self.failed("search"))?.pop() {
            None => Ok(Some(receipt)),
            Some(path) => Err(BackupError::Key { path, reason: "appeared while it was destroyed".to_owned() }),
        }
    }

    fn receipt_file(&self, tenant: &TenantName, request: Uuid) -> PathBuf {
        self.0.join(format!("{tenant}.{request}.destroyed"))
    }

    fn write_receipt(&self, tenant: &TenantName, request: Uuid) -> Result<KeyReceipt, BackupError> {
        let key = fs::read_to_string(self.file(tenant)).ok().and_then(|text| parse(&text).ok());
        let public_key = key.map(|identity| identity.to_public().to_string());
        let receipt = KeyReceipt { request, public_key, at: Utc::now() };
        let text = serde_json::to_vec(&receipt).map_err(|error| BackupError::Invalid(error.to_string()))?;
        let (path, temporary) = (self.receipt_file(tenant, request), self.0.join(format!("{tenant}.{request}.new")));
        File::create(&temporary)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| File::open(&self.0)?.sync_all())
            .map_err(BackupError::io(format!("write {}", path.display())))?;
        Ok(receipt)
    }

    /// The key's file, and files of the same content under temporary names.
    fn traces(&self, tenant: &TenantName) -> std::io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let (file, temporary) = (self.file(tenant), format!(".{tenant}."));
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path == file || name.starts_with(&temporary) {
                found.push(path);
            }
        }
        Ok(found)
    }

    fn failed(&self, action: &str) -> impl FnOnce(std::io::Error) -> BackupError {
        BackupError::io(format!("{action} the key folder {}", self.0.display()))
    }

    fn make(&self, of: &(impl Display + ?Sized)) -> Result<(), BackupError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(BackupError::io(format!("make the key folder {}", self.0.display())))?;
        only_owner(&self.0)?;
        let temporary = self.0.join(format!(".{of}.{}", Uuid::now_v7()));
        let made = write_new(&temporary).and_then(|()| match fs::hard_link(&temporary, self.file(of)) {
            // Somebody was faster: theirs is the key.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
        let removed = fs::remove_file(&temporary);
        made.and(removed)
            .and_then(|()| File::open(&self.0)?.sync_all())
            .map_err(BackupError::io(format!("make a key in {}", self.0.display())))
    }
}

fn write_new(path: &Path) -> std::io::Result<()> {
    let identity = Identity::generate();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    write!(
        file,
        "# created: {}\n# public key: {}\n{}\n",
        Utc::now().format("%Y-%m-%dT%H:%M:%SZ"),
        identity.to_public(),
        identity.to_string().expose_secret()
    )?;
    file.sync_all()
}

fn parse(text: &str) -> Result<Identity, String> {
    let mut keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.parse().map_err(|reason| format!("is no age identity: {reason}")),
        _ => Err("must hold exactly one age identity".to_owned()),
    }
}

/// Refuses a secret's file that others can open.
pub(crate) fn only_owner(path: &Path) -> Result<(), BackupError> {
    let found = fs::metadata(path).map_err(BackupError::io(format!("look at {}", path.display())))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let reason = format!("can be opened by others (mode {mode:o}); chmod go= it, and think about who has seen it");
    Err(BackupError::Key { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, KeyFolder, TenantName) {
        let place = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(place.path().join("keys"));
        (place, keys, TenantName::random().unwrap())
    }

    #[test]
    fn processes_that_make_a_key_at_once_end_with_one() {
        let (_place, keys, tenant) = folder();
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| keys.open_or_make(&tenant).unwrap().to_public().to_string())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|key| *key == made[0]));
        assert_eq!(fs::read_dir(&keys.0).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (_place, keys, tenant) = folder();
        keys.open_or_make(&tenant).unwrap();
        assert_eq!(fs::metadata(keys.file(&tenant)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(keys.file(&tenant), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(keys.open(&tenant), Err(BackupError::Key { .. })));
    }

    #[test]
    fn a_destroyed_key_leaves_no_trace_and_a_missing_one_is_not_called_destroyed() {
        let (_place, keys, tenant) = folder();
        let (other, request) = (TenantName::random().unwrap(), Uuid::now_v7());
        assert_eq!(keys.destroy(&tenant, request).unwrap(), None, "there is not even a folder");
        let public = keys.open_or_make(&tenant).unwrap().to_public().to_string();
        keys.open_or_make(&other).unwrap();
        let left_over = keys.0.join(format!(".{tenant}.{}", Uuid::now_v7()));
        fs::hard_link(keys.file(&tenant), &left_over).unwrap();
        let receipt = keys.destroy(&tenant, request).unwrap();
        assert_eq!(receipt.as_ref().and_then(|receipt| receipt.public_key.as_ref()), Some(&public));
        assert!(!left_over.exists() && !keys.file(&tenant).exists() && keys.file(&other).exists());
        assert_eq!(
            keys.destroy(&tenant, request).unwrap(),
            receipt,
            "run again, it was there when the first one began"
        );
        assert_eq!(keys.destroy(&tenant, Uuid::now_v7()).unwrap(), None, "of another request nothing is known");
        fs::write(&left_over, "").unwrap();
        assert!(keys.holds(&tenant).unwrap(), "a left-over holds the private key");
        assert_eq!(keys.destroy(&tenant, request).unwrap(), receipt);
        assert!(!left_over.exists());
    }

    #[test]
    fn a_missing_key_is_not_made_for_reading() {
        let (_place, keys, tenant) = folder();
        assert!(matches!(keys.open(&tenant), Err(BackupError::Key { .. })));
        assert!(!keys.file(&tenant).exists());
    }
}
