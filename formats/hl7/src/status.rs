//! States and flags: OBX-11 (table 0085), OBR-25 (table 0123) and OBX-8 (table 0078).
//!
//! What must stay true: nothing is called final that the laboratory did not call so; what it takes back is withdrawn; LL, HH and AA
//! are beyond panic limits, so they are critical; a flag outside of the table is shown as sent and not interpreted.

use crate::WarningKind;
use crate::model::{Interpretation, ReportStatus, ResultStatus, TestResult};
use crate::segment::Seg;

/// More than this is no code.
const LONGEST_CODE: usize = 8;

/// The state of a value. Without one of its own it has that of its order, but for "corrected", which not every value is.
pub(crate) fn of_value(obx: &Seg<'_>, order: Option<&str>) -> (ResultStatus, Option<String>) {
    let code = obx.text(11);
    if code.as_ref().is_some_and(|code| code.chars().count() > LONGEST_CODE) {
        obx.forget(11, 1, 1);
        obx.warn(WarningKind::UnknownCode, 11);
        return (ResultStatus::Unknown, None);
    }
    // Small letters are not in the table, but what is taken back must not be overlooked for them.
    let code = code.map(|code| code.to_ascii_uppercase());
    let status = match code.as_deref() {
        Some("I" | "S" | "O") => ResultStatus::Registered,
        Some("P" | "R") => ResultStatus::Preliminary,
        Some("F" | "U") => ResultStatus::Final,
        Some("C") => ResultStatus::Corrected,
        Some("X" | "N") => ResultStatus::Cancelled,
        Some("D" | "W") => ResultStatus::Withdrawn,
        Some(_) => {
            obx.warn(WarningKind::UnknownCode, 11);
            ResultStatus::Unknown
        }
        None => match order {
            Some("F" | "C") => ResultStatus::Final,
            Some("P" | "R") => ResultStatus::Preliminary,
            Some("I" | "S" | "O") => ResultStatus::Registered,
            Some("X") => ResultStatus::Cancelled,
            _ => {
                obx.warn(WarningKind::NoStatus, 11);
                ResultStatus::Unknown
            }
        },
    };
    (status, code)
}

/// The state of the whole: the weakest order or value limits it, so that nothing looks complete that is not.
pub(crate) fn of_report(orders: &[Option<String>], results: &[TestResult], attachments: usize) -> ReportStatus {
    let order = |codes: &str| orders.iter().flatten().any(|code| codes.contains(code.as_str()));
    // O only describes what was ordered: nothing will come of it.
    let waits = |r: &TestResult| r.status == ResultStatus::Registered && r.status_code.as_deref() != Some("O");
    let any = |status: ResultStatus| results.iter().any(|r| r.status == status);
    let settled =
        |r: &TestResult| matches!(r.status, ResultStatus::Final | ResultStatus::Corrected | ResultStatus::Withdrawn);
    let nothing = attachments == 0 && results.iter().all(|r| r.value.is_none() && r.status != ResultStatus::Withdrawn);
    let cancelled = |r: &TestResult| r.status == ResultStatus::Cancelled;
    if nothing && !order("FCAPRISO") && (order("X") || !results.is_empty()) && results.iter().all(cancelled) {
        return ReportStatus::Cancelled;
    }
    if nothing && (order("ISO") || results.iter().any(waits)) {
        return ReportStatus::Registered;
    }
    if results.iter().any(waits) || order("AISO") {
        return ReportStatus::Partial;
    }
    if any(ResultStatus::Preliminary) || any(ResultStatus::Unknown) || order("PR") {
        let whole = !results.iter().any(settled) && !order("FC");
        return if whole { ReportStatus::Preliminary } else { ReportStatus::Partial };
    }
    if any(ResultStatus::Corrected) || any(ResultStatus::Withdrawn) || order("C") {
        return ReportStatus::Corrected;
    }
    // Nobody says in what state a document alone is.
    if results.is_empty() && !order("FX") { ReportStatus::Preliminary } else { ReportStatus::Final }
}

/// What OBX-8 says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// As sent.
    pub(crate) sent: Option<String>,
    /// The most severe of the table.
    pub(crate) interpretation: Option<Interpretation>,
    /// Susceptibility of a germ: no judgement on the patient's value.
    pub(crate) notes: Vec<String>,
}

impl Flags {
    /// Beyond a panic limit.
    pub(crate) fn critical(&self) -> bool {
        matches!(self.interpretation, Some(Interpretation::LL | Interpretation::HH | Interpretation::AA))
    }
}

/// Reads OBX-8.
pub(crate) fn flags(obx: &Seg<'_>) -> Flags {
    let mut flags = Flags::default();
    let mut sent = Vec::new();
    for repetition in 1..=obx.repetitions(8) {
        let Some(flag) = obx.component(8, repetition, 1) else { continue };
        if let Some(words) = susceptibility(&flag) {
            flags.notes.push(format!("{flag}: {words}"));
            continue;
        }
        flags.interpretation = flags.interpretation.max(interpretation(&flag));
        sent.push(flag);
    }
    flags.sent = (!sent.is_empty()).then(|| sent.join(" "));
    flags
}

/// Small letters are not in the table, but a panic value must not be overlooked for them.
fn interpretation(flag: &str) -> Option<Interpretation> {
    Some(match flag.to_ascii_uppercase().as_str() {
        "N" => Interpretation::N,
        "L" => Interpretation::L,
        "LL" => Interpretation::LL,
        "H" => Interpretation::H,
        "HH" => Interpretation::HH,
        "A" => Interpretation::A,
        "AA" => Interpretation::AA,
        _ => return None,
    })
}

