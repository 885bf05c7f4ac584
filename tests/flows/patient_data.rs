//! No patient data in logs, queue or control tables, whatever is sent.
use std::collections::BTreeSet;

use labor_testing::postgres;

use crate::clinic::{User, clinic, samples};

#[tokio::test]
async fn logs_queue_and_control_tables_hold_no_patient_data() {
    let clinic = clinic("patient_data").await;
    let mut terms = BTreeSet::new();
    for (_, bytes) in samples("good").into_iter().chain(samples("broken")) {
        clinic.post(&bytes).await;
        if let Ok(package) = ldt::read(&bytes) {
            for patient in package.reports.iter().filter_map(|report| report.patient.as_ref()) {
                let said = [
                    &patient.family_name,
                    &patient.given_name,
                    &patient.birth_date,
                    &patient.insurance_number,
                    &patient.number,
                ];
                terms.extend(said.into_iter().flatten().filter(|term| term.chars().count() > 3).cloned());
            }
        }
    }
    for (_, bytes) in crate::hl7::samples("good").into_iter().chain(crate::hl7::samples("broken")) {
        clinic.post(&bytes).await;
        let patients =
            hl7::read(&bytes).into_iter().flat_map(|message| message.reports).filter_map(|report| report.patient);
        for patient in patients {
            let said =
                [patient.family_name, patient.given_name, patient.birth_date, patient.insurance_number, patient.number];
            // A year alone is in every date.
            terms.extend(said.into_iter().flatten().filter(|term| term.chars().count() > 4));
        }
    }
    assert!(terms.contains("Beispiel") && terms.contains("Größe"));
    assert!(terms.contains("Müller") && terms.len() >= 4, "{terms:?}");
    clinic.until_idle().await;
    let doctor = clinic.doctor("a").await;
    for report in doctor.reports().await {
        doctor.json(&format!("/v1/reports/{}", report["id"].as_str().unwrap())).await;
    }
    // Names in places where they do not belong.
    for path in [
        "/v1/reports/Müller",
        "/v1/reports?after=Müller",
        "/v1/patients/Müller/observations?limit=Jürgen",
        "/Müller?name=Jürgen",
    ] {
        assert!(doctor.get(path).await.status().is_client_error());
    }
    assert!(User::sign_in(&clinic.server.base, "a", "müller", "Jürgen").await.is_err());
    let terms: Vec<String> = terms.into_iter().chain(["M%C3%BCller".to_owned()]).collect();
    let found = clinic.platform.find_patient_data(postgres().await, &terms).await.unwrap();
    assert_eq!(found, Vec::<String>::new());
}
