//! The result objects of LDT 3 as JSON, in the standard's terms.

use ldt::finding::{
    Agent, BloodGroup, CervicalScreening, Cytology, Germ, HpvType, Microbiology, Susceptibility, Tumour,
};
use ldt::{Catalogue, Details, Finding, Signature, Timestamp};
use serde_json::{Value, json};

use super::{coded, list, recall, sent};

/// What a result object says beyond values and texts.
pub(super) fn details(details: &Details) -> Value {
    let time = |time: &Option<Timestamp>| time.as_ref().and_then(|time| time.iso.clone());
    json!({
        "object": format!("Obj_{:04}", details.object),
        "finding": finding(&details.finding),
        "vessels": list(&details.vessels, sent),
        "tests": list(&details.tests, |test| json!({
            "code": sent(&test.code), "name": test.name.as_ref().map(sent),
        })),
        "catalogues": list(&details.catalogues, catalogue),
        "received": time(&details.received), "begun": time(&details.begun), "made": time(&details.made),
        "checked": time(&details.checked), "measured": time(&details.measured),
        "signatures": list(&details.signatures, signature),
        "recall": details.recall.as_ref().map(recall),
        "drg_note": details.drg_note.as_ref().map(sent),
        "contract_laboratory": details.contract_laboratory.as_ref().map(coded),
    })
}

fn catalogue(catalogue: &Catalogue) -> Value {
    json!({
        "kind": coded(&catalogue.kind), "name": catalogue.name.as_ref().map(sent), "url": catalogue.url.as_ref().map(sent),
        "code": catalogue.code.as_ref().map(sent), "text": catalogue.text.as_ref().map(sent),
    })
}

fn signature(signature: &Signature) -> Value {
    json!({
        "role": signature.role.as_ref().map(coded), "name": signature.name.as_ref().map(sent),
        "sign": signature.sign.as_ref().map(sent),
    })
}

fn finding(finding: &Finding) -> Value {
    match finding {
        Finding::Chemistry(found) => json!({ "chemistry": {
            "test_id": found.test_id.as_ref().map(sent), "device": found.device.as_ref().map(sent),
            "methods": list(&found.methods, sent),
        }}),
        Finding::Microbiology(found) => json!({ "microbiology": microbiology(found) }),
        Finding::CervicalScreening(found) => json!({ "cervical_screening": screening(found) }),
        Finding::Cytology(found) => json!({ "cytology": cytology(found) }),
        Finding::BloodGroup(found) => json!({ "blood_group": blood_group(found) }),
        Finding::Other(found) => json!({ "other": {
            "subject": found.subject.as_ref().map(coded), "cells_unusable": found.cells_unusable.as_ref().map(coded),
        }}),
        Finding::Tumour(found) => json!({ "tumour": tumour(found) }),
        _ => Value::Null,
    }
}

fn microbiology(found: &Microbiology) -> Value {
    json!({
        "requests": list(&found.requests, sent),
        "detections": list(&found.detections, |detection| json!({
            "procedure": coded(&detection.procedure), "methods": list(&detection.methods, sent),
        })),
        "germs": list(&found.germs, germ),
        "resistance_tests": list(&found.resistance_tests, |test| json!({
            "method": coded(&test.method),
            "antibiogram": test.antibiogram.as_ref().map(|matrix| list(&matrix.agents, agent)),
            "texts": test.antibiogram.as_ref().map(|matrix| &matrix.texts),
        })),
        "cultures": found.cultures,
    })
}

fn germ(germ: &Germ) -> Value {
    json!({
        "id": sent(&germ.id), "name": germ.name.as_ref().map(sent), "kind": germ.kind.as_ref().map(coded),
        "result": germ.result.as_ref().map(coded), "growth": germ.growth.as_ref().map(coded),
        "amounts": list(&germ.amounts, sent), "oid": germ.oid.as_ref().map(sent),
        "number": germ.number.as_ref().map(sent), "catalogue": germ.catalogue.as_ref().map(sent),
        "remarks": germ.remarks, "texts": germ.texts,
    })
}

