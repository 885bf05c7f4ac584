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
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fleet::FleetOptions;
use crate::pruned::PruneOptions;
use crate::schedule::desk::{Claim, Desk, Ending, MOST_ATTEMPTS};
use crate::schedule::ending::{Ran, ending, reason};
use crate::schedule::record::RunOutcome;
use crate::schedule::timetable::Due;
use crate::schedule::{self, Scope, SetSchedule};
use crate::{Backup, BackupError, clock};

/// How often it is looked what is due.
const LOOK: Duration = Duration::from_secs(10);
/// A database that does not answer for so long is taken for lost.
const DEAF: Duration = Duration::from_secs(120);

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
