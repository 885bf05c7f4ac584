//! What lies in the folder of keys. No service is asked.
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::folder::name;
use super::{Held, Keys, identity};
use crate::{Backup, BackupError};

const PLAIN: &str = ".age-identity";
const WRAPPED: &str = ".age-identity.wrapped";

/// One key, without anything secret.
#[derive(Clone, Debug, Serialize)]
pub struct KeyEntry {
    /// Whose: a tenant's opaque name, or `control`.
    pub of: String,
    /// How it lies there: `folder` (plainly), or the kind of service that wrapped it.
    pub service: Option<String>,
    /// The service's key.
    pub key: Option<String>,
    /// Its version then, if the service tells.
    pub version: Option<u32>,
    /// The half that backups are sealed to.
    pub public_key: Option<String>,
    /// When it was made.
    pub made_at: Option<DateTime<Utc>>,
    /// Why it can't be used.
    pub fault: Option<String>,
}

impl Backup {
    /// The keys in the folder, by whose they are.
    ///
    /// # Errors
    /// When the folder can't be searched.
    pub fn keys(&self) -> Result<Vec<KeyEntry>, BackupError> {
        Ok(self.keys.owners()?.iter().map(|of| self.keys.entry(of)).collect())
    }
}

impl Keys {
    /// Of whom there are keys.
    pub(super) fn owners(&self) -> Result<BTreeSet<String>, BackupError> {
        let names = self.folder.entries()?.into_iter().map(|path| name(&path));
        let owner = |name: String| name.strip_suffix(WRAPPED).or_else(|| name.strip_suffix(PLAIN)).map(str::to_owned);
        Ok(names.filter(|name| !name.starts_with('.')).filter_map(owner).collect())
    }

    fn entry(&self, of: &str) -> KeyEntry {
        let unknown = KeyEntry {
            of: of.to_owned(),
            service: None,
            key: None,
            version: None,
            public_key: None,
            made_at: None,
            fault: None,
        };
        match self.held(of) {
            Ok(Held::Plain(key)) => {
                let text = self.folder.read(&self.folder.plain(of)).ok().flatten().unwrap_or_default();
                let (service, public_key) = (Some("folder".to_owned()), Some(key.to_public().to_string()));
                KeyEntry { service, public_key, made_at: identity::made_at(&text), ..unknown }
            }
            Ok(Held::Wrapped(wrapped)) => KeyEntry {
                service: Some(wrapped.service),
                key: Some(wrapped.key),
                version: wrapped.version,
                public_key: Some(wrapped.public_key),
                made_at: Some(wrapped.made_at),
                ..unknown
            },
            Err(error) => KeyEntry { fault: Some(error.to_string()), ..unknown },
        }
    }
}
