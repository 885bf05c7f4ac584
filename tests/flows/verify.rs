//! Verify: everything that can disagree is made to, one by one; each is found, and nothing is when it was put right.
use labor_testing::{Platform, postgres, scratch, write_private};
use serde_json::Value;

async fn fleet(name: &str) -> Platform {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    for n in 1..=2 {
        platform.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
    }
    let client = postgres().await.connect(name).await.unwrap();
    // A run with something to do, so that the files are recorded.
    client.batch_execute("UPDATE control.ledger SET chain_checksum = 'older'").await.unwrap();
    platform.program("labor-migrator").unwrap().args(["up"]).output().await.unwrap();
    platform
}

/// `verify`: its exit code, its rows, and what it says last.
async fn verify(platform: &Platform, arguments: &[&str]) -> (Option<i32>, Vec<Value>, Value) {
    let program =
        platform.program("labor-migrator").unwrap().args(["--json", "verify"]).args(arguments.iter().copied());
    let run = program.run().await.unwrap();
    let mut rows: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = rows.pop().ok_or(&run.stderr).unwrap();
    (run.status.code(), rows, last)
}

/// What is done, the kinds that must be told, and how it is put right. `{p}` is a practice.
const OF_A_TENANT: [(&str, &[&str], &str); 15] = [
    ("UPDATE {p}.schema_stamp SET version = 1", &["stamp"], "UPDATE {p}.schema_stamp SET version = 2"),
    ("UPDATE {p}.schema_stamp SET tenant = 't_other'", &["stamp"], "UPDATE {p}.schema_stamp SET tenant = '{p}'"),
    (
        "UPDATE {p}.schema_stamp SET chain_checksum = chain_checksum || 'x'",
        &["stamp"],
        "UPDATE {p}.schema_stamp SET chain_checksum = rtrim(chain_checksum, 'x')",
    ),
    (
        "ALTER TABLE {p}.schema_stamp RENAME TO other",
        &["drift", "stamp"],
        "ALTER TABLE {p}.other RENAME TO schema_stamp",
    ),
    (
        "ALTER TABLE {p}.schema_stamp RENAME version TO other",
        &["drift", "stamp"],
        "ALTER TABLE {p}.schema_stamp RENAME other TO version",
    ),
    (
        "UPDATE {p}.refinery_schema_history SET name = name || 'x' WHERE version = 1",
        &["history"],
        "UPDATE {p}.refinery_schema_history SET name = rtrim(name, 'x') WHERE version = 1",
    ),
    (
        "UPDATE {p}.refinery_schema_history SET version = 7 WHERE version = 2",
        &["history"],
        "UPDATE {p}.refinery_schema_history SET version = 2 WHERE version = 7",
    ),
    (
        "UPDATE control.ledger SET chain_checksum = chain_checksum || 'x' WHERE tenant = '{p}'",
        &["checksum", "stamp"],
        "UPDATE control.ledger SET chain_checksum = rtrim(chain_checksum, 'x') WHERE tenant = '{p}'",
    ),
    (
        "UPDATE control.ledger SET version = 9 WHERE tenant = '{p}'",
        &["stamp", "version"],
        "UPDATE control.ledger SET version = 2 WHERE tenant = '{p}'",
    ),
    (
        "CREATE TABLE saved AS SELECT * FROM control.ledger WHERE tenant = '{p}'; DELETE FROM control.ledger WHERE tenant = '{p}'",
        &["ledger_missing"],
        "INSERT INTO control.ledger SELECT * FROM saved; DROP TABLE saved",
    ),
    ("ALTER TABLE {p}.reports ADD COLUMN more int", &["drift"], "ALTER TABLE {p}.reports DROP COLUMN more"),
    ("ALTER SCHEMA {p} RENAME TO elsewhere", &["schema_missing"], "ALTER SCHEMA elsewhere RENAME TO {p}"),
    ("ALTER ROLE {p}_app RENAME TO elsewhere", &["drift", "role_missing"], "ALTER ROLE elsewhere RENAME TO {p}_app"),
    ("ALTER ROLE {p}_app NOLOGIN", &["role_login"], "ALTER ROLE {p}_app LOGIN"),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indrelid = '{p}.users'::regclass",
        &["drift", "index"],
        "UPDATE pg_index SET indisvalid = true WHERE indrelid = '{p}.users'::regclass",
    ),
];

