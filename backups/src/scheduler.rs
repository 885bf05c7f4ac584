//! `scheduler`: looks what is due, claims it, backs up, and records what became of it. Several may run.
//!
//! After a downtime each schedule is done once, for the latest due time, however many were missed. What is due together is one run of
//! the fleet; what becomes due meanwhile begins beside it, and all share their seats and the line.
//!
//! Must stay true: whatever was claimed is carried out or given back; whose claim is lost stops; a tenant's failure is that tenant's, is
//! recorded with its reason and tried again with growing pauses, and not for ever; what time it is, is told by the caller.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use labor_catalog::TenantName;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fleet::FleetOptions;
use crate::pruned::PruneOptions;
use crate::schedule::desk::{Claim, Desk, Ending, MOST_ATTEMPTS};
use crate::schedule::record::RunOutcome;
use crate::schedule::timetable::{Due, share};
use crate::schedule::{self, Scope, SetSchedule};
use crate::{Backup, BackupError, Outcome, clock};

/// How often it is looked what is due.
const LOOK: Duration = Duration::from_secs(10);
/// A database that does not answer for so long is taken for lost.
const DEAF: Duration = Duration::from_secs(120);
/// Minutes from one attempt to the next; up to half as much is added.
const PAUSES: [u32; 4] = [1, 4, 15, 60];
/// Of so many tenants that failed the reason is recorded.
const REASONS: usize = 5;
/// Characters of a reason.
const LONGEST_REASON: usize = 4_000;

/// How a scheduler goes about it.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerOptions {
    /// As in a run over all.
    pub fleet: FleetOptions,
    /// Whether what has no place any more by the schedule's retention is removed after a backup.
    pub prune: bool,
}

/// What became of a due time in one attempt, as it was recorded.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Whose schedule.
    pub scope: Scope,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// What became of it; none: it is tried again, by whichever scheduler.
    pub outcome: Option<RunOutcome>,
    /// What somebody has to know of it.
    pub reason: Option<String>,
}

/// One of the schedulers.
#[derive(Clone)]
pub struct Scheduler {
    backup: Backup,
    options: SchedulerOptions,
    desk: Arc<Mutex<Option<Desk>>>,
    seats: Arc<Semaphore>,
}

/// What is done together.
struct Group {
    claims: Vec<Claim>,
    held: CancellationToken,
}

/// What became of tenants, and what is to be said of their classes.
type Ran = Result<(BTreeMap<TenantName, Outcome>, Vec<String>), BackupError>;

impl Scheduler {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(backup: &Backup, options: SchedulerOptions) -> Self {
        let seats = Arc::new(Semaphore::new(options.fleet.jobs.max(1)));
        Self { backup: backup.clone(), options, desk: Arc::default(), seats }
    }

    /// Looks once what is due, and does it.
    ///
    /// # Errors
    /// When nothing could be claimed: the database can't be reached, or a clock is wrong. What fails after that is in the records.
    pub async fn turn(&self, now: DateTime<Utc>) -> Result<Vec<Attempted>, BackupError> {
        let groups = Box::pin(self.claim(now)).await?;
        let work = groups.into_iter().map(|group| Box::pin(self.carry_out(group, now)));
        Ok(join_all(work).await.into_iter().flatten().collect())
    }

    /// Goes on until it is stopped. What is at work then is given back, so that another scheduler has it at once.
    ///
    /// # Errors
    /// [`BackupError::Refused`] when backups are to be locked in a bucket that can't.
    pub async fn serve(&self) -> Result<(), BackupError> {
        self.backup.may_lock().await?;
        let stop = self.backup.stop_token();
        let mut groups = JoinSet::new();
        while !stop.is_cancelled() {
            let now = Utc::now();
            match Box::pin(self.backup.unless_stopped(self.claim(now))).await {
                Ok(claimed) => {
                    for group in claimed {
                        let scheduler = self.clone();
                        groups.spawn(async move { Box::pin(scheduler.carry_out(group, now)).await });
                    }
                }
                Err(BackupError::Stopped) => {}
                Err(error) => tracing::error!(%error, "what is due can't be told; looking again"),
            }
            while let Some(ended) = groups.try_join_next() {
                self.give_back_after_a_crash(ended.err()).await;
            }
            tokio::select! { () = stop.cancelled() => {} () = tokio::time::sleep(LOOK) => {} }
        }
        while let Some(ended) = groups.join_next().await {
            self.give_back_after_a_crash(ended.err()).await;
        }
        Ok(())
    }

