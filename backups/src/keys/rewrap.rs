//! Keys are wrapped anew: after the service's key was rotated, and to move them from the folder to a service, to another, or back.
//!
//! Must stay true: there is a key that can be read at every moment; what was there goes only after the new file was read back and
//! unwrapped, and gave the same key; a killed run is continued by running it again.
use serde::Serialize;

use super::service::KeyService;
use super::wrapped::Wrapped;
use super::{Held, KeyServiceSettings, Keys, SealingKey, identity};
use crate::{Backup, BackupError};

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Rewrapped {
    /// It lies there as it should.
    AsItWas,
    /// It was wrapped by the service that is set.
    Wrapped {
        /// The service's key.
        key: String,
        /// Its version, if the service tells.
        version: Option<u32>,
        /// The key of another service that it was wrapped with before, which is still there.
        before: Option<String>,
    },
    /// It lies plainly in the folder now.
    Plain {
        /// The service's key that it was wrapped with before, which is still there.
        before: String,
    },
}

impl Backup {
    /// Of whom there are keys: tenants' opaque names, and `control`.
    ///
    /// # Errors
    /// When the folder can't be searched.
    pub fn key_owners(&self) -> Result<Vec<String>, BackupError> {
        Ok(self.keys.owners()?.into_iter().collect())
    }

    /// Wraps the key of a tenant (or `control`) by the service that is set, if it is not yet, or by an older version of the service's
    /// key. `from`: the service that can unwrap it, when that is another one.
    ///
    /// # Errors
    /// When there is no key, or one of the services refuses; what was there stays.
    pub async fn rewrap_key(&self, of: &str, from: Option<&KeyServiceSettings>) -> Result<Rewrapped, BackupError> {
        let from = from.map(KeyService::new).transpose()?;
        self.unless_stopped(self.keys.rewrap(of, from.as_ref())).await
    }
}

impl Keys {
    async fn rewrap(&self, of: &str, from: Option<&KeyService>) -> Result<Rewrapped, BackupError> {
        let _turn = self.folder.lock()?;
        // Refuses two different ones, and none.
        self.held(of)?;
        let wrapped = match self.held_wrapped(of)? {
            Some(Held::Wrapped(wrapped)) => Some(wrapped),
            _ => None,
        };
        let plain = self.folder.read(&self.folder.plain(of))?;
        if plain.is_none() && self.is_as_it_should(of, wrapped.as_ref(), from.is_some()).await? {
            self.sealing(of).await?;
            return Ok(Rewrapped::AsItWas);
        }
        let mut unwrapped_at = self.service.place();
        let (identity, text) = match (&plain, &wrapped) {
            (None, Some(wrapped)) => {
                // Two services may call a key the same: the one that is named is asked first.
                match from.filter(|from| from.is_ours(wrapped).is_ok()) {
                    Some(theirs) => match (theirs.unwrap_text(wrapped).await, self.service.is_ours(wrapped)) {
                        (Err(_), Ok(())) => self.service.unwrap_text(wrapped).await?,
                        (unwrapped, _) => {
                            unwrapped_at = theirs.place();
                            unwrapped?
                        }
                    },
                    None => self.service.unwrap_text(wrapped).await?,
                }
            }
            (plain, _) => {
                let text = plain.clone().unwrap_or_default();
                let read = identity::parse(&text);
                (read.map_err(|reason| BackupError::Key { path: self.folder.plain(of), reason })?, text)
            }
        };
        let before = wrapped.as_ref().map(|wrapped| wrapped.key.clone());
        if let Some(staged) = self.wrap(of, &identity, &text).await? {
            self.folder.replace(&staged, &self.folder.wrapped(of))?;
            self.keep_sealing(of, &SealingKey::of(&identity)?)?;
            self.keep_only(of, &[self.folder.wrapped(of), self.folder.sealing(of)])?;
            let Some(Held::Wrapped(Wrapped { key, version, .. })) = self.held_wrapped(of)? else {
                let reason = "went while the key was wrapped".to_owned();
                return Err(BackupError::Key { path: self.folder.wrapped(of), reason });
            };
            let elsewhere = unwrapped_at != self.service.place();
            return Ok(Rewrapped::Wrapped {
                before: before.filter(|before| elsewhere || *before != key),
                key,
                version,
            });
        }
        let path = self.folder.plain(of);
        if plain.is_none() {
            self.folder.add(self.folder.stage(of, &text)?, &path)?;
            let back = self.folder.read(&path)?.unwrap_or_default();
            if identity::parse(&back).map(|back| back.to_public()) != Ok(identity.to_public()) {
                return Err(BackupError::Key {
                    path,
                    reason: "does not read back as the key that was unwrapped".to_owned(),
                });
            }
        }
        self.keep_only(of, &[path])?;
        Ok(before.map_or(Rewrapped::AsItWas, |before| Rewrapped::Plain { before }))
    }

    /// Whether the service that is set has wrapped it, with the newest version of its key, and unwraps it: another key of this name may
    /// have as many versions. Where another service is named besides, that may be the one that does.
    async fn is_as_it_should(
        &self,
        of: &str,
        wrapped: Option<&Wrapped>,
        from_another: bool,
    ) -> Result<bool, BackupError> {
        // KMS does not tell which version of its key wrapped something: it is wrapped anew, which harms nothing.
        let (Some(wrapped), KeyService::Transit(transit)) = (wrapped, &*self.service) else {
            return Ok(false);
        };
        if self.service.is_ours(wrapped).is_err() || transit.newest_version(of).await? != wrapped.version {
            return Ok(false);
        }
        match self.service.unwrap(wrapped).await {
            Ok(_) => Ok(true),
            Err(_) if from_another => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes what else there is of a key, and what a killed run left of it.
    fn keep_only(&self, of: &str, kept: &[std::path::PathBuf]) -> Result<(), BackupError> {
        let mut rest = self.folder.traces(of)?;
        rest.retain(|path| !kept.contains(path));
        self.folder.remove(&rest)
    }
}
