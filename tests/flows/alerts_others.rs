//! Alerts that are not this report's, or not this value's: of last year's order, of a stranger's value, of a limit that nobody can read, of
//! the same value twice.
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{all, collected, id, limit, open, order, outcome, post, results, user};
use crate::alerts_matching::a_year_passes;
use crate::clinic::{Clinic, User, clinic};
use crate::release::{done, release};

const CRITICAL: &str = "K||7.1|mmol/L||HH|||F";

async fn decide(user: &User, report: &str, what: &str, body: Value) {
    let answer = user.post(&format!("/v1/reports/{report}/{what}"), &body).await;
    assert!(answer.status().is_success(), "{what}: {}", answer.text().await.unwrap());
}

/// The page of a report.
async fn page(clinic: &Clinic, user: &User, report: &str) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = http.get(format!("{}/inbox/{report}", clinic.server.base));
    let cookie = format!("labor={}", user.token());
    page.header("Cookie", cookie).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
}

/// Matched to the wrong patient a value was compared with a stranger's; un-matched it is so no more, and compared anew with the right one's.
#[tokio::test]
async fn what_was_compared_with_a_strangers_value_is_not_told_any_more() {
    let clinic = clinic("alerts_stranger").await;
    let (doctor, admin) = (clinic.doctor("a").await, user(&clinic, "admin", "admin").await);
    let change = json!({ "test_code": "HB", "unit": "g/dL", "tier": "check", "delta_percent": "30", "delta_days": 30 });
    limit(&doctor, change).await;
    let named =
        |message: Vec<u8>, name: &str| String::from_utf8(message).unwrap().replace("Muster^Erika", name).into_bytes();
    post(&clinic, &collected(1, "L-1", 1, "19661024|F", &["HB||14.0|g/dL|||||F"])).await;
    post(&clinic, &named(collected(2, "L-2", 2, "19700101|F", &["HB||13.0|g/dL|||||F"]), "Beispiel^Berta")).await;
    let reports = doctor.reports().await;
    let patient =
        |name: &str| reports.iter().find(|report| report["family_name"] == name).unwrap()["patient_id"].clone();
    let (muster, beispiel) = (patient("Muster"), patient("Beispiel"));
    let nobodys = |number: usize| collected(number, "L-3", 3, "1966|F", &["HB||8.0|g/dL|||||F"]);
    post(&clinic, &nobodys(3)).await;
    let waiting = doctor.reports().await.into_iter().find(|report| report["patient_id"].is_null()).unwrap();
    let waiting = id(&waiting);
    decide(&doctor, waiting, "match", json!({ "patient_id": muster })).await;
    post(&clinic, &nobodys(4)).await;
    // And the other way round: a report of hers is compared with the stranger's value.
    post(&clinic, &collected(5, "L-4", 4, "19661024|F", &["HB||14.1|g/dL|||||F"])).await;
    let formers = |alerts: &[Value]| alerts.iter().map(|alert| alert["former_value"].clone()).collect::<Vec<_>>();
    assert_eq!(open(&doctor).await.len(), 2, "{:?}", formers(&open(&doctor).await));
    let dismissed = id(&open(&doctor).await[0]).to_owned();
    let said = json!({ "outcome": "dismissed", "comment": "a bleeding" });
    assert_eq!(outcome(&doctor, &dismissed, said).await.0, StatusCode::NO_CONTENT);
    decide(&admin, waiting, "unmatch", json!({ "reason": "of another" })).await;
    assert!(open(&doctor).await.is_empty(), "{:?}", formers(&open(&doctor).await));
    let superseded = format!(
        "SELECT count(*) FROM {}.alert_events WHERE kind = 'superseded' AND actor_role = 'admin'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&superseded).await, 2, "also the one that somebody had dismissed");
    decide(&doctor, waiting, "match", json!({ "patient_id": beispiel })).await;
    post(&clinic, &nobodys(6)).await;
    assert_eq!(formers(&open(&doctor).await), [json!("13.0")]);
}

/// L-1 of last year and L-1 of this year name nobody, and are two people's.
#[tokio::test]
async fn a_report_shows_no_alert_of_last_years_order_and_does_not_wait_for_it() {
    let clinic = clinic("alerts_last_year").await;
    let doctor = clinic.doctor("a").await;
    let sent = |number: usize, value: &str| {
        let text = String::from_utf8(order(number, "L-1", "|", &[&format!("K||{value}|mmol/L||HH|||F")])).unwrap();
        text.replace("Muster^Erika", "").into_bytes()
    };
    post(&clinic, &sent(1, "7.1")).await;
    let old = id(&open(&doctor).await[0]).to_owned();
    a_year_passes(&clinic).await;
    post(&clinic, &sent(2, "6.9")).await;
    let new = open(&doctor).await.into_iter().find(|alert| id(alert) != old).unwrap();
    let report = new["report_id"].as_str().unwrap();
    let shown = page(&clinic, &doctor, report).await;
    assert!(shown.contains(&format!("alert-{}", id(&new))) && !shown.contains(&format!("alert-{old}")));
    // It is matched, and told: then it may be released.
    post(&clinic, &collected(3, "L-2", 1, "19661024|F", &["NA||140|mmol/L|||||F"])).await;
    let known = doctor.reports().await.into_iter().find_map(|report| report["patient_id"].as_str().map(str::to_owned));
    decide(&doctor, report, "match", json!({ "patient_id": known.unwrap() })).await;
    let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "6,9" });
    assert_eq!(outcome(&doctor, id(&new), said).await.0, StatusCode::NO_CONTENT);
    assert_eq!(release(&doctor, report).await, done());
}

