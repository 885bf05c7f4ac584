//! Fixtures, and messages made from them: take one apart, change it, put it together with right lengths and sums.

use std::path::PathBuf;

use ldt::{Package, Report};

pub(crate) type Field = (String, Vec<u8>);

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

/// Takes a well-formed message apart.
pub(crate) fn fields(message: &[u8]) -> Vec<Field> {
    message
        .split(|byte| *byte == b'\n')
        .filter(|line| line.len() > 7)
        .map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (String::from_utf8_lossy(&line[3..7]).into_owned(), line[7..].to_vec())
        })
        .collect()
}

pub(crate) fn field(id: &str, content: &str) -> Field {
    (id.to_owned(), content.as_bytes().to_vec())
}

fn line(id: &str, content: &[u8]) -> Vec<u8> {
    let mut line = format!("{:03}{id}", content.len() + 9).into_bytes();
    line.extend_from_slice(content);
    line.extend_from_slice(b"\r\n");
    line
}

/// Puts fields together; 8100, 9202 and 9300 are computed anew.
pub(crate) fn render(fields: &[Field]) -> Vec<u8> {
    let mut message = Vec::new();
    let nested = fields.iter().any(|(id, _)| id == "8002");
    let length = |(_, content): &Field| content.len() + 9;
    let mut package = 0;
    for (index, (id, content)) in fields.iter().enumerate() {
        match id.as_str() {
            "8100" if !nested => {
                let record = fields[index..].iter().take_while(|(id, _)| id != "8000").map(length).sum::<usize>() + 13;
                package += record;
                message.extend(line(id, format!("{record:05}").as_bytes()));
            }
            "9202" if !nested => message.extend(line(id, format!("{package:08}").as_bytes())),
            "9300" if nested => {
                use sha1::Digest;
                let sum = hex::encode(sha1::Sha1::digest(&message));
                message.extend(line(id, sum.as_bytes()));
            }
            _ => message.extend(line(id, content)),
        }
    }
    message
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
