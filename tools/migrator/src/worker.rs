//! A worker of a run: takes tenants one after the other, tries again where that helps, and writes down what became of each.
//! Must stay true: a failing tenant stops nothing but itself; a lost connection is made again before anything is given up; what the
//! ledger says of a tenant decides what is done, so trying again after an unanswered COMMIT is safe.
use std::sync::Arc;
use std::time::Duration;

use labor_catalog::TenantName;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::error::SqlState;

use crate::connection::Connection;
use crate::queue::{Queue, Turn};
use crate::step::{Attempt, Outcome, Task, bring};
use crate::up::{Stop, TenantReport};
use crate::{Cause, Migrator, MigratorError, direction, drift, holders, run};

/// A backend keeps what it learned of each table it has seen, 0.2 MB a tenant, until it ends.
const TENANTS_PER_CONNECTION: u32 = 250;
/// Rest before a second attempt; it doubles with each further one.
const FIRST_REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// A worker.
pub(crate) struct Worker {
    pub(crate) migrator: Migrator,
    pub(crate) queue: Arc<Mutex<Queue>>,
    pub(crate) task: Arc<Task>,
    pub(crate) retries: u32,
    pub(crate) stop: Stop,
    /// With the word that it was counted: before that no further tenant is begun, it may have been the last failure that is tolerated.
    pub(crate) reports: mpsc::Sender<(TenantReport, oneshot::Sender<()>)>,
}

/// Why a worker ended before its wave did.
pub(crate) enum Ended {
    /// It had no tenant in hand; the other workers can do its part.
    WithoutTenant(MigratorError),
    /// What became of the tenant it had taken is not known; the error names it.
    WithTenant(MigratorError),
}

/// What became of a tenant, and, unless that is what was wanted, why.
struct Became {
    outcome: &'static str,
    why: Option<(String, Cause)>,
}

