//! Values (OBX) of one order.
//!
//! What must stay true: every OBX is a value, an attachment or a place for one; what was taken back is no value any more; the time
//! of collection is the material's, so that a value that is measured again keeps the place of the one it corrects.

use std::collections::HashMap;

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

/// Whether the values of one test (OBX-3 as sent) differ in their sub-id (OBX-4), and in their time (OBX-14).
#[derive(Default)]
struct Apart {
    first: [Option<String>; 2],
    differ: [bool; 2],
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
    apart: &HashMap<String, Apart>,
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
fn described(obx: &Seg<'_>, shared: Shared<'_>, apart: &HashMap<String, Apart>) -> Result<TestResult, Error> {
    let test = coded::test(obx, 3).ok_or_else(|| Error::MissingField { at: obx.at(3) })?;
    let (status, status_code) = status::of_value(obx, shared.state);
    let flags = status::flags(obx);
    let [several_ids, series] = apart.get(&obx.raw(3)).map(|apart| apart.differ).unwrap_or_default();
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
        collected: collected(obx, shared.collected, series),
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

/// SPM-17, else OBR-7. OBX-14 is when it was measured at most laboratories; but where one test was done at several times, as
/// in a tolerance test, it is what tells the values apart.
fn collected(obx: &Seg<'_>, material: Option<String>, series: bool) -> Option<String> {
    match material {
        Some(material) if !series => {
            if obx.peek(14, 1, 1, 1).and_then(|sent| time::iso(&sent)).as_ref() == Some(&material) {
                obx.skip(14, 1, 1, 1);
            }
            Some(material)
        }
        other => obx.time(14).or(other),
    }
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

fn told_apart(order: &Group<'_>) -> HashMap<String, Apart> {
    let mut tests: HashMap<String, Apart> = HashMap::new();
    for observed in &order.observed {
        let apart = tests.entry(observed.obx.raw(3)).or_default();
        for (nth, field) in [4, 14].into_iter().enumerate() {
            let said = observed.obx.raw(field);
            if let (Some(first), Some(differ)) = (apart.first.get_mut(nth), apart.differ.get_mut(nth))
                && !said.is_empty()
            {
                *differ |= *first.get_or_insert_with(|| said.clone()) != said;
            }
        }
    }
    tests
}