/// A report's page shows alerts of its other versions, so these were seen.
#[tokio::test]
async fn who_is_shown_another_versions_alert_has_seen_that_version() {
    let clinic = clinic("alerts_page_seen").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    post(&clinic, &results(2, &[CRITICAL, "KREA||0.9|mg/dL|||||F"])).await;
    let report = id(&doctor.reports().await[0]).to_owned();
    page(&clinic, &doctor, &report).await;
    let seen = format!("SELECT count(*) FROM {}.report_events WHERE kind = 'seen'", clinic.tenants[0]);
    assert_eq!(clinic.count(&seen).await, 2);
}

/// A number that nothing can be held against keeps nothing from being stored: what else is critical is told, and the value is counted.
#[tokio::test]
async fn a_limit_that_can_not_be_read_stops_no_message() {
    let clinic = clinic("alerts_unreadable").await;
    let (doctor, tenant) = (clinic.doctor("a").await, clinic.tenants[0].clone());
    limit(&doctor, json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6.2" })).await;
    for refused in ["1234567890123456", "0.1234567890123456"] {
        let sent = json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": refused });
        assert_eq!(doctor.post("/v1/critical-limits", &sent).await.status(), StatusCode::BAD_REQUEST);
    }
    clinic
        .execute(&format!(
            "ALTER TABLE {tenant}.critical_limits DROP CONSTRAINT critical_limits_high_check;
             INSERT INTO {tenant}.critical_limits (id, test_code, unit, tier, high, created_by) VALUES (gen_random_uuid(), 'K', 'mmol/L', 'emergency', 'NaN', 'x')"
        ))
        .await;
    post(&clinic, &results(1, &["K||6.5|mmol/L||H|||F"])).await;
    let (alerts, report) = (open(&doctor).await, doctor.reports().await[0].clone());
    assert_eq!((alerts.len(), &alerts[0]["tier"], &report["not_judged"]), (1, &json!("phone"), &json!(1)));
}

/// The correction comes with a value that it does not correct: which of the others it means nobody knows, and none is told again.
#[tokio::test]
async fn a_value_that_comes_again_beside_a_correction_keeps_its_alert() {
    let clinic = clinic("alerts_beside").await;
    let doctor = clinic.doctor("a").await;
    let at = |hour: &str, value: &str| format!("GLU||{value}|mmol/L||LL|||F|||20261008{hour}0000");
    post(&clinic, &results(1, &[&at("08", "2.1")])).await;
    post(&clinic, &results(2, &[&at("10", "2.0")])).await;
    assert_eq!((doctor.reports().await.len(), open(&doctor).await.len()), (2, 2));
    let before: Vec<Value> = open(&doctor).await.iter().map(|alert| alert["id"].clone()).collect();
    let text = String::from_utf8(results(3, &[&at("08", "2.1"), "GLU||5.0|mmol/L||N|||C"])).unwrap();
    post(&clinic, text.replace("CHEM|||20261008080000", "CHEM|||").as_bytes()).await;
    assert_eq!(doctor.reports().await.len(), 2, "the first was replaced");
    let after: Vec<Value> = open(&doctor).await.iter().map(|alert| alert["id"].clone()).collect();
    assert_eq!((after, all(&doctor).await.len()), (before, 2));
}

#[tokio::test]
async fn a_value_that_a_record_holds_twice_is_told_once() {
    let clinic = clinic("alerts_twice").await;
    let doctor = clinic.doctor("a").await;
    limit(&doctor, json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6.2" })).await;
    post(&clinic, &results(1, &["K||7.1|mmol/L||H|||F", CRITICAL, CRITICAL])).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["tier"]), (1, &json!("emergency")), "{alerts:?}");
}

