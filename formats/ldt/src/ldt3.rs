//! LDT 3: the header names the laboratory, each report names its own recipient.
//!
//! What must stay true: the recipient is read from Obj_0022 directly below the report, and its practice from Obj_0019
//! directly below that (KBV LDT 3 Satzbeschreibung 3.2.20, p. 30-34). A 0201 anywhere else (the laboratory, a referring
//! doctor) is never a recipient.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::{Error, FieldId};
use crate::ldt3_result::{self, Material, Materials};
use crate::line::Line;
use crate::mapper::Mapper;
use crate::model::{Patient, Recipient, Report, ReportStatus};
use crate::notice::Recall;
use crate::parts::{self, Gathered, absorb, absorb_items, each, lines, objects};
use crate::structure::{Item, Object, Record};
use crate::tree;
use crate::warning::WarningKind;

/// Objects a record must have, by their attribute.
pub(crate) fn must(mapper: &Mapper<'_, '_, '_>, record: &Record, attributes: &[u16]) -> Result<(), Error> {
    let at = mapper.source.line(record.lines.start)?.at();
    match attributes.iter().find(|attribute| !objects(&record.items).any(|object| object.attribute == **attribute)) {
        Some(attribute) => Err(Error::MissingField { field: FieldId(*attribute), at }),
        None => Ok(()),
    }
}

/// Reads one report 8205.
pub(crate) fn report(mapper: &mut Mapper<'_, '_, '_>, record: &Record, span: Range<usize>) -> Result<Report, Error> {
    must(mapper, record, &[8122, 8117, 8137, 8135])?;
    let first = mapper.source.line(record.lines.start)?;
    let mut report = crate::package::empty_report(record.kind, Recipient::default(), span);
    let mut gathered = Gathered::default();
    let mut materials = Materials::new();
    for object in objects(&record.items).filter(|object| object.number == 37) {
        let material = material(mapper, object, &mut gathered)?;
        if let Some(vessel) = material.vessel.clone() {
            materials.entry(vessel).or_insert(material);
        }
    }
    let mut seen = Vec::new();
    for object in objects(&record.items) {
        // A second recipient, patient or order in one report: whose result is it?
        if matches!(object.attribute, 8122 | 8145 | 8153 | 8117) {
            if seen.contains(&object.attribute) {
                return Err(Error::RepeatedField { at: mapper.source.line(object.line)?.at() });
            }
            seen.push(object.attribute);
        }
        match (object.attribute, object.number) {
            (8122, 22) => sender(mapper, object, &mut report, &mut gathered)?,
            (8145, 45) => {
                let animal = report.patient.take().is_some_and(|patient| patient.animal);
                report.patient = Some(Patient { animal, ..patient(mapper, object, &mut gathered)? });
            }
            (8153, 53) => {
                report.patient.get_or_insert_default().animal = true;
                absorb(mapper, object, &mut gathered);
            }
            (8117, 17) => information(mapper, object, &mut report, &mut gathered)?,
            (8135, 35) => results(mapper, object, &mut report, &materials, &mut gathered)?,
            (_, 37) => {}
            _ => absorb(mapper, object, &mut gathered),
        }
    }
    let fields: Vec<&Line> = lines(mapper, &record.items).collect();
    for line in fields {
        mapper.leave(line, None);
    }
    finish(mapper, report, gathered, first)
}

