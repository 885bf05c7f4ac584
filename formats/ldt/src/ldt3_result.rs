//! LDT 3 results: Obj_0060 to Obj_0063, Obj_0055, Obj_0056, Obj_0073.
//!
//! What must stay true: units and limits inside Obj_0042 (normal values) never touch the value's own unit, and each
//! 8420 is a value of its own (conventional and SI units are sent side by side).

use std::collections::HashMap;

use crate::details::Details;
use crate::error::{Error, FieldId};
use crate::ldt3_normal;
use crate::line::Line;
use crate::mapper::Mapper;
use crate::model::{Interpretation, ResultStatus, TestResult, Value};
use crate::parts::{self, Gathered};
use crate::place::Coded;
use crate::structure::{Item, Object};
use crate::tree;
use crate::value::ResultBuilder;
use crate::warning::WarningKind;

/// Obj_0037 as far as results need it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Material {
    pub(crate) vessel: Option<String>,
    pub(crate) collected_at: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) details: Vec<String>,
}

/// The materials of a report by their vessel (7364); a report may have as many as results.
pub(crate) type Materials = HashMap<String, Material>;

/// Whether an object is a result.
pub(crate) fn is_result(number: u16) -> bool {
    matches!(number, 55 | 56 | 60 | 61 | 62 | 63 | 73)
}

/// The state while a result is read.
struct Reading {
    builder: ResultBuilder,
    number: u16,
    code: Option<String>,
    catalogue: Option<String>,
    catalogue_code: Option<String>,
    catalogue_name: Option<String>,
    other_id: Option<String>,
    vessel: Option<String>,
    /// 8419 of each value.
    systems: Vec<Option<String>>,
    /// Coded fields (germs, cytology, blood group) that are the result.
    coded: bool,
    gathered: Gathered,
}

/// Reads one result object. Its attachments go to the report.
pub(crate) fn result(
    mapper: &mut Mapper<'_, '_, '_>,
    object: &Object,
    materials: &Materials,
    into: &mut Gathered,
) -> Result<TestResult, Error> {
    let mut reading = Reading {
        builder: ResultBuilder::new(String::new()),
        number: object.number,
        code: None,
        catalogue: None,
        catalogue_code: None,
        catalogue_name: None,
        other_id: None,
        vessel: None,
        systems: Vec::new(),
        coded: false,
        gathered: Gathered::default(),
    };
    reading.items(mapper, &object.items, object.number);
    // Two levels: the texts (Obj_0068) of bacteriology (Obj_0072).
    reading.builder.result.details = Details::of(&tree::Object::of(mapper.source, object, 2)).map(Box::new);
    reading.builder.result.place = object.place(mapper.source);
    let Some(line) = mapper.source.lines.get(object.line) else {
        return Err(Error::Truncated { at: mapper.source.end() });
    };
    reading.finish(mapper, line, materials, into)
}

impl Reading {
    fn items(&mut self, mapper: &mut Mapper<'_, '_, '_>, items: &[Item], number: u16) {
        let source = mapper.source;
        for item in items {
            match item {
                Item::Field(index) => {
                    if let Some(line) = source.lines.get(*index) {
                        self.field(mapper, line, number);
                    }
                }
                Item::Object(object) => self.object(mapper, object),
            }
        }
    }

    fn field(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line, number: u16) {
        let object = Some(number);
        match line.id.0 {
            7304 => mapper.set(&mut self.builder.result.result_id, line, object),
            7364 if self.vessel.is_some() => mapper.leave(line, object),
            7364 => mapper.set(&mut self.vessel, line, object),
            8410 if self.code.is_some() && matches!(number, 61 | 73) => mapper.leave(line, object),
            8410 => mapper.set(&mut self.code, line, object),
            8411 => mapper.set(&mut self.builder.result.test_name, line, object),
            7260 => mapper.set(&mut self.catalogue, line, object),
            7365 => mapper.set(&mut self.catalogue_code, line, object),
            7366 => mapper.set(&mut self.catalogue_name, line, object),
            7263 if number == 55 => mapper.set(&mut self.other_id, line, object),
            8418 => self.status(mapper, line),
            // The form of the values (E058) shows in the values themselves.
            7306 => self.builder.form = mapper.code(line).map(|code| Coded::new(line, code)),
            8420 => {
                if let Some(text) = mapper.text(line) {
                    self.builder.start_value(line, text);
                    self.systems.push(None);
                }
            }
            8419 => self.system(mapper, line),
            8421 => mapper.set(&mut self.builder.value().unit, line, object),
            8422 => {
                if let Some(flag) = mapper.code(line) {
                    let first = self.builder.value().set_flag(&flag);
                    crate::package::check_flag(mapper, line, &flag, first);
                }
            }
            7431 => self.subject(mapper, line),
            id if crate::labels::label(id).is_some() => {
                let note = mapper.text(line).and_then(|text| crate::labels::note(id, &text));
                self.coded |= note.is_some() && id != 7302;
                self.builder.result.notes.extend(note);
            }
            _ => mapper.leave(line, object),
        }
    }

    /// E164: 2 is human genetics.
    fn subject(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        if mapper.code(line).as_deref() == Some("2") {
            self.builder.result.genetic = true;
        } else {
            mapper.leave(line, Some(self.number));
        }
    }

    fn system(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        let code = mapper.code(line);
        if !matches!(code.as_deref(), Some("1" | "2" | "9")) {
            mapper.warn(WarningKind::UnknownCode, line);
        }
        self.builder.value().si = code.as_deref() == Some("1");
        if let Some(system) = self.systems.last_mut() {
            *system = code;
        }
    }

