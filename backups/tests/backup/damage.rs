//! What is stored is altered behind our back: every alteration must be found, and nothing of it may stay.
use std::io::Write as _;

use aws_lc_rs::digest;
use labor_backup::{BackupError, Manifest, State, Sum, Verdict, Which};

use crate::place::Place;

fn sum(bytes: &[u8]) -> Sum {
    Sum { bytes: bytes.len() as u64, sha256: hex::encode(digest::digest(&digest::SHA256, bytes)) }
}

pub(crate) fn dump_key(manifest: &Manifest) -> String {
    format!("tenants/{}/backups/{}/dump.sql.zst.age", manifest.tenant, manifest.backup)
}

pub(crate) fn manifest_key(manifest: &Manifest) -> String {
    format!("tenants/{}/backups/{}/manifest.json", manifest.tenant, manifest.backup)
}

/// Puts another dump in place of the stored one, sealed with the right key and with a manifest whose sums fit and that it signed:
/// only who holds the tenant's key can do that.
pub(crate) async fn replace_dump(place: &Place, manifest: &Manifest, plain: &str) {
    let forged = forge(place, manifest, plain).await;
    put_manifest(place, &place.signed(&forged)).await;
}

pub(crate) async fn put_manifest(place: &Place, manifest: &Manifest) {
    place.put(&manifest_key(manifest), serde_json::to_vec(manifest).unwrap()).await;
}

/// The same without the secret key, by the public recipient alone: gives the manifest whose sums fit, still with the old HMAC.
pub(crate) async fn forge(place: &Place, manifest: &Manifest, plain: &str) -> Manifest {
    let recipient: age::x25519::Recipient = manifest.recipient.parse().unwrap();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    writer.write_all(&zstd::stream::encode_all(plain.as_bytes(), 0).unwrap()).unwrap();
    let sealed = writer.finish().unwrap();
    let forged = Manifest { plain: sum(plain.as_bytes()), sealed: sum(&sealed), ..manifest.clone() };
    place.put(&dump_key(manifest), sealed).await;
    forged
}

pub(crate) async fn faults(place: &Place) -> Vec<String> {
    let error = place.backup().verify(&place.tenant, &Which::Latest).await.unwrap_err();
    assert!(error.condemns(), "{error}");
    assert!(!error.to_string().contains("Mustermann"), "an error quotes a row: {error}");
    assert_eq!(place.strays().await, Vec::<String>::new(), "a scratch schema or role was left");
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    let verified = listed[0].verified.as_ref().unwrap();
    assert_eq!(verified.verdict, Verdict::Failed);
    verified.faults.clone()
}

#[tokio::test]
async fn a_changed_row_is_found_although_every_checksum_fits() {
    let place = Place::with_patients(30).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&dump_key(&manifest)).await;
    replace_dump(&place, &manifest, &plain.replacen("_app 7\t", "_app 8\t", 1)).await;
    assert_eq!(faults(&place).await, ["rows of table patients differ"]);
}

#[tokio::test]
async fn a_lost_row_and_a_lost_policy_are_found() {
    let place = Place::with_patients(3).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&dump_key(&manifest)).await;

    let mut lines: Vec<_> = plain.lines().collect();
    let row = lines.iter().position(|line| line.starts_with("COPY ") && line.contains(".reports ")).unwrap() + 1;
    lines.remove(row);
    replace_dump(&place, &manifest, &(lines.join("\n") + "\n")).await;
    assert_eq!(faults(&place).await, ["table reports has 2 rows instead of 3"]);

    let without = plain.replacen("CREATE POLICY claim_select", "CREATE POLICY tenant_select", 1).replacen(
        "AS RESTRICTIVE FOR SELECT",
        "FOR SELECT",
        1,
    );
    replace_dump(&place, &manifest, &without).await;
    let found = faults(&place).await.join("\n");
    assert!(found.contains("definitions") && found.contains("isolation: policy_missing"), "{found}");
}

#[tokio::test]
async fn a_dump_that_does_not_load_is_named_by_code_without_its_rows() {
    let place = Place::with_patients(3).await;
    place
        .database
        .batch_execute(&format!("UPDATE {}.patients SET given_name = 'Mustermann'", place.tenant))
        .await
        .unwrap();
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&dump_key(&manifest)).await;
    replace_dump(&place, &manifest, &plain.replace("\tunknown\t", "\tMustermann\t")).await;
    let found = faults(&place).await.join("\n");
    assert!(found.contains("23514") && found.contains("table patients"), "{found}");
    replace_dump(&place, &manifest, &plain.replace("\tunknown\t", "\t")).await;
    assert!(faults(&place).await.join("\n").contains("22P04"));
}

#[tokio::test]
async fn flipped_truncated_and_missing_objects_are_found() {
    let place = Place::with_patients(100).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let (key, object) = (dump_key(&manifest), place.object(&dump_key(&manifest)).await);
    assert!(object.len() > 3 * 65_536, "too small to have several encrypted chunks");

    for at in [3, 300, object.len() / 2, object.len() - 1] {
        let mut flipped = object.clone();
        flipped[at] ^= 1;
        place.put(&key, flipped).await;
        assert!(faults(&place).await[0].contains("the SHA-256 of"), "a flip at {at}");
    }
    place.put(&key, object[..object.len() - 1].to_vec()).await;
    assert!(faults(&place).await[0].contains("bytes instead of"));
    assert_eq!(place.backup().list(None).await.unwrap()[0].state, State::Damaged);
    // Truncated, and the manifest's length with it.
    let cut = object[..object.len() - 65_536].to_vec();
    let forged = Manifest { sealed: sum(&cut), ..manifest.clone() };
    place.put(&key, cut).await;
    put_manifest(&place, &place.signed(&forged)).await;
    assert!(faults(&place).await[0].contains("can't be opened"));
    place.s3.delete_object().bucket(place.bucket()).key(&key).send().await.unwrap();
    assert!(faults(&place).await[0].contains("is not there"));
}

#[tokio::test]
async fn an_object_without_manifest_is_no_backup() {
    let place = Place::with_patients(1).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    place.s3.delete_object().bucket(place.bucket()).key(manifest_key(&manifest)).send().await.unwrap();
    assert_eq!(place.backup().list(Some(&place.tenant)).await.unwrap()[0].state, State::Incomplete);
    assert!(matches!(place.backup().verify(&place.tenant, &Which::Latest).await, Err(BackupError::NotFound(_))));
}
