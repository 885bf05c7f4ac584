//! Who may do what inside a practice: every role, every table, every operation, tried on rows that are there.
use labor_catalog::ClaimRole::{self, Admin, Doctor, LabTechnician, Patient, Receiver, SignIn, Worker};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::seed::{Row, Seeds};
use crate::world::{DATABASE, World, bind, connect, state, superuser, world};

/// Whose claims: the role, and whose key or name is the subject.
const ROLES: [ClaimRole; 7] = [Admin, Doctor, LabTechnician, Patient, Worker, Receiver, SignIn];

/// What each role may do, in the order of [`ROLES`], and last the backup's login: S read, I add, U change, D delete, T empty. Nothing else
/// is possible.
#[rustfmt::skip]
const MAY: [(&str, [&str; 8]); 20] = [
    //                          admin  doctor techn. patient worker recv. sign_in backup
    // Operators alone add and change people, and say who is which doctor; they sign as administrators: see `visible_rows`.
    ("users",                   ["S",   "S",  "S",   "S",    "",    "",   "S", "S"]),
    ("doctor_numbers",          ["S",   "S",  "S",   "",     "S",   "",   "",  "S"]),
    ("patients",                ["SIU", "SIU","S",   "S",    "SIU", "",   "",  "S"]),
    ("orders",                  ["SU",  "SU", "S",   "S",    "SIU", "",   "",  "S"]),
    ("raw_messages",            ["S",   "",   "",    "",     "SIU", "SI", "",  "S"]),
    ("reports",                 ["SU",  "SU", "S",   "S",    "SIU", "",   "",  "S"]),
    ("observations",            ["S",   "S",  "S",   "S",    "SI",  "",   "",  "S"]),
    ("documents",               ["S",   "S",  "S",   "S",    "SIU", "",   "",  "S"]),
    ("matches",                 ["SI",  "SI", "S",   "",     "SI",  "",   "",  "S"]),
    ("report_events",           ["SI",  "SI", "SI",  "SI",   "SI",  "",   "",  "S"]),
    ("notices",                 ["SI",  "SI", "S",   "S",    "SI",  "",   "",  "S"]),
    ("genetic_holds",           ["SI",  "S",  "S",   "",     "SI",  "",   "",  "S"]),
    ("critical_limits",         ["SIU", "SIU","S",   "",     "S",   "",   "",  "S"]),
    ("alert_steps",             ["SIU", "SIU","S",   "",     "S",   "",   "",  "S"]),
    ("alerts",                  ["S",   "S",  "S",   "",     "SI",  "",   "",  "S"]),
    ("alert_events",            ["SI",  "SI", "SI",  "",     "SI",  "",   "",  "S"]),
    // Changed only once an event ended the alert: see `visible_rows`.
    ("alert_states",            ["SU",  "SU", "SU",  "",     "SIU", "",   "",  "S"]),
    ("audit",                   ["SI",  "I",  "I",   "I",    "I",   "I",  "I", "S"]),
    ("schema_stamp",            ["",    "",   "",    "",     "",    "",   "",  "S"]),
    ("refinery_schema_history", ["",    "",   "",    "",     "",    "",   "",  "S"]),
];

