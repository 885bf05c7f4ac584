//! What both versions need to turn lines into the model: dates, codes, checks, and the list of what found no place.

use crate::check;
use crate::dates::{self, Order};
use crate::dictionary;
use crate::error::FieldId;
use crate::line::Line;
use crate::model::{Field, Patient};
use crate::place::Place;
use crate::source::Source;
use crate::warning::{WarningKind, Warnings};

/// Reads fields of one record or header.
pub(crate) struct Mapper<'s, 'b, 'w> {
    pub(crate) source: &'s Source<'b>,
    pub(crate) warnings: &'w mut Warnings,
    pub(crate) order: Order,
    /// The ids of this version.
    pub(crate) known: &'static [u16],
    pub(crate) unmapped: Vec<Field>,
}

impl Mapper<'_, '_, '_> {
    pub(crate) fn warn(&mut self, kind: WarningKind, line: &Line) {
        self.warnings.push(kind, line.at());
    }

    /// The trimmed content.
    pub(crate) fn code(&mut self, line: &Line) -> Option<String> {
        self.source.code(line, self.warnings)
    }

    /// The content as sent, if it is not blank.
    pub(crate) fn text(&mut self, line: &Line) -> Option<String> {
        let text = self.source.text(line);
        if text.trim().is_empty() {
            self.warnings.push(WarningKind::EmptyField, line.at());
            return None;
        }
        Some(text.into_owned())
    }

    /// Keeps a line that has no place in the model.
    pub(crate) fn leave(&mut self, line: &Line, object: Option<u16>) {
        if !dictionary::knows(self.known, line.id.0) {
            self.warn(WarningKind::UnknownField, line);
        }
        if let Some(text) = self.text(line) {
            self.unmapped.push(Field { line: line.number(), id: line.id, object, text });
        }
    }

    /// Fills a place once; a second, different content is kept among the unmapped fields.
    pub(crate) fn set(&mut self, place: &mut Option<String>, line: &Line, object: Option<u16>) {
        if let Some(code) = self.code(line) {
            match place {
                None => *place = Some(code),
                Some(old) if *old == code => {}
                Some(_) => {
                    self.warn(WarningKind::RepeatedField, line);
                    self.leave(line, object);
                }
            }
        }
    }

    pub(crate) fn date(&mut self, line: &Line, object: Option<u16>) -> Option<String> {
        let code = self.code(line)?;
        let Some((date, other_order)) = dates::date(&code, self.order) else {
            self.warn(WarningKind::InvalidDate, line);
            self.leave(line, object);
            return None;
        };
        if other_order {
            self.warn(WarningKind::DateOrder, line);
        }
        Some(date)
    }

    pub(crate) fn birth_date(&mut self, line: &Line, object: Option<u16>) -> Option<String> {
        let code = self.code(line)?;
        let Some((date, other_order)) = dates::birth_date(&code, self.order) else {
            self.warn(WarningKind::InvalidDate, line);
            self.leave(line, object);
            return None;
        };
        if other_order {
            self.warn(WarningKind::DateOrder, line);
        }
        date
    }

    pub(crate) fn time(&mut self, line: &Line, object: Option<u16>) -> Option<String> {
        let code = self.code(line)?;
        let time = dates::time(&code);
        if time.is_none() {
            self.warn(WarningKind::InvalidDate, line);
            self.leave(line, object);
        }
        time
    }

    /// A practice number (F010): nine digits; older versions seven.
    pub(crate) fn bsnr(&mut self, line: &Line) -> Option<String> {
        let code = self.code(line)?;
        if code.len() != 9 || !code.bytes().all(|b| b.is_ascii_digit()) {
            self.warn(WarningKind::InvalidBsnr, line);
        }
        Some(code)
    }

    /// A doctor number; `999999900` stands for none (F011).
    pub(crate) fn lanr(&mut self, line: &Line) -> Option<String> {
        let code = self.code(line)?;
        if code == "999999900" {
            return None;
        }
        if !check::lanr(&code) {
            self.warn(WarningKind::InvalidLanr, line);
        }
        Some(code)
    }

    /// Versicherten-ID (F013).
    fn insurance_number(&mut self, patient: &mut Patient, line: &Line, object: Option<u16>) {
        let Some(code) = self.code(line) else { return };
        if !check::insurance_number(&code) {
            self.warn(WarningKind::InvalidInsuranceNumber, line);
        }
        if let Some(text) = patient.insurance_number.replace(code) {
            self.unmapped.push(Field { line: line.number(), id: FieldId(3105), object, text });
        }
    }

    /// The fields of a person; false if the line is none of them.
    pub(crate) fn person(&mut self, patient: &mut Patient, line: &Line, object: Option<u16>) -> bool {
        if patient.place.line() == 0 && matches!(line.id.0, 3000..=3120) {
            patient.place = Place::at(line.number());
        }
        let place = match line.id.0 {
            3000 => &mut patient.number,
            3100 => &mut patient.name_suffix,
            3101 => &mut patient.family_name,
            3104 => &mut patient.title,
            3110 => &mut patient.sex,
            3120 => &mut patient.name_prefix,
            3102 => {
                if let Some(name) = self.code(line) {
                    append(&mut patient.given_name, &name);
                }
                return true;
            }
            3103 => {
                patient.birth_date = self.birth_date(line, object);
                return true;
            }
            // The number of the card (3119) is better than the old one (3105).
            3119 => {
                self.insurance_number(patient, line, object);
                return true;
            }
            3105 if patient.insurance_number.is_none() => &mut patient.insurance_number,
            _ => return false,
        };
        self.set(place, line, object);
        if line.id == FieldId(3110) && !matches!(patient.sex.as_deref(), None | Some("M" | "W" | "D" | "X" | "U")) {
            self.warn(WarningKind::UnknownCode, line);
        }
        true
    }
}

/// Joins by a blank, in place: a hostile file repeats the field a million times.
pub(crate) fn append(place: &mut Option<String>, part: &str) {
    let text = place.get_or_insert_default();
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(part);
}
