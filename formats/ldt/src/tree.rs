//! A file as it is built: packages of records, records of fields and objects. What the writer writes.
//!
//! What must stay true: fields that only describe the file's shape (8000 to 8003, 8100 and 9202 of LDT 2, 9300 of LDT 3)
//! are no nodes: the writer computes them. Everything else that was sent is here, as sent, in its order, with its line.

use crate::charset::Charset;
use crate::error::{Error, FieldId};
use crate::opening::{self, Opened};
use crate::package::Version;
use crate::place::Place;
use crate::source::Source;
use crate::structure::{self, Item};

/// All levels: more than the reader accepts.
const WHOLE: usize = 2 * structure::MAX_DEPTH;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// LDT 2 or LDT 3.
    pub version: Version,
    /// The charset in which it is, or will be, written.
    pub charset: Charset,
    /// Header, reports, trailer; in LDT 2 perhaps media records (0020, 0021) around them.
    pub records: Vec<Record>,
}

/// A record (Satz), from 8000 to the next one (LDT 2) or to 8001 (LDT 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Line of its 8000, from 1; 0 if it was not read.
    pub line: usize,
    /// Record type (Satzart), for example 8205.
    pub kind: u16,
    /// What it contains.
    pub nodes: Vec<Node>,
}

/// A field or an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A line.
    Field(Field),
    /// LDT 3 only.
    Object(Object),
}

/// A line with content (Feld).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Line number, from 1; 0 if it was not read.
    pub line: usize,
    /// Field id (Feldkennung).
    pub id: FieldId,
    /// Content exactly as sent, decoded.
    pub text: String,
}

/// An object (Objekt): the attribute that announces it, then 8002 to 8003.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Line of the attribute, from 1; 0 if it was not read.
    pub line: usize,
    /// The attribute (8100 to 8299): what the object means here, for example 8145.
    pub attribute: FieldId,
    /// The attribute's content: its name, for example `Patient`.
    pub name: String,
    /// The number in `Obj_nnnn`.
    pub number: u16,
    /// What it contains.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// An empty file.
    #[must_use]
    pub fn new(version: Version, charset: Charset) -> Self {
        Self { version, charset, records: Vec::new() }
    }

    /// With one more record.
    #[must_use]
    pub fn record(mut self, record: Record) -> Self {
        self.records.push(record);
        self
    }

    /// Reads the tree of a message. Structure and checksums are judged as by [`read`](crate::read); whether the content
    /// makes sense is not.
    ///
    /// # Errors
    ///
    /// An [`Error`] if the file is damaged or no package of results.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let Opened { source, version, sections, media, finding, .. } = opening::open(bytes)?;
        let mut records: Vec<structure::Record> = media;
        for section in sections {
            records.push(section.header);
            records.extend(section.reports);
            records.push(section.trailer);
        }
        records.sort_by_key(|record| record.lines.start);
        let records = records.iter().map(|record| Record::of(&source, version, record)).collect();
        Ok(Self { version, charset: finding.charset, records })
    }
}

impl Record {
    /// An empty record.
    #[must_use]
    pub fn new(kind: u16) -> Self {
        Self { line: 0, kind, nodes: Vec::new() }
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, id: u16, text: &str) -> Self {
        self.nodes.push(Node::field(id, text));
        self
    }

    /// With one more object.
    #[must_use]
    pub fn object(mut self, object: Object) -> Self {
        self.nodes.push(Node::Object(object));
        self
    }

    fn of(source: &Source<'_>, version: Version, record: &structure::Record) -> Self {
        let line = source.lines.get(record.lines.start).map_or(0, |line| line.number());
        let sums: &[u16] = match (version, record.kind) {
            (Version::Ldt2, 8221) => &[8100, 9202],
            (Version::Ldt2, _) => &[8100],
            (Version::Ldt3, 8221) => &[9300],
            (Version::Ldt3, _) => &[],
        };
        let mut nodes = nodes(source, &record.items, WHOLE);
        for sum in sums {
            let at = nodes.iter().position(|node| matches!(node, Node::Field(field) if field.id.0 == *sum));
            at.map(|at| nodes.remove(at));
        }
        Self { line, kind: record.kind, nodes }
    }
}

fn nodes(source: &Source<'_>, items: &[Item], depth: usize) -> Vec<Node> {
    let field = |index: usize| {
        let line = source.lines.get(index)?;
        Some(Node::Field(Field { line: line.number(), id: line.id, text: source.text(line).into_owned() }))
    };
    let node = |item: &Item| match item {
        Item::Field(index) => field(*index),
        Item::Object(object) if depth == 0 || (depth < structure::MAX_DEPTH && object.number == 10) => None,
        Item::Object(object) => Some(Node::Object(Object::of(source, object, depth - 1))),
    };
    items.iter().filter_map(node).collect()
}

impl Node {
    /// A field that was not read.
    #[must_use]
    pub fn field(id: u16, text: &str) -> Self {
        Self::Field(Field { line: 0, id: FieldId(id), text: text.to_owned() })
    }
}

impl Object {
    /// An empty object, for example `Object::new(8145, "Patient", 45)`.
    #[must_use]
    pub fn new(attribute: u16, name: &str, number: u16) -> Self {
        Self { line: 0, attribute: FieldId(attribute), name: name.to_owned(), number, nodes: Vec::new() }
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, id: u16, text: &str) -> Self {
        self.nodes.push(Node::field(id, text));
        self
    }

    /// With one more object.
    #[must_use]
    pub fn object(mut self, object: Object) -> Self {
        self.nodes.push(Node::Object(object));
        self
    }

    /// The object of this name in the standard, `Obj_0045` for 45.
    #[must_use]
    pub fn title(&self) -> String {
        format!("Obj_{:04}", self.number)
    }

    /// The fields directly inside.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.nodes.iter().filter_map(|node| if let Node::Field(field) = node { Some(field) } else { None })
    }

    /// The objects directly inside.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.nodes.iter().filter_map(|node| if let Node::Object(object) = node { Some(object) } else { None })
    }

    /// The first field with this id directly inside.
    #[must_use]
    pub fn get(&self, id: u16) -> Option<&Field> {
        self.fields().find(|field| field.id.0 == id)
    }

    /// The lines from the attribute to the last one inside.
    #[must_use]
    pub fn place(&self) -> Place {
        fn last(object: &Object) -> usize {
            match object.nodes.last() {
                Some(Node::Field(field)) => field.line,
                Some(Node::Object(inner)) => last(inner),
                None => object.line,
            }
        }
        Place::new(self.line, last(self))
    }

    /// From the reader's own structure, with so many levels of objects inside. A view that is not [`WHOLE`] has no
    /// documents (Obj_0010): they have megabytes.
    pub(crate) fn of(source: &Source<'_>, object: &structure::Object, depth: usize) -> Self {
        let line = object.line.checked_sub(1).and_then(|index| source.lines.get(index));
        Self {
            line: line.map_or(0, |line| line.number()),
            attribute: FieldId(object.attribute),
            name: line.map(|line| source.text(line).into_owned()).unwrap_or_default(),
            number: object.number,
            nodes: nodes(source, &object.items, depth),
        }
    }
}