/// The same of what belongs to no tenant, or to a schema that is none's.
const OF_THE_FLEET: [(&str, &[&str], &str); 10] = [
    ("CREATE SCHEMA t_aaaaaaaaaaaa", &["unregistered"], "DROP SCHEMA t_aaaaaaaaaaaa"),
    (
        "CREATE SCHEMA t_aaaaaaaaaaaa; COMMENT ON SCHEMA t_aaaaaaaaaaaa IS 'labor: restored from 1 of {p}; not served'",
        &["restored_copy"],
        "DROP SCHEMA t_aaaaaaaaaaaa",
    ),
    (
        "CREATE SCHEMA t_aaaaaaaaaaaa; CREATE TABLE t_aaaaaaaaaaaa.schema_stamp AS SELECT * FROM {p}.schema_stamp;
         ALTER SCHEMA t_aaaaaaaaaaaa OWNER TO labor_owner; ALTER TABLE t_aaaaaaaaaaaa.schema_stamp OWNER TO labor_owner",
        &["restored_copy"],
        "DROP SCHEMA t_aaaaaaaaaaaa CASCADE",
    ),
    (
        "CREATE SCHEMA t_aaaaaaaaaaaa; COMMENT ON SCHEMA t_aaaaaaaaaaaa IS 'labor-migrator rehearsal of version 3'",
        &["rehearsal"],
        "DROP SCHEMA t_aaaaaaaaaaaa",
    ),
    (
        "CREATE SCHEMA t_aaaaaaaaaaaa; INSERT INTO control.tenants (name, slug, display_name, state)
                                       VALUES ('t_aaaaaaaaaaaa', 't-aaaaaaaaaaaa', 'deleted', 'deleted')",
        &["deleted_schema"],
        "DROP SCHEMA t_aaaaaaaaaaaa; DELETE FROM control.tenants WHERE name = 't_aaaaaaaaaaaa'",
    ),
    (
        "UPDATE control.migrations SET body = body || 'x' WHERE version = 1",
        &["files"],
        "UPDATE control.migrations SET body = left(body, -1) WHERE version = 1",
    ),
    ("INSERT INTO control.migrations VALUES (3, 'x', 'transaction', 'expand', ''); UPDATE control.ledger SET version = 3 WHERE tenant = '{p}'",
        &["files", "stamp", "version"],
        "DELETE FROM control.migrations WHERE version = 3; UPDATE control.ledger SET version = 2 WHERE tenant = '{p}'"),
    (
        "CREATE FUNCTION guard.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        &["guard"],
        "DROP FUNCTION guard.more()",
    ),
    (
        "UPDATE control.fleet SET control_checksum = control_checksum || 'x'",
        &["control"],
        "UPDATE control.fleet SET control_checksum = rtrim(control_checksum, 'x')",
    ),
    (
        "UPDATE control.ledger SET fingerprint = fingerprint || 'x' WHERE tenant = '{p}'",
        &["classes", "drift"],
        "UPDATE control.ledger SET fingerprint = rtrim(fingerprint, 'x') WHERE tenant = '{p}'",
    ),
];

async fn each_is_found(platform: &Platform, cases: &[(&str, &[&str], &str)], arguments: &[&str]) {
    let client = postgres().await.connect(platform.database()).await.unwrap();
    let practice: String =
        client.query_one("SELECT name FROM control.tenants WHERE slug = 'p2'", &[]).await.unwrap().get(0);
    let (code, rows, last) = verify(platform, arguments).await;
    assert_eq!((code, rows, &last["findings"]), (Some(0), vec![], &0.into()), "a clean fleet");
    for (harm, kinds, mend) in cases {
        client.batch_execute(&harm.replace("{p}", &practice)).await.unwrap();
        let (code, rows, last) = verify(platform, arguments).await;
        let mut found: Vec<_> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!((code, found.as_slice()), (Some(5), *kinds), "{harm}: {rows:?}");
        assert!(rows.iter().all(|row| row["detail"].as_str().is_some_and(|text| text.len() > 20)), "{rows:?}");
        assert_eq!((&last["findings"], &last["busy"]), (&rows.len().into(), &0.into()), "{harm}");
        client.batch_execute(&mend.replace("{p}", &practice)).await.unwrap();
        let (code, rows, _) = verify(platform, arguments).await;
        assert_eq!((code, rows), (Some(0), vec![]), "after {mend}");
    }
}

#[tokio::test]
async fn whatever_does_not_agree_about_a_tenant_is_found() {
    let platform = fleet("verify_tenants").await;
    each_is_found(&platform, &OF_A_TENANT, &["p1", "p2"]).await;
}

#[tokio::test]
async fn whatever_does_not_agree_about_the_fleet_is_found() {
    let platform = fleet("verify_fleet").await;
    each_is_found(&platform, &OF_THE_FLEET, &[]).await;
}