/// How many of the seeded practice's rows each sees: two patients, five users, five reports in different states, two matches, a notice for each of four users, three alerts
/// and one row of most that belongs to them ([`crate::seed`]). A
/// patient sees what is their own and was released; whoever is told something sees it alone; before sign-in only the row whose name was typed is seen.
#[rustfmt::skip]
const SEES: [(&str, [i64; 8]); 19] = [
    //                          admin  doctor techn. patient worker recv. sign_in backup
    ("users",                   [5,    5,     5,     1,      0,     0,    1,      5]),
    ("doctor_numbers",          [1,    1,     1,     0,      1,     0,    0,      1]),
    ("patients",                [2,    2,     2,     1,      2,     0,    0,      2]),
    ("orders",                  [3,    3,     3,     1,      3,     0,    0,      3]),
    ("raw_messages",            [1,    0,     0,     0,      1,     1,    0,      1]),
    ("reports",                 [5,    5,     5,     1,      5,     0,    0,      5]),
    ("observations",            [5,    5,     5,     1,      5,     0,    0,      5]),
    ("documents",               [5,    5,     5,     1,      5,     0,    0,      5]),
    ("matches",                 [2,    2,     2,     0,      2,     0,    0,      2]),
    ("report_events",           [3,    3,     3,     1,      3,     0,    0,      3]),
    ("notices",                 [4,    1,     1,     1,      4,     0,    0,      4]),
    ("genetic_holds",           [1,    1,     1,     0,      1,     0,    0,      1]),
    ("critical_limits",         [1,    1,     1,     0,      1,     0,    0,      1]),
    ("alert_steps",             [1,    1,     1,     0,      1,     0,    0,      1]),
    ("alerts",                  [3,    3,     3,     0,      3,     0,    0,      3]),
    ("alert_events",            [2,    2,     2,     0,      2,     0,    0,      2]),
    ("alert_states",            [1,    1,     1,     0,      1,     0,    0,      1]),
    ("audit",                   [1,    0,     0,     0,      0,     0,    0,      1]),
    ("schema_stamp",            [0,    0,     0,     0,      0,     0,    0,      1]),
];

