//! Obj_0026 (Fehlermeldung/Aufmerksamkeit): what the laboratory wants the sender to notice, and recommended recalls.
//!
//! What must stay true: a notice is found wherever it hangs. The standard allows it in materials, results, normal values
//! and the report (KBV LDT 3 Satzbeschreibung 3.2.20, p. 87).

use crate::finding::flow_text;
use crate::place::{Coded, Place, Sent};
use crate::timestamp::Timestamp;
use crate::tree::Object;

/// A notice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notice {
    /// Where.
    pub place: Place,
    /// Grund der Benachrichtigung (7280, E049): 2 is a life-threatening condition.
    pub reasons: Vec<Coded>,
    /// A recall that is recommended.
    pub recall: Option<Recall>,
    /// Who gave or got the notice (8147): names as sent.
    pub persons: Vec<Sent>,
    /// Texts (8167).
    pub texts: Vec<String>,
}

/// A recommended recall (7320).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recall {
    /// 1 if it is recommended.
    pub recommended: Coded,
    /// When (8154).
    pub at: Vec<Timestamp>,
}

impl Notice {
    pub(crate) fn of(object: &Object) -> Self {
        let persons = object.objects().filter(|inner| inner.number == 47);
        let names = persons.flat_map(|person| person.fields()).filter(|field| matches!(field.id.0, 3101 | 3102));
        Self {
            place: object.place(),
            reasons: object.fields().filter(|field| field.id.0 == 7280).map(Coded::of).collect(),
            recall: Recall::of(object),
            persons: names.map(Sent::of).collect(),
            texts: object.objects().filter(|inner| inner.number == 68).map(flow_text).collect(),
        }
    }

    /// 7280 = 2.
    #[must_use]
    pub fn life_threatening(&self) -> bool {
        self.reasons.iter().any(|reason| reason.code == LIFE_THREATENING)
    }
}

/// E049.
pub(crate) const LIFE_THREATENING: &str = "2";

impl Recall {
    /// None without 7320.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        let recommended = Coded::of(object.get(7320)?);
        let at = object.objects().filter(|inner| inner.attribute.0 == 8154 && inner.number == 54).map(Timestamp::of);
        Some(Self { recommended, at: at.collect() })
    }
}
