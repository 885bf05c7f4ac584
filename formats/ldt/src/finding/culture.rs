//! Obj_0011, the antibiogram: a matrix of agents and germs.
//!
//! What must stay true: sensitivity, MIC and interpretation belong to the germ (7354) before them and to the agent (7287)
//! before that. A cell is never read with another agent's name.

use super::{all, fields, groups, sent, texts};
use crate::place::{Coded, Sent};
use crate::tree::{Node, Object};

/// Antibiogramm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Antibiogram {
    /// The rows: agents.
    pub agents: Vec<Agent>,
    /// Ergebnistexte (8237).
    pub texts: Vec<String>,
}

/// A row: an agent (Wirkstoff) and how the germs respond to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Wirkstoff-Ident (7287).
    pub id: Sent,
    /// Generic-Nummer (7288).
    pub generic_numbers: Vec<Sent>,
    /// OID (7359).
    pub oids: Vec<Sent>,
    /// Wirkstoff oder Handelsname (7370).
    pub names: Vec<Sent>,
    /// The cells: one for each germ.
    pub cells: Vec<Susceptibility>,
}

/// A cell: what an agent does to a germ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Susceptibility {
    /// The germ's id (7354); none if the laboratory left it out because there is only one.
    pub germ: Option<Sent>,
    /// Sensitivität (7367, E025): S, I, R, N.
    pub sensitivity: Option<Coded>,
    /// MHK-/Breakpoint-Wert (7289).
    pub mic: Option<Sent>,
    /// MHK-Einheit (7369).
    pub mic_unit: Option<Sent>,
    /// Resistenz-Interpretation (7290, E030).
    pub interpretations: Vec<Coded>,
    /// By which standard (7424, E065): CLSI, EUCAST.
    pub standard: Option<Coded>,
}

impl Antibiogram {
    pub(super) fn of(object: &Object) -> Self {
        let nodes = &object.nodes;
        Self { agents: groups(nodes, 7287).map(agent).collect(), texts: texts(nodes, 8237) }
    }

    /// The cell of an agent (7287) and a germ (7354).
    #[must_use]
    pub fn cell(&self, agent: &str, germ: &str) -> Option<&Susceptibility> {
        let rows = self.agents.iter().filter(|row| row.id.text == agent);
        rows.flat_map(|row| &row.cells).find(|cell| cell.germ.as_ref().is_some_and(|id| id.text == germ))
    }
}

fn agent(row: &[Node]) -> Agent {
    let mut agent = Agent {
        id: sent(row, 7287).unwrap_or_default(),
        generic_numbers: all(row, 7288),
        oids: all(row, 7359),
        names: all(row, 7370),
        cells: Vec::new(),
    };
    for field in fields(row) {
        if !matches!(field.id.0, 7354 | 7367 | 7289 | 7369 | 7290 | 7424) {
            continue;
        }
        if field.id.0 == 7354 || agent.cells.is_empty() {
            agent.cells.push(Susceptibility::default());
        }
        let Some(cell) = agent.cells.last_mut() else { continue };
        match field.id.0 {
            7354 => cell.germ = Some(Sent::of(field)),
            7367 => cell.sensitivity = Some(Coded::of(field)),
            7289 => cell.mic = Some(Sent::of(field)),
            7369 => cell.mic_unit = Some(Sent::of(field)),
            7290 => cell.interpretations.push(Coded::of(field)),
            _ => cell.standard = Some(Coded::of(field)),
        }
    }
    agent
}
