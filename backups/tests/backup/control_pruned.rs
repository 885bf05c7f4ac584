//! `control prune`: what names practices that were deleted since goes, and what can't be read stays.
use labor_backup::{Backup, BackupId, ControlPruned, Fate};

use crate::place::Place;
use crate::pruned::options;

async fn three(backup: &Backup) -> Vec<BackupId> {
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(backup.control_run().await.unwrap().backup);
    }
    // Newest first. Those of one second are told apart by what follows.
    made.sort_by(|a, b| b.as_str().cmp(a.as_str()));
    made
}

fn fates(run: &ControlPruned) -> Vec<(&BackupId, &Fate)> {
    run.backups.iter().map(|one| (&one.backup, &one.fate)).collect()
}

fn key(backup: &BackupId) -> String {
    format!("control/{backup}/control.json.zst.age")
}

#[tokio::test]
async fn nothing_goes_unasked_and_the_two_newest_stay() {
    let place = Place::alone("control_pruned").await;
    let backup = place.backup();
    let all = three(&backup).await;
    let told = backup.control_prune(&options(1, false)).await.unwrap();
    assert_eq!(fates(&told), [(&all[0], &Fate::Stays), (&all[1], &Fate::Stays), (&all[2], &Fate::ToBeRemoved)]);
    assert_eq!(told.backups[0].reasons[0], "the newest");
    assert!(place.objects().await.contains(&key(&all[2])));
    let done = backup.control_prune(&options(1, true)).await.unwrap();
    assert_eq!(fates(&done), [(&all[0], &Fate::Stays), (&all[1], &Fate::Stays), (&all[2], &Fate::Removed)]);
    assert_eq!(done.faults(), Vec::<String>::new());
    let mut left = [key(&all[1]), key(&all[0])];
    left.sort();
    assert_eq!(place.objects().await, left);
}

/// Else whoever may write into the bucket, but not delete, could have the genuine ones removed: by newer forged ones, or by overwriting.
#[tokio::test]
async fn what_the_key_does_not_open_takes_no_place_and_is_not_removed() {
    let place = Place::alone("control_pruned_forged").await;
    let backup = place.backup();
    let all = three(&backup).await;
    // The newest are nobody's, and a genuine one under another name is none either.
    place.put(&key(&all[0]), b"forged".to_vec()).await;
    let copy = place.object(&key(&all[2])).await;
    place.put(&key(&all[1]), copy).await;
    let done = backup.control_prune(&options(1, true)).await.unwrap();
    assert!(done.backups.iter().all(|one| one.fate == Fate::Stays), "{done:?}");
    assert_eq!(done.faults().len(), 2, "{done:?}");
    let there = place.objects().await;
    assert!(all.iter().all(|made| there.contains(&key(made))), "{there:?}");
}
