//! The charsets of LDT: tables, and the decision which one the bytes are really in.
//!
//! What must stay true: `encode(decode(byte)) == byte` for every byte of every single-byte charset, or a checksum
//! could be verified over other bytes than the laboratory sent.

use crate::line::Line;

/// A charset. LDT 2 names it in field 9106, LDT 3 is always ISO 8859-15 (KBV LDT 3 Satzbeschreibung 3.2.20, p. 27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Charset {
    /// 9106 = 1: DIN 66003, seven bits, `[\]{|}~@` are `ÄÖÜäöüß§`.
    Din66003,
    /// 9106 = 2: IBM code page 437.
    Cp437,
    /// 9106 = 3: ISO 8859-1.
    Latin1,
    /// 9106 = 4: ISO 8859-15.
    Latin9,
    /// Never declared, sometimes sent.
    Windows1252,
    /// Never declared, sometimes sent.
    Utf8,
}

const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
/// 0x80 to 0x9F; the five unassigned bytes keep their C1 code point so that encoding is reversible.
const WINDOWS: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
const LATIN9: [(u8, char); 8] =
    [(0xA4, '€'), (0xA6, 'Š'), (0xA8, 'š'), (0xB4, 'Ž'), (0xB8, 'ž'), (0xBC, 'Œ'), (0xBD, 'œ'), (0xBE, 'Ÿ')];
const DIN: [(u8, char); 8] =
    [(b'[', 'Ä'), (b'\\', 'Ö'), (b']', 'Ü'), (b'{', 'ä'), (b'|', 'ö'), (b'}', 'ü'), (b'~', 'ß'), (b'@', '§')];

impl Charset {
    /// The charset that a 9106 code names (KBV LDT 2, LDT1014.01, p. 55).
    pub(crate) fn declared(code: &str) -> Option<Self> {
        match code.trim() {
            "1" => Some(Self::Din66003),
            "2" => Some(Self::Cp437),
            "3" => Some(Self::Latin1),
            "4" => Some(Self::Latin9),
            _ => None,
        }
    }

    /// Decodes bytes; never fails, because every single-byte charset here assigns every byte.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> String {
        if self == Self::Utf8 {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        bytes.iter().map(|byte| self.char_of(*byte)).collect()
    }

    fn char_of(self, byte: u8) -> char {
        let listed = |table: &[(u8, char)]| table.iter().find(|(b, _)| *b == byte).map(|(_, c)| *c);
        let special = match self {
            Self::Din66003 => listed(&DIN),
            Self::Latin9 => listed(&LATIN9),
            Self::Cp437 if byte >= 0x80 => CP437.chars().nth(usize::from(byte - 0x80)),
            Self::Windows1252 if (0x80..0xA0).contains(&byte) => WINDOWS.chars().nth(usize::from(byte - 0x80)),
            _ => None,
        };
        special.unwrap_or(char::from(byte))
    }

    /// The byte of a character; none if the charset does not have it (always none for UTF-8 beyond ASCII).
    pub(crate) fn byte_of(self, character: char) -> Option<u8> {
        let listed = |table: &[(u8, char)]| table.iter().find(|(_, c)| *c == character).map(|(b, _)| *b);
        let upper = |table: &str| {
            let index = table.chars().position(|c| c == character)?;
            u8::try_from(index + 0x80).ok()
        };
        let special = match self {
            Self::Din66003 => listed(&DIN),
            Self::Latin9 => listed(&LATIN9),
            Self::Cp437 => upper(CP437),
            Self::Windows1252 => upper(WINDOWS),
            Self::Latin1 | Self::Utf8 => None,
        };
        let plain = || u8::try_from(u32::from(character)).ok().filter(|byte| self.char_of(*byte) == character);
        special.or_else(|| if character.is_ascii() || self != Self::Utf8 { plain() } else { None })
    }
}

