//! From what the `ldt` reader found to what `labor-db` stores.
//! Must stay true: nothing is interpreted beyond the KBV's code lists, and nothing that was read is dropped.
use chrono::{DateTime, NaiveDate, Utc};
use labor_db::results::{NewDocument, NewObservation, NewReport, Subject, Unmapped};
use ldt::{
    Attachment, Comparator, Interpretation, Package, Patient, Report, ReportStatus, ResultStatus, TestResult, Value,
    Version,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::route;
use crate::admin::own_lanr;

/// What the `raw_messages.format` column says.
pub(crate) fn format(package: &Package) -> &'static str {
    match package.version {
        Version::Ldt2 => "LDT2",
        Version::Ldt3 => "LDT3",
    }
}

/// The warnings and the reports of a package.
pub(crate) fn message(package: &Package, received_at: DateTime<Utc>) -> (Json, Vec<NewReport>) {
    let warnings = package.warnings.iter().map(|w| json!({ "code": w.code(), "line": w.at.line })).collect();
    (warnings, package.reports.iter().map(|r| report(package, r, received_at)).collect())
}

fn report(package: &Package, report: &Report, received_at: DateTime<Utc>) -> NewReport {
    let reported_on = report.reported.as_deref().and_then(date);
    let unmapped = unmapped(package, report);
    let observations = observations(report, reported_on, received_at);
    NewReport {
        kind: report.kind.clone(),
        status: status(report),
        laboratory: route::laboratory(package).unwrap_or_default(),
        laboratory_name: package
            .laboratory
            .name
            .clone()
            .or_else(|| package.laboratory.bsnr.clone())
            .unwrap_or_default(),
        subject: report.patient.as_ref().map(subject).unwrap_or_default(),
        order_number: report.order_number.clone(),
        lab_order_number: report.lab_order_number.clone(),
        report_number: report.report_id.clone(),
        reported_on,
        critical: report.life_threatening || observations.iter().any(|o| o.critical && o.status != "cancelled"),
        // Not what is said of a result, which is its own.
        critical_whole: report.notices.iter().any(ldt::Notice::life_threatening),
        genetic: report.genetic,
        doctor_number: report.doctor_number.clone().filter(|number| own_lanr(number)),
        // LDT 3 field 8418 = 08: "final, corrected; invalidates all earlier results of this request for an examination" (E007). Which
        // examinations are meant the record says by holding them: what it does not mention stays (`results::chain`).
        invalidates_earlier: package.version == Version::Ldt3
            && report.results.iter().any(|r| r.status_code.as_deref() == Some("08")),
        notes: report.notes.clone(),
        unmapped,
        observations,
        documents: report.attachments.iter().map(document).collect(),
    }
}

/// What was read and has no column: of the record, of its results and attachments, and of the package around it.
fn unmapped(package: &Package, report: &Report) -> Vec<Unmapped> {
    let mut rows = Vec::new();
    let row =
        |field: &str, text: &str, of_message| Unmapped { field: field.to_owned(), text: text.to_owned(), of_message };
    let mut add = |field: &str, text: &str| rows.push(row(field, text, false));
    for (field, text) in [
        ("Requested", &report.requested),
        ("Received", &report.received),
        ("Doctor", &report.doctor_number),
        ("Site", &report.recipient.site_id),
        ("Customer number", &report.recipient.customer_number),
    ] {
        text.iter().for_each(|text| add(field, text));
    }
    report.notice_codes.iter().for_each(|code| add("7280", code));
    for result in &report.results {
        let test = &result.test_code;
        let said = [("7304", &result.result_id), ("measured", &result.measured_at), ("8428", &result.specimen_code)];
        for (field, text) in said {
            text.iter().for_each(|text| add(&format!("{test} {field}"), text));
        }
        result.notice_codes.iter().for_each(|code| add(&format!("{test} 7280"), code));
        for limits in result.values.iter().filter_map(|value| value.alarm.as_ref()) {
            let unit = limits.unit.as_deref().unwrap_or_default();
            limits.low.iter().for_each(|low| add(&format!("{test} alarm limit, low"), &format!("{low} {unit}")));
            limits.high.iter().for_each(|high| add(&format!("{test} alarm limit, high"), &format!("{high} {unit}")));
        }
    }
    for attachment in &report.attachments {
        for text in [&attachment.name, &attachment.document_type, &attachment.reference].into_iter().flatten() {
            add("Attachment", text);
        }
    }
    package.notes.iter().for_each(|note| add("Package", note));
    report.unmapped.iter().for_each(|field| add(&field.id.to_string(), &field.text));
    rows.extend(package.unmapped.iter().map(|field| row(&field.id.to_string(), &field.text, true)));
    rows
}

/// The weakest state among the results limits the whole: a report marked final that still waits for a value is partial. What nobody called
/// final is not shown as final: one without a state that is known, or of which nothing is left.
fn status(report: &Report) -> &'static str {
    let any = |status: ResultStatus| report.results.iter().any(|r| r.status == status);
    match report.status {
        ReportStatus::Partial => "partial",
        ReportStatus::Preliminary | ReportStatus::Unknown => "preliminary",
        _ if !report.results.is_empty() && report.results.iter().all(|r| r.status == ResultStatus::Cancelled) => {
            "cancelled"
        }
        _ if any(ResultStatus::Registered) || any(ResultStatus::Preliminary) => "partial",
        _ if any(ResultStatus::Corrected) => "corrected",
        _ => "final",
    }
}

