//! Who a report is about, chosen by the rules: two people never become one, nobody is guessed, and reports that name nobody follow their order.
mod people;
mod sent;
mod unmatch;

use labor_testing::postgres;
use serde_json::{Value, json};

use self::sent::{Sent, id, matches, patients, person, post, reasons, report_of};
use crate::clinic::{Clinic, clinic, sample, without_worker};

const MUELLER: &str = "Müller^Jürgen||19661024|M";

#[tokio::test]
async fn the_same_person_is_one_patient_and_it_is_noted_why() {
    let clinic = clinic("matching_same").await;
    post(&clinic, &Sent::of(MUELLER, "A-1")).await;
    let doctor = clinic.doctor("a").await;
    let first = report_of(&doctor, "A-1").await;
    assert_eq!(reasons(&matches(&doctor, &first).await[0]), ["new_patient"]);
    // Written otherwise, and with numbers that were not known.
    let again = Sent { insurance: "A123456780", ..Sent::of("MUELLER^JUERGEN||19661024|M", "A-2") };
    post(&clinic, &again).await;
    let second = report_of(&doctor, "A-2").await;
    assert_eq!(second["patient_id"], first["patient_id"]);
    let noted = &matches(&doctor, &second).await[0];
    assert_eq!(reasons(noted), ["family_name", "given_name", "birth_date", "sex"]);
    assert_eq!((&noted["score"], &noted["role"], &noted["kind"]), (&json!(80), &json!("worker"), &json!("matched")));
    // Who married is known by the number.
    let married = Sent { insurance: "A123456780", ..Sent::of("Schmidt^Jürgen||19661024|M", "A-3") };
    post(&clinic, &married).await;
    let third = report_of(&doctor, "A-3").await;
    assert_eq!(third["patient_id"], first["patient_id"]);
    assert!(reasons(&matches(&doctor, &third).await[0]).contains(&"family_name_differs".to_owned()));
    assert_eq!(patients(&clinic).await, 1);
}

#[tokio::test]
async fn twins_are_two_and_a_contradiction_or_an_unknown_sex_waits_for_a_person() {
    let clinic = clinic("matching_twins").await;
    for (pid, order) in [(MUELLER, "A-1"), ("Müller^Jonas||19661024|M", "A-2")] {
        post(&clinic, &Sent::of(pid, order)).await;
    }
    let doctor = clinic.doctor("a").await;
    let (one, other) = (report_of(&doctor, "A-1").await, report_of(&doctor, "A-2").await);
    assert!(one["patient_id"].is_string() && other["patient_id"].is_string());
    assert_ne!(one["patient_id"], other["patient_id"]);
    // No sex was sent: it could be the one who is known, and is not made a second one.
    post(&clinic, &Sent::of("Müller^Jürgen||19661024|", "A-3")).await;
    // A given name that both could have.
    post(&clinic, &Sent::of("Müller^J.||19661024|M", "A-4")).await;
    // The number of one with the birth date of somebody else.
    post(&clinic, &Sent { insurance: "A123456780", ..Sent::of(MUELLER, "A-5") }).await;
    post(&clinic, &Sent { insurance: "A123456780", ..Sent::of("Müller^Jürgen||19700101|M", "A-6") }).await;
    post(&clinic, &Sent { insurance: "B123456780", ..Sent::of(MUELLER, "A-7") }).await;
    assert_eq!(report_of(&doctor, "A-5").await["patient_id"], one["patient_id"]);
    for order in ["A-3", "A-4", "A-6", "A-7"] {
        let report = report_of(&doctor, order).await;
        assert!(report["patient_id"].is_null(), "{order}: {report}");
        assert!(matches(&doctor, &report).await.is_empty());
    }
    assert_eq!(patients(&clinic).await, 2);
    let waiting = doctor.json("/v1/reports?matched=false").await["items"].clone();
    let waiting: Vec<_> = waiting.as_array().unwrap().iter().map(|report| id(report, "order_number")).collect();
    assert_eq!(waiting, ["A-7", "A-6", "A-4", "A-3"], "newest first");
}

