//! The result objects of LDT 3 in their own terms, with the lines they come from. The files are built by the writer.

use ldt::tree::{Object, Record, Tree};
use ldt::{Charset, Details, Finding, Report, SignalKind, TestResult, Version};

use crate::support::codes;

fn text(attribute: u16, lines: &[&str]) -> Object {
    lines.iter().fold(Object::new(attribute, "Text", 68), |object, line| object.field(3564, line))
}

fn time(attribute: u16) -> Object {
    Object::new(attribute, "Timestamp", 54).field(7278, "20261008").field(7279, "101500").field(7273, "UTC+1")
}

fn person() -> Object {
    Object::new(8147, "Person", 47).field(7420, "12").field(3101, "Ähnlich").field(3102, "Öle").field(3103, "19700000")
}

/// A complete file with these objects in Obj_0035.
pub(crate) fn file(results: Vec<Object>) -> Vec<u8> {
    let laboratory =
        Object::new(8119, "Betriebsstaette", 19).field(204, "2").field(203, "Labor").field(201, "987654300");
    let header = Record::new(8220)
        .object(Object::new(8132, "Kopfdaten", 32).field(1, "LDT3.2.20").object(time(8218)))
        .object(Object::new(8136, "Laborkennung", 36).field(7266, "2"))
        .object(laboratory);
    let site = Object::new(8119, "Betriebsstaette", 19).field(204, "1").field(203, "Praxis").field(201, "123456700");
    let report = results.into_iter().fold(Object::new(8135, "Laborergebnisbericht", 35), Object::object);
    let record = Record::new(8205)
        .object(Object::new(8122, "Einsenderidentifikation", 22).field(7321, "02").object(site))
        .object(Object::new(8145, "Patient", 45).object(person()).field(3119, "A123456780"))
        .object(
            Object::new(8117, "Befundinformationen", 17)
                .field(8310, "A-1")
                .field(8311, "L-1")
                .field(7305, "B-1")
                .field(8401, "2")
                .field(7320, "1")
                .object(time(8154)),
        )
        .object(Object::new(8137, "Material", 37).field(7364, "PR1").field(8430, "Abstrich"))
        .object(report);
    let tree = Tree::new(Version::Ldt3, Charset::Latin9).record(header).record(record).record(Record::new(8221));
    tree.write().unwrap()
}

/// A result object with what all have.
fn result(attribute: u16, number: u16) -> Object {
    let object = Object::new(attribute, "Ergebnis", number);
    let object = if number == 73 { object.field(7431, "2") } else { object };
    let object = if number == 56 { object } else { object.field(7304, "E-1") };
    object.field(7364, "PR1")
}

/// Reads one result without any warning.
fn read(object: Object) -> (Report, TestResult) {
    let package = ldt::read(&file(vec![object])).unwrap();
    assert!(codes(&package).is_empty(), "{:?}", package.warnings);
    let report = package.reports[0].clone();
    let result = report.results[0].clone();
    (report, result)
}

fn details(result: &TestResult) -> &Details {
    result.details.as_ref().unwrap()
}

