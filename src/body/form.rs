//! The file in a form (multipart/form-data), as the engine sends it: one part, named after a temporary file, with a file name.
//! Must stay true: exactly one part with a file name; other parts are no part of the message, are not signed and are dropped; what is
//! held beside the file stays small, whatever stands around it.
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::stream;
use multer::Multipart;

use super::Refused;
use super::arriving::{Arriving, PIECE};
use super::file::File;

/// The most that may stand around a file: headers of parts, other parts, and what is on its way between reader and file.
const AROUND: usize = 4 * PIECE;

/// Takes the file out of the form; its Content-Type.
pub(super) async fn take_file(
    arriving: &mut Arriving<'_>,
    boundary: &str,
    file: &mut File<'_>,
) -> Result<Option<String>, Refused> {
    // The reader of forms holds what it can't place yet, such as a header without an end: never more than this.
    let (read, placed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let pieces = stream::unfold((&mut *arriving, false), |(arriving, ended)| {
        let (read, placed) = (&read, &placed);
        async move {
            // It reads as long as there is something: after each piece it shall first place what it has.
            tokio::task::yield_now().await;
            if ended {
                return None;
            }
            let piece = match arriving.piece().await {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => return None,
                Err(refused) => return Some((Err(refused), (arriving, true))),
            };
            let length = piece.as_ref().map_or(0, |piece: &axum::body::Bytes| piece.len());
            if read.fetch_add(length, Relaxed) + length > placed.load(Relaxed).saturating_add(AROUND) {
                return Some((Err(Refused::TooMuchForm), (arriving, true)));
            }
            Some((piece, (arriving, false)))
        }
    });
    let mut form = Multipart::new(pieces, boundary);
    let mut found = None;
    while let Some(mut part) = form.next_field().await.map_err(refused)? {
        if part.file_name().is_none() {
            continue;
        }
        if found.is_some() {
            return Err(Refused::SeveralFiles);
        }
        found = Some(part.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned));
        while let Some(piece) = part.chunk().await.map_err(refused)? {
            file.push(&piece).await?;
            placed.store(file.len(), Relaxed);
        }
    }
    drop(form);
    // What stands after the form belongs to what was sent; packed, it ends with a checksum.
    let mut after = 0;
    while let Some(piece) = arriving.piece().await? {
        after += piece.len();
        if after > AROUND {
            return Err(Refused::TooMuchForm);
        }
    }
    found.ok_or(Refused::NoFile)
}

/// What stopped the bytes, or what is wrong with the form itself.
fn refused(error: multer::Error) -> Refused {
    match error {
        multer::Error::StreamReadFailed(inner) => inner.downcast_ref().copied().unwrap_or(Refused::EndedEarly),
        _ => Refused::BadForm,
    }
}
