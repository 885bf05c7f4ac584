//! Values (OBX) of one order.
//!
//! What must stay true: every OBX is a value, an attachment or a place for one; what was taken back is no value any more; two points
//! of a series don't fall on one time wherever they can be told from values that were measured together.
//!
//! **When it was collected.** The material's time is SPM-17, else OBR-7. OBX-14 is when the sender says that the value holds, but most
//! laboratories write there when it was measured, which changes when it is measured again. So OBX-14 counts, unless it is
//! - none, no time, or the material's time; or
//! - later than the material's (in the same time zone, or of its day if no more is known), and the only one of its order group,
//!   in which two different tests (OBX-3) or more have it: then it is when they were measured, and the material's time counts.
//!
//! Where this errs, it keeps two values beside each other that are one: a single value corrected in a message of its own with
//! another time of measurement, or a group whose tests were measured at several times and then again. What stays ambiguous: one
//! point of a series of two tests (glucose and insulin after an hour) sent in a group of its own whose OBR-7 is that of the series'
//! begin looks like two tests measured together, and falls on OBR-7.

use std::collections::{HashMap, HashSet};

use crate::model::{Field, Report, ResultStatus, TestResult, Value};
use crate::reader::{Group, Observed};
use crate::segment::{PER_TEXT, Seg};
use crate::{Error, attachment, coded, range, status, time, value};

/// How the note begins that says which of several the value belongs to (OBX-4): values that differ in it are of two things.
pub const SUB_ID_NOTE: &str = "Sub-ID ";
/// How the note begins that says of which value the order is a part (OBR-26), such as the germ of an antibiogram.
pub const PARENT_NOTE: &str = "Belongs to:";

/// What holds for several values of an order.
#[derive(Clone)]
struct Shared<'s> {
    collected: Option<String>,
    specimen: Option<String>,
    /// Which of several: two may have the same name.
    nth: Option<usize>,
    parent: Option<String>,
    state: Option<&'s str>,
}

/// What can be told only of all values of an order.
#[derive(Default)]
struct Apart {
    /// For each test (OBX-3 as sent) its first sub-id (OBX-4), and whether another has a different one.
    sub_ids: HashMap<String, (Option<String>, bool)>,
    /// Whether two tests have a time (OBX-14), and all of them the same.
    one_time: bool,
}

/// Adds the values of an order to its report.
pub(crate) fn read(report: &mut Report, order: &Group<'_>, state: Option<&str>) -> Result<(), Error> {
    let (collected, specimen) = (order.obr.time(7), specimen_source(&order.obr));
    let shared = Shared { collected, specimen, nth: None, parent: parent(&order.obr), state };
    let specimens: Vec<_> = order.specimens.iter().map(|spm| (of_specimen(spm), spm.time(17))).collect();
    let apart = told_apart(order);
    let mut open_text: Option<String> = None;
    for observed in &order.observed {
        // One specimen is that of all values; of several, each is that of the values after it.
        let nth = observed.specimen.or((specimens.len() == 1).then_some(0));
        let (specimen, collected) = nth.and_then(|nth| specimens.get(nth)).cloned().unwrap_or_default();
        let mut here = shared.clone();
        here.collected = collected.or(here.collected);
        here.specimen = specimen.or(here.specimen);
        here.nth = nth;
        open_text = one(report, observed, here, &apart, open_text.as_deref())?;
    }
    Ok(())
}

/// One OBX. Gives back what the next line of the same text would look like, if this was one.
fn one(
    report: &mut Report,
    observed: &Observed<'_>,
    shared: Shared<'_>,
    apart: &Apart,
    open_text: Option<&str>,
) -> Result<Option<String>, Error> {
    let obx = &observed.obx;
    let kind = obx.text(2).unwrap_or_default();
    let material = shared.nth.map(|nth| nth.to_string()).unwrap_or_default();
    let result = described(obx, shared, apart)?;
    let prefix = result.code.clone();
    let mut line = None;
    if matches!(kind.as_str(), "ED" | "RP") {
        document(report, observed, &kind, result)?;
    } else {
        let values = value::values(obx, &kind);
        let mark = [2, 3, 4, 6, 7, 8, 11, 14].map(|field| obx.raw(field)).join("\r") + "\r" + &material;
        let continued = open_text == Some(mark.as_str());
        if matches!(kind.as_str(), "TX" | "FT") && observed.notes.is_empty() {
            line = Some(mark);
        }
        push(report, result, values, observed, continued)?;
    }
    report.unmapped.extend(obx.rest(&prefix));
    obx.context.within()?;
    Ok(line)
}

