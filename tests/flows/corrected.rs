//! Values that a later version corrects, where the version that has them stays: each is shown with that, and whoever saw it is told.
use serde_json::{Value, json};

use crate::acknowledge::{id, notices};
use crate::alerts::{open, order, post, results};
use crate::clinic::{Clinic, User, clinic};
use crate::reparse::{applied, sent};

/// Which values of a report are marked as corrected, by their tests.
async fn marked(user: &User, report: &Value) -> Vec<String> {
    let report = user.json(&format!("/v1/reports/{}", id(report, "id"))).await;
    let marked = report["values"].as_array().unwrap().iter().filter(|value| value["corrected_by"].is_string());
    marked.map(|value| format!("{} {}", id(value, "test_code"), id(value, "value"))).collect()
}

async fn version(user: &User, number: i64) -> Value {
    user.reports().await.into_iter().find(|report| report["version"] == number).unwrap()
}

/// A mark stays when the correction itself was replaced by what says the same, and goes when the laboratory says the first value again.
#[tokio::test]
async fn a_mark_outlives_the_version_that_made_it() {
    let clinic = clinic("acknowledge_marks").await;
    let doctor = clinic.doctor("a").await;
    let post = async |number: usize, obx: &[&str]| {
        clinic.post(&results(number, obx)).await;
        clinic.until_idle().await;
    };
    post(1, &["K||7.1|mmol/L||HH|||F", "TSH||1.0|mU/L|||||F"]).await;
    post(2, &["K||4.3|mmol/L||N|||C"]).await;
    let first = version(&doctor, 1).await;
    assert_eq!(marked(&doctor, &first).await, ["K 7.1"]);
    let second = version(&doctor, 2).await;
    post(3, &["K||4.3|mmol/L||N|||F", "CRP||0.6|mg/L|||||F"]).await;
    assert_eq!(doctor.reports().await.len(), 2, "the third replaces the second");
    let third = id(&version(&doctor, 3).await, "id");
    assert_eq!(doctor.json(&format!("/v1/reports/{third}")).await["replaces"], json!([second["id"]]));
    assert_eq!(marked(&doctor, &first).await, ["K 7.1"]);
    post(4, &["K||7.1|mmol/L||HH|||C", "CRP||0.6|mg/L|||||F"]).await;
    assert!(marked(&doctor, &first).await.is_empty(), "it was right after all");
}

/// What is in another unit, of another germ or of another time is not what was corrected, also when what was meant is replaced by now.
#[tokio::test]
async fn only_what_a_correction_can_mean_is_marked() {
    let clinic = clinic("acknowledge_meant").await;
    let doctor = clinic.doctor("a").await;
    let post = async |number: usize, obx: &[&str]| {
        clinic.post(&results(number, obx)).await;
        clinic.until_idle().await;
    };
    post(1, &["HBA1C||7.0|%|||||F", "HBA1C||53|mmol/mol|||||F", "AMP|1|2|mg/L|||||F"]).await;
    post(2, &["AMP|2|4|mg/L|||||F"]).await;
    post(3, &["AMP|2|8|mg/L|||||C"]).await;
    post(4, &["HBA1C||6.5|%|||||C"]).await;
    let first = version(&doctor, 1).await;
    assert_eq!(marked(&doctor, &first).await, ["HBA1C 7.0"]);
    post(5, &["AMP|1|16|g/L|||||C"]).await;
    assert_eq!(
        marked(&doctor, &first).await,
        ["HBA1C 7.0", "AMP 2"],
        "its unit was wrong, and all of the test is meant"
    );
}

/// Numbers are used again, and a named person's is corrected late all the same: nothing is hidden by it, the value is marked and its reader told.
#[tokio::test]
async fn what_is_corrected_after_a_year_is_marked_and_told() {
    let clinic = clinic("corrected_late").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &["K||7.1|mmol/L||HH|||F", "TSH||1.0|mU/L|||||F"])).await;
    let first = version(&doctor, 1).await;
    assert!(marked(&doctor, &first).await.is_empty());
    days_pass(&clinic, 365).await;
    post(&clinic, &results(2, &["K||4.3|mmol/L||N|||C", "TSH||1.0|mU/L|||||F"])).await;
    let second = version(&doctor, 2).await;
    let told = notices(&doctor).await;
    assert!(
        told.len() == 1 && told[0]["report_id"] == first["id"] && told[0]["replaced_by"] == second["id"],
        "{told:?}"
    );
    assert_eq!(marked(&doctor, &first).await, ["K 7.1"]);
}

