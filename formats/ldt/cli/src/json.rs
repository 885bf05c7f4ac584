//! `labor-ldt json`: the model as JSON, one object for each file.
//!
//! What must stay true: numbers stay texts (`"2.10"` is not 2.1), and every value has its line.

use std::io::{self, Write};

use ldt::{
    Attachment, Charge, Coded, Limits, Notice, Package, Patient, Place, Recall, Reference, Report, Sent, TestResult,
    Value,
};
use serde_json::json;

use crate::{Outcome, input};

mod details;

/// JSON of one file.
pub(crate) fn file(
    out: &mut impl Write,
    err: &mut impl Write,
    file: &str,
    bytes: &[u8],
    attachments: bool,
) -> io::Result<Outcome> {
    match ldt::read(bytes) {
        Ok(package) => writeln!(out, "{}", whole(file, &package, attachments))?,
        Err(error) => return input::refused(err, file, &error),
    }
    Ok(Outcome::Fine)
}

fn whole(file: &str, package: &Package, attachments: bool) -> serde_json::Value {
    let laboratory = &package.laboratory;
    let warnings = package.warnings.iter();
    json!({
        "file": file,
        "specification": package.specification,
        "charset": format!("{:?}", package.charset),
        "confidence": package.confidence.code(),
        "transcoded": package.transcoded,
        "created": package.created,
        "laboratory": {
            "name": laboratory.name, "bsnr": laboratory.bsnr, "site_id": laboratory.site_id,
            "test_number": laboratory.test_number, "sender_id": laboratory.sender_id, "software": laboratory.software,
        },
        "warnings": list(warnings, |w| json!({ "code": w.code(), "line": w.at.line, "count": w.count })),
        "reports": list(&package.reports, |r| report(r, attachments)),
        "unmapped": list(&package.unmapped, field),
        "notes": package.notes,
    })
}

fn list<T>(items: impl IntoIterator<Item = T>, one: impl FnMut(T) -> serde_json::Value) -> serde_json::Value {
    items.into_iter().map(one).collect()
}

fn lines(place: Place) -> serde_json::Value {
    json!([place.lines().start(), place.lines().end()])
}

fn sent(sent: &Sent) -> serde_json::Value {
    json!({ "text": sent.text, "line": sent.place.line() })
}

fn coded(coded: &Coded) -> serde_json::Value {
    json!({ "code": coded.code, "meaning": coded.meaning, "line": coded.place.line() })
}

fn field(field: &ldt::Field) -> serde_json::Value {
    json!({ "id": field.id.to_string(), "object": field.object, "text": field.text, "line": field.line })
}

fn report(report: &Report, attachments: bool) -> serde_json::Value {
    let recipient = &report.recipient;
    json!({
        "kind": report.kind,
        "lines": lines(report.place),
        "recipient": {
            "bsnr": recipient.bsnr, "site_id": recipient.site_id, "customer_number": recipient.customer_number,
        },
        "order_number": report.order_number,
        "lab_order_number": report.lab_order_number,
        "report_id": report.report_id,
        "status": format!("{:?}", report.status),
        "status_code": report.status_code,
        "requested": report.requested,
        "received": report.received,
        "reported": report.reported,
        "doctor_number": report.doctor_number,
        "patient": report.patient.as_ref().map(patient),
        "genetic": report.genetic,
        "signals": list(report.signals(), |s| json!({ "code": s.kind.code(), "line": s.place.line() })),
        "notices": list(&report.notices, notice),
        "recall": report.recall.as_ref().map(recall),
        "results": list(&report.results, result),
        "notes": report.notes,
        "attachments": list(&report.attachments, |a| attachment(a, attachments)),
        "unmapped": list(&report.unmapped, field),
    })
}

fn patient(patient: &Patient) -> serde_json::Value {
    json!({
        "number": patient.number, "family_name": patient.family_name, "given_name": patient.given_name,
        "title": patient.title, "name_prefix": patient.name_prefix, "name_suffix": patient.name_suffix,
        "birth_date": patient.birth_date, "sex": patient.sex, "insurance_number": patient.insurance_number,
        "animal": patient.animal, "line": patient.place.line(),
    })
}

fn notice(notice: &Notice) -> serde_json::Value {
    json!({
        "lines": lines(notice.place), "reasons": list(&notice.reasons, coded), "texts": notice.texts,
        "persons": list(&notice.persons, sent), "recall": notice.recall.as_ref().map(recall),
    })
}

fn recall(recall: &Recall) -> serde_json::Value {
    json!({ "recommended": coded(&recall.recommended), "at": list(&recall.at, |at| json!(at.iso)) })
}

fn result(result: &TestResult) -> serde_json::Value {
    json!({
        "lines": lines(result.place),
        "result_id": result.result_id,
        "test_code": result.test_code,
        "test_name": result.test_name,
        "loinc": result.loinc,
        "status": format!("{:?}", result.status),
        "status_code": result.status_code,
        "values": list(&result.values, value),
        "notes": result.notes,
        "collected_at": result.collected_at,
        "measured_at": result.measured_at,
        "specimen": result.specimen,
        "specimen_code": result.specimen_code,
        "genetic": result.genetic,
        "notices": list(&result.notices, notice),
        "charges": list(&result.charges, charge),
        "details": result.details.as_deref().map(details::details),
    })
}

fn value(value: &Value) -> serde_json::Value {
    json!({
        "text": value.text, "line": value.place.line(),
        "comparator": value.comparator.map(|comparator| comparator.to_string()),
        "number": value.number, "unit": value.unit, "si": value.si, "flag": value.flag,
        "interpretation": value.interpretation.map(|interpretation| format!("{interpretation:?}")),
        "form": value.form.as_ref().map(coded), "from_text": value.from_text,
        "reference": value.reference.as_ref().map(reference), "alarm": value.alarm.as_ref().map(limits),
        "further": list(&value.further, |normal| json!({
            "reference": normal.reference.as_ref().map(reference),
            "alarm": normal.alarm.as_ref().map(limits),
            "flag": normal.flag.as_ref().map(sent),
        })),
    })
}

fn reference(reference: &Reference) -> serde_json::Value {
    json!({
        "text": reference.text, "low": reference.low, "high": reference.high, "unit": reference.unit,
        "specification": reference.specification.as_ref().map(coded), "lines": lines(reference.place),
    })
}

fn limits(limits: &Limits) -> serde_json::Value {
    json!({ "low": limits.low, "high": limits.high, "unit": limits.unit, "lines": lines(limits.place) })
}

fn charge(charge: &Charge) -> serde_json::Value {
    json!({
        "code": charge.code.as_ref().map(sent), "info": charge.info.as_ref().map(coded),
        "tariff": charge.tariff.as_ref().map(coded), "cents": charge.cents.as_ref().map(sent),
        "multiplier": charge.multiplier.as_ref().map(sent), "reasons": list(&charge.reasons, sent),
        "examination": charge.examination.as_ref().map(sent), "settled": charge.settled.as_ref().map(sent),
    })
}

fn attachment(attachment: &Attachment, content: bool) -> serde_json::Value {
    json!({
        "media_type": attachment.media_type, "format": attachment.format, "document_type": attachment.document_type,
        "name": attachment.name, "reference": attachment.reference, "lines": lines(attachment.place),
        "size": attachment.decode().map(|bytes| bytes.len()),
        "base64": attachment.base64.as_ref().filter(|_| content),
    })
}