#[test]
fn microbiology_with_an_antibiogram() {
    let matrix = Object::new(8111, "Antibiogramm", 11)
        .field(7287, "AMP")
        .field(7288, "G-1")
        .field(7370, "Ampicillin")
        .field(7354, "K1")
        .field(7367, "R")
        .field(7289, ">=32")
        .field(7369, "mg/l")
        .field(7290, "3")
        .field(7424, "2")
        .field(7354, "K2")
        .field(7367, "S")
        .field(7287, "CIP")
        .field(7370, "Ciprofloxacin")
        .field(7354, "K1")
        .field(7367, "I");
    let object = result(8161, 61)
        .field(8410, "UKULT")
        .field(8411, "Urinkultur")
        .field(8410, "RESI")
        .field(8434, "Kultur und Resistenz")
        .field(7281, "5")
        .field(7302, "Blutagar")
        .field(8418, "06")
        .object(Object::new(8244, "BAK", 72).object(text(8245, &["Keimzahl 10^5"])))
        .field(7354, "K1")
        .field(7355, "Escherichia coli")
        .field(7427, "1")
        .field(7301, "2")
        .field(7357, "3")
        .field(7293, "KBE/ml")
        .object(text(8237, &["Hauptkeim"]))
        .field(7354, "K2")
        .field(7355, "Candida albicans")
        .field(7427, "2")
        .field(7301, "1")
        .field(7286, "1")
        .object(matrix)
        .object(time(8225));
    let (_, result) = read(object);
    let tests: Vec<_> = details(&result).tests.iter().map(|test| test.code.text.as_str()).collect();
    assert_eq!(tests, ["UKULT", "RESI"]);
    let Finding::Microbiology(found) = &details(&result).finding else { panic!("{result:?}") };
    assert_eq!(found.requests[0].text, "Kultur und Resistenz");
    assert_eq!((found.detections[0].procedure.meaning, found.detections[0].methods.len()), (Some("Kultur"), 1));
    assert_eq!(found.cultures, ["Keimzahl 10^5"]);
    let [coli, candida] = &found.germs[..] else { panic!("{found:?}") };
    assert_eq!(coli.name.as_ref().unwrap().text, "Escherichia coli");
    assert_eq!(coli.growth.as_ref().unwrap().meaning, Some("reichlich"));
    assert_eq!((coli.texts.as_slice(), coli.amounts.len()), (&["Hauptkeim".to_owned()][..], 1));
    assert_eq!(candida.kind.as_ref().unwrap().meaning, Some("Pilz"));
    assert!(candida.growth.is_none() && candida.texts.is_empty());
    let antibiogram = found.antibiograms().next().unwrap();
    let cell = antibiogram.cell("AMP", "K1").unwrap();
    assert_eq!(cell.sensitivity.as_ref().unwrap().meaning, Some("resistent"));
    assert_eq!(
        (cell.mic.as_ref().unwrap().text.as_str(), cell.mic_unit.as_ref().unwrap().text.as_str()),
        (">=32", "mg/l")
    );
    assert_eq!(cell.standard.as_ref().unwrap().meaning, Some("EUCAST"));
    assert_eq!(antibiogram.cell("AMP", "K2").unwrap().sensitivity.as_ref().unwrap().code, "S");
    assert!(antibiogram.cell("AMP", "K2").unwrap().mic.is_none());
    assert_eq!(antibiogram.cell("CIP", "K1").unwrap().sensitivity.as_ref().unwrap().code, "I");
    assert!(antibiogram.cell("CIP", "K2").is_none());
    assert_eq!(found.germ("K1").unwrap().id.place.line() + 1, coli.name.as_ref().unwrap().place.line());
    // The same lines as readable notes, and as the value.
    assert!(result.notes.iter().any(|note| note == "Keim/Pilz: Escherichia coli"));
    assert_eq!(result.values[0].text, "Keimzahl 10^5\nHauptkeim");
}

#[test]
fn cytology_and_screening() {
    let object = result(8163, 63)
        .field(8410, "ZYT")
        .field(8418, "06")
        .object(text(8237, &["Befund"]))
        .field(7400, "1")
        .field(7402, "HPV 16")
        .field(7401, "1")
        .field(7402, "HPV 18")
        .field(7401, "2")
        .field(7404, "HPV 6")
        .field(7403, "3")
        .field(7414, "IIID1")
        .field(7413, "3d1")
        .field(7418, "2");
    let (_, result_) = read(object);
    let Finding::Cytology(found) = &details(&result_).finding else { panic!("{result_:?}") };
    let types: Vec<_> =
        found.high_risk.iter().map(|hpv| (hpv.name.text.as_str(), hpv.result.as_ref().unwrap().meaning)).collect();
    assert_eq!(types, [("HPV 16", Some("positiv")), ("HPV 18", Some("negativ"))]);
    assert_eq!(found.low_risk[0].result.as_ref().unwrap().meaning, Some("nicht verwertbar"));
    assert_eq!(found.group.as_ref().unwrap().text, "IIID1");
    let form = Object::new(8134, "Muster_39", 34).field(3322, "3");
    let object = result(8162, 62)
        .field(8410, "KFU")
        .field(8418, "06")
        .field(7405, "1")
        .field(7407, "1")
        .field(7411, "0")
        .field(7414, "II-a")
        .field(3316, "2")
        .field(7416, "1")
        .field(3321, "12")
        .object(form);
    let (_, result_) = read(object);
    let Finding::CervicalScreening(found) = &details(&result_).finding else { panic!("{result_:?}") };
    assert_eq!(found.endocervical_cells.as_ref().unwrap().meaning, Some("vorhanden"));
    assert_eq!(found.flora.len(), 2);
    assert_eq!(found.control_reasons[0].meaning, Some("nach Entzündungsbehandlung"));
    assert_eq!(found.form.as_ref().unwrap().get(3322).unwrap().text, "3");
}

