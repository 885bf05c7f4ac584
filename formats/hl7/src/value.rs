//! Values (OBX-5), by their type (OBX-2).
//!
//! What must stay true: the text is what was sent; a number is derived only of types that hold one, and no part is left out.

use crate::model::Value;
use crate::number::{comparator, decimal, number};
use crate::segment::Seg;
use crate::{WarningKind, coded, time};

/// The values of an OBX, one for each repetition; of texts one, because there `~` only parts lines.
pub(crate) fn values(obx: &Seg<'_>, kind: &str) -> Vec<Value> {
    let repetitions = 1..=obx.repetitions(5);
    match kind {
        "TX" | "FT" => lines(obx).map(text_only).into_iter().collect(),
        "ST" | "" if obx.repetitions(5) > 1 => lines(obx).map(text_only).into_iter().collect(),
        "ST" | "" => obx.whole(5, 1).map(|text| plain(&text)).into_iter().collect(),
        "NM" => repetitions.filter_map(|r| numeric(obx, r)).collect(),
        "SN" => repetitions.filter_map(|r| structured(obx, r)).collect(),
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => {
            repetitions.filter_map(|r| coded::text(obx, 5, r)).map(text_only).collect()
        }
        "DT" | "TS" | "DTM" => repetitions.filter_map(|r| moment(obx, r, time::iso)).collect(),
        "TM" => repetitions.filter_map(|r| moment(obx, r, time::iso_clock)).collect(),
        _ => {
            obx.warn(WarningKind::UnknownType, 2);
            repetitions.filter_map(|r| obx.whole(5, r)).map(text_only).collect()
        }
    }
}

fn lines(obx: &Seg<'_>) -> Option<String> {
    let lines: Vec<_> = (1..=obx.repetitions(5)).map(|r| obx.whole(5, r).unwrap_or_default()).collect();
    Some(lines.join("\n").trim_end().to_owned()).filter(|text| !text.is_empty())
}

fn text_only(text: String) -> Value {
    Value { text, ..Value::default() }
}

/// Many senders send numbers as text.
fn plain(text: &str) -> Value {
    let text = text.trim().to_owned();
    let (comparator, number) = number(&text);
    // A sign without a number compares nothing.
    Value { text, comparator: comparator.filter(|_| number.is_some()), number }
}

fn numeric(obx: &Seg<'_>, repetition: usize) -> Option<Value> {
    let value = plain(&obx.whole(5, repetition)?);
    if value.number.is_none() {
        obx.warn(WarningKind::NotANumber, 5);
    }
    Some(value)
}

/// SN: comparator, number, separator or suffix, number: `<^0.6`, `^1^:^320`, `^10^-^20`, `^2^+`.
fn structured(obx: &Seg<'_>, repetition: usize) -> Option<Value> {
    let parts = [1, 2, 3, 4].map(|part| obx.component(5, repetition, part).unwrap_or_default());
    let text = parts.concat();
    if text.is_empty() {
        return None;
    }
    let [sign, first, separator, second] = &parts;
    let alone = separator.is_empty() && second.is_empty();
    let (sign, number) = match (comparator(sign), sign.as_str()) {
        (Some(comparator), _) if alone => (Some(comparator), decimal(first)),
        (None, "" | "=") if alone => (None, decimal(first)),
        _ => (None, None),
    };
    if number.is_none() && alone {
        obx.warn(WarningKind::NotANumber, 5);
    }
    Some(Value { text, comparator: sign.filter(|_| number.is_some()), number })
}

