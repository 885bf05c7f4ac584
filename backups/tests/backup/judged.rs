//! What stands beside a backup and is not of the tenant's key, or of a later version, counts for nothing and takes nothing away: one place
//! judges it for `run`, `status` and `prune`.
use std::time::Duration as Age;

use chrono::{Days, Duration, Utc};
use labor_backup::{BackupId, Fate, FleetOptions, Outcome, RecoveryPoint, Verdict, Which};

use crate::place::Place;
use crate::pruned::{daily, fates, left, made_at, options, prune, tomorrow, unchanged_until};

async fn point(place: &Place, later: Duration) -> RecoveryPoint {
    let points = place.backup().recovery_points(Age::from_secs(24 * 3600), Utc::now() + later).await.unwrap();
    points.tenants[&place.tenant].clone()
}

fn beside(place: &Place, backup: &BackupId, name: &str) -> String {
    format!("tenants/{}/backups/{backup}/{name}.json", place.tenant)
}

#[tokio::test]
async fn a_verification_that_the_key_did_not_make_neither_passes_nor_fails_anything() {
    let place = Place::alone("judged_verdict").await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let made = backup.run(tenant).await.unwrap();
    place.put(&beside(&place, &made.backup, "verified"), b"{}".to_vec()).await;
    let lost = point(&place, Duration::zero()).await;
    assert!(lost.backup.is_none() && lost.verified_at.is_none(), "{lost:?}");
    // Nobody knows what it is worth, so there is another.
    let options = FleetOptions { jobs: 1, at_most_days: 30 };
    let run = backup.run_all(options, |_| (), |_, _| ()).await.unwrap();
    let Outcome::Stored { backup: second, .. } = &run.tenants[tenant] else { panic!("{:?}", run.tenants) };
    assert_eq!(point(&place, Duration::zero()).await.backup.as_ref(), Some(second));
    // Whoever verifies it again knows.
    assert_eq!(backup.verify(tenant, &Which::Id(made.backup.clone())).await.unwrap().verdict, Verdict::Passed);
    let run = backup.run_all(options, |_| (), |_, _| ()).await.unwrap();
    assert!(matches!(run.tenants[tenant], Outcome::Unchanged { .. }), "{:?}", run.tenants);
}

#[tokio::test]
async fn nobody_who_may_only_write_has_a_backup_removed() {
    let (place, all) = daily(5).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let verified = backup.verify(tenant, &Which::Id(all[3].clone())).await.unwrap();
    backup.verify(tenant, &Which::Id(all[4].clone())).await.unwrap();
    // Of the newest that was verified, of one of a later version, of one that stands for days; and a manifest.
    place.put(&beside(&place, &all[3], "verified"), b"{}".to_vec()).await;
    let mut later = serde_json::to_value(&verified).unwrap();
    (later["format"], later["backup"]) = (2.into(), all[4].as_str().into());
    place.put(&beside(&place, &all[4], "verified"), place.signed_by(tenant, &later).to_string().into()).await;
    place.put(&beside(&place, &all[2], "unchanged"), b"{}".to_vec()).await;
    place.put(&beside(&place, &all[5], "manifest"), b"no JSON".to_vec()).await;
    for _ in 0..2 {
        let told = prune(&backup, tenant, &tomorrow(1, true)).await;
        assert!(fates(&told).values().all(|fate| **fate == Fate::Stays), "{told:?}");
        assert_eq!(told.backups.iter().filter(|one| one.doubt.is_some()).count(), 4, "{told:?}");
    }
    let faults = backup.prune(Some(tenant), &options(1, false)).await.unwrap().faults();
    assert!(faults.len() == 4 && faults.iter().any(|one| one.contains("verify it again")), "{faults:?}");
}

#[tokio::test]
async fn a_note_that_nothing_changed_is_believed_only_to_the_key_and_only_of_the_past() {
    let place = Place::alone("judged_note").await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let made = backup.run(tenant).await.unwrap();
    let at = made.started_at - Days::new(3);
    let old = made_at(&place, &made, at).await;
    for key in place.objects().await.iter().filter(|key| key.contains(made.backup.as_str())) {
        place.s3.delete_object().bucket(place.bucket()).key(key).send().await.unwrap();
    }
    let until = Utc::now() - Duration::hours(1);
    unchanged_until(&place, &old, until).await;
    assert_eq!(point(&place, Duration::zero()).await.proven_until, Some(until));
    // A clock that was ahead: what it says of the time after it was stored is not believed when that time has come.
    unchanged_until(&place, &old, Utc::now() + Duration::hours(12)).await;
    let proven = point(&place, Duration::hours(13)).await.proven_until.unwrap();
    assert!(proven < Utc::now() + Duration::minutes(20), "{proven}");
    // Altered, or of another backup.
    let key = beside(&place, &old, "unchanged");
    let note = String::from_utf8(place.object(&key).await).unwrap();
    place.put(&key, note.replacen("0/0", "0/1", 1).into()).await;
    let forged = point(&place, Duration::zero()).await;
    assert!(forged.late && forged.proven_until == Some(at), "{forged:?}");
}

#[tokio::test]
async fn a_backup_of_a_clock_that_was_ahead_proves_nothing_when_that_time_has_come() {
    let place = Place::with_patients(1).await;
    let made = place.backup().run(&place.tenant).await.unwrap();
    let ahead = made_at(&place, &made, Utc::now() + Duration::hours(12)).await;
    let found = point(&place, Duration::hours(13)).await;
    assert!(found.backup.as_ref() == Some(&made.backup) && found.proven_until == Some(made.started_at), "{found:?}");
    // One that is as far ahead as two clocks of which both are right may be is a backup like others.
    let now = point(&place, Duration::minutes(-2)).await;
    assert_eq!((now.backup.as_ref(), now.age_seconds), (Some(&made.backup), 0));
    prune(&place.backup(), &place.tenant, &tomorrow(0, true)).await;
    assert_eq!(left(&place).await, [ahead, made.backup]);
}
