//! Reference ranges (OBX-7).
//!
//! What must stay true: limits are only derived from a text that can be read in one way; the text stays beside them.

use crate::Comparator;
use crate::number::{decimal, number};

/// Lower and upper limit, as sent: of `3.5-5.1`, `<5`, `>=60`.
pub(crate) fn limits(text: &str) -> (Option<String>, Option<String>) {
    let text = text.trim();
    if let (Some(comparator), Some(_)) = number(text) {
        let limit = Some(text.trim_start_matches(['<', '>', '=', '≤', '≥', ' ']).to_owned());
        return match comparator {
            Comparator::Less | Comparator::LessOrEqual => (None, limit),
            Comparator::Greater | Comparator::GreaterOrEqual => (limit, None),
        };
    }
    // A dash that is a sign leaves no number on one of its sides, so at most one parts two numbers.
    let parted = text.match_indices(['-', '–']).find_map(|(at, dash)| {
        let (low, high) = (text.get(..at)?.trim(), text.get(at + dash.len()..)?.trim());
        (decimal(low).is_some() && decimal(high).is_some()).then(|| (low.to_owned(), high.to_owned()))
    });
    parted.map_or((None, None), |(low, high)| (Some(low), Some(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_derived_from_what_can_be_read_in_one_way() {
        for (sent, low, high) in [
            ("3.5-5.1", "3.5", "5.1"),
            ("3,5 - 5,1", "3,5", "5,1"),
            ("0.70–1.20", "0.70", "1.20"),
            ("-2.0-2.0", "-2.0", "2.0"),
            ("-5--1", "-5", "-1"),
            ("<5.0", "", "5.0"),
            ("<= 5", "", "5"),
            (">60", "60", ""),
            ("≥60", "60", ""),
            ("negativ", "", ""),
            ("bis 5", "", ""),
            ("3.5-5.1 (Erwachsene)", "", ""),
            ("5.0", "", ""),
            ("1-2-3", "", ""),
            ("<1:80", "", ""),
            ("", "", ""),
        ] {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            assert_eq!(limits(sent), (some(low), some(high)), "{sent}");
        }
    }
}
