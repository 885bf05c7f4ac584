//! Orders (ORC, OBR and what stands under them) as reports.
//!
//! What must stay true: groups of one patient with the same order numbers are one report, in the sender's order; what is said of a
//! group of values stays with it.

use std::collections::HashMap;

use crate::model::{Field, Patient, Report};
use crate::reader::{Group, PatientGroup};
use crate::segment::{PER_TEXT, Seg};
use crate::{Error, coded, header, result, status};

/// More than an index takes is no number.
pub(crate) const LONGEST_NUMBER: usize = 250;

/// Order numbers of the practice and of the laboratory: what makes orders one report.
type Numbers = (Option<String>, Option<String>);

/// A report, the states of its groups, and who ordered each genetic one, if that is said.
type Filling = (Report, Vec<Option<String>>, Vec<Option<String>>);

/// The reports of one patient.
pub(crate) fn reports(patient: Option<&Patient>, group: &PatientGroup<'_>) -> Result<Vec<Report>, Error> {
    let mut reports: Vec<Filling> = Vec::new();
    let mut known: HashMap<Numbers, usize> = HashMap::new();
    for order in &group.orders {
        let numbers = (number(order, 2)?, number(order, 3)?);
        let at = *known.entry(numbers).or_insert_with_key(|(placer, filler)| {
            let (order_number, lab_order_number) = (placer.clone(), filler.clone());
            reports.push((Report { order_number, lab_order_number, ..Report::default() }, Vec::new(), Vec::new()));
            reports.len() - 1
        });
        if let Some((report, states, doctors)) = reports.get_mut(at) {
            states.push(fill(report, order)?);
            if is_genetic(&order.obr) {
                doctors.push(header::ordering_doctor(order.orc.as_ref(), &order.obr));
            }
        }
    }
    let about_patient: Vec<Field> = group.pid.iter().chain(&group.others).flat_map(|seg| seg.rest("")).collect();
    let person = patient.into_iter().flat_map(|patient| {
        let Patient { number, insurance_number, family_name, given_name, birth_date, sex: _ } = patient;
        [number, insurance_number, family_name, given_name, birth_date].into_iter().flatten()
    });
    let fields = about_patient.iter().flat_map(|field| [&field.name, &field.text]);
    let texts = person.chain(fields).chain(&group.notes);
    if let Some(order) = group.orders.first() {
        let each = size_of::<Report>() + texts.map(|text| text.len() + 2 * PER_TEXT).sum::<usize>();
        order.obr.context.copies(each, reports.len())?;
    }
    let finished = reports.into_iter().map(|(mut report, states, mut doctors)| {
        // Of two who ordered genetic examinations nobody knows who is responsible for which; who is not named may be a second.
        doctors.sort_unstable();
        doctors.dedup();
        report.doctor_number = doctors.pop().flatten().filter(|_| doctors.is_empty());
        report.status = status::of_report(&states, &report.results, report.attachments.len());
        report.patient = patient.cloned();
        report.notes.splice(0..0, group.notes.iter().cloned());
        report.unmapped.extend(about_patient.iter().cloned());
        report
    });
    Ok(finished.collect())
}

/// Placer (2) or filler (3) number: OBR's, else that of the ORC before it.
fn number(order: &Group<'_>, field: usize) -> Result<Option<String>, Error> {
    let common = order.orc.as_ref().and_then(|orc| orc.text(field));
    let own = order.obr.text(field);
    match (&own, &common, &order.orc) {
        // Another number than the one that counts has no place.
        (Some(own), Some(common), Some(orc)) if own != common => orc.forget(field, 1, 1),
        _ => {}
    }
    let number = own.or(common);
    if number.as_ref().is_some_and(|number| number.len() > LONGEST_NUMBER) {
        return Err(Error::TooLong { at: order.obr.at(field) });
    }
    Ok(number)
}

/// Genetics or cytogenetics, as the diagnostic service says it.
fn is_genetic(obr: &Seg<'_>) -> bool {
    obr.text(24).is_some_and(|service| ["GE", "CG"].iter().any(|code| service.eq_ignore_ascii_case(code)))
}

/// Adds one order group to its report; says in which state it is.
fn fill(report: &mut Report, order: &Group<'_>) -> Result<Option<String>, Error> {
    let obr = &order.obr;
    let label = coded::test(obr, 4).map(|test| test.code).unwrap_or_default();
    obr.forget(4, 1, 1);
    [2, 4, 5].into_iter().for_each(|part| obr.forget(4, 1, part));
    let state = obr.text(25).map(|state| state.to_ascii_uppercase());
    report.genetic |= is_genetic(obr);
    if let Some(reported) = obr.time(22) {
        report.reported = Some(reported).max(report.reported.take());
    }
    obr.context.copies(order.notes.iter().map(|note| note.len() + PER_TEXT).sum(), 1)?;
    report.notes.extend(order.notes.iter().cloned());
    result::read(report, order, state.as_deref())?;
    // When and why it was sent is no part of the report: a resend has another time.
    if let Some(orc) = &order.orc {
        [1, 9].into_iter().for_each(|field| orc.skip(field, 0, 0, 0));
        report.unmapped.extend(orc.rest(&label));
    }
    report.unmapped.extend(obr.rest(&label));
    report.unmapped.extend(order.specimens.iter().chain(&order.others).flat_map(|seg: &Seg<'_>| seg.rest(&label)));
    obr.context.within()?;
    Ok(state)
}
