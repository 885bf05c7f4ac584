//! Waiting for a condition with a deadline, the only kind of waiting in this crate: never a blind sleep.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{Error, Result};

const STEP: Duration = Duration::from_millis(15);

/// Asks `condition` until it has a value, fails, or `limit` has passed. `Ok(Err(seen))` means "not yet, and this is what was seen".
///
/// # Errors
/// What the condition fails with, or [`Error::TooLate`] with what was seen last.
pub async fn until<T, F>(what: &str, limit: Duration, mut condition: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match condition().await? {
            Ok(value) => return Ok(value),
            Err(last) if start.elapsed() >= limit => {
                return Err(Error::TooLate { what: what.to_owned(), seconds: limit.as_secs(), last });
            }
            Err(_) => tokio::time::sleep(STEP).await,
        }
    }
}

/// The last lines of a log file, for a message; empty when there is none.
pub(crate) fn tail(log: &Path, from: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let start = usize::try_from(from).unwrap_or(0).min(bytes.len());
    last_lines(&String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()))
}

/// The last twenty lines of a text.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
