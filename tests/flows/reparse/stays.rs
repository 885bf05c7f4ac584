//! What reading a message again must not do: go before what came later, show what is held, decide whose a report is, take anything away.
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{READ, SAYS, applied, everything, reparse, replace, sent, versions};
use crate::alerts::{id, order, post, results};
use crate::clinic::{Clinic, User, clinic, samples};
use crate::release::{done, genetic, patient, refused, release, set_lanr};

fn left(shown: &super::Printed, message: &str) -> Value {
    shown.message(message).unwrap()["records"][0]["left"].clone()
}

#[tokio::test]
async fn a_later_correction_stays_the_last_word() {
    let clinic = clinic("reparse_later").await;
    let doctor = clinic.doctor("a").await;
    let first = sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    post(&clinic, &results(2, &["K||4.5|mmol/L||N|||C"])).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(left(&shown, &first), "replaced");
    let before = everything(&clinic).await;
    assert_eq!(applied(&clinic).await["records"], 0);
    assert_eq!(everything(&clinic).await, before);
    assert_eq!(doctor.reports().await[0]["version"], 2);
}

/// It says more now than it was read to say, and covers a report that stands beside it and came later.
#[tokio::test]
async fn what_came_later_is_replaced_by_nothing_that_came_before() {
    let clinic = clinic("reparse_covers").await;
    let doctor = clinic.doctor("a").await;
    sent(&clinic, &results(1, &[READ]), &results(1, &[READ, "NA||139|mmol/L|||||F"])).await;
    post(&clinic, &results(2, &["NA||140|mmol/L|||||F"])).await;
    assert_eq!(doctor.reports().await.len(), 2);
    let later = doctor.reports().await[0].clone();
    assert_eq!(applied(&clinic).await["records"], 1);
    let reports = doctor.reports().await;
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports.iter().any(|report| report["id"] == later["id"]), "the later one counts: {reports:?}");
    // What it says now is all in one that came later: in the unit of that one.
    let of = |number: usize, values: &[&str]| order(number, "L-2", "19661024|F", values);
    sent(&clinic, &of(3, &["CRP||1|mg/dL|||||F"]), &of(3, &["CRP||1|mg/L|||||F"])).await;
    post(&clinic, &of(4, &["CRP||1|mg/L|||||F", READ])).await;
    assert_eq!(doctor.reports().await.len(), 4);
    assert_eq!(applied(&clinic).await["records"], 1);
    assert_eq!((doctor.reports().await.len(), versions(&clinic).await), (3, 6), "it is stored, and replaced at once");
}

