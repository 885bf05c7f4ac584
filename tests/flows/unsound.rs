//! A practice whose isolation somebody weakened after it was migrated is not served until that is mended, and loses nothing.
use std::time::Duration;

use labor_testing::{postgres, until};
use reqwest::StatusCode;
use serde_json::Value;

use crate::chain::{Chain, REMARKS, V3};
use crate::clinic::{Clinic, LIMIT, PASSWORD, User, sample, without_worker};

const FOR_A: &str = "Z01_LDT3_01_final.ldt";

async fn migrator(clinic: &Clinic, arguments: &[&str]) -> (Option<i32>, String) {
    let run = clinic.platform.program("labor-migrator").unwrap().args(arguments.iter().copied()).run().await.unwrap();
    (run.status.code(), run.stdout + &run.stderr)
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
async fn a_practice_whose_isolation_was_weakened_is_not_served_until_it_is_mended() {
    let clinic = without_worker("unsound").await;
    let [a, _] = &clinic.tenants;
    let (doctor_a, doctor_b) = (clinic.doctor("a").await, clinic.doctor("b").await);
    let (code, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert_eq!((code, said.contains("not served")), (Some(0), false), "{said}");

    clinic.execute(&format!("ALTER TABLE {a}.reports DISABLE ROW LEVEL SECURITY")).await;
    let (code, said) = migrator(&clinic, &["check"]).await;
    assert_eq!((code, said.contains("rls_off")), (Some(4), true), "{said}");
    assert!(doctor_a.get("/v1/reports").await.status().is_success(), "check alone changes nothing");
    let (code, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert_eq!((code, said.contains(&format!("{a} is not served until this is mended"))), (Some(4), true), "{said}");

    let refused = until_status(&doctor_a, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/not-isolated", "{problem}");
    assert_eq!(
        User::sign_in(&clinic.server.base, "a", "doctor", PASSWORD).await.err(),
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
    assert!(doctor_b.get("/v1/reports").await.status().is_success(), "the other practice is served");
    let (code, said) = migrator(&clinic, &["status"]).await;
    assert!(code == Some(3) && said.contains("not served, its isolation is weakened: rls_off"), "{said}");

    // What comes for it is kept, and given up for nothing.
    clinic.post(&sample(FOR_A)).await;
    let worker = clinic.platform.work(&["--attempts", "1"]).await.unwrap();
    until("two looks at the message", LIMIT, async || {
        let left = std::fs::read_to_string(worker.log()).unwrap().matches("left in the queue").count();
        Ok(if left >= 2 { Ok(()) } else { Err(format!("left {left} times")) })
    })
    .await
    .unwrap();
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);

    // Somebody decides that it is served all the same; of something else nothing was decided.
    let (code, said) = migrator(&clinic, &["serve-despite", "a", "--reason", "results are needed now"]).await;
    assert_eq!(code, Some(0), "{said}");
    until_status(&doctor_a, StatusCode::OK).await;
    assert_eq!(migrator(&clinic, &["check", "--enforce"]).await.0, Some(4));
    until_status(&doctor_a, StatusCode::OK).await;
    clinic.execute(&format!("ALTER TABLE {a}.orders DISABLE ROW LEVEL SECURITY")).await;
    assert_eq!(migrator(&clinic, &["check", "--enforce", "a"]).await.0, Some(4));
    until_status(&doctor_a, StatusCode::SERVICE_UNAVAILABLE).await;

    clinic
        .execute(&format!(
            "ALTER TABLE {a}.reports ENABLE ROW LEVEL SECURITY; ALTER TABLE {a}.orders ENABLE ROW LEVEL SECURITY"
        ))
        .await;
    let (code, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert!(code == Some(0) && said.contains(&format!("{a} is served again")), "{said}");
    until_status(&doctor_a, StatusCode::OK).await;
    until("the message's report", LIMIT, async || {
        let reports = clinic.count(&format!("SELECT count(*) FROM {a}.reports")).await;
        Ok(if reports == 1 { Ok(()) } else { Err(format!("{reports} reports")) })
    })
    .await
    .unwrap();
    let (_, said) = migrator(&clinic, &["history", "--tenant", "a"]).await;
    assert!(said.contains("serve-despite") && said.contains("results are needed now"), "{said}");
}

/// What a later version means an older program doesn't know; the newer one does.
#[tokio::test]
async fn an_older_program_shuts_nobody() {
    let clinic = without_worker("unsound_older").await;
    let [a, _] = &clinic.tenants;
    let folder = clinic.platform.folder().join("newer");
    let chain = Chain::copy(&folder).with(V3).with_rules(REMARKS);
    let newer = async |arguments: &[&str]| {
        let run = chain.migrator(&clinic.platform, arguments).run().await.unwrap();
        (run.status.code(), run.stdout + &run.stderr)
    };
    let (code, said) = newer(&["up"]).await;
    assert_eq!(code, Some(0), "{said}");
    clinic.execute(&format!("ALTER TABLE {a}.reports DISABLE ROW LEVEL SECURITY")).await;
    let (code, said) = migrator(&clinic, &["check", "--enforce", "a"]).await;
    assert!(code != Some(0) && !said.contains("not served"), "{said}");
    let (code, said) = newer(&["check", "--enforce", "a"]).await;
    assert!(code == Some(4) && said.contains("is not served"), "{said}");
    clinic.execute(&format!("ALTER TABLE {a}.reports ENABLE ROW LEVEL SECURITY")).await;
    let (_, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert!(!said.contains("served again"), "what the newer one found it may not know: {said}");
    let (_, said) = newer(&["check", "--enforce"]).await;
    assert!(said.contains(&format!("{a} is served again")), "{said}");
}

/// A right that PUBLIC has weakens nobody's isolation in particular, and would put all out of service.
#[tokio::test]
async fn what_all_practices_have_alike_shuts_nobody() {
    let clinic = without_worker("unsound_public").await;
    clinic.execute("CREATE SCHEMA reporting; GRANT USAGE ON SCHEMA reporting TO PUBLIC").await;
    for arguments in [&["check", "--enforce"][..], &["check", "--enforce", "a"]] {
        let (code, said) = migrator(&clinic, arguments).await;
        assert!(code == Some(4) && said.contains("schema_reachable") && !said.contains("not served"), "{said}");
    }
    assert!(clinic.doctor("a").await.get("/v1/reports").await.status().is_success());
}

/// The intake takes what comes for whoever is not served; it is told.
#[tokio::test]
async fn the_intake_is_told_and_goes_on() {
    let clinic = without_worker("unsound_intake").await;
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let intake = client.query_one("SELECT name FROM control.tenants WHERE kind = 'intake'", &[]).await.unwrap();
    let intake: String = intake.get(0);
    clinic.execute(&format!("ALTER TABLE {intake}.reports DISABLE ROW LEVEL SECURITY")).await;
    let (code, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert!(code == Some(4) && said.contains("rls_off") && !said.contains("not served"), "{said}");
}

#[tokio::test]
async fn a_change_that_weakens_nothing_shuts_nobody() {
    let clinic = without_worker("unsound_drift").await;
    let [a, _] = &clinic.tenants;
    clinic.execute(&format!("CREATE INDEX by_hand ON {a}.reports (laboratory_name)")).await;
    let (code, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert!(code == Some(4) && said.contains("drift") && !said.contains("not served"), "{said}");
    assert!(clinic.doctor("a").await.get("/v1/reports").await.status().is_success());
}

/// The same fault in two practices is both of theirs, and whoever mends part of what somebody decided to live with decides nothing anew.
#[tokio::test]
async fn the_same_fault_shuts_both_and_fewer_faults_shut_nobody_anew() {
    let clinic = without_worker("unsound_both").await;
    let [a, b] = &clinic.tenants;
    let doctor_a = clinic.doctor("a").await;
    for tenant in [a, b] {
        clinic
            .execute(&format!("ALTER TABLE {tenant}.reports DISABLE ROW LEVEL SECURITY; ALTER TABLE {tenant}.orders DISABLE ROW LEVEL SECURITY"))
            .await;
    }
    let (code, said) = migrator(&clinic, &["check", "--enforce"]).await;
    assert!(code == Some(4) && [a, b].iter().all(|t| said.contains(&format!("{t} is not served"))), "{said}");
    assert_eq!(migrator(&clinic, &["serve-despite", "a", "--reason", "results are needed now"]).await.0, Some(0));
    until_status(&doctor_a, StatusCode::OK).await;
    clinic.execute(&format!("ALTER TABLE {a}.orders ENABLE ROW LEVEL SECURITY")).await;
    let (code, said) = migrator(&clinic, &["check", "--enforce", "a"]).await;
    assert!(code == Some(4) && !said.contains("not served"), "{said}");
    until_status(&doctor_a, StatusCode::OK).await;
    let (_, said) = migrator(&clinic, &["status"]).await;
    assert!(said.contains("results are needed now"), "{said}");
}
