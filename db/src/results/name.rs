//! Names as they are compared.
//! Must stay true: what differs only in case, umlauts, accents, hyphens or spaces is one name. Letters are those of ISO 8859-15, which is
//! what LDT can send; any other letter is compared as it is.

/// Whether it is an initial: of how many people, nobody knows.
pub(crate) fn is_initial(name: &str) -> bool {
    key(name).chars().count() == 1
}

/// How alike two names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same.
    Same,
    /// One consists of parts of the other: Müller and Müller-Meier, Hans and Hans Peter.
    Part,
    /// One is the first letter of the other.
    Initial,
    /// Another name.
    Other,
}

/// A name as it is compared and searched for: `Müller-Lüdenscheidt` is `muellerluedenscheidt`.
pub(crate) fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 4);
    for letter in name.chars().flat_map(char::to_lowercase) {
        match plain(letter) {
            Some(plain) => key.push_str(plain),
            None if letter == DIAERESIS => umlaut(&mut key),
            None if letter.is_alphanumeric() => key.push(letter),
            None => {}
        }
    }
    // A name of signs alone is still a name.
    if key.is_empty() { name.trim().to_lowercase() } else { key }
}

/// The name and its parts, as they are compared.
pub(crate) fn keys(name: &str) -> Vec<String> {
    let mut keys = parts(name);
    keys.push(key(name));
    keys.sort();
    keys.dedup();
    keys
}

/// What stands there when nobody knows the name.
const NOBODY: [&str; 12] = [
    "unbekannt",
    "unbekannte",
    "unbekannter",
    "unknown",
    "nn",
    "keinname",
    "noname",
    "anonym",
    "anonymous",
    "test",
    "testpatient",
    "patient",
];
/// What stands in place of a given name that was not given yet; as family names they are people's.
const NOT_NAMED_YET: [&str; 6] = ["sohn", "tochter", "baby", "kind", "neugeborenes", "saeugling"];

/// Whether it names nobody. Signs and digits alone do not.
pub(crate) fn is_placeholder(name: &str) -> bool {
    let key = key(name);
    let mut letters = key.chars();
    let first = letters.next();
    let repeated = key.len() > 1 && letters.all(|letter| Some(letter) == first);
    !key.chars().any(char::is_alphabetic) || repeated || NOBODY.contains(&key.as_str())
}

/// The same of a given name.
pub(crate) fn is_no_given_name(name: &str) -> bool {
    is_placeholder(name) || NOT_NAMED_YET.contains(&key(name).as_str())
}

/// `None` when one of them is empty.
pub(crate) fn compare(one: &str, other: &str) -> Option<Likeness> {
    let (whole, other_whole) = (key(one), key(other));
    if whole.is_empty() || other_whole.is_empty() {
        return None;
    }
    if whole == other_whole {
        return Some(Likeness::Same);
    }
    let (parts, other_parts) = (parts(one), parts(other));
    let within = |few: &[String], many: &[String]| few.iter().all(|part| many.contains(part));
    if within(&parts, &other_parts) || within(&other_parts, &parts) {
        return Some(Likeness::Part);
    }
    let initial = |short: &str, long: &str| short.chars().count() == 1 && long.starts_with(short);
    Some(if initial(&whole, &other_whole) || initial(&other_whole, &whole) {
        Likeness::Initial
    } else {
        Likeness::Other
    })
}

fn parts(name: &str) -> Vec<String> {
    let apart = |c: char| c.is_whitespace() || matches!(c, '-' | '‐' | '‑' | '–' | '/' | ',');
    let mut parts: Vec<String> = name.split(apart).filter(|part| !part.is_empty()).map(key).collect();
    parts.sort();
    parts.dedup();
    parts
}

/// Where an umlaut is sent as a letter and this sign after it.
const DIAERESIS: char = '\u{308}';

fn umlaut(key: &mut String) {
    if key.ends_with(['a', 'o', 'u']) {
        key.push('e');
    }
}

fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'ø' | 'œ' => "oe",
        'ü' => "ue", // typos: ignore
        'ß' => "ss",
        'à' | 'á' | 'â' | 'ã' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' => "o",
        'š' => "s",
        'ù' | 'ú' | 'û' => "u",
        'ý' | 'ÿ' => "y",
        'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_only_in_how_it_is_written_is_one_name() {
        for (one, other) in [
            ("Müller", "MUELLER"),
            ("Mu\u{308}ller", "müller"),
            ("Weiß", "WEISS"),
            ("Müller-Lüdenscheidt", "Mueller Luedenscheidt"),
            ("René", "Rene"),
            ("O'Neill", "ONeill"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
            assert_eq!(compare(one, other), Some(Likeness::Same));
        }
        assert_ne!(key("Muller"), key("Müller"), "not every u is an ü");
        assert_eq!(key("-"), "-");
    }

    #[test]
    fn a_part_of_a_name_is_like_it_and_another_name_is_not() {
        for (one, other, likeness) in [
            ("Müller", "Müller-Meier", Likeness::Part),
            ("Meier Müller", "Müller-Meier", Likeness::Part),
            ("Hans", "Hans Peter", Likeness::Part),
            ("J.", "Jürgen", Likeness::Initial),
            ("Jürgen", "J", Likeness::Initial),
            ("Müller", "Müllerbach", Likeness::Other),
            ("Müller-Meier", "Müller-Schmidt", Likeness::Other),
            ("Anna", "Anne", Likeness::Other),
        ] {
            assert_eq!(compare(one, other), Some(likeness), "{one} {other}");
            assert_eq!(compare(other, one), Some(likeness), "{other} {one}");
        }
        assert_eq!(compare("", "Müller"), None);
    }

    #[test]
    fn what_stands_for_a_name_that_is_not_known_is_none() {
        for none in ["Unbekannt", "N.N.", "-", "???", "xxx", "Test", "0"] {
            assert!(is_placeholder(none) && is_no_given_name(none), "{none}");
        }
        assert!(is_no_given_name("Sohn") && !is_placeholder("Sohn"));
        for some in ["Müller", "J.", "Li", "Testa", "Anna", "Kindler", "Ö"] {
            assert!(!is_placeholder(some), "{some}");
        }
    }

    #[test]
    fn a_double_name_is_looked_for_by_its_parts_too() {
        assert_eq!(keys("Müller-Meier"), ["meier", "mueller", "muellermeier"]);
        assert_eq!(keys("Müller"), ["mueller"]);
    }
}
