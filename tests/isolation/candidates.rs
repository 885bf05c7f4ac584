//! Who could be meant is found by indexes, also through the row rules, which let only leakproof operators use one.
//! Buffers and not milliseconds: they are the same on a busy machine.
use labor_catalog::ClaimRole;
use serde_json::Value;
use tokio_postgres::Client;

use crate::world::{bind, world};

/// So many patients has a very large practice.
const PATIENTS: u32 = 100_000;

/// The product's statement of this name.
fn statement(name: &str) -> &'static str {
    labor_db::statements::all().find(|(listed, _)| listed.contains(name)).unwrap().1
}

/// What was read, and the tables that were read from one end to the other.
pub(crate) async fn plan(client: &Client, claim: &str, name: &str, parameters: &str, mode: &str) -> (u64, Vec<String>) {
    client.batch_execute("BEGIN").await.unwrap();
    bind(client, claim).await;
    let prepare = format!("SET LOCAL plan_cache_mode = {mode}; PREPARE wanted AS {}", statement(name));
    client.batch_execute(&prepare).await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE wanted ({parameters})");
    let explained: Value = client.query_one(&explain, &[]).await.unwrap().get(0);
    client.batch_execute("DEALLOCATE wanted; ROLLBACK").await.unwrap();
    let plan = &explained[0]["Plan"];
    let mut scanned = Vec::new();
    scans(plan, &mut scanned);
    let read = ["Shared Hit Blocks", "Shared Read Blocks"].iter().map(|key| plan[key].as_u64().unwrap()).sum();
    (read, scanned)
}

fn scans(plan: &Value, found: &mut Vec<String>) {
    // The rules' own look at the few users is none, nor what the plan holds for other roles.
    if plan["Node Type"] == "Seq Scan" && plan["Relation Name"] != "users" && plan["Actual Loops"] != 0 {
        found.push(plan["Relation Name"].to_string());
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| scans(child, found));
}

#[tokio::test]
async fn candidates_among_a_hundred_thousand_patients_are_found_by_indexes() {
    let world = world().await;
    let practice = world.another("candidates", 71).await;
    let fill = format!(
        "INSERT INTO {0}.patients (id, identity_key, family_name, given_name, name_key, birth_date, sex, insurance_number, patient_number)
         SELECT gen_random_uuid(), encode(sha256(n::text::bytea), 'hex'), 'Name' || n % 5000, 'Given' || n, 'name' || n % 5000,
                CASE WHEN n % 100 > 0 THEN date '1930-01-01' + n % 30000 END, 'female', 'X' || n, 'P' || n
           FROM generate_series(1, {PATIENTS}) n;
         ANALYZE {0}.patients",
        practice.name
    );
    world.superuser().await.batch_execute(&fill).await.unwrap();
    let client = world.login(&practice).await;
    let claim = world.claim(&practice.name, "worker", ClaimRole::Worker);
    let mut faults = Vec::new();
    let nobody = "'{}', '0001-01-01', '9999-12-31', '{}'";
    for (what, name, parameters, budget) in [
        ("all of it", "FIND_CANDIDATES", "'X7', 'P7', '1966-10-24', '{name7}', '1966-10-24', '1966-10-24', '{}'", 300),
        (
            "a birth date",
            "FIND_CANDIDATES",
            "NULL, NULL, '1966-10-24', '{name7}', '1966-10-24', '1966-10-24', '{}'",
            100,
        ),
        ("an insurance number", "FIND_CANDIDATES", &format!("'X7', NULL, NULL, {nobody}"), 100),
        (
            "a part of a birth date",
            "FIND_CANDIDATES",
            "NULL, NULL, NULL, '{name,name7}', '1966-01-01', '1966-12-31', '{}'",
            100,
        ),
        ("the beginning of a name", "FIND_BY_NAME", "'name77', 'name78', NULL", 3_000),
        ("a day", "FIND_BY_BIRTH", "'1966-10-24'", 100),
    ] {
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let (read, scanned) = plan(&client, &claim, name, parameters, mode).await;
            if !scanned.is_empty() || read > budget {
                faults.push(format!("{what}, {mode}: {read} buffers, budget {budget}; scans {scanned:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