#[test]
fn blood_group_tumour_and_others() {
    let object = result(8155, 55)
        .field(8418, "06")
        .field(3412, "0695-0")
        .field(3413, "2")
        .field(7263, "BG")
        .field(3418, "0")
        .field(3419, "negativ")
        .field(7275, "EK-1")
        .field(7275, "EK-2")
        .field(3419, "positiv")
        .field(7275, "EK-3")
        .field(3420, "1");
    let (_, result_) = read(object);
    assert_eq!(result_.test_code, "BG");
    let Finding::BloodGroup(found) = &details(&result_).finding else { panic!("{result_:?}") };
    assert_eq!(found.eurocode.as_ref().unwrap().text, "0695-0");
    assert_eq!(found.antibody_screen.as_ref().unwrap().meaning, Some("negativ"));
    let crosses: Vec<_> = found.cross_matches.iter().map(|c| (c.result.text.as_str(), c.terms.len())).collect();
    assert_eq!(crosses, [("negativ", 2), ("positiv", 1)]);
    let (_, result_) =
        read(result(8156, 56).field(7373, "G2").field(7376, "Mamma").field(7377, "12 mm").field(3424, "20260101"));
    let Finding::Tumour(found) = &details(&result_).finding else { panic!("{result_:?}") };
    assert_eq!((found.site.as_ref().unwrap().text.as_str(), found.sizes.len()), ("Mamma", 1));
    let object =
        result(8248, 73).field(8410, "F5L").field(8418, "06").field(8422, "A").object(text(8237, &["heterozygot"]));
    let (report, result_) = read(object);
    let Finding::Other(found) = &details(&result_).finding else { panic!("{result_:?}") };
    assert_eq!(found.subject.as_ref().unwrap().meaning, Some("Humangenetik"));
    assert!(report.genetic && result_.genetic);
}

#[test]
fn how_a_result_came_to_be() {
    let charge = Object::new(8158, "Untersuchungsabrechnung", 58)
        .field(7303, "1")
        .field(4121, "0")
        .field(5001, "32081")
        .field(8406, "25")
        .field(8614, "1")
        .field(5001, "32057")
        .field(5005, "002");
    let object = result(8160, 60)
        .field(7260, "1")
        .field(7365, "2823-3")
        .field(7366, "Potassium")
        .field(8410, "K")
        .field(7264, "DEV-1")
        .field(8418, "06")
        .field(7302, "ISE")
        .field(7306, "01")
        .field(8420, "4.6")
        .field(8419, "1")
        .field(8421, "mmol/l")
        .object(time(8220))
        .object(time(8223))
        .object(Object::new(8141, "Namenskennung", 41).field(7420, "07").field(7358, "Dr. Muster").field(8990, "DM"))
        .object(charge)
        .field(3473, "1");
    let (report, result) = read(object);
    let details = details(&result);
    assert_eq!(details.catalogues[0].text.as_ref().unwrap().text, "Potassium");
    assert_eq!(details.received.as_ref().unwrap().iso.as_deref(), Some("2026-10-08T10:15:00+01:00"));
    assert!(details.begun.is_none() && details.made.is_some());
    assert_eq!(details.signatures[0].role.as_ref().unwrap().meaning, Some("Laborarzt/Befundersteller"));
    assert_eq!(details.contract_laboratory.as_ref().unwrap().code, "1");
    let Finding::Chemistry(chemistry) = &details.finding else { panic!("{result:?}") };
    assert_eq!((chemistry.methods[0].text.as_str(), chemistry.device.is_some()), ("ISE", true));
    let charges: Vec<_> = result.charges.iter().map(|c| c.code.as_ref().unwrap().text.as_str()).collect();
    assert_eq!(charges, ["32081", "32057"]);
    assert_eq!(result.charges[1].info.as_ref().unwrap().meaning, Some("GKV Laborfacharzt"));
    assert!(result.charges[1].cents.is_none() && result.charges[1].multiplier.is_some());
    assert_eq!(result.values[0].form.as_ref().unwrap().meaning, Some("numerisch"));
    assert_eq!(report.recall.as_ref().unwrap().at[0].iso.as_deref(), Some("2026-10-08T10:15:00+01:00"));
    assert_eq!(report.patient.as_ref().unwrap().birth_date.as_deref(), Some("1970"));
}

