//! Which rows: a patient's own and released, the one user whose name was typed, one's own name in the audit.
use labor_catalog::ClaimRole;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::seed::{Row, Seeds};
use crate::world::{Practice, bind, state, superuser, world};

async fn keys(client: &Client, claim: &str, table: &str) -> Vec<Uuid> {
    client.batch_execute("BEGIN").await.unwrap();
    bind(client, claim).await;
    let rows = client.query(&format!("SELECT id FROM {table} ORDER BY id"), &[]).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_patient_sees_only_what_is_their_own_and_was_released() {
    let world = world().await;
    let seeds = &world.a.seeds;
    let client = world.login(&world.a).await;
    let people = [
        (Row::UserOne, Row::PatientOne, Row::OrderOne, Row::Released),
        (Row::UserTwo, Row::PatientTwo, Row::OrderTwo, Row::OfTheOther),
    ];
    for (user, patient, order, report) in people {
        let claim = world.claim(&world.a.name, &seeds.id(user).to_string(), ClaimRole::Patient);
        for (table, key) in [
            ("users", seeds.id(user)),
            ("patients", seeds.id(patient)),
            ("orders", seeds.id(order)),
            ("reports", seeds.id(report)),
            ("observations", seeds.value_of(report)),
            ("documents", seeds.document_of(report)),
        ] {
            assert_eq!(keys(&client, &claim, table).await, [key], "{user:?}: {table}");
        }
    }
}

#[tokio::test]
async fn a_patients_claim_for_a_user_who_is_no_patient_or_nobody_sees_no_results() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let doctor = world.a.seeds.id(Row::Doctor).to_string();
    for subject in [doctor.as_str(), &world.b.seeds.id(Row::UserOne).to_string(), "", "nobody", "%"] {
        let claim = world.claim(&world.a.name, subject, ClaimRole::Patient);
        for table in ["patients", "orders", "reports", "observations", "documents"] {
            assert!(keys(&client, &claim, table).await.is_empty(), "{subject}: {table}");
        }
    }
}

#[tokio::test]
async fn staff_see_every_report_of_their_practice_also_those_of_nobody() {
    let world = world().await;
    let client = world.login(&world.a).await;
    for role in [ClaimRole::Admin, ClaimRole::Doctor, ClaimRole::LabTechnician, ClaimRole::Worker] {
        let claim = world.claim(&world.a.name, "anybody", role);
        for table in ["reports", "observations", "documents"] {
            assert_eq!(keys(&client, &claim, table).await.len(), 5, "{role}: {table}");
        }
    }
}

/// Doctor one of the practice is responsible: SQL that sets it up, as a superuser.
pub(crate) async fn hold(practice: &Practice) {
    let (name, seeds) = (&practice.name, &practice.seeds);
    let sql = format!(
        "INSERT INTO {name}.users (id, username, password_hash, role, display_name)
         VALUES ('{0}', 'responsible', '$argon2id$seed', 'doctor', 'x'), ('{1}', 'left', '$argon2id$seed', 'doctor', 'x');
         INSERT INTO {name}.doctor_numbers (id, user_id, lanr) VALUES (gen_random_uuid(), '{0}', '123456601'), (gen_random_uuid(), '{1}', '222222201');
         UPDATE {name}.users SET active = false WHERE username = 'left';
         DELETE FROM {name}.genetic_holds;
         INSERT INTO {name}.genetic_holds (id, report_id, lanr, actor, actor_role)
         VALUES (gen_random_uuid(), '{2}', '123456601', 'seed', 'worker'), (gen_random_uuid(), '{3}', '222222201', 'seed', 'worker')",
        RESPONSIBLE,
        LEFT,
        seeds.id(Row::Genetic),
        seeds.id(Row::Unreleased),
    );
    superuser().await.batch_execute(&sql).await.unwrap();
}

pub(crate) const RESPONSIBLE: &str = "0190aaaa-0000-7000-8000-000000000001";
const LEFT: &str = "0190aaaa-0000-7000-8000-000000000002";

