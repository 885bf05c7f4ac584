//! Files and standard input.
//!
//! What must stay true: never more is read than the reader accepts, whatever is at the other end of the pipe.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::Outcome;

/// The bytes of a file, or of standard input for `-`. One byte more than the limit is enough to be refused.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(ldt::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What to call a file.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads each file and hands it on; the worst outcome counts, and the others are nevertheless done.
pub(crate) fn each<E: Write>(
    files: &[std::path::PathBuf],
    err: &mut E,
    mut work: impl FnMut(&str, &[u8], &mut E) -> io::Result<Outcome>,
) -> io::Result<Outcome> {
    let mut worst = Outcome::Fine;
    for path in files {
        let name = name(path);
        let outcome = match read(path) {
            Ok(bytes) => work(&name, &bytes, err)?,
            Err(error) => {
                writeln!(err, "labor-ldt: cannot read {name}: {error}")?;
                Outcome::Failed
            }
        };
        worst = worst.max(outcome);
    }
    Ok(worst)
}

/// Says why a file was refused. The reader's errors have no content of the message.
pub(crate) fn refused(err: &mut impl Write, file: &str, error: &ldt::Error) -> io::Result<Outcome> {
    writeln!(err, "labor-ldt: {file}: refused [{}]: {error}", error.code())?;
    Ok(Outcome::Refused)
}
