//! HTTP by hand, for what no client does: bodies that stop, headers that lie.
use std::time::Duration;

use labor_testing::Sender;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clinic::{Clinic, LIMIT};

/// A connection to the clinic's server.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn open(clinic: &Clinic) -> Self {
        Self::to(&clinic.server.base).await
    }

    pub(crate) async fn to(base: &str) -> Self {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads until this text has come; all that came before and with it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let so_far = String::from_utf8_lossy(&self.read).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            let count = tokio::time::timeout(LIMIT, self.stream.read(&mut buffer)).await.unwrap().unwrap();
            assert_ne!(count, 0, "the connection ended after: {so_far}");
            self.read.extend_from_slice(&buffer[..count]);
        }
    }

    /// Whether nothing comes for so long.
    pub(crate) async fn is_silent(&mut self, span: Duration) -> bool {
        let mut buffer = [0; 1];
        tokio::time::timeout(span, self.stream.peek(&mut buffer)).await.is_err()
    }
}

/// The head of a signed post of this body, with further headers, each with its line end.
pub(crate) fn head(clinic: &Clinic, path: &str, body: &[u8], further: &str) -> String {
    head_of(&clinic.sender, &clinic.source.id, path, body, further)
}

pub(crate) fn head_of(sender: &Sender, source: &str, path: &str, body: &[u8], further: &str) -> String {
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let signature = sender.signature(now, body);
    format!(
        "POST {path} HTTP/1.1\r\nHost: labor\r\nContent-Type: text/plain\r\nX-Labor-Source: {source}\r\n\
         X-Labor-Timestamp: {now}\r\nX-Labor-Signature: {signature}\r\n{further}\r\n"
    )
}
