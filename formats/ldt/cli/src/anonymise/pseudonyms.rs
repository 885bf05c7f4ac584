//! What stands instead of names and numbers.
//!
//! What must stay true: the same content becomes the same pseudonym under the same key, different contents become different
//! ones in a file, and no pseudonym is its own original. Without the key nobody can tell which name a pseudonym stands for.

use std::collections::{HashMap, HashSet};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::classes::Class;

/// No vowels: no pseudonym is a name by accident.
const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";

/// The pseudonyms of a file, and what must not be left standing anywhere.
pub(super) struct Pseudonyms {
    key: Vec<u8>,
    known: HashMap<(Class, String), String>,
    used: HashSet<(Class, String)>,
    /// Words of what was replaced, in lower case.
    words: HashSet<String>,
}

/// An endless run of numbers that only the key can make.
struct Stream<'k> {
    key: &'k [u8],
    seed: String,
    counter: u32,
    block: Vec<u8>,
}

impl Stream<'_> {
    fn below(&mut self, limit: u8) -> u8 {
        if self.block.is_empty() {
            // HMAC takes keys of any length; an error cannot occur.
            if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key) {
                mac.update(format!("{}\0{}", self.seed, self.counter).as_bytes());
                self.block = mac.finalize().into_bytes().to_vec();
            }
            self.counter += 1;
        }
        self.block.pop().unwrap_or_default() % limit.max(1)
    }

    fn letter(&mut self) -> char {
        let index = usize::from(self.below(20));
        LETTERS.get(index).map_or('X', |letter| char::from(*letter))
    }

    fn digit(&mut self) -> char {
        char::from(b'0' + self.below(10))
    }
}

