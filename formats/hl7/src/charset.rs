//! Which character set the bytes are in.
//!
//! What must stay true: MSH-18 is asked, and believed only as far as the bytes bear it out: engines convert to UTF-8 on the way and
//! leave MSH-18 as it was. Bytes of a set that is not known here are not read as those of another.

use std::borrow::Cow;

use crate::WarningKind;

/// A character set of HL7 table 0211 that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Charset {
    /// Seven bits; the default of the standard.
    Ascii,
    /// 8859/1.
    Latin1,
    /// 8859/15.
    Latin9,
    /// Not in the table, sometimes sent.
    Windows1252,
    /// UNICODE UTF-8.
    Utf8,
}

/// Where ISO 8859-15 differs from 8859-1.
const LATIN9: [(u8, char); 8] =
    [(0xA4, '€'), (0xA6, 'Š'), (0xA8, 'š'), (0xB4, 'Ž'), (0xB8, 'ž'), (0xBC, 'Œ'), (0xBD, 'œ'), (0xBE, 'Ÿ')];
/// 0x80 to 0x9F of Windows-1252; the five unassigned bytes keep their C1 code point.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

impl Charset {
    /// The character set that MSH-18 names (table 0211).
    fn declared(name: &str) -> Option<Self> {
        match name.trim().to_ascii_uppercase().as_str() {
            "ASCII" | "ISO IR6" => Some(Self::Ascii),
            "8859/1" | "8859-1" | "ISO-8859-1" => Some(Self::Latin1),
            "8859/15" | "8859-15" | "ISO-8859-15" => Some(Self::Latin9),
            "WINDOWS-1252" | "CP1252" => Some(Self::Windows1252),
            "UNICODE UTF-8" | "UTF-8" | "UTF8" => Some(Self::Utf8),
            _ => None,
        }
    }

    /// The character set that the bytes are in, and what is odd about it. `msh18` is its first repetition. None if only a set that
    /// is not known here could tell what they say.
    pub(crate) fn of(bytes: &[u8], msh18: &str) -> Option<(Self, Option<WarningKind>)> {
        let declared = Self::declared(msh18);
        if bytes.is_ascii() {
            return Some((declared.unwrap_or(Self::Ascii), None));
        }
        let named = !matches!(msh18.trim(), "" | "\"\"");
        let found = if std::str::from_utf8(bytes).is_ok() {
            Self::Utf8
        } else if named && declared.is_none() {
            return None;
        } else if declared == Some(Self::Windows1252) || bytes.iter().any(|byte| (0x80..0xA0).contains(byte)) {
            // ISO 8859 has controls there, which no text contains.
            Self::Windows1252
        } else if declared == Some(Self::Latin9) {
            Self::Latin9
        } else {
            Self::Latin1
        };
        Some((found, (declared != Some(found)).then_some(WarningKind::CharsetContradicted)))
    }

    /// Decodes bytes; never fails, because every single-byte character set here assigns every byte.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 | Self::Ascii => String::from_utf8_lossy(bytes),
            _ => bytes.iter().map(|byte| self.char_of(*byte)).collect::<String>().into(),
        }
    }

    fn char_of(self, byte: u8) -> char {
        let special = match self {
            Self::Latin9 => LATIN9.iter().find(|(b, _)| *b == byte).map(|(_, c)| *c),
            Self::Windows1252 => byte.checked_sub(0x80).and_then(|at| WINDOWS.get(usize::from(at)).copied()),
            _ => None,
        };
        special.unwrap_or(char::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8], msh18: &str) -> (Charset, bool) {
        let (charset, warning) = Charset::of(bytes, msh18).unwrap();
        (charset, warning.is_some())
    }

    #[test]
    fn what_is_declared_is_believed_as_far_as_the_bytes_bear_it_out() {
        for (bytes, msh18, expected) in [
            (&b"Mueller"[..], "", (Charset::Ascii, false)),
            (b"Mueller", "8859/1", (Charset::Latin1, false)),
            (b"M\xfcller", "8859/1", (Charset::Latin1, false)),
            (b"M\xfcller \xa4", "8859/15", (Charset::Latin9, false)),
            (b"M\xfcller", "", (Charset::Latin1, true)),
            (b"M\xfcller", "UNICODE UTF-8", (Charset::Latin1, true)),
            (b"M\xfcller \x80", "8859/1", (Charset::Windows1252, true)),
            ("Müller".as_bytes(), "UNICODE UTF-8", (Charset::Utf8, false)),
            ("Müller".as_bytes(), "8859/1", (Charset::Utf8, true)),
            ("Müller".as_bytes(), "", (Charset::Utf8, true)),
            (b"M\xfcller", "\"\"", (Charset::Latin1, true)),
            (b"M\xfcller", "Windows-1252", (Charset::Windows1252, false)),
            ("Müller".as_bytes(), "8859/2", (Charset::Utf8, true)),
            (b"Mueller", "8859/2", (Charset::Ascii, false)),
        ] {
            assert_eq!(of(bytes, msh18), expected, "{msh18} {bytes:?}");
        }
        for msh18 in ["8859/2", "ISO IR87", "8859/5", "?"] {
            assert_eq!(Charset::of(b"M\xfcller", msh18), None, "{msh18}");
        }
    }

    #[test]
    fn signs() {
        assert_eq!(Charset::Latin1.decode(b"\xe4\xb5\xa4"), "äµ¤");
        assert_eq!(Charset::Latin9.decode(b"\xe4\xb5\xa4"), "äµ€");
        assert_eq!(Charset::Windows1252.decode(b"\x80 \x96 \xdf"), "€ – ß");
    }
}
