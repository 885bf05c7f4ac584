//! Destroying a tenant's key, in the service and in the folder.
//!
//! Must stay true: a key is called destroyed only when it was there and a search finds nothing of it: in the service, then in the folder.
//! That it was there is on disk before it is taken away (`<tenant>.<request>.destroyed`), with the service that had it, so a
//! killed run is continued by running it again, and another service is not taken for the one that has destroyed it. When the service
//! refuses, the folder keeps what it has.
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::service::KeyService;
use super::transit::Transit;
use super::{Held, Keys};
use crate::BackupError;

/// What became of a key that was to be destroyed. It speaks of this folder and its service; copies elsewhere are their keepers' to destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum KeyFate {
    /// It was there, and a search finds nothing of it any more.
    #[serde(rename = "destroyed")]
    Destroyed,
    /// There was none.
    #[serde(rename = "was not there")]
    WasNotThere,
    /// Its wrapped file was destroyed; the service that was asked did not know the key that it was wrapped with. Whoever carried this out
    /// said that it was destroyed before.
    #[serde(rename = "file destroyed, not known to the service")]
    NotKnown,
}

impl KeyFate {
    /// What a receipt shows.
    pub(crate) fn of(receipt: Option<&KeyReceipt>) -> Self {
        match receipt {
            None => Self::WasNotThere,
            Some(KeyReceipt { service: Some(InService { shared: false, destroyed_at: None, .. }), .. }) => {
                Self::NotKnown
            }
            Some(_) => Self::Destroyed,
        }
    }
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
    /// The service's key that it was wrapped with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<InService>,
}

/// A key in a service, without which every copy of the wrapped file is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InService {
    /// Which service, and where.
    pub service: String,
    /// Its name there.
    pub key: String,
    /// Its newest version when it was found. None: the service did not know it any more.
    pub version: Option<u32>,
    /// When the service, asked after it was told to destroy the key, did not know it. None: not yet, or it never did.
    pub destroyed_at: Option<DateTime<Utc>>,
    /// It is the fleet's key, so it stays: whoever may use it can unwrap whatever copies there are of the file.
    #[serde(default)]
    pub shared: bool,
}

impl Keys {
    /// Whether there is anything of a key in the folder.
    pub(crate) fn holds(&self, of: &str) -> Result<bool, BackupError> {
        Ok(!self.folder.traces(of)?.is_empty())
    }