fn finish(
    mapper: &mut Mapper<'_, '_, '_>,
    mut report: Report,
    gathered: Gathered,
    first: &Line,
) -> Result<Report, Error> {
    if report.patient.is_none() {
        if report.order_number.is_none() {
            return Err(Error::MissingField { field: FieldId(8145), at: first.at() });
        }
        mapper.warn(WarningKind::NoPatient, first);
    }
    report.genetic = report.results.iter().any(|result| result.genetic);
    report.life_threatening = gathered.life_threatening();
    report.notes.extend(gathered.notes);
    report.notice_codes = gathered.notice_codes;
    report.notices = gathered.notices;
    report.attachments = gathered.attachments;
    // K096: a complete order has no pending results.
    let pending = |code: &Option<String>| matches!(code.as_deref(), Some("02" | "05" | "10"));
    let open = report.results.iter().any(|result| pending(&result.status_code));
    if report.status == ReportStatus::Unknown || (report.status == ReportStatus::Final && open) {
        mapper.warn(WarningKind::StatusContradiction, first);
    }
    if report.results.is_empty() && report.attachments.is_empty() {
        mapper.warn(WarningKind::ResultWithoutValue, first);
    }
    Ok(report)
}

/// The ordering doctor's object in [`sender`].
const ORDERING_DOCTOR: (u16, u16) = (8114, 14);

/// Obj_0022: practice, customer number and ordering doctor.
fn sender(
    mapper: &mut Mapper<'_, '_, '_>,
    object: &Object,
    report: &mut Report,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    let source = mapper.source;
    let mut sites = 0;
    // Of two doctors nobody knows who ordered what; both are kept as they were sent.
    let doctors = objects(&object.items).filter(|inner| (inner.attribute, inner.number) == ORDERING_DOCTOR);
    let named = doctors.flat_map(|inner| lines(mapper, &inner.items)).filter(|line| line.id.0 == 212);
    let named: BTreeSet<String> = named.map(|line| source.text(line).trim().to_owned()).collect();
    for inner in objects(&object.items) {
        match (inner.attribute, inner.number) {
            (8119, 19) => {
                sites += 1;
                if sites > 1 {
                    return Err(Error::RepeatedField { at: source.line(inner.line)?.at() });
                }
                recipient_site(mapper, inner, &mut report.recipient, gathered)?;
            }
            // 8240 is the same object for the referring doctor, who did not order this.
            ORDERING_DOCTOR => {
                let doctor = &mut report.doctor_number;
                each(mapper, inner, gathered, |mapper, line| {
                    let first = line.id.0 == 212 && doctor.is_none() && named.len() == 1;
                    if first {
                        *doctor = mapper.lanr(line);
                    }
                    first
                });
            }
            _ => absorb(mapper, inner, gathered),
        }
    }
    let fields: Vec<&Line> = lines(mapper, &object.items).collect();
    for line in fields {
        match line.id.0 {
            8312 if report.recipient.customer_number.is_some() => return Err(Error::RepeatedField { at: line.at() }),
            8312 => mapper.set(&mut report.recipient.customer_number, line, Some(22)),
            _ => mapper.leave(line, Some(22)),
        }
    }
    Ok(())
}

fn recipient_site(
    mapper: &mut Mapper<'_, '_, '_>,
    object: &Object,
    recipient: &mut Recipient,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    let mut repeated = None;
    each(mapper, object, gathered, |mapper, line| {
        match line.id.0 {
            200 if recipient.site_id.is_none() => mapper.set(&mut recipient.site_id, line, Some(19)),
            201 if recipient.bsnr.is_none() => recipient.bsnr = mapper.bsnr(line),
            200 | 201 => repeated = Some(line.at()),
            _ => return false,
        }
        true
    });
    repeated.map_or(Ok(()), |at| Err(Error::RepeatedField { at }))
}

/// Obj_0045 with the person (Obj_0047) in it.
fn patient(mapper: &mut Mapper<'_, '_, '_>, object: &Object, gathered: &mut Gathered) -> Result<Patient, Error> {
    let mut patient = Patient::default();
    let mut persons = 0;
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) if (inner.attribute, inner.number) == (8147, 47) => {
                persons += 1;
                if persons > 1 {
                    return Err(Error::RepeatedField { at: source.line(inner.line)?.at() });
                }
                each(mapper, inner, gathered, |mapper, line| {
                    // 7420 = 12 says "patient", which is where this object hangs.
                    let status = line.id.0 == 7420 && source.raw(line).trim_ascii() == b"12";
                    status || mapper.person(&mut patient, line, Some(47))
                });
            }
            Item::Object(inner) => absorb(mapper, inner, gathered),
            Item::Field(index) => {
                let line = source.line(*index)?;
                if !mapper.person(&mut patient, line, Some(45)) {
                    mapper.leave(line, Some(45));
                }
            }
        }
    }
    let at = source.line(object.line)?.at();
    match (persons, &patient.family_name) {
        (0, None) => Err(Error::MissingField { field: FieldId(8147), at }),
        (_, None) => Err(Error::MissingField { field: FieldId(3101), at }),
        _ => Ok(patient),
    }
}

