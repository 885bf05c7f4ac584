//! The key folder is lost, or another one is named: nothing is made up for it unasked.
use labor_backup::{Backup, BackupError, Settings, State, Which};

use crate::place::Place;

fn with_keys(place: &Place, folder: &str) -> Backup {
    Backup::new(Settings { keys: place.folder().join(folder), ..place.settings.clone() }).unwrap()
}

#[tokio::test]
async fn without_its_key_a_backup_is_unreadable_for_ever() {
    let place = Place::with_patients(1).await;
    let backup = place.backup();
    let first = backup.run(&place.tenant).await.unwrap();
    std::fs::remove_file(place.settings.keys.join(format!("{}.age-identity", place.tenant))).unwrap();
    assert!(matches!(backup.verify(&place.tenant, &Which::Latest).await, Err(BackupError::Key { .. })));
    // A later backup makes a new key when it is told to; it opens the new backup only.
    let backup = backup.with_new_key(true);
    backup.run(&place.tenant).await.unwrap();
    backup.verify(&place.tenant, &Which::Latest).await.unwrap();
    assert!(matches!(backup.verify(&place.tenant, &Which::Id(first.backup)).await, Err(BackupError::Key { .. })));
}

#[tokio::test]
async fn a_wrong_key_folder_makes_no_new_key_unasked() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let mistyped = with_keys(&place, "mistyped");
    let refused = mistyped.run(&place.tenant).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("--new-key")), "{refused:?}");
    assert!(!place.folder().join("mistyped").exists(), "a key was made");
    assert_eq!(place.objects().await.len(), 2);

    // Another folder that has a key of this tenant: the one that the newest backup knows is the right one.
    mistyped.clone().with_new_key(true).run(&place.tenant).await.unwrap();
    mistyped.run(&place.tenant).await.unwrap();
    let refused = place.backup().run(&place.tenant).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("is not the one")), "{refused:?}");
    place.backup().with_new_key(true).run(&place.tenant).await.unwrap();
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    assert_eq!(listed.iter().filter(|entry| entry.state == State::Complete).count(), 4);
}
