//! Unpacks gzip in small steps.
//! Must stay true: memory beside the result stays small, however much a body unpacks to; a bomb is found while it unpacks; a body of
//! several members is unpacked wholly, and a cut one is never taken for a short one.
use std::io::Write as _;

use axum::body::Bytes;
use flate2::write::MultiGzDecoder;

use super::Refused;

/// So much is unpacked at a time: it can become a thousand times as much.
const STEP: usize = 4 * 1024;
/// Text packs ten to one, a file of blanks a thousand to one. Looked at from this size on.
const RATIO: usize = 200;
const UNSUSPICIOUS: usize = 1024 * 1024;

/// An unpacker.
pub(super) struct Gunzip {
    packed: Bytes,
    decoder: MultiGzDecoder<Vec<u8>>,
    taken: usize,
    given: usize,
    most: usize,
}

impl Gunzip {
    /// One that gives `most` bytes at most.
    pub(super) fn new(most: usize) -> Self {
        Self { packed: Bytes::new(), decoder: MultiGzDecoder::new(Vec::new()), taken: 0, given: 0, most }
    }

    /// Whether there is something to unpack.
    pub(super) fn waits(&self) -> bool {
        !self.packed.is_empty()
    }

    pub(super) fn feed(&mut self, packed: Bytes) {
        self.packed = packed;
    }

    /// Unpacks a little; what comes of it may be empty.
    pub(super) fn step(&mut self, limit: usize) -> Result<Bytes, Refused> {
        let step = self.packed.split_to(self.packed.len().min(STEP));
        self.taken += step.len();
        self.decoder.write_all(&step).map_err(|_| Refused::BadGzip)?;
        self.give(limit)
    }

    /// The rest, when all was fed. None when there is no rest.
    pub(super) fn end(&mut self, limit: usize) -> Result<Option<Bytes>, Refused> {
        self.decoder.try_finish().map_err(|_| Refused::BadGzip)?;
        Ok(Some(self.give(limit)?).filter(|rest| !rest.is_empty()))
    }

    fn give(&mut self, limit: usize) -> Result<Bytes, Refused> {
        let unpacked = std::mem::take(self.decoder.get_mut());
        self.given = self.given.saturating_add(unpacked.len());
        if self.given > self.most {
            return Err(Refused::TooLarge { limit });
        }
        if self.given > UNSUSPICIOUS && self.given > self.taken.saturating_mul(RATIO) {
            return Err(Refused::TooDense { ratio: RATIO });
        }
        Ok(Bytes::from(unpacked))
    }
}
