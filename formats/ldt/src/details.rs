//! What every result object of LDT 3 says about how the result came to be.
//!
//! What must stay true: as in `finding`, this is a second view of the same lines; nothing is only here.

use crate::finding::Finding;
use crate::notice::Recall;
use crate::place::{Coded, Place, Sent};
use crate::timestamp::Timestamp;
use crate::tree::Object;

/// How a result of LDT 3 came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The number of the result object: 60 for Obj_0060.
    pub object: u16,
    /// What was found, in the terms of the object.
    pub finding: Finding,
    /// Probengefäß-Idents (7364): all, if the result comes from several vessels.
    pub vessels: Vec<Sent>,
    /// Test-Idents (8410 with 8411): microbiology, cytology and others may have several.
    pub tests: Vec<TestId>,
    /// Catalogues of services (7260 with 7365): LOINC and others.
    pub catalogues: Vec<Catalogue>,
    /// When the material arrived (8220).
    pub received: Option<Timestamp>,
    /// When the analysis began (8222).
    pub begun: Option<Timestamp>,
    /// When the result was made (8223).
    pub made: Option<Timestamp>,
    /// When it passed quality management (8224).
    pub checked: Option<Timestamp>,
    /// When it was measured (8225).
    pub measured: Option<Timestamp>,
    /// Who signed (8141, Obj_0041).
    pub signatures: Vec<Signature>,
    /// Recall recommended (7320).
    pub recall: Option<Recall>,
    /// DRG-Hinweis (7429).
    pub drg_note: Option<Sent>,
    /// The result was made by another laboratory (3473).
    pub contract_laboratory: Option<Coded>,
}

/// A test ident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestId {
    /// 8410: means something only together with the laboratory.
    pub code: Sent,
    /// Testbezeichnung (8411).
    pub name: Option<Sent>,
}

/// An entry of a catalogue of services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Which catalogue (7260, E057): 1 is LOINC.
    pub kind: Coded,
    /// Where it can be found (7352).
    pub url: Option<Sent>,
    /// Its name (7251).
    pub name: Option<Sent>,
    /// Analysen-ID (7365).
    pub code: Option<Sent>,
    /// Langbezeichnung (7366).
    pub text: Option<Sent>,
}

/// Who is responsible for something (Namenskennung).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// Where.
    pub place: Place,
    /// Status der Person (7420, E027): 07 is the laboratory's physician.
    pub role: Option<Coded>,
    /// Name (7358).
    pub name: Option<Sent>,
    /// Namenszeichen (8990).
    pub sign: Option<Sent>,
}

impl Details {
    /// None if the object is no result.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        let finding = Finding::of(object)?;
        let signatures = object.objects().filter(|inner| inner.number == 41);
        Some(Self {
            object: object.number,
            finding,
            vessels: object.fields().filter(|field| field.id.0 == 7364).map(Sent::of).collect(),
            tests: tests(object),
            catalogues: catalogues(object),
            received: Timestamp::under(object, 8220),
            begun: Timestamp::under(object, 8222),
            made: Timestamp::under(object, 8223),
            checked: Timestamp::under(object, 8224),
            measured: Timestamp::under(object, 8225),
            signatures: signatures.map(signature).collect(),
            recall: Recall::of(object),
            drg_note: object.get(7429).map(Sent::of),
            contract_laboratory: object.get(3473).map(Coded::of),
        })
    }
}

fn tests(object: &Object) -> Vec<TestId> {
    let mut tests: Vec<TestId> = Vec::new();
    for field in object.fields() {
        match (field.id.0, tests.last_mut()) {
            (8410, _) => tests.push(TestId { code: Sent::of(field), name: None }),
            (8411, Some(test)) if test.name.is_none() => test.name = Some(Sent::of(field)),
            _ => {}
        }
    }
    tests
}

fn catalogues(object: &Object) -> Vec<Catalogue> {
    let mut found: Vec<Catalogue> = Vec::new();
    for field in object.fields() {
        let sent = || Some(Sent::of(field));
        match (field.id.0, found.last_mut()) {
            (7260, _) => found.push(Catalogue { kind: Coded::of(field), ..Catalogue::default() }),
            (7352, Some(catalogue)) => catalogue.url = sent(),
            // A catalogue of germs (7361) has the same field for its name.
            (7251, Some(catalogue)) if catalogue.name.is_none() && catalogue.code.is_none() => catalogue.name = sent(),
            (7365, Some(catalogue)) => catalogue.code = sent(),
            (7366, Some(catalogue)) => catalogue.text = sent(),
            _ => {}
        }
    }
    found
}

fn signature(object: &Object) -> Signature {
    Signature {
        place: object.place(),
        role: object.get(7420).map(Coded::of),
        name: object.get(7358).map(Sent::of),
        sign: object.get(8990).map(Sent::of),
    }
}
