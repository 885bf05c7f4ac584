//! Numbers.
//!
//! What must stay true: a number is only derived if it can be read in one way.

use crate::Comparator;

/// Splits `<0.6` into a comparator and a plain decimal number; none if it is no plain number.
pub(crate) fn number(text: &str) -> (Option<Comparator>, Option<String>) {
    let text = text.trim();
    let signs = ["<=", "=<", "≤", ">=", "=>", "≥", "<", ">"];
    let found = signs.iter().find_map(|sign| Some((comparator(sign)?, text.strip_prefix(sign)?)));
    match found {
        Some((comparator, rest)) => (Some(comparator), decimal(rest.trim())),
        None => (None, decimal(text)),
    }
}

/// The comparator that a sign stands for.
pub(crate) fn comparator(sign: &str) -> Option<Comparator> {
    match sign {
        "<" => Some(Comparator::Less),
        "<=" | "=<" | "≤" => Some(Comparator::LessOrEqual),
        ">" => Some(Comparator::Greater),
        ">=" | "=>" | "≥" => Some(Comparator::GreaterOrEqual),
        _ => None,
    }
}

/// Digits with at most one point. HL7 knows no comma, but German senders do; `1.000,5` has both and can be read in two ways.
pub(crate) fn decimal(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = match digits.split_once(['.', ',']) {
        Some((_, "")) => return None,
        Some((whole, part)) => (whole, part),
        None => (digits, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || digits.len() > 60 || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let (sign, whole) = (if negative { "-" } else { "" }, if whole.is_empty() { "0" } else { whole });
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("6.8", "6.8"),
            ("4,6", "4.6"),
            ("2.10", "2.10"),
            ("007", "7"),
            ("+1.5", "1.5"),
            ("-0.5", "-0.5"),
            ("0", "0"),
        ] {
            assert_eq!(number(text), (None, Some(expected.to_owned())), "{text}");
        }
        for text in ["", "negativ", "1:320", "1.000,5", "1.", ".5", "1 2", "--1", "1E5", "٣", "7.1*"] {
            assert_eq!(number(text).1, None, "{text}");
        }
        assert_eq!(number("<0.6"), (Some(Comparator::Less), Some("0.6".into())));
        assert_eq!(number(">= 2000"), (Some(Comparator::GreaterOrEqual), Some("2000".into())));
        assert_eq!(number("<1:80"), (Some(Comparator::Less), None));
    }
}