/// Who tries what, and how it ends.
fn releases(seeds: &Seeds) -> Vec<(ClaimRole, String, String, &'static str)> {
    let (genetic, held, released) = (seeds.id(Row::Genetic), seeds.id(Row::Unreleased), seeds.id(Row::Released));
    let unheld = seeds.id(Row::OfTheOther);
    let doctor = seeds.id(Row::Doctor).to_string();
    let admin = seeds.id(Row::Admin).to_string();
    let release = |report: Uuid, by: &str| {
        format!("UPDATE reports SET released_at = now(), released_by = '{by}' WHERE id = '{report}'")
    };
    let set = |what: &str, report: Uuid| format!("UPDATE reports SET {what} WHERE id = '{report}'");
    let told = |report: Uuid| {
        format!(
            "INSERT INTO report_events (id, report_id, kind, patient_id) VALUES (gen_random_uuid(), '{report}', 'released', '{}'); ",
            seeds.id(Row::PatientOne)
        )
    };
    let become_responsible = format!(
        "UPDATE users SET role = 'doctor' WHERE id = '{admin}'; UPDATE doctor_numbers SET user_id = '{admin}'; {}",
        release(genetic, &admin)
    );
    let sent_released = format!(
        "INSERT INTO reports (id, raw_message_id, record_index, patient_id, report_key, version, content_sha256, kind, status, laboratory_name,
                              received_at, confirmed_at, released_at)
         SELECT gen_random_uuid(), raw_message_id, 98, patient_id, repeat('c', 64), 1, content_sha256, kind, status, laboratory_name, now(), now(), now()
           FROM reports WHERE id = '{genetic}'"
    );
    let add = |id: &str| {
        format!(
            "INSERT INTO users (id, username, password_hash, role, display_name) VALUES ({id}, 'mine', '$argon2id$mine', 'doctor', 'x')"
        )
    };
    let new_key = format!("UPDATE users SET id = gen_random_uuid() WHERE id = '{RESPONSIBLE}'");
    let take_place = format!("WITH taken AS ({}) {new_key}", add(&format!("'{RESPONSIBLE}'")));
    let add_user = add("gen_random_uuid()");
    let colleague =
        format!("UPDATE users SET password_hash = '$argon2id$mine', username = 'mine' WHERE id = '{doctor}'");
    let password = format!("UPDATE users SET password_hash = '$argon2id$mine' WHERE id = '{RESPONSIBLE}'");
    let numbered =
        format!("INSERT INTO doctor_numbers (id, user_id, lanr) VALUES (gen_random_uuid(), '{admin}', '765432201')");
    let end = "UPDATE doctor_numbers SET ended_at = now() WHERE lanr = '123456601'".to_owned();
    let plain = format!(
        "UPDATE reports SET genetic = false, released_at = now(), released_by = '{doctor}' WHERE id = '{genetic}'"
    );
    vec![
        (ClaimRole::Doctor, RESPONSIBLE.to_owned(), release(genetic, RESPONSIBLE), "1"),
        (ClaimRole::Doctor, doctor.clone(), release(genetic, &doctor), "42501"),
        (ClaimRole::Doctor, doctor.clone(), release(genetic, RESPONSIBLE), "42501"),
        (ClaimRole::Doctor, RESPONSIBLE.to_owned(), release(held, RESPONSIBLE), "42501"),
        (ClaimRole::Doctor, LEFT.to_owned(), release(held, LEFT), "42501"),
        (ClaimRole::Doctor, doctor.clone(), set("released_at = now()", genetic), "42501"),
        (ClaimRole::Doctor, doctor.clone(), plain, "42501"),
        (ClaimRole::Doctor, doctor.clone(), format!("{}{}", told(genetic), release(genetic, &doctor)), "42501"),
        (ClaimRole::Admin, admin.clone(), release(genetic, &admin), "42501"),
        (ClaimRole::Admin, admin.clone(), release(genetic, RESPONSIBLE), "42501"),
        (ClaimRole::Admin, RESPONSIBLE.to_owned(), release(genetic, RESPONSIBLE), "42501"),
        // An administrator makes nobody responsible, and does not sign in as who is.
        (ClaimRole::Admin, admin.clone(), become_responsible, "42501"),
        (ClaimRole::Admin, admin.clone(), numbered.clone(), "42501"),
        (ClaimRole::Admin, admin.clone(), end.clone(), "42501"),
        (ClaimRole::Admin, admin.clone(), password.clone(), "42501"),
        (ClaimRole::Admin, admin.clone(), colleague, "42501"),
        (ClaimRole::Admin, "operator".to_owned(), numbered, "1"),
        (ClaimRole::Admin, "operator".to_owned(), end, "1"),
        (ClaimRole::Admin, "operator".to_owned(), password, "1"),
        // Nor by taking the key of who is: who is added, and with which key, is for operators to say.
        (ClaimRole::Admin, admin.clone(), take_place, "42501"),
        (ClaimRole::Admin, admin.clone(), add_user.clone(), "42501"),
        (ClaimRole::Admin, "operator".to_owned(), add_user, "1"),
        (ClaimRole::Admin, admin.clone(), new_key.clone(), "42501"),
        (ClaimRole::Admin, "operator".to_owned(), new_key, "42501"),
        // What is nobody's is released to nobody, so that whoever matches it releases nothing.
        (ClaimRole::Doctor, doctor.clone(), release(seeds.id(Row::Unmatched), &doctor), "42501"),
        // Nor does one release what is not genetic.
        (ClaimRole::Admin, admin.clone(), release(unheld, &admin), "42501"),
        (ClaimRole::Admin, doctor.clone(), release(unheld, &doctor), "42501"),
        (ClaimRole::Worker, "worker".to_owned(), release(unheld, &doctor), "42501"),
        (ClaimRole::Worker, "worker".to_owned(), sent_released, "42501"),
        (ClaimRole::LabTechnician, "anybody".to_owned(), release(genetic, &doctor), "0"),
        (ClaimRole::Worker, "worker".to_owned(), release(genetic, RESPONSIBLE), "42501"),
        (ClaimRole::Worker, "worker".to_owned(), set("released_at = now()", genetic), "42501"),
        // What is becoming genetic is not released.
        (ClaimRole::Doctor, doctor.clone(), set("genetic = true", released), "42501"),
        // Any doctor releases what is not genetic, and takes back what is.
        (ClaimRole::Doctor, doctor.clone(), release(released, &doctor), "1"),
        (ClaimRole::Doctor, doctor, set("released_at = NULL, released_by = NULL", genetic), "1"),
    ]
}

