//! Fixtures, and messages made from them: take one apart, change it, put it together with right lengths and sums.

use std::path::PathBuf;

use ldt::{Package, Report};

#[path = "../../fuzz/repair.rs"]
mod repair;
pub(crate) use repair::{Field, fields, render};

pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn good(name: &str) -> Vec<u8> {
    std::fs::read(folder("good").join(format!("{name}.ldt"))).unwrap()
}

pub(crate) fn broken(name: &str) -> Vec<u8> {
    std::fs::read(folder("broken").join(format!("{name}.ldt"))).unwrap()
}

/// All fixtures of a folder, by name.
pub(crate) fn all(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

pub(crate) fn field(id: &str, content: &str) -> Field {
    (id.to_owned(), content.as_bytes().to_vec())
}

/// Replaces the content of the first field with this id and content.
pub(crate) fn replace(message: &[u8], id: &str, old: &str, new: &[Field]) -> Vec<u8> {
    let mut fields = fields(message);
    let at = fields.iter().position(|(i, c)| i == id && c == old.as_bytes()).unwrap();
    fields.splice(at..=at, new.iter().cloned());
    render(&fields)
}

/// The codes of a package's warnings.
pub(crate) fn codes(package: &Package) -> Vec<&'static str> {
    package.warnings.iter().map(ldt::Warning::code).collect()
}

/// What a package says, without positions in the input.
pub(crate) fn content(package: &Package) -> Vec<Report> {
    let mut reports = package.reports.clone();
    for report in &mut reports {
        report.span = 0..0;
        for field in &mut report.unmapped {
            field.line = 0;
        }
    }
    reports
}
