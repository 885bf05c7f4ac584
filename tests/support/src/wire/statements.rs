//! What a connection has prepared and bound, so that an Execute has a text.
//!
//! What must stay true: a message that can't be read is no reason to stop it; it has no text, that is all.

use std::collections::HashMap;

/// Texts of prepared statements and of portals, by name.
#[derive(Debug, Default)]
pub(super) struct Statements {
    prepared: HashMap<Vec<u8>, String>,
    portals: HashMap<Vec<u8>, String>,
}

impl Statements {
    /// Whether the beginning of a message of this kind has to be known.
    pub(super) fn concerns(kind: u8) -> bool {
        matches!(kind, b'Q' | b'P' | b'B' | b'E')
    }

    /// Takes note of a message from its beginning; the text when it is a boundary.
    pub(super) fn note(&mut self, kind: u8, body: &[u8]) -> Option<String> {
        let (first, rest) = cut_string(body);
        match kind {
            b'Q' => return Some(text(first)),
            b'P' => {
                self.prepared.insert(first.to_vec(), text(cut_string(rest).0));
            }
            b'B' => {
                let bound = self.prepared.get(cut_string(rest).0).cloned().unwrap_or_default();
                self.portals.insert(first.to_vec(), bound);
            }
            b'E' => return Some(self.portals.get(first).cloned().unwrap_or_default()),
            _ => {}
        }
        None
    }
}

/// A string that ends with a zero, and what comes after it.
fn cut_string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execute_has_the_text_that_its_portal_was_bound_to() {
        let mut statements = Statements::default();
        for (kind, body) in [
            (b'P', b"s1\0SELECT 1\0\0\0".as_slice()),
            (b'P', b"\0SELECT 2\0\0\0"),
            (b'B', b"p\0s1\0"),
            (b'B', b"\0\0"),
            (b'P', b"s1\0SELECT 3\0\0\0"),
        ] {
            assert_eq!(statements.note(kind, body), None);
        }
        assert_eq!(statements.note(b'E', b"p\0\0\0\0\0").unwrap(), "SELECT 1");
        assert_eq!(statements.note(b'E', b"\0\0\0\0\0").unwrap(), "SELECT 2");
        assert_eq!(statements.note(b'E', b"unknown\0\0\0\0\0").unwrap(), "");
        assert_eq!(statements.note(b'Q', b"COMMIT").unwrap(), "COMMIT", "a long text is known by its beginning");
    }
}
