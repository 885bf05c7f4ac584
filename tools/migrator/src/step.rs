//! One tenant on its way to a version: a transaction for each part of the way, with DDL, row rules, proof, stamp, ledger and outcome.
//! Must stay true: the transaction that ends a part commits only when the schema, as the transaction sees it, is exactly what the files make
//! out of nothing and the isolation check finds nothing. What runs outside of it (`Kind: concurrent`, a backfill, an undo of one) is marked in the ledger before
//! its first statement (`begun.rs`) and can be repeated; until that transaction takes the mark away the tenant counts as behind.
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all, join3};
use labor_catalog::TenantName;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::chain::{Chain, Segment, Target};
use crate::connection::{Connection, keep_first};
use crate::migration::{Kind, Migration};
use crate::reference::Reference;
use crate::script::Script;
use crate::up::Stop;
use crate::watch::Watch;
use crate::{Migrator, MigratorError, backfill, begun, concurrent};

/// Which way the tenants of a run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the migrations.
    Up,
    /// By their undos.
    Back,
}

impl Way {
    /// What became of a tenant that went it.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Up => "migrated",
            Self::Back => "undone",
        }
    }
}

/// What is to be done with each tenant of a run.
pub(crate) struct Task {
    pub(crate) chain: std::sync::Arc<Chain>,
    pub(crate) way: Way,
    pub(crate) target: Target,
    pub(crate) reference: Reference,
    pub(crate) run_id: Uuid,
    /// Readers and writers of a tenant never wait for a lock of ours longer than this.
    pub(crate) lock_timeout: Duration,
    /// Apply the row rules, whatever the ledger says of them.
    pub(crate) rules_again: bool,
}

/// An attempt at a tenant.
pub(crate) struct Attempt {
    pub(crate) number: i32,
    pub(crate) started: Instant,
    /// Asks it to end between two batches, or while an index is built.
    pub(crate) stop: Stop,
    /// For a second connection, while the first is at work for long.
    pub(crate) migrator: Migrator,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The schema was changed and proven.
    Migrated,
    /// It was already there.
    Current,
}

/// Where a tenant stands, by the ledger.
struct Standing {
    version: i32,
    checksum: String,
    rules: Option<String>,
    held: Option<String>,
    schema: bool,
    /// The run that brought it there.
    run_id: Option<Uuid>,
    /// Whether the ledger holds an error.
    error: bool,
}

/// Brings one tenant to the task's version.
///
/// # Errors
/// [`MigratorError::Busy`] when another migrator is at work on it; else whatever failed. Parts of the way that were committed stay.
pub(crate) async fn bring(
    connection: &mut Connection,
    tenant: &TenantName,
    task: &Task,
    attempt: &Attempt,
) -> Result<Outcome, MigratorError> {
    let standing = lock(connection, tenant).await?;
    let (ours, error) = (standing.run_id == Some(task.run_id), standing.error);
    let mut result = walk(connection, tenant, task, attempt, standing).await;
    if matches!(result, Ok(Outcome::Current)) {
        if error {
            result = forget_error(connection, tenant).await.and(result);
        }
        // Committed by an attempt whose answer was lost.
        if ours {
            result = result.and(Ok(Outcome::Migrated));
        }
    }
    give_back(connection, tenant, result).await
}

async fn lock(connection: &Connection, tenant: &TenantName) -> Result<Standing, MigratorError> {
    let name = tenant.as_str();
    let during = || MigratorError::during(format!("{tenant}: read the ledger"));
    // Sent together, run one after the other: the ledger is read under the lock.
    let (locked, standing) = join(
        connection.client.query_one(&connection.lock, &[&name]),
        connection.client.query_opt(&connection.standing, &[&name]),
    )
    .await;
    if !locked.map_err(during())?.get::<_, bool>(0) {
        return Err(MigratorError::Busy(tenant.clone()));
    }
    let error = match standing.map_err(during()) {
        Ok(Some(row)) => {
            return Ok(Standing {
                version: row.get(0),
                checksum: row.get(1),
                rules: row.get(2),
                held: row.get(3),
                schema: row.get(4),
                run_id: row.get(5),
                error: row.get(6),
            });
        }
        Ok(None) => MigratorError::UnknownTenant(tenant.to_string()),
        Err(error) => error,
    };
    give_back(connection, tenant, Err(error)).await
}

