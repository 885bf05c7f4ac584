//! `scheduler`: each due time is done once and recorded once, whichever scheduler does it, and however often one of them ends in the middle.
use std::process::Stdio;
use std::time::Duration as Age;

use chrono::{DateTime, Days, Duration, Timelike as _, Utc};
use labor_backup::{
    FleetOptions, Retention, RunOutcome, Schedule, ScheduledRun, Scheduler, SchedulerOptions, Scope, Settings,
    TenantName,
};
use tokio::process::{Child, Command};

use crate::place::{OTHER, Place, programs, url};
use crate::pruned::{daily, left};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn cron(expression: &str) -> Schedule {
    let retention = Retention { daily: 1, weekly: 0, monthly: 0, yearly: 0 };
    Schedule { expression: expression.to_owned(), zone: "UTC".to_owned(), jitter_seconds: 0, retention }
}

/// Once a day, the last time at this moment.
pub(crate) fn daily_at(moment: DateTime<Utc>) -> Schedule {
    cron(&format!("{} {} * * *", moment.minute(), moment.hour()))
}

fn scheduler_of(place: &Place, prune: bool) -> Scheduler {
    let fleet = FleetOptions { jobs: 2, at_most_days: 30 };
    Scheduler::new(&place.backup(), SchedulerOptions { fleet, prune })
}

async fn runs(place: &Place, scope: &Scope) -> Vec<ScheduledRun> {
    place.backup().scheduled_runs(scope).await.unwrap()
}

async fn backups_of(place: &Place, tenant: &TenantName) -> usize {
    place.backup().list(Some(tenant)).await.unwrap().len()
}

/// A due time of six hours ago that nobody did, whose tenant can't be read before the lock is given up.
async fn due_and_locked(database: &str) -> Place {
    let place = Place::alone(database).await;
    let now = Utc::now();
    place.backup().set_schedule(&Scope::All, &daily_at(now - Duration::hours(6)), now - Days::new(2)).await.unwrap();
    // So that the list of tenants, which asks for the size of what was never vacuumed, need not wait for the lock.
    place.database.batch_execute("VACUUM").await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {}.patients IN ACCESS EXCLUSIVE MODE", place.tenant);
    place.database.batch_execute(&lock).await.unwrap();
    place
}

