//! Every fixture with its concrete content, every broken one with its code.

use crate::support::{all, broken, codes, content, good};
use ldt::{Charset, Comparator, Interpretation, ReportStatus, ResultStatus, Version};

/// One line per report: recipient, order, patient, status, results, notes, attachments.
fn summary(bytes: &[u8]) -> Vec<String> {
    let package = match ldt::read(bytes) {
        Ok(package) => package,
        Err(error) => return vec![format!("refused {}", error.code())],
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let mut lines = vec![codes(&package).join(" ")];
    for report in &package.reports {
        let patient = report.patient.as_ref().map_or_else(
            || "nobody".into(),
            |patient| {
                format!("{} {} {}", text(&patient.family_name), text(&patient.given_name), text(&patient.birth_date))
            },
        );
        let results: Vec<String> = report
            .results
            .iter()
            .map(|result| {
                let values: Vec<String> = result
                    .values
                    .iter()
                    .map(|value| {
                        format!("{}{}", value.text, value.flag.as_ref().map(|f| format!("[{f}]")).unwrap_or_default())
                    })
                    .collect();
                format!("{}={:?}:{}", result.test_code, result.status, values.join(","))
            })
            .collect();
        lines.push(format!(
            "{} {} {} {} {patient} {:?} {}",
            report.kind,
            text(&report.recipient.bsnr),
            text(&report.recipient.customer_number),
            text(&report.order_number),
            report.status,
            results.join(" ")
        ));
    }
    lines
}

const MUELLER: &str = "8201 123456700 4711 A-2026-0001 Müller Jürgen 1966-10-24 Final K=Final:6.8[++] KREA=Final:0.93 \
                       CRP=Final:<0.6 HBSAG=Final:negativ";
const OEZDEMIR: &str = "8201 123456700 4711 A-2026-0002 Özdemir-Groß Zoë 2001-02-28 Final KREA=Final:0.93";
const OEZDEMIR_DIN: &str = "8201 123456700 4711 A-2026-0002 Özdemir-Groß Zoe 2001-02-28 Final KREA=Final:0.93";
const FINAL3: &str = "8205 123456700 4711 A-2026-0101 Müller Jürgen 1966-10-24 Final K=Final:4.6[N] KREA=Final:0.93[N] \
                      CRP=Final:<0.6[N] ANA=Final:1:320[A] HBSAG=Final:negativ[N]";

const GOOD: &[(&str, &[&str])] = &[
    ("A01_ldt2_8201_iso88591", &["", MUELLER, OEZDEMIR]),
    ("S01_ldt2_8201_din66003", &["", MUELLER, OEZDEMIR_DIN]),
    ("X01_ldt2_8201_cp437", &["", MUELLER, OEZDEMIR]),
    ("Z01_LDT3_01_final", &["", FINAL3]),
    (
        "Z01_LDT3_02_teilbefund",
        &["", "8205 123456700 4711 A-2026-0102 Müller Jürgen 1966-10-24 Partial K=Preliminary:4.6[N] TSH=Registered:"],
    ),
    (
        "Z01_LDT3_03_korrektur_08",
        &["", "8205 123456700 4711 A-2026-0101 Müller Jürgen 1966-10-24 Final K=Corrected:4.2[N] KREA=Final:0.93[N]"],
    ),
    (
        "Z01_LDT3_04_extremwert",
        &["", "8205 123456700 4711 A-2026-0104 Müller Jürgen 1966-10-24 Partial K=Preliminary:7.1[!H]"],
    ),
    (
        "Z01_LDT3_06_pdf_anhang",
        &["", "8205 123456700 4711 A-2026-0106 Müller Jürgen 1966-10-24 Final KREA=Final:0.93[N]"],
    ),
    (
        "Z01_LDT3_07_zwei_einsender_ein_paket",
        &[
            "",
            "8205 123456700 4711 A-2026-0107 Müller Jürgen 1966-10-24 Final KREA=Final:0.93[N]",
            "8205 222222200 9999 B-0107 Özdemir-Groß Zoë 2001-02-28 Final KREA=Final:0.93[N]",
        ],
    ),
    (
        "Z01_LDT3_09_molekulargenetik_GenDG",
        &["", "8205 123456700 4711 A-2026-0109 Müller Jürgen 1966-10-24 Final F5L=Final:Nachweis: heterozygot[A]"],
    ),
    ("Z01_ldt2_8201_iso885915", &["", MUELLER, OEZDEMIR]),
    (
        "Z02_ldt2_8202_LG_no_patient",
        &["no-patient", "8202 123456700 4711 SC-0176-11 nobody Final LEUKO=Final:9.5 GLUC=Registered:"],
    ),
    (
        "Z03_ldt2_8201_1_Teilbefund",
        &["", "8201 123456700 4711 A-2026-0003 Müller Jürgen 1966-10-24 Partial K=Preliminary:6.8[++] TSH=Registered:"],
    ),
    (
        "Z03_ldt2_8201_2_Endbefund_B_und_K",
        &["", "8201 123456700 4711 A-2026-0003 Müller Jürgen 1966-10-24 Final K=Corrected:4.2 TSH=Final:2.10"],
    ),
    (
        "Z03_ldt2_8201_3_Wiederholung_B",
        &["", "8201 123456700 4711 A-2026-0003 Müller Jürgen 1966-10-24 Archive K=Final:4.2 TSH=Final:2.10"],
    ),
    (
        "Z04_ldt2_8203_Mikrobiologie",
        &[
            "",
            "8203 123456700 4711 A-2026-0004 Özdemir-Groß Zoë 2001-02-28 Final \
            Pathogene Keime, Kultur=Final:Escherichia coli 10^5 KBE/ml \
            RESI=Final:Ampicillin            R\nCiprofloxacin         S\nFosfomycin            S",
        ],
    ),
    (
        "Z05_ldt2_old_LDT1001.02_DDMMYYYY",
        &["", "8201 123456700 4711 A-2008-1 Müller Jürgen 1966-10-24 Final KREA=Final:0.93"],
    ),
];

#[test]
fn good_files() {
    let names: Vec<String> = all("good").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, GOOD.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "each fixture is in the table");
    for (name, lines) in GOOD {
        assert_eq!(summary(&good(name)), *lines, "{name}");
        assert!(ldt::looks_like_ldt(&good(name)), "{name}");
    }
}

