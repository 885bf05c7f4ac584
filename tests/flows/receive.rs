//! Receive: webhook → raw message and queue entry, one transaction → queue → worker → `ldt` → results.
use std::collections::HashSet;

use labor_testing::{Sender, postgres};
use serde_json::Value;

use crate::clinic::{Clinic, clinic, sample, samples, without_worker};

#[tokio::test]
async fn every_sample_reaches_its_practice_byte_for_byte_and_no_other() {
    let clinic = clinic("receive_all").await;
    let samples = samples("good");
    for (_, bytes) in &samples {
        clinic.post(bytes).await;
    }
    clinic.until_idle().await;
    for (name, bytes) in &samples {
        // A package for two is kept in two parts (below), an order in the intake.
        let expected = usize::from(!name.contains("zwei_einsender"));
        assert_eq!(stored(&clinic, bytes).await, expected, "{name}");
    }
    let (a, b) = (clinic.doctor("a").await.reports().await, clinic.doctor("b").await.reports().await);
    assert_eq!(b.len(), 1, "the package for two holds one report for practice b");
    assert_eq!(b[0]["order_number"], "B-0107");
    assert!(a.iter().all(|report| report["order_number"] != "B-0107"));
    for order in ["A-2026-0107", "A-2026-0101", "A-2026-0106", "SC-0176-11"] {
        assert!(a.iter().any(|report| report["order_number"] == order), "{order} is missing");
    }
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
}

/// Each practice has a package of its own in which the other's BSNR does not occur; the intake keeps nothing but the hash.
#[tokio::test]
async fn a_package_for_two_practices_is_split() {
    let clinic = clinic("receive_split").await;
    let package = sample("Z01_LDT3_07_zwei_einsender_ein_paket.ldt");
    clinic.post(&package).await;
    clinic.until_idle().await;
    let intake: String = {
        let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
        client.query_one("SELECT name FROM control.tenants WHERE kind = 'intake'", &[]).await.unwrap().get(0)
    };
    let bodies = format!("SELECT count(*) FROM {intake}.raw_messages WHERE octet_length(body) > 0");
    assert_eq!(clinic.count(&bodies).await, 0, "the intake keeps the hash only");
    assert_eq!(clinic.post(&package).await.json["duplicate"], Value::Bool(true), "a retry is recognised by it");
    for (tenant, own, other) in
        [(&clinic.tenants[0], "123456700", "222222200"), (&clinic.tenants[1], "222222200", "123456700")]
    {
        let holds = |text: &str| {
            format!("SELECT count(*) FROM {tenant}.raw_messages WHERE position('{text}'::bytea IN body) > 0")
        };
        assert_eq!((clinic.count(&holds(own)).await, clinic.count(&holds(other)).await), (1, 0));
    }
}

