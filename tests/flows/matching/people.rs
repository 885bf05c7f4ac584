//! People decide: who may, what they are shown, and that their decision counts for what comes later.
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::MUELLER;
use super::sent::{Sent, id, matches, patients, person, post, reasons, report_of};
use super::unmatch::release;
use crate::clinic::{Clinic, PASSWORD, User, clinic};

pub(super) async fn user(clinic: &Clinic, name: &str, role: &str) -> User {
    clinic.platform.user("a", name, &format!("Dr. {name}"), role, PASSWORD).await.unwrap();
    User::sign_in(&clinic.server.base, "a", name, PASSWORD).await.unwrap()
}

/// A user of practice `a` who is this patient.
pub(super) async fn patient_user(clinic: &Clinic, name: &str, patient: &str) -> User {
    let arguments = [
        "user",
        "add",
        "--practice",
        "a",
        "--username",
        name,
        "--name",
        name,
        "--role",
        "patient",
        "--patient",
        patient,
    ];
    clinic.platform.json("labor", &arguments, &format!("{PASSWORD}\n")).await.unwrap();
    User::sign_in(&clinic.server.base, "a", name, PASSWORD).await.unwrap()
}

pub(super) async fn decide(user: &User, report: &Value, body: Value) -> (StatusCode, Value) {
    let answer = user.post(&format!("/v1/reports/{}/match", id(report, "id")), &body).await;
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

pub(super) async fn unmatch(user: &User, report: &Value, reason: &str) -> StatusCode {
    user.post(&format!("/v1/reports/{}/unmatch", id(report, "id")), &json!({ "reason": reason })).await.status()
}

#[tokio::test]
async fn a_decision_counts_for_later_versions_and_for_the_same_data_of_the_same_source() {
    let clinic = clinic("matching_decided").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &Sent::of(MUELLER, "A-1")).await;
    let known = person(&report_of(&doctor, "A-1").await);
    // Without a sex it is not certain.
    let unsure = |order| Sent::of("Müller^Jürgen||19661024|", order);
    post(&clinic, &unsure("A-2")).await;
    let report = report_of(&doctor, "A-2").await;
    let (status, answer) = decide(&doctor, &report, json!({ "patient_id": known, "comment": "asked him" })).await;
    assert_eq!((status, &answer["patient_id"]), (StatusCode::OK, &json!(known)), "{answer}");
    let step = &matches(&doctor, &report).await[0];
    assert_eq!(
        (&step["score"], &step["name"], &step["comment"]),
        (&Value::Null, &json!("Dr. Test"), &json!("asked him"))
    );
    assert!(reasons(step).is_empty());
    let (status, problem) = decide(&doctor, &report, json!({ "new_patient": true })).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/already-matched")));

    // The next version of it.
    post(&clinic, &Sent { obx: "K||5.5|mmol/L||H|||C", ..unsure("A-2") }).await;
    let next = report_of(&doctor, "A-2").await;
    assert_eq!((&next["version"], &next["patient_id"]), (&json!(2), &json!(known)));
    assert!(reasons(&matches(&doctor, &next).await[0]).contains(&"same_report".to_owned()));
    // The same data under another order.
    post(&clinic, &unsure("A-3")).await;
    let again = report_of(&doctor, "A-3").await;
    assert_eq!(person(&again), known);
    let step = &matches(&doctor, &again).await[0];
    assert_eq!(step["score"], 95);
    assert!(reasons(step).contains(&"decided_before".to_owned()));
    // Of another source nobody decided anything.
    let stranger = clinic.platform.source("stranger").await.unwrap();
    let stranger = clinic.platform.sender(&clinic.server, &stranger).unwrap();
    assert_eq!(stranger.send(&unsure("A-4").message()).await.unwrap().status, 202);
    clinic.until_idle().await;
    assert!(report_of(&doctor, "A-4").await["patient_id"].is_null());
    // Once there are two who could be meant, the decision breaks no tie.
    let second = report_of(&doctor, "A-4").await;
    assert_eq!(decide(&doctor, &second, json!({ "new_patient": true })).await.0, StatusCode::OK);
    assert_eq!(patients(&clinic).await, 2);
    post(&clinic, &unsure("A-5")).await;
    assert!(report_of(&doctor, "A-5").await["patient_id"].is_null());
    // Nor is one of two of the same name, birth date and sex chosen.
    post(&clinic, &Sent::of(MUELLER, "A-6")).await;
    assert!(report_of(&doctor, "A-6").await["patient_id"].is_null());
}

