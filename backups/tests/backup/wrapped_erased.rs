//! Erasing a tenant whose key a service wrapped: the service's key is destroyed, so that no copy of the file opens anything; and nothing
//! is called destroyed that the service did not destroy.
use labor_backup::{BackupError, KeyFate, TransitSettings, Which};
use labor_testing::{OpenBao, open_bao, scratch};
use reqwest::{Method, StatusCode};

use crate::erased::deleted;
use crate::place::Place;
use crate::wrapped::{transit, with_service, wrapped_by_bao, wrapped_file};

fn key_of(place: &Place) -> String {
    format!("transit/keys/labor-backup-{}", place.tenant)
}

async fn knows(bao: &OpenBao, place: &Place) -> bool {
    bao.ask(Method::GET, &key_of(place), None).await.unwrap().0 == StatusCode::OK
}

/// Whether the dump is there, and so is its manifest.
async fn is_whole(place: &Place) -> bool {
    let objects = place.objects().await;
    ["dump.sql.zst.age", "manifest.json"].iter().all(|name| objects.iter().any(|key| key.ends_with(name)))
}

#[tokio::test]
async fn the_service_s_key_goes_and_no_copy_of_the_file_opens_anything() {
    let place = Place::with_patients(1).await;
    let (backup, bao) = (wrapped_by_bao(&place).await, open_bao().await);
    let made = backup.run(&place.tenant).await.unwrap();
    let copy = std::fs::read_to_string(wrapped_file(&place)).unwrap();
    let request = deleted(&place).await;
    let certificate = backup.erase(request, false, None).await.unwrap();
    assert_eq!((certificate.key, certificate.found_afterwards), (KeyFate::Destroyed, 0));
    let receipt = certificate.key_receipt.unwrap();
    assert_eq!(receipt.public_key, Some(made.recipient));
    let service = receipt.service.unwrap();
    assert_eq!(service.key, format!("transit/labor-backup-{}", place.tenant));
    assert!(service.service.contains(&bao.address()) && service.version == Some(1), "{service:?}");
    assert!(service.destroyed_at.is_some_and(|at| at >= receipt.at));
    assert!(!knows(bao, &place).await);
    let left: Vec<_> =
        std::fs::read_dir(&place.settings.keys).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [format!("{}.{request}.destroyed", place.tenant).as_str()]);

    // Somebody has a copy of the file: neither we nor the service can do anything with it.
    labor_testing::write_private(&wrapped_file(&place), &copy).unwrap();
    let refused = wrapped_by_bao(&place).await.rewrap_key(place.tenant.as_str(), None).await;
    assert!(
        matches!(&refused, Err(BackupError::KeyService { reason, .. }) if reason.contains("does not know the key")),
        "{refused:?}"
    );
    let again = wrapped_by_bao(&place).await.erase(request, false, None).await.unwrap();
    assert_eq!((again.key, again.key_receipt.unwrap().service), (KeyFate::Destroyed, Some(service)));
    assert!(!wrapped_file(&place).exists());
}

#[tokio::test]
async fn what_the_service_refuses_to_destroy_is_not_called_destroyed() {
    let place = Place::with_patients(1).await;
    let (backup, bao) = (wrapped_by_bao(&place).await, open_bao().await);
    backup.run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    let policy = "path \"transit/keys/*\" { capabilities = [\"read\", \"update\"] }
                  path \"transit/decrypt/*\" { capabilities = [\"update\"] }";
    let timid = with_service(&place, transit(bao, &bao.token_with(policy).await.unwrap()));
    for _ in 0..2 {
        let refused = timid.erase(request, false, None).await.unwrap_err();
        assert!(
            matches!(&refused, BackupError::KeyService { reason, .. } if reason.contains("needs delete on")),
            "{refused:?}"
        );
        assert!(wrapped_file(&place).exists() && knows(bao, &place).await);
        assert!(is_whole(&place).await, "something was erased");
        timid.verify(&place.tenant, &Which::Latest).await.unwrap();
        std::fs::remove_file(place.settings.keys.join(format!("{}.{request}.destroyed", place.tenant))).unwrap();
    }
    // Somebody else is changing keys.
    let turn = std::fs::File::open(&place.settings.keys).unwrap();
    turn.lock().unwrap();
    for refused in [
        backup.erase(request, false, None).await.map(drop),
        backup.rewrap_key(place.tenant.as_str(), None).await.map(drop),
    ] {
        assert!(
            matches!(&refused, Err(BackupError::Refused(why)) if why.contains("another labor-backup")),
            "{refused:?}"
        );
    }
    drop(turn);
    // A service that does not answer.
    let down = OpenBao::start(&scratch().await.unwrap().join("bao-erase")).await.unwrap();
    let service = transit(&down, down.token());
    drop(down);
    let refused = with_service(&place, service).erase(request, false, None).await.unwrap_err();
    assert!(matches!(refused, BackupError::KeyService { .. }), "{refused:?}");
    assert!(wrapped_file(&place).exists() && is_whole(&place).await);
    // Keys that lie plainly know of no service.
    let refused = place.backup().erase(request, false, None).await.unwrap_err();
    assert!(matches!(refused, BackupError::Refused(_)), "{refused:?}");
    assert!(wrapped_file(&place).exists() && knows(bao, &place).await);
}

