//! LDT 3: cases the fixtures do not have.

use ldt::{Interpretation, Package, ResultStatus};

use crate::support::{codes, field, fields, good, render, replace};

fn with(id: &str, old: &str, new: &[(&str, &str)]) -> Vec<u8> {
    let new: Vec<_> = new.iter().map(|(id, content)| field(id, content)).collect();
    replace(&good("Z01_LDT3_01_final"), id, old, &new)
}

fn read(id: &str, old: &str, new: &[(&str, &str)]) -> Package {
    ldt::read(&with(id, old, new)).unwrap()
}

fn refused(id: &str, old: &str, new: &[(&str, &str)]) -> &'static str {
    ldt::read(&with(id, old, new)).unwrap_err().code()
}

/// Removes the object that an attribute announces.
fn without(message: &[u8], attribute: &str) -> Vec<u8> {
    let mut all = fields(message);
    let report = all.iter().position(|(id, content)| id == "8000" && content == b"8205").unwrap_or(0);
    let start = report + all[report..].iter().position(|(id, _)| id == attribute).unwrap();
    let mut depth = 0;
    let length = all[start..].iter().position(|(id, _)| {
        depth += i32::from(id == "8002") - i32::from(id == "8003");
        id == "8003" && depth == 0
    });
    all.drain(start..=start + length.unwrap());
    render(&all)
}

#[test]
fn the_recipient_is_never_somebody_else() {
    // No practice number: site id and customer number remain; the laboratory's 0201 is not taken.
    let package = read("0201", "123456700", &[("0200", "SITE-7")]);
    let recipient = &package.reports[0].recipient;
    assert_eq!((recipient.bsnr.as_deref(), recipient.site_id.as_deref()), (None, Some("SITE-7")));
    assert_eq!(recipient.customer_number.as_deref(), Some("4711"));
    let bare = without(&good("Z01_LDT3_01_final"), "8119");
    let package = ldt::read(&bare).unwrap();
    assert_eq!(package.reports[0].recipient.bsnr, None);
    assert_eq!(package.laboratory.bsnr.as_deref(), Some("987654300"));
    // A referring doctor's practice inside the sender, a second laboratory in the report.
    let other = [
        ("8240", "Ueberweisung_von_anderen_Aerzten"),
        ("8002", "Obj_0014"),
        ("8119", "Betriebsstaette"),
        ("8002", "Obj_0019"),
        ("0201", "333333300"),
        ("8003", "Obj_0019"),
        ("0212", "765432201"),
        ("8003", "Obj_0014"),
        ("8312", "4711"),
    ];
    let package = read("8312", "4711", &other);
    assert_eq!(package.reports[0].recipient.bsnr.as_deref(), Some("123456700"));
    assert_eq!(package.reports[0].doctor_number.as_deref(), Some("123456601"));
    let kept: Vec<_> = package.reports[0].unmapped.iter().map(|field| field.text.as_str()).collect();
    assert!(kept.contains(&"333333300") && kept.contains(&"765432201"));
    // Two recipients: refused.
    assert_eq!(refused("0201", "123456700", &[("0201", "123456700"), ("0201", "333333300")]), "repeated-field");
}

/// Of two doctors nobody is taken for the one who ordered it; the same one twice is one.
#[test]
fn of_two_ordering_doctors_neither_is_taken() {
    let doctor = |second: &str| read("0212", "123456601", &[("0212", "123456601"), ("0212", second)]).reports.remove(0);
    assert_eq!(doctor("123456601").doctor_number.as_deref(), Some("123456601"));
    let two = doctor("765432201");
    assert_eq!(two.doctor_number, None);
    let kept: Vec<_> = two.unmapped.iter().map(|field| field.text.as_str()).collect();
    assert!(kept.contains(&"123456601") && kept.contains(&"765432201"), "{kept:?}");
}

#[test]
fn mandatory_objects_and_fields() {
    let bytes = good("Z01_LDT3_01_final");
    for attribute in ["8122", "8117", "8137", "8135"] {
        assert_eq!(ldt::read(&without(&bytes, attribute)).unwrap_err().code(), "missing-field", "{attribute}");
    }
    for (id, content) in [
        ("8311", "2610080101"),
        ("7304", "E-K"),
        ("8418", "06"),
        ("8410", "K"),
        ("3101", "Müller"),
        ("0001", "LDT3.2.20"),
    ] {
        let content = if id == "3101" { "M\u{fc}ller" } else { content };
        let old: Vec<u8> = content.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let mut all = fields(&bytes);
        let at = all.iter().position(|(i, c)| i == id && *c == old).unwrap();
        all.remove(at);
        assert_eq!(ldt::read(&render(&all)).unwrap_err().code(), "missing-field", "{id}");
    }
    assert_eq!(codes(&ldt::read(&without(&bytes, "8145")).unwrap()), ["no-patient"]);
}

