//! Texts: escape sequences as what they stand for.
//!
//! What must stay true: a sequence that is not understood stays in the text as sent; no text holds a NUL, which no database takes.

use er7::Separators;
use er7::escape::{Escape, escapes};

use crate::Charset;

/// As many blanks or lines as one formatting command may ask for.
const MOST_BLANKS: usize = 100;
/// As many as all commands of one text may ask for; the others stay as sent.
const MOST_OF_ALL: usize = 10_000;

/// The text that the ER7 text stands for, and whether a sequence was not understood.
pub(crate) fn decode(raw: &str, separators: &Separators, charset: Charset) -> (String, bool) {
    if !raw.contains(separators.escape) {
        return (raw.to_owned(), false);
    }
    let mut out = String::with_capacity(raw.len());
    let (mut unknown, mut left) = (false, MOST_OF_ALL);
    // Bytes of one character may stand in two sequences beside each other.
    let mut bytes: Vec<u8> = Vec::new();
    for token in escapes(raw, separators) {
        if let Escape::Hex(digits) = token
            && let Some(more) = hex(digits)
        {
            bytes.extend(more);
            continue;
        }
        flush(&mut out, &mut bytes, separators, charset);
        match token {
            Escape::Text(run) => out.push_str(run),
            Escape::Field => out.push(separators.field),
            Escape::Component => out.push(separators.component),
            Escape::Subcomponent => out.push(separators.subcomponent),
            Escape::Repetition => out.push(separators.repetition),
            Escape::EscapeCharacter => out.push(separators.escape),
            Escape::Highlight | Escape::Normal => {}
            Escape::Formatting(command) if format(&mut out, command, &mut left) => {}
            other => {
                unknown = true;
                other.write_er7(&mut out, separators);
            }
        }
    }
    flush(&mut out, &mut bytes, separators, charset);
    (out, unknown)
}

/// `\.br\` and its like (2.5.1, 2.7.6). False if the command is not known.
fn format(out: &mut String, command: &str, left: &mut usize) -> bool {
    let (name, count) = command.split_at_checked(2).unwrap_or((command, ""));
    let count = count.trim().trim_start_matches('+');
    let Ok(count) = (if count.is_empty() { Ok(1) } else { count.parse::<usize>() }) else { return false };
    let count = count.min(MOST_BLANKS);
    if matches!(name, "sp" | "in" | "ti" | "sk") {
        let Some(rest) = left.checked_sub(count) else { return false };
        *left = rest;
    }
    match name {
        "br" | "ce" => out.push('\n'),
        "sp" => out.extend(std::iter::repeat_n('\n', count)),
        "in" | "ti" | "sk" => out.extend(std::iter::repeat_n(' ', count)),
        "fi" | "nf" => {}
        _ => return false,
    }
    true
}

/// Whole pairs of digits; none if they are not, or if a control character comes of them that no text has.
fn hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = digits.as_bytes().chunks(2).map(|pair| {
        let byte = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())?;
        (byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r')).then_some(byte)
    });
    bytes.collect()
}

fn flush(out: &mut String, bytes: &mut Vec<u8>, separators: &Separators, charset: Charset) {
    if bytes.is_empty() {
        return;
    }
    if matches!(charset, Charset::Utf8 | Charset::Ascii) && std::str::from_utf8(bytes).is_err() {
        // Not of this character set: as sent.
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        Escape::Hex(&digits).write_er7(out, separators);
    } else {
        out.push_str(&charset.decode(bytes).replace("\r\n", "\n").replace('\r', "\n"));
    }
    bytes.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(raw: &str, charset: Charset) -> String {
        decode(raw, &Separators::default(), charset).0
    }

    #[test]
    fn sequences_are_what_they_stand_for() {
        for (raw, expected) in [
            (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
            (r"one\.br\two\.sp\three\.sp 2\four", "one\ntwo\nthree\n\nfour"),
            (r"\.in 2\a\.sk3\b\.ce\c\.fi\d\.nf\", "  a   b\ncd"),
            (r"\H\loud\N\", "loud"),
            (r"M\XC3BC\ller \XC3\\XBC\ \X41\", "Müller ü A"),
            (r"\X0D0A\", "\n"),
            ("plain", "plain"),
        ] {
            assert_eq!(plain(raw, Charset::Utf8), expected, "{raw}");
        }
        assert_eq!(plain(r"M\XFC\ller", Charset::Latin1), "Müller");
        assert_eq!(plain(r"\X80\", Charset::Windows1252), "€");
    }

    #[test]
    fn what_is_not_understood_stays_as_sent() {
        for raw in [
            r"\X00\",
            r"\X1\",
            r"\XZZ\",
            r"\X+1\",
            r"\XäB\",
            r"\Q\",
            r"\Zlocal\",
            r"\C2D41\",
            r"C:\x",
            r"\.xx\",
            r"\.sp x\",
        ] {
            assert_eq!(plain(raw, Charset::Utf8), raw);
        }
        assert_eq!(plain(r"\XFC\", Charset::Utf8), r"\XFC\");
        assert!(decode(r"\Q\", &Separators::default(), Charset::Utf8).1);
        assert!(!decode(r"\F\", &Separators::default(), Charset::Utf8).1);
        assert_eq!(plain(r"\.sp 4000000000\", Charset::Utf8).len(), MOST_BLANKS);
    }
}
