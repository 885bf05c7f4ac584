//! `status`: what would be lost if a tenant's database were lost now: how old the newest proof of its state is.
//!
//! A good backup proves the state at its beginning; what came into the database while it was made is not in it. An `unchanged.json`
//! proves it for later.
//!
//! Who has a schedule is late when a due time has passed, and the allowance with it, and no proof is of later than that due time. Who has
//! none is late from an age on.
//!
//! Must stay true: a tenant of which nobody can tell is late, not left out, and so is one that has backups but that the registry does
//! not know; one tenant's trouble is no other's; only what `prune` would let take a place counts.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::Client;

use crate::class::to_be_backed_up;
use crate::figures::{self, count};
use crate::list::{AT_ONCE, Found};
use crate::schedule::timetable::Timetable;
use crate::schedule::{self, Scope};
use crate::standing::{Judged, Standing};
use crate::{Backup, BackupError, BackupId, Kept, clock, kept};
pub use control::ControlPoint;

mod control;

/// Everybody who was ever taken in, and whether they are to be backed up, as `run --all` says it.
const TENANTS: &str =
    concat!("SELECT t.name, t.created_at, ", to_be_backed_up!(), " FROM control.tenants t ORDER BY t.name");

/// From when on a tenant is late.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without a schedule: from this age of its newest proof on.
    pub late: Duration,
    /// With one: so long after a due time.
    pub allowance: Duration,
}

/// The usual allowance.
impl From<Duration> for Patience {
    fn from(late: Duration) -> Self {
        Self { late, allowance: Duration::from_secs(4 * 3600) }
    }
}

/// What is left of a tenant if its database is lost now.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveryPoint {
    /// Its newest good backup.
    pub backup: Option<BackupId>,
    /// Until when its state is backed up.
    pub proven_until: Option<DateTime<Utc>>,
    /// How long ago that was; of a tenant without a good backup, since when it exists.
    pub age_seconds: u64,
    /// When one of its good backups was verified last.
    pub verified_at: Option<DateTime<Utc>>,
    /// By which schedule it is backed up: its own, or the one for all.
    pub schedule: Option<Scope>,
    /// The last due time for which there has to be a proof by now.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether the proof is older than it may be, or nobody can tell.
    pub late: bool,
    /// Why it can't be told.
    pub fault: Option<String>,
}

/// The recovery points of all tenants.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveryPoints {
    /// When it was looked.
    pub at: DateTime<Utc>,
    /// The age from which a tenant without a schedule is late.
    pub late_after_seconds: u64,
    /// How long after a due time one with a schedule is.
    pub allowance_seconds: u64,
    /// Every tenant that is to be backed up.
    pub tenants: BTreeMap<TenantName, RecoveryPoint>,
    /// Who has something in the bucket, and is not known to this database. Nobody looks after these.
    pub unknown: Vec<TenantName>,
    /// The control schema: without it nobody knows whose the tenants are.
    pub control: ControlPoint,
    /// Who was deleted from the database, and has backups in the bucket: `erase` was not run, or could not.
    pub not_erased: Vec<TenantName>,
    /// What was in a practice's place before a restore over it, and waits for somebody to confirm that, or to go back.
    pub kept: Vec<Kept>,
}

impl RecoveryPoints {
    /// What somebody has to look at.
    #[must_use]
    pub fn late(&self) -> Vec<String> {
        let late = self.tenants.iter().filter(|(_, point)| point.late);
        let late = late.map(|(tenant, point)| match (&point.fault, &point.backup) {
            (Some(fault), _) => format!("{tenant}: until when it is backed up can't be told: {fault}"),
            (None, None) => format!("{tenant} has no good backup"),
            (None, Some(backup)) => {
                let due = point.due_at.map(|due| format!("; it was due {}", due.format("%Y-%m-%d %H:%M")));
                let (age, due) = (hours(point.age_seconds), due.unwrap_or_default());
                format!("{tenant} is backed up until {age} ago, by {backup}{due}")
            }
        });
        let unknown = self.unknown.iter().map(|tenant| {
            format!("{tenant} has backups, but this database does not know it. Is LABOR_BACKUP_URL the right one?")
        });
        late.chain(unknown).chain(self.control.said(self.at)).collect()
    }

