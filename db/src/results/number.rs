//! Numbers by which orders and patients are told apart.
//! Must stay true: what stands where no number is known tells nobody from anybody.

/// Whether it is no number: nothing but zeros and signs, or one sign again and again.
pub(crate) fn is_placeholder(number: &str) -> bool {
    let mut signs = number.chars().filter(|sign| sign.is_alphanumeric());
    match signs.next() {
        None | Some('0') if signs.clone().all(|sign| sign == '0') => true,
        None => true,
        Some(first) => signs.clone().count() >= 3 && signs.all(|sign| sign == first),
    }
}

/// Whether it is a Versicherten-ID, which one person has for life: a letter and nine digits (KBV LDT 3 Satzbeschreibung 3.2.20, p. 76, F013).
/// Older numbers of cards, and those of other insurers, can be a whole family's.
pub(crate) fn is_of_a_person(number: &str) -> bool {
    let (letter, digits) = number.split_at_checked(1).unwrap_or_default();
    letter.bytes().all(|b| b.is_ascii_alphabetic())
        && digits.len() == 9
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_no_number_is_none() {
        for none in ["", "0", "000", "-", "9999", "AAAA", "0-0"] {
            assert!(is_placeholder(none), "{none}");
        }
        for some in ["1", "12", "11", "100", "A-1", "0001", "L-17"] {
            assert!(!is_placeholder(some), "{some}");
        }
    }

    #[test]
    fn only_a_versicherten_id_is_one_persons() {
        assert!(is_of_a_person("A123456780") && is_of_a_person("a123456780"));
        for other in ["1234567", "A000000000", "A12345678", "AB12345678", "", "Ä123456780"] {
            assert!(!is_of_a_person(other), "{other}");
        }
    }
}