#[tokio::test]
async fn a_partial_birth_date_is_kept_and_shown_and_chooses_nobody() {
    let clinic = clinic("matching_partial").await;
    post(&clinic, &Sent::of(MUELLER, "A-1")).await;
    let doctor = clinic.doctor("a").await;
    let known = report_of(&doctor, "A-1").await["patient_id"].clone();
    for (pid, order, text, score) in [
        ("Müller^Jürgen||196610|M", "A-2", "1966-10", 65),
        ("Müller^Jürgen||1966|M", "A-3", "1966", 65),
        ("Müller-Schmidt^Jürgen||1966|M", "A-4", "1966", 55),
    ] {
        post(&clinic, &Sent::of(pid, order)).await;
        let report = report_of(&doctor, order).await;
        assert_eq!((&report["birth_date_text"], &report["birth_date"]), (&json!(text), &Value::Null));
        assert!(report["patient_id"].is_null());
        let candidates = doctor.json(&format!("/v1/reports/{}/candidates", id(&report, "id"))).await;
        assert_eq!(candidates["subject"]["birth_date_text"], text);
        let best = &candidates["items"][0];
        assert_eq!((&best["patient"]["id"], &best["score"], &best["excluded"]), (&known, &json!(score), &json!(false)));
        assert!(reasons(best).contains(&"birth_date_partly".to_owned()));
    }
    // Another year is another person, whom nobody can make of it.
    post(&clinic, &Sent::of("Müller^Jürgen||1970|M", "A-5")).await;
    let other = report_of(&doctor, "A-5").await;
    let candidates = doctor.json(&format!("/v1/reports/{}/candidates", id(&other, "id"))).await;
    assert_eq!(candidates["items"], json!([]));
    // Two of whom only other years are known are no versions of one report.
    post(&clinic, &Sent::of("Müller^Jürgen||1971|M", "A-5")).await;
    let same_order = doctor.reports().await.into_iter().filter(|report| report["order_number"] == "A-5");
    assert_eq!(same_order.filter(|report| report["version"] == 1).count(), 2);
}

/// The report of private patients that names nobody, before and after the one that names the patient.
#[tokio::test]
async fn a_report_that_names_nobody_follows_its_order_whichever_came_first() {
    let clinic = clinic("matching_order").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::of(MUELLER, "A-1") }).await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::nobody("A-1") }).await;
    let reports = doctor.reports().await;
    assert_eq!(reports.len(), 2);
    assert!(reports[0]["patient_id"].is_string());
    assert_eq!(reports[0]["patient_id"], reports[1]["patient_id"]);
    let nameless = reports.iter().find(|report| report["family_name"].is_null()).unwrap();
    assert_eq!(reasons(&matches(&doctor, nameless).await[0]), ["order_number"]);

    // The real one, by the practice's number alone; the naming report comes later and from another laboratory.
    clinic.post(&sample("Z02_ldt2_8202_LG_no_patient.ldt")).await;
    clinic.until_idle().await;
    assert!(report_of(&doctor, "SC-0176-11").await["patient_id"].is_null());
    post(&clinic, &Sent::of("Schmidt^Anna||19800101|F", "SC-0176-11")).await;
    let both: Vec<_> =
        doctor.reports().await.into_iter().filter(|report| report["order_number"] == "SC-0176-11").collect();
    assert!(both.len() == 2 && both[0]["patient_id"].is_string(), "{both:?}");
    assert_eq!(both[0]["patient_id"], both[1]["patient_id"]);
    let waited = both.iter().find(|report| report["family_name"].is_null()).unwrap();
    let audited = format!(
        "SELECT count(*) FROM {}.audit WHERE action = 'report.match' AND actor_role = 'worker' AND object_id = '{}'",
        clinic.tenants[0],
        id(waited, "id")
    );
    assert_eq!(clinic.count(&audited).await, 1);
}

