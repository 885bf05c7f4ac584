//! LDT 3 objects that may hang anywhere: texts, attachments, notices, timestamps.
//!
//! What must stay true: whatever object an unknown or unexpected object contains, its texts, attachments and notices
//! are found and its fields are kept. Recursion is bounded by the depth of the tree (`MAX_DEPTH`).

use crate::charge::Charge;
use crate::line::Line;
use crate::mapper::Mapper;
use crate::model::Attachment;
use crate::notice::{LIFE_THREATENING, Notice};
use crate::structure::{Item, Object};
use crate::timestamp::iso;
use crate::tree;
use crate::warning::WarningKind;

/// What was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) notes: Vec<String>,
    /// 7280, of all notices.
    pub(crate) notice_codes: Vec<String>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) charges: Vec<Charge>,
    pub(crate) attachments: Vec<Attachment>,
}

impl Gathered {
    /// E049: 2 is a life-threatening condition (KBV LDT 3 Satzbeschreibung 3.2.20, p. 87).
    pub(crate) fn life_threatening(&self) -> bool {
        self.notice_codes.iter().any(|code| code == LIFE_THREATENING)
    }
}

/// Fields of an object, with their lines.
pub(crate) fn lines<'s>(mapper: &Mapper<'s, '_, '_>, items: &'s [Item]) -> impl Iterator<Item = &'s Line> + use<'s> {
    let source = mapper.source;
    items.iter().filter_map(|item| if let Item::Field(index) = item { source.lines.get(*index) } else { None })
}

/// Objects directly inside.
pub(crate) fn objects(items: &[Item]) -> impl Iterator<Item = &Object> {
    items.iter().filter_map(|item| if let Item::Object(object) = item { Some(object.as_ref()) } else { None })
}

/// Takes an object that has no place of its own.
pub(crate) fn absorb(mapper: &mut Mapper<'_, '_, '_>, object: &Object, gathered: &mut Gathered) {
    match object.number {
        68 => gathered.notes.extend(flow_text(mapper, object)),
        10 => {
            let attachment = attachment(mapper, object, gathered);
            gathered.attachments.push(attachment);
        }
        number => {
            match number {
                26 => gathered.notices.push(Notice::of(&tree::Object::of(mapper.source, object, 1))),
                58 => gathered.charges.extend(Charge::of(&tree::Object::of(mapper.source, object, 0))),
                _ => {}
            }
            absorb_items(mapper, &object.items, number, gathered);
        }
    }
}

/// Takes the rest of an object.
pub(crate) fn absorb_items(mapper: &mut Mapper<'_, '_, '_>, items: &[Item], number: u16, gathered: &mut Gathered) {
    let source = mapper.source;
    for item in items {
        match item {
            Item::Object(inner) => absorb(mapper, inner, gathered),
            Item::Field(index) => {
                let Some(line) = source.lines.get(*index) else { continue };
                if number == 26 && line.id.0 == 7280 {
                    notice(mapper, line, gathered);
                } else {
                    mapper.leave(line, Some(number));
                }
            }
        }
    }
}

/// Offers each field of an object; the fields nobody takes and the objects inside are kept.
pub(crate) fn each(
    mapper: &mut Mapper<'_, '_, '_>,
    object: &Object,
    gathered: &mut Gathered,
    mut field: impl FnMut(&mut Mapper<'_, '_, '_>, &Line) -> bool,
) {
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) => absorb(mapper, inner, gathered),
            Item::Field(index) => {
                if let Some(line) = source.lines.get(*index)
                    && !field(mapper, line)
                {
                    mapper.leave(line, Some(object.number));
                }
            }
        }
    }
}

fn notice(mapper: &mut Mapper<'_, '_, '_>, line: &Line, gathered: &mut Gathered) {
    if let Some(code) = mapper.code(line) {
        if !matches!(code.as_str(), "1" | "2" | "3" | "4" | "5" | "6" | "7") {
            mapper.warn(WarningKind::UnknownCode, line);
        }
        gathered.notice_codes.push(code);
    }
}

