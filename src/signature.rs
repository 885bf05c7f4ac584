//! Signature of a laboratory's request: HMAC-SHA256 over `timestamp "." body`, in hex, as `X-Labor-Signature: v1=…`.
//! Must stay true: compared in constant time; the current secret and the one before are accepted, so that a sender can change
//! over; the age limit is long because Mirth resends a frozen request for as long as an outage lasts, and harmless because the
//! same bytes are stored once.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use labor_db::MasterSecret;
use labor_db::control::Source;

/// A clock may be this far ahead of ours.
const AHEAD: Duration = Duration::from_secs(300);

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSignature {
    /// Header missing or malformed.
    #[error("X-Labor-Timestamp (Unix seconds) and X-Labor-Signature (v1= and 64 hexadecimal digits) are needed")]
    Malformed,
    /// Too old or in the future.
    #[error("the timestamp is outside the time window of this source; check the clock of the sender")]
    Time,
    /// Does not fit.
    #[error("the signature does not fit; sign timestamp, a dot and the raw body bytes with the source's secret")]
    Mismatch,
}

/// Checks a request.
pub(crate) fn verify(
    master: &MasterSecret,
    source: &Source,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
) -> Result<(), BadSignature> {
    let timestamp = timestamp.ok_or(BadSignature::Malformed)?;
    let seconds: u64 = timestamp.parse().map_err(|_| BadSignature::Malformed)?;
    let tag = signature
        .and_then(|s| s.strip_prefix("v1="))
        .and_then(|s| hex::decode(s).ok())
        .ok_or(BadSignature::Malformed)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let too_old = source.window.is_some_and(|window| seconds.saturating_add(window.as_secs()) < now);
    if too_old || seconds > now.saturating_add(AHEAD.as_secs()) {
        return Err(BadSignature::Time);
    }
    let signed = [timestamp.as_bytes(), b".", body].concat();
    let versions = [source.secret_version, source.secret_version - 1];
    let fits = versions.into_iter().filter(|version| *version >= 1).any(|version| {
        let secret = master.source_secret(source.id, version);
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &signed, &tag).is_ok()
    });
    if fits { Ok(()) } else { Err(BadSignature::Mismatch) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn source(secret_version: i32, window: Option<u64>) -> Source {
        Source { id: Uuid::nil(), secret_version, window: window.map(Duration::from_secs), allowed_from: Vec::new() }
    }

    fn sign(version: i32, timestamp: u64, body: &[u8]) -> (String, String) {
        let secret = master().source_secret(Uuid::nil(), version);
        let text = timestamp.to_string();
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &[text.as_bytes(), b".", body].concat());
        (text, format!("v1={}", hex::encode(tag)))
    }

    fn master() -> MasterSecret {
        MasterSecret::from_hex(&"11".repeat(32)).unwrap()
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    fn check(source: &Source, signed: &(String, String), body: &[u8]) -> Result<(), BadSignature> {
        verify(&master(), source, Some(&signed.0), Some(&signed.1), body)
    }

    #[test]
    fn the_current_secret_and_the_one_before_are_accepted_and_no_other() {
        let body = b"0138000";
        for (version, accepted) in [(3, true), (2, true), (1, false), (4, false)] {
            let result = check(&source(3, None), &sign(version, now(), body), body);
            assert_eq!(result.is_ok(), accepted, "version {version}");
        }
    }

    #[test]
    fn a_changed_byte_or_time_does_not_fit() {
        let mut signed = sign(1, now(), b"abc");
        assert_eq!(check(&source(1, None), &signed, b"abd"), Err(BadSignature::Mismatch));
        signed.0 = (now() - 1).to_string();
        assert_eq!(check(&source(1, None), &signed, b"abc"), Err(BadSignature::Mismatch));
    }

    #[test]
    fn a_frozen_retry_is_good_within_the_window_and_without_a_window_for_ever() {
        let old = sign(1, now() - 1000, b"x");
        assert_eq!(check(&source(1, Some(2000)), &old, b"x"), Ok(()));
        assert_eq!(check(&source(1, Some(500)), &old, b"x"), Err(BadSignature::Time));
        assert_eq!(check(&source(1, None), &sign(1, 1, b"x"), b"x"), Ok(()));
        assert_eq!(check(&source(1, None), &sign(1, now() + 4000, b"x"), b"x"), Err(BadSignature::Time));
    }

    #[test]
    fn missing_or_odd_headers_are_malformed() {
        for (time, tag) in [
            (None, Some("v1=00")),
            (Some("x"), Some("v1=00")),
            (Some("1"), None),
            (Some("1"), Some("v2=00")),
            (Some("1"), Some("v1=zz")),
        ] {
            assert_eq!(verify(&master(), &source(1, None), time, tag, b""), Err(BadSignature::Malformed));
        }
    }
}
