//! Seen, acknowledged, corrected: whoever saw a value that does not count any more is told, and nobody else; a correction has to be
//! acknowledged anew, a resend has not.
use labor_testing::{postgres, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::clinic::{Clinic, LIMIT, PASSWORD, User, clinic, sample};

const FINAL: &str = "Z01_LDT3_01_final.ldt";
/// 8418 = 08: what was sent before for this order is invalid, for the tests that it holds. The others stay.
const CORRECTION: &str = "Z01_LDT3_03_korrektur_08.ldt";

async fn post(clinic: &Clinic, name: &str) {
    clinic.post(&sample(name)).await;
    clinic.until_idle().await;
}

async fn the_report(user: &User) -> Value {
    let reports = user.reports().await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports[0].clone()
}

pub(crate) fn id(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

pub(crate) async fn notices(user: &User) -> Vec<Value> {
    user.json("/v1/notices").await["items"].as_array().unwrap().clone()
}

async fn acknowledge(user: &User, report: &str, body: Value) -> (StatusCode, Value) {
    let answer = user.post(&format!("/v1/reports/{report}/acknowledgement"), &body).await;
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_correction_is_acknowledged_anew_and_whoever_saw_the_old_value_is_told() {
    let clinic = clinic("acknowledge").await;
    clinic.platform.user("a", "other", "Dr. Other", "doctor", PASSWORD).await.unwrap();
    let (doctor, other) =
        (clinic.doctor("a").await, User::sign_in(&clinic.server.base, "a", "other", PASSWORD).await.unwrap());
    post(&clinic, FINAL).await;
    let first = id(&the_report(&doctor).await, "id");
    let read = doctor.json(&format!("/v1/reports/{first}")).await;
    assert_eq!((&read["events"][0]["kind"], &read["events"][0]["name"]), (&json!("seen"), &json!("Dr. Test")));
    assert_eq!(acknowledge(&doctor, &first, json!({ "comment": "called" })).await.0, StatusCode::NO_CONTENT);
    assert_eq!(acknowledge(&doctor, &first, json!({})).await.0, StatusCode::NO_CONTENT, "said again");
    let acknowledged = the_report(&other).await;
    assert!(acknowledged["acknowledged_at"].is_string(), "{acknowledged}");

    // A resend changes nothing.
    let mut again = sample(FINAL);
    again.extend_from_slice(b"\x1a");
    clinic.post(&again).await;
    clinic.until_idle().await;
    assert_eq!(the_report(&doctor).await["acknowledged_at"], acknowledged["acknowledged_at"]);
    assert!(notices(&doctor).await.is_empty());

    post(&clinic, CORRECTION).await;
    let both = doctor.reports().await;
    let second = both.iter().find(|report| report["version"] == 2).unwrap().clone();
    assert!(both.len() == 2 && second["acknowledged_at"].is_null(), "{both:?}");
    let told = notices(&doctor).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["report_id"], &told[0]["replaced_by"], &told[0]["kind"]),
        (&json!(first), &second["id"], &json!("corrected"))
    );
    assert!(notices(&other).await.is_empty(), "who did not open it saw nothing");
    let corrected = other.json(&format!("/v1/reports/{}", id(&second, "id"))).await;
    assert_eq!(corrected["seen_before"][0]["name"], "Dr. Test", "{corrected}");

    let read = format!("/v1/notices/{}/read", id(&told[0], "id"));
    assert_eq!(other.post(&read, &json!({})).await.status(), StatusCode::NOT_FOUND, "another's notice");
    assert_eq!(doctor.post(&read, &json!({})).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(doctor.post(&read, &json!({})).await.status(), StatusCode::NOT_FOUND);
    assert!(notices(&doctor).await.is_empty());
}

#[tokio::test]
async fn only_doctors_acknowledge_and_only_for_doctors() {
    let clinic = clinic("acknowledge_who").await;
    for (name, role) in [("other", "doctor"), ("technician", "lab-technician"), ("admin", "admin")] {
        clinic.platform.user("a", name, name, role, PASSWORD).await.unwrap();
    }
    post(&clinic, FINAL).await;
    let doctor = clinic.doctor("a").await;
    let report = id(&the_report(&doctor).await, "id");
    for name in ["technician", "admin"] {
        let user = User::sign_in(&clinic.server.base, "a", name, PASSWORD).await.unwrap();
        let (status, problem) = acknowledge(&user, &report, json!({})).await;
        assert_eq!((status, &problem["type"]), (StatusCode::FORBIDDEN, &json!("/problems/only-doctors")), "{name}");
    }
    let user = |name: &str| format!("SELECT id::text FROM {}.users WHERE username = '{name}'", clinic.tenants[0]);
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let one = async |sql: String| client.query_one(&sql, &[]).await.unwrap().get::<_, String>(0);
    let (other, technician) = (one(user("other")).await, one(user("technician")).await);
    for refused in [
        json!({ "on_behalf_of": technician }),
        json!({ "on_behalf_of": report }),
        json!({ "comment": "" }),
        json!({ "comment": "x".repeat(1001) }),
        json!({ "comment": "\u{0}" }),
        json!({ "unknown": 1 }),
    ] {
        assert_eq!(acknowledge(&doctor, &report, refused.clone()).await.0, StatusCode::BAD_REQUEST, "{refused}");
    }
    assert!(the_report(&doctor).await["acknowledged_at"].is_null());
    assert_eq!(acknowledge(&doctor, &report, json!({ "on_behalf_of": other })).await.0, StatusCode::NO_CONTENT);
    let events = doctor.json(&format!("/v1/reports/{report}")).await["events"].clone();
    assert!(events.as_array().unwrap().iter().any(|event| event["on_behalf_of"] == "other"), "{events}");
    // Another practice's doctor sees no such report.
    let stranger = clinic.doctor("b").await;
    assert_eq!(acknowledge(&stranger, &report, json!({})).await.0, StatusCode::NOT_FOUND);
}

/// Whoever is reading when the correction comes is waited for, and told.
#[tokio::test]
async fn a_reader_whom_the_correction_overtakes_is_told() {
    let clinic = clinic("acknowledge_race").await;
    post(&clinic, FINAL).await;
    let tenant = &clinic.tenants[0];
    let report = id(&the_report(&clinic.doctor("a").await).await, "id");
    let reader = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let seen = format!(
        "BEGIN; INSERT INTO {tenant}.report_events (id, report_id, kind, actor, actor_role)
                VALUES (gen_random_uuid(), '{report}', 'seen', 'reader', 'doctor')"
    );
    reader.batch_execute(&seen).await.unwrap();
    clinic.post(&sample(CORRECTION)).await;
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{tenant}_app' AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE'"
    );
    until("the worker to wait for the reader", LIMIT, async || {
        Ok(if clinic.count(&waits).await == 1 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    reader.batch_execute("COMMIT").await.unwrap();
    clinic.until_idle().await;
    let told = format!("SELECT count(*) FROM {tenant}.notices WHERE recipient = 'reader' AND report_id = '{report}'");
    assert_eq!(clinic.count(&told).await, 1);
}

/// One order of one patient, with these results (OBX from its third field on).
fn results(number: usize, obx: &[&str]) -> Vec<u8> {
    let mut message = format!(
        "MSH|^~\\&|LIS|LABOR^987654300^BSNR|PVS|PRAXIS^123456700^BSNR|2026100810{number:02}||ORU^R01|M{number}|P|2.5\r\
         PID|1||P1||Muster^Erika||19661024|F\rOBR|1|A-1|L-1|CHEM|||20261008080000\r"
    );
    for (index, obx) in obx.iter().enumerate() {
        message += &format!("OBX|{}|NM|{obx}\r", index + 1);
    }
    message.into_bytes()
}

/// A version that only added to what was seen tells nobody; the one after it that corrects tells whoever saw the first.
#[tokio::test]
async fn who_saw_a_value_two_versions_ago_is_told_also_who_saw_it_among_all_values_of_the_patient() {
    let clinic = clinic("acknowledge_three").await;
    clinic.platform.user("a", "other", "Dr. Other", "doctor", PASSWORD).await.unwrap();
    let (doctor, other) =
        (clinic.doctor("a").await, User::sign_in(&clinic.server.base, "a", "other", PASSWORD).await.unwrap());
    let versions = [
        results(1, &["K||7.1|mmol/L||HH|||F"]),
        results(2, &["K||7.1|mmol/L||HH|||F", "KREA||0.9|mg/dL|||||F"]),
        results(3, &["K||4.4|mmol/L||N|||C", "KREA||0.9|mg/dL|||||F"]),
    ];
    clinic.post(&versions[0]).await;
    clinic.until_idle().await;
    let first = the_report(&doctor).await;
    doctor.json(&format!("/v1/reports/{}", id(&first, "id"))).await;
    other.json(&format!("/v1/patients/{}/observations", id(&first, "patient_id"))).await;
    clinic.post(&versions[1]).await;
    clinic.until_idle().await;
    assert_eq!((notices(&doctor).await.len(), notices(&other).await.len()), (0, 0), "more complete is no correction");
    let second = the_report(&doctor).await;
    clinic.post(&versions[2]).await;
    clinic.until_idle().await;
    let third = the_report(&doctor).await;
    assert_eq!(third["version"], 3);
    for reader in [&doctor, &other] {
        let told = notices(reader).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((&told[0]["report_id"], &told[0]["replaced_by"]), (&first["id"], &third["id"]));
    }
    let seen_before = doctor.json(&format!("/v1/reports/{}", id(&third, "id"))).await["seen_before"].clone();
    let mut names: Vec<_> = seen_before.as_array().unwrap().iter().map(|event| id(event, "name")).collect();
    names.sort();
    assert_eq!(names, ["Dr. Other", "Dr. Test"]);
    let (status, problem) = acknowledge(&doctor, &id(&first, "id"), json!({})).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/replaced")));
    assert!(problem["detail"].as_str().unwrap().contains(&id(&second, "id")));
}

/// What it does not mention stays, so the version before stays current; whoever saw the wrong value is told all the same.
#[tokio::test]
async fn who_saw_a_value_that_is_taken_back_alone_is_told() {
    let clinic = clinic("acknowledge_part").await;
    let doctor = clinic.doctor("a").await;
    clinic.post(&results(1, &["K||7.1|mmol/L||HH|||F", "KREA||0.9|mg/dL|||||F"])).await;
    clinic.until_idle().await;
    let first = id(&the_report(&doctor).await, "id");
    doctor.json(&format!("/v1/reports/{first}")).await;
    clinic.post(&results(2, &["K||||||||W"])).await;
    clinic.until_idle().await;
    assert_eq!(doctor.reports().await.len(), 2);
    let told = notices(&doctor).await;
    assert!(told.len() == 1 && told[0]["report_id"] == first, "{told:?}");
}

/// An antibiogram's or a blood group's words are what a doctor acts on, and the number beside them may stay.
#[tokio::test]
async fn who_saw_words_that_say_something_else_now_is_told() {
    let clinic = clinic("acknowledge_words").await;
    let doctor = clinic.doctor("a").await;
    let said = |number: usize, status: &str, words: &str| {
        let mut message = results(number, &[&format!("CIP||8|mg/L|||||{status}")]);
        message.extend_from_slice(format!("NTE|1||{words}\r").as_bytes());
        message
    };
    clinic.post(&said(1, "F", "sensibel")).await;
    clinic.until_idle().await;
    let first = id(&the_report(&doctor).await, "id");
    doctor.json(&format!("/v1/reports/{first}")).await;
    clinic.post(&said(2, "C", "resistent")).await;
    clinic.until_idle().await;
    let told = notices(&doctor).await;
    assert!(told.len() == 1 && told[0]["report_id"] == first, "{told:?}");
}

/// Each correction of what was seen is a notice of its own, unread until it was read; the same one is not told twice.
#[tokio::test]
async fn a_second_correction_is_told_again_and_an_addition_is_not() {
    let clinic = clinic("acknowledge_twice").await;
    let doctor = clinic.doctor("a").await;
    clinic.post(&results(1, &["K||7.1|mmol/L||HH|||F", "KREA||0.9|mg/dL|||||F", "CRP||0.6|mg/L|||||F"])).await;
    clinic.until_idle().await;
    let first = id(&the_report(&doctor).await, "id");
    doctor.json(&format!("/v1/reports/{first}")).await;
    clinic.post(&results(2, &["K||||||||W"])).await;
    clinic.until_idle().await;
    let told = notices(&doctor).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let read = format!("/v1/notices/{}/read", id(&told[0], "id"));
    assert_eq!(doctor.post(&read, &json!({})).await.status(), StatusCode::NO_CONTENT);
    assert!(notices(&doctor).await.is_empty());
    clinic.post(&results(3, &["KREA||1.9|mg/dL|||||C"])).await;
    clinic.until_idle().await;
    let again = notices(&doctor).await;
    assert_eq!((again.len(), &again[0]["report_id"]), (1, &json!(first)), "{again:?}");
    // Replaced as a whole, and then only more complete.
    let whole = ["K||4.4|mmol/L||N|||C", "KREA||1.9|mg/dL|||||C", "CRP||0.6|mg/L|||||F"];
    clinic.post(&results(4, &whole)).await;
    clinic.until_idle().await;
    let all = notices(&doctor).await.len();
    clinic.post(&results(5, &[whole[0], whole[1], whole[2], "TSH||1.0|mU/L|||||F"])).await;
    clinic.until_idle().await;
    assert_eq!(the_report(&doctor).await["version"], 5);
    assert_eq!(notices(&doctor).await.len(), all, "who was told already is not told again");
}

/// Germ 2 has the same antibiotics as germ 1.
#[tokio::test]
async fn one_germs_antibiogram_does_not_replace_another_s() {
    let clinic = clinic("acknowledge_germs").await;
    for (number, germ) in [(1, "2"), (2, "3")] {
        clinic
            .post(&results(number, &[&format!("AMP|{germ}|4|mg/L||R|||F"), &format!("CIP|{germ}|8|mg/L||R|||F")]))
            .await;
        clinic.until_idle().await;
    }
    assert_eq!(clinic.doctor("a").await.reports().await.len(), 2);
}

/// Who the laboratory is says the message, and any source could write any name.
#[tokio::test]
async fn no_source_replaces_or_takes_back_what_another_sent() {
    let clinic = clinic("acknowledge_sources").await;
    clinic.post(&results(1, &["K||7.1|mmol/L||HH|||F"])).await;
    let stranger = clinic.platform.source("stranger").await.unwrap();
    let stranger = clinic.platform.sender(&clinic.server, &stranger).unwrap();
    for message in [results(2, &["K||||||||W"]), results(3, &["K||4.4|mmol/L||N|||C"])] {
        assert_eq!(stranger.send(&message).await.unwrap().status, 202);
        clinic.until_idle().await;
    }
    let reports = clinic.doctor("a").await.reports().await;
    assert_eq!(reports.iter().filter(|report| report["critical"] == true).count(), 1, "{reports:?}");
}