/// What the bytes of the file say about its charset.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Any byte above 0x7F.
    pub(crate) high: bool,
    /// All of it is UTF-8 and some of it is not ASCII.
    pub(crate) utf8: bool,
    cp437: usize,
    latin: usize,
    controls: usize,
    din_names: bool,
}

/// Bytes that are German letters in CP437 and controls or signs in ISO 8859.
const CP437_LETTERS: [u8; 7] = [0x81, 0x84, 0x8E, 0x94, 0x99, 0x9A, 0xE1];
/// Bytes that are German letters (or the micro sign) in ISO 8859 and frames or signs in CP437.
const LATIN_LETTERS: [u8; 8] = [0xC4, 0xD6, 0xDC, 0xE4, 0xF6, 0xFC, 0xDF, 0xB5];
/// Names and places: where brackets and braces can only be DIN 66003 letters.
const NAME_FIELDS: [u16; 8] = [3101, 3102, 3107, 3113, 205, 216, 8321, 8323];

impl Evidence {
    pub(crate) fn gather(bytes: &[u8], lines: &[Line]) -> Self {
        let high = !bytes.is_ascii();
        let mut evidence = Self { high, utf8: high && std::str::from_utf8(bytes).is_ok(), ..Self::default() };
        for line in lines {
            let content = bytes.get(line.content.clone()).unwrap_or_default();
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
            let beside = letter(index.checked_sub(1)) || letter(Some(index + 1));
            match byte {
                0x80..=0xFF => {
                    self.cp437 += usize::from(beside && CP437_LETTERS.contains(byte));
                    self.latin += usize::from(beside && LATIN_LETTERS.contains(byte));
                    self.controls += usize::from((0x80..0xA0).contains(byte));
                }
                b'{' | b'|' | b'}' | b'~' | b'[' | b'\\' | b']' => self.din_names |= name && beside,
                _ => {}
            }
        }
    }

    /// The charset to read in, and whether that contradicts what was declared.
    pub(crate) fn decide(&self, declared: Charset) -> (Charset, bool) {
        if !self.high {
            let din = self.din_names && declared != Charset::Din66003;
            return if din { (Charset::Din66003, true) } else { (declared, false) };
        }
        let guess = match declared {
            // Seven bits cannot hold these bytes: practice has 9106 = 1 over CP437 content.
            Charset::Din66003 if self.cp437 >= self.latin && self.controls > 0 => Charset::Cp437,
            Charset::Din66003 => Charset::Latin9,
            Charset::Cp437 if self.latin > 0 && self.cp437 == 0 => {
                if self.controls > 0 {
                    Charset::Windows1252
                } else {
                    Charset::Latin9
                }
            }
            // ISO 8859 has controls at 0x80 to 0x9F, which no text contains.
            Charset::Latin1 | Charset::Latin9 if self.controls > 0 => {
                if self.cp437 > 0 && self.latin == 0 {
                    Charset::Cp437
                } else {
                    Charset::Windows1252
                }
            }
            other => other,
        };
        (guess, guess != declared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        for charset in [Charset::Cp437, Charset::Latin1, Charset::Latin9, Charset::Windows1252] {
            for byte in 0..=255u8 {
                assert_eq!(charset.byte_of(charset.char_of(byte)), Some(byte), "{charset:?} {byte:02x}");
            }
        }
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(WINDOWS.chars().count(), 32);
    }

    #[test]
    fn german_letters() {
        assert_eq!(Charset::Din66003.decode(b"[\\]{|}~@"), "ÄÖÜäöüß§");
        assert_eq!(Charset::Cp437.decode(&[0x8E, 0x99, 0x9A, 0x84, 0x94, 0x81, 0xE1, 0xE6]), "ÄÖÜäöüßµ");
        assert_eq!(Charset::Latin9.decode(&[0xC4, 0xA4, 0xB5]), "Ä€µ");
        assert_eq!(Charset::Latin9.byte_of('¤'), None);
        assert_eq!(Charset::Windows1252.decode(&[0x96, 0x80]), "–€");
    }
}
