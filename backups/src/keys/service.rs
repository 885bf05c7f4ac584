//! The service that wraps keys, so that what lies in the folder is worth nothing without it.
//!
//! Must stay true: what was wrapped for one tenant is unwrapped for that tenant only, and only as the key that the file names; when the
//! service fails, that is said of the service and never of a backup.
use age::x25519::Identity;

use super::KeyServiceSettings;
use super::identity;
use super::kms::{self, Kms};
use super::transit::Transit;
use super::wrapped::{Wrapped, Wrapping, bound_to};
use crate::BackupError;

/// Where the keys' own key is.
pub(super) enum KeyService {
    /// Nowhere: keys lie plainly in the folder.
    Folder,
    /// OpenBao's or Vault's transit engine, with a key of each tenant's.
    Transit(Box<Transit>),
    /// AWS KMS, with one key for the fleet.
    Kms(Box<Kms>),
}

impl KeyService {
    pub(super) fn new(settings: &KeyServiceSettings) -> Result<Self, BackupError> {
        Ok(match settings {
            KeyServiceSettings::Folder => Self::Folder,
            KeyServiceSettings::Kms(settings) => Self::Kms(Box::new(Kms::new(settings))),
            KeyServiceSettings::Transit(settings) => Self::Transit(Box::new(Transit::new(settings)?)),
        })
    }

    /// As it is set.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Folder => "folder".to_owned(),
            Self::Transit(transit) => transit.described(),
            Self::Kms(kms) => format!("{}:{}", kms::NAME, kms.key()),
        }
    }

    /// Which service it is, and where: two of one name are two.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Folder => "folder".to_owned(),
            Self::Transit(transit) => transit.place(),
            Self::Kms(kms) => kms.place(),
        }
    }

    /// Wraps the text of an identity's file; none when keys lie plainly.
    pub(super) async fn wrap(&self, of: &str, public_key: String, text: &str) -> Result<Option<Wrapped>, BackupError> {
        let bound_to = bound_to(of, &public_key);
        let wrapping: Wrapping = match self {
            Self::Folder => return Ok(None),
            Self::Transit(transit) => transit.wrap(of, &bound_to, text).await?,
            Self::Kms(kms) => kms.wrap(of, &bound_to, text).await?,
        };
        Ok(Some(Wrapped::new(of, public_key, identity::made_at(text), wrapping)))
    }

    /// Unwraps it, if it is this service's.
    pub(super) async fn unwrap(&self, wrapped: &Wrapped) -> Result<Identity, BackupError> {
        self.unwrap_text(wrapped).await.map(|(identity, _)| identity)
    }

    /// The same with the text of the identity's file.
    pub(super) async fn unwrap_text(&self, wrapped: &Wrapped) -> Result<(Identity, String), BackupError> {
        self.is_ours(wrapped)?;
        let bound_to = bound_to(&wrapped.of, &wrapped.public_key);
        let text = match self {
            Self::Folder => return Err(self.not_ours(wrapped)),
            Self::Transit(transit) => transit.unwrap(wrapped, &bound_to).await?,
            Self::Kms(kms) => kms.unwrap(wrapped, &bound_to).await?,
        };
        let identity = identity::parse(&text)
            .map_err(|reason| self.failed(&wrapped.of, format!("gives something that {reason}")))?;
        if identity.to_public().to_string() != wrapped.public_key {
            return Err(
                self.failed(&wrapped.of, format!("gives another key than the file says ({})", wrapped.public_key))
            );
        }
        Ok((identity, text))
    }

    /// Refuses what another service wrapped, or another key of this one.
    pub(super) fn is_ours(&self, wrapped: &Wrapped) -> Result<(), BackupError> {
        let ours = match self {
            Self::Folder => false,
            Self::Transit(transit) => {
                wrapped.service == super::transit::NAME && wrapped.key == transit.key_of(&wrapped.of)
            }
            Self::Kms(kms) => wrapped.service == kms::NAME && wrapped.key == kms.key(),
        };
        if ours { Ok(()) } else { Err(self.not_ours(wrapped)) }
    }

    fn not_ours(&self, wrapped: &Wrapped) -> BackupError {
        BackupError::Refused(format!(
            "the key of {} was wrapped by {} with the key {}, and LABOR_KEY_SERVICE is {}: set the one that wrapped it",
            wrapped.of,
            wrapped.service,
            wrapped.key,
            self.described()
        ))
    }

    fn failed(&self, of: &str, reason: String) -> BackupError {
        BackupError::KeyService { of: of.to_owned(), service: self.described(), reason }
    }
}

/// An error, and what it came from.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
