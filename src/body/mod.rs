//! A message's body on its way in: read piece by piece, unpacked, taken out of its form, hashed and its signature computed as it comes.
//! Must stay true: what is kept is the file's bytes exactly as the laboratory wrote them, and never more of them than the limit,
//! whatever was sent; a body is only read once its memory is set aside; one that does not come is given up with a clear answer.
mod arriving;
mod budget;
mod discard;
mod file;
mod form;
mod gzip;
mod refused;
mod shape;

use aws_lc_rs::{digest, hmac};
use axum::body::{BodyDataStream, Bytes};

use self::arriving::Arriving;
pub(crate) use self::budget::Budget;
use self::budget::{Part, Share};
pub(crate) use self::discard::discard;
use self::file::File;
pub(crate) use self::refused::Refused;
pub(crate) use self::shape::Shape;

/// A file that was received wholly.
#[derive(Debug)]
pub(crate) struct Received {
    /// The file's bytes, unpacked.
    pub(crate) bytes: Bytes,
    /// SHA-256 of them.
    pub(crate) sha256: [u8; 32],
    /// How many bytes came over the wire.
    pub(crate) sent: usize,
    /// Content-Type of the file: the request's, or its part's.
    pub(crate) content_type: Option<String>,
    /// The signatures begun by the caller, over the file's bytes.
    pub(crate) over_file: Vec<hmac::Context>,
    /// The same over the bytes as sent; empty unless they were packed.
    pub(crate) over_sent: Vec<hmac::Context>,
    /// The memory set aside for it: keep it as long as the bytes.
    pub(crate) share: Share,
}

/// Receives the file that a request holds.
///
/// # Errors
/// When it is too large, damaged or does not come, or when there is no memory for it.
pub(crate) async fn receive(
    memory: &Part,
    shape: Shape,
    wire: &mut BodyDataStream,
    signatures: Vec<hmac::Context>,
) -> Result<Received, Refused> {
    let limit = memory.largest();
    if shape.declared.is_some_and(|declared| declared > shape.most_sent(limit)) {
        return Err(Refused::TooLarge { limit });
    }
    let share = memory.share(shape.expected()).await?;
    let over_sent = if shape.gzip { signatures.clone() } else { Vec::new() };
    let mut arriving = Arriving::new(wire, &shape, limit, over_sent);
    let mut file = File::new(memory, share, shape.expected(), signatures);
    let content_type = match &shape.boundary {
        None => {
            while let Some(piece) = arriving.piece().await? {
                file.push(&piece).await?;
            }
            shape.content_type
        }
        Some(boundary) => form::take_file(&mut arriving, boundary, &mut file).await?,
    };
    let (sent, over_sent) = arriving.end();
    Ok(file.end(sent, over_sent, content_type))
}

fn sha256_of(context: digest::Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests;
