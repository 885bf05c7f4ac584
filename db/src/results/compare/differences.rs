//! Field by field, what differs between a record as it is stored and as it reads now.
//! Must stay true: values and attachments are paired by what they are, so that one more of them does not make all others differ.
use std::collections::BTreeSet;

use serde_json::Value;

use super::pairs::{Alike, pair};
use super::{Difference, Facts, Fields};

pub(super) fn differences(stored: &Facts, now: &Facts) -> Vec<Difference> {
    let mut found = of_fields("", &stored.report, &now.report);
    found.extend(of_lists("value", &stored.values, &now.values, &VALUES));
    found.extend(of_lists("document", &stored.documents, &now.documents, &DOCUMENTS));
    let (said, says) = (texts(stored), texts(now));
    if let Some(gone) = said.iter().find(|text| !says.contains(*text)) {
        found.push(Difference { field: "text.gone".to_owned(), stored: Value::from(gone.as_str()), now: Value::Null });
    }
    if found.is_empty() && stored != now {
        found.push(Difference { field: "report.sequence".to_owned(), stored: Value::Null, now: Value::Null });
    }
    found
}

/// Free text, which may be the result itself, wherever it stands: of the report, of a value, of a field without a place.
fn texts(facts: &Facts) -> BTreeSet<String> {
    fn strings(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => _ = into.insert(text.clone()),
            Value::Array(many) => many.iter().for_each(|one| strings(one, into)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    let noted = facts.values.iter().filter_map(|value| value.get("notes"));
    let of_report = ["report.notes", "report.unmapped"].into_iter().filter_map(|field| facts.report.get(field));
    noted.chain(of_report).for_each(|value| strings(value, &mut found));
    found
}

/// Whether something that can be seen today would be seen no more.
pub(super) fn vanishes(differences: &[Difference]) -> bool {
    differences.iter().any(|difference| difference.field.ends_with(".gone"))
}

/// By which fields a value is the same one: all of them, what tells it apart, its test, and what was measured where the test reads otherwise.
const VALUES: [&[&str]; 4] =
    [&[], &["test_code", "specimen", "collected_at", "unit"], &["test_code"], &["value_text", "unit", "collected_at"]];
/// The same of an attachment.
const DOCUMENTS: [&[&str]; 2] = [&[], &["sha256"]];

fn of_lists(name: &str, stored: &[Fields], now: &[Fields], by: &[&[&str]]) -> Vec<Difference> {
    let keys: Vec<_> = by.iter().map(|fields| move |thing: &Fields| key(thing, fields)).collect();
    let keys: Vec<Alike<'_, Fields, Fields>> =
        keys.iter().map(|key| (key as &dyn Fn(&Fields) -> String, key as &dyn Fn(&Fields) -> String)).collect();
    let whole = |thing: &Fields| Value::Object(thing.clone().into_iter().collect());
    let mut found = Vec::new();
    for (before, after) in pair(stored, now, &keys) {
        match (before.and_then(|at| stored.get(at)), after.and_then(|at| now.get(at))) {
            (Some(before), Some(after)) => {
                found.extend(of_fields(&format!("{name}."), before, after));
                if loses_its_value(before, after) {
                    found.push(Difference { field: format!("{name}.gone"), stored: whole(before), now: Value::Null });
                }
            }
            (Some(before), None) => {
                found.push(Difference { field: format!("{name}.gone"), stored: whole(before), now: Value::Null });
            }
            (None, Some(after)) => {
                found.push(Difference { field: format!("{name}.added"), stored: Value::Null, now: whole(after) });
            }
            (None, None) => {}
        }
    }
    found
}

/// Whether there is no value any more, although the laboratory does not say that it takes it back (HL7 OBX-11 = D or W).
fn loses_its_value(before: &Fields, after: &Fields) -> bool {
    let text = |fields: &Fields, name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let taken_back = matches!(text(after, "status_code").as_deref(), Some("D" | "W"));
    text(before, "value_text").is_some() && text(after, "value_text").is_none() && !taken_back
}

/// These fields of it, or all of them.
fn key(thing: &Fields, fields: &[&str]) -> String {
    let some = |field: &&str| thing.get(*field).map(ToString::to_string).unwrap_or_default();
    match fields {
        [] => thing.values().map(ToString::to_string).collect::<Vec<_>>().join("\u{0}"),
        fields => fields.iter().map(some).collect::<Vec<_>>().join("\u{0}"),
    }
}

fn of_fields(prefix: &str, stored: &Fields, now: &Fields) -> Vec<Difference> {
    let names: BTreeSet<&String> = stored.keys().chain(now.keys()).collect();
    let of = |fields: &Fields, name: &String| fields.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(|name| Difference { field: format!("{prefix}{name}"), stored: of(stored, name), now: of(now, name) })
        .filter(|difference| difference.stored != difference.now)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(values: &[(&str, &str)]) -> Facts {
        let value = |(test, value): &(&str, &str)| {
            [("test_code", json!(test)), ("value_text", json!(value)), ("unit", json!("mmol/L"))]
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        };
        Facts { report: Fields::new(), values: values.iter().map(value).collect(), documents: Vec::new() }
    }

    fn fields(stored: &Facts, now: &Facts) -> Vec<String> {
        differences(stored, now).into_iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn one_value_more_before_the_others_is_one_difference() {
        let (two, three) =
            (record(&[("K", "4.4"), ("NA", "140")]), record(&[("CL", "99"), ("K", "4.4"), ("NA", "140")]));
        assert_eq!(fields(&two, &three), ["value.added"]);
        assert_eq!(fields(&three, &two), ["value.gone"]);
        assert!(vanishes(&differences(&three, &two)));
    }

    #[test]
    fn a_value_or_its_code_that_reads_otherwise_is_no_other_value() {
        assert_eq!(fields(&record(&[("K", "4.4")]), &record(&[("K", "44")])), ["value.value_text"]);
        assert_eq!(fields(&record(&[("K", "4.4")]), &record(&[("KA", "4.4")])), ["value.test_code"]);
        assert_eq!(fields(&record(&[("K", "4.4")]), &record(&[("NA", "140")])), ["value.added", "value.gone"]);
    }

    #[test]
    fn a_value_is_gone_unless_the_laboratory_takes_it_back() {
        let stored = record(&[("K", "4.4")]);
        let mut now = record(&[("K", "")]);
        now.values[0].insert("value_text".to_owned(), Value::Null);
        assert!(vanishes(&differences(&stored, &now)));
        now.values[0].insert("status_code".to_owned(), json!("W"));
        assert!(!vanishes(&differences(&stored, &now)));
    }

    #[test]
    fn the_same_values_in_another_sequence_are_told_as_such() {
        let (one, other) = (record(&[("K", "4.4"), ("NA", "140")]), record(&[("NA", "140"), ("K", "4.4")]));
        assert_eq!(fields(&one, &other), ["report.sequence"]);
        assert!(fields(&one, &one).is_empty());
    }
}
