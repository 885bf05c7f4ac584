//! A report is taken away from the wrong patient: it is withdrawn, whoever saw it is told, and no rule gives it back.
use labor_testing::{postgres, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::MUELLER;
use super::people::{decide, patient_user, unmatch, user};
use super::sent::{Sent, id, matches, patients, person, post, reasons, report_of};
use crate::clinic::{LIMIT, User, clinic};

async fn notices(user: &User) -> Vec<Value> {
    user.json("/v1/notices").await["items"].as_array().unwrap().clone()
}

pub(super) async fn release(doctor: &User, report: &Value) {
    let address = format!("/v1/reports/{}/release", id(report, "id"));
    assert_eq!(doctor.post(&address, &json!({})).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn whoever_saw_it_is_told_and_the_patient_is_told_without_a_name() {
    let clinic = clinic("unmatch_told").await;
    let (doctor, other) = (clinic.doctor("a").await, user(&clinic, "other", "doctor").await);
    let third = user(&clinic, "third", "doctor").await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::of(MUELLER, "A-1") }).await;
    let report = report_of(&doctor, "A-1").await;
    let (address, wrong) = (format!("/v1/reports/{}", id(&report, "id")), person(&report));
    release(&doctor, &report).await;
    let patient = patient_user(&clinic, "mueller", &wrong).await;
    patient.json(&address).await;
    other.json(&format!("/v1/patients/{wrong}/observations")).await;
    doctor.json(&address).await;
    assert_eq!(unmatch(&doctor, &report, "Her name is another").await, StatusCode::NO_CONTENT);

    assert_eq!(patient.get(&address).await.status(), StatusCode::NOT_FOUND);
    let told = notices(&patient).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["kind"], "unmatched");
    for field in ["family_name", "given_name", "laboratory_name", "replaced_by"] {
        assert!(told[0][field].is_null(), "{field}: {told:?}");
    }
    let told = notices(&other).await;
    assert_eq!((told.len(), &told[0]["kind"], &told[0]["family_name"]), (1, &json!("unmatched"), &json!("Müller")));
    assert_eq!(
        (notices(&doctor).await.len(), notices(&third).await.len()),
        (0, 0),
        "who did it knows, who saw nothing need not"
    );
    assert_eq!(other.json(&format!("/v1/patients/{wrong}/observations")).await["items"], json!([]));
    let read = other.json(&address).await;
    let withdrawn = read["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "withdrawn").count();
    assert_eq!((withdrawn, &read["released_at"]), (1, &Value::Null), "its history says so: {read}");
    let steps = matches(&other, &report).await;
    assert_eq!(
        (&steps[1]["kind"], &steps[1]["patient_id"], &steps[1]["comment"], &steps[1]["name"]),
        (&json!("unmatched"), &json!(wrong), &json!("Her name is another"), &json!("Dr. Test"))
    );
    let kept = format!(
        "SELECT count(*) FROM {0}.reports r, {0}.orders o WHERE r.released_at IS NOT NULL OR r.patient_id IS NOT NULL OR o.patient_id IS NOT NULL",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&kept).await, 0);

    // Read once, it is unread again when it happens again.
    let read = format!("/v1/notices/{}/read", id(&told[0], "id"));
    assert_eq!(third.post(&read, &json!({})).await.status(), StatusCode::NOT_FOUND, "another's notice");
    assert_eq!(other.post(&read, &json!({})).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(other.post(&read, &json!({})).await.status(), StatusCode::NOT_FOUND);
    assert!(notices(&other).await.is_empty());
    assert_eq!(decide(&doctor, &report, json!({ "patient_id": wrong })).await.0, StatusCode::OK);
    assert_eq!(patient.get(&address).await.status(), StatusCode::NOT_FOUND, "matched again it is released to nobody");
    assert_eq!(unmatch(&doctor, &report, "It was right at first").await, StatusCode::NO_CONTENT);
    let again = notices(&other).await;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0]["id"], told[0]["id"]);
    assert_eq!(notices(&patient).await.len(), 2);
}