#[test]
fn broken_files() {
    let expected: &[(&str, &[&str])] = &[
        ("Z07_ldt2_order_8218_not_a_result", &["refused not-results"]),
        ("blank_lines", &["blank-lines", MUELLER, OEZDEMIR]),
        ("empty_field_0212", &["refused not-results"]),
        ("ldt2_8100_wrong", &["record-length", MUELLER, OEZDEMIR]),
        ("lf_only", &["line-ends", FINAL3]),
        ("missing_trailer_8221", &["refused missing-trailer"]),
        ("nesting_bomb_2000", &["refused too-deep"]),
        ("not_ldt_hl7", &["refused not-ldt"]),
        ("object_end_mismatch", &["refused object-mismatch"]),
        ("sha1_wrong", &["refused checksum-mismatch"]),
        ("truncated_mid_line", &["refused truncated"]),
        ("utf8_reencoded_lengths_unchanged", &["transcoded", MUELLER, OEZDEMIR]),
    ];
    let names: Vec<String> = all("broken").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "each fixture is in the table");
    for (name, lines) in expected {
        assert_eq!(summary(&broken(name)), *lines, "{name}");
        assert_eq!(ldt::looks_like_ldt(&broken(name)), *name != "not_ldt_hl7", "{name}");
    }
}

#[test]
fn ldt2_in_detail() {
    let package = ldt::read(&good("X01_ldt2_8201_cp437")).unwrap();
    assert_eq!((package.version, package.specification.as_str()), (Version::Ldt2, "LDT1014.01"));
    assert_eq!((package.charset, package.transcoded), (Charset::Cp437, false));
    assert_eq!(package.laboratory.name.as_deref(), Some("Testlabor Größenwahn GmbH"));
    assert_eq!(package.laboratory.bsnr, None);
    assert_eq!(package.created.as_deref(), Some("2026-10-08"));
    let report = &package.reports[0];
    assert_eq!(report.lab_order_number.as_deref(), Some("2610080001"));
    assert_eq!(report.received.as_deref(), Some("2026-10-08"));
    assert_eq!(report.reported.as_deref(), Some("2026-10-08T10:15"));
    assert_eq!(report.doctor_number.as_deref(), Some("123456601"));
    assert_eq!(report.notes, ["Probe leicht hämolytisch"]);
    let unmapped: Vec<_> = report.unmapped.iter().map(|field| (field.id.to_string(), field.text.as_str())).collect();
    assert_eq!(unmapped, [("8609".to_owned(), "K"), ("8403".to_owned(), "1")]);
    let potassium = &report.results[0];
    assert_eq!(potassium.collected_at.as_deref(), Some("2026-10-07T08:15"));
    assert_eq!(potassium.specimen.as_deref(), Some("Serum"));
    assert_eq!(potassium.notes, ["Wert kontrolliert. Tel. Durchsage 08.10. 10:12"]);
    let value = &potassium.values[0];
    assert_eq!((value.number.as_deref(), value.unit.as_deref()), (Some("6.8"), Some("mmol/l")));
    assert_eq!(value.interpretation, Some(Interpretation::HU), "++ is strongly, not extremely raised");
    let reference = value.reference.as_ref().unwrap();
    assert_eq!((reference.low.as_deref(), reference.high.as_deref()), (Some("3.5"), Some("5.1")));
    let crp = &report.results[2].values[0];
    assert_eq!((crp.comparator, crp.number.as_deref()), (Some(Comparator::Less), Some("0.6")));
    let text = &report.results[3].values[0];
    assert!(text.from_text);
    assert_eq!(text.reference.as_ref().unwrap().text.as_deref(), Some("negativ"));
    assert_eq!(report.results[3].notes, ["negativ"]);
}

