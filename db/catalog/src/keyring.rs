//! The master secrets that an installation holds, by number: one, or two while one takes the other's place.
//! Must stay true: there is always at least one; an error names a line and never repeats what stands there; a file of before
//! there were numbers, a bare secret, is number 1.
use std::fmt;

use serde::Serialize;

use crate::claim_key::{ClaimKey, ClaimKeyId};
use crate::secret::{InvalidSecret, MasterSecret};

/// Number of a master secret, 1 to 999. A rotation goes to a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SecretNumber(u16);

impl SecretNumber {
    /// The number of a secret that stands alone.
    pub const FIRST: Self = Self(1);
    const GREATEST: u16 = 999;

    /// A number from the outside; `None` when it is not 1 to 999.
    #[must_use]
    pub fn new(number: i32) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| (1..=Self::GREATEST).contains(number)).map(Self)
    }

    /// The next one; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(i32::from(self) + 1)
    }
}

impl From<SecretNumber> for i32 {
    fn from(number: SecretNumber) -> Self {
        Self::from(number.0)
    }
}

impl fmt::Display for SecretNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is no keyring. Lines are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    /// Only blank lines and comments.
    #[error("it holds no master secret; make one with: openssl rand -hex 32")]
    Empty,
    /// What stands before the colon is no number of a secret.
    #[error("line {line}: before the colon a number from 1 to 999 is expected, as in 2:SECRET")]
    Number {
        /// Which line.
        line: usize,
    },
    /// What should be a secret is none.
    #[error("line {line}: {reason}")]
    Secret {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        reason: InvalidSecret,
    },
    /// A number stands there twice.
    #[error("line {line}: there is a secret number {number} already; a new secret takes the next free number")]
    Twice {
        /// Which line.
        line: usize,
        /// Which number.
        number: SecretNumber,
    },
    /// A secret stands there twice: to change over to it would change nothing.
    #[error("line {line}: this is the secret number {same} once more; make a new one with: openssl rand -hex 32")]
    Same {
        /// Which line.
        line: usize,
        /// The number that it has already.
        same: SecretNumber,
    },
}

/// Whether a file with these permission bits may hold secrets: nobody but its owner and its group can read or write it.
#[must_use]
pub const fn may_hold_secrets(mode: u32) -> bool {
    mode & 0o007 == 0
}

/// Master secrets by number.
#[derive(Clone, Debug)]
pub struct Keyring {
    newest: (SecretNumber, MasterSecret),
    /// Greatest number first.
    older: Vec<(SecretNumber, MasterSecret)>,
}

/// A secret that stands alone is number 1.
impl From<MasterSecret> for Keyring {
    fn from(secret: MasterSecret) -> Self {
        Self { newest: (SecretNumber::FIRST, secret), older: Vec::new() }
    }
}

impl Keyring {
    /// Reads secrets from text: one a line, `NUMBER:HEX` or, for number 1, `HEX` alone. Blank lines and lines that begin with `#`
    /// are passed over.
    ///
    /// # Errors
    /// When a line is neither, a number or a secret stands there twice, or there is none.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyring> {
        let mut secrets: Vec<(SecretNumber, MasterSecret)> = Vec::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (number, hex) = match text.split_once(':') {
                Some((number, hex)) => (parse_number(number).ok_or(InvalidKeyring::Number { line })?, hex),
                None => (SecretNumber::FIRST, text),
            };
            let secret = MasterSecret::from_hex(hex).map_err(|reason| InvalidKeyring::Secret { line, reason })?;
            for (known, other) in &secrets {
                if *known == number {
                    return Err(InvalidKeyring::Twice { line, number });
                }
                if other.is_same(&secret) {
                    return Err(InvalidKeyring::Same { line, same: *known });
                }
            }
            secrets.push((number, secret));
        }
        secrets.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut secrets = secrets.into_iter();
        let newest = secrets.next().ok_or(InvalidKeyring::Empty)?;
        Ok(Self { newest, older: secrets.collect() })
    }

    /// All of them, greatest number first.
    pub fn iter(&self) -> impl Iterator<Item = (SecretNumber, &MasterSecret)> {
        std::iter::once(&self.newest).chain(&self.older).map(|(number, secret)| (*number, secret))
    }

    /// The secret of this number.
    #[must_use]
    pub fn get(&self, number: SecretNumber) -> Option<&MasterSecret> {
        self.iter().find(|(known, _)| *known == number).map(|(_, secret)| secret)
    }

    /// The greatest number.
    #[must_use]
    pub fn newest(&self) -> SecretNumber {
        self.newest.0
    }

    /// The secret of the greatest number.
    #[must_use]
    pub fn newest_secret(&self) -> &MasterSecret {
        &self.newest.1
    }

    /// In which order to try passwords of a login: this secret first if it is there, the others greatest number first, and this one
    /// again, because the login may have been moved to it between the first trial and the last.
    pub fn trials(&self, first: SecretNumber) -> impl Iterator<Item = &MasterSecret> {
        let others = self.iter().filter(move |(number, _)| *number != first).map(|(_, secret)| secret);
        let again = self.get(first).filter(|_| !self.older.is_empty());
        self.get(first).into_iter().chain(others).chain(again)
    }

    /// The claim key of this id; `None` when its master secret is not there.
    #[must_use]
    pub fn claim_key(&self, id: ClaimKeyId) -> Option<ClaimKey> {
        self.get(id.secret()).map(|secret| ClaimKey::new(id, secret))
    }

    /// The numbers in words, for messages: `1, 2`.
    #[must_use]
    pub fn numbers(&self) -> String {
        let mut numbers: Vec<_> = self.iter().map(|(number, _)| number.to_string()).collect();
        numbers.reverse();
        numbers.join(", ")
    }
}

