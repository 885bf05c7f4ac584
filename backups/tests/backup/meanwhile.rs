//! What happens while the program is at work: rows, holds, removals, and somebody who stops it.
use std::time::Duration as Age;

use chrono::Utc;
use labor_backup::{BackupError, Fate, FleetOptions, Outcome, State, Which};

use crate::between::that_holds;
use crate::place::Place;
use crate::pruned::{daily, left, options, tomorrow};

#[tokio::test]
async fn what_came_after_the_snapshot_is_not_said_to_be_backed_up() {
    let place = Place::alone("meanwhile_rows").await;
    let tenant = place.tenant.clone();
    place.backup().run(&tenant).await.unwrap();
    let add = format!(
        "INSERT INTO {tenant}.patients (id, identity_key, family_name)
         SELECT id, encode(sha256(id::text::bytea), 'hex'), 'x' FROM gen_random_uuid() AS id"
    );
    // The snapshot was taken, and given up, when the dump is sent.
    let (backup, mut held) = that_holds(&place, "PUT ", "dump.sql").await;
    let running = tokio::spawn({
        let tenant = tenant.clone();
        async move { backup.run(&tenant).await.unwrap() }
    });
    held.reached().await;
    place.database.batch_execute(&add).await.unwrap();
    let committed = Utc::now();
    held.release();
    let made = running.await.unwrap();
    assert_eq!(made.tables["patients"].rows, 0, "it was not after the snapshot");
    assert!(made.started_at < committed, "a row that is not in it is said to be");

    for (days, rows, stores) in [(30, 1, "unchanged.json"), (0, 2, "dump.sql")] {
        place.backup().run(&tenant).await.unwrap();
        let (backup, mut held) = that_holds(&place, "PUT ", stores).await;
        let all = FleetOptions { jobs: 1, at_most_days: days };
        let running = tokio::spawn(async move { backup.run_all(all, |_| (), |_, _| ()).await.unwrap() });
        held.reached().await;
        place.database.batch_execute(&add).await.unwrap();
        let committed = Utc::now();
        held.release();
        let run = running.await.unwrap();
        let listed = place.backup().list(Some(&tenant)).await.unwrap().remove(0);
        let (manifest, unchanged) = (listed.manifest.unwrap(), listed.unchanged);
        assert_eq!(manifest.tables["patients"].rows, rows);
        let proven = unchanged.map_or(manifest.started_at, |note| note.until);
        assert_eq!(matches!(run.tenants[&tenant], Outcome::Unchanged { .. }), days > 0);
        assert!(proven < committed, "a row that is not in it is said to be");
    }
}

#[tokio::test]
async fn a_backup_that_lands_after_its_tenant_was_erased_is_taken_back() {
    let place = Place::alone("meanwhile_erased").await;
    place.backup().run(&place.tenant).await.unwrap();
    let (backup, mut held) = that_holds(&place, "PUT ", "dump.sql").await;
    let running = tokio::spawn({
        let tenant = place.tenant.clone();
        async move { backup.run(&tenant).await }
    });
    held.reached().await;
    let request = crate::erased::deleted(&place).await;
    let deleted = "UPDATE control.tenants SET state = 'deleted' WHERE name = $1";
    place.database.execute(deleted, &[&place.tenant.as_str()]).await.unwrap();
    place.backup().erase(request, false, None).await.unwrap();
    held.release();
    let ended = running.await.unwrap();
    assert!(matches!(&ended, Err(BackupError::NotFound(why)) if why.contains("was deleted while")), "{ended:?}");
    let left = place.objects().await;
    assert!(left.iter().all(|key| key.starts_with("certificates/")), "the certificate is not true: {left:?}");
}

pub(crate) const HOLD: &str =
    "INSERT INTO control.holds (id, tenant, holder, reason) VALUES (gen_random_uuid(), $1, 'court', 'lawsuit')";

#[tokio::test]
async fn a_hold_that_is_placed_between_two_removals_is_seen() {
    let (place, _) = daily(4).await;
    let (backup, mut held) = that_holds(&place, "DELETE ", "").await;
    let running = tokio::spawn({
        let tenant = place.tenant.clone();
        async move { backup.prune(Some(&tenant), &options(1, true)).await.unwrap() }
    });
    held.reached().await;
    place.database.execute(HOLD, &[&place.tenant.as_str()]).await.unwrap();
    held.release();
    let run = running.await.unwrap();
    let one = &run.tenants[&place.tenant];
    let count = |fate: Fate| one.backups.iter().filter(|backup| backup.fate == fate).count();
    assert_eq!((count(Fate::Removed), count(Fate::Stays)), (1, 4), "{one:?}");
    assert!(one.untouched.as_ref().is_some_and(|why| why.contains("a hold stands")) && !one.fault, "{one:?}");
    assert_eq!(left(&place).await.len(), 4);
}

