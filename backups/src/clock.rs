//! Whether this machine's clock can be believed. What a backup says of its time decides which is the newest and which has no place any
//! more; what the time is now decides who is late, and what was left a day ago.
//! Must stay true: with a clock that is wrong nothing is made, removed, aborted or said to be well.
use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Client;

use crate::BackupError;

/// Two clocks of which both are right differ by no more: beyond it, what a document says of its time is believed by nobody.
pub(crate) const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(15);

/// Asked before anything is done.
pub(crate) async fn agrees_with_database(client: &Client) -> Result<(), BackupError> {
    let before = Utc::now();
    let row = client.query_one("SELECT now()", &[]).await.map_err(BackupError::during("ask what time it is"))?;
    agrees(before, row.get(0), Utc::now(), "database")
}

/// Of an upload in parts some stores tell when it was begun, others when it was completed.
pub(crate) fn agrees_with_store(
    begun: DateTime<Utc>,
    stored: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), BackupError> {
    agrees(begun, stored, now, "store")
}

fn agrees(before: DateTime<Utc>, theirs: DateTime<Utc>, now: DateTime<Utc>, whose: &str) -> Result<(), BackupError> {
    if theirs < before - CLOCKS_DIFFER || theirs > now + CLOCKS_DIFFER {
        return Err(BackupError::Refused(format!(
            "this machine's clock says {}, and the {whose}'s {}: backups are put in order by it. Set the one that is wrong",
            now.format("%Y-%m-%d %H:%M"),
            theirs.format("%Y-%m-%d %H:%M")
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_from_the_stores_is_refused_and_a_long_upload_is_not() {
        let at = |minutes: i64| Utc::now() + TimeDelta::minutes(minutes);
        let agree = |begun: i64, stored: i64| agrees_with_store(at(begun), at(stored), at(0)).is_ok();
        assert!(agree(-1, 0) && agree(-1, -10) && agree(-1, 10));
        assert!(agree(-3_000, 0) && agree(-3_000, -3_000), "it took two days");
        assert!(!agree(-1, -20) && !agree(-3_000, 20), "this machine's clock is ahead, or behind");
    }
}
