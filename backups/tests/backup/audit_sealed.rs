//! The audit, sealed: each row once, whoever seals and whatever the store does, and an export proves it without Labor.
use std::process::Command;

use labor_backup::{AuditFault, ObjectLock, PublicKey, Sealed, Sealer, SigningKey, TenantName, check_export};
use labor_testing::{StoreFault, StoreWire, s3};
use uuid::Uuid;

use crate::audited::{Audit, head_of, key_pair, only};
use crate::erased::deleted;
use crate::over::restore_over;
use crate::store_faults::through;
use crate::versions::approved_export;

#[tokio::test]
async fn what_is_sealed_holds_and_each_row_is_sealed_once() {
    let audit = Audit::new().await;
    let nothing = audit.verify().await;
    assert_eq!((nothing.seals, nothing.head, nothing.faults_found), (0, None, 0));
    let (tenant, mut sealer) = (&audit.place.tenant, audit.sealer());
    for (number, rows) in [(1, 3), (2, 1)] {
        audit.write(rows).await;
        let run = sealer.pass(None).await.unwrap();
        let head = head_of(&run.tenants[tenant], rows as u64, number);
        let found = audit.verify().await;
        assert_eq!((found.head, found.faults), (Some(head), Vec::new()));
        assert!(matches!(sealer.pass(None).await.unwrap().tenants[tenant], Sealed::Unchanged));
    }
    // And by another process, which has to read what is sealed.
    audit.write(2).await;
    assert_eq!(audit.verify().await.rows_not_sealed_yet, 2);
    audit.seal(2, 3).await;
    let found = audit.verify().await;
    assert_eq!((found.seals, found.rows_proven, found.rows_not_sealed_yet, found.faults_found), (3, 6, 0, 0));
    assert_eq!(audit.lines(3).await, 6);
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_sealed_with_the_next_seal() {
    let audit = Audit::sealed(1).await;
    let late = labor_testing::postgres().await.connect(crate::place::DATABASE).await.unwrap();
    let insert = format!(
        "BEGIN; INSERT INTO {}.audit (id, at, actor, actor_role, action, object_kind, outcome)
         VALUES ('{}', clock_timestamp(), 'a', 'doctor', 'x', 'reports', 'success')",
        audit.place.tenant,
        Uuid::now_v7()
    );
    late.batch_execute(&insert).await.unwrap();
    audit.write(2).await;
    audit.seal(2, 2).await;
    late.batch_execute("COMMIT").await.unwrap();
    audit.seal(1, 3).await;
    let found = audit.verify().await;
    assert_eq!((found.rows_proven, found.faults_found), (4, 0), "{found:?}");
}

#[tokio::test]
async fn more_than_one_seal_takes_is_sealed_in_several_and_by_several_processes() {
    let audit = Audit::new().await;
    // Years of it, before anything was sealed.
    for years in (1..=7).rev() {
        audit.add(Uuid::now_v7(), &format!("now() - interval '{years} years'")).await;
    }
    let tenant = &audit.place.tenant;
    let run = audit.sealer().with_rows(3).pass(Some(tenant)).await.unwrap();
    head_of(&run.tenants[tenant], 7, 3);
    let found = audit.verify().await;
    assert_eq!((found.rows_proven, found.rows_not_sealed_yet, found.faults_found), (7, 0, 0), "{found:?}");

    // Killed after the first two of them: the next one goes on behind them, and nothing is taken for added meanwhile.
    audit.remove(3).await;
    let found = audit.verify().await;
    assert_eq!((found.rows_proven, found.rows_not_sealed_yet, found.faults_found), (6, 1, 0), "{found:?}");
    audit.seal(1, 3).await;
    audit.write(4).await;
    let run = audit.sealer().with_rows(2).pass(Some(tenant)).await.unwrap();
    // Two full ones, and one that says that there is no more.
    head_of(&run.tenants[tenant], 4, 6);
    let found = audit.verify().await;
    assert_eq!((found.rows_proven, found.faults_found, audit.lines(6).await), (11, 0, 11), "{found:?}");
}

#[tokio::test]
async fn behind_a_seal_of_another_key_nothing_is_sealed_until_that_key_is_named() {
    let audit = Audit::sealed(1).await;
    audit.write(1).await;
    let (private, public) = key_pair(audit.place.folder(), "second");
    let (first, second) = (PublicKey::open(&audit.public).unwrap(), PublicKey::open(&public).unwrap());
    let key = || SigningKey::open(&private).unwrap();
    let (backup, tenant) = (audit.place.backup(), &audit.place.tenant);
    let sealer = |former| Sealer::new(audit.place.backup(), key(), former, 1);
    let run = sealer(Vec::new()).pass(Some(tenant)).await.unwrap();
    assert!(run.faults()[0].contains("--former-public-key"), "{run:?}");
    assert_eq!(audit.verify().await.seals, 1);
    let run = sealer(vec![first.clone()]).pass(Some(tenant)).await.unwrap();
    head_of(&run.tenants[tenant], 1, 2);
    let both = [first, second.clone()];
    assert_eq!(backup.verify_audit(tenant, &both, None, None).await.unwrap().faults_found, 0);
    let found = backup.verify_audit(tenant, &[second], None, None).await.unwrap();
    assert!(matches!(only(&found), AuditFault::Seal { number: 1, .. }), "{found:?}");
    assert_eq!((found.rows_proven, found.rows_not_judged), (1, 1), "nobody is accused because a key is missing");
    let folder = audit.place.folder().join("export");
    let request = approved_export(&audit.place).await;
    let made = backup.export(request, &folder, Some(&key()), &both[..1]).await.unwrap().manifest.audit.unwrap();
    assert_eq!((made.rows_proven, made.faults_found), (2, 0));
    assert_eq!(check_export(&folder, &both).unwrap().audit_now.unwrap().faults_found, 0);
}

#[tokio::test]
async fn of_two_sealers_one_gives_way_and_each_row_is_sealed_once() {
    let audit = Audit::sealed(1).await;
    let (mut one, mut two) = (audit.sealer(), audit.sealer());
    let tenant = audit.place.tenant.clone();
    for sealer in [&mut one, &mut two] {
        assert!(matches!(sealer.pass(Some(&tenant)).await.unwrap().tenants[&tenant], Sealed::Unchanged));
    }
    audit.write(2).await;
    head_of(&one.pass(Some(&tenant)).await.unwrap().tenants[&tenant], 2, 2);
    let run = two.pass(Some(&tenant)).await.unwrap();
    assert!(matches!(run.tenants[&tenant], Sealed::Other) && run.faults().is_empty(), "{run:?}");
    for _ in 0..10 {
        audit.write(1).await;
        let (first, second) = tokio::join!(one.pass(Some(&tenant)), two.pass(Some(&tenant)));
        assert!(first.unwrap().faults().is_empty() && second.unwrap().faults().is_empty());
    }
    for sealer in [&mut one, &mut two] {
        sealer.pass(Some(&tenant)).await.unwrap();
        sealer.pass(Some(&tenant)).await.unwrap();
    }
    let found = audit.verify().await;
    assert_eq!((found.rows_proven, found.rows_not_sealed_yet, found.faults_found), (13, 0, 0));
    assert_eq!(audit.lines(found.seals).await, 13);
}

#[tokio::test]
async fn whatever_the_store_does_no_row_is_sealed_twice_and_none_is_forgotten() {
    let faults = (1..=4).flat_map(|at| {
        let faults = [
            StoreFault::LostAnswer { at },
            StoreFault::Status { from: at, count: 1, status: 503 },
            StoreFault::Status { from: at, count: usize::MAX, status: 500 },
        ];
        faults.map(|fault| (at, fault))
    });
    for (at, fault) in faults {
        let audit = Audit::sealed(1).await;
        audit.write(2).await;
        let wire = StoreWire::start(&s3().await.endpoint(), fault).await.unwrap();
        let tenant = audit.place.tenant.clone();
        let mut sealer = Sealer::new(through(&audit.place, &wire), audit.key(), Vec::new(), 1);
        let run = sealer.pass(Some(&tenant)).await.unwrap();
        assert!(wire.log().len() >= at, "{fault:?} was not met: {:?}", wire.log());
        if let Sealed::Failed { error } = &run.tenants[&tenant] {
            assert!(error.contains(&wire.endpoint()), "{fault:?}: it does not say which store: {error}");
        }
        audit.write(1).await;
        audit.sealer().pass(Some(&tenant)).await.unwrap();
        let found = audit.verify().await;
        assert_eq!((found.rows_proven, found.rows_not_sealed_yet, found.faults_found), (4, 0, 0), "{fault:?}");
        assert_eq!(audit.lines(found.seals).await, 4, "{fault:?}");
    }
}

#[tokio::test]
async fn an_export_proves_its_audit_with_labor_and_without() {
    let audit = Audit::sealed(3).await;
    let (place, key) = (&audit.place, [PublicKey::open(&audit.public).unwrap()]);
    let export = async |name: &str| {
        let folder = place.folder().join(name);
        let made = place.backup().export(approved_export(place).await, &folder, Some(&audit.key()), &[]).await.unwrap();
        (folder, made.manifest.audit.unwrap())
    };
    let without_labor = |folder: &std::path::Path| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/check-audit.py");
        let done = Command::new("python3").arg(script).arg(folder).arg(&audit.public).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        (done.status.success(), said.into_owned())
    };
    audit.write(1).await;
    audit.seal(1, 2).await;
    audit.write(1).await;
    let (folder, made) = export("good").await;
    assert_eq!((made.rows_proven, made.rows_not_sealed_yet, made.seals, made.faults_found), (4, 1, 2, 0));
    let checked = check_export(&folder, &key).unwrap().audit_now.unwrap();
    assert_eq!((checked.rows_proven, &checked.head, checked.faults_found), (4, &made.head, 0));
    assert!(!check_export(&folder, &[]).unwrap().audit_now.unwrap().signatures_checked);
    let (holds, said) = without_labor(&folder);
    let head = made.head.unwrap().sha256;
    assert!(holds && said.contains(&format!("4 rows in the seals, 1 others; head {head}")), "{said}");

    // Whoever has the bucket as well, and alters a row together with its line, lacks the key.
    let rows = std::fs::read_to_string(folder.join("tables/audit.ndjson")).unwrap();
    std::fs::write(folder.join("tables/audit.ndjson"), rows.replacen("success", "refused", 1)).unwrap();
    let (holds, said) = without_labor(&folder);
    assert!(!holds && said.matches("was altered").count() == 1, "{said}");
    let seal = std::fs::read_to_string(folder.join("audit/000000000002.seal")).unwrap();
    let line = seal.lines().nth(2).unwrap();
    let forged = seal.replace(line, &format!("{} {}", &line[..36], "0".repeat(64)));
    std::fs::write(folder.join("audit/000000000002.seal"), forged).unwrap();
    let (holds, said) = without_labor(&folder);
    assert!(!holds && said.contains("seal 2: its rows are not those that it was signed for"), "{said}");

    // What was altered before the export is exported, and told.
    audit.sql("UPDATE audit SET actor = 'bert' WHERE at = (SELECT min(at) FROM audit)").await;
    let (folder, made) = export("altered").await;
    assert!(matches!(only(&made), AuditFault::Altered { seal: 1, place: 1, .. }), "{made:?}");
    assert_eq!(check_export(&folder, &key).unwrap().audit_now.unwrap().faults, made.faults);
}