fn subject(patient: &Patient) -> Subject {
    Subject {
        patient_number: patient.number.clone(),
        family_name: patient.family_name.clone(),
        given_name: patient.given_name.clone(),
        birth_date: patient.birth_date.as_deref().and_then(date),
        birth_date_text: patient.birth_date.clone().filter(|text| date(text).is_none()),
        sex: patient.sex.as_deref().map(|sex| match sex {
            "M" => "male",
            "W" => "female",
            "D" | "X" => "other",
            _ => "unknown",
        }),
        insurance_number: patient.insurance_number.clone(),
    }
}

/// One row per value; a test without a value yet has one row without one.
fn observations(report: &Report, reported_on: Option<NaiveDate>, received_at: DateTime<Utc>) -> Vec<NewObservation> {
    let mut rows = Vec::new();
    for result in &report.results {
        let effective_at = effective(result, reported_on, received_at);
        let empty = Value::default();
        let values = if result.values.is_empty() { std::slice::from_ref(&empty) } else { &result.values };
        for (nth, value) in values.iter().enumerate() {
            let mut row = observation(result, value, effective_at);
            row.position = rows.len();
            if nth > 0 {
                row.notes.clear();
            }
            rows.push(row);
        }
    }
    rows
}

fn observation(result: &TestResult, value: &Value, effective_at: DateTime<Utc>) -> NewObservation {
    let reference = value.reference.as_ref();
    let interpretation = value.interpretation.map(interpretation);
    NewObservation {
        id: Uuid::now_v7(),
        position: 0,
        test_code: result.test_code.clone(),
        test_name: result.test_name.clone(),
        loinc: result.loinc.clone(),
        specimen: result.specimen.clone().or_else(|| result.specimen_code.clone()),
        status: result_status(result.status),
        status_code: result.status_code.clone(),
        value_text: Some(value.text.clone()).filter(|text| !text.is_empty()),
        value_comparator: value.comparator.map(comparator),
        value_number: value.number.clone(),
        unit: value.unit.clone(),
        reference_text: reference.and_then(|r| r.text.clone()),
        reference_low: reference.and_then(|r| r.low.clone()),
        reference_high: reference.and_then(|r| r.high.clone()),
        reference_unit: reference.and_then(|r| r.unit.clone()),
        flag: value.flag.clone(),
        interpretation,
        // Extreme (8422), or beyond the laboratory's own alarm limits (7363, 7371).
        critical: result.life_threatening || !value.signals().is_empty(),
        alarm_open: value.has_open_alarm(),
        collected_at: result.collected_at.clone(),
        effective_at,
        notes: result.notes.clone(),
    }
}

fn result_status(status: ResultStatus) -> &'static str {
    match status {
        ResultStatus::Registered => "registered",
        ResultStatus::Preliminary => "preliminary",
        ResultStatus::Final => "final",
        ResultStatus::Corrected => "corrected",
        ResultStatus::Cancelled => "cancelled",
        _ => "unknown",
    }
}

fn comparator(comparator: Comparator) -> &'static str {
    match comparator {
        Comparator::Less => "<",
        Comparator::LessOrEqual => "<=",
        Comparator::Greater => ">",
        Comparator::GreaterOrEqual => ">=",
    }
}

fn interpretation(interpretation: Interpretation) -> &'static str {
    match interpretation {
        Interpretation::N => "N",
        Interpretation::L => "L",
        Interpretation::LU => "LU",
        Interpretation::LL => "LL",
        Interpretation::H => "H",
        Interpretation::HU => "HU",
        Interpretation::HH => "HH",
        Interpretation::A => "A",
    }
}

/// External references have no bytes here: their digest is that of the reference, their size 0.
fn document(attachment: &Attachment) -> NewDocument {
    let bytes = attachment.decode();
    let size_bytes = bytes.as_ref().map_or(0, Vec::len);
    let digested = bytes.unwrap_or_else(|| {
        attachment.reference.clone().or_else(|| attachment.base64.clone()).unwrap_or_default().into_bytes()
    });
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &digested).as_ref());
    NewDocument { media_type: attachment.media_type.clone(), sha256, size_bytes }
}

/// A complete date, and none of a partial one (`1966`, `1966-10`).
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()
}

/// For ordering a trend only. Times without an offset are taken as UTC: within a laboratory the order stays right.
fn effective(result: &TestResult, reported_on: Option<NaiveDate>, received_at: DateTime<Utc>) -> DateTime<Utc> {
    let collected = result.collected_at.as_deref().and_then(moment);
    collected
        .or_else(|| reported_on.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc()))
        .unwrap_or(received_at)
}

pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    for form in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(at) = chrono::NaiveDateTime::parse_from_str(text, form) {
            return Some(at.and_utc());
        }
    }
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%#z") {
        return Some(at.to_utc());
    }
    date(text).and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_called_final_is_not_final() {
        let package = ldt::read(include_bytes!("../../formats/ldt/tests/fixtures/good/Z01_LDT3_01_final.ldt")).unwrap();
        let mut report = package.reports[0].clone();
        assert_eq!(status(&report), "final");
        report.status = ReportStatus::Unknown;
        assert_eq!(status(&report), "preliminary");
        report.status = ReportStatus::Final;
        report.results[0].status = ResultStatus::Cancelled;
        assert_eq!(status(&report), "final");
        report.results.iter_mut().for_each(|result| result.status = ResultStatus::Cancelled);
        assert_eq!(status(&report), "cancelled");
    }
}
