//! What somebody with every right in the database, or with the bucket's keys, does to a practice's audit is found and named.
use labor_backup::{AuditFault, BackupError, PublicKey, Sealed};
use uuid::Uuid;

use crate::audited::{Audit, head_of, only};
use crate::place::Place;

#[tokio::test]
async fn the_row_that_was_altered_is_named_whatever_was_altered() {
    let changes = [
        "actor = 'bert'",
        "actor_role = 'admin'",
        "action = 'report.list'",
        "at = at + interval '1 microsecond'",
        "outcome = 'refused'",
        "object_id = gen_random_uuid()",
        "object_kind = 'users'",
        "request_id = NULL",
    ];
    for change in changes {
        let audit = Audit::sealed(5).await;
        let id = audit.write(3).await[1];
        audit.seal(3, 2).await;
        audit.sql(&format!("UPDATE audit SET {change} WHERE id = '{id}'")).await;
        let found = audit.verify().await;
        assert_eq!(only(&found), &AuditFault::Altered { seal: 2, place: 2, id }, "{change}");
        assert_eq!((found.rows_proven, found.seals), (7, 2));
    }
}

#[tokio::test]
async fn rows_that_were_removed_or_added_later_are_named_the_first_first() {
    let audit = Audit::new().await;
    let ids = audit.write(4).await;
    audit.seal(4, 1).await;
    audit.sql(&format!("DELETE FROM audit WHERE id IN ('{}', '{}')", ids[1], ids[3])).await;
    audit.sql(&format!("UPDATE audit SET actor = 'bert' WHERE id = '{}'", ids[2])).await;
    // Ones that say that they were there all the time, or of a time that has not come; an old id alone says nothing.
    audit.add(Uuid::now_v7(), "now() - interval '2 days'").await;
    audit.add(Uuid::from_u128(7), "now() - interval '16 minutes'").await;
    audit.add(Uuid::from_u128(8), "now() + interval '1 year'").await;
    audit.add(Uuid::from_u128(9), "clock_timestamp()").await;
    let (seal, found) = (1, audit.verify().await);
    let expected = [
        AuditFault::Missing { seal, place: 2, id: ids[1] },
        AuditFault::Altered { seal, place: 3, id: ids[2] },
        AuditFault::Missing { seal, place: 4, id: ids[3] },
    ];
    assert_eq!((&found.faults[..3], found.faults_found, found.rows_not_sealed_yet), (&expected[..], 6, 1));
    assert!(found.faults[3..].iter().all(|fault| matches!(fault, AuditFault::Added { .. })), "{found:?}");
    // A later seal does not make them good.
    audit.seal(1, 2).await;
    let found = audit.verify().await;
    assert_eq!((found.faults_found, found.rows_not_sealed_yet), (6, 0), "{found:?}");
}

#[tokio::test]
async fn a_row_that_is_there_twice_and_an_emptied_table_are_found() {
    let audit = Audit::sealed(2).await;
    let unkeyed = format!("ALTER TABLE {}.audit DROP CONSTRAINT audit_pkey", audit.place.tenant);
    audit.place.database.batch_execute(&unkeyed).await.unwrap();
    audit.sql("INSERT INTO audit SELECT * FROM audit ORDER BY at LIMIT 1").await;
    let found = audit.verify().await;
    assert!(matches!(only(&found), AuditFault::Added { .. }) && found.rows_proven == 2, "{found:?}");
    audit.sql("TRUNCATE audit").await;
    let found = audit.verify().await;
    assert!(found.faults.iter().all(|fault| matches!(fault, AuditFault::Missing { .. })), "{found:?}");
    assert_eq!((found.faults_found, found.rows_proven), (2, 0));
}

