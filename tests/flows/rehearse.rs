//! Rehearse: the pending files on a clone of which nothing stays.
use labor_testing::{Platform, Program, postgres, scratch};
use serde_json::Value;
use tokio_postgres::Client;

use crate::lock_budget::folder;

const HEADER: &str = "-- A test.\n-- Phase: expand\n-- Why: a test.\n-- Locks: some.\n-- Previous release: nothing.\n";
const V3: &str = "-- Kind: transaction\nALTER TABLE orders ADD COLUMN remark text;\nCOMMENT ON COLUMN orders.remark IS 'x';\n\
    ALTER TABLE patients ADD COLUMN number uuid DEFAULT gen_random_uuid();\nCOMMENT ON COLUMN patients.number IS 'x';\n";
const V4: &str = "-- Kind: concurrent\nCREATE INDEX CONCURRENTLY IF NOT EXISTS orders_remark ON orders (remark);\n";
const V5: &str = "-- Kind: backfill\n-- Batch: 2\n-- Pause: 1 ms\n\
    UPDATE orders SET remark = 'x' WHERE id IN (SELECT id FROM orders WHERE remark IS NULL LIMIT {batch});\n";
/// Only on a clone, which alone has a comment: an empty schema on which files are tried shows nothing.
const REACHING_OUT: &str = "-- Kind: transaction\nDO $$ BEGIN\n  IF obj_description(current_schema()::text::regnamespace, 'pg_namespace') IS NOT NULL THEN\n\
    EXECUTE format('GRANT USAGE ON SCHEMA control TO %I', current_schema() || '_app');\n  END IF;\nEND $$;\n";
const FAILING: &str =
    "-- Kind: transaction\nALTER TABLE orders ADD CONSTRAINT orders_none CHECK (laboratory <> 'L');\n";

/// Every schema, table and role of ours; tenants' files and rows are told by the ledger and the statistics of the catalog.
const EVERYTHING: &str = "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%') || (SELECT count(*) FROM pg_roles r WHERE rolname IN (SELECT nspname || '_app' FROM pg_namespace))
    || (SELECT string_agg(l::text, ';' ORDER BY tenant) FROM control.ledger l) || (SELECT count(*) FROM control.outcomes)";

async fn platform(name: &str) -> (Platform, String, Client) {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    let tenant = platform.practice("p1", "Praxis", "100000001").await.unwrap();
    platform.practice("p2", "Praxis", "100000002").await.unwrap();
    let client = postgres().await.connect(name).await.unwrap();
    client
        .batch_execute(&format!(
            "INSERT INTO {tenant}.patients (id, identity_key, family_name, given_name)
               SELECT gen_random_uuid(), lpad(n::text, 64, '0'), 'Probe', 'Eins' FROM generate_series(1, 3) n;
             INSERT INTO {tenant}.orders (id, laboratory, lab_order_number, patient_id)
               SELECT gen_random_uuid(), 'L', patient_number, id FROM (SELECT id, identity_key AS patient_number FROM {tenant}.patients) p;
             ANALYZE"
        ))
        .await
        .unwrap();
    (platform, tenant, client)
}

async fn everything(client: &Client) -> String {
    client.query_one(EVERYTHING, &[]).await.unwrap().get(0)
}

fn rehearse(platform: &Platform, db: &str, arguments: &[&str]) -> Program {
    let program =
        platform.program("labor-migrator").unwrap().args(["--json", "--db", db, "rehearse", "--allow-lint-errors"]);
    program.args(arguments.iter().copied())
}

fn with_header(sql: &str) -> String {
    format!("{HEADER}{sql}")
}

#[tokio::test]
async fn a_rehearsal_with_rows_measures_and_leaves_nothing() {
    let (platform, tenant, client) = platform("rehearse").await;
    let files = [("V3__a.sql", with_header(V3)), ("V4__b.sql", with_header(V4)), ("V5__c.sql", with_header(V5))];
    let db = folder(&platform, &files.each_ref().map(|(name, sql)| (*name, sql.as_str())));
    let before = everything(&client).await;
    let run = rehearse(&platform, &db, &["--data", "--tenant", "p1"]).run().await.unwrap();
    assert!(run.status.success(), "{}{}", run.stdout, run.stderr);
    let report: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&report["rows_of"], &report["rows"]), (&tenant.as_str().into(), &6.into()), "{report}");
    assert_eq!((&report["faithful"], &report["error"]), (&true.into(), &Value::Null), "{report}");
    let statements = report["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 6, "{report}");
    assert_eq!(statements[0]["locks"][0]["mode"], "ACCESS EXCLUSIVE");
    assert_eq!(statements[2]["rewritten"][0], "patients");
    assert!(statements.iter().all(|s| s["unforetold"].as_array().unwrap().is_empty()), "{report}");
    assert_eq!(everything(&client).await, before, "the clone is gone, and nobody noticed it");
    let up = platform
        .program("labor-migrator")
        .unwrap()
        .args(["--db", &db, "up", "--allow-lint-errors"])
        .run()
        .await
        .unwrap();
    assert!(up.status.success(), "{}{}", up.stdout, up.stderr);
    let fingerprint: String =
        client.query_one("SELECT left(min(fingerprint), 12) FROM control.ledger", &[]).await.unwrap().get(0);
    assert_eq!(report["fingerprint"], fingerprint.as_str(), "the rehearsal foretold what up makes");
}