    /// What an earlier run for this request wrote down before it destroyed the key.
    pub(crate) fn receipt(&self, of: &str, request: Uuid) -> Result<Option<KeyReceipt>, BackupError> {
        let path = self.folder.receipt(of, request);
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

    /// Destroys the key, first in the service and then in the folder, and whatever a killed run left of it. The receipt: it was there, now or
    /// when an earlier run for the same request began; none: it was not. `gone_before`: somebody says that the service's key was destroyed before.
    pub(crate) async fn destroy(
        &self,
        of: &str,
        request: Uuid,
        gone_before: bool,
    ) -> Result<Option<KeyReceipt>, BackupError> {
        let _turn = self.folder.lock()?;
        let found = self.folder.traces(of)?;
        if let Some(path) = found.iter().find(|path| path.is_symlink()) {
            let reason = "is a symbolic link: destroy what it points to, then the link, by hand".to_owned();
            return Err(BackupError::Key { path: path.clone(), reason });
        }
        let known = self.receipt(of, request)?;
        let service = match known.as_ref().and_then(|receipt| receipt.service.clone()) {
            Some(service) => Some(service),
            None => self.in_service(of, &found, gone_before).await?,
        };
        let mut receipt = match known {
            None if found.is_empty() && service.is_none() => return Ok(None),
            Some(receipt) if receipt.service == service => receipt,
            Some(receipt) => self.write_receipt(of, KeyReceipt { service, ..receipt })?,
            None => {
                let public_key = self.held(of).ok().map(|held| held.public_key());
                self.write_receipt(of, KeyReceipt { request, public_key, at: Utc::now(), service })?
            }
        };
        // Asked each time, whatever the receipt says: the key may have been made anew, or restored with the service.
        if let Some(service) = receipt.service.clone().filter(|service| !service.shared) {
            let transit = self.transit_of(of, &service)?;
            let there = transit.newest_version(of).await?;
            if there.is_some() {
                transit.destroy(of).await?;
            }
            // Gone now; or gone before that could be written down, for it was there when the receipt was written.
            if there.is_some() || (service.version.is_some() && service.destroyed_at.is_none()) {
                let version = there.or(service.version);
                let service = Some(InService { version, destroyed_at: Some(Utc::now()), ..service });
                receipt = self.write_receipt(of, KeyReceipt { service, ..receipt })?;
            }
        }
        self.opened().clear();
        self.folder.remove(&found)?;
        match self.folder.traces(of)?.pop() {
            None => Ok(Some(receipt)),
            Some(path) => Err(BackupError::Key { path, reason: "appeared while it was destroyed".to_owned() }),
        }
    }

    /// The key that the tenant's file is wrapped with, if the service has one.
    async fn in_service(
        &self,
        of: &str,
        found: &[PathBuf],
        gone_before: bool,
    ) -> Result<Option<InService>, BackupError> {
        let is_wrapped = found.contains(&self.folder.wrapped(of));
        // Of a file that can't be read it is taken that the service that is set wrapped it.
        if let (true, Ok(Some(Held::Wrapped(wrapped)))) = (is_wrapped, self.held_wrapped(of)) {
            self.service.is_ours(&wrapped)?;
        }
        let transit = match &*self.service {
            KeyService::Folder if is_wrapped => {
                let (path, reason) =
                    (self.folder.wrapped(of), "was wrapped by a service: set LABOR_KEY_SERVICE to it".to_owned());
                return Err(BackupError::Key { path, reason });
            }
            KeyService::Kms(kms) if is_wrapped => {
                let (service, key) = (super::kms::NAME.to_owned(), kms.key().to_owned());
                return Ok(Some(InService { service, key, version: None, destroyed_at: None, shared: true }));
            }
            KeyService::Folder | KeyService::Kms(_) => return Ok(None),
            KeyService::Transit(transit) => transit,
        };
        let (service, key) = (transit.place(), transit.key_of(of));
        match transit.newest_version(of).await? {
            None if is_wrapped && !gone_before => Err(BackupError::Refused(format!(
                "{service} does not know {key}, which the key of {of} is wrapped with; nothing was destroyed. Is it the right service and \
                 namespace? If the key was destroyed there before, say so with --key-already-destroyed"
            ))),
            None if !is_wrapped => Ok(None),
            version => {
                // A key of this name at another server would be destroyed, and the one that opens the backups not.
                if let (false, Ok(Some(Held::Wrapped(wrapped)))) = (gone_before, self.held_wrapped(of)) {
                    self.service.unwrap(&wrapped).await?;
                }
                Ok(Some(InService { service, key, version, destroyed_at: None, shared: false }))
            }
        }
    }

    /// The service that a receipt names.
    fn transit_of(&self, of: &str, known: &InService) -> Result<&Transit, BackupError> {
        match &*self.service {
            KeyService::Transit(transit) if transit.place() == known.service && transit.key_of(of) == known.key => {
                Ok(transit)
            }
            _ => Err(BackupError::Refused(format!(
                "an earlier run was to destroy the key {} of {}, and LABOR_KEY_SERVICE, VAULT_ADDR and VAULT_NAMESPACE now name another: \
                 set them as they were",
                known.key, known.service
            ))),
        }
    }

    fn write_receipt(&self, of: &str, receipt: KeyReceipt) -> Result<KeyReceipt, BackupError> {
        self.folder.ready()?;
        let text = serde_json::to_string(&receipt).map_err(|error| BackupError::Invalid(error.to_string()))?;
        self.folder.replace(&self.folder.stage(of, &text)?, &self.folder.receipt(of, receipt.request))?;
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use labor_catalog::TenantName;

    use super::*;
    use crate::KeyServiceSettings;

    #[tokio::test]
    async fn a_destroyed_key_leaves_no_trace_and_a_missing_one_is_not_called_destroyed() {
        let place = tempfile::tempdir().unwrap();
        let keys = Keys::new(place.path().join("keys"), &KeyServiceSettings::Folder).unwrap();
        let [tenant, other] = [0, 1].map(|_| TenantName::random().unwrap().to_string());
        let request = Uuid::now_v7();
        assert_eq!(keys.destroy(&tenant, request, false).await.unwrap(), None, "there is not even a folder");
        let public = keys.sealing_or_make(&tenant).await.unwrap().recipient.to_string();
        keys.sealing_or_make(&other).await.unwrap();
        let left_over = place.path().join(format!("keys/.{tenant}.{}", Uuid::now_v7()));
        fs::hard_link(keys.file(&tenant), &left_over).unwrap();
        let receipt = keys.destroy(&tenant, request, false).await.unwrap();
        assert_eq!(receipt.as_ref().and_then(|receipt| receipt.public_key.as_ref()), Some(&public));
        assert!(!left_over.exists() && !keys.file(&tenant).exists() && keys.file(&other).exists());
        let again = keys.destroy(&tenant, request, false).await.unwrap();
        assert_eq!(again, receipt, "run again, it was there when the first one began");
        assert_eq!(
            keys.destroy(&tenant, Uuid::now_v7(), false).await.unwrap(),
            None,
            "of another request nothing is known"
        );
        fs::write(&left_over, "").unwrap();
        assert!(keys.holds(&tenant).unwrap(), "a left-over holds the private key");
        assert_eq!(keys.destroy(&tenant, request, false).await.unwrap(), receipt);
        assert!(!left_over.exists());
    }
}
