//! `labor-ldt check`: whether files can be used.
//!
//! What must stay true: nothing of the content is printed, so that the output may be sent to the laboratory.

use std::io::{self, Write};

use ldt::{Location, Package};
use serde_json::{Value, json};

use crate::Outcome;

/// Checks one file.
pub(crate) fn file(out: &mut impl Write, file: &str, bytes: &[u8], json: bool, deny: bool) -> io::Result<Outcome> {
    let read = ldt::read(bytes);
    let outcome = match &read {
        Err(_) => Outcome::Refused,
        Ok(package) if deny && !package.warnings.is_empty() => Outcome::Refused,
        Ok(_) => Outcome::Fine,
    };
    if json {
        let object = match &read {
            Ok(package) => accepted(file, package),
            Err(error) => json!({
                "file": file, "ok": false,
                "error": { "code": error.code(), "text": error.to_string(), "at": error.location().map(place) },
            }),
        };
        writeln!(out, "{object}")?;
        return Ok(outcome);
    }
    match &read {
        Ok(package) => text(out, file, package)?,
        Err(error) => writeln!(out, "{file}: refused [{}]: {error}", error.code())?,
    }
    Ok(outcome)
}

fn text(out: &mut impl Write, file: &str, package: &Package) -> io::Result<()> {
    let reports = package.reports.len();
    writeln!(
        out,
        "{file}: ok, {}, {:?} ({} confidence{}), {reports} report{}, {} warning{}",
        package.specification,
        package.charset,
        package.confidence.code(),
        if package.transcoded { ", converted to UTF-8 on its way" } else { "" },
        if reports == 1 { "" } else { "s" },
        package.warnings.len(),
        if package.warnings.len() == 1 { "" } else { "s" },
    )?;
    for warning in &package.warnings {
        writeln!(out, "  warning [{}] {warning}", warning.code())?;
    }
    for signal in package.reports.iter().flat_map(ldt::Report::signals) {
        writeln!(out, "  signal [{}] line {}", signal.kind.code(), signal.place.line())?;
    }
    Ok(())
}

fn accepted(file: &str, package: &Package) -> Value {
    let warnings: Vec<Value> = package
        .warnings
        .iter()
        .map(|warning| {
            let text = warning.kind.text();
            json!({ "code": warning.code(), "text": text, "at": place(warning.at), "count": warning.count })
        })
        .collect();
    let signals = package.reports.iter().flat_map(ldt::Report::signals);
    let signals: Vec<Value> =
        signals.map(|signal| json!({ "code": signal.kind.code(), "line": signal.place.line() })).collect();
    json!({
        "file": file, "ok": true, "specification": package.specification, "charset": format!("{:?}", package.charset),
        "confidence": package.confidence.code(), "transcoded": package.transcoded,
        "reports": package.reports.len(), "results": package.reports.iter().map(|r| r.results.len()).sum::<usize>(),
        "warnings": warnings, "signals": signals,
    })
}

/// A place as JSON.
fn place(at: Location) -> Value {
    json!({ "line": at.line, "byte": at.offset, "field": at.field.map(|field| field.to_string()) })
}
