//! What can be wrong with a message, and where.
//!
//! What must stay true: neither an [`Error`] nor a [`Warning`](crate::Warning) ever carries content of the message. Codes, field
//! numbers, lengths and positions only, because these texts end up in logs, in acknowledgements and in the sender's database.

use std::fmt;

/// A place in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Location {
    /// Number of the segment, from 1.
    pub segment: usize,
    /// Its name, if it is one of the standard that is known here: any other text could be content.
    pub name: Option<&'static str>,
    /// Number of the field, from 1; 0 if it is about the whole segment.
    pub field: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}", self.segment)?;
        match (self.name, self.field) {
            (Some(name), 0) => write!(f, " ({name})"),
            (Some(name), field) => write!(f, " ({name}-{field})"),
            (None, 0) => Ok(()),
            (None, field) => write!(f, " (field {field})"),
        }
    }
}

/// Why a message cannot be used: a person has to look at it. Nothing of it was delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to read.
    #[error("the message is empty; send it again")]
    Empty,
    /// More bytes than the reader accepts.
    #[error("the message has {length} bytes, the limit is {limit}; send attachments separately")]
    TooLarge {
        /// Bytes received.
        length: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// More delimiters than the reader accepts: each costs memory, however short the message is.
    #[error("the message has more than {limit} fields; this cannot be a laboratory result")]
    TooManyFields {
        /// Delimiters and line ends accepted.
        limit: usize,
    },
    /// One text is said of so many values or reports that the copies would fill the memory.
    #[error(
        "what the message says would take more than {limit} bytes, because one text belongs to so many values; send fewer in one message"
    )]
    TooManyCopies {
        /// Bytes that copies of texts may take.
        limit: usize,
    },
    /// It does not begin with MSH.
    #[error(
        "this is not HL7 v2 (it does not begin with an MSH segment); check the format and that the bytes were not re-encoded"
    )]
    NotHl7,
    /// MSH-1 and MSH-2 don't say unambiguously how to read the rest.
    #[error("the delimiters in MSH-1 and MSH-2 are not five different signs; the sender's software must be corrected")]
    BadDelimiters,
    /// MSH-18 names a character set that is not known here, and the bytes are neither ASCII nor UTF-8.
    #[error("{at} names a character set that is not known here; send UNICODE UTF-8, 8859/1 or 8859/15")]
    CharsetUnknown {
        /// Where.
        at: Location,
    },
    /// A line that does not begin with a segment's name.
    #[error("{at} is no segment; it was damaged or a text contains a line break, ask the sender")]
    BadSegment {
        /// Where.
        at: Location,
    },
    /// The message ends in the middle.
    #[error("the message ends too early at {at}; it was cut off, send it again")]
    Truncated {
        /// Where.
        at: Location,
    },
    /// More than one message, or a batch.
    #[error("{at} begins another message; send each message by itself, without batch segments")]
    SeveralMessages {
        /// Where.
        at: Location,
    },
    /// Not ORU^R01.
    #[error("{at}: the message type is not ORU^R01, so this is no laboratory result; check what the sender sends")]
    NotResults {
        /// Where.
        at: Location,
    },
    /// MSH-11 is T or D.
    #[error("{at} says that this is a test and not a patient's result; send results with P")]
    NotProduction {
        /// Where.
        at: Location,
    },
    /// The rest is in another message (DSC-1, MSH-14).
    #[error("{at} says that the message goes on in another one, which is not supported; send it whole")]
    Continued {
        /// Where.
        at: Location,
    },
    /// A value without the order it belongs to, or a group in another order than the standard's.
    #[error("{at} stands where the standard has no such segment; the sender's software must be corrected")]
    MisplacedSegment {
        /// Where.
        at: Location,
    },
    /// There is no OBR.
    #[error("the message has no order group (OBR), so it reports nothing; the sender's software must be corrected")]
    NoResults,
    /// More order groups (OBR) than any patient's message has: each becomes work of its own.
    #[error("the message has more than {limit} order groups (OBR); send fewer in one message")]
    TooManyReports {
        /// Order groups accepted.
        limit: usize,
    },
    /// A field without which the rest can't be understood.
    #[error("{at} is empty; without it the result can't be used, the sender's software must be corrected")]
    MissingField {
        /// Where.
        at: Location,
    },
    /// A number by which reports are found again, longer than any is.
    #[error("{at} is longer than any number; the sender's software must be corrected")]
    TooLong {
        /// Where.
        at: Location,
    },
    /// Two practices for one message, or what may be two.
    #[error("{at} names several practices, or another one than a field before it; one message is for one practice")]
    SeveralRecipients {
        /// Where.
        at: Location,
    },
}

impl Error {
    /// A short name that stays the same.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::TooManyFields { .. } => "too-many-fields",
            Self::TooManyCopies { .. } => "too-many-copies",
            Self::NotHl7 => "not-hl7",
            Self::BadDelimiters => "bad-delimiters",
            Self::CharsetUnknown { .. } => "charset-unknown",
            Self::BadSegment { .. } => "bad-segment",
            Self::Truncated { .. } => "truncated",
            Self::SeveralMessages { .. } => "several-messages",
            Self::NotResults { .. } => "not-results",
            Self::NotProduction { .. } => "not-production",
            Self::Continued { .. } => "continued",
            Self::MisplacedSegment { .. } => "misplaced-segment",
            Self::NoResults => "no-results",
            Self::TooManyReports { .. } => "too-many-reports",
            Self::MissingField { .. } => "missing-field",
            Self::TooLong { .. } => "too-long",
            Self::SeveralRecipients { .. } => "several-recipients",
        }
    }
}