/// What names nobody has one number a year later, too: neither the patient nor the version of before is its own.
#[tokio::test]
async fn a_report_that_names_nobody_has_nothing_to_do_with_one_of_last_year() {
    let clinic = clinic("matching_last_year").await;
    let (doctor, tenant) = (clinic.doctor("a").await, &clinic.tenants[0]);
    post(&clinic, &Sent { lab: "L-1", ..Sent::of(MUELLER, "A-1") }).await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::nobody("A-1") }).await;
    assert!(doctor.reports().await.iter().all(|report| report["patient_id"].is_string()), "led by the order");
    clinic
        .execute(&format!(
            "UPDATE {tenant}.reports SET received_at = received_at - interval '1 year', confirmed_at = confirmed_at - interval '1 year'"
        ))
        .await;
    for obx in ["K||4.0|mmol/L||N|||F", "K||6.9|mmol/L||N|||F"] {
        post(&clinic, &Sent { lab: "L-1", obx, ..Sent::nobody("A-1") }).await;
    }
    let reports = doctor.reports().await;
    let patients = reports.iter().filter(|report| report["patient_id"].is_string()).count();
    assert_eq!((reports.len(), patients), (3, 2), "the two of last year stand, and the newest: {reports:?}");
    // Nor do people's decisions about it.
    post(&clinic, &Sent::of("Schmidt^Anna||19800101|F", "A-2")).await;
    let other = person(&report_of(&doctor, "A-2").await);
    let newest = id(reports.iter().find(|report| report["patient_id"].is_null()).unwrap(), "id");
    let decide = async |what: &str, body: Value| {
        doctor.post(&format!("/v1/reports/{newest}/{what}"), &body).await.status().is_success()
    };
    let of_last_year = async || {
        let reports = doctor.reports().await.into_iter();
        reports.filter(|report| report["order_number"] == "A-1" && report["patient_id"].is_string()).count()
    };
    assert!(decide("match", json!({ "patient_id": other })).await);
    assert_eq!(of_last_year().await, 3);
    assert!(decide("unmatch", json!({ "reason": "of another" })).await);
    assert_eq!(of_last_year().await, 2);
}

#[tokio::test]
async fn an_order_number_that_is_used_again_or_by_two_leads_to_nobody() {
    let clinic = clinic("matching_reused").await;
    let (doctor, tenant) = (clinic.doctor("a").await, &clinic.tenants[0]);
    let nameless = async |order: &str| {
        let reports = doctor.reports().await.into_iter();
        let mut found = reports.filter(|report| report["order_number"] == order && report["family_name"].is_null());
        found.next().unwrap()
    };
    post(&clinic, &Sent { lab: "L-1", ..Sent::of(MUELLER, "A-1") }).await;
    clinic.execute(&format!("UPDATE {tenant}.reports SET received_at = received_at - interval '91 days'")).await;
    post(&clinic, &Sent { lab: "L-1", ..Sent::nobody("A-1") }).await;
    assert!(nameless("A-1").await["patient_id"].is_null(), "three months are over");
    clinic
        .execute(&format!(
            "UPDATE {tenant}.reports SET received_at = received_at + interval '2 days' WHERE patient_id IS NOT NULL"
        ))
        .await;
    post(&clinic, &Sent { lab: "L-2", ..Sent::nobody("A-1") }).await;
    let reports = doctor.reports().await;
    let within = reports.iter().find(|report| report["lab_order_number"] == "L-2").unwrap();
    assert!(within["patient_id"].is_string(), "89 days are not");
    // Two patients under one number.
    for (pid, lab) in [(MUELLER, "L-3"), ("Schmidt^Anna||19800101|F", "L-4")] {
        post(&clinic, &Sent { lab, ..Sent::of(pid, "A-3") }).await;
    }
    post(&clinic, &Sent { lab: "L-5", ..Sent::nobody("A-3") }).await;
    let unsure = nameless("A-3").await;
    assert!(unsure["patient_id"].is_null());
    let candidates = doctor.json(&format!("/v1/reports/{}/candidates", id(&unsure, "id"))).await;
    let shown: Vec<_> = candidates["items"].as_array().unwrap().iter().map(reasons).collect();
    assert_eq!((shown.len(), shown[0].contains(&"order_number".to_owned())), (2, true), "both are shown");
    // What it does say must not contradict.
    let pids = ["^Anna|||", "Schmidt^|||", "^^||1970|", "^^|||F", "Müller^|||F", "Müller^||1966|"];
    for (n, pid) in pids.into_iter().enumerate() {
        let (order, lab) = (format!("A-4{n}"), format!("L-4{n}"));
        post(&clinic, &Sent { lab: &lab, ..Sent::of(MUELLER, &order) }).await;
        post(&clinic, &Sent { lab: &lab, ..Sent::of(pid, &order) }).await;
        let reports = doctor.reports().await.into_iter();
        let matched = reports.filter(|report| report["order_number"] == order && report["patient_id"].is_string());
        assert_eq!(matched.count(), if pid.contains("1966") { 2 } else { 1 }, "{pid}");
    }
    // Whoever else is named may be whom it is about, also while that report waits.
    post(&clinic, &Sent { lab: "L-41", ..Sent::nobody("A-41") }).await;
    assert!(nameless("A-41").await["patient_id"].is_null(), "Schmidt may be meant");
    // Numbers that are none.
    post(&clinic, &Sent { lab: "000", ..Sent::of(MUELLER, "0") }).await;
    post(&clinic, &Sent { lab: "000", ..Sent::nobody("0") }).await;
    assert!(nameless("0").await["patient_id"].is_null());
    // The order says one, the insurance number another.
    post(&clinic, &Sent { insurance: "S123456780", ..Sent::of("Schmidt^Anna||19800101|F", "A-5") }).await;
    let torn = Sent { lab: "L-7", insurance: "S123456780", ..Sent::of("^|||", "A-6") };
    post(&clinic, &torn).await;
    post(&clinic, &Sent { lab: "L-7", ..Sent::of(MUELLER, "A-6") }).await;
    post(&clinic, &Sent { obx: "K||5.0|mmol/L||N|||F", lab: "L-8", ..torn }).await;
    let torn: Vec<_> = doctor.reports().await.into_iter().filter(|report| report["order_number"] == "A-6").collect();
    let matched = torn.iter().filter(|report| report["patient_id"].is_string()).count();
    assert_eq!((torn.len(), matched), (3, 1), "{torn:?}");
}

