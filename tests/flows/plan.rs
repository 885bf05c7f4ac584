//! Plan: what `up` would do, told before it does it.
use labor_testing::{Platform, postgres, scratch};
use serde_json::Value;

use crate::lock_budget::folder;

const V3: &str = "-- Remarks.\n-- Kind: transaction\n-- Phase: expand\n-- Why: a test.\n-- Locks: two tables.\n-- Previous release: nothing.\n\
    ALTER TABLE orders ADD COLUMN remark text;\nCOMMENT ON COLUMN orders.remark IS 'x';\n\
    ALTER TABLE audit ADD CONSTRAINT audit_short CHECK (length(action) < 1000);\n";
const V4: &str = "-- An index.\n-- Kind: concurrent\n-- Phase: expand\n-- Why: a test.\n-- Locks: lets all pass.\n-- Previous release: nothing.\n\
    CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_object ON audit (object_id);\n";

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
