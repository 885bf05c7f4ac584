//! Schedules: when whose backup is due. One for all practices, and instead of it one of a practice's own.
//! Must stay true: what is stored can be read by every scheduler, because nothing is stored that was not read first; a schedule that is
//! set is due for the first time after that, never for what would have been due before.
pub(crate) mod desk;
pub(crate) mod ending;
mod going;
pub(crate) mod record;
pub(crate) mod timetable;

use std::fmt;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::class::to_be_backed_up;
use crate::retention::Retention;
use crate::{Backup, BackupError, clock, prune};
use desk::Desk;
pub use going::ScheduleEntry;
use timetable::Timetable;

/// Whom a schedule is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub enum Scope {
    /// Everybody who has no schedule of their own.
    All,
    /// One tenant.
    One(TenantName),
}

impl Scope {
    fn of(tenant: Option<String>) -> Result<Self, BackupError> {
        let Some(name) = tenant else {
            return Ok(Self::All);
        };
        TenantName::parse(&name).map(Self::One).map_err(|error| BackupError::Invalid(error.to_string()))
    }

    pub(crate) const fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::All => None,
            Self::One(tenant) => Some(tenant),
        }
    }

    fn name(&self) -> Option<&str> {
        self.tenant().map(TenantName::as_str)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("all"))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

/// When backups are due, and what is kept of them by a scheduler that prunes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Five fields of cron: minute, hour, day of the month, month, day of the week.
    pub expression: String,
    /// The time zone in which they are read, and in which a day is a day for retention.
    pub zone: String,
    /// A run begins up to so much later.
    pub jitter_seconds: u32,
    /// How many places there are.
    pub retention: Retention,
}

impl Schedule {
    /// When it begins next.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn next(&self, scope: &Scope, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, BackupError> {
        Ok(self.timetable(scope)?.next(now).map(|due| due.begins))
    }

    fn timetable(&self, scope: &Scope) -> Result<Timetable, BackupError> {
        Timetable::new(scope.clone(), &self.expression, &self.zone, self.jitter_seconds)
    }
}

/// A schedule as it stands in the database.
#[derive(Clone, Debug, Serialize)]
pub struct SetSchedule {
    /// Whose.
    pub scope: Scope,
    /// What was set.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: DateTime<Utc>,
}

/// To `control.backup_schedules s`.
macro_rules! columns {
    () => {
        "s.tenant, s.expression, s.zone, s.jitter_seconds, s.keep_daily, s.keep_weekly, s.keep_monthly, s.keep_yearly, s.set_by, s.set_at"
    };
}

/// A tenant that is being deleted has none any more.
const SCHEDULES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM control.backup_schedules s LEFT JOIN control.tenants t ON t.name = s.tenant
       WHERE s.tenant IS NULL OR ",
    to_be_backed_up!(),
    " ORDER BY s.tenant NULLS FIRST"
);

