//! Random secrets and the private files they are kept in. A secret never stands in a command line or a log.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use aws_lc_rs::{digest, rand};

use crate::{
    Result,
    error::{Doing, Error},
};

/// `bytes` random bytes, in hex: a password or key for one run.
///
/// # Errors
/// When the system's random source fails.
pub fn random_hex(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    rand::fill(&mut buffer).map_err(|_| Error::Os {
        doing: "get random bytes".into(),
        source: std::io::Error::other("the system's random source failed"),
    })?;
    Ok(hex::encode(buffer))
}

/// A short name for a path: the same for the same path, different for different ones.
pub(crate) fn short_hash(path: &Path) -> String {
    let hash = digest::digest(&digest::SHA256, path.as_os_str().as_encoded_bytes());
    hex::encode(&hash.as_ref()[..6])
}

/// Writes a file that only its owner may read, as secrets have to be; whole or not at all, also over one that is there.
///
/// # Errors
/// When it can't be written.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let write = || {
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&part, path)
    };
    write().doing(|| format!("write {}", path.display()))
}

/// What is in a private file, or a new secret that is written there.
pub(crate) fn kept(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Ok(_) => renew(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => renew(path),
        Err(source) => Err(Error::Os { doing: format!("read {}", path.display()), source }),
    }
}

fn renew(path: &Path) -> Result<String> {
    let secret = random_hex(24)?;
    write_private(path, &secret)?;
    Ok(secret)
}
