//! Texts and results.
//!
//! What must stay true: what is masked has the length and shape of the original and nothing else of it.

/// Words of results and ranges that can name nobody.
const WORDS: [&str; 52] = [
    "positiv",
    "negativ",
    "pos",
    "neg",
    "nachweisbar",
    "nicht",
    "kein",
    "keine",
    "keinen",
    "nachweis",
    "wachstum",
    "reaktiv",
    "unauffällig",
    "auffällig",
    "grenzwertig",
    "normal",
    "erhöht",
    "erniedrigt",
    "stark",
    "schwach",
    "mäßig",
    "vereinzelt",
    "reichlich",
    "massenhaft",
    "spärlich",
    "trüb",
    "klar",
    "gelb",
    "rot",
    "heterozygot",
    "homozygot",
    "wildtyp",
    "steril",
    "folgt",
    "siehe",
    "anmerkung",
    "befund",
    "text",
    "bis",
    "von",
    "und",
    "oder",
    "unter",
    "über",
    "männer",
    "frauen",
    "kinder",
    "k",
    "a",
    "titer",
    "kultur",
    "resistenz",
];

/// Letters become x or X, digits 0; blanks and signs stay.
pub(super) fn mask(text: &str) -> String {
    let one = |c: char| match c {
        _ if c.is_ascii_digit() => '0',
        _ if c.is_uppercase() => 'X',
        _ if c.is_alphanumeric() => 'x',
        _ => c,
    };
    text.chars().map(one).collect()
}

/// A result is kept if it is numbers, signs and words of the list; units are short.
pub(super) fn is_result(text: &str) -> bool {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let plain = bare.chars().all(|c| c.is_ascii_digit() || !c.is_alphanumeric());
        plain || unit(bare) || WORDS.contains(&bare.to_lowercase().as_str())
    };
    text.split_whitespace().all(word)
}

/// `mg/dl`, `10^5`, `5.00E+07`, `pg`: a unit has a slash, a power, or is one of the few without.
fn unit(word: &str) -> bool {
    let parts: Vec<&str> = word.split('/').collect();
    let short = parts.iter().all(|part| part.chars().count() <= 4);
    (parts.len() == 2 && short)
        || word.bytes().all(|byte| byte.is_ascii_digit() || b"Eex^+-.,:<>=".contains(&byte))
        || matches!(word, "mg" | "ng" | "pg" | "µg" | "mmol" | "fl" | "ml" | "KBE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_kept_and_sentences_are_not() {
        for result in
            ["<0.6", "1:320", "5.00E+07", "1x10^6", "negativ", "nicht nachweisbar", "3.5 - 5.1 mmol/l", "10^5 KBE/ml"]
        {
            assert!(is_result(result), "{result}");
        }
        for text in ["Dr. Müller", "siehe Anruf Müller", "positiv (Meier)", "Erika"] {
            assert!(!is_result(text), "{text}");
        }
        assert_eq!(mask("Tel. Dr. Müller, 0815"), "Xxx. Xx. Xxxxxx, 0000");
    }
}