#[tokio::test]
async fn a_hold_that_is_placed_while_the_bucket_is_read_is_seen() {
    let (place, all) = daily(3).await;
    let (backup, mut held) = that_holds(&place, "GET ", "manifest.json").await;
    let running = tokio::spawn({
        let tenant = place.tenant.clone();
        async move { backup.prune(Some(&tenant), &options(1, true)).await.unwrap() }
    });
    held.reached().await;
    place.database.execute(HOLD, &[&place.tenant.as_str()]).await.unwrap();
    held.release();
    assert!(running.await.unwrap().tenants[&place.tenant].untouched.is_some());
    assert_eq!(left(&place).await, all);
}

#[tokio::test]
async fn a_prune_that_is_stopped_tells_what_it_did() {
    let (place, _) = daily(4).await;
    let (backup, mut held) = that_holds(&place, "DELETE ", "").await;
    let stop = backup.stop_token();
    let running = tokio::spawn(async move { backup.prune(None, &options(1, true)).await.unwrap() });
    held.reached().await;
    stop.cancel();
    held.release();
    let run = running.await.unwrap();
    let removed: Vec<_> =
        run.tenants[&place.tenant].backups.iter().filter(|backup| backup.fate == Fate::Removed).collect();
    assert!(run.stopped && removed.len() == 1, "{run:?}");
    assert_eq!(left(&place).await.len(), 4, "a backup was half removed");
}

#[tokio::test]
async fn a_prune_that_loses_the_database_tells_what_it_did() {
    let (mut place, _) = daily(4).await;
    // Ours among those of other tests.
    place.settings.database_url.push_str("?application_name=prune-to-be-cut");
    let (backup, mut held) = that_holds(&place, "DELETE ", "").await;
    let running = tokio::spawn({
        let tenant = place.tenant.clone();
        async move { backup.prune(Some(&tenant), &options(1, true)).await.unwrap() }
    });
    held.reached().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'prune-to-be-cut'";
    assert!(!place.database.query(end, &[]).await.unwrap().is_empty());
    held.release();
    let run = running.await.unwrap();
    let removed = run.tenants[&place.tenant].backups.iter().filter(|backup| backup.fate == Fate::Removed).count();
    assert!(!run.stopped && removed == 1 && run.faults().len() == 1, "{run:?}");
}

#[tokio::test]
async fn whoever_stops_it_does_not_wait_for_a_store_that_hangs() {
    let (place, _) = daily(1).await;
    let late = Age::from_secs(3600);
    for prunes in [true, false] {
        let (backup, mut held) = that_holds(&place, "GET ", "list-type=2").await;
        let stop = backup.stop_token();
        let running = tokio::spawn(async move {
            if prunes {
                backup.prune(None, &options(1, true)).await.map(drop)
            } else {
                backup.recovery_points(late, Utc::now()).await.map(drop)
            }
        });
        held.reached().await;
        stop.cancel();
        let ended = tokio::time::timeout(Age::from_secs(20), running).await.expect("it hangs").unwrap();
        assert!(matches!(ended, Err(BackupError::Stopped)), "{ended:?}");
    }
}

#[tokio::test]
async fn a_manifest_that_comes_while_the_rest_is_looked_at_keeps_it() {
    let (place, all) = daily(3).await;
    let key = format!("tenants/{}/backups/{}/manifest.json", place.tenant, all[3]);
    let manifest = place.object(&key).await;
    place.s3.delete_object().bucket(place.bucket()).key(&key).send().await.unwrap();
    place.backup().prune(Some(&place.tenant), &options(9, true)).await.unwrap();
    let (backup, mut held) = that_holds(&place, "GET ", "broken.json").await;
    let running = tokio::spawn({
        let tenant = place.tenant.clone();
        async move { backup.prune(Some(&tenant), &tomorrow(9, true)).await.unwrap() }
    });
    held.reached().await;
    place.put(&key, manifest).await;
    held.release();
    assert_eq!(running.await.unwrap().faults(), Vec::<String>::new());
    assert_eq!(left(&place).await, all);
}

#[tokio::test]
async fn a_backup_that_is_removed_while_it_is_verified_is_not_bad() {
    let (place, all) = daily(1).await;
    let (backup, mut held) = that_holds(&place, "HEAD ", "dump.sql").await;
    let (tenant, which) = (place.tenant.clone(), Which::Id(all[1].clone()));
    let running = tokio::spawn(async move { backup.verify(&tenant, &which).await });
    held.reached().await;
    for key in place.objects().await.iter().filter(|key| key.contains(all[1].as_str())) {
        place.s3.delete_object().bucket(place.bucket()).key(key).send().await.unwrap();
    }
    held.release();
    let ended = running.await.unwrap();
    assert!(matches!(&ended, Err(BackupError::NotFound(why)) if why.contains("removed meanwhile")), "{ended:?}");
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.state).collect::<Vec<_>>(), [State::Complete]);
}
