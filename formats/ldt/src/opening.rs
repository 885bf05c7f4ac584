//! Opening a message: lines, version, structure, charset, integrity — in this order, before any content is read.
//!
//! What must stay true: whoever gets an [`Opened`] may rely on its structure and checksums; there is no other way in.

use crate::charset::Charset;
use crate::detect::Confidence;
use crate::error::{Error, FieldId};
use crate::integrity::{self, Finding};
use crate::line;
use crate::package::{MAX_BYTES, Version};
use crate::source::{Decoder, Form, Source};
use crate::structure::{self, Record, Section, Structure};
use crate::warning::{WarningKind, Warnings};

/// A message whose structure and checksums were accepted.
pub(crate) struct Opened<'b> {
    pub(crate) source: Source<'b>,
    pub(crate) version: Version,
    pub(crate) sections: Vec<Section>,
    /// LDT 2: the records 0020 and 0021 around the packages.
    pub(crate) media: Vec<Record>,
    pub(crate) finding: Finding,
    /// The form in which each section was verified.
    pub(crate) forms: Vec<Form>,
    pub(crate) warnings: Warnings,
}

pub(crate) fn open(bytes: &[u8]) -> Result<Opened<'_>, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { length: bytes.len(), limit: MAX_BYTES });
    }
    if bytes.trim_ascii().is_empty() {
        return Err(Error::Empty);
    }
    let mut warnings = Warnings::default();
    let lines = line::split(bytes, &mut warnings)?;
    // The charset is named after texts that need it (9106 is late in the header): decide it on the bytes first.
    let mut source = Source { bytes, lines, decoder: Decoder::Plain(Charset::Latin9) };
    structure::refuse_orders(&source)?;
    let version = version(&source)?;
    let Structure { sections, media } = structure::read(&source, version, &mut warnings)?;
    let first = sections.first().ok_or(Error::MissingHeader { at: source.end() })?;
    let declared = declared_charset(&source, version, first, &mut warnings);
    let mut finding = integrity::survey(&source, declared.unwrap_or(Charset::Latin9), &mut warnings);
    finding.declared = declared;
    if declared.is_none() && version == Version::Ldt2 && finding.confidence == Confidence::High {
        finding.confidence = Confidence::Medium;
    }
    source.decoder = finding.decoder;
    let mut forms = Vec::new();
    for section in &sections {
        forms.push(integrity::verify(&source, version, section, &finding, &mut warnings)?);
    }
    for record in &media {
        integrity::media(&source, record, &finding, &mut warnings)?;
    }
    // The checksum fits only after conversion to the charset of the standard: the converter believed in it, too.
    let proven = |form: &Form| *form == Form::Recoded(finding.charset);
    if version == Version::Ldt3 && finding.decoder == Decoder::Plain(Charset::Utf8) && forms.iter().all(proven) {
        finding.confidence = Confidence::Certain;
    }
    Ok(Opened { source, version, sections, media, finding, forms, warnings })
}

fn version(source: &Source<'_>) -> Result<Version, Error> {
    let header = source.lines.iter().skip(1).take_while(|line| line.id.0 != 8000);
    let nested = header.clone().any(|line| matches!(line.id.0, 8001..=8003));
    let flat = header.clone().any(|line| matches!(line.id.0, 8100 | 9211 | 9212));
    match (nested, flat) {
        (true, false) => Ok(Version::Ldt3),
        (false, true) => Ok(Version::Ldt2),
        // Both at once or neither: whatever the rest says; a damaged header fails later at the right place.
        _ if source.lines.iter().any(|line| line.id == FieldId(8002)) => Ok(Version::Ldt3),
        _ => {
            let line = source.lines.first().ok_or(Error::NotLdt)?;
            if line.id.0 != 8000 {
                return Err(Error::MissingHeader { at: line.at() });
            }
            Ok(Version::Ldt2)
        }
    }
}

/// 9106; LDT 3 has no such field.
fn declared_charset(
    source: &Source<'_>,
    version: Version,
    section: &Section,
    warnings: &mut Warnings,
) -> Option<Charset> {
    if version == Version::Ldt3 {
        return None;
    }
    let line = source.find(section.header.lines.clone(), 9106)?;
    let declared = Charset::declared(&source.text(line));
    if declared.is_none() {
        warnings.push(WarningKind::UnknownCode, line.at());
    }
    declared
}
