//! A message that was split into lines and whose charset is known: where every text comes from.
//!
//! What must stay true: texts are decoded line by line from the input; nothing else decodes.

use std::borrow::Cow;

use sha1::{Digest, Sha1};

use crate::charset::Charset;
use crate::error::{Error, FieldId, Location};
use crate::line::Line;
use crate::warning::{WarningKind, Warnings};

/// How the bytes of a line become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// The bytes are in this charset.
    Plain(Charset),
    /// The bytes were taken for `via` on the way and converted to UTF-8, but were in `charset`.
    Relabelled {
        /// What the converter believed.
        via: Charset,
        /// What it was.
        charset: Charset,
    },
}

impl Decoder {
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Plain(charset) => charset.text(bytes),
            Self::Relabelled { .. } if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            Self::Relabelled { via, charset } => String::from_utf8_lossy(bytes)
                .chars()
                .map(|c| via.byte_of(c).map_or(c, |byte| charset.char_of(byte)))
                .collect(),
        }
    }
}

/// The bytes over which the laboratory computed its lengths and checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As received.
    Raw,
    /// As received, with CR LF after each line and without blank lines.
    Lines,
    /// Converted back from UTF-8 to this charset, with CR LF after each line.
    Recoded(Charset),
}

impl Form {
    /// The length of a line's content; every original charset has one byte per character.
    pub(crate) fn content_length(self, content: &[u8]) -> usize {
        match self {
            Self::Raw | Self::Lines => content.len(),
            Self::Recoded(_) => String::from_utf8_lossy(content).chars().count(),
        }
    }

    /// SHA-1 of lines in this form (hex); none if a character does not exist in the charset.
    pub(crate) fn digest(self, bytes: &[u8], lines: &[Line]) -> Option<String> {
        let mut hash = Sha1::new();
        if self == Self::Raw {
            let range = lines.first()?.start()..lines.last()?.content().end;
            let end = bytes.get(range.end..)?.iter().take(2).take_while(|b| matches!(b, b'\r' | b'\n')).count();
            hash.update(bytes.get(range.start..range.end + end)?);
            return Some(hex::encode(hash.finalize()));
        }
        for line in lines {
            hash.update(bytes.get(line.start()..line.content().start)?);
            let content = bytes.get(line.content())?;
            match self {
                Self::Recoded(charset) => {
                    hash.update(charset.encode(std::str::from_utf8(content).ok()?)?);
                }
                Self::Raw | Self::Lines => hash.update(content),
            }
            hash.update(b"\r\n");
        }
        Some(hex::encode(hash.finalize()))
    }
}

/// Bytes, lines and charset of a message.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) lines: Vec<Line>,
    pub(crate) decoder: Decoder,
}

impl Source<'_> {
    /// The content of a line, as bytes.
    pub(crate) fn raw(&self, line: &Line) -> &[u8] {
        self.bytes.get(line.content()).unwrap_or_default()
    }

    /// The content of a line exactly as sent.
    pub(crate) fn text(&self, line: &Line) -> Cow<'_, str> {
        self.decoder.decode(self.raw(line))
    }

    /// The trimmed content of a line; none (and a warning) if there is nothing but blanks.
    pub(crate) fn code(&self, line: &Line, warnings: &mut Warnings) -> Option<String> {
        let text = self.text(line);
        let trimmed = text.trim();
        if trimmed.is_empty() {
            warnings.push(WarningKind::EmptyField, line.at());
            return None;
        }
        Some(trimmed.to_owned())
    }

    /// Four digits, as record types are.
    pub(crate) fn record_type(&self, line: &Line) -> Option<u16> {
        let content = self.raw(line).trim_ascii();
        let four = content.len() == 4 && content.iter().all(u8::is_ascii_digit);
        if four { std::str::from_utf8(content).ok()?.parse().ok() } else { None }
    }

    pub(crate) fn line(&self, index: usize) -> Result<&Line, Error> {
        self.lines.get(index).ok_or(Error::Truncated { at: self.end() })
    }

    /// The end of the message, as a place for errors.
    pub(crate) fn end(&self) -> Location {
        Location { line: self.lines.last().map_or(0, |line| line.number()), offset: self.bytes.len(), field: None }
    }

    /// The first line with this field in a range of lines.
    pub(crate) fn find(&self, range: std::ops::Range<usize>, id: u16) -> Option<&Line> {
        self.lines.get(range)?.iter().find(|line| line.id == FieldId(id))
    }
}
