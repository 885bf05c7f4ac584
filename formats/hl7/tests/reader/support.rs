//! Samples: invented people, written for these tests.
use std::path::Path;

/// All samples of a folder, in the order of their names.
pub(crate) fn all(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5);
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

/// One good sample, read.
pub(crate) fn good(name: &str) -> hl7::Message {
    hl7::read(&bytes(name)).unwrap()
}

/// One good sample.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    all("good").into_iter().find(|(found, _)| found == name).unwrap().1
}

/// The codes of a message's warnings.
pub(crate) fn codes(message: &hl7::Message) -> Vec<&'static str> {
    message.warnings.iter().map(hl7::Warning::code).collect()
}

/// The one report of a message.
pub(crate) fn report(name: &str) -> hl7::Report {
    let mut message = good(name);
    assert_eq!(message.reports.len(), 1, "{name}");
    message.reports.remove(0)
}

/// The value of a test: its text, then its number with comparator.
pub(crate) fn values(report: &hl7::Report, code: &str) -> Vec<(String, String)> {
    let of_test = report.results.iter().filter(|result| result.code == code);
    let values = of_test.filter_map(|result| result.value.as_ref());
    let shown = values.map(|value| {
        let sign = value.comparator.map(|sign| sign.to_string()).unwrap_or_default();
        (value.text.clone(), format!("{sign}{}", value.number.clone().unwrap_or_default()))
    });
    shown.collect()
}

/// What a report says in the field of this name.
pub(crate) fn unmapped<'r>(report: &'r hl7::Report, name: &str) -> Vec<&'r str> {
    report.unmapped.iter().filter(|field| field.name == name).map(|field| field.text.as_str()).collect()
}
