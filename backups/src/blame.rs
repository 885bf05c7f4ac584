//! When a restore fails: whether that says something about the backup, or about where it was tried.
//! Must stay true: a verdict is stored beside a backup and decides what `prune` keeps, so what may be the fault of the surroundings is
//! never one.
use crate::seal::Sums;
use crate::{BackupError, Manifest};

/// Of two failures the one that is the cause: a broken stream makes the load fail, a failed load breaks the stream.
pub(crate) fn cause(
    loaded: Result<(), BackupError>,
    opened: Result<Sums, BackupError>,
    manifest: &Manifest,
    older: bool,
) -> Result<(), BackupError> {
    let sums = match (loaded, opened) {
        (Ok(()), opened) => opened?,
        (Err(_), Err(cause)) if !matches!(cause, BackupError::Io { .. }) => return Err(cause),
        (Err(error), _) if older => return Err(error),
        (Err(error), _) => return Err(verdict(error)),
    };
    if sums.sealed != manifest.sealed || sums.plain != manifest.plain {
        return Err(BackupError::Damaged("length or SHA-256 is not the manifest's".to_owned()));
    }
    Ok(())
}

/// A statement of the dump that the server refuses for what it says condemns the backup. A full disk or a lost server does not; nor does
/// a role, tablespace or the like that is missing here (42704), nor what this server was not built with (0A).
fn verdict(error: BackupError) -> BackupError {
    let code = match &error {
        BackupError::Database { source, .. } => source.code().map(|state| state.code().to_owned()).unwrap_or_default(),
        _ => String::new(),
    };
    if code != "42704" && ["22", "23", "42", "3F", "2B"].contains(&code.get(..2).unwrap_or_default()) {
        BackupError::NotProven(vec![error.to_string()])
    } else {
        error
    }
}

/// Of a server's version, the number that decides what it understands.
pub(crate) fn major(version: &str) -> u32 {
    version
        .split(|other: char| !other.is_ascii_digit())
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_first_number() {
        for (version, number) in [("15.4", 15), ("9.6.1", 9), ("17beta1", 17), ("15.4 (Debian 15.4-1)", 15), ("", 0)] {
            assert_eq!(major(version), number, "{version}");
        }
    }
}
