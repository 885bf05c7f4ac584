//! A whole message as a [`Package`]: header, reports, what surrounds them.
//!
//! What must stay true: content is only read after the structure and the checksums were accepted (`opening`).

use std::ops::Range;

use crate::charset::Charset;
use crate::dates::Order;
use crate::detect::Confidence;
use crate::dictionary;
use crate::error::{Error, FieldId};
use crate::integrity::Finding;
use crate::line::Line;
use crate::mapper::Mapper;
use crate::model::{Field, Laboratory, Recipient, Report, ReportStatus};
use crate::opening::{self, Opened};
use crate::place::Place;
use crate::source::{Form, Source};
use crate::structure::{Record, Section};
use crate::value::interpretation;
use crate::warning::{Warning, WarningKind, Warnings};
use crate::{ldt2, ldt3, ldt3_header};

/// The largest message that is read. The biggest reports carry a PDF of a few megabytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The two formats that share a name and the shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Flat records, 1998 to today.
    Ldt2,
    /// Nested objects, since 2014.
    Ldt3,
}

/// A message that was read completely.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// LDT 2 or LDT 3.
    pub version: Version,
    /// The version as sent: `LDT1014.01`, `LDT3.2.20`.
    pub specification: String,
    /// The charset of the original.
    pub charset: Charset,
    /// The charset the file declares (9106); LDT 3 has no such field and is ISO 8859-15.
    pub declared_charset: Option<Charset>,
    /// How sure the charset is.
    pub confidence: Confidence,
    /// The bytes were converted to UTF-8 after the laboratory made them.
    pub transcoded: bool,
    /// Who sent it.
    pub laboratory: Laboratory,
    /// When it was made (9103, 8218), ISO 8601.
    pub created: Option<String>,
    /// The reports, in order.
    pub reports: Vec<Report>,
    /// Header fields that found no place above.
    pub unmapped: Vec<Field>,
    /// Documents and texts of the header, of which the specification has none.
    pub notes: Vec<String>,
    /// What was odd.
    pub warnings: Vec<Warning>,
    pub(crate) parts: Vec<Part>,
    pub(crate) shortfall: usize,
}

/// Where one package lies in the input; what `extract` copies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) header: Range<usize>,
    /// Indices of its reports.
    pub(crate) reports: Range<usize>,
    pub(crate) form: Form,
}

pub(crate) fn empty_report(kind: u16, recipient: Recipient, span: Range<usize>) -> Report {
    Report {
        kind: format!("{kind:04}"),
        recipient,
        order_number: None,
        lab_order_number: None,
        report_id: None,
        status: ReportStatus::Unknown,
        status_code: None,
        requested: None,
        received: None,
        reported: None,
        patient: None,
        doctor_number: None,
        results: Vec::new(),
        notes: Vec::new(),
        attachments: Vec::new(),
        genetic: false,
        life_threatening: false,
        notice_codes: Vec::new(),
        notices: Vec::new(),
        recall: None,
        place: Place::default(),
        unmapped: Vec::new(),
        span,
    }
}

pub(crate) fn check_flag(mapper: &mut Mapper<'_, '_, '_>, line: &Line, flag: &str, first: bool) {
    if interpretation(flag).is_none() {
        mapper.warn(WarningKind::UnknownCode, line);
    }
    if !first {
        mapper.warn(WarningKind::SeveralFlags, line);
    }
}

/// Reads a message.
///
/// # Errors
///
/// An [`Error`] if the message is not a complete, unambiguous set of results; nothing of it may be delivered then.
pub fn read(bytes: &[u8]) -> Result<Package, Error> {
    let opened = opening::open(bytes)?;
    let Opened { source, version, sections, media, finding, forms, warnings } = opened;
    let mut reading = Reading { source: &source, version, finding, warnings };
    reading.package(&sections, &media, &forms)
}

struct Reading<'s, 'b> {
    source: &'s Source<'b>,
    version: Version,
    finding: Finding,
    warnings: Warnings,
}

impl Reading<'_, '_> {
    fn package(&mut self, sections: &[Section], media: &[Record], forms: &[Form]) -> Result<Package, Error> {
        let mut package = Package {
            version: self.version,
            specification: String::new(),
            charset: self.finding.charset,
            declared_charset: self.finding.declared,
            confidence: self.finding.confidence,
            transcoded: self.finding.transcoded,
            laboratory: Laboratory::default(),
            created: None,
            reports: Vec::new(),
            unmapped: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            parts: Vec::new(),
            shortfall: self.finding.shortfall,
        };
        for (index, (section, form)) in sections.iter().zip(forms).enumerate() {
            let specification = self.specification(section)?;
            if index == 0 {
                package.specification = specification;
            } else if package.specification != specification {
                return Err(Error::MixedPackages { at: self.source.line(section.header.lines.start)?.at() });
            }
            self.section(section, *form, &mut package)?;
        }
        for record in media {
            self.leave(record, &mut package);
        }
        package.warnings = std::mem::take(&mut self.warnings).into_list();
        Ok(package)
    }

