//! Critical values: each is told to somebody who repeats it, once; what is sent again raises nothing, what is corrected takes its alert
//! with it.
use labor_testing::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::clinic::{Clinic, LIMIT, PASSWORD, User, clinic, without_worker};

/// One order of one patient, with these results (OBX from its third field on).
pub(crate) fn results(number: usize, obx: &[&str]) -> Vec<u8> {
    order(number, "L-1", "19661024|F", obx)
}

/// The same for another order, and another birth date and sex.
pub(crate) fn order(number: usize, lab_order: &str, born_and_sex: &str, obx: &[&str]) -> Vec<u8> {
    collected(number, lab_order, 8, born_and_sex, obx)
}

/// The same, collected on another day of October.
pub(crate) fn collected(number: usize, lab_order: &str, day: usize, born_and_sex: &str, obx: &[&str]) -> Vec<u8> {
    let mut message = format!(
        "MSH|^~\\&|LIS|LABOR^987654300^BSNR|PVS|PRAXIS^123456700^BSNR|2026103010{number:02}||ORU^R01|M{number}|P|2.5\r\
         PID|1||P1||Muster^Erika||{born_and_sex}\rOBR|1|A-{lab_order}|{lab_order}|CHEM|||202610{day:02}080000\r"
    );
    for (index, obx) in obx.iter().enumerate() {
        message += &format!("OBX|{}|NM|{obx}\r", index + 1);
    }
    message.into_bytes()
}

pub(crate) async fn post(clinic: &Clinic, message: &[u8]) {
    clinic.post(message).await;
    clinic.until_idle().await;
}

pub(crate) async fn open(user: &User) -> Vec<Value> {
    user.json("/v1/alerts?open=true").await["items"].as_array().unwrap().clone()
}

pub(crate) async fn all(user: &User) -> Vec<Value> {
    user.json("/v1/alerts?open=false").await["items"].as_array().unwrap().clone()
}

pub(crate) fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

