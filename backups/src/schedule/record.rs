//! What became of each due time.
//! Must stay true: there is one record of a due time, whoever was at work on it and however often.
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::BackupError;
use crate::schedule::Scope;

/// A run that begins so much later than it was to is late: schedulers look more often than that.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// What becomes of a due time that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Everybody has a backup of that time.
    Done,
    /// Somebody has none, and it is not tried again.
    Failed,
    /// Before it was done, a later one was due, or the schedule was changed.
    Overtaken,
}

impl RunOutcome {
    /// As the database has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Overtaken => "overtaken",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Done, Self::Failed, Self::Overtaken].into_iter().find(|outcome| outcome.word() == word)
    }
}

/// A due time, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduledRun {
    /// Whose schedule.
    pub scope: Scope,
    /// When it was due, as the expression says.
    pub due_at: DateTime<Utc>,
    /// When it was begun first.
    pub started_at: DateTime<Utc>,
    /// How long after it was to begin, if that is late.
    pub late_seconds: Option<i64>,
    /// Which scheduler was at work on it last.
    pub scheduler: String,
    /// Whether one is at work on it now.
    pub at_work: bool,
    /// How often it was begun, without what somebody stopped.
    pub attempts: i32,
    /// When it is tried again.
    pub again_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub ended_at: Option<DateTime<Utc>>,
    /// What became of it; none: it has not come to its end.
    pub outcome: Option<RunOutcome>,
    /// Tenants that have a new backup by it.
    pub stored: i32,
    /// Tenants that were found to be as they are in their newest one.
    pub unchanged: i32,
    /// Who has none.
    pub failed: Vec<TenantName>,
    /// What somebody has to know of it.
    pub reason: Option<String>,
}

/// Whether the session that is at work on `r` is there. Of sessions of one's own login everything is seen.
macro_rules! at_work {
    () => {
        "EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = r.session_pid AND a.backend_start = r.session_started_at)"
    };
}
pub(crate) use at_work;

/// Of `control.backup_runs r`.
macro_rules! columns {
    () => {
        concat!(
            "r.scope, r.due_at, r.begins_at, r.started_at, r.scheduler, ",
            at_work!(),
            ", r.attempts, r.again_at, r.ended_at, r.outcome, r.stored, r.unchanged, r.failed_tenants, r.reason"
        )
    };
}

const LAST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM control.backup_schedules s
      JOIN control.backup_runs r ON r.scope = s.scope
       AND r.due_at = (SELECT max(l.due_at) FROM control.backup_runs l WHERE l.scope = s.scope)"
);

const OUTCOMES: &str = "
    SELECT s.scope, (SELECT r.outcome FROM control.backup_runs r
                      WHERE r.scope = s.scope AND r.ended_at IS NOT NULL ORDER BY r.due_at DESC LIMIT 1)
      FROM control.backup_schedules s";

const OF: &str =
    concat!("SELECT ", columns!(), " FROM control.backup_runs r WHERE r.scope = $1 ORDER BY r.due_at DESC LIMIT 1000");

impl ScheduledRun {
    fn read(row: &Row) -> Result<Self, BackupError> {
        let tenant = |name: &str| TenantName::parse(name).map_err(|error| BackupError::Invalid(error.to_string()));
        let scope: String = row.get(0);
        let scope = if scope == "all" { Scope::All } else { Scope::One(tenant(&scope)?) };
        let (begins, started_at): (DateTime<Utc>, DateTime<Utc>) = (row.get(2), row.get(3));
        let late = started_at - begins;
        let failed: Option<Vec<String>> = row.get(12);
        Ok(Self {
            scope,
            due_at: row.get(1),
            started_at,
            late_seconds: (late >= LATE).then_some(late.num_seconds()),
            scheduler: row.get(4),
            at_work: row.get(5),
            attempts: row.get(6),
            again_at: row.get(7),
            ended_at: row.get(8),
            outcome: row.get::<_, Option<&str>>(9).and_then(RunOutcome::read),
            stored: row.get(10),
            unchanged: row.get(11),
            failed: failed.iter().flatten().map(|name| tenant(name)).collect::<Result<_, _>>()?,
            reason: row.get(13),
        })
    }
}

/// The last due time of each schedule that was begun.
pub(crate) async fn last(client: &Client) -> Result<Vec<ScheduledRun>, BackupError> {
    let rows = client.query(LAST, &[]).await.map_err(BackupError::during("read the scheduled runs"))?;
    rows.iter().map(ScheduledRun::read).collect()
}

/// What became of the last due time of each schedule that came to its end.
pub(crate) async fn outcomes(client: &Client) -> Result<BTreeMap<String, RunOutcome>, BackupError> {
    let rows = client.query(OUTCOMES, &[]).await.map_err(BackupError::during("read what became of the schedules"))?;
    let outcome = |row: &Row| Some((row.get(0), RunOutcome::read(row.get::<_, Option<&str>>(1)?)?));
    Ok(rows.iter().filter_map(outcome).collect())
}

/// The due times of one schedule, newest first.
pub(crate) async fn of(client: &Client, scope: &Scope) -> Result<Vec<ScheduledRun>, BackupError> {
    let rows = client.query(OF, &[&scope.to_string()]).await;
    let rows = rows.map_err(BackupError::during("read the scheduled runs"))?;
    rows.iter().map(ScheduledRun::read).collect()
}