#[test]
fn several_values_stand_side_by_side() {
    let package = read(
        "8420",
        "0.93",
        &[
            ("8420", "0.93"),
            ("8419", "2"),
            ("8421", "mg/dl"),
            ("8420", "82.2"),
            ("8419", "1"),
            ("8421", "umol/l"),
            ("8420", "0.93"),
        ],
    );
    let values = &package.reports[0].results[1].values;
    let seen: Vec<_> = values.iter().map(|v| (v.text.as_str(), v.unit.as_deref(), v.si)).collect();
    assert_eq!(seen, [("0.93", Some("mg/dl"), false), ("82.2", Some("umol/l"), true), ("0.93", Some("mg/dl"), false)]);
}

#[test]
fn limits_never_change_the_value() {
    // The unit inside Obj_0042 is the limits' own.
    let mut all = fields(&good("Z01_LDT3_01_final"));
    let limit = all.iter().position(|(id, content)| id == "8461" && content == b"3.5").unwrap();
    all[limit + 2].1 = b"mval/l".to_vec();
    let package = ldt::read(&render(&all)).unwrap();
    let value = &package.reports[0].results[0].values[0];
    assert_eq!(value.unit.as_deref(), Some("mmol/l"));
    assert_eq!(value.reference.as_ref().unwrap().unit.as_deref(), Some("mval/l"));
    assert!(codes(&package).contains(&"reference-unit"));
}

#[test]
fn every_state() {
    for (code, expected) in [
        ("01", ResultStatus::Unknown),
        ("02", ResultStatus::Registered),
        ("03", ResultStatus::Preliminary),
        ("04", ResultStatus::Corrected),
        ("05", ResultStatus::Preliminary),
        ("06", ResultStatus::Final),
        ("07", ResultStatus::Final),
        ("08", ResultStatus::Corrected),
        ("09", ResultStatus::Cancelled),
        ("10", ResultStatus::Preliminary),
        ("11", ResultStatus::Cancelled),
        ("12", ResultStatus::Cancelled),
        ("77", ResultStatus::Unknown),
    ] {
        let package = read("8418", "06", &[("8418", code)]);
        assert_eq!(package.reports[0].results[0].status, expected, "{code}");
        assert_eq!(codes(&package).contains(&"status-contradiction"), ["02", "05", "10"].contains(&code), "{code}");
    }
}

#[test]
fn extreme_without_notice() {
    let package = read("8422", "N", &[("8422", "!-")]);
    assert_eq!(package.reports[0].results[0].values[0].interpretation, Some(Interpretation::LL));
    assert_eq!(codes(&package), ["extreme-without-notice"]);
    assert!(!package.reports[0].life_threatening);
}

#[test]
fn notices_are_found_everywhere() {
    let notice = [("8126", "Fehlermeldung_Aufmerksamkeit"), ("8002", "Obj_0026"), ("7280", "2"), ("8003", "Obj_0026")];
    for (id, content) in [("7305", "BEF-0101-1"), ("8430", "Serum"), ("3000", "PAT-0001")] {
        let new: Vec<_> = std::iter::once((id, content)).chain(notice).collect();
        let package = read(id, content, &new);
        assert!(package.reports[0].life_threatening, "{id}");
        assert!(package.reports[0].results.iter().all(|result| !result.life_threatening));
    }
}

