//! Lengths and checksums of what is written.
//!
//! What must stay true: a package begins at its header and ends at its trailer; media records (0020, 0021) and the
//! package before are never counted.

use sha1::{Digest, Sha1};

use super::FRAME;

/// The package that is being written.
#[derive(Default)]
pub(super) struct Package {
    start: usize,
    length: usize,
}

fn header(kind: u16) -> bool {
    matches!(kind, 8220 | 8230)
}

/// Whether a record ends a package.
pub(super) fn trailer(kind: u16) -> bool {
    matches!(kind, 8221 | 8231)
}

impl Package {
    pub(super) fn begin(&mut self, kind: u16, at: usize) {
        if header(kind) {
            *self = Self { start: at, length: 0 };
        }
    }

    /// 9300: the SHA-1 of all bytes of the package before its line (KBV LDT 3 Satzbeschreibung 3.2.20, p. 73, 98, E157).
    pub(super) fn digest(&self, kind: u16, bytes: &[u8]) -> Option<String> {
        trailer(kind).then(|| hex::encode(Sha1::digest(bytes.get(self.start..).unwrap_or_default())))
    }
}

/// What 8100 and, in the trailer, 9202 say.
pub(super) struct Sums {
    pub(super) record: String,
    pub(super) package: Option<String>,
}

/// Sums of a record with so many bytes of fields after 8000, 8100 and 9202. 9202 is the sum of all 8100, the trailer's
/// own included; the specification leaves that open, and every reader that checks it has to accept both.
pub(super) fn of_record(kind: u16, body: usize, package: &mut Package) -> Sums {
    let begin = FRAME + 4;
    let digits = |number: usize| format!("{number:08}").len();
    let total = if trailer(kind) { FRAME + digits(package.length) } else { 0 };
    let record = including(begin + total + body, 5);
    if !matches!(kind, 20 | 21) {
        package.length += begin + FRAME + record.len() + total + body;
    }
    Sums { record, package: trailer(kind).then(|| format!("{:08}", package.length)) }
}

/// A number that counts its own line, with at least so many digits (8100: KBV LDT 2, LDT1014.01, section 2.3.3).
pub(super) fn including(length: usize, digits: usize) -> String {
    let text = format!("{:0digits$}", length + FRAME + digits);
    if text.len() > digits { including(length, text.len()) } else { text }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_length_counts_itself() {
        assert_eq!(super::including(30, 5), "00044");
        assert_eq!(super::including(99_985, 5), "99999");
        assert_eq!(super::including(99_986, 5), "100001");
    }
}
