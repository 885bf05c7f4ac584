//! What every page asks about alerts, and what a new value is compared with, is found by indexes, however long the history is.
//! Buffers and not milliseconds: they are the same on a busy machine.
use labor_catalog::ClaimRole;

use crate::candidates::plan;
use crate::seed::Row;
use crate::world::world;

/// So many alerts a practice has after ten years with twenty a day.
const ALERTS: u32 = 70_000;
/// Reports of one patient who comes twice a week for ten years, with so many values each.
const REPORTS: u32 = 1_000;
const VALUES: u32 = 30;

#[tokio::test]
async fn open_alerts_are_found_among_all_that_ever_were() {
    let world = world().await;
    let practice = world.another("alerts-found", 195).await;
    let fill = format!(
        "WITH made AS (
           INSERT INTO {0}.alerts (id, report_id, tier, cause, raised_at, due_at)
           SELECT gen_random_uuid(), '{1}', 'emergency', 'laboratory', now() - n * interval '1 hour', now() FROM generate_series(1, {ALERTS}) n
           RETURNING id, tier, raised_at
         ), told AS (
           INSERT INTO {0}.alert_events (id, alert_id, tier, kind, round, step, due_at, actor, actor_role)
           SELECT gen_random_uuid(), id, tier, 'raised', 1, 0, now(), 'worker', 'worker' FROM made
         ), ended AS (
           INSERT INTO {0}.alert_events (id, alert_id, tier, kind, actor, actor_role)
           SELECT gen_random_uuid(), id, tier, 'superseded', 'worker', 'worker' FROM made WHERE raised_at < now() - interval '10.5 hours'
         )
         INSERT INTO {0}.alert_states (alert_id, ended_at) SELECT id, CASE WHEN raised_at < now() - interval '10.5 hours' THEN now() END FROM made;
         ANALYZE {0}.alerts; ANALYZE {0}.alert_events; ANALYZE {0}.alert_states",
        practice.name,
        practice.seeds.id(Row::Unreleased),
    );
    world.superuser().await.batch_execute(&fill).await.unwrap();
    let client = world.login(&practice).await;
    let doctor = practice.seeds.id(Row::Doctor).to_string();
    let claim = world.claim(&practice.name, &doctor, ClaimRole::Doctor);
    let mut faults = Vec::new();
    for (name, budget) in [("WAITING_ALERTS", 400), ("OPEN_ALERTS", 500)] {
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let (read, scanned) = plan(&client, &claim, name, &format!("'{doctor}', 'doctor'"), mode).await;
            if !scanned.is_empty() || read > budget {
                faults.push(format!("{name}, {mode}: {read} buffers, budget {budget}; scans {scanned:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Thirty values are compared with those of the same week, and not each with all that the patient ever had.
#[tokio::test]
async fn the_values_before_are_found_in_one_look_at_what_came_lately() {
    let world = world().await;
    let practice = world.another("former-values", 196).await;
    let patient = practice.seeds.id(Row::PatientOne);
    let fill = format!(
        "INSERT INTO {0}.reports (id, raw_message_id, record_index, patient_id, report_key, version, content_sha256, kind, status, laboratory,
                                  laboratory_name, received_at, confirmed_at)
         SELECT gen_random_uuid(), '{1}', 1000 + n, CASE WHEN n <= {REPORTS} THEN '{patient}'::uuid END, encode(sha256(n::text::bytea), 'hex'), 1,
                sha256('x'), '8201', 'final', 'L', 'L', now() - n * interval '84 hours', now()
           FROM generate_series(1, {REPORTS} * 20) n;
         INSERT INTO {0}.observations (id, report_id, position, test_code, status, value_text, value_number, unit, effective_at)
         SELECT gen_random_uuid(), r.id, v, 'T' || v, 'final', '1', 1, 'g/l', r.received_at
           FROM {0}.reports r, generate_series(1, {VALUES}) v WHERE r.laboratory = 'L' AND r.patient_id = '{patient}';
         ANALYZE {0}.reports; ANALYZE {0}.observations",
        practice.name,
        practice.seeds.id(Row::Message),
    );
    world.superuser().await.batch_execute(&fill).await.unwrap();
    let client = world.login(&practice).await;
    let claim = world.claim(&practice.name, "worker", ClaimRole::Worker);
    let wanted: Vec<String> = (1..=VALUES)
        .map(|n| format!("jsonb_build_object('n', {n}, 'test_code', 'T{n}', 'unit', 'g/l', 'at', now(), 'days', 7)"))
        .collect();
    let parameters = format!(
        "jsonb_build_array({}), '{patient}', 'L', '{}', now() - interval '7 days'",
        wanted.join(", "),
        practice.seeds.id(Row::Released)
    );
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let (read, scanned) = plan(&client, &claim, "FORMER_VALUES", &parameters, mode).await;
        assert!(scanned.is_empty() && read < 400, "{mode}: {read} buffers; scans {scanned:?}");
    }
}
