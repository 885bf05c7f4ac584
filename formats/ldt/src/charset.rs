//! The charsets of LDT: tables, decoding, encoding.
//!
//! What must stay true: `encode(decode(byte)) == byte` for every byte of every single-byte charset, or a checksum
//! could be verified over other bytes than the laboratory sent.

use std::borrow::Cow;

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

/// 0x80 to 0xFF.
const CP437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û',
    'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡',
    '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐', '└', '┴', '┬', '├', '─',
    '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█',
    '▄', '▌', '▐', '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±', '≥',
    '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];
/// The same, to be searched by character: a large file has millions of them.
const CP437_BYTES: [(char, u8); 128] = by_character();
/// 0x80 to 0x9F; the five unassigned bytes keep their C1 code point so that encoding is reversible.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];
const LATIN9: [(u8, char); 8] =
    [(0xA4, '€'), (0xA6, 'Š'), (0xA8, 'š'), (0xB4, 'Ž'), (0xB8, 'ž'), (0xBC, 'Œ'), (0xBD, 'œ'), (0xBE, 'Ÿ')];
const DIN: [(u8, char); 8] =
    [(b'[', 'Ä'), (b'\\', 'Ö'), (b']', 'Ü'), (b'{', 'ä'), (b'|', 'ö'), (b'}', 'ü'), (b'~', 'ß'), (b'@', '§')];

/// Insertion sort, at compile time.
const fn by_character() -> [(char, u8); 128] {
    let mut sorted = [('\0', 0); 128];
    let mut byte = 0x80_u8;
    let mut index = 0;
    while index < 128 {
        let mut place = index;
        while place > 0 && (sorted[place - 1].0 as u32) > (CP437[index] as u32) {
            sorted[place] = sorted[place - 1];
            place -= 1;
        }
        sorted[place] = (CP437[index], byte);
        byte = byte.wrapping_add(1);
        index += 1;
    }
    sorted
}

impl Charset {
    /// The charset that a 9106 code names (KBV LDT 2, LDT1014.01, p. 55).
    #[must_use]
    pub fn declared(code: &str) -> Option<Self> {
        match code.trim() {
            "1" => Some(Self::Din66003),
            "2" => Some(Self::Cp437),
            "3" => Some(Self::Latin1),
            "4" => Some(Self::Latin9),
            _ => None,
        }
    }

    /// The 9106 code of the charset; none for those that LDT does not know.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Din66003 => Some("1"),
            Self::Cp437 => Some("2"),
            Self::Latin1 => Some("3"),
            Self::Latin9 => Some("4"),
            Self::Windows1252 | Self::Utf8 => None,
        }
    }

    /// Decodes bytes; never fails, because every single-byte charset here assigns every byte.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> String {
        self.text(bytes).into_owned()
    }

    /// The same, borrowed if nothing has to be converted: most lines of a file are ASCII.
    pub(crate) fn text(self, bytes: &[u8]) -> Cow<'_, str> {
        if self == Self::Utf8 || (bytes.is_ascii() && self != Self::Din66003) {
            return String::from_utf8_lossy(bytes);
        }
        Cow::Owned(bytes.iter().map(|byte| self.char_of(*byte)).collect())
    }

    /// Encodes a text; none if the charset lacks one of its characters.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        if self == Self::Utf8 || (text.is_ascii() && self != Self::Din66003) {
            return Some(text.as_bytes().to_vec());
        }
        text.chars().map(|character| self.byte_of(character)).collect()
    }

    pub(crate) fn char_of(self, byte: u8) -> char {
        let listed = |table: &[(u8, char)]| table.iter().find(|(b, _)| *b == byte).map(|(_, c)| *c);
        let special = match self {
            Self::Din66003 => listed(&DIN),
            Self::Latin9 if byte > 0xA0 => listed(&LATIN9),
            Self::Cp437 if byte >= 0x80 => CP437.get(usize::from(byte - 0x80)).copied(),
            Self::Windows1252 if (0x80..0xA0).contains(&byte) => WINDOWS.get(usize::from(byte - 0x80)).copied(),
            _ => None,
        };
        special.unwrap_or(char::from(byte))
    }

    /// The byte of a character; none if the charset does not have it (always none for UTF-8 beyond ASCII).
    pub(crate) fn byte_of(self, character: char) -> Option<u8> {
        if character.is_ascii() && self != Self::Din66003 {
            return u8::try_from(character).ok();
        }
        let listed = |table: &[(u8, char)]| table.iter().find(|(_, c)| *c == character).map(|(b, _)| *b);
        let windows = || u8::try_from(WINDOWS.iter().position(|c| *c == character)? + 0x80).ok();
        let cp437 = || CP437_BYTES.binary_search_by_key(&character, |(c, _)| *c).ok().and_then(|i| CP437_BYTES.get(i));
        let special = match self {
            Self::Din66003 => listed(&DIN),
            Self::Latin9 => listed(&LATIN9),
            Self::Cp437 => cp437().map(|(_, byte)| *byte),
            Self::Windows1252 => windows(),
            Self::Latin1 | Self::Utf8 => None,
        };
        let limit = if self == Self::Din66003 { 0x7F } else { 0xFF };
        let plain = || u8::try_from(u32::from(character)).ok().filter(|b| *b <= limit && self.char_of(*b) == character);
        special.or_else(|| if self == Self::Utf8 { None } else { plain() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: [Charset; 4] = [Charset::Cp437, Charset::Latin1, Charset::Latin9, Charset::Windows1252];

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        let all: Vec<u8> = (0..=255).collect();
        for charset in SINGLE {
            assert_eq!(charset.encode(&charset.decode(&all)).as_deref(), Some(&all[..]), "{charset:?}");
        }
        let seven = &all[..0x80];
        assert_eq!(Charset::Din66003.encode(&Charset::Din66003.decode(seven)).as_deref(), Some(seven));
    }

    #[test]
    fn german_letters() {
        assert_eq!(Charset::Din66003.decode(b"[\\]{|}~@"), "ÄÖÜäöüß§");
        assert_eq!(Charset::Cp437.decode(&[0x8E, 0x99, 0x9A, 0x84, 0x94, 0x81, 0xE1, 0xE6]), "ÄÖÜäöüßµ");
        assert_eq!(Charset::Latin9.decode(&[0xC4, 0xA4, 0xB5]), "Ä€µ");
        assert_eq!(Charset::Windows1252.decode(&[0x96, 0x80]), "–€");
        // What a charset does not have is not replaced by something like it.
        for (charset, text) in [
            (Charset::Latin9, "¤"),
            (Charset::Latin1, "€"),
            (Charset::Din66003, "é"),
            (Charset::Din66003, "[K+]"),
            (Charset::Cp437, "€"),
        ] {
            assert_eq!(charset.encode(text), None, "{charset:?}");
        }
    }
}
