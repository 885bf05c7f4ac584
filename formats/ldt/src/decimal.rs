//! Comparing decimal numbers that are texts: no rounding, whatever their length.

use std::cmp::Ordering;

/// Compares two canonical numbers as [`number`](crate::value::number) makes them: a sign, digits, perhaps a point and digits.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left_negative, left) = unsigned(left);
    let (right_negative, right) = unsigned(right);
    match (left_negative, right_negative) {
        (false, false) => magnitude(left, right),
        (true, true) => magnitude(right, left),
        (false, true) => {
            if zero(left) && zero(right) {
                Ordering::Equal
            } else {
                Ordering::Greater
            }
        }
        (true, false) => {
            if zero(left) && zero(right) {
                Ordering::Equal
            } else {
                Ordering::Less
            }
        }
    }
}

fn unsigned(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or((false, text), |rest| (true, rest))
}

fn zero(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

fn magnitude(left: &str, right: &str) -> Ordering {
    let split = |text: &'_ str| -> (String, String) {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        (whole.trim_start_matches('0').to_owned(), part.trim_end_matches('0').to_owned())
    };
    let ((whole, part), (other, other_part)) = (split(left), split(right));
    whole.len().cmp(&other.len()).then_with(|| whole.cmp(&other)).then_with(|| part.cmp(&other_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_numbers_not_as_texts() {
        for (left, right, expected) in [
            ("6.8", "6.20", Ordering::Greater),
            ("10", "9.9", Ordering::Greater),
            ("2.10", "2.1", Ordering::Equal),
            ("0.05", "0.5", Ordering::Less),
            ("-1", "0.1", Ordering::Less),
            ("-2", "-1.5", Ordering::Less),
            ("0", "-0.0", Ordering::Equal),
            ("100000000000000000000000000000.1", "100000000000000000000000000000", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), expected, "{left} {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} {left}");
        }
    }
}
