//! What a test is charged for: 5001 and what follows it (LDT 2), Obj_0058 (LDT 3).
//!
//! What must stay true: costs, multipliers and reasons belong to the 5001 before them.

use crate::place::{Coded, Place, Sent};
use crate::tree::{Field, Object};

/// A position of a bill (Gebührennummer).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charge {
    /// Where.
    pub place: Place,
    /// Abrechnungsinfo (LDT 3, 7303, E050).
    pub info: Option<Coded>,
    /// Gebührenordnung (LDT 3, 4121, E008). LDT 2 has it once for the record (8403).
    pub tariff: Option<Coded>,
    /// Gebührennummer (5001); none if an Obj_0058 has none.
    pub code: Option<Sent>,
    /// Costs in cents (8406), as sent.
    pub cents: Option<Sent>,
    /// Multiplikator (5005).
    pub multiplier: Option<Sent>,
    /// Art der Untersuchung (LDT 2, 5002).
    pub examination: Option<Sent>,
    /// Begründungen (5009).
    pub reasons: Vec<Sent>,
    /// LDT 2: who charges (8614: 1 laboratory, 2 sender). LDT 3: already charged.
    pub settled: Option<Sent>,
}

/// Fields that belong to a 5001.
pub(crate) fn is_part(id: u16) -> bool {
    matches!(id, 5001 | 5002 | 5005 | 5009 | 8406 | 8614)
}

impl Charge {
    /// Obj_0058.
    pub(crate) fn of(object: &Object) -> Vec<Self> {
        let charges = Self::read(object.fields());
        let (info, tariff) = (object.get(7303).map(Coded::of), object.get(4121).map(Coded::of));
        let charges = if charges.is_empty() { vec![Self::default()] } else { charges };
        let whole = |charge: Self| Self { place: object.place(), info: info.clone(), tariff: tariff.clone(), ..charge };
        charges.into_iter().map(whole).collect()
    }

    /// The charges in a run of fields; what stands before the first 5001 belongs to none.
    pub(crate) fn read<'f>(fields: impl Iterator<Item = &'f Field>) -> Vec<Self> {
        let mut charges: Vec<Self> = Vec::new();
        for field in fields {
            let sent = || Some(Sent::of(field));
            if field.id.0 == 5001 {
                charges.push(Self { place: Place::at(field.line), code: sent(), ..Self::default() });
            }
            let Some(charge) = charges.last_mut() else { continue };
            match field.id.0 {
                8406 => charge.cents = sent(),
                5005 => charge.multiplier = sent(),
                5002 => charge.examination = sent(),
                5009 => charge.reasons.extend(sent()),
                8614 => charge.settled = sent(),
                _ => {}
            }
        }
        charges
    }
}