    /// The same as text for Prometheus, as its textfile collector takes it. No figure has a label or names a tenant.
    #[must_use]
    pub fn metrics(&self) -> String {
        let points = || self.tenants.values();
        let oldest = points().map(|point| point.age_seconds).max().and_then(|age| i64::try_from(age).ok());
        let verified = points().filter_map(|point| point.verified_at).min();
        let figures = [
            ("tenants", "Tenants that are to be backed up", count(points(), |_| true)),
            (
                "late_tenants",
                "Of these, whose newest proof is older than it may be, who has none for as long, or who has a fault",
                count(points(), |point| point.late),
            ),
            ("faulty_tenants", "Of these, of whom nobody can tell", count(points(), |point| point.fault.is_some())),
            ("unknown_tenants", "Who has backups and is not in the database", i64::try_from(self.unknown.len()).ok()),
            (
                "tenants_not_erased",
                "Who was deleted from the database and has backups in the bucket",
                i64::try_from(self.not_erased.len()).ok(),
            ),
            (
                "tenants_without_backup",
                "Tenants without a good backup",
                count(points(), |point| point.backup.is_none() && point.fault.is_none()),
            ),
            (
                "tenants_never_verified",
                "Tenants without a verified backup",
                count(points(), |point| point.verified_at.is_none() && point.fault.is_none()),
            ),
            (
                "newest_age_seconds",
                "Age of the newest proof of the tenant whose is the oldest, when it was looked; without one, since it exists",
                oldest,
            ),
            (
                "oldest_proof_timestamp_seconds",
                "Until when that tenant is backed up; without a proof, since when it exists",
                oldest.map(|age| self.at.timestamp() - age),
            ),
            (
                "oldest_verification_timestamp_seconds",
                "The last verification of the tenant whose is the longest ago",
                verified.map(|time| time.timestamp()),
            ),
            (
                "kept_schemas",
                "What was in a practice's place before a restore over it, and waits for `restore confirm`",
                i64::try_from(self.kept.len()).ok(),
            ),
            (
                "control_timestamp_seconds",
                "When the newest backup of the control schema was made; 0: there is none",
                self.control.fault.is_none().then(|| self.control.made_at.map_or(0, |made_at| made_at.timestamp())),
            ),
            ("status_timestamp_seconds", "When it was looked", Some(self.at.timestamp())),
        ];
        figures::text(&figures)
    }
}