#[tokio::test]
async fn a_held_report_is_held_and_a_released_one_that_reads_otherwise_is_released_anew() {
    let clinic = clinic("reparse_held").await;
    let doctor = clinic.doctor("a").await;
    let other = crate::alerts::user(&clinic, "other", "doctor").await;
    set_lanr(&clinic, "doctor", "123456601").await.unwrap();
    let read = genetic(1, "L-1", "123456601");
    // It reads as no genetic report any more.
    let says =
        String::from_utf8(read.clone()).unwrap().replace("heterozygot", "homozygot").replace("||||||||GE", "||||||||");
    assert!(!says.contains("GE\r"));
    sent(&clinic, &read, says.as_bytes()).await;
    let first = doctor.reports().await[0].clone();
    let patient = patient(&clinic, &first).await;
    assert_eq!(release(&doctor, id(&first)).await, done());
    assert_eq!(patient.reports().await.len(), 1);
    assert_eq!(applied(&clinic).await["records"], 1);
    assert!(patient.reports().await.is_empty(), "it is to be released anew");
    let second = doctor.reports().await[0].clone();
    assert_eq!(second["version"], 2);
    assert_eq!(release(&other, id(&second)).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    assert_eq!(patient.get(&format!("/v1/reports/{}", id(&second))).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(release(&doctor, id(&second)).await, done());
    assert_eq!(patient.reports().await.len(), 1);
}

async fn unmatched(doctor: &User, report: &Value) {
    let path = format!("/v1/reports/{}/unmatch", id(report));
    let status = doctor.post(&path, &json!({ "reason": "of somebody else" })).await.status();
    assert!(status.is_success(), "{status}");
}

/// Values of it change, and nothing of who it is about.
#[tokio::test]
async fn whose_a_report_is_stays_as_people_decided() {
    let clinic = clinic("reparse_matched").await;
    let doctor = clinic.doctor("a").await;
    let read =
        |number: usize, lab: &str, sex: &str, value: &str| order(number, lab, &format!("19661024|{sex}"), &[value]);
    post(&clinic, &read(1, "L-1", "F", READ)).await;
    let known = doctor.reports().await[0]["patient_id"].clone();
    // Taken away by a person.
    sent(&clinic, &read(2, "L-2", "F", READ), &read(2, "L-2", "F", SAYS)).await;
    unmatched(&doctor, &doctor.reports().await[0]).await;
    // Given by a person: without a sex it is not certain.
    sent(&clinic, &read(3, "L-3", "", READ), &read(3, "L-3", "", SAYS)).await;
    let unsure = doctor.reports().await[0].clone();
    assert!(unsure["patient_id"].is_null(), "{unsure}");
    let matched = doctor.post(&format!("/v1/reports/{}/match", id(&unsure)), &json!({ "patient_id": known })).await;
    assert_eq!(matched.status(), StatusCode::OK);
    // Says now that it is a man.
    let man = sent(&clinic, &read(4, "L-4", "F", READ), &read(4, "L-4", "M", READ)).await;
    // Another name is another report.
    let named = String::from_utf8(read(5, "L-5", "F", READ)).unwrap();
    let named = sent(&clinic, named.as_bytes(), named.replace("Muster^Erika", "Master^Erika").as_bytes()).await;
    // Waits for a patient, and says now who it is.
    let waits = sent(&clinic, &read(6, "L-6", "", READ), &read(6, "L-6", "F", READ)).await;
    let patients = clinic.count(&format!("SELECT count(*) FROM {}.patients", clinic.tenants[0])).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(left(&shown, &man), "other-patient", "{:?}", shown.lines);
    assert_eq!(left(&shown, &named), "other-report", "{:?}", shown.lines);
    assert_eq!(left(&shown, &waits), "other-patient", "{:?}", shown.lines);
    assert_eq!(applied(&clinic).await["records"], 2);
    let reports = doctor.reports().await;
    let of = |lab: &str| reports.iter().find(|report| report["lab_order_number"] == lab).unwrap();
    assert_eq!((&of("L-2")["version"], &of("L-2")["patient_id"]), (&json!(2), &Value::Null));
    assert_eq!((&of("L-3")["version"], &of("L-3")["patient_id"]), (&json!(2), &known));
    assert_eq!((&of("L-4")["version"], &of("L-4")["patient_id"]), (&json!(1), &known));
    assert_eq!(clinic.count(&format!("SELECT count(*) FROM {}.patients", clinic.tenants[0])).await, patients);
}

#[tokio::test]
async fn what_is_no_longer_understood_or_would_vanish_stays() {
    let clinic = clinic("reparse_vanish").await;
    let whole = [READ, "NA||140|mmol/L|||||F"];
    let broken = sent(&clinic, &results(1, &[READ]), &results(1, &[READ])[..120]).await;
    let value = sent(&clinic, &order(2, "L-2", "19661024|F", &whole), &order(2, "L-2", "19661024|F", &[READ])).await;
    let taken_back =
        sent(&clinic, &order(3, "L-3", "19661024|F", &whole), &order(3, "L-3", "19661024|F", &[READ, "NA||||||||W"]))
            .await;
    let elsewhere = String::from_utf8(order(4, "L-4", "19661024|F", &[READ])).unwrap();
    let moved = elsewhere.replace("123456700", "222222200");
    let elsewhere = sent(&clinic, elsewhere.as_bytes(), moved.as_bytes()).await;
    let before = everything(&clinic).await;
    let shown = reparse(&clinic, &[]).await;
    let code = shown.message(&broken).unwrap()["left"].as_str().unwrap().to_owned();
    assert!(code.starts_with("not-understood: "), "{code}");
    assert_eq!(left(&shown, &value), "would-vanish");
    assert_eq!(left(&shown, &taken_back), Value::Null, "the laboratory itself takes it back");
    assert_eq!(shown.message(&elsewhere).unwrap()["left"], "other-recipient");
    assert_eq!(everything(&clinic).await, before);
    let stored = versions(&clinic).await;
    assert_eq!(applied(&clinic).await, json!({ "messages": 1, "records": 1, "alerts": 0, "messages_before": 0 }));
    assert_eq!(versions(&clinic).await, stored + 1);
}

/// A second order in the same message, which yesterday's reader passed over.
#[tokio::test]
async fn a_record_that_was_passed_over_is_added_in_its_place_and_a_resend_is_none() {
    let clinic = clinic("reparse_added").await;
    let doctor = clinic.doctor("a").await;
    let read = results(1, &[READ]);
    let second = "OBR|2|A-9|L-9|CHEM|||20261008080000\rOBX|1|NM|NA||140|mmol/L|||||F\r";
    let says = [read.as_slice(), second.as_bytes()].concat();
    let message = sent(&clinic, &read, &says).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(shown.fields(&message), ["report.added"]);
    assert_eq!(applied(&clinic).await["records"], 1);
    let reports = doctor.reports().await;
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert_eq!(reports[0]["received_at"], reports[1]["received_at"], "both arrived with the one message");
    assert_eq!(reports[0]["patient_id"], reports[1]["patient_id"]);
    assert_eq!(reparse(&clinic, &[]).await.last()["totals"]["would_change"], 0);
    // It would be gone again: a person decides.
    replace(&clinic, &message, &read).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(
        (left(&shown, &message), shown.fields(&message)),
        (json!("would-vanish"), vec!["report.gone".to_owned()])
    );
}

async fn set_aside(clinic: &Clinic, bytes: &[u8]) -> String {
    let answer = clinic.post(bytes).await;
    clinic.until_idle().await;
    answer.json["message_id"].as_str().unwrap().to_owned()
}

/// What can't be read has no recipient and waits in the intake; a practice's own were refused for something else.
#[tokio::test]
async fn what_was_set_aside_is_told_by_itself() {
    let clinic = clinic("reparse_set_aside").await;
    let understood = set_aside(&clinic, &results(1, &[READ])).await;
    let broken = set_aside(&clinic, &results(2, &[SAYS])).await;
    let aside = format!(
        "UPDATE {0}.raw_messages SET state = 'failed', reason = 'given up after 12 attempts' WHERE id IN ('{understood}', '{broken}')",
        clinic.tenants[0]
    );
    clinic.execute(&aside).await;
    replace(&clinic, &broken, b"MSH|^~\\&|LIS").await;
    let shown = reparse(&clinic, &[]).await;
    let of = |message: &str| shown.message(message).unwrap().clone();
    assert_eq!((&of(&understood)["set_aside"], &of(&understood)["code"]), (&json!("failed"), &Value::Null));
    assert!(of(&broken)["code"].is_string());
    let totals = &shown.last()["totals"];
    assert_eq!((&totals["set_aside"], &totals["set_aside_understood"]), (&json!(1), &json!(1)));
    let before = everything(&clinic).await;
    assert_eq!(applied(&clinic).await["records"], 0);
    assert_eq!(everything(&clinic).await, before);
}

/// Whatever is sent, and however often it was corrected.
#[tokio::test]
async fn the_same_reader_reads_the_same() {
    let clinic = clinic("reparse_same").await;
    let hl7 = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("formats/hl7/tests/fixtures/good");
    let mut files: Vec<_> = std::fs::read_dir(hl7).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let hl7: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for bytes in samples("good").into_iter().map(|(_, bytes)| bytes).chain(hl7) {
        post(&clinic, &bytes).await;
    }
    let shown = reparse(&clinic, &[]).await;
    let totals = &shown.last()["totals"];
    assert!(totals["messages"].as_u64().unwrap() > 15, "{totals}");
    assert_eq!(shown.lines.len(), 1, "{:?}", shown.lines);
}

/// A resend has no report of its own; its name reads otherwise, as that of the message that it repeats.
#[tokio::test]
async fn a_resend_that_reads_otherwise_makes_no_report() {
    let clinic = clinic("reparse_resend").await;
    let read = |number: usize| String::from_utf8(results(number, &[READ])).unwrap();
    let says = |number: usize| read(number).replace("Muster^Erika", "Master^Erika");
    let first = sent(&clinic, read(1).as_bytes(), says(1).as_bytes()).await;
    let resend = sent(&clinic, read(2).as_bytes(), says(2).as_bytes()).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(left(&shown, &first), "other-report");
    assert!(shown.message(&resend).is_none(), "{:?}", shown.lines);
    // Of another order it repeats nothing that is known.
    replace(&clinic, &resend, says(2).replace("L-1", "L-9").replace("A-L-9", "A-9").as_bytes()).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(left(&shown, &resend), "unclear", "{:?}", shown.lines);
    assert_eq!(applied(&clinic).await["records"], 0);
}

/// Yesterday's reader dropped in what they differ, so the second was taken for a resend and has nothing stored of its own.
#[tokio::test]
async fn the_first_does_not_go_before_a_correction_that_was_taken_for_a_resend() {
    let clinic = clinic("reparse_confirmed").await;
    let first = sent(&clinic, &results(1, &[READ]), &results(1, &["K||4.5|mmol/L||N|||F"])).await;
    sent(&clinic, &results(2, &[READ]), &results(2, &[SAYS])).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(left(&shown, &first), "unclear", "{:?}", shown.lines);
    assert_eq!(applied(&clinic).await["records"], 0);
    // A value that is a record of its own now is not there twice.
    let whole = order(3, "L-3", "19661024|F", &[READ, "NA||140|mmol/L|||||F"]);
    let split = order(3, "L-3", "19661024|F", &[READ]);
    let split = [split.as_slice(), b"OBR|2|A-9|L-9|CHEM|||20261008080000\rOBX|1|NM|NA||140|mmol/L|||||F\r"].concat();
    sent(&clinic, &whole, &split).await;
    assert_eq!(applied(&clinic).await["records"], 0);
}
