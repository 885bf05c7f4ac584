//! How schedules go: when each is due next, what became of it last, until when its tenants are backed up; for people and for alarms.
//! Must stay true: a schedule by which nothing was begun although it was due is counted, whether or not a scheduler is there to tell.
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::figures::{self, count};
use crate::recovery_point::{Patience, RecoveryPoints};
use crate::schedule::record::{self, RunOutcome, ScheduledRun};
use crate::schedule::{self, Scope, SetSchedule};
use crate::{Backup, BackupError};

/// Schedulers look more often than that.
const UNNOTICED: TimeDelta = TimeDelta::minutes(10);

/// A schedule, and how it goes.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleEntry {
    /// What was set.
    #[serde(flatten)]
    pub set: SetSchedule,
    /// When it begins next.
    pub next_at: Option<DateTime<Utc>>,
    /// The last due time that was begun.
    pub last_run: Option<ScheduledRun>,
    /// What became of the last one that came to its end.
    pub last_outcome: Option<RunOutcome>,
    /// How many are backed up by it.
    pub tenants: usize,
    /// Until when all of these are backed up; none: somebody has no good backup, or nobody can tell.
    pub proven_until: Option<DateTime<Utc>>,
}

impl Backup {
    /// All schedules, and how they go.
    ///
    /// # Errors
    /// When the database or the bucket can't be read.
    pub async fn schedules(&self, now: DateTime<Utc>) -> Result<Vec<ScheduleEntry>, BackupError> {
        let points = Box::pin(self.recovery_points(std::time::Duration::ZERO, now)).await?;
        self.entries(&points, now).await
    }

    /// What `status` tells, and how the schedules go, as text for Prometheus.
    ///
    /// # Errors
    /// When the database or the bucket can't be read, or it was stopped.
    pub async fn scheduled_figures(&self, patience: Patience, now: DateTime<Utc>) -> Result<String, BackupError> {
        let points = Box::pin(self.recovery_points(patience, now)).await?;
        let entries = self.unless_stopped(self.entries(&points, now)).await?;
        Ok(points.metrics() + &figures_of(&entries, TimeDelta::from_std(patience.allowance).unwrap_or_default(), now))
    }

    /// What became of each due time, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn scheduled_runs(&self, scope: &Scope) -> Result<Vec<ScheduledRun>, BackupError> {
        record::of(&labor_connect::connect(&self.plan).await?, scope).await
    }

    async fn entries(&self, points: &RecoveryPoints, now: DateTime<Utc>) -> Result<Vec<ScheduleEntry>, BackupError> {
        let client = labor_connect::connect(&self.plan).await?;
        let mut runs: BTreeMap<_, _> =
            record::last(&client).await?.into_iter().map(|run| (run.scope.clone(), run)).collect();
        let mut outcomes = record::outcomes(&client).await?;
        let entry = |set: SetSchedule| {
            let next_at = set.timetable().ok().and_then(|timetable| timetable.next(now)).map(|due| due.begins);
            let last_run = runs.remove(&set.scope);
            let last_outcome = outcomes.remove(&set.scope.to_string());
            let theirs = || points.tenants.values().filter(|point| point.schedule.as_ref() == Some(&set.scope));
            // None is less than any time.
            let (tenants, proven_until) = (theirs().count(), theirs().map(|point| point.proven_until).min().flatten());
            ScheduleEntry { next_at, last_run, last_outcome, tenants, proven_until, set }
        };
        Ok(schedule::all(&client).await?.into_iter().map(entry).collect())
    }
}

/// Whether it was due some time ago and nobody began it; also when somebody is at work on an earlier one, from the allowance on. One
/// that can't be read is begun by nobody.
fn is_unnoticed(entry: &ScheduleEntry, allowance: TimeDelta, now: DateTime<Utc>) -> bool {
    let Ok(timetable) = entry.set.timetable() else {
        return true;
    };
    let last = entry.last_run.as_ref();
    let patience = if last.is_some_and(|run| run.at_work) { allowance } else { UNNOTICED };
    let due = timetable.latest(now - patience).filter(|due| due.at >= entry.set.set_at);
    due.is_some_and(|due| last.is_none_or(|run| run.due_at < due.at))
}

