//! `history`: which runs there were, what became of each tenant in one, and of one tenant in all.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::run::KILLED;
use crate::{Migrator, MigratorError, parse_name};

/// A run of the migrator.
#[derive(Debug, Clone, Serialize)]
pub struct RunRecord {
    /// Its id.
    pub run: Uuid,
    /// Such as `up` or `provision`.
    pub command: String,
    /// Version that was wanted.
    pub target: Option<i32>,
    /// Operating system user and host.
    pub started_on: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None`: it is running, or was killed.
    pub finished_at: Option<DateTime<Utc>>,
    /// completed, stopped, failed or killed; `None`: it is running.
    pub outcome: Option<String>,
    /// Why it stopped or failed.
    pub message: Option<String>,
    /// Tenants that reached the target.
    pub succeeded: i64,
    /// Tenants that did not.
    pub failed: i64,
    /// How it was called.
    pub arguments: Value,
}

/// What became of a tenant in a run, or what was decided about it, such as a hold: then nothing was migrated.
#[derive(Debug, Clone, Serialize)]
pub struct OutcomeRecord {
    /// The run.
    pub run: Uuid,
    /// Its command.
    pub command: String,
    /// Operating system user and host.
    pub started_on: Option<String>,
    /// The tenant.
    pub tenant: TenantName,
    /// Version before.
    pub from_version: Option<i32>,
    /// Version after.
    pub to_version: Option<i32>,
    /// running, migrated, undone, failed, busy or passed by; of a decision what became of its run.
    pub outcome: String,
    /// Why it failed or was passed by.
    pub error: Option<String>,
    /// The reason that was given for a decision.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: Option<i32>,
    /// How long it took, waits included.
    pub milliseconds: Option<i32>,
    /// When.
    pub written_at: DateTime<Utc>,
}

/// A list that may have been cut.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What is listed.
    pub records: Vec<T>,
    /// How many more there are.
    pub more: i64,
}

impl<T> Listed<T> {
    fn of(records: Vec<T>, all: i64) -> Self {
        let more = all - i64::try_from(records.len()).unwrap_or(all);
        Self { records, more }
    }
}

/// Which outcomes are wanted.
#[derive(Debug, Clone, Default)]
pub struct OutcomeFilter {
    /// Of this run.
    pub run: Option<Uuid>,
    /// Of this tenant.
    pub tenant: Option<TenantName>,
    /// Only those that failed.
    pub failed: bool,
}

/// Outcomes, and decisions about one tenant, which have none.
const OUTCOMES: &str = "
    SELECT run_id, command, started_on, tenant, from_version, to_version, outcome, error, reason, attempts, milliseconds, at,
           count(*) OVER ()
      FROM (SELECT o.run_id, r.command, r.started_on, o.tenant, o.from_version, o.to_version,
                   CASE WHEN r.command = 'undo' AND o.outcome = 'migrated' THEN 'undone' ELSE o.outcome END AS outcome,
                   o.error, NULL AS reason, o.attempts, o.milliseconds, o.written_at AS at
              FROM control.outcomes o JOIN control.runs r ON r.id = o.run_id
             UNION ALL
            SELECT r.id, r.command, r.started_on, r.arguments ->> 'tenant', NULL, NULL,
                   coalesce(r.outcome, 'running'), r.message, r.arguments ->> 'reason', NULL, NULL, r.started_at
              FROM control.runs r
             WHERE r.arguments ->> 'tenant' IS NOT NULL AND NOT EXISTS (SELECT FROM control.outcomes o WHERE o.run_id = r.id)) AS e
     WHERE ($1::uuid IS NULL OR run_id = $1) AND ($2::text IS NULL OR tenant = $2)
       AND (NOT $3 OR outcome IN ('failed', 'busy'))
     ORDER BY at DESC, tenant LIMIT $4";

impl Migrator {
    /// The latest runs, newest first; without a limit all.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn runs(&self, limit: Option<i64>) -> Result<Listed<RunRecord>, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        // Of a run that has not ended, or was killed, the outcomes are counted.
        let rows = client
            .query(
                &format!(
                    "SELECT r.id, r.command, r.target, r.started_on, r.started_at, r.finished_at,
                        CASE WHEN {KILLED} THEN 'killed' ELSE r.outcome END, r.message,
                        CASE WHEN r.finished_at IS NULL THEN o.succeeded ELSE r.succeeded END,
                        CASE WHEN r.finished_at IS NULL THEN o.failed ELSE r.failed END, r.arguments, r.total
                   FROM (SELECT id, command, target, started_on, started_at, finished_at, outcome, message, succeeded, failed, arguments,
                                count(*) OVER () AS total FROM control.runs ORDER BY started_at DESC LIMIT $1) r
                  CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE outcome = 'migrated') AS succeeded,
                                             count(*) FILTER (WHERE outcome IN ('failed', 'busy')) AS failed
                                        FROM control.outcomes WHERE run_id = r.id AND r.finished_at IS NULL) o
                  ORDER BY r.started_at DESC"
                ),
                &[&limit],
            )
            .await
            .map_err(MigratorError::during("read the runs"))?;
        let records = rows
            .iter()
            .map(|row| RunRecord {
                run: row.get(0),
                command: row.get(1),
                target: row.get(2),
                started_on: row.get(3),
                started_at: row.get(4),
                finished_at: row.get(5),
                outcome: row.get(6),
                message: row.get(7),
                succeeded: row.get(8),
                failed: row.get(9),
                arguments: row.get(10),
            })
            .collect();
        Ok(Listed::of(records, rows.first().map_or(0, |row| row.get(11))))
    }

    /// What became of tenants, newest first; without a limit all.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn outcomes(
        &self,
        filter: &OutcomeFilter,
        limit: Option<i64>,
    ) -> Result<Listed<OutcomeRecord>, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        if let Some(run) = filter.run {
            let known = client
                .query_opt("SELECT FROM control.runs WHERE id = $1", &[&run])
                .await
                .map_err(MigratorError::during("look up the run"))?;
            known.ok_or_else(|| MigratorError::Invalid(format!("there is no run {run}; `history` lists them")))?;
        }
        let rows = client
            .query(OUTCOMES, &[&filter.run, &filter.tenant.as_ref().map(TenantName::as_str), &filter.failed, &limit])
            .await
            .map_err(MigratorError::during("read the outcomes"))?;
        let records = rows
            .iter()
            .map(|row| {
                Ok(OutcomeRecord {
                    run: row.get(0),
                    command: row.get(1),
                    started_on: row.get(2),
                    tenant: parse_name(row.get(3))?,
                    from_version: row.get(4),
                    to_version: row.get(5),
                    outcome: row.get(6),
                    error: row.get(7),
                    reason: row.get(8),
                    attempts: row.get(9),
                    milliseconds: row.get(10),
                    written_at: row.get(11),
                })
            })
            .collect::<Result<_, MigratorError>>()?;
        Ok(Listed::of(records, rows.first().map_or(0, |row| row.get(12))))
    }
}
