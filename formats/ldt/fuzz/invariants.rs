//! What must be true of any bytes whatever. Used by the fuzz target and by the mutation test of the ordinary suite.

use ldt::tree::{Node, Tree};
use ldt::{Package, WriteError};

/// Panics if a promise of the crate is broken.
pub(crate) fn hold(bytes: &[u8]) {
    let looks = ldt::looks_like_ldt(bytes);
    let tree = Tree::read(bytes);
    match (ldt::read(bytes), &tree) {
        (Ok(package), Ok(_)) => {
            assert!(looks, "what can be read looks like LDT");
            accepted(bytes, &package);
        }
        // The tree does not look at the content; it never refuses more than the reader.
        (Err(_), _) => {}
        (Ok(_), Err(error)) => panic!("read, but no tree: {}", error.code()),
    }
    if let Ok(tree) = tree {
        written(&tree);
    }
}

/// Every part of a message is a message again and says the same; every place is in the file.
fn accepted(bytes: &[u8], package: &Package) {
    let lines = 1 + bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    let mut reports = 0;
    for recipient in package.recipients() {
        let part = package.extract(bytes, &recipient);
        let again = ldt::read(&part).unwrap_or_else(|error| panic!("an extract is refused: {}", error.code()));
        // A part has less to guess its charset from, if the file lies about it.
        if again.charset == package.charset {
            assert_eq!(again.recipients(), [recipient]);
        }
        reports += again.reports.len();
    }
    assert_eq!(reports, package.reports.len(), "each report has one recipient");
    for report in &package.reports {
        assert!(report.span.end <= bytes.len() && !report.span.is_empty());
        assert!((1..=lines).contains(&report.place.line()));
        for signal in report.signals() {
            assert!(report.place.lines().contains(&signal.place.line()));
        }
        for result in &report.results {
            assert!(report.place.lines().contains(&result.place.line()));
            for value in &result.values {
                assert!(value.from_text || result.place.lines().contains(&value.place.line()));
            }
        }
    }
    for warning in &package.warnings {
        assert!(warning.count > 0 && warning.at.line <= lines && !warning.to_string().is_empty());
    }
}

/// What is written is read back.
fn written(tree: &Tree) {
    let bytes = match tree.write() {
        Ok(bytes) => bytes,
        // A damaged file may have lines that no writer makes: too long, or with a field of the structure out of place.
        Err(WriteError::TooLong { .. } | WriteError::Structural { .. } | WriteError::NotInCharset { .. }) => return,
        Err(error) => panic!("a tree that was read cannot be written: {}", error.code()),
    };
    let again = Tree::read(&bytes).unwrap_or_else(|error| panic!("what was written is refused: {}", error.code()));
    // Another charset may be guessed once the lengths are right; the shape stays.
    assert_eq!(again.records.len(), tree.records.len());
    for (new, old) in again.records.iter().zip(&tree.records) {
        assert_eq!((new.kind, count(&new.nodes)), (old.kind, count(&old.nodes)));
    }
    if again.charset == tree.charset {
        assert_eq!(again.write().ok().as_deref(), Some(&bytes[..]));
    }
}

fn count(nodes: &[Node]) -> usize {
    let one = |node: &Node| if let Node::Object(object) = node { 1 + count(&object.nodes) } else { 1 };
    nodes.iter().map(one).sum()
}
