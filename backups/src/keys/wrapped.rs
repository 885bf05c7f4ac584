//! The file of a wrapped key: `<of>.age-identity.wrapped`.
//!
//! Must stay true: nothing in it is secret to whom the service refuses; the service binds what is wrapped to the tenant and to the
//! public key, so that neither can be put in another's place; a file is read only for whom it was made.
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::BackupError;

const FORMAT: u32 = 1;

/// A wrapped key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wrapped {
    format: u32,
    /// Whose it is: a tenant's opaque name, or `control`.
    pub(super) of: String,
    /// The kind of service: `transit`, `aws-kms`.
    pub(super) service: String,
    /// The service's key, as the service names it.
    pub(super) key: String,
    /// The version of the service's key, if it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
    /// The half that backups are sealed to.
    pub(super) public_key: String,
    /// What the service has to unwrap: the text of the identity's file.
    pub(super) wrapped: String,
    /// When the identity was made.
    pub(super) made_at: DateTime<Utc>,
    /// When it was wrapped.
    pub(super) wrapped_at: DateTime<Utc>,
}

/// What a service gives back for an identity.
pub(super) struct Wrapping {
    pub(super) service: &'static str,
    pub(super) key: String,
    pub(super) version: Option<u32>,
    pub(super) wrapped: String,
}

impl Wrapped {
    pub(super) fn new(of: &str, public_key: String, made_at: Option<DateTime<Utc>>, by: Wrapping) -> Self {
        let Wrapping { service, key, version, wrapped } = by;
        let (of, service, wrapped_at) = (of.to_owned(), service.to_owned(), Utc::now());
        let made_at = made_at.unwrap_or(wrapped_at);
        Self { format: FORMAT, of, service, key, version, public_key, wrapped, made_at, wrapped_at }
    }

    pub(super) fn read(text: &str, of: &str) -> Result<Self, String> {
        let wrapped: Self = serde_json::from_str(text)
            .map_err(|error| format!("is not what labor-backup wrote ({error}): take the copy of it"))?;
        if wrapped.format != FORMAT {
            return Err(format!("has format {}; this version reads {FORMAT}", wrapped.format));
        }
        if wrapped.of != of {
            return Err(format!("is the key of {}, not of {of}: it was copied under the wrong name", wrapped.of));
        }
        Ok(wrapped)
    }

    pub(super) fn text(&self) -> Result<String, BackupError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| BackupError::Invalid(error.to_string()))?;
        Ok(format!("{text}\n"))
    }
}

/// What a wrapped identity is bound to. The service refuses to unwrap it for anything else. (`docs/runbooks.md` makes the same text.)
pub(super) fn bound_to(of: &str, public_key: &str) -> String {
    format!("labor-backup key v1 of {of}: {public_key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_for_whom_it_was_made_only() {
        let by = Wrapping {
            service: "transit",
            key: "transit/x".to_owned(),
            version: Some(1),
            wrapped: "vault:v1:x".to_owned(),
        };
        let wrapped = Wrapped::new("t_a", "age1".to_owned(), None, by);
        let text = wrapped.text().unwrap();
        assert_eq!(Wrapped::read(&text, "t_a").unwrap(), wrapped);
        assert!(Wrapped::read(&text, "t_b").unwrap_err().contains("of t_a, not of t_b"));
        assert!(
            Wrapped::read(&text.replace("\"format\": 1", "\"format\": 2"), "t_a").unwrap_err().contains("format 2")
        );
        assert!(Wrapped::read(&text[..text.len() / 2], "t_a").is_err());
    }
}
