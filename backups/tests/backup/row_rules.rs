//! Backups of another release's day: row rules that are not today's are no damage, and today's are what is served.
use labor_backup::{BackupError, Destination, Verdict, Which};

use crate::over::{NAME, patients, restore_over, state};
use crate::place::Place;

/// As a release before would have left it: one rule says another thing, one right is wider, and one table's rules are not forced.
async fn rules_of_another_day(place: &Place) {
    let tenant = &place.tenant;
    let older = format!(
        "DROP POLICY claim_update ON {tenant}.raw_messages;
         CREATE POLICY claim_update ON {tenant}.raw_messages AS RESTRICTIVE FOR UPDATE TO PUBLIC
           USING ((SELECT guard.permits('{tenant}', '{{worker,receiver}}')));
         GRANT UPDATE ON {tenant}.raw_messages TO {tenant}_app;
         ALTER TABLE {tenant}.audit NO FORCE ROW LEVEL SECURITY"
    );
    place.database.batch_execute(&older).await.unwrap();
    assert!(!place.migrator().check(tenant).await.unwrap().is_empty(), "the check knows today's rules");
}

/// A table that no row rule knows, in which whoever restores would get what nobody guards.
async fn plant(place: &Place, schema: &str) {
    let plant = format!(
        "CREATE TABLE {schema}.notes (text text); ALTER TABLE {schema}.notes OWNER TO labor_owner;
         GRANT SELECT ON {schema}.notes TO labor_backup"
    );
    place.database.batch_execute(&plant).await.unwrap();
}

fn told(remarks: &[String]) -> bool {
    remarks.iter().any(|remark| remark.contains("were put in their place") && remark.contains("raw_messages"))
}

#[tokio::test]
async fn a_backup_with_the_row_rules_of_another_release_verifies_and_is_restored_under_todays() {
    let place = Place::with_patients(3).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    rules_of_another_day(&place).await;
    let manifest = backup.run(tenant).await.unwrap();
    let verified = backup.verify(tenant, &Which::Latest).await.unwrap();
    assert!(verified.verdict == Verdict::Passed && told(&verified.remarks), "{verified:?}");

    let copy = backup.restore(tenant, &Which::Latest, Destination::New).await.unwrap();
    assert!(told(&copy.remarks), "{copy:?}");
    assert_eq!(
        (place.migrator().check(&copy.schema).await.unwrap(), patients(&place, &copy.schema).await),
        (Vec::new(), 3)
    );

    let over = restore_over(&place, &manifest).await.unwrap();
    assert!(over.opened && told(&over.remarks), "{over:?}");
    assert!(place.migrator().check(tenant).await.unwrap().is_empty());
    place.log_in().await.unwrap();

    // And back: what was kept has the rules of that day still.
    let back = Box::pin(backup.restore_back(place.migrator(), tenant, NAME)).await.unwrap();
    assert!(back.opened && told(&back.remarks), "{back:?}");
    assert!(place.migrator().check(tenant).await.unwrap().is_empty());
    place.log_in().await.unwrap();
}

#[tokio::test]
async fn what_todays_row_rules_do_not_mend_is_a_fault_and_nothing_of_the_try_stays() {
    let place = Place::with_patients(2).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    rules_of_another_day(&place).await;
    plant(&place, tenant.as_str()).await;
    let manifest = backup.run(tenant).await.unwrap();
    let failed = backup.verify(tenant, &Which::Latest).await;
    let Err(BackupError::NotProven(faults)) = failed else { panic!("{failed:?}") };
    assert!(faults.iter().all(|fault| fault.contains("notes")), "{faults:?}");
    let refused = restore_over(&place, &manifest).await;
    assert!(matches!(refused, Err(BackupError::NotProven(_))), "{refused:?}");
    assert_eq!((patients(&place, tenant).await, state(&place).await.as_str()), (2, "active"));
    assert_eq!(place.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn of_a_version_that_this_release_does_not_serve_the_data_is_proven_and_the_rules_are_not_judged() {
    let place = Place::with_patients(2).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    rules_of_another_day(&place).await;
    place.database.batch_execute(&format!("UPDATE {tenant}.schema_stamp SET version = 99")).await.unwrap();
    let manifest = backup.run(tenant).await.unwrap();
    let verified = backup.verify(tenant, &Which::Latest).await.unwrap();
    assert!(
        verified.remarks.iter().any(|remark| remark.contains("not judged") && remark.contains("99")),
        "{verified:?}"
    );
    let copy = backup.restore(tenant, &Which::Latest, Destination::New).await.unwrap();
    assert!(!place.migrator().check(&copy.schema).await.unwrap().is_empty(), "it is as it was backed up");
    let refused = restore_over(&place, &manifest).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("does not serve")), "{refused:?}");
}

#[tokio::test]
async fn a_practice_that_this_program_could_not_bring_back_is_not_shut_for_a_restore() {
    // In a database of its own: the guard is everybody's.
    let place = Place::alone("row_rules_later").await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let later = "UPDATE control.fleet SET guard_order = guard_order || 'of a later release'::text";
    place.database.batch_execute(later).await.unwrap();
    let refused = restore_over(&place, &manifest).await.unwrap_err().to_string();
    assert!(refused.contains("nothing was changed") && refused.contains("newer program"), "{refused}");
    assert_eq!(state(&place).await, "active");
    place.log_in().await.unwrap();
}
