//! `labor-ldt show`: a file for people, either as reports or line by line.
//!
//! What must stay true: control characters of a message never reach the terminal.

use std::io::{self, Write};

use ldt::tree::{Node, Tree};
use ldt::{Dictionary, Package, Report, TestResult, Value, Version};

use crate::{Outcome, input};

/// The reports of a file.
pub(crate) fn file(out: &mut impl Write, err: &mut impl Write, file: &str, bytes: &[u8]) -> io::Result<Outcome> {
    let package = match ldt::read(bytes) {
        Ok(package) => package,
        Err(error) => return input::refused(err, file, &error),
    };
    let names = Dictionary::new();
    head(out, file, &package)?;
    for report in &package.reports {
        report_lines(out, report)?;
        for result in &report.results {
            result_lines(out, result)?;
        }
        tail(out, report, &package, &names)?;
    }
    Ok(Outcome::Fine)
}

/// Without control characters: a message could otherwise command the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn or_dash(value: Option<&String>) -> String {
    value.map_or_else(|| "-".to_owned(), |text| clean(text))
}

fn head(out: &mut impl Write, file: &str, package: &Package) -> io::Result<()> {
    let laboratory = &package.laboratory;
    writeln!(
        out,
        "{file}\n  {} {:?} ({}), laboratory {} ({}), made {}",
        clean(&package.specification),
        package.charset,
        package.confidence.code(),
        or_dash(laboratory.name.as_ref()),
        or_dash(laboratory.bsnr.as_ref()),
        or_dash(package.created.as_ref())
    )?;
    for warning in &package.warnings {
        writeln!(out, "  warning [{}] {warning}", warning.code())?;
    }
    Ok(())
}

fn report_lines(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let recipient = &report.recipient;
    writeln!(
        out,
        "  {} {:?}, lines {}-{}, to {}/{}/{}, order {} ({}), report {}, doctor {}",
        report.kind,
        report.status,
        report.place.lines().start(),
        report.place.lines().end(),
        or_dash(recipient.bsnr.as_ref()),
        or_dash(recipient.site_id.as_ref()),
        or_dash(recipient.customer_number.as_ref()),
        or_dash(report.order_number.as_ref()),
        or_dash(report.lab_order_number.as_ref()),
        or_dash(report.report_id.as_ref()),
        or_dash(report.doctor_number.as_ref())
    )?;
    if let Some(patient) = &report.patient {
        writeln!(
            out,
            "    patient {}, {}, born {}, {}, number {}, insurance {}",
            or_dash(patient.family_name.as_ref()),
            or_dash(patient.given_name.as_ref()),
            or_dash(patient.birth_date.as_ref()),
            or_dash(patient.sex.as_ref()),
            or_dash(patient.number.as_ref()),
            or_dash(patient.insurance_number.as_ref())
        )?;
    }
    if report.genetic {
        writeln!(out, "    GENETIC: section 11 GenDG applies")?;
    }
    for signal in report.signals() {
        writeln!(out, "    SIGNAL {} (line {})", signal.kind.code(), signal.place.line())?;
    }
    Ok(())
}

fn result_lines(out: &mut impl Write, result: &TestResult) -> io::Result<()> {
    writeln!(
        out,
        "    {:<10} {} {:?}, {}, taken {} (line {})",
        clean(&result.test_code),
        or_dash(result.test_name.as_ref()),
        result.status,
        or_dash(result.specimen.as_ref()),
        or_dash(result.collected_at.as_ref()),
        result.place.line()
    )?;
    for value in &result.values {
        value_line(out, value)?;
    }
    for note in result.notes.iter().flat_map(|note| note.split('\n')) {
        writeln!(out, "        | {}", clean(note))?;
    }
    Ok(())
}

fn value_line(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let reference = value.reference.as_ref();
    let (alarm, unit) = (value.alarm.as_ref(), value.unit.as_deref().unwrap_or_default());
    write!(out, "      = {} {} (line {})", clean(&value.text), clean(unit), value.place.line())?;
    if let Some(flag) = &value.flag {
        let meaning = value.interpretation.map_or_else(|| "?".to_owned(), |meaning| format!("{meaning:?}"));
        write!(out, ", {} ({meaning})", clean(flag))?;
    }
    if let Some(reference) = reference {
        let text = reference.text.as_ref().map(|text| clean(text)).unwrap_or_default();
        let (low, high) = (or_dash(reference.low.as_ref()), or_dash(reference.high.as_ref()));
        write!(out, ", normal {low}..{high}{}{text}", if text.is_empty() { "" } else { " " })?;
    }
    if let Some(alarm) = alarm {
        write!(out, ", alarm {}..{}", or_dash(alarm.low.as_ref()), or_dash(alarm.high.as_ref()))?;
    }
    writeln!(out)
}

fn tail(out: &mut impl Write, report: &Report, package: &Package, names: &Dictionary) -> io::Result<()> {
    for note in report.notes.iter().flat_map(|note| note.split('\n')) {
        writeln!(out, "    note: {}", clean(note))?;
    }
    for attachment in &report.attachments {
        let size = attachment.decode().map_or(0, |bytes| bytes.len());
        writeln!(
            out,
            "    attachment {} {size} bytes {}",
            attachment.media_type,
            or_dash(attachment.reference.as_ref())
        )?;
    }
    let kind = report.kind.parse().unwrap_or_default();
    for field in &report.unmapped {
        let name = names.field(package.version, field.object.unwrap_or(kind), field.id).unwrap_or("?");
        writeln!(out, "    {} {name}: {} (line {})", field.id, clean(&field.text), field.line)?;
    }
    Ok(())
}

/// Every line with its name, indented by objects.
pub(crate) fn tree(out: &mut impl Write, err: &mut impl Write, file: &str, bytes: &[u8]) -> io::Result<Outcome> {
    let tree = match Tree::read(bytes) {
        Ok(tree) => tree,
        Err(error) => return input::refused(err, file, &error),
    };
    let names = Dictionary::new();
    writeln!(out, "{file}")?;
    for record in &tree.records {
        writeln!(out, "{:>6}  {:04}", record.line, record.kind)?;
        branch(out, &names, tree.version, record.kind, &record.nodes, 1)?;
    }
    Ok(Outcome::Fine)
}

fn branch(
    out: &mut impl Write,
    names: &Dictionary,
    version: Version,
    place: u16,
    nodes: &[Node],
    depth: usize,
) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    for node in nodes {
        match node {
            Node::Field(field) => {
                let name = names.field(version, place, field.id).unwrap_or("?");
                let meaning = names.meaning(version, field.id, &field.text);
                let meaning = meaning.map(|meaning| format!("  [{meaning}]")).unwrap_or_default();
                writeln!(out, "{:>6}  {indent}{} {name}: {}{meaning}", field.line, field.id, clean(&field.text))?;
            }
            Node::Object(object) => {
                let name = clean(&object.name);
                writeln!(out, "{:>6}  {indent}{} {name} ({})", object.line, object.attribute, object.title())?;
                branch(out, names, version, object.number, &object.nodes, depth + 1)?;
            }
        }
    }
    Ok(())
}
