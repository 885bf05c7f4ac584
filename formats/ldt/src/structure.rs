//! Records and packages: header 8220, reports, trailer 8221; and the object tree of LDT 3.
//!
//! What must stay true: the tree is built with a stack of limited depth, not by recursion, so that a hostile file
//! costs neither the program stack nor time; and a record never contains the lines of another one.

use std::ops::Range;

use crate::error::{Error, FieldId, Location};
use crate::line::Line;
use crate::package::Version;
use crate::place::Place;
use crate::source::Source;
use crate::warning::{WarningKind, Warnings};

/// Deeper than any path of the object tree (the deepest legal one has about twelve objects).
pub(crate) const MAX_DEPTH: usize = 64;

/// Attributes on which recipient, patient and values depend: they announce this object and no other.
const OBJECT_OF: [(u16, u16); 8] =
    [(8117, 17), (8119, 19), (8122, 22), (8135, 35), (8137, 37), (8142, 42), (8145, 45), (8147, 47)];

/// What a record or object contains; fields are indices of lines.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Field(usize),
    Object(Box<Object>),
}

/// An LDT 3 object, `attribute, 8002 … 8003`.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// The field that announces it (8101 to 8299): it says what the object means here.
    pub(crate) attribute: u16,
    /// The number in `Obj_nnnn`.
    pub(crate) number: u16,
    /// Index of the line 8002.
    pub(crate) line: usize,
    pub(crate) items: Vec<Item>,
}

impl Object {
    /// The lines from the attribute to the last one inside.
    pub(crate) fn place(&self, source: &Source<'_>) -> Place {
        let number = |index: usize| source.lines.get(index).map_or(0, Line::number);
        Place::new(number(self.line.saturating_sub(1)), number(self.last()))
    }

    /// Index of the last line inside.
    fn last(&self) -> usize {
        match self.items.last() {
            Some(Item::Field(index)) => *index,
            Some(Item::Object(inner)) => inner.last(),
            None => self.line,
        }
    }
}

/// A record: its type, its lines (from 8000), its content.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) kind: u16,
    pub(crate) lines: Range<usize>,
    pub(crate) items: Vec<Item>,
}

/// A complete package.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) header: Record,
    pub(crate) reports: Vec<Record>,
    pub(crate) trailer: Record,
}

/// Orders are recognised before anything else is judged: the sender's mistake is the wrong directory, not the content.
pub(crate) fn refuse_orders(source: &Source<'_>) -> Result<(), Error> {
    for line in source.lines.iter().filter(|line| line.id == FieldId(8000)) {
        if let Some(record @ (8230 | 8231 | 8215 | 8218 | 8219)) = source.record_type(line) {
            return Err(Error::NotResults { record, at: line.at() });
        }
    }
    Ok(())
}

/// The packages of a file, and the media records around them.
pub(crate) struct Structure {
    pub(crate) sections: Vec<Section>,
    pub(crate) media: Vec<Record>,
}

/// Splits the lines into packages.
pub(crate) fn read(source: &Source<'_>, version: Version, warnings: &mut Warnings) -> Result<Structure, Error> {
    let records = match version {
        Version::Ldt2 => flat_records(source)?,
        Version::Ldt3 => nested_records(source, warnings)?,
    };
    let (mut done, mut media): (Vec<Section>, Vec<Record>) = (Vec::new(), Vec::new());
    let mut open: Option<(Record, Vec<Record>)> = None;
    for record in records {
        let at = source.line(record.lines.start)?.at();
        match (record.kind, &mut open) {
            (20, None) if done.is_empty() && version == Version::Ldt2 => media.push(record),
            (21, None) if !done.is_empty() && version == Version::Ldt2 => media.push(record),
            (8220, None) => {
                if !done.is_empty() {
                    warnings.push(WarningKind::SeveralPackages, at);
                }
                open = Some((record, Vec::new()));
            }
            (8220 | 20 | 21, Some(_)) => return Err(Error::MissingTrailer { at }),
            (8201..=8204 | 8205 | 8221, None) => return Err(Error::MissingHeader { at }),
            (8221, Some(_)) => {
                if let Some((header, reports)) = open.take() {
                    if reports.is_empty() {
                        return Err(Error::NoReports { at });
                    }
                    done.push(Section { header, reports, trailer: record });
                }
            }
            (kind, Some((_, reports))) if is_report(version, kind) => reports.push(record),
            (kind, _) => return Err(Error::UnsupportedRecord { record: Some(kind), at }),
        }
    }
    let at = source.end();
    if open.is_some() { Err(Error::MissingTrailer { at }) } else { Ok(Structure { sections: done, media }) }
}

fn is_report(version: Version, kind: u16) -> bool {
    match version {
        Version::Ldt2 => (8201..=8204).contains(&kind),
        Version::Ldt3 => kind == 8205,
    }
}

fn kind_of(source: &Source<'_>, index: usize) -> Result<u16, Error> {
    let line = source.line(index)?;
    source.record_type(line).ok_or(Error::UnsupportedRecord { record: None, at: line.at() })
}

