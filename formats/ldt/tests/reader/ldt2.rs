//! LDT 2: cases the fixtures do not have.

use ldt::{Interpretation, Package, ReportStatus, ResultStatus};

use crate::support::{codes, field, fields, good, render, replace};

fn latin() -> Vec<u8> {
    good("Z01_ldt2_8201_iso885915")
}

fn with(id: &str, old: &str, new: &[(&str, &str)]) -> Vec<u8> {
    let new: Vec<_> = new.iter().map(|(id, content)| field(id, content)).collect();
    replace(&latin(), id, old, &new)
}

fn read(id: &str, old: &str, new: &[(&str, &str)]) -> Package {
    ldt::read(&with(id, old, new)).unwrap()
}

fn refused(id: &str, old: &str, new: &[(&str, &str)]) -> &'static str {
    ldt::read(&with(id, old, new)).unwrap_err().code()
}

#[test]
fn mandatory_fields() {
    for (id, content) in [
        ("9212", "LDT1014.01"),
        ("0201", "123456700"),
        ("9106", "4"),
        ("8312", "4711"),
        ("9103", "20261008"),
        ("0101", "Z/39/2610/36/tst"),
        ("8301", "20261008"),
        ("8302", "20261008"),
        ("8401", "E"),
    ] {
        assert_eq!(refused(id, content, &[]), "missing-field", "{id}");
        assert_eq!(refused(id, content, &[(id, " ")]), "missing-field", "{id} blank");
    }
    assert_eq!(refused("8410", "KREA", &[("8410", " ")]), "missing-field");
    // Rule 409: order number, or name and birth date.
    assert_eq!(read("8310", "A-2026-0001", &[]).reports[0].order_number, None);
    let mut anonymous = fields(&good("Z02_ldt2_8202_LG_no_patient"));
    anonymous.retain(|(id, _)| id != "8310");
    assert_eq!(ldt::read(&render(&anonymous)).unwrap_err().code(), "missing-field");
}

#[test]
fn records_that_ran_together_are_refused() {
    let mut joined = fields(&latin());
    let second = joined.iter().rposition(|(id, content)| id == "8000" && content == b"8201").unwrap();
    joined.drain(second..second + 2);
    assert_eq!(ldt::read(&render(&joined)).unwrap_err().code(), "repeated-field");
    // A test whose beginning is lost would leave its value to the test before.
    assert_eq!(refused("8410", "KREA", &[]), "repeated-field");
    assert_eq!(refused("8410", "K", &[]), "misplaced-field");
}

#[test]
fn indicators_and_states() {
    for (flag, expected) in [
        ("+", Some(Interpretation::H)),
        ("--", Some(Interpretation::LU)),
        ("-", Some(Interpretation::L)),
        ("!", Some(Interpretation::A)),
        ("??", None),
    ] {
        let package = read("8422", "++", &[("8422", flag)]);
        let value = &package.reports[0].results[0].values[0];
        assert_eq!((value.flag.as_deref(), value.interpretation), (Some(flag), expected));
        assert_eq!(codes(&package).contains(&"unknown-code"), expected.is_none());
    }
    for (code, status, result) in [
        ("T", ReportStatus::Partial, ResultStatus::Preliminary),
        ("V", ReportStatus::Preliminary, ResultStatus::Preliminary),
        ("A", ReportStatus::Archive, ResultStatus::Final),
        ("N", ReportStatus::FollowUp, ResultStatus::Final),
        ("?", ReportStatus::Unknown, ResultStatus::Unknown),
    ] {
        let report = &read("8401", "E", &[("8401", code)]).reports[0];
        assert_eq!((report.status, report.results[0].status), (status, result));
    }
}

#[test]
fn values_as_practice_sends_them() {
    let package = read("8420", "6.8", &[("8420", "6,8")]);
    assert_eq!(package.reports[0].results[0].values[0].number.as_deref(), Some("6.8"));
    assert_eq!(package.reports[0].results[0].values[0].text, "6,8");
    assert_eq!(codes(&package), ["decimal-comma"]);
    let package = read("8421", "mmol/l", &[]);
    assert_eq!(codes(&package), ["missing-unit"]);
    let package = read("8420", "6.8", &[("8420", "6.8"), ("8420", "7.0")]);
    assert_eq!(package.reports[0].results[0].values.len(), 2, "no value replaces another one");
    assert!(codes(&package).contains(&"repeated-value"));
    let package = read("8420", "6.8", &[]);
    assert!(codes(&package).contains(&"result-without-value"));
    let package = read("8420", "6.8", &[("8420", ">2000")]);
    assert_eq!(package.reports[0].results[0].values[0].comparator, Some(ldt::Comparator::Greater));
}