/// Such a tenant is only behind, as `status` tells.
#[tokio::test]
async fn older_row_rules_are_told_and_no_finding() {
    let platform = fleet("verify_rules").await;
    let client = postgres().await.connect("verify_rules").await.unwrap();
    let row = client.query_one("SELECT name FROM control.tenants WHERE slug = 'p1'", &[]).await.unwrap();
    let practice: &str = row.get(0);
    let older = format!(
        "UPDATE control.ledger SET chain_checksum = 'older', rules_checksum = 'older' WHERE tenant = '{practice}';
         UPDATE {practice}.schema_stamp SET chain_checksum = 'older'"
    );
    client.batch_execute(&older).await.unwrap();
    let (code, rows, last) = verify(&platform, &[]).await;
    assert_eq!((code, &last["findings"], &last["notes"]), (Some(3), &0.into(), &1.into()), "{rows:?}");
    assert_eq!((&last["behind"], &last["failed"]), (&1.into(), &0.into()));
    let text = platform.program("labor-migrator").unwrap().args(["verify"]).run().await.unwrap().stdout;
    assert!(text.contains("everything agrees, 1 note(s), 1 behind version 2: see `labor-migrator status`"), "{text}");
    assert_eq!(
        (&rows[0]["kind"], &rows[0]["tenant"], &rows[0]["note"]),
        (&"rules".into(), &practice.into(), &true.into())
    );
}

/// What differs while another migrator holds the tenant is its work and no fault, and not verified either.
#[tokio::test]
async fn a_tenant_that_is_being_migrated_is_passed_by() {
    let platform = fleet("verify_busy").await;
    let client = postgres().await.connect("verify_busy").await.unwrap();
    let row = client.query_one("SELECT name FROM control.tenants WHERE slug = 'p1'", &[]).await.unwrap();
    let practice: &str = row.get(0);
    let work = format!(
        "UPDATE {practice}.schema_stamp SET version = 1; SELECT pg_advisory_lock(hashtextextended('labor tenant {practice}', 0))"
    );
    client.batch_execute(&work).await.unwrap();
    let (code, rows, last) = verify(&platform, &[]).await;
    assert_eq!((code, rows, &last["busy"]), (Some(3), vec![], &1.into()));
    let told = platform.program("labor-migrator").unwrap().args(["verify"]).run().await.unwrap();
    assert!(!told.stdout.contains("everything agrees") && told.stdout.contains("not verified"), "{}", told.stdout);
    client.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    assert_eq!(verify(&platform, &[]).await.0, Some(5));
}

/// What failed and is mended shows nowhere; what is not, everywhere.
#[tokio::test]
async fn a_failure_is_told_until_it_is_mended() {
    let platform = fleet("verify_failed").await;
    let client = postgres().await.connect("verify_failed").await.unwrap();
    let row = client.query_one("SELECT name FROM control.tenants WHERE slug = 'p1'", &[]).await.unwrap();
    let practice: &str = row.get(0);
    let fail = format!(
        "UPDATE control.ledger SET last_error = 'could not', last_error_at = now() WHERE tenant = '{practice}';
         ALTER TABLE {practice}.users ADD COLUMN by_hand text"
    );
    let mend = format!("ALTER TABLE {practice}.users DROP COLUMN by_hand");
    let run = async |arguments: &[&str]| {
        let ended = platform.program("labor-migrator").unwrap().args(arguments.iter().copied()).run().await.unwrap();
        (ended.status.code(), ended.stdout + &ended.stderr)
    };
    for forgetting in [&["up"][..], &["up", "--tenant", "p1"], &["verify"], &["verify", "p1"]] {
        client.batch_execute(&fail).await.unwrap();
        run(forgetting).await;
        let (code, said) = run(&["status"]).await;
        assert!(code == Some(3) && said.contains("0 behind version 2, 1 failed,"), "it is not mended: {said}");
        client.batch_execute(&mend).await.unwrap();
        for other in [&["up", "--tenant", "p2"][..], &["verify", "p2"]] {
            assert_eq!(run(other).await.0, Some(0));
        }
        let (code, rows, last) = verify(&platform, &["p2"]).await;
        assert_eq!((code, rows, &last["failed"]), (Some(0), vec![], &0.into()), "nobody asked for p1");
        assert_eq!(run(&["status"]).await.0, Some(3));
        assert_eq!(run(forgetting).await.0, Some(0));
        let (code, said) = run(&["status"]).await;
        assert!(code == Some(0) && said.contains("0 failed"), "{forgetting:?}: {said}");
    }
    client.batch_execute(&fail).await.unwrap();
    let hold = run(&["hold", "p1", "--reason", "being looked at"]).await;
    assert_eq!(hold.0, Some(0), "{}", hold.1);
    assert_eq!(run(&["status"]).await.0, Some(0), "who is held does not count");
}

#[tokio::test]
async fn another_master_secret_is_told() {
    let platform = fleet("verify_secret").await;
    let other = platform.folder().join("other-secret");
    write_private(&other, &"ab".repeat(32)).unwrap();
    let other = other.display().to_string();
    for arguments in [&["verify"][..], &["verify", "p1"]] {
        let program = platform.program("labor-migrator").unwrap().args(["--json", "--master-secret-file", &other]);
        let run = program.args(arguments.iter().copied()).run().await.unwrap();
        assert_eq!((run.status.code(), run.stdout.as_str()), (Some(1), ""), "{}", run.stderr);
        assert!(run.stderr.contains("\"wrong_secret\""), "{}", run.stderr);
    }
}
