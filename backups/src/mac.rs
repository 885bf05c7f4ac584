//! The authenticity of the manifest and of the documents beside it: an HMAC whose key is derived from the tenant's secret age identity.
//!
//! Why: age encrypts to a public recipient, and that stands in the manifest. Whoever can write into the bucket could make a dump
//! that decrypts, and a manifest that fits it. Only who holds the tenant's key can make the HMAC, or who holds what of it is kept for
//! making backups (`keys::sealing`).
//!
//! Must stay true: it covers every field of the document, known to this version or not; it is compared in constant time; nothing
//! of a dump is given to a database before it was checked.
use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use aws_lc_rs::{hkdf, hmac};
use serde_json::Value;

use crate::BackupError;

/// The field that holds it, in hexadecimal; the HMAC covers the document without it.
const FIELD: &str = "mac";
const SALT: &[u8] = b"labor-backup";
const PURPOSE: &[u8] = b"manifest mac v1";

/// The key of the HMACs. It is derived from the identity, and nothing leads back: who has it can't open a backup.
#[derive(Clone)]
pub(crate) struct MacKey([u8; 32]);

impl MacKey {
    pub(crate) fn of(identity: &Identity) -> Result<Self, BackupError> {
        let secret = identity.to_string();
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret.expose_secret().as_bytes());
        let mut key = [0; 32];
        derived.expand(&[PURPOSE], hmac::HMAC_SHA256)?.fill(&mut key)?;
        Ok(Self(key))
    }

    /// As it is kept in the folder of keys.
    pub(crate) fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Its word for something that is kept beside it.
    pub(crate) fn word_for(&self, text: &str) -> String {
        hex::encode(hmac::sign(&self.hmac(), text.as_bytes()))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// The HMAC of a document, as its field.
pub(crate) fn of(document: &Value, key: &MacKey) -> Result<String, BackupError> {
    Ok(hex::encode(hmac::sign(&key.hmac(), &canonical(document)?)))
}

/// Whether the document carries the HMAC that only this key makes.
pub(crate) fn fits(document: &Value, key: &MacKey) -> Result<bool, BackupError> {
    let Some(claimed) = document.get(FIELD).and_then(Value::as_str).and_then(|text| hex::decode(text).ok()) else {
        return Ok(false);
    };
    Ok(hmac::verify(&key.hmac(), &canonical(document)?, &claimed).is_ok())
}

/// The document without the field, keys in order, without white space.
fn canonical(document: &Value) -> Result<Vec<u8>, BackupError> {
    let mut document = document.clone();
    if let Some(fields) = document.as_object_mut() {
        fields.remove(FIELD);
    }
    document.sort_all_objects();
    serde_json::to_vec(&document).map_err(|error| BackupError::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(mut document: Value, key: &MacKey) -> Value {
        document[FIELD] = of(&document, key).unwrap().into();
        document
    }

    #[test]
    fn any_other_value_field_or_key_does_not_fit() {
        let key = MacKey::of(&Identity::generate()).unwrap();
        let document = signed(serde_json::json!({"b": 1, "a": {"y": "x", "c": [1, 2]}}), &key);
        assert!(fits(&document, &key).unwrap());
        let text = serde_json::to_string_pretty(&document).unwrap();
        assert!(fits(&serde_json::from_str(&text).unwrap(), &key).unwrap(), "white space is no matter");
        assert!(!fits(&document, &MacKey::of(&Identity::generate()).unwrap()).unwrap());
        for (path, value) in [("b", 2.into()), ("more", 1.into()), ("mac", "".into()), ("mac", Value::Null)] {
            let mut altered = document.clone();
            altered[path] = value;
            assert!(!fits(&altered, &key).unwrap(), "{path} was altered");
        }
        let mut nested = document.clone();
        nested["a"]["c"][0] = 3.into();
        assert!(!fits(&nested, &key).unwrap());
        let mut without = document;
        without.as_object_mut().unwrap().remove(FIELD);
        assert!(!fits(&without, &key).unwrap());
    }
}