    /// 0001, 9212, or 9211 before LDT1014 (E001: another version is only a warning).
    fn specification(&mut self, section: &Section) -> Result<String, Error> {
        let fields: &[u16] = if self.version == Version::Ldt3 { &[1] } else { &[9212, 9211] };
        let lines = section.header.lines.clone();
        let found = fields.iter().find_map(|id| self.source.find(lines.clone(), *id));
        let missing = || -> Result<Error, Error> {
            let at = self.source.line(lines.start)?.at();
            Ok(Error::MissingField { field: FieldId(fields.first().copied().unwrap_or_default()), at })
        };
        let Some(line) = found else { return Err(missing()?) };
        let Some(text) = self.source.code(line, &mut self.warnings) else {
            return Err(missing()?);
        };
        let known = match self.version {
            Version::Ldt3 => text == "LDT3.2.20",
            Version::Ldt2 => text == "LDT1014.01" || text.starts_with("LDT1001.0"),
        };
        if !known {
            self.warnings.push(WarningKind::UnknownVersion, line.at());
        }
        Ok(text)
    }

    fn section(&mut self, section: &Section, form: Form, package: &mut Package) -> Result<(), Error> {
        let first = package.reports.len();
        let old = package.specification.starts_with("LDT1001") || package.specification.starts_with("LDT99");
        let order = if self.version == Version::Ldt2 && old { Order::DayFirst } else { Order::YearFirst };
        let known = dictionary::of(self.version);
        let mut mapper =
            Mapper { source: self.source, warnings: &mut self.warnings, order, known, unmapped: Vec::new() };
        let (laboratory, created, flat) = match self.version {
            Version::Ldt2 => {
                let header = ldt2::header(&mut mapper, section, package.specification.starts_with("LDT1014"))?;
                (header.laboratory.clone(), header.created.clone(), Some(header))
            }
            Version::Ldt3 => {
                let header = ldt3_header::header(&mut mapper, section)?;
                package.notes.extend(header.gathered.notes);
                (header.laboratory, header.created, None)
            }
        };
        package.unmapped.append(&mut mapper.unmapped);
        if first == 0 {
            package.laboratory = laboratory;
            package.created = created;
        } else if package.laboratory != laboratory {
            return Err(Error::MixedPackages { at: self.source.line(section.header.lines.start)?.at() });
        }
        for record in &section.reports {
            let span = span(self.source, &record.lines);
            let mut report = match &flat {
                Some(header) => ldt2::report(&mut mapper, record, header, span)?,
                None => ldt3::report(&mut mapper, record, span)?,
            };
            report.unmapped = std::mem::take(&mut mapper.unmapped);
            report.place = place(self.source, &record.lines);
            package.reports.push(report);
        }
        self.leave(&section.trailer, package);
        let header = span(self.source, &section.header.lines);
        package.parts.push(Part { header, reports: first..package.reports.len(), form });
        Ok(())
    }

    /// Trailers and media records have nothing but checksums; anything else in them is kept.
    fn leave(&mut self, record: &Record, package: &mut Package) {
        let known = dictionary::of(self.version);
        let (source, warnings) = (self.source, &mut self.warnings);
        let mut mapper = Mapper { source, warnings, order: Order::YearFirst, known, unmapped: Vec::new() };
        for line in source.lines.get(record.lines.clone()).unwrap_or_default() {
            if !matches!(line.id.0, 8000..=8003 | 8100 | 9202 | 9300) {
                // Behind 9300 no checksum holds it.
                if record.kind == 8221 {
                    mapper.warn(WarningKind::MisplacedField, line);
                }
                mapper.leave(line, None);
            }
        }
        package.unmapped.append(&mut mapper.unmapped);
    }
}

/// The lines of a record.
fn place(source: &Source<'_>, lines: &Range<usize>) -> Place {
    let number = |index: usize| source.lines.get(index).map_or(0, Line::number);
    Place::new(number(lines.start), number(lines.end.saturating_sub(1)))
}

/// From the record's first byte to the first byte after it.
fn span(source: &Source<'_>, lines: &Range<usize>) -> Range<usize> {
    let start = source.lines.get(lines.start).map_or(0, |line| line.start());
    let end = source.lines.get(lines.end).map_or(source.bytes.len(), |line| line.start());
    start..end
}
