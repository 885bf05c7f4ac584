//! What cannot be written.
//!
//! What must stay true: as in [`Error`](crate::Error), no content of the message is in these texts.

use crate::error::FieldId;

/// Why a tree cannot be written. `record` counts from 0 in [`Tree::records`](crate::tree::Tree::records).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A text with a line break: LDT has no way to write one.
    #[error("field {field} of record {record} contains a line break; use one field for each line")]
    LineBreak {
        /// Index of the record.
        record: usize,
        /// The field.
        field: FieldId,
    },
    /// More than 990 bytes.
    #[error("field {field} of record {record} has {length} bytes, a line can have 990; use several lines")]
    TooLong {
        /// Index of the record.
        record: usize,
        /// The field.
        field: FieldId,
        /// Its bytes in the charset.
        length: usize,
    },
    /// A character the charset does not have.
    #[error("field {field} of record {record} has a character that the charset lacks; choose another charset or text")]
    NotInCharset {
        /// Index of the record.
        record: usize,
        /// The field.
        field: FieldId,
    },
    /// A field that only describes the file's shape; the writer writes these itself.
    #[error("field {field} of record {record} is written by the writer itself; leave it out")]
    Structural {
        /// Index of the record.
        record: usize,
        /// The field.
        field: FieldId,
    },
    /// An object in LDT 2.
    #[error("record {record} has an object (attribute {field}), which LDT 2 does not know; use LDT 3")]
    ObjectInFlatRecord {
        /// Index of the record.
        record: usize,
        /// The object's attribute.
        field: FieldId,
    },
    /// An object whose attribute is not 8100 to 8299, or whose number has more than four digits.
    #[error("{field} in record {record} cannot announce an object; attributes are 8100 to 8299")]
    NoAttribute {
        /// Index of the record.
        record: usize,
        /// The object's attribute.
        field: FieldId,
    },
    /// Objects are nested deeper than readers accept.
    #[error("the object {field} in record {record} is nested deeper than {limit}")]
    TooDeep {
        /// Index of the record.
        record: usize,
        /// The object's attribute.
        field: FieldId,
        /// Deepest nesting.
        limit: usize,
    },
    /// A record type of more than four digits.
    #[error("the type of record {record} has more than four digits")]
    RecordType {
        /// Index of the record.
        record: usize,
    },
    /// A field id of more than four digits.
    #[error("a field id in record {record} has more than four digits")]
    FieldId {
        /// Index of the record.
        record: usize,
    },
}

/// Defines the codes once: variant, code.
macro_rules! codes {
    ($($variant:ident $code:literal;)*) => {
        impl WriteError {
            /// All codes. `CODES.md` says what each means and what to do.
            pub const CODES: &[&str] = &[$($code),*];

            /// A stable code.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code,)* }
            }
        }
    };
}

codes! {
    LineBreak "line-break";
    TooLong "too-long";
    NotInCharset "not-in-charset";
    Structural "structural-field";
    ObjectInFlatRecord "object-in-ldt2";
    NoAttribute "no-attribute";
    TooDeep "tree-too-deep";
    RecordType "record-type";
    FieldId "field-id";
}
