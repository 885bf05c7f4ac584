//! Releases that the worker takes back: of what turns out to be genetic, and of what it can't be sure that a doctor released. No correction
//! is refused because of one, and no hold of a report says another thing than the next.
use labor_testing::{postgres, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{id, open, order, post, results, user};
use crate::clinic::{Clinic, LIMIT, User, clinic, sample};
use crate::release::{act, done, genetic, refused, release, set_lanr};

const LANR: &str = "123456601";
const OTHER: &str = "765432201";

/// What was released and withdrawn of a version, and in which role.
async fn history(user: &User, report: &str) -> Vec<(String, String)> {
    let read = user.json(&format!("/v1/reports/{report}")).await;
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    let events = read["events"].as_array().unwrap().iter().map(|event| (text(event, "kind"), text(event, "role")));
    events.filter(|(kind, _)| ["released", "withdrawn"].contains(&kind.as_str())).collect()
}

fn said(kind: &str, role: &str) -> (String, String) {
    (kind.to_owned(), role.to_owned())
}

async fn is_released(clinic: &Clinic, report: &str) -> bool {
    let sql =
        format!("SELECT count(*) FROM {}.reports WHERE id = '{report}' AND released_at IS NOT NULL", clinic.tenants[0]);
    clinic.count(&sql).await == 1
}

/// What somebody's SQL wrote into the history, or a clock that was set back, keeps no correction from being stored and alerted.
#[tokio::test]
async fn a_correction_is_stored_whatever_was_said_of_the_release() {
    let clinic = clinic("taken_unsure").await;
    let (doctor, tenant) = (clinic.doctor("a").await, clinic.tenants[0].clone());
    let sent = async |number: usize, lab_order: &str, value: &str, status: &str| {
        let flag = if value == "7.1" { "HH" } else { "N" };
        post(&clinic, &order(number, lab_order, "19661024|F", &[&format!("K||{value}|mmol/L||{flag}|||{status}")]))
            .await;
    };
    let said_by = |kind: &str, role: &str, more: &str| {
        format!(
            "INSERT INTO {tenant}.report_events (id, report_id, kind, actor, actor_role, patient_id, ends)
             SELECT gen_random_uuid(), r.id, '{kind}', 'somebody', '{role}', CASE '{kind}' WHEN 'released' THEN r.patient_id END, {more}
               FROM {tenant}.reports r WHERE r.lab_order_number = "
        )
    };
    // A withdrawal that was only noted; a release that was only noted, of what is released and of what is not; a row without an event.
    let cases = [
        ("L-1", true, format!("{} 'L-1'", said_by("withdrawn", "admin", "r.release_id")), false),
        ("L-2", true, format!("{} 'L-2'", said_by("released", "doctor", "NULL")), true),
        ("L-3", false, format!("{} 'L-3'", said_by("released", "doctor", "NULL")), false),
        (
            "L-4",
            false,
            format!("UPDATE {tenant}.reports SET released_at = now() WHERE lab_order_number = 'L-4'"),
            false,
        ),
        // The clock of another server is behind.
        (
            "L-5",
            true,
            format!("UPDATE {tenant}.report_events SET at = at - interval '1 hour' WHERE kind = 'released'"),
            true,
        ),
    ];
    for (number, (lab_order, releases, sql, stays)) in cases.iter().enumerate() {
        sent(number, lab_order, "4.4", "F").await;
        let reports = doctor.reports().await;
        let first = reports.iter().find(|report| report["lab_order_number"] == **lab_order).unwrap();
        let first = id(first).to_owned();
        if *releases {
            assert_eq!(release(&doctor, &first).await, done());
        }
        if *lab_order == "L-5" {
            act(&doctor, &first, "withdraw", json!({})).await;
            assert_eq!(release(&doctor, &first).await, done());
        }
        clinic.execute(sql).await;
        // Sent again, and corrected.
        sent(20 + number, lab_order, "4.4", "F").await;
        sent(40 + number, lab_order, "7.1", "C").await;
        let reports = doctor.reports().await;
        let current = reports.iter().find(|report| report["lab_order_number"] == **lab_order).unwrap();
        assert_eq!(current["version"], 2, "{lab_order}");
        assert_eq!(open(&doctor).await.len(), number + 1, "{lab_order}");
        assert_eq!(is_released(&clinic, &first).await, *stays, "{lab_order}");
        let withdrawn = history(&doctor, &first).await.into_iter().filter(|(kind, _)| kind == "withdrawn").count();
        // Of a row without an event there is nothing to be ended.
        let expected = usize::from((*lab_order == "L-5") || !(*stays || *lab_order == "L-4"));
        assert_eq!(withdrawn, expected, "{lab_order}");
    }
}

/// What was released before the mark came is withdrawn, and the history says by whom.
#[tokio::test]
async fn the_history_says_that_the_worker_took_a_release_back() {
    let clinic = clinic("taken_noted").await;
    let doctor = clinic.doctor("a").await;
    set_lanr(&clinic, "doctor", LANR).await.unwrap();
    let plain = String::from_utf8(genetic(1, "L-1", "")).unwrap().replace("|GE\r", "|LAB\r");
    post(&clinic, plain.as_bytes()).await;
    let first = id(&doctor.reports().await[0]).to_owned();
    assert_eq!(release(&doctor, &first).await, done());
    let marked = String::from_utf8(genetic(2, "L-1", LANR)).unwrap().replace("heterozygot", "homozygot");
    post(&clinic, marked.as_bytes()).await;
    assert_eq!(history(&doctor, &first).await, [said("released", "doctor"), said("withdrawn", "worker")]);
    assert!(!is_released(&clinic, &first).await);
    let audited = format!(
        "SELECT count(*) FROM {}.audit WHERE object_id = '{first}' AND action = 'report.withdraw' AND actor_role = 'worker'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&audited).await, 1);
}

/// A doctor who is releasing an old version while it becomes genetic is waited for.
#[tokio::test]
async fn what_is_being_released_while_the_mark_comes_is_taken_back() {
    let clinic = clinic("taken_race").await;
    let (doctor, tenant) = (clinic.doctor("a").await, clinic.tenants[0].clone());
    let sent = |number: usize, mark: &str, value: &str| {
        let text = String::from_utf8(genetic(number, "L-1", LANR)).unwrap();
        text.replace("|GE\r", &format!("|{mark}\r")).replace("heterozygot", value).into_bytes()
    };
    for (number, value) in ["a", "b", "c"].iter().enumerate() {
        post(&clinic, &sent(number, "LAB", value)).await;
    }
    assert_eq!(doctor.reports().await.len(), 1);
    let releasing = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let release = format!(
        "BEGIN; WITH released AS (
           UPDATE {tenant}.reports SET released_at = now(), released_by = (SELECT id FROM {tenant}.users WHERE username = 'doctor'),
                  release_id = gen_random_uuid() WHERE version = 2 RETURNING id, release_id, patient_id, released_by)
         INSERT INTO {tenant}.report_events (id, report_id, kind, actor, actor_role, patient_id)
         SELECT release_id, id, 'released', released_by::text, 'doctor', patient_id FROM released"
    );
    releasing.batch_execute(&release).await.unwrap();
    clinic.post(&sent(9, "GE", "d")).await;
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE'";
    until("the worker to wait", LIMIT, async || {
        Ok(if clinic.count(waits).await == 1 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    releasing.batch_execute("COMMIT").await.unwrap();
    clinic.until_idle().await;
    let left = format!("SELECT count(*) FROM {tenant}.reports WHERE released_at IS NOT NULL");
    assert_eq!(clinic.count(&left).await, 0);
    let held = format!("SELECT count(*) FROM {tenant}.genetic_holds WHERE lanr = '{LANR}'");
    assert_eq!(clinic.count(&held).await, 4);
}

/// A doctor who is named later is so for what came before, and nobody is named in the place.
#[tokio::test]
async fn the_doctor_whom_a_later_version_names_is_responsible_for_the_earlier_ones() {
    let clinic = clinic("taken_named").await;
    let (doctor, admin) = (clinic.doctor("a").await, user(&clinic, "admin", "admin").await);
    set_lanr(&clinic, "doctor", OTHER).await.unwrap();
    post(&clinic, &genetic(1, "L-1", "")).await;
    let first = id(&doctor.reports().await[0]).to_owned();
    let part = String::from_utf8(genetic(2, "L-1", LANR)).unwrap().replace("|F5||heterozygot", "|F2||negativ");
    post(&clinic, part.as_bytes()).await;
    assert_eq!(doctor.reports().await.len(), 2, "the first one counts still");
    let (status, problem) = act(&admin, &first, "responsible-doctor", json!({ "lanr": OTHER })).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/responsible-before")));
    assert_eq!(release(&doctor, &first).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
}

/// LDT names a doctor for each report, genetic or not: without the mark a version brings no other than the one who is known.
#[tokio::test]
async fn a_version_without_the_mark_brings_no_other_doctor() {
    let clinic = clinic("taken_colleague").await;
    let doctor = clinic.doctor("a").await;
    set_lanr(&clinic, "doctor", OTHER).await.unwrap();
    let marked = sample("Z01_LDT3_09_molekulargenetik_GenDG.ldt");
    post(&clinic, &marked).await;
    let text: String = marked.iter().copied().map(char::from).collect();
    let unmarked = text.replace(LANR, OTHER).replace("74312\r", "74311\r");
    // The last but one line is the SHA-1 of what is before it.
    let (signed, rest) = unmarked.rsplit_once("0499300").unwrap();
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes(signed));
    let sum = digest.as_ref().iter().fold(String::new(), |sum, byte| format!("{sum}{byte:02X}"));
    post(&clinic, &bytes(&format!("{signed}0499300{sum}{}", &rest[40..]))).await;
    let versions = format!("SELECT count(*) FROM {}.reports WHERE NOT genetic AND version = 2", clinic.tenants[0]);
    assert_eq!(clinic.count(&versions).await, 1);
    let others = format!("SELECT count(*) FROM {}.genetic_holds WHERE lanr = '{LANR}'", clinic.tenants[0]);
    assert_eq!(clinic.count(&others).await, 2);
    for report in doctor.reports().await {
        assert_eq!(release(&doctor, id(&report)).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    }
}

/// The laboratory corrects how somebody is spelled and sends the report again, without the mark: another report, the same examination.
#[tokio::test]
async fn the_same_examination_of_the_same_order_is_held_under_another_name() {
    let clinic = clinic("taken_spelled").await;
    let (doctor, responsible) = (clinic.doctor("a").await, user(&clinic, "responsible", "doctor").await);
    set_lanr(&clinic, "responsible", LANR).await.unwrap();
    post(&clinic, &genetic(1, "L-1", LANR)).await;
    let again =
        String::from_utf8(genetic(2, "L-1", "")).unwrap().replace("|GE\r", "|LAB\r").replace("Muster^", "Mustermann^");
    post(&clinic, again.as_bytes()).await;
    let plain = String::from_utf8(results(3, &["K||4.4|mmol/L||N|||F"])).unwrap().replace("Muster^", "Meister^");
    post(&clinic, plain.as_bytes()).await;
    let reports = doctor.reports().await;
    let of = |name: &str| id(reports.iter().find(|report| report["family_name"] == name).unwrap()).to_owned();
    assert_eq!(reports.len(), 3, "{reports:?}");
    assert_eq!(release(&doctor, &of("Mustermann")).await, refused(StatusCode::FORBIDDEN, "not-responsible"));
    assert_eq!(release(&responsible, &of("Mustermann")).await, done());
    assert_eq!(release(&doctor, &of("Meister")).await, done(), "another test of the order");
}