fn figures_of(entries: &[ScheduleEntry], allowance: TimeDelta, now: DateTime<Utc>) -> String {
    let runs = || entries.iter().filter_map(|entry| entry.last_run.as_ref());
    let newest = |time: fn(&ScheduledRun) -> Option<DateTime<Utc>>| runs().filter_map(time).max();
    figures::text(&[
        ("schedules", "Schedules of single tenants, and the one for all", count(entries, |_| true)),
        (
            "schedules_not_begun",
            "Of these, by which a backup was due and nobody began it",
            count(entries, |entry| is_unnoticed(entry, allowance, now)),
        ),
        (
            "schedules_failed",
            "Of these, whose last due time that came to its end failed, or was overtaken by the next one",
            count(entries, |entry| !matches!(entry.last_outcome, None | Some(RunOutcome::Done))),
        ),
        (
            "schedules_retried",
            "Of these, whose last due time failed and is tried again",
            count(runs(), |run| run.outcome.is_none() && run.again_at.is_some()),
        ),
        (
            "schedules_late",
            "Of these, whose last due time was begun late",
            count(runs(), |run| run.late_seconds.is_some()),
        ),
        ("schedules_at_work", "Of these, by which somebody is backed up now", count(runs(), |run| run.at_work)),
        (
            "last_run_timestamp_seconds",
            "When a scheduled run was begun last",
            newest(|run| Some(run.started_at)).map(|time| time.timestamp()),
        ),
        (
            "last_end_timestamp_seconds",
            "When a scheduled run came to its end last",
            newest(|run| run.ended_at).map(|time| time.timestamp()),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Retention;
    use crate::schedule::Schedule;

    fn entry(last_due: Option<&str>, outcome: Option<RunOutcome>) -> ScheduleEntry {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let retention = Retention { daily: 1, weekly: 1, monthly: 1, yearly: 1 };
        let (expression, zone) = ("0 2 * * *".to_owned(), "UTC".to_owned());
        let schedule = Schedule { expression, zone, jitter_seconds: 0, retention };
        let set_at = at("2026-11-01T00:00:00Z");
        let set = SetSchedule { scope: Scope::All, schedule, set_by: "x".to_owned(), set_at };
        let last_run = last_due.map(|due| ScheduledRun {
            scope: Scope::All,
            due_at: at(due),
            started_at: at(due),
            late_seconds: None,
            scheduler: "x".to_owned(),
            at_work: false,
            attempts: 1,
            again_at: None,
            ended_at: outcome.map(|_| at(due)),
            outcome,
            stored: 0,
            unchanged: 0,
            failed: Vec::new(),
            reason: None,
        });
        ScheduleEntry { set, next_at: None, last_run, last_outcome: outcome, tenants: 1, proven_until: None }
    }

    fn figure(entries: &[ScheduleEntry], now: &str, name: &str) -> String {
        let text = figures_of(entries, TimeDelta::hours(4), now.parse().unwrap());
        assert!(!text.contains('{'), "{text}");
        let found = text.lines().find_map(|line| line.strip_prefix(&format!("labor_backup_{name} ")));
        found.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
    }

    #[test]
    fn what_was_due_and_not_begun_is_counted_without_names() {
        let done = Some(RunOutcome::Done);
        let entries = [
            entry(Some("2026-11-20T02:00:00Z"), done),
            entry(Some("2026-11-21T02:00:00Z"), Some(RunOutcome::Failed)),
            entry(None, None),
        ];
        assert_eq!(
            figure(&entries, "2026-11-21T02:05:00Z", "schedules_not_begun"),
            "1",
            "the scheduler may be on its way"
        );
        assert_eq!(figure(&entries, "2026-11-21T02:15:00Z", "schedules_not_begun"), "2");
        assert_eq!(figure(&entries, "2026-11-21T02:15:00Z", "schedules_failed"), "1");
        let mut long = entry(Some("2026-11-20T02:00:00Z"), None);
        long.last_run.as_mut().unwrap().at_work = true;
        long.last_outcome = Some(RunOutcome::Overtaken);
        assert_eq!(figure(&[long.clone()], "2026-11-21T05:59:00Z", "schedules_not_begun"), "0", "somebody is at work");
        assert_eq!(figure(&[long.clone()], "2026-11-21T06:00:00Z", "schedules_not_begun"), "1", "for too long");
        assert_eq!(
            figure(&[long], "2026-11-21T06:00:00Z", "schedules_failed"),
            "1",
            "what is overtaken each time is no success"
        );
        assert_eq!(figure(&entries, "2026-11-21T02:15:00Z", "last_end_timestamp_seconds"), "1795226400");
    }
}
