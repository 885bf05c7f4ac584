//! The way that the fleet goes, and by which files: any number of `up` with the same files, or one `undo`, and never two of different kinds.
//! Must stay true: whoever begins a tenant holds the direction for the whole run. It is tried and never waited for, and whoever doesn't
//! get it learns who has it. By which files it goes is held by every session of a run, so that nobody comes with others while one of its
//! workers has a tenant in hand. Births need none of it: they and `undo` take turns on the generation's row.
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join3;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::MigratorError;
use crate::chain::Chain;
use crate::step::Way;

const KEY: &str = "hashtextextended('labor direction', 0)";
/// Milliseconds between tries: a killed run gives it back only when its server process has noticed.
const PAUSES: [u64; 4] = [100, 300, 600, 1000];

/// Those who look by which files others go, and take their own, do it one after the other: it takes two statements.
const TURN: &str =
    "BEGIN; SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(hashtextextended('labor files turn', 0))";
/// The locks that say by which files a session goes: the second half of the key is of the way and the files.
const FILES: &str =
    "l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = hashtext('labor files')::oid
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Takes the direction for as long as this session lasts: `up` beside others with the same files, `undo` alone.
///
/// # Errors
/// [`MigratorError::Opposed`] when a command is under way that goes, or may go, the other way, or goes by other files.
pub(crate) async fn take(client: &Client, way: Way, chain: &Chain) -> Result<(), MigratorError> {
    let (lock, unlock) = match way {
        Way::Up => ("pg_try_advisory_lock_shared", "pg_advisory_unlock_shared"),
        Way::Back => ("pg_try_advisory_lock", "pg_advisory_unlock"),
    };
    let during = || MigratorError::during("look for a command that goes the other way");
    let mut pauses = PAUSES.into_iter();
    loop {
        let free: bool = client.query_one(&format!("SELECT {lock}({KEY})"), &[]).await.map_err(during())?.get(0);
        if free && enter(client, way, chain).await? {
            return Ok(());
        }
        if free {
            client.execute(&format!("SELECT {unlock}({KEY})"), &[]).await.map_err(during())?;
        }
        let Some(pause) = pauses.next() else {
            let under_way = if free { with_other_files(client, way, chain).await? } else { other_way(client).await? };
            return Err(MigratorError::Opposed { under_way });
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Says, for as long as this session lasts, by which files it goes; false: a session goes by others.
pub(crate) async fn enter(client: &Client, way: Way, chain: &Chain) -> Result<bool, MigratorError> {
    let sql = format!(
        "SELECT CASE WHEN EXISTS (SELECT FROM pg_locks l WHERE {FILES} AND l.objid <> hashtext($1)::oid) THEN false
                     ELSE pg_try_advisory_lock_shared(hashtext('labor files'), hashtext($1)) END"
    );
    let course = course(way, chain);
    let during = || MigratorError::during("look by which files the fleet goes");
    // Before the turn is taken: what is prepared on the way is run after the COMMIT.
    let look = client.prepare(&sql).await.map_err(during())?;
    // Sent together, run one after the other.
    let (turn, alone, end) =
        join3(client.batch_execute(TURN), client.query_one(&look, &[&course]), client.batch_execute("COMMIT")).await;
    let entered = turn.and(alone).and_then(|row| end.map(|()| row.get(0)));
    entered.map_err(during())
}

/// As [`enter`], for a further session of a run.
///
/// # Errors
/// [`MigratorError::Opposed`] when another run has begun meanwhile, by other files.
pub(crate) async fn join(client: &Client, way: Way, chain: &Chain) -> Result<(), MigratorError> {
    if enter(client, way, chain).await? {
        return Ok(());
    }
    Err(MigratorError::Opposed { under_way: with_other_files(client, way, chain).await? })
}

/// All files, and not only those up to the target: `up --to` with another target of the same files goes along.
fn course(way: Way, chain: &Chain) -> String {
    let way = if way == Way::Up { "up" } else { "back" };
    format!("{way} {}", chain.newest().checksum)
}

/// The run of a session `l`, and what it is told with: server process, id, target, begin, by whom, row rules.
const RUN: &str = "l.pid, r.id, r.target, r.started_at, r.started_on, r.arguments ->> 'rules_checksum'
      FROM pg_locks l LEFT JOIN LATERAL (
        SELECT * FROM control.runs r
         WHERE r.finished_at IS NULL AND EXISTS (
               SELECT FROM pg_locks a
                WHERE a.pid = l.pid AND a.locktype = 'advisory' AND a.objsubid = 1 AND a.database = l.database
                  AND ((a.classid::bigint << 32) | a.objid::bigint) = hashtextextended('labor run ' || r.id, 0))
         ORDER BY r.started_at LIMIT 1) r ON true";

/// Who has the direction.
async fn other_way(client: &Client) -> Result<String, MigratorError> {
    let sql = format!(
        "SELECT CASE l.mode WHEN 'ShareLock' THEN 'up' ELSE 'undo' END, {RUN}
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND ((l.classid::bigint << 32) | l.objid::bigint) = {KEY}
          ORDER BY r.started_at LIMIT 1"
    );
    let row = client.query_opt(&sql, &[]).await.map_err(MigratorError::during("look who goes the other way"))?;
    Ok(row.map_or_else(gone, |row| told(&row, "")))
}

/// Who goes by other files, and which are others.
async fn with_other_files(client: &Client, way: Way, chain: &Chain) -> Result<String, MigratorError> {
    let sql = format!(
        "SELECT coalesce(r.command, 'up'), {RUN} WHERE {FILES} AND l.objid <> hashtext($1)::oid ORDER BY r.started_at LIMIT 1"
    );
    let row = client.query_opt(&sql, &[&course(way, chain)]).await;
    let row = row.map_err(MigratorError::during("look who goes by other files"))?;
    Ok(row.map_or_else(gone, |row| {
        let what = match row.get::<_, Option<&str>>(6) {
            None => " with other files",
            Some(rules) if rules == chain.rules_checksum() => " with other migrations",
            Some(_) => " with other row rules (db/rls/tenant.sql)",
        };
        told(&row, what)
    }))
}

fn gone() -> String {
    "another command, which has just ended,".to_owned()
}

/// In words: the command, its run if it has come that far, and its server process.
fn told(row: &Row, what: &str) -> String {
    let (command, process): (&str, i32) = (row.get(0), row.get(1));
    let Some(run) = row.get::<_, Option<Uuid>>(2) else {
        return format!("`{command}`{what} (server process {process})");
    };
    let target = row.get::<_, Option<i32>>(3).map(|version| format!(" to version {version}")).unwrap_or_default();
    let started = row.get::<_, DateTime<Utc>>(4).format("%F %T");
    let by = row.get::<_, Option<&str>>(5).unwrap_or("somebody");
    format!("`{command}`{target}{what} (run {run}, begun {started} UTC by {by}, server process {process})")
}
