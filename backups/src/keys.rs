//! One age identity (X25519) per tenant, in the age tool's own file format.
//!
//! **Deleting a tenant's file makes all of its backups unreadable, for everybody and for ever** (crypto-shredding): that is how a
//! deleted practice disappears from backups that an object lock still keeps, and why the folder itself needs a backup elsewhere.
//!
//! Must stay true: a key is on disk before anything is encrypted with it; two processes that make one at once end with one key;
//! only the owner can read; no key is part of a database or a bucket.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use labor_catalog::TenantName;
use uuid::Uuid;

use crate::BackupError;

/// The folder that holds the tenants' keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The folder; it is made when the first key is.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where a tenant's key is. Deleting this file shreds the tenant's backups.
    #[must_use]
    pub fn file(&self, tenant: &TenantName) -> PathBuf {
        self.0.join(format!("{tenant}.age-identity"))
    }

    /// The tenant's key.
    pub(crate) fn open(&self, tenant: &TenantName) -> Result<Identity, BackupError> {
        let path = self.file(tenant);
        match fs::read_to_string(&path) {
            Ok(text) => {
                only_owner(&self.0)?;
                only_owner(&path)?;
                parse(&text).map_err(|reason| BackupError::Key { path, reason })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(BackupError::Key {
                path,
                reason: "is not there; without it no backup of this tenant can be read".to_owned(),
            }),
            Err(error) => Err(BackupError::Key { path, reason: error.to_string() }),
        }
    }

    /// The tenant's key, made now if there is none. What is returned is what a later reader finds in the file.
    pub(crate) fn open_or_make(&self, tenant: &TenantName) -> Result<Identity, BackupError> {
        if !self.file(tenant).exists() {
            self.make(tenant)?;
        }
        self.open(tenant)
    }

    fn make(&self, tenant: &TenantName) -> Result<(), BackupError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(BackupError::io(format!("make the key folder {}", self.0.display())))?;
        only_owner(&self.0)?;
        let temporary = self.0.join(format!(".{tenant}.{}", Uuid::now_v7()));
        let made = write_new(&temporary).and_then(|()| match fs::hard_link(&temporary, self.file(tenant)) {
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
        chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ"),
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

fn only_owner(path: &Path) -> Result<(), BackupError> {
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
    fn a_missing_key_is_not_made_for_reading() {
        let (_place, keys, tenant) = folder();
        assert!(matches!(keys.open(&tenant), Err(BackupError::Key { .. })));
        assert!(!keys.file(&tenant).exists());
    }
}
