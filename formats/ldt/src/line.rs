//! Lines: `LLL FFFF content CR LF` (KBV LDT 3 Satzbeschreibung 3.2.20, p. 24).
//!
//! What must stay true: lines are found by their end, never by jumping with the length prefix, which the sender
//! controls (a prefix of `000` would loop). The prefix is only checked.

use std::ops::Range;

use crate::error::{Error, FieldId, Location};
use crate::warning::{WarningKind, Warnings};

/// One line, as positions in the input. Sixteen bytes, because a message may have millions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    number: u32,
    start: u32,
    end: u32,
    declared: u16,
    pub(crate) id: FieldId,
}

/// `MAX_BYTES` is far below.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn wide(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

impl Line {
    pub(crate) fn at(&self) -> Location {
        Location { line: self.number(), offset: self.start(), field: Some(self.id) }
    }

    /// Line number, from 1.
    pub(crate) fn number(&self) -> usize {
        wide(self.number)
    }

    /// Offset of the line's first byte.
    pub(crate) fn start(&self) -> usize {
        wide(self.start)
    }

    /// What stands between field id and line end.
    pub(crate) fn content(&self) -> Range<usize> {
        self.start() + 7..wide(self.end)
    }

    /// The length prefix.
    pub(crate) fn declared(&self) -> usize {
        usize::from(self.declared)
    }
}

/// More lines than any message has: 25 megabytes of chemistry have one and a half million.
pub(crate) const MAX_LINES: usize = 4_000_000;

const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Bytes to skip before the first line.
pub(crate) fn bom_length(bytes: &[u8]) -> usize {
    if bytes.starts_with(BOM) { BOM.len() } else { 0 }
}

/// Whether the bytes have the shape of LDT, whatever else may be wrong with them.
///
/// True if the first line is a record begin (8000), or if most of the first lines are xDT lines.
#[must_use]
pub fn looks_like_ldt(bytes: &[u8]) -> bool {
    let rest = bytes.get(bom_length(bytes)..).unwrap_or_default();
    let head = rest.get(..rest.len().min(8192)).unwrap_or_default();
    let mut lines =
        head.split(|b| matches!(b, b'\r' | b'\n')).filter(|line| !line.trim_ascii().is_empty()).take(5).peekable();
    if lines.peek().is_some_and(|line| is_line(line) && line.get(3..7) == Some(b"8000")) {
        return true;
    }
    let lines: Vec<_> = lines.collect();
    lines.len() >= 3 && lines.iter().filter(|line| is_line(line)).count() * 2 > lines.len()
}

fn is_line(line: &[u8]) -> bool {
    line.get(..7).is_some_and(|head| head.iter().all(u8::is_ascii_digit))
}

fn number(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0') % 10))
}

/// Splits the input into lines.
pub(crate) fn split(bytes: &[u8], warnings: &mut Warnings) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    let mut start = bom_length(bytes);
    if start > 0 {
        warnings.push(WarningKind::ByteOrderMark, Location { line: 1, ..Location::default() });
    }
    let mut count = 0;
    while start < bytes.len() {
        count += 1;
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
        let raw = rest.get(..length).unwrap_or_default();
        let ending = match (rest.get(length), rest.get(length + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(_), _) => 1,
            (None, _) => 0,
        };
        let at = Location { line: count, offset: start, field: None };
        if lines.len() >= MAX_LINES {
            return Err(Error::TooManyLines { limit: MAX_LINES });
        }
        if is_line(raw) {
            let line = one(raw, at);
            check_end(raw, &line, ending, warnings)?;
            lines.push(line);
        } else if not_a_line(bytes, raw, rest, ending, at, warnings)? {
            break;
        }
        start += length + ending;
    }
    Ok(lines)
}

fn one(raw: &[u8], at: Location) -> Line {
    Line {
        number: narrow(at.line),
        start: narrow(at.offset),
        end: narrow(at.offset + raw.len()),
        declared: number(raw.get(..3).unwrap_or_default()),
        id: FieldId(number(raw.get(3..7).unwrap_or_default())),
    }
}

fn check_end(raw: &[u8], line: &Line, ending: usize, warnings: &mut Warnings) -> Result<(), Error> {
    let anywhere = Location { field: None, ..line.at() };
    match ending {
        2 => {}
        1 => warnings.push(WarningKind::LineEnds, anywhere),
        // The last line without a line end is complete only if its prefix says so.
        _ => {
            let characters = std::str::from_utf8(raw).map_or(raw.len(), |text| text.chars().count());
            if line.declared() > characters + 2 {
                return Err(Error::Truncated { at: line.at() });
            }
            warnings.push(WarningKind::NoFinalLineEnd, anywhere);
        }
    }
    Ok(())
}

/// Blank lines and the end-of-file mark of DOS are harmless (true: nothing follows), everything else is not a message
/// we understand.
fn not_a_line(
    bytes: &[u8],
    raw: &[u8],
    rest: &[u8],
    ending: usize,
    at: Location,
    warnings: &mut Warnings,
) -> Result<bool, Error> {
    if raw.trim_ascii().is_empty() {
        let kind = if ending == 0 { WarningKind::TrailingBytes } else { WarningKind::BlankLines };
        warnings.push(kind, at);
        return Ok(false);
    }
    if rest.iter().all(|b| matches!(b, 0x1A | 0 | b' ' | b'\r' | b'\n')) {
        warnings.push(WarningKind::TrailingBytes, at);
        return Ok(true);
    }
    if !looks_like_ldt(bytes) {
        return Err(Error::NotLdt);
    }
    let cut = ending == 0 && raw.iter().all(u8::is_ascii_digit);
    Err(if cut { Error::Truncated { at } } else { Error::BadLine { at } })
}
