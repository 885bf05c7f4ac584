//! Erasing after a deletion: what the certificate says of the key is true.
use labor_backup::{Backup, BackupError, KeyFate, Settings};
use uuid::Uuid;

use crate::meanwhile::HOLD;
use crate::place::Place;

/// An approved deletion that the database has carried out, as `labor-migrator delete` leaves it.
pub(crate) async fn deleted(place: &Place) -> Uuid {
    let (anna, bert, request) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    for operator in [anna, bert] {
        let add = "INSERT INTO control.operators (id, username, display_name) VALUES ($1, $2, 'x')";
        place.database.execute(add, &[&operator, &operator.to_string()]).await.unwrap();
    }
    let add = "INSERT INTO control.requests (id, tenant, kind, reason, requested_by, approved_by, approved_at, state, certificate)
               VALUES ($1, $2, 'deletion', 'test', $3, $4, now(), 'done', '{}')";
    place.database.execute(add, &[&request, &place.tenant.as_str(), &anna, &bert]).await.unwrap();
    request
}

async fn begin_upload(place: &Place, name: &str) {
    let key = format!("tenants/{}/backups/{name}/dump.sql.zst.age", place.tenant);
    place.s3.create_multipart_upload().bucket(place.bucket()).key(key).send().await.unwrap();
}

#[tokio::test]
async fn a_key_is_certified_destroyed_only_when_it_was_there() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    for name in ["one", "two"] {
        begin_upload(&place, name).await;
    }
    let request = deleted(&place).await;
    let elsewhere = Settings { keys: place.folder().join("mistyped"), ..place.settings.clone() };
    let refused = Backup::new(elsewhere).unwrap().erase(request, false, None).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("LABOR_BACKUP_KEYS")), "{refused:?}");
    assert_eq!((place.objects().await.len(), place.unfinished_uploads().await), (2, 2), "refused means untouched");

    // What a killed run left of the key is the key too.
    let left_over = place.settings.keys.join(format!(".{}.{}", place.tenant, Uuid::now_v7()));
    std::fs::copy(place.settings.keys.join(format!("{}.age-identity", place.tenant)), &left_over).unwrap();
    let certificate = place.backup().erase(request, false, None).await.unwrap();
    assert_eq!((certificate.key, certificate.found_afterwards), (KeyFate::Destroyed, 0));
    assert_eq!((certificate.objects_deleted, certificate.uploads_aborted), (2, 2));
    let receipt = certificate.key_receipt.unwrap();
    assert!(receipt.request == request && receipt.public_key.is_some_and(|key| key.starts_with("age1")));
    let left: Vec<_> =
        std::fs::read_dir(&place.settings.keys).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [format!("{}.{request}.destroyed", place.tenant).as_str()]);
    assert_eq!(place.objects().await, ["begun", "json"].map(|end| format!("certificates/{request}.{end}")));

    let again = place.backup().erase(request, false, None).await.unwrap();
    assert_eq!(serde_json::to_value(again.key).unwrap(), "destroyed", "by the run before");
}

#[tokio::test]
async fn a_key_that_was_destroyed_before_takes_a_word_to_go_on() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    std::fs::remove_file(place.settings.keys.join(format!("{}.age-identity", place.tenant))).unwrap();
    assert!(matches!(place.backup().erase(request, false, None).await, Err(BackupError::Refused(_))));
    let certificate = place.backup().erase(request, true, None).await.unwrap();
    assert_eq!((certificate.key, certificate.objects_deleted), (KeyFate::WasNotThere, 2));
}

/// What a court wants to see may be in the backups alone by now.
#[tokio::test]
async fn what_is_held_is_not_erased() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    place.database.execute(HOLD, &[&place.tenant.as_str()]).await.unwrap();
    let refused = place.backup().erase(request, false, None).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("court")), "{refused:?}");
    assert_eq!(place.objects().await.len(), 2, "refused means untouched");
    assert!(place.settings.keys.join(format!("{}.age-identity", place.tenant)).exists());
    let ended = "UPDATE control.holds SET until = current_date - 1 WHERE tenant = $1";
    place.database.execute(ended, &[&place.tenant.as_str()]).await.unwrap();
    place.backup().erase(request, false, None).await.unwrap();
}

#[tokio::test]
async fn a_bucket_without_anything_of_labor_is_not_certified_to_be_searched() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    let other = format!("{}-other", place.bucket());
    place.s3.create_bucket().bucket(&other).send().await.unwrap();
    let mut settings = place.settings.clone();
    settings.store.bucket.clone_from(&other);
    let refused = Backup::new(settings).unwrap().erase(request, false, None).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("LABOR_S3_BUCKET")), "{refused:?}");
    assert!(place.settings.keys.join(format!("{}.age-identity", place.tenant)).exists(), "refused means untouched");
    let certificate = place.backup().erase(request, false, None).await.unwrap();
    assert!(certificate.store.starts_with(&format!("{} at ", place.bucket())), "{}", certificate.store);
}

#[tokio::test]
async fn who_was_deleted_and_not_erased_is_told() {
    let place = Place::alone("not_erased").await;
    place.backup().run(&place.tenant).await.unwrap();
    let look = async || {
        place.backup().recovery_points(std::time::Duration::from_secs(3600), chrono::Utc::now()).await.unwrap()
    };
    assert!(look().await.not_erased.is_empty());
    let request = deleted(&place).await;
    place
        .database
        .execute("UPDATE control.tenants SET state = 'deleted' WHERE name = $1", &[&place.tenant.as_str()])
        .await
        .unwrap();
    let points = look().await;
    assert_eq!(points.not_erased, std::slice::from_ref(&place.tenant));
    assert!(points.metrics().contains("tenants_not_erased 1"), "{}", points.metrics());
    place.backup().erase(request, false, None).await.unwrap();
    assert!(look().await.not_erased.is_empty());
}
