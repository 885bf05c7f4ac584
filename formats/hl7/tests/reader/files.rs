//! Whole messages, as laboratories send them.
use hl7::{Charset, Interpretation, ReportStatus, ResultStatus, Sex};

use crate::support::{all, bytes, codes, good, report, unmapped, values};

#[test]
fn chemistry_with_a_critical_value() {
    let message = good("chemistry_critical");
    assert_eq!(message.recipient.bsnr.as_deref(), Some("123456700"));
    assert_eq!(message.laboratory.bsnr.as_deref(), Some("987654300"));
    assert_eq!(message.laboratory.name, "TESTLABOR");
    assert_eq!(message.control_id.as_deref(), Some("MSG-2026-0104"));
    assert_eq!((message.charset, codes(&message)), (Charset::Utf8, vec![]));
    let report = report("chemistry_critical");
    assert_eq!(report.order_number.as_deref(), Some("A-2026-0104"));
    assert_eq!(report.lab_order_number.as_deref(), Some("2610080104"));
    assert_eq!(report.reported.as_deref(), Some("2026-10-08T10:15:00"));
    let patient = report.patient.as_ref().unwrap();
    assert_eq!((patient.family_name.as_deref(), patient.given_name.as_deref()), (Some("Müller"), Some("Jürgen")));
    assert_eq!((patient.birth_date.as_deref(), patient.sex), (Some("1966-10-24"), Some(Sex::Male)));
    assert_eq!(
        (patient.number.as_deref(), patient.insurance_number.as_deref()),
        (Some("PAT-0001"), Some("A123456780"))
    );
    let potassium = &report.results[0];
    assert_eq!((potassium.code.as_str(), potassium.loinc.as_deref()), ("K", Some("2823-3")));
    assert_eq!((potassium.name.as_deref(), potassium.unit.as_deref()), (Some("Kalium"), Some("mmol/L")));
    assert_eq!((potassium.low.as_deref(), potassium.high.as_deref()), (Some("3.5"), Some("5.1")));
    assert_eq!((potassium.interpretation, potassium.critical), (Some(Interpretation::HH), true));
    assert_eq!(potassium.status, ResultStatus::Preliminary);
    assert_eq!(potassium.collected.as_deref(), Some("2026-10-07T08:15:00"));
    assert_eq!(potassium.notes, ["Kritischer Wert. Telefonisch nicht erreicht um 10:05 und 10:12."]);
    assert_eq!(values(&report, "CRP"), [("<0.6".to_owned(), "<0.6".to_owned())]);
    assert!(!report.results[1].critical);
    assert_eq!(report.status, ReportStatus::Partial, "one value is still preliminary");
    assert_eq!(unmapped(&report, "CHEM OBR-16"), ["1234566 Mustermann Erika Dr. med. LANR"]);
    assert_eq!(unmapped(&report, "CHEM OBR-4"), ["CHEM Klinische Chemie"]);
    assert_eq!(unmapped(&report, "K OBX-14"), ["20261008095500"], "when it was measured is shown");
}

