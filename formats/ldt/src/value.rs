//! Values: numbers, comparators, indicators; and the builder both versions fill.
//!
//! What must stay true: a number is only derived if it can be read in one way, and no value ever replaces another one.

use crate::line::Line;
use crate::model::{Comparator, Interpretation, Reference, ResultStatus, TestResult, Value};
use crate::place::{Coded, Place};

/// Splits `<0.6` into a comparator and a canonical number; none if it is no plain number.
pub(crate) fn number(text: &str) -> (Option<Comparator>, Option<String>) {
    let text = text.trim();
    let signs = [
        ("<=", Comparator::LessOrEqual),
        ("=<", Comparator::LessOrEqual),
        ("≤", Comparator::LessOrEqual),
        (">=", Comparator::GreaterOrEqual),
        ("=>", Comparator::GreaterOrEqual),
        ("≥", Comparator::GreaterOrEqual),
        ("<", Comparator::Less),
        (">", Comparator::Greater),
    ];
    let found = signs.iter().find_map(|(sign, comparator)| Some((*comparator, text.strip_prefix(sign)?)));
    match found {
        Some((comparator, rest)) => (Some(comparator), decimal(rest.trim())),
        None => (None, decimal(text)),
    }
}

/// `5.00E+07` and `1x10^6` are legal (E058); an exponent beyond 30 is not a laboratory value.
fn decimal(text: &str) -> Option<String> {
    let (mantissa, exponent) = ["E", "e", "x10^", "*10^"]
        .iter()
        .find_map(|mark| text.split_once(mark))
        .map_or(Some((text, 0)), |(mantissa, power)| Some((mantissa, power.trim().parse::<i32>().ok()?)))?;
    let mantissa = mantissa.trim();
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let points = digits.chars().filter(|c| matches!(c, '.' | ',')).count();
    if points > 1 || exponent.abs() > 30 || digits.len() > 60 {
        return None;
    }
    let (whole, part) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || (points == 1 && part.is_empty()) || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let (whole, part) = shift(whole, part, exponent);
    let whole = whole.trim_start_matches('0');
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

/// Moves the decimal point.
fn shift(whole: &str, part: &str, exponent: i32) -> (String, String) {
    let steps = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    if exponent >= 0 {
        let digits = format!("{part:0<steps$}");
        let (moved, rest) = digits.split_at(steps.min(digits.len()));
        (format!("{whole}{moved}"), rest.to_owned())
    } else {
        let digits = format!("{whole:0>width$}", width = steps + 1);
        let (rest, moved) = digits.split_at(digits.len() - steps);
        (rest.to_owned(), format!("{moved}{part}"))
    }
}

/// 8422 (LDT 2: p. 53 of LDT1014.01; LDT 3: E005, p. 78).
pub(crate) fn interpretation(flag: &str) -> Option<Interpretation> {
    Some(match flag.trim() {
        "N" => Interpretation::N,
        "L" | "-" => Interpretation::L,
        "LL" | "--" | "–" => Interpretation::LU,
        "!L" | "!-" => Interpretation::LL,
        "H" | "+" => Interpretation::H,
        "HH" | "++" => Interpretation::HU,
        "!H" | "!+" => Interpretation::HH,
        "A" | "AA" | "!" => Interpretation::A,
        _ => return None,
    })
}

fn severity(interpretation: Option<Interpretation>) -> u8 {
    match interpretation {
        None => 0,
        Some(Interpretation::N) => 1,
        Some(Interpretation::L | Interpretation::H) => 2,
        Some(Interpretation::A) => 3,
        Some(Interpretation::LU | Interpretation::HU) => 4,
        Some(Interpretation::LL | Interpretation::HH) => 5,
    }
}

impl Value {
    /// Sets the indicator; of several the most severe one stays. False if there was another one before.
    pub(crate) fn set_flag(&mut self, flag: &str) -> bool {
        let first = self.flag.as_deref().is_none_or(|old| old == flag);
        let new = interpretation(flag);
        if self.flag.is_none() || severity(new) > severity(self.interpretation) {
            self.flag = Some(flag.to_owned());
            self.interpretation = new;
        }
        first
    }

    /// The normal values, begun at this line.
    pub(crate) fn reference(&mut self, line: &Line) -> &mut Reference {
        let place = Place::at(line.number());
        self.reference.get_or_insert_with(|| Reference { place, ..Reference::default() })
    }
}

impl Reference {
    pub(crate) fn add_text(&mut self, line: &str) {
        match &mut self.text {
            Some(text) => {
                text.push('\n');
                text.push_str(line);
            }
            None => self.text = Some(line.to_owned()),
        }
    }
}

/// A test while its lines are read.
#[derive(Debug)]
pub(crate) struct ResultBuilder {
    pub(crate) result: TestResult,
    /// Lines of the result text (8480, 8237), and where they stand.
    texts: Vec<String>,
    texts_at: Option<(usize, usize)>,
    /// How the following values are written (7306).
    pub(crate) form: Option<Coded>,
    /// What was sent before the first 8420, or without any.
    loose: Value,
}

impl ResultBuilder {
    pub(crate) fn new(test_code: String) -> Self {
        let result = TestResult {
            result_id: None,
            test_code,
            test_name: None,
            loinc: None,
            status: ResultStatus::Unknown,
            status_code: None,
            values: Vec::new(),
            notes: Vec::new(),
            collected_at: None,
            measured_at: None,
            specimen: None,
            specimen_code: None,
            life_threatening: false,
            genetic: false,
            notice_codes: Vec::new(),
            notices: Vec::new(),
            charges: Vec::new(),
            details: None,
            place: Place::default(),
        };
        Self { result, texts: Vec::new(), texts_at: None, form: None, loose: Value::default() }
    }

    /// A new 8420; what came before the first one belongs to it.
    pub(crate) fn start_value(&mut self, line: &Line, text: String) {
        let (comparator, number) = number(&text);
        let before = std::mem::take(&mut self.loose);
        let (form, place) = (self.form.clone(), Place::at(line.number()));
        self.result.values.push(Value { text, comparator, number, form, place, ..before });
    }

    /// Where units, indicators and limits go now.
    pub(crate) fn value(&mut self) -> &mut Value {
        self.result.values.last_mut().unwrap_or(&mut self.loose)
    }

    /// A line of the result text: it is a note, and the value of a test that has no other.
    pub(crate) fn add_text(&mut self, place: Place, text: String) {
        let first = self.texts_at.map_or(place.line(), |(first, _)| first);
        self.texts_at = Some((first, *place.lines().end()));
        self.result.notes.push(text.clone());
        self.texts.push(text);
    }

    /// Whether there is a value or a result text; a remark alone is no result.
    pub(crate) fn has_content(&self) -> bool {
        !self.result.values.is_empty() || !self.texts.is_empty()
    }

    pub(crate) fn finish(mut self) -> TestResult {
        // "Material is missing" is the reason why there is no value, not the value.
        let none = matches!(self.result.status, ResultStatus::Registered | ResultStatus::Cancelled);
        let texts = if none { &[] } else { self.texts.as_slice() };
        if self.result.values.is_empty() && (!texts.is_empty() || self.loose != Value::default()) {
            let text = texts.join("\n");
            let place = self.texts_at.map_or(self.result.place, |(first, last)| Place::new(first, last));
            self.result.values.push(Value { text, from_text: true, place, ..self.loose });
        }
        self.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let plain = |text| number(text).1;
        for (text, expected) in [
            ("6.8", "6.8"),
            ("4,6", "4.6"),
            ("2.10", "2.10"),
            ("007", "7"),
            ("+1.5", "1.5"),
            ("-0.5", "-0.5"),
            ("0", "0"),
            ("5.00E+07", "50000000"),
            ("1.234E+02", "123.4"),
            ("5E-3", "0.005"),
            ("1x10^6", "1000000"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "negativ", "1:320", "1.000,5", "1.", ".5", "1 2", "1E99", "E5", "--1", "1E", "٣"] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(number("<0.6"), (Some(Comparator::Less), Some("0.6".into())));
        assert_eq!(number("> 2000"), (Some(Comparator::Greater), Some("2000".into())));
        assert_eq!(number("<1:80"), (Some(Comparator::Less), None));
    }

    #[test]
    fn strong_is_not_extreme() {
        assert_eq!(interpretation("++"), Some(Interpretation::HU));
        assert_eq!(interpretation("HH"), Some(Interpretation::HU));
        assert_eq!(interpretation("!+"), Some(Interpretation::HH));
        assert_eq!(interpretation("--"), Some(Interpretation::LU));
        assert_eq!(interpretation("!"), Some(Interpretation::A));
        assert_eq!(interpretation("?"), None);
        let mut value = Value::default();
        assert!(value.set_flag("!H"));
        assert!(!value.set_flag("N"));
        assert_eq!(value.interpretation, Some(Interpretation::HH));
    }
}
