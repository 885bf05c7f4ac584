//! Codes: which test, and the text of a coded value.
//!
//! What must stay true: a LOINC code is one only where the sender says so and its form bears it out; the laboratory's own code
//! comes first, because that is what its other messages and LDT files name the test by.

use crate::segment::Seg;

/// Which test.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) code: String,
    pub(crate) name: Option<String>,
    pub(crate) loinc: Option<String>,
}

/// OBX-3 or its like: identifier, text and system, and the same once more as the alternate. None if it is empty.
pub(crate) fn test(seg: &Seg<'_>, field: usize) -> Option<Test> {
    let triplet = |first: usize| {
        let [code, text, system] = [0, 1, 2].map(|more| seg.component(field, 1, first + more));
        (code, text, system.unwrap_or_default().to_ascii_uppercase())
    };
    let (mut loinc, mut long_name, mut local) = (None, None, None);
    for (code, text, system) in [triplet(1), triplet(4)] {
        match code {
            Some(code) if matches!(system.as_str(), "LN" | "LOINC") && is_loinc(&code) && loinc.is_none() => {
                loinc = Some(code);
                long_name = text;
            }
            code if local.is_none() && (code.is_some() || text.is_some()) => local = Some((code, text)),
            // A second code of the laboratory has no place.
            _ => [4, 5].into_iter().for_each(|component| seg.forget(field, 1, component)),
        }
    }
    let (code, name) = match local {
        Some((Some(code), text)) => (code, text.or(long_name)),
        Some((None, Some(text))) => (loinc.clone().unwrap_or_else(|| text.clone()), Some(text)),
        _ => (loinc.clone()?, long_name),
    };
    Some(Test { code, name, loinc })
}

/// Digits, a dash and a check digit.
fn is_loinc(code: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    code.split_once('-')
        .is_some_and(|(number, check)| number.len() <= 7 && check.len() == 1 && digits(number) && digits(check))
}

/// The text of a coded value: its own, else the one that was typed, else the alternate's, else the code.
pub(crate) fn text(seg: &Seg<'_>, field: usize, repetition: usize) -> Option<String> {
    [2, 9, 5, 1]
        .into_iter()
        .find(|part| seg.peek(field, repetition, *part, 1).is_some())
        .and_then(|part| seg.component(field, repetition, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Charset;
    use crate::segment::Context;

    fn of(obx3: &str) -> (Option<Test>, Vec<String>) {
        let message = er7::parse(&format!("MSH|^~\\&|\rOBX|1||{obx3}")).unwrap();
        let context = Context::new(message.separators, Charset::Utf8);
        let seg = Seg::new(&message.segments[1], 2, &context);
        (test(&seg, 3), seg.rest("").into_iter().map(|field| field.text).collect())
    }

    #[test]
    fn the_laboratorys_own_code_comes_first_and_loinc_is_loinc_where_it_is_said() {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (sent, code, name, loinc) in [
            ("2823-3^Potassium^LN^K^Kalium^L", "K", "Kalium", "2823-3"),
            ("K^Kalium^L^2823-3^Potassium^LN", "K", "Kalium", "2823-3"),
            ("K^^L^2823-3^Potassium^LN", "K", "Potassium", "2823-3"),
            ("2823-3^Potassium^LN", "2823-3", "Potassium", "2823-3"),
            ("2823-3^Potassium", "2823-3", "Potassium", ""),
            ("K", "K", "", ""),
            ("^Kalium", "Kalium", "Kalium", ""),
            ("KALIUM^Kalium^LN", "KALIUM", "Kalium", ""),
        ] {
            let test = of(sent).0.unwrap();
            assert_eq!((test.code.as_str(), test.name, test.loinc), (code, some(name), some(loinc)), "{sent}");
        }
        assert_eq!(of("").0, None);
        assert_eq!(of("^^L").0, None);
        assert_eq!(of("K^Kalium^L^KAL^Potassium^99X^^^typed").1, ["KAL Potassium typed"]);
    }
}
