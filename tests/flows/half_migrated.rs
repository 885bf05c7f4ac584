//! Half migrated: a wave passes through the fleet one practice after the other, and the same release serves both sides of it. A
//! practice that it can't serve waits, and loses nothing.
use std::time::Duration;

use labor_testing::{postgres, until};
use reqwest::StatusCode;

use crate::clinic::{Clinic, LIMIT, PASSWORD, User, clinic, sample, without_worker};

/// For two practices at once.
const FOR_BOTH: &str = "Z01_LDT3_07_zwei_einsender_ein_paket.ldt";
const FOR_A: &str = "Z01_LDT3_01_final.ldt";
const UNDO: &str = include_str!("../../db/migrations/tenant/V2__reader_version.undo.sql");

async fn ledger(clinic: &Clinic, tenant: &str, version: i32) {
    clinic.execute(&format!("UPDATE control.ledger SET version = {version} WHERE tenant = '{tenant}'")).await;
}

/// The server notices within a second.
async fn until_status(user: &User, wanted: StatusCode) -> reqwest::Response {
    until("the list of practices that are not served to be asked anew", Duration::from_secs(10), async || {
        let answer = user.get("/v1/reports").await;
        Ok(if answer.status() == wanted { Ok(answer) } else { Err(answer.status().to_string()) })
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_practice_at_a_version_that_is_not_served_waits_and_loses_nothing() {
    let clinic = without_worker("half_unserved").await;
    let [a, _] = &clinic.tenants;
    let (doctor_a, doctor_b) = (clinic.doctor("a").await, clinic.doctor("b").await);
    for name in [FOR_A, FOR_BOTH] {
        clinic.post(&sample(name)).await;
    }
    ledger(&clinic, a, 99).await;

    let refused = until_status(&doctor_a, StatusCode::SERVICE_UNAVAILABLE).await;
    let after: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after));
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/other-version", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("brought to another version"), "{problem}");
    let sign_in = User::sign_in(&clinic.server.base, "a", "doctor", PASSWORD).await.err();
    assert_eq!(sign_in, Some(StatusCode::SERVICE_UNAVAILABLE));
    // The sender is not made to wait for one practice: the intake keeps what comes for it.
    clinic.post(&sample("Z01_LDT3_06_pdf_anhang.ldt")).await;

    // The worker leaves what is for this practice in the queue, be it stored there or in the intake's package.
    let worker = clinic.platform.work(&["--attempts", "1"]).await.unwrap();
    until("two looks at all three messages", LIMIT, async || {
        let left = std::fs::read_to_string(worker.log()).unwrap().matches("left in the queue").count();
        Ok(if left >= 6 { Ok(()) } else { Err(format!("left {left} times")) })
    })
    .await
    .unwrap();
    assert_eq!(clinic.count(&format!("SELECT count(*) FROM {a}.raw_messages WHERE state = 'received'")).await, 1);
    assert_eq!(clinic.count(&format!("SELECT count(*) FROM {a}.reports")).await, 0);
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
    // The other practice is served.
    assert_eq!(doctor_b.reports().await.len(), 0);

    ledger(&clinic, a, 2).await;
    until_status(&doctor_a, StatusCode::OK).await;
    clinic.until_idle().await;
    assert_eq!((doctor_a.reports().await.len(), doctor_b.reports().await.len()), (3, 1));
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
    drop(worker);
}

/// The connections stay open and keep their prepared statements while the schema changes under them, in both directions.
#[tokio::test]
async fn practices_on_both_sides_of_a_wave_are_served_on_connections_that_stay_open() {
    let clinic = clinic("half_both").await;
    let (doctor_a, doctor_b) = (clinic.doctor("a").await, clinic.doctor("b").await);
    clinic.post(&sample(FOR_BOTH)).await;
    clinic.until_idle().await;
    let read = async || {
        let reports = [doctor_a.reports().await, doctor_b.reports().await];
        for (doctor, reports) in [&doctor_a, &doctor_b].into_iter().zip(&reports) {
            doctor.json(&format!("/v1/reports/{}", reports[0]["id"].as_str().unwrap())).await;
        }
        reports.map(|reports| reports.len())
    };
    assert_eq!(read().await, [1, 1]);

    let [a, b] = &clinic.tenants;
    clinic
        .execute(&format!(
            "SET search_path = {a}; {UNDO}; DELETE FROM refinery_schema_history WHERE version = 2; UPDATE schema_stamp SET version = 1;
             UPDATE control.ledger SET version = 1, chain_checksum = 'older' WHERE tenant = '{a}'"
        ))
        .await;
    let versions = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM control.ledger WHERE tenant = ANY ($1)";
    let superuser = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let versions = async || superuser.query_one(versions, &[&vec![a, b]]).await.unwrap().get::<_, String>(0);
    assert_eq!(versions().await, "1 2");
    assert_eq!(read().await, [1, 1]);
    clinic.post(&sample(FOR_A)).await;
    clinic.until_idle().await;
    assert_eq!(read().await, [2, 1]);

    clinic.platform.program("labor-migrator").unwrap().args(["up"]).output().await.unwrap();
    assert_eq!(versions().await, "2 2");
    clinic.post(&sample("Z01_LDT3_06_pdf_anhang.ldt")).await;
    clinic.until_idle().await;
    assert_eq!(read().await, [3, 1]);
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
}
