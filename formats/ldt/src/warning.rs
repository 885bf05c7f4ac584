//! What was odd in a message that could still be read without doubt.
//!
//! What must stay true: a warning never means that something was left out, and it never carries content.

use std::collections::HashMap;
use std::fmt;

use crate::error::{FieldId, Location};

/// Something odd; the reports are nevertheless complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What.
    pub kind: WarningKind,
    /// Where it was seen first.
    pub at: Location,
    /// How often it was seen (same kind, same field).
    pub count: usize,
}

impl Warning {
    /// A stable code for metrics, tables and translations.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.kind.text())?;
        if self.count > 1 {
            write!(f, " ({} times)", self.count)?;
        }
        Ok(())
    }
}

/// Defines the kinds once: variant, code, text.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $code:literal $text:literal;)*) => {
        /// The kinds of [`Warning`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum WarningKind { $($(#[$doc])* $name,)* }

        impl WarningKind {
            /// All kinds. `CODES.md` says what each means and what to do.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// A stable code for metrics, tables and translations.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means, without any content of the message.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The version (0001, 9212, 9211) is not one this reader was written for (E001: only a warning).
    UnknownVersion "unknown-version" "this version of the specification is not known to the reader";
    /// 8100 is not the sum of the record's line lengths.
    RecordLength "record-length" "the record length (8100) does not fit the record";
    /// 9202 is not the sum of the package's record lengths.
    PackageLength "package-length" "the package length (9202) does not fit the package";
    /// Line ends other than CR LF.
    LineEnds "line-ends" "lines do not end with CR LF";
    /// Lines without anything on them.
    BlankLines "blank-lines" "blank lines between the fields";
    /// Converted to UTF-8 on the way; lengths and checksums fit the original charset.
    Transcoded "transcoded" "the message was converted to UTF-8 in transport; its lengths and checksums fit the original charset";
    /// A length prefix is wrong, and the record length or checksum proves the content complete.
    LineLength "line-length" "the length prefix is wrong, the content is complete";
    /// All length prefixes count the line end differently.
    LengthRule "length-rule" "all length prefixes count the line end as fewer than two bytes";
    /// The bytes are not in the declared charset.
    CharsetContradicted "charset-contradicted" "the content is not in the declared charset; it was read in the one it fits";
    /// U+FFFD: characters were destroyed before the message came here.
    CharactersLost "characters-lost" "characters were destroyed before the message arrived";
    /// A field without content.
    EmptyField "empty-field" "the field is empty";
    /// A field id that is not in the specification of this version.
    UnknownField "unknown-field" "the field id is not in the specification";
    /// A code that is not in the field's code list.
    UnknownCode "unknown-code" "the code is not in the field's code list";
    /// A date or time that does not exist; its text is among the unmapped fields.
    InvalidDate "invalid-date" "this is no date or time";
    /// A date in the order of the other version (DDMMYYYY and YYYYMMDD cannot be confused).
    DateOrder "date-order" "the date is written in the order of another version";
    /// A doctor number (LANR) whose check digit is wrong (F011).
    InvalidLanr "invalid-lanr" "the check digit of the doctor number is wrong";
    /// A Versicherten-ID (3119) whose form or check digit is wrong (F013).
    InvalidInsuranceNumber "invalid-insurance-number" "the form or check digit of the insurance number is wrong";
    /// A practice number (BSNR) that is not nine digits (F010).
    InvalidBsnr "invalid-bsnr" "the practice number is not nine digits";
    /// More than one package in the file.
    SeveralPackages "several-packages" "the file has more than one package";
    /// A byte order mark before the first line.
    ByteOrderMark "byte-order-mark" "the file begins with a byte order mark";
    /// Ctrl-Z, NUL or blanks after the last line.
    TrailingBytes "trailing-bytes" "bytes without meaning after the last line";
    /// The last line has no line end.
    NoFinalLineEnd "no-final-line-end" "the last line has no line end";
    /// A number without a unit.
    MissingUnit "missing-unit" "the value has no unit";
    /// A decimal comma where the specification wants a point.
    DecimalComma "decimal-comma" "the number has a decimal comma";
    /// Normal or alarm limits in another unit than the value: they must not be compared.
    ReferenceUnit "reference-unit" "the limits have another unit than the value";
    /// An extreme value without the notice K099 demands.
    ExtremeWithoutNotice "extreme-without-notice" "an extreme value without the notice the specification demands";
    /// Several indicators for one value; the most severe one was taken.
    SeveralFlags "several-flags" "several indicators for one value, the most severe one was taken";
    /// A field in a trailer; LDT 2: a group opened by 8434 in 8201 or 8202, or a text or material outside any test: a line
    /// may be damaged.
    MisplacedField "misplaced-field" "the field does not belong here";
    /// A second, different content for a field that may occur once; it is among the unmapped fields.
    RepeatedField "repeated-field" "the field occurs a second time with other content";
    /// A second value in one LDT 2 test.
    RepeatedValue "repeated-value" "the test has more than one value";
    /// A test that is neither pending nor has a value or text.
    ResultWithoutValue "result-without-value" "the test has neither value nor text";
    /// 8002 directly followed by 8003.
    EmptyObject "empty-object" "the object is empty";
    /// An object that is not in the specification.
    UnknownObject "unknown-object" "the object is not in the specification";
    /// Nobody is named; only the order number identifies the patient.
    NoPatient "no-patient" "no patient is named, only the order number identifies the person";
    /// A result without its vessel (7364), or a vessel without its material (8137).
    MissingMaterial "missing-material" "the result's material is not described";
    /// An attachment that is not valid Base64 or is empty.
    InvalidAttachment "invalid-attachment" "the attachment cannot be decoded";
    /// The order is called complete while results are pending (K096), or the status is missing.
    StatusContradiction "status-contradiction" "the report's status does not fit its results";
}

/// Collects warnings; the same kind at the same field is counted, not repeated, so a hostile file cannot flood memory.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    list: Vec<Warning>,
    seen: HashMap<(WarningKind, Option<FieldId>), usize>,
}

impl Warnings {
    pub(crate) fn push(&mut self, kind: WarningKind, at: Location) {
        if let Some(warning) = self.seen.get(&(kind, at.field)).and_then(|index| self.list.get_mut(*index)) {
            warning.count += 1;
        } else {
            self.seen.insert((kind, at.field), self.list.len());
            self.list.push(Warning { kind, at, count: 1 });
        }
    }

    pub(crate) fn into_list(self) -> Vec<Warning> {
        self.list
    }
}
