//! Bodies that take their time, or stand still.
//!
//! What must stay true: what passes is unchanged and in order.
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _, future, stream};

/// The same in pieces of at most so many bytes, with a rest before each.
pub(super) fn slowly<E: Send>(
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    piece: usize,
    rest: Duration,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    let in_pieces = move |chunk: Result<Bytes, E>| {
        let pieces: Vec<_> = match chunk {
            Ok(chunk) => (0..chunk.len())
                .step_by(piece.max(1))
                .map(|from| Ok(chunk.slice(from..chunk.len().min(from + piece.max(1)))))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    };
    body.flat_map(in_pieces).then(move |piece| async move {
        tokio::time::sleep(rest).await;
        piece
    })
}

/// The first so many bytes, and then nothing, not even an end.
pub(super) fn stuck<E: Send>(
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    after: usize,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    let beginning = body.scan(after, |left, piece| {
        let passes = (*left > 0).then(|| {
            piece.map(|piece| {
                let passes = piece.len().min(*left);
                *left -= passes;
                piece.slice(..passes)
            })
        });
        future::ready(passes)
    });
    beginning.chain(stream::pending())
}
