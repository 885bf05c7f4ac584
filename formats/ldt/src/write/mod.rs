//! The writer: a [`Tree`] as bytes, with lengths, 8100, 9202 and 9300 computed.
//!
//! What must stay true: what is written can be read again and says the same. What cannot be written so — a line break
//! in a text, a character the charset lacks — is an error, never something like it.

mod error;
mod sums;

pub use error::WriteError;

use crate::charset::Charset;
use crate::error::FieldId;
use crate::package::Version;
use crate::structure::MAX_DEPTH;
use crate::tree::{Node, Object, Record, Tree};
use sums::Package;

/// Bytes of content a line can have: its length prefix has three digits (KBV LDT 3 Satzbeschreibung 3.2.20, p. 24).
pub const MAX_CONTENT: usize = 990;

/// What else a line has: three digits of length, four of field id, CR LF.
pub(crate) const FRAME: usize = 9;

impl Tree {
    /// The file in [`Tree::charset`]. 9106 is not changed: what it says is the caller's.
    ///
    /// # Errors
    ///
    /// A [`WriteError`] that names the record and field that cannot be written.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        let mut output = Output { bytes: Vec::new(), charset: self.charset, record: 0 };
        let mut package = Package::default();
        for (index, record) in self.records.iter().enumerate() {
            output.record = index;
            if record.kind > 9999 {
                return Err(WriteError::RecordType { record: index });
            }
            match self.version {
                Version::Ldt2 => flat(&mut output, record, &mut package)?,
                Version::Ldt3 => nested(&mut output, record, &mut package)?,
            }
        }
        Ok(output.bytes)
    }
}

/// The bytes so far, and where in the tree the writer is.
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    charset: Charset,
    record: usize,
}

impl Output {
    /// A line. Its length counts itself, the id, the content and CR LF.
    pub(crate) fn line(&mut self, id: FieldId, text: &str) -> Result<(), WriteError> {
        let (record, field) = (self.record, id);
        if id.0 > 9999 {
            return Err(WriteError::FieldId { record });
        }
        if text.contains(['\r', '\n']) {
            return Err(WriteError::LineBreak { record, field });
        }
        let content = self.charset.encode(text).ok_or(WriteError::NotInCharset { record, field })?;
        if content.len() > MAX_CONTENT {
            return Err(WriteError::TooLong { record, field, length: content.len() });
        }
        self.bytes.extend_from_slice(format!("{:03}{id}", content.len() + FRAME).as_bytes());
        self.bytes.extend_from_slice(&content);
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn structural(&self, field: FieldId) -> WriteError {
        WriteError::Structural { record: self.record, field }
    }
}

/// LDT 2: 8000, 8100 (the length of the record), the fields; the trailer's 9202 is the length of the package.
fn flat(output: &mut Output, record: &Record, package: &mut Package) -> Result<(), WriteError> {
    package.begin(record.kind, output.bytes.len());
    let mut body = Output { bytes: Vec::new(), charset: output.charset, record: output.record };
    for node in &record.nodes {
        match node {
            Node::Field(field) if matches!(field.id.0, 8000..=8003 | 8100) => return Err(output.structural(field.id)),
            Node::Field(field) if field.id.0 == 9202 && sums::trailer(record.kind) => {
                return Err(output.structural(field.id));
            }
            Node::Field(field) => body.line(field.id, &field.text)?,
            Node::Object(object) => {
                return Err(WriteError::ObjectInFlatRecord { record: output.record, field: object.attribute });
            }
        }
    }
    let sums = sums::of_record(record.kind, body.bytes.len(), package);
    output.line(FieldId(8000), &format!("{:04}", record.kind))?;
    output.line(FieldId(8100), &sums.record)?;
    if let Some(total) = sums.package {
        output.line(FieldId(9202), &total)?;
    }
    output.bytes.append(&mut body.bytes);
    Ok(())
}

/// LDT 3: 8000, fields and objects, 8001; the trailer's 9300 is the SHA-1 of everything before its line.
fn nested(output: &mut Output, record: &Record, package: &mut Package) -> Result<(), WriteError> {
    package.begin(record.kind, output.bytes.len());
    let kind = format!("{:04}", record.kind);
    output.line(FieldId(8000), &kind)?;
    // A second sum would stand before the computed one.
    let is_sum = |node: &Node| matches!(node, Node::Field(field) if field.id.0 == 9300);
    if sums::trailer(record.kind) && record.nodes.iter().any(is_sum) {
        return Err(output.structural(FieldId(9300)));
    }
    inside(output, &record.nodes, 0)?;
    if let Some(sum) = package.digest(record.kind, &output.bytes) {
        output.line(FieldId(9300), &sum)?;
    }
    output.line(FieldId(8001), &kind)
}

fn inside(output: &mut Output, nodes: &[Node], depth: usize) -> Result<(), WriteError> {
    for node in nodes {
        match node {
            // The reader would take 8100 to 8299 for the beginning of an object.
            Node::Field(field) if matches!(field.id.0, 8000..=8003 | 8100..=8299) => {
                return Err(output.structural(field.id));
            }
            Node::Field(field) => output.line(field.id, &field.text)?,
            Node::Object(object) => object_lines(output, object, depth)?,
        }
    }
    Ok(())
}

fn object_lines(output: &mut Output, object: &Object, depth: usize) -> Result<(), WriteError> {
    let (record, field) = (output.record, object.attribute);
    if !(8100..=8299).contains(&object.attribute.0) || object.number > 9999 {
        return Err(WriteError::NoAttribute { record, field });
    }
    if depth >= MAX_DEPTH {
        return Err(WriteError::TooDeep { record, field, limit: MAX_DEPTH });
    }
    let title = object.title();
    output.line(object.attribute, &object.name)?;
    output.line(FieldId(8002), &title)?;
    inside(output, &object.nodes, depth + 1)?;
    output.line(FieldId(8003), &title)
}
