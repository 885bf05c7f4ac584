//! A run that is cut off anywhere leaves no object, no manifest and no part of an upload; a verification leaves no schema.
use std::time::Duration;

use labor_backup::{Backup, BackupError, Settings, Which};

use crate::between::that_refuses;
use crate::place::Place;

/// More than one part of 8 MiB: something has been uploaded when it goes wrong.
const LARGE: i32 = 4_000;

async fn nothing_is_left(place: &Place) {
    assert_eq!(place.objects().await, Vec::<String>::new());
    assert_eq!(place.unfinished_uploads().await, 0);
}

#[tokio::test]
async fn a_killed_pg_dump_leaves_nothing() {
    let place = Place::with_patients(LARGE).await;
    let backup = place.backup_with_pg_dump("$REAL \"$@\" | head -c 30000000\nkill -9 $$");
    let error = backup.run(&place.tenant).await.unwrap_err();
    assert!(matches!(&error, BackupError::Dump(why) if why.contains("signal: 9")), "{error}");
    nothing_is_left(&place).await;
    // The same without a tool between: complete, but for the exit status.
    let backup = place.backup_with_pg_dump("$REAL \"$@\"; exit 1");
    assert!(matches!(backup.run(&place.tenant).await, Err(BackupError::Dump(_))));
    let backup = place.backup_with_pg_dump("$REAL \"$@\"; echo 'pg_dump: warning: odd' >&2");
    assert!(matches!(backup.run(&place.tenant).await, Err(BackupError::Dump(why)) if why.contains("warning: odd")));
    nothing_is_left(&place).await;
}

#[tokio::test]
async fn a_stopped_run_leaves_nothing() {
    let place = Place::with_patients(LARGE).await;
    let backup = place.backup_with_pg_dump("$REAL \"$@\"\nexec sleep 60");
    let stop = backup.stop_token();
    let running = tokio::spawn({
        let (backup, tenant) = (backup.clone(), place.tenant.clone());
        async move { backup.run(&tenant).await }
    });
    labor_testing::until("an upload that has begun", Duration::from_secs(30), async || {
        Ok(if place.unfinished_uploads().await > 0 { Ok(()) } else { Err("none".to_owned()) })
    })
    .await
    .unwrap();
    stop.cancel();
    assert!(matches!(running.await.unwrap(), Err(BackupError::Stopped)));
    nothing_is_left(&place).await;
}

#[tokio::test]
async fn a_pg_dump_of_another_major_version_is_refused() {
    let place = Place::with_patients(0).await;
    let backup = place.backup_with_pg_dump("");
    let program = place.folder().join("pg_dump");
    std::fs::write(&program, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n").unwrap();
    let error = backup.run(&place.tenant).await.unwrap_err();
    assert!(matches!(&error, BackupError::Dump(why) if why.contains("9.6.1")), "{error}");
    nothing_is_left(&place).await;
}

#[tokio::test]
async fn a_verification_whose_connection_is_cut_leaves_no_schema() {
    let place = Place::with_patients(LARGE).await;
    place.backup().run(&place.tenant).await.unwrap();
    let restore_url = place.settings.restore_url.as_ref().map(|url| format!("{url}?application_name=to-be-cut"));
    let backup = Backup::new(Settings { restore_url, ..place.settings.clone() }).unwrap();
    let verifying = tokio::spawn({
        let tenant = place.tenant.clone();
        async move { backup.verify(&tenant, &Which::Latest).await }
    });
    // Once rows arrive, the scratch schema and its role exist in the transaction.
    let cut = "SELECT substring(query FROM 'COPY (t_[a-z0-9]+)'), pg_terminate_backend(pid)::text FROM pg_stat_activity
                WHERE application_name = 'to-be-cut' AND query LIKE '%COPY t\\_%'";
    let scratch: String = labor_testing::until("a restore to cut", Duration::from_secs(30), async || {
        assert!(!verifying.is_finished(), "it ended before it was cut");
        let found = place.database.query_opt(cut, &[]).await.unwrap();
        Ok(found.map(|row| row.get(0)).ok_or_else(|| "none yet".to_owned()))
    })
    .await
    .unwrap();
    let error = verifying.await.unwrap().unwrap_err();
    assert!(!error.condemns(), "a cut connection says nothing about the backup: {error}");
    assert_eq!(place.backup().list(Some(&place.tenant)).await.unwrap()[0].verified, None);
    assert!(scratch.starts_with("t_") && scratch != place.tenant.as_str(), "{scratch} is no scratch schema");
    assert_eq!(place.strays().await, Vec::<String>::new(), "a scratch schema or role was left");
}

#[tokio::test]
async fn a_manifest_that_can_t_be_written_leaves_no_dump() {
    let place = Place::with_patients(3).await;
    let error = that_refuses(&place, "PUT ", "manifest.json").await.run(&place.tenant).await.unwrap_err();
    assert!(error.to_string().contains("manifest.json"), "{error}");
    nothing_is_left(&place).await;
}

#[tokio::test]
async fn a_store_that_can_t_be_reached_is_named() {
    let place = Place::with_patients(0).await;
    let mut settings = place.settings.clone();
    settings.store.endpoint = Some("http://127.0.0.1:1".to_owned());
    let error = Backup::new(settings).unwrap().list(None).await.unwrap_err();
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
}
