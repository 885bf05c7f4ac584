//! The same for every policy and every table there is, taken from the database: what is added later is covered without a word here.
use labor_migrator::isolation::check;
use tokio_postgres::Client;

use crate::mistakes::kinds_after;
use crate::world::{Practice, superuser, world};

pub(crate) struct Policy {
    table: String,
    name: String,
    command: String,
    permissive: bool,
    checks_only: bool,
    qual: String,
}

pub(crate) async fn policies(superuser: &Client, practice: &Practice) -> Vec<Policy> {
    let sql = "SELECT c.relname::text, p.polname::text, p.polcmd::text, p.polpermissive, p.polqual IS NULL,
                      coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
                 FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = $1::text::regnamespace ORDER BY 1, 2";
    let rows = superuser.query(sql, &[&practice.name.as_str()]).await.unwrap();
    rows.iter()
        .map(|row| Policy {
            table: row.get(0),
            name: row.get(1),
            command: row.get(2),
            permissive: row.get(3),
            checks_only: row.get(4),
            qual: row.get(5),
        })
        .collect()
}

/// What can be done wrong to one policy, and the kind of finding that is expected.
pub(crate) fn wrongs(policy: &Policy) -> Vec<(String, &'static str)> {
    let Policy { name, qual, command, .. } = policy;
    let on = format!("{name} ON {{t}}.{}", policy.table);
    let clause = if policy.checks_only { "WITH CHECK" } else { "USING" };
    let mut wrongs = vec![
        (format!("DROP POLICY {on}"), "policy_missing"),
        (format!("ALTER POLICY {on} TO {{t}}_app"), "policy_foreign"),
        (format!("ALTER POLICY {on} TO {{b}}_app"), "policy_foreign"),
    ];
    if policy.permissive {
        wrongs.push((format!("ALTER POLICY {on} RENAME TO another"), "policy_permissive"));
    } else {
        wrongs.push((format!("ALTER POLICY {on} {clause} (true)"), "policy_missing"));
        wrongs.push((format!("ALTER POLICY {on} {clause} (({qual}) OR true)"), "policy_missing"));
        let all =
            ["SELECT", "INSERT", "UPDATE", "DELETE"][["r", "a", "w", "d"].iter().position(|c| c == command).unwrap()];
        wrongs.push((
            format!("DROP POLICY {on}; CREATE POLICY {on} FOR {all} TO {{t}}_app {clause} ({qual})"),
            "policy_permissive",
        ));
    }
    if command == "w" {
        wrongs.push((format!("ALTER POLICY {on} WITH CHECK (true)"), "policy_missing"));
    }
    wrongs
}

/// What can be done wrong to one table.
#[rustfmt::skip]
pub(crate) const ON_TABLES: &[(&str, &str)] = &[
    ("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY", "rls_off"),
    ("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", "rls_not_forced"),
    ("ALTER TABLE {table} OWNER TO {t}_app", "owner"),
    ("ALTER TABLE {table} OWNER TO postgres", "owner"),
    ("GRANT SELECT ON {table} TO PUBLIC", "grant"),
    ("GRANT SELECT ON {table} TO labor_tenants", "grant"),
    ("GRANT SELECT ON {table} TO labor_control", "grant"),
    ("GRANT SELECT ON {table} TO {b}_app", "grant"),
    ("GRANT INSERT ON {table} TO labor_backup", "grant"),
    ("GRANT TRUNCATE ON {table} TO {t}_app", "grant"),
    ("GRANT REFERENCES ON {table} TO {t}_app", "grant"),
    ("GRANT TRIGGER ON {table} TO {t}_app", "grant"),
    ("CREATE POLICY more ON {table} TO {t}_app USING (true)", "policy_permissive"),
    ("CREATE POLICY more ON {table} TO {b}_app USING (true)", "policy_foreign"),
    ("CREATE POLICY more ON {table} USING (true)", "policy_permissive"),
    ("GRANT DELETE ON {table} TO {t}_app", "policy_missing"),
];

const TECHNICAL: [&str; 2] = ["schema_stamp", "refinery_schema_history"];

#[tokio::test]
async fn every_policy_that_is_dropped_or_weakened_is_found() {
    let world = world().await;
    let practice = world.another("policies", 4).await;
    let superuser = superuser().await;
    let policies = policies(&superuser, &practice).await;
    assert!(policies.len() >= 30, "only {} policies", policies.len());
    let mut unnoticed = Vec::new();
    for policy in &policies {
        for (sql, kind) in wrongs(policy) {
            let sql = sql.replace("{t}", practice.name.as_str()).replace("{b}", world.b.name.as_str());
            let kinds = kinds_after(&superuser, &practice, &sql).await;
            if !kinds.as_ref().is_ok_and(|kinds| kinds.iter().any(|found| found == kind)) {
                unnoticed.push(format!("{sql}: expected {kind}, found {kinds:?}"));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{}:\n{}", unnoticed.len(), unnoticed.join("\n"));
    assert_eq!(check(&superuser, &practice.name).await.unwrap(), []);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_table_is_found() {
    let world = world().await;
    let practice = world.another("tables", 5).await;
    let superuser = superuser().await;
    let mut unnoticed = Vec::new();
    for table in labor_catalog::catalogue::tenant_tables() {
        for (sql, kind) in ON_TABLES {
            // Nobody has a right to the technical ones, so there is nothing to force.
            if TECHNICAL.contains(&table) && *kind == "rls_not_forced" {
                continue;
            }
            let sql = sql
                .replace("{table}", &format!("{}.{table}", practice.name))
                .replace("{t}", practice.name.as_str())
                .replace("{b}", world.b.name.as_str());
            let kinds = kinds_after(&superuser, &practice, &sql).await;
            if !kinds.as_ref().is_ok_and(|kinds| kinds.iter().any(|found| found == kind)) {
                unnoticed.push(format!("{sql}: expected {kind}, found {kinds:?}"));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{}:\n{}", unnoticed.len(), unnoticed.join("\n"));
}

#[tokio::test]
async fn a_sound_practice_has_no_finding() {
    let world = world().await;
    let superuser = superuser().await;
    for practice in [&world.a, &world.b] {
        assert_eq!(check(&superuser, &practice.name).await.unwrap(), []);
    }
    let migrator =
        labor_migrator::Migrator::new(world.platform.setting("LABOR_MIGRATOR_URL"), world.master.clone()).unwrap();
    assert_eq!(migrator.check(&world.b.name).await.unwrap(), []);
}