/// A genetic report is released by its responsible doctor in person, whatever SQL anybody else runs (GenDG, section 11). The unreleased report
/// is held too, although the column does not say that it is genetic.
#[tokio::test]
async fn a_genetic_report_is_released_by_nobody_but_its_responsible_doctor() {
    let world = world().await;
    let practice = world.another("genetic", 191).await;
    hold(&practice).await;
    let client = world.login(&practice).await;
    for (role, subject, sql, expected) in releases(&practice.seeds) {
        let claim = world.claim(&practice.name, &subject, role);
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let mut result = Ok(0);
        for statement in sql.split("; ") {
            if result.is_ok() {
                result = client.execute(statement, &[]).await;
            }
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        let seen = result.map_or_else(|error| state(&error), |rows| rows.to_string());
        assert_eq!(seen, expected, "{role}: {sql}");
    }
}

/// Limits and steps end in the name of who ends them, what people note of an alert is noted now, and no alert goes out of sight without it.
#[tokio::test]
async fn what_is_noted_of_alerts_is_noted_now_and_in_ones_own_name() {
    let world = world().await;
    let practice = world.another("alert-rows", 194).await;
    let client = world.login(&practice).await;
    let me = practice.seeds.id(Row::Doctor).to_string();
    let alert = practice.seeds.id(Row::Alert);
    let event = |more: &str, values: &str| {
        format!(
            "INSERT INTO alert_events (id, alert_id, tier, kind{more}) VALUES (gen_random_uuid(), '{alert}', {values})"
        )
    };
    let open = format!(
        "INSERT INTO {0}.alert_states (alert_id) VALUES ('{alert}');
         INSERT INTO {0}.critical_limits (id, test_code, unit, tier, high, created_by, ended_at, ended_by)
         VALUES (gen_random_uuid(), 'x', '', 'phone', 1, 'x', now(), 'x')",
        practice.name
    );
    superuser().await.batch_execute(&open).await.unwrap();
    let ended = practice.seeds.id(Row::EndedAlert);
    let high = |number: &str| {
        format!(
            "INSERT INTO critical_limits (id, test_code, unit, tier, high) VALUES (gen_random_uuid(), 'x', '', 'phone', {number})"
        )
    };
    let limit = |more: &str, values: &str| {
        format!(
            "INSERT INTO critical_limits (id, test_code, unit, tier, high{more}) VALUES (gen_random_uuid(), 'x', '', 'phone', 1{values})"
        )
    };
    for (sql, expected) in [
        (event(", reached", "'emergency', 'unreachable', 'x'"), "1"),
        (event(", reached, at", "'emergency', 'unreachable', 'x', now() - interval '1 hour'"), "42501"),
        (event(", reached, at", "'emergency', 'unreachable', 'x', now() + interval '1 hour'"), "42501"),
        (event(", comment", "'emergency', 'dismissed', 'x'"), "23514"),
        (event(", comment", "'check', 'dismissed', 'x'"), "23503"),
        (format!("UPDATE alert_states SET ended_at = now() WHERE alert_id = '{alert}'"), "42501"),
        (format!("UPDATE alert_states SET ended_at = now() WHERE alert_id = '{ended}'"), "1"),
        (format!("UPDATE alert_states SET ended_at = NULL WHERE alert_id = '{ended}'"), "42501"),
        (limit("", ""), "1"),
        (limit(", created_by", ", 'somebody'"), "42501"),
        (limit(", created_at", ", now() - interval '1 hour'"), "42501"),
        (high("'NaN'"), "23514"),
        (high("1e15"), "23514"),
        (high("'Infinity'"), "23514"),
        (limit(", low", ", '-Infinity'"), "23514"),
        (limit(", low", ", -1e15"), "23514"),
        (limit(", low", ", 1e-16"), "23514"),
        (limit(", low", ", -999999999999999.999999999999999"), "1"),
        ("UPDATE critical_limits SET high = 999".to_owned(), "42501"),
        ("UPDATE critical_limits SET ended_at = now(), ended_by = 'somebody'".to_owned(), "42501"),
        (
            "UPDATE critical_limits SET ended_at = now(), ended_by = guard.claim_subject(), tier = 'phone'".to_owned(),
            "42501",
        ),
        (
            "UPDATE critical_limits SET ended_at = now() - interval '1 hour', ended_by = guard.claim_subject()"
                .to_owned(),
            "42501",
        ),
        ("UPDATE critical_limits SET ended_at = now(), ended_by = guard.claim_subject()".to_owned(), "1"),
        (
            "UPDATE critical_limits SET ended_at = now(), ended_by = guard.claim_subject() WHERE ended_at IS NOT NULL"
                .to_owned(),
            "0",
        ),
        ("UPDATE alert_steps SET seconds = 604800".to_owned(), "42501"),
        ("UPDATE alert_steps SET ended_at = now(), ended_by = guard.claim_subject()".to_owned(), "1"),
    ] {
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &world.claim(&practice.name, &me, ClaimRole::Doctor)).await;
        let result = client.execute(&sql, &[]).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(result.map_or_else(|error| state(&error), |rows| rows.to_string()), expected, "{sql}");
    }
}

