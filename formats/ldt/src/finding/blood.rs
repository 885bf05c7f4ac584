//! Obj_0055, the blood group.
//!
//! What must stay true: the Eurocode (3412) is passed on as sent. A blood group is never derived here: a wrong one kills.

use super::{all, coded, groups, sent};
use crate::place::{Coded, Sent};
use crate::tree::{Node, Object};

/// Blutgruppenzugehörigkeit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BloodGroup {
    /// Blutgruppe as Eurocode (3412).
    pub eurocode: Option<Sent>,
    /// Antikörpersuchtest (3413, E054).
    pub antibody_screen: Option<Coded>,
    /// Spezifität weiterer Erythrozytenantigene (3414).
    pub antigens: Option<Sent>,
    /// Spezifität der Erythrozytenantikörper (3415).
    pub antibodies: Option<Sent>,
    /// HLA-, HPA-, HNA-Antigene (3416).
    pub leukocyte_antigens: Option<Sent>,
    /// HLA-, HPA-, HNA-Antikörper (3417).
    pub leukocyte_antibodies: Option<Sent>,
    /// Test-ID (7263).
    pub test_id: Option<Sent>,
    /// Direkter Coombstest (3418, E055).
    pub coombs: Option<Coded>,
    /// Kreuzproben (3419).
    pub cross_matches: Vec<CrossMatch>,
    /// Anforderung eines Nothilfepasses (3420, E056).
    pub emergency_card: Option<Coded>,
}

/// A cross-match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrossMatch {
    /// Ergebnis (3419).
    pub result: Sent,
    /// Terminologie-ID (7275), for example the conserve.
    pub terms: Vec<Sent>,
}

impl BloodGroup {
    pub(super) fn of(object: &Object) -> Self {
        let nodes = &object.nodes;
        let cross =
            |group: &[Node]| CrossMatch { result: sent(group, 3419).unwrap_or_default(), terms: all(group, 7275) };
        Self {
            eurocode: sent(nodes, 3412),
            antibody_screen: coded(nodes, 3413),
            antigens: sent(nodes, 3414),
            antibodies: sent(nodes, 3415),
            leukocyte_antigens: sent(nodes, 3416),
            leukocyte_antibodies: sent(nodes, 3417),
            test_id: sent(nodes, 7263),
            coombs: coded(nodes, 3418),
            cross_matches: groups(nodes, 3419).map(cross).collect(),
            emergency_card: coded(nodes, 3420),
        }
    }
}
