//! What only the result objects of LDT 3 say, in the standard's terms: Obj_0060 to Obj_0063, Obj_0055, Obj_0056, Obj_0073.
//!
//! What must stay true: this is a second view of the same lines. Values, texts and remarks are in
//! [`TestResult`](crate::TestResult) as for any other test; nothing is only here.

mod blood;
mod culture;
mod cytology;
mod microbiology;
mod tumour;

pub use blood::{BloodGroup, CrossMatch};
pub use culture::{Agent, Antibiogram, Susceptibility};
pub use cytology::{CervicalScreening, Cytology, HpvType};
pub use microbiology::{Detection, Germ, Microbiology, ResistanceTest};
pub use tumour::Tumour;

use crate::place::{Coded, Sent};
use crate::tree::{Field, Node, Object};

/// What the laboratory examined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Obj_0060, Klinische Chemie.
    Chemistry(Chemistry),
    /// Obj_0061, Mikrobiologie.
    Microbiology(Box<Microbiology>),
    /// Obj_0062, Krebsfrüherkennung Zervix-Karzinom.
    CervicalScreening(Box<CervicalScreening>),
    /// Obj_0063, Zytologie.
    Cytology(Box<Cytology>),
    /// Obj_0055, Blutgruppenzugehörigkeit.
    BloodGroup(Box<BloodGroup>),
    /// Obj_0073, Sonstige Untersuchungsergebnisse, among them molecular genetics.
    Other(Other),
    /// Obj_0056, Tumor.
    Tumour(Box<Tumour>),
}

/// Obj_0060.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chemistry {
    /// Test-ID (7263).
    pub test_id: Option<Sent>,
    /// UID of the device (7264).
    pub device: Option<Sent>,
    /// Testmethode (7302).
    pub methods: Vec<Sent>,
}

/// Obj_0073.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Other {
    /// Fachgebiet (7431, E164): 2 is Humangenetik, to which the GenDG applies.
    pub subject: Option<Coded>,
    /// Zellmaterial nicht verwertbar (7368).
    pub cells_unusable: Option<Coded>,
}

impl Finding {
    /// None for an object that is no result.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        Some(match object.number {
            60 => Self::Chemistry(chemistry(object)),
            61 => Self::Microbiology(Box::new(Microbiology::of(object))),
            62 => Self::CervicalScreening(Box::new(CervicalScreening::of(object))),
            63 => Self::Cytology(Box::new(Cytology::of(object))),
            55 => Self::BloodGroup(Box::new(BloodGroup::of(object))),
            56 => Self::Tumour(Box::new(Tumour::of(object))),
            73 => {
                Self::Other(Other { subject: coded(&object.nodes, 7431), cells_unusable: coded(&object.nodes, 7368) })
            }
            _ => return None,
        })
    }
}

fn chemistry(object: &Object) -> Chemistry {
    let nodes = &object.nodes;
    Chemistry { test_id: sent(nodes, 7263), device: sent(nodes, 7264), methods: all(nodes, 7302) }
}

/// The fields among nodes.
fn fields(nodes: &[Node]) -> impl Iterator<Item = &Field> {
    nodes.iter().filter_map(|node| if let Node::Field(field) = node { Some(field) } else { None })
}

/// The objects among nodes.
fn objects(nodes: &[Node]) -> impl Iterator<Item = &Object> {
    nodes.iter().filter_map(|node| if let Node::Object(object) = node { Some(object) } else { None })
}

fn first(nodes: &[Node], id: u16) -> Option<&Field> {
    fields(nodes).find(|field| field.id.0 == id && !field.text.trim().is_empty())
}

/// The first field with this id.
fn sent(nodes: &[Node], id: u16) -> Option<Sent> {
    first(nodes, id).map(Sent::of)
}

/// The first field with this id, which is a code.
fn coded(nodes: &[Node], id: u16) -> Option<Coded> {
    first(nodes, id).map(Coded::of)
}

/// All fields with this id.
fn all(nodes: &[Node], id: u16) -> Vec<Sent> {
    fields(nodes).filter(|field| field.id.0 == id).map(Sent::of).collect()
}

/// Nodes in groups, each begun by a field with this id: what the standard writes as levels (Vorkommensstufen) is only an
/// order in the file. What comes before the first one is in no group.
fn groups(nodes: &[Node], id: u16) -> impl Iterator<Item = &[Node]> {
    let begins = move |node: &Node| matches!(node, Node::Field(field) if field.id.0 == id);
    nodes.chunk_by(move |_, next| !begins(next)).filter(move |group| group.first().is_some_and(begins))
}

/// The texts (Obj_0068) under an attribute, lines joined.
fn texts(nodes: &[Node], attribute: u16) -> Vec<String> {
    objects(nodes).filter(|inner| inner.attribute.0 == attribute && inner.number == 68).map(flow_text).collect()
}

/// The lines (3564) of an Obj_0068.
pub(crate) fn flow_text(object: &Object) -> String {
    let lines: Vec<&str> =
        object.fields().filter(|field| field.id.0 == 3564).map(|field| field.text.as_str()).collect();
    lines.join("\n")
}