/// A person saw the contradiction and decided; that counts for versions that say just the same, and for no other.
#[tokio::test]
async fn a_decision_against_a_contradiction_carries_over_to_what_says_the_same() {
    let clinic = clinic("matching_against").await;
    let doctor = clinic.doctor("a").await;
    let of = |insurance, order, obx| Sent { insurance, obx, ..Sent::of(MUELLER, order) };
    post(&clinic, &of("A123456780", "A-1", "K||4.4|mmol/L||N|||F")).await;
    let known = person(&report_of(&doctor, "A-1").await);
    post(&clinic, &of("B123456780", "A-2", "K||4.4|mmol/L||N|||F")).await;
    let report = report_of(&doctor, "A-2").await;
    assert!(report["patient_id"].is_null());
    assert_eq!(decide(&doctor, &report, json!({ "patient_id": known })).await.0, StatusCode::OK);
    post(&clinic, &of("B123456780", "A-2", "K||4.5|mmol/L||N|||C")).await;
    let same = report_of(&doctor, "A-2").await;
    assert_eq!((&same["version"], &same["patient_id"]), (&json!(2), &json!(known)));
    post(&clinic, &of("C123456780", "A-2", "K||4.6|mmol/L||N|||C")).await;
    let other = report_of(&doctor, "A-2").await;
    assert_eq!((&other["version"], &other["patient_id"]), (&json!(3), &Value::Null));
    // Under another order it contradicts as ever.
    post(&clinic, &of("B123456780", "A-3", "K||4.4|mmol/L||N|||F")).await;
    assert!(report_of(&doctor, "A-3").await["patient_id"].is_null());
}

#[tokio::test]
async fn doctors_and_admins_decide_technicians_look_and_patients_see_nothing() {
    let clinic = clinic("matching_roles").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &Sent::of(MUELLER, "A-1")).await;
    let matched = report_of(&doctor, "A-1").await;
    let known = person(&matched);
    post(&clinic, &Sent::of("Müller^Jürgen||1966|M", "A-2")).await;
    let waiting = report_of(&doctor, "A-2").await;
    let candidates = format!("/v1/reports/{}/candidates", id(&waiting, "id"));

    let technician = user(&clinic, "technician", "lab-technician").await;
    assert_eq!(technician.json("/v1/reports?matched=false").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(technician.json(&candidates).await["items"][0]["patient"]["id"], known);
    let found = technician.post("/v1/patients/search", &json!({ "family_name": "mül" })).await;
    assert_eq!(found.status(), StatusCode::OK);
    assert_eq!(found.json::<Value>().await.unwrap()["items"][0]["id"], known);
    let (status, problem) = decide(&technician, &waiting, json!({ "patient_id": known })).await;
    assert_eq!((status, &problem["type"]), (StatusCode::FORBIDDEN, &json!("/problems/only-doctors-and-admins")));
    assert_eq!(unmatch(&technician, &matched, "x").await, StatusCode::FORBIDDEN);

    let patient = patient_user(&clinic, "mueller", &known).await;
    release(&doctor, &matched).await;
    assert_eq!(patient.json("/v1/reports?matched=false").await["items"], json!([]));
    let own = format!("/v1/reports/{}", id(&matched, "id"));
    assert_eq!(patient.json(&own).await["matches"], json!([]));
    for refused in [&candidates, &format!("{own}/candidates")] {
        assert_eq!(patient.get(refused).await.status(), StatusCode::FORBIDDEN);
    }
    let search = patient.post("/v1/patients/search", &json!({ "family_name": "M" })).await;
    assert_eq!(search.status(), StatusCode::FORBIDDEN);
    assert_eq!(decide(&patient, &waiting, json!({ "patient_id": known })).await.0, StatusCode::FORBIDDEN);
    assert_eq!(unmatch(&patient, &matched, "x").await, StatusCode::FORBIDDEN);

    let admin = user(&clinic, "admin", "admin").await;
    assert_eq!(decide(&admin, &waiting, json!({ "patient_id": known })).await.0, StatusCode::OK);
    assert_eq!(unmatch(&admin, &waiting, "another Müller").await, StatusCode::NO_CONTENT);
    assert_eq!(unmatch(&admin, &waiting, "again").await, StatusCode::CONFLICT);
    let written = format!(
        "SELECT count(*) FROM {}.audit WHERE actor_role = 'admin' AND action IN ('report.match', 'report.unmatch') AND object_id = '{}' AND outcome",
        clinic.tenants[0],
        id(&waiting, "id")
    );
    assert_eq!(clinic.count(&format!("{written} = 'success'")).await, 2);
    assert_eq!(clinic.count(&format!("{written} = 'refused'")).await, 1);
    let looked = format!(
        "SELECT count(*) FROM {}.audit WHERE actor_role = 'lab_technician' AND action IN ('report.list_unmatched', 'report.list_candidates', 'patient.search')",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&looked).await, 3);
}

