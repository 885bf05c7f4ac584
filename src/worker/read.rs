//! A message in whichever format it came.
//! Must stay true: the format is told from the bytes and not from what the sender says of them; what one reader refuses the other is
//! not asked for. The readers' errors hold no content of the message.
use labor_db::messages::RawMessage;
use labor_db::results::ReadMessage;
use ldt::{Package, Recipient};

use super::route::{self, Addressee};
use super::{translate, translate_hl7};

/// Which reader reads these bytes, with its version.
pub(crate) fn reader(bytes: &[u8]) -> &'static str {
    if hl7::looks_like_hl7(bytes) { hl7::READER } else { ldt::READER }
}

/// A message that was read.
pub(crate) enum Message {
    /// LDT 2 or LDT 3.
    Ldt(Package),
    /// HL7 v2, ORU^R01.
    Hl7(hl7::Message),
}

/// Why a message can't be read: a code that stays the same, and the place.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {text}")]
pub(crate) struct Unreadable {
    pub(crate) code: &'static str,
    text: String,
}

impl Message {
    /// Reads everything or says what is wrong.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        if hl7::looks_like_hl7(bytes) {
            let refused = |error: hl7::Error| Unreadable { code: error.code(), text: error.to_string() };
            return hl7::read(bytes).map(Self::Hl7).map_err(refused);
        }
        let refused = |error: ldt::Error| Unreadable { code: error.code(), text: error.to_string() };
        ldt::read(bytes).map(Self::Ldt).map_err(refused)
    }

    /// What the `raw_messages.format` column says.
    pub(crate) fn format(&self) -> &'static str {
        match self {
            Self::Ldt(package) => translate::format(package),
            Self::Hl7(_) => "HL7",
        }
    }

    /// The character set it was read in.
    pub(crate) fn charset(&self) -> String {
        match self {
            Self::Ldt(package) => format!("{:?}", package.charset),
            Self::Hl7(message) => format!("{:?}", message.charset),
        }
    }

    /// Its recipients, each once.
    pub(crate) fn addressees(&self) -> Vec<Addressee> {
        match self {
            Self::Ldt(package) => route::of_package(package),
            Self::Hl7(message) => route::of_hl7(message),
        }
    }

    /// The part of one recipient, as a message of its own. HL7 has one recipient only (there is one MSH-6), whose part is the whole.
    pub(crate) fn extract(&self, bytes: &[u8], recipient: &Recipient) -> Vec<u8> {
        match self {
            Self::Ldt(package) => package.extract(bytes, recipient),
            Self::Hl7(_) => bytes.to_vec(),
        }
    }

    /// What it says, ready to be stored.
    pub(crate) fn readable(&self, raw: &RawMessage) -> ReadMessage {
        let (warnings, reports) = match self {
            Self::Ldt(package) => translate::message(package, raw.received_at),
            Self::Hl7(message) => translate_hl7::message(message, raw.received_at),
        };
        ReadMessage { id: raw.id, format: self.format(), charset: self.charset(), warnings, reports }
    }
}