pub(crate) async fn outcome(user: &User, alert: &str, body: Value) -> (StatusCode, Value) {
    let answer = user.post(&format!("/v1/alerts/{alert}/outcome"), &body).await;
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

pub(crate) async fn user(clinic: &Clinic, name: &str, role: &str) -> User {
    clinic.platform.user("a", name, name, role, PASSWORD).await.unwrap();
    User::sign_in(&clinic.server.base, "a", name, PASSWORD).await.unwrap()
}

pub(crate) async fn limit(user: &User, body: Value) -> String {
    let answer = user.post("/v1/critical-limits", &body).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{body}");
    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

const CRITICAL: &str = "K||7.1|mmol/L||HH|||F";
pub(crate) const HIGH: &str = "K||7.1|mmol/L||H|||F";
const CREATININE: &str = "KREA||0.9|mg/dL|||||F";

fn confirmed() -> Value {
    json!({ "outcome": "confirmed", "reached": "Frau Muster", "read_back": "Kalium 7,1" })
}

/// What lacks something, or says another number, is refused with words.
async fn is_refused_without_the_value(doctor: &User, key: &str) {
    for (refused, why) in [
        (
            json!({ "outcome": "confirmed", "reached": "Frau Muster", "read_back": "Kalium 7,15" }),
            "read_back does not hold",
        ),
        (json!({ "outcome": "confirmed", "reached": "Frau Muster" }), "read_back says"),
        (json!({ "outcome": "confirmed", "read_back": "7.1" }), "reached says"),
        (json!({ "outcome": "unreachable" }), "reached says"),
        (json!({ "outcome": "unreachable", "reached": "x", "read_back": "7.1" }), "read_back is only said"),
        (json!({ "outcome": "unreachable", "reached": " " }), "reached must have"),
        (json!({ "outcome": "unreachable", "reached": "x".repeat(201) }), "reached must have"),
        (json!({ "outcome": "unreachable", "reached": "x", "comment": "\u{0}" }), "comment must have"),
        (json!({ "outcome": "dismissed" }), "comment says"),
        (json!({ "outcome": "forgotten" }), "send a JSON object"),
    ] {
        let (status, problem) = outcome(doctor, key, refused.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{refused}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{refused}: {problem}");
    }
}

#[tokio::test]
async fn what_the_laboratory_calls_critical_is_confirmed_by_reading_it_back() {
    let clinic = clinic("alerts_confirm").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL, CREATININE])).await;
    let alerts = open(&doctor).await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    for (field, expected) in [
        ("tier", json!("emergency")),
        ("cause", json!("laboratory")),
        ("value", json!("7.1")),
        ("family_name", json!("Muster")),
        ("mine", json!(true)),
        ("step", json!(0)),
    ] {
        assert_eq!(alert[field], expected, "{alert}");
    }
    let minutes = |a: &str, b: &str| {
        let at = |field: &str| alert[field].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        (at(b) - at(a)).num_minutes()
    };
    assert_eq!(minutes("raised_at", "due_at"), 30);
    let key = id(alert);
    is_refused_without_the_value(&doctor, key).await;
    let (status, problem) = outcome(&doctor, key, json!({ "outcome": "dismissed", "comment": "no" })).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/not-dismissible")));
    for (what, read_back) in [("unreachable", Value::Null), ("reached_without_read_back", Value::Null)] {
        let said =
            json!({ "outcome": what, "reached": "Praxis Nord", "read_back": read_back, "comment": "again at 9" });
        assert_eq!(outcome(&doctor, key, said).await.0, StatusCode::NO_CONTENT, "{what}");
    }
    assert_eq!(open(&doctor).await.len(), 1, "nobody has repeated it");
    assert_eq!(outcome(&doctor, key, confirmed()).await.0, StatusCode::NO_CONTENT);
    assert!(open(&doctor).await.is_empty());
    let (status, problem) = outcome(&doctor, key, confirmed()).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/ended")));
    assert!(problem["detail"].as_str().unwrap().contains("It was confirmed by Dr. Test on "), "{problem}");
    let alert = doctor.json(&format!("/v1/alerts/{key}")).await;
    let kinds: Vec<_> = alert["events"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["raised", "unreachable", "reached_without_read_back", "confirmed"]);
    assert_eq!(
        (&alert["events"][3]["read_back"], &alert["events"][3]["name"]),
        (&json!("Kalium 7,1"), &json!("Dr. Test"))
    );
    assert_eq!((&alert["ended"], &alert["ended_by"]), (&json!("confirmed"), &json!("Dr. Test")));
    let tenant = &clinic.tenants[0];
    let audited = format!(
        "SELECT count(*) FROM {tenant}.audit WHERE object_id = '{key}' AND action LIKE 'alert.%' AND outcome = "
    );
    assert_eq!(clinic.count(&format!("{audited}'refused'")).await, 3, "a wrong read-back, a dismissal, too late");
    assert_eq!(clinic.count(&format!("{audited}'success'")).await, 5, "raised, three outcomes, read");
}

