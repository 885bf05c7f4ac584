//! Codes in words.
//! Must stay true: nothing depends on colour alone; a code that is not known here is shown as it is, never as something harmless.

use labor_db::matching::Reason;

/// A flag: a symbol for the eye, words for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Shown before the words, not read aloud; may be empty.
    pub(crate) symbol: &'static str,
    /// What it means.
    pub(crate) words: String,
    /// Which style: normal, low, high, abnormal or critical.
    pub(crate) style: &'static str,
}

/// What is said about a value; `None` when the laboratory said nothing. `interpretation` is an HL7 code, `sent` the
/// laboratory's own flag, `critical` whether it was marked life-threatening.
pub(crate) fn flag(interpretation: Option<&str>, sent: Option<&str>, critical: bool) -> Option<Flag> {
    let flag = |symbol, words: &str, style| Some(Flag { symbol, words: words.to_owned(), style });
    match interpretation {
        Some("LL") => flag("‼", "critically low", "critical"),
        Some("HH") => flag("‼", "critically high", "critical"),
        Some("AA") => flag("‼", "critically abnormal", "critical"),
        Some("L") if critical => flag("‼", "low, critical", "critical"),
        Some("LU") if critical => flag("‼", "very low, critical", "critical"),
        Some("H") if critical => flag("‼", "high, critical", "critical"),
        Some("HU") if critical => flag("‼", "very high, critical", "critical"),
        Some("A") if critical => flag("‼", "abnormal, critical", "critical"),
        _ if critical => flag("‼", "critical", "critical"),
        Some("N") => flag("", "normal", "normal"),
        Some("L") => flag("↓", "low", "low"),
        Some("LU") => flag("⇊", "very low", "low"),
        Some("H") => flag("↑", "high", "high"),
        Some("HU") => flag("⇈", "very high", "high"),
        Some("A") => flag("◆", "abnormal", "abnormal"),
        Some(other) => flag("◆", &format!("flagged {other}"), "abnormal"),
        None => sent.and_then(|sent| flag("◆", &format!("flagged {sent}"), "abnormal")),
    }
}

/// A reference range: the laboratory's text, its limits, or both when the text does not say them; `None` when nothing was sent.
pub(crate) fn range(text: Option<&str>, low: Option<&str>, high: Option<&str>) -> Option<String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let Some(limits) = limits(low, high) else { return text.map(str::to_owned) };
    let Some(text) = text else { return Some(limits) };
    // Numbers in a text may be anything (an age): only the very same words are not said twice.
    let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace('-', "–");
    Some(if bare(text) == bare(&limits) { text.to_owned() } else { format!("{limits} ({text})") })
}

fn limits(low: Option<&str>, high: Option<&str>) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) if low.starts_with('-') || high.starts_with('-') => Some(format!("{low} to {high}")),
        (Some(low), Some(high)) => Some(format!("{low}–{high}")),
        (Some(low), None) => Some(format!("from {low}")),
        (None, Some(high)) => Some(format!("up to {high}")),
        (None, None) => None,
    }
}

/// State of a report or value.
pub(crate) fn status(status: &str) -> &str {
    match status {
        "registered" => "Registered",
        "partial" => "Partial",
        "preliminary" => "Preliminary",
        "final" => "Final",
        "corrected" => "Corrected",
        "cancelled" => "Cancelled",
        "unknown" => "Unknown",
        other => other,
    }
}

/// How many values are outside their range. A value without a flag was not called normal by anybody, hence "none flagged".
pub(crate) fn outside(abnormal: i64, all: i64) -> String {
    match (abnormal, all) {
        (_, 0) => "no values yet".to_owned(),
        (0, _) => "none flagged".to_owned(),
        (some, all) => format!("{some} of {all}"),
    }
}

/// A patient as a list shows it.
pub(crate) fn patient(family: Option<&str>, given: Option<&str>) -> String {
    match (family, given) {
        (Some(family), Some(given)) => format!("{family}, {given}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Patient not named".to_owned(),
    }
}

/// Why an attachment can't be opened.
pub(crate) fn scan_state(state: &str) -> &'static str {
    match state {
        "clean" => "scanned, nothing found; opening is not offered here yet",
        "infected" => "malicious content was found, cannot be opened",
        _ => "not yet scanned, cannot be opened",
    }
}

/// Length of an attachment.
pub(crate) fn size(bytes: i64) -> String {
    match bytes {
        0 => "kept by the laboratory".to_owned(),
        1..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// What somebody did with a report.
pub(crate) fn event(kind: &str) -> &'static str {
    match kind {
        "acknowledged" => "acknowledged",
        "told" => "notice read",
        "released" => "released to the patient",
        "withdrawn" => "withdrawn from the patient",
        _ => "first opened",
    }
}

/// How urgent an alert is.
pub(crate) fn tier(tier: &str) -> &'static str {
    match tier {
        "emergency" => "Emergency: tell at once",
        "phone" => "Phone today",
        _ => "Unlikely change: check",
    }
}

