//! Releasing reports to patients: a doctor does; a genetic report its responsible doctor alone (GenDG, section 11).
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{id, open, order, outcome, post, results, user};
use crate::clinic::{Clinic, PASSWORD, User, clinic, sample};

const LANR: &str = "123456601";
const OTHER: &str = "765432201";

/// A genetic report (OBR-24), ordered by this doctor (OBR-16).
pub(crate) fn genetic(number: usize, lab_order: &str, doctor: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|LIS|LABOR^987654300^BSNR|PVS|PRAXIS^123456700^BSNR|2026103011{number:02}||ORU^R01|G{number}|P|2.5\r\
         PID|1||P1||Muster^Erika||19661024|F\rOBR|1|A-{lab_order}|{lab_order}|GEN|||20261008080000|||||||||{doctor}||||||||GE\r\
         OBX|1|ST|F5||heterozygot||||||F\r"
    )
    .into_bytes()
}

pub(crate) async fn act(user: &User, report: &str, what: &str, body: Value) -> (StatusCode, Value) {
    let answer = user.post(&format!("/v1/reports/{report}/{what}"), &body).await;
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

pub(crate) async fn release(user: &User, report: &str) -> (StatusCode, String) {
    let (status, problem) = act(user, report, "release", json!({})).await;
    (status, problem["type"].as_str().unwrap_or_default().trim_start_matches("/problems/").to_owned())
}

pub(crate) fn refused(status: StatusCode, problem: &str) -> (StatusCode, String) {
    (status, problem.to_owned())
}

pub(crate) fn done() -> (StatusCode, String) {
    (StatusCode::NO_CONTENT, String::new())
}

pub(crate) async fn set_lanr(clinic: &Clinic, username: &str, lanr: &str) -> Result<Value, String> {
    let arguments = ["user", "set-lanr", "--practice", "a", "--username", username, "--lanr", lanr];
    clinic.platform.json("labor", &arguments, "").await.map_err(|error| error.to_string())
}

/// The user of the one patient.
pub(crate) async fn patient(clinic: &Clinic, report: &Value) -> User {
    let owner = report["patient_id"].as_str().unwrap();
    let arguments = [
        "user",
        "add",
        "--practice",
        "a",
        "--username",
        "erika",
        "--name",
        "E",
        "--role",
        "patient",
        "--patient",
        owner,
    ];
    clinic.platform.json("labor", &arguments, &format!("{PASSWORD}\n")).await.unwrap();
    User::sign_in(&clinic.server.base, "a", "erika", PASSWORD).await.unwrap()
}

#[tokio::test]
async fn a_doctor_releases_what_counts_and_is_somebodys_and_takes_it_back() {
    let clinic = clinic("release").await;
    let (doctor, stranger) = (clinic.doctor("a").await, clinic.doctor("b").await);
    let (technician, admin) = (user(&clinic, "tech", "lab-technician").await, user(&clinic, "admin", "admin").await);
    post(&clinic, &results(1, &["K||4.4|mmol/L||N|||F"])).await;
    let report = doctor.reports().await[0].clone();
    let first = id(&report).to_owned();
    let patient = patient(&clinic, &report).await;
    assert!(patient.reports().await.is_empty());
    for user in [&technician, &admin, &patient] {
        assert_eq!(release(user, &first).await, refused(StatusCode::FORBIDDEN, "not-your-role"));
        assert_eq!(act(user, &first, "withdraw", json!({})).await.0, StatusCode::FORBIDDEN);
    }
    assert_eq!(release(&stranger, &first).await, refused(StatusCode::NOT_FOUND, "not-found"));
    assert_eq!(act(&stranger, &first, "withdraw", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(release(&doctor, &first).await, done());
    assert_eq!(release(&doctor, &first).await, done(), "said again");
    assert_eq!(patient.reports().await.len(), 1);
    let read = doctor.json(&format!("/v1/reports/{first}")).await;
    assert!(read["released_at"].is_string(), "{read}");
    assert!(read["events"].as_array().unwrap().iter().any(|event| event["kind"] == "released"), "{read}");
    assert_eq!(act(&doctor, &first, "withdraw", json!({})).await.0, StatusCode::NO_CONTENT);
    assert!(patient.reports().await.is_empty());
    // Of nobody, and replaced.
    post(&clinic, &order(2, "L-2", "|", &["K||4.4|mmol/L||N|||F"])).await;
    let nobodys = doctor.reports().await.into_iter().find(|report| report["patient_id"].is_null()).unwrap();
    assert_eq!(release(&doctor, id(&nobodys)).await, refused(StatusCode::CONFLICT, "unmatched"));
    post(&clinic, &results(3, &["K||4.5|mmol/L||N|||C"])).await;
    assert_eq!(release(&doctor, &first).await, refused(StatusCode::CONFLICT, "replaced"));
    let audited = format!(
        "SELECT count(*) FROM {}.audit WHERE object_id = '{first}' AND (action, outcome) IN
          (('report.release', 'success'), ('report.release', 'refused'), ('report.withdraw', 'success'))",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&audited).await, 4, "twice released, once withdrawn, once too late");
}

/// Each release and each withdrawal is in the history, whoever did the one before.
#[tokio::test]
async fn what_is_released_withdrawn_and_released_again_says_so() {
    let clinic = clinic("release_again").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &["K||4.4|mmol/L||N|||F"])).await;
    let report = id(&doctor.reports().await[0]).to_owned();
    for _ in 0..2 {
        assert_eq!(release(&doctor, &report).await, done());
        assert_eq!(act(&doctor, &report, "withdraw", json!({})).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(release(&doctor, &report).await, done());
    let read = doctor.json(&format!("/v1/reports/{report}")).await;
    let kinds = read["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap());
    let kinds: Vec<_> = kinds.filter(|kind| ["released", "withdrawn"].contains(kind)).collect();
    assert_eq!(kinds, ["released", "withdrawn", "released", "withdrawn", "released"]);
    // The worker writes to it as it was released last.
    post(&clinic, &results(2, &["K||4.4|mmol/L||N|||F"])).await;
    post(&clinic, &results(3, &["K||4.5|mmol/L||N|||C"])).await;
    assert_eq!(doctor.reports().await[0]["version"], 2);
    for _ in 0..2 {
        act(&doctor, &report, "withdraw", json!({})).await;
    }
    let audited = format!(
        "SELECT count(*) FROM {}.audit WHERE object_id = '{report}' AND action = 'report.withdraw' AND outcome = 'refused'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&audited).await, 1, "there was nothing to withdraw");
}

#[tokio::test]
async fn what_threatens_life_is_told_in_person_before_it_is_released() {
    let clinic = clinic("release_alert").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &["K||7.1|mmol/L||HH|||F"])).await;
    // The alert is of the first version, and counts for the second.
    post(&clinic, &results(2, &["K||7.1|mmol/L||HH|||F", "KREA||0.9|mg/dL|||||F"])).await;
    let report = id(&doctor.reports().await[0]).to_owned();
    assert_eq!(release(&doctor, &report).await, refused(StatusCode::CONFLICT, "alert-open"));
    let said = json!({ "outcome": "confirmed", "reached": "Frau Muster", "read_back": "7,1" });
    assert_eq!(outcome(&doctor, id(&open(&doctor).await[0]), said).await.0, StatusCode::NO_CONTENT);
    assert_eq!(release(&doctor, &report).await, done());
}

#[tokio::test]
async fn a_genetic_report_is_released_by_the_doctor_who_ordered_it() {
    let clinic = clinic("release_genetic").await;
    let (doctor, other) = (clinic.doctor("a").await, user(&clinic, "other", "doctor").await);
    post(&clinic, &genetic(1, "L-1", &format!("{LANR}^Muster"))).await;
    let report = doctor.reports().await[0].clone();
    assert_eq!(report["genetic"], true);
    let key = id(&report).to_owned();
    let patient = patient(&clinic, &report).await;
    assert_eq!(release(&doctor, &key).await, refused(StatusCode::FORBIDDEN, "not-responsible"), "without a number");
    set_lanr(&clinic, "other", OTHER).await.unwrap();
    assert_eq!(release(&other, &key).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    for (username, lanr) in
        [("doctor", "123456701"), ("doctor", "999999900"), ("doctor", "555555101"), ("doctor", OTHER), ("nobody", LANR)]
    {
        assert!(set_lanr(&clinic, username, lanr).await.is_err(), "{username} {lanr}");
    }
    set_lanr(&clinic, "doctor", LANR).await.unwrap();
    assert!(patient.reports().await.is_empty());
    assert_eq!(release(&doctor, &key).await, done());
    assert_eq!(patient.reports().await.len(), 1);
    // The worker may still write to it: the next version replaces it, and is held anew.
    post(&clinic, &[genetic(2, "L-1", &format!("{LANR}^Muster")), b"OBX|2|ST|F2||negativ||||||F\r".to_vec()].concat())
        .await;
    let second = doctor.reports().await;
    assert_eq!((second.len(), &second[0]["version"]), (1, &json!(2)), "{second:?}");
    assert!(patient.reports().await.is_empty());
    assert_eq!(release(&other, id(&second[0])).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    assert_eq!(release(&doctor, id(&second[0])).await, done());
    assert_eq!(
        act(&other, id(&second[0]), "withdraw", json!({})).await.0,
        StatusCode::NO_CONTENT,
        "any doctor withdraws"
    );
}

/// The mark is of the report and not of the message: a correction without it is the same examination, and what came before it, too.
#[tokio::test]
async fn what_one_version_calls_genetic_is_so_in_all() {
    let clinic = clinic("release_chain").await;
    let (doctor, other) = (clinic.doctor("a").await, user(&clinic, "other", "doctor").await);
    set_lanr(&clinic, "doctor", LANR).await.unwrap();
    let sent = |number: usize, order: &str, mark: &str, doctor: &str, value: &str| {
        let text = String::from_utf8(genetic(number, order, doctor)).unwrap();
        text.replace("|GE\r", &format!("|{mark}\r")).replace("heterozygot", value).into_bytes()
    };
    post(&clinic, &sent(1, "L-1", "GE", LANR, "heterozygot")).await;
    post(&clinic, &sent(2, "L-1", "", "", "homozygot")).await;
    let second = doctor.reports().await;
    assert_eq!((second.len(), &second[0]["version"]), (1, &json!(2)));
    assert_eq!(release(&other, id(&second[0])).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    assert_eq!(release(&doctor, id(&second[0])).await, done());
    // The other way round: what was released before the mark came is the patient's no more.
    post(&clinic, &sent(3, "L-2", "LAB", "", "heterozygot")).await;
    let first = doctor.reports().await.into_iter().find(|report| report["lab_order_number"] == "L-2").unwrap();
    assert_eq!(release(&other, id(&first)).await, done());
    post(&clinic, &sent(4, "L-2", "ge", LANR, "homozygot")).await;
    let released = format!(
        "SELECT count(*) FROM {}.reports WHERE id = '{}' AND released_at IS NOT NULL",
        clinic.tenants[0],
        id(&first)
    );
    assert_eq!(clinic.count(&released).await, 0);
    let holds = format!("SELECT count(*) FROM {}.genetic_holds WHERE lanr = '{LANR}'", clinic.tenants[0]);
    assert_eq!(clinic.count(&holds).await, 4, "each version of both");
}

/// LDT 3 names the doctor in the package (0212), and the examination as genetic (7431).
#[tokio::test]
async fn a_genetic_ldt_report_is_held_for_the_doctor_it_names() {
    let clinic = clinic("release_ldt").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &sample("Z01_LDT3_09_molekulargenetik_GenDG.ldt")).await;
    let report = doctor.reports().await[0].clone();
    assert_eq!(report["genetic"], true);
    assert_eq!(release(&doctor, id(&report)).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    set_lanr(&clinic, "doctor", LANR).await.unwrap();
    assert_eq!(release(&doctor, id(&report)).await, done());
}

#[tokio::test]
async fn where_the_laboratory_named_nobody_an_admin_names_the_responsible_doctor_once() {
    let clinic = clinic("release_named").await;
    let (doctor, admin) = (clinic.doctor("a").await, user(&clinic, "admin", "admin").await);
    set_lanr(&clinic, "doctor", LANR).await.unwrap();
    post(&clinic, &genetic(1, "L-1", "")).await;
    post(&clinic, &genetic(2, "L-2", &format!("{OTHER}^Other"))).await;
    post(&clinic, &order(3, "L-3", "19661024|F", &["K||4.4|mmol/L||N|||F"])).await;
    let reports = doctor.reports().await;
    let of = |order: &str| id(reports.iter().find(|report| report["lab_order_number"] == order).unwrap()).to_owned();
    let (nobodys, others, plain) = (of("L-1"), of("L-2"), of("L-3"));
    assert_eq!(release(&doctor, &nobodys).await, refused(StatusCode::CONFLICT, "nobody-responsible"));
    let name = async |user: &User, report: &str, lanr: &str| {
        let (status, problem) = act(user, report, "responsible-doctor", json!({ "lanr": lanr })).await;
        (status, problem["type"].as_str().unwrap_or_default().trim_start_matches("/problems/").to_owned())
    };
    assert_eq!(name(&doctor, &nobodys, LANR).await, refused(StatusCode::FORBIDDEN, "not-your-role"));
    assert_eq!(name(&admin, &nobodys, "123456701").await, refused(StatusCode::BAD_REQUEST, "bad-request"));
    assert_eq!(name(&admin, &others, LANR).await, refused(StatusCode::CONFLICT, "responsible-before"));
    assert_eq!(name(&admin, &plain, LANR).await, refused(StatusCode::CONFLICT, "not-genetic"));
    assert_eq!(name(&admin, &nobodys, LANR).await, done());
    assert_eq!(name(&admin, &nobodys, OTHER).await, refused(StatusCode::CONFLICT, "responsible-before"));
    assert_eq!(release(&doctor, &nobodys).await, done());
    assert_eq!(release(&doctor, &others).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    let stranger = clinic.doctor("b").await;
    assert_eq!(act(&stranger, &nobodys, "responsible-doctor", json!({ "lanr": LANR })).await.0, StatusCode::FORBIDDEN);
}
