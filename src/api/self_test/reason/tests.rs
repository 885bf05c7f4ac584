//! The mistakes that integrators make, and what they are told.
use labor_catalog::{ClaimKeyId, MasterSecret, SecretNumber};
use uuid::Uuid;

use super::*;

const SENT: &str = "0153101M\u{fc}ller\r\n0103564x\r\n";

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn source(secret_version: i32) -> Source {
    let first = SecretNumber::FIRST;
    let window = Some(Duration::from_secs(1000));
    Source {
        id: Uuid::nil(),
        secret_version,
        secret_number: first,
        former_secret_number: first,
        window,
        allowed_from: Vec::new(),
    }
}

fn master() -> MasterSecret {
    MasterSecret::from_hex(&hex::encode([1; 32])).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn tag(key: &[u8], bytes: &[u8]) -> String {
    format!("v1={}", hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes)))
}

fn judged(body: &[u8], timestamp: &str, tag: &str) -> Verdict {
    let source = source(3);
    let in_use = KeysInUse::new(ClaimKeyId::new(1).unwrap(), None);
    let secrets = master().into();
    let asked = Asked { secrets: &secrets, in_use, source: &source, body };
    asked.verdict(Some(timestamp), Some(tag), Vec::new())
}

/// What is said about a body that was signed in some way.
fn code(body: &[u8], sign: impl Fn(&str, &str) -> String) -> &'static str {
    let (secret, timestamp) = (master().source_secret(Uuid::nil(), 3), now().to_string());
    judged(body, &timestamp, &sign(&secret, &timestamp)).code
}

fn signed(key: &[u8], timestamp: &str, bytes: &[u8]) -> String {
    tag(key, &[timestamp.as_bytes(), b".", bytes].concat())
}

#[test]
fn what_fits_is_accepted_with_either_secret() {
    assert_eq!(code(SENT.as_bytes(), |key, at| signed(key.as_bytes(), at, SENT.as_bytes())), "fits");
    let former = master().source_secret(Uuid::nil(), 2);
    assert_eq!(code(SENT.as_bytes(), |_, at| signed(former.as_bytes(), at, SENT.as_bytes())), "fits-former-secret");
    let older = master().source_secret(Uuid::nil(), 1);
    assert_eq!(code(SENT.as_bytes(), |_, at| signed(older.as_bytes(), at, SENT.as_bytes())), "mismatch");
}

#[test]
fn other_bytes_signed_than_sent_are_recognised() {
    let (utf8, latin) = (SENT.as_bytes(), latin(SENT));
    let unix = SENT.replace("\r\n", "\n");
    let base64 = base64::engine::general_purpose::STANDARD.encode(&latin);
    for (expected, sent, signs) in [
        ("other-charset", utf8, latin.as_slice()),
        ("other-charset", &latin, utf8),
        ("line-ends", utf8, unix.as_bytes()),
        ("line-ends", unix.as_bytes(), utf8),
        ("line-ends", utf8, SENT.trim_end().as_bytes()),
        ("line-ends", SENT.trim_end().as_bytes(), utf8),
        ("base64-signed", &latin, base64.as_bytes()),
        ("mismatch", utf8, b"something else"),
    ] {
        assert_eq!(code(sent, |key, at| signed(key.as_bytes(), at, signs)), expected);
    }
}

#[test]
fn other_keys_and_forms_are_recognised() {
    let body = SENT.as_bytes();
    assert_eq!(code(body, |key, at| signed(&hex::decode(key).unwrap(), at, body)), "other-secret");
    assert_eq!(code(body, |key, at| signed(format!("{key}\n").as_bytes(), at, body)), "other-secret");
    assert_eq!(code(body, |key, _| tag(key.as_bytes(), body)), "no-timestamp-signed");
}

#[test]
fn headers_that_are_not_well_formed_are_explained() {
    let good = format!("v1={}", "0".repeat(64));
    for (expected, timestamp, tag) in [
        ("no-timestamp", "", good.as_str()),
        ("not-replaced", "${labTs}", &good),
        ("bad-timestamp", "2026-10-08T10:00:00Z", &good),
        ("no-signature", "1700000000", ""),
        ("not-replaced", "1700000000", "${labSig}"),
        ("bad-signature", "1700000000", "0000"),
        ("bad-signature", "1700000000", "v1=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        ("bad-signature", "1700000000", "v1=00"),
    ] {
        let verdict = judged(b"x", timestamp, tag);
        assert_eq!((verdict.code, verdict.accepted), (expected, false), "{timestamp} {tag}");
    }
}

/// A clock that is wrong is only told to who holds the secret; milliseconds are a clock far ahead.
#[test]
fn a_signature_that_fits_at_a_wrong_time_is_told_so() {
    let secret = master().source_secret(Uuid::nil(), 3);
    for (timestamp, says) in [(now() - 2000, "old"), (now() + 4000, "ahead"), (now() * 1000, "ahead")] {
        let text = timestamp.to_string();
        let verdict = judged(b"x", &text, &signed(secret.as_bytes(), &text, b"x"));
        assert_eq!((verdict.code, verdict.accepted), ("outside-window", false));
        assert!(verdict.detail.contains(says), "{}", verdict.detail);
        assert_eq!(judged(b"x", &text, &signed(b"guessed", &text, b"x")).code, "mismatch");
    }
}

#[test]
fn a_large_body_is_not_hashed_over_and_over() {
    let body = vec![b'x'; LARGEST + 1];
    let verdict = judged(&body, &now().to_string(), &format!("v1={}", "0".repeat(64)));
    assert!(verdict.detail.contains("smaller"), "{}", verdict.detail);
}
