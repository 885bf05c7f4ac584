//! The header of LDT 3: the laboratory, not the recipient.
//!
//! What must stay true: nothing of the header becomes part of a report's recipient.

use crate::error::Error;
use crate::ldt3::must;
use crate::mapper::Mapper;
use crate::model::Laboratory;
use crate::parts::{self, Gathered, absorb, each};
use crate::structure::{Item, Object, Section};

/// What the header says.
pub(crate) struct Header {
    pub(crate) laboratory: Laboratory,
    pub(crate) created: Option<String>,
    pub(crate) gathered: Gathered,
}

/// Reads the header 8220.
pub(crate) fn header(mapper: &mut Mapper<'_, '_, '_>, section: &Section) -> Result<Header, Error> {
    must(mapper, &section.header, &[8132, 8136, 8119])?;
    let mut header = Header { laboratory: Laboratory::default(), created: None, gathered: Gathered::default() };
    let mut walk: Vec<(Option<u16>, &Item)> = section.header.items.iter().rev().map(|item| (None, item)).collect();
    let source = mapper.source;
    // The header's fields mean the same wherever they stand in it, except for names and practice numbers.
    while let Some((parent, item)) = walk.pop() {
        match item {
            Item::Field(index) => {
                // 0001 is the format's version, which was asked before all else.
                if let Some(line) = source.lines.get(*index).filter(|line| (parent, line.id.0) != (Some(32), 1)) {
                    mapper.leave(line, parent);
                }
            }
            Item::Object(object) => match (object.attribute, object.number) {
                (8132, 32) | (8136, 36) => {
                    walk.extend(object.items.iter().rev().map(|item| (Some(object.number), item)));
                }
                (8151, 51) => software(mapper, object, &mut header),
                (8218, 54) => header.created = parts::timestamp(mapper, object),
                (8239, 43) => organisation(mapper, object, &mut header),
                (8119, 19) => site(mapper, object, &mut header),
                _ => absorb(mapper, object, &mut header.gathered),
            },
        }
    }
    Ok(header)
}

fn software(mapper: &mut Mapper<'_, '_, '_>, object: &Object, header: &mut Header) {
    let Header { laboratory, gathered, .. } = header;
    each(mapper, object, gathered, |mapper, line| {
        match line.id.0 {
            105 => mapper.set(&mut laboratory.test_number, line, Some(51)),
            8316 => mapper.set(&mut laboratory.sender_id, line, Some(51)),
            103 | 132 => {
                if let Some(code) = mapper.code(line) {
                    crate::mapper::append(&mut laboratory.software, &code);
                }
            }
            _ => return false,
        }
        true
    });
}

fn organisation(mapper: &mut Mapper<'_, '_, '_>, object: &Object, header: &mut Header) {
    let Header { laboratory, gathered, .. } = header;
    each(mapper, object, gathered, |mapper, line| {
        let name = line.id.0 == 1250;
        if name {
            mapper.set(&mut laboratory.name, line, Some(43));
        }
        name
    });
}

fn site(mapper: &mut Mapper<'_, '_, '_>, object: &Object, header: &mut Header) {
    let Header { laboratory, gathered, .. } = header;
    each(mapper, object, gathered, |mapper, line| {
        match line.id.0 {
            201 => laboratory.bsnr = mapper.bsnr(line),
            200 => mapper.set(&mut laboratory.site_id, line, Some(19)),
            203 if laboratory.name.is_none() => mapper.set(&mut laboratory.name, line, Some(19)),
            _ => return false,
        }
        true
    });
}