#[tokio::test]
async fn only_the_practices_doctors_and_technicians_see_to_its_alerts() {
    let clinic = clinic("alerts_roles").await;
    let (technician, admin) = (user(&clinic, "tech", "lab-technician").await, user(&clinic, "admin", "admin").await);
    let (doctor, stranger) = (clinic.doctor("a").await, clinic.doctor("b").await);
    post(&clinic, &results(1, &[CRITICAL])).await;
    let patient = clinic.count(&format!("SELECT count(*) FROM {}.patients", clinic.tenants[0])).await;
    assert_eq!(patient, 1);
    let report = doctor.reports().await[0].clone();
    let patient = crate::release::patient(&clinic, &report).await;
    let alerts = open(&technician).await;
    assert_eq!((alerts.len(), &alerts[0]["mine"]), (1, &json!(false)), "all doctors' turn: {alerts:?}");
    let key = id(&alerts[0]).to_owned();
    for path in
        ["/v1/alerts", "/v1/alerts/report", "/v1/critical-limits", "/v1/alert-ladder", &format!("/v1/alerts/{key}")]
    {
        assert_eq!(patient.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(outcome(&patient, &key, confirmed()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(outcome(&admin, &key, confirmed()).await.0, StatusCode::FORBIDDEN);
    let new = json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6.2" });
    assert_eq!(technician.post("/v1/critical-limits", &new).await.status(), StatusCode::FORBIDDEN);
    let key_of_limit = limit(&admin, new).await;
    let end = format!("/v1/critical-limits/{key_of_limit}/end");
    assert_eq!(technician.post(&end, &json!({})).await.status(), StatusCode::FORBIDDEN);
    // Another practice's alert and limit do not exist.
    assert!(open(&stranger).await.is_empty() && stranger.json("/v1/critical-limits").await["items"] == json!([]));
    assert_eq!(stranger.get(&format!("/v1/alerts/{key}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(outcome(&stranger, &key, confirmed()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(stranger.post(&end, &json!({})).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(doctor.post(&end, &json!({})).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(doctor.post(&end, &json!({})).await.status(), StatusCode::NOT_FOUND, "it ended");
    assert_eq!(outcome(&technician, &key, confirmed()).await.0, StatusCode::NO_CONTENT, "technicians phone, too");
}

fn ended(alerts: &[Value], value: &str) -> Vec<Value> {
    let of = alerts.iter().filter(|alert| alert["value"] == value);
    of.map(|alert| alert["ended"].clone()).collect()
}

#[tokio::test]
async fn what_is_sent_again_raises_nothing_and_what_is_corrected_takes_its_alert_with_it() {
    let clinic = clinic("alerts_versions").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    let first = id(&open(&doctor).await[0]).to_owned();
    // A resend, then a new version with another value besides; confirmed, and a third version.
    post(&clinic, &results(2, &[CRITICAL])).await;
    post(&clinic, &results(3, &[CRITICAL, CREATININE])).await;
    assert_eq!((open(&doctor).await.len(), all(&doctor).await.len()), (1, 1), "the same value");
    let report = doctor.reports().await[0].clone();
    assert_eq!((doctor.reports().await.len(), &report["version"]), (1, &json!(2)));
    assert_eq!(outcome(&doctor, &first, confirmed()).await.0, StatusCode::NO_CONTENT);
    post(&clinic, &results(4, &[CRITICAL, "KREA||1.0|mg/dL|||||F"])).await;
    assert_eq!((open(&doctor).await.len(), all(&doctor).await.len()), (0, 1), "confirmed, and the same value");
    // Corrected to another critical value, and then to none.
    post(&clinic, &results(5, &["K||6.9|mmol/L||HH|||C", CREATININE])).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["value"]), (1, &json!("6.9")), "{alerts:?}");
    post(&clinic, &results(6, &["K||4.4|mmol/L||N|||C", CREATININE])).await;
    assert!(open(&doctor).await.is_empty());
    let alerts = all(&doctor).await;
    assert_eq!((ended(&alerts, "7.1"), ended(&alerts, "6.9")), (vec![json!("confirmed")], vec![json!("superseded")]));
    // The wrong value comes back: whoever confirmed it before was told that it does not count.
    post(&clinic, &results(7, &["K||7.1|mmol/L||HH|||C", CREATININE])).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["value"]), (1, &json!("7.1")), "{alerts:?}");
    let superseded = outcome(&doctor, id(&all(&doctor).await[1]), confirmed()).await;
    assert!(superseded.1["detail"].as_str().unwrap().contains("because the value counts no more"), "{superseded:?}");
}

/// What a message does not mention stays, and so does its alert; a single value that is taken back takes its alert with it.
#[tokio::test]
async fn a_value_that_is_corrected_or_taken_back_alone_takes_its_alert_with_it() {
    let clinic = clinic("alerts_part").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL, "NA||101|mmol/L||LL|||F"])).await;
    assert_eq!(open(&doctor).await.len(), 2);
    post(&clinic, &results(2, &[CREATININE])).await;
    assert_eq!((doctor.reports().await.len(), open(&doctor).await.len()), (2, 2), "another part of the order");
    post(&clinic, &results(3, &["K||||||||W"])).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["test_code"]), (1, &json!("NA")), "{alerts:?}");
    post(&clinic, &results(4, &["NA||141|mmol/L||N|||C"])).await;
    assert!(open(&doctor).await.is_empty());
}

