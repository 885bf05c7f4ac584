//! Somebody deleted or overwrote what is in the bucket, which keeps versions: the way back of docs/runbooks.md, in the requests that its
//! commands send, and `labor-backup`.
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use labor_backup::{BackupError, Destination, State, Which};

use crate::damage::{dump_key, manifest_key};
use crate::erased::deleted;
use crate::place::Place;
use crate::pruned::{options, prune};
use crate::runbooks::blocks;

async fn with_versions() -> Place {
    let place = Place::with_patients(3).await;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = place.s3.put_bucket_versioning().bucket(place.bucket()).versioning_configuration(enabled);
    put.send().await.unwrap();
    place
}

async fn remove_version(place: &Place, key: &str, version: &str) {
    place.s3.delete_object().bucket(place.bucket()).key(key).version_id(version).send().await.unwrap();
}

/// `aws s3api list-object-versions … DeleteMarkers[?IsLatest]`, and `delete-object` for each.
async fn undelete(place: &Place) -> usize {
    let prefix = format!("tenants/{}/", place.tenant);
    let listed = place.s3.list_object_versions().bucket(place.bucket()).prefix(prefix).send().await.unwrap();
    let markers = listed.delete_markers().iter().filter(|marker| marker.is_latest() == Some(true));
    let markers: Vec<_> = markers.map(|marker| (marker.key().unwrap(), marker.version_id().unwrap())).collect();
    for (key, version) in &markers {
        remove_version(place, key, version).await;
    }
    markers.len()
}

/// `… Versions[].[Key,LastModified,VersionId]`, of dumps and manifests all but the oldest, and `delete-object` for each.
async fn take_off_what_lies_on_top(place: &Place) -> usize {
    let prefix = format!("tenants/{}/", place.tenant);
    let listed = place.s3.list_object_versions().bucket(place.bucket()).prefix(prefix).send().await.unwrap();
    let mut versions: Vec<_> = listed
        .versions()
        .iter()
        .map(|version| {
            let at = version.last_modified().unwrap();
            (version.key().unwrap(), (at.secs(), at.subsec_nanos()), version.version_id().unwrap())
        })
        .filter(|(key, ..)| key.ends_with("/manifest.json") || key.ends_with("/dump.sql.zst.age"))
        .collect();
    versions.sort_unstable();
    let mut taken_off = 0;
    for pair in versions.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        remove_version(place, pair[1].0, pair[1].2).await;
        taken_off += 1;
    }
    taken_off
}

/// The store tells times of versions in seconds.
async fn a_second_later(place: &Place) {
    let key = "a-second-later";
    let stored = async || {
        place.put(key, Vec::new()).await;
        let head = place.s3.head_object().bucket(place.bucket()).key(key).send().await.unwrap();
        head.last_modified().unwrap().secs()
    };
    let begun = stored().await;
    let later = async || Ok(if stored().await > begun { Ok(()) } else { Err("the same second".to_owned()) });
    labor_testing::until("a later second", std::time::Duration::from_secs(20), later).await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_comes_back_when_its_delete_markers_go() {
    let place = with_versions().await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let made = backup.run(tenant).await.unwrap();
    backup.verify(tenant, &Which::Latest).await.unwrap();
    for key in place.objects().await {
        place.s3.delete_object().bucket(place.bucket()).key(key).send().await.unwrap();
    }
    assert!(matches!(backup.verify(tenant, &Which::Latest).await, Err(BackupError::NotFound(_))));
    let points = backup.recovery_points(std::time::Duration::from_secs(3600), chrono::Utc::now()).await.unwrap();
    assert!(points.tenants[tenant].backup.is_none(), "{points:?}");
    assert_eq!(undelete(&place).await, 3);
    let listed = backup.list(Some(tenant)).await.unwrap();
    assert_eq!((listed.len(), listed[0].state, &listed[0].backup), (1, State::Complete, &made.backup));
    backup.verify(tenant, &Which::Latest).await.unwrap();
    assert_eq!(backup.restore(tenant, &Which::Latest, Destination::New).await.unwrap().rows, made.rows());
}

#[tokio::test]
async fn what_was_overwritten_comes_back_when_what_lies_on_top_goes() {
    let place = with_versions().await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let (first, second) = (backup.run(tenant).await.unwrap(), backup.run(tenant).await.unwrap());
    a_second_later(&place).await;
    // Other bytes over a dump, somebody's own manifest, and a manifest that was deleted on top of that.
    place.put(&dump_key(&first), place.object(&dump_key(&second)).await).await;
    place.put(&manifest_key(&second), place.object(&manifest_key(&first)).await).await;
    place.s3.delete_object().bucket(place.bucket()).key(manifest_key(&second)).send().await.unwrap();
    let which = |id: &labor_backup::BackupId| Which::Id(id.clone());
    assert!(backup.verify(tenant, &which(&first.backup)).await.unwrap_err().condemns());
    assert!(matches!(backup.verify(tenant, &which(&second.backup)).await, Err(BackupError::NotFound(_))));
    // Whatever is tried meanwhile: nothing of it is removed for good.
    prune(&backup, tenant, &options(0, true)).await;
    assert!(undelete(&place).await >= 1);
    assert!(backup.verify(tenant, &which(&second.backup)).await.is_err(), "what lies on top is not its manifest");
    assert_eq!(take_off_what_lies_on_top(&place).await, 2);
    for made in [&first, &second] {
        assert_eq!(backup.verify(tenant, &which(&made.backup)).await.unwrap().rows, made.rows());
    }
    // What comes after that is as ever; and what is erased is erased with all versions of it.
    backup.run(tenant).await.unwrap();
    assert!(!prune(&backup, tenant, &options(1, true)).await.fault);
    let certificate = backup.erase(deleted(&place).await, false, None).await.unwrap();
    assert_eq!(certificate.found_afterwards, 0);
    let left = place.s3.list_object_versions().bucket(place.bucket()).prefix("tenants/").send().await.unwrap();
    assert!(left.versions().is_empty() && left.delete_markers().is_empty(), "{left:?}");
}

#[test]
fn the_page_says_the_same() {
    let [undelete, take_off]: [&str; 2] = blocks("versions").try_into().unwrap();
    for (block, words) in
        [(undelete, "DeleteMarkers[?IsLatest]"), (take_off, "Versions[].[Key,LastModified,VersionId]")]
    {
        assert!(block.contains("list-object-versions") && block.contains("delete-object"), "{block}");
        assert!(block.contains(words) && block.contains("tenants/$TENANT/"), "{block}");
    }
}