impl Pseudonyms {
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: key.to_vec(), known: HashMap::new(), used: HashSet::new(), words: HashSet::new() }
    }

    /// The pseudonym of a content, without blanks around it.
    pub(super) fn of(&mut self, class: Class, content: &str) -> String {
        let content = content.trim();
        self.remember(class, content);
        let id = (class, content.to_owned());
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let mut attempt = 0;
        let pseudonym = loop {
            let mut stream = self.stream(class, content, attempt);
            let mut made = make(class, content, &mut stream);
            // Short contents have few others of the same shape.
            if attempt > 200 {
                made.push(stream.letter());
                made.push(stream.letter());
            }
            attempt += 1;
            if made != content && self.used.insert((class, made.clone())) {
                break made;
            }
        };
        self.known.insert(id, pseudonym.clone());
        pseudonym
    }

    fn stream(&self, class: Class, content: &str, attempt: u32) -> Stream<'_> {
        let seed = format!("{class:?}\0{attempt}\0{content}");
        Stream { key: &self.key, seed, counter: 0, block: Vec::new() }
    }

    /// The whole, and of names each word of three letters and more. Parts of a number are no secret: `E-CRP` is a result's
    /// id, `CRP` a test.
    fn remember(&mut self, class: Class, content: &str) {
        let parts = words(content).filter(|_| class == Class::Name);
        for word in parts.chain(std::iter::once(content)).filter(|word| identifies(word)) {
            self.words.insert(word.to_lowercase());
        }
    }

    /// Whether a text repeats something that was replaced elsewhere.
    pub(super) fn betrays(&self, text: &str) -> bool {
        let known = |word: &str| self.words.contains(&word.trim().to_lowercase());
        known(text) || words(text).any(known) || text.split_whitespace().any(known)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Shorter ones stand in every text.
fn identifies(word: &str) -> bool {
    let length = word.chars().count();
    (length >= 3 && word.chars().any(char::is_alphabetic)) || length >= 9
}

fn make(class: Class, content: &str, stream: &mut Stream<'_>) -> String {
    match class {
        Class::Name => (0..8).map(|_| stream.letter()).collect(),
        Class::Date => date(content, stream).unwrap_or_else(|| same_shape(content, stream)),
        Class::Insurance if ldt::check::insurance_number(content) => insurance(stream),
        Class::Doctor if ldt::check::lanr(content) => doctor(content, stream),
        _ => same_shape(content, stream),
    }
}

/// Letters and digits are replaced, the rest stays.
fn same_shape(content: &str, stream: &mut Stream<'_>) -> String {
    let one = |c: char| match c {
        _ if c.is_ascii_digit() => stream.digit(),
        _ if c.is_alphanumeric() => stream.letter(),
        _ => c,
    };
    content.chars().map(one).collect()
}

/// Another day, up to four years away, in the same order; unknown parts (00) stay unknown.
fn date(content: &str, stream: &mut Stream<'_>) -> Option<String> {
    if content.len() != 8 || !content.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year_first = matches!(content.get(..2), Some("18" | "19" | "20" | "21"));
    let (year, month, day) = if year_first {
        (content.get(..4)?, content.get(4..6)?, content.get(6..)?)
    } else {
        (content.get(4..)?, content.get(2..4)?, content.get(..2)?)
    };
    let shift = i32::from(stream.below(4)) + 1;
    let number: i32 = year.parse().ok()?;
    let year = if stream.below(2) == 0 { number + shift } else { number - shift };
    let mut part = |old: &str, limit: u8| if old == "00" { 0 } else { stream.below(limit) + 1 };
    let (month, day) = (part(month, 12), part(day, 28));
    Some(if year_first { format!("{year:04}{month:02}{day:02}") } else { format!("{day:02}{month:02}{year:04}") })
}

fn insurance(stream: &mut Stream<'_>) -> String {
    let body: String = std::iter::once(stream.letter()).chain((0..8).map(|_| stream.digit())).collect();
    checked(&body, "", ldt::check::insurance_number)
}

/// The last two digits, the field of work, stay.
fn doctor(content: &str, stream: &mut Stream<'_>) -> String {
    // 555555 would be a pseudo number; the first digit is another one.
    let body: String = std::iter::once('1').chain((0..5).map(|_| stream.digit())).collect();
    checked(&body, content.get(7..).unwrap_or("00"), ldt::check::lanr)
}

/// With the check digit that fits.
fn checked(body: &str, rest: &str, fits: impl Fn(&str) -> bool) -> String {
    let all = (0..10).map(|digit| format!("{body}{digit}{rest}"));
    all.into_iter().find(|number| fits(number)).unwrap_or_else(|| format!("{body}0{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(class: Class, content: &str) -> String {
        Pseudonyms::new(b"key").of(class, content)
    }

    #[test]
    fn same_content_same_pseudonym_same_key() {
        assert_eq!(one(Class::Name, "Müller"), one(Class::Name, " Müller "));
        assert_ne!(one(Class::Name, "Müller"), Pseudonyms::new(b"other").of(Class::Name, "Müller"));
        assert_ne!(one(Class::Name, "Müller"), one(Class::Name, "Möller"));
    }

    #[test]
    fn numbers_stay_valid() {
        assert!(ldt::check::insurance_number(&one(Class::Insurance, "A123456780")));
        let doctor = one(Class::Doctor, "123456601");
        assert!(ldt::check::lanr(&doctor) && doctor.ends_with("01"));
        assert_eq!(one(Class::Code, "A-2026-1").replace(|c: char| c.is_ascii_digit(), "0").get(1..), Some("-0000-0"));
    }

    #[test]
    fn dates_stay_dates_of_the_same_order() {
        for content in ["19661024", "24101966", "19660000", "19661000"] {
            let made = one(Class::Date, content);
            let year: u16 = if content.starts_with("19") { made[..4].parse() } else { made[4..].parse() }.unwrap();
            assert!((1962..=1970).contains(&year), "{content}: {made}");
            assert_eq!(content.ends_with("0000"), made.ends_with("0000"));
        }
    }

    /// Vessels have short ids: two of them never become one.
    #[test]
    fn different_contents_stay_different() {
        let mut pseudonyms = Pseudonyms::new(b"key");
        let made: HashSet<String> = (0..300).map(|number| pseudonyms.of(Class::Code, &number.to_string())).collect();
        assert_eq!(made.len(), 300);
    }
}
