//! Back from a restore over a practice: what was kept takes its place again, and nothing that was accepted meanwhile is lost.
use labor_backup::BackupError;
use uuid::Uuid;

use crate::over::{NAME, accept, backed_up_and_changed, patients, restore_over, state, waits};

#[tokio::test]
async fn what_was_kept_takes_its_place_again_with_what_was_accepted_meanwhile() {
    let (place, manifest, before) = backed_up_and_changed(3).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let restored = restore_over(&place, &manifest).await.unwrap();
    let meanwhile = accept(&place, tenant).await;
    let session = place.log_in().await.unwrap();

    let back = Box::pin(backup.restore_back(place.migrator(), tenant, NAME)).await.unwrap();
    assert_eq!((back.backup, back.opened, back.carried.messages), (None, true, Some(1)));
    assert!(waits(&place, meanwhile).await, "a message that was accepted meanwhile was lost");
    let old = format!("SELECT state FROM {tenant}.raw_messages WHERE id = $1");
    assert_eq!(place.database.query_one(&old, &[&before]).await.unwrap().get::<_, &str>(0), "processed");
    assert!(session.is_closed());
    assert_eq!((patients(&place, tenant).await, state(&place).await.as_str()), (0, "active"));
    place.log_in().await.unwrap();
    assert!(place.migrator().check(tenant).await.unwrap().is_empty());

    // What had taken its place is kept instead, under another name, and can be had again.
    let kept = back.kept.unwrap();
    assert!(Some(&kept) != restored.kept.as_ref() && patients(&place, &kept).await == 3);
    let forth = Box::pin(backup.restore_back(place.migrator(), tenant, NAME)).await.unwrap();
    assert_eq!((patients(&place, tenant).await, forth.carried.messages), (3, Some(0)));
    backup.restore_confirm(tenant, NAME).await.unwrap();
    let none = Box::pin(backup.restore_back(place.migrator(), tenant, NAME)).await;
    assert!(matches!(&none, Err(BackupError::NotFound(_))), "{none:?}");
    assert_eq!(place.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_does_not_pass_the_isolation_check_is_not_put_back() {
    let (place, manifest, _) = backed_up_and_changed(2).await;
    let kept = restore_over(&place, &manifest).await.unwrap().kept.unwrap();
    let plant = format!("CREATE TABLE {kept}.notes (text text); ALTER TABLE {kept}.notes OWNER TO labor_owner");
    place.database.batch_execute(&plant).await.unwrap();
    let refused = Box::pin(place.backup().restore_back(place.migrator(), &place.tenant, NAME)).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("notes")), "{refused:?}");
    assert_eq!((patients(&place, &place.tenant).await, state(&place).await.as_str()), (2, "active"));
    place.log_in().await.unwrap();
}

#[tokio::test]
async fn a_way_back_that_is_refused_opens_what_an_earlier_command_did_not_come_to_open() {
    let (place, manifest, _) = backed_up_and_changed(2).await;
    let tenant = &place.tenant;
    let kept = restore_over(&place, &manifest).await.unwrap().kept.unwrap();
    // As if it had been killed after its commit: shut, its new login without a password, and nothing of a resumption on record.
    let killed = format!(
        "UPDATE control.tenants SET state = 'frozen' WHERE name = '{tenant}'; ALTER ROLE {} NOLOGIN PASSWORD NULL;
         DELETE FROM control.runs WHERE command = 'resume' AND arguments ->> 'tenant' = '{tenant}';
         CREATE TABLE {kept}.notes (text text); ALTER TABLE {kept}.notes OWNER TO labor_owner",
        tenant.role()
    );
    place.database.batch_execute(&killed).await.unwrap();
    let confirmed = place.backup().restore_confirm(tenant, NAME).await;
    assert!(matches!(&confirmed, Err(BackupError::Refused(why)) if why.contains("not open yet")), "{confirmed:?}");
    let refused = Box::pin(place.backup().restore_back(place.migrator(), tenant, NAME)).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("notes")), "{refused:?}");
    assert_eq!((patients(&place, tenant).await, state(&place).await.as_str()), (2, "active"));
    place.log_in().await.unwrap();
}

#[tokio::test]
async fn what_people_took_back_since_is_not_given_again_unsaid() {
    let place = crate::place::Place::with_patients(1).await;
    let tenant = &place.tenant;
    let user = Uuid::now_v7();
    let add = format!(
        "INSERT INTO {tenant}.users (id, username, password_hash, role, display_name) VALUES ($1, 'u', '$argon2id$x', 'doctor', 'U')"
    );
    place.database.execute(&add, &[&user]).await.unwrap();
    // Waits for somebody when the backup is made, and is replayed and processed afterwards.
    let message = accept(&place, tenant).await;
    let set = |state: &str| format!("UPDATE {tenant}.raw_messages SET {state} WHERE id = '{message}'");
    place.database.batch_execute(&set("state = 'quarantined', reason = 'x', format = NULL")).await.unwrap();
    let manifest = place.backup().run(tenant).await.unwrap();
    place.database.batch_execute(&set("state = 'processed', reason = NULL")).await.unwrap();
    place.database.batch_execute(&format!("UPDATE {tenant}.users SET active = false")).await.unwrap();

    let done = restore_over(&place, &manifest).await.unwrap();
    assert!(!done.opened && done.remarks.iter().any(|remark| remark.contains("1 account(s)")), "{done:?}");
    assert_eq!((done.carried.again, state(&place).await.as_str()), (1, "frozen"));
    assert!(waits(&place, message).await && place.log_in().await.is_err());
    // Whoever opens it on purpose opens it wholly; and back again is no undoing.
    place.migrator().resume(tenant).await.unwrap();
    place.log_in().await.unwrap();
    let back = Box::pin(place.backup().restore_back(place.migrator(), tenant, NAME)).await.unwrap();
    assert!(back.opened, "{back:?}");
}

#[tokio::test]
async fn two_who_restore_a_practice_at_once_do_not_meet_and_an_operator_may_open_what_was_killed() {
    let (place, manifest, message) = backed_up_and_changed(1).await;
    let tenant = &place.tenant;
    let (one, two) = tokio::join!(restore_over(&place, &manifest), restore_over(&place, &manifest));
    let refused = [&one, &two].into_iter().filter(|ended| matches!(ended, Err(BackupError::Refused(_)))).count();
    assert!(refused == 1 && one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert!(waits(&place, message).await && state(&place).await == "active");
    place.log_in().await.unwrap();
    // Killed after the commit: the new login has no password yet.
    let killed = format!(
        "UPDATE control.tenants SET state = 'frozen' WHERE name = '{tenant}'; ALTER ROLE {} NOLOGIN PASSWORD NULL",
        tenant.role()
    );
    place.database.batch_execute(&killed).await.unwrap();
    place.migrator().resume(tenant).await.unwrap();
    place.log_in().await.unwrap();
}