#[test]
fn microbiology_is_readable() {
    let germ = [
        ("8003", "Obj_0060"),
        ("8161", "UE_Mikrobiologie"),
        ("8002", "Obj_0061"),
        ("7304", "E-M"),
        ("7364", "PR1"),
        ("8410", "UKULT"),
        ("8410", "RESI"),
        ("7281", "5"),
        ("8418", "06"),
        ("7354", "1"),
        ("7355", "Escherichia coli"),
        ("7301", "2"),
        ("7286", "1"),
        ("8111", "Antibiogramm"),
        ("8002", "Obj_0011"),
        ("7287", "AMP"),
        ("7370", "Ampicillin"),
        ("7367", "R"),
        ("8003", "Obj_0011"),
        ("8237", "Ergebnistext"),
        ("8002", "Obj_0068"),
        ("3564", "Erste Zeile"),
        ("3564", ""),
        ("3564", "Dritte Zeile"),
        ("8003", "Obj_0068"),
        ("8003", "Obj_0061"),
    ];
    let package = read("8003", "Obj_0060", &germ);
    let result = &package.reports[0].results[1];
    assert_eq!(result.test_code, "UKULT");
    for note in [
        "Keim/Pilz: Escherichia coli",
        "Ergebnis: nachweisbar (2)",
        "Wirkstoff oder Handelsname: Ampicillin",
        "Sensitivität: resistent (R)",
        "Erste Zeile\n\nDritte Zeile",
    ] {
        assert!(result.notes.iter().any(|n| n == note), "{note} in {:?}", result.notes);
    }
    assert_eq!(result.values[0].text, "Erste Zeile\n\nDritte Zeile");
    assert!(package.reports[0].unmapped.iter().any(|field| field.text == "RESI"));
    assert!(codes(&package).is_empty(), "{:?}", package.warnings);
}

#[test]
fn loinc_and_partial_birth_dates() {
    let package = read("8410", "K", &[("7260", "1"), ("7365", "2823-3"), ("7366", "Potassium")]);
    let result = &package.reports[0].results[0];
    assert_eq!((result.test_code.as_str(), result.loinc.as_deref()), ("2823-3", Some("2823-3")));
    assert_eq!(result.test_name.as_deref(), Some("Kalium"));
    for (sent, read_as) in
        [("19660000", Some("1966")), ("19661000", Some("1966-10")), ("00000000", None), ("19669999", None)]
    {
        let package = read("3103", "19661024", &[("3103", sent)]);
        assert_eq!(package.reports[0].patient.as_ref().unwrap().birth_date.as_deref(), read_as, "{sent}");
        assert_eq!(codes(&package).contains(&"invalid-date"), sent == "19669999");
    }
}

#[test]
fn structure_faults() {
    assert_eq!(refused("8003", "Obj_0060", &[]), "object-mismatch");
    assert_eq!(refused("8002", "Obj_0060", &[]), "object-mismatch");
    assert_eq!(refused("8002", "Obj_0060", &[("8002", "Objekt60")]), "object-mismatch");
    assert_eq!(refused("8002", "Obj_0022", &[("8002", "Obj_0014")]), "object-mismatch");
    assert_eq!(refused("8001", "8205", &[("8001", "8220")]), "object-mismatch");
    assert_eq!(refused("8001", "8205", &[("8001", "8205"), ("8420", "1")]), "misplaced-field");
    assert_eq!(refused("8000", "8205", &[("8000", "8215")]), "not-results");
    assert_eq!(refused("9300", "62b4f655af8e4e70fe189f5f8915e6e3699a7784", &[]), "missing-field");
    let sum = "62b4f655af8e4e70fe189f5f8915e6e3699a7784";
    assert_eq!(refused("9300", sum, &[("9300", ""), ("9300", "")]), "repeated-field");
    // What stands behind the sum is not held by it: kept, and warned of.
    let package = read("9300", sum, &[("9300", ""), ("9901", "smuggled")]);
    assert_eq!(codes(&package), ["misplaced-field"]);
    assert_eq!(package.unmapped.last().unwrap().text, "smuggled");
    let package = read("0001", "LDT3.2.20", &[("0001", "LDT3.2.17")]);
    assert_eq!(codes(&package), ["unknown-version"]);
}

#[test]
fn external_and_broken_attachments() {
    let anhang = |inner: &[(&'static str, &'static str)]| {
        let mut new = vec![("8110", "Anhang"), ("8002", "Obj_0010"), ("9970", "100")];
        new.extend(inner);
        new.extend([("6303", "PDF"), ("8003", "Obj_0010"), ("8001", "8205")]);
        read("8001", "8205", &new)
    };
    let package = anhang(&[("6305", "befund.pdf")]);
    assert_eq!(package.reports[0].attachments[0].reference.as_deref(), Some("befund.pdf"));
    assert!(codes(&package).is_empty());
    let package = anhang(&[("8242", "base64"), ("8002", "Obj_0068"), ("6329", "JVBE*"), ("8003", "Obj_0068")]);
    assert_eq!(codes(&package), ["invalid-attachment"]);
    assert_eq!(package.reports[0].attachments[0].base64.as_deref(), Some("JVBE*"));
}
