//! The person (PID).
//!
//! What must stay true: a number of the laboratory never stands for the practice's, nor any number for the insurance's: numbers
//! that contradict keep reports apart, and a wrong one would do so for ever.

use crate::model::{Patient, Sex};
use crate::segment::Seg;
use crate::{Recipient, WarningKind};

/// OID under which the statutory insurances assign their numbers.
const KVID: &str = "1.2.276.0.76.4.8";

/// Reads PID. `practice` are the names by which the practice may be called as an assigning authority.
pub(crate) fn patient(pid: &Seg<'_>, practice: &[String]) -> Patient {
    let (number, insurance_number) = numbers(pid, practice);
    let given: Vec<_> = [2, 3].into_iter().filter_map(|part| pid.component(5, 1, part)).collect();
    Patient {
        number,
        insurance_number,
        family_name: pid.component(5, 1, 1),
        given_name: (!given.is_empty()).then(|| given.join(" ")),
        birth_date: pid.time(7),
        sex: sex(pid),
    }
}

/// By which names the practice may have assigned a number: as MSH-5 and MSH-6 call it.
pub(crate) fn practice_names(msh: &Seg<'_>, recipient: &Recipient) -> Vec<String> {
    let named = [(6, 1), (6, 2), (5, 1)].into_iter().filter_map(|(field, part)| msh.peek(field, 1, part, 1));
    named.chain(recipient.bsnr.clone()).collect()
}

/// PID-3, of which each repetition says who assigned it and of what type it is.
fn numbers(pid: &Seg<'_>, practice: &[String]) -> (Option<String>, Option<String>) {
    let (mut own, mut insurance) = (None, None);
    for repetition in 1..=pid.repetitions(3) {
        let Some(number) = pid.peek(3, repetition, 1, 1) else { continue };
        let peek = |part, sub| pid.peek(3, repetition, part, sub).unwrap_or_default();
        let (authority, id, kind) = (peek(4, 1), peek(4, 2), peek(5, 1));
        let insured = id == KVID
            || [&authority, &kind]
                .into_iter()
                .any(|said| matches!(said.to_ascii_uppercase().as_str(), "GKV" | "KVNR" | "KVID"))
            || (kind == "NI" && authority.is_empty() && is_kvnr(&number));
        let place = if insured {
            &mut insurance
        } else if matches!(kind.as_str(), "" | "PI" | "MR" | "PT")
            && [&authority, &id].into_iter().any(|by| practice.contains(by))
        {
            &mut own
        } else {
            continue;
        };
        if place.is_none() {
            *place = Some(number);
            [1, 4, 5].into_iter().for_each(|part| pid.skip(3, repetition, part, 0));
        }
    }
    (own, insurance)
}

/// A letter and nine digits.
fn is_kvnr(number: &str) -> bool {
    let (head, digits) = number.split_at_checked(1).unwrap_or_default();
    digits.len() == 9 && head.bytes().all(|b| b.is_ascii_uppercase()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn sex(pid: &Seg<'_>) -> Option<Sex> {
    Some(match pid.peek(8, 1, 1, 1)?.to_ascii_uppercase().as_str() {
        "M" => read(pid, Sex::Male),
        "F" | "W" => read(pid, Sex::Female),
        "O" | "A" | "D" | "X" => read(pid, Sex::Other),
        "U" | "N" => read(pid, Sex::Unknown),
        _ => {
            pid.warn(WarningKind::UnknownCode, 8);
            Sex::Unknown
        }
    })
}

/// A code outside of the table stays unread, so it is shown.
fn read(pid: &Seg<'_>, sex: Sex) -> Sex {
    pid.skip(8, 1, 1, 1);
    sex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Charset;
    use crate::segment::Context;

    fn of(pid: &str) -> (Patient, Vec<(String, String)>) {
        let message = er7::parse(&format!("MSH|^~\\&|\rPID|{pid}")).unwrap();
        let context = Context::new(message.separators, Charset::Utf8);
        let seg = Seg::new(&message.segments[1], 2, &context);
        let patient = patient(&seg, &["PRAXIS".to_owned(), "123456700".to_owned()]);
        (patient, seg.rest("").into_iter().map(|field| (field.name, field.text)).collect())
    }

    #[test]
    fn numbers_are_told_apart_by_who_assigned_them() {
        for (pid3, own, insurance) in [
            ("P-1^^^PRAXIS^PI~A123456780^^^GKV^NI", "P-1", "A123456780"),
            ("A123456780^^^^KVNR~P-1^^^X&123456700&BSNR^MR", "P-1", "A123456780"),
            ("A123456780^^^^NI", "", "A123456780"),
            ("A123456780^^^KK&1.2.276.0.76.4.8&ISO^SN", "", "A123456780"),
            ("4711^^^LABOR^PI", "", ""),
            ("4711", "", ""),
            ("4711^^^PRAXIS^XX", "", ""),
            ("471112345^^^^NI", "", ""),
        ] {
            let (patient, rest) = of(&format!("1||{pid3}"));
            assert_eq!(patient.number.as_deref().unwrap_or_default(), own, "{pid3}");
            assert_eq!(patient.insurance_number.as_deref().unwrap_or_default(), insurance, "{pid3}");
            assert_eq!(rest.is_empty(), !(own.is_empty() && insurance.is_empty()), "{pid3} {rest:?}");
        }
    }

    #[test]
    fn name_birth_date_and_sex() {
        let (patient, rest) = of("1||||Müller&von&Müller^Jürgen^Karl^jun.^^Dr.||196610|W|||Weg 1^^Ort");
        assert_eq!(patient.family_name.as_deref(), Some("Müller"));
        assert_eq!(patient.given_name.as_deref(), Some("Jürgen Karl"));
        assert_eq!(patient.birth_date.as_deref(), Some("1966-10"));
        assert_eq!(patient.sex, Some(Sex::Female));
        assert_eq!(
            rest,
            [("PID-5".to_owned(), "von Müller jun. Dr.".to_owned()), ("PID-11".to_owned(), "Weg 1 Ort".to_owned())]
        );
        for (sent, expected) in
            [("M", Sex::Male), ("f", Sex::Female), ("D", Sex::Other), ("X", Sex::Other), ("U", Sex::Unknown)]
        {
            assert_eq!(of(&format!("1|||||||{sent}")).0.sex, Some(expected));
        }
        assert_eq!(of("1").0, Patient::default());
        let (odd, rest) = of("1||||||gestern|Z");
        assert_eq!((odd.birth_date, odd.sex), (None, Some(Sex::Unknown)));
        assert_eq!(rest.len(), 2, "{rest:?}");
    }
}
