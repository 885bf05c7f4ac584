//! Whether what somebody repeated is the value.
//! Must stay true: another number, another sign or another direction is another value. What can't be repeated as it stands, because it is
//! long, is taken on trust: an alert that nobody can confirm stays open for ever.

/// Longer than this nobody repeats a text word for word.
const LONGEST: usize = 100;

/// A number as it was written or said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    /// With a point.
    digits: String,
    negative: bool,
    direction: Option<Direction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Less,
    More,
}

/// Whether what was said holds the value: each of its numbers as sent, with a comma or a point; or, where it has none, its words. Less than
/// a number is not more than it; whether it is said at all is left to who says it.
pub(super) fn repeats(value: &str, said: &str) -> bool {
    let (words, heard) = (collapsed(value), collapsed(said));
    if words.chars().count() > LONGEST || value.trim().lines().count() > 1 {
        return !heard.is_empty();
    }
    let (wanted, numbers) = (numbers(&words), numbers(&heard));
    if wanted.is_empty() {
        return says(&heard, &words);
    }
    wanted.iter().all(|wanted| {
        let same = |heard: &Number| (&heard.digits, heard.negative) == (&wanted.digits, wanted.negative);
        numbers.iter().any(|heard| same(heard) && (heard.direction.is_none() || heard.direction == wanted.direction))
    })
}

/// Whether these words stand in a text as words of their own, and nobody says that they are not so: "R" is no part of "war", nor is
/// "positiv" of "nicht positiv".
fn says(heard: &str, words: &str) -> bool {
    const DENIED: [&str; 9] = ["nicht", "kein", "keine", "keinen", "nie", "not", "no", "non", "never"];
    // What may be part of a longer word is so of a short one: in "R-Welle" nobody says R.
    let joins = |c: char| words.chars().count() > 2 && matches!(c, '-' | '/');
    let ends = |c: Option<char>| {
        c.is_none_or(|c| {
            c == ' '
                || joins(c)
                || matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '"' | '\'' | '„' | '“' | '”')
        })
    };
    heard.match_indices(words).any(|(at, _)| {
        let (before, after) = (&heard[..at], &heard[at + words.len()..]);
        let denied = before.split(|c: char| !c.is_alphanumeric()).rfind(|word| !word.is_empty());
        ends(before.chars().next_back())
            && ends(after.chars().next())
            && !denied.is_some_and(|word| DENIED.contains(&word))
    })
}

/// In small letters, each white space one blank.
fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The numbers in a text, with what stands before each.
fn numbers(text: &str) -> Vec<Number> {
    let mut numbers = Vec::new();
    let mut before = 0;
    let mut rest = 0;
    while let Some(start) = text[rest..].find(|c: char| c.is_ascii_digit()).map(|at| rest + at) {
        let length = text[start..].find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')));
        let end = length.map_or(text.len(), |length| start + length);
        let digits = text[start..end].trim_end_matches(['.', ',']).replace(',', ".");
        // ".5" is half of one, and not five.
        let (lead, digits) = match text[before..start].strip_suffix(['.', ',']) {
            Some(lead) if !lead.ends_with(char::is_alphanumeric) => (lead, format!("0.{digits}")),
            _ => (&text[before..start], digits),
        };
        let (negative, lead) = sign(lead, before == 0);
        numbers.push(Number { digits, negative, direction: direction(lead) });
        (before, rest) = (end, end);
    }
    numbers
}

/// Whether a number is negative, and what stands before its sign. In `5-10` and `hba1c-7` there is a dash and no sign.
fn sign(lead: &str, first: bool) -> (bool, &str) {
    if let Some(before) = lead.strip_suffix(['-', '\u{2212}', '\u{2013}']) {
        let is_sign = if before.is_empty() { first } else { !before.ends_with(char::is_alphanumeric) };
        return (is_sign, before);
    }
    match lead.trim_end().strip_suffix("minus") {
        Some(before) if before.is_empty() || before.ends_with(' ') => (true, before),
        _ => (false, lead),
    }
}

