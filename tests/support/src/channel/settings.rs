//! How a channel is set up: the names are those of the engine's administrator.

use std::time::Duration;

use super::TextCharset;

/// A channel's File Reader, transformer and HTTP Sender.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    /// Where to post.
    pub url: String,
    /// X-Labor-Source.
    pub source: String,
    /// The signing secret's text.
    pub secret: String,
    /// Charset of the File Reader.
    pub read_as: TextCharset,
    /// Charset in which the transformer signs.
    pub sign_as: TextCharset,
    /// Data type of the HTTP Sender.
    pub data_type: DataType,
    /// Header `Content-Encoding: gzip`: the body is packed after it was signed.
    pub gzip: bool,
    /// The body is a form with the file as its one part.
    pub multipart: bool,
    /// Source queue settings of the destination.
    pub queue: Queue,
    /// Threads of the queue.
    pub threads: usize,
    /// "Regenerate Template" and "Include Filter/Transformer": each retry is signed anew.
    pub regenerate: bool,
    /// For so long an answer is waited for.
    pub socket_timeout: Duration,
    /// The response transformer of docs/mirth.md: what can't succeed by trying becomes an ERROR.
    pub response_transformer: bool,
    /// Basic authentication, as always not sent before a 401 asks for it.
    pub basic: Option<(String, String)>,
    /// The transformer ran so long ago: the queue was not sent for that time.
    pub age: Duration,
    /// X-Message-Id is this, whatever the message: a fault in the set-up.
    pub fixed_message_id: Option<String>,
}

/// Data type of the HTTP Sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// In this charset.
    Text(TextCharset),
    /// The bytes themselves.
    Binary,
}

/// What becomes of a message that is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// It is tried again for ever, after this pause.
    Always {
        /// Between two attempts.
        interval: Duration,
        /// Go to the end of the queue after each attempt.
        rotate: bool,
    },
    /// So many retries, then ERROR.
    Never {
        /// How often it is tried again.
        retries: u32,
        /// Between two attempts.
        interval: Duration,
    },
}

impl ChannelSettings {
    /// The engine's defaults, but for the charset, which is right, and the queue, which is on.
    #[must_use]
    pub fn new(url: impl Into<String>, source: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            source: source.into(),
            secret: secret.into(),
            read_as: TextCharset::Latin9,
            sign_as: TextCharset::Latin9,
            data_type: DataType::Text(TextCharset::Latin9),
            gzip: false,
            multipart: false,
            queue: Queue::Always { interval: Duration::from_secs(10), rotate: false },
            threads: 1,
            regenerate: false,
            socket_timeout: Duration::from_secs(30),
            response_transformer: false,
            basic: None,
            age: Duration::ZERO,
            fixed_message_id: None,
        }
    }
}
