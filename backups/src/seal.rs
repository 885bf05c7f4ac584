//! Seals a dump (zstd, then age to the tenant's recipient) and opens it again, counting and hashing both sides.
//! Must stay true: what comes out is what `age -d | zstd -d` can read; a cut or altered object is never opened without an error.
use std::io::{self, Read, Write};

use age::x25519::{Identity, Recipient};
use aws_lc_rs::digest;

use crate::pipe::CHUNK;
use crate::{BackupError, Sum};

/// zstd's own default: 3.
const LEVEL: i32 = 0;

/// Counts and hashes what passes.
struct Summing<T> {
    inner: T,
    hash: digest::Context,
    bytes: u64,
}

impl<T> Summing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: digest::Context::new(&digest::SHA256), bytes: 0 }
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn finish(self) -> (Sum, T) {
        (Sum { bytes: self.bytes, sha256: hex::encode(self.hash.finish()) }, self.inner)
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.passed(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Both sides of a sealed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    /// The plain SQL text.
    pub(crate) plain: Sum,
    /// The object.
    pub(crate) sealed: Sum,
}

/// Compresses and encrypts everything that can be read. Blocks. The writer is given back for its own end.
pub(crate) fn seal<W: Write>(plain: impl Read, recipient: &Recipient, sealed: W) -> io::Result<(Sums, W)> {
    let mut plain = Summing::new(plain);
    let to = std::iter::once(recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(to).map_err(io::Error::other)?;
    let mut encoder = zstd::stream::write::Encoder::new(encryptor.wrap_output(Summing::new(sealed))?, LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut plain, &mut encoder)?;
    let (sealed, writer) = encoder.finish()?.finish()?.finish();
    let (plain, _) = plain.finish();
    Ok((Sums { plain, sealed }, writer))
}

/// Decrypts and decompresses, and passes the plain text on in pieces. Blocks.
/// What was passed on is good only when this returns `Ok` and the sums are those of the manifest.
pub(crate) fn open(
    sealed: impl Read,
    identity: &Identity,
    mut pass_on: impl FnMut(Vec<u8>) -> io::Result<()>,
) -> Result<Sums, BackupError> {
    let mut sealed = Summing::new(sealed);
    let decryptor = age::Decryptor::new(&mut sealed).map_err(cannot_decrypt)?;
    let decrypted = decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)).map_err(cannot_decrypt)?;
    let mut plain = Summing::new(zstd::stream::read::Decoder::new(decrypted).map_err(damaged)?);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let count = (&mut plain).take(CHUNK as u64).read_to_end(&mut chunk).map_err(damaged)?;
        if count == 0 {
            break;
        }
        pass_on(chunk).map_err(BackupError::io("pass on the dump"))?;
    }
    let (plain, decoder) = plain.finish();
    drop(decoder);
    // Whatever follows belongs to the object too.
    io::copy(&mut sealed, &mut io::sink()).map_err(damaged)?;
    let (sealed, _) = sealed.finish();
    Ok(Sums { plain, sealed })
}

/// The store's own error if that is what it was; else the bytes are not those that were written.
fn damaged(error: io::Error) -> BackupError {
    match error.downcast::<BackupError>() {
        Ok(inner) => inner,
        Err(error) => BackupError::Damaged(format!("it can't be opened: {error}")),
    }
}

fn cannot_decrypt(error: age::DecryptError) -> BackupError {
    match error {
        age::DecryptError::Io(error) => damaged(error),
        age::DecryptError::NoMatchingKeys => {
            BackupError::Damaged("it is encrypted to another key than this tenant's".to_owned())
        }
        // age's texts want its translation files; the kind says enough.
        other => BackupError::Damaged(format!("it can't be decrypted ({other:?})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plain: &[u8], identity: &Identity) -> (Sums, Vec<u8>) {
        seal(plain, &identity.to_public(), Vec::new()).unwrap()
    }

    fn opened(sealed: &[u8], identity: &Identity) -> Result<(Sums, Vec<u8>), BackupError> {
        let mut plain = Vec::new();
        let sums = open(sealed, identity, |chunk| {
            plain.extend(chunk);
            Ok(())
        })?;
        Ok((sums, plain))
    }

    /// Hard to compress, so that it fills several of age's 64 KiB chunks.
    fn noise() -> Vec<u8> {
        let mut bytes = vec![0; 300_000];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_sealed_comes_back_with_the_same_sums() {
        let identity = Identity::generate();
        for plain in [Vec::new(), b"SELECT 1;\n".to_vec(), noise()] {
            let (sums, object) = sealed(&plain, &identity);
            assert_eq!(sums.sealed.bytes, object.len() as u64);
            assert_eq!(opened(&object, &identity).unwrap(), (sums, plain));
        }
    }

    #[test]
    fn a_truncated_object_is_refused_wherever_it_was_cut() {
        let identity = Identity::generate();
        let (_, object) = sealed(&noise(), &identity);
        for length in [0, 1, 100, 250, 70_000, 65_536 * 2, object.len() - 17, object.len() - 1] {
            let error = opened(&object[..length], &identity).unwrap_err();
            assert!(error.condemns(), "cut at {length}: {error}");
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_wherever_it_is() {
        let identity = Identity::generate();
        let (_, object) = sealed(&noise(), &identity);
        for at in (0..object.len()).step_by(7919).chain([object.len() - 1]) {
            let mut flipped = object.clone();
            flipped[at] ^= 1;
            assert!(opened(&flipped, &identity).is_err(), "a flip at {at} passed");
        }
    }

    #[test]
    fn another_tenants_key_opens_nothing() {
        let (_, object) = sealed(b"x", &Identity::generate());
        assert!(opened(&object, &Identity::generate()).unwrap_err().condemns());
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let identity = Identity::generate();
        let (_, mut object) = sealed(b"x", &identity);
        object.extend(b"more");
        assert!(opened(&object, &identity).is_err());
    }
}