/// Whoever comes first, both see each other: the order's row is held.
#[tokio::test]
async fn many_workers_make_one_patient_and_leave_no_report_of_the_order_behind() {
    let mut clinic = without_worker("matching_workers").await;
    for number in 0..6 {
        let (order, lab) = (format!("A-{number}"), format!("L-{number}"));
        clinic.post(&Sent { lab: &lab, ..Sent::of(MUELLER, &order) }.message()).await;
        clinic.post(&Sent { lab: &lab, ..Sent::nobody(&order) }.message()).await;
    }
    clinic.worker = Some(clinic.platform.work(&["--concurrency", "9"]).await.unwrap());
    clinic.until_idle().await;
    assert_eq!(patients(&clinic).await, 1);
    let reports = clinic.doctor("a").await.reports().await;
    assert_eq!(reports.len(), 12);
    assert!(reports.iter().all(|report| report["patient_id"] == reports[0]["patient_id"]), "{reports:?}");
    assert!(reports[0]["patient_id"].is_string());
}

/// The naming report is stored while the other one is about to be: neither sees the other's row, unless they take turns.
#[tokio::test]
async fn a_report_that_names_nobody_waits_for_the_one_that_is_being_stored() {
    let clinic = clinic("matching_turns").await;
    let tenant = &clinic.tenants[0];
    post(&clinic, &Sent { lab: "L-1", ..Sent::nobody("") }).await;
    let holder = postgres().await.connect(clinic.platform.database()).await.unwrap();
    holder.batch_execute(&format!("BEGIN; SELECT FROM {tenant}.orders FOR UPDATE")).await.unwrap();
    clinic.post(&Sent { lab: "L-1", ..Sent::of(MUELLER, "") }.message()).await;
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{tenant}_app' AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO orders%'"
    );
    labor_testing::until("the worker to wait for the order", crate::clinic::LIMIT, async || {
        Ok(if clinic.count(&waits).await == 1 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    holder.batch_execute("COMMIT").await.unwrap();
    clinic.until_idle().await;
    assert_eq!(unmatched(&clinic).await, 0);
}

async fn unmatched(clinic: &Clinic) -> i64 {
    clinic.count(&format!("SELECT count(*) FROM {}.reports WHERE patient_id IS NULL", clinic.tenants[0])).await
}

/// What only a person may decide is not lost for the trend: values are found through their report.
#[tokio::test]
async fn a_persons_values_are_those_of_the_reports_that_are_theirs() {
    let clinic = clinic("matching_trend").await;
    let doctor = clinic.doctor("a").await;
    for order in ["A-1", "A-2"] {
        post(&clinic, &Sent::of(MUELLER, order)).await;
    }
    post(&clinic, &Sent::of("Schmidt^Anna||19800101|F", "A-3")).await;
    let patient = person(&report_of(&doctor, "A-1").await);
    let values = doctor.json(&format!("/v1/patients/{patient}/observations")).await["items"].clone();
    assert_eq!(values.as_array().unwrap().len(), 2, "{values}");
    let first = doctor.json(&format!("/v1/patients/{patient}/observations?limit=1")).await;
    let after = first["next"].as_str().unwrap();
    let second = doctor.json(&format!("/v1/patients/{patient}/observations?limit=1&after={after}")).await;
    assert_eq!([&first["items"][0], &second["items"][0]], [&values[0], &values[1]]);
    assert!(second["next"].is_null());
}