#[tokio::test]
async fn every_broken_sample_is_accepted_and_either_stored_or_set_aside_with_a_reason() {
    let clinic = clinic("receive_broken").await;
    let broken = samples("broken");
    for (name, bytes) in &broken {
        clinic.post(bytes).await;
        assert_eq!(stored(&clinic, bytes).await, 1, "{name} was lost");
    }
    clinic.until_idle().await;
    for (name, bytes) in &broken {
        let state = state_of(&clinic, bytes).await;
        assert!(matches!(state.0.as_str(), "processed" | "quarantined"), "{name} is {state:?}");
        assert_eq!(state.0 == "quarantined", state.1.is_some_and(|reason| reason.contains(": ")), "{name}");
    }
    assert!(clinic.doctor("b").await.reports().await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_not_signed_by_its_source_is_refused_and_not_stored() {
    let clinic = without_worker("receive_401").await;
    let body = sample("Z01_LDT3_01_final.ldt");
    let good = &clinic.sender;
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let refused = [
        good.post("m", now, "", &body).await.unwrap(),
        good.post("m", now, "v1=00", &body).await.unwrap(),
        good.post("m", now, &good.signature(now - 1, &body), &body).await.unwrap(),
        good.post("m", now, &good.signature(now, b"other"), &body).await.unwrap(),
        good.post("m", now + 86_400, &good.signature(now + 86_400, &body), &body).await.unwrap(),
        good.post("m", now - 30 * 86_400, &good.signature(now - 30 * 86_400, &body), &body).await.unwrap(),
        Sender::new(&clinic.server.base, "01a20000-0000-7000-8000-000000000000", b"x")
            .unwrap()
            .send(&body)
            .await
            .unwrap(),
        Sender::new(&clinic.server.base, &clinic.source.id, b"another secret").unwrap().send(&body).await.unwrap(),
    ];
    for answer in refused {
        assert_eq!((answer.status, answer.json["status"].as_u64()), (401, Some(401)), "{}", answer.text);
    }
    assert_eq!(stored(&clinic, &body).await, 0);
    // Mirth resends a frozen request for days: an old signature within the window is good.
    let frozen = good.post("m", now - 5 * 86_400, &good.signature(now - 5 * 86_400, &body), &body).await.unwrap();
    assert_eq!(frozen.status, 202);
}

#[tokio::test]
async fn a_source_may_be_bound_to_its_addresses() {
    let clinic = without_worker("receive_403").await;
    clinic.execute("UPDATE control.sources SET allowed_from = '{192.0.2.0/24}'").await;
    let body = sample("Z01_LDT3_01_final.ldt");
    assert_eq!(clinic.sender.send(&body).await.unwrap().status, 403);
    clinic.execute("UPDATE control.sources SET allowed_from = '{192.0.2.0/24,127.0.0.0/8}', secret_version = 1").await;
    // The refusal was remembered for a few seconds at most.
    labor_testing::until("the new list", crate::clinic::LIMIT, async || {
        let status = clinic.sender.send(&body).await?.status;
        Ok(if status == 202 { Ok(()) } else { Err(status.to_string()) })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_sender_changes_over_to_a_new_secret_without_a_gap() {
    let clinic = without_worker("receive_rotate").await;
    let rotate = async || clinic.platform.json("labor", &["source", "rotate", &clinic.source.id], "").await.unwrap();
    let (first, second) = (rotate().await, rotate().await);
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().to_owned();
    let with = |secret: String| Sender::new(&clinic.server.base, &clinic.source.id, secret.as_bytes()).unwrap();
    let (old, current) = (with(secret(&first)), with(secret(&second)));
    assert_eq!(current.send(b"new").await.unwrap().status, 202);
    assert_eq!(old.send(b"old").await.unwrap().status, 202, "the one before is still good");
    assert_eq!(clinic.sender.send(b"oldest").await.unwrap().status, 401, "the one before that is not");
}

#[tokio::test]
async fn too_large_is_413_and_any_other_content_is_accepted() {
    let clinic = without_worker("receive_413").await;
    let large = vec![b'x'; 33 * 1024 * 1024];
    // The server may close the connection while the sender still sends.
    if let Ok(answer) = clinic.sender.send(&large).await {
        assert_eq!(answer.status, 413);
    }
    // On a new connection: the server closed that one, as it had not read all of it.
    let sender = clinic.platform.sender(&clinic.server, &clinic.source).unwrap();
    for body in [&b""[..], b"\0\xff\xfe", &vec![b'0'; 1024 * 1024]] {
        assert_eq!(sender.send(body).await.unwrap().status, 202);
        assert_eq!(stored(&clinic, body).await, 1);
    }
}

#[tokio::test]
async fn retries_and_threads_store_a_message_once_and_hear_the_same_id() {
    let clinic = clinic("receive_twins").await;
    let body = sample("Z01_LDT3_01_final.ldt");
    let answers = futures_util::future::join_all(
        (0..24).map(|n| clinic.sender.send_as(if n % 2 == 0 { "same" } else { "other" }, &body).into_future()),
    )
    .await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|a| a.status == 202));
    let ids: HashSet<&str> = answers.iter().map(|a| a.json["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(answers.iter().filter(|a| a.json["duplicate"] == Value::Bool(false)).count(), 1);
    clinic.until_idle().await;
    assert_eq!(stored(&clinic, &body).await, 1);
    assert_eq!(clinic.doctor("a").await.reports().await.len(), 1);
}

#[tokio::test]
async fn an_unknown_practice_is_quarantined_and_replayed_once_it_is_known() {
    let clinic = clinic("receive_unknown").await;
    let body = sample("Z01_ldt2_8201_iso885915.ldt");
    let platform = &clinic.platform;
    clinic.execute("DELETE FROM control.tenant_identifiers WHERE value = '123456700'").await;
    let message = clinic.post(&body).await.json["message_id"].as_str().unwrap().to_owned();
    clinic.until_idle().await;
    assert!(clinic.doctor("a").await.reports().await.is_empty());
    let listed = platform.json("labor", &["quarantine", "list"], "").await.unwrap();
    assert_eq!(listed["messages"][0]["id"], message);
    assert!(listed["messages"][0]["reason"].as_str().unwrap().starts_with("unknown-recipient"));
    platform.json("labor-migrator", &["--json", "identify", "a", "--bsnr", "123456700"], "").await.unwrap();
    platform.json("labor", &["quarantine", "replay", &message], "").await.unwrap();
    labor_testing::until("the replayed report", crate::clinic::LIMIT, async || {
        clinic.until_idle().await;
        // The worker may have looked while it still remembered that nobody is known.
        if clinic.doctor("a").await.reports().await.is_empty() {
            let _ = platform.json("labor", &["quarantine", "replay", &message], "").await;
            return Ok(Err("no report yet".to_owned()));
        }
        Ok(Ok(()))
    })
    .await
    .unwrap();
    // The sender tries again: the same bytes are known in the practice now.
    assert_eq!(clinic.post(&body).await.json["duplicate"], Value::Bool(true));
}

/// Partial, final with a correction, repetition; and the same report in four character sets: whatever the order of the work, the
/// order of arrival decides, and one version is current.
#[tokio::test]
async fn many_workers_leave_one_current_version_of_each_report() {
    let mut clinic = without_worker("receive_versions").await;
    let names = [
        "Z03_ldt2_8201_1_Teilbefund.ldt",
        "Z03_ldt2_8201_2_Endbefund_B_und_K.ldt",
        "Z03_ldt2_8201_3_Wiederholung_B.ldt",
    ];
    for name in names {
        clinic.post(&sample(name)).await;
    }
    for name in [
        "A01_ldt2_8201_iso88591.ldt",
        "S01_ldt2_8201_din66003.ldt",
        "X01_ldt2_8201_cp437.ldt",
        "Z01_ldt2_8201_iso885915.ldt",
    ] {
        clinic.post(&sample(name)).await;
    }
    for name in ["Z01_LDT3_01_final.ldt", "Z01_LDT3_03_korrektur_08.ldt"] {
        clinic.post(&sample(name)).await;
    }
    clinic.worker = Some(clinic.platform.work(&["--concurrency", "9"]).await.unwrap());
    clinic.until_idle().await;
    let reports = clinic.doctor("a").await.reports().await;
    let current = |order: &str| reports.iter().filter(|r| r["order_number"] == order).collect::<Vec<_>>();
    assert_eq!(current("A-2026-0001").len(), 1);
    assert_eq!(current("A-2026-0003").len(), 1);
    assert_ne!(current("A-2026-0003")[0]["status"], "partial");
    let mut corrected = current("A-2026-0101");
    corrected.sort_by_key(|report| report["status"] == "corrected");
    let states: Vec<_> = corrected.iter().map(|report| report["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["final", "corrected"], "08 invalidates what it holds, and nobody corrected CRP, ANA and HBsAg");
    let doctor = clinic.doctor("a").await;
    let whole = doctor.json(&format!("/v1/reports/{}", corrected[0]["id"].as_str().unwrap())).await;
    let marked = whole["values"].as_array().unwrap().iter().filter(|value| value["corrected_by"] == corrected[1]["id"]);
    let marked: Vec<_> = marked.map(|value| value["test_code"].as_str().unwrap()).collect();
    assert_eq!(marked, ["K"], "{whole}");
}

#[tokio::test]
async fn a_nul_byte_in_a_name_is_quarantined_at_once() {
    let clinic = clinic("receive_nul").await;
    let mut body = sample("Z05_ldt2_old_LDT1001.02_DDMMYYYY.ldt");
    let at = body.windows(4).position(|window| window == b"3102").unwrap() + 5;
    body[at] = 0;
    clinic.post(&body).await;
    clinic.until_idle().await;
    assert_eq!(state_of(&clinic, &body).await.0, "quarantined");
}

/// Laboratories use order numbers again; the first person's report must stay.
#[tokio::test]
async fn a_report_of_another_person_under_the_same_number_replaces_nothing() {
    let clinic = clinic("receive_reused").await;
    let first = sample("Z05_ldt2_old_LDT1001.02_DDMMYYYY.ldt");
    let mut second = first.clone();
    let at = second.windows(6).position(|window| window == b"3101M\xfc").unwrap() + 4;
    second[at..at + 6].copy_from_slice(b"Meyers");
    for body in [&first, &second] {
        clinic.post(body).await;
        clinic.until_idle().await;
    }
    let reports = clinic.doctor("a").await.reports().await;
    let names: HashSet<&str> = reports.iter().map(|r| r["family_name"].as_str().unwrap()).collect();
    assert_eq!(names, HashSet::from(["Müller", "Meyers"]));
    assert_ne!(reports[0]["patient_id"], reports[1]["patient_id"]);
}

/// Two people with one name, birth date and sex: told apart by their insurance numbers, and never mixed afterwards.
#[tokio::test]
async fn contradicting_insurance_numbers_leave_a_report_unmatched_and_the_patient_unchanged() {
    let clinic = clinic("receive_namesakes").await;
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.until_idle().await;
    let patients = format!("{}.patients", clinic.tenants[0]);
    let known = format!("SELECT count(*) FROM {patients} WHERE insurance_number = 'A123456780'");
    assert_eq!(clinic.count(&known).await, 1);
    clinic.execute(&format!("UPDATE {patients} SET insurance_number = 'B123456780', patient_number = NULL")).await;
    clinic.post(&sample("Z01_LDT3_06_pdf_anhang.ldt")).await;
    clinic.until_idle().await;
    let unmatched = format!("SELECT count(*) FROM {}.reports WHERE patient_id IS NULL", clinic.tenants[0]);
    assert_eq!(clinic.count(&unmatched).await, 1);
    let unchanged =
        format!("SELECT count(*) FROM {patients} WHERE insurance_number = 'B123456780' AND patient_number IS NULL");
    assert_eq!(clinic.count(&unchanged).await, 1);
}

/// An entry that is none must not stop its neighbours.
#[tokio::test]
async fn a_malformed_queue_entry_becomes_a_dead_letter_and_stops_nobody() {
    let mut clinic = without_worker("receive_malformed").await;
    clinic.execute("SELECT pgmq.send('messages', '{\"unknown\": 1}')").await;
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    clinic.until_idle().await;
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_dead_messages").await, 1);
    assert_eq!(clinic.doctor("a").await.reports().await.len(), 1);
}

/// What the doctor is shown holds also what has no column: the laboratory's result number, alarm limits, the package's fields.
#[tokio::test]
async fn what_has_no_column_is_shown_as_a_further_field() {
    let clinic = clinic("receive_unmapped").await;
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.until_idle().await;
    let doctor = clinic.doctor("a").await;
    let id = doctor.reports().await[0]["id"].as_str().unwrap().to_owned();
    let report = doctor.json(&format!("/v1/reports/{id}")).await;
    let fields: Vec<_> = report["unmapped"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"K 7304"), "{fields:?}");
    assert!(report["values"].as_array().unwrap().iter().all(|v| v["specimen"] == "Serum"), "{report}");
}

/// In how many tenants' schemas the bytes are, intake included.
async fn stored(clinic: &Clinic, bytes: &[u8]) -> usize {
    rows(clinic, bytes).await.len()
}

async fn state_of(clinic: &Clinic, bytes: &[u8]) -> (String, Option<String>) {
    rows(clinic, bytes).await.remove(0)
}

async fn rows(clinic: &Clinic, bytes: &[u8]) -> Vec<(String, Option<String>)> {
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let tenants = client.query("SELECT name FROM control.tenants", &[]).await.unwrap();
    let mut found = Vec::new();
    for tenant in tenants {
        let sql = format!("SELECT state, reason FROM {}.raw_messages WHERE body = $1", tenant.get::<_, &str>(0));
        found.extend(client.query(&sql, &[&bytes]).await.unwrap().into_iter().map(|row| (row.get(0), row.get(1))));
    }
    found
}

/// A laboratory that moved, or has another software, sends the same report again: nobody has to read it anew.
#[tokio::test]
async fn a_resend_with_another_header_makes_no_new_item() {
    let clinic = clinic("receive_header").await;
    let first = sample("A01_ldt2_8201_iso88591.ldt");
    clinic.post(&first).await;
    clinic.until_idle().await;
    let before = clinic.doctor("a").await.reports().await;
    let text: String = first.iter().map(|byte| char::from(*byte)).collect();
    let moved = text.replace("8321Laborweg 2", "8321Laborweg 3");
    assert_ne!(text, moved);
    let moved: Vec<u8> = moved.chars().map(|sign| u8::try_from(u32::from(sign)).unwrap()).collect();
    let answer = clinic.post(&moved).await;
    assert_eq!(answer.json["duplicate"], Value::Bool(false));
    clinic.until_idle().await;
    assert_eq!(clinic.doctor("a").await.reports().await, before);
    let versions = format!("SELECT count(*) FROM {}.reports", clinic.tenants[0]);
    assert_eq!(clinic.count(&versions).await, i64::try_from(before.len()).unwrap());
}
