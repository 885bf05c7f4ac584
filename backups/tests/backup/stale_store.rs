//! The store answers with what was there before, as one does that is eventually consistent, or reads from a replica that is behind. No bad
//! backup is called good by it, no good one is condemned for ever, nothing is removed for the sake of what is gone, and no erasure is certified
//! that is none.
use std::time::Duration;

use chrono::Utc;
use labor_backup::{BackupError, BackupId, RecoveryPoint, State, Which};
use labor_testing::{StoreFault, StoreWire, s3};

use crate::damage::dump_key;
use crate::erased::deleted;
use crate::place::Place;
use crate::pruned::{daily, options, prune, tomorrow};
use crate::store_faults::{ends_well, through};

/// A store that can be behind with these.
async fn behind_with(what: fn(&str) -> bool) -> StoreWire {
    StoreWire::start_counting(&s3().await.endpoint(), StoreFault::Past, what).await.unwrap()
}

fn listings(request: &str) -> bool {
    request.contains("list-type=2")
}

async fn point(place: &Place, wire: &StoreWire) -> RecoveryPoint {
    let points = through(place, wire).recovery_points(Duration::from_secs(3600), Utc::now()).await.unwrap();
    points.tenants[&place.tenant].clone()
}

async fn remove(place: &Place, backup: &BackupId) {
    for key in place.objects().await.iter().filter(|key| key.contains(backup.as_str())) {
        place.s3.delete_object().bucket(place.bucket()).key(key).send().await.unwrap();
    }
}

/// Other bytes of the same length.
async fn damage(place: &Place, key: &str) -> Vec<u8> {
    let genuine = place.object(key).await;
    let mut damaged = genuine.clone();
    *damaged.last_mut().unwrap() ^= 1;
    place.put(key, damaged).await;
    genuine
}

#[tokio::test]
async fn a_verification_that_failed_is_not_forgotten_for_one_that_passed_before() {
    let place = Place::alone("stale_verdict").await;
    let made = place.backup().run(&place.tenant).await.unwrap();
    place.backup().verify(&place.tenant, &Which::Latest).await.unwrap();
    let wire = behind_with(|request| request.contains("verified.json")).await;
    assert!(!point(&place, &wire).await.late);
    damage(&place, &dump_key(&made)).await;
    assert!(place.backup().verify(&place.tenant, &Which::Latest).await.unwrap_err().condemns());
    wire.stay_behind(true);
    let stale = point(&place, &wire).await;
    assert!(stale.late && stale.backup.is_none() && stale.fault.is_some(), "{stale:?}");
    assert!(stale.fault.unwrap().contains("of before"));
    let pruned = prune(&through(&place, &wire), &place.tenant, &options(0, true)).await;
    assert!(pruned.fault, "{pruned:?}");
    wire.stay_behind(false);
    let point = point(&place, &wire).await;
    assert!(point.backup.is_none() && point.fault.is_none(), "{point:?}");
    ends_well(&place, false).await.unwrap();
}

/// Those that are whole, newest first.
async fn whole(place: &Place) -> Vec<BackupId> {
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    listed.into_iter().filter(|entry| entry.state == State::Complete).map(|entry| entry.backup).collect()
}

#[tokio::test]
async fn nothing_is_removed_for_the_sake_of_what_is_gone() {
    let with_documents: fn(&str) -> bool = |request| listings(request) || request.starts_with("GET ");
    // Of what is listed and not found nothing is believed; what is found as well is asked for once more before anything is removed.
    for (what, told) in [(listings as fn(&str) -> bool, false), (with_documents, true)] {
        let (place, all) = daily(4).await;
        let wire = behind_with(what).await;
        let backup = through(&place, &wire);
        // What would be removed is seen, and with it everything that is read for that.
        assert_eq!(prune(&backup, &place.tenant, &options(1, false)).await.backups.len(), 5);
        for gone in &all[..2] {
            remove(&place, gone).await;
        }
        wire.stay_behind(true);
        let pruned = prune(&backup, &place.tenant, &options(1, true)).await;
        let why = pruned.untouched.clone().unwrap_or_default();
        assert_eq!((pruned.fault, why.contains("asked for by name")), (told, told), "{pruned:?}");
        assert_eq!(whole(&place).await[..2], all[2..4]);
        wire.stay_behind(false);
        assert!(!prune(&backup, &place.tenant, &options(1, true)).await.fault);
        assert_eq!(whole(&place).await, all[2..4], "the two newest that are there");
        place.backup().verify(&place.tenant, &Which::Latest).await.unwrap();
    }
}

