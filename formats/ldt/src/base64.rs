//! Base64 of attachments: the standard alphabet, nothing else.
//!
//! What must stay true: what is not valid is none; half a document is never passed on.

use crate::model::Attachment;

impl Attachment {
    /// The document; none if there is none here or it is not valid Base64.
    #[must_use]
    pub fn decode(&self) -> Option<Vec<u8>> {
        let text = self.base64.as_deref()?;
        if !text.len().is_multiple_of(4) {
            return None;
        }
        let bare = text.trim_end_matches('=');
        if text.len() - bare.len() > 2 {
            return None;
        }
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
        let (mut bits, mut count) = (0_u32, 0_u32);
        for byte in bare.bytes() {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
                bits &= (1 << count) - 1;
            }
        }
        Some(bytes)
    }
}