#[tokio::test]
async fn what_answers_instead_of_the_table_is_not_believed() {
    let audit = Audit::sealed(1).await;
    let (place, tenant) = (&audit.place, &audit.place.tenant);
    // A function that fits the table's own row better than PostgreSQL's, and says what was sealed.
    let said: String = {
        let row = format!("SELECT to_jsonb(a)::text FROM {tenant}.audit a");
        place.database.query_one(&row, &[]).await.unwrap().get(0)
    };
    let liar = format!(
        "CREATE FUNCTION {tenant}.to_jsonb({tenant}.audit) RETURNS jsonb LANGUAGE sql AS $$ SELECT $said${said}$said$::jsonb $$;
         GRANT EXECUTE ON FUNCTION {tenant}.to_jsonb({tenant}.audit) TO PUBLIC"
    );
    place.database.batch_execute(&liar).await.unwrap();
    audit.sql("UPDATE audit SET actor = 'bert'").await;
    let altered = audit.verify().await;
    assert!(matches!(only(&altered), AuditFault::Altered { .. }), "{altered:?}");
    let folder = place.folder().join("export");
    let request = crate::versions::approved_export(place).await;
    let made = place.backup().export(request, &folder, Some(&audit.key()), &[]).await.unwrap();
    assert_eq!(made.manifest.audit.unwrap().faults, altered.faults);

    let keys = [PublicKey::open(&audit.public).unwrap()];
    let instead = "ALTER TABLE audit RENAME TO gone; CREATE VIEW audit AS SELECT * FROM gone; GRANT SELECT ON audit TO labor_backup";
    audit.sql(&instead.replace("TO gone", "TO away").replace("FROM gone", &format!("FROM {tenant}.away"))).await;
    let refused = place.backup().verify_audit(tenant, &keys, None, None).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("not a plain table")), "{refused:?}");
    let run = audit.sealer().pass(Some(tenant)).await.unwrap();
    assert!(run.faults()[0].contains("not a plain table"), "{run:?}");
}

