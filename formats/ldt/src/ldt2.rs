//! LDT 2: flat records; the header names the practice, groups of lines are tests.
//!
//! What must stay true: a value never joins a test it was not sent under. Whatever hints at a lost line — a second
//! patient, a second test name, a value outside a test — is an error, because LDT 2 has no checksum to tell.

use std::collections::HashMap;
use std::ops::Range;

use crate::charge::{self, Charge};
use crate::error::{Error, FieldId};
use crate::line::Line;
use crate::mapper::Mapper;
use crate::model::{Laboratory, Patient, Recipient, Report, ReportStatus, ResultStatus, TestResult};
use crate::place::Place;
use crate::structure::{Record, Section};
use crate::tree;
use crate::value::ResultBuilder;
use crate::warning::WarningKind;

/// What the header says.
pub(crate) struct Header {
    pub(crate) laboratory: Laboratory,
    pub(crate) recipient: Recipient,
    pub(crate) created: Option<String>,
    doctor: Option<String>,
}

/// KBV LDT 2 (LDT1014.01), section 3: what the header and the records must have. 9106 and 8312 included.
const HEADER: [u16; 11] = [8100, 9212, 201, 203, 205, 215, 216, 101, 9106, 8312, 9103];
/// Fields that identify person, order and recipient: twice in one record means that two records ran together.
const ONCE: [u16; 14] = [8100, 201, 8310, 8311, 8312, 8301, 8302, 8401, 3101, 3103, 3119, 3105, 3110, 9103];

fn must(mapper: &Mapper<'_, '_, '_>, record: &Record, ids: &[u16]) -> Result<(), Error> {
    let at = mapper.source.line(record.lines.start)?.at();
    for id in ids {
        let line = mapper.source.find(record.lines.clone(), *id);
        if line.is_none_or(|line| mapper.source.text(line).trim().is_empty()) {
            return Err(Error::MissingField { field: FieldId(*id), at });
        }
    }
    Ok(())
}

fn once(mapper: &Mapper<'_, '_, '_>, lines: Range<usize>) -> Result<(), Error> {
    let mut seen = HashMap::new();
    for line in mapper.source.lines.get(lines).unwrap_or_default() {
        if ONCE.contains(&line.id.0) && seen.insert(line.id, ()).is_some() {
            return Err(Error::RepeatedField { at: line.at() });
        }
    }
    Ok(())
}

/// Reads the header 8220.
pub(crate) fn header(mapper: &mut Mapper<'_, '_, '_>, section: &Section, current: bool) -> Result<Header, Error> {
    let record = &section.header;
    // Headers before LDT1014 had other fields; only the practice is as necessary as ever.
    must(mapper, record, if current { &HEADER } else { &[8100, 201] })?;
    once(mapper, record.lines.clone())?;
    let mut header =
        Header { laboratory: Laboratory::default(), recipient: Recipient::default(), created: None, doctor: None };
    let mut doctors = 0;
    let source = mapper.source;
    for line in source.lines.get(record.lines.clone()).unwrap_or_default() {
        match line.id.0 {
            8000 | 8100 | 9106 | 9211 | 9212 => {}
            201 => header.recipient.bsnr = mapper.bsnr(line),
            200 => mapper.set(&mut header.recipient.site_id, line, None),
            8312 => mapper.set(&mut header.recipient.customer_number, line, None),
            8300 | 8320 => mapper.set(&mut header.laboratory.name, line, None),
            101 => mapper.set(&mut header.laboratory.test_number, line, None),
            9103 => header.created = mapper.date(line, None),
            212 => {
                doctors += 1;
                if let Some(lanr) = mapper.lanr(line) {
                    header.doctor = Some(lanr.clone());
                    mapper.leave(line, None);
                }
            }
            _ => mapper.leave(line, None),
        }
    }
    // The header lists all doctors of the practice; it names the ordering one only if there is just one.
    if doctors > 1 {
        header.doctor = None;
    }
    Ok(header)
}

/// The state while a record is read.
struct Reading {
    report: Report,
    patient: Patient,
    group: Option<Group>,
    reported: (Option<String>, Option<String>),
}

/// An open test group.
struct Group {
    builder: ResultBuilder,
    /// Line of 8410 or 8434.
    opened: Line,
    collected: (Option<String>, Option<String>),
    material: Option<String>,
    details: Vec<String>,
    /// 5001 and what belongs to it.
    charges: Vec<tree::Field>,
    /// Number of the last line.
    last: usize,
}

