//! Plan: what `up` would do, told before it does it.
use labor_testing::{Platform, postgres, scratch};
use serde_json::Value;

use crate::chain::patients;
use crate::lock_budget::folder;

const V3: &str = "-- Remarks.\n-- Kind: transaction\n-- Phase: expand\n-- Why: a test.\n-- Locks: two tables.\n-- Previous release: nothing.\n\
    ALTER TABLE orders ADD COLUMN remark text;\nCOMMENT ON COLUMN orders.remark IS 'x';\n\
    ALTER TABLE audit ADD CONSTRAINT audit_short CHECK (length(action) < 1000);\n";
const V4: &str = "-- An index.\n-- Kind: concurrent\n-- Phase: expand\n-- Why: a test.\n-- Locks: lets all pass.\n-- Previous release: nothing.\n\
    CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_object ON audit (object_id);\n";

const HEAVY: &str = "-- Kind: transaction\n-- Phase: expand\n-- Why: a test.\n-- Locks: patients.\n-- Previous release: nothing.\n\
    ALTER TABLE patients ADD CONSTRAINT patients_named CHECK (family_name <> '');\n\
    ALTER TABLE patients ADD COLUMN number uuid DEFAULT gen_random_uuid();\nCOMMENT ON COLUMN patients.number IS 'x';\n";

#[tokio::test]
async fn a_plan_estimates_from_what_the_tables_hold() {
    let folder_of = scratch().await.unwrap().join("plan_sizes");
    let platform = Platform::create(postgres().await, &folder_of, "plan_sizes").await.unwrap();
    let client = postgres().await.connect("plan_sizes").await.unwrap();
    for (n, rows) in [(1, 20_000), (2, 500)] {
        let tenant = platform.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
        client.batch_execute(&patients(&tenant, rows)).await.unwrap();
        client.batch_execute(&format!("ANALYZE {tenant}.patients")).await.unwrap();
    }
    // Two practices with rows, and the intake.
    let stored = "SELECT sum(s.bytes)::bigint, max(s.bytes) FROM (
                    SELECT CASE WHEN c.relpages > 0 THEN (c.relpages::bigint + o.relpages) * current_setting('block_size')::bigint
                                ELSE pg_table_size(c.oid) END AS bytes
                      FROM pg_class c JOIN pg_class o ON o.oid = c.reltoastrelid WHERE c.relname = 'patients') s";
    let row = client.query_one(stored, &[]).await.unwrap();
    let (all, largest): (i64, i64) = (row.get(0), row.get(1));
    assert!(largest > 1_000_000 && all > largest, "{all} {largest}: the test tests nothing");

    let db = folder(&platform, &[("V3__heavy.sql", HEAVY)]);
    let run = |arguments: &[&str]| {
        let program = platform.program("labor-migrator").unwrap().args(["--db", &db]).args(arguments.iter().copied());
        async move { program.run().await.unwrap() }
    };
    let planned = run(&["--json", "plan", "--workers", "2"]).await;
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    let assumed = |what: &str| plan["assumed"][what].as_i64().unwrap();
    let class = &plan["plan"]["classes"][0];
    let statements = class["files"][0]["statements"].as_array().unwrap();
    let reading = |bytes: i64| bytes * 1000 / assumed("read_bytes_per_second");
    let writing = |bytes: i64| reading(bytes) + bytes * 1000 / assumed("write_bytes_per_second");
    let figures = |n: usize| {
        ["bytes", "bytes_largest", "milliseconds_largest"].map(|figure| statements[n][figure].as_i64().unwrap())
    };
    assert_eq!(figures(0), [all, largest, reading(largest)], "a scan: {plan}");
    assert_eq!(figures(1), [all, largest, writing(largest)], "written anew: {plan}");
    assert_eq!(figures(2), [0, 0, 0], "a comment: {plan}");
    let one = reading(largest) + writing(largest) + assumed("milliseconds_per_transaction");
    assert_eq!(class["milliseconds_largest"], one, "{plan}");
    // Three tenants, of which two have nothing that counts, by two workers.
    let whole = class["milliseconds"].as_i64().unwrap();
    assert!(whole >= one + 2 * assumed("milliseconds_per_transaction"), "{plan}");
    assert_eq!(plan["plan"]["milliseconds"], (whole / 2).max(one), "{plan}");
    let text = run(&["plan"]).await.stdout;
    assert!(text.contains(&format!("{} MB", largest / 1_000_000)), "{text}");
}