#[tokio::test]
async fn who_is_held_is_rehearsed_only_by_name() {
    let (platform, tenant, client) = platform("rehearse_held").await;
    let db = folder(&platform, &[("V3__a.sql", &with_header(V3))]);
    let hold = async |which: &str| {
        let sql =
            "UPDATE control.ledger SET held_at = now(), held_by = 'test', held_reason = 'x' WHERE held_at IS NULL";
        client.batch_execute(&format!("{sql} AND {which}")).await.unwrap();
    };
    let tenants = async |arguments: &[&str]| {
        let run = rehearse(&platform, &db, arguments).run().await.unwrap();
        assert!(run.status.success(), "{}{}", run.stdout, run.stderr);
        let reports = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        reports.map(|report| report["tenants"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    hold(&format!("tenant = '{tenant}'")).await;
    assert_eq!(tenants(&[]).await, [2], "the other practice and the intake");
    assert_eq!(tenants(&["--tenant", "p1"]).await, [1]);
    hold("true").await;
    assert_eq!(tenants(&[]).await, [0_i64; 0], "up would leave all of them");
}

#[tokio::test]
async fn a_class_that_up_would_refuse_does_not_pass_its_rehearsal() {
    let (platform, tenant, client) = platform("rehearse_other").await;
    let db = folder(&platform, &[("V3__a.sql", &with_header(V3))]);
    // By the ledger it is not what the files make.
    let other = format!("UPDATE control.ledger SET fingerprint = repeat('0', 64) WHERE tenant = '{tenant}'");
    client.batch_execute(&other).await.unwrap();
    let run = rehearse(&platform, &db, &["--tenant", "p1"]).run().await.unwrap();
    let report: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((run.status.code(), &report["faithful"]), (Some(1), &false.into()), "{}{}", run.stdout, run.stderr);
}

#[tokio::test]
async fn what_fails_only_on_rows_fails_in_the_rehearsal() {
    let (platform, _, client) = platform("rehearse_fail").await;
    let db = folder(&platform, &[("V3__a.sql", &with_header(FAILING))]);
    let before = everything(&client).await;
    let empty = rehearse(&platform, &db, &[]).run().await.unwrap();
    assert_eq!(empty.status.code(), Some(0), "{}{}", empty.stdout, empty.stderr);
    let full = rehearse(&platform, &db, &["--data"]).run().await.unwrap();
    assert_eq!(full.status.code(), Some(1), "{}{}", full.stdout, full.stderr);
    assert!(full.stdout.contains("V3__a.sql:7") && full.stdout.contains("orders_none"), "{}", full.stdout);
    assert!(!full.stdout.contains("Probe"), "no row is told");
    let without = rehearse(&platform, &db, &["--data"]).env("LABOR_BACKUP_URL", "").run().await.unwrap();
    assert!(!without.status.success() && without.stderr.contains("LABOR_BACKUP_URL"), "{}", without.stderr);
    assert_eq!(everything(&client).await, before);
}

#[tokio::test]
async fn what_a_killed_rehearsal_left_is_dropped_by_the_next() {
    let (platform, _, client) = platform("rehearse_kill").await;
    // A clone alone has a comment; the empty schema on which files are tried before has none.
    let slow =
        "SELECT pg_sleep(60) WHERE obj_description(current_schema()::text::regnamespace, 'pg_namespace') IS NOT NULL;";
    let slow = with_header(&format!("-- Kind: concurrent\n{slow}\n"));
    let db = folder(&platform, &[("V3__a.sql", &slow)]);
    let before = everything(&client).await;
    let running = rehearse(&platform, &db, &[]).start_with_log(&platform.folder().join("rehearse.log")).unwrap();
    let sleeping = "SELECT count(*), min(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep' AND query LIKE 'SELECT pg_sleep%'";
    let pid: i32 = labor_testing::until("the clone", std::time::Duration::from_secs(30), async || {
        let row = client.query_one(sleeping, &[]).await.unwrap();
        Ok(if row.get::<_, i64>(0) > 0 { Ok(row.get(1)) } else { Err(running.said()) })
    })
    .await
    .unwrap();
    running.kill9();
    assert_ne!(everything(&client).await, before, "it is still there");
    let says_whose = "SELECT count(*) FROM pg_namespace n JOIN control.tenants t
        ON obj_description(n.oid, 'pg_namespace') LIKE 'labor-migrator rehearsal of ' || t.name || ' by %'";
    let named: i64 = client.query_one(says_whose, &[]).await.unwrap().get(0);
    assert_eq!(named, 1, "a deletion would pass the clone by");
    client.query_one("SELECT pg_terminate_backend($1, 10000)", &[&pid]).await.unwrap();
    // A schema with such a comment that is a tenant's stays.
    let name: String = client.query_one("SELECT min(name) FROM control.tenants", &[]).await.unwrap().get(0);
    client.batch_execute(&format!("COMMENT ON SCHEMA {name} IS 'labor-migrator rehearsal by nobody'")).await.unwrap();
    let next = platform.program("labor-migrator").unwrap().args(["rehearse"]).run().await.unwrap();
    assert!(next.status.success(), "{}", next.stderr);
    assert_eq!(everything(&client).await, before);
}

#[tokio::test]
async fn what_was_found_is_told_and_a_clone_that_stays_stops_no_rehearsal() {
    let (platform, tenant, client) = platform("rehearse_reach").await;
    let db = folder(&platform, &[("V3__a.sql", &with_header(REACHING_OUT))]);
    let before = everything(&client).await;
    let run = rehearse(&platform, &db, &[]).run().await.unwrap();
    assert_eq!(run.status.code(), Some(4), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("_app may use schema") || run.stdout.contains("control"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert_eq!(everything(&client).await, before, "the clone is gone with what its role was given");

    // Nothing of ours, so it can't be dropped; and a chain of its own makes no class of its own.
    let stays =
        "CREATE SCHEMA t_aaaaaaaaaaaa; COMMENT ON SCHEMA t_aaaaaaaaaaaa IS 'labor-migrator rehearsal by nobody'";
    let begun = format!("UPDATE control.ledger SET chain_checksum = 'another' WHERE tenant = '{tenant}'");
    client.batch_execute(&format!("{stays}; {begun}")).await.unwrap();
    let db = folder(&platform, &[("V3__a.sql", &with_header(V3))]);
    let run = rehearse(&platform, &db, &[]).run().await.unwrap();
    assert!(run.status.success(), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("t_aaaaaaaaaaaa"), "{}", run.stderr);
    let all: i64 = client.query_one("SELECT count(*) FROM control.ledger", &[]).await.unwrap().get(0);
    let reports: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        reports.iter().map(|report| report["tenants"].as_i64().unwrap()).collect::<Vec<_>>(),
        [all],
        "{}",
        run.stdout
    );
}

#[tokio::test]
async fn what_up_refuses_beforehand_is_refused_before_there_is_a_clone() {
    let (platform, _, client) = platform("rehearse_refuse").await;
    let before = everything(&client).await;
    let made = "SELECT max(oid)::bigint FROM pg_namespace";
    let last: i64 = client.query_one(made, &[]).await.unwrap().get(0);
    let db = folder(&platform, &[("V3__a.sql", &with_header(V3))]);
    let program = platform.program("labor-migrator").unwrap().args(["--db", &db, "rehearse"]);
    let linted = program.run().await.unwrap();
    assert_eq!(linted.status.code(), Some(6), "{}{}", linted.stdout, linted.stderr);
    assert!(linted.stderr.contains("the linter finds"), "{}", linted.stderr);

    let out = "-- Kind: transaction\nDO $$ BEGIN\n  EXECUTE format('GRANT USAGE ON SCHEMA control TO %I', current_schema() || '_app');\nEND $$;\n";
    let db = folder(&platform, &[("V3__a.sql", &with_header(out))]);
    let reaching = rehearse(&platform, &db, &[]).run().await.unwrap();
    assert_eq!((reaching.status.code(), reaching.stdout.as_str()), (Some(4), ""), "{}", reaching.stderr);
    assert!(reaching.stderr.contains("would weaken the isolation of every tenant"), "{}", reaching.stderr);
    assert_eq!(everything(&client).await, before);
    assert_eq!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0), last, "no schema was ever committed");
}
