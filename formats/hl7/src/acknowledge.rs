//! The acknowledgement (ACK) of a message.
//!
//! What must stay true: it is made of MSH alone, byte for byte as sent, so it has the message's delimiters and character set, and
//! nothing of a patient. It says what was asked: durable (AA), refused (AR), or to be sent again (AE).

use er7::Separators;
use er7::escape::escape;

use crate::reader::{separators, unframed};

/// As much of MSH as is taken for a header: more is none.
const LONGEST: usize = 4096;

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// Whether sending it again may help (AE); else the sender itself must be mended (AR).
    pub again: bool,
    /// A short name that stays the same.
    pub code: &'a str,
    /// What happened and what to do, without content of the message.
    pub text: &'a str,
}

/// What an answer needs of a message's MSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement<'m> {
    separators: Separators,
    /// As sent; `fields[n - 1]` is MSH-n.
    fields: Vec<&'m [u8]>,
}

impl<'m> Acknowledgement<'m> {
    /// None if there is no MSH whose delimiters can be told, or no number (MSH-10) to answer to.
    #[must_use]
    pub fn of(bytes: &'m [u8]) -> Option<Self> {
        let bytes = unframed(bytes).0;
        let line = bytes.strip_prefix(b"MSH").and(bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next())?;
        let separators = separators(line).filter(|_| line.len() <= LONGEST)?;
        let mut fields: Vec<&[u8]> = line.split(|byte| char::from(*byte) == separators.field).collect();
        // MSH-1 is the first delimiter itself.
        *fields.first_mut()? = line.get(3..4)?;
        let numbered = fields.get(9).is_some_and(|number| !number.trim_ascii().is_empty());
        numbered.then_some(Self { separators, fields })
    }

    /// The acknowledgement's bytes: AA without a refusal. `now` is `YYYYMMDDHHMMSS+ZZZZ`, `control_id` at most 20 signs.
    #[must_use]
    pub fn answer(&self, now: &str, control_id: &str, refusal: Option<Refusal<'_>>) -> Vec<u8> {
        let separator = u8::try_from(self.separators.field).unwrap_or(b'|');
        let msh: [&[u8]; 18] = [
            b"MSH",
            self.field(2),
            self.field(5),
            self.field(6),
            self.field(3),
            self.field(4),
            now.as_bytes(),
            b"",
            &self.kind(),
            control_id.as_bytes(),
            self.field(11),
            self.field(12),
            b"",
            b"",
            b"",
            b"",
            b"",
            self.field(18),
        ];
        let code: &[u8] = match refusal {
            None => b"AA",
            Some(Refusal { again: true, .. }) => b"AE",
            Some(Refusal { again: false, .. }) => b"AR",
        };
        let mut out = segment(&msh, separator);
        out.extend(segment(&[b"MSA", code, self.field(10)], separator));
        if let Some(refusal) = refusal {
            let component = self.separators.component;
            let internal = format!("207{component}Application error{component}HL70357");
            let (own, text) = (self.escaped(refusal.code), self.escaped(refusal.text));
            let err: [&[u8]; 9] =
                [b"ERR", b"", b"", internal.as_bytes(), b"E", own.as_bytes(), b"", b"", text.as_bytes()];
            out.extend(segment(&err, separator));
        }
        out
    }

    fn field(&self, number: usize) -> &'m [u8] {
        self.fields.get(number - 1).copied().unwrap_or_default()
    }

    /// ACK, the trigger of the message, and the structure if the message names its own (from 2.3.1 on).
    fn kind(&self) -> Vec<u8> {
        let component = u8::try_from(self.separators.component).unwrap_or(b'^');
        let parts: Vec<&[u8]> = self.field(9).split(|byte| *byte == component).collect();
        let mut kind = vec![&b"ACK"[..]];
        kind.extend(parts.get(1).copied());
        kind.extend(parts.get(2).map(|_| &b"ACK"[..]));
        kind.join(&component)
    }

    /// Seven bits, which every character set has.
    fn escaped(&self, text: &str) -> String {
        let plain: String = text.chars().map(|sign| if sign.is_ascii() { sign } else { '?' }).collect();
        escape(&plain, &self.separators).into_owned()
    }
}

/// Empty fields at the end are left out.
fn segment(fields: &[&[u8]], separator: u8) -> Vec<u8> {
    let used = fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
    let mut out = fields.get(..used).unwrap_or_default().join(&separator);
    out.push(b'\r');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "20261008101501+0000";

    #[test]
    fn sender_and_receiver_change_places() {
        let message = b"\x0bMSH|^~\\&|LIS|LAB\xdcR^1^BSNR|PVS|PRAXIS|20261008||ORU^R01^ORU_R01|M-1|P|2.5.1||||||8859/1\rPID|1||||M\xfcller\r\x1c\r";
        let answer = Acknowledgement::of(message).unwrap().answer(NOW, "17", None);
        let expected = b"MSH|^~\\&|PVS|PRAXIS|LIS|LAB\xdcR^1^BSNR|20261008101501+0000||ACK^R01^ACK|17|P|2.5.1||||||8859/1\rMSA|AA|M-1\r";
        assert_eq!(answer, expected);
    }

    #[test]
    fn a_refusal_says_why_in_the_messages_delimiters() {
        let message = b"MSH#*!?%#A#B#C#D#2026##ORU*R01#7#P#2.3\n";
        let refusal = Refusal { again: false, code: "sender-refused", text: "the signature does not fit # * \u{e4}" };
        let answer = Acknowledgement::of(message).unwrap().answer(NOW, "17", Some(refusal));
        let expected = "MSH#*!?%#C#D#A#B#20261008101501+0000##ACK*R01#17#P#2.3\rMSA#AR#7\rERR###207*Application error*HL70357#E#sender-refused###the signature does not fit ?F? ?S? ?E?\r";
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
        let again = Refusal { again: true, ..refusal };
        let answer = Acknowledgement::of(message).unwrap().answer(NOW, "17", Some(again));
        assert!(String::from_utf8(answer).unwrap().contains("MSA#AE#7"));
    }

    #[test]
    fn what_has_no_readable_header_has_no_acknowledgement() {
        let long = format!("MSH|^~\\&|{}||||||ORU^R01|1\r", "x".repeat(LONGEST));
        for message in [
            &b""[..],
            b"PID|1",
            b"MSH",
            b"MSH|^~\\&",
            b"MSH|^^\\&|A|B|C|D|2026||ORU|1\r",
            b"MSH|^~\\&|A|B|C|D|2026||ORU^R01\r",
            b"MSH|^~\\&|A|B|C|D|2026||ORU^R01||P\r",
            b"01380008220",
            long.as_bytes(),
        ] {
            assert_eq!(Acknowledgement::of(message), None);
        }
    }
}
