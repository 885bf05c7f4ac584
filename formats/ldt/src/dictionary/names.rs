//! What fields and objects are called, for people who look at a file.
//!
//! What must stay true: a name is looked up by version and place, because the same id means different things: 8424 is
//! Mutterschaft in LDT 2 and a Normalwertspezifikation in LDT 3; 8220 is a record type and a timestamp.

use std::collections::HashMap;

use crate::codes;
use crate::error::FieldId;
use crate::package::Version;

/// Names of fields and objects, and meanings of codes. Build it once.
#[derive(Debug)]
pub struct Dictionary {
    ldt2: HashMap<u16, &'static str>,
    /// By object (or record type) and field.
    ldt3: HashMap<(u16, u16), &'static str>,
    objects: HashMap<u16, &'static str>,
}

/// What marks structure, in both versions.
const STRUCTURE: [(u16, &str); 7] = [
    (8000, "Satzart"),
    (8001, "Satzende"),
    (8002, "Objektident"),
    (8003, "Objektende"),
    (8100, "Satzlänge"),
    (9202, "Gesamtlänge Datenpaket"),
    (9300, "Prüfsumme"),
];

impl Default for Dictionary {
    fn default() -> Self {
        Self::new()
    }
}

impl Dictionary {
    /// Reads the tables.
    #[must_use]
    pub fn new() -> Self {
        let rows = |table: &'static str| table.lines().filter(|line| !line.starts_with('#'));
        let pair = |row: &'static str| row.split_once('\t');
        let id = |text: &str| text.parse::<u16>().ok();
        let ldt2 = rows(include_str!("ldt2.tsv")).filter_map(pair).filter_map(|(field, name)| Some((id(field)?, name)));
        let objects = rows(include_str!("objects.tsv")).filter_map(pair);
        let objects = objects.filter_map(|(object, name)| Some((id(object)?, name)));
        let ldt3 = rows(include_str!("ldt3.tsv")).filter_map(|row| {
            let (object, rest) = row.split_once('\t')?;
            let (field, name) = rest.split_once('\t')?;
            Some(((id(object)?, id(field)?), name))
        });
        Self { ldt2: ldt2.collect(), ldt3: ldt3.collect(), objects: objects.collect() }
    }

    /// The name of a field in a place: for LDT 3 the number of the innermost object, or the record type if there is none;
    /// for LDT 2 the record type.
    #[must_use]
    pub fn field(&self, version: Version, place: u16, id: FieldId) -> Option<&'static str> {
        let listed = match version {
            Version::Ldt2 => self.ldt2.get(&id.0),
            Version::Ldt3 => self.ldt3.get(&(place, id.0)),
        };
        let structure = || STRUCTURE.iter().find(|(known, _)| *known == id.0).map(|(_, name)| *name);
        listed.copied().or_else(structure)
    }

    /// The name of an object, for example "Patient" for 45.
    #[must_use]
    pub fn object(&self, number: u16) -> Option<&'static str> {
        self.objects.get(&number).copied()
    }

    /// What a code means in a field, in the words of the standard; none if the field has no code list, or the list does not
    /// have the code.
    #[must_use]
    pub fn meaning(&self, version: Version, id: FieldId, code: &str) -> Option<&'static str> {
        codes::of(version, id.0, code.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_by_version_and_place() {
        let names = Dictionary::new();
        let field = |version, place, id| names.field(version, place, FieldId(id));
        assert_eq!(field(Version::Ldt2, 8201, 8424), Some("Mutterschaft"));
        assert_eq!(field(Version::Ldt3, 42, 8424), Some("Normalwertspezifikation"));
        assert_eq!(field(Version::Ldt3, 60, 8424), None);
        assert_eq!(field(Version::Ldt3, 60, 8220), Some("Timestamp Eingangserfassung Material"));
        assert_eq!(field(Version::Ldt3, 8205, 8000), Some("Satzart"));
        assert_eq!(names.object(45), Some("Patient"));
        assert_eq!(names.meaning(Version::Ldt2, FieldId(8401), "E"), Some("Endbefund"));
    }

    #[test]
    fn every_field_of_a_table_is_a_known_id() {
        let names = Dictionary::new();
        for id in names.ldt2.keys() {
            assert!(super::super::knows(&super::super::LDT2, *id), "{id}");
        }
        for (object, id) in names.ldt3.keys() {
            assert!(super::super::knows(&super::super::LDT3, *id), "{object} {id}");
        }
        assert_eq!(names.objects.len(), super::super::OBJECTS.len());
        assert!(super::super::OBJECTS.iter().all(|object| names.object(*object).is_some()));
    }
}