/// What failed is mended: the tenant is where it should be.
async fn forget_error(connection: &Connection, tenant: &TenantName) -> Result<(), MigratorError> {
    let sql = "UPDATE control.ledger SET last_error = NULL, last_error_at = NULL WHERE tenant = $1";
    connection
        .client
        .execute(sql, &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("{tenant}: clear the error")))?;
    Ok(())
}

/// Gives the lock back; a connection that was lost has done so.
async fn give_back<T>(
    connection: &Connection,
    tenant: &TenantName,
    result: Result<T, MigratorError>,
) -> Result<T, MigratorError> {
    if connection.client.is_closed() {
        return result;
    }
    let unlocked = connection.client.execute(&connection.unlock, &[&tenant.as_str()]).await;
    if let Err(error) = unlocked.map_err(MigratorError::during(format!("{tenant}: give the lock back"))) {
        // What became of the tenant is decided: what was committed is not failed because of this, and the lock goes with the session.
        tracing::warn!(%tenant, error = error.told(), "the tenant's lock is given back when this session ends");
    }
    result
}

async fn walk(
    connection: &mut Connection,
    tenant: &TenantName,
    task: &Task,
    attempt: &Attempt,
    mut standing: Standing,
) -> Result<Outcome, MigratorError> {
    if let Some(reason) = standing.held {
        return Err(MigratorError::Held { tenant: tenant.clone(), reason });
    }
    if !standing.schema {
        return Err(MigratorError::SchemaGone(tenant.clone()));
    }
    // The mark takes the checksum away, so only those without one can have been begun.
    let begun = if standing.checksum.is_empty() { begun::at(connection, tenant).await? } else { None };
    let mut reached = begun.map_or(standing.version, |version| version.max(standing.version));
    let ahead = reached > task.target.version;
    if ahead && task.way == Way::Up {
        return Err(MigratorError::Ahead { tenant: tenant.clone(), version: reached, target: task.target.version });
    }
    let settled = standing.checksum == task.target.checksum && !task.rules_again;
    if settled || (!ahead && task.way == Way::Back) {
        return Ok(Outcome::Current);
    }
    let segments = match task.way {
        Way::Up => task.chain.segments(standing.version, task.target.version),
        Way::Back => task.chain.segments_back(reached, task.target.version),
    };
    if task.way == Way::Up && begun == Some(standing.version) {
        // Its undo was begun and did not come to its end: what it took away is made again.
        for migration in task.chain.migrations().iter().filter(|migration| Some(migration.version) == begun) {
            outside(connection, tenant, (task, attempt), standing.version, migration).await?;
            begun::is_whole(connection, tenant, standing.version).await?;
        }
    }
    for segment in segments {
        if let Some(migration) = segment.outside {
            outside(connection, tenant, (task, attempt), standing.version, migration).await?;
        }
        let (from, rules) = (standing.version, standing.rules.as_deref());
        let part = Part { tenant, task, attempt, segment, from, reached, rules };
        part.commit(connection).await?;
        standing.version = segment.to;
        reached = segment.to;
        standing.rules = Some(task.chain.rules_checksum().to_owned());
    }
    Ok(Outcome::Migrated)
}

/// What happens outside of the segment's transaction, before it.
async fn outside(
    connection: &mut Connection,
    tenant: &TenantName,
    (task, attempt): (&Task, &Attempt),
    from: i32,
    migration: &Migration,
) -> Result<(), MigratorError> {
    begun::mark(connection, tenant, task.way, from, migration).await?;
    let watch = Watch { migrator: &attempt.migrator, stop: &attempt.stop };
    match (task.way, migration.kind) {
        (Way::Back, _) => {
            concurrent::run(connection, tenant, &concurrent::Script::undo(migration)?, task.lock_timeout, &watch).await
        }
        (Way::Up, Kind::Backfill { batch, pause }) => {
            let batches =
                backfill::Batches { size: batch, pause, lock_timeout: task.lock_timeout, stop: &attempt.stop };
            backfill::run(connection, tenant, Some(from), migration, &batches).await
        }
        (Way::Up, _) => {
            concurrent::run(connection, tenant, &concurrent::Script::of(migration)?, task.lock_timeout, &watch).await
        }
    }
}

