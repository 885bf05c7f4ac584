//! Whose message it is, for whom, and whether it is a result at all (MSH).
//!
//! What must stay true: the recipient is never guessed. A BSNR is one only where the message says so. MSH-6 decides, and MSH-5 if
//! MSH-6 is empty; what contradicts, and what names several, is refused. Who ordered is asked only if MSH-6 is empty, because a copy
//! of a report goes to somebody else than who ordered it.

use crate::model::{Laboratory, Recipient};
use crate::order::LONGEST_NUMBER;
use crate::segment::Seg;
use crate::{Error, WarningKind};

/// Whether the message is a result of a patient, and whole.
pub(crate) fn check(msh: &Seg<'_>) -> Result<(), Error> {
    let trigger = msh.peek(9, 1, 2, 1);
    if msh.peek(9, 1, 1, 1).as_deref() != Some("ORU") || trigger.is_some_and(|trigger| trigger != "R01") {
        return Err(Error::NotResults { at: msh.at(9) });
    }
    if matches!(msh.peek(11, 1, 1, 1).as_deref(), Some("T" | "D" | "t" | "d")) {
        return Err(Error::NotProduction { at: msh.at(11) });
    }
    if msh.peek(14, 1, 1, 1).is_some() {
        return Err(Error::Continued { at: msh.at(14) });
    }
    if !matches!(msh.peek(12, 1, 1, 1).as_deref(), Some("2.3" | "2.3.1" | "2.4" | "2.5" | "2.5.1")) {
        msh.warn(WarningKind::UnknownVersion, 12);
    }
    Ok(())
}

/// MSH-4, else MSH-3. Without it order numbers, which every laboratory counts for itself, would mean nothing.
pub(crate) fn laboratory(msh: &Seg<'_>) -> Result<Laboratory, Error> {
    let said = [(4, 1), (4, 2), (3, 1), (3, 2)].into_iter().find_map(|(field, part)| msh.peek(field, 1, part, 1));
    let name = said.ok_or_else(|| Error::MissingField { at: msh.at(4) })?;
    if name.len() > LONGEST_NUMBER {
        return Err(Error::TooLong { at: msh.at(4) });
    }
    Ok(Laboratory { bsnr: practice_number(msh, 4).filter(|number| is_bsnr(number)), name })
}

/// The recipient, as far as MSH names one.
pub(crate) fn recipient(msh: &Seg<'_>) -> Result<Recipient, Error> {
    if let Some(field) = [5, 6].into_iter().find(|field| msh.repetitions(*field) > 1) {
        return Err(Error::SeveralRecipients { at: msh.at(field) });
    }
    let bsnr = match (practice_number(msh, 6), practice_number(msh, 5)) {
        (Some(facility), Some(application)) if facility != application => {
            return Err(Error::SeveralRecipients { at: msh.at(6) });
        }
        // Whether what MSH-6 names is the practice of MSH-5 only a person can say.
        (None, Some(_)) if names_facility(msh) => return Err(Error::SeveralRecipients { at: msh.at(6) }),
        (facility, application) => facility.or(application),
    };
    let customer_number = if bsnr.is_none() { msh.peek(6, 1, 1, 1) } else { None };
    Ok(Recipient { bsnr, customer_number })
}

/// Whether MSH-6 says anything.
pub(crate) fn names_facility(msh: &Seg<'_>) -> bool {
    (1..=3).any(|part| msh.peek(6, 1, part, 1).is_some())
}

/// HD: name, id and type of id. A malformed number is still the one that was named: nobody is known by it.
fn practice_number(msh: &Seg<'_>, field: usize) -> Option<String> {
    let typed = msh.peek(field, 1, 3, 1).is_some_and(|kind| says_bsnr(&kind));
    typed.then(|| msh.peek(field, 1, 2, 1).or_else(|| msh.peek(field, 1, 1, 1))).flatten()
}