fn agent(agent: &Agent) -> Value {
    json!({
        "id": sent(&agent.id), "names": list(&agent.names, sent), "oids": list(&agent.oids, sent),
        "generic_numbers": list(&agent.generic_numbers, sent), "cells": list(&agent.cells, cell),
    })
}

fn cell(cell: &Susceptibility) -> Value {
    json!({
        "germ": cell.germ.as_ref().map(sent), "sensitivity": cell.sensitivity.as_ref().map(coded),
        "mic": cell.mic.as_ref().map(sent), "mic_unit": cell.mic_unit.as_ref().map(sent),
        "interpretations": list(&cell.interpretations, coded), "standard": cell.standard.as_ref().map(coded),
    })
}

fn screening(found: &CervicalScreening) -> Value {
    json!({
        "endocervical_cells": found.endocervical_cells.as_ref().map(coded),
        "proliferation": found.proliferation.as_ref().map(sent), "flora": list(&found.flora, coded),
        "group": found.group.as_ref().map(sent), "group_code": found.group_code.as_ref().map(sent),
        "hpv_high_risk": found.hpv_high_risk.as_ref().map(coded), "hpv_16_18": found.hpv_16_18.as_ref().map(coded),
        "control": found.control.as_ref().map(coded), "control_reasons": list(&found.control_reasons, coded),
        "colposcopy": found.colposcopy.as_ref().map(coded),
        "recommended_tests": list(&found.recommended_tests, coded),
        "at_once": found.at_once.as_ref().map(coded), "in_months": found.in_months.as_ref().map(sent),
    })
}

fn cytology(found: &Cytology) -> Value {
    let hpv = |hpv: &HpvType| json!({ "name": sent(&hpv.name), "result": hpv.result.as_ref().map(coded) });
    json!({
        "cells_unusable": found.cells_unusable.as_ref().map(coded), "hpv": found.hpv.as_ref().map(coded),
        "high_risk": list(&found.high_risk, hpv), "low_risk": list(&found.low_risk, hpv),
        "group": found.group.as_ref().map(sent), "group_code": found.group_code.as_ref().map(sent),
        "p16_ki67": found.p16_ki67.as_ref().map(coded), "l1": found.l1.as_ref().map(coded),
        "chlamydia": found.chlamydia.as_ref().map(coded), "gonorrhoea": found.gonorrhoea.as_ref().map(coded),
        "extragynaecological": found.extragynaecological.as_ref().map(coded), "texts": found.texts,
    })
}

fn blood_group(found: &BloodGroup) -> Value {
    json!({
        "eurocode": found.eurocode.as_ref().map(sent), "antibody_screen": found.antibody_screen.as_ref().map(coded),
        "antigens": found.antigens.as_ref().map(sent), "antibodies": found.antibodies.as_ref().map(sent),
        "leukocyte_antigens": found.leukocyte_antigens.as_ref().map(sent),
        "leukocyte_antibodies": found.leukocyte_antibodies.as_ref().map(sent),
        "test_id": found.test_id.as_ref().map(sent), "coombs": found.coombs.as_ref().map(coded),
        "cross_matches": list(&found.cross_matches, |cross| json!({
            "result": sent(&cross.result), "terms": list(&cross.terms, sent),
        })),
        "emergency_card": found.emergency_card.as_ref().map(coded),
    })
}

fn tumour(found: &Tumour) -> Value {
    json!({
        "classification": found.classification.as_ref().map(sent), "grading": found.grading.as_ref().map(sent),
        "stage": found.stage.as_ref().map(sent), "year": found.year.as_ref().map(sent),
        "site": found.site.as_ref().map(sent), "sizes": list(&found.sizes, sent),
        "colour": found.colour.as_ref().map(sent), "depth": found.depth.as_ref().map(sent),
        "therapy_from": found.therapy_from.as_ref().map(sent), "therapy_to": found.therapy_to.as_ref().map(sent),
    })
}