const SET: &str = "
    INSERT INTO control.backup_schedules
           (tenant, expression, zone, jitter_seconds, keep_daily, keep_weekly, keep_monthly, keep_yearly, set_by, set_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (scope) DO UPDATE SET
           expression = excluded.expression, zone = excluded.zone, jitter_seconds = excluded.jitter_seconds,
           keep_daily = excluded.keep_daily, keep_weekly = excluded.keep_weekly, keep_monthly = excluded.keep_monthly,
           keep_yearly = excluded.keep_yearly, set_by = excluded.set_by, set_at = excluded.set_at";

const KNOWN: &str =
    concat!("SELECT EXISTS (SELECT FROM control.tenants t WHERE t.name = $1 AND ", to_be_backed_up!(), ")");

impl SetSchedule {
    fn read(row: &Row) -> Result<Self, BackupError> {
        let number = |column: usize| usize::try_from(row.get::<_, i32>(column)).unwrap_or_default();
        let retention = Retention { daily: number(4), weekly: number(5), monthly: number(6), yearly: number(7) };
        let jitter_seconds = u32::try_from(row.get::<_, i32>(3)).unwrap_or_default();
        let schedule = Schedule { expression: row.get(1), zone: row.get(2), jitter_seconds, retention };
        Ok(Self { scope: Scope::of(row.get(0))?, schedule, set_by: row.get(8), set_at: row.get(9) })
    }

    pub(crate) fn timetable(&self) -> Result<Timetable, BackupError> {
        self.schedule.timetable(&self.scope)
    }
}

/// All of them, the one for everybody first.
pub(crate) async fn all(client: &Client) -> Result<Vec<SetSchedule>, BackupError> {
    let rows = client.query(SCHEDULES, &[]).await.map_err(BackupError::during("read the schedules"))?;
    rows.iter().map(SetSchedule::read).collect()
}

/// The same, and none where the control schema is of before there were any.
pub(crate) async fn all_if_any(client: &Client) -> Result<Vec<SetSchedule>, BackupError> {
    let there = "SELECT to_regclass('control.backup_schedules') IS NOT NULL";
    let row = client.query_one(there, &[]).await.map_err(BackupError::during("look for schedules"))?;
    if row.get(0) { all(client).await } else { Ok(Vec::new()) }
}

impl Backup {
    /// Sets a schedule, in place of the one that there is. It is due for the first time after `now`.
    ///
    /// # Errors
    /// When it can't be read, with the field that is wrong; when there is no such tenant; when the database refuses.
    pub async fn set_schedule(
        &self,
        scope: &Scope,
        schedule: &Schedule,
        now: DateTime<Utc>,
    ) -> Result<(), BackupError> {
        let Schedule { expression, zone, jitter_seconds, retention } = schedule;
        schedule.timetable(scope)?.make_sense(now)?;
        let desk = Desk::open(self).await?;
        // What would be set in the future is due for nobody until then.
        clock::agrees_with_database(desk.client()).await?;
        prune::known_zone(desk.client(), zone).await?;
        if let Some(tenant) = scope.tenant() {
            let known = desk.client().query_one(KNOWN, &[&tenant.as_str()]).await;
            if !known.map_err(BackupError::during("look for the tenant"))?.get::<_, bool>(0) {
                return Err(BackupError::NotFound(format!(
                    "there is no tenant {tenant} to be backed up; `labor-migrator status` lists them"
                )));
            }
        }
        let small = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let Retention { daily, weekly, monthly, yearly } = *retention;
        let jitter = i32::try_from(*jitter_seconds).unwrap_or(i32::MAX);
        desk.client()
            .execute(
                SET,
                &[
                    &scope.name(),
                    expression,
                    zone,
                    &jitter,
                    &small(daily),
                    &small(weekly),
                    &small(monthly),
                    &small(yearly),
                    &desk::who(),
                    &now,
                ],
            )
            .await
            .map(drop)
            .map_err(BackupError::during("set the schedule"))
    }

    /// A schedule as it is set; none: there is none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn schedule(&self, scope: &Scope) -> Result<Option<SetSchedule>, BackupError> {
        let client = labor_connect::connect(&self.plan).await?;
        Ok(all(&client).await?.into_iter().find(|set| set.scope == *scope))
    }

    /// Removes a schedule. What was done by it stays recorded; a tenant is then backed up with all others.
    ///
    /// # Errors
    /// [`BackupError::NotFound`] when there is none; when the database refuses.
    pub async fn remove_schedule(&self, scope: &Scope) -> Result<(), BackupError> {
        let desk = Desk::open(self).await?;
        let remove = "DELETE FROM control.backup_schedules WHERE tenant IS NOT DISTINCT FROM $1";
        let removed = desk.client().execute(remove, &[&scope.name()]).await;
        match removed.map_err(BackupError::during("remove the schedule"))? {
            0 => Err(BackupError::NotFound(format!("there is no schedule for {scope}"))),
            _ => Ok(()),
        }
    }
}