#[test]
fn microbiology_with_antibiogram_and_pdf() {
    let report = report("microbiology_pdf");
    assert_eq!(report.status, ReportStatus::Final);
    let germs: Vec<_> = report.results.iter().filter(|r| r.code == "KEIM").collect();
    assert_eq!(
        germs.iter().map(|r| r.value.as_ref().unwrap().text.as_str()).collect::<Vec<_>>(),
        ["Escherichia coli", "Enterococcus faecalis"]
    );
    assert_eq!(germs.iter().map(|r| r.notes[0].as_str()).collect::<Vec<_>>(), ["Sub-ID 1", "Sub-ID 2"]);
    assert_eq!(
        values(&report, "KEIMZ"),
        [(">=100000".to_owned(), ">=100000".to_owned()), ("10000".to_owned(), "10000".to_owned())]
    );
    let ampicillin = report.results.iter().find(|r| r.code == "AMP").unwrap();
    assert_eq!(ampicillin.notes, ["Belongs to: Keim 1 Escherichia coli", "R: resistant"]);
    assert_eq!((ampicillin.flag.as_deref(), ampicillin.interpretation), (None, None));
    assert!(report.results.iter().all(|r| r.specimen.as_deref() == Some("Mittelstrahlurin")));
    assert!(
        report.results.iter().all(|r| r.collected.as_deref() == Some("2026-10-06T08:10:00")),
        "SPM-17 comes before OBR-7"
    );
    let pdf = &report.attachments[0];
    assert_eq!(pdf.media_type, "application/pdf");
    assert!(pdf.bytes.as_ref().unwrap().starts_with(b"%PDF-1.4"));
    assert_eq!(unmapped(&report, "Attachment"), ["Befund"]);
    assert_eq!(unmapped(&report, "KEIM OBX-5"), ["112283007 SCT", "78065002 SCT"]);
    assert_eq!(unmapped(&report, "PV1-2"), ["O"]);
    assert_eq!(report.notes, ["Material eingegangen am 06.10.2026."]);
}

#[test]
fn what_the_laboratory_takes_back_is_no_value_any_more() {
    let corrected = report("correction_2_corrected");
    assert_eq!(corrected.status, ReportStatus::Corrected);
    assert_eq!(corrected.results[0].status, ResultStatus::Corrected);
    assert_eq!(values(&corrected, "K"), [("4.4".to_owned(), "4.4".to_owned())]);
    let withdrawn = report("correction_3_withdrawn");
    let potassium = &withdrawn.results[0];
    assert_eq!((potassium.status, potassium.status_code.as_deref()), (ResultStatus::Withdrawn, Some("W")));
    assert_eq!((&potassium.value, potassium.critical, &potassium.flag), (&None, false, &None));
    assert_eq!(potassium.notes, ["Taken back by the laboratory as wrong. It was: 4.4 mmol/L N"]);
    assert_eq!(withdrawn.status, ReportStatus::Corrected);
}