#[tokio::test]
async fn a_restore_over_the_practice_keeps_its_audit_whole() {
    let audit = Audit::sealed(2).await;
    let manifest = audit.place.backup().run(&audit.place.tenant).await.unwrap();
    audit.write(3).await;
    audit.seal(3, 2).await;
    audit.write(1).await;
    let done = restore_over(&audit.place, &manifest).await.unwrap();
    assert_eq!(done.carried.audit, Some(4));
    let found = audit.verify().await;
    assert_eq!((found.rows_proven, found.rows_not_sealed_yet, found.faults_found), (5, 1, 0), "{found:?}");
}

#[tokio::test]
async fn an_audit_that_somebody_damaged_keeps_no_practice_from_being_restored() {
    let audit = Audit::sealed(2).await;
    let manifest = audit.place.backup().run(&audit.place.tenant).await.unwrap();
    audit.write(1).await;
    let drop = format!("ALTER TABLE {}.audit DROP CONSTRAINT audit_outcome_check", audit.place.tenant);
    audit.place.database.batch_execute(&drop).await.unwrap();
    audit.sql("UPDATE audit SET outcome = 'nonsense'").await;
    let done = restore_over(&audit.place, &manifest).await.unwrap();
    assert_eq!((done.carried.audit, done.opened), (None, true));
    assert_eq!(audit.verify().await.rows_proven, 2);
}