/// LDT 2: a record lasts until the next 8000.
fn flat_records(source: &Source<'_>) -> Result<Vec<Record>, Error> {
    let mut records: Vec<Record> = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        if line.id == FieldId(8000) {
            records.push(Record { kind: kind_of(source, index)?, lines: index..index + 1, items: Vec::new() });
        } else if matches!(line.id.0, 8001..=8003) && !records.is_empty() {
            // LDT 2 has neither: two files were mixed, or the header that tells the version is damaged.
            return Err(Error::MisplacedField { at: line.at() });
        } else if let Some(record) = records.last_mut() {
            record.lines.end = index + 1;
            record.items.push(Item::Field(index));
        } else {
            return Err(Error::MissingHeader { at: line.at() });
        }
    }
    Ok(records)
}

/// The nesting state while an LDT 3 file is read.
struct Nest<'s, 'b> {
    source: &'s Source<'b>,
    records: Vec<Record>,
    open: Option<Record>,
    stack: Vec<Object>,
    /// An object attribute that waits for its 8002.
    attribute: Option<(usize, u16)>,
}

/// LDT 3: a record lasts from 8000 to 8001 of the same type, an object from 8002 to 8003 of the same name
/// (KBV LDT 3 Satzbeschreibung 3.2.20, p. 22-24).
fn nested_records(source: &Source<'_>, warnings: &mut Warnings) -> Result<Vec<Record>, Error> {
    let mut nest = Nest { source, records: Vec::new(), open: None, stack: Vec::new(), attribute: None };
    for (index, line) in source.lines.iter().enumerate() {
        let at = line.at();
        if nest.open.is_none() && line.id.0 != 8000 {
            let nothing_yet = nest.records.is_empty();
            return Err(if nothing_yet { Error::MissingHeader { at } } else { Error::MisplacedField { at } });
        }
        if nest.attribute.is_some() && line.id.0 != 8002 {
            return Err(Error::ObjectMismatch { at });
        }
        match line.id.0 {
            8000 => nest.begin_record(index, at)?,
            8001 => nest.end_record(index, at)?,
            8002 => nest.begin_object(index, at, warnings)?,
            8003 => nest.end_object(index, at, warnings)?,
            id @ 8100..=8299 => nest.attribute = Some((index, id)),
            _ => nest.add(Item::Field(index)),
        }
    }
    if nest.open.is_some() {
        return Err(Error::Truncated { at: source.end() });
    }
    Ok(nest.records)
}

impl Nest<'_, '_> {
    fn add(&mut self, item: Item) {
        if let Some(object) = self.stack.last_mut() {
            object.items.push(item);
        } else if let Some(record) = &mut self.open {
            record.items.push(item);
        }
    }

    fn begin_record(&mut self, index: usize, at: Location) -> Result<(), Error> {
        if self.open.is_some() {
            return Err(Error::ObjectMismatch { at });
        }
        let kind = kind_of(self.source, index)?;
        self.open = Some(Record { kind, lines: index..index + 1, items: Vec::new() });
        Ok(())
    }

    fn end_record(&mut self, index: usize, at: Location) -> Result<(), Error> {
        match self.open.take() {
            Some(mut record) if self.stack.is_empty() && kind_of(self.source, index) == Ok(record.kind) => {
                record.lines.end = index + 1;
                self.records.push(record);
                Ok(())
            }
            _ => Err(Error::ObjectMismatch { at }),
        }
    }

    fn begin_object(&mut self, index: usize, at: Location, warnings: &mut Warnings) -> Result<(), Error> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Error::TooDeep { limit: MAX_DEPTH, at });
        }
        let (Some((_, attribute)), Some(number)) = (self.attribute.take(), self.name(index)) else {
            return Err(Error::ObjectMismatch { at });
        };
        if OBJECT_OF.iter().any(|(known, object)| *known == attribute && *object != number) {
            return Err(Error::ObjectMismatch { at });
        }
        if !crate::dictionary::knows(&crate::dictionary::OBJECTS, number) {
            warnings.push(WarningKind::UnknownObject, at);
        }
        self.stack.push(Object { attribute, number, line: index, items: Vec::new() });
        Ok(())
    }

    fn end_object(&mut self, index: usize, at: Location, warnings: &mut Warnings) -> Result<(), Error> {
        match self.stack.pop() {
            Some(object) if self.name(index) == Some(object.number) => {
                if object.items.is_empty() {
                    warnings.push(WarningKind::EmptyObject, at);
                }
                self.add(Item::Object(Box::new(object)));
                Ok(())
            }
            _ => Err(Error::ObjectMismatch { at }),
        }
    }

    /// The number in `Obj_nnnn`.
    fn name(&self, index: usize) -> Option<u16> {
        let content = self.source.raw(self.source.lines.get(index)?).trim_ascii();
        let digits = content
            .strip_prefix(b"Obj_")
            .filter(|digits| digits.len() == 4 && digits.iter().all(u8::is_ascii_digit))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}