/// Reads one report.
pub(crate) fn report(
    mapper: &mut Mapper<'_, '_, '_>,
    record: &Record,
    header: &Header,
    span: Range<usize>,
) -> Result<Report, Error> {
    let kind = record.kind;
    must(
        mapper,
        record,
        match kind {
            8201 => &[8100, 8301, 8302, 8401, 8410],
            8202 => &[8100, 8301, 8302, 8401, 8410, 8310],
            _ => &[8100, 8301, 8302, 8401],
        },
    )?;
    once(mapper, record.lines.clone())?;
    let mut report = crate::package::empty_report(kind, header.recipient.clone(), span);
    report.doctor_number = header.doctor.clone();
    let mut reading = Reading { report, patient: Patient::default(), group: None, reported: (None, None) };
    let source = mapper.source;
    for line in source.lines.get(record.lines.clone()).unwrap_or_default() {
        reading.line(mapper, line)?;
    }
    reading.close(mapper);
    reading.finish(mapper, source.line(record.lines.start)?)
}

impl Reading {
    fn line(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) -> Result<(), Error> {
        match line.id.0 {
            8000 | 8100 => {}
            8410 | 8434 => self.open(mapper, line)?,
            8490 => {
                self.close(mapper);
                self.report.notes.extend(mapper.text(line));
            }
            // Order fields may follow the groups; they belong to the record wherever they stand.
            8310 => mapper.set(&mut self.report.order_number, line, None),
            8311 => mapper.set(&mut self.report.lab_order_number, line, None),
            8301 => self.report.received = mapper.date(line, None),
            8302 => self.reported.0 = mapper.date(line, None),
            8303 if self.reported.1.is_none() => self.reported.1 = mapper.time(line, None),
            8401 => self.status(mapper, line),
            8615 => self.doctor(mapper, line),
            // The header names the recipient; another one in a record would contradict it.
            200 | 201 | 8312 => {
                mapper.warn(WarningKind::MisplacedField, line);
                mapper.leave(line, None);
            }
            8405 | 9472 => self.report.notes.extend(mapper.text(line)),
            3000..=3120 if mapper.person(&mut self.patient, line, None) => {}
            _ => match &mut self.group {
                Some(group) => group.line(mapper, line)?,
                None => self.outside(mapper, line)?,
            },
        }
        Ok(())
    }

    /// Lines outside any group: texts are the report's, values cannot be anybody's.
    fn outside(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) -> Result<(), Error> {
        match line.id.0 {
            8411 | 8418 | 8420 | 8421 | 8422 | 8460 | 8461 | 8462 => {
                return Err(Error::MisplacedField { at: line.at() });
            }
            8470 | 8480 => {
                mapper.warn(WarningKind::MisplacedField, line);
                self.report.notes.extend(mapper.text(line));
            }
            8428..=8433 => {
                mapper.warn(WarningKind::MisplacedField, line);
                mapper.leave(line, None);
            }
            _ => mapper.leave(line, None),
        }
        Ok(())
    }

    fn open(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) -> Result<(), Error> {
        self.close(mapper);
        if line.id == FieldId(8434) && matches!(self.report.kind.as_str(), "8201" | "8202") {
            mapper.warn(WarningKind::MisplacedField, line);
        }
        // Without a test id the request text is all that tells one group from another.
        let Some(code) = mapper.code(line) else {
            return Err(Error::MissingField { field: line.id, at: line.at() });
        };
        let mut builder = ResultBuilder::new(code.clone());
        if line.id == FieldId(8434) {
            builder.result.test_name = Some(code);
        }
        let (opened, collected) = (*line, (None, None));
        self.group = Some(Group {
            builder,
            opened,
            collected,
            material: None,
            details: Vec::new(),
            charges: Vec::new(),
            last: line.number(),
        });
        Ok(())
    }

    fn close(&mut self, mapper: &mut Mapper<'_, '_, '_>) {
        if let Some(group) = self.group.take() {
            self.report.results.push(group.finish(mapper));
        }
    }

    fn status(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        self.report.status_code = mapper.code(line);
        self.report.status = match self.report.status_code.as_deref() {
            Some("E") => ReportStatus::Final,
            Some("T") => ReportStatus::Partial,
            Some("V") => ReportStatus::Preliminary,
            Some("A") => ReportStatus::Archive,
            Some("N") => ReportStatus::FollowUp,
            _ => ReportStatus::Unknown,
        };
        if self.report.status == ReportStatus::Unknown {
            mapper.warn(WarningKind::UnknownCode, line);
        }
    }

    /// 8615 is the ordering doctor inside a practice of several; some laboratories write a name.
    fn doctor(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        let Some(code) = mapper.code(line) else { return };
        if code.bytes().all(|b| b.is_ascii_digit()) {
            self.report.doctor_number = mapper.lanr(line);
        } else {
            self.report.doctor_number = None;
            mapper.leave(line, None);
        }
    }