/// The practice that ordered: ORC-21 (XON), else OBR-16 (XCN), where it is said that the number is a BSNR.
pub(crate) fn ordering_practice(orc: Option<&Seg<'_>>, obr: &Seg<'_>) -> Option<String> {
    let organisation = orc.and_then(|orc| {
        let typed = [6, 7].into_iter().filter_map(|part| orc.peek(21, 1, part, 1)).any(|kind| says_bsnr(&kind));
        typed.then(|| [10, 3].into_iter().find_map(|part| orc.peek(21, 1, part, 1))).flatten()
    });
    let provider = || {
        let typed = [9, 13].into_iter().filter_map(|part| obr.peek(16, 1, part, 1)).any(|kind| says_bsnr(&kind));
        typed.then(|| obr.peek(16, 1, 1, 1)).flatten()
    };
    organisation.or_else(provider).filter(|number| is_bsnr(number))
}

/// The doctor who ordered: OBR-16, else ORC-12 (both XCN). Nine digits of which it is said that they are a LANR, or of which nothing is said.
pub(crate) fn ordering_doctor(orc: Option<&Seg<'_>>, obr: &Seg<'_>) -> Option<String> {
    let number = |seg: &Seg<'_>, field: usize| {
        let kinds: Vec<_> = [9, 13].into_iter().filter_map(|part| seg.peek(field, 1, part, 1)).collect();
        let fits = kinds.iter().all(|kind| kind.eq_ignore_ascii_case("LANR"));
        seg.peek(field, 1, 1, 1).filter(|number| fits && is_bsnr(number))
    };
    number(obr, 16).or_else(|| orc.and_then(|orc| number(orc, 12)))
}

fn says_bsnr(text: &str) -> bool {
    matches!(text.to_ascii_uppercase().as_str(), "BSNR" | "NBSNR")
}

