//! HL7 v2: webhook → raw message → worker → `hl7` → results; the acknowledgement; what nobody can read or route.
use std::collections::HashSet;
use std::path::Path;

use labor_testing::postgres;
use serde_json::Value;

use crate::clinic::{Clinic, LIMIT, clinic, without_worker};

const ER7: &str = "x-application/hl7-v2+er7";

#[tokio::test]
async fn a_critical_value_reaches_the_doctor_as_it_was_sent() {
    let clinic = clinic("hl7_critical").await;
    let body = sample("chemistry_critical.hl7");
    clinic.post(&body).await;
    clinic.until_idle().await;
    let report = only_report(&clinic, "a").await;
    assert_eq!((report["family_name"].as_str(), report["birth_date"].as_str()), (Some("Müller"), Some("1966-10-24")));
    assert_eq!(
        (report["order_number"].as_str(), report["lab_order_number"].as_str()),
        (Some("A-2026-0104"), Some("2610080104"))
    );
    assert_eq!((report["status"].as_str(), report["critical"].as_bool()), (Some("partial"), Some(true)));
    let potassium = value(&report, "K");
    for (field, expected) in [
        ("test_name", "Kalium"),
        ("loinc", "2823-3"),
        ("value", "7.1"),
        ("unit", "mmol/L"),
        ("reference_low", "3.5"),
        ("reference_high", "5.1"),
        ("interpretation", "HH"),
        ("status", "preliminary"),
        ("collected_at", "2026-10-07T08:15:00"),
    ] {
        assert_eq!(potassium[field], expected, "{field}");
    }
    assert_eq!(potassium["critical"], true);
    assert_eq!(potassium["notes"][0], "Kritischer Wert. Telefonisch nicht erreicht um 10:05 und 10:12.");
    assert_eq!(
        (value(&report, "CRP")["value"].as_str(), value(&report, "CRP")["critical"].as_bool()),
        (Some("<0.6"), Some(false))
    );
    assert!(report["unmapped"].as_array().unwrap().iter().any(|field| field["field"] == "CHEM OBR-16"), "{report}");
    let kept = "state = 'processed' AND format = 'HL7' AND charset = 'Utf8'";
    let kept = format!("SELECT count(*) FROM {}.raw_messages WHERE {kept}", clinic.tenants[0]);
    assert_eq!(clinic.count(&kept).await, 1);
    let number = format!(
        "SELECT count(*) FROM {}.observations WHERE value_number = 0.6 AND value_comparator = '<'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&number).await, 1);
}

/// The value that was corrected, and the one that was taken back, are no longer shown; a resend is nothing new.
#[tokio::test]
async fn a_correction_and_a_withdrawal_supersede_what_was_wrong() {
    let clinic = clinic("hl7_correction").await;
    let shown = async || {
        clinic.until_idle().await;
        let report = only_report(&clinic, "a").await;
        let potassium = value(&report, "K").clone();
        let words = |field: &Value| field.as_str().unwrap_or("-").to_owned();
        (words(&potassium["value"]), words(&potassium["status"]), words(&report["status"]), report["critical"] == true)
    };
    let told = |value: &str, status: &str, report: &str, critical| {
        (value.to_owned(), status.to_owned(), report.to_owned(), critical)
    };
    clinic.post(&sample("correction_1_final.hl7")).await;
    assert_eq!(shown().await, told("7.1", "final", "final", true));
    clinic.post(&sample("correction_2_corrected.hl7")).await;
    assert_eq!(shown().await, told("4.4", "corrected", "corrected", false));
    let versions = format!("SELECT count(*) FROM {}.reports", clinic.tenants[0]);
    assert_eq!(clinic.count(&versions).await, 2);
    // Sent again with another number and time.
    let again = String::from_utf8(sample("correction_2_corrected.hl7")).unwrap();
    let again = again.replace("MSG-2026-0202", "MSG-2026-9202").replace("20261012113000+0200", "20261012114500+0200");
    assert_eq!(clinic.post(again.as_bytes()).await.json["duplicate"], false, "other bytes are another message");
    assert_eq!(shown().await, told("4.4", "corrected", "corrected", false));
    assert_eq!(clinic.count(&versions).await, 2, "an unchanged resend makes no version");
    clinic.post(&sample("correction_3_withdrawn.hl7")).await;
    assert_eq!(shown().await, told("-", "cancelled", "corrected", false));
    let report = only_report(&clinic, "a").await;
    assert_eq!(value(&report, "K")["notes"][0], "Taken back by the laboratory as wrong. It was: 4.4 mmol/L N");
    assert_eq!(value(&report, "KREA")["value"], "0.93");
    let patient = report["patient_id"].as_str().unwrap();
    let trend = clinic.doctor("a").await.json(&format!("/v1/patients/{patient}/observations")).await;
    let values: Vec<_> = trend["items"].as_array().unwrap().iter().filter_map(|item| item["value"].as_str()).collect();
    assert_eq!(values, ["0.93"], "a trend shows no wrong value");
}

/// The order of arrival decides and not that of the work: what was taken back before it was worked on is not shown either.
#[tokio::test]
async fn a_withdrawal_that_is_worked_on_first_takes_back_all_the_same() {
    let mut clinic = without_worker("hl7_reverse").await;
    clinic.post(&sample("correction_2_corrected.hl7")).await;
    clinic.execute("UPDATE pgmq.q_messages SET vt = clock_timestamp() + interval '1 hour'").await;
    clinic.post(&sample("correction_3_withdrawn.hl7")).await;
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    let done = format!("SELECT count(*) FROM {}.raw_messages WHERE state = 'processed'", clinic.tenants[0]);
    labor_testing::until("the withdrawal to be worked on", crate::clinic::LIMIT, async || {
        Ok(if clinic.count(&done).await == 1 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    clinic.execute("UPDATE pgmq.q_messages SET vt = clock_timestamp()").await;
    clinic.until_idle().await;
    let first =
        format!("SELECT count(*) FROM {}.reports WHERE version = 1 AND superseded_by IS NULL", clinic.tenants[0]);
    assert_eq!(clinic.count(&first).await, 1, "the withdrawal was worked on first");
    assert_eq!(value(&only_report(&clinic, "a").await, "K")["value"], Value::Null);
}

#[tokio::test]
async fn two_patients_and_two_orders_of_one_message_become_three_reports() {
    let clinic = clinic("hl7_two").await;
    clinic.post(&sample("two_patients.hl7")).await;
    clinic.until_idle().await;
    let reports = clinic.doctor("a").await.reports().await;
    let people: HashSet<_> = reports.iter().map(|r| r["family_name"].as_str().unwrap()).collect();
    assert_eq!((reports.len(), people), (3, HashSet::from(["Beispiel", "Probe"])));
    // Of the second only the year of birth is known, so nobody is chosen.
    let unmatched: Vec<_> =
        reports.iter().filter(|r| r["patient_id"].is_null()).map(|r| r["family_name"].as_str().unwrap()).collect();
    assert_eq!(unmatched, ["Probe"]);
    let critical: Vec<_> =
        reports.iter().filter(|r| r["critical"] == true).map(|r| r["order_number"].as_str().unwrap()).collect();
    assert_eq!(critical, ["A-2026-0402"]);
}

#[tokio::test]
async fn every_sample_is_stored_and_none_reaches_another_practice() {
    let clinic = clinic("hl7_all").await;
    let samples = samples("good");
    for (_, bytes) in &samples {
        clinic.post(bytes).await;
    }
    clinic.until_idle().await;
    for (name, bytes) in &samples {
        let expected = if name == "customer_number.hl7" { "quarantined" } else { "processed" };
        assert_eq!(
            states(&clinic, bytes).await.iter().map(|(state, _)| state.as_str()).collect::<Vec<_>>(),
            [expected],
            "{name}"
        );
    }
    let b: Vec<_> = clinic.doctor("b").await.reports().await;
    assert_eq!(
        b.iter().map(|r| r["order_number"].as_str().unwrap()).collect::<Vec<_>>(),
        ["A-2026-0902"],
        "who ordered, where MSH-6 is empty"
    );
    let doctor = clinic.doctor("a").await;
    let reports = doctor.reports().await;
    let of =
        |order: &str| reports.iter().find(|r| r["order_number"] == order).unwrap()["id"].as_str().unwrap().to_owned();
    let germs = doctor.json(&format!("/v1/reports/{}", of("A-2026-0301"))).await;
    assert_eq!(
        (germs["documents"][0]["media_type"].as_str(), germs["documents"][0]["size_bytes"].as_u64()),
        (Some("application/pdf"), Some(36))
    );
    assert_eq!(value(&germs, "AMP")["notes"][1], "R: resistant");
    let latin = doctor.json(&format!("/v1/reports/{}", of("A-2026-0501"))).await;
    assert_eq!((latin["family_name"].as_str(), value(&latin, "TSH")["unit"].as_str()), (Some("Größe"), Some("µU/ml")));
    let times =
        format!("SELECT count(DISTINCT effective_at) FROM {}.observations WHERE test_code = 'GLU'", clinic.tenants[0]);
    assert!(clinic.count(&times).await >= 3, "a tolerance test has three times");
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
}

/// What a laboratory calls the practice means something only once it is registered for this laboratory.
#[tokio::test]
async fn an_unknown_receiver_is_quarantined_and_replayed_once_it_is_known() {
    let clinic = clinic("hl7_unknown").await;
    let platform = &clinic.platform;
    let body = sample("customer_number.hl7");
    let message = clinic.post(&body).await.json["message_id"].as_str().unwrap().to_owned();
    clinic.until_idle().await;
    assert!(clinic.doctor("a").await.reports().await.is_empty());
    let listed = platform.json("labor", &["quarantine", "list"], "").await.unwrap();
    assert_eq!(listed["messages"][0]["id"], message);
    assert!(listed["messages"][0]["reason"].as_str().unwrap().starts_with("unknown-recipient"));
    let register = |laboratory: &str, tenant: &str| {
        format!(
            "INSERT INTO control.tenant_identifiers (kind, issuer, value, tenant) VALUES ('customer', '{laboratory}', 'KD4711', '{tenant}')"
        )
    };
    clinic.execute(&register("ANOTHER", &clinic.tenants[1])).await;
    clinic.execute(&register("TESTLABOR", &clinic.tenants[0])).await;
    labor_testing::until("the replayed report", LIMIT, async || {
        let _ = platform.json("labor", &["quarantine", "replay", &message], "").await;
        clinic.until_idle().await;
        let none = clinic.doctor("a").await.reports().await.is_empty();
        Ok(if none { Err("no report yet".to_owned()) } else { Ok(()) })
    })
    .await
    .unwrap();
    assert!(clinic.doctor("b").await.reports().await.is_empty());
    assert_eq!(clinic.post(&body).await.json["duplicate"], Value::Bool(true), "the practice has the bytes unchanged");
}

#[tokio::test]
async fn each_broken_message_is_accepted_and_quarantined_with_its_code() {
    let clinic = clinic("hl7_broken").await;
    let broken = samples("broken");
    for (_, bytes) in &broken {
        clinic.post(bytes).await;
    }
    clinic.until_idle().await;
    for (name, bytes) in &broken {
        let (state, reason) = states(&clinic, bytes).await.remove(0);
        let code = name.trim_end_matches(".hl7").split('_').next().unwrap();
        let reason = reason.unwrap();
        assert_eq!(state, "quarantined", "{name}");
        assert!(reason.starts_with(&format!("{code}: ")), "{name}: {reason}");
        assert!(!reason.contains("Müller"), "{reason}");
    }
    assert!(clinic.doctor("a").await.reports().await.is_empty());
}

#[tokio::test]
async fn who_asks_for_it_is_answered_with_an_acknowledgement() {
    let clinic = without_worker("hl7_ack").await;
    let body = sample("chemistry_critical.hl7");
    let plain = post(&clinic, "*/*", &body, true).await;
    assert_eq!((plain.0, plain.1.as_str()), (202, "application/json"), "JSON is the default");
    // The same bytes: the same answer, durable since the first time.
    for accept in [ER7, "application/hl7-v2"] {
        let (status, media_type, text) = post(&clinic, accept, &body, true).await;
        assert_eq!((status, media_type.as_str()), (202, accept));
        let segments: Vec<_> = text.split('\r').collect();
        let msh: Vec<_> = segments[0].split('|').collect();
        assert_eq!(msh[2..6], ["LABOR", "PRAXIS^123456700^BSNR", "TESTLIS", "TESTLABOR^987654300^BSNR"], "{text}");
        assert_eq!((msh[8], msh[9].len(), msh[11], msh[17]), ("ACK^R01^ACK", 20, "2.5.1", "UNICODE UTF-8"), "{text}");
        assert_eq!(segments[1..], ["MSA|AA|MSG-2026-0104", ""], "{text}");
    }
    let (status, media_type, text) = post(&clinic, ER7, &body, false).await;
    assert_eq!((status, media_type.as_str()), (401, ER7));
    assert!(
        text.contains("\rMSA|AR|MSG-2026-0104\rERR|||207^Application error^HL70357|E|sender-refused|||the signature"),
        "{text}"
    );
    assert!(!text.contains("Müller"), "{text}");
    // Nobody to acknowledge: as without asking.
    assert_eq!(post(&clinic, ER7, b"no HL7", true).await.1, "application/json");
    assert_eq!(post(&clinic, ER7, b"no HL7", false).await.1, "application/problem+json");
    // What can't be read is durable too, and says so.
    let broken = samples("broken").into_iter().find(|(name, _)| name == "not-results.hl7").unwrap().1;
    assert!(post(&clinic, ER7, &broken, true).await.2.contains("\rMSA|AA|1\r"));
}

/// Posts with `Accept`; status, media type and body of the answer.
async fn post(clinic: &Clinic, accept: &str, body: &[u8], signed: bool) -> (u16, String, String) {
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let signature = clinic.sender.signature(now, if signed { body } else { b"another" });
    let request =
        reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/v1/messages", clinic.server.base));
    let request = request.header("Accept", accept).header("X-Labor-Source", &clinic.source.id);
    let request = request.header("X-Labor-Timestamp", now.to_string()).header("X-Labor-Signature", signature);
    let answer = request.body(body.to_vec()).send().await.unwrap();
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), media_type, answer.text().await.unwrap())
}

/// The one current report of a practice, with everything in it.
async fn only_report(clinic: &Clinic, practice: &str) -> Value {
    let doctor = clinic.doctor(practice).await;
    let reports = doctor.reports().await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    doctor.json(&format!("/v1/reports/{}", reports[0]["id"].as_str().unwrap())).await
}

fn value<'r>(report: &'r Value, code: &str) -> &'r Value {
    report["values"].as_array().unwrap().iter().find(|value| value["test_code"] == code).unwrap()
}

/// State and reason of the bytes wherever they are, intake included.
async fn states(clinic: &Clinic, bytes: &[u8]) -> Vec<(String, Option<String>)> {
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let mut found = Vec::new();
    for tenant in client.query("SELECT name FROM control.tenants", &[]).await.unwrap() {
        let sql = format!("SELECT state, reason FROM {}.raw_messages WHERE body = $1", tenant.get::<_, &str>(0));
        found.extend(client.query(&sql, &[&bytes]).await.unwrap().into_iter().map(|row| (row.get(0), row.get(1))));
    }
    found
}

/// A sample message of the `hl7` package.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    samples("good").into_iter().find(|(found, _)| found == name).unwrap().1
}

/// All samples of a folder (`good` or `broken`), in the order of their names.
pub(crate) fn samples(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats/hl7/tests/fixtures").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5);
    files.iter().map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(p).unwrap())).collect()
}