/// The direction that the words or the sign just before a number say.
fn direction(lead: &str) -> Option<Direction> {
    const FILLERS: [&str; 8] = ["als", "than", "gleich", "oder", "or", "equal", "to", "="];
    let lead = lead.trim_end().trim_end_matches('=');
    if lead.ends_with(['<', '\u{2264}']) {
        return Some(Direction::Less);
    }
    if lead.ends_with(['>', '\u{2265}']) {
        return Some(Direction::More);
    }
    let mut words = lead.rsplit(|c: char| !(c.is_alphabetic() || c == '=')).filter(|word| !word.is_empty());
    match words.find(|word| !FILLERS.contains(word))? {
        "kleiner" | "unter" | "weniger" | "less" | "below" | "under" => Some(Direction::Less),
        "größer" | "grösser" | "groesser" | "über" | "ueber" | "mehr" | "more" | "greater" | "above" | "over" => {
            Some(Direction::More)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::repeats;

    #[test]
    fn a_value_is_repeated_with_its_numbers_as_sent() {
        for (value, said) in [
            ("7,1", "Kalium 7.1, verstanden"),
            ("7.1", "7,1."),
            ("7.1", "Kalium - 7,1"),
            ("7.1", "Kalium unter Infusion 7,1"),
            ("<0.6", "kleiner 0,6"),
            ("<0.6", "kleiner als 0,6"),
            ("<0.6", "< 0,6"),
            ("<0.6", "0,6"),
            ("<=0.6", "kleiner oder gleich 0,6"),
            (">200", "größer als 200"),
            (">200", "mehr als 200"),
            ("-15", "minus 15"),
            ("-15", "BE -15"),
            ("\u{2212}15", "-15"),
            ("-15", "\u{2212}15,"),
            ("< -15", "kleiner minus 15"),
            ("5-10", "5 bis 10"),
            ("5-10", "5-10 pro Feld"),
            ("1:320", "eins zu: 1 : 320"),
            ("positiv", "der Test: Positiv"),
            ("stark  positiv", "stark positiv"),
            ("++", "plus plus, ++"),
            (".5", "0,5"),
            (".5", "Troponin .5"),
            ("<.5", "kleiner 0,5"),
            ("-,5", "minus 0.5"),
            ("0.5", ".5"),
            ("R", "Meropenem: R"),
            ("R", "r, resistent"),
            ("A+", "Blutgruppe A+."),
            ("positiv", "HIV-positiv"),
            ("nicht positiv", "nicht positiv"),
        ] {
            assert!(repeats(value, said), "{value}: {said}");
        }
    }

    #[test]
    fn another_number_is_not_the_value() {
        for (value, said) in [
            ("7,1", "17,1"),
            ("7,1", "7,15"),
            ("7.1", "7 und 1"),
            ("7.10", "7.1"),
            ("7.1", "-7.1"),
            ("7.1", "größer 7,1"),
            ("-15", "15"),
            ("-15", "plus 15"),
            ("<0.6", "größer 0,6"),
            ("<0.6", "> 0,6"),
            ("<0.6", "\u{2265}0,6"),
            (">0.6", "kleiner als 0,6"),
            (">=200", "unter 200"),
            ("1:320", "320"),
            ("positiv", "ja"),
            (".5", "5"),
            ("5", ".5"),
            (".5", "-0,5"),
            ("R", "war nicht erreichbar"),
            ("S", "Schwester Anna"),
            ("R", "R-Welle"),
            ("+", "++"),
            ("A", "A+"),
            ("pos", "Position"),
            ("positiv", "nicht positiv"),
            ("positiv", "kein positiv"),
            ("7,1", ""),
        ] {
            assert!(!repeats(value, said), "{value}: {said}");
        }
    }

    /// Nobody repeats a finding of the microscope word for word.
    #[test]
    fn a_long_text_is_confirmed_by_whatever_was_repeated() {
        let long = "Nachweis von Streptokokken der Gruppe B in 3 von 3 Blutkulturen, ".repeat(4);
        for text in [long.as_str(), "Staph. aureus\nMRSA"] {
            assert!(repeats(text, "Streptokokken in der Blutkultur") && !repeats(text, " "), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_short_value_can_be_repeated(value in "[<>]?-?[0-9]{1,3}([.,][0-9]{1,2})?|[a-z ]{1,20}[a-z]|.{1,60}") {
            prop_assert!(repeats(&value, &value), "{}", value);
        }
    }
}
