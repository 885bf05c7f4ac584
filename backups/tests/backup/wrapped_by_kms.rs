//! Keys that AWS KMS wraps (moto's server stands for it): the whole way, what it refuses, and what an erasure says of the fleet's key.
use labor_backup::{
    Backup, BackupError, Destination, KeyFate, KeyServiceSettings, KmsSettings, Rewrapped, Settings, Which,
};
use labor_testing::kms;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::erased::deleted;
use crate::place::Place;
use crate::wrapped::wrapped_file;

async fn settings(key: &str) -> KmsSettings {
    KmsSettings {
        key: key.to_owned(),
        endpoint: Some(kms().await.endpoint().parse().unwrap()),
        region: "eu-central-1".to_owned(),
        access_key: "test".to_owned(),
        secret_key: "s3cret".to_owned(),
        session_token: None,
    }
}

fn with(place: &Place, kms: KmsSettings) -> Backup {
    let key_service = KeyServiceSettings::Kms(Box::new(kms));
    Backup::new(Settings { key_service, ..place.settings.clone() }).unwrap()
}

/// Why the newest backup can't be opened, which is never said of the backup.
async fn told(place: &Place, kms: KmsSettings) -> String {
    let error = with(place, kms).verify(&place.tenant, &Which::Latest).await.unwrap_err();
    assert!(matches!(error, BackupError::KeyService { .. }) && !error.condemns(), "{error:?}");
    let error = error.to_string();
    assert!(!error.contains("s3cret"), "{error}");
    error
}

#[tokio::test]
async fn a_backup_goes_all_its_way_with_a_key_of_kms() {
    let place = Place::with_patients(2).await;
    let [key, next] = [kms().await.key().await.unwrap(), kms().await.key().await.unwrap()];
    let first = place.backup().run(&place.tenant).await.unwrap().backup;
    let (backup, of) = (with(&place, settings(&key).await), place.tenant.as_str());
    let moved = backup.rewrap_key(of, None).await.unwrap();
    assert_eq!(moved, Rewrapped::Wrapped { key: key.clone(), version: None, before: None });
    assert!(!std::fs::read_to_string(wrapped_file(&place)).unwrap().contains("AGE-SECRET-KEY"));
    backup.run(&place.tenant).await.unwrap();
    for which in [Which::Id(first.clone()), Which::Latest] {
        backup.verify(&place.tenant, &which).await.unwrap();
    }
    backup.restore(&place.tenant, &Which::Latest, Destination::New).await.unwrap();

    // Another key: nothing is unwrapped with what a file says.
    let other = with(&place, settings(&next).await);
    assert!(matches!(other.verify(&place.tenant, &Which::Latest).await, Err(BackupError::Refused(_))));
    let from = KeyServiceSettings::Kms(Box::new(settings(&key).await));
    let moved = other.rewrap_key(of, Some(&from)).await.unwrap();
    assert_eq!(moved, Rewrapped::Wrapped { key: next.clone(), version: None, before: Some(key) });
    other.verify(&place.tenant, &Which::Id(first)).await.unwrap();

    // The fleet's key stays, and the receipt says so.
    let request = deleted(&place).await;
    let certificate = with(&place, settings(&next).await).erase(request, false, None).await.unwrap();
    assert_eq!((certificate.key, certificate.found_afterwards), (KeyFate::Destroyed, 0));
    let service = certificate.key_receipt.unwrap().service.unwrap();
    assert_eq!((service.key, service.shared, service.destroyed_at), (next.clone(), true, None));
    let left = std::fs::read_dir(&place.settings.keys).unwrap().count();
    assert_eq!(left, 1, "only the receipt stays");
    let (status, _) = kms().await.ask("DescribeKey", json!({"KeyId": next})).await.unwrap();
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_kms_refuses_is_told_and_a_file_opens_its_own_tenant_only() {
    let place = Place::with_patients(1).await;
    let key = kms().await.key().await.unwrap();
    let good = settings(&key).await;
    let neighbour = place.neighbour(1).await;
    for tenant in [&place.tenant, &neighbour] {
        with(&place, good.clone()).run(tenant).await.unwrap();
    }
    let path = wrapped_file(&place);
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let theirs =
        std::fs::read_to_string(place.settings.keys.join(format!("{neighbour}.age-identity.wrapped"))).unwrap();
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    // The same key has wrapped both: only what they are bound to tells them apart.
    let ours = std::mem::replace(&mut file["wrapped"], theirs["wrapped"].clone());
    for wrapped in [theirs["wrapped"].clone(), json!("bm90aGluZw=="), json!("not base64")] {
        file["wrapped"] = wrapped;
        labor_testing::write_private(&path, &file.to_string()).unwrap();
        let altered = told(&place, good.clone()).await;
        assert!(altered.contains("can't unwrap this file"), "{altered}");
    }
    // Not even a process that has unwrapped it for the other tenant takes it for this one's.
    let opened = with(&place, good.clone());
    opened.verify(&neighbour, &Which::Latest).await.unwrap();
    let mut copied = file.clone();
    (copied["wrapped"], copied["public_key"]) = (theirs["wrapped"].clone(), theirs["public_key"].clone());
    labor_testing::write_private(&path, &copied.to_string()).unwrap();
    let error = opened.verify(&place.tenant, &Which::Latest).await.unwrap_err();
    assert!(
        matches!(&error, BackupError::KeyService { reason, .. } if reason.contains("can't unwrap this file")),
        "{error:?}"
    );
    file["wrapped"] = ours;
    labor_testing::write_private(&path, &file.to_string()).unwrap();
    with(&place, good.clone()).verify(&place.tenant, &Which::Latest).await.unwrap();

    // Nobody listens there.
    let closed = KmsSettings { endpoint: Some("http://127.0.0.1:1".parse().unwrap()), ..good.clone() };
    let unreachable = told(&place, closed.clone()).await;
    assert!(unreachable.contains("can't be reached"), "{unreachable}");
    with(&place, closed).run(&place.tenant).await.unwrap();
    let unknown = settings("arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000").await;
    let error =
        with(&place, unknown).rewrap_key(neighbour.as_str(), Some(&KeyServiceSettings::Kms(Box::new(good)))).await;
    assert!(
        matches!(&error, Err(BackupError::KeyService { reason, .. }) if reason.contains("does not know the key")),
        "{error:?}"
    );
}
