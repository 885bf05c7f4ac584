//! The session by which a scheduler claims due times: as long as it lives, they are this scheduler's.
//!
//! Must stay true: one scheduler at most is at work on a due time, and one due time of a schedule at most is worked on; a claim ends
//! with its session, not with a clock, so that what a killed scheduler had begun is taken over as soon as the server knows that it is gone;
//! a record is ended only by whoever holds its claim.
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use tokio_postgres::{Client, Transaction};
use tokio_util::sync::CancellationToken;

use crate::class::to_be_backed_up;
use crate::schedule::record::{RunOutcome, at_work};
use crate::schedule::timetable::Due;
use crate::schedule::{Scope, SetSchedule};
use crate::{Backup, BackupError};

/// So often a due time is begun at most.
pub(crate) const MOST_ATTEMPTS: i32 = 5;

/// The login reads only, by default. The server is to notice within two minutes that a machine is gone, which says no farewell.
const SETTINGS: &str = "SET default_transaction_read_only = off; SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = '1min';
    SET statement_timeout = '1min'; SET lock_timeout = '30s';
    SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 15; SET tcp_keepalives_count = 4; SET tcp_user_timeout = '2min'";

const SESSION: &str =
    "SELECT pid, backend_start, pg_is_in_recovery() FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Due times that came to their end, of these.
const ENDED: &str = "
    SELECT r.scope, r.due_at FROM unnest($1::text[], $2::timestamptz[]) AS due (scope, due_at)
      JOIN control.backup_runs r ON (r.scope, r.due_at) = (due.scope, due.due_at) WHERE r.ended_at IS NOT NULL";

/// The row is the lock: of one schedule's due times one at a time is claimed, and none of a schedule that was changed meanwhile.
const LOCK: &str = "SELECT FROM control.backup_schedules WHERE scope = $1 AND set_at = $2 FOR UPDATE";

/// Begun and left, or to be tried again, when a later one is due.
const OVERTAKE: &str = concat!(
    "UPDATE control.backup_runs r
        SET outcome = 'overtaken', ended_at = $3, again_at = NULL, session_pid = NULL, session_started_at = NULL
      WHERE r.scope = $1 AND r.due_at < $2 AND r.ended_at IS NULL AND NOT ",
    at_work!()
);

/// Those of schedules that are gone.
const ABANDON: &str = concat!(
    "UPDATE control.backup_runs r
        SET outcome = 'overtaken', ended_at = $1, again_at = NULL, session_pid = NULL, session_started_at = NULL,
            reason = coalesce(r.reason || '; ', '') || 'its schedule was removed'
      WHERE r.ended_at IS NULL AND NOT EXISTS (SELECT FROM control.backup_schedules s WHERE s.scope = r.scope) AND NOT ",
    at_work!()
);

/// A new one, when no earlier one is at work and no later one was begun; or one that nobody is at work on any more, when its time has come.
const CLAIM: &str = concat!(
    "INSERT INTO control.backup_runs AS r (scope, due_at, begins_at, started_at, scheduler, session_pid, session_started_at)
     SELECT $1::text, $2::timestamptz, $3::timestamptz, $4::timestamptz, $5::text, $6::integer, $7::timestamptz
      WHERE NOT EXISTS (SELECT FROM control.backup_runs o
                         WHERE o.scope = $1 AND (o.due_at > $2 OR (o.due_at < $2 AND o.ended_at IS NULL)))
     ON CONFLICT (scope, due_at) DO UPDATE
        SET attempts = r.attempts + 1, scheduler = excluded.scheduler, session_pid = excluded.session_pid,
            session_started_at = excluded.session_started_at, again_at = NULL
      WHERE r.ended_at IS NULL AND (r.again_at IS NULL OR r.again_at <= $4) AND NOT ",
    at_work!(),
    " RETURNING r.attempts, r.failed_tenants"
);

const END: &str = "
    UPDATE control.backup_runs
       SET ended_at = $5, outcome = $6, again_at = $7, attempts = attempts - $8, stored = stored + $9, unchanged = unchanged + $10,
           failed_tenants = $11, reason = $12, session_pid = NULL, session_started_at = NULL
     WHERE scope = $1 AND due_at = $2 AND session_pid = $3 AND session_started_at = $4 AND attempts = $13";

/// Who is backed up by the schedule for all.
const WITHOUT_THEIR_OWN: &str = concat!(
    "SELECT t.name FROM control.tenants t
      WHERE NOT EXISTS (SELECT FROM control.backup_schedules s WHERE s.tenant = t.name) AND ",
    to_be_backed_up!()
);

/// A due time that is this scheduler's.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) set: SetSchedule,
    pub(crate) due: Due,
    /// This one included.
    pub(crate) attempts: i32,
    /// Who is to be backed up: whose schedule it is, and after an attempt that some failed, of these who did.
    pub(crate) tenants: BTreeSet<TenantName>,
    /// The session that it belongs to. Whoever opens another one has to claim anew.
    pub(crate) session: Session,
}

/// A server process, and when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) pid: i32,
    pub(crate) started_at: DateTime<Utc>,
}

/// How an attempt ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// None: it is tried again.
    pub(crate) outcome: Option<RunOutcome>,
    /// Not before this time.
    pub(crate) again_at: Option<DateTime<Utc>>,
    /// Somebody stopped it: the attempt does not count.
    pub(crate) stopped: bool,
    pub(crate) stored: i32,
    pub(crate) unchanged: i32,
    /// None: nobody, or nobody could be tried.
    pub(crate) failed: Option<BTreeSet<TenantName>>,
    pub(crate) reason: Option<String>,
}

