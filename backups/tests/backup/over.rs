//! A backup in the place of a practice that is served: nothing that was accepted is lost, what was there is kept, and whoever must not
//! come back does not.
use std::time::Duration;

use labor_backup::{BackupError, Destination, Manifest, Replaced, TenantName, Which};
use labor_migrator::undo::UndoOptions;
use labor_migrator::up::{Stop, UpOptions};
use labor_migrator::waves::Tolerance;
use uuid::Uuid;

use crate::damage::{dump_key, manifest_key};
use crate::place::Place;

/// The displayed name of every practice here.
pub(crate) const NAME: &str = "Practice";

/// A message that is accepted and processed now.
pub(crate) async fn accept(place: &Place, schema: &TenantName) -> Uuid {
    let id = Uuid::now_v7();
    let body = format!("message {id}");
    let insert = format!(
        "INSERT INTO {schema}.raw_messages (id, source_id, sender_message_id, sha256, body, content_type, state, format, charset, processed_at)
         VALUES ($1, $1, 'm', sha256($2), $2, 'text/plain', 'processed', 'LDT3', 'UTF-8', now())"
    );
    place.database.execute(&insert, &[&id, &body.as_bytes()]).await.unwrap();
    id
}

/// Whether the practice has the message, as it came, to be processed again, and in the queue.
pub(crate) async fn waits(place: &Place, message: Uuid) -> bool {
    let found = format!(
        "SELECT convert_from(body, 'UTF8') = 'message ' || id AND state = 'received' AND processed_at IS NULL AND format IS NULL
                AND EXISTS (SELECT FROM pgmq.q_messages WHERE message = jsonb_build_object('tenant', $2::text, 'message_id', $1::uuid))
           FROM {}.raw_messages WHERE id = $1",
        place.tenant
    );
    let row = place.database.query_opt(&found, &[&message, &place.tenant.as_str()]).await.unwrap();
    row.is_some_and(|row| row.get(0))
}

pub(crate) async fn patients(place: &Place, schema: &TenantName) -> i64 {
    patients_of(&place.database, schema).await
}

/// Those that have the name they had when the backup was made.
pub(crate) async fn patients_of(database: &tokio_postgres::Client, schema: &TenantName) -> i64 {
    let count = format!("SELECT count(*) FROM {schema}.patients WHERE family_name <> 'later'");
    database.query_one(&count, &[]).await.unwrap().get(0)
}

pub(crate) async fn state(place: &Place) -> String {
    let state = "SELECT state FROM control.tenants WHERE name = $1";
    place.database.query_one(state, &[&place.tenant.as_str()]).await.unwrap().get(0)
}

pub(crate) async fn restore_over(place: &Place, manifest: &Manifest) -> Result<Replaced, BackupError> {
    let which = Which::Id(manifest.backup.clone());
    Box::pin(place.backup().restore_over(place.migrator(), &place.tenant, &which, NAME)).await
}

/// A practice that was backed up, and then changed: all patients have another name, and one message more was processed.
pub(crate) async fn backed_up_and_changed(count: i32) -> (Place, Manifest, Uuid) {
    let place = Place::with_patients(count).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let tenant = &place.tenant;
    place.database.batch_execute(&format!("UPDATE {tenant}.patients SET family_name = 'later'")).await.unwrap();
    let message = accept(&place, tenant).await;
    (place, manifest, message)
}

async fn approved_deletion(place: &Place) -> Uuid {
    let (anna, bert, request) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    for operator in [anna, bert] {
        let add = "INSERT INTO control.operators (id, username, display_name) VALUES ($1, $2, 'x')";
        place.database.execute(add, &[&operator, &operator.to_string()]).await.unwrap();
    }
    let add = "INSERT INTO control.requests (id, tenant, kind, reason, grace_days, no_receipt, requested_by, approved_by, approved_at, state)
               VALUES ($1, $2, 'deletion', 'test', 0, 'test', $3, $4, now(), 'approved')";
    place.database.execute(add, &[&request, &place.tenant.as_str(), &anna, &bert]).await.unwrap();
    request
}

#[tokio::test]
async fn a_backup_takes_the_place_and_what_was_accepted_since_is_processed_again() {
    let (place, manifest, message) = backed_up_and_changed(5).await;
    let tenant = &place.tenant;
    let session = place.log_in().await.unwrap();
    let done = restore_over(&place, &manifest).await.unwrap();

    assert_eq!((done.backup.as_ref(), done.opened, done.rows), (Some(&manifest.backup), true, manifest.rows()));
    // The five of the backup were not processed when it was made; their queue entries may be gone.
    assert_eq!((done.carried.messages, done.carried.enqueued), (Some(1), 6), "{done:?}");
    assert!(waits(&place, message).await, "an accepted message was lost");
    assert_eq!(patients(&place, tenant).await, 5);
    assert!(session.is_closed(), "somebody is still connected to what was there");
    assert_eq!((state(&place).await.as_str(), place.migrator().check(tenant).await.unwrap().len()), ("active", 0));

    // The practice's login opens again, and does not reach what is kept.
    let kept = done.kept.unwrap();
    assert_eq!(patients(&place, &kept).await, 0, "what is kept is what was there");
    let session = place.log_in().await.unwrap();
    let reached = session.batch_execute(&format!("SELECT FROM {kept}.patients")).await.unwrap_err();
    assert_eq!(reached.code().unwrap().code(), "42501");
    let shut = "SELECT NOT rolcanlogin AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) FROM pg_roles r WHERE rolname = $1";
    assert!(place.database.query_one(shut, &[&kept.role()]).await.unwrap().get::<_, bool>(0));
    assert_eq!(
        place.backup().run(tenant).await.unwrap().ledger_fingerprint,
        None,
        "the ledger does not know what is there"
    );
}