#[tokio::test]
async fn neither_a_resend_nor_a_correction_gives_it_back() {
    let clinic = clinic("unmatch_resend").await;
    let doctor = clinic.doctor("a").await;
    let sent = Sent { lab: "L-1", insurance: "A123456780", ..Sent::of(MUELLER, "A-1") };
    post(&clinic, &sent).await;
    let report = report_of(&doctor, "A-1").await;
    let wrong = person(&report);
    assert_eq!(unmatch(&doctor, &report, "somebody else's card").await, StatusCode::NO_CONTENT);
    post(&clinic, &sent).await;
    assert!(report_of(&doctor, "A-1").await["patient_id"].is_null(), "sent again");
    post(&clinic, &Sent { obx: "K||5.5|mmol/L||H|||C", ..sent }).await;
    let corrected = report_of(&doctor, "A-1").await;
    assert_eq!((&corrected["version"], &corrected["patient_id"]), (&json!(2), &Value::Null));
    let candidates = doctor.json(&format!("/v1/reports/{}/candidates", id(&corrected, "id"))).await;
    let best = &candidates["items"][0];
    assert_eq!((&best["patient"]["id"], &best["excluded"]), (&json!(wrong), &json!(true)));
    assert!(reasons(best).contains(&"unmatched_before".to_owned()));
    // What only this report said of the patient went with it.
    assert!(best["patient"]["insurance_number"].is_null(), "{best}");
    // A person may still decide, for all versions; and that carries over.
    let (status, made) = decide(&doctor, &corrected, json!({ "new_patient": true })).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let nobodys = format!("SELECT count(*) FROM {}.reports WHERE patient_id IS NULL", clinic.tenants[0]);
    assert_eq!((clinic.count(&nobodys).await, patients(&clinic).await), (0, 2));
    post(&clinic, &Sent { obx: "K||5.6|mmol/L||H|||C", ..sent }).await;
    let third = report_of(&doctor, "A-1").await;
    assert_eq!((&third["version"], &third["patient_id"]), (&json!(3), &made["patient_id"]));
}

/// What only the order's number led to the patient does not stay with them; what a person decided does.
#[tokio::test]
async fn reports_that_followed_the_order_go_with_it() {
    let clinic = clinic("unmatch_follow").await;
    let doctor = clinic.doctor("a").await;
    let other = user(&clinic, "other", "doctor").await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::of(MUELLER, "A-1") }).await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::nobody("A-1") }).await;
    let reports = doctor.reports().await;
    let (named, nameless): (Vec<_>, Vec<_>) = reports.iter().partition(|report| report["family_name"].is_string());
    let wrong = person(named[0]);
    assert_eq!(person(nameless[0]), wrong);
    other.json(&format!("/v1/reports/{}", id(nameless[0], "id"))).await;
    assert_eq!(unmatch(&doctor, named[0], "another Müller").await, StatusCode::NO_CONTENT);
    assert!(doctor.reports().await.iter().all(|report| report["patient_id"].is_null()));
    assert_eq!(notices(&other).await.len(), 1);
    // To somebody else it follows again.
    assert_eq!(decide(&doctor, named[0], json!({ "new_patient": true })).await.0, StatusCode::OK);
    let reports = doctor.reports().await;
    assert!(reports[0]["patient_id"].is_string() && reports[0]["patient_id"] == reports[1]["patient_id"]);
    assert_ne!(person(&reports[0]), wrong);
}

/// Whoever is reading when it is taken away is waited for, and told.
#[tokio::test]
async fn a_reader_whom_it_overtakes_is_told() {
    let clinic = clinic("unmatch_race").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &Sent::of(MUELLER, "A-1")).await;
    let (tenant, report) = (&clinic.tenants[0], report_of(&doctor, "A-1").await);
    let reader = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let seen = format!(
        "BEGIN; INSERT INTO {tenant}.report_events (id, report_id, kind, actor, actor_role)
                VALUES (gen_random_uuid(), '{}', 'seen', 'reader', 'doctor')",
        id(&report, "id")
    );
    reader.batch_execute(&seen).await.unwrap();
    let taking = unmatch(&doctor, &report, "somebody else");
    let waiting = async {
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{tenant}_app' AND wait_event_type = 'Lock' AND query LIKE '%ORDER BY id FOR UPDATE'"
        );
        until("the decision to wait for the reader", LIMIT, async || {
            Ok(if clinic.count(&waits).await == 1 { Ok(()) } else { Err("not yet".to_owned()) })
        })
        .await
        .unwrap();
        reader.batch_execute("COMMIT").await.unwrap();
    };
    let (status, ()) = futures_util::join!(taking, waiting);
    assert_eq!(status, StatusCode::NO_CONTENT);
    let told = format!("SELECT count(*) FROM {tenant}.notices WHERE recipient = 'reader' AND kind = 'unmatched'");
    assert_eq!(clinic.count(&told).await, 1);
}

/// A worker that stores the next version takes turns with whoever takes the report away.
#[tokio::test]
async fn a_version_that_comes_meanwhile_is_nobodys_either() {
    let clinic = clinic("unmatch_turns").await;
    let doctor = clinic.doctor("a").await;
    let sent = Sent { lab: "L-1", ..Sent::of(MUELLER, "A-1") };
    post(&clinic, &sent).await;
    let report = report_of(&doctor, "A-1").await;
    for number in 0..5 {
        let obx = format!("K||5.{number}|mmol/L||H|||C");
        clinic.post(&Sent { obx: &obx, ..sent }.message()).await;
    }
    assert_eq!(unmatch(&doctor, &report, "somebody else").await, StatusCode::NO_CONTENT);
    clinic.until_idle().await;
    let kept = format!("SELECT count(*) FROM {}.reports WHERE patient_id IS NOT NULL", clinic.tenants[0]);
    assert_eq!(clinic.count(&kept).await, 0);
}
