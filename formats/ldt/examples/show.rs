//! Prints an LDT file as a table: `cargo run -p ldt --example show -- FILE…`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

use std::process::ExitCode;

use ldt::{Package, Report, TestResult, Value};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        println!("== {path}");
        match std::fs::read(&path) {
            Err(error) => {
                eprintln!("cannot read: {error}");
                code = ExitCode::FAILURE;
            }
            Ok(bytes) => match ldt::read(&bytes) {
                Ok(package) => show(&package),
                Err(error) => {
                    println!("   refused [{}]: {error}", error.code());
                    code = ExitCode::FAILURE;
                }
            },
        }
    }
    code
}

fn text(value: Option<&String>) -> &str {
    value.map_or("-", String::as_str)
}

fn show(package: &Package) {
    let laboratory = &package.laboratory;
    println!(
        "   {} {:?} transcoded={} lab={} ({}) created={}",
        package.specification,
        package.charset,
        package.transcoded,
        text(laboratory.name.as_ref()),
        text(laboratory.bsnr.as_ref()),
        text(package.created.as_ref())
    );
    for warning in &package.warnings {
        println!("   warning [{}] {warning}", warning.code());
    }
    for report in &package.reports {
        report_lines(report);
    }
}

fn report_lines(report: &Report) {
    let recipient = &report.recipient;
    println!(
        "   {} {:?} to {}/{}/{} order {} ({}) report {} doctor {} dates {}/{}/{} genetic={} threat={}",
        report.kind,
        report.status,
        text(recipient.bsnr.as_ref()),
        text(recipient.site_id.as_ref()),
        text(recipient.customer_number.as_ref()),
        text(report.order_number.as_ref()),
        text(report.lab_order_number.as_ref()),
        text(report.report_id.as_ref()),
        text(report.doctor_number.as_ref()),
        text(report.requested.as_ref()),
        text(report.received.as_ref()),
        text(report.reported.as_ref()),
        report.genetic,
        report.life_threatening
    );
    if let Some(patient) = &report.patient {
        println!(
            "      patient {}, {} *{} {} {} {}",
            text(patient.family_name.as_ref()),
            text(patient.given_name.as_ref()),
            text(patient.birth_date.as_ref()),
            text(patient.sex.as_ref()),
            text(patient.number.as_ref()),
            text(patient.insurance_number.as_ref())
        );
    }
    for result in &report.results {
        result_lines(result);
    }
    for note in &report.notes {
        println!("      note: {note}");
    }
    for attachment in &report.attachments {
        let size = attachment.decode().map_or(0, |bytes| bytes.len());
        println!("      attachment {} {size} bytes {}", attachment.media_type, text(attachment.reference.as_ref()));
    }
    let rest: Vec<String> = report.unmapped.iter().map(|field| format!("{}={}", field.id, field.text)).collect();
    println!("      unmapped: {}", rest.join(" "));
}

fn result_lines(result: &TestResult) {
    println!(
        "      {:10} {:30} {:?} {} {} at {} {}",
        result.test_code,
        text(result.test_name.as_ref()),
        result.status,
        text(result.status_code.as_ref()),
        text(result.specimen.as_ref()),
        text(result.collected_at.as_ref()),
        if result.life_threatening { "LIFE-THREATENING" } else { "" }
    );
    for value in &result.values {
        value_line(value);
    }
    for note in &result.notes {
        println!("         | {note}");
    }
}

fn value_line(value: &Value) {
    let reference = value.reference.as_ref();
    let comparator = value.comparator.map(|comparator| comparator.to_string()).unwrap_or_default();
    println!(
        "         {:?} = {comparator}{} {} [{} {:?}] normal {}..{} {} alarm {}..{}",
        value.text,
        text(value.number.as_ref()),
        text(value.unit.as_ref()),
        text(value.flag.as_ref()),
        value.interpretation,
        text(reference.and_then(|r| r.low.as_ref())),
        text(reference.and_then(|r| r.high.as_ref())),
        text(reference.and_then(|r| r.text.as_ref())),
        text(value.alarm.as_ref().and_then(|a| a.low.as_ref())),
        text(value.alarm.as_ref().and_then(|a| a.high.as_ref()))
    );
}
