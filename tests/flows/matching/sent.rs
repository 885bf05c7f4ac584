//! Reports made up for tests, each with one value, and what became of them.
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::clinic::{Clinic, User};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// One report. Numbers that are empty are not sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    /// PID-5 to PID-8.
    pub(crate) pid: &'a str,
    pub(crate) insurance: &'a str,
    /// The practice's number of the patient.
    pub(crate) patient: &'a str,
    /// The practice's number of the order.
    pub(crate) order: &'a str,
    /// The laboratory's.
    pub(crate) lab: &'a str,
    /// Value and state.
    pub(crate) obx: &'a str,
}

impl<'a> Sent<'a> {
    pub(crate) fn of(pid: &'a str, order: &'a str) -> Self {
        Self { pid, insurance: "", patient: "", order, lab: "", obx: "K||4.4|mmol/L||N|||F" }
    }

    /// Names nobody.
    pub(crate) fn nobody(order: &'a str) -> Self {
        Self::of("", order)
    }

    pub(crate) fn message(&self) -> Vec<u8> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let Self { pid, insurance, patient, order, lab, obx } = self;
        let mut numbers = Vec::new();
        if !patient.is_empty() {
            numbers.push(format!("{patient}^^^PRAXIS^PI"));
        }
        if !insurance.is_empty() {
            numbers.push(format!("{insurance}^^^GKV^NI"));
        }
        let numbers = numbers.join("~");
        format!(
            "MSH|^~\\&|LIS|LABOR^987654300^BSNR|PVS|PRAXIS^123456700^BSNR|20261008101000||ORU^R01|M{number}|P|2.5|||||||UNICODE UTF-8\r\
             PID|1||{numbers}||{pid}\rOBR|1|{order}|{lab}|CHEM|||20261008080000\rOBX|1|NM|{obx}\r"
        )
        .into_bytes()
    }
}

pub(crate) async fn post(clinic: &Clinic, sent: &Sent<'_>) {
    clinic.post(&sent.message()).await;
    clinic.until_idle().await;
}

pub(crate) fn id(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

/// Whose a report is.
pub(crate) fn person(report: &Value) -> String {
    id(report, "patient_id")
}

/// The newest current report under the practice's order number.
pub(crate) async fn report_of(user: &User, order: &str) -> Value {
    let reports = user.reports().await;
    let found = reports.iter().find(|report| report["order_number"] == order).cloned();
    assert!(found.is_some(), "no report of {order}: {reports:?}");
    found.unwrap()
}

/// How a report came to be matched.
pub(crate) async fn matches(user: &User, report: &Value) -> Vec<Value> {
    user.json(&format!("/v1/reports/{}", id(report, "id"))).await["matches"].as_array().unwrap().clone()
}

pub(crate) fn reasons(of: &Value) -> Vec<String> {
    of["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn patients(clinic: &Clinic) -> i64 {
    clinic.count(&format!("SELECT count(*) FROM {}.patients", clinic.tenants[0])).await
}