/// There is one responsible doctor for ever: as sent, else as an admin named it.
#[tokio::test]
async fn nobody_puts_another_in_the_responsible_doctors_place() {
    let world = world().await;
    let practice = world.another("genetic-named", 193).await;
    hold(&practice).await;
    let client = world.login(&practice).await;
    let (genetic, other) = (practice.seeds.id(Row::Genetic), practice.seeds.id(Row::OfTheOther));
    let subject = practice.seeds.id(Row::Doctor).to_string();
    let name = |report: Uuid| {
        format!("INSERT INTO genetic_holds (id, report_id, lanr) VALUES (gen_random_uuid(), '{report}', '765432201')")
    };
    for (role, sql, expected) in [
        (ClaimRole::Doctor, name(other), "42501"),
        (ClaimRole::LabTechnician, name(other), "42501"),
        (ClaimRole::Admin, name(other), "1"),
        (ClaimRole::Admin, name(genetic), "23505"),
        (ClaimRole::Worker, name(genetic), "23505"),
        (ClaimRole::Admin, "UPDATE genetic_holds SET lanr = '765432201'".to_owned(), "42501"),
        (ClaimRole::Admin, "DELETE FROM genetic_holds".to_owned(), "42501"),
        (ClaimRole::Doctor, "UPDATE doctor_numbers SET lanr = '123456601'".to_owned(), "42501"),
        (
            ClaimRole::Admin,
            format!(
                "{}, 'x', 'worker')",
                name(other).replace("lanr)", "lanr, actor, actor_role)").trim_end_matches(')')
            ),
            "42501",
        ),
    ] {
        let claim = world.claim(&practice.name, &subject, role);
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let result = client.execute(&sql, &[]).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(result.map_or_else(|error| state(&error), |rows| rows.to_string()), expected, "{role}: {sql}");
    }
}

