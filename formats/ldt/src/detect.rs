//! Which charset the bytes of a file are really in, and how sure that is.
//!
//! What must stay true: what the file declares is believed until its bytes say otherwise, and a guess is called one.

use crate::charset::Charset;
use crate::line::Line;

/// How sure the charset of a message is. Ordered: the last is the surest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Confidence {
    /// The bytes contradict the declaration, and each other: names may be misread.
    Low,
    /// Read in another charset than declared, because only that one makes words of the bytes; or nothing is declared.
    Medium,
    /// As declared, and the bytes look like it.
    High,
    /// No byte depends on it, or a length or checksum proves it.
    Certain,
}

impl Confidence {
    /// A stable word for tables and interfaces.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

/// The charset to read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) charset: Charset,
    pub(crate) contradicted: bool,
    pub(crate) confidence: Confidence,
}

/// What the bytes of the file say about its charset.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Any byte above 0x7F.
    high: bool,
    /// All of it is UTF-8 and some of it is not ASCII.
    pub(crate) utf8: bool,
    cp437: usize,
    latin: usize,
    controls: usize,
    /// Any of `[\]{|}~@`.
    din_signs: bool,
    /// Such a sign where only a letter can stand.
    din_names: bool,
}

/// Bytes that are German letters in CP437 and controls or signs in ISO 8859.
const CP437_LETTERS: [u8; 7] = [0x81, 0x84, 0x8E, 0x94, 0x99, 0x9A, 0xE1];
/// Bytes that are German letters (or the micro sign) in ISO 8859 and frames or signs in CP437.
const LATIN_LETTERS: [u8; 8] = [0xC4, 0xD6, 0xDC, 0xE4, 0xF6, 0xFC, 0xDF, 0xB5];
/// Names and places: where braces can only be DIN 66003 letters.
const NAME_FIELDS: [u16; 8] = [3101, 3102, 3107, 3113, 205, 216, 8321, 8323];

impl Evidence {
    pub(crate) fn gather(bytes: &[u8], lines: &[Line]) -> Self {
        let high = !bytes.is_ascii();
        let mut evidence = Self { high, utf8: high && std::str::from_utf8(bytes).is_ok(), ..Self::default() };
        for line in lines {
            let content = bytes.get(line.content()).unwrap_or_default();
            evidence.weigh(content, NAME_FIELDS.contains(&line.id.0));
        }
        evidence
    }

    /// Evidence of one run of bytes that are not all ASCII.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut evidence = Self { high: true, ..Self::default() };
        evidence.weigh(bytes, false);
        evidence
    }

    fn weigh(&mut self, content: &[u8], name: bool) {
        for (index, byte) in content.iter().enumerate() {
            // A letter stands beside a letter; a frame of a table stands beside frames.
            let letter = |at: Option<usize>| at.and_then(|at| content.get(at)).is_some_and(u8::is_ascii_alphabetic);
            match byte {
                0x80..=0xFF => {
                    let beside = letter(index.checked_sub(1)) || letter(Some(index + 1));
                    self.cp437 += usize::from(beside && CP437_LETTERS.contains(byte));
                    self.latin += usize::from(beside && LATIN_LETTERS.contains(byte));
                    self.controls += usize::from((0x80..0xA0).contains(byte));
                }
                b'[' | b'\\' | b']' | b'{' | b'|' | b'}' | b'~' | b'@' => {
                    self.din_signs = true;
                    self.din_names |= name && din_letter(content, index);
                }
                _ => {}
            }
        }
    }

    /// The charset to read in, and whether that contradicts what was declared.
    pub(crate) fn decide(&self, declared: Charset) -> Decision {
        let mut decision = Decision { charset: declared, contradicted: false, confidence: Confidence::High };
        if !self.high {
            let din = declared == Charset::Din66003;
            if self.din_names && !din {
                return Decision { charset: Charset::Din66003, contradicted: true, confidence: Confidence::Medium };
            }
            if !(din && self.din_signs) {
                decision.confidence = Confidence::Certain;
            }
            return decision;
        }
        decision.charset = self.guess(declared);
        decision.contradicted = decision.charset != declared;
        decision.confidence = match (self.cp437 > 0, self.latin > 0) {
            (true, true) => Confidence::Low,
            (false, false) if decision.contradicted => Confidence::Low,
            _ if decision.contradicted => Confidence::Medium,
            (false, false) => Confidence::Medium,
            _ => Confidence::High,
        };
        decision
    }

    /// For bytes above 0x7F.
    fn guess(&self, declared: Charset) -> Charset {
        match declared {
            // Seven bits cannot hold these bytes: practice has 9106 = 1 over CP437 content.
            Charset::Din66003 if self.cp437 >= self.latin && self.controls > 0 => Charset::Cp437,
            Charset::Din66003 => Charset::Latin9,
            Charset::Cp437 if self.latin > self.cp437 => {
                if self.controls > 0 {
                    Charset::Windows1252
                } else {
                    Charset::Latin9
                }
            }
            // ISO 8859 has controls at 0x80 to 0x9F, which no text contains.
            Charset::Latin1 | Charset::Latin9 if self.controls > 0 => {
                if self.cp437 > self.latin {
                    Charset::Cp437
                } else {
                    Charset::Windows1252
                }
            }
            other => other,
        }
    }
}

/// Whether the sign at this place of a name can only be a letter of DIN 66003: inside or at the end of a word
/// (`M}ller`, `Gro~`), or a capital at its beginning (`\zdemir`) that is no bracket around a remark (`Muster [alt]`).
fn din_letter(content: &[u8], index: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| content.get(at)).is_some_and(u8::is_ascii_alphabetic);
    let (before, after) = (letter(index.checked_sub(1)), letter(Some(index + 1)));
    match content.get(index) {
        Some(b'{' | b'|' | b'}' | b'~') => before,
        Some(b'[') => after && !content.iter().skip(index).any(|byte| *byte == b']'),
        Some(b']') => after && !content.iter().take(index).any(|byte| *byte == b'['),
        Some(b'\\') => after,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(content: &[u8], declared: Charset) -> (Charset, Confidence) {
        let mut evidence = Evidence { high: !content.is_ascii(), ..Evidence::default() };
        evidence.weigh(content, true);
        let decision = evidence.decide(declared);
        (decision.charset, decision.confidence)
    }

    #[test]
    fn a_guess_is_called_one() {
        use Charset::{Cp437, Din66003, Latin9, Windows1252};
        use Confidence::{Certain, High, Low, Medium};
        for (content, declared, expected) in [
            (&b"Muster"[..], Latin9, (Latin9, Certain)),
            (b"M}ller", Din66003, (Din66003, High)),
            (b"M}ller", Latin9, (Din66003, Medium)),
            (b"\\zdemir", Latin9, (Din66003, Medium)),
            (b"Schmidt [privat]", Latin9, (Latin9, Certain)),
            (b"M\xFCller", Latin9, (Latin9, High)),
            (b"Ren\xE9", Latin9, (Latin9, Medium)),
            (b"M\xFCller", Cp437, (Latin9, Medium)),
            (b"M\x81ller", Cp437, (Cp437, High)),
            (b"M\x81ller", Latin9, (Cp437, Medium)),
            (b"M\x81ller", Din66003, (Cp437, Medium)),
            (b"Wert \x96 ok", Latin9, (Windows1252, Low)),
            (b"M\x81ller M\xFCller", Cp437, (Cp437, Low)),
        ] {
            assert_eq!(name(content, declared), expected, "{content:02x?} declared {declared:?}");
        }
        assert!(Low < Medium && Medium < High && High < Certain);
    }
}
