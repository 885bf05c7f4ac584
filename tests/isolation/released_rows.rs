//! What was released stays as the doctor saw it, and what came as it came: what a worker's or a doctor's own SQL, and what others wrote into
//! the history, can and can't do.
use labor_catalog::ClaimRole::{self, Doctor, Worker};

use crate::seed::Row;
use crate::visible_rows::{RESPONSIBLE, hold};
use crate::world::{bind, state, superuser, world};

const COLLEAGUE: &str = "0190aaaa-0000-7000-8000-000000000003";
const FIRST: &str = "0190aaaa-0000-7000-8000-000000000011";
const SECOND: &str = "0190aaaa-0000-7000-8000-000000000012";

/// One statement: whose, and how it ends.
type Step = (ClaimRole, &'static str, &'static str, &'static str);

/// The doctor's release as the product writes it.
const RELEASED: &[Step] = &[(Doctor, RESPONSIBLE, NOTED, "1"), (Doctor, RESPONSIBLE, RELEASE, "1")];
const NOTED: &str = "INSERT INTO report_events (id, report_id, kind, patient_id) SELECT '{first}', id, 'released', patient_id FROM reports WHERE id = '{genetic}'";
const RELEASE: &str = "UPDATE reports SET released_at = now(), released_by = '{responsible}', release_id = '{first}' WHERE id = '{genetic}'";
const WITHDRAWN: &str = "INSERT INTO report_events (id, report_id, kind, ends) VALUES (gen_random_uuid(), '{genetic}', 'withdrawn', '{first}')";
const WITHDRAW: &str =
    "UPDATE reports SET released_at = NULL, released_by = NULL, release_id = NULL WHERE id = '{genetic}'";
const CONFIRM: &str = "UPDATE reports SET confirmed_at = now() WHERE id = '{genetic}'";
const VALUE: &str = "INSERT INTO observations (id, report_id, position, test_code, status, effective_at) VALUES (gen_random_uuid(), '{genetic}', 9, 'x', 'final', now())";
const BY_COLLEAGUE: &str = "INSERT INTO report_events (id, report_id, kind, patient_id) SELECT '{second}', id, 'released', patient_id FROM reports WHERE id = '{genetic}'";

#[rustfmt::skip]
const CASES: &[(&str, &[&[Step]])] = &[
    ("what no doctor released, the worker doesn't", &[&[(Doctor, RESPONSIBLE, NOTED, "1"), (Worker, "worker", CONFIRM, "42501")]]),
    ("without an event", &[&[(Worker, "worker", RELEASE, "42501")]]),
    ("what is released is confirmed", &[RELEASED, &[(Worker, "worker", CONFIRM, "1")]]),
    ("in another doctor's name", &[RELEASED, &[(Worker, "worker", "UPDATE reports SET released_by = '{colleague}' WHERE id = '{genetic}'", "42501")]]),
    ("by another doctor's word", &[&[(Doctor, COLLEAGUE, BY_COLLEAGUE, "1"),
        (Worker, "worker", "UPDATE reports SET released_at = now(), released_by = '{colleague}', release_id = '{second}' WHERE id = '{genetic}'", "42501")]]),
    ("to another patient", &[RELEASED, &[(Worker, "worker", "UPDATE reports SET patient_id = '{other}' WHERE id = '{genetic}'", "42501")]]),
    ("another report's release", &[RELEASED,
        &[(Worker, "worker", "UPDATE reports SET released_at = now(), released_by = '{responsible}', release_id = '{first}' WHERE id = '{unreleased}'", "42501")]]),
    // Not sure any more: it takes it back, and writes then.
    ("a withdrawal that somebody only noted", &[RELEASED, &[(Doctor, COLLEAGUE, WITHDRAWN, "1"), (Worker, "worker", CONFIRM, "42501")]]),
    ("it goes on", &[RELEASED, &[(Doctor, COLLEAGUE, WITHDRAWN, "1"), (Worker, "worker", WITHDRAW, "1"), (Worker, "worker", CONFIRM, "1")]]),
    ("another doctor's word changes nothing", &[RELEASED, &[(Doctor, COLLEAGUE, BY_COLLEAGUE, "1"), (Worker, "worker", CONFIRM, "1")]]),
    // What the worker takes back it has to note, and can't release again.
    ("taken back in silence", &[RELEASED, &[(Worker, "worker", WITHDRAW, "42501")]]),
    ("taken back", &[RELEASED, &[(Worker, "worker", WITHDRAWN, "1"), (Worker, "worker", WITHDRAW, "1"), (Worker, "worker", VALUE, "1"), (Worker, "worker", RELEASE, "42501")]]),
    ("released anew by the doctor", &[RELEASED, &[(Worker, "worker", WITHDRAWN, "1"), (Worker, "worker", WITHDRAW, "1"),
        (Doctor, RESPONSIBLE, "INSERT INTO report_events (id, report_id, kind, patient_id) SELECT '{second}', id, 'released', patient_id FROM reports WHERE id = '{genetic}'", "1"),
        (Doctor, RESPONSIBLE, "UPDATE reports SET released_at = now(), released_by = '{responsible}', release_id = '{second}' WHERE id = '{genetic}'", "1"),
        (Worker, "worker", CONFIRM, "1")]]),
    // Nothing is added to what a patient sees, and nothing of it is written anew.
    ("a value before", &[&[(Worker, "worker", VALUE, "1")]]),
    ("a value after", &[RELEASED, &[(Worker, "worker", VALUE, "42501")]]),
    ("a document after", &[RELEASED, &[(Worker, "worker",
        "INSERT INTO documents (id, report_id, raw_message_id, position, media_type, sha256, size_bytes) SELECT gen_random_uuid(), report_id, raw_message_id, 9, media_type, sha256, 1 FROM documents WHERE report_id = '{genetic}'", "42501")]]),
    ("another one's document", &[&[(Worker, "worker", "UPDATE documents SET report_id = '{released}' WHERE report_id = '{genetic}'", "42501")]]),
    ("a scan", &[RELEASED, &[(Worker, "worker", "UPDATE documents SET scan_state = 'clean' WHERE report_id = '{genetic}'", "1")]]),
    ("a text", &[&[(Worker, "worker", "UPDATE reports SET notes = ARRAY['x'], unmapped = '[]' WHERE id = '{genetic}'", "42501")]]),
    ("the chain", &[&[(Doctor, RESPONSIBLE, "UPDATE reports SET report_key = repeat('0', 64) WHERE id = '{genetic}'", "42501")]]),
    ("the last word", &[&[(Doctor, RESPONSIBLE, "UPDATE reports SET confirmed_at = now() + interval '1 hour' WHERE id = '{genetic}'", "42501")]]),
    ("the last word, never", &[&[(Doctor, RESPONSIBLE, "UPDATE reports SET confirmed_at = '-infinity' WHERE id = '{genetic}'", "23514")]]),
    ("a day that nobody can read", &[&[(Doctor, RESPONSIBLE, "UPDATE patients SET birth_date = 'infinity' WHERE id = '{other}'", "23514")]]),
    ("a day in a year that no program knows", &[&[(Doctor, RESPONSIBLE, "UPDATE patients SET birth_date = '300000-01-01' WHERE id = '{other}'", "23514")]]),
    // When something was done is the database's to say.
    ("an audit row of last year", &[&[(Doctor, RESPONSIBLE,
        "INSERT INTO audit (id, at, actor, actor_role, action, object_kind, outcome) VALUES (gen_random_uuid(), now() - interval '1 year', '{responsible}', 'doctor', 'x', 'x', 'success')", "42501")]]),
    ("an audit row of now", &[&[(Doctor, RESPONSIBLE,
        "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome) VALUES (gen_random_uuid(), '{responsible}', 'doctor', 'x', 'x', 'success')", "1")]]),
    ("a match of tomorrow", &[&[(Doctor, RESPONSIBLE,
        "INSERT INTO matches (id, report_id, kind, patient_id, at) VALUES (gen_random_uuid(), '{genetic}', 'matched', '{other}', now() + interval '1 day')", "42501")]]),
    ("a notice of yesterday", &[&[(Doctor, RESPONSIBLE,
        "INSERT INTO notices (id, recipient, report_id, kind, replaced_by, written_at) VALUES (gen_random_uuid(), 'x', '{genetic}', 'corrected', '{released}', now() - interval '1 day')", "42501")]]),
    ("a hold that always was", &[&[(Worker, "worker",
        "INSERT INTO genetic_holds (id, report_id, actor, actor_role, at) VALUES (gen_random_uuid(), '{unreleased}', 'worker', 'worker', '-infinity')", "42501")]]),
    // A message is what came.
    ("a message's bytes", &[&[(Worker, "worker", "UPDATE raw_messages SET body = 'x' WHERE id = (SELECT raw_message_id FROM reports WHERE id = '{genetic}')", "23514")]]),
    ("its bytes and their digest", &[&[(Worker, "worker", "UPDATE raw_messages SET body = 'x', sha256 = sha256('x') WHERE id = (SELECT raw_message_id FROM reports WHERE id = '{genetic}')", "42501")]]),
    ("none of its bytes", &[&[(Worker, "worker", "UPDATE raw_messages SET body = '' WHERE id = (SELECT raw_message_id FROM reports WHERE id = '{genetic}')", "42501")]]),
    ("what became of it", &[&[(Worker, "worker", "UPDATE raw_messages SET state = 'processed', processed_at = now() WHERE id = (SELECT raw_message_id FROM reports WHERE id = '{genetic}')", "1")]]),
    ("the last word, by the worker", &[&[(Worker, "worker", "UPDATE reports SET confirmed_at = now() + interval '1 hour' WHERE id = '{genetic}'", "1")]]),
];

/// Once it is released the worker may supersede it; what no doctor released, or is no longer, it can't release, nor fill.
#[tokio::test]
async fn what_is_released_stays_as_the_doctor_released_it() {
    let world = world().await;
    let practice = world.another("genetic-worker", 192).await;
    hold(&practice).await;
    let client = world.login(&practice).await;
    let as_superuser = format!(
        "INSERT INTO {0}.users (id, username, password_hash, role, display_name) VALUES ('{COLLEAGUE}', 'colleague', '$argon2id$seed', 'doctor', 'x')",
        practice.name
    );
    superuser().await.batch_execute(&as_superuser).await.unwrap();
    let fill = |sql: &str| {
        let ids = [
            ("{genetic}", Row::Genetic),
            ("{released}", Row::Released),
            ("{unreleased}", Row::Unreleased),
            ("{other}", Row::PatientTwo),
        ];
        let sql =
            ids.iter().fold(sql.to_owned(), |sql, (name, row)| sql.replace(name, &practice.seeds.id(*row).to_string()));
        let names =
            [("{first}", FIRST), ("{second}", SECOND), ("{responsible}", RESPONSIBLE), ("{colleague}", COLLEAGUE)];
        names.iter().fold(sql, |sql, (name, id)| sql.replace(name, id))
    };
    for (what, steps) in CASES {
        client.batch_execute("BEGIN").await.unwrap();
        for (role, subject, sql, expected) in steps.iter().copied().flatten() {
            bind(&client, &world.claim(&practice.name, subject, *role)).await;
            let result = client.execute(&fill(sql), &[]).await;
            assert_eq!(&result.map_or_else(|error| state(&error), |rows| rows.to_string()), expected, "{what}: {sql}");
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}
