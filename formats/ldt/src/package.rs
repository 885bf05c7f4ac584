//! Reading a whole message: lines, charset, structure, integrity, content — in this order.
//!
//! What must stay true: content is only read after the structure and the checksums were accepted.

use std::ops::Range;

use crate::charset::Charset;
use crate::dates::Order;
use crate::dictionary;
use crate::error::{Error, FieldId};
use crate::integrity::{self, Finding};
use crate::line::{self, Line};
use crate::mapper::Mapper;
use crate::model::{Field, Laboratory, Recipient, Report, ReportStatus};
use crate::source::{Decoder, Form, Source};
use crate::structure::{self, Section};
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
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { length: bytes.len(), limit: MAX_BYTES });
    }
    if bytes.trim_ascii().is_empty() {
        return Err(Error::Empty);
    }
    let mut warnings = Warnings::default();
    let lines = line::split(bytes, &mut warnings)?;
    // The charset is named after texts that need it (9106 is late in the header): decide it on the bytes first.
    let mut source = Source { bytes, lines, decoder: Decoder::Plain(Charset::Latin9) };
    structure::refuse_orders(&source)?;
    let version = version(&source)?;
    let sections = structure::sections(&source, version, &mut warnings)?;
    let first = sections.first().ok_or(Error::MissingHeader { at: source.end() })?;
    let declared = declared_charset(&source, version, first, &mut warnings);
    let finding = integrity::survey(&source, declared, &mut warnings);
    source.decoder = finding.decoder;
    let mut reading = Reading { source: &source, version, finding, warnings };
    reading.package(&sections)
}

fn is(source: &Source<'_>, id: u16) -> bool {
    source.lines.iter().any(|line| line.id == FieldId(id))
}

fn version(source: &Source<'_>) -> Result<Version, Error> {
    let header = source.lines.iter().skip(1).take_while(|line| line.id.0 != 8000);
    let nested = header.clone().any(|line| matches!(line.id.0, 8001..=8003));
    let flat = header.clone().any(|line| matches!(line.id.0, 8100 | 9211 | 9212));
    match (nested, flat) {
        (true, false) => Ok(Version::Ldt3),
        (false, true) => Ok(Version::Ldt2),
        // Both at once or neither: whatever the rest says; a damaged header fails later at the right place.
        _ if is(source, 8002) => Ok(Version::Ldt3),
        _ => {
            let line = source.lines.first().ok_or(Error::NotLdt)?;
            if line.id.0 != 8000 {
                return Err(Error::MissingHeader { at: line.at() });
            }
            Ok(Version::Ldt2)
        }
    }
}

fn declared_charset(source: &Source<'_>, version: Version, section: &Section, warnings: &mut Warnings) -> Charset {
    if version == Version::Ldt3 {
        return Charset::Latin9;
    }
    let Some(line) = source.find(section.header.lines.clone(), 9106) else {
        return Charset::Latin9;
    };
    Charset::declared(&source.text(line)).unwrap_or_else(|| {
        warnings.push(WarningKind::UnknownCode, line.at());
        Charset::Latin9
    })
}

struct Reading<'s, 'b> {
    source: &'s Source<'b>,
    version: Version,
    finding: Finding,
    warnings: Warnings,
}

impl Reading<'_, '_> {
    fn package(&mut self, sections: &[Section]) -> Result<Package, Error> {
        let mut forms = Vec::new();
        for section in sections {
            forms.push(integrity::verify(self.source, self.version, section, &self.finding, &mut self.warnings)?);
        }
        let mut package = Package {
            version: self.version,
            specification: String::new(),
            charset: self.finding.charset,
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
            self.section(section, form, &mut package)?;
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
        let known: &'static [u16] = if self.version == Version::Ldt3 { &dictionary::LDT3 } else { &dictionary::LDT2 };
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
            package.reports.push(report);
        }
        self.trailer(section, package, known, order);
        let header = span(self.source, &section.header.lines);
        package.parts.push(Part { header, reports: first..package.reports.len(), form });
        Ok(())
    }

    /// The trailer has nothing but checksums; anything else in it is kept.
    fn trailer(&mut self, section: &Section, package: &mut Package, known: &'static [u16], order: Order) {
        let mut mapper =
            Mapper { source: self.source, warnings: &mut self.warnings, order, known, unmapped: Vec::new() };
        for line in self.source.lines.get(section.trailer.lines.clone()).unwrap_or_default() {
            if !matches!(line.id.0, 8000..=8003 | 8100 | 9202 | 9300) {
                mapper.leave(line, None);
            }
        }
        package.unmapped.append(&mut mapper.unmapped);
    }
}

/// From the record's first byte to the first byte after it.
fn span(source: &Source<'_>, lines: &Range<usize>) -> Range<usize> {
    let start = source.lines.get(lines.start).map_or(0, |line| line.start);
    let end = source.lines.get(lines.end).map_or(source.bytes.len(), |line| line.start);
    start..end
}
