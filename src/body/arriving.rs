//! Bytes as they come over the wire, unpacked if they were packed.
//! Must stay true: more than the limit is never read; a silent or crawling sender is given up; a piece is small, so that what follows
//! holds little beside the file.
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::{BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::gzip::Gunzip;
use super::{Refused, Shape};

/// For so long a sender may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// In this time the whole body must come: a request may take 25 seconds.
const WHOLE: Duration = Duration::from_secs(20);
/// The largest piece that is handed on.
pub(super) const PIECE: usize = 64 * 1024;

/// A body on its way.
pub(super) struct Arriving<'w> {
    wire: &'w mut BodyDataStream,
    until: Instant,
    sent: usize,
    /// The most that may be sent.
    most: usize,
    limit: usize,
    over_sent: Vec<hmac::Context>,
    gunzip: Option<Gunzip>,
    ready: Bytes,
}

impl<'w> Arriving<'w> {
    pub(super) fn new(
        wire: &'w mut BodyDataStream,
        shape: &Shape,
        limit: usize,
        over_sent: Vec<hmac::Context>,
    ) -> Self {
        let most = shape.most_sent(limit);
        Self {
            wire,
            until: Instant::now() + WHOLE,
            sent: 0,
            most,
            limit,
            over_sent,
            // A form around the file is packed with it.
            gunzip: shape.gzip.then(|| Gunzip::new(most)),
            ready: Bytes::new(),
        }
    }

    /// The next bytes of the body, unpacked; never empty, and none at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Refused> {
        while self.ready.is_empty() {
            let Some(more) = self.more().await? else { return Ok(None) };
            self.ready = more;
        }
        let length = self.ready.len().min(PIECE);
        Ok(Some(self.ready.split_to(length)))
    }

    /// How much was sent, and the signatures over it.
    pub(super) fn end(self) -> (usize, Vec<hmac::Context>) {
        (self.sent, self.over_sent)
    }

    async fn more(&mut self) -> Result<Option<Bytes>, Refused> {
        loop {
            if let Some(gunzip) = &mut self.gunzip
                && gunzip.waits()
            {
                let unpacked = gunzip.step(self.limit)?;
                // Unpacking keeps a core busy: others shall have their turn.
                tokio::task::yield_now().await;
                return Ok(Some(unpacked));
            }
            match (self.read().await?, &mut self.gunzip) {
                (Some(sent), Some(gunzip)) => gunzip.feed(sent),
                (None, Some(gunzip)) => return gunzip.end(self.limit),
                (sent, None) => return Ok(sent),
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Refused> {
        let patience = self.until.min(Instant::now() + SILENCE);
        let Ok(read) = timeout_at(patience, self.wire.next()).await else {
            return Err(match patience == self.until {
                true => Refused::TooSlow { seconds: WHOLE.as_secs() },
                false => Refused::Stalled { seconds: SILENCE.as_secs() },
            });
        };
        let Some(sent) = read.transpose().map_err(|_| Refused::EndedEarly)? else { return Ok(None) };
        self.sent = self.sent.saturating_add(sent.len());
        if self.sent > self.most {
            return Err(Refused::TooLarge { limit: self.limit });
        }
        self.over_sent.iter_mut().for_each(|signature| signature.update(&sent));
        Ok(Some(sent))
    }
}