/// The program, at work on it.
async fn program_at_work(place: &Place) -> Child {
    let mut program = place.program();
    program.args(["scheduler", "--pg-bin"]).arg(programs()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = program.kill_on_drop(true).spawn().unwrap();
    at_work(place).await;
    child
}

async fn at_work(place: &Place) {
    labor_testing::until("a scheduler at work", Age::from_secs(60), async || {
        let runs = runs(place, &Scope::All).await;
        Ok(if runs.len() == 1 && runs[0].at_work { Ok(()) } else { Err(format!("{runs:?}")) })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn two_schedulers_do_one_due_time_once() {
    let place = Place::alone("scheduled_two").await;
    let tenants = [place.tenant.clone(), place.neighbour(3).await, place.neighbour(2).await];
    place.backup().set_schedule(&Scope::All, &cron("0 2 * * *"), at("2026-11-19T12:00:00Z")).await.unwrap();
    let [one, other] = [scheduler_of(&place, false), scheduler_of(&place, false)];
    let now = at("2026-11-20T02:00:20Z");
    assert!(one.turn(at("2026-11-20T01:59:59Z")).await.unwrap().is_empty(), "it was not due");
    let (did, too) = tokio::join!(one.turn(now), other.turn(now));
    let did: Vec<_> = did.unwrap().into_iter().chain(too.unwrap()).collect();
    assert!(did.len() == 1 && did[0].outcome == Some(RunOutcome::Done), "{did:?}");
    assert!(one.turn(now).await.unwrap().is_empty() && other.turn(now).await.unwrap().is_empty());
    let recorded = runs(&place, &Scope::All).await;
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    let ScheduledRun { due_at, outcome, stored, attempts, late_seconds, .. } = &recorded[0];
    assert_eq!((*due_at, *outcome, *stored), (at("2026-11-20T02:00:00Z"), Some(RunOutcome::Done), 3));
    assert_eq!((*attempts, *late_seconds), (1, None));
    for tenant in &tenants {
        assert_eq!(backups_of(&place, tenant).await, 1);
    }
    // The next day nothing has changed, and that is a backup too.
    let did = other.turn(at("2026-11-21T02:00:00Z")).await.unwrap();
    assert!(did.len() == 1 && did[0].outcome == Some(RunOutcome::Done), "{did:?}");
    assert_eq!(runs(&place, &Scope::All).await[0].unchanged, 3);
}

#[tokio::test]
async fn what_a_killed_scheduler_had_begun_is_taken_over_and_recorded_once() {
    let place = due_and_locked("scheduled_killed").await;
    let mut killed = program_at_work(&place).await;
    let other = scheduler_of(&place, false);
    let now = Utc::now();
    assert!(other.turn(now).await.unwrap().is_empty(), "somebody is at work on it");
    killed.kill().await.unwrap();
    place.database.batch_execute("ROLLBACK").await.unwrap();
    labor_testing::until("somebody who takes it over", Age::from_secs(30), async || {
        let did = other.turn(now).await.unwrap();
        Ok(if did.len() == 1 { Ok(()) } else { Err("nobody".to_owned()) })
    })
    .await
    .unwrap();
    let recorded = runs(&place, &Scope::All).await;
    assert!(recorded.len() == 1 && recorded[0].attempts == 2, "{recorded:?}");
    assert_eq!((recorded[0].outcome, recorded[0].stored), (Some(RunOutcome::Done), 1));
    assert_eq!(backups_of(&place, &place.tenant).await, 1);
    assert!(other.turn(now).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_scheduler_that_is_told_to_end_gives_back_what_it_had_begun() {
    let place = due_and_locked("scheduled_ended").await;
    let mut ended = program_at_work(&place).await;
    let told = Command::new("kill").args(["-TERM", &ended.id().unwrap().to_string()]).status().await.unwrap();
    assert!(told.success());
    let code = tokio::time::timeout(Age::from_secs(30), ended.wait()).await.expect("it hangs").unwrap();
    assert_eq!(code.code(), Some(0));
    let left = runs(&place, &Scope::All).await.remove(0);
    assert!(left.outcome.is_none() && !left.at_work && left.attempts == 0 && left.again_at.is_none(), "{left:?}");
    place.database.batch_execute("ROLLBACK").await.unwrap();
    let did = scheduler_of(&place, false).turn(Utc::now()).await.unwrap();
    assert!(did.len() == 1 && did[0].outcome == Some(RunOutcome::Done), "{did:?}");
    assert_eq!(runs(&place, &Scope::All).await[0].attempts, 1);
}

#[tokio::test]
async fn a_scheduler_whose_session_is_lost_records_nothing() {
    let place = due_and_locked("scheduled_lost").await;
    let now = Utc::now();
    let lost = tokio::spawn({
        let lost = scheduler_of(&place, false);
        async move { lost.turn(now).await.unwrap() }
    });
    at_work(&place).await;
    let end = "SELECT pg_terminate_backend(session_pid, 10000) FROM control.backup_runs";
    place.database.query_one(end, &[]).await.unwrap();
    let other = tokio::spawn({
        let other = scheduler_of(&place, false);
        async move { other.turn(now).await.unwrap() }
    });
    at_work(&place).await;
    place.database.batch_execute("ROLLBACK").await.unwrap();
    assert!(lost.await.unwrap().is_empty(), "it records what is another's");
    let did = other.await.unwrap();
    assert!(did.len() == 1 && did[0].outcome == Some(RunOutcome::Done), "{did:?}");
    let recorded = runs(&place, &Scope::All).await;
    assert!(recorded.len() == 1 && recorded[0].attempts == 2, "{recorded:?}");
}

#[tokio::test]
async fn what_was_begun_in_a_session_that_was_lost_is_not_recorded_in_the_next_one() {
    let place = due_and_locked("scheduled_again").await;
    let now = Utc::now();
    let scheduler = scheduler_of(&place, false);
    let turn = || {
        let scheduler = scheduler.clone();
        tokio::spawn(async move {
            // It learns that its session is gone a moment later.
            loop {
                if let Ok(did) = scheduler.turn(now).await {
                    return did;
                }
            }
        })
    };
    let before = turn();
    at_work(&place).await;
    let end = "SELECT pg_terminate_backend(session_pid, 10000) FROM control.backup_runs";
    place.database.query_one(end, &[]).await.unwrap();
    let after = turn();
    assert!(before.await.unwrap().is_empty(), "it goes on without a claim, or records what is not its own any more");
    at_work(&place).await;
    place.database.batch_execute("ROLLBACK").await.unwrap();
    let did = after.await.unwrap();
    assert!(did.len() == 1 && did[0].outcome == Some(RunOutcome::Done), "{did:?}");
    let recorded = runs(&place, &Scope::All).await;
    assert!(recorded.len() == 1 && recorded[0].attempts == 2, "{recorded:?}");
}

#[tokio::test]
async fn after_a_downtime_the_latest_due_time_is_done_once_and_late() {
    let place = Place::alone("scheduled_late").await;
    place.backup().set_schedule(&Scope::All, &cron("0 2 * * *"), at("2026-11-10T12:00:00Z")).await.unwrap();
    let scheduler = scheduler_of(&place, false);
    let now = at("2026-11-20T05:30:00Z");
    assert_eq!(scheduler.turn(now).await.unwrap().len(), 1);
    assert!(scheduler.turn(now).await.unwrap().is_empty());
    let recorded = runs(&place, &Scope::All).await;
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!((recorded[0].due_at, recorded[0].late_seconds), (at("2026-11-20T02:00:00Z"), Some(12_600)));
    // What would have been due before it was set is not.
    place.backup().set_schedule(&Scope::All, &cron("0 4 * * *"), now).await.unwrap();
    assert!(scheduler.turn(now).await.unwrap().is_empty());
    assert_eq!(scheduler.turn(at("2026-11-21T04:00:00Z")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_tenant_with_its_own_schedule_is_not_backed_up_by_the_one_for_all() {
    let place = Place::alone("scheduled_own").await;
    let own = Scope::One(place.neighbour(1).await);
    let Scope::One(tenant) = &own else { unreachable!() };
    let set = at("2026-11-19T12:00:00Z");
    place.backup().set_schedule(&Scope::All, &cron("0 2 * * *"), set).await.unwrap();
    place.backup().set_schedule(&own, &cron("0 3 * * *"), set).await.unwrap();
    let scheduler = scheduler_of(&place, false);
    let did = scheduler.turn(at("2026-11-20T02:01:00Z")).await.unwrap();
    assert!(did.len() == 1 && did[0].scope == Scope::All, "{did:?}");
    assert_eq!((backups_of(&place, &place.tenant).await, backups_of(&place, tenant).await), (1, 0));
    let did = scheduler.turn(at("2026-11-20T03:01:00Z")).await.unwrap();
    assert!(did.len() == 1 && did[0].scope == own, "{did:?}");
    assert_eq!(runs(&place, &own).await[0].stored, 1);
    // Both together, each as its own.
    assert_eq!(scheduler.turn(at("2026-11-21T09:00:00Z")).await.unwrap().len(), 2);
    assert_eq!(runs(&place, &Scope::All).await[0].unchanged, 1);
    // Without its own it is one of all.
    place.backup().remove_schedule(&own).await.unwrap();
    assert_eq!(scheduler.turn(at("2026-11-22T09:00:00Z")).await.unwrap().len(), 1);
    assert_eq!(runs(&place, &Scope::All).await[0].unchanged, 2);
    assert_eq!(runs(&place, &own).await.len(), 2, "what was done by it stays recorded");
}

#[tokio::test]
async fn a_tenant_that_fails_is_tried_again_and_stops_nobody_else() {
    let place = Place::alone("scheduled_failing").await;
    let other = place.neighbour(1).await;
    place.backup().set_schedule(&Scope::All, &cron("0 2 * * *"), at("2026-11-19T12:00:00Z")).await.unwrap();
    let scheduler = scheduler_of(&place, false);
    assert_eq!(scheduler.turn(at("2026-11-20T02:00:00Z")).await.unwrap()[0].outcome, Some(RunOutcome::Done));
    // Without its key there is no backup of it.
    let key = place.settings.keys.join(format!("{}.age-identity", place.tenant));
    let hidden = place.folder().join("hidden");
    std::fs::rename(&key, &hidden).unwrap();
    let mut now = at("2026-11-21T02:00:00Z");
    for attempt in 1..5 {
        let did = scheduler.turn(now).await.unwrap();
        assert!(did.len() == 1 && did[0].outcome.is_none(), "{did:?}");
        let run = runs(&place, &Scope::All).await.remove(0);
        assert_eq!((run.attempts, run.unchanged, &run.failed), (attempt, 1, &vec![place.tenant.clone()]));
        assert!(run.reason.is_some_and(|why| why.contains("there is no key")));
        let again = run.again_at.unwrap();
        assert!(scheduler.turn(again - Duration::seconds(1)).await.unwrap().is_empty(), "before its time");
        now = again;
    }
    let did = scheduler.turn(now).await.unwrap();
    assert_eq!(did[0].outcome, Some(RunOutcome::Failed));
    assert!(scheduler.turn(now + Duration::hours(12)).await.unwrap().is_empty());
    assert_eq!(runs(&place, &Scope::All).await[0].unchanged, 1, "the other one was backed up once");
    // The next day the key is back after the first attempt.
    let next = at("2026-11-22T02:00:00Z");
    assert_eq!(scheduler.turn(next).await.unwrap()[0].outcome, None);
    std::fs::rename(&hidden, &key).unwrap();
    assert_eq!(scheduler.turn(next + Duration::minutes(2)).await.unwrap()[0].outcome, Some(RunOutcome::Done));
    let run = runs(&place, &Scope::All).await.remove(0);
    assert_eq!((run.attempts, run.unchanged, run.failed.len()), (2, 2, 0));
    assert_eq!(backups_of(&place, &other).await, 1);
}

#[tokio::test]
async fn what_failed_is_overtaken_by_the_next_due_time_and_what_can_t_be_reached_is_tried_again() {
    let mut place = Place::alone("scheduled_overtaken").await;
    place.backup().set_schedule(&Scope::All, &cron("0 * * * *"), at("2026-11-19T12:30:00Z")).await.unwrap();
    let real = place.settings.clone();
    place.settings = Settings { program_folder: Some(place.folder().join("nothing")), ..real.clone() };
    let did = scheduler_of(&place, false).turn(at("2026-11-19T13:00:00Z")).await.unwrap();
    assert!(did[0].outcome.is_none() && did[0].reason.as_ref().unwrap().contains("pg_dump"), "{did:?}");
    place.settings = real;
    let did = scheduler_of(&place, false).turn(at("2026-11-19T14:00:00Z")).await.unwrap();
    assert!(did.len() == 1 && did[0].outcome == Some(RunOutcome::Done), "{did:?}");
    let recorded = runs(&place, &Scope::All).await;
    let outcomes: Vec<_> = recorded.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Some(RunOutcome::Done), Some(RunOutcome::Overtaken)]);
}

#[tokio::test]
async fn whom_the_source_does_not_know_is_not_done() {
    let mut place = Place::alone("scheduled_unknown").await;
    place.backup().set_schedule(&Scope::All, &cron("0 2 * * *"), at("2026-11-19T12:00:00Z")).await.unwrap();
    // Backups are made of another database than the one with the schedules.
    let elsewhere = url("labor_backup", OTHER).await;
    let here = std::mem::replace(&mut place.settings.database_url, elsewhere);
    place.settings.schedule_url = Some(here);
    let did = scheduler_of(&place, false).turn(at("2026-11-20T02:00:00Z")).await.unwrap();
    assert!(did[0].outcome.is_none() && did[0].reason.as_ref().unwrap().contains("LABOR_BACKUP_URL"), "{did:?}");
    assert_eq!(runs(&place, &Scope::All).await[0].failed, [place.tenant.clone()]);
}

#[tokio::test]
async fn what_can_t_be_recorded_is_given_back() {
    let place = Place::alone("scheduled_unrecorded").await;
    place.backup().set_schedule(&Scope::All, &cron("0 2 * * *"), at("2026-11-19T12:00:00Z")).await.unwrap();
    let now = at("2026-11-20T02:00:00Z");
    let refuse = "ALTER TABLE control.backup_runs ADD CONSTRAINT full_disk CHECK (outcome IS NULL)";
    place.database.batch_execute(refuse).await.unwrap();
    let scheduler = scheduler_of(&place, false);
    assert!(scheduler.turn(now).await.unwrap().is_empty(), "it says that it recorded it");
    place.database.batch_execute("ALTER TABLE control.backup_runs DROP CONSTRAINT full_disk").await.unwrap();
    labor_testing::until("somebody who takes it over", Age::from_secs(30), async || {
        let did = scheduler.turn(now).await.unwrap();
        Ok(if did.len() == 1 { Ok(()) } else { Err("nobody".to_owned()) })
    })
    .await
    .unwrap();
    assert_eq!(runs(&place, &Scope::All).await[0].outcome, Some(RunOutcome::Done));
}

#[tokio::test]
async fn who_has_a_schedule_of_their_own_does_not_wait_for_the_run_over_all() {
    let place = due_and_locked("scheduled_beside").await;
    let (own, now) = (Scope::One(place.neighbour(1).await), Utc::now());
    place.backup().set_schedule(&own, &daily_at(now - Duration::hours(6)), now - Days::new(2)).await.unwrap();
    let running = tokio::spawn({
        let scheduler = scheduler_of(&place, false);
        async move { scheduler.turn(now).await.unwrap() }
    });
    labor_testing::until("the end of the one beside it", Age::from_secs(60), async || {
        let runs = runs(&place, &own).await;
        let done = runs.first().is_some_and(|run| run.outcome == Some(RunOutcome::Done));
        Ok(if done { Ok(()) } else { Err(format!("{runs:?}")) })
    })
    .await
    .unwrap();
    assert!(runs(&place, &Scope::All).await[0].at_work);
    place.database.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(running.await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_has_no_place_goes_after_a_backup_only_when_that_is_asked_for() {
    let (place, all) = daily(5).await;
    let (own, now) = (Scope::One(place.tenant.clone()), Utc::now());
    place.backup().set_schedule(&own, &daily_at(now - Duration::hours(6)), now - Days::new(2)).await.unwrap();
    let did = scheduler_of(&place, false).turn(now).await.unwrap();
    assert_eq!(did.iter().find(|one| one.scope == own).unwrap().outcome, Some(RunOutcome::Done));
    assert_eq!(left(&place).await, all);
    let did = scheduler_of(&place, true).turn(now + Days::new(1)).await.unwrap();
    let done = did.iter().find(|one| one.scope == own).unwrap();
    assert!(done.outcome == Some(RunOutcome::Done) && done.reason.is_none(), "{done:?}");
    assert_eq!(left(&place).await, all[..2]);
}