fn moment(obx: &Seg<'_>, repetition: usize, iso: fn(&str) -> Option<String>) -> Option<Value> {
    let sent = obx.whole(5, repetition)?;
    let known = iso(sent.trim());
    if known.is_none() {
        obx.warn(WarningKind::InvalidTime, 5);
    }
    Some(text_only(known.unwrap_or(sent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Context;
    use crate::{Charset, Comparator};

    fn of(kind: &str, obx5: &str) -> (Vec<(String, String)>, Vec<String>) {
        let message = er7::parse(&format!("MSH|^~\\&|\rOBX|1|{kind}|K||{obx5}|u")).unwrap();
        let context = Context::new(message.separators, Charset::Utf8);
        let seg = Seg::new(&message.segments[1], 2, &context);
        let shown = |value: Value| {
            let sign = value.comparator.map(|c: Comparator| c.to_string()).unwrap_or_default();
            (value.text, format!("{sign}{}", value.number.unwrap_or_default()))
        };
        let values = values(&seg, kind).into_iter().map(shown).collect();
        let rest = seg.rest("").into_iter().filter(|field| field.name == "OBX-5").map(|field| field.text).collect();
        (values, rest)
    }

    #[test]
    fn every_type_gives_its_text_and_numbers_where_there_is_one() {
        for (kind, sent, text, number) in [
            ("NM", "7.1", "7.1", "7.1"),
            ("NM", "5,3", "5,3", "5.3"),
            ("NM", "<0.6", "<0.6", "<0.6"),
            ("NM", "folgt", "folgt", ""),
            ("ST", "<0.6", "<0.6", "<0.6"),
            ("ST", "negativ", "negativ", ""),
            ("ST", "<nachweisbar", "<nachweisbar", ""),
            ("ST", "Meier & Sohn ^ 1", "Meier & Sohn ^ 1", ""),
            ("", "12", "12", "12"),
            ("SN", "<^0.6", "<0.6", "<0.6"),
            ("SN", ">=^60", ">=60", ">=60"),
            ("SN", "^5.2", "5.2", "5.2"),
            ("SN", "=^5.2", "=5.2", "5.2"),
            ("SN", "^1^:^320", "1:320", ""),
            ("SN", "^10^-^20", "10-20", ""),
            ("SN", "^2^+", "2+", ""),
            ("SN", "<>^5", "<>5", ""),
            ("TX", "eins~zwei", "eins\nzwei", ""),
            ("TX", "12", "12", ""),
            ("FT", "eins\\.br\\zwei", "eins\nzwei", ""),
            ("CE", "112283007^Escherichia coli^SCT", "Escherichia coli", ""),
            ("CWE", "POS^^L", "POS", ""),
            ("CWE", "X^^L^^^^^^getippt", "getippt", ""),
            ("DT", "20261008", "2026-10-08", ""),
            ("TM", "0815", "08:15", ""),
            ("TS", "202610080815+0200", "2026-10-08T08:15+02:00", ""),
            ("DT", "gestern", "gestern", ""),
            ("XX", "a^b", "a^b", ""),
        ] {
            assert_eq!(of(kind, sent).0, [(text.to_owned(), number.to_owned())], "{kind} {sent}");
        }
        for (kind, sent) in [("NM", ""), ("NM", "\"\""), ("SN", "^"), ("TX", " "), ("CE", "^^L"), ("ST", "")] {
            assert!(of(kind, sent).0.is_empty(), "{kind} {sent}");
        }
    }

    #[test]
    fn repetitions_are_values_but_lines_of_a_text_are_not() {
        let texts = |kind: &str, sent: &str| of(kind, sent).0.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(texts("NM", "1~2~3"), ["1", "2", "3"]);
        assert_eq!(texts("CE", "A^eins~B^zwei"), ["eins", "zwei"]);
        assert_eq!(texts("ST", "eins~zwei"), ["eins\nzwei"]);
        assert_eq!(texts("TX", "eins~~drei"), ["eins\n\ndrei"]);
    }

    #[test]
    fn what_a_value_does_not_show_is_left() {
        assert_eq!(of("CE", "112283007^Escherichia coli^SCT").1, ["112283007 SCT"]);
        assert_eq!(of("NM", "7.1").1, Vec::<String>::new());
    }
}
