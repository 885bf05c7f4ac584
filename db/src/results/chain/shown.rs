//! What a doctor sees of one observation: what tells it apart, whether it says something, and what it takes back.
//! Must stay true: it says the same whether it comes out of a record or out of the database (`chain::LIST_VERSIONS`).
use serde::Deserialize;

use crate::results::NewObservation;

/// What makes a value one of its own: the same test of urine, of another time or in another unit is another value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Shown {
    pub(super) test: String,
    pub(super) specimen: Option<String>,
    pub(super) collected_at: Option<String>,
    pub(super) unit: Option<String>,
    /// To which germ or series it belongs, as its notes say it (`hl7::SUB_ID_NOTE`, `hl7::PARENT_NOTE`): another germ's antibiogram has the
    /// same tests.
    pub(super) part_of: Vec<String>,
    pub(super) valued: bool,
    /// What a result without a value says: a germ, a blood group. Pending and cancelled ones say nothing that could get lost.
    pub(super) told: Vec<String>,
    /// Those words are not the last ones.
    pub(super) so_far: bool,
    /// It is this that invalidates what came before of its test (LDT 3, field 8418 = 08), where the report has such.
    pub(super) invalidates: bool,
    /// The laboratory took the value back as wrong (HL7 OBX-11 = D or W; no LDT status has these codes).
    pub(super) withdrawn: bool,
}

impl Shown {
    /// As a record says it.
    pub(super) fn of(o: &NewObservation) -> Self {
        Self {
            test: o.test_code.clone(),
            specimen: o.specimen.clone(),
            collected_at: o.collected_at.clone(),
            unit: o.unit.clone(),
            part_of: o.part_of().map(str::to_owned).collect(),
            valued: o.value_text.is_some(),
            told: if o.value_text.is_some() || matches!(o.status, "registered" | "cancelled") {
                Vec::new()
            } else {
                o.notes.clone()
            },
            so_far: o.value_text.is_none() && o.status == "preliminary",
            invalidates: o.status_code.as_deref() == Some("08"),
            withdrawn: o.status == "cancelled"
                && o.value_text.is_none()
                && matches!(o.status_code.as_deref(), Some("D" | "W")),
        }
    }

    /// Whether the other said in words what was known so far, and this is the finding.
    pub(super) fn is_the_last_word_on(&self, other: &Self) -> bool {
        !self.so_far
            && self.says_something()
            && Self { told: other.told.clone(), valued: other.valued, so_far: true, ..self.key() } == other.key()
    }

    /// What it is told apart by; whom it invalidates is no part of that.
    pub(super) fn key(&self) -> Self {
        Self { invalidates: false, ..self.clone() }
    }

    pub(super) fn says_something(&self) -> bool {
        self.valued || self.withdrawn || !self.told.is_empty()
    }

    /// Whether it can be the other, which it need not name wholly.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let same = |ours: &Option<String>, theirs: &Option<String>| ours.is_none() || ours == theirs;
        self.test == other.test
            && same(&self.specimen, &other.specimen)
            && same(&self.collected_at, &other.collected_at)
            && same(&self.unit, &other.unit)
            && (self.part_of.is_empty() || self.part_of == other.part_of)
    }

    /// Whether this takes back the other, which has a value. A withdrawal need not repeat what the value was told apart by.
    pub(super) fn takes_back(&self, other: &Self) -> bool {
        self.withdrawn && self.fits(other)
    }
}
