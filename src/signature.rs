//! Signature of a laboratory's request: HMAC-SHA256 over `timestamp "." body`, in hex, as `X-Labor-Signature: v1=…`.
//! Must stay true: compared in constant time; the current secret and the one before are accepted, so that a sender can change
//! over, each derived from the master secret that was current when it was given out, as long as the fleet accepts that one; the
//! age limit is long because Mirth resends a frozen request for as long as an outage lasts, and harmless because the same bytes
//! are stored once.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use labor_db::control::Source;
use labor_db::{KeysInUse, Secrets};

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
    /// The source's current secret can't be derived here, and the one before does not fit.
    #[error("the master secret that this source's secret comes from is not at hand")]
    Lacking,
    /// Does not fit.
    #[error("the signature does not fit; sign timestamp, a dot and the raw body bytes with the source's secret")]
    Mismatch,
}

/// What the headers claim, well formed.
#[derive(Debug)]
pub(crate) struct Signed<'h> {
    timestamp: &'h str,
    seconds: u64,
    tag: Vec<u8>,
}

impl<'h> Signed<'h> {
    /// Looks at the headers alone, before the body is read: well formed, and within the source's time window.
    pub(crate) fn of(
        source: &Source,
        timestamp: Option<&'h str>,
        signature: Option<&str>,
    ) -> Result<Self, BadSignature> {
        let signed = Self::parse(timestamp, signature)?;
        signed.in_time(source)?;
        Ok(signed)
    }

    /// Only whether they are well formed.
    pub(crate) fn parse(timestamp: Option<&'h str>, signature: Option<&str>) -> Result<Self, BadSignature> {
        let timestamp = timestamp.ok_or(BadSignature::Malformed)?;
        let seconds: u64 = timestamp.parse().map_err(|_| BadSignature::Malformed)?;
        let tag = signature.and_then(|s| s.strip_prefix("v1=")).and_then(|s| hex::decode(s).ok());
        let tag = tag.filter(|tag| tag.len() == 32).ok_or(BadSignature::Malformed)?;
        Ok(Self { timestamp, seconds, tag })
    }

    /// Whether the timestamp is within the source's time window.
    pub(crate) fn in_time(&self, source: &Source) -> Result<(), BadSignature> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let too_old = source.window.is_some_and(|window| self.seconds.saturating_add(window.as_secs()) < now);
        if too_old || self.seconds > now.saturating_add(AHEAD.as_secs()) {
            return Err(BadSignature::Time);
        }
        Ok(())
    }

    /// Signatures begun with each secret that may be in use, the current and the one before: the body follows, piece by piece.
    pub(crate) fn begin(&self, secrets: &Secrets, in_use: KeysInUse, source: &Source) -> Vec<hmac::Context> {
        secrets_of(secrets, in_use, source).map(|secret| self.begin_with(secret.as_bytes())).collect()
    }

    fn begin_with(&self, key: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        context.update(self.timestamp.as_bytes());
        context.update(b".");
        context
    }

    /// Whether it is the signature of these bytes with this key.
    pub(crate) fn fits(&self, key: &[u8], bytes: &[u8]) -> bool {
        let mut context = self.begin_with(key);
        context.update(bytes);
        self.is_one_of(vec![context])
    }

    /// Whether the bytes alone were signed.
    pub(crate) fn fits_without_timestamp(&self, key: &[u8], bytes: &[u8]) -> bool {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        context.update(bytes);
        self.is_one_of(vec![context])
    }

    /// Whether one of these is the signature that was sent.
    pub(crate) fn is_one_of(&self, finished: Vec<hmac::Context>) -> bool {
        let fits = |tag: hmac::Tag| aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), &self.tag).is_ok();
        finished.into_iter().any(|context| fits(context.sign()))
    }

    /// Whether it fits a body that is there as a whole.
    pub(crate) fn verify(
        &self,
        secrets: &Secrets,
        in_use: KeysInUse,
        source: &Source,
        body: &[u8],
    ) -> Result<(), BadSignature> {
        let mut contexts = self.begin(secrets, in_use, source);
        contexts.iter_mut().for_each(|context| context.update(body));
        if self.is_one_of(contexts) {
            return Ok(());
        }
        if in_use.accepts(source.secret_number) && secrets.get(source.secret_number).is_none() {
            return Err(BadSignature::Lacking);
        }
        Err(BadSignature::Mismatch)
    }
}

