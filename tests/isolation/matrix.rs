//! Who may do what inside a practice: every role, every table, every operation, tried on rows that are there.
use labor_catalog::ClaimRole::{self, Admin, Doctor, LabTechnician, Patient, Receiver, SignIn, Worker};
use tokio_postgres::Client;

use crate::seed::{Row, Seeds};
use crate::world::{DATABASE, World, bind, connect, state, superuser, world};

/// Whose claims: the role, and whose key or name is the subject.
const ROLES: [ClaimRole; 7] = [Admin, Doctor, LabTechnician, Patient, Worker, Receiver, SignIn];

/// What each role may do, in the order of [`ROLES`]: S read, I add, U change, D delete, T empty. Nothing else is possible.
#[rustfmt::skip]
const MAY: [(&str, [&str; 7]); 10] = [
    //                          admin  doctor techn. patient worker recv. sign_in
    ("users",                   ["SIU", "S",  "S",   "S",    "",    "",   "S"]),
    ("patients",                ["SU",  "SU", "S",   "S",    "SIU", "",   "" ]),
    ("orders",                  ["S",   "S",  "S",   "S",    "SIU", "",   "" ]),
    ("raw_messages",            ["S",   "",   "",    "",     "SIU", "SI", "" ]),
    ("reports",                 ["SU",  "SU", "S",   "S",    "SIU", "",   "" ]),
    ("observations",            ["S",   "S",  "S",   "S",    "SI",  "",   "" ]),
    ("documents",               ["S",   "S",  "S",   "S",    "SIU", "",   "" ]),
    ("audit",                   ["SI",  "I",  "I",   "I",    "I",   "I",  "I"]),
    ("schema_stamp",            ["",    "",   "",    "",     "",    "",   "" ]),
    ("refinery_schema_history", ["",    "",   "",    "",     "",    "",   "" ]),
];

/// A row that could be added, with every column that must have a value; `{patient}` and so on stand for seeded keys.
#[rustfmt::skip]
const NEW_ROWS: [(&str, &str); 10] = [
    ("users", "(id, username, password_hash, role, display_name) VALUES (gen_random_uuid(), 'new', '$argon2id$x', 'doctor', 'x')"),
    ("patients", "(id, identity_key, family_name, given_name) VALUES (gen_random_uuid(), repeat('a', 64), 'x', 'x')"),
    ("orders", "(id, laboratory, lab_order_number) VALUES (gen_random_uuid(), 'x', 'x')"),
    ("raw_messages", "(id, source_id, sha256, body) VALUES (gen_random_uuid(), gen_random_uuid(), sha256('new'), 'x')"),
    ("reports", "(id, raw_message_id, record_index, report_key, version, content_sha256, kind, status, laboratory_name, received_at, confirmed_at)
                 VALUES (gen_random_uuid(), '{message}', 99, repeat('b', 64), 1, sha256('x'), '8205', 'final', 'x', now(), now())"),
    ("observations", "(id, report_id, position, test_code, status, effective_at) VALUES (gen_random_uuid(), '{report}', 99, 'x', 'final', now())"),
    ("documents", "(id, report_id, raw_message_id, position, media_type, sha256, size_bytes)
                   VALUES (gen_random_uuid(), '{report}', '{message}', 99, 'x', sha256('x'), 1)"),
    ("audit", "(id, action, object_kind, outcome) VALUES (gen_random_uuid(), 'x', 'x', 'success')"),
    ("schema_stamp", "(singleton, tenant, version, chain_checksum) VALUES (true, 'x', 1, 'x')"),
    ("refinery_schema_history", "(version, name, applied_on, checksum) VALUES (99, 'x', 'x', 'x')"),
];

/// A column that a change writes to itself.
fn column(table: &str) -> &'static str {
    match table {
        "audit" => "action",
        "schema_stamp" | "refinery_schema_history" => "version",
        "observations" | "documents" => "position",
        "raw_messages" => "content_type",
        "users" => "display_name",
        "orders" => "order_number",
        "patients" => "patient_number",
        _ => "laboratory_name",
    }
}

fn statement(world: &World, table: &str, operation: char) -> String {
    let new = NEW_ROWS.iter().find(|(name, _)| *name == table).unwrap().1;
    let new = new
        .replace("{message}", &world.a.seeds.id(Row::Message).to_string())
        .replace("{report}", &world.a.seeds.id(Row::Released).to_string());
    let schema = &world.a.name;
    match operation {
        'S' => format!("SELECT FROM {schema}.{table}"),
        'I' => format!("INSERT INTO {schema}.{table} {new}"),
        'U' => format!("UPDATE {schema}.{table} SET {0} = {0}", column(table)),
        'D' => format!("DELETE FROM {schema}.{table}"),
        _ => format!("TRUNCATE {schema}.{table} CASCADE"),
    }
}

/// Whose claim a role's is, in the practice.
pub(crate) fn subject(seeds: &Seeds, role: ClaimRole) -> String {
    match role {
        Admin => seeds.id(Row::Admin).to_string(),
        Doctor => seeds.id(Row::Doctor).to_string(),
        LabTechnician => seeds.id(Row::Technician).to_string(),
        Patient => seeds.id(Row::UserOne).to_string(),
        Worker => "worker".to_owned(),
        Receiver => "webhook".to_owned(),
        SignIn => {
            let name = Seeds::username(Row::Doctor);
            hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes()))
        }
    }
}