#[tokio::test]
async fn what_is_kept_is_told_and_dropped_by_whoever_knows_the_practice_when_nobody_holds_it() {
    let (place, manifest, _) = backed_up_and_changed(1).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let kept = restore_over(&place, &manifest).await.unwrap().kept.unwrap();
    let points = backup.recovery_points(Duration::from_secs(86_400), chrono::Utc::now()).await.unwrap();
    assert!(points.kept.iter().any(|one| (&one.tenant, &one.schema) == (tenant, &kept)), "{points:?}");
    let again = restore_over(&place, &manifest).await;
    assert!(matches!(&again, Err(BackupError::Refused(why)) if why.contains("restore confirm")), "{again:?}");
    let strange = backup.restore_confirm(tenant, "Praxis").await;
    assert!(matches!(&strange, Err(BackupError::Refused(why)) if why.contains("another name")), "{strange:?}");
    let hold = "INSERT INTO control.holds (id, tenant, holder, reason) VALUES (gen_random_uuid(), $1, 'court', 'case')";
    place.database.execute(hold, &[&tenant.as_str()]).await.unwrap();
    let held = backup.restore_confirm(tenant, NAME).await;
    assert!(matches!(&held, Err(BackupError::Refused(why)) if why.contains("court")), "{held:?}");
    place.database.execute("DELETE FROM control.holds WHERE tenant = $1", &[&tenant.as_str()]).await.unwrap();
    assert_eq!(backup.restore_confirm(tenant, NAME).await.unwrap().schema, kept);
    let left = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1) + (SELECT count(*) FROM pg_roles WHERE rolname = $1 || '_app')";
    assert_eq!(place.database.query_one(left, &[&kept.as_str()]).await.unwrap().get::<_, i64>(0), 0);
    assert!(matches!(backup.restore_confirm(tenant, NAME).await, Err(BackupError::NotFound(_))));
    restore_over(&place, &manifest).await.unwrap();
}

#[tokio::test]
async fn a_backup_that_does_not_pass_leaves_the_practice_as_it_was() {
    let (place, manifest, message) = backed_up_and_changed(3).await;
    // Rows were left out, and nobody could tell by the bytes: only the comparison shows it, when all is loaded.
    let mut forged = manifest.clone();
    forged.tables.get_mut("patients").unwrap().digest = "1".to_owned();
    place.put(&manifest_key(&manifest), serde_json::to_vec(&place.signed(&forged)).unwrap()).await;
    let refused = restore_over(&place, &manifest).await;
    assert!(matches!(&refused, Err(BackupError::NotProven(_))), "{refused:?}");
    place.put(&manifest_key(&manifest), serde_json::to_vec(&manifest).unwrap()).await;
    let mut bytes = place.object(&dump_key(&manifest)).await;
    *bytes.last_mut().unwrap() ^= 1;
    place.put(&dump_key(&manifest), bytes).await;
    let refused = restore_over(&place, &manifest).await;
    assert!(matches!(&refused, Err(error) if error.condemns()), "{refused:?}");
    assert_eq!((state(&place).await.as_str(), patients(&place, &place.tenant).await), ("active", 0));
    place.log_in().await.unwrap();
    let there = format!("SELECT state FROM {}.raw_messages WHERE id = $1", place.tenant);
    assert_eq!(place.database.query_one(&there, &[&message]).await.unwrap().get::<_, &str>(0), "processed");
    assert!(matches!(place.backup().restore_confirm(&place.tenant, NAME).await, Err(BackupError::NotFound(_))));
}

