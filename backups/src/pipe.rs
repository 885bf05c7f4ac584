//! Bridges between async code and the encoders, which block: bounded channels with a `Read` and a `Write` end.
//! Must stay true: an error on the sending side is never taken for the end of the stream.
use std::io::{self, Read, Write};

use tokio::sync::mpsc::{Receiver, Sender};

/// A piece of a stream, or why there are no more.
pub(crate) type Chunk = io::Result<Vec<u8>>;

/// Size of the pieces that are passed on.
pub(crate) const CHUNK: usize = 128 << 10;

/// Reads what async code sends. For a blocking thread.
pub(crate) struct ChunkReader {
    chunks: Receiver<Chunk>,
    current: io::Cursor<Vec<u8>>,
}

impl ChunkReader {
    pub(crate) fn new(chunks: Receiver<Chunk>) -> Self {
        Self { chunks, current: io::Cursor::default() }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = io::Cursor::new(chunk?),
                None => return Ok(0),
            }
        }
    }
}

/// Cuts what is written into parts of given sizes and sends them to async code. For a blocking thread.
pub(crate) struct PartWriter {
    parts: Sender<Vec<u8>>,
    sent: usize,
    size_of: fn(usize) -> usize,
    current: Vec<u8>,
}

impl PartWriter {
    /// `size_of` tells how large the part after so many others is.
    pub(crate) fn new(parts: Sender<Vec<u8>>, size_of: fn(usize) -> usize) -> Self {
        Self { parts, sent: 0, size_of, current: Vec::with_capacity(size_of(0)) }
    }

    fn send(&mut self) -> io::Result<()> {
        self.sent += 1;
        let part = std::mem::replace(&mut self.current, Vec::with_capacity((self.size_of)(self.sent)));
        self.parts.blocking_send(part).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// Sends what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.current.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min((self.size_of)(self.sent) - self.current.len());
        self.current.extend_from_slice(&bytes[..count]);
        if self.current.len() == (self.size_of)(self.sent) {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
