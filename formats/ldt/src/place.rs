//! Where something stands in the file, and fields as they were sent.
//!
//! What must stay true: a place is no content. Two messages that say the same are equal wherever they say it, so that a
//! resend can be recognised by `==`.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use crate::codes;
use crate::line::Line;
use crate::tree::Field;

/// The lines that something was read from. Equal to every other place.
#[derive(Debug, Clone, Copy, Default, Eq)]
pub struct Place {
    first: u32,
    last: u32,
}

impl Place {
    pub(crate) fn new(first: usize, last: usize) -> Self {
        let narrow = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
        Self { first: narrow(first), last: narrow(last.max(first)) }
    }

    /// One line.
    pub(crate) fn at(line: usize) -> Self {
        Self::new(line, line)
    }

    /// The first line, from 1; 0 if it was not read from a file.
    #[must_use]
    pub fn line(self) -> usize {
        usize::try_from(self.first).unwrap_or(usize::MAX)
    }

    /// All lines, from 1.
    #[must_use]
    pub fn lines(self) -> RangeInclusive<usize> {
        self.line()..=usize::try_from(self.last).unwrap_or(usize::MAX)
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A field as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Where.
    pub place: Place,
    /// Its content, without blanks around it.
    pub text: String,
}

impl Sent {
    pub(crate) fn new(line: &Line, text: String) -> Self {
        Self { place: Place::at(line.number()), text }
    }

    pub(crate) fn of(field: &Field) -> Self {
        Self { place: Place::at(field.line), text: field.text.trim().to_owned() }
    }
}

/// A field whose content is a code of the standard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coded {
    /// Where.
    pub place: Place,
    /// The code as sent.
    pub code: String,
    /// What the standard's code list says about it, in its words; none if the list does not have the code.
    pub meaning: Option<&'static str>,
}

impl Coded {
    pub(crate) fn new(line: &Line, code: String) -> Self {
        let meaning = codes::meaning(line.id.0, &code);
        Self { place: Place::at(line.number()), code, meaning }
    }

    pub(crate) fn of(field: &Field) -> Self {
        let code = field.text.trim();
        Self { place: Place::at(field.line), code: code.to_owned(), meaning: codes::meaning(field.id.0, code) }
    }
}