#[test]
fn unknown_and_known_fields_are_kept() {
    let package = read("8410", "K", &[("8407", "x"), ("8501", "1"), ("7777", "neu"), ("8410", "K"), ("5001", "32081")]);
    let fields: Vec<_> = package.reports[0].unmapped.iter().map(|f| (f.id.0, f.text.as_str())).collect();
    for kept in [(8407, "x"), (8501, "1"), (7777, "neu"), (5001, "32081")] {
        assert!(fields.contains(&kept), "{kept:?}");
    }
    assert!(codes(&package).contains(&"unknown-field"));
}

#[test]
fn doctors() {
    // The doctor of the record comes before the only one of the header; a name is no number.
    let doctor = |content: &str| read("8609", "K", &[("8615", content)]);
    assert_eq!(doctor("765432201").reports[0].doctor_number.as_deref(), Some("765432201"));
    assert_eq!(doctor("999999900").reports[0].doctor_number, None);
    assert_eq!(doctor("Dr. Muster").reports[0].doctor_number, None);
    assert!(doctor("Dr. Muster").reports[0].unmapped.iter().any(|field| field.text == "Dr. Muster"));
    assert_eq!(codes(&doctor("123456701")), ["invalid-lanr"]);
    // The header lists all doctors of the practice: several identify none.
    let package = read("0212", "123456601", &[("0212", "123456601"), ("0212", "765432201")]);
    assert_eq!(package.reports[0].doctor_number, None);
}

/// A field emptied, its prefix right, all sums stale: 9202 is the sum of the announced 8100, so it is no second witness.
#[test]
fn stale_sums_and_empty_fields_are_warnings() {
    let bytes = latin();
    let at = bytes.windows(9).position(|window| window == b"123456601").unwrap();
    let mut stale = bytes.clone();
    stale.splice(at - 7..at + 9, *b"0090212");
    let package = ldt::read(&stale).unwrap();
    assert_eq!(codes(&package), ["record-length", "empty-field"]);
    assert_eq!(package.reports[0].doctor_number, None);
}

#[test]
fn a_recipient_inside_a_record_is_not_taken() {
    let package = read("8609", "K", &[("0201", "333333300")]);
    assert_eq!(package.recipients().len(), 1);
    assert_eq!(package.reports[0].recipient.bsnr.as_deref(), Some("123456700"));
    assert_eq!(codes(&package), ["misplaced-field"]);
}

#[test]
fn old_versions() {
    let old = good("Z05_ldt2_old_LDT1001.02_DDMMYYYY");
    let package = ldt::read(&old).unwrap();
    assert_eq!(package.created.as_deref(), Some("2008-10-08"));
    assert_eq!(package.reports[0].received.as_deref(), Some("2008-10-08"));
    assert_eq!(package.reports[0].results[0].collected_at.as_deref(), Some("2008-10-07T08:15"));
    let mut older = fields(&old);
    for (id, content) in &mut older {
        if id == "9212" {
            *id = "9211".into();
            *content = b"LDT1001.01".to_vec();
        }
    }
    let package = ldt::read(&render(&older)).unwrap();
    assert_eq!(package.specification, "LDT1001.01");
    assert_eq!(package.reports[0].patient.as_ref().unwrap().birth_date.as_deref(), Some("1966-10-24"));
    // A wrong version does not turn dates around.
    let package = ldt::read(&replace(&old, "9212", "LDT1001.02", &[field("9212", "LDT1014.02")])).unwrap();
    assert_eq!(package.reports[0].received.as_deref(), Some("2008-10-08"));
    assert_eq!(codes(&package)[0], "unknown-version");
    assert!(codes(&package)[1..].iter().all(|code| *code == "date-order"));
}

