//! Check digits of the numbers that identify doctors and insured persons.
//!
//! What must stay true: a wrong check digit is a warning, never a reason to drop a number: the sender's typing error is
//! the sender's.

/// LANR: digits 1 to 6 times 4, 9, 4, 9, 4, 9, summed; the seventh completes to ten (KBV LDT 3 Satzbeschreibung 3.2.20,
/// p. 75, F011). Pseudo numbers `555555nff` have none (F022).
#[must_use]
pub fn lanr(code: &str) -> bool {
    let digits: Vec<u32> = code.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 9 || code.len() != 9 {
        return false;
    }
    let sum: u32 = digits.iter().take(6).zip([4, 9, 4, 9, 4, 9]).map(|(digit, weight)| digit * weight).sum();
    code.starts_with("555555") || digits.get(6) == Some(&((10 - sum % 10) % 10))
}

/// Versicherten-ID: a letter, eight digits, a check digit (KBV LDT 3 Satzbeschreibung 3.2.20, p. 76, F013). The letter
/// counts as two digits (A = 01); digits are taken times 1, 2, 1, 2 …, their digit sums added, modulo ten.
#[must_use]
pub fn insurance_number(code: &str) -> bool {
    let mut bytes = code.bytes();
    let (Some(letter @ b'A'..=b'Z'), true) = (bytes.next(), code.len() == 10) else { return false };
    let digits: Vec<u32> = bytes.filter(u8::is_ascii_digit).map(|digit| u32::from(digit - b'0')).collect();
    let letter = u32::from(letter - b'A') + 1;
    let Some((check, rest)) = digits.split_last().filter(|(_, rest)| rest.len() == 8) else { return false };
    let weighed = [letter / 10, letter % 10].into_iter().chain(rest.iter().copied()).zip([1, 2].into_iter().cycle());
    let sum: u32 = weighed.map(|(digit, weight)| digit * weight / 10 + digit * weight % 10).sum();
    sum % 10 == *check
}

#[cfg(test)]
mod tests {
    #[test]
    fn lanr() {
        for good in ["123456601", "765432201", "555555100"] {
            assert!(super::lanr(good), "{good}");
        }
        for bad in ["123456701", "12345660", "1234566011", "Dr. Muster"] {
            assert!(!super::lanr(bad), "{bad}");
        }
    }

    #[test]
    fn insurance_number() {
        for good in ["A123456780", "Z999999997"] {
            assert!(super::insurance_number(good), "{good}");
        }
        for bad in [
            "A123456781",
            "B123456780",
            "a123456780",
            "A12345678",
            "A1234567800",
            "0123456780",
            "A12345678X",
            "Ä12345678",
        ] {
            assert!(!super::insurance_number(bad), "{bad}");
        }
    }
}
