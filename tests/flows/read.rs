//! Read: request → claim → tenant-bound connection → SQL → JSON.
use reqwest::{StatusCode, header};
use serde_json::Value;

use crate::clinic::{Clinic, PASSWORD, User, clinic, sample, samples};

#[tokio::test]
async fn a_doctor_reads_the_list_a_report_and_a_patients_values() {
    let clinic = clinic("read_all").await;
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.until_idle().await;
    let doctor = clinic.doctor("a").await;
    let reports = doctor.reports().await;
    assert_eq!(reports.len(), 1);
    let summary = &reports[0];
    assert_eq!((summary["family_name"].as_str(), summary["status"].as_str()), (Some("Müller"), Some("final")));
    let report = doctor.json(&format!("/v1/reports/{}", summary["id"].as_str().unwrap())).await;
    let values = report["values"].as_array().unwrap();
    let potassium = values.iter().find(|v| v["test_code"] == "K").unwrap();
    assert_eq!(potassium["unit"], "mmol/l");
    assert!(
        values
            .iter()
            .any(|v| v["test_code"] == "CRP" && v["value"].as_str().is_some_and(|value| value.starts_with('<')))
    );
    let patient = summary["patient_id"].as_str().unwrap();
    let trend = doctor.json(&format!("/v1/patients/{patient}/observations")).await;
    assert_eq!(trend["items"].as_array().unwrap().len(), values.len());
}

#[tokio::test]
async fn pages_of_a_list_hold_every_report_once() {
    let clinic = clinic("read_pages").await;
    for (_, bytes) in samples("good") {
        clinic.post(&bytes).await;
    }
    clinic.until_idle().await;
    let doctor = clinic.doctor("a").await;
    let whole: Vec<String> = doctor.reports().await.iter().map(id).collect();
    let mut paged = Vec::new();
    let mut path = "/v1/reports?limit=3".to_owned();
    loop {
        let page = doctor.json(&path).await;
        paged.extend(page["items"].as_array().unwrap().iter().map(id));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/reports?limit=3&after={next}");
    }
    assert!(whole.len() > 6);
    assert_eq!(paged, whole);
}

#[tokio::test]
async fn a_report_of_another_practice_an_unknown_one_and_nonsense_are_the_same_404() {
    let clinic = clinic("read_404").await;
    clinic.post(&sample("Z01_LDT3_07_zwei_einsender_ein_paket.ldt")).await;
    clinic.until_idle().await;
    let (a, b) = (clinic.doctor("a").await, clinic.doctor("b").await);
    let others = b.reports().await;
    let mut bodies = Vec::new();
    for report in [id(&others[0]), "01a20000-0000-7000-8000-000000000000".to_owned(), "nonsense".to_owned()] {
        let answer = a.get(&format!("/v1/reports/{report}")).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        bodies.push(answer.text().await.unwrap());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    let patient = others[0]["patient_id"].as_str().unwrap();
    assert_eq!(a.get(&format!("/v1/patients/{patient}/observations")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(b.get(&format!("/v1/reports/{}", id(&others[0]))).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn nobody_reads_without_a_genuine_token() {
    let clinic = clinic("read_401").await;
    let base = &clinic.server.base;
    let doctor = clinic.doctor("a").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (head, signature) = doctor.token().rsplit_once('.').unwrap();
    for token in ["", "x", &format!("{head}."), &format!("{head}.{}", signature.chars().rev().collect::<String>())] {
        let answer = http.get(format!("{base}/v1/reports")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], 401);
    }
    for (practice, user, password) in [
        ("a", "doctor", "wrong"),
        ("a", "nobody", PASSWORD),
        ("nowhere", "doctor", PASSWORD),
        ("intake", "doctor", PASSWORD),
    ] {
        assert_eq!(User::sign_in(base, practice, user, password).await.err(), Some(StatusCode::UNAUTHORIZED));
    }
}

#[tokio::test]
async fn every_read_leaves_an_audit_row_with_the_answers_request_id() {
    let clinic = clinic("read_audit").await;
    let doctor = clinic.doctor("a").await;
    let answer = doctor.get("/v1/reports").await;
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let tenant = &clinic.tenants[0];
    let rows = format!(
        "SELECT count(*) FROM {tenant}.audit WHERE request_id = '{request_id}' AND action = 'report.list' AND actor_role = 'doctor'"
    );
    assert_eq!(clinic.count(&rows).await, 1);
    let signed_in =
        format!("SELECT count(*) FROM {tenant}.audit WHERE action = 'user.sign_in' AND outcome = 'success'");
    assert_eq!(clinic.count(&signed_in).await, 1);
}

#[tokio::test]
async fn what_is_described_is_what_is_served() {
    let clinic = clinic("read_openapi").await;
    let served: Value =
        reqwest::get(format!("{}/openapi.json", clinic.server.base)).await.unwrap().json().await.unwrap();
    assert_eq!(served, serde_json::to_value(labor::openapi()).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
    for (path, item) in served["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(
                operation["responses"].as_object().is_some_and(|r| !r.is_empty()),
                "{method} {path} describes no answer"
            );
            let path = path.replace("{id}", "01a20000-0000-7000-8000-000000000000");
            let request = reqwest::Client::new()
                .request(method.to_uppercase().parse().unwrap(), format!("{}{path}", clinic.server.base));
            let status = request.send().await.unwrap().status().as_u16();
            let described = operation["responses"].as_object().unwrap();
            assert!(
                described.contains_key(&status.to_string()) || status == 400,
                "{method} {path} answered {status}, which is not described"
            );
        }
    }
    assert_conforms(&clinic).await;
}

/// A real answer has exactly the fields that its schema names.
async fn assert_conforms(clinic: &Clinic) {
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.until_idle().await;
    let served = serde_json::to_value(labor::openapi()).unwrap();
    let doctor = clinic.doctor("a").await;
    let page = doctor.json("/v1/reports").await;
    let fields = |schema: &str| {
        let mut names: Vec<String> =
            served["components"]["schemas"][schema]["properties"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let mut names: Vec<String> = page["items"][0].as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, fields("ReportSummary"));
    let report = doctor.json(&format!("/v1/reports/{}", id(&page["items"][0]))).await;
    let mut names: Vec<String> = report["values"][0].as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, fields("Observation"));
}

#[tokio::test]
async fn health_tells_living_from_ready() {
    let clinic = clinic("read_health").await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(reqwest::get(format!("{}{path}", clinic.server.base)).await.unwrap().status(), StatusCode::OK);
    }
}

fn id(report: &Value) -> String {
    report["id"].as_str().unwrap().to_owned()
}