/// Obj_0068: the lines of a text; blank ones are its paragraphs (E036), so they are no empty fields.
pub(crate) fn flow_text(mapper: &mut Mapper<'_, '_, '_>, object: &Object) -> Option<String> {
    let mut text: Vec<String> = Vec::new();
    let mut gathered = Gathered::default();
    for item in &object.items {
        match item {
            Item::Field(index) => match mapper.source.lines.get(*index) {
                Some(line) if line.id.0 == 3564 => text.push(mapper.source.text(line).into_owned()),
                Some(line) => mapper.leave(line, Some(68)),
                None => {}
            },
            // No object belongs here; what it says is kept with the text.
            Item::Object(inner) => absorb(mapper, inner, &mut gathered),
        }
    }
    text.extend(gathered.notes);
    let text = text.join("\n");
    (!text.trim().is_empty()).then_some(text)
}

/// Obj_0010: an embedded document (8242, Obj_0068, 6329) or a reference to one (6305).
fn attachment(mapper: &mut Mapper<'_, '_, '_>, object: &Object, gathered: &mut Gathered) -> Attachment {
    let mut found = Attachment { place: object.place(mapper.source), ..Attachment::default() };
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) if inner.attribute == 8242 => embedded(mapper, inner, &mut found),
            Item::Object(inner) => absorb(mapper, inner, gathered),
            Item::Field(index) => {
                let Some(line) = source.lines.get(*index) else { continue };
                match line.id.0 {
                    9970 => mapper.set(&mut found.document_type, line, Some(10)),
                    6303 => mapper.set(&mut found.format, line, Some(10)),
                    6305 => mapper.set(&mut found.reference, line, Some(10)),
                    6327 => mapper.set(&mut found.name, line, Some(10)),
                    _ => mapper.leave(line, Some(10)),
                }
            }
        }
    }
    found.media_type = media_type(found.format.as_deref()).to_owned();
    if found.reference.is_none()
        && found.decode().is_none_or(|bytes| bytes.is_empty())
        && let Some(line) = source.lines.get(object.line)
    {
        mapper.warn(WarningKind::InvalidAttachment, line);
    }
    found
}

fn embedded(mapper: &mut Mapper<'_, '_, '_>, object: &Object, found: &mut Attachment) {
    let base64 = found.base64.get_or_insert_default();
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Field(index) => match source.lines.get(*index) {
                Some(line) if line.id.0 == 6329 => base64.push_str(source.text(line).trim()),
                Some(line) => mapper.leave(line, Some(68)),
                None => {}
            },
            Item::Object(inner) => absorb(mapper, inner, &mut Gathered::default()),
        }
    }
}

fn media_type(format: Option<&str>) -> &'static str {
    match format.map(str::to_ascii_uppercase).as_deref().map(|f| f.trim_start_matches('.')) {
        Some("PDF" | "PDF/A") => "application/pdf",
        Some("JPG" | "JPEG") => "image/jpeg",
        Some("PNG") => "image/png",
        Some("GIF") => "image/gif",
        Some("TIF" | "TIFF") => "image/tiff",
        Some("BMP") => "image/bmp",
        Some("TXT") => "text/plain",
        Some("XML") => "application/xml",
        Some("RTF") => "application/rtf",
        _ => "application/octet-stream",
    }
}

/// Obj_0054 as ISO 8601: date (7278), time (7279), zone (7273). What else it says is kept.
pub(crate) fn timestamp(mapper: &mut Mapper<'_, '_, '_>, object: &Object) -> Option<String> {
    let (mut date, mut time, mut zone) = (None, None, None);
    let mut gathered = Gathered::default();
    let source = mapper.source;
    for item in &object.items {
        match item {
            Item::Object(inner) => absorb(mapper, inner, &mut gathered),
            Item::Field(index) => {
                let Some(line) = source.lines.get(*index) else { continue };
                match line.id.0 {
                    7278 if date.is_none() => date = mapper.date(line, Some(54)),
                    7279 if time.is_none() => time = mapper.time(line, Some(54)),
                    7273 if zone.is_none() => {
                        zone = mapper.code(line).and_then(|code| crate::dates::zone(&code));
                        if zone.is_none() {
                            mapper.warn(WarningKind::UnknownCode, line);
                            mapper.leave(line, Some(54));
                        }
                    }
                    _ => mapper.leave(line, Some(54)),
                }
            }
        }
    }
    Some(iso(date?, time, zone))
}