#[tokio::test]
async fn a_run_that_was_killed_after_any_step_is_continued() {
    let place = Place::with_patients(1).await;
    let (backup, bao) = (wrapped_by_bao(&place).await, open_bao().await);
    backup.run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    // Written down, and the service may delete it now: there the first run ends, because its token may do no more.
    let policy = "path \"transit/keys/*\" { capabilities = [\"read\", \"update\"] }
                  path \"transit/decrypt/*\" { capabilities = [\"update\"] }";
    let killed = with_service(&place, transit(bao, &bao.token_with(policy).await.unwrap()));
    assert!(killed.erase(request, false, None).await.is_err());
    // Another service, which does not know the key, is not taken for one that has destroyed it.
    let other = OpenBao::start(&scratch().await.unwrap().join("bao-other")).await.unwrap();
    let refused = with_service(&place, transit(&other, other.token())).erase(request, true, None).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Refused(why) if why.contains("set them as they were")), "{refused:?}");
    assert!(wrapped_file(&place).exists() && is_whole(&place).await);
    // Deleted in the service, and killed before that was written down.
    bao.must(Method::DELETE, &key_of(&place), None).await.unwrap();
    let certificate = backup.erase(request, false, None).await.unwrap();
    assert_eq!(certificate.key, KeyFate::Destroyed);
    assert!(certificate.key_receipt.unwrap().service.unwrap().destroyed_at.is_some());
    assert!(!wrapped_file(&place).exists());
}

#[tokio::test]
async fn a_key_that_the_service_does_not_know_takes_a_word_to_go_on() {
    let place = Place::with_patients(1).await;
    let (backup, bao) = (wrapped_by_bao(&place).await, open_bao().await);
    backup.run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    let nowhere = TransitSettings { mount: "nowhere".to_owned(), ..transit(bao, bao.token()) };
    assert!(with_service(&place, nowhere).erase(request, true, None).await.is_err());
    let allowed = serde_json::json!({"deletion_allowed": true});
    bao.must(Method::POST, &format!("{}/config", key_of(&place)), Some(allowed)).await.unwrap();
    bao.must(Method::DELETE, &key_of(&place), None).await.unwrap();
    let refused = backup.erase(request, false, None).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Refused(why) if why.contains("--key-already-destroyed")), "{refused:?}");
    assert!(wrapped_file(&place).exists() && is_whole(&place).await);
    let certificate = backup.erase(request, true, None).await.unwrap();
    assert_eq!(certificate.key, KeyFate::NotKnown);
    let service = certificate.key_receipt.unwrap().service.unwrap();
    assert_eq!((service.version, service.destroyed_at), (None, None), "the service never had it, as far as we know");
    // It comes to light after all, as when the service's storage was restored: what the receipt says is not believed.
    bao.must(Method::POST, &key_of(&place), None).await.unwrap();
    let certificate = backup.erase(request, false, None).await.unwrap();
    assert_eq!(certificate.key, KeyFate::Destroyed);
    assert!(!knows(bao, &place).await);
}
