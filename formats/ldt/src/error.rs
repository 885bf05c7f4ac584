//! What can be wrong with a message, and where.
//!
//! What must stay true: neither an [`Error`] nor a [`Warning`](crate::Warning) ever carries content of the message.
//! Codes, field ids, lengths and positions only, because these texts end up in logs and in the sender's database.

use std::fmt;

/// A four-digit field id (Feldkennung), for example `8410`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// A place in the bytes that were given to [`read`](crate::read).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Location {
    /// Line number, from 1.
    pub line: usize,
    /// Offset of the line's first byte, from 0.
    pub offset: usize,
    /// The field on that line, if the line could be read.
    pub field: Option<FieldId>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (byte {}", self.line, self.offset)?;
        if let Some(field) = self.field {
            write!(f, ", field {field}")?;
        }
        f.write_str(")")
    }
}

/// Why a message cannot be used: a person has to look at it. Nothing of it was delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to read.
    #[error("the message is empty; send the file again")]
    Empty,
    /// More bytes than the reader accepts.
    #[error("the message has {length} bytes, the limit is {limit}; send attachments separately")]
    TooLarge {
        /// Bytes received.
        length: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// More lines than the reader accepts.
    #[error("the message has more than {limit} lines; this cannot be a laboratory result")]
    TooManyLines {
        /// Lines accepted.
        limit: usize,
    },
    /// The bytes are not xDT lines at all, for example HL7 v2, XML or UTF-16.
    #[error(
        "this is not LDT (no line begins with three digits of length and four digits of field id); check the format and that the bytes were not re-encoded"
    )]
    NotLdt,
    /// An order (practice to laboratory), which is no result.
    #[error("record type {record:04} at {at}: this is an order, not a result; check which directory the sender reads")]
    NotResults {
        /// The record type that gives the order away.
        record: u16,
        /// Where.
        at: Location,
    },
    /// The first record is not a package header 8220.
    #[error("no package header (8220) before {at}; the beginning of the file is missing, send it again")]
    MissingHeader {
        /// Where.
        at: Location,
    },
    /// A package without its trailer 8221.
    #[error("no package trailer (8221) before {at}; the end of the file is missing, send it again")]
    MissingTrailer {
        /// Where.
        at: Location,
    },
    /// The file ends inside a line, an object or a record.
    #[error("the file ends too early at {at}; it was cut off, send it again")]
    Truncated {
        /// Where.
        at: Location,
    },
    /// A line without three digits of length and four digits of field id.
    #[error("{at} is no LDT line; it was damaged or a text contains a line break, ask the sender")]
    BadLine {
        /// Where.
        at: Location,
    },
    /// A line's length prefix is wrong and nothing proves that its content is complete.
    #[error(
        "{at} announces {declared} bytes and has {actual}, and no checksum proves that its content is complete; send the file again"
    )]
    LengthMismatch {
        /// The line's length prefix.
        declared: usize,
        /// Its real length.
        actual: usize,
        /// Where.
        at: Location,
    },
    /// Objects or records are not properly nested (8002/8003, 8000/8001).
    #[error(
        "objects or records are not closed in the order they were opened, at {at}; the sender's software must be corrected"
    )]
    ObjectMismatch {
        /// Where.
        at: Location,
    },
    /// Deeper nesting than any legal message has.
    #[error("objects are nested deeper than {limit} at {at}; the sender's software must be corrected")]
    TooDeep {
        /// Deepest nesting that is read.
        limit: usize,
        /// Where.
        at: Location,
    },
    /// A field or object the specification demands.
    #[error("the mandatory field {field} is missing in the record or object at {at}; the sender must add it")]
    MissingField {
        /// The missing one.
        field: FieldId,
        /// The record or object that should have it.
        at: Location,
    },
    /// A second recipient, patient or test name where only one is possible: two records may have run together.
    #[error("{at} repeats a field that may occur once; two records may have been joined, send the file again")]
    RepeatedField {
        /// Where.
        at: Location,
    },
    /// A field that cannot belong to what surrounds it, such as a value without a test.
    #[error("{at} cannot belong to what surrounds it; a line may be missing, send the file again")]
    MisplacedField {
        /// Where.
        at: Location,
    },
    /// The SHA-1 of the package (9300) fits neither the bytes nor any charset they may have been converted from.
    #[error("the checksum at {at} does not fit the content; the message was changed on its way, send it again")]
    ChecksumMismatch {
        /// Where.
        at: Location,
    },
    /// A record type that is no laboratory result.
    #[error("the record at {at} has a type this reader does not know; check the format")]
    UnsupportedRecord {
        /// The type, if it is a number.
        record: Option<u16>,
        /// Where.
        at: Location,
    },
    /// Several packages of different laboratories or versions in one file.
    #[error("the package at {at} has another laboratory or version than the one before; send one package per file")]
    MixedPackages {
        /// Where.
        at: Location,
    },
    /// A package without a single report.
    #[error("the package that ends at {at} has no report; ask the sender what was meant")]
    NoReports {
        /// Where.
        at: Location,
    },
}

/// Defines the codes once: variant, code.
macro_rules! codes {
    ($($variant:ident $code:literal;)*) => {
        impl Error {
            /// All codes. `CODES.md` says what each means and what to do.
            pub const CODES: &[&str] = &[$($code),*];

            /// A stable code for metrics, tables and translations.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code,)* }
            }
        }
    };
}

codes! {
    Empty "empty";
    TooLarge "too-large";
    TooManyLines "too-many-lines";
    NotLdt "not-ldt";
    NotResults "not-results";
    MissingHeader "missing-header";
    MissingTrailer "missing-trailer";
    Truncated "truncated";
    BadLine "bad-line";
    LengthMismatch "length-mismatch";
    ObjectMismatch "object-mismatch";
    TooDeep "too-deep";
    MissingField "missing-field";
    RepeatedField "repeated-field";
    MisplacedField "misplaced-field";
    ChecksumMismatch "checksum-mismatch";
    UnsupportedRecord "unsupported-record";
    MixedPackages "mixed-packages";
    NoReports "no-reports";
}

/// What is to be done with a message that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tolerance {
    /// Do not take it in: it is no file that anybody could correct.
    Reject,
    /// Keep it, deliver nothing, let a person decide.
    Quarantine,
}

impl Error {
    /// Only what is too large is turned away at the door; everything else is kept for a person to look at, because the
    /// sender's queue would otherwise send it for ever. What has only [warnings](crate::Warning) is accepted.
    #[must_use]
    pub fn tolerance(&self) -> Tolerance {
        match self {
            Self::TooLarge { .. } | Self::TooManyLines { .. } => Tolerance::Reject,
            _ => Tolerance::Quarantine,
        }
    }

    /// Where the message is wrong, if it is wrong at one place.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        match self {
            Self::Empty | Self::TooLarge { .. } | Self::TooManyLines { .. } | Self::NotLdt => None,
            Self::NotResults { at, .. }
            | Self::MissingHeader { at }
            | Self::MissingTrailer { at }
            | Self::Truncated { at }
            | Self::BadLine { at }
            | Self::LengthMismatch { at, .. }
            | Self::ObjectMismatch { at }
            | Self::TooDeep { at, .. }
            | Self::MissingField { at, .. }
            | Self::RepeatedField { at }
            | Self::MisplacedField { at }
            | Self::ChecksumMismatch { at }
            | Self::UnsupportedRecord { at, .. }
            | Self::MixedPackages { at }
            | Self::NoReports { at } => Some(*at),
        }
    }
}
