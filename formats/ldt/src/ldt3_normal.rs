//! LDT 3 normal values: Obj_0042.
//!
//! What must stay true: the first one of a value is its reference; another one (other age, other unit) stands beside it and
//! is kept among the unmapped fields, too. Alarm limits and normal limits each have their own unit.

use crate::line::Line;
use crate::mapper::Mapper;
use crate::model::{Limits, Normal, Reference, Value};
use crate::parts::{self, Gathered};
use crate::place::{Coded, Sent};
use crate::structure::{Item, Object};

/// The state while an object is read.
struct Reading {
    flag: Option<Sent>,
    specification: Option<Coded>,
    reference: Reference,
    alarm: Limits,
    /// What a unit (8421) belongs to.
    alarms: bool,
}

/// Reads one object into the value it describes.
pub(crate) fn read(mapper: &mut Mapper<'_, '_, '_>, object: &Object, value: &mut Value, gathered: &mut Gathered) {
    let taken = value.reference.is_some() || value.alarm.is_some();
    let place = object.place(mapper.source);
    let mut reading = Reading {
        flag: None,
        specification: None,
        reference: Reference { place, ..Reference::default() },
        alarm: Limits { place, ..Limits::default() },
        alarms: false,
    };
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) => parts::absorb(mapper, inner, gathered),
            Item::Field(index) => {
                if let Some(line) = source.lines.get(*index) {
                    reading.field(mapper, line, value, taken);
                }
            }
        }
    }
    let specification = reading.specification;
    let reference = (reading.reference != Reference::default()).then_some(reading.reference);
    let reference = reference.map(|reference| Reference { specification, ..reference });
    let alarm = (reading.alarm != Limits::default()).then_some(reading.alarm);
    if taken {
        value.further.push(Normal { reference, alarm, flag: reading.flag });
    } else {
        (value.reference, value.alarm) = (reference, alarm);
    }
}

impl Reading {
    fn field(&mut self, mapper: &mut Mapper<'_, '_, '_>, line: &Line, value: &mut Value, taken: bool) {
        match line.id.0 {
            8422 => {
                if let Some(flag) = mapper.code(line) {
                    let first = value.set_flag(&flag);
                    crate::package::check_flag(mapper, line, &flag, first);
                    self.flag = Some(Sent::new(line, flag));
                }
                return;
            }
            8424 => self.specification = mapper.code(line).map(|code| Coded::new(line, code)),
            8461 | 8462 => self.alarms = false,
            7363 | 7371 => self.alarms = true,
            _ => {}
        }
        let place = match line.id.0 {
            8460 | 7316 | 7317 => {
                if let Some(text) = mapper.text(line) {
                    self.reference.add_text(&text);
                }
                if taken {
                    mapper.leave(line, Some(42));
                }
                return;
            }
            8419 if !taken => return,
            8461 => &mut self.reference.low,
            8462 => &mut self.reference.high,
            7363 => &mut self.alarm.low,
            7371 => &mut self.alarm.high,
            8421 if self.alarms => &mut self.alarm.unit,
            8421 => &mut self.reference.unit,
            _ => return mapper.leave(line, Some(42)),
        };
        mapper.set(place, line, Some(42));
        if taken {
            mapper.leave(line, Some(42));
        }
    }
}