#[tokio::test]
async fn before_sign_in_only_the_user_whose_name_was_typed_is_seen() {
    let world = world().await;
    let client = world.login(&world.a).await;
    for row in [Row::Admin, Row::Doctor, Row::UserTwo] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, Seeds::username(row).as_bytes());
        let claim = world.claim(&world.a.name, &hex::encode(digest), ClaimRole::SignIn);
        assert_eq!(keys(&client, &claim, "users").await, [world.a.seeds.id(row)]);
    }
    for subject in [Seeds::username(Row::Doctor), world.a.seeds.id(Row::Doctor).to_string(), String::new()] {
        let claim = world.claim(&world.a.name, &subject, ClaimRole::SignIn);
        assert!(keys(&client, &claim, "users").await.is_empty(), "{subject}");
    }
}

#[tokio::test]
async fn nobody_writes_an_audit_row_in_another_name_or_role() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let me = world.a.seeds.id(Row::Doctor).to_string();
    let claim = world.claim(&world.a.name, &me, ClaimRole::Doctor);
    for (actor, role, accepted) in [(me.as_str(), "doctor", true), (&me, "admin", false), ("webhook", "doctor", false)]
    {
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let sql = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome)
                   VALUES (gen_random_uuid(), $1, $2, 'x', 'x', 'success')";
        let result = client.execute(sql, &[&actor, &role]).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(
            result.map_err(|error| state(&error)),
            if accepted { Ok(1) } else { Err("42501".to_owned()) },
            "{actor} {role}"
        );
    }
}

#[tokio::test]
async fn a_row_cannot_be_moved_out_of_what_its_writer_may_see() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let claim = world.claim(&world.a.name, &world.a.seeds.id(Row::UserOne).to_string(), ClaimRole::Patient);
    for sql in [
        "UPDATE users SET patient_id = NULL",
        "UPDATE users SET role = 'admin'",
        "UPDATE reports SET released_at = now()",
        "UPDATE patients SET family_name = 'x'",
    ] {
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let changed = client.execute(sql, &[]).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(changed.unwrap_or(0), 0, "{sql}");
    }
}
