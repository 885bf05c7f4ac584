//! Through the whole tree, twice: replace, then look for what betrays a name in what was kept.
//!
//! What must stay true: the second walk comes after all names are known, because a name may stand in a text before it
//! stands in its own field.

use ldt::Version;
use ldt::tree::{Field, Node, Object, Tree};

use super::classes::{Class, class};
use super::pseudonyms::Pseudonyms;
use super::{document, text};

/// Stands for "no doctor number"; it identifies nobody (F011).
const NO_DOCTOR: &str = "999999900";

/// Replaces everything that is not harmless.
pub(super) fn replace(tree: &mut Tree, pseudonyms: &mut Pseudonyms) {
    let version = tree.version;
    for record in &mut tree.records {
        nodes(&mut record.nodes, version, pseudonyms);
    }
}

fn nodes(nodes_: &mut [Node], version: Version, pseudonyms: &mut Pseudonyms) {
    for node in nodes_ {
        match node {
            Node::Field(field) => one(field, version, pseudonyms),
            Node::Object(object) => {
                document::replace(object);
                nodes(&mut object.nodes, version, pseudonyms);
            }
        }
    }
}

fn one(field: &mut Field, version: Version, pseudonyms: &mut Pseudonyms) {
    // What `document` wrote; an original 6329 outside of an Obj_0068 does not survive it either.
    if field.id.0 == 6329 && field.line == 0 {
        return;
    }
    if field.text.trim().is_empty() {
        return;
    }
    let text = &field.text;
    field.text = match class(version, field.id.0) {
        Class::Keep => return,
        Class::Value if text::is_result(text) => return,
        Class::Doctor if text.trim() == NO_DOCTOR => return,
        Class::Value | Class::Text => text::mask(text),
        // 00000000 is no date (F003).
        Class::Date if text.trim().bytes().all(|byte| byte == b'0') => return,
        class => pseudonyms.of(class, text),
    };
}

/// Masks what was kept and repeats a name or number that was replaced elsewhere; and the names of objects, which are
/// free to be anything.
pub(super) fn sweep(tree: &mut Tree, pseudonyms: &Pseudonyms) {
    let version = tree.version;
    for record in &mut tree.records {
        sweep_nodes(&mut record.nodes, version, pseudonyms);
    }
}

fn sweep_nodes(nodes: &mut [Node], version: Version, pseudonyms: &Pseudonyms) {
    for node in nodes {
        match node {
            Node::Field(field) => {
                let kept = matches!(class(version, field.id.0), Class::Keep | Class::Value);
                if kept && pseudonyms.betrays(&field.text) {
                    field.text = text::mask(&field.text);
                }
            }
            Node::Object(object) => {
                if !is_name(object) || pseudonyms.betrays(&object.name) {
                    object.name = object.title();
                }
                sweep_nodes(&mut object.nodes, version, pseudonyms);
            }
        }
    }
}

/// `Timestamp_Erstellung`: words of letters, as the standard has them.
fn is_name(object: &Object) -> bool {
    object.name.chars().all(|c| c.is_alphabetic() || "_-/ ".contains(c))
}
