//! The way that the fleet goes: any number of `up`, or one `undo`, and never both.
//! Must stay true: whoever begins a tenant holds it for the whole run. It is tried and never waited for, and whoever doesn't get it
//! learns who has it. Births need none of it: they and `undo` take turns on the generation's row.
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::MigratorError;
use crate::step::Way;

const KEY: &str = "hashtextextended('labor direction', 0)";
/// Milliseconds between tries: a killed run gives it back only when its server process has noticed.
const PAUSES: [u64; 4] = [100, 300, 600, 1000];

/// Takes it for as long as this session lasts: `up` beside others, `undo` alone.
///
/// # Errors
/// [`MigratorError::Opposed`] when a command is under way that goes, or may go, the other way.
pub(crate) async fn take(client: &Client, way: Way) -> Result<(), MigratorError> {
    let function = match way {
        Way::Up => "pg_try_advisory_lock_shared",
        Way::Back => "pg_try_advisory_lock",
    };
    let sql = format!("SELECT {function}({KEY})");
    let mut pauses = PAUSES.into_iter();
    loop {
        let row = client.query_one(&sql, &[]).await;
        if row.map_err(MigratorError::during("look for a command that goes the other way"))?.get(0) {
            return Ok(());
        }
        let Some(pause) = pauses.next() else { break };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Err(MigratorError::Opposed { under_way: holder(client).await? })
}

/// Who has it: a run that began after its session did, if it has come that far.
async fn holder(client: &Client) -> Result<String, MigratorError> {
    let sql = format!(
        "SELECT CASE l.mode WHEN 'ShareLock' THEN 'up' ELSE 'undo' END, l.pid, r.id, r.target, r.started_at, r.started_on
           FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
           LEFT JOIN LATERAL (
             SELECT * FROM control.runs r WHERE r.finished_at IS NULL AND r.started_at >= a.backend_start
                AND r.command = CASE l.mode WHEN 'ShareLock' THEN 'up' ELSE 'undo' END ORDER BY r.started_at LIMIT 1) r ON true
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND ((l.classid::bigint << 32) | l.objid::bigint) = {KEY}
          ORDER BY r.started_at LIMIT 1"
    );
    let row = client.query_opt(&sql, &[]).await;
    let Some(row) = row.map_err(MigratorError::during("look who goes the other way"))? else {
        return Ok("another command, which has just ended,".to_owned());
    };
    let (command, process): (&str, i32) = (row.get(0), row.get(1));
    let Some(run) = row.get::<_, Option<Uuid>>(2) else {
        return Ok(format!("`{command}` (server process {process})"));
    };
    let target = row.get::<_, Option<i32>>(3).map(|version| format!(" to version {version}")).unwrap_or_default();
    let started = row.get::<_, DateTime<Utc>>(4).format("%F %T");
    let by = row.get::<_, Option<&str>>(5).unwrap_or("somebody");
    Ok(format!("`{command}`{target} (run {run}, begun {started} UTC by {by}, server process {process})"))
}
