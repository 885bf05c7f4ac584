//! Documents: ED (the bytes themselves) and RP (where they are).
//!
//! What must stay true: a document that can't be decoded is still noted, as it was sent and with a warning; the type is what the sender claims.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::WarningKind;
use crate::model::Attachment;
use crate::segment::Seg;

/// Padding is left out by some.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// ED: source, type, subtype, encoding and data.
pub(crate) fn embedded(obx: &Seg<'_>, repetition: usize) -> Option<Attachment> {
    let part = |part| obx.component(5, repetition, part);
    let (kind, subtype, encoding) = (part(2), part(3), part(4));
    let data = part(5)?;
    let bytes = decode(&data, encoding.as_deref().unwrap_or("Base64"));
    if bytes.as_ref().is_none_or(Vec::is_empty) {
        obx.warn(WarningKind::InvalidAttachment, 5);
    }
    let bytes = Some(bytes.unwrap_or_else(|| data.into_bytes()));
    Some(Attachment { media_type: media_type(kind.as_deref(), subtype.as_deref()).to_owned(), bytes, reference: None })
}

/// RP: pointer, application, type and subtype.
pub(crate) fn reference(obx: &Seg<'_>, repetition: usize) -> Option<Attachment> {
    let pointer = obx.component(5, repetition, 1)?;
    let (kind, subtype) = (obx.component(5, repetition, 3), obx.component(5, repetition, 4));
    let media_type = media_type(kind.as_deref(), subtype.as_deref()).to_owned();
    Some(Attachment { media_type, bytes: None, reference: Some(pointer) })
}

/// Table 0299.
fn decode(data: &str, encoding: &str) -> Option<Vec<u8>> {
    match encoding.to_ascii_uppercase().as_str() {
        "A" => Some(data.as_bytes().to_vec()),
        "HEX" => {
            let digits: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let pairs = digits.chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'))?;
                u8::from_str_radix(pair, 16).ok()
            });
            pairs.collect()
        }
        "BASE64" => {
            let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            BASE64.decode(packed).ok()
        }
        _ => None,
    }
}

/// Tables 0191 and 0291, in which the subtype says more; some senders put the whole media type into one of them.
fn media_type(kind: Option<&str>, subtype: Option<&str>) -> &'static str {
    let said = subtype.or(kind).unwrap_or_default().to_ascii_lowercase();
    match said.rsplit('/').next().unwrap_or_default() {
        "pdf" => "application/pdf",
        "jpeg" | "jpg" => "image/jpeg",
        "png" => "image/png",
        "tiff" | "tif" => "image/tiff",
        "gif" => "image/gif",
        "html" => "text/html",
        "rtf" => "application/rtf",
        "xml" | "x-hl7-cda-level-one" => "application/xml",
        "plain" | "text" | "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Charset;
    use crate::segment::Context;

    fn of(kind: &str, obx5: &str) -> (Option<Attachment>, usize) {
        let message = er7::parse(&format!("MSH|^~\\&|\rOBX|1|{kind}|PDF||{obx5}")).unwrap();
        let context = Context::new(message.separators, Charset::Utf8);
        let seg = Seg::new(&message.segments[1], 2, &context);
        let found = if kind == "ED" { embedded(&seg, 1) } else { reference(&seg, 1) };
        drop(seg);
        (found, context.into_warnings().into_list().len())
    }

    #[test]
    fn documents_are_decoded_as_they_say() {
        for (sent, media_type, bytes) in [
            ("LIS^AP^PDF^Base64^JVBERi0xLjQ=", "application/pdf", &b"%PDF-1.4"[..]),
            ("^application^pdf^BASE64^JVBE\\.br\\Ri0xLjQ", "application/pdf", b"%PDF-1.4"),
            ("^application/pdf^^Base64^JVBERi0xLjQ=", "application/pdf", b"%PDF-1.4"),
            ("^TEXT^PLAIN^A^Guten Tag", "text/plain", b"Guten Tag"),
            ("^IM^JPEG^Hex^FFD8", "image/jpeg", b"\xff\xd8"),
            ("^NS^^Base64^AA==", "application/octet-stream", b"\0"),
        ] {
            let (found, warnings) = of("ED", sent);
            let found = found.unwrap();
            assert_eq!(
                (found.media_type.as_str(), found.bytes.as_deref(), warnings),
                (media_type, Some(bytes), 0),
                "{sent}"
            );
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_noted() {
        for sent in ["^AP^PDF^Base64^!!!", "^AP^PDF^Hex^F", "^AP^PDF^Hex^+1", "^AP^PDF^gzip^AA=="] {
            let (found, warnings) = of("ED", sent);
            let found = found.unwrap();
            let data = sent.rsplit('^').next().map(|data| data.as_bytes().to_vec());
            assert_eq!((found.bytes, warnings), (data, 1), "{sent}");
        }
        assert_eq!(of("ED", "^AP^PDF^Base64^").0, None);
        let (pointer, _) = of("RP", "\\\\srv\\T\\befund.pdf^LIS&1.2&ISO^AP^PDF");
        assert_eq!(pointer.unwrap().media_type, "application/pdf");
    }
}
