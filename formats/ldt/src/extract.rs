//! One recipient's reports as a package of their own.
//!
//! What must stay true: the bytes of the header and of the kept records are copied, not written anew. Only the trailer
//! is new, and its checksum is computed in the form in which the input's was verified.

use std::collections::HashSet;

use crate::line::{self, Line};
use crate::model::Recipient;
use crate::package::{Package, Part, Version};
use crate::warning::Warnings;

impl Package {
    /// The recipients of the reports, each once, in order. One may be empty: then a person has to decide.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        let mut seen = HashSet::new();
        self.reports.iter().map(|report| &report.recipient).filter(|r| seen.insert(*r)).cloned().collect()
    }

    /// A valid package with only this recipient's reports, made from the bytes this package was read from. Empty if
    /// there are none.
    ///
    /// Who reads the part judges its charset by the part alone. That matters only if 9106 is wrong (see
    /// [`Package::confidence`]): the reports of one recipient may have too few umlauts to tell.
    #[must_use]
    pub fn extract(&self, input: &[u8], recipient: &Recipient) -> Vec<u8> {
        let mut output = Vec::new();
        for part in &self.parts {
            let mut package = input.get(part.header.clone()).unwrap_or_default().to_vec();
            let mut any = false;
            for report in self.reports.get(part.reports.clone()).unwrap_or_default() {
                if report.recipient == *recipient {
                    any = true;
                    package.extend_from_slice(input.get(report.span.clone()).unwrap_or_default());
                }
            }
            if any {
                self.close(&mut package, part);
                output.append(&mut package);
            }
        }
        output
    }

    /// Appends the trailer 8221.
    fn close(&self, package: &mut Vec<u8>, part: &Part) {
        self.push(package, "8000", "8221");
        match self.version {
            Version::Ldt3 => {
                let lines = relined(package);
                let sum = part.form.digest(package, &lines).unwrap_or_default();
                self.push(package, "9300", &sum);
                self.push(package, "8001", "8221");
            }
            Version::Ldt2 => {
                // 8100: this line (14), the one before (13), the one after (17).
                self.push(package, "8100", &format!("{:05}", 44 - 3 * self.shortfall));
                let lengths = |line: &Line| match part.form {
                    _ if self.shortfall > 0 => line.declared(),
                    form => form.content_length(package.get(line.content()).unwrap_or_default()) + 9,
                };
                let sum: usize = relined(package).iter().map(lengths).sum::<usize>() + 17 - self.shortfall;
                self.push(package, "9202", &format!("{sum:08}"));
            }
        }
    }

    fn push(&self, package: &mut Vec<u8>, id: &str, content: &str) {
        let length = content.len() + 9 - self.shortfall;
        package.extend_from_slice(format!("{length:03}{id}{content}\r\n").as_bytes());
    }
}

/// The lines of bytes that were read before, so they can be read again.
fn relined(bytes: &[u8]) -> Vec<Line> {
    line::split(bytes, &mut Warnings::default()).unwrap_or_default()
}