/// A session.
pub(crate) struct Desk {
    client: Client,
    session: Session,
    /// Ends when the session was found to be gone: whoever works for a claim of it stops.
    pub(crate) held: CancellationToken,
}

impl Desk {
    /// Opens a session at the primary.
    pub(crate) async fn open(backup: &Backup) -> Result<Self, BackupError> {
        let client = labor_connect::connect(&backup.plan).await?;
        client.batch_execute(SETTINGS).await.map_err(BackupError::during("open a session for the schedule"))?;
        let row = client.query_one(SESSION, &[]).await.map_err(BackupError::during("ask which session it is"))?;
        if row.get(2) {
            return Err(BackupError::Refused(
                "the database is a standby, where no due time can be recorded; LABOR_SCHEDULE_URL (or LABOR_BACKUP_URL) must name the primary"
                    .to_owned(),
            ));
        }
        let session = Session { pid: row.get(0), started_at: row.get(1) };
        Ok(Self { client, session, held: backup.stop.child_token() })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether its claims are lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Which of these came to their end already.
    pub(crate) async fn ended(
        &self,
        due: &[(SetSchedule, Due)],
    ) -> Result<BTreeSet<(String, DateTime<Utc>)>, BackupError> {
        let (scopes, times): (Vec<_>, Vec<_>) = due.iter().map(|(set, due)| (set.scope.to_string(), due.at)).unzip();
        let rows = self.client.query(ENDED, &[&scopes, &times]).await;
        let rows = rows.map_err(BackupError::during("look for what is done"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Ends what is left of schedules that were removed.
    pub(crate) async fn abandon(&self, now: DateTime<Utc>) -> Result<(), BackupError> {
        let abandoned = self.client.execute(ABANDON, &[&now]).await;
        abandoned.map(drop).map_err(BackupError::during("end what is left of removed schedules"))
    }

    /// Claims a due time, unless somebody is at work on it or on an earlier one, or it is done.
    pub(crate) async fn claim(
        &mut self,
        set: &SetSchedule,
        due: Due,
        now: DateTime<Utc>,
    ) -> Result<Option<Claim>, BackupError> {
        let during = |what: &str| BackupError::during(format!("claim a due time of {}: {what}", set.scope));
        let scope = set.scope.to_string();
        let transaction = self.client.transaction().await.map_err(during("begin"))?;
        if transaction.execute(LOCK, &[&scope, &set.set_at]).await.map_err(during("lock"))? == 0 {
            return Ok(None);
        }
        transaction.execute(OVERTAKE, &[&scope, &due.at, &now]).await.map_err(during("end the one before"))?;
        let claimed = transaction
            .query_opt(
                CLAIM,
                &[&scope, &due.at, &due.begins, &now, &who(), &self.session.pid, &self.session.started_at],
            )
            .await
            .map_err(during("record it"))?;
        let claim = match claimed {
            Some(row) => {
                let failed: Option<Vec<String>> = row.get(1);
                let tenants = tenants(&transaction, &set.scope, failed.as_deref()).await?;
                Some(Claim { set: set.clone(), due, attempts: row.get(0), tenants, session: self.session })
            }
            None => None,
        };
        transaction.commit().await.map_err(during("commit"))?;
        Ok(claim)
    }

    /// Records how an attempt ended. False: the claim was lost meanwhile, and it is somebody else's to record.
    pub(crate) async fn end(&self, claim: &Claim, ending: &Ending, now: DateTime<Utc>) -> Result<bool, BackupError> {
        let ended_at = ending.outcome.map(|_| now);
        let names = |failed: &BTreeSet<TenantName>| failed.iter().map(|name| name.as_str().to_owned()).collect();
        let failed: Option<Vec<String>> = ending.failed.as_ref().map(names);
        let ended = self
            .client
            .execute(
                END,
                &[
                    &claim.set.scope.to_string(),
                    &claim.due.at,
                    &claim.session.pid,
                    &claim.session.started_at,
                    &ended_at,
                    &ending.outcome.map(RunOutcome::word),
                    &ending.again_at,
                    &i32::from(ending.stopped),
                    &ending.stored,
                    &ending.unchanged,
                    &failed,
                    &ending.reason,
                    &claim.attempts,
                ],
            )
            .await
            .map_err(BackupError::during(format!("record the run of {}", claim.set.scope)))?;
        Ok(ended == 1)
    }
}

/// Whom a due time is for; of these only who failed before, if somebody did.
async fn tenants(
    transaction: &Transaction<'_>,
    scope: &Scope,
    failed: Option<&[String]>,
) -> Result<BTreeSet<TenantName>, BackupError> {
    let mut tenants = match scope {
        Scope::One(tenant) => BTreeSet::from([tenant.clone()]),
        Scope::All => {
            let rows = transaction.query(WITHOUT_THEIR_OWN, &[]).await;
            let rows = rows.map_err(BackupError::during("list the tenants without a schedule of their own"))?;
            let names = rows.iter().map(|row| TenantName::parse(row.get(0))).collect::<Result<_, _>>();
            names.map_err(|error| BackupError::Invalid(error.to_string()))?
        }
    };
    if let Some(failed) = failed {
        tenants.retain(|tenant| failed.iter().any(|name| name == tenant.as_str()));
    }
    Ok(tenants)
}

/// User, host and process, for people.
pub(crate) fn who() -> String {
    let said = |name: &str| std::env::var(name).ok().filter(|user| !user.is_empty());
    let user = said("USER").or_else(|| said("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let text = format!("{user}@{} ({})", host.trim(), std::process::id());
    text.chars().take(200).collect()
}
