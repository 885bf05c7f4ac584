//! The authenticity of the manifest and of the documents beside it: an HMAC whose key is derived from the tenant's secret age identity.
//!
//! Why: age encrypts to a public recipient, and that stands in the manifest. Whoever can write into the bucket could make a dump
//! that decrypts, and a manifest that fits it. Only who holds the tenant's key can make the HMAC.
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

/// The HMAC of a document, as its field.
pub(crate) fn of(document: &Value, identity: &Identity) -> Result<String, BackupError> {
    Ok(hex::encode(hmac::sign(&key(identity)?, &canonical(document)?)))
}

/// Whether the document carries the HMAC that only this key makes.
pub(crate) fn fits(document: &Value, identity: &Identity) -> Result<bool, BackupError> {
    let Some(claimed) = document.get(FIELD).and_then(Value::as_str).and_then(|text| hex::decode(text).ok()) else {
        return Ok(false);
    };
    Ok(hmac::verify(&key(identity)?, &canonical(document)?, &claimed).is_ok())
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

fn key(identity: &Identity) -> Result<hmac::Key, BackupError> {
    let secret = identity.to_string();
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret.expose_secret().as_bytes());
    Ok(hmac::Key::from(derived.expand(&[PURPOSE], hmac::HMAC_SHA256)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(mut document: Value, identity: &Identity) -> Value {
        document[FIELD] = of(&document, identity).unwrap().into();
        document
    }

    #[test]
    fn any_other_value_field_or_key_does_not_fit() {
        let identity = Identity::generate();
        let document = signed(serde_json::json!({"b": 1, "a": {"y": "x", "c": [1, 2]}}), &identity);
        assert!(fits(&document, &identity).unwrap());
        let text = serde_json::to_string_pretty(&document).unwrap();
        assert!(fits(&serde_json::from_str(&text).unwrap(), &identity).unwrap(), "white space is no matter");
        assert!(!fits(&document, &Identity::generate()).unwrap());
        for (path, value) in [("b", 2.into()), ("more", 1.into()), ("mac", "".into()), ("mac", Value::Null)] {
            let mut altered = document.clone();
            altered[path] = value;
            assert!(!fits(&altered, &identity).unwrap(), "{path} was altered");
        }
        let mut nested = document.clone();
        nested["a"]["c"][0] = 3.into();
        assert!(!fits(&nested, &identity).unwrap());
        let mut without = document;
        without.as_object_mut().unwrap().remove(FIELD);
        assert!(!fits(&without, &identity).unwrap());
    }
}
