//! What other laboratories send: shapes that are legal or common, and not among the fixtures.

use ldt::tree::{Object, Record, Tree};
use ldt::{Charset, Confidence, Interpretation, Version};

use crate::objects::file;
use crate::support::{codes, content, fields, good, render};

/// A channel that writes CR LF for LF, over CR LF: each line end becomes CR CR LF.
#[test]
fn line_ends_that_were_doubled() {
    for name in ["Z01_ldt2_8201_iso885915", "Z01_LDT3_01_final"] {
        let bytes = good(name);
        let doubled: Vec<u8> =
            bytes.iter().flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] }).collect();
        let package = ldt::read(&doubled).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(content(&package), content(&ldt::read(&bytes).unwrap()));
        assert_eq!(codes(&package), ["line-ends", "blank-lines"]);
    }
}

/// The specification does not say whether 9202 counts the trailer.
#[test]
fn package_length_with_and_without_trailer() {
    let mut all = fields(&good("Z01_ldt2_8201_iso885915"));
    let sum = |all: &mut Vec<(String, Vec<u8>)>, change: usize| {
        let rendered = render(all);
        let text = String::from_utf8_lossy(&rendered[rendered.len() - 10..]).trim().parse::<usize>().unwrap();
        [&rendered[..rendered.len() - 10], format!("{:08}\r\n", text - change).as_bytes()].concat()
    };
    assert!(codes(&ldt::read(&sum(&mut all, 0)).unwrap()).is_empty());
    assert!(codes(&ldt::read(&sum(&mut all, 44)).unwrap()).is_empty());
    assert_eq!(codes(&ldt::read(&sum(&mut all, 1)).unwrap()), ["package-length"]);
}

/// Software on Windows: a typographic minus as indicator, in what should be ISO 8859-15.
#[test]
fn windows_signs_in_ldt3() {
    let object = Object::new(8160, "UE", 60)
        .field(7304, "E-1")
        .field(7364, "PR1")
        .field(8410, "NA")
        .field(8418, "06")
        .field(8420, "118")
        .field(8419, "1")
        .field(8421, "mmol/l")
        .field(8422, "\u{2013}");
    let tree = Tree { charset: Charset::Windows1252, ..Tree::read(&file(Vec::new())).unwrap() };
    assert!(Tree { charset: Charset::Latin9, ..tree.clone() }.write().is_ok());
    let mut tree = tree;
    for node in &mut tree.records[1].nodes {
        if let ldt::tree::Node::Object(inner) = node
            && inner.number == 35
        {
            *inner = inner.clone().object(object.clone());
        }
    }
    let package = ldt::read(&tree.write().unwrap()).unwrap();
    assert_eq!((package.charset, package.confidence), (Charset::Windows1252, Confidence::Medium));
    assert_eq!(package.reports[0].results[0].values[0].interpretation, Some(Interpretation::LU));
    assert_eq!(package.reports[0].patient.as_ref().unwrap().family_name.as_deref(), Some("Ähnlich"));
}

/// A letter: nothing but a document.
#[test]
fn a_report_that_is_only_a_document() {
    let base64 = Object::new(8242, "base64", 68).field(6329, "JVBERi0xLjQK");
    let document = Object::new(8110, "Anhang", 10).field(9970, "100").object(base64).field(6303, "PDF");
    let package = ldt::read(&file(vec![document])).unwrap();
    assert!(codes(&package).is_empty(), "{:?}", package.warnings);
    assert_eq!(package.reports[0].attachments[0].decode().as_deref(), Some(&b"%PDF-1.4\n"[..]));
    assert!(package.reports[0].results.is_empty());
}

/// Microbiology of LDT 2 that is one text, under no test.
#[test]
fn a_report_that_is_only_text() {
    let header = Tree::read(&good("Z01_ldt2_8201_iso885915")).unwrap().records[0].clone();
    let record = Record::new(8203)
        .field(8310, "A-1")
        .field(8301, "20261008")
        .field(8302, "20261008")
        .field(8401, "E")
        .field(8480, "Kein Wachstum nach 48 Stunden")
        .field(8490, "Befund telefonisch mitgeteilt");
    let tree = Tree::new(Version::Ldt2, Charset::Latin9).record(header).record(record).record(Record::new(8221));
    let package = ldt::read(&tree.write().unwrap()).unwrap();
    assert_eq!(codes(&package), ["misplaced-field", "no-patient"]);
    assert_eq!(package.reports[0].notes, ["Kein Wachstum nach 48 Stunden", "Befund telefonisch mitgeteilt"]);
}

/// A blood group without any id of the test, from an older version of the standard.
#[test]
fn an_older_version_and_a_result_without_name() {
    let object = Object::new(8155, "Blutgruppe", 55)
        .field(7304, "E-1")
        .field(7364, "PR1")
        .field(8418, "06")
        .field(3412, "0695-0");
    let bytes = file(vec![object]);
    let mut all = fields(&bytes);
    let version = all.iter().position(|(id, _)| id == "0001").unwrap();
    all[version].1 = b"LDT3.2.17".to_vec();
    let package = ldt::read(&render(&all)).unwrap();
    assert_eq!(codes(&package), ["unknown-version"]);
    assert_eq!(package.reports[0].results[0].test_code, "Obj_0055");
    assert_eq!(package.reports[0].results[0].notes, ["Blutgruppe (Eurocode): 0695-0"]);
}

/// How sure the charset is, for what laboratories really send.
#[test]
fn confidence_of_real_files() {
    let confidence = |bytes: &[u8]| ldt::read(bytes).unwrap().confidence;
    assert_eq!(confidence(&good("Z01_ldt2_8201_iso885915")), Confidence::High);
    assert_eq!(confidence(&good("X01_ldt2_8201_cp437")), Confidence::High);
    assert_eq!(confidence(&good("S01_ldt2_8201_din66003")), Confidence::High);
    // 9106 says DIN 66003, the bytes are CP437.
    let mut kirk = fields(&good("X01_ldt2_8201_cp437"));
    kirk.iter_mut().filter(|(id, _)| id == "9106").for_each(|(_, code)| *code = b"1".to_vec());
    assert_eq!(confidence(&render(&kirk)), Confidence::Medium);
    // Converted to UTF-8: the checksum of LDT 3 proves from what.
    let converted = Charset::Latin9.decode(&good("Z01_LDT3_01_final")).into_bytes();
    assert_eq!(confidence(&converted), Confidence::Certain);
}
