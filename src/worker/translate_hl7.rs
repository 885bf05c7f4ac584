//! From what the `hl7` reader found to what `labor-db` stores.
//! Must stay true: nothing that was read is dropped; what the laboratory took back is no value; number and time of the transmission are
//! not in a report, so that a resend is recognised.
use chrono::{DateTime, NaiveDate, Utc};
use hl7::{Attachment, Message, Patient, Report, ReportStatus, ResultStatus, Sex, TestResult};
use labor_db::results::{NewDocument, NewObservation, NewReport, Subject, Unmapped};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::route;
use super::translate::{date, moment};
use crate::admin::own_lanr;

/// The warnings and the reports of a message.
pub(crate) fn message(message: &Message, received_at: DateTime<Utc>) -> (Json, Vec<NewReport>) {
    let place = |w: &hl7::Warning| json!({ "code": w.code(), "segment": w.at.segment, "field": w.at.field });
    let reports = message.reports.iter().map(|r| report(message, r, received_at));
    (message.warnings.iter().map(place).collect(), reports.collect())
}

fn report(message: &Message, report: &Report, received_at: DateTime<Utc>) -> NewReport {
    let reported_on = report.reported.as_deref().and_then(date);
    let observations: Vec<_> = report
        .results
        .iter()
        .enumerate()
        .map(|(position, result)| observation(result, position, reported_on, received_at))
        .collect();
    NewReport {
        // The message type, where LDT has its record type: versions of a report are of one format.
        kind: "ORU^R01".to_owned(),
        status: match report.status {
            ReportStatus::Registered => "registered",
            ReportStatus::Partial => "partial",
            ReportStatus::Preliminary => "preliminary",
            ReportStatus::Final => "final",
            ReportStatus::Corrected => "corrected",
            ReportStatus::Cancelled => "cancelled",
        },
        laboratory: route::hl7_laboratory(message),
        laboratory_name: message.laboratory.name.clone(),
        subject: report.patient.as_ref().map(subject).unwrap_or_default(),
        order_number: report.order_number.clone(),
        lab_order_number: report.lab_order_number.clone(),
        report_number: None,
        reported_on,
        critical: observations.iter().any(|o| o.critical && o.status != "cancelled"),
        critical_whole: false,
        genetic: report.genetic,
        doctor_number: report.doctor_number.clone().filter(|number| own_lanr(number)),
        // HL7 has no code for it: D and W take back single values.
        invalidates_earlier: false,
        notes: report.notes.clone(),
        unmapped: unmapped(report),
        observations,
        documents: report.attachments.iter().map(document).collect(),
    }
}

/// What has no column, and what a column takes only if it is complete.
fn unmapped(report: &Report) -> Vec<Unmapped> {
    let row = |field: &str, text: &str| Unmapped { field: field.to_owned(), text: text.to_owned(), of_message: false };
    let mut rows = Vec::new();
    rows.extend(report.reported.as_deref().filter(|text| date(text).is_none()).map(|text| row("OBR-22", text)));
    rows.extend(report.attachments.iter().filter_map(|a| a.reference.as_deref()).map(|text| row("Attachment", text)));
    rows.extend(report.unmapped.iter().map(|field| row(&field.name, &field.text)));
    rows
}

fn subject(patient: &Patient) -> Subject {
    Subject {
        patient_number: patient.number.clone(),
        family_name: patient.family_name.clone(),
        given_name: patient.given_name.clone(),
        birth_date: patient.birth_date.as_deref().and_then(date),
        birth_date_text: patient.birth_date.clone().filter(|text| date(text).is_none()),
        sex: patient.sex.map(|sex| match sex {
            Sex::Male => "male",
            Sex::Female => "female",
            Sex::Other => "other",
            Sex::Unknown => "unknown",
        }),
        insurance_number: patient.insurance_number.clone(),
    }
}

fn observation(
    result: &TestResult,
    position: usize,
    reported_on: Option<NaiveDate>,
    received_at: DateTime<Utc>,
) -> NewObservation {
    let value = result.value.as_ref();
    let reported = reported_on.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
    NewObservation {
        id: Uuid::now_v7(),
        position,
        test_code: result.code.clone(),
        test_name: result.name.clone(),
        loinc: result.loinc.clone(),
        specimen: result.specimen.clone(),
        status: match result.status {
            ResultStatus::Registered => "registered",
            ResultStatus::Preliminary => "preliminary",
            ResultStatus::Final => "final",
            ResultStatus::Corrected => "corrected",
            // With D or W as its code, by which `labor_db` knows that the value sent before is covered.
            ResultStatus::Cancelled | ResultStatus::Withdrawn => "cancelled",
            ResultStatus::Unknown => "unknown",
        },
        status_code: result.status_code.clone(),
        value_text: value.map(|value| value.text.clone()),
        value_comparator: value.and_then(|value| value.comparator).map(comparator),
        value_number: value.and_then(|value| value.number.clone()),
        unit: result.unit.clone(),
        reference_text: result.range.clone(),
        reference_low: result.low.clone(),
        reference_high: result.high.clone(),
        reference_unit: None,
        flag: result.flag.clone(),
        interpretation: result.interpretation.map(interpretation),
        critical: result.critical,
        // HL7 has no alarm limits.
        alarm_open: false,
        collected_at: result.collected.clone(),
        effective_at: result.collected.as_deref().and_then(moment).or(reported).unwrap_or(received_at),
        notes: result.notes.clone(),
    }
}

fn comparator(comparator: hl7::Comparator) -> &'static str {
    match comparator {
        hl7::Comparator::Less => "<",
        hl7::Comparator::LessOrEqual => "<=",
        hl7::Comparator::Greater => ">",
        hl7::Comparator::GreaterOrEqual => ">=",
    }
}

fn interpretation(interpretation: hl7::Interpretation) -> &'static str {
    match interpretation {
        hl7::Interpretation::N => "N",
        hl7::Interpretation::L => "L",
        hl7::Interpretation::H => "H",
        hl7::Interpretation::A => "A",
        hl7::Interpretation::LL => "LL",
        hl7::Interpretation::HH => "HH",
        hl7::Interpretation::AA => "AA",
    }
}

/// A reference has no bytes here: its digest is that of the reference, its size 0.
fn document(attachment: &Attachment) -> NewDocument {
    let reference = attachment.reference.as_deref().unwrap_or_default().as_bytes();
    let digested = attachment.bytes.as_deref().unwrap_or(reference);
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, digested).as_ref());
    let size_bytes = attachment.bytes.as_ref().map_or(0, Vec::len);
    NewDocument { media_type: attachment.media_type.clone(), sha256, size_bytes }
}
