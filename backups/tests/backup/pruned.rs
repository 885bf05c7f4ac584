//! `prune`: what has no place goes, and wholly; what must not go stays, whatever the places are.
use std::collections::BTreeMap;

use chrono::{DateTime, Days, Duration, Utc};
use labor_backup::{
    Backup, BackupError, BackupId, Fate, Manifest, PruneOptions, PrunedTenant, Retention, Settings, State, TenantName,
    Unchanged, Which,
};

use crate::between::that_refuses;
use crate::place::{OTHER, Place, url};

const ONE_DAY: Retention = Retention { daily: 1, weekly: 0, monthly: 0, yearly: 0 };

pub(crate) fn options(daily: usize, apply: bool) -> PruneOptions {
    let retention = Retention { daily, ..ONE_DAY };
    PruneOptions { retention, time_zone: "UTC".to_owned(), now: Utc::now(), apply }
}

pub(crate) async fn prune(backup: &Backup, tenant: &TenantName, options: &PruneOptions) -> PrunedTenant {
    let mut run = backup.prune(Some(tenant), options).await.unwrap();
    run.tenants.remove(tenant).unwrap()
}

pub(crate) fn fates(pruned: &PrunedTenant) -> BTreeMap<&BackupId, &Fate> {
    pruned.backups.iter().map(|one| (&one.backup, &one.fate)).collect()
}

/// A day later.
pub(crate) fn tomorrow(daily: usize, apply: bool) -> PruneOptions {
    PruneOptions { now: Utc::now() + Duration::hours(25), ..options(daily, apply) }
}

/// A backup of this time, as the tenant's own key would have made it: the same dump under another date.
pub(crate) async fn made_at(place: &Place, like: &Manifest, at: DateTime<Utc>) -> BackupId {
    let backup: BackupId = format!("{}-{}", at.format("%Y%m%dT%H%M%SZ"), uuid::Uuid::now_v7()).parse().unwrap();
    let manifest = Manifest { backup: backup.clone(), started_at: at, finished_at: at, ..like.clone() };
    let folder = format!("tenants/{}/backups", place.tenant);
    let dump = place.object(&format!("{folder}/{}/dump.sql.zst.age", like.backup)).await;
    place.put(&format!("{folder}/{backup}/dump.sql.zst.age"), dump).await;
    let document = serde_json::to_vec(&place.signed(&manifest)).unwrap();
    place.put(&format!("{folder}/{backup}/manifest.json"), document).await;
    backup
}

pub(crate) async fn unchanged_until(place: &Place, backup: &BackupId, until: DateTime<Utc>) {
    let (tenant, backup) = (place.tenant.clone(), backup.clone());
    let key = format!("tenants/{tenant}/backups/{backup}/unchanged.json");
    let note = Unchanged { format: 1, tenant, backup, until, snapshot_lsn: "0/0".to_owned(), mac: String::new() };
    let note = place.signed_by(&place.tenant, &note);
    place.put(&key, serde_json::to_vec(&note).unwrap()).await;
}

/// A tenant with a backup of today and one of each of so many days before, newest first.
pub(crate) async fn daily(before: u64) -> (Place, Vec<BackupId>) {
    let place = Place::with_patients(1).await;
    let today = place.backup().run(&place.tenant).await.unwrap();
    let mut all = vec![today.backup.clone()];
    for days in 1..=before {
        all.push(made_at(&place, &today, today.started_at - Days::new(days)).await);
    }
    (place, all)
}

pub(crate) async fn left(place: &Place) -> Vec<BackupId> {
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    assert!(listed.iter().all(|entry| entry.state == State::Complete), "something half removed: {listed:?}");
    listed.into_iter().map(|entry| entry.backup).collect()
}

#[tokio::test]
async fn nothing_goes_unasked_and_what_goes_goes_wholly() {
    let (place, all) = daily(5).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    unchanged_until(&place, &all[4], Utc::now() - Days::new(4)).await;
    backup.verify(tenant, &Which::Id(all[3].clone())).await.unwrap();

    let told = prune(&backup, tenant, &options(2, false)).await;
    let expected = [
        (&all[0], &Fate::Stays),
        (&all[1], &Fate::Stays),
        (&all[2], &Fate::ToBeRemoved),
        (&all[3], &Fate::Stays),
        (&all[4], &Fate::ToBeRemoved),
        (&all[5], &Fate::ToBeRemoved),
    ];
    assert_eq!(fates(&told), BTreeMap::from(expected), "{told:?}");
    assert!(told.backups[3].reasons[0].contains("verified"), "{told:?}");
    assert_eq!(left(&place).await, all, "a dry run removed something");

    let done = prune(&backup, tenant, &options(2, true)).await;
    assert_eq!(fates(&done)[&all[5]], &Fate::Removed);
    let stay = [all[0].clone(), all[1].clone(), all[3].clone()];
    assert_eq!(left(&place).await, stay);
    assert_eq!(place.objects().await.len(), 2 + 2 + 3, "{:?}", place.objects().await);
    backup.verify(tenant, &Which::Latest).await.unwrap();
    prune(&backup, tenant, &options(0, true)).await;
    assert_eq!(left(&place).await, stay[..2], "another one is the newest that was verified");
}

