//! The file itself while it comes: its bytes, their hash and the signatures over them.
//! Must stay true: never longer than the limit; its memory was set aside before it is used.
use aws_lc_rs::{digest, hmac};
use axum::body::Bytes;

use super::budget::{Part, Share};
use super::{Received, Refused, sha256_of};

/// What has come so far.
pub(super) struct File<'b> {
    part: &'b Part,
    share: Share,
    bytes: Vec<u8>,
    sha256: digest::Context,
    signatures: Vec<hmac::Context>,
}

impl<'b> File<'b> {
    pub(super) fn new(part: &'b Part, share: Share, expected: Option<usize>, signatures: Vec<hmac::Context>) -> Self {
        let bytes = Vec::with_capacity(expected.unwrap_or_default().min(share.bytes()));
        Self { part, share, bytes, sha256: digest::Context::new(&digest::SHA256), signatures }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) async fn push(&mut self, piece: &[u8]) -> Result<(), Refused> {
        let (length, limit) = (self.bytes.len().saturating_add(piece.len()), self.part.largest());
        if length > limit {
            return Err(Refused::TooLarge { limit });
        }
        if length > self.share.bytes() {
            self.part.grow(&mut self.share).await?;
            // Once, and exactly: growing by doubling would need up to three times as much. Untouched pages cost nothing.
            self.bytes.reserve_exact(limit - self.bytes.len());
        }
        self.sha256.update(piece);
        self.signatures.iter_mut().for_each(|signature| signature.update(piece));
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    pub(super) fn end(mut self, sent: usize, over_sent: Vec<hmac::Context>, content_type: Option<String>) -> Received {
        self.share.shrink(self.bytes.len());
        self.bytes.shrink_to_fit();
        Received {
            bytes: Bytes::from(self.bytes),
            sha256: sha256_of(self.sha256),
            sent,
            content_type,
            over_file: self.signatures,
            over_sent,
            share: self.share,
        }
    }
}