#[test]
fn two_patients_of_one_message_are_kept_apart() {
    let message = good("two_patients");
    let told: Vec<_> = message
        .reports
        .iter()
        .map(|r| {
            (
                r.patient.as_ref().unwrap().family_name.as_deref().unwrap(),
                r.lab_order_number.as_deref().unwrap(),
                r.status,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Beispiel", "2610080401", ReportStatus::Final),
            ("Beispiel", "2610080402", ReportStatus::Partial),
            ("Probe", "2610080403", ReportStatus::Final),
        ]
    );
    assert!(message.reports[..2].iter().all(|r| r.notes == ["Patientin nüchtern."]));
    assert!(message.reports[2].notes.is_empty(), "a note on one patient is not the other's");
    let other = message.reports[2].patient.as_ref().unwrap();
    assert_eq!((other.birth_date.as_deref(), other.sex), (Some("1970"), Some(Sex::Other)));
    assert_eq!(message.reports[1].results[0].interpretation, Some(Interpretation::LL));
    assert_eq!(message.reports[1].results[1].status, ResultStatus::Registered);
}

#[test]
fn character_sets() {
    let latin = good("latin1_v23");
    assert_eq!((latin.charset, codes(&latin)), (Charset::Latin1, vec![]));
    let report = &latin.reports[0];
    let patient = report.patient.as_ref().unwrap();
    assert_eq!((patient.family_name.as_deref(), patient.sex), (Some("Größe"), Some(Sex::Female)));
    assert_eq!(report.results[0].unit.as_deref(), Some("µU/ml"));
    assert_eq!((report.results[0].low.as_deref(), report.results[0].high.as_deref()), (Some("0,40"), Some("4,00")));
    assert_eq!(report.results[1].notes, ["Trübung geringfügig, ß-Test unauffällig."]);
    let transcoded = good("transcoded");
    assert_eq!((transcoded.charset, codes(&transcoded)), (Charset::Utf8, vec!["charset-contradicted"]));
    assert_eq!(transcoded.reports[0].patient.as_ref().unwrap().family_name.as_deref(), Some("Süß"));
}

#[test]
fn types_repetitions_and_escapes() {
    let report = report("types_and_repetitions");
    let texts = |code: &str| values(&report, code).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(texts("BP"), ["1.1", "2.2", "3.3"]);
    let notes: Vec<_> = report.results.iter().filter(|r| r.code == "BP").map(|r| r.notes.len()).collect();
    assert_eq!(notes, [1, 0, 0], "a note stands once");
    assert_eq!(texts("TPHA"), ["1:320"]);
    assert_eq!(texts("KOM"), ["Zeile eins\nZeile zwei\nZeile drei & Schluss"], "a text in two OBX is one");
    assert_eq!(texts("BEU"), ["Kein Hinweis auf Malignität.\nKontrolle in 3 Monaten."]);
    assert_eq!((texts("LMP"), texts("UHR")), (vec!["2026-09-15".to_owned()], vec!["08:15".to_owned()]));
    assert_eq!(texts("FIRMA"), ["Meier & Söhne"]);
    let unit = |code: &str| report.results.iter().find(|r| r.code == code).unwrap().unit.clone().unwrap();
    assert_eq!((unit("ERY"), unit("LEU")), ("10^12/l".to_owned(), "10^9/l".to_owned()));
    assert_eq!(report.attachments[0].reference.as_deref(), Some("https://labor.example/bild/1"));
    assert_eq!(report.results.last().unwrap().status, ResultStatus::Cancelled);
    assert_eq!(unmapped(&report, "MIX ZLA-2"), ["eigene Angabe des Labors"]);
    assert_eq!(unmapped(&report, "MIX ORC-21"), ["Praxis Muster 123456700 BSNR"]);
    assert_eq!(unmapped(&report, "SFT-3"), ["TESTLIS"]);
}

#[test]
fn a_tolerance_test_is_told_apart_by_its_times() {
    let report = report("tolerance_test");
    let times: Vec<_> = report.results.iter().map(|r| r.collected.as_deref().unwrap()).collect();
    assert_eq!(times, ["2026-10-08T08:00:00", "2026-10-08T09:00:00", "2026-10-08T10:00:00"]);
}

#[test]
fn other_delimiters_line_ends_and_a_frame_say_the_same() {
    let report = report("own_delimiters_framed");
    assert_eq!(values(&report, "FE"), [("55".to_owned(), "55".to_owned())]);
    assert_eq!(values(&report, "TXT")[0].0, "50#50 | ^ ~");
    let plain = bytes("chemistry_critical");
    let text = String::from_utf8(plain.clone()).unwrap();
    let whole = hl7::read(&plain).unwrap();
    for other in [
        text.replace('\r', "\n"),
        text.replace('\r', "\r\n"),
        text.replace('\r', "\r\r"),
        text.trim_end().to_owned(),
        format!("\u{b}{text}\u{1c}\r"),
        format!("\u{feff}{text}"),
        format!("\r\n{text}\r\n"),
    ] {
        assert_eq!(hl7::read(other.as_bytes()).unwrap().reports, whole.reports);
    }
}

#[test]
fn the_recipient_is_the_one_that_is_said() {
    let customer = good("customer_number").recipient;
    assert_eq!((customer.bsnr, customer.customer_number.as_deref()), (None, Some("KD4711")));
    assert_eq!(good("ordering_practice").recipient.bsnr.as_deref(), Some("222222200"));
    // Who ordered is not asked where the message names another.
    let text = String::from_utf8(bytes("ordering_practice")).unwrap();
    let copy = text.replacen("|LABOR||", "|LABOR|HAUSARZT|", 1).replacen("BSNR|||", "BSNR||HAUSARZT|", 1);
    let recipient = hl7::read(copy.as_bytes()).unwrap().recipient;
    assert_eq!((recipient.bsnr, recipient.customer_number.as_deref()), (None, Some("HAUSARZT")));
    // A second order that names another practice, or none.
    let order = text
        .split('\r')
        .filter(|line| line.starts_with("ORC") || line.starts_with("OB"))
        .collect::<Vec<_>>()
        .join("\r");
    let two = |other: &str| hl7::read(format!("{text}{}\r", order.replace("222222200", other)).as_bytes());
    assert_eq!(two("123456700").unwrap_err().code(), "several-recipients");
    assert_eq!(two("").unwrap().recipient, hl7::Recipient::default());
}

#[test]
fn each_broken_sample_is_refused_with_its_code_and_without_content() {
    for (name, bytes) in all("broken") {
        let error = hl7::read(&bytes).unwrap_err();
        assert_eq!(error.code(), name.split('_').next().unwrap(), "{name}: {error}");
        let said = format!("{error} {error:?}");
        for content in ["Müller", "Jürgen", "PAT-0001", "CRP", "A-1", "zweite", "TESTLABOR", "4711"] {
            assert!(!said.contains(content), "{name}: {said}");
        }
        assert!(hl7::looks_like_hl7(&bytes), "{name}");
    }
    let at = |name: &str| {
        hl7::read(&all("broken").into_iter().find(|(found, _)| found == name).unwrap().1).unwrap_err().to_string()
    };
    assert!(at("missing-field").starts_with("segment 4 (OBX-3) is empty"));
    assert!(at("bad-segment").starts_with("segment 6 is no segment"));
}

/// A resend has another number and time; everything that a doctor reads must be the same.
#[test]
fn a_resend_says_the_same() {
    for (name, bytes) in all("good") {
        let whole = hl7::read(&bytes).unwrap();
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap();
        let separator = if name.starts_with("own") { b'#' } else { b'|' };
        let mut fields: Vec<Vec<u8>> = bytes[..end].split(|byte| *byte == separator).map(<[u8]>::to_vec).collect();
        fields[6] = b"20261224180000+0100".to_vec();
        fields[9] = b"RESEND-1".to_vec();
        let again = [fields.join(&separator), bytes[end..].to_vec()].concat();
        let again = hl7::read(&again).unwrap();
        assert_eq!(again.control_id.as_deref(), Some("RESEND-1"));
        assert_eq!(again.reports, whole.reports, "{name}");
    }
}

/// A document that is preliminary, flagged, taken back or not there yet is not lost.
#[test]
fn a_document_without_bytes_has_a_place() {
    let text = String::from_utf8(bytes("microbiology_pdf")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from));
        hl7::read(text.replacen(from, to, 1).as_bytes()).unwrap().reports.remove(0)
    };
    let start = text.find("OBX|5|ED").unwrap();
    let line = text[start..].split('\r').next().unwrap().to_owned();
    let pdf = |report: &hl7::Report| report.results.iter().find(|r| r.code == "PDF").map(|r| (r.status, r.critical));
    let pending = with(&line, "OBX|5|ED|PDF^Befund^L||||||||I");
    assert_eq!((pdf(&pending), pending.attachments.len()), (Some((ResultStatus::Registered, false)), 0));
    assert_eq!(pending.status, ReportStatus::Partial);
    let withdrawn = with(&line, &line.replace("||||||F", "||||||W"));
    assert_eq!((pdf(&withdrawn), withdrawn.attachments.len()), (Some((ResultStatus::Withdrawn, false)), 0));
    let flagged = with(&line, &line.replace("||||||F", "|||HH|||F"));
    assert_eq!((pdf(&flagged), flagged.attachments.len()), (Some((ResultStatus::Final, true)), 1));
    assert_eq!(pdf(&with(&line, &line)), None);
}

