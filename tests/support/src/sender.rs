//! A laboratory's channel at its simplest: raw bytes, signed, posted. It follows no redirect and takes any answer as it comes, as the
//! senders in the field do; what they make of it is for the test to say.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

use crate::{Error, Result};

/// Posts messages of one source.
#[derive(Debug)]
pub struct Sender {
    url: String,
    source: String,
    key: hmac::Key,
    client: reqwest::Client,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body; null when it is not JSON.
    pub json: serde_json::Value,
    /// The body as it came.
    pub text: String,
}

impl Sender {
    /// A sender for the source with this id and secret, towards the server at `base` (`http://host:port`). It keeps connections of the
    /// runtime it is used on: make one per test.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(base: &str, source: impl Into<String>, secret: &[u8]) -> Result<Self> {
        let url = format!("{}/v1/messages", base.trim_end_matches('/'));
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30));
        let client = client.build().map_err(|source| Error::Http { url: url.clone(), source })?;
        Ok(Self { url, source: source.into(), key: hmac::Key::new(hmac::HMAC_SHA256, secret), client })
    }

    /// Sends a message under a new id.
    ///
    /// # Errors
    /// When no answer comes. Every answer, also a refusal, is an [`Answer`].
    pub async fn send(&self, body: &[u8]) -> Result<Answer> {
        self.send_as(&uuid::Uuid::now_v7().to_string(), body).await
    }

    /// Sends a message under an id of one's choice: what a sender that tries again does.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send_as(&self, message: &str, body: &[u8]) -> Result<Answer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.post(message, now, &self.signature(now, body), body).await
    }

    /// Sends with a timestamp and signature of one's choice, right or wrong.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn post(&self, message: &str, timestamp: u64, signature: &str, body: &[u8]) -> Result<Answer> {
        let failed = |source| Error::Http { url: self.url.clone(), source };
        let request = self.client.post(&self.url).header("Content-Type", "text/plain").header("X-Message-Id", message);
        let request = request.header("X-Labor-Source", &self.source).header("X-Labor-Timestamp", timestamp.to_string());
        let answer = request.header("X-Labor-Signature", signature).body(body.to_vec()).send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(failed)?;
        Ok(Answer { status, json: serde_json::from_str(&text).unwrap_or_default(), text })
    }

    /// The signature header of a body sent at a time: `v1=` and the HMAC over `timestamp.body`.
    #[must_use]
    pub fn signature(&self, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(format!("{timestamp}.").as_bytes());
        context.update(body);
        format!("v1={}", hex::encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_over_timestamp_dot_body() {
        let sender = Sender::new("http://127.0.0.1:1/", "x", b"key").unwrap();
        // printf '1700000000.body' | openssl dgst -sha256 -hmac key
        assert_eq!(
            sender.signature(1_700_000_000, b"body"),
            "v1=47b6ce0fca59474308e2921c247cb2493dce6b8101d90ac05bd0c6a37d0e046e"
        );
        assert_eq!(sender.url, "http://127.0.0.1:1/v1/messages");
    }
}
