//! A server is lost: what comes back comes from the bucket, the keys and the master secret alone, and nobody comes back who was deleted.
use labor_backup::{Backup, BackupError, Settings};
use labor_testing::{Durability, Postgres, scratch};

use crate::over::patients_of;
use crate::place::{Place, prepare_on, url_on};

#[tokio::test]
async fn a_lost_server_comes_back_and_who_was_erased_does_not() {
    let place = Place::alone("lost").await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let (neighbour, erased) = (place.neighbour(3).await, place.neighbour(1).await);
    place.migrator().suspend(&neighbour, "unpaid").await.unwrap();
    for practice in [tenant, &neighbour, &erased] {
        backup.run(practice).await.unwrap();
    }
    let schedules = format!(
        "INSERT INTO control.backup_schedules (tenant, expression, zone, keep_daily, keep_weekly, keep_monthly, keep_yearly, set_by, set_at)
         SELECT tenant, '0 2 * * *', 'UTC', 1, 1, 1, 1, 'x', now() FROM (VALUES (NULL), ('{erased}')) AS t (tenant)"
    );
    place.database.batch_execute(&schedules).await.unwrap();
    let made = backup.control_run().await.unwrap();
    assert_eq!((made.rows["tenants"], made.rows["holds"]), (3, 0));
    // Deleted and erased after that, as `erase` leaves it.
    place.put("certificates/1.json", format!(r#"{{"tenant": "{erased}"}}"#).into_bytes()).await;

    let folder = scratch().await.unwrap().join("lost_server");
    let postgres = Postgres::start_with(&folder, Durability::Fast).await.unwrap();
    let migrator = prepare_on(&postgres, "lost", &place).await;
    let settings = Settings {
        database_url: url_on(&postgres, "labor_backup", "lost"),
        restore_url: Some(url_on(&postgres, "labor_migrator", "lost")),
        ..place.settings.clone()
    };
    let anew = Backup::new(settings).unwrap();
    // Anybody who can write into the bucket could have made it, while the practice's key and backups are there.
    let forged = anew.control_restore().await;
    assert!(matches!(&forged, Err(BackupError::Refused(why)) if why.contains("certificates/1.json")), "{forged:?}");
    let key = place.settings.keys.join(format!("{erased}.age-identity"));
    std::fs::remove_file(key).unwrap();
    let restored = anew.control_restore().await.unwrap();
    assert_eq!((restored.backup, restored.erased_since), (made.backup, vec![erased.clone()]));
    let again = anew.control_restore().await;
    assert!(matches!(&again, Err(BackupError::Refused(why)) if why.contains("tenants already")), "{again:?}");

    let run = Box::pin(anew.restore_missing(&migrator)).await.unwrap();
    assert_eq!((run.restored.len(), run.faults()), (2, Vec::new()));
    let database = postgres.connect("lost").await.unwrap();
    assert_eq!((patients_of(&database, tenant).await, patients_of(&database, &neighbour).await), (0, 3));
    let states = "SELECT string_agg(state, ' ' ORDER BY state) FROM control.tenants";
    assert_eq!(database.query_one(states, &[]).await.unwrap().get::<_, &str>(0), "active deleted frozen");
    let scopes = "SELECT string_agg(scope, ' ') FROM control.backup_schedules";
    assert_eq!(database.query_one(scopes, &[]).await.unwrap().get::<_, &str>(0), "all");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    assert_eq!(database.query_one(schemas, &[&erased.as_str()]).await.unwrap().get::<_, i64>(0), 0);
    let queued = "SELECT count(*) FROM pgmq.q_messages WHERE message ->> 'tenant' = $1";
    assert_eq!(database.query_one(queued, &[&neighbour.as_str()]).await.unwrap().get::<_, i64>(0), 3);
    let mut findings = 0;
    migrator.check_fleet(&[], |_, _| findings += 1).await.unwrap();
    assert_eq!(findings, 0);
    place.log_in_on(&postgres, "lost").await.unwrap();
    assert!(Box::pin(anew.restore_missing(&migrator)).await.unwrap().restored.is_empty());
}

#[tokio::test]
async fn a_backup_of_the_control_schema_that_somebody_else_made_is_not_restored() {
    let place = Place::alone("lost_forged").await;
    let backup = place.backup();
    let made = backup.control_run().await.unwrap();
    let key = format!("control/{}/control.json.zst.age", made.backup);
    // Encrypted to the right key, which anybody can do, but without the MAC that only its owner makes.
    let file = std::fs::read_to_string(place.settings.keys.join("control.age-identity")).unwrap();
    let recipient: age::x25519::Recipient =
        file.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().parse().unwrap();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    let forged = br#"{"format": 1, "made_at": "2026-01-01T00:00:00Z", "tables": {}, "mac": "00"}"#;
    std::io::Write::write_all(&mut writer, &zstd::stream::encode_all(&forged[..], 0).unwrap()).unwrap();
    place.put(&key, writer.finish().unwrap()).await;
    let refused = backup.control_restore().await;
    assert!(
        matches!(&refused, Err(BackupError::Damaged(why)) if why.contains("not made with this key")),
        "{refused:?}"
    );
    // Without the key none is made beside those that another one opens.
    std::fs::remove_file(place.settings.keys.join("control.age-identity")).unwrap();
    assert!(matches!(backup.control_run().await, Err(BackupError::Refused(_))));
}