#[test]
fn ldt3_in_detail() {
    let package = ldt::read(&good("Z01_LDT3_04_extremwert")).unwrap();
    assert_eq!((package.version, package.specification.as_str()), (Version::Ldt3, "LDT3.2.20"));
    assert_eq!(package.charset, Charset::Latin9);
    assert_eq!(package.laboratory.bsnr.as_deref(), Some("987654300"));
    assert_eq!(package.laboratory.name.as_deref(), Some("Testlabor Größenwahn GmbH"));
    assert_eq!(package.laboratory.software.as_deref(), Some("TEST-LIS (erfunden) 1.0"));
    assert_eq!(package.created.as_deref(), Some("2026-10-08T10:15:00+02:00"));
    let report = &package.reports[0];
    assert_eq!(report.status, ReportStatus::Partial);
    assert_eq!(report.report_id.as_deref(), Some("BEF-0104-1"));
    assert_eq!(report.requested.as_deref(), Some("2026-10-07T08:00:00+02:00"));
    assert_eq!(report.reported.as_deref(), Some("2026-10-08T10:15:00+02:00"));
    assert_eq!(report.doctor_number.as_deref(), Some("123456601"));
    assert!(report.life_threatening && !report.genetic);
    assert_eq!(report.notice_codes, ["2"]);
    let patient = report.patient.as_ref().unwrap();
    assert_eq!(patient.number.as_deref(), Some("PAT-0001"));
    assert_eq!(patient.insurance_number.as_deref(), Some("A123456780"));
    assert_eq!(patient.sex.as_deref(), Some("M"));
    assert_eq!(patient.title, None, "the doctor's title is not the patient's");
    let result = &report.results[0];
    assert_eq!(result.result_id.as_deref(), Some("E-K"));
    assert_eq!((result.status, result.status_code.as_deref()), (ResultStatus::Preliminary, Some("05")));
    assert!(result.life_threatening);
    assert_eq!(result.collected_at.as_deref(), Some("2026-10-07T08:15:00+02:00"));
    assert_eq!(result.measured_at.as_deref(), Some("2026-10-08T10:15:00+02:00"));
    assert_eq!((result.specimen.as_deref(), result.specimen_code.as_deref()), (Some("Serum"), Some("SE")));
    assert_eq!(result.notes, ["Lebensbedrohlicher Wert. Telefonisch nicht erreicht um 10:05 und 10:12."]);
    let value = &result.values[0];
    assert_eq!(value.interpretation, Some(Interpretation::HH));
    let alarm = value.alarm.as_ref().unwrap();
    assert_eq!((alarm.low.as_deref(), alarm.high.as_deref()), (Some("2.8"), Some("6.2")));

    let genetic = ldt::read(&good("Z01_LDT3_09_molekulargenetik_GenDG")).unwrap();
    assert!(genetic.reports[0].genetic && genetic.reports[0].results[0].genetic);

    let pdf = ldt::read(&good("Z01_LDT3_06_pdf_anhang")).unwrap();
    let attachment = &pdf.reports[0].attachments[0];
    assert_eq!(attachment.media_type, "application/pdf");
    assert_eq!(attachment.document_type.as_deref(), Some("100"));
    let bytes = attachment.decode().unwrap();
    assert!(bytes.starts_with(b"%PDF-") && bytes.ends_with(b"%%EOF\n"));
}

#[test]
fn all_charsets_say_the_same() {
    let latin = ldt::read(&good("Z01_ldt2_8201_iso885915")).unwrap();
    for name in ["A01_ldt2_8201_iso88591", "X01_ldt2_8201_cp437"] {
        assert_eq!(content(&ldt::read(&good(name)).unwrap()), content(&latin), "{name}");
    }
    let transcoded = ldt::read(&broken("utf8_reencoded_lengths_unchanged")).unwrap();
    assert_eq!(content(&transcoded), content(&latin));
    assert!(transcoded.transcoded);
    assert_eq!(transcoded.charset, Charset::Latin9);
}