#[tokio::test]
async fn a_database_of_before_is_held_against_the_seals_of_that_time() {
    let audit = Audit::sealed(2).await;
    let then = audit.place.database.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    let ids = audit.write(2).await;
    audit.seal(2, 2).await;
    audit.sql(&format!("DELETE FROM audit WHERE id IN ('{}', '{}')", ids[0], ids[1])).await;
    assert_eq!(audit.verify().await.faults_found, 2);
    let found = audit.verify_until(None, Some(then)).await;
    assert_eq!((found.seals, found.rows_proven, found.faults_found), (1, 2, 0), "{found:?}");
}

#[tokio::test]
async fn seals_go_with_the_practice_and_can_be_locked() {
    let audit = Audit::sealed(1).await;
    let request = deleted(&audit.place).await;
    let certificate = audit.place.backup().erase(request, true, None).await.unwrap();
    assert_eq!((certificate.objects_deleted, certificate.found_afterwards), (1, 0));
    assert_eq!(audit.place.objects().await, ["begun", "json"].map(|end| format!("certificates/{request}.{end}")));

    let audit = Audit::lockable().await;
    audit.write(1).await;
    let backup = audit.place.backup().with_object_lock(Some(ObjectLock { days: 2, compliance: false }));
    Sealer::new(backup, audit.key(), Vec::new(), 1).pass(Some(&audit.place.tenant)).await.unwrap();
    let head = audit.place.s3.head_object().bucket(audit.place.bucket()).key(audit.object(1)).send().await.unwrap();
    assert!(head.object_lock_retain_until_date().is_some());
}

