//! Alerts of values that are corrected, taken back or sent again: none goes without a successor, none comes twice.
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{all, id, limit, open, order, outcome, post, results, user};
use crate::clinic::{clinic, sample};

const CRITICAL: &str = "K||7.1|mmol/L||HH|||F";
const CREATININE: &str = "KREA||0.9|mg/dL|||||F";

/// What came in the place of a critical value and can't be held against the limit may be the same value.
#[tokio::test]
async fn an_alert_is_not_closed_by_what_can_not_be_judged() {
    let clinic = clinic("alerts_successor").await;
    let doctor = clinic.doctor("a").await;
    limit(&doctor, json!({ "test_code": "GLU", "unit": "mmol/L", "tier": "emergency", "low": "2.5" })).await;
    // In another unit: the wrong value stands beside it, and so does its alert.
    post(&clinic, &results(1, &["GLU||2.1|mmol/L||L|||F"])).await;
    assert_eq!(open(&doctor).await.len(), 1);
    post(&clinic, &results(2, &["GLU||36|mg/dL||L|||C"])).await;
    assert_eq!(open(&doctor).await.len(), 1, "{:?}", all(&doctor).await);
    // As a text it takes the place of the value, and is as grave.
    post(&clinic, &order(3, "L-2", "19661024|F", &["GLU||2.1|mmol/L||L|||F"])).await;
    post(&clinic, &order(4, "L-2", "19661024|F", &["GLU||sehr niedrig|mmol/L||L|||C"])).await;
    let alerts = open(&doctor).await;
    let of = |value: &str| {
        alerts.iter().filter(|alert| alert["value"] == value).map(|alert| alert["tier"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((alerts.len(), of("sehr niedrig")), (2, vec![json!("emergency")]), "{alerts:?}");
    // Sent again it is alerted once, and what was never critical is only counted.
    post(&clinic, &order(5, "L-2", "19661024|F", &["GLU||sehr niedrig|mmol/L||L|||C"])).await;
    post(&clinic, &order(6, "L-3", "19661024|F", &["GLU||niedrig|mmol/L||L|||F"])).await;
    assert_eq!(open(&doctor).await.len(), 2);
}

/// A profile: the same test three times, told apart by its time alone.
#[tokio::test]
async fn what_may_take_back_one_of_several_values_closes_none_of_their_alerts() {
    let clinic = clinic("alerts_several").await;
    let doctor = clinic.doctor("a").await;
    let at = |hour: usize, value: &str| format!("GLU||{value}|mmol/L||LL|||F|||202610080{hour}0000");
    post(&clinic, &results(1, &[&at(8, "2.1"), &at(9, "2.0"), "NA||140|mmol/L|||||F"])).await;
    assert_eq!(open(&doctor).await.len(), 2, "{:?}", all(&doctor).await);
    let untimed = String::from_utf8(results(2, &["GLU||||||||W"])).unwrap().replace("|||20261008080000", "");
    post(&clinic, untimed.as_bytes()).await;
    assert_eq!(open(&doctor).await.len(), 2, "nobody knows which: {:?}", all(&doctor).await);
}

/// The laboratory sends a corrected value alone, and then the wrong one again: it counts, and somebody is told.
#[tokio::test]
async fn a_wrong_value_that_comes_back_is_alerted_anew() {
    let clinic = clinic("alerts_back").await;
    let doctor = clinic.doctor("a").await;
    let first = [CRITICAL, "NA||140|mmol/L|||||F"];
    post(&clinic, &results(1, &first)).await;
    post(&clinic, &results(2, &["K||4.4|mmol/L||N|||C"])).await;
    assert!(open(&doctor).await.is_empty());
    post(&clinic, &results(3, &first)).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["value"]), (1, &json!("7.1")), "{alerts:?}");
    post(&clinic, &results(4, &first)).await;
    assert_eq!((open(&doctor).await.len(), all(&doctor).await.len()), (1, 2), "an ordinary resend");
    post(&clinic, &results(5, &["K||4.4|mmol/L||N|||C"])).await;
    assert!(open(&doctor).await.is_empty());
}

/// Two germs have the same antibiogram: each resistance is told; so is a new finding without a value after the first was confirmed.
#[tokio::test]
async fn what_has_no_value_of_its_own_is_told_each_time_it_is_new() {
    let clinic = clinic("alerts_germs").await;
    let doctor = clinic.doctor("a").await;
    let germ = |number: usize| format!("MERO|{number}|R|||AA|||F");
    post(&clinic, &results(1, &[&germ(2)])).await;
    post(&clinic, &results(2, &[&germ(2), &germ(3)])).await;
    let alerts = open(&doctor).await;
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    for alert in &alerts {
        let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "R" });
        assert_eq!(outcome(&doctor, id(alert), said).await.0, StatusCode::NO_CONTENT);
    }
    post(&clinic, &order(3, "L-2", "19661024|F", &["BK|||||AA|||F"])).await;
    let valueless = open(&doctor).await;
    assert_eq!((valueless.len(), &valueless[0]["value"]), (1, &Value::Null), "{valueless:?}");
    let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "gesehen" });
    assert_eq!(outcome(&doctor, id(&valueless[0]), said).await.0, StatusCode::NO_CONTENT);
    post(&clinic, &order(4, "L-2", "19661024|F", &["BK|||||AA|||F"])).await;
    assert!(open(&doctor).await.is_empty(), "an ordinary resend");
    post(&clinic, &order(5, "L-2", "19661024|F", &["BK|||||AA|||F", CREATININE])).await;
    assert_eq!(open(&doctor).await.len(), 1, "a new version says so again");
}

