//! One segment, and which parts of it were read.
//!
//! What must stay true: what nobody read is told by [`Seg::rest`], so that a field without a place is shown and not dropped. Peeking
//! is not reading.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use er7::{Segment, Separators};

use crate::model::Field;
use crate::warning::Warnings;
use crate::{Charset, Error, Location, WarningKind, text, time};

/// As much of a code as stands before a field's name.
const LONGEST_PREFIX: usize = 60;
/// What copies of texts and rows may take, beside the message's own length: a large report needs a tenth of it.
const ALLOWANCE: usize = 16 * 1024 * 1024;
/// What a text costs beside its length.
pub(crate) const PER_TEXT: usize = 24;
/// Names that may stand in an error; any other could be content.
const KNOWN: [&str; 29] = [
    "MSH", "SFT", "PID", "PD1", "NTE", "NK1", "PV1", "PV2", "ORC", "OBR", "TQ1", "TQ2", "CTD", "OBX", "FT1", "CTI",
    "SPM", "DSC", "AL1", "DG1", "IN1", "IN2", "ROL", "SAC", "EVN", "FHS", "BHS", "BTS", "FTS",
];

/// What all segments of a message share.
pub(crate) struct Context {
    pub(crate) separators: Separators,
    pub(crate) charset: Charset,
    warnings: RefCell<Warnings>,
    allowance: usize,
    spent: Cell<usize>,
}

impl Context {
    pub(crate) fn new(separators: Separators, charset: Charset) -> Self {
        Self { separators, charset, warnings: RefCell::default(), allowance: ALLOWANCE, spent: Cell::new(0) }
    }

    /// The same for a message of this length, which may be said once more.
    pub(crate) fn of_length(mut self, bytes: usize) -> Self {
        self.allowance = ALLOWANCE.saturating_add(bytes);
        self
    }

    /// Draws on what the whole message may take. What is not asked for beforehand must be small, and [`Self::within`] comes soon.
    pub(crate) fn spend(&self, bytes: usize) {
        self.spent.set(self.spent.get().saturating_add(bytes));
    }

    /// Refuses a message that took more than it may.
    pub(crate) fn within(&self) -> Result<(), Error> {
        if self.spent.get() > self.allowance { Err(Error::TooManyCopies { limit: self.allowance }) } else { Ok(()) }
    }

    /// To be asked before something of this length is written so many times.
    pub(crate) fn copies(&self, length: usize, times: usize) -> Result<(), Error> {
        self.spend(length.saturating_mul(times));
        self.within()
    }

    pub(crate) fn warn(&self, kind: WarningKind, at: Location) {
        self.warnings.borrow_mut().push(kind, at);
    }

    pub(crate) fn into_warnings(self) -> Warnings {
        self.warnings.into_inner()
    }
}

/// Field, repetition, component and subcomponent, each from 1; 0 stands for all of them.
type Part = (usize, usize, usize, usize);

/// A segment.
pub(crate) struct Seg<'m> {
    segment: &'m Segment,
    number: usize,
    pub(crate) context: &'m Context,
    read: RefCell<HashSet<Part>>,
}

impl<'m> Seg<'m> {
    pub(crate) fn new(segment: &'m Segment, number: usize, context: &'m Context) -> Self {
        // Set ids only count.
        let read = if segment.name == "MSH" { HashSet::new() } else { HashSet::from([(1, 0, 0, 0)]) };
        Self { segment, number, context, read: RefCell::new(read) }
    }

