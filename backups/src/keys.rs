//! One age identity (X25519) per tenant, in the age tool's own file format, in a folder; there either plainly, or wrapped by a key
//! service ([`KeyService`]) that is asked whenever a backup is opened.
//!
//! **Destroying a tenant's key makes all of its backups unreadable, for everybody and for ever** (crypto-shredding): that is how a
//! deleted practice disappears from backups that an object lock still keeps.
//!
//! Three files: `<of>.age-identity` (plain) or `<of>.age-identity.wrapped` (a copy of it is worth nothing without the service), and
//! beside a wrapped one `<of>.manifest-key`, what making backups takes ([`SealingKey`]): it opens nothing, and can be derived again.
//! So backups are made and judged while the service is down; whatever opens one asks it, once for each key and process.
//!
//! Must stay true: a key is on disk, and was read back through the service, before anything is encrypted with it; two processes that
//! make one at once end with one key; only the owner can read; no key is part of a database or a bucket; an identity that was unwrapped
//! is kept in memory only; a wrapped file serves the tenant that it was made for, and no other.
mod destroy;
mod folder;
mod identity;
mod kms;
mod overview;
mod rewrap;
mod sealing;
mod service;
mod settings;
mod transit;
mod wrapped;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use age::x25519::Identity;

pub use destroy::{InService, KeyFate, KeyReceipt};
pub(crate) use folder::only_owner;
pub use overview::KeyEntry;
pub use rewrap::Rewrapped;
pub(crate) use sealing::SealingKey;
pub use settings::{KeyServiceSettings, KmsSettings, Token, TransitSettings};

use crate::BackupError;
use folder::{KeyFolder, Staged};
use service::KeyService;
use wrapped::Wrapped;

/// The tenants' keys: the folder that they are in, and the service that unwraps them.
#[derive(Clone)]
pub(crate) struct Keys {
    folder: KeyFolder,
    service: Arc<KeyService>,
    /// What was unwrapped, by whose it is and the wrapped text: what was one tenant's is asked for anew in another's name.
    opened: Arc<Mutex<HashMap<String, Identity>>>,
}

/// How a key lies in the folder.
enum Held {
    Plain(Identity),
    Wrapped(Wrapped),
}

impl Held {
    fn public_key(&self) -> String {
        match self {
            Self::Plain(identity) => identity.to_public().to_string(),
            Self::Wrapped(wrapped) => wrapped.public_key.clone(),
        }
    }
}

impl Keys {
    pub(crate) fn new(folder: PathBuf, service: &KeyServiceSettings) -> Result<Self, BackupError> {
        let service = Arc::new(KeyService::new(service)?);
        Ok(Self { folder: KeyFolder::new(folder), service, opened: Arc::default() })
    }

    /// The file of a key; when there is none, the one that would be made.
    pub(crate) fn file(&self, of: &str) -> PathBuf {
        let (plain, wrapped) = (self.folder.plain(of), self.folder.wrapped(of));
        let wraps = !matches!(*self.service, KeyService::Folder);
        if wrapped.exists() || (wraps && !plain.exists()) { wrapped } else { plain }
    }

    /// Whether there is a key.
    pub(crate) fn has(&self, of: &str) -> Result<bool, BackupError> {
        Ok(self.folder.has(&self.folder.plain(of))? || self.folder.has(&self.folder.wrapped(of))?)
    }

    /// The key itself, unwrapped if need be.
    pub(crate) async fn open(&self, of: &str) -> Result<Identity, BackupError> {
        match self.held(of)? {
            Held::Plain(identity) => Ok(identity),
            Held::Wrapped(wrapped) => self.unwrapped(&wrapped).await,
        }
    }

    /// What making and judging backups takes. The service is asked only when the folder has lost it.
    pub(crate) async fn sealing(&self, of: &str) -> Result<SealingKey, BackupError> {
        let wrapped = match self.held(of)? {
            Held::Plain(identity) => return SealingKey::of(&identity),
            Held::Wrapped(wrapped) => wrapped,
        };
        let path = self.folder.sealing(of);
        if let Some(key) = self.folder.read(&path)?.and_then(|text| SealingKey::parse(&text))
            && key.recipient.to_string() == wrapped.public_key
        {
            return Ok(key);
        }
        let key = SealingKey::of(&self.unwrapped(&wrapped).await?)?;
        // The key is at hand: that it can't be kept, as in a copy of the folder that nobody may write to, stops nothing.
        if let Err(error) = self.keep_sealing(of, &key) {
            tracing::warn!(%error, "the service is asked again next time");
        }
        Ok(key)
    }

