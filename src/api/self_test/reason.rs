//! Why a signature is not accepted, as precisely as it can be found out: what senders sign by mistake is tried one after the other.
//! Must stay true: a reason is only given to who could compute it, because it takes the source's secret to hit one of the mistakes.
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use labor_db::control::Source;
use labor_db::{KeysInUse, Secrets};
use ldt::Charset;
use serde::Serialize;
use utoipa::ToSchema;

use crate::signature::{BadSignature, Signed, secrets_of};

/// For larger ones the mistakes are not tried.
const LARGEST: usize = 4 * 1024 * 1024;

/// Whether the webhook would accept the signature.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verdict {
    pub(crate) accepted: bool,
    /// A stable code, such as `fits` or `other-charset`.
    pub(crate) code: &'static str,
    /// What it means and what to do.
    pub(crate) detail: String,
}

/// What there is to judge with.
pub(super) struct Asked<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) in_use: KeysInUse,
    pub(super) source: &'a Source,
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    /// Judges the two headers.
    pub(super) fn verdict(&self, timestamp: Option<&str>, tag: Option<&str>, over_sent: Vec<hmac::Context>) -> Verdict {
        let signed = match Signed::parse(timestamp, tag) {
            Ok(signed) => signed,
            Err(_) => return malformed(timestamp.unwrap_or_default(), tag.unwrap_or_default()),
        };
        let fits = match signed.verify(self.secrets, self.in_use, self.source, self.body) {
            Ok(()) if self.is_of_the_former(&signed) => Some((
                "fits-former-secret",
                "it fits with the secret before the current one, which ends with the next rotation",
            )),
            Ok(()) => Some(("fits", "it fits the file's bytes")),
            Err(_) if signed.is_one_of(over_sent) => {
                Some(("fits-as-sent", "it fits the packed bytes as they were sent"))
            }
            Err(BadSignature::Lacking) => {
                return refused(
                    "secret-lacking",
                    "this server can't derive the source's secret now; tell the operators",
                );
            }
            Err(_) => None,
        };
        let Some((code, detail)) = fits else { return self.mistake(&signed) };
        match signed.in_time(self.source) {
            Ok(()) => Verdict { accepted: true, code, detail: detail.to_owned() },
            Err(_) => self.out_of_time(timestamp.unwrap_or_default()),
        }
    }

    /// The current secret comes first.
    fn is_of_the_former(&self, signed: &Signed<'_>) -> bool {
        let current = secrets_of(self.secrets, self.in_use, self.source).next();
        !current.is_some_and(|secret| signed.fits(secret.as_bytes(), self.body))
    }

    fn out_of_time(&self, timestamp: &str) -> Verdict {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds: u64 = timestamp.parse().unwrap_or_default();
        let window = self.source.window.unwrap_or(Duration::MAX).as_secs();
        refused(
            "outside-window",
            &match now.checked_sub(seconds) {
                Some(age) => format!(
                    "it fits, but its timestamp is {age} seconds old, and {window} are allowed; check the sender's clock"
                ),
                None => {
                    format!("it fits, but its timestamp is {} seconds ahead; check the sender's clock", seconds - now)
                }
            },
        )
    }

    /// Tries what senders sign instead.
    fn mistake(&self, signed: &Signed<'_>) -> Verdict {
        if self.body.len() > LARGEST {
            return refused("mismatch", "it does not fit; test with a smaller file to be told why");
        }
        let secrets: Vec<String> = secrets_of(self.secrets, self.in_use, self.source).collect();
        for secret in &secrets {
            for (key, detail) in other_keys(secret) {
                if signed.fits(&key, self.body) {
                    return refused("other-secret", detail);
                }
            }
            for (code, detail, bytes) in other_bytes(self.body) {
                if signed.fits(secret.as_bytes(), &bytes) {
                    return refused(code, detail);
                }
            }
            if signed.fits_without_timestamp(secret.as_bytes(), self.body) {
                return refused(
                    "no-timestamp-signed",
                    "the body alone was signed; sign the timestamp's text, a dot and then the body",
                );
            }
        }
        refused(
            "mismatch",
            "it fits neither the file nor what is often signed instead: compare the secret, then the test value in the documentation",
        )
    }
}

fn refused(code: &'static str, detail: &str) -> Verdict {
    Verdict { accepted: false, code, detail: detail.to_owned() }
}

