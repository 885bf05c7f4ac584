//! The writer: what was read is written byte for byte, and what cannot be written is refused.

use ldt::tree::{Node, Object, Record, Tree};
use ldt::{Charset, FieldId, Version};

use crate::support::{all, content, good};

#[test]
fn good_files_are_written_byte_for_byte() {
    for (name, bytes) in all("good") {
        let tree = Tree::read(&bytes).unwrap();
        assert!(tree.write().unwrap() == bytes, "{name}");
    }
}

#[test]
fn every_field_knows_its_line() {
    fn check(nodes: &[Node], lines: &[&[u8]], charset: Charset) -> usize {
        let mut seen = 0;
        for node in nodes {
            let (line, id, text) = match node {
                Node::Field(field) => (field.line, field.id, &field.text),
                Node::Object(object) => (object.line, object.attribute, &object.name),
            };
            let sent = charset.decode(lines[line - 1].strip_suffix(b"\r").unwrap());
            assert_eq!(sent.get(3..), Some(format!("{id}{text}").as_str()));
            seen += 1;
            if let Node::Object(object) = node {
                seen += check(&object.nodes, lines, charset);
            }
        }
        seen
    }
    for (name, bytes) in all("good") {
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let tree = Tree::read(&bytes).unwrap();
        let seen: usize = tree.records.iter().map(|record| check(&record.nodes, &lines, tree.charset)).sum();
        assert!(seen > 20, "{name}");
    }
}

/// A file that was written in one charset says the same in another.
#[test]
fn charsets_can_be_changed() {
    let mut tree = Tree::read(&good("Z01_ldt2_8201_iso885915")).unwrap();
    let latin = content(&ldt::read(&tree.write().unwrap()).unwrap());
    for charset in [Charset::Cp437, Charset::Latin1] {
        tree.charset = charset;
        let code = charset.code().unwrap();
        for node in &mut tree.records[0].nodes {
            if let Node::Field(field) = node
                && field.id == FieldId(9106)
            {
                field.text = code.to_owned();
            }
        }
        let package = ldt::read(&tree.write().unwrap()).unwrap();
        assert_eq!((package.charset, package.declared_charset), (charset, Some(charset)));
        assert!(package.warnings.is_empty(), "{charset:?}: {:?}", package.warnings);
        assert_eq!(content(&package), latin);
    }
}

/// Media records and several packages in one file.
#[test]
fn media_records_and_second_packages_have_their_own_sums() {
    let one = Tree::read(&good("Z01_ldt2_8201_iso885915")).unwrap();
    let media = Record::new(20).field(9105, "001").field(9106, "4").field(9103, "20261008");
    let mut both = Tree::new(Version::Ldt2, Charset::Latin9).record(media);
    both.records.extend(one.records.clone());
    both.records.extend(one.records.clone());
    both.records.push(Record::new(21));
    let bytes = both.write().unwrap();
    let package = ldt::read(&bytes).unwrap();
    assert_eq!(package.warnings.iter().map(ldt::Warning::code).collect::<Vec<_>>(), ["several-packages"]);
    assert!(package.unmapped.iter().any(|field| field.id == FieldId(9105)));
    assert_eq!(Tree::read(&bytes).unwrap().write().unwrap(), bytes);
    // A lost digit in a media record is noticed, too.
    let damaged = String::from_utf8_lossy(&bytes).replacen("0129105001", "012910501", 1);
    assert_eq!(ldt::read(damaged.as_bytes()).unwrap_err().code(), "length-mismatch");
    // LDT 3 has no media records.
    let mut tree = Tree::read(&good("Z01_LDT3_01_final")).unwrap();
    tree.records.insert(0, Record::new(20).object(Object::new(8132, "Kopfdaten", 32).field(1, "x")));
    assert_eq!(ldt::read(&tree.write().unwrap()).unwrap_err().code(), "unsupported-record");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let write = |version, record: Record| {
        let error = Tree::new(version, Charset::Latin9).record(record).write().unwrap_err();
        assert!(!error.to_string().contains("Secret"), "{error}");
        error.code()
    };
    let flat = |id, text: &str| write(Version::Ldt2, Record::new(8201).field(id, text));
    assert_eq!(flat(8480, "Secret\nline"), "line-break");
    assert_eq!(flat(8480, "Secret\rline"), "line-break");
    assert_eq!(flat(8480, &"x".repeat(991)), "too-long");
    assert_eq!(flat(8480, "Secret \u{4e2d}"), "not-in-charset");
    assert_eq!(flat(8000, "8220"), "structural-field");
    assert_eq!(flat(8100, "00044"), "structural-field");
    assert_eq!(flat(10_000, "x"), "field-id");
    assert_eq!(write(Version::Ldt2, Record::new(10_000)), "record-type");
    let sum = |version, id| write(version, Record::new(8221).field(id, "1"));
    assert_eq!((sum(Version::Ldt2, 9202), sum(Version::Ldt3, 9300)), ("structural-field", "structural-field"));
    let patient = Object::new(8145, "Patient", 45);
    assert_eq!(write(Version::Ldt2, Record::new(8201).object(patient.clone())), "object-in-ldt2");
    let nested = |object| write(Version::Ldt3, Record::new(8205).object(object));
    assert_eq!(nested(Object::new(8000, "Patient", 45)), "no-attribute");
    assert_eq!(nested(Object::new(8145, "Patient", 10_000)), "no-attribute");
    assert_eq!(nested(patient.clone().field(8147, "Secret")), "structural-field");
    let deep = (0..64).fold(patient, |inner, _| Object::new(8145, "Patient", 45).object(inner));
    assert_eq!(nested(deep), "tree-too-deep");
}
