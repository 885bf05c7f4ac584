//! Distinct messages, made from one: each has an order number of its own, so each is a new message to the webhook and a new report to the
//! worker. Must stay true: what is replaced is as long as what replaces it, so no length and no sum in an LDT 2 message changes.
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Failure, samples};

/// One patient, one order, two values, for one practice; the laboratory's order number is replaced.
const SAMPLE: (&str, &str) = ("Z03_ldt2_8201_2_Endbefund_B_und_K.ldt", "2610080003");
/// Of an order number.
const DIGITS: usize = 10;
/// Of what is replaced in a name.
const LETTERS: usize = 3;
/// So many people come again and again.
const PATIENTS: u32 = 500;

/// Makes messages.
pub struct Messages {
    parts: Vec<Part>,
    next: AtomicU32,
}

enum Part {
    Same(Vec<u8>),
    Number,
    Patient,
    BirthDate,
}

/// What stands for a person in a message, to be replaced by one of many: three letters of the name, and the birth date as LDT writes it.
/// A practice's patients share neither name nor birth date, and whom a report is about is found by both.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    /// Of the name.
    pub letters: &'a str,
    /// JJJJMMTT (LDT field 3103), as the samples have it.
    pub birth_date: &'a str,
}

/// A message and its number.
pub struct Numbered {
    /// Its number; [`order_number`] is how it is written.
    pub number: u32,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// As it stands in the message and in the list of reports.
#[must_use]
pub fn order_number(number: u32) -> String {
    format!("{number:0DIGITS$}")
}

impl Messages {
    /// From one of the samples: about a kilobyte.
    ///
    /// # Errors
    /// When the sample is gone or has changed.
    pub fn new() -> Result<Self, Failure> {
        let (name, number) = SAMPLE;
        let sample = samples::named(name)?;
        Self::like(&sample.bytes, number, None)
    }

    /// From a message: each occurrence of `number`, ten digits, becomes the message's own, the person one of many.
    ///
    /// # Errors
    /// When they are not in it, or not as long.
    pub fn like(message: &[u8], number: &str, patient: Option<Person<'_>>) -> Result<Self, Failure> {
        let fits =
            |person: Person<'_>| person.letters.len() == LETTERS && person.birth_date.len() == birth_date(0).len();
        if number.len() != DIGITS || !patient.is_none_or(fits) {
            return Err("what is replaced must be as long as what replaces it".into());
        }
        let parts = cut(vec![Part::Same(message.to_owned())], number.as_bytes(), || Part::Number)?;
        let parts = match patient {
            None => parts,
            Some(Person { letters, birth_date }) => {
                let parts = cut(parts, letters.as_bytes(), || Part::Patient)?;
                cut(parts, birth_date.as_bytes(), || Part::BirthDate)?
            }
        };
        Ok(Self { parts, next: AtomicU32::new(1) })
    }

    /// One that was not there before.
    pub fn next(&self) -> Vec<u8> {
        self.numbered().body
    }

    /// One that was not there before, with its number.
    pub fn numbered(&self) -> Numbered {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut body = Vec::new();
        for part in &self.parts {
            match part {
                Part::Same(bytes) => body.extend_from_slice(bytes),
                Part::Number => body.extend_from_slice(order_number(number).as_bytes()),
                Part::Patient => body.extend_from_slice(&letters(number % PATIENTS)),
                Part::BirthDate => body.extend_from_slice(birth_date(number % PATIENTS).as_bytes()),
            }
        }
        Numbered { number, body }
    }

    /// The number that the next one will have.
    pub fn upcoming(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }
}

/// Another one for each of the first ten thousand.
fn birth_date(person: u32) -> String {
    format!("{}{:02}{:02}", 1950 + person / 336, 1 + person / 28 % 12, 1 + person % 28)
}

fn letters(mut number: u32) -> [u8; LETTERS] {
    let mut name = [b'a'; LETTERS];
    for letter in name.iter_mut().rev() {
        *letter += u8::try_from(number % 26).unwrap_or_default();
        number /= 26;
    }
    name
}

/// Cuts at every occurrence.
fn cut(parts: Vec<Part>, wanted: &[u8], instead: impl Fn() -> Part) -> Result<Vec<Part>, Failure> {
    let (mut cut, mut found) = (Vec::new(), false);
    for part in parts {
        let Part::Same(bytes) = part else {
            cut.push(part);
            continue;
        };
        let mut rest = &bytes[..];
        while let Some(at) = rest.windows(wanted.len()).position(|window| window == wanted) {
            let (before, behind) = rest.split_at(at);
            cut.extend([Part::Same(before.to_owned()), instead()]);
            rest = behind.get(wanted.len()..).unwrap_or_default();
            found = true;
        }
        cut.push(Part::Same(rest.to_owned()));
    }
    if found { Ok(cut) } else { Err("the sample message has changed".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_and_are_as_long_as_the_sample() {
        let messages = Messages::new().unwrap();
        let (one, other) = (messages.next(), messages.next());
        assert_ne!(one, other);
        assert_eq!((one.len(), other.len()), (948, 948));
    }

    #[test]
    fn every_place_gets_the_number_and_people_come_again() {
        let person = Person { letters: "xyz", birth_date: "19040229" };
        let messages = Messages::like(b"1234567890 xyz 19040229 1234567890", "1234567890", Some(person)).unwrap();
        assert_eq!(messages.next(), b"0000000001 aab 19500102 0000000001");
        let last = (0..PATIENTS).map(|_| messages.numbered()).last().unwrap();
        assert_eq!((last.number, last.body), (501, b"0000000501 aab 19500102 0000000501".to_vec()));
        let dates: std::collections::BTreeSet<_> = (0..10_000).map(birth_date).collect();
        assert_eq!((dates.len(), dates.iter().map(String::len).max()), (10_000, Some(8)));
    }

    #[test]
    fn what_is_not_there_is_not_replaced_in_silence() {
        assert!(Messages::like(b"1234567890", "1234567891", None).is_err());
        let person = Person { letters: "xyz", birth_date: "19040229" };
        assert!(Messages::like(b"1234567890", "1234567890", Some(person)).is_err());
        assert!(Messages::like(b"1234567890 xyz", "1234567890", Some(person)).is_err());
        assert!(Messages::like(b"1234567890", "12345", None).is_err());
    }
}
