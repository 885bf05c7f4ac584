//! Which rows: a patient's own and released, the one user whose name was typed, one's own name in the audit.
use labor_catalog::ClaimRole;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::seed::{Row, Seeds};
use crate::world::{bind, state, world};

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

#[tokio::test]
async fn a_genetic_report_cannot_be_released_by_anybody() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let genetic = world.a.seeds.id(Row::Genetic);
    let released = world.a.seeds.id(Row::Released);
    for role in [ClaimRole::Admin, ClaimRole::Doctor, ClaimRole::Worker] {
        let claim = world.claim(&world.a.name, "anybody", role);
        for (sql, key) in [
            ("UPDATE reports SET released_at = now() WHERE id = $1", genetic),
            ("UPDATE reports SET genetic = true WHERE id = $1", released),
        ] {
            client.batch_execute("BEGIN").await.unwrap();
            bind(&client, &claim).await;
            let error = client.execute(sql, &[&key]).await.unwrap_err();
            client.batch_execute("ROLLBACK").await.unwrap();
            assert_eq!(state(&error), "23514", "{role}: {sql}");
        }
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