    fn finish(mut self, mapper: &mut Mapper<'_, '_, '_>, first: &Line) -> Result<Report, Error> {
        let person = self.patient.family_name.is_some();
        // Rule 409: either the order number or name and birth date.
        if self.report.order_number.is_none() && !(person && self.patient.birth_date.is_some()) {
            return Err(Error::MissingField { field: FieldId(8310), at: first.at() });
        }
        if self.patient != Patient::default() {
            self.report.patient = Some(self.patient);
        }
        if !person {
            mapper.warn(WarningKind::NoPatient, first);
        }
        self.report.reported = join(self.reported);
        let default = match self.report.status {
            ReportStatus::Final | ReportStatus::Archive | ReportStatus::FollowUp => ResultStatus::Final,
            ReportStatus::Partial | ReportStatus::Preliminary => ResultStatus::Preliminary,
            ReportStatus::Unknown => ResultStatus::Unknown,
        };
        for result in &mut self.report.results {
            let silent = result.status_code.is_none();
            let empty = result.values.is_empty() && result.notes.is_empty();
            if silent && empty && default == ResultStatus::Final {
                // "Final" without a value would look like a result.
                result.status = ResultStatus::Unknown;
            } else if silent {
                result.status = default;
            }
        }
        Ok(self.report)
    }
}

fn join((date, time): (Option<String>, Option<String>)) -> Option<String> {
    date.map(|date| time.map_or(date.clone(), |time| format!("{date}T{time}")))
}

impl Group {
    fn line(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) -> Result<(), Error> {
        self.last = line.number();
        if charge::is_part(line.id.0) {
            self.charges.push(tree::Field {
                line: line.number(),
                id: line.id,
                text: mapper.source.text(line).into_owned(),
            });
        }
        match line.id.0 {
            8411 if self.builder.result.test_name.is_some() && self.opened.id == FieldId(8410) => {
                return Err(Error::RepeatedField { at: line.at() });
            }
            8411 => mapper.set(&mut self.builder.result.test_name, line, None),
            8418 if self.builder.result.status_code.is_none() => self.status(mapper, line),
            8420 => self.value(mapper, line),
            8421 => mapper.set(&mut self.builder.value().unit, line, None),
            8422 => {
                if let Some(flag) = mapper.code(line) {
                    let first = self.builder.value().set_flag(&flag);
                    crate::package::check_flag(mapper, line, &flag, first);
                }
            }
            8428 => mapper.set(&mut self.builder.result.specimen_code, line, None),
            8430 => mapper.set(&mut self.material, line, None),
            8431 => self.details.extend(mapper.code(line)),
            8432 if self.collected.0.is_none() => self.collected.0 = mapper.date(line, None),
            8433 if self.collected.1.is_none() => self.collected.1 = mapper.time(line, None),
            8460 => {
                if let Some(text) = mapper.text(line) {
                    self.builder.value().reference(line).add_text(&text);
                }
            }
            8461 => mapper.set(&mut self.builder.value().reference(line).low, line, None),
            8462 => mapper.set(&mut self.builder.value().reference(line).high, line, None),
            8470 => self.builder.result.notes.extend(mapper.text(line)),
            8480 => {
                if let Some(text) = mapper.text(line) {
                    self.builder.add_text(Place::at(line.number()), text);
                }
            }
            _ => mapper.leave(line, None),
        }
        Ok(())
    }

    fn value(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        if let Some(text) = mapper.text(line) {
            if text.contains(',') && crate::value::number(&text).1.is_some() {
                mapper.warn(WarningKind::DecimalComma, line);
            }
            if !self.builder.result.values.is_empty() {
                mapper.warn(WarningKind::RepeatedValue, line);
            }
            self.builder.start_value(line, text);
        }
    }

    fn status(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        let code = mapper.code(line);
        self.builder.result.status = match code.as_deref() {
            Some("B") => ResultStatus::Final,
            Some("K") => ResultStatus::Corrected,
            Some("F") => ResultStatus::Registered,
            Some(_) => {
                mapper.warn(WarningKind::UnknownCode, line);
                ResultStatus::Unknown
            }
            None => return,
        };
        self.builder.result.status_code = code;
    }

    fn finish(mut self, mapper: &mut Mapper<'_, '_, '_>) -> TestResult {
        let pending = self.builder.result.status == ResultStatus::Registered;
        if !pending && !self.builder.has_content() {
            mapper.warn(WarningKind::ResultWithoutValue, &self.opened);
        }
        self.builder.result.place = Place::new(self.opened.number(), self.last);
        self.builder.result.charges = Charge::read(self.charges.iter());
        self.builder.result.collected_at = join(self.collected);
        let material = self.material.or(self.builder.result.specimen_code.clone());
        let parts: Vec<String> = material.into_iter().chain(self.details).collect();
        self.builder.result.specimen = (!parts.is_empty()).then(|| parts.join(", "));
        for value in &self.builder.result.values {
            if value.number.is_some() && value.unit.is_none() {
                mapper.warn(WarningKind::MissingUnit, &self.opened);
            }
        }
        self.builder.finish()
    }
}
