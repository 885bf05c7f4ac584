//! Obj_0062 (cervical screening) and Obj_0063 (cytology).
//!
//! What must stay true: the group (7414) is the finding; its coding (7413) stands beside it, not instead of it.

use super::{coded, fields, groups, objects, sent, texts};
use crate::place::{Coded, Sent};
use crate::tree::{Node, Object};

/// Krebsfrüherkennung Zervix-Karzinom (Muster 39).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CervicalScreening {
    /// Endozervikale Zellen (7405, E060).
    pub endocervical_cells: Option<Coded>,
    /// Proliferationsgrad (7406).
    pub proliferation: Option<Sent>,
    /// Döderleinflora, Mischflora, Kokkenflora, Trichomonaden, Candida, Gardnerella (7407 to 7412), as sent.
    pub flora: Vec<Coded>,
    /// Gruppe (7414), Münchner Nomenklatur.
    pub group: Option<Sent>,
    /// Codierung der Gruppe (7413).
    pub group_code: Option<Sent>,
    /// HPV-HR-Testergebnis (3316, E169).
    pub hpv_high_risk: Option<Coded>,
    /// HPV-Typ 16/18 (3317, E179).
    pub hpv_16_18: Option<Coded>,
    /// Zytologische Kontrolle (7415).
    pub control: Option<Coded>,
    /// Grund der Nachkontrolle (7416, E061).
    pub control_reasons: Vec<Coded>,
    /// Abklärungskolposkopie (7417).
    pub colposcopy: Option<Coded>,
    /// HPV-Test (3318) and Ko-Test (3319) recommended.
    pub recommended_tests: Vec<Coded>,
    /// Zeitraum sofort (3320).
    pub at_once: Option<Coded>,
    /// Zeitraum in Monaten (3321).
    pub in_months: Option<Sent>,
    /// What the form asked (8134, Obj_0034), as sent.
    pub form: Option<Object>,
}

/// Zytologie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cytology {
    /// Zellmaterial nicht verwertbar (7368).
    pub cells_unusable: Option<Coded>,
    /// HPV-Befund (7400).
    pub hpv: Option<Coded>,
    /// High-Risk-Typen (7402 with 7401).
    pub high_risk: Vec<HpvType>,
    /// Low-Risk-Typen (7404 with 7403).
    pub low_risk: Vec<HpvType>,
    /// Gruppe (7414).
    pub group: Option<Sent>,
    /// Codierung der Gruppe (7413).
    pub group_code: Option<Sent>,
    /// p16/Ki67 (7418, E062).
    pub p16_ki67: Option<Coded>,
    /// L1 (7419, E062).
    pub l1: Option<Coded>,
    /// Chlamydien (7422, E062).
    pub chlamydia: Option<Coded>,
    /// Neisseria gonorrhoeae (7426, E062).
    pub gonorrhoea: Option<Coded>,
    /// Extragynäkologische Zytologie (7425, E063).
    pub extragynaecological: Option<Coded>,
    /// Ergebnistexte (8237).
    pub texts: Vec<String>,
}

/// A type of HPV and its result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HpvType {
    /// The type.
    pub name: Sent,
    /// Result (E169).
    pub result: Option<Coded>,
}

fn every(nodes: &[Node], ids: &[u16]) -> Vec<Coded> {
    fields(nodes).filter(|field| ids.contains(&field.id.0)).map(Coded::of).collect()
}

fn types(nodes: &[Node], id: u16, result: u16) -> Vec<HpvType> {
    let one = |group: &[Node]| HpvType { name: sent(group, id).unwrap_or_default(), result: coded(group, result) };
    groups(nodes, id).map(one).collect()
}

impl CervicalScreening {
    pub(super) fn of(object: &Object) -> Self {
        let nodes = &object.nodes;
        Self {
            endocervical_cells: coded(nodes, 7405),
            proliferation: sent(nodes, 7406),
            flora: every(nodes, &[7407, 7408, 7409, 7410, 7411, 7412]),
            group: sent(nodes, 7414),
            group_code: sent(nodes, 7413),
            hpv_high_risk: coded(nodes, 3316),
            hpv_16_18: coded(nodes, 3317),
            control: coded(nodes, 7415),
            control_reasons: every(nodes, &[7416]),
            colposcopy: coded(nodes, 7417),
            recommended_tests: every(nodes, &[3318, 3319]),
            at_once: coded(nodes, 3320),
            in_months: sent(nodes, 3321),
            form: objects(nodes).find(|inner| inner.number == 34).cloned(),
        }
    }
}

impl Cytology {
    pub(super) fn of(object: &Object) -> Self {
        let nodes = &object.nodes;
        Self {
            cells_unusable: coded(nodes, 7368),
            hpv: coded(nodes, 7400),
            high_risk: types(nodes, 7402, 7401),
            low_risk: types(nodes, 7404, 7403),
            group: sent(nodes, 7414),
            group_code: sent(nodes, 7413),
            p16_ki67: coded(nodes, 7418),
            l1: coded(nodes, 7419),
            chlamydia: coded(nodes, 7422),
            gonorrhoea: coded(nodes, 7426),
            extragynaecological: coded(nodes, 7425),
            texts: texts(nodes, 8237),
        }
    }
}