/// A copy that was taken in between, or SQL that wrote the event alone: whoever sees to the alert, or its timer, closes it.
#[tokio::test]
async fn an_alert_that_ended_does_not_stand_among_the_open_ones_for_ever() {
    let clinic = clinic("alerts_half").await;
    let (doctor, tenant) = (clinic.doctor("a").await, clinic.tenants[0].clone());
    for number in 1..3 {
        post(&clinic, &order(number, &format!("L-{number}"), "19661024|F", &[CRITICAL])).await;
    }
    clinic
        .execute(&format!(
            "INSERT INTO {tenant}.alert_events (id, alert_id, tier, kind, reached, read_back, actor, actor_role)
             SELECT gen_random_uuid(), id, tier, 'confirmed', 'x', '7.1', 'x', 'doctor' FROM {tenant}.alerts"
        ))
        .await;
    let alerts = open(&doctor).await;
    assert_eq!(alerts.len(), 2);
    let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "7,1" });
    assert_eq!(outcome(&doctor, id(&alerts[0]), said).await.0, StatusCode::CONFLICT);
    assert_eq!(open(&doctor).await.len(), 1);
    clinic.execute("UPDATE pgmq.q_messages SET vt = now() WHERE message ? 'alert_id'").await;
    labor_testing::until("the timer to be seen to", crate::clinic::LIMIT, async || {
        Ok(if open(&doctor).await.is_empty() { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
}

/// A timer that was given up, as another version may do, is replayed before its turn is over: it is for that turn.
#[tokio::test]
async fn a_timer_that_is_replayed_is_left_for_its_turn() {
    let clinic = clinic("alerts_replay").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    clinic
        .execute(
            "WITH taken AS (DELETE FROM pgmq.q_messages WHERE message ? 'alert_id' RETURNING message)
             INSERT INTO pgmq.q_dead_messages (vt, message) SELECT now(), message || '{\"reason\": \"a test\"}' FROM taken",
        )
        .await;
    let number = clinic.count("SELECT msg_id FROM pgmq.q_dead_messages").await.to_string();
    clinic.platform.json("labor", &["queue", "replay", &number], "").await.unwrap();
    let waits =
        "SELECT count(*) FROM pgmq.q_messages WHERE message ? 'alert_id' AND vt > now() + interval '10 minutes'";
    assert_eq!(clinic.count(waits).await, 1);
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
}
