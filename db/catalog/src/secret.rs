//! The master secret of an installation, and what is derived from it.
//! Nothing derived is stored anywhere: a tenant's password, the claim and token keys and the laboratories' signing secrets are
//! HMACs of the master secret, so there is one thing to keep and one thing to rotate (`keyring`). Never printed, never logged.
use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use uuid::Uuid;

use crate::name::TenantName;

/// Size of an HMAC-SHA256 block, which keys are padded to (RFC 2104).
const BLOCK: usize = 64;

/// The master secret: at least 32 random bytes.
#[derive(Clone)]
pub struct MasterSecret(hmac::Key);

/// The master secret can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the master secret must be at least 64 hexadecimal digits (32 random bytes); make one with: openssl rand -hex 32"
)]
pub struct InvalidSecret;

/// The two padded forms of a claim key, as stored in `guard.claim_keys`.
pub struct ClaimKeyPads {
    /// key XOR 0x36…
    pub inner: [u8; BLOCK],
    /// key XOR 0x5c…
    pub outer: [u8; BLOCK],
}

impl ClaimKeyPads {
    pub(crate) fn of(key: &[u8; 32]) -> Self {
        let mut pads = Self { inner: [0x36; BLOCK], outer: [0x5c; BLOCK] };
        for (i, byte) in key.iter().enumerate() {
            pads.inner[i] ^= byte;
            pads.outer[i] ^= byte;
        }
        pads
    }
}

impl MasterSecret {
    /// Reads the secret from hexadecimal text; white space around it is ignored.
    ///
    /// # Errors
    /// When it is not hexadecimal or shorter than 32 bytes.
    pub fn from_hex(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = hex::decode(text.trim()).map_err(|_| InvalidSecret)?;
        if bytes.len() < 32 {
            return Err(InvalidSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A new random secret as hexadecimal text.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<String, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.0, purpose.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Password of a database login: a tenant's role or one of the services.
    #[must_use]
    pub fn database_password(&self, role: &str) -> String {
        hex::encode(self.derive(&format!("database-password:{role}")))
    }

    /// Password of a tenant's login role.
    #[must_use]
    pub fn tenant_password(&self, tenant: &TenantName) -> String {
        self.database_password(&tenant.role())
    }

    /// This secret's how-manieth key that claims are signed with.
    #[must_use]
    pub fn claim_key(&self, generation: u32) -> [u8; 32] {
        self.derive(&format!("claim-key:{generation}"))
    }

    /// The same in the form that lets PostgreSQL verify with plain `sha256()`.
    #[must_use]
    pub fn claim_key_pads(&self, generation: u32) -> ClaimKeyPads {
        ClaimKeyPads::of(&self.claim_key(generation))
    }

    /// Whether two secrets derive the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.token_key(), &other.token_key()).is_ok()
    }

    /// Key that access tokens (JWT, HS256) are signed with.
    #[must_use]
    pub fn token_key(&self) -> [u8; 32] {
        self.derive("token-key:1")
    }

    /// Secret that a laboratory signs its requests with, as the text that the laboratory is given.
    #[must_use]
    pub fn source_secret(&self, source: Uuid, version: i32) -> String {
        hex::encode(self.derive(&format!("source-secret:{source}:{version}")))
    }

    /// SCRAM-SHA-256 verifier (RFC 5803) of a role's password for `ALTER ROLE … PASSWORD`, so that the password itself is
    /// never sent. One iteration: stretching adds nothing to a random 256-bit secret and costs 5 ms on each connection.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn scram_verifier(&self, role: &str) -> Result<String, getrandom::Error> {
        scram_verifier_with(&self.database_password(role), 1)
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret(…)")
    }
}

/// SCRAM-SHA-256 verifier (RFC 5803) of any password, with a random salt.
///
/// # Errors
/// When the system has no randomness to give.
pub fn scram_verifier_with(password: &str, iterations: u32) -> Result<String, getrandom::Error> {
    let mut salt = [0; 16];
    // Straight from the system: the library's own generator needs 30 ms to gather entropy before its first byte.
    getrandom::fill(&mut salt)?;
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN),
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let sign = |text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), text);
    let stored_key = digest::digest(&digest::SHA256, sign(b"Client Key").as_ref());
    let server_key = sign(b"Server Key");
    Ok(format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        BASE64.encode(salt),
        BASE64.encode(stored_key),
        BASE64.encode(server_key)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> MasterSecret {
        MasterSecret::from_hex(&"ab".repeat(32)).unwrap()
    }

    #[test]
    fn what_is_derived_differs_by_purpose_and_by_name() {
        let s = secret();
        let all = [
            s.database_password("labor_control"),
            s.database_password("labor_backup"),
            hex::encode(s.claim_key(1)),
            hex::encode(s.claim_key(2)),
            hex::encode(s.token_key()),
            s.source_secret(Uuid::nil(), 1),
            s.source_secret(Uuid::nil(), 2),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn the_secret_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", secret()), "MasterSecret(…)");
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(MasterSecret::from_hex("abcd").is_err());
        assert!(MasterSecret::from_hex(&"zz".repeat(32)).is_err());
    }
}
