//! Alerts and genetic holds of reports that name nobody: a number that is used again is another's, and what came under it last year says
//! nothing of today.
use serde_json::{Value, json};

use crate::alerts::{all, collected, id, limit, open, order, post, results, user};
use crate::clinic::{Clinic, clinic};

const CRITICAL: &str = "K||7.1|mmol/L||HH|||F";

pub(crate) async fn a_year_passes(clinic: &Clinic) {
    clinic
        .execute(&format!(
            "UPDATE {}.reports SET received_at = received_at - interval '1 year', confirmed_at = confirmed_at - interval '1 year'",
            clinic.tenants[0]
        ))
        .await;
}

/// The same value under the same number, a year later: of nobody it is somebody else's, and of the same person it is critical again.
#[tokio::test]
async fn what_was_told_of_last_years_order_is_told_of_this_years() {
    for (name, birth, database) in [("", "", "alerts_number"), ("Muster^Erika", "19661024", "alerts_number_named")] {
        let clinic = clinic(database).await;
        let doctor = clinic.doctor("a").await;
        let sent = |number: usize, obx: &[&str]| {
            let text = String::from_utf8(order(number, "L-1", &format!("{birth}|"), obx)).unwrap();
            text.replace("Muster^Erika", name).into_bytes()
        };
        post(&clinic, &sent(1, &[CRITICAL])).await;
        post(&clinic, &sent(2, &[CRITICAL])).await;
        assert_eq!(open(&doctor).await.len(), 1, "an ordinary resend");
        a_year_passes(&clinic).await;
        post(&clinic, &sent(3, &[CRITICAL])).await;
        assert_eq!(open(&doctor).await.len(), 2, "{:?}", all(&doctor).await);
        // This year's is corrected; last year's stays as it was.
        post(&clinic, &sent(4, &["K||4.4|mmol/L||N|||C"])).await;
        let left = open(&doctor).await;
        let old = doctor.json(&format!("/v1/reports/{}", left[0]["report_id"].as_str().unwrap())).await;
        assert_eq!((left.len(), &old["version"]), (1, &json!(1)), "{left:?}");
    }
}

/// Last year's responsible doctor is not this year's.
#[tokio::test]
async fn a_genetic_report_of_nobody_is_not_held_for_last_years_doctor() {
    let clinic = clinic("genetic_number").await;
    let genetic = |number: usize, doctor: &str, value: &str| {
        format!(
            "MSH|^~\\&|LIS|LABOR^987654300^BSNR|PVS|PRAXIS^123456700^BSNR|2026103011{number:02}||ORU^R01|G{number}|P|2.5\r\
             PID|1||||||\rOBR|1|A-1|L-1|GEN|||20261008080000|||||||||{doctor}||||||||GE\rOBX|1|ST|F5||{value}||||||F\r"
        )
        .into_bytes()
    };
    post(&clinic, &genetic(1, "123456601^Muster", "heterozygot")).await;
    post(&clinic, &genetic(2, "", "homozygot")).await;
    let held = format!("SELECT count(*) FROM {}.genetic_holds WHERE lanr = '123456601'", clinic.tenants[0]);
    assert_eq!(clinic.count(&held).await, 2, "a version of the same report");
    a_year_passes(&clinic).await;
    post(&clinic, &genetic(3, "", "negativ")).await;
    assert_eq!(clinic.count(&held).await, 2);
    let nobodys = format!("SELECT count(*) FROM {}.genetic_holds WHERE lanr IS NULL", clinic.tenants[0]);
    assert_eq!(clinic.count(&nobodys).await, 1);
}

/// What is one's own turn stands first, also before what is graver and nobody's in particular.
#[tokio::test]
async fn the_readers_own_turn_stands_first() {
    let clinic = clinic("alerts_own_turn").await;
    let (doctor, technician) = (clinic.doctor("a").await, user(&clinic, "tech", "lab-technician").await);
    limit(&doctor, json!({ "test_code": "NA", "unit": "mmol/L", "tier": "phone", "low": "125" })).await;
    let client = labor_testing::postgres().await.connect(clinic.platform.database()).await.unwrap();
    let key = format!("SELECT id::text FROM {}.users WHERE username = 'tech'", clinic.tenants[0]);
    let key: String = client.query_one(&key, &[]).await.unwrap().get(0);
    let ladder = json!({ "phone": [{ "user_id": key, "seconds": 3600 }] });
    assert!(doctor.put("/v1/alert-ladder", &ladder).await.status().is_success());
    post(&clinic, &results(1, &[CRITICAL, "NA||120|mmol/L||L|||F"])).await;
    let seen: Vec<Value> =
        open(&technician).await.iter().map(|alert| json!([alert["test_code"], alert["mine"]])).collect();
    assert_eq!(seen, [json!(["NA", true]), json!(["K", false])]);
    let seen: Vec<Value> = open(&doctor).await.iter().map(|alert| json!([alert["test_code"], alert["mine"]])).collect();
    assert_eq!(seen, [json!(["K", true]), json!(["NA", false])]);
}

/// Of a report that is nobody's nothing is compared, also when it is matched later.
#[tokio::test]
async fn a_report_of_nobody_is_compared_with_nobodys_values() {
    let clinic = clinic("alerts_unmatched").await;
    let doctor = clinic.doctor("a").await;
    let change = json!({ "test_code": "HB", "unit": "g/dL", "tier": "check", "delta_percent": "30", "delta_days": 7 });
    limit(&doctor, change).await;
    post(&clinic, &collected(1, "L-1", 1, "19661024|F", &["HB||14.0|g/dL|||||F"])).await;
    post(&clinic, &collected(2, "L-2", 2, "1966|F", &["HB||8.0|g/dL|||||F"])).await;
    let waiting = doctor.reports().await.into_iter().find(|report| report["patient_id"].is_null()).unwrap();
    assert!(open(&doctor).await.is_empty());
    let known = doctor.reports().await.into_iter().find_map(|report| report["patient_id"].as_str().map(str::to_owned));
    let matched =
        doctor.post(&format!("/v1/reports/{}/match", id(&waiting)), &json!({ "patient_id": known.unwrap() })).await;
    assert!(matched.status().is_success());
    assert!(all(&doctor).await.is_empty());
    post(&clinic, &collected(3, "L-3", 3, "19661024|F", &["HB||14.0|g/dL|||||F"])).await;
    assert_eq!(open(&doctor).await.len(), 1, "75 percent more than what was matched");
}