/// A state in small letters limits the whole as the one in capitals does.
#[test]
fn states_in_small_letters() {
    let text = String::from_utf8(bytes("correction_3_withdrawn")).unwrap();
    let small = text.replace("|W|", "|w|").replace("|F|", "|f|").replace("LAB|C", "LAB|c");
    assert_ne!(small, text);
    assert_eq!(hl7::read(small.as_bytes()).unwrap().reports, hl7::read(text.as_bytes()).unwrap().reports);
    let partial = text.replace("|W|", "|F|").replace("LAB|C", "LAB|a");
    assert_eq!(hl7::read(partial.as_bytes()).unwrap().reports[0].status, ReportStatus::Partial);
}

/// GenDG: what the diagnostic service calls genetics is held back from release.
#[test]
fn genetics_are_marked() {
    let text = String::from_utf8(bytes("chemistry_critical")).unwrap();
    let of = |section: &str| {
        hl7::read(text.replace("||LAB|", &format!("||{section}|")).as_bytes()).unwrap().reports.remove(0)
    };
    assert!(of("GE").genetic && of("CG").genetic && of("ge").genetic && !of("LAB").genetic);
}

/// Responsible is who ordered the genetic examination, not whoever ordered another one of the same report.
#[test]
fn the_doctor_of_the_genetic_examination_counts() {
    let obr =
        |doctor: &str, section: &str| format!("OBR|1|A|B|C{}{doctor}{}{section}\r", "|".repeat(12), "|".repeat(8));
    for (groups, expected) in [
        (vec![obr("111111101", "LAB"), obr("222222201", "GE")], Some("222222201")),
        (vec![obr("222222201", "cg"), obr("111111101", "")], Some("222222201")),
        (vec![obr("222222201", "GE"), obr("", "LAB"), obr("222222201", "GE")], Some("222222201")),
        (vec![obr("222222201", "GE"), obr("", "GE"), obr("222222201", "GE")], None),
        (vec![obr("222222201", "GE"), obr("Dr. Muster", "GE")], None),
        (vec![obr("222222201", "GE"), obr("333333301", "GE"), obr("222222201", "GE")], None),
        (vec![obr("111111101", "LAB")], None),
    ] {
        let message = format!("MSH|^~\\&|LIS|LAB||PRAXIS|20261008||ORU^R01|1|P|2.5\r{}", groups.concat());
        let report = hl7::read(message.as_bytes()).unwrap().reports.remove(0);
        assert_eq!(report.doctor_number.as_deref(), expected, "{message}");
    }
}