    /// The same of a key that is made now if there is none.
    pub(crate) async fn sealing_or_make(&self, of: &str) -> Result<SealingKey, BackupError> {
        if !self.has(of)? {
            self.make(of).await?;
        }
        self.sealing(of).await
    }

    async fn make(&self, of: &str) -> Result<(), BackupError> {
        self.folder.ready()?;
        let identity = Identity::generate();
        let text = identity::text(&identity);
        match self.wrap(of, &identity, &text).await? {
            None => self.folder.add(self.folder.stage(of, &text)?, &self.folder.plain(of)),
            Some(wrapped) => self.folder.add(wrapped, &self.folder.wrapped(of)),
        }
    }

    /// A wrapped key on disk, read back and unwrapped for a try; none when keys lie plainly.
    async fn wrap(&self, of: &str, identity: &Identity, text: &str) -> Result<Option<Staged>, BackupError> {
        let public_key = identity.to_public().to_string();
        let Some(wrapped) = self.service.wrap(of, public_key, text).await? else {
            return Ok(None);
        };
        let staged = self.folder.stage(of, &wrapped.text()?)?;
        let back = self.folder.read(staged.path())?.unwrap_or_default();
        let back =
            Wrapped::read(&back, of).map_err(|reason| BackupError::Key { path: staged.path().to_owned(), reason })?;
        self.unwrapped(&back).await?;
        Ok(Some(staged))
    }

    fn keep_sealing(&self, of: &str, key: &SealingKey) -> Result<(), BackupError> {
        self.folder.replace(&self.folder.stage(of, &key.text())?, &self.folder.sealing(of))
    }

    fn held(&self, of: &str) -> Result<Held, BackupError> {
        let (plain, wrapped) = (self.held_plainly(of)?, self.held_wrapped(of)?);
        match (plain, wrapped) {
            (Some(plain), Some(wrapped)) if plain.public_key() != wrapped.public_key() => {
                let reason = format!(
                    "is not the one in {}: one of the two is in the wrong folder",
                    self.folder.wrapped(of).display()
                );
                Err(BackupError::Key { path: self.folder.plain(of), reason })
            }
            // Both are there while one takes the other's place.
            (Some(held), _) | (None, Some(held)) => Ok(held),
            (None, None) => {
                let reason = format!("is not there; without it no backup of {of} can be read");
                Err(BackupError::Key { path: self.file(of), reason })
            }
        }
    }

    fn held_plainly(&self, of: &str) -> Result<Option<Held>, BackupError> {
        let path = self.folder.plain(of);
        let Some(text) = self.folder.read(&path)? else {
            return Ok(None);
        };
        let identity = identity::parse(&text).map_err(|reason| BackupError::Key { path, reason })?;
        Ok(Some(Held::Plain(identity)))
    }

    fn held_wrapped(&self, of: &str) -> Result<Option<Held>, BackupError> {
        let path = self.folder.wrapped(of);
        let Some(text) = self.folder.read(&path)? else {
            return Ok(None);
        };
        let wrapped = Wrapped::read(&text, of).map_err(|reason| BackupError::Key { path, reason })?;
        Ok(Some(Held::Wrapped(wrapped)))
    }

    async fn unwrapped(&self, wrapped: &Wrapped) -> Result<Identity, BackupError> {
        let name = format!("{} {}", wrapped.of, wrapped.wrapped);
        let known = self.opened().get(&name).cloned();
        if let Some(identity) = known.filter(|identity| identity.to_public().to_string() == wrapped.public_key) {
            return Ok(identity);
        }
        let identity = self.service.unwrap(wrapped).await?;
        self.opened().insert(name, identity.clone());
        Ok(identity)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<String, Identity>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use labor_catalog::TenantName;

    use super::*;

    fn keys() -> (tempfile::TempDir, Keys, String) {
        let place = tempfile::tempdir().unwrap();
        let keys = Keys::new(place.path().join("keys"), &KeyServiceSettings::Folder).unwrap();
        (place, keys, TenantName::random().unwrap().to_string())
    }

    #[tokio::test]
    async fn a_key_that_others_can_read_is_refused() {
        let (_place, keys, tenant) = keys();
        keys.sealing_or_make(&tenant).await.unwrap();
        assert_eq!(fs::metadata(keys.file(&tenant)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(keys.file(&tenant), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(keys.open(&tenant).await, Err(BackupError::Key { .. })));
        assert!(matches!(keys.sealing(&tenant).await, Err(BackupError::Key { .. })));
    }

    #[tokio::test]
    async fn a_missing_key_is_not_made_for_reading() {
        let (_place, keys, tenant) = keys();
        assert!(matches!(keys.open(&tenant).await, Err(BackupError::Key { .. })));
        assert!(!keys.file(&tenant).exists());
    }
}
