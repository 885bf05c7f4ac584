//! What was tolerated, and where.
//!
//! What must stay true: as for errors, no content; and a hostile message cannot flood memory with warnings.

use crate::Location;

/// Something tolerated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What.
    pub kind: WarningKind,
    /// Where for the first time.
    pub at: Location,
}

impl Warning {
    /// A short name that stays the same.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $code:literal;)*) => {
        /// Kinds of warnings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum WarningKind {
            $($(#[$doc])* $name,)*
        }

        impl WarningKind {
            /// A short name that stays the same.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

kinds! {
    /// The version in MSH-12 is not one of 2.3 to 2.5.1.
    UnknownVersion "unknown-version";
    /// The bytes are not in the character set that MSH-18 names; they were read in the one they fit.
    CharsetContradicted "charset-contradicted";
    /// U+FFFD: characters were destroyed before the message came here.
    CharactersLost "characters-lost";
    /// An escape sequence that is not known here; it stands in the text as sent.
    UnknownEscape "unknown-escape";
    /// MSH-10 is empty: the message can't be acknowledged by its number.
    NoControlId "no-control-id";
    /// Nobody is named; only the order number identifies the patient.
    NoPatient "no-patient";
    /// No date or time; its text is among the unmapped fields.
    InvalidTime "invalid-time";
    /// A code that is not in the field's table.
    UnknownCode "unknown-code";
    /// A value type (OBX-2) that is not known here; its parts were joined.
    UnknownType "unknown-type";
    /// A value of type NM or SN that is no number.
    NotANumber "not-a-number";
    /// Neither OBX-11 nor OBR-25 says in what state the value is.
    NoStatus "no-status";
    /// An attachment that can't be decoded or is empty.
    InvalidAttachment "invalid-attachment";
}

/// As many as are kept.
const MOST: usize = 200;

/// Collects warnings; the same kind at the same field of the same segment is kept once.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    pub(crate) fn push(&mut self, kind: WarningKind, at: Location) {
        let known = |w: &Warning| w.kind == kind && (w.at.name, w.at.field) == (at.name, at.field);
        if self.0.len() < MOST && !self.0.iter().any(known) {
            self.0.push(Warning { kind, at });
        }
    }

    pub(crate) fn into_list(self) -> Vec<Warning> {
        self.0
    }
}