/// Everything but the value.
fn described(obx: &Seg<'_>, shared: Shared<'_>, apart: &Apart) -> Result<TestResult, Error> {
    let test = coded::test(obx, 3).ok_or_else(|| Error::MissingField { at: obx.at(3) })?;
    let (status, status_code) = status::of_value(obx, shared.state);
    let flags = status::flags(obx);
    let several_ids = apart.sub_ids.get(&obx.raw(3)).is_some_and(|(_, differ)| *differ);
    let mut notes = Vec::new();
    // 1 is what many write where there is but one. Another is said even alone: the others may come in a message of their own.
    let sub_id = obx.peek_whole(4, 1).map(|id| id.trim().to_owned()).filter(|id| several_ids || id != "1");
    if let Some(id) = sub_id {
        obx.skip(4, 1, 0, 0);
        notes.push(format!("{SUB_ID_NOTE}{id}"));
    }
    notes.extend(shared.parent.clone());
    notes.extend(flags.notes.iter().cloned());
    let range = obx.whole(7, 1);
    let (low, high) = range.as_deref().map(range::limits).unwrap_or_default();
    Ok(TestResult {
        code: test.code,
        name: test.name,
        loinc: test.loinc,
        status,
        status_code,
        value: None,
        unit: unit(obx),
        range,
        low,
        high,
        critical: flags.critical(),
        flag: flags.sent,
        interpretation: flags.interpretation,
        collected: collected(obx, shared.collected, apart.one_time),
        specimen: shared.specimen,
        notes,
    })
}

/// One row for each value; a test without a value has one row. A text that goes on in the next OBX is one value.
fn push(
    report: &mut Report,
    mut result: TestResult,
    values: Vec<Value>,
    observed: &Observed<'_>,
    continued: bool,
) -> Result<(), Error> {
    let (notes, context) = (&observed.notes, observed.obx.context);
    context.copies(notes.iter().map(|note| note.len() + PER_TEXT).sum(), 1)?;
    if result.status == ResultStatus::Withdrawn {
        context.copies(cost(&result), 1)?;
        withdraw(&mut result, &values);
        result.notes.extend(notes.iter().cloned());
        report.results.push(result);
        return Ok(());
    }
    if continued
        && let (Some(before), [next]) =
            (report.results.last_mut().and_then(|last| last.value.as_mut()), values.as_slice())
    {
        before.text.push('\n');
        before.text.push_str(&next.text);
        if let Some(last) = report.results.last_mut() {
            last.notes.extend(notes.iter().cloned());
        }
        return Ok(());
    }
    context.copies(cost(&result), values.len().max(1))?;
    let mut values = values.into_iter();
    let first = TestResult { value: values.next(), ..result.clone() };
    let at = report.results.len();
    report.results.push(first);
    report.results.extend(values.map(|value| TestResult { value: Some(value), ..result.clone() }));
    if let Some(first) = report.results.get_mut(at) {
        first.notes.extend(notes.iter().cloned());
    }
    Ok(())
}

/// What a row takes without its value, which stands in the message as well.
fn cost(result: &TestResult) -> usize {
    let TestResult { name, loinc, status_code, unit, range, low, high, flag, collected, specimen, .. } = result;
    let texts = [name, loinc, status_code, unit, range, low, high, flag, collected, specimen];
    let texts = texts.into_iter().flatten().chain([&result.code]).chain(&result.notes);
    size_of::<TestResult>() + texts.map(|text| text.len() + PER_TEXT).sum::<usize>()
}

/// What is wrong must not be read as a value, nor alarm anybody; but what it was is told.
fn withdraw(result: &mut TestResult, values: &[Value]) {
    let texts: Vec<_> = values.iter().map(|value| value.text.as_str()).collect();
    let sent = [Some(texts.join(", ")), result.unit.clone(), result.flag.take()];
    let sent: Vec<_> = sent.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let mut note = "Taken back by the laboratory as wrong.".to_owned();
    if !texts.is_empty() {
        note.push_str(" It was: ");
        note.push_str(&sent.join(" "));
    }
    result.notes.push(note);
    result.critical = false;
    result.interpretation = None;
}