/// LDT 3 says it of a value (8422) and, as it must, in a notice beside it (7280): one thing to be told.
#[tokio::test]
async fn what_the_laboratory_says_of_a_value_twice_is_one_alert() {
    let clinic = clinic("alerts_once").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &sample("Z01_LDT3_04_extremwert.ldt")).await;
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["value"]), (1, &json!("7.1")), "{alerts:?}");
}

/// A list shows 200: of what it does not show nothing is noted.
#[tokio::test]
async fn only_what_was_shown_is_noted_as_seen() {
    let clinic = clinic("alerts_seen").await;
    let technician = user(&clinic, "tech", "lab-technician").await;
    for number in 0..3 {
        post(&clinic, &order(number, &format!("L-{number}"), "19661024|F", &[CRITICAL])).await;
    }
    let tenant = &clinic.tenants[0];
    clinic
        .execute(&format!(
            "WITH made AS (
               INSERT INTO {tenant}.alerts (id, report_id, tier, cause, raised_at, due_at)
               SELECT gen_random_uuid(), (SELECT r.id FROM {tenant}.reports r ORDER BY r.id LIMIT 1), 'emergency', 'laboratory', now() - interval '1 hour', now()
                 FROM generate_series(1, 250) RETURNING id, tier),
               opened AS (INSERT INTO {tenant}.alert_states (alert_id) SELECT id FROM made)
             INSERT INTO {tenant}.alert_events (id, alert_id, tier, kind, round, step, due_at, actor, actor_role)
             SELECT gen_random_uuid(), id, tier, 'raised', 1, 0, now(), 'worker', 'worker' FROM made"
        ))
        .await;
    let waiting = technician.json("/v1/alerts/waiting").await;
    assert_eq!((&waiting["waiting"]["open"], &waiting["waiting"]["mine"]), (&json!(253), &json!(0)), "{waiting}");
    assert_eq!(open(&technician).await.len(), 200);
    let seen =
        format!("SELECT count(*) FROM {tenant}.report_events WHERE kind = 'seen' AND actor_role = 'lab_technician'");
    assert_eq!(clinic.count(&seen).await, 1, "one report's alerts were shown");
}