impl Worker {
    pub(crate) async fn run(self) -> Result<(), Ended> {
        let mut connection = self.connect().await.map_err(Ended::WithoutTenant)?;
        for number in 1_u32.. {
            if self.stop.reason().is_some() {
                return Ok(());
            }
            // One that was lost when its tenant was done is made again before there is another in hand.
            if number.is_multiple_of(TENANTS_PER_CONNECTION) || connection.client.is_closed() {
                connection = self.connect().await.map_err(Ended::WithoutTenant)?;
            }
            let next = self.queue.lock().await.next(&self.migrator).await.map_err(Ended::WithoutTenant)?;
            let Some(turn) = next else { return Ok(()) };
            if turn.busy > 0 {
                tokio::select! {
                    () = tokio::time::sleep(rest(turn.busy)) => {}
                    () = self.stop.asked() => return Ok(()),
                }
            }
            let Some(report) = self.migrate(&mut connection, turn).await.map_err(Ended::WithTenant)? else { continue };
            if matches!(report.outcome, "current" | PASSED_BY) {
                self.queue.lock().await.free_place();
            }
            let (counted, wait) = oneshot::channel();
            if self.reports.send((report, counted)).await.is_err() || wait.await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Before it has a tenant in hand it says by which files it goes: the run's own session may be lost.
    async fn connect(&self) -> Result<Connection, MigratorError> {
        let connection = reconnect(&self.migrator, self.task.run_id, CONNECT_ATTEMPTS).await?;
        direction::join(&connection.client, self.task.way, &self.task.chain).await?;
        Ok(connection)
    }

    /// `None`: another migrator holds it, and it was put back.
    async fn migrate(&self, connection: &mut Connection, turn: Turn) -> Result<Option<TenantReport>, MigratorError> {
        let Turn { tenant, slug, started, busy } = turn;
        let mut attempt =
            Attempt { number: busy + 1, started, stop: self.stop.clone(), migrator: self.migrator.clone() };
        let became = match self.attempts(connection, &tenant, &mut attempt).await? {
            Err(MigratorError::Busy(_)) if self.tries_left(&attempt) => {
                self.queue.lock().await.put_back(Turn { tenant, slug, started, busy: attempt.number });
                return Ok(None);
            }
            Ok(Outcome::Migrated) => Became { outcome: self.task.way.done(), why: None },
            Ok(Outcome::Current) => Became { outcome: "current", why: None },
            Err(error) => self.failed(connection, &tenant, &attempt, error).await?,
        };
        let milliseconds = attempt.started.elapsed().as_millis();
        let (error, cause) = became.why.unzip();
        let outcome = became.outcome;
        Ok(Some(TenantReport { tenant, slug, milliseconds, attempts: attempt.number, outcome, error, cause }))
    }

    fn tries_left(&self, attempt: &Attempt) -> bool {
        u32::try_from(attempt.number).unwrap_or(u32::MAX) <= self.retries
    }

    /// What the last attempt came to: there is another one where that helps, but for a tenant that another migrator holds. Its error is the
    /// tenant's; that of this call ends the run.
    async fn attempts(
        &self,
        connection: &mut Connection,
        tenant: &TenantName,
        attempt: &mut Attempt,
    ) -> Result<Result<Outcome, MigratorError>, MigratorError> {
        loop {
            let error = match bring(connection, tenant, &self.task, attempt).await {
                Err(error) if self.tries_left(attempt) => error,
                result => return Ok(result),
            };
            match error {
                MigratorError::Busy(_) => return Ok(Err(error)),
                // The ledger now says what it was.
                MigratorError::Changed(_) => {}
                error if error.is_passing() || connection.client.is_closed() => {
                    tracing::info!(%tenant, %error, attempt = attempt.number, "will be tried again");
                    tokio::select! {
                        () = tokio::time::sleep(rest(attempt.number)) => {}
                        () = self.stop.asked() => {
                            let after = Some(error.to_string());
                            return Ok(Err(MigratorError::Interrupted { when: "before its next attempt", after }));
                        }
                    }
                    self.regain(connection, tenant, error).await?;
                }
                error => return Ok(Err(error)),
            }
            attempt.number += 1;
        }
    }

    /// Writes down that it failed, unless it didn't after all; and what is told of it.
    async fn failed(
        &self,
        connection: &mut Connection,
        tenant: &TenantName,
        attempt: &Attempt,
        error: MigratorError,
    ) -> Result<Became, MigratorError> {
        let error = self.regain(connection, tenant, error).await?;
        let outcome = match &error {
            MigratorError::Busy(_) => "busy",
            MigratorError::Interrupted { .. } => STOPPED,
            error if nobodys_failure(connection, tenant, error).await => PASSED_BY,
            _ => "failed",
        };
        let left = matches!(error, MigratorError::Held { .. } | MigratorError::Interrupted { .. });
        let mut cause = error.cause();
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            cause.held_by = holders::of(&connection.client, tenant).await;
        }
        let text = drift::explain(&self.migrator, connection, &self.task, tenant, error).await;
        let text = text + &holders::list(&cause.held_by);
        // Who is held now may be released while the run goes on, and is then taken along; who was stopped is still to be migrated.
        let written = if left {
            Some(false)
        } else {
            record_failure(connection, tenant, &self.task, attempt, outcome, &text).await
        };
        if written.is_none() {
            self.queue.lock().await.leave_out(tenant);
        }
        Ok(match written {
            Some(true) => Became { outcome: self.task.way.done(), why: None },
            _ => Became { outcome, why: Some((text, cause)) },
        })
    }

    /// Connects again, if the connection was lost over this error, and gives it back. When that fails the run ends with this error:
    /// it came first, and is about the tenant.
    async fn regain(
        &self,
        connection: &mut Connection,
        tenant: &TenantName,
        error: MigratorError,
    ) -> Result<MigratorError, MigratorError> {
        // Who was asked to stop needs no connection to say so.
        if !connection.client.is_closed() || matches!(error, MigratorError::Interrupted { .. }) {
            return Ok(error);
        }
        match self.connect().await {
            Ok(again) => {
                *connection = again;
                Ok(error)
            }
            Err(second) => {
                tracing::warn!(%tenant, error = second.told(), "what became of it is not known: no connection is to be had");
                Err(naming(tenant, error))
            }
        }
    }
}

/// The error, which says whose it is: nothing else does.
fn naming(tenant: &TenantName, error: MigratorError) -> MigratorError {
    match error {
        MigratorError::Database { action, source } if !action.contains(tenant.as_str()) => {
            MigratorError::Database { action: format!("{tenant}: {action}"), source }
        }
        error => error,
    }
}

/// What becomes of a tenant that was begun, and left where it was because the run was asked to stop.
pub(crate) const STOPPED: &str = "stopped";
/// What becomes of a tenant that somebody held, brought further, deleted or dropped while the run was under way.
pub(crate) const PASSED_BY: &str = "passed by";

/// Whether the tenant is meanwhile not one that is to be migrated.
async fn nobodys_failure(connection: &Connection, tenant: &TenantName, error: &MigratorError) -> bool {
    use MigratorError::{Ahead, Changed, Held, UnknownTenant};
    if matches!(error, Held { .. } | Ahead { .. } | UnknownTenant(_) | Changed(_)) {
        return true;
    }
    let row = connection
        .client
        .query_one(
            "SELECT NOT EXISTS (SELECT FROM control.ledger WHERE tenant = $1),
                    EXISTS (SELECT FROM control.requests
                             WHERE tenant = $1 AND kind = 'deletion' AND state IN ('approved', 'running'))",
            &[&tenant.as_str()],
        )
        .await;
    // Not known is a failure.
    row.is_ok_and(|row| row.get(0) || (row.get(1) && matches!(error, MigratorError::SchemaGone(_))))
}

/// Grows with each attempt; half of it is chance, so that workers that met do not meet again.
fn rest(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or_default().min(10);
    let longest = (FIRST_REST * 2_u32.pow(doublings)).min(LONGEST_REST);
    longest / 2 + longest.mul_f64(fastrand::f64() / 2.0)
}

/// A server that is being restarted is back within seconds.
pub(crate) const CONNECT_ATTEMPTS: i32 = 8;

pub(crate) async fn reconnect(
    migrator: &Migrator,
    run: uuid::Uuid,
    attempts: i32,
) -> Result<Connection, MigratorError> {
    let mut attempt = 1;
    loop {
        match attending(migrator, run).await {
            Err(_) if attempt < attempts => tokio::time::sleep(rest(attempt)).await,
            result => return result,
        }
        attempt += 1;
    }
}

/// A connection that is one of the run's.
async fn attending(migrator: &Migrator, run: uuid::Uuid) -> Result<Connection, MigratorError> {
    let connection = migrator.connection().await?;
    run::attend(&connection.client, run).await?;
    Ok(connection)
}

/// Writes a failure down, unless this run has committed the tenant after all: the answer to COMMIT may have been lost. Whether it has.
/// `None`: it could not be written, as on a full disk; the report of the run still names the failure.
async fn record_failure(
    connection: &Connection,
    tenant: &TenantName,
    task: &Task,
    attempt: &Attempt,
    outcome: &str,
    error: &str,
) -> Option<bool> {
    let milliseconds = i32::try_from(attempt.started.elapsed().as_millis()).unwrap_or(i32::MAX);
    let written = connection
        .client
        .execute(
            "WITH ledger AS (
               UPDATE control.ledger
                  SET last_error = CASE WHEN $3 = 'failed' THEN left($4, 4000) ELSE last_error END,
                      last_error_at = CASE WHEN $3 = 'failed' THEN now() ELSE last_error_at END
                WHERE tenant = $1
                  AND NOT (chain_checksum = $7 AND EXISTS (SELECT FROM control.outcomes o
                                                            WHERE o.run_id = $2 AND o.tenant = $1 AND o.outcome = 'migrated'))
            RETURNING tenant, version)
             INSERT INTO control.outcomes (run_id, tenant, from_version, to_version, outcome, error, attempts, milliseconds)
             SELECT $2, tenant, version, version, $3, left($4, 4000), $5, $6 FROM ledger
                 ON CONFLICT (run_id, tenant) DO UPDATE
                SET to_version = EXCLUDED.to_version, outcome = EXCLUDED.outcome, error = EXCLUDED.error,
                    attempts = EXCLUDED.attempts, milliseconds = EXCLUDED.milliseconds, written_at = now()",
            &[&tenant.as_str(), &task.run_id, &outcome, &error, &attempt.number, &milliseconds, &task.target.checksum],
        )
        .await;
    match written {
        Ok(0) => {
            let sql = "SELECT FROM control.outcomes WHERE run_id = $1 AND tenant = $2 AND outcome = 'migrated'";
            let rows = connection.client.query(sql, &[&task.run_id, &tenant.as_str()]).await;
            Some(rows.is_ok_and(|rows| !rows.is_empty()))
        }
        Ok(_) => Some(false),
        Err(error) => {
            tracing::warn!(%tenant, %error, "the failure could not be written down; it is not tried again in this run");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rests_grow_up_to_a_limit_and_half_of_each_is_chance() {
        for (attempt, least, most) in
            [(1, 100, 200), (2, 200, 400), (3, 400, 800), (5, 1600, 3200), (6, 2500, 5000), (i32::MAX, 2500, 5000)]
        {
            let rests: BTreeSet<Duration> = (0..100).map(|_| rest(attempt)).collect();
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            assert!(rests.iter().all(|rest| (least..=most).contains(rest)), "{attempt}: {rests:?}");
            assert!(rests.len() > 1, "{attempt}: workers that met would meet again");
        }
    }
}
