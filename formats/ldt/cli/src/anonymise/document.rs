//! Attachments: another document stands instead.
//!
//! What must stay true: nothing of the original document is kept, not even its length.

use ldt::tree::{Node, Object};

/// A page that says what it is, as Base64 of `%PDF-1.4 …`, in lines of 60.
const PDF: &str = concat!(
    "JVBERi0xLjQKJW5vIG9yaWdpbmFsCjEgMCBvYmo8PC9UeXBlL0NhdGFsb2cvUGFnZXMgMiAwIFI+PmVu",
    "ZG9iagoyIDAgb2JqPDwvVHlwZS9QYWdlcy9LaWRzWzMgMCBSXS9Db3VudCAxPj5lbmRvYmoKMyAwIG9i",
    "ajw8L1R5cGUvUGFnZS9QYXJlbnQgMiAwIFIvTWVkaWFCb3hbMCAwIDIwMCAyMDBdPj5lbmRvYmoKdHJh",
    "aWxlcjw8L1Jvb3QgMSAwIFI+PgolJUVPRiAgCg=="
);

/// Replaces the Base64 lines (6329) of an Obj_0068; true if there were any.
pub(super) fn replace(object: &mut Object) -> bool {
    let is_base64 = |node: &Node| matches!(node, Node::Field(field) if field.id.0 == 6329);
    let Some(at) = object.nodes.iter().position(is_base64) else { return false };
    object.nodes.retain(|node| !is_base64(node));
    let lines = PDF.as_bytes().chunks(60).map(|chunk| Node::field(6329, &String::from_utf8_lossy(chunk)));
    object.nodes.splice(at..at, lines);
    true
}
