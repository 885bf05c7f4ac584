//! Text as the engine's Java reads and writes it: what can't be decoded becomes U+FFFD, what can't be encoded a question mark.

/// A charset of File Reader, transformer or HTTP Sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextCharset {
    /// The default of the engine.
    Utf8,
    /// ISO-8859-1.
    Latin1,
    /// ISO-8859-15.
    Latin9,
}

const LATIN9: [(u8, char); 8] =
    [(0xA4, '€'), (0xA6, 'Š'), (0xA8, 'š'), (0xB4, 'Ž'), (0xB8, 'ž'), (0xBC, 'Œ'), (0xBD, 'œ'), (0xBE, 'Ÿ')];

impl TextCharset {
    /// By the name that Java uses.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "UTF-8" => Some(Self::Utf8),
            "ISO-8859-1" => Some(Self::Latin1),
            "ISO-8859-15" => Some(Self::Latin9),
            _ => None,
        }
    }

    /// As it stands in Content-Type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO-8859-1",
            Self::Latin9 => "ISO-8859-15",
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> String {
        let listed = |byte: u8| LATIN9.iter().find(|(own, _)| *own == byte).map(|(_, character)| *character);
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Self::Latin9 => bytes.iter().map(|byte| listed(*byte).unwrap_or(char::from(*byte))).collect(),
        }
    }

    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let plain = |character: char| u8::try_from(u32::from(character)).ok();
        let latin9 = |character: char| {
            let own = LATIN9.iter().find(|(_, listed)| *listed == character).map(|(byte, _)| *byte);
            own.or_else(|| plain(character).filter(|byte| LATIN9.iter().all(|(listed, _)| listed != byte)))
        };
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => text.chars().map(|character| plain(character).unwrap_or(b'?')).collect(),
            Self::Latin9 => text.chars().map(|character| latin9(character).unwrap_or(b'?')).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_byte_charsets_lose_nothing_and_utf_8_destroys_what_is_not_utf_8() {
        let all: Vec<u8> = (0..=255).collect();
        for charset in [TextCharset::Latin1, TextCharset::Latin9] {
            assert_eq!(charset.encode(&charset.decode(&all)), all);
            assert_eq!(TextCharset::named(charset.name()), Some(charset));
        }
        assert_eq!(TextCharset::Latin9.encode("€ü\u{a4}"), b"\xa4\xfc?");
        assert_eq!(TextCharset::Utf8.encode(&TextCharset::Utf8.decode(b"M\xfcller")), "M\u{fffd}ller".as_bytes());
    }
}
