//! A message on its way through the channel: what the transformer made of it, once, and what came of each attempt.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

use super::{ChannelSettings, DataType};

/// Where a message stands, in the engine's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It will be tried, or tried again.
    Queued,
    /// Done, as the channel sees it.
    Sent,
    /// Given up.
    Error,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The status of the answer; none when no answer came.
    pub status: Option<u16>,
    /// The answer's body, or why there is none. The engine stores it.
    pub answer: String,
}

/// A message as the channel's dashboard shows it.
#[derive(Debug, Clone)]
pub struct Message {
    /// The name of the file.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// What came of each attempt, the first one first.
    pub attempts: Vec<Attempt>,
    pub(super) request: Request,
}

/// What is sent, frozen.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) content: Content,
    pub(super) timestamp: String,
    pub(super) signature: String,
    pub(super) message_id: String,
}

/// `${labBody}`.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Message {
    /// Reads the file and runs the transformer.
    pub(super) fn new(settings: &ChannelSettings, name: &str, file: &[u8], number: usize) -> Self {
        let request = transformed(settings, file, number);
        Self { name: name.to_owned(), state: State::Queued, attempts: Vec::new(), request }
    }

    /// The answer of the last attempt.
    #[must_use]
    pub fn answer(&self) -> serde_json::Value {
        let last = self.attempts.last().map_or("", |attempt| &attempt.answer);
        serde_json::from_str(last).unwrap_or_default()
    }

    /// The status of the last attempt.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.attempts.last().and_then(|attempt| attempt.status)
    }
}

fn transformed(settings: &ChannelSettings, file: &[u8], number: usize) -> Request {
    let (content, signed) = match settings.data_type {
        DataType::Binary => (Content::Bytes(file.to_vec()), file.to_vec()),
        DataType::Text(_) => {
            let text = settings.read_as.decode(file);
            let signed = settings.sign_as.encode(&text);
            (Content::Text(text), signed)
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = now.saturating_sub(settings.age).as_secs().to_string();
    let signature = signature(&settings.secret, &timestamp, &signed);
    let message_id = settings.fixed_message_id.clone().unwrap_or_else(|| format!("{}-{number}", uuid::Uuid::now_v7()));
    Request { content, timestamp, signature, message_id }
}

impl Request {
    /// The transformer runs again before a retry: the same content at another time.
    pub(super) fn sign_again(&mut self, settings: &ChannelSettings) {
        let signed = match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Text(text) => settings.sign_as.encode(text),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.timestamp = now.as_secs().to_string();
        self.signature = signature(&settings.secret, &self.timestamp, &signed);
    }
}

/// `v1=` and the HMAC over timestamp, dot and bytes.
fn signature(secret: &str, timestamp: &str, bytes: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(bytes);
    format!("v1={}", hex::encode(context.sign()))
}
