//! Migrations of data, batch by batch: one statement, again and again, each time in a transaction of its own, until it changes nothing.
//! Must stay true: a batch and its count commit together, so a killed run goes on where it was; between two batches nothing is locked,
//! and there a run that is asked to stop does: a large practice may have hours of batches before it.
use std::time::Duration;

use labor_catalog::TenantName;
use tokio_postgres::IsolationLevel;

use crate::connection::Connection;
use crate::migration::Migration;
use crate::up::Stop;
use crate::{MigratorError, begun};

/// A batch that met a lock is tried so often; then the tenant is, as after any other failure.
const ATTEMPTS: u32 = 5;
/// Rest before the second attempt; it doubles with each further one.
const FIRST_REST: Duration = Duration::from_millis(200);

/// How a backfill is divided.
pub(crate) struct Batches<'a> {
    pub(crate) size: u32,
    pub(crate) pause: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) stop: &'a Stop,
}

/// Runs the statement until it changes no row, on a tenant that is at version `from` by the ledger; `None`: a copy, of
/// which the ledger knows nothing.
pub(crate) async fn run(
    connection: &mut Connection,
    tenant: &TenantName,
    from: Option<i32>,
    migration: &Migration,
    batches: &Batches<'_>,
) -> Result<(), MigratorError> {
    let file = migration.file_name();
    let statements = migration.statements()?;
    let [statement] = statements.as_slice() else {
        return Err(MigratorError::Invalid(format!("{file}: a backfill is one statement, not {}", statements.len())));
    };
    let sql = statement.sql.replace("{batch}", &batches.size.to_string());
    let limit = limit(connection, tenant).await?;
    let mut done = 0;
    loop {
        let batch = Batch { tenant, from, version: migration.version, sql: &sql, batches };
        let place = format!("{tenant}: {file}:{}", statement.line);
        let rows = patiently(connection, &batch, &place).await?;
        if rows == 0 {
            return Ok(());
        }
        done += rows;
        if done > limit {
            return Err(MigratorError::Invalid(format!(
                "{tenant}: {file} has changed {done} rows and doesn't end: its WHERE must leave out rows that are done"
            )));
        }
        // One that is not full is the last; a fleet of small practices would rest for nothing.
        if rows >= u64::from(batches.size) {
            rest(batches.pause, batches.stop).await;
        }
    }
}

/// One batch of a tenant.
struct Batch<'a> {
    tenant: &'a TenantName,
    from: Option<i32>,
    version: i32,
    sql: &'a str,
    batches: &'a Batches<'a>,
}

/// Each batch may meet somebody's lock; a large practice has thousands of them.
async fn patiently(connection: &mut Connection, batch: &Batch<'_>, place: &str) -> Result<u64, MigratorError> {
    let mut pause = FIRST_REST;
    for attempt in 1.. {
        if batch.batches.stop.reason().is_some() {
            return Err(MigratorError::Interrupted { when: "between two batches", after: None });
        }
        match one(connection, batch).await.map_err(MigratorError::during(place)) {
            Ok(Some(rows)) => return Ok(rows),
            Ok(None) => return Err(begun::stopped(&connection.client, batch.tenant).await?),
            Err(error) if attempt < ATTEMPTS && error.is_passing() => {
                tracing::info!(tenant = %batch.tenant, %error, attempt, "the batch will be tried again");
                rest(pause, batch.batches.stop).await;
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(0)
}

/// Until it is over, or the run is asked to stop.
async fn rest(pause: Duration, stop: &Stop) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = stop.asked() => {}
    }
}

/// As labor_backfill, which row rules don't bind: the owner's own UPDATE would be refused by them.
async fn one(connection: &mut Connection, batch: &Batch<'_>) -> Result<Option<u64>, tokio_postgres::Error> {
    let &Batch { tenant, from, version, sql, batches } = batch;
    // Also where an operator made transactions stricter for everybody: a row that somebody changed meanwhile is looked at again.
    let transaction =
        connection.client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    let enter = format!(
        "SET LOCAL lock_timeout = {}; SET LOCAL ROLE labor_backfill; SET LOCAL search_path = {tenant}",
        batches.lock_timeout.as_millis().max(1)
    );
    transaction.batch_execute(&enter).await?;
    let rows = transaction.execute(sql, &[]).await?;
    transaction.batch_execute("SET LOCAL search_path = pg_catalog; SET LOCAL ROLE NONE").await?;
    let counted = transaction
        .execute(
            "UPDATE control.ledger
                SET progress = jsonb_build_object('version', $2::integer, 'way', 'up', 'rows',
                      CASE WHEN (progress ->> 'version')::integer = $2 THEN (progress ->> 'rows')::bigint ELSE 0 END + $3::bigint)
              WHERE tenant = $1 AND version = $4 AND held_at IS NULL",
            &[&tenant.as_str(), &version, &i64::try_from(rows).unwrap_or(i64::MAX), &from],
        )
        .await?;
    if counted == 0 && from.is_some() {
        transaction.rollback().await?;
        return Ok(None);
    }
    transaction.commit().await?;
    Ok(Some(rows))
}

/// More changed rows than that, and the statement doesn't leave out what is done: ten times what the practice holds by the server's
/// estimate, which may be old.
async fn limit(connection: &Connection, tenant: &TenantName) -> Result<u64, MigratorError> {
    let row = connection
        .client
        .query_one(
            "SELECT (100000 + 10 * coalesce(sum(greatest(c.reltuples, s.n_live_tup, 0)), 0))::bigint
               FROM pg_depend d JOIN pg_class c ON c.oid = d.objid LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
              WHERE d.refclassid = 'pg_namespace'::regclass AND d.classid = 'pg_class'::regclass
                AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: count the rows")))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(u64::MAX))
}
