//! Obj_0056, a tumour.

use super::{all, sent};
use crate::place::Sent;
use crate::tree::Object;

/// Tumor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tumour {
    /// Tumorklassifikation (7372).
    pub classification: Option<Sent>,
    /// Grading (7373).
    pub grading: Option<Sent>,
    /// Stadium (7374).
    pub stage: Option<Sent>,
    /// Jahr der Tumordiagnose (7375).
    pub year: Option<Sent>,
    /// Lokalisation (7376).
    pub site: Option<Sent>,
    /// Maße (7377).
    pub sizes: Vec<Sent>,
    /// Farbe (7378).
    pub colour: Option<Sent>,
    /// Infiltrationstiefe (7379).
    pub depth: Option<Sent>,
    /// Therapiebeginn (3424), as sent.
    pub therapy_from: Option<Sent>,
    /// Therapieende (3425), as sent.
    pub therapy_to: Option<Sent>,
}

impl Tumour {
    pub(super) fn of(object: &Object) -> Self {
        let nodes = &object.nodes;
        Self {
            classification: sent(nodes, 7372),
            grading: sent(nodes, 7373),
            stage: sent(nodes, 7374),
            year: sent(nodes, 7375),
            site: sent(nodes, 7376),
            sizes: all(nodes, 7377),
            colour: sent(nodes, 7378),
            depth: sent(nodes, 7379),
            therapy_from: sent(nodes, 3424),
            therapy_to: sent(nodes, 3425),
        }
    }
}
