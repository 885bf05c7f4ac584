//! Obj_0061: germs, how they were looked for, and what works against them.
//!
//! What must stay true: a germ is everything from its 7354 to the next 7354 or 7286; what stands before the first
//! germ belongs to the examination as a whole.

use super::culture::Antibiogram;
use super::{all, coded, groups, objects, sent, texts};
use crate::place::{Coded, Sent};
use crate::tree::{Node, Object};

/// Mikrobiologie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Microbiology {
    /// What was asked for (8434).
    pub requests: Vec<Sent>,
    /// Nachweisverfahren (7281 with 7302).
    pub detections: Vec<Detection>,
    /// Keime und Pilze (7354).
    pub germs: Vec<Germ>,
    /// Resistenzmethoden (7286), each perhaps with its antibiogram.
    pub resistance_tests: Vec<ResistanceTest>,
    /// Ergebnistexte of bacteriology (8244, Obj_0072, 8245).
    pub cultures: Vec<String>,
}

/// How germs were looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detection {
    /// Nachweisverfahren (7281, E069): 5 is a culture.
    pub procedure: Coded,
    /// Testmethode (7302).
    pub methods: Vec<Sent>,
}

/// A germ or fungus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Germ {
    /// Keim-/Pilz-Identifizierung (7354): the antibiogram refers to it.
    pub id: Sent,
    /// Name (7355).
    pub name: Option<Sent>,
    /// Keim or Pilz (7427, E016).
    pub kind: Option<Coded>,
    /// Ergebnis (7301, E064): 0 not found, 1 doubtful, 2 found.
    pub result: Option<Coded>,
    /// Wachstum (7357, E026).
    pub growth: Option<Coded>,
    /// Mengenangabe (7293).
    pub amounts: Vec<Sent>,
    /// OID (7356).
    pub oid: Option<Sent>,
    /// Keimnummer (7285).
    pub number: Option<Sent>,
    /// Catalogue of the germ's id (7361).
    pub catalogue: Option<Sent>,
    /// Hinweise (8236).
    pub remarks: Vec<String>,
    /// Ergebnistexte (8237).
    pub texts: Vec<String>,
}

/// How resistance was tested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResistanceTest {
    /// Resistenzmethode (7286, E059): 0 says that there is no antibiogram.
    pub method: Coded,
    /// 8111, Obj_0011.
    pub antibiogram: Option<Antibiogram>,
}

impl Microbiology {
    pub(super) fn of(object: &Object) -> Self {
        let nodes = &object.nodes;
        Self {
            requests: all(nodes, 8434),
            detections: groups(nodes, 7281).map(detection).collect(),
            germs: groups(nodes, 7354).map(germ).collect(),
            resistance_tests: groups(nodes, 7286).map(resistance).collect(),
            cultures: objects(nodes)
                .filter(|inner| inner.number == 72)
                .flat_map(|bak| texts(&bak.nodes, 8245))
                .collect(),
        }
    }

    /// All antibiograms.
    pub fn antibiograms(&self) -> impl Iterator<Item = &Antibiogram> {
        self.resistance_tests.iter().filter_map(|test| test.antibiogram.as_ref())
    }

    /// The germ of an id (7354).
    #[must_use]
    pub fn germ(&self, id: &str) -> Option<&Germ> {
        self.germs.iter().find(|germ| germ.id.text == id)
    }
}

/// 7302 directly behind 7281, before anything else begins.
fn detection(group: &[Node]) -> Detection {
    let own = until(group, &[8418, 7354, 7286]);
    Detection { procedure: coded(own, 7281).unwrap_or_default(), methods: all(own, 7302) }
}

fn germ(group: &[Node]) -> Germ {
    let own = until(group, &[7286]);
    Germ {
        id: sent(own, 7354).unwrap_or_default(),
        name: sent(own, 7355),
        kind: coded(own, 7427),
        result: coded(own, 7301),
        growth: coded(own, 7357),
        amounts: all(own, 7293),
        oid: sent(own, 7356),
        number: sent(own, 7285),
        catalogue: sent(own, 7361),
        remarks: texts(own, 8236),
        texts: texts(own, 8237),
    }
}

fn resistance(group: &[Node]) -> ResistanceTest {
    let matrix = objects(group).find(|inner| inner.number == 11);
    ResistanceTest { method: coded(group, 7286).unwrap_or_default(), antibiogram: matrix.map(Antibiogram::of) }
}

/// The group up to a field that begins something else.
fn until<'n>(group: &'n [Node], ends: &[u16]) -> &'n [Node] {
    let ends = |node: &Node| matches!(node, Node::Field(field) if ends.contains(&field.id.0));
    let length = group.iter().skip(1).position(ends).map_or(group.len(), |at| at + 1);
    group.get(..length).unwrap_or_default()
}
