//! Object Lock: what is stored with it can't be removed for good before its time; a bucket without it is refused; and what the bucket
//! does for what is in it is told.
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use chrono::{Duration, Utc};
use labor_backup::{BackupError, Fate, FleetOptions, ObjectLock, Outcome, Which};

use crate::place::Place;
use crate::pruned::{options, tomorrow};

const TWO_DAYS: Option<ObjectLock> = Some(ObjectLock { days: 2, compliance: false });

/// A place whose bucket has Object Lock, and with it versions.
async fn lockable() -> Place {
    let mut place = Place::with_patients(3).await;
    let bucket = format!("l{}", uuid::Uuid::now_v7().simple());
    place.s3.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap();
    place.settings.store.bucket = bucket;
    place
}

#[tokio::test]
async fn what_is_stored_with_a_lock_stays_as_a_version_until_it_ends() {
    let place = lockable().await;
    let backup = place.backup().with_object_lock(TWO_DAYS);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(backup.run(&place.tenant).await.unwrap());
    }
    for name in ["dump.sql.zst.age", "manifest.json"] {
        let key = format!("tenants/{}/backups/{}/{name}", place.tenant, made[0].backup);
        let head = place.s3.head_object().bucket(place.bucket()).key(&key).send().await.unwrap();
        let until = head.object_lock_retain_until_date().unwrap_or_else(|| panic!("{name} is not locked"));
        let left = until.secs() - Utc::now().timestamp();
        assert!(
            (Duration::days(2) - Duration::minutes(5)..=Duration::days(2)).contains(&Duration::seconds(left)),
            "{left}"
        );
        let version = head.version_id().unwrap();
        let deleted = place.s3.delete_object().bucket(place.bucket()).key(&key).version_id(version).send().await;
        assert!(deleted.is_err(), "{name} was deleted for good");
    }
    backup.verify(&place.tenant, &Which::Latest).await.unwrap();
    // Whatever prune removes is hidden, and that is said and no fault.
    let run = place.backup().prune(Some(&place.tenant), &options(0, true)).await.unwrap();
    let one = &run.tenants[&place.tenant].backups[2];
    assert!(one.backup == made[0].backup && matches!(one.fate, Fate::Locked { .. }), "{one:?}");
    assert_eq!(run.faults(), Vec::<String>::new());
    assert_eq!(place.backup().list(Some(&place.tenant)).await.unwrap().len(), 2);
    let versions = place.s3.list_object_versions().bucket(place.bucket()).send().await.unwrap();
    assert!(versions.versions().iter().any(|version| version.key().unwrap().contains(made[0].backup.as_str())));
    let run = place.backup().prune(Some(&place.tenant), &tomorrow(0, true)).await.unwrap();
    assert_eq!(run.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_can_t_lock_is_refused_before_anything_is_written() {
    let place = Place::alone("locked_not").await;
    let backup = place.backup().with_object_lock(TWO_DAYS);
    let refused = backup.run(&place.tenant).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("no Object Lock")), "{refused:?}");
    let refused = backup.run_all(FleetOptions { jobs: 1, at_most_days: 0 }, |_| (), |_, _| ()).await;
    assert!(matches!(refused, Err(BackupError::Refused(_))), "{refused:?}");
    assert_eq!(place.objects().await, Vec::<String>::new());
    let output = place.program().args(["scheduler", "--object-lock-days", "2"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    let run = place.backup().run_all(FleetOptions { jobs: 1, at_most_days: 0 }, |_| (), |_, _| ()).await.unwrap();
    assert!(matches!(run.tenants[&place.tenant], Outcome::Stored { .. }));
}

#[tokio::test]
async fn what_the_bucket_does_is_told() {
    let place = Place::with_patients(0).await;
    let bare = place.backup().check_bucket().await.unwrap();
    assert!(!bare.versioning && !bare.object_lock && bare.lifecycle_rules == 0, "{bare:?}");
    assert!(bare.faults.iter().any(|fault| fault.contains("keeps no versions")), "{bare:?}");
    let output = place.program().args(["bucket", "check"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));

    let place = lockable().await;
    let found = place.backup().check_bucket().await.unwrap();
    assert!(found.versioning && found.object_lock, "{found:?}");
    let by_age = LifecycleRule::builder()
        .id("tidy")
        .filter(LifecycleRuleFilter::builder().prefix("tenants/").build())
        .expiration(LifecycleExpiration::builder().days(30).build())
        .status(ExpirationStatus::Enabled)
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(by_age).build().unwrap();
    let put = place.s3.put_bucket_lifecycle_configuration().bucket(place.bucket()).lifecycle_configuration(rules);
    put.send().await.unwrap();
    let found = place.backup().check_bucket().await.unwrap();
    assert!(found.faults.iter().any(|fault| fault.contains("\"tidy\"")), "{found:?}");
}