#[tokio::test]
async fn what_another_practice_has_and_what_makes_no_sense_is_refused() {
    let clinic = clinic("matching_refused").await;
    let (doctor, stranger) = (clinic.doctor("a").await, clinic.doctor("b").await);
    post(&clinic, &Sent::of(MUELLER, "A-1")).await;
    post(&clinic, &Sent::of("Müller^Jürgen||1966|M", "A-2")).await;
    post(&clinic, &Sent::nobody("A-3")).await;
    let (matched, waiting, nameless) =
        (report_of(&doctor, "A-1").await, report_of(&doctor, "A-2").await, report_of(&doctor, "A-3").await);
    let known = person(&matched);
    assert_eq!(decide(&stranger, &waiting, json!({ "patient_id": known })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(unmatch(&stranger, &matched, "x").await, StatusCode::NOT_FOUND);
    let candidates = format!("/v1/reports/{}/candidates", id(&waiting, "id"));
    assert_eq!(stranger.get(&candidates).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(doctor.get("/v1/reports/nonsense/candidates").await.status(), StatusCode::NOT_FOUND);
    let elsewhere = stranger.post("/v1/patients/search", &json!({ "family_name": "M" })).await;
    assert_eq!(elsewhere.json::<Value>().await.unwrap()["items"], json!([]));
    for body in [
        json!({}),
        json!({ "patient_id": known, "new_patient": true }),
        json!({ "patient_id": id(&waiting, "id") }),
        json!({ "patient_id": known, "comment": "" }),
        json!({ "patient_id": known, "comment": "x".repeat(1001) }),
        json!({ "patient_id": known, "unknown": 1 }),
    ] {
        let (status, problem) = decide(&doctor, &waiting, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body} {problem}");
    }
    assert_eq!(decide(&doctor, &nameless, json!({ "new_patient": true })).await.0, StatusCode::BAD_REQUEST);
    for reason in ["", "  ", &"x".repeat(1001), "\0"] {
        assert_eq!(unmatch(&doctor, &matched, reason).await, StatusCode::BAD_REQUEST);
    }
    for search in
        [json!({}), json!({ "given_name": "J" }), json!({ "family_name": " " }), json!({ "birth_date": "1966" })]
    {
        let answer = doctor.post("/v1/patients/search", &search).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{search}");
    }
    assert_eq!(doctor.get("/v1/reports?matched=true").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(report_of(&doctor, "A-1").await["patient_id"], json!(known));
    assert!(report_of(&doctor, "A-2").await["patient_id"].is_null());
}

#[tokio::test]
async fn a_patient_is_found_by_name_or_birth_date_and_made_of_a_family_name() {
    let clinic = clinic("matching_search").await;
    let doctor = clinic.doctor("a").await;
    for (pid, order) in
        [(MUELLER, "A-1"), ("Mueller-Meier^Anna Maria||19661024|F", "A-2"), ("Muster^Erika||19700101|F", "A-3")]
    {
        post(&clinic, &Sent::of(pid, order)).await;
    }
    let found = async |search: Value| -> Vec<String> {
        let answer: Value = doctor.post("/v1/patients/search", &search).await.json().await.unwrap();
        answer["items"].as_array().unwrap().iter().map(|patient| id(patient, "family_name")).collect()
    };
    assert_eq!(found(json!({ "family_name": "MÜL" })).await, ["Müller", "Mueller-Meier"]);
    assert_eq!(found(json!({ "family_name": "mu" })).await, ["Müller", "Mueller-Meier", "Muster"]);
    assert_eq!(found(json!({ "family_name": "mu", "birth_date": "1970-01-01" })).await, ["Muster"]);
    assert_eq!(found(json!({ "birth_date": "1966-10-24" })).await, ["Müller", "Mueller-Meier"]);
    assert_eq!(found(json!({ "family_name": "müller", "given_name": "anna-m" })).await, ["Mueller-Meier"]);
    assert_eq!(found(json!({ "family_name": "meier" })).await, [""; 0]);

    post(&clinic, &Sent::of("Neumann^|||", "A-4")).await;
    let report = report_of(&doctor, "A-4").await;
    let (status, made) = decide(&doctor, &report, json!({ "new_patient": true })).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!(found(json!({ "family_name": "Neumann" })).await, ["Neumann"]);
}

/// A person says who a named report is about, and those that name nobody follow.
#[tokio::test]
async fn reports_of_the_same_order_follow_a_decision() {
    let clinic = clinic("matching_follow").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::nobody("A-1") }).await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::of("Müller^Jürgen||1966|M", "A-1") }).await;
    let reports = doctor.reports().await;
    assert!(reports.len() == 2 && reports.iter().all(|report| report["patient_id"].is_null()));
    let named = reports.iter().find(|report| report["family_name"].is_string()).unwrap();
    assert_eq!(decide(&doctor, named, json!({ "new_patient": true })).await.0, StatusCode::OK);
    let reports = doctor.reports().await;
    assert!(reports[0]["patient_id"].is_string() && reports[0]["patient_id"] == reports[1]["patient_id"]);
}