fn susceptibility(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "S" => "susceptible",
        "I" => "intermediate",
        "R" => "resistant",
        "MS" => "moderately susceptible",
        "VS" => "very susceptible",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Charset;
    use crate::model::Value;
    use crate::segment::Context;

    fn with<T>(obx: &str, read: impl Fn(&Seg<'_>) -> T) -> T {
        let message = er7::parse(&format!("MSH|^~\\&|\r{obx}")).unwrap();
        let context = Context::new(message.separators, Charset::Utf8);
        read(&Seg::new(&message.segments[1], 2, &context))
    }

    #[test]
    fn states_of_values() {
        for (codes, expected) in [
            ("ISO", ResultStatus::Registered),
            ("PR", ResultStatus::Preliminary),
            ("FU", ResultStatus::Final),
            ("C", ResultStatus::Corrected),
            ("XN", ResultStatus::Cancelled),
            ("DW", ResultStatus::Withdrawn),
            ("?Z", ResultStatus::Unknown),
        ] {
            for code in codes.chars() {
                let status = with(&format!("OBX|1||K||7||||||{code}"), |obx| of_value(obx, Some("F")));
                assert_eq!(status, (expected, Some(code.to_string())));
            }
            for code in codes.to_ascii_lowercase().chars() {
                let status = with(&format!("OBX|1||K||7||||||{code}"), |obx| of_value(obx, Some("F")));
                assert_eq!(status, (expected, Some(code.to_ascii_uppercase().to_string())), "{code}");
            }
        }
        let long = with("OBX|1||K||7||||||FFFFFFFFF", |obx| (of_value(obx, Some("F")), obx.rest("").pop()));
        assert_eq!(long.0, (ResultStatus::Unknown, None));
        assert_eq!(long.1.map(|field| field.text).as_deref(), Some("FFFFFFFFF"), "what is no code is shown");
        for (order, expected) in [
            (Some("F"), ResultStatus::Final),
            (Some("C"), ResultStatus::Final),
            (Some("P"), ResultStatus::Preliminary),
            (Some("I"), ResultStatus::Registered),
            (Some("X"), ResultStatus::Cancelled),
            (Some("A"), ResultStatus::Unknown),
            (None, ResultStatus::Unknown),
        ] {
            assert_eq!(with("OBX|1||K||7", |obx| of_value(obx, order)), (expected, None), "{order:?}");
        }
    }

    #[test]
    fn flags_are_interpreted_by_table_0078_only() {
        for (sent, interpretation, critical) in [
            ("N", Some(Interpretation::N), false),
            ("L", Some(Interpretation::L), false),
            ("H", Some(Interpretation::H), false),
            ("A", Some(Interpretation::A), false),
            ("LL", Some(Interpretation::LL), true),
            ("HH", Some(Interpretation::HH), true),
            ("hh", Some(Interpretation::HH), true),
            ("AA", Some(Interpretation::AA), true),
            ("<", None, false),
            (">", None, false),
            ("++", None, false),
            ("!H", None, false),
        ] {
            let flags = with(&format!("OBX|1||K||7|||{sent}|||F"), flags);
            assert_eq!(
                (flags.sent.as_deref(), flags.interpretation, flags.critical()),
                (Some(sent), interpretation, critical)
            );
        }
        let several = with("OBX|1||K||7|||H~HH~U|||F", flags);
        assert_eq!((several.sent.as_deref(), several.interpretation), (Some("H HH U"), Some(Interpretation::HH)));
        let germ = with("OBX|1||AMP||16|||R|||F", flags);
        assert_eq!((germ.sent, germ.notes), (None, vec!["R: resistant".to_owned()]));
    }

    #[test]
    fn the_weakest_limits_the_whole() {
        let result = |status: ResultStatus, code: &str| TestResult {
            status,
            status_code: Some(code.to_owned()),
            value: matches!(status, ResultStatus::Final | ResultStatus::Preliminary | ResultStatus::Corrected)
                .then(Value::default),
            ..TestResult::default()
        };
        let (f, p) = (result(ResultStatus::Final, "F"), result(ResultStatus::Preliminary, "P"));
        let (i, o) = (result(ResultStatus::Registered, "I"), result(ResultStatus::Registered, "O"));
        let (c, w) = (result(ResultStatus::Corrected, "C"), result(ResultStatus::Withdrawn, "W"));
        let (x, u) = (result(ResultStatus::Cancelled, "X"), result(ResultStatus::Unknown, "?"));
        for (order, results, expected) in [
            ("F", vec![&f], ReportStatus::Final),
            ("F", vec![&f, &o, &x], ReportStatus::Final),
            ("F", vec![&f, &i], ReportStatus::Partial),
            ("F", vec![&f, &p], ReportStatus::Partial),
            ("A", vec![&f], ReportStatus::Partial),
            ("", vec![&p], ReportStatus::Preliminary),
            ("P", vec![&p, &u], ReportStatus::Preliminary),
            ("", vec![&u], ReportStatus::Preliminary),
            ("F", vec![&c, &f], ReportStatus::Corrected),
            ("F", vec![&w], ReportStatus::Corrected),
            ("C", vec![&f], ReportStatus::Corrected),
            ("X", vec![], ReportStatus::Cancelled),
            ("", vec![&x], ReportStatus::Cancelled),
            ("I", vec![], ReportStatus::Registered),
            ("", vec![&i, &x], ReportStatus::Registered),
            ("", vec![], ReportStatus::Preliminary),
        ] {
            let orders = [(!order.is_empty()).then(|| order.to_owned())];
            let results: Vec<_> = results.into_iter().cloned().collect();
            assert_eq!(of_report(&orders, &results, 0), expected, "{order} {results:?}");
        }
        assert_eq!(of_report(&[Some("F".to_owned())], &[], 1), ReportStatus::Final);
        assert_eq!(of_report(&[None], &[], 1), ReportStatus::Preliminary);
    }
}