/// A part of the way that ends with a transaction.
pub(crate) struct Part<'a> {
    pub(crate) tenant: &'a TenantName,
    pub(crate) task: &'a Task,
    attempt: &'a Attempt,
    pub(crate) segment: Segment<'a>,
    /// Version before.
    pub(crate) from: i32,
    /// The same, or the version after it that was begun outside of a transaction and is taken back.
    pub(crate) reached: i32,
    /// Row rules before, by the ledger.
    pub(crate) rules: Option<&'a str>,
}

impl Part<'_> {
    /// Sends all of the transaction up to its proof at once, then, when it is proven, the ledger and COMMIT.
    async fn commit(&self, connection: &Connection) -> Result<(), MigratorError> {
        let result = match self.change(connection).await {
            Ok(fingerprint) => self.record(connection, &fingerprint).await,
            Err(error) => Err(error),
        };
        if result.is_err() && !connection.client.is_closed() {
            let back = connection.client.batch_execute("ROLLBACK").await;
            let back = back.map_err(MigratorError::during(format!("{}: roll back", self.tenant)));
            return keep_first(self.tenant, result, back);
        }
        result
    }

    /// Changes the schema in an open transaction and proves it; its fingerprint.
    async fn change(&self, connection: &Connection) -> Result<String, MigratorError> {
        let (client, proof, tenant) = (&connection.client, &connection.proof, self.tenant);
        let version = self.segment.to;
        let reference = &self.task.reference;
        let expected = reference.expected(version);
        let expected = expected.ok_or_else(|| MigratorError::NoReference { tenant: tenant.clone(), version })?;
        let script = Script::of(self)?;
        let sent = join_all(script.messages.iter().map(|message| client.batch_execute(&message.sql)));
        // Polled in this order, so sent in this order; after an error the server refuses the rest. The shape is what is sent: a fingerprint
        // is asked for only when the shape is none that the run knows.
        let (results, fingerprint, findings) =
            join3(sent, reference.known.fingerprint(proof, client, tenant), proof.reach(client, tenant)).await;
        for (message, result) in script.messages.iter().zip(results) {
            result.map_err(|source| message.failed(tenant, source))?;
        }
        let (fingerprint, findings) = (fingerprint?.unwrap_or_default(), findings?);
        if !findings.is_empty() {
            return Err(MigratorError::Isolation(findings));
        }
        if expected == fingerprint {
            return Ok(fingerprint);
        }
        // Not what the files make. Perhaps it is even unsound, which says more.
        let findings = proof.findings(client, tenant).await?;
        if !findings.is_empty() {
            return Err(MigratorError::Isolation(findings));
        }
        Err(MigratorError::Drift {
            tenant: tenant.clone(),
            version: self.segment.to,
            lines: crate::isolation::lines(client, tenant).await?,
        })
    }

    /// Ledger, outcome and COMMIT, sent together.
    async fn record(&self, connection: &Connection, fingerprint: &str) -> Result<(), MigratorError> {
        let (task, tenant) = (self.task, self.tenant);
        let target = task.chain.at(self.segment.to)?;
        let outcome = if target.version == task.target.version { "migrated" } else { "running" };
        let milliseconds = i32::try_from(self.attempt.started.elapsed().as_millis()).unwrap_or(i32::MAX);
        let name = tenant.as_str();
        let rules = task.chain.rules_checksum();
        let parameters: [&(dyn ToSql + Sync); 10] = [
            &name,
            &target.version,
            &target.checksum,
            &fingerprint,
            &rules,
            &task.run_id,
            &self.from,
            &outcome,
            &self.attempt.number,
            &milliseconds,
        ];
        let (written, committed) =
            join(connection.client.query(&connection.record, &parameters), connection.client.batch_execute("COMMIT"))
                .await;
        match written {
            Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => {
                Err(MigratorError::Changed(tenant.clone()))
            }
            Err(error) => Err(MigratorError::during(format!("{tenant}: write the ledger"))(error)),
            Ok(_) => committed.map_err(MigratorError::during(format!("{tenant}: commit"))),
        }
    }
}