    /// E007 (KBV LDT 3 Satzbeschreibung 3.2.20, p. 78-80).
    fn status(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        if self.builder.result.status_code.is_some() {
            return mapper.leave(line, Some(self.number));
        }
        self.builder.result.status_code = mapper.code(line);
        self.builder.result.status = match self.builder.result.status_code.as_deref() {
            Some("02") => ResultStatus::Registered,
            Some("03" | "05" | "10") => ResultStatus::Preliminary,
            Some("06" | "07") => ResultStatus::Final,
            Some("04" | "08") => ResultStatus::Corrected,
            Some("09" | "11" | "12") => ResultStatus::Cancelled,
            Some("01") | None => ResultStatus::Unknown,
            Some(_) => {
                mapper.warn(WarningKind::UnknownCode, line);
                ResultStatus::Unknown
            }
        };
    }

    fn object(&mut self, mapper: &mut Mapper<'_, '_, '_>, object: &Object) {
        match (object.attribute, object.number) {
            (_, 42) => ldt3_normal::read(mapper, object, self.builder.value(), &mut self.gathered),
            // Result texts: 8237, and 8245 for bacteriology.
            (8237 | 8245, 68) => {
                if let Some(text) = parts::flow_text(mapper, object) {
                    self.builder.add_text(object.place(mapper.source), text);
                }
            }
            (8225, 54) if self.builder.result.measured_at.is_none() => {
                self.builder.result.measured_at = parts::timestamp(mapper, object);
            }
            // Bacteriology and the antibiogram are part of the result.
            (_, 72 | 11) => self.items(mapper, &object.items, object.number),
            _ => parts::absorb(mapper, object, &mut self.gathered),
        }
    }

    fn finish(
        mut self,
        mapper: &mut Mapper<'_, '_, '_>,
        line: &Line,
        materials: &Materials,
        into: &mut Gathered,
    ) -> Result<TestResult, Error> {
        self.identify(line)?;
        self.place(mapper, line, materials);
        let pending = matches!(self.builder.result.status, ResultStatus::Registered | ResultStatus::Cancelled);
        if !(pending || self.coded || self.builder.has_content() || !self.gathered.attachments.is_empty()) {
            mapper.warn(WarningKind::ResultWithoutValue, line);
        }
        self.check_values(mapper, line);
        let life_threatening = self.gathered.life_threatening();
        let result = &mut self.builder.result;
        result.life_threatening = life_threatening;
        result.notes.append(&mut self.gathered.notes);
        result.notice_codes.clone_from(&self.gathered.notice_codes);
        result.notices = std::mem::take(&mut self.gathered.notices);
        result.charges = std::mem::take(&mut self.gathered.charges);
        into.notice_codes.append(&mut self.gathered.notice_codes);
        into.attachments.append(&mut self.gathered.attachments);
        Ok(self.builder.finish())
    }

    /// 7304 and 8418 are the keys of every later correction; K106: 8410 or 7260.
    fn identify(&mut self, line: &Line) -> Result<(), Error> {
        let missing = |field| Err(Error::MissingField { field: FieldId(field), at: line.at() });
        let result = &mut self.builder.result;
        if self.catalogue.as_deref() == Some("1") {
            result.loinc.clone_from(&self.catalogue_code);
        }
        result.test_name = result.test_name.take().or(self.catalogue_name.take());
        if self.number != 56 && result.result_id.is_none() {
            return missing(7304);
        }
        if self.number != 56 && result.status_code.is_none() {
            return missing(8418);
        }
        let code = self.code.take().or(self.catalogue_code.take());
        let free = matches!(self.number, 55 | 56);
        result.test_code = match code {
            Some(code) => code,
            None if free => self.other_id.take().unwrap_or_else(|| format!("Obj_{:04}", self.number)),
            None => return missing(8410),
        };
        Ok(())
    }

    /// The material is named by the vessel's id (7364).
    fn place(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line, materials: &Materials) {
        let found = self.vessel.as_ref().and_then(|vessel| materials.get(vessel));
        let Some(material) = found else {
            // Only Obj_0073 may come without a vessel.
            if self.number != 73 || self.vessel.is_some() {
                mapper.warn(WarningKind::MissingMaterial, line);
            }
            return;
        };
        let result = &mut self.builder.result;
        result.collected_at.clone_from(&material.collected_at);
        result.specimen_code.clone_from(&material.code);
        let name = material.name.clone().or(material.code.clone());
        let parts: Vec<String> = name.into_iter().chain(material.details.iter().cloned()).collect();
        result.specimen = (!parts.is_empty()).then(|| parts.join(", "));
    }

    fn check_values(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line) {
        let unlike =
            |own: &Option<String>, other: Option<&String>| own.is_some() && other.is_some() && own.as_ref() != other;
        let extreme = |value: &Value| matches!(value.interpretation, Some(Interpretation::HH | Interpretation::LL));
        let without = std::iter::once(&*self.builder.value()).any(extreme);
        let values = &self.builder.result.values;
        for (value, system) in values.iter().zip(&self.systems) {
            if value.number.is_some() && value.unit.is_none() && system.as_deref() != Some("9") {
                mapper.warn(WarningKind::MissingUnit, line);
            }
            if value.text.contains(',') && value.number.is_some() {
                mapper.warn(WarningKind::DecimalComma, line);
            }
            let reference = value.reference.as_ref().and_then(|reference| reference.unit.as_ref());
            let alarm = value.alarm.as_ref().and_then(|alarm| alarm.unit.as_ref());
            if unlike(&value.unit, reference) || unlike(&value.unit, alarm) {
                mapper.warn(WarningKind::ReferenceUnit, line);
            }
        }
        // K099: an extreme value obliges to Obj_0026.
        if (without || values.iter().any(extreme)) && self.gathered.notice_codes.is_empty() {
            mapper.warn(WarningKind::ExtremeWithoutNotice, line);
        }
    }
}