    pub(crate) fn name(&self) -> &'m str {
        &self.segment.name
    }

    pub(crate) fn at(&self, field: usize) -> Location {
        let name = KNOWN.into_iter().find(|known| *known == self.segment.name);
        Location { segment: self.number, name, field }
    }

    pub(crate) fn warn(&self, kind: WarningKind, field: usize) {
        self.context.warn(kind, self.at(field));
    }

    /// The part, decoded, without counting it as read. Nothing, blanks and the explicit null (`""`) are none.
    pub(crate) fn peek(
        &self,
        field: usize,
        repetition: usize,
        component: usize,
        subcomponent: usize,
    ) -> Option<String> {
        let component = self.segment.field(field)?.repetition(repetition)?.component(component)?;
        Some(self.decode(&component.subcomponent(subcomponent)?.raw, field)?.trim().to_owned())
    }

    fn decode(&self, raw: &str, field: usize) -> Option<String> {
        if raw == "\"\"" {
            return None;
        }
        let (text, unknown) = text::decode(raw, &self.context.separators, self.context.charset);
        // Formatting commands stand for more than they are.
        self.context.spend(text.len().saturating_sub(raw.len()));
        if unknown {
            self.warn(WarningKind::UnknownEscape, field);
        }
        (!text.trim().is_empty()).then_some(text)
    }

    /// Counts a part as read.
    pub(crate) fn skip(&self, field: usize, repetition: usize, component: usize, subcomponent: usize) {
        self.read.borrow_mut().insert((field, repetition, component, subcomponent));
    }

    /// Counts the first part of a component as not read, after all.
    pub(crate) fn forget(&self, field: usize, repetition: usize, component: usize) {
        self.read.borrow_mut().remove(&(field, repetition, component, 1));
    }

    /// Reads a part.
    pub(crate) fn part(
        &self,
        field: usize,
        repetition: usize,
        component: usize,
        subcomponent: usize,
    ) -> Option<String> {
        self.skip(field, repetition, component, subcomponent);
        self.peek(field, repetition, component, subcomponent)
    }

    /// Reads the first part of the first component of a repetition.
    pub(crate) fn component(&self, field: usize, repetition: usize, component: usize) -> Option<String> {
        self.part(field, repetition, component, 1)
    }

    /// Reads the first part of a field.
    pub(crate) fn text(&self, field: usize) -> Option<String> {
        self.part(field, 1, 1, 1)
    }

    /// Reads a repetition whole: delimiters that the sender forgot to escape are put back, and blanks before a line stay.
    pub(crate) fn whole(&self, field: usize, repetition: usize) -> Option<String> {
        self.skip(field, repetition, 0, 0);
        self.peek_whole(field, repetition)
    }

    /// The same without counting it as read.
    pub(crate) fn peek_whole(&self, field: usize, repetition: usize) -> Option<String> {
        let raw = self.segment.field(field)?.repetition(repetition)?.to_er7(&self.context.separators);
        Some(self.decode(&raw, field)?.trim_end().to_owned())
    }

    /// How often a field is repeated.
    pub(crate) fn repetitions(&self, field: usize) -> usize {
        self.segment.field(field).map_or(0, |field| field.repetitions.len())
    }

    /// The field as sent, to compare it.
    pub(crate) fn raw(&self, field: usize) -> String {
        self.segment.field(field).map(|field| field.to_er7(&self.context.separators)).unwrap_or_default()
    }

    /// How many fields there are.
    pub(crate) fn fields(&self) -> usize {
        self.segment.fields.len()
    }

    /// Reads a time; what is none stays unread, and so is shown as sent.
    pub(crate) fn time(&self, field: usize) -> Option<String> {
        let sent = self.peek(field, 1, 1, 1)?;
        let iso = time::iso(&sent);
        if iso.is_some() {
            self.skip(field, 1, 1, 1);
        } else {
            self.warn(WarningKind::InvalidTime, field);
        }
        iso
    }

    /// What was not read, one row for each field, named after `prefix`, segment and field.
    pub(crate) fn rest(&self, prefix: &str) -> Vec<Field> {
        // A code may be of any length, and it is written before each field.
        let prefix: String = prefix.chars().take(LONGEST_PREFIX).collect();
        let mut rows = Vec::new();
        for (index, field) in self.segment.fields.iter().enumerate() {
            let number = index + 1;
            let mut parts = Vec::new();
            for (r, repetition) in field.repetitions.iter().enumerate() {
                for (c, component) in repetition.components.iter().enumerate() {
                    for (s, part) in component.subcomponents.iter().enumerate() {
                        if !self.was_read((number, r + 1, c + 1, s + 1)) {
                            parts.extend(self.decode(&part.raw, number).map(|text| text.trim().to_owned()));
                        }
                    }
                }
            }
            if !parts.is_empty() {
                let blank = if prefix.is_empty() { "" } else { " " };
                let name = format!("{prefix}{blank}{}-{number}", self.segment.name);
                self.context.spend(size_of::<Field>() + name.len() + 2 * PER_TEXT);
                rows.push(Field { name, text: parts.join(" ") });
            }
        }
        rows
    }

    fn was_read(&self, (field, repetition, component, subcomponent): Part) -> bool {
        let read = self.read.borrow();
        [(field, 0, 0, 0), (field, repetition, 0, 0), (field, repetition, component, 0)]
            .iter()
            .any(|part| read.contains(part))
            || read.contains(&(field, repetition, component, subcomponent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_read_is_left() {
        let message = er7::parse("MSH|^~\\&|\rPID|1||A^B&C~\"\"|  |x^\\Q\\").unwrap();
        let context = Context::new(message.separators, Charset::Ascii);
        let seg = Seg::new(&message.segments[1], 2, &context);
        assert_eq!(seg.text(3).as_deref(), Some("A"));
        assert_eq!(seg.peek(5, 1, 1, 1).as_deref(), Some("x"));
        let rest: Vec<_> = seg.rest("K").into_iter().map(|f| (f.name, f.text)).collect();
        assert_eq!(rest, [("K PID-3".to_owned(), "B C".to_owned()), ("K PID-5".to_owned(), "x \\Q\\".to_owned())]);
        seg.skip(3, 0, 0, 0);
        assert_eq!(seg.whole(5, 1).as_deref(), Some("x^\\Q\\"));
        assert!(seg.rest("").is_empty());
        assert_eq!(context.into_warnings().into_list()[0].code(), "unknown-escape");
    }
}