#[tokio::test]
async fn a_day_is_a_day_of_the_time_zone_and_an_unchanged_one_counts() {
    let place = Place::with_patients(1).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let real = backup.run(tenant).await.unwrap();
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // In Berlin, all three of the 10th; in London two of the 9th.
    let mut all = vec![real.backup.clone()];
    for time in ["2026-07-10T21:30:00Z", "2026-07-09T22:40:00Z", "2026-07-09T22:30:00Z", "2026-03-01T12:00:00Z"] {
        all.push(made_at(&place, &real, at(time)).await);
    }
    let stays = async |daily, zone: &str| {
        let options = PruneOptions { time_zone: zone.to_owned(), ..options(daily, false) };
        let told = prune(&backup, tenant, &options).await;
        told.backups.iter().map(|one| one.fate == Fate::Stays).collect::<Vec<_>>()
    };
    assert_eq!(stays(3, "Europe/Berlin").await, [true, true, false, false, true]);
    assert_eq!(stays(3, "UTC").await, [true, true, true, false, false]);
    // Found unchanged until the eve of the next one: from 1 March to 8 July it is the backup of each day.
    unchanged_until(&place, &all[4], at("2026-07-08T20:00:00Z")).await;
    assert_eq!(stays(3, "UTC").await, [true, true, true, false, false]);
    assert_eq!(stays(4, "UTC").await, [true, true, true, false, true]);
    for wrong in ["Europe/Bärlin", "", "X1", "1"] {
        let options = PruneOptions { time_zone: wrong.to_owned(), ..options(1, true) };
        assert!(matches!(backup.prune(None, &options).await, Err(BackupError::Invalid(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_hold_a_deletion_a_strange_database_and_a_lost_key_keep_everything() {
    let (place, all) = daily(4).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let because = async |backup: &Backup, word: &str, somebody_has_to_look: bool| {
        let run = backup.prune(Some(tenant), &options(1, true)).await.unwrap();
        assert_eq!(!run.faults().is_empty(), somebody_has_to_look, "{word}: {:?}", run.faults());
        let told = &run.tenants[tenant];
        assert!(told.untouched.as_ref().is_some_and(|reason| reason.contains(word)), "{word}: {:?}", told.untouched);
        assert!(!serde_json::to_string(&run).unwrap().contains("Dr. Muster"), "who placed a hold may be a person");
        assert!(told.backups.iter().all(|one| one.fate == Fate::Stays));
        assert_eq!(left(&place).await, all, "{word}");
    };
    let hold = "INSERT INTO control.holds (id, tenant, holder, reason, until)
                VALUES (gen_random_uuid(), $1, 'Dr. Muster', 'lawsuit', current_date + $2::int)";
    let run = async |sql: &str| place.database.execute(sql, &[&tenant.as_str()]).await.unwrap();
    place.database.execute(hold, &[&tenant.as_str(), &0]).await.unwrap();
    because(&backup, "a hold stands", false).await;
    run("UPDATE control.holds SET until = NULL WHERE tenant = $1").await;
    because(&backup, "a hold stands", false).await;
    // One that has ended holds nothing.
    run("UPDATE control.holds SET until = current_date - 1 WHERE tenant = $1").await;

    run("UPDATE control.tenants SET state = 'deleted' WHERE name = $1").await;
    because(&backup, "erase", false).await;
    run("UPDATE control.tenants SET state = 'active' WHERE name = $1").await;

    let elsewhere = url("labor_backup", OTHER).await;
    let strange = Backup::new(Settings { database_url: elsewhere, ..place.settings.clone() }).unwrap();
    because(&strange, "LABOR_BACKUP_URL", true).await;

    let keyless = Settings { keys: place.folder().join("mistyped"), ..place.settings.clone() };
    because(&Backup::new(keyless).unwrap(), "mistyped", true).await;

    prune(&backup, tenant, &options(1, true)).await;
    assert_eq!(left(&place).await, all[..2]);
}

#[tokio::test]
async fn what_somebody_put_there_takes_no_place_and_what_is_broken_goes_after_a_day() {
    let (place, all) = daily(3).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let folder = format!("tenants/{tenant}/backups");
    let today = backup.list(Some(tenant)).await.unwrap().remove(0).manifest.unwrap();
    // Newer than the genuine one of yesterday: forged with another key. Then one in a later format.
    let forged = made_at(&place, &today, today.started_at - Days::new(1) + Duration::seconds(1)).await;
    let key = format!("{folder}/{forged}/manifest.json");
    let mut document: serde_json::Value = serde_json::from_slice(&place.object(&key).await).unwrap();
    document["mac"] = "00".repeat(32).into();
    place.put(&key, document.to_string().into()).await;
    let later = made_at(&place, &today, today.started_at - Duration::seconds(2)).await;
    place.put(&format!("{folder}/{later}/manifest.json"), br#"{"format": 2}"#.to_vec()).await;
    // A clock that was ahead; one without its dump; one without a manifest, of a prune that was cut off.
    let ahead = made_at(&place, &today, Utc::now() + Days::new(30)).await;
    let damaged = made_at(&place, &today, today.started_at - Duration::seconds(3)).await;
    let cut = made_at(&place, &today, today.started_at - Duration::seconds(4)).await;
    for key in [format!("{folder}/{damaged}/dump.sql.zst.age"), format!("{folder}/{cut}/manifest.json")] {
        place.s3.delete_object().bucket(place.bucket()).key(key).send().await.unwrap();
    }
    place.put(&format!("{folder}/{cut}/verified.json"), b"{}".to_vec()).await;

    // Of the key, but of a version that writes a field otherwise.
    let other = made_at(&place, &today, today.started_at - Duration::seconds(5)).await;
    let key = format!("{folder}/{other}/manifest.json");
    let mut document: serde_json::Value = serde_json::from_slice(&place.object(&key).await).unwrap();
    document["schema_version"] = "five".into();
    place.put(&key, place.signed_by(tenant, &document).to_string().into()).await;
    // Nothing of ours: somebody's note.
    let note = format!("{folder}/20200101T000000Z-{}/HOLD.txt", uuid::Uuid::now_v7());
    place.put(&note, b"keep".to_vec()).await;

    let kept = [&all[0], &all[1], &forged, &later, &ahead, &other];
    let gone = [&all[2], &all[3]];
    let look = |told: &PrunedTenant, kept: &[&BackupId], gone: &[&BackupId]| {
        let fates = fates(told);
        assert_eq!(fates.len(), kept.len() + gone.len());
        assert!(kept.iter().all(|one| fates[*one] == &Fate::Stays), "{told:?}");
        assert!(gone.iter().all(|one| fates[*one] != &Fate::Stays), "{told:?}");
    };
    let young = [&kept[..], &[&damaged, &cut]].concat();
    look(&prune(&backup, tenant, &options(2, false)).await, &young, &gone);
    // However old it is, the first look only notes it down, and a dry one not even that.
    for options in [tomorrow(2, false), tomorrow(2, true)] {
        look(&prune(&backup, tenant, &options).await, &young, &gone);
    }
    look(&prune(&backup, tenant, &tomorrow(2, true)).await, &kept, &[&damaged, &cut]);
    let faults = backup.prune(Some(tenant), &tomorrow(2, true)).await.unwrap().faults();
    assert!([&forged, &later, &ahead, &other].iter().all(|id| faults.iter().any(|one| one.contains(id.as_str()))));
    assert_eq!(faults.len(), 4, "{faults:?}");
    let objects = place.objects().await;
    assert!(objects.contains(&note));
    assert!(!objects.iter().any(|key| key.contains(cut.as_str()) || key.contains(damaged.as_str())), "{objects:?}");
}

#[tokio::test]
async fn what_the_store_keeps_is_told_and_the_others_go() {
    let (place, all) = daily(5).await;
    let locked = that_refuses(&place, "DELETE ", &format!("{}/manifest.json", all[3])).await;
    let faults = locked.prune(Some(&place.tenant), &options(1, true)).await.unwrap().faults();
    assert!(faults.len() == 1 && faults[0].contains(all[3].as_str()) && faults[0].contains("delete"), "{faults:?}");
    assert_eq!(left(&place).await, [all[0].clone(), all[1].clone(), all[3].clone()], "half of a backup was removed");
}

#[tokio::test]
async fn a_run_that_is_cut_off_leaves_no_manifest_without_an_object() {
    let (place, all) = daily(3).await;
    let cut = that_refuses(&place, "DELETE ", "dump.sql").await;
    // As if the dumps were older than a day.
    let run = cut.prune(Some(&place.tenant), &tomorrow(1, true)).await.unwrap();
    assert_eq!(run.faults().len(), 2);
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    let states: Vec<_> = listed.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [State::Complete, State::Complete, State::Incomplete, State::Incomplete]);
    // The rest goes a day after somebody could see it, so that a mistake can be mended: the next run only notes it down.
    for (options, there) in [(tomorrow(1, true), 4), (options(1, true), 4), (tomorrow(1, true), 2)] {
        prune(&place.backup(), &place.tenant, &options).await;
        assert_eq!(place.backup().list(Some(&place.tenant)).await.unwrap().len(), there);
    }
    assert_eq!(left(&place).await, all[..2]);
    assert!(!place.objects().await.iter().any(|key| key.ends_with("broken.json")));
}

#[tokio::test]
async fn a_backup_that_was_mended_is_as_before_and_its_next_fault_has_a_day_again() {
    let (place, all) = daily(1).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let key = format!("tenants/{tenant}/backups/{}/manifest.json", all[1]);
    let manifest = place.object(&key).await;
    let third =
        made_at(&place, &backup.list(Some(tenant)).await.unwrap()[0].manifest.clone().unwrap(), Utc::now()).await;
    place.s3.delete_object().bucket(place.bucket()).key(&key).send().await.unwrap();
    prune(&backup, tenant, &options(9, true)).await;
    let broken = async || place.objects().await.into_iter().filter(|key| key.ends_with("broken.json")).count();
    assert_eq!(broken().await, 1);
    // Not one that the key did not make: a day that somebody else began says nothing.
    place.put(&key.replace("manifest", "broken"), b"{}".to_vec()).await;
    prune(&backup, tenant, &tomorrow(9, true)).await;
    assert_eq!(backup.list(Some(tenant)).await.unwrap().len(), 3);
    place.put(&key, manifest).await;
    let told = prune(&backup, tenant, &options(9, true)).await;
    assert!(fates(&told).values().all(|fate| **fate == Fate::Stays) && broken().await == 0, "{told:?}");
    assert_eq!(left(&place).await, [third, all[0].clone(), all[1].clone()]);
}

#[tokio::test]
async fn all_tenants_at_once_and_nobody_unknown() {
    let place = Place::alone("pruned_all").await;
    let backup = place.backup();
    let today = backup.run(&place.tenant).await.unwrap();
    for days in 1..4 {
        made_at(&place, &today, today.started_at - Days::new(days)).await;
    }
    let neighbour = place.neighbour(1).await;
    backup.run(&neighbour).await.unwrap();
    let run = backup.prune(None, &options(1, true)).await.unwrap();
    assert_eq!(run.tenants.keys().collect::<Vec<_>>().len(), 2);
    assert_eq!((left(&place).await.len(), run.tenants[&neighbour].backups.len()), (2, 1));
    let nobody = TenantName::random().unwrap();
    assert!(matches!(backup.prune(Some(&nobody), &options(1, true)).await, Err(BackupError::NotFound(_))));
}

#[tokio::test]
async fn the_program_removes_only_when_it_is_told_to() {
    let (place, all) = daily(3).await;
    let tenant = place.tenant.as_str();
    let run = async |words: &str| {
        let places = "--keep-daily 1 --keep-weekly 0 --keep-monthly 0 --keep-yearly 0";
        let words = format!("prune {places} {words}");
        let output = place.program().args(words.split_whitespace()).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run("--apply").await.0, Some(2), "neither one tenant nor all");
    assert_eq!(run(&format!("--tenant {tenant} --time-zone Nowhere")).await.0, Some(1));
    let (code, told) = run(&format!("--tenant {tenant}")).await;
    assert_eq!((code, told.matches(" would be removed").count()), (Some(0), 3), "two rows and a sum: {told}");
    assert!(told.contains("--apply does it") && told.contains("the newest; daily "), "{told}");
    assert_eq!(left(&place).await, all);
    let (code, told) = run(&format!("--tenant {tenant} --apply --json")).await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["applied"]), (Some(0), &true.into()));
    assert_eq!(told["tenants"][tenant]["backups"][3]["fate"], "removed");
    assert_eq!(left(&place).await, all[..2]);
}
