//! Limits of the practice, and changes against the value before: whom they mean, and what is not judged.
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{HIGH, collected, id, limit, open, order, outcome, post};
use crate::clinic::clinic;

#[tokio::test]
async fn limits_of_the_practice_hold_for_their_laboratory_test_unit_sex_and_age() {
    let clinic = clinic("alerts_limits").await;
    let doctor = clinic.doctor("a").await;
    for refused in [
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone" }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "check", "high": "6" }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "low": "6", "high": "3" }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "six" }),
        json!({ "test_code": "", "unit": "mmol/L", "tier": "phone", "high": "6" }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6", "sex": "F" }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6", "age_from_years": 9, "age_to_years": 8 }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "check", "delta_percent": "0", "delta_days": 7 }),
        json!({ "test_code": "K", "unit": "mmol/L", "tier": "urgent", "high": "6" }),
    ] {
        assert_eq!(doctor.post("/v1/critical-limits", &refused).await.status(), StatusCode::BAD_REQUEST, "{refused}");
    }
    let base = json!({ "test_code": "K", "unit": "mmol/L", "tier": "phone", "high": "6,2", "laboratory": "987654300" });
    let with = |field: &str, value: Value| {
        let mut limit = base.clone();
        limit[field] = value;
        limit
    };
    limit(&doctor, with("laboratory", json!("another"))).await;
    limit(&doctor, with("sex", json!("male"))).await;
    limit(&doctor, with("age_to_years", json!(17))).await;
    limit(&doctor, with("test_code", json!("NA"))).await;
    post(&clinic, &order(1, "L-1", "19661024|F", &[HIGH])).await;
    assert!(open(&doctor).await.is_empty(), "none of them is for her");
    post(&clinic, &order(2, "L-2", "19661024|", &[HIGH])).await;
    assert_eq!(open(&doctor).await.len(), 1, "an unknown sex meets the limit");
    let mut blanks = with("unit", json!(" mmol/L "));
    blanks["test_code"] = json!("K ");
    blanks["laboratory"] = json!(" 987654300");
    let valid = limit(&doctor, blanks).await;
    post(&clinic, &order(3, "L-3", "19661024|F", &[HIGH])).await;
    let alerts = open(&doctor).await;
    assert_eq!(
        (alerts.len(), &alerts[1]["tier"], &alerts[1]["cause"]),
        (2, &json!("phone"), &json!("limit")),
        "{alerts:?}"
    );
    // In another unit it is not judged, and that is told.
    post(&clinic, &order(4, "L-4", "19661024|F", &["K||27.7|mg/dL||H|||F"])).await;
    assert_eq!(open(&doctor).await.len(), 2);
    let report = doctor.json("/v1/alerts/report").await;
    assert_eq!(report["not_judged"], 1, "{report}");
    let reports = doctor.reports().await;
    let counted: Vec<_> = reports.iter().filter(|report| report["not_judged"] == 1).collect();
    assert_eq!((counted.len(), &counted[0]["lab_order_number"]), (1, &json!("L-4")));
    let one = doctor.json(&format!("/v1/reports/{}", id(counted[0]))).await;
    assert_eq!(one["not_judged"], 1);
    assert_eq!(
        (&report["tiers"][1]["tier"], &report["tiers"][1]["raised"], &report["tiers"][1]["open"]),
        (&json!("phone"), &json!(2), &json!(2))
    );
    // What ended does not hold any more, and stays readable.
    for limit in doctor.json("/v1/critical-limits").await["items"].as_array().unwrap() {
        let end = format!("/v1/critical-limits/{}/end", id(limit));
        assert_eq!(doctor.post(&end, &json!({})).await.status(), StatusCode::NO_CONTENT);
    }
    post(&clinic, &order(5, "L-5", "19661024|F", &[HIGH])).await;
    assert_eq!(open(&doctor).await.len(), 2, "no limit is valid");
    assert_eq!(doctor.json("/v1/critical-limits").await["items"], json!([]));
    let ended = doctor.json("/v1/critical-limits?ended=true").await;
    let ended = ended["items"].as_array().unwrap().iter().find(|limit| id(limit) == valid).unwrap().clone();
    assert!(ended["ended_at"].is_string() && ended["high"] == "6.2", "{ended}");
}

#[tokio::test]
async fn an_unlikely_change_against_the_value_before_is_checked_and_dismissed_with_a_comment() {
    let clinic = clinic("alerts_delta").await;
    let doctor = clinic.doctor("a").await;
    let change = json!({ "test_code": "HB", "unit": "g/dL", "tier": "check", "delta_percent": "30", "delta_days": 7 });
    limit(&doctor, change).await;
    let hb = |value: &str, unit: &str, more: &str| format!("HB||{value}|{unit}||N|||F{more}");
    let send = async |number: usize, day: usize, born: &str, hb: &str| {
        post(&clinic, &collected(number, &format!("L-{number}"), day, born, &[hb])).await;
        open(&doctor).await.len()
    };
    let erika = "19661024|F";
    assert_eq!(send(1, 1, erika, &hb("14.0", "g/dL", "")).await, 0, "there is none before");
    assert_eq!(send(2, 2, erika, &hb("10.0", "g/dL", "")).await, 0, "28.6 percent less");
    assert_eq!(send(3, 10, erika, &hb("13.5", "g/dL", "")).await, 0, "the value before is eight days old");
    assert_eq!(send(4, 11, erika, &hb("83.7", "g/L", "")).await, 0, "in another unit");
    assert_eq!(send(5, 12, "19700101|F", &hb("8.0", "g/dL", "")).await, 0, "of another patient");
    assert_eq!(send(6, 12, erika, &hb("<8.0", "g/dL", "")).await, 0, "no plain number");
    assert_eq!(send(7, 13, erika, &hb("9.0", "g/dL", "")).await, 1, "33 percent less than 13.5 three days before");
    let alert = open(&doctor).await[0].clone();
    for (field, expected) in [("tier", "check"), ("cause", "delta"), ("value", "9.0"), ("former_value", "13.5")] {
        assert_eq!(alert[field], expected, "{alert}");
    }
    assert!(alert["former_at"].as_str().unwrap().starts_with("2026-10-10"), "{alert}");
    let (status, problem) = outcome(&doctor, id(&alert), json!({ "outcome": "dismissed" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    let said = json!({ "outcome": "dismissed", "comment": "transfused" });
    assert_eq!(outcome(&doctor, id(&alert), said).await.0, StatusCode::NO_CONTENT);
    assert!(open(&doctor).await.is_empty());
    let report = doctor.json("/v1/alerts/report").await;
    assert_eq!((&report["tiers"][2]["raised"], &report["tiers"][2]["dismissed"]), (&json!(1), &json!(1)), "{report}");
}