/// Why an alert was raised.
pub(crate) fn cause(cause: &str) -> &'static str {
    match cause {
        "laboratory" => "the laboratory marked it as life-threatening",
        "limit" => "beyond a limit of the practice",
        _ => "changed much against the value before",
    }
}

/// What came of an alert.
pub(crate) fn outcome(kind: &str) -> &'static str {
    match kind {
        "confirmed" => "told and repeated",
        "reached_without_read_back" => "told but not repeated",
        "unreachable" => "nobody reached",
        "dismissed" => "looked at, nothing to be done",
        _ => "the value counts no more",
    }
}

/// Why somebody is told of a version that they saw.
pub(crate) fn notice(kind: &str) -> &'static str {
    match kind {
        "invalidated" => "The laboratory says that nothing of what you saw counts any more.",
        "unmatched" => "What you saw was assigned to the wrong patient. It was withdrawn.",
        "renamed" => {
            "The laboratory sent the order of a report that you saw under another name or birth date, too: one of them may be about the wrong person."
        }
        _ => "Something that you saw was corrected.",
    }
}

/// How many wait; the count ends at 1,000.
pub(crate) fn many(count: i64) -> String {
    if count >= 1000 { "1,000 or more".to_owned() } else { count.to_string() }
}

/// A sex.
pub(crate) fn sex(sex: Option<&str>) -> &'static str {
    match sex {
        Some("male") => "male",
        Some("female") => "female",
        Some("other") => "other",
        _ => "sex not known",
    }
}

/// What agrees, or does not, between a report and a patient.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::OrderNumber => "a report of the same order is theirs",
        Reason::SameReport => "another version of the report is theirs",
        Reason::DecidedBefore => "somebody decided so for the same data before",
        Reason::InsuranceNumber => "same insurance number",
        Reason::PatientNumber => "same patient number",
        Reason::FamilyName => "same family name",
        Reason::FamilyNameSimilar => "a part of the family name",
        Reason::GivenName => "same given name",
        Reason::GivenNameSimilar => "one of the given names",
        Reason::BirthDate => "same birth date",
        Reason::BirthDatePartly => "birth date fits as far as it is known",
        Reason::Sex => "same sex",
        Reason::SexNotKnown => "sex not known",
        Reason::NewPatient => "nobody fitted, so the patient is new",
        Reason::InsuranceNumberDiffers => "another insurance number",
        Reason::PatientNumberDiffers => "another patient number",
        Reason::BirthDateDiffers => "another birth date",
        Reason::FamilyNameDiffers => "another family name",
        Reason::GivenNameDiffers => "another given name",
        Reason::SexDiffers => "another sex",
        Reason::UnmatchedBefore => "somebody said that it is not theirs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(interpretation: Option<&str>, sent: Option<&str>, critical: bool) -> String {
        flag(interpretation, sent, critical)
            .map(|f| format!("{} {}", f.symbol, f.words).trim().to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn flags_are_said_in_words() {
        let all = [("N", "normal"), ("L", "↓ low"), ("LU", "⇊ very low"), ("LL", "‼ critically low"), ("H", "↑ high")];
        let more =
            [("HU", "⇈ very high"), ("HH", "‼ critically high"), ("A", "◆ abnormal"), ("AA", "‼ critically abnormal")];
        for (code, words) in all.into_iter().chain(more) {
            assert_eq!(shown(Some(code), None, false), words);
        }
    }

    #[test]
    fn a_life_threatening_value_is_critical_whatever_its_flag() {
        assert_eq!(shown(Some("H"), None, true), "‼ high, critical");
        assert_eq!(shown(Some("HH"), None, true), "‼ critically high");
        assert_eq!(shown(Some("N"), None, true), "‼ critical");
        assert_eq!(shown(None, None, true), "‼ critical");
    }

    #[test]
    fn an_unknown_flag_is_shown_as_sent_and_no_flag_is_not_called_normal() {
        assert_eq!(shown(None, Some("?!"), false), "◆ flagged ?!");
        assert_eq!(shown(Some("XX"), None, false), "◆ flagged XX");
        assert_eq!(flag(None, None, false), None);
        assert_eq!(outside(0, 7), "none flagged");
        assert_eq!(outside(2, 7), "2 of 7");
    }

    #[test]
    fn a_range_is_the_text_or_the_limits() {
        assert_eq!(range(Some("negativ"), None, None).unwrap(), "negativ");
        assert_eq!(range(None, Some("3,5"), Some("5,1")).unwrap(), "3,5–5,1");
        assert_eq!(range(None, Some("60"), None).unwrap(), "from 60");
        assert_eq!(range(None, None, Some("5,0")).unwrap(), "up to 5,0");
        assert_eq!(range(None, Some("-2"), Some("2")).unwrap(), "-2 to 2");
        assert_eq!(range(Some("  "), None, None), None);
    }

    #[test]
    fn limits_that_the_text_does_not_say_are_not_lost() {
        assert_eq!(range(Some("3,5 - 5,1"), Some("3,5"), Some("5,1")).unwrap(), "3,5 - 5,1");
        assert_eq!(range(Some("Frauen"), Some("12"), Some("15")).unwrap(), "12–15 (Frauen)");
    }
}