/// Whether an operation had an effect: hidden rows and a refusal both say no; any other error is a fault of this test.
async fn works(client: &Client, claim: Option<&str>, sql: &str, operation: char) -> Result<bool, String> {
    client.batch_execute("BEGIN").await.unwrap();
    if let Some(claim) = claim {
        bind(client, claim).await;
    }
    let result = client.execute(sql, &[]).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    match result {
        Ok(_) if operation == 'T' => Ok(true),
        Ok(rows) => Ok(rows > 0),
        Err(error) if ["42501", "25006"].contains(&state(&error).as_str()) => Ok(false),
        Err(error) => Err(state(&error)),
    }
}

async fn compare(
    client: &Client,
    world: &World,
    who: &str,
    claim: Option<&str>,
    may: impl Fn(&str) -> &'static str,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (table, _) in MAY {
        for operation in "SIUDT".chars() {
            let expected = may(table).contains(operation);
            let seen = works(client, claim, &statement(world, table, operation), operation).await;
            if seen != Ok(expected) {
                faults.push(format!("{who} {operation} {table}: expected {expected}, found {seen:?}"));
            }
        }
    }
    faults
}

#[tokio::test]
async fn every_role_may_do_what_the_matrix_says_and_nothing_else() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let mut faults = Vec::new();
    for (index, role) in ROLES.into_iter().enumerate() {
        let claim = world.claim(&world.a.name, &subject(&world.a.seeds, role), role);
        let may = |table: &str| MAY.iter().find(|(name, _)| *name == table).unwrap().1[index];
        faults.extend(compare(&client, world, role.as_str(), Some(&claim), may).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn the_control_login_sees_no_practice_and_the_backup_login_only_reads() {
    let world = world().await;
    let control = connect(world.platform.setting("LABOR_CONTROL_URL")).await.unwrap();
    let backup = connect(world.platform.setting("LABOR_BACKUP_URL")).await.unwrap();
    let mut faults = compare(&control, world, "labor_control", None, |_| "").await;
    faults.extend(compare(&backup, world, "labor_backup", None, |_| "S").await);
    backup.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    faults.extend(compare(&backup, world, "labor_backup, writable,", None, |_| "S").await);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for login in [&control, &backup] {
        for sql in [
            "SET ROLE labor_owner",
            "SET ROLE labor_guard",
            "SELECT FROM guard.claim_keys",
            "CREATE TEMP TABLE t (n int)",
        ] {
            assert_eq!(login.execute(sql, &[]).await.err().map(|e| state(&e)).as_deref(), Some("42501"), "{sql}");
        }
        let role = format!("SET ROLE {}", world.a.name.role());
        assert_eq!(state(&login.execute(&role, &[]).await.unwrap_err()), "42501");
    }
}

#[tokio::test]
async fn the_owner_of_all_tables_and_the_guard_cannot_log_in() {
    let _ = world().await;
    for role in ["labor_owner", "labor_guard", "labor_tenants", "labor_services"] {
        let url = labor_testing::postgres().await.url_as(role, "x", DATABASE);
        assert!(["28000", "28P01"].contains(&state(&connect(&url).await.err().unwrap()).as_str()), "{role}");
    }
}

#[tokio::test]
async fn every_table_of_a_practice_is_in_this_matrix() {
    let world = world().await;
    let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1";
    let rows = superuser().await.query(sql, &[&world.a.name.as_str()]).await.unwrap();
    let mut there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut listed: Vec<&str> = MAY.iter().map(|(table, _)| *table).collect();
    there.sort();
    listed.sort_unstable();
    assert_eq!(there, listed);
}

#[tokio::test]
async fn only_receiver_and_worker_enqueue_and_only_for_their_own_practice() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let superuser = superuser().await;
    for role in ROLES {
        let claim = world.claim(&world.a.name, &subject(&world.a.seeds, role), role);
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let result = client.query_one("SELECT guard.enqueue(gen_random_uuid())", &[]).await;
        if matches!(role, Receiver | Worker) {
            let number: i64 = result.unwrap().get(0);
            client.batch_execute("COMMIT").await.unwrap();
            let sql = "DELETE FROM pgmq.q_messages WHERE msg_id = $1 RETURNING message ->> 'tenant'";
            let row = superuser.query_one(sql, &[&number]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), world.a.name.as_str());
        } else {
            assert_eq!(state(&result.unwrap_err()), "42501", "{role}");
            client.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}