fn parse_number(text: &str) -> Option<SecretNumber> {
    let text = text.trim();
    let digits = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).and_then(SecretNumber::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(byte: &str) -> String {
        byte.repeat(32)
    }

    #[test]
    fn a_file_of_before_is_number_one() {
        let ring = Keyring::parse(&format!("{}\n", hex("ab"))).unwrap();
        assert_eq!(ring.numbers(), "1");
        assert!(ring.get(SecretNumber::FIRST).unwrap().is_same(&MasterSecret::from_hex(&hex("ab")).unwrap()));
    }

    #[test]
    fn secrets_stand_in_any_order_between_blank_lines_and_comments() {
        let text = format!("# old\n\n 7 : {} \n{}\n\n# new\n12:{}\n", hex("07"), hex("01"), hex("12"));
        let ring = Keyring::parse(&text).unwrap();
        assert_eq!((ring.numbers().as_str(), ring.newest()), ("1, 7, 12", SecretNumber(12)));
        let first: Vec<_> = ring.trials(SecretNumber(7)).map(MasterSecret::token_key).collect();
        let wanted = ["07", "12", "01", "07"].map(|byte| MasterSecret::from_hex(&hex(byte)).unwrap().token_key());
        assert_eq!(first, wanted);
        assert_eq!(ring.trials(SecretNumber(3)).count(), 3, "one that is not there is no first");
        assert_eq!(Keyring::parse(&hex("01")).unwrap().trials(SecretNumber(1)).count(), 1, "nothing moves");
        assert!(ring.get(SecretNumber(2)).is_none());
        assert!(ring.claim_key(ClaimKeyId::first_of(SecretNumber(2))).is_none());
    }

    #[test]
    fn what_is_no_keyring_is_refused_without_repeating_it() {
        let (one, two) = (hex("c1"), hex("c2"));
        for (text, error) in [
            (String::new(), InvalidKeyring::Empty),
            ("# nothing\n".to_owned(), InvalidKeyring::Empty),
            (format!("1:{one}\n0:{two}"), InvalidKeyring::Number { line: 2 }),
            (format!("1000:{two}"), InvalidKeyring::Number { line: 1 }),
            (format!("+2:{two}"), InvalidKeyring::Number { line: 1 }),
            (format!("{one}:{two}"), InvalidKeyring::Number { line: 1 }),
            (format!("\n2:{}", &two[2..]), InvalidKeyring::Secret { line: 2, reason: InvalidSecret }),
            (format!("{one}\n1:{two}"), InvalidKeyring::Twice { line: 2, number: SecretNumber(1) }),
            (format!("{one}\n2:{one}"), InvalidKeyring::Same { line: 2, same: SecretNumber(1) }),
        ] {
            let refused = Keyring::parse(&text).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("c1c1") && !refused.to_string().contains("c2c2"), "{refused}");
        }
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let ring = Keyring::parse(&format!("{}\n2:{}", hex("c1"), hex("c2"))).unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains("MasterSecret(…)") && !shown.contains("c1c1") && !shown.contains("193"), "{shown}");
    }
}