    /// Claims what is due and nobody is at work on. An error only when nothing was claimed: what was, has to be carried out.
    async fn claim(&self, now: DateTime<Utc>) -> Result<Vec<Group>, BackupError> {
        let mut slot = self.desk.lock().await;
        if slot.as_ref().is_some_and(Desk::is_lost) {
            close(&mut slot);
        }
        let claiming = tokio::time::timeout(DEAF, Box::pin(self.claim_at(&mut slot, now)));
        match claiming.await {
            Ok(claimed) => claimed,
            Err(_) => {
                // Perhaps something was claimed: the claim goes with the session.
                close(&mut slot);
                let reason = format!("it did not answer for {} s", DEAF.as_secs());
                Err(BackupError::Io {
                    action: "ask the database what is due".to_owned(),
                    source: std::io::Error::other(reason),
                })
            }
        }
    }

    async fn claim_at(&self, slot: &mut Option<Desk>, now: DateTime<Utc>) -> Result<Vec<Group>, BackupError> {
        let desk = match slot.take() {
            Some(desk) => slot.insert(desk),
            None => slot.insert(Desk::open(&self.backup).await?),
        };
        clock::agrees_with_database(desk.client()).await?;
        desk.abandon(now).await?;
        let due = due(schedule::all(desk.client()).await?, now);
        let ended = desk.ended(&due).await?;
        let (mut all, mut own, mut failed) = (Vec::new(), Vec::new(), None);
        for (set, due) in due {
            if ended.contains(&(set.scope.to_string(), due.at)) {
                continue;
            }
            match desk.claim(&set, due, now).await {
                Ok(Some(claim)) if claim.attempts > MOST_ATTEMPTS => drop(self.give_up(desk, &claim, now).await),
                Ok(claim) if set.scope == Scope::All => all.extend(claim),
                Ok(claim) => own.extend(claim),
                Err(error) => {
                    tracing::error!(scope = %set.scope, %error, "what is due can't be claimed; the others go on");
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if all.is_empty() && own.is_empty() => Err(error),
            _ => {
                // The run over all takes longest: whoever has a schedule of their own does not wait for its end.
                let group = |claims| Group { claims, held: desk.held.clone() };
                Ok([all, own].into_iter().filter(|claims: &Vec<_>| !claims.is_empty()).map(group).collect())
            }
        }
    }

    /// What fell over recorded nothing: its claims are given back with the session.
    async fn give_back_after_a_crash(&self, crash: Option<tokio::task::JoinError>) {
        if let Some(error) = crash {
            tracing::error!(%error, "a group of backups fell over");
            close(&mut *self.desk.lock().await);
        }
    }

    /// What ended its scheduler each time would end this one as well.
    async fn give_up(&self, desk: &Desk, claim: &Claim, now: DateTime<Utc>) -> bool {
        let reason = format!("{MOST_ATTEMPTS} times its scheduler ended in the middle of it, or its session was lost");
        let ending = Ending { outcome: Some(RunOutcome::Failed), reason: Some(reason), ..Ending::default() };
        self.record(desk, claim, &ending, now).await.unwrap_or_default()
    }

    /// Backs up, prunes if that is asked for, and records.
    async fn carry_out(&self, group: Group, now: DateTime<Utc>) -> Vec<Attempted> {
        let begun = Instant::now();
        let Group { claims, held } = group;
        let backup = self.backup.stopped_by(held);
        for claim in &claims {
            let late = (now - claim.due.begins).num_minutes();
            self.backup.say(&format!(
                "{}: due {}, {late} min ago; attempt {}, {} tenant(s)",
                claim.set.scope,
                claim.due.at.format("%Y-%m-%d %H:%M"),
                claim.attempts,
                claim.tenants.len()
            ));
        }
        let ran = Box::pin(self.run(&backup, &claims)).await;
        let mut attempted = Vec::new();
        for claim in claims {
            let elapsed = || now + TimeDelta::from_std(begun.elapsed()).unwrap_or_default();
            let mut ending = ending(&claim, &ran, elapsed());
            if self.options.prune && ran.is_ok() {
                let faults = Box::pin(self.prune(&backup, &claim, &ending, elapsed())).await;
                ending.reason = reason(&ending.reason.into_iter().chain(faults).collect::<Vec<_>>());
            }
            if self.record_or_give_back(&claim, &ending, elapsed()).await {
                let Ending { outcome, reason, .. } = ending;
                attempted.push(Attempted { scope: claim.set.scope, due_at: claim.due.at, outcome, reason });
            }
        }
        attempted
    }

    async fn run(&self, backup: &Backup, claims: &[Claim]) -> Ran {
        let all: BTreeSet<_> = claims.iter().flat_map(|claim| &claim.tenants).cloned().collect();
        if all.is_empty() {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let (options, seats) = (self.options.fleet, self.seats.clone());
        let run = Box::pin(backup.run_some(Some(&all), options, seats, |_| (), |_, _| ())).await?;
        let classes = run.classes.into_iter().filter_map(|class| class.fault).collect();
        Ok((run.tenants, classes))
    }

    /// What can't be recorded would stay claimed for as long as the session lives; so it does not.
    async fn record_or_give_back(&self, claim: &Claim, ending: &Ending, now: DateTime<Utc>) -> bool {
        let mut slot = self.desk.lock().await;
        let recorded = match &*slot {
            Some(desk) => tokio::time::timeout(DEAF, self.record(desk, claim, ending, now)).await.ok().flatten(),
            None => Some(false),
        };
        if recorded.is_none() {
            close(&mut slot);
        }
        recorded.unwrap_or_default()
    }

    /// Whether it was recorded: only whoever holds the claim does. None: nobody can tell.
    async fn record(&self, desk: &Desk, claim: &Claim, ending: &Ending, now: DateTime<Utc>) -> Option<bool> {
        let (scope, due) = (&claim.set.scope, claim.due.at);
        match desk.end(claim, ending, now).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!(%scope, %due, "the claim was lost meanwhile; whoever has it now records it");
                return Some(false);
            }
            Err(error) => {
                tracing::error!(%scope, %due, %error, "it can't be recorded, and is taken up anew");
                return None;
            }
        }
        let what = match (ending.outcome, ending.stopped) {
            (Some(outcome), _) => outcome.word(),
            (None, true) => "stopped; it is given back",
            (None, false) => "to be tried again",
        };
        let why = ending.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        self.backup.say(&format!("{scope}: due {}: {what}{why}", due.format("%Y-%m-%d %H:%M")));
        Some(true)
    }

    /// Removes what has no place any more of whoever has a new backup. What is to be looked at; it fails nothing. A run takes hours:
    /// what the schedule said when it began may not be what is to be kept now.
    async fn prune(&self, backup: &Backup, claim: &Claim, ending: &Ending, now: DateTime<Utc>) -> Vec<String> {
        match self.backup.schedule(&claim.set.scope).await {
            Ok(Some(set)) if set.set_at == claim.set.set_at => {}
            Ok(_) => return vec!["nothing was pruned: the schedule was changed meanwhile".to_owned()],
            Err(error) => return vec![format!("nothing was pruned: {error}")],
        }
        let schedule = &claim.set.schedule;
        let options =
            PruneOptions { retention: schedule.retention, time_zone: schedule.zone.clone(), now, apply: true };
        let mut tenants = claim.tenants.clone();
        tenants.retain(|tenant| ending.failed.as_ref().is_none_or(|failed| !failed.contains(tenant)));
        match Box::pin(backup.prune_these(tenants, &options)).await {
            Ok(run) => run.faults(),
            Err(error) => vec![format!("nothing was pruned: {error}")],
        }
    }
}

/// Ends the session: what is at work for it stops, and its claims are anybody's.
fn close(slot: &mut Option<Desk>) {
    if let Some(desk) = slot.take() {
        tracing::error!("the session with the claims ends; what was at work stops, and is taken up anew");
        desk.held.cancel();
    }
}

/// The latest due time of each schedule, if it came after the schedule was set.
fn due(schedules: Vec<SetSchedule>, now: DateTime<Utc>) -> Vec<(SetSchedule, Due)> {
    let latest = |set: SetSchedule| match set.timetable() {
        Ok(timetable) => timetable.latest(now).filter(|due| due.at >= set.set_at).map(|due| (set, due)),
        Err(error) => {
            tracing::error!(scope = %set.scope, %error, "a schedule can't be read, and nothing is due by it; set it anew");
            None
        }
    };
    schedules.into_iter().filter_map(latest).collect()
}

/// What becomes of a claim after a run.
fn ending(claim: &Claim, ran: &Ran, now: DateTime<Utc>) -> Ending {
    let (tenants, classes) = match ran {
        Ok(ran) => ran,
        Err(BackupError::Stopped) => {
            return Ending { stopped: true, failed: failed_before(claim), ..Ending::default() };
        }
        Err(error) => {
            let ending =
                Ending { failed: failed_before(claim), reason: reason(&[error.to_string()]), ..Ending::default() };
            return again(claim, ending, now);
        }
    };
    let mut ending = Ending::default();
    let (mut failed, mut whys) = (BTreeSet::new(), Vec::new());
    for tenant in &claim.tenants {
        match tenants.get(tenant) {
            Some(Outcome::Stored { .. }) => ending.stored += 1,
            Some(Outcome::Unchanged { .. }) => ending.unchanged += 1,
            // Who is being deleted has no backup to be missed.
            Some(Outcome::Gone) => {}
            // The next attempt looks anew who is to be backed up.
            None => {
                failed.insert(tenant.clone());
                whys.push(format!(
                    "{tenant} is not in the database that LABOR_BACKUP_URL names, or was deleted meanwhile"
                ));
            }
            Some(Outcome::Failed { error }) => {
                failed.insert(tenant.clone());
                whys.push(format!("{tenant}: {error}"));
            }
        }
    }
    if whys.len() > REASONS {
        let others = whys.len() - REASONS;
        whys.truncate(REASONS);
        whys.push(format!("{others} others failed too"));
    }
    whys.extend(classes.iter().cloned());
    ending.reason = reason(&whys);
    if failed.is_empty() {
        return Ending { outcome: Some(RunOutcome::Done), ..ending };
    }
    again(claim, Ending { failed: Some(failed), ..ending }, now)
}

/// Who is still to be done, of an attempt in which nobody could be tried: as before.
fn failed_before(claim: &Claim) -> Option<BTreeSet<TenantName>> {
    (claim.attempts > 1).then(|| claim.tenants.clone())
}

/// A failed attempt is followed by another one, after a pause, unless there were enough.
fn again(claim: &Claim, ending: Ending, now: DateTime<Utc>) -> Ending {
    let pause = usize::try_from(claim.attempts - 1).ok().and_then(|before| PAUSES.get(before));
    let Some(pause) = pause.map(|minutes| minutes * 60) else {
        return Ending { outcome: Some(RunOutcome::Failed), ..ending };
    };
    let text = format!("{} {} {}", claim.set.scope, claim.due.at.timestamp(), claim.attempts);
    let pause = TimeDelta::seconds((pause + share(&text, pause / 2)).into());
    Ending { again_at: Some(now + pause), ..ending }
}

fn reason(whys: &[String]) -> Option<String> {
    let text: String = whys.join("; ").chars().take(LONGEST_REASON).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Retention;
    use crate::schedule::Schedule;
    use crate::schedule::desk::Session;

    fn claim(attempts: i32, tenants: &[TenantName]) -> Claim {
        let (at, retention) = (Utc::now(), Retention { daily: 1, weekly: 1, monthly: 1, yearly: 1 });
        let (expression, zone) = ("0 2 * * *".to_owned(), "UTC".to_owned());
        let schedule = Schedule { expression, zone, jitter_seconds: 0, retention };
        let set = SetSchedule { scope: Scope::All, schedule, set_by: "x".to_owned(), set_at: at };
        let session = Session { pid: 1, started_at: at };
        Claim { set, due: Due { at, begins: at }, attempts, tenants: tenants.iter().cloned().collect(), session }
    }

    fn failed() -> Outcome {
        Outcome::Failed { error: "no room".to_owned() }
    }

    #[test]
    fn who_failed_is_tried_again_with_growing_pauses_and_not_for_ever() {
        let [one, other] = [(); 2].map(|()| TenantName::random().unwrap());
        let now = Utc::now();
        let ran = Ok((BTreeMap::from([(one.clone(), failed()), (other.clone(), Outcome::Gone)]), Vec::new()));
        let mut before = TimeDelta::zero();
        for attempt in 1..MOST_ATTEMPTS {
            let ending = ending(&claim(attempt, &[one.clone(), other.clone()]), &ran, now);
            let pause = ending.again_at.unwrap() - now;
            assert!(ending.outcome.is_none() && pause > before && pause <= TimeDelta::minutes(90), "{ending:?}");
            assert_eq!(ending.failed, Some(BTreeSet::from([one.clone()])));
            assert!(ending.reason.is_some_and(|why| why.contains(one.as_str()) && why.contains("no room")));
            before = pause;
        }
        let last = ending(&claim(MOST_ATTEMPTS, &[one, other]), &ran, now);
        assert!(last.outcome == Some(RunOutcome::Failed) && last.again_at.is_none(), "{last:?}");
    }

    #[test]
    fn whoever_stops_it_costs_no_attempt_and_nobody_is_forgotten() {
        let tenants = [TenantName::random().unwrap()];
        for (attempts, left) in [(1, None), (2, Some(BTreeSet::from(tenants.clone())))] {
            let ending = ending(&claim(attempts, &tenants), &Err(BackupError::Stopped), Utc::now());
            assert!(ending.stopped && ending.outcome.is_none() && ending.again_at.is_none(), "{ending:?}");
            assert_eq!(ending.failed, left);
        }
    }

    #[test]
    fn what_would_be_too_long_a_reason_is_cut() {
        let tenants: Vec<_> = (0..50).map(|_| TenantName::random().unwrap()).collect();
        let ran = Ok((tenants.iter().map(|tenant| (tenant.clone(), failed())).collect(), vec!["x".repeat(9_000)]));
        let why = ending(&claim(1, &tenants), &ran, Utc::now()).reason.unwrap();
        assert!(why.chars().count() == LONGEST_REASON && why.contains("45 others failed too"), "{why}");
    }
}
