//! Keys that claims are signed with, and their numbers.
//! Must stay true: an id tells which master secret its key is derived from, so whoever holds the keyring needs nothing else; key 1
//! is the key of installations that never rotated.
use std::fmt;

use crate::keyring::SecretNumber;
use crate::secret::{ClaimKeyPads, MasterSecret};

/// Ids of one master secret lie within a thousand: `(secret number - 1) * 1000 + generation`.
const OF_ONE_SECRET: i32 = 1000;

/// Which claim key: of which master secret the how-manieth, both 1 to 999. Stands at the head of each claim and in
/// `guard.claim_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKeyId {
    secret: SecretNumber,
    generation: u16,
}

impl ClaimKeyId {
    /// The first key of the first secret, number 1.
    pub const FIRST: Self = Self { secret: SecretNumber::FIRST, generation: 1 };

    /// The first key of a master secret.
    #[must_use]
    pub fn first_of(secret: SecretNumber) -> Self {
        Self { secret, generation: 1 }
    }

    /// An id as the database has it; `None` when it can't be one.
    #[must_use]
    pub fn new(id: i32) -> Option<Self> {
        let generation = u16::try_from(id % OF_ONE_SECRET).ok().filter(|generation| *generation > 0)?;
        Some(Self { secret: SecretNumber::new(id / OF_ONE_SECRET + 1)?, generation })
    }

    /// The next key of the same secret; `None` after the 999th: then it is the secret's turn.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(i32::from(self) + 1)
    }

    /// Number of the master secret that it is derived from.
    #[must_use]
    pub fn secret(self) -> SecretNumber {
        self.secret
    }
}

impl From<ClaimKeyId> for i32 {
    fn from(id: ClaimKeyId) -> Self {
        (Self::from(id.secret) - 1) * OF_ONE_SECRET + Self::from(id.generation)
    }
}

impl fmt::Display for ClaimKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        i32::from(*self).fmt(f)
    }
}

/// A claim key. It opens data: not printed, not logged.
#[derive(Clone)]
pub struct ClaimKey {
    id: ClaimKeyId,
    bytes: [u8; 32],
}

impl ClaimKey {
    /// The key of this id; `secret` is the one that the id names.
    #[must_use]
    pub fn new(id: ClaimKeyId, secret: &MasterSecret) -> Self {
        Self { id, bytes: secret.claim_key(u32::from(id.generation)) }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ClaimKeyId {
        self.id
    }

    /// The key in the form that lets PostgreSQL verify with plain `sha256()`.
    #[must_use]
    pub fn pads(&self) -> ClaimKeyPads {
        ClaimKeyPads::of(&self.bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimKey({}, …)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_secret_and_generation_and_back() {
        for (id, secret, generation) in [(1, 1, 1), (999, 1, 999), (1001, 2, 1), (998_999, 999, 999)] {
            let known = ClaimKeyId::new(id).unwrap();
            assert_eq!((i32::from(known.secret()), known.generation), (secret, generation), "{id}");
            assert_eq!(i32::from(known), id);
        }
        for id in [0, -1, -999, 1000, 998_000, 999_001, i32::MAX, i32::MIN] {
            assert_eq!(ClaimKeyId::new(id), None, "{id}");
        }
        assert_eq!(ClaimKeyId::new(1), Some(ClaimKeyId::FIRST));
    }

    #[test]
    fn the_next_key_is_of_the_same_secret() {
        assert_eq!(ClaimKeyId::FIRST.next(), ClaimKeyId::new(2));
        assert_eq!(ClaimKeyId::new(999).unwrap().next(), None);
        let second = SecretNumber::FIRST.next().unwrap();
        assert_eq!(i32::from(ClaimKeyId::first_of(second)), 1001);
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let secret = MasterSecret::from_hex(&"ab".repeat(32)).unwrap();
        assert_eq!(format!("{:?}", ClaimKey::new(ClaimKeyId::FIRST, &secret)), "ClaimKey(1, …)");
    }
}
