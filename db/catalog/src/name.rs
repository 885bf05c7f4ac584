//! Opaque names of tenants in the database.
//! A [`TenantName`] is always safe to put into SQL text: it matches `^t_[a-z0-9]{12}$`, so it needs no quoting and can't inject.
use std::fmt;

use serde::{Deserialize, Serialize};

/// Alphabet of the random part: 32 symbols, so that a random byte's low five bits pick one without bias.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const RANDOM_LENGTH: usize = 12;

/// The name of a tenant in the database: its schema, and with `_app` appended its login role.
///
/// It says nothing about the practice, so it may appear in logs, metrics and queue payloads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantName(String);

/// The text is not a tenant name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a tenant name: expected t_ and 12 lower-case letters or digits")]
pub struct InvalidName(String);

impl TenantName {
    /// Takes a name apart from the outside.
    ///
    /// # Errors
    /// When it does not match `^t_[a-z0-9]{12}$`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let valid = text.strip_prefix("t_").is_some_and(|rest| {
            rest.len() == RANDOM_LENGTH && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName(text.chars().take(80).collect())) }
    }

    /// A new name from random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; RANDOM_LENGTH]) -> Self {
        let random = bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)]));
        Self("t_".chars().chain(random).collect())
    }

    /// A new random name (60 bits: a collision is refused by the registry's primary key).
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; RANDOM_LENGTH];
        getrandom::fill(&mut bytes)?;
        Ok(Self::from_random(bytes))
    }

    /// The name as text; also the schema's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The login role that is used for this tenant's data and nothing else.
    #[must_use]
    pub fn role(&self) -> String {
        format!("{}_app", self.0)
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for TenantName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl From<TenantName> for String {
    fn from(name: TenantName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_inject_sql_is_refused() {
        for bad in [
            "",
            "t_",
            "t_abc",
            "t_ABCDEFGHIJKL",
            "t_abcdefghijkl; DROP",
            "x_abcdefghijkl",
            "t_abcdefghijk\"",
            "t_abcdefghijklm",
        ] {
            assert!(TenantName::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(TenantName::parse("t_abcdefghij23").unwrap().role(), "t_abcdefghij23_app");
    }

    #[test]
    fn random_names_are_valid_and_differ() {
        let (a, b) = (TenantName::random().unwrap(), TenantName::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(TenantName::parse(a.as_str()).unwrap(), a);
    }
}