/// An age for people.
fn hours(seconds: u64) -> String {
    match seconds {
        0..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

type Stock = Vec<(BackupId, Found)>;

/// When whom a proof is expected of.
struct Plan(BTreeMap<Scope, (Option<Timetable>, DateTime<Utc>)>);

/// By which schedule, and for which due time there has to be a proof by now.
struct Expected {
    schedule: Option<Scope>,
    due_at: Option<DateTime<Utc>>,
}

impl Plan {
    async fn read(client: &Client) -> Result<Self, BackupError> {
        let mut plan = BTreeMap::new();
        for set in schedule::all_if_any(client).await? {
            let timetable = set.timetable().map_err(|error| {
                tracing::error!(scope = %set.scope, %error, "a schedule can't be read; whoever has it is judged by age");
            });
            plan.insert(set.scope.clone(), (timetable.ok(), set.set_at));
        }
        Ok(Self(plan))
    }

    /// Nothing is expected of the time before the schedule was set, or before the tenant was there.
    fn expected(&self, tenant: &TenantName, since: DateTime<Utc>, allowance: Duration, now: DateTime<Utc>) -> Expected {
        let own = Scope::One(tenant.clone());
        let found = self.0.get_key_value(&own).or_else(|| self.0.get_key_value(&Scope::All));
        let Some((scope, (timetable, set_at))) = found else {
            return Expected { schedule: None, due_at: None };
        };
        let by_now = now - TimeDelta::from_std(allowance).unwrap_or_default();
        let due = timetable
            .as_ref()
            .and_then(|timetable| timetable.latest(by_now))
            .filter(|due| due.at >= since.max(*set_at));
        Expected { schedule: Some(scope.clone()), due_at: due.map(|due| due.at) }
    }
}

impl Backup {
    /// How old the newest proof of each tenant's state is.
    ///
    /// # Errors
    /// When the registry or the bucket's listing can't be read, or it was stopped. What can't be read of one tenant is its fault.
    pub async fn recovery_points(
        &self,
        patience: impl Into<Patience>,
        now: DateTime<Utc>,
    ) -> Result<RecoveryPoints, BackupError> {
        Box::pin(self.unless_stopped(self.look_at_all(patience.into(), now))).await
    }

    async fn look_at_all(&self, patience: Patience, now: DateTime<Utc>) -> Result<RecoveryPoints, BackupError> {
        let begun = Instant::now();
        let client = labor_connect::connect(&self.source).await?;
        clock::agrees_with_database(&client).await?;
        let rows = client.query(TENANTS, &[]).await.map_err(BackupError::during("list the tenants"))?;
        let plan = Plan::read(&client).await?;
        let kept = kept::all(&client, None).await?;
        let mut stock = BTreeMap::<TenantName, Stock>::new();
        for ((backup, tenant), found) in self.found(None).await?.into_iter().rev() {
            stock.entry(tenant).or_default().push((backup, found));
        }
        let (mut tenants, mut not_erased) = (Vec::new(), Vec::new());
        for row in rows {
            let tenant = TenantName::parse(row.get(0)).map_err(|error| BackupError::Invalid(error.to_string()))?;
            let theirs = stock.remove(&tenant).unwrap_or_default();
            if row.get(2) {
                tenants.push((tenant, row.get::<_, DateTime<Utc>>(1), theirs));
            } else if !theirs.is_empty() {
                not_erased.push(tenant);
            }
        }
        let points_of_nobody = tenants.is_empty();
        let plan = &plan;
        let points = tenants.into_iter().map(|(tenant, since, stock)| async move {
            let now = now + TimeDelta::from_std(begun.elapsed()).unwrap_or_default();
            let expected = plan.expected(&tenant, since, patience.allowance, now);
            let point = self.recovery_point(&tenant, since, stock, (patience.late, expected), now).await;
            (tenant, point)
        });
        let tenants = stream::iter(points).buffer_unordered(AT_ONCE).collect().await;
        let (unknown, Patience { late, allowance }) = (stock.into_keys().collect(), patience);
        let control = self.control_point(!points_of_nobody, late, now).await?;
        let (late_after_seconds, allowance_seconds) = (late.as_secs(), allowance.as_secs());
        Ok(RecoveryPoints {
            at: now,
            late_after_seconds,
            allowance_seconds,
            tenants,
            unknown,
            control,
            not_erased,
            kept,
        })
    }

    async fn recovery_point(
        &self,
        tenant: &TenantName,
        since: DateTime<Utc>,
        stock: Stock,
        (late, expected): (Duration, Expected),
        now: DateTime<Utc>,
    ) -> RecoveryPoint {
        let (newest, verified_at, fault) = match self.newest_good(tenant, stock, now).await {
            Ok((newest, verified_at)) => (newest, verified_at, None),
            Err(error) => (None, None, Some(error.to_string())),
        };
        let proven_until = newest.as_ref().map(|newest| newest.until);
        let age_seconds = (now - proven_until.unwrap_or(since)).num_seconds().max(0).unsigned_abs();
        let Expected { schedule, due_at } = expected;
        let too_old = match (&schedule, due_at) {
            (None, _) | (_, None) => age_seconds >= late.as_secs(),
            (Some(_), Some(due)) => proven_until.is_none_or(|until| until < due),
        };
        let (late, backup) = (fault.is_some() || too_old, newest.map(|newest| newest.backup));
        RecoveryPoint { backup, proven_until, age_seconds, verified_at, schedule, due_at, late, fault }
    }

    /// The newest good one, and the last verification of any good one. No more of them is read than that takes.
    async fn newest_good(
        &self,
        tenant: &TenantName,
        stock: Stock,
        now: DateTime<Utc>,
    ) -> Result<(Option<Judged>, Option<DateTime<Utc>>), BackupError> {
        if !stock.iter().any(|(_, found)| found.manifest.is_some()) {
            return Ok((None, None));
        }
        let mac_key = self.keys.sealing(tenant.as_str()).await?.mac;
        let (mut newest, mut verified_at) = (None, None);
        for (backup, found) in stock {
            if newest.is_some() && found.verified.is_none() {
                continue;
            }
            let judged = self.judge(tenant, backup, &found, &mac_key, now).await?;
            if !matches!(judged.standing, Standing::Good { .. }) {
                continue;
            }
            verified_at = judged.verified_at;
            newest.get_or_insert(judged);
            if verified_at.is_some() {
                break;
            }
        }
        Ok((newest, verified_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_no_labels_and_what_is_not_known_is_left_out() {
        let at: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let point = |hours: Option<i64>| RecoveryPoint {
            backup: hours.map(|_| BackupId::new(at)),
            proven_until: hours.map(|hours| at - chrono::Duration::hours(hours)),
            age_seconds: hours.unwrap_or(1).unsigned_abs() * 3600,
            verified_at: None,
            schedule: None,
            due_at: None,
            late: hours.is_none_or(|hours| hours >= 26),
            fault: None,
        };
        let fault = Some("no key".to_owned());
        let faulty = RecoveryPoint { fault, age_seconds: 30 * 3600, ..point(None) };
        let points = [point(Some(1)), point(Some(27)), point(None), faulty];
        let tenants = points.into_iter().map(|point| (TenantName::random().unwrap(), point)).collect();
        let unknown = vec![TenantName::random().unwrap()];
        let points = RecoveryPoints {
            at,
            late_after_seconds: 0,
            allowance_seconds: 0,
            tenants,
            unknown,
            control: ControlPoint { made_at: Some(at), ..ControlPoint::default() },
            not_erased: Vec::new(),
            kept: Vec::new(),
        };
        let text = points.metrics();
        let figures: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            figures,
            [
                "labor_backup_tenants 4",
                "labor_backup_late_tenants 3",
                "labor_backup_faulty_tenants 1",
                "labor_backup_unknown_tenants 1",
                "labor_backup_tenants_not_erased 0",
                "labor_backup_tenants_without_backup 1",
                "labor_backup_tenants_never_verified 3",
                "labor_backup_newest_age_seconds 108000",
                "labor_backup_oldest_proof_timestamp_seconds 1795240800",
                "labor_backup_kept_schemas 0",
                &format!("labor_backup_control_timestamp_seconds {}", at.timestamp()),
                "labor_backup_status_timestamp_seconds 1795348800",
            ]
        );
        assert!(text.ends_with('\n') && !text.contains('{'), "{text}");
        assert!(points.tenants.keys().chain(&points.unknown).all(|tenant| !text.contains(tenant.as_str())), "{text}");
        let late = points.late();
        assert_eq!(late.len(), 4, "{late:?}");
        assert!(late.iter().any(|one| one.contains("backed up until 27 h ago")), "{late:?}");
    }
}
