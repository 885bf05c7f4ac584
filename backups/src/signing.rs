//! Signatures of exports and certificates: Ed25519 (RFC 8032) with a key that `openssl genpkey -algorithm ed25519` makes, so that anybody can check them
//! with OpenSSL and without Labor.
use std::fs;
use std::path::Path;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::BackupError;
use crate::keys::only_owner;

/// The key that whoever exports or erases signs with.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The key that a signature is checked with.
#[derive(Clone, Debug)]
pub struct PublicKey {
    parsed: ParsedPublicKey,
    /// SHA-256 of the key's DER, in hex: what `openssl pkey -pubin -in FILE -outform DER | sha256sum` prints.
    pub fingerprint: String,
}

fn refused(path: &Path, reason: &str) -> BackupError {
    BackupError::Key { path: path.to_owned(), reason: reason.to_owned() }
}

fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    fs::read(path).map_err(BackupError::io(format!("read {}", path.display())))
}

impl SigningKey {
    /// Reads a PEM file, which nobody but its owner may be able to open.
    ///
    /// # Errors
    /// When it can't be read, is open to others, or is no Ed25519 private key.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        const HOW: &str =
            "it is no Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519 -out FILE` makes one";
        only_owner(path)?;
        let content = read(path)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&content).map_err(|_| refused(path, HOW))?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| refused(path, HOW))?;
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).map_err(BackupError::Derive)?;
        let public = PublicKey::from_der(der.as_ref()).ok_or_else(|| refused(path, HOW))?;
        Ok(Self { pair, public })
    }

    /// The signature, 64 bytes.
    pub(crate) fn sign(&self, document: &[u8]) -> Vec<u8> {
        self.pair.sign(document).as_ref().to_vec()
    }

    /// What a signature of this key is checked with.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl PublicKey {
    /// Reads a PEM file, as `openssl pkey -in KEY -pubout -out FILE` writes it.
    ///
    /// # Errors
    /// When it can't be read or is no Ed25519 public key.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        const HOW: &str = "it is no Ed25519 public key in PEM; `openssl pkey -in KEY -pubout -out FILE` writes one";
        let content = read(path)?;
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&content).map_err(|_| refused(path, HOW))?;
        Self::from_der(&der).ok_or_else(|| refused(path, HOW))
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let parsed = ParsedPublicKey::new(&ED25519, der).ok()?;
        let fingerprint = hex::encode(digest::digest(&digest::SHA256, der));
        Some(Self { parsed, fingerprint })
    }

    pub(crate) fn proves(&self, document: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(document, signature).is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A new key.
    pub(crate) fn key() -> SigningKey {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let public = PublicKey::from_der(der.as_ref()).unwrap();
        SigningKey { pair, public }
    }
}