/// Obj_0017: the keys of order and report.
fn information(
    mapper: &mut Mapper<'_, '_, '_>,
    object: &Object,
    report: &mut Report,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) => match (inner.attribute, inner.number) {
                (8214, 54) => report.requested = parts::timestamp(mapper, inner),
                (8215, 54) => report.received = parts::timestamp(mapper, inner),
                (8216, 54) => report.reported = parts::timestamp(mapper, inner),
                _ => absorb(mapper, inner, gathered),
            },
            Item::Field(index) => {
                let line = source.line(*index)?;
                match line.id.0 {
                    8310 => mapper.set(&mut report.order_number, line, Some(17)),
                    8311 => mapper.set(&mut report.lab_order_number, line, Some(17)),
                    7305 => mapper.set(&mut report.report_id, line, Some(17)),
                    8401 => status(mapper, line, report),
                    _ => mapper.leave(line, Some(17)),
                }
            }
        }
    }
    report.recall = Recall::of(&tree::Object::of(source, object, 1));
    if report.lab_order_number.is_none() {
        return Err(Error::MissingField { field: FieldId(8311), at: source.line(object.line)?.at() });
    }
    Ok(())
}

/// E006.
fn status(mapper: &mut Mapper<'_, '_, '_>, line: &Line, report: &mut Report) {
    report.status_code = mapper.code(line);
    report.status = match report.status_code.as_deref() {
        Some("1") => ReportStatus::Partial,
        Some("2") => ReportStatus::Final,
        _ => {
            mapper.warn(WarningKind::UnknownCode, line);
            ReportStatus::Unknown
        }
    };
}

/// Obj_0037.
fn material(mapper: &mut Mapper<'_, '_, '_>, object: &Object, gathered: &mut Gathered) -> Result<Material, Error> {
    let mut material = Material::default();
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) if (inner.attribute, inner.number) == (8219, 54) => {
                material.collected_at = parts::timestamp(mapper, inner);
            }
            Item::Object(inner) => absorb(mapper, inner, gathered),
            Item::Field(index) => {
                let line = source.line(*index)?;
                match line.id.0 {
                    7364 => mapper.set(&mut material.vessel, line, Some(37)),
                    8428 => mapper.set(&mut material.code, line, Some(37)),
                    8430 => mapper.set(&mut material.name, line, Some(37)),
                    8431 | 7292 => material.details.extend(mapper.code(line)),
                    _ => mapper.leave(line, Some(37)),
                }
            }
        }
    }
    Ok(material)
}

/// Obj_0035.
fn results(
    mapper: &mut Mapper<'_, '_, '_>,
    object: &Object,
    report: &mut Report,
    materials: &Materials,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    for inner in objects(&object.items) {
        if ldt3_result::is_result(inner.number) {
            report.results.push(ldt3_result::result(mapper, inner, materials, gathered)?);
        } else if (inner.attribute, inner.number) == (8221, 54) && report.reported.is_none() {
            report.reported = parts::timestamp(mapper, inner);
        } else {
            absorb(mapper, inner, gathered);
        }
    }
    let bare: Vec<Item> = object.items.iter().filter(|item| matches!(item, Item::Field(_))).cloned().collect();
    absorb_items(mapper, &bare, 35, gathered);
    Ok(())
}
