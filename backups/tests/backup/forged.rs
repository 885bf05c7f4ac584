//! Whoever can write into the bucket, and knows what stands in it, makes a backup: no statement of it may run.
use labor_backup::{Backup, BackupError, Destination, Manifest, Settings, TableDigest, Which};

use crate::damage::{dump_key, faults, forge, put_manifest, replace_dump};
use crate::place::Place;

/// A restore whose database can't be reached: what it refuses, it refuses before any statement.
fn without_database(place: &Place) -> Backup {
    let restore_url = Some("postgres://labor_migrator:x@127.0.0.1:1/labor".to_owned());
    Backup::new(Settings { restore_url, ..place.settings.clone() }).unwrap()
}

async fn is_refused_unread(place: &Place) {
    let backup = without_database(place);
    for refused in [
        backup.verify(&place.tenant, &Which::Latest).await.map(drop),
        backup.restore(&place.tenant, &Which::Latest, Destination::New).await.map(drop),
    ] {
        assert!(matches!(&refused, Err(BackupError::Damaged(why)) if why.contains("this tenant's key")), "{refused:?}");
    }
    assert!(faults(place).await[0].contains("this tenant's key"));
}

async fn exists(place: &Place, schema: &str) -> bool {
    let statement = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    place.database.query_one(statement, &[&schema]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_backup_made_with_the_public_recipient_is_refused_before_any_statement() {
    let place = Place::with_patients(3).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&dump_key(&manifest)).await;
    let attack = format!("{plain}\nCOMMIT;\nRESET ROLE;\nCREATE SCHEMA forged_by_recipient;\n");
    let forged = forge(&place, &manifest, &attack).await;
    // The genuine manifest does not let it through either: by its length, or by its SHA-256 where age's header, whose
    // length is random, makes the two equally long.
    let fault = faults(&place).await.remove(0);
    assert!(fault.contains("bytes instead of") || fault.contains("the SHA-256 of"), "{fault}");
    put_manifest(&place, &forged).await;
    is_refused_unread(&place).await;
    put_manifest(&place, &Manifest { mac: String::new(), ..forged }).await;
    is_refused_unread(&place).await;
    assert!(!exists(&place, "forged_by_recipient").await);
}

#[tokio::test]
async fn an_altered_or_exchanged_manifest_is_refused() {
    let place = Place::with_patients(3).await;
    let first = place.backup().run(&place.tenant).await.unwrap();
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let mut altered = manifest.clone();
    altered.tables.insert("patients".to_owned(), TableDigest { rows: 4, digest: "0".to_owned() });
    put_manifest(&place, &altered).await;
    is_refused_unread(&place).await;
    // An earlier backup in a later one's place.
    put_manifest(&place, &Manifest { backup: manifest.backup.clone(), ..first }).await;
    is_refused_unread(&place).await;
    // A field more.
    let mut document = serde_json::to_value(&manifest).unwrap();
    document["more"] = true.into();
    place.put(&crate::damage::manifest_key(&manifest), serde_json::to_vec(&document).unwrap()).await;
    is_refused_unread(&place).await;
    put_manifest(&place, &place.signed(&manifest)).await;
    assert_eq!(place.signed(&manifest), manifest, "the HMAC is not made as documented");
    place.backup().verify(&place.tenant, &Which::Latest).await.unwrap();
}

#[tokio::test]
async fn a_dump_that_ends_its_transaction_is_refused_even_with_the_right_key() {
    let place = Place::with_patients(3).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&dump_key(&manifest)).await;
    for escape in ["COMMIT", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT", "PREPARE TRANSACTION 'x'"] {
        let schema = "escaped_from_dump";
        for attack in [
            format!("{plain}\n{escape};\nCREATE SCHEMA {schema};\n"),
            format!("{escape};\nCREATE SCHEMA {schema};\n{plain}"),
        ] {
            replace_dump(&place, &manifest, &attack).await;
            let found = faults(&place).await.join("\n");
            let word = escape.split(' ').next().unwrap();
            assert!(found.contains(&format!("begins with \"{word}\"")), "{escape}: {found}");
            assert!(!exists(&place, schema).await, "{escape} escaped");
        }
    }
}