/// Several normal values, their alarm limits, and who has to be told.
#[test]
fn normal_values_and_signals() {
    let normal = |low: &str, alarm: &str, unit: &str| {
        Object::new(8142, "Normalwert", 42)
            .field(8424, "20")
            .field(8461, low)
            .field(8419, "1")
            .field(8421, unit)
            .field(7371, alarm)
            .field(8419, "1")
            .field(8421, unit)
            .field(8422, "HH")
    };
    let potassium = |value: &str| {
        result(8160, 60)
            .field(8410, "K")
            .field(8418, "06")
            .field(7306, "01")
            .field(8420, value)
            .field(8419, "1")
            .field(8421, "mmol/l")
            .object(normal("3.5", "6.2", "mmol/l"))
            .object(normal("3.0", "6.5", "mmol/l"))
    };
    let (_, result_) = read(potassium("6.3"));
    let value = &result_.values[0];
    assert_eq!(value.reference.as_ref().unwrap().low.as_deref(), Some("3.5"));
    assert_eq!(value.further[0].alarm.as_ref().unwrap().high.as_deref(), Some("6.5"));
    let specification = value.reference.as_ref().unwrap().specification.as_ref().unwrap();
    assert!(specification.meaning.unwrap().contains("Alter") && specification.place.line() > value.place.line());
    assert_eq!(value.further[0].flag.as_ref().unwrap().text, "HH");
    assert_eq!(value.alarm.as_ref().unwrap().place.lines().count(), 10);
    let kinds = |result: &TestResult| result.signals().iter().map(|signal| signal.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&result_), [SignalKind::AboveAlarm]);
    assert!(kinds(&read(potassium("6.1")).1).is_empty(), "strongly raised is no signal");
    let notice = Object::new(8126, "Fehlermeldung", 26)
        .field(7280, "1")
        .field(7280, "2")
        .object(text(8167, &["Bitte sofort melden"]))
        .object(person());
    let (report, result_) = read(potassium("7.1").object(notice));
    assert_eq!(kinds(&result_), [SignalKind::LifeThreatening, SignalKind::AboveAlarm]);
    assert_eq!(report.signals().len(), 2);
    let notice = &result_.notices[0];
    assert_eq!(notice.reasons[1].meaning, Some("lebensbedrohlicher Zustand"));
    assert_eq!((notice.texts.as_slice(), notice.persons.len()), (&["Bitte sofort melden".to_owned()][..], 2));
    assert_eq!(report.signals()[0].place.line(), notice.place.line());
    assert!(report.notices.is_empty(), "the notice is the result's");
}

/// What is said can be found in the file by its line.
#[test]
fn places_are_lines_of_the_file() {
    let object =
        result(8160, 60).field(8410, "K").field(8418, "06").field(8420, "4.6").field(8419, "1").field(8421, "mmol/l");
    let bytes = file(vec![object]);
    let lines: Vec<String> = bytes.split(|byte| *byte == b'\n').map(|line| Charset::Latin9.decode(line)).collect();
    let package = ldt::read(&bytes).unwrap();
    let result = &package.reports[0].results[0];
    assert_eq!(lines[result.values[0].place.line() - 1].trim_end(), "01284204.6");
    let place = result.place.lines();
    assert!(lines[*place.start() - 1].contains("8160Ergebnis") && lines[*place.end() - 1].contains("8421mmol/l"));
    assert!(lines[package.reports[0].place.line() - 1].contains("80008205"));
    assert!(lines[*package.reports[0].place.lines().end() - 1].contains("80018205"));
    assert!(lines[package.reports[0].patient.as_ref().unwrap().place.line() - 1].contains("3101"));
}