/// The texts of the source's secrets that are accepted now: the current one first, then the one before.
pub(crate) fn secrets_of(secrets: &Secrets, in_use: KeysInUse, source: &Source) -> impl Iterator<Item = String> {
    let current = (source.secret_version, source.secret_number);
    let former = (source.secret_version - 1, source.former_secret_number);
    let accepted =
        [current, former].into_iter().filter(move |(version, number)| *version >= 1 && in_use.accepts(*number));
    accepted.filter_map(|(version, number)| Some(secrets.get(number)?.source_secret(source.id, version)))
}

#[cfg(test)]
mod tests {
    use labor_catalog::{ClaimKeyId, Keyring, SecretNumber};
    use labor_db::MasterSecret;
    use uuid::Uuid;

    use super::*;

    fn source(secret_version: i32, window: Option<u64>) -> Source {
        let window = window.map(Duration::from_secs);
        let (secret_number, former_secret_number) = (SecretNumber::FIRST, SecretNumber::FIRST);
        let (id, allowed_from) = (Uuid::nil(), Vec::new());
        Source { id, secret_version, secret_number, former_secret_number, window, allowed_from }
    }

    fn sign(version: i32, timestamp: u64, body: &[u8]) -> (String, String) {
        sign_with(&master(1), version, timestamp, body)
    }

    fn sign_with(master: &MasterSecret, version: i32, timestamp: u64, body: &[u8]) -> (String, String) {
        let secret = master.source_secret(Uuid::nil(), version);
        let text = timestamp.to_string();
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &[text.as_bytes(), b".", body].concat());
        (text, format!("v1={}", hex::encode(tag)))
    }

    fn master(number: u8) -> MasterSecret {
        MasterSecret::from_hex(&hex::encode([number; 32])).unwrap()
    }

    fn keys(current: i32, former: Option<i32>) -> KeysInUse {
        KeysInUse::new(ClaimKeyId::new(current).unwrap(), former.and_then(ClaimKeyId::new))
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    fn check(source: &Source, signed: &(String, String), body: &[u8]) -> Result<(), BadSignature> {
        Signed::of(source, Some(&signed.0), Some(&signed.1))?.verify(&master(1).into(), keys(1, None), source, body)
    }

    #[test]
    fn the_current_secret_and_the_one_before_are_accepted_and_no_other() {
        let body = b"0138000";
        for (version, accepted) in [(3, true), (2, true), (1, false), (4, false)] {
            let result = check(&source(3, None), &sign(version, now(), body), body);
            assert_eq!(result.is_ok(), accepted, "version {version}");
        }
    }

    /// Version 3 comes out of secret 2, version 2 out of secret 1.
    #[test]
    fn each_version_comes_out_of_the_secret_that_was_current_as_long_as_the_fleet_accepts_it() {
        let changing = Source { secret_number: SecretNumber::FIRST.next().unwrap(), ..source(3, None) };
        let (old, new) = (sign_with(&master(1), 2, now(), b"x"), sign_with(&master(2), 3, now(), b"x"));
        let file = |numbers: &[u8]| {
            let lines: String = numbers.iter().map(|n| format!("{n}:{}\n", hex::encode([*n; 32]))).collect();
            Secrets::from(Keyring::parse(&lines).unwrap())
        };
        let verify = |signed: &(String, String), secrets: &Secrets, keys: KeysInUse| {
            Signed::of(&changing, Some(&signed.0), Some(&signed.1)).unwrap().verify(secrets, keys, &changing, b"x")
        };
        let both = file(&[1, 2]);
        for keys in [keys(1, None), keys(1001, Some(1))] {
            assert_eq!((verify(&old, &both, keys), verify(&new, &both, keys)), (Ok(()), Ok(())));
        }
        let finished = keys(1001, None);
        assert_eq!(
            verify(&old, &both, finished),
            Err(BadSignature::Mismatch),
            "also where the old secret is still held"
        );
        assert_eq!(verify(&new, &file(&[2]), finished), Ok(()));
        assert_eq!(
            verify(&new, &file(&[1]), keys(1001, Some(1))),
            Err(BadSignature::Lacking),
            "not the sender's fault"
        );
        assert_eq!(verify(&old, &file(&[1]), keys(1001, Some(1))), Ok(()));
        let swapped = sign_with(&master(1), 3, now(), b"x");
        assert_eq!(
            verify(&swapped, &both, keys(1001, Some(1))),
            Err(BadSignature::Mismatch),
            "version 3 of the old secret"
        );
    }

    #[test]
    fn a_changed_byte_or_time_does_not_fit() {
        let mut signed = sign(1, now(), b"abc");
        assert_eq!(check(&source(1, None), &signed, b"abx"), Err(BadSignature::Mismatch));
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
            assert_eq!(Signed::of(&source(1, None), time, tag).unwrap_err(), BadSignature::Malformed);
        }
    }
}
