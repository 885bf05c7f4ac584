//! Back up: snapshot → dump → zstd → age → S3 → manifest → restore proof.
use labor_testing::{Finished, postgres, s3};

use crate::clinic::{Clinic, clinic, samples};

/// A clinic with results and a bucket.
async fn with_bucket(name: &str) -> Clinic {
    let mut clinic = clinic(name).await;
    clinic.platform = clinic.platform.with(bucket(name).await);
    for (_, bytes) in samples("good") {
        clinic.post(&bytes).await;
    }
    clinic.until_idle().await;
    clinic
}

/// Makes a bucket; the settings by which programs find it.
pub(crate) async fn bucket(name: &str) -> [(String, String); 5] {
    let (store, bucket) = (s3().await, name.replace('_', "-"));
    Box::pin(store.client().create_bucket().bucket(&bucket).send()).await.unwrap();
    store.settings(&bucket)
}

async fn backup(clinic: &Clinic, arguments: &[&str]) -> Finished {
    clinic.platform.program("labor-backup").unwrap().args(["--json"]).args(arguments).run().await.unwrap()
}

#[tokio::test]
async fn a_practice_is_backed_up_proven_and_restored_beside_itself() {
    let clinic = with_bucket("backup_cycle").await;
    let tenant = &clinic.tenants[0];
    let run = backup(&clinic, &["run", "--tenant", tenant, "--create-bucket"]).await;
    assert!(run.status.success(), "{}", run.stderr);
    let verified = backup(&clinic, &["verify", "--tenant", tenant]).await;
    assert!(verified.status.success(), "{}", verified.stderr);
    // The practice goes on; the restored copy is what it was.
    let before = clinic.count(&format!("SELECT count(*) FROM {tenant}.observations")).await;
    clinic
        .execute(&format!(
            "DELETE FROM {tenant}.alert_states; DELETE FROM {tenant}.alert_events; DELETE FROM {tenant}.alerts; DELETE FROM {tenant}.observations"
        ))
        .await;
    let restored = backup(&clinic, &["restore", "--tenant", tenant, "--into", "t_restoredcopy"]).await;
    assert!(restored.status.success(), "{}", restored.stderr);
    assert_eq!(clinic.count("SELECT count(*) FROM t_restoredcopy.observations").await, before);
    let again = backup(&clinic, &["restore", "--tenant", tenant, "--into", "t_restoredcopy"]).await;
    assert!(!again.status.success(), "a restore never overwrites");
    let found =
        clinic.platform.find_patient_data(postgres().await, &["Müller".to_owned(), "Jürgen".to_owned()]).await.unwrap();
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_with_one_bit_changed_is_called_bad() {
    let clinic = with_bucket("backup_flipped").await;
    let tenant = &clinic.tenants[0];
    assert!(backup(&clinic, &["run", "--tenant", tenant, "--create-bucket"]).await.status.success());
    let client = s3().await.client();
    let listed = client.list_objects_v2().bucket("backup-flipped").send().await.unwrap();
    let dump = listed.contents().iter().find_map(|o| o.key().filter(|key| key.ends_with(".age"))).unwrap().to_owned();
    let object = client.get_object().bucket("backup-flipped").key(&dump).send().await.unwrap();
    let mut bytes = object.body.collect().await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    client.put_object().bucket("backup-flipped").key(&dump).body(bytes.into()).send().await.unwrap();
    let verified = backup(&clinic, &["verify", "--tenant", tenant]).await;
    assert_eq!(verified.status.code(), Some(4), "{}{}", verified.stdout, verified.stderr);
}