#[tokio::test]
async fn a_plan_says_what_up_would_do_and_changes_nothing() {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join("plan"), "plan").await.unwrap();
    for n in 1..=3 {
        platform.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
    }
    let client = postgres().await.connect("plan").await.unwrap();
    // A run keeps the texts of the files.
    client.batch_execute("UPDATE control.ledger SET chain_checksum = 'older'").await.unwrap();
    platform.program("labor-migrator").unwrap().args(["up"]).output().await.unwrap();
    client
        .batch_execute(
            "UPDATE control.ledger SET held_at = now(), held_reason = 'x', held_by = 'x'
        WHERE tenant = (SELECT name FROM control.tenants WHERE slug = 'p3')",
        )
        .await
        .unwrap();
    let nothing = platform.json("labor-migrator", &["--json", "plan"], "").await.unwrap();
    assert_eq!((&nothing["plan"]["current"], &nothing["plan"]["classes"]), (&4.into(), &Value::Array(Vec::new())));
    let db = folder(&platform, &[("V3__remarks.sql", V3), ("V4__object.sql", V4)]);
    let everything = "SELECT (SELECT string_agg(l::text, ';' ORDER BY tenant) FROM control.ledger l) || (SELECT count(*) FROM control.runs)
        || (SELECT count(*) FROM pg_class) || (SELECT count(*) FROM control.migrations)";
    let before: String = client.query_one(everything, &[]).await.unwrap().get(0);
    let run = |arguments: &[&str]| {
        let program = platform.program("labor-migrator").unwrap().args(["--db", &db]).args(arguments.iter().copied());
        async move { program.run().await.unwrap() }
    };
    let planned = run(&["--json", "plan"]).await;
    // A CHECK that isn't NOT VALID reads the table under its lock: the linter says so.
    assert_eq!(planned.status.code(), Some(6), "{}{}", planned.stdout, planned.stderr);
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    let class = &plan["plan"]["classes"][0];
    assert_eq!((&class["tenants"], &class["held"], &class["rules"]), (&4.into(), &1.into(), &false.into()), "{plan}");
    let statements = class["files"][0]["statements"].as_array().unwrap();
    let effect =
        |n: usize| (statements[n]["effects"][0]["table"].as_str(), statements[n]["effects"][0]["mode"].as_str());
    assert_eq!(effect(0), (Some("orders"), Some("ACCESS EXCLUSIVE")));
    assert_eq!(effect(1), (Some("orders"), Some("SHARE UPDATE EXCLUSIVE")));
    assert_eq!(
        (effect(2), &statements[2]["effects"][0]["scan"]),
        ((Some("audit"), Some("ACCESS EXCLUSIVE")), &true.into())
    );
    assert_eq!(class["files"][1]["kind"], "concurrent");
    let text = run(&["plan", "--tenant", "p1", "--workers", "2"]).await.stdout;
    for part in ["1 tenant(s) to version 4", "audit: ACCESS EXCLUSIVE, scan", "estimate", "V4__object.sql"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(client.query_one(everything, &[]).await.unwrap().get::<_, String>(0), before);

    // As up: what was edited after it was applied is refused.
    let edited = format!("{db}/migrations/tenant/V2__reader_version.sql");
    let sql = std::fs::read_to_string(&edited).unwrap();
    std::fs::write(&edited, sql + "\n-- edited\n").unwrap();
    let refused = run(&["plan"]).await;
    assert_eq!(refused.status.code(), Some(5));
    assert!(refused.stderr.contains("was edited after it was applied"), "{}", refused.stderr);
}