fn is_bsnr(text: &str) -> bool {
    text.len() == 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Charset;
    use crate::segment::Context;

    fn with<T>(text: &str, read: impl Fn(&[Seg<'_>]) -> T) -> T {
        let message = er7::parse(text).unwrap();
        let context = Context::new(message.separators, Charset::Utf8);
        let segments: Vec<_> = message.segments.iter().enumerate().map(|(n, s)| Seg::new(s, n + 1, &context)).collect();
        read(&segments)
    }

    #[test]
    fn a_practice_number_is_one_only_where_it_is_said() {
        for (msh5, msh6, bsnr, customer) in [
            ("PVS", "PRAXIS^123456700^BSNR", "123456700", ""),
            ("PVS", "123456700^^bsnr", "123456700", ""),
            ("X^123456700^NBSNR", "", "123456700", ""),
            ("X^123456700^BSNR", "X^123456700^BSNR", "123456700", ""),
            ("X^123456700^BSNR", "\"\"", "123456700", ""),
            ("X^123456700^L", "PRAXIS", "", "PRAXIS"),
            ("PVS", "PRAXIS4711", "", "PRAXIS4711"),
            ("PVS", "123456700", "", "123456700"),
            ("PVS", "PRAXIS^123456700^L", "", "PRAXIS"),
            ("PVS", "PRAXIS^12345^BSNR", "12345", ""),
            ("PVS", "", "", ""),
            ("PVS", "^123456700", "", ""),
        ] {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let found = with(&format!("MSH|^~\\&|LIS|LAB|{msh5}|{msh6}|"), |segments| recipient(&segments[0]));
            assert_eq!(found, Ok(Recipient { bsnr: some(bsnr), customer_number: some(customer) }), "{msh5} {msh6}");
        }
        for (msh5, msh6) in [
            ("A^111111100^BSNR", "B^222222200^BSNR"),
            ("A^111111100^BSNR", "KD4711"),
            ("A^111111100^BSNR", "^222222200"),
            ("A^111111100^BSNR", "^^BSNR"),
            ("PVS", "A^111111100^BSNR~B^222222200^BSNR"),
            ("PVS", "KD1~KD2"),
            ("PVS", "~KD2"),
            ("A^111111100^BSNR~B^222222200^BSNR", ""),
        ] {
            let found = with(&format!("MSH|^~\\&|LIS|LAB|{msh5}|{msh6}|"), |segments| recipient(&segments[0]));
            assert_eq!(found.map_err(|error| error.code()), Err("several-recipients"), "{msh5} {msh6}");
        }
    }

    #[test]
    fn who_ordered_counts_only_with_a_number_that_is_said_to_be_one() {
        for (orc21, obr16, expected) in [
            ("Praxis^^123456700^^^BSNR", "", "123456700"),
            ("Praxis^^^^^^BSNR^^^123456700", "", "123456700"),
            ("Praxis^^123456700", "", ""),
            ("Praxis^^12345^^^BSNR", "", ""),
            ("", "123456700^Muster^Eva^^^^^^BSNR", "123456700"),
            ("", "123456700^Muster^Eva^^^^^^LANR", ""),
            ("Praxis^^123456700^^^BSNR", "222222200^Muster^Eva^^^^^^BSNR", "123456700"),
        ] {
            let text = format!("MSH|^~\\&|\rORC{}{orc21}\rOBR{}{obr16}", "|".repeat(21), "|".repeat(16));
            let found = with(&text, |segments| ordering_practice(Some(&segments[1]), &segments[2]));
            assert_eq!(found.unwrap_or_default(), expected, "{orc21} {obr16}");
        }
    }

    #[test]
    fn only_whole_results_of_patients_are_read() {
        for (msh, code) in [
            ("ORU^R01^ORU_R01|1|P|2.5.1", ""),
            ("ORU|1|P|2.3", ""),
            ("ORU^R01|1||2.5", ""),
            ("ORM^O01|1|P|2.5", "not-results"),
            ("ORU^R30|1|P|2.5", "not-results"),
            ("ACK^R01|1|P|2.5", "not-results"),
            ("|1|P|2.5", "not-results"),
            ("ORU^R01|1|T|2.5", "not-production"),
            ("ORU^R01|1|D|2.5", "not-production"),
            ("ORU^R01|1|t|2.5", "not-production"),
            ("ORU^R01|1|d|2.5", "not-production"),
            ("ORU^R01|1|p|2.5", ""),
            ("ORU^R01|1|P|2.5||4711", "continued"),
        ] {
            let checked = with(&format!("MSH|^~\\&|||||||{msh}"), |segments| check(&segments[0]));
            assert_eq!(checked.err().map_or("", |error| error.code()), code, "{msh}");
        }
        let nobody = with("MSH|^~\\&|||||||ORU^R01", |segments| laboratory(&segments[0]));
        assert_eq!(nobody.unwrap_err().code(), "missing-field");
    }

    #[test]
    fn the_ordering_doctor_is_nine_digits_that_nothing_else_is_said_of() {
        for (obr16, orc12, expected) in [
            ("123456601^Muster", "", Some("123456601")),
            ("123456601^Muster^^^^^^^LANR", "", Some("123456601")),
            ("123456601^Muster^^^^^^^^^^^lanr", "", Some("123456601")),
            ("123456700^Praxis^^^^^^^BSNR", "", None),
            ("123456700^Praxis^^^^^^^^^^^BSNR", "765432201^Other", Some("765432201")),
            ("", "765432201^Other", Some("765432201")),
            ("123456601^Muster", "765432201^Other", Some("123456601")),
            ("Dr. Muster", "", None),
            ("12345660", "", None),
        ] {
            let text = format!(
                "MSH|^~\\&|LIS|LAB|PVS|P|2026||ORU^R01|1|P|2.5\rORC|RE|||||||||||{orc12}\rOBR|1||||||||||||||{obr16}\r"
            )
            .replace("OBR|1||||||||||||||", "OBR|1|||||||||||||||");
            let found = with(&text, |segments| ordering_doctor(Some(&segments[1]), &segments[2]));
            assert_eq!(found.as_deref(), expected, "{obr16} {orc12}");
        }
    }
}