/// A limit of the practice raised it; then the laboratory says itself that it threatens life.
#[tokio::test]
async fn a_graver_alert_of_the_same_value_takes_the_place_of_the_other() {
    let clinic = clinic("alerts_graver").await;
    let doctor = clinic.doctor("a").await;
    limit(&doctor, json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6.2" })).await;
    post(&clinic, &results(1, &[HIGH])).await;
    assert_eq!(open(&doctor).await[0]["tier"], "phone");
    post(&clinic, &results(2, &[CRITICAL])).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["tier"]), (1, &json!("emergency")), "{alerts:?}");
    post(&clinic, &results(3, &[HIGH])).await;
    assert_eq!((open(&doctor).await.len(), all(&doctor).await.len()), (1, 2), "the less grave is told already");
}

/// Report, alert and timer are one transaction: what can't raise its alert is not stored, and is tried again.
#[tokio::test]
async fn a_critical_value_is_never_stored_without_its_alert() {
    let clinic = clinic("alerts_whole").await;
    let (doctor, tenant) = (clinic.doctor("a").await, clinic.tenants[0].clone());
    for (table, number) in [("alert_events", 1), ("alerts", 2), ("alert_states", 3)] {
        clinic.execute(&format!("ALTER TABLE {tenant}.{table} RENAME TO elsewhere")).await;
        clinic.post(&order(number, &format!("L-{number}"), "19661024|F", &[CRITICAL])).await;
        let tried = "SELECT count(*) FROM pgmq.q_messages WHERE message ? 'message_id' AND read_ct >= 2";
        until("a second try", LIMIT, async || {
            Ok(if clinic.count(tried).await == 1 { Ok(()) } else { Err("not yet".to_owned()) })
        })
        .await
        .unwrap();
        assert_eq!(doctor.reports().await.len(), number - 1, "stored without an alert");
        clinic.execute(&format!("ALTER TABLE {tenant}.elsewhere RENAME TO {table}")).await;
        clinic.until_idle().await;
        assert_eq!((doctor.reports().await.len(), open(&doctor).await.len()), (number, number));
        let timers = "SELECT count(*) FROM pgmq.q_messages WHERE message ? 'alert_id'";
        assert_eq!(clinic.count(timers).await, i64::try_from(number).unwrap(), "one timer each");
    }
}

#[tokio::test]
async fn two_workers_at_once_raise_one_alert() {
    let mut clinic = without_worker("alerts_two").await;
    let other = clinic.platform.work(&[]).await.unwrap();
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    let doctor = clinic.doctor("a").await;
    for round in 0..8 {
        let lab_order = format!("L-{round}");
        for number in 0..4 {
            let more = format!("KREA||0.{number}|mg/dL|||||F");
            clinic.post(&order(round * 4 + number, &lab_order, "19661024|F", &[CRITICAL, &more])).await;
        }
    }
    clinic.until_idle().await;
    assert_eq!(open(&doctor).await.len(), 8, "one for each order");
    drop(other);
}

/// The correction is worked on first: what arrived before it counts for nothing when it is stored.
#[tokio::test]
async fn a_value_that_was_corrected_before_it_was_stored_raises_nothing() {
    let mut clinic = without_worker("alerts_order").await;
    let doctor = clinic.doctor("a").await;
    clinic.post(&results(1, &[CRITICAL])).await;
    clinic.execute("UPDATE pgmq.q_messages SET vt = clock_timestamp() + interval '1 hour'").await;
    clinic.post(&results(2, &["K||4.4|mmol/L||N|||C"])).await;
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    until("the correction to be stored", LIMIT, async || {
        Ok(if doctor.reports().await.len() == 1 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    clinic.execute("UPDATE pgmq.q_messages SET vt = clock_timestamp()").await;
    clinic.until_idle().await;
    let versions = format!("SELECT count(*) FROM {}.reports", clinic.tenants[0]);
    assert_eq!((clinic.count(&versions).await, doctor.reports().await.len()), (2, 1));
    assert!(all(&doctor).await.is_empty());
}