/// What was seen in one material is not said of the other.
#[test]
fn texts_of_two_materials_stay_two() {
    let head = "MSH|^~\\&|LIS|LAB||PRAXIS|20261008||ORU^R01|1|P|2.5\rOBR|1|A|B|C\r";
    let text = |words: &str| format!("OBX|1|TX|MIK^Mikroskopie^L||{words}||||||F\r");
    let spm = |name: &str| format!("SPM|1|||X^{name}^L\r");
    let read = |between: &str| {
        let message = format!("{head}{}{}{}{between}{}", spm("Urin"), text("eins"), text("zwei"), text("drei"));
        let report = hl7::read(message.as_bytes()).unwrap().reports.remove(0);
        let of = |r: &hl7::TestResult| (r.specimen.clone().unwrap(), r.value.as_ref().unwrap().text.clone());
        report.results.iter().map(of).collect::<Vec<_>>()
    };
    let said = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
    assert_eq!(read(&spm("Sputum")), said(&[("Urin", "eins\nzwei"), ("Sputum", "drei")]));
    assert_eq!(read(&spm("Urin")), said(&[("Urin", "eins\nzwei"), ("Urin", "drei")]));
    assert_eq!(read(""), said(&[("Urin", "eins\nzwei\ndrei")]));
}

/// Germ 2 may come in a message of its own, and must not be taken for germ 1.
#[test]
fn what_tells_germs_apart_is_said_even_alone() {
    let notes = |obx4: &str, obr26: &str| {
        let order = format!("OBR|1|A|B|C{}{obr26}", "|".repeat(22));
        let obx = format!("OBX|1|SN|AMP^Ampicillin^L|{obx4}|>=^32|mg/l|||||F");
        let text = format!("MSH|^~\\&|LIS|LAB||PRAXIS|20261008||ORU^R01|1|P|2.5\r{order}\r{obx}\r");
        let mut report = hl7::read(text.as_bytes()).unwrap().reports.remove(0);
        (report.results.remove(0).notes, unmapped(&report, "AMP OBX-4").join(" "))
    };
    for (obx4, obr26, expected, rest) in [
        ("", "", &[][..], ""),
        ("1", "", &[], "1"),
        ("2", "", &["Sub-ID 2"], ""),
        ("1.1", "", &["Sub-ID 1.1"], ""),
        ("^2^1", "", &["Sub-ID ^2^1"], ""),
        ("1", "KEIM&Keim&L^2^E. coli", &["Belongs to: Keim 2 E. coli"], "1"),
        ("2", "KEIM^2", &["Sub-ID 2", "Belongs to: KEIM 2"], ""),
        ("", "KEIM", &["Belongs to: KEIM"], ""),
    ] {
        let (found, left) = notes(obx4, obr26);
        assert_eq!(
            (found.as_slice(), left.as_str()),
            (&expected.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..], rest),
            "{obx4} {obr26}"
        );
        let known = |note: &String| note.starts_with(hl7::SUB_ID_NOTE) || note.starts_with(hl7::PARENT_NOTE);
        assert!(found.iter().all(known), "{found:?}");
    }
}