/// A row that could be added, with every column that must have a value; `{patient}` and so on stand for seeded keys.
#[rustfmt::skip]
const NEW_ROWS: [(&str, &str); 20] = [
    ("users", "(id, username, password_hash, role, display_name) VALUES (gen_random_uuid(), 'new', '$argon2id$x', 'doctor', 'x')"),
    ("doctor_numbers", "(id, user_id, lanr) VALUES (gen_random_uuid(), '{doctor}', '123456601')"),
    ("patients", "(id, identity_key, family_name, given_name) VALUES (gen_random_uuid(), repeat('a', 64), 'x', 'x')"),
    ("orders", "(id, laboratory, lab_order_number) VALUES (gen_random_uuid(), 'x', 'x')"),
    ("raw_messages", "(id, source_id, sha256, body) VALUES (gen_random_uuid(), gen_random_uuid(), sha256('x'), 'x')"),
    ("reports", "(id, raw_message_id, record_index, report_key, version, content_sha256, kind, status, laboratory_name, received_at, confirmed_at)
                 VALUES (gen_random_uuid(), '{message}', 99, repeat('b', 64), 1, sha256('x'), '8205', 'final', 'x', now(), now())"),
    ("observations", "(id, report_id, position, test_code, status, effective_at) VALUES (gen_random_uuid(), '{unreleased}', 99, 'x', 'final', now())"),
    ("documents", "(id, report_id, raw_message_id, position, media_type, sha256, size_bytes)
                   VALUES (gen_random_uuid(), '{unreleased}', '{message}', 99, 'x', sha256('x'), 1)"),
    ("matches", "(id, report_id, kind, patient_id, reasons) VALUES (gen_random_uuid(), '{report}', 'matched', '{patient}', '{order_number}')"),
    // What the worker adds is of another kind than what people add, and so is what an administrator adds to an alert.
    ("report_events", "(id, report_id, kind, notice_id) SELECT gen_random_uuid(), '{report}', CASE c.role WHEN 'worker' THEN 'withdrawn' ELSE 'told' END,
                       CASE c.role WHEN 'worker' THEN NULL ELSE '{notice}'::uuid END FROM guard.claim_role() AS c (role)"),
    ("notices", "(id, recipient, report_id, kind, replaced_by) VALUES (gen_random_uuid(), 'x', '{report}', 'corrected', '{report}')"),
    ("genetic_holds", "(id, report_id, lanr) VALUES (gen_random_uuid(), '{report}', '123456601')"),
    ("critical_limits", "(id, test_code, unit, tier, high) VALUES (gen_random_uuid(), 'x', 'x', 'phone', 1)"),
    ("alert_steps", "(id, tier, step, user_id, seconds) VALUES (gen_random_uuid(), 'check', 1, '{doctor}', 1)"),
    ("alerts", "(id, report_id, tier, cause, due_at) VALUES (gen_random_uuid(), '{unreleased}', 'emergency', 'laboratory', now())"),
    ("alert_events", "(id, alert_id, tier, kind, reached)
                      SELECT gen_random_uuid(), CASE c.role WHEN 'admin' THEN '{change}'::uuid ELSE '{alert}' END, CASE c.role WHEN 'admin' THEN 'check' ELSE 'emergency' END,
                      CASE WHEN c.role IN ('admin', 'worker') THEN 'superseded' ELSE 'unreachable' END,
                      CASE WHEN c.role NOT IN ('admin', 'worker') THEN 'x' END FROM guard.claim_role() AS c (role)"),
    ("alert_states", "(alert_id) VALUES ('{alert}')"),
    ("audit", "(id, action, object_kind, outcome) VALUES (gen_random_uuid(), 'x', 'x', 'success')"),
    ("schema_stamp", "(singleton, tenant, version, chain_checksum) VALUES (true, 'x', 1, 'x')"),
    ("refinery_schema_history", "(version, name, applied_on, checksum) VALUES (99, 'x', 'x', 'x')"),
];

/// A column that a change writes to itself.
fn column(table: &str) -> &'static str {
    match table {
        "audit" => "action",
        "schema_stamp" | "refinery_schema_history" => "version",
        "observations" => "position",
        "documents" => "scan_state",
        "raw_messages" => "charset",
        "users" => "display_name",
        "orders" => "order_number",
        "patients" => "patient_number",
        "report_events" => "comment",
        "matches" | "notices" | "alert_events" => "kind",
        "genetic_holds" | "doctor_numbers" => "lanr",
        "critical_limits" | "alert_steps" | "alerts" => "tier",
        _ => "laboratory_name",
    }
}

fn statement(world: &World, table: &str, operation: char) -> String {
    let new = NEW_ROWS.iter().find(|(name, _)| *name == table).unwrap().1;
    let new = new
        .replace("{message}", &world.a.seeds.id(Row::Message).to_string())
        .replace("{report}", &world.a.seeds.id(Row::Released).to_string())
        .replace("{patient}", &world.a.seeds.id(Row::PatientOne).to_string())
        .replace("{notice}", &world.a.seeds.notice_of(Row::Doctor).to_string())
        .replace("{unreleased}", &world.a.seeds.id(Row::Unreleased).to_string())
        .replace("{doctor}", &world.a.seeds.id(Row::Doctor).to_string())
        .replace("{change}", &world.a.seeds.id(Row::ChangeAlert).to_string())
        .replace("{alert}", &world.a.seeds.id(Row::Alert).to_string());
    let schema = &world.a.name;
    match operation {
        'S' => format!("SELECT FROM {schema}.{table}"),
        'I' => format!("INSERT INTO {schema}.{table} {new}"),
        // What is released is another matter, and a limit, a step and an alert only end (`visible_rows`).
        'U' if table == "reports" => {
            format!(
                "UPDATE {schema}.reports SET patient_id = patient_id WHERE id = '{}'",
                world.a.seeds.id(Row::Unreleased)
            )
        }
        'U' if ["critical_limits", "alert_steps"].contains(&table) => {
            format!("UPDATE {schema}.{table} SET ended_at = now(), ended_by = guard.claim_subject()")
        }
        'U' if table == "alert_states" => format!("UPDATE {schema}.{table} SET ended_at = now()"),
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

/// By table: what each role, in the order of [`ROLES`], and last the backup's login, saw; `-`: it was refused.
type SeenRows = Vec<(&'static str, Vec<String>)>;

static SEEN: OnceCell<SeenRows> = OnceCell::const_new();

/// What was seen, for this test and for docs/isolation.md.
pub(crate) async fn seen_rows() -> &'static SeenRows {
    SEEN.get_or_init(count_rows).await
}

async fn count_rows() -> SeenRows {
    let world = world().await;
    // Nobody else uses it: other tests write to the audit.
    let practice = world.another("matrix", 90).await;
    let client = world.login(&practice).await;
    let backup = connect(world.platform.setting("LABOR_BACKUP_URL")).await.unwrap();
    let mut seen = Vec::new();
    for (table, _) in SEES {
        let sql = format!("SELECT count(*)::text FROM {}.{table}", practice.name);
        let mut row = Vec::new();
        for role in ROLES.map(Some).into_iter().chain([None]) {
            let claim = role.map(|role| world.claim(&practice.name, &subject(&practice.seeds, role), role));
            let client = if role.is_some() { &client } else { &backup };
            client.batch_execute("BEGIN").await.unwrap();
            if let Some(claim) = claim {
                bind(client, &claim).await;
            }
            let count = client.query_one(&sql, &[]).await;
            client.batch_execute("ROLLBACK").await.unwrap();
            row.push(count.map_or_else(|_| "-".to_owned(), |count| count.get(0)));
        }
        seen.push((table, row));
    }
    seen
}

/// What a role may do to a table, in the order of [`ROLES`] and the backup's login, as [`MAY`] has it.
pub(crate) fn may(table: &str) -> [&'static str; 8] {
    MAY.iter().find(|(name, _)| *name == table).unwrap().1
}

/// The names of the columns.
pub(crate) fn who() -> Vec<String> {
    let roles = ROLES.map(|role| role.as_str().replace('_', " "));
    roles.into_iter().chain(["labor_backup".to_owned()]).collect()
}

#[tokio::test]
async fn every_role_sees_the_rows_that_the_matrix_says_and_no_others() {
    let mut faults = Vec::new();
    for ((table, seen), (_, expected)) in seen_rows().await.iter().zip(SEES) {
        for ((who, seen), expected) in who().into_iter().zip(seen).zip(expected) {
            // Where nothing may be read there is no right at all, or no row.
            if *seen != expected.to_string() && !(seen == "-" && expected == 0) {
                faults.push(format!("{who} {table}: expected {expected}, seen {seen}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn the_control_login_sees_no_practice_and_the_backup_login_only_reads() {
    let world = world().await;
    let control = connect(world.platform.setting("LABOR_CONTROL_URL")).await.unwrap();
    let backup = connect(world.platform.setting("LABOR_BACKUP_URL")).await.unwrap();
    let mut faults = compare(&control, world, "labor_control", None, |_| "").await;
    let may = |table: &str| MAY.iter().find(|(name, _)| *name == table).unwrap().1[ROLES.len()];
    faults.extend(compare(&backup, world, "labor_backup", None, may).await);
    backup.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    faults.extend(compare(&backup, world, "labor_backup, writable,", None, may).await);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for login in [&control, &backup] {
        for sql in [
            "SET ROLE labor_owner",
            "SET ROLE labor_guard",
            "SELECT FROM guard.claim_keys",
            "SELECT passwd FROM pg_shadow",
            "SELECT rolpassword FROM pg_authid",
            "SELECT stxdmcv FROM pg_statistic_ext_data",
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
    // Whether anybody but the backup sees rows of the history is no question of rows: they may not ask.
    listed.retain(|table| *table != "refinery_schema_history");
    let mut seen: Vec<&str> = SEES.iter().map(|(table, _)| *table).collect();
    seen.sort_unstable();
    assert_eq!(seen, listed);
}

#[tokio::test]
async fn only_receiver_and_worker_enqueue_and_only_for_their_own_practice() {
    enqueues("guard.enqueue(gen_random_uuid())", &[Receiver, Worker]).await;
    enqueues("guard.enqueue_alert(gen_random_uuid(), now() + interval '1 hour')", &[Worker]).await;
}

async fn enqueues(call: &str, roles: &[ClaimRole]) {
    let world = world().await;
    let client = world.login(&world.a).await;
    let superuser = superuser().await;
    for role in ROLES {
        let claim = world.claim(&world.a.name, &subject(&world.a.seeds, role), role);
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let result = client.query_one(&format!("SELECT {call}"), &[]).await;
        if roles.contains(&role) {
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