fn malformed(timestamp: &str, tag: &str) -> Verdict {
    let template = |text: &str| text.contains("${");
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let (code, detail) = match (timestamp, tag) {
        ("", _) => ("no-timestamp", "X-Labor-Timestamp is missing or empty"),
        (text, _) if template(text) => {
            ("not-replaced", "X-Labor-Timestamp holds a variable that was not replaced: the transformer did not set it")
        }
        _ if !digits => ("bad-timestamp", "X-Labor-Timestamp must be Unix seconds, digits only"),
        (_, "") => ("no-signature", "X-Labor-Signature is missing or empty"),
        (_, text) if template(text) => {
            ("not-replaced", "X-Labor-Signature holds a variable that was not replaced: the transformer did not set it")
        }
        (_, text) if !text.starts_with("v1=") => ("bad-signature", "X-Labor-Signature must begin with v1="),
        (_, text) if text.ends_with('=') => {
            ("bad-signature", "X-Labor-Signature looks like Base64; 64 hexadecimal digits are needed")
        }
        _ => ("bad-signature", "X-Labor-Signature must be v1= and 64 hexadecimal digits"),
    };
    refused(code, detail)
}

fn other_keys(secret: &str) -> Vec<(Vec<u8>, &'static str)> {
    let decoded = hex::decode(secret).unwrap_or_default();
    vec![
        (decoded, "the secret was decoded from hexadecimal; its text is the key, 64 characters"),
        (format!("{secret}\n").into_bytes(), "the secret has a line end behind it; remove it"),
        (format!("{secret}\r\n").into_bytes(), "the secret has a line end behind it; remove it"),
        (secret.to_uppercase().into_bytes(), "the secret was turned into capitals"),
    ]
}

/// What senders sign by mistake for the bytes that arrived.
fn other_bytes(body: &[u8]) -> impl Iterator<Item = (&'static str, &'static str, Cow<'_, [u8]>)> {
    const SENT_UTF8: &str = "your channel signs other bytes than it sends: it was sent as UTF-8 and signed in the laboratory's charset; set \
                             Charset Encoding of the HTTP Sender to the charset that the transformer signs in";
    const SIGNED_UTF8: &str = "your channel signs other bytes than it sends: it was signed as UTF-8 and sent in the laboratory's charset; \
                               sign in the charset of the HTTP Sender";
    const ENDS: &str =
        "your channel signs other bytes than it sends: the line ends differ; sign what the HTTP Sender sends";
    let utf8 = std::str::from_utf8(body).ok().filter(|text| !text.is_ascii());
    let back = [Charset::Latin1, Charset::Latin9, Charset::Windows1252, Charset::Cp437];
    let back = back.into_iter().filter_map(move |to| utf8.map(|text| encode(text, to)));
    let forth = [Charset::Latin1, Charset::Latin9].into_iter().filter(move |_| !body.is_ascii());
    let forth = forth.map(move |from| from.decode(body).into_bytes());
    let text = |needle: &'static [u8], by: &'static [u8]| replaced(body, needle, by);
    let ends = [text(b"\r\n", b"\n"), text(b"\r\n", b"\r"), replaced(&text(b"\r\n", b"\n"), b"\n", b"\r\n")];
    let trimmed = body.trim_ascii_end().to_vec();
    let ends =
        ends.into_iter().chain([trimmed.clone(), [&trimmed[..], b"\r\n"].concat(), [&trimmed[..], b"\n"].concat()]);
    let base64 = base64::engine::general_purpose::STANDARD.encode(body).into_bytes();
    let all = back.map(|bytes| ("other-charset", SENT_UTF8, bytes));
    let all = all.chain(forth.map(|bytes| ("other-charset", SIGNED_UTF8, bytes)));
    let all = all.chain(ends.map(|bytes| ("line-ends", ENDS, bytes)));
    let base64 =
        ("base64-signed", "the Base64 text was signed, and the bytes in it were sent: decode before signing", base64);
    all.chain([base64]).map(|(code, detail, bytes)| (code, detail, Cow::Owned(bytes)))
}

/// As Java encodes: what the charset does not have becomes a question mark.
fn encode(text: &str, to: Charset) -> Vec<u8> {
    let table: std::collections::HashMap<char, u8> =
        (0..=255u8).filter_map(|byte| Some((to.decode(&[byte]).chars().next()?, byte))).collect();
    text.chars().map(|character| table.get(&character).copied().unwrap_or(b'?')).collect()
}

fn replaced(bytes: &[u8], needle: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut result, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(needle) {
            result.extend_from_slice(by);
            rest = after;
        } else {
            result.push(*first);
            rest = &rest[1..];
        }
    }
    result
}

#[cfg(test)]
mod tests;
