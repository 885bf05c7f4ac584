//! The whole way: run, list, verify, restore; and what is refused.
use labor_backup::{BackupError, Destination, Settings, State, TenantName, Verdict, Which};
use labor_testing::Program;

use crate::place::{OTHER, Place, programs, url};

async fn rows(place: &Place, schema: &TenantName) -> Vec<String> {
    let statement = format!(
        "SELECT p::text || r::text FROM {schema}.patients p JOIN {schema}.raw_messages r USING (id) ORDER BY id"
    );
    place.database.query(&statement, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_tenant_is_backed_up_verified_and_restored() {
    let place = Place::with_patients(50).await;
    let (backup, tenant) = (place.backup(), &place.tenant);

    let manifest = backup.run(tenant).await.unwrap();
    assert_eq!(manifest.tables["patients"].rows, 50);
    assert_eq!(manifest.tables["schema_stamp"].rows, 1);
    assert_eq!(manifest.tables.len(), labor_catalog::catalogue::tenant_tables().len());
    assert_eq!(manifest.ledger_fingerprint, None, "the fingerprint is not the ledger's");
    let listed = backup.list(Some(tenant)).await.unwrap();
    assert_eq!((listed.len(), listed[0].state, listed[0].verified.is_none()), (1, State::Complete, true));
    assert_eq!(listed[0].manifest.as_ref(), Some(&manifest));

    let verified = backup.verify(tenant, &Which::Latest).await.unwrap();
    assert_eq!((verified.verdict, verified.rows), (Verdict::Passed, manifest.rows()));
    assert_eq!(backup.list(None).await.unwrap()[0].verified, Some(verified));

    // The live data goes on; what is restored is what was backed up.
    let before = rows(&place, tenant).await;
    place.database.batch_execute(&format!("UPDATE {tenant}.patients SET family_name = 'later'")).await.unwrap();
    let restored = backup.restore(tenant, &Which::Id(manifest.backup.clone()), Destination::New).await.unwrap();
    assert_eq!(rows(&place, &restored.schema).await, before);
    let role = place
        .database
        .query_one("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", &[&restored.schema.role()])
        .await
        .unwrap();
    assert!(!role.get::<_, bool>(0), "somebody could be served from a restored copy");

    let again = backup.restore(tenant, &Which::Latest, Destination::Named(restored.schema)).await;
    assert!(matches!(again, Err(BackupError::Refused(_))), "an existing schema was not refused");
    let live = backup.restore(tenant, &Which::Latest, Destination::Named(tenant.clone())).await;
    assert!(matches!(live, Err(BackupError::Refused(_))), "the live schema was not refused");
}

#[tokio::test]
async fn the_dump_restores_without_labor() {
    let place = Place::with_patients(20).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&format!("tenants/{}/backups/{}/dump.sql.zst.age", place.tenant, manifest.backup)).await;
    let postgres = labor_testing::postgres().await;
    Program::at(programs().join("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--host=127.0.0.1", "--username=postgres"])
        .args([format!("--port={}", postgres.port()), format!("--dbname={OTHER}")])
        .env("PGPASSWORD", postgres.password())
        .input(plain)
        .output()
        .await
        .unwrap();
    let other = postgres.connect(OTHER).await.unwrap();
    let count = other.query_one(&format!("SELECT count(*) FROM {}.patients", place.tenant), &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 20);
    let findings = other.query(labor_catalog::sql::ISOLATION_CHECK, &[&place.tenant.as_str()]).await.unwrap();
    assert!(findings.is_empty());
}

#[tokio::test]
async fn two_backups_at_once_are_two_backups() {
    let place = Place::with_patients(20).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let (one, two) = tokio::join!(backup.run(tenant), backup.run(tenant));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.backup, two.backup);
    assert_eq!(one.recipient, two.recipient, "two keys were made");
    let which = [Which::Id(one.backup), Which::Id(two.backup)];
    let (one, two) = tokio::join!(backup.verify(tenant, &which[0]), backup.verify(tenant, &which[1]));
    assert_eq!([one.unwrap().verdict, two.unwrap().verdict], [Verdict::Passed; 2]);
}

#[tokio::test]
async fn a_restore_is_refused_where_the_claim_functions_are_missing() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let postgres = labor_testing::postgres().await;
    postgres.create_database("bare").await.unwrap();
    let settings = Settings { restore_url: Some(url("labor_migrator", "bare").await), ..place.settings.clone() };
    let bare = labor_backup::Backup::new(settings).unwrap();
    for refused in [
        bare.restore(&place.tenant, &Which::Latest, Destination::New).await.map(drop),
        bare.verify(&place.tenant, &Which::Latest).await.map(drop),
    ] {
        assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("guard")), "{refused:?}");
    }
    let listed = bare.list(Some(&place.tenant)).await.unwrap();
    assert_eq!(listed[0].verified, None, "a missing guard says nothing about the backup");
}

#[tokio::test]
async fn deleted_data_is_not_brought_back() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let tombstone = "UPDATE control.tenants SET state = 'deleted' WHERE name = $1";
    place.database.execute(tombstone, &[&place.tenant.as_str()]).await.unwrap();
    let refused = place.backup().restore(&place.tenant, &Which::Latest, Destination::New).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("deleted")), "{refused:?}");
}

#[tokio::test]
async fn an_unknown_tenant_or_backup_is_said_to_be_unknown() {
    let place = Place::with_patients(0).await;
    let nobody = TenantName::random().unwrap();
    assert!(matches!(place.backup().run(&nobody).await, Err(BackupError::NotFound(_))));
    assert!(matches!(place.backup().verify(&place.tenant, &Which::Latest).await, Err(BackupError::NotFound(_))));
    assert_eq!(place.objects().await, Vec::<String>::new());
}