#[tokio::test]
async fn the_program_says_what_it_found_by_its_exit_code() {
    let audit = Audit::new().await;
    let tenant: &TenantName = &audit.place.tenant;
    let run = async |arguments: &[&str]| {
        let output = audit.place.program().arg("audit").args(arguments).output().await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), said)
    };
    let (private, public) = (audit.private.to_str().unwrap(), audit.public.to_str().unwrap());
    audit.write(2).await;
    let verify = ["verify", "--tenant", tenant.as_str(), "--public-key", public];
    assert_eq!(run(&verify).await.0, 0, "what is new waits for its seal");
    audit.sql("UPDATE audit SET at = at - interval '2 hours'").await;
    let (code, said) = run(&verify).await;
    assert!(code == 6 && said.contains("waits for a seal"), "{said}");
    let (code, said) = run(&["seal", "--tenant", tenant.as_str(), "--signing-key", private]).await;
    assert!(code == 0 && said.contains(&format!("{tenant}: 2 rows sealed; head 1:")), "{said}");
    let head = said.split("head ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let (code, said) = run(&[&verify[..], &["--head", &head]].concat()).await;
    assert!(code == 0 && said.contains("2 audit rows are what they were"), "{said}");

    let output = audit.place.program().arg("audit").args(verify).arg("--json").output().await.unwrap();
    let heads = audit.place.folder().join("heads");
    std::fs::write(&heads, &output.stdout).unwrap();
    let with_heads = [&verify[..], &["--heads", heads.to_str().unwrap()]].concat();
    assert_eq!(run(&with_heads).await.0, 0);

    audit.sql("UPDATE audit SET actor = 'bert'").await;
    let (code, said) = run(&verify).await;
    assert!(
        code == 4 && said.matches("was altered since it was sealed").count() == 2 && !said.contains("bert"),
        "{said}"
    );
    audit.remove(1).await;
    let (code, said) = run(&with_heads).await;
    assert!(code == 4 && said.contains("it is missing, and was kept elsewhere"), "{said}");
    assert_eq!(run(&["seal", "--tenant", "t_000000000000", "--signing-key", private]).await.0, 5);
    assert_eq!(run(&["verify", "--tenant", "t_000000000000", "--public-key", public]).await.0, 5);
    assert_eq!(run(&[&verify[..], &["--head", "1:xyz"]].concat()).await.0, 2);
}