#[tokio::test]
async fn a_practice_that_is_gone_comes_back_and_one_that_was_suspended_stays_so() {
    let (place, manifest, _) = backed_up_and_changed(4).await;
    let tenant = &place.tenant;
    place.migrator().suspend(tenant, "unpaid").await.unwrap();
    place.database.batch_execute(&format!("DROP SCHEMA {tenant} CASCADE")).await.unwrap();
    let done = restore_over(&place, &manifest).await.unwrap();
    assert_eq!((done.kept, done.opened, done.carried.messages), (None, false, None));
    assert_eq!((patients(&place, tenant).await, state(&place).await.as_str()), (4, "frozen"));
    assert!(place.log_in().await.is_err(), "who was shut out is let in");
    place.migrator().resume(tenant).await.unwrap();
    place.log_in().await.unwrap();
    assert!(place.migrator().check(tenant).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_deleted_or_is_about_to_be_is_not_brought_back_by_any_restore() {
    let (place, manifest, _) = backed_up_and_changed(1).await;
    let request = approved_deletion(&place).await;
    let refused = restore_over(&place, &manifest).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("about to be deleted")), "{refused:?}");
    assert_eq!(state(&place).await, "active", "its deletion shuts it, not a restore that was refused");

    // The key is still there, and so is the backup: `erase` was not run yet.
    Box::pin(place.migrator().delete(request, |_| ())).await.unwrap();
    let refused = restore_over(&place, &manifest).await;
    assert!(matches!(&refused, Err(BackupError::Refused(_))), "{refused:?}");
    let beside = place.backup().restore(&place.tenant, &Which::Latest, Destination::New).await;
    assert!(matches!(&beside, Err(BackupError::Refused(why)) if why.contains("deleted")), "{beside:?}");
    assert_eq!(place.strays().await, Vec::<String>::new());
}

/// No export has what is kept: somebody decides first which of the two the practice is to have.
#[tokio::test]
async fn a_deletion_waits_until_it_is_decided_what_is_kept() {
    let (place, manifest, _) = backed_up_and_changed(1).await;
    let tenant = &place.tenant;
    let kept = restore_over(&place, &manifest).await.unwrap().kept.unwrap();
    let request = approved_deletion(&place).await;
    let refused = Box::pin(place.migrator().delete(request, |_| ())).await.unwrap_err();
    assert!(
        refused.to_string().contains(kept.as_str()) && refused.to_string().contains("restore confirm"),
        "{refused}"
    );
    assert_eq!(state(&place).await, "active", "refused means untouched");
    let withdraw = "UPDATE control.requests SET state = 'withdrawn', withdrawn_by = requested_by, withdrawn_at = now() WHERE id = $1";
    place.database.execute(withdraw, &[&request]).await.unwrap();
    place.backup().restore_confirm(tenant, NAME).await.unwrap();
    let request = approved_deletion(&place).await;
    let certificate = Box::pin(place.migrator().delete(request, |_| ())).await.unwrap();
    assert_eq!(certificate["found_afterwards"]["copies"], 0);
}

#[tokio::test]
async fn a_backup_of_an_older_version_is_migrated_before_anybody_is_served() {
    let place = Place::alone("over_older").await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let undo = UndoOptions {
        to: 1,
        tenants: vec![tenant.clone()],
        workers: 1,
        max_failures: Tolerance::Count(0),
        lock_timeout: Duration::from_secs(5),
        retries: 0,
    };
    let undone = Box::pin(place.migrator().undo(&undo, &Stop::default(), |_| ())).await.unwrap();
    assert_eq!(undone.failed, 0, "{undone:?}");
    let manifest = backup.run(tenant).await.unwrap();
    assert_eq!(manifest.schema_version, 1);
    let options = UpOptions { tenants: vec![tenant.clone()], ..UpOptions::default() };
    assert!(Box::pin(place.migrator().up(&options, &Stop::default(), |_| ())).await.unwrap().complete());
    let message = accept(&place, tenant).await;

    let done = restore_over(&place, &manifest).await.unwrap();
    assert_eq!((done.version, done.carried.messages), (2, Some(1)));
    assert!(waits(&place, message).await);
    let versions =
        format!("SELECT l.version, s.version FROM control.ledger l, {tenant}.schema_stamp s WHERE l.tenant = $1");
    let row = place.database.query_one(&versions, &[&tenant.as_str()]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), (2, 2));
    assert_eq!(place.migrator().check(tenant).await.unwrap().len(), 0);
    place.log_in().await.unwrap();
}

#[tokio::test]
async fn whoever_does_not_say_which_practice_it_is_changes_nothing() {
    let (place, _, _) = backed_up_and_changed(1).await;
    let url = place.settings.restore_url.clone().unwrap();
    let run = async |more: &[&str]| {
        let mut program = place.program();
        program.env("LABOR_RESTORE_URL", &url).env("LABOR_MASTER_SECRET_FILE", place.secret_file());
        program.args(["--json", "restore", "--over", place.tenant.as_str()]).args(more);
        let output = program.output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&[]).await;
    assert!(code == Some(3) && said.contains("--yes"), "{code:?} {said}");
    let (code, said) = run(&["--yes", "Other"]).await;
    assert!(code == Some(3) && said.contains("another name"), "{code:?} {said}");
    assert_eq!((state(&place).await.as_str(), patients(&place, &place.tenant).await), ("active", 0));
    let (code, said) = run(&["--yes", NAME]).await;
    assert_eq!((code, patients(&place, &place.tenant).await), (Some(0), 1), "{said}");
}