#[tokio::test]
async fn a_manifest_that_is_listed_and_not_found_is_not_missing() {
    let place = Place::with_patients(1).await;
    let made = place.backup().run(&place.tenant).await.unwrap();
    let key = format!("tenants/{}/backups/{}/manifest.json", place.tenant, made.backup);
    let manifest = place.object(&key).await;
    place.s3.delete_object().bucket(place.bucket()).key(&key).send().await.unwrap();
    let wire = behind_with(|request| request.starts_with("GET ") && request.contains("manifest.json")).await;
    let (backup, which) = (through(&place, &wire), Which::Id(made.backup.clone()));
    assert!(matches!(backup.verify(&place.tenant, &which).await, Err(BackupError::NotFound(_))));
    place.put(&key, manifest).await;
    wire.stay_behind(true);
    // Twice, a day apart: that is when what is broken goes.
    for options in [options(0, true), tomorrow(0, true)] {
        let pruned = prune(&backup, &place.tenant, &options).await;
        assert!(pruned.fault, "{pruned:?}");
    }
    assert!(!backup.verify(&place.tenant, &which).await.unwrap_err().condemns());
    assert_eq!(place.objects().await.len(), 2, "{:?}", place.objects().await);
    ends_well(&place, false).await.unwrap();
}

#[tokio::test]
async fn one_that_failed_by_what_was_there_before_is_good_when_it_is_tried_again() {
    let place = Place::with_patients(1).await;
    let made = place.backup().run(&place.tenant).await.unwrap();
    let genuine = damage(&place, &dump_key(&made)).await;
    let wire = behind_with(|request| request.contains("dump.sql")).await;
    let backup = through(&place, &wire);
    assert!(backup.verify(&place.tenant, &Which::Latest).await.unwrap_err().condemns());
    place.put(&dump_key(&made), genuine).await;
    wire.stay_behind(true);
    assert!(backup.verify(&place.tenant, &Which::Latest).await.unwrap_err().condemns(), "it is not behind");
    // Failed is not removed: neither now nor a day later.
    prune(&backup, &place.tenant, &options(0, true)).await;
    prune(&backup, &place.tenant, &tomorrow(0, true)).await;
    wire.stay_behind(false);
    let again = backup.verify(&place.tenant, &Which::Id(made.backup)).await.unwrap();
    assert_eq!(again.faults, Vec::<String>::new());
    ends_well(&place, false).await.unwrap();
}

#[tokio::test]
async fn no_erasure_is_certified_by_a_listing_of_before() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let wire = behind_with(|request| request.contains("versions") || listings(request)).await;
    let request = deleted(&place).await;
    let backup = through(&place, &wire);
    assert_eq!(backup.erase(request, false, None).await.unwrap().found_afterwards, 0);
    let first = place.object(&format!("certificates/{request}.json")).await;
    // As a copy that somebody puts back; the store goes on to say that there is nothing.
    let late = format!("tenants/{}/backups/late/dump.sql.zst.age", place.tenant);
    place.put(&late, b"x".to_vec()).await;
    wire.stay_behind(true);
    let refused = backup.erase(request, false, None).await;
    assert!(matches!(&refused, Err(BackupError::Store { reason, .. }) if reason.contains("of before")), "{refused:?}");
    let there = place.objects().await;
    assert!(!there.contains(&format!("certificates/{request}-2.json")), "{there:?}");
    wire.stay_behind(false);
    let certificate = backup.erase(request, false, None).await.unwrap();
    assert_eq!((certificate.objects_deleted, certificate.found_afterwards), (1, 0));
    let left = place.objects().await;
    assert!(left.len() == 3 && left.iter().all(|key| key.starts_with("certificates/")), "{left:?}");
    assert_eq!(place.object(&format!("certificates/{request}.json")).await, first, "the first one is the proof");
}