/// What a reader took for a correction, and the laboratory never said, marks nothing any more once the message was read again.
#[tokio::test]
async fn a_correction_that_was_misread_marks_nothing() {
    let clinic = clinic("corrected_misread").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &["K||7.1|mmol/L||HH|||F", "TSH||1.0|mU/L|||||F"])).await;
    let read = results(2, &["K||4.3|mmol/L||N|||C", "CRP||0.6|mg/L|||||F"]);
    let says = results(2, &["K||4.3|mmol/L||N|||F", "CRP||6.0|mg/L|||||F"]);
    sent(&clinic, &read, &says).await;
    let first = version(&doctor, 1).await;
    assert_eq!(marked(&doctor, &first).await, ["K 7.1"]);
    applied(&clinic).await;
    assert!(marked(&doctor, &first).await.is_empty());
}

/// The alert is a version's that was replaced long ago, and what replaced it is corrected now.
#[tokio::test]
async fn an_alert_ends_with_the_versions_that_repeated_its_value() {
    let clinic = clinic("corrected_alert").await;
    let doctor = clinic.doctor("a").await;
    let critical = "K||7.1|mmol/L||HH|||F";
    post(&clinic, &results(1, &[critical])).await;
    days_pass(&clinic, 50).await;
    post(&clinic, &results(2, &[critical, "TSH||1.0|mU/L|||||F"])).await;
    assert_eq!(open(&doctor).await.len(), 1, "it is told once");
    days_pass(&clinic, 60).await;
    post(&clinic, &results(3, &[critical, "TSH||1.0|mU/L|||||F", "CRP||0.6|mg/L|||||F"])).await;
    assert_eq!(open(&doctor).await.len(), 1, "it is told once");
    post(&clinic, &results(4, &["K||4.3|mmol/L||N|||C", "TSH||1.0|mU/L|||||F", "CRP||0.6|mg/L|||||F"])).await;
    assert!(open(&doctor).await.is_empty(), "{:?}", open(&doctor).await);
}

/// A corrected name or birth date makes a report of its own, and hides none: both say that there is the other, and whoever saw the first is told.
#[tokio::test]
async fn an_order_under_two_names_is_told() {
    let clinic = clinic("corrected_name").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &order(1, "L-1", "19661024|F", &["K||4.3|mmol/L||N|||F"])).await;
    let first = doctor.reports().await.remove(0);
    let renamed =
        async |report: &Value| doctor.json(&format!("/v1/reports/{}", id(report, "id"))).await["renamed"].clone();
    assert!(renamed(&first).await.is_null());
    post(&clinic, &order(2, "L-2", "19700101|F", &["K||4.3|mmol/L||N|||F"])).await;
    assert!(renamed(&first).await.is_null(), "another order");
    assert!(notices(&doctor).await.is_empty());
    post(&clinic, &order(3, "L-1", "19700101|F", &["K||4.3|mmol/L||N|||F"])).await;
    let reports = doctor.reports().await;
    let other = reports.iter().find(|r| r["lab_order_number"] == "L-1" && r["id"] != first["id"]).unwrap();
    assert_eq!((renamed(&first).await, renamed(other).await), (other["id"].clone(), first["id"].clone()));
    let told = notices(&doctor).await;
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (&told["kind"], &told["report_id"], &told["replaced_by"]),
        (&"renamed".into(), &first["id"], &other["id"])
    );
    post(&clinic, &order(4, "L-1", "19700101|F", &["K||4.3|mmol/L||N|||F", "TSH||1.0|mU/L|||||F"])).await;
    assert_eq!(notices(&doctor).await.len(), 1, "it is told once");
    // The laboratory takes the wrong one back.
    post(&clinic, &order(5, "L-1", "19661024|F", &["K|||mmol/L|||||D"])).await;
    let other =
        doctor.reports().await.into_iter().find(|r| r["lab_order_number"] == "L-1" && r["birth_date"] == "1970-01-01");
    assert!(renamed(&other.unwrap()).await.is_null());
}

async fn days_pass(clinic: &Clinic, days: u32) {
    let passed = format!("- interval '{days} days'");
    clinic
        .execute(&format!(
            "UPDATE {}.reports SET received_at = received_at {passed}, confirmed_at = confirmed_at {passed}",
            clinic.tenants[0]
        ))
        .await;
}