#[tokio::test]
async fn what_was_done_to_the_seals_is_found() {
    let audit = Audit::sealed(1).await;
    let mut heads = vec![audit.verify().await.head.unwrap()];
    for number in 2..=4 {
        audit.write(2).await;
        heads.push(audit.seal(2, number).await);
    }
    let (place, kept) = (&audit.place, audit.text(2).await);
    let lines: Vec<_> = kept.lines().collect();
    let [header, signature, first, second] = lines[..] else { panic!("{kept}") };
    // Each part of a seal is held by the signature, or by the root in what was signed.
    let document = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let swapped = |one: &str, other: &str| format!("{}{}", &other[..36], &one[36..]);
    let not_signed = "is not what the owner";
    let not_its_rows = "its rows are not those";
    let unreadable = "one of its rows can't be read";
    let forged = [
        (kept.replace("\"number\":2", "\"number\":9"), not_signed),
        (document(&[header, "", first, second]), not_signed),
        (String::new(), not_signed),
        (document(&[header, signature, first, &format!("{}{}", &second[..37], "0".repeat(64))]), not_its_rows),
        (document(&[header, signature, &swapped(first, second), &swapped(second, first)]), not_its_rows),
        (document(&[header, signature, second, first]), not_its_rows),
        (document(&[header, signature, first]), not_its_rows),
        (document(&[header, signature, first, second, second]), not_its_rows),
        (document(&[header, signature, &first.to_uppercase(), second]), unreadable),
        (audit.text(3).await, "it is the one with the number 3"),
    ];
    for (document, expected) in forged {
        place.put(&audit.object(2), document.into_bytes()).await;
        let found = audit.verify().await;
        let AuditFault::Seal { number, reason } = only(&found) else { panic!("{found:?}") };
        assert!(*number == 2 && reason.contains(expected), "{expected}: {found:?}");
        assert_eq!((found.rows_not_judged, found.rows_proven), (2, 5), "nobody is accused because a seal is damaged");
    }
    audit.remove(2).await;
    let missing = AuditFault::Seal { number: 2, reason: "it is missing".to_owned() };
    assert_eq!(only(&audit.verify().await), &missing);
    place.put(&audit.object(2), kept.into_bytes()).await;
    assert_eq!(audit.verify().await.faults_found, 0);

    // The newest can be taken away without a gap; a head that was kept elsewhere tells.
    audit.remove(4).await;
    assert_eq!(audit.verify().await.faults_found, 0);
    for (kept, holds) in [(&heads[2], true), (&heads[3], false)] {
        assert_eq!(audit.verify_with(Some(kept.clone())).await.faults_found == 0, holds, "{kept:?}");
    }
    audit.seal(2, 4).await;
    let found = audit.verify_with(Some(heads[3].clone())).await;
    assert!(
        matches!(only(&found), AuditFault::Seal { number: 4, reason } if reason.contains("that was kept")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_seal_of_another_chain_does_not_follow() {
    let audit = Audit::sealed(1).await;
    audit.write(1).await;
    audit.seal(1, 2).await;
    // The same two rows, sealed anew with the same key, one by one: number and sum fit, what it follows does not.
    let second = audit.text(2).await;
    for number in 1..=2 {
        audit.remove(number).await;
    }
    audit.sealer().with_rows(1).pass(Some(&audit.place.tenant)).await.unwrap();
    audit.place.put(&audit.object(2), second.into_bytes()).await;
    audit.remove(3).await;
    let found = audit.verify().await;
    assert!(
        matches!(only(&found), AuditFault::Seal { number: 2, reason } if reason.contains("does not follow")),
        "{found:?}"
    );

    // And another practice's, which the same key signed.
    let other = audit.place.neighbour(0).await;
    let insert = format!(
        "INSERT INTO {other}.audit (id, at, actor, actor_role, action, object_kind, outcome) VALUES (gen_random_uuid(), now(), 'a', 'doctor', 'x', 'reports', 'success')"
    );
    audit.place.database.batch_execute(&insert).await.unwrap();
    let run = audit.sealer().pass(Some(&other)).await.unwrap();
    head_of(&run.tenants[&other], 1, 1);
    let theirs = audit.place.object(&format!("audit/{other}/000000000001.seal")).await;
    audit.place.put(&audit.object(2), theirs).await;
    let found = audit.verify().await;
    assert!(
        matches!(only(&found), AuditFault::Seal { number: 2, reason } if reason.contains(other.as_str())),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_sealer_is_not_stopped_or_turned_back_unnoticed() {
    let audit = Audit::sealed(1).await;
    let (place, tenant) = (&audit.place, &audit.place.tenant);
    audit.write(1).await;
    // A genuine seal under a name that is not its own.
    let text = audit.text(1).await;
    for number in [2, 9] {
        place.put(&audit.object(number), text.clone().into_bytes()).await;
        let run = audit.sealer().pass(Some(tenant)).await.unwrap();
        assert!(matches!(run.tenants[tenant], Sealed::Failed { .. }), "{number}: {run:?}");
        audit.remove(number).await;
    }
    audit.seal(1, 2).await;

    // Somebody takes the practice out of the registry: its seals are still there.
    let mut sealer = audit.sealer();
    let away = "UPDATE control.tenants SET state = 'spare' WHERE name = $1";
    place.database.execute(away, &[&tenant.as_str()]).await.unwrap();
    let run = sealer.pass(None).await.unwrap();
    let names = |faults: &[String]| faults.iter().any(|fault| fault.contains(tenant.as_str()));
    assert!(names(&run.faults()), "{run:?}");
    assert!(names(&place.backup().audits(None).await.unwrap().faults));
    let public = audit.public.to_str().unwrap();
    let verify = ["audit", "verify", "--all", "--public-key", public];
    assert_eq!(place.program().args(verify).output().await.unwrap().status.code(), Some(4));
    let back = "UPDATE control.tenants SET state = 'active' WHERE name = $1";
    place.database.execute(back, &[&tenant.as_str()]).await.unwrap();
    assert!(!names(&sealer.pass(None).await.unwrap().faults()));
}

#[tokio::test]
async fn whoever_locks_one_audit_stops_no_other() {
    let (audit, other) = (Audit::sealed(1).await, Place::with_patients(0).await);
    let blocker = labor_testing::postgres().await.connect(crate::place::DATABASE).await.unwrap();
    blocker.batch_execute(&format!("BEGIN; LOCK TABLE {}.audit IN ACCESS EXCLUSIVE MODE", other.tenant)).await.unwrap();
    audit.write(1).await;
    let run = audit.sealer().pass(None).await.unwrap();
    head_of(&run.tenants[&audit.place.tenant], 1, 2);
    assert!(matches!(&run.tenants[&other.tenant], Sealed::Failed { error } if error.contains("lock")), "{run:?}");
    blocker.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_seal_that_is_hidden_in_a_bucket_with_versions_is_missed_and_not_made_anew() {
    let audit = Audit::lockable().await;
    audit.write(2).await;
    audit.seal(2, 1).await;
    audit.write(1).await;
    audit.seal(1, 2).await;
    let id = audit.write(1).await[0];
    audit.seal(1, 3).await;
    // A lock keeps the version, and a delete marker or a newer version lies on top of it all the same.
    let newest = audit.text(3).await;
    audit.remove(3).await;
    audit.sql(&format!("UPDATE audit SET actor = 'bert' WHERE id = '{id}'")).await;
    for _ in 0..2 {
        let found = audit.verify().await;
        assert!(matches!(&found.faults[..], [AuditFault::Seal { number: 3, .. }, ..]), "{found:?}");
        let run = audit.sealer().pass(Some(&audit.place.tenant)).await.unwrap();
        assert!(run.faults()[0].contains("deleted"), "{run:?}");
        // And again when it was put back as it was, but by somebody.
        audit.place.put(&audit.object(3), newest.clone().into_bytes()).await;
    }
}

#[tokio::test]
async fn a_sealer_does_not_forget_what_it_sealed_when_it_loses_its_connection() {
    let audit = Audit::sealed(1).await;
    let tenant = &audit.place.tenant;
    let mut sealer = audit.sealer();
    audit.write(1).await;
    head_of(&sealer.pass(Some(tenant)).await.unwrap().tenants[tenant], 1, 2);
    // One pass fails, whatever the reason; meanwhile the newest seal is taken away.
    let blocker = labor_testing::postgres().await.connect(crate::place::DATABASE).await.unwrap();
    blocker.batch_execute(&format!("BEGIN; LOCK TABLE {tenant}.audit IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    assert_eq!(sealer.pass(Some(tenant)).await.unwrap().faults().len(), 1);
    blocker.batch_execute("ROLLBACK").await.unwrap();
    audit.remove(2).await;
    let run = sealer.pass(Some(tenant)).await.unwrap();
    assert!(run.faults()[0].contains("is not the one that was there before"), "{run:?}");
    assert_eq!(audit.verify().await.seals, 1, "nothing was sealed behind the gap");
}

#[tokio::test]
async fn a_row_that_is_made_to_stop_the_sealer_stops_it_for_its_own_practice_only() {
    let (audit, other) = (Audit::sealed(1).await, Audit::new().await);
    audit.write(1).await;
    let huge = "INSERT INTO audit (id, at, actor, actor_role, action, object_kind, outcome)
                VALUES (gen_random_uuid(), clock_timestamp(), 'a', 'doctor', repeat('a', 300000000), 'reports', 'success')";
    other.sql(huge).await;
    let run = audit.sealer().pass(None).await.unwrap();
    head_of(&run.tenants[&audit.place.tenant], 1, 2);
    let Sealed::Failed { error } = &run.tenants[&other.place.tenant] else { panic!("{run:?}") };
    assert!(error.contains("which Labor never writes"), "{error}");
}
