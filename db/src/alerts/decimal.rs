//! Decimal numbers, exactly: a limit is met or it is not, and no rounding decides it.
//! Must stay true: what can't be computed exactly is no answer; whoever asks must not take that for "within".
use std::cmp::Ordering;

/// `units` × 10^-`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// A sign, digits, perhaps a point and digits, as the readers and PostgreSQL write a number; up to 30 digits, more than any
    /// laboratory measures.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || digits.ends_with('.') || !all_digits(whole) || !all_digits(part) {
            return None;
        }
        let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
        if whole.len() + part.len() > 30 {
            return None;
        }
        let units: i128 =
            if whole.is_empty() && part.is_empty() { 0 } else { format!("{whole}{part}").parse().ok()? };
        Some(Self { units: if negative { -units } else { units }, scale: u32::try_from(part.len()).ok()? })
    }

    /// Both with the same number of digits behind the point.
    fn aligned(self, other: Self) -> Option<(i128, i128)> {
        let scale = self.scale.max(other.scale);
        let lift = |number: Self| number.units.checked_mul(10_i128.checked_pow(scale - number.scale)?);
        Some((lift(self)?, lift(other)?))
    }

    /// Which is greater; `None` when that can't be computed.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        self.aligned(other).map(|(ours, theirs)| ours.cmp(&theirs))
    }

    /// Whether this differs from `former` by at least so many percent of it. From zero every change is more than any percentage.
    pub(crate) fn changed_by(self, former: Self, percent: Self) -> Option<bool> {
        let (ours, theirs) = self.aligned(former)?;
        if ours == theirs {
            return Some(false);
        }
        let difference = ours.checked_sub(theirs)?.checked_abs()?;
        let left = difference.checked_mul(100)?.checked_mul(10_i128.checked_pow(percent.scale)?)?;
        Some(left >= theirs.checked_abs()?.checked_mul(percent.units)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn as_numbers_not_as_texts() {
        for (left, right, expected) in [
            ("6.8", "6.20", Ordering::Greater),
            ("10", "9.9", Ordering::Greater),
            ("2.10", "2.1", Ordering::Equal),
            ("007", "7", Ordering::Equal),
            ("0.05", "0.5", Ordering::Less),
            ("-1", "0.1", Ordering::Less),
            ("-2", "-1.5", Ordering::Less),
            ("0", "-0.0", Ordering::Equal),
            ("0.3", "0.30000000000000000000000000001", Ordering::Less),
        ] {
            assert_eq!(number(left).compare(number(right)), Some(expected), "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_plain_number_is_none() {
        let long = "1".repeat(31);
        for text in ["", "-", ".5", "5.", "1,5", "1e5", "NaN", "Infinity", "--1", "+1", " 1", "٣", long.as_str()] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse(&format!("{}5", "0".repeat(40))), Decimal::parse("5"));
    }

    #[test]
    fn what_can_not_be_computed_is_no_answer() {
        let (large, fine) = (number(&"9".repeat(30)), number("0.000000000000000000000000000001"));
        assert_eq!(large.compare(fine), None);
        assert_eq!(large.changed_by(fine, number("50")), None);
    }

    #[test]
    fn a_change_is_measured_against_the_value_before() {
        for (new, former, percent, expected) in [
            ("1.5", "1", "50", true),
            ("1.49", "1", "50", false),
            ("0.5", "1", "50", true),
            ("1", "1.5", "50", false),
            ("-3", "-2", "50", true),
            ("0", "0", "1", false),
            ("0.001", "0", "900", true),
            ("1.125", "1", "12.5", true),
            ("1.124", "1", "12.5", false),
        ] {
            assert_eq!(number(new).changed_by(number(former), number(percent)), Some(expected), "{new} {former}");
        }
    }

    proptest! {
        #[test]
        fn comparing_agrees_with_integers(left in -1_000_000_000_i64..1_000_000_000, right in -1_000_000_000_i64..1_000_000_000, zeros in 0_usize..8) {
            let written = |n: i64| format!("{}{}.{:03}{}", if n < 0 { "-" } else { "" }, n.abs() / 1000, n.abs() % 1000, "0".repeat(zeros));
            prop_assert_eq!(number(&written(left)).compare(number(&format!("{}", right))), Some(left.cmp(&(right * 1000))));
        }

        #[test]
        fn a_text_is_a_number_or_none_and_never_a_panic(text in ".{0,40}") {
            let _ = Decimal::parse(&text);
        }
    }
}