/// Two points of a series must not fall on one time; when it was measured must not tell a corrected value from what it corrects.
#[test]
fn when_the_material_was_taken() {
    let times = |obr7: &str, obx: &[(&str, &str)]| {
        let values: String = obx.iter().map(|(test, time)| format!("OBX|1|NM|{test}||1||||||F|||{time}\r")).collect();
        let head = "MSH|^~\\&|LIS|LAB||PRAXIS|20261008||ORU^R01|1|P|2.5\r";
        let message = format!("{head}OBR|1|A|B|C|||{obr7}\r{values}");
        let report = hl7::read(message.as_bytes()).unwrap().reports.remove(0);
        let of = |r: &hl7::TestResult| r.collected.as_deref().unwrap_or_default().replace("2026-10-08T", "");
        (report.results.iter().map(of).collect::<Vec<_>>().join(" "), unmapped(&report, "K OBX-14").len())
    };
    let (eight, nine, ten, seven) = ("202610080800", "202610080900", "202610081000", "202610080700");
    for (why, obr7, obx, expected, shown) in [
        ("measured together", eight, &[("K", nine), ("NA", nine)][..], "08:00 08:00", 1),
        (
            "measured together, one without a time",
            eight,
            &[("K", nine), ("NA", nine), ("CL", "")],
            "08:00 08:00 08:00",
            1,
        ),
        ("alone: may be a point of a series", eight, &[("K", nine)], "09:00", 0),
        ("one test alone, said twice", eight, &[("K", nine), ("K", nine)], "09:00 09:00", 0),
        ("alone with a test without a time", eight, &[("K", nine), ("CL", "")], "09:00 08:00", 0),
        ("a series", eight, &[("K", eight), ("K", nine), ("K", ten)], "08:00 09:00 10:00", 0),
        ("two times in the group", eight, &[("K", nine), ("NA", ten)], "09:00 10:00", 0),
        ("earlier is no time of measurement", eight, &[("K", seven), ("NA", seven)], "07:00 07:00", 0),
        ("the day alone is known", "20261008", &[("K", nine), ("NA", nine)], "2026-10-08 2026-10-08", 1),
        (
            "another zone",
            eight,
            &[("K", "202610080900+0200"), ("NA", "202610080900+0200")],
            "09:00+02:00 09:00+02:00",
            0,
        ),
        ("the same", eight, &[("K", eight), ("NA", eight)], "08:00 08:00", 0),
        ("no time of the material", "", &[("K", nine), ("NA", nine)], "09:00 09:00", 0),
        ("no time at all", eight, &[("K", "gestern"), ("NA", nine)], "08:00 09:00", 1),
    ] {
        assert_eq!(times(obr7, obx), (expected.to_owned(), shown), "{why}");
    }
}