#[test]
fn orders_and_strangers() {
    assert_eq!(refused("8000", "8220", &[("8000", "8230")]), "not-results");
    assert_eq!(refused("8000", "8201", &[("8000", "8218")]), "not-results");
    assert_eq!(refused("8000", "8201", &[("8000", "6200")]), "unsupported-record");
    assert_eq!(refused("8000", "8201", &[("8000", "8205")]), "unsupported-record");
    assert_eq!(refused("8000", "8201", &[("8000", "Befu")]), "unsupported-record");
    let bytes = latin();
    assert_eq!(ldt::read(&bytes[363..]).unwrap_err().code(), "missing-header");
    assert_eq!(ldt::read(&[&bytes[..363], &bytes[bytes.len() - 44..]].concat()).unwrap_err().code(), "no-reports");
}

/// 5001 opens a position of the bill inside the test; 8406, 5005 … belong to the one before them.
#[test]
fn charges_of_a_test() {
    let package = read(
        "8421",
        "mg/dl",
        &[
            ("8421", "mg/dl"),
            ("5001", "3585.H1"),
            ("8406", "233"),
            ("5005", "115"),
            ("5009", "erhoehter Aufwand"),
            ("8614", "1"),
            ("5001", "3562"),
            ("8614", "2"),
        ],
    );
    let result = package.reports[0].results.iter().find(|result| !result.charges.is_empty()).unwrap();
    let [first, second] = &result.charges[..] else { panic!("{:?}", result.charges) };
    assert_eq!(first.code.as_ref().unwrap().text, "3585.H1");
    assert_eq!((first.cents.as_ref().unwrap().text.as_str(), first.reasons.len()), ("233", 1));
    assert_eq!((second.cents.is_none(), second.settled.as_ref().unwrap().text.as_str()), (true, "2"));
    assert_eq!(second.place.line(), first.place.line() + 5);
    assert!(result.place.lines().contains(&second.place.line()));
    // They stay visible for those who only know the plain model.
    assert!(package.reports[0].unmapped.iter().any(|field| field.text == "3585.H1"));
}

#[test]
fn the_check_digit_of_an_insurance_number() {
    let package = read("3103", "19661024", &[("3103", "19661024"), ("3119", "A123456780")]);
    assert!(!codes(&package).contains(&"invalid-insurance-number"));
    let package = read("3103", "19661024", &[("3103", "19661024"), ("3119", "A123456781")]);
    assert_eq!(codes(&package), ["invalid-insurance-number"]);
    assert_eq!(package.reports[0].patient.as_ref().unwrap().insurance_number.as_deref(), Some("A123456781"));
}

/// 8203 and 8204 open their groups by 8434 or 8410; each is a test of its own.
#[test]
fn groups_of_microbiology_and_other_senders() {
    for kind in [8203_u16, 8204] {
        let header = ldt::tree::Tree::read(&latin()).unwrap().records[0].clone();
        let record = ldt::tree::Record::new(kind)
            .field(8301, "20261008")
            .field(8302, "20261008")
            .field(3101, "Muster")
            .field(3102, "Kim")
            .field(3103, "19661000")
            .field(8401, "E")
            .field(8434, "Wundabstrich")
            .field(8430, "Abstrich")
            .field(8480, "Staphylococcus aureus")
            .field(8434, "Resistenz")
            .field(8480, "Oxacillin R")
            .field(8410, "CRP")
            .field(8420, "<0.6")
            .field(8421, "mg/l")
            .field(8490, "Hinweis zum Auftrag");
        let tree = ldt::tree::Tree::new(ldt::Version::Ldt2, ldt::Charset::Latin9);
        let tree = tree.record(header).record(record).record(ldt::tree::Record::new(8221));
        let package = ldt::read(&tree.write().unwrap()).unwrap();
        assert!(codes(&package).is_empty(), "{:?}", package.warnings);
        let report = &package.reports[0];
        let tests: Vec<_> = report.results.iter().map(|result| result.test_code.as_str()).collect();
        assert_eq!(tests, ["Wundabstrich", "Resistenz", "CRP"]);
        assert_eq!(report.results[0].values[0].text, "Staphylococcus aureus");
        assert_eq!(report.notes, ["Hinweis zum Auftrag"]);
        assert_eq!(report.patient.as_ref().unwrap().birth_date.as_deref(), Some("1966-10"));
    }
}

/// Objects are LDT 3: a file that has both was put together from two.
#[test]
fn objects_are_refused() {
    for id in ["8001", "8002", "8003"] {
        assert_eq!(refused("8421", "mg/dl", &[("8421", "mg/dl"), (id, "Obj_0060")]), "misplaced-field", "{id}");
    }
}