/// ED and RP. What is said of a document like of a value stands in a row without a value; so does a document that is not there.
fn document(report: &mut Report, observed: &Observed<'_>, kind: &str, result: TestResult) -> Result<(), Error> {
    let obx = &observed.obx;
    let name = result.name.as_ref().unwrap_or(&result.code).clone();
    obx.context.copies(size_of::<Field>() + name.len() + PER_TEXT, obx.repetitions(5))?;
    let mut found = Vec::new();
    if result.status == ResultStatus::Withdrawn {
        obx.skip(5, 0, 0, 0);
    } else {
        let one = if kind == "ED" { attachment::embedded } else { attachment::reference };
        found.extend((1..=obx.repetitions(5)).filter_map(|repetition| one(obx, repetition)));
    }
    let plain = matches!(result.status, ResultStatus::Final | ResultStatus::Unknown);
    let silent = result.flag.is_none() && result.range.is_none() && result.unit.is_none();
    if found.is_empty() || !plain || !silent {
        push(report, result, Vec::new(), observed, false)?;
    } else {
        let notes = result.notes.iter().chain(&observed.notes);
        obx.context.copies(notes.map(|note| note.len() + PER_TEXT).sum(), 1)?;
        report.notes.extend(result.notes.into_iter().chain(observed.notes.iter().cloned()));
    }
    report.unmapped.extend(found.iter().map(|_| Field { name: "Attachment".to_owned(), text: name.clone() }));
    report.attachments.extend(found);
    Ok(())
}

/// When the material was taken, as the head of this file says.
fn collected(obx: &Seg<'_>, material: Option<String>, one_time: bool) -> Option<String> {
    let Some(material) = material else { return obx.time(14) };
    match observed_at(obx) {
        Some(sent) if sent == material => obx.time(14),
        Some(sent) if one_time && time::is_later(&sent, &material) => Some(material),
        _ => obx.time(14).or(Some(material)),
    }
}

/// OBX-14, if it is a time.
fn observed_at(obx: &Seg<'_>) -> Option<String> {
    time::iso(&obx.peek(14, 1, 1, 1)?)
}

/// OBX-6: the code, else its text. `10^9/l` with a forgotten escape is one unit and not the code `10`.
fn unit(obx: &Seg<'_>) -> Option<String> {
    let code = obx.peek(6, 1, 1, 1);
    if code.as_ref().is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit())) {
        return obx.whole(6, 1);
    }
    obx.skip(6, 1, 3, 0);
    match (obx.component(6, 1, 1), obx.peek(6, 1, 2, 1)) {
        (Some(code), text) => {
            if text.as_ref() == Some(&code) {
                obx.skip(6, 1, 2, 0);
            }
            Some(code)
        }
        (None, _) => obx.component(6, 1, 2),
    }
}

/// OBR-15: the material's text, else its code.
fn specimen_source(obr: &Seg<'_>) -> Option<String> {
    let part = [2, 1].into_iter().find(|part| obr.peek(15, 1, 1, *part).is_some())?;
    obr.part(15, 1, 1, part)
}

/// SPM-4: the material's text, else its code.
fn of_specimen(spm: &Seg<'_>) -> Option<String> {
    coded::text(spm, 4, 1)
}

/// OBR-26: of which value this order is a part, such as the germ of an antibiogram.
fn parent(obr: &Seg<'_>) -> Option<String> {
    let parts = [1, 2, 3].into_iter().filter_map(|part| {
        // Of the test its name, else its code.
        let sub = if part == 1 && obr.peek(26, 1, 1, 2).is_some() { 2 } else { 1 };
        obr.part(26, 1, part, sub)
    });
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| format!("{PARENT_NOTE} {}", parts.join(" ")))
}

fn told_apart(order: &Group<'_>) -> Apart {
    let mut apart = Apart::default();
    let (mut tests, mut times) = (HashSet::new(), HashSet::new());
    for Observed { obx, .. } in &order.observed {
        let (test, sub_id) = (obx.raw(3), obx.raw(4));
        if let Some(time) = observed_at(obx) {
            tests.insert(test.clone());
            times.insert(time);
        }
        let (first, differ) = apart.sub_ids.entry(test).or_default();
        if !sub_id.is_empty() {
            *differ |= *first.get_or_insert_with(|| sub_id.clone()) != sub_id;
        }
    }
    apart.one_time = tests.len() > 1 && times.len() == 1;
    apart
}
