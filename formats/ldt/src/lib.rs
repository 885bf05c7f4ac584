//! Reader and writer for LDT 2 and LDT 3, the formats in which German laboratories send results to practices.
//!
//! A lost, misrouted or misread result harms a person. Therefore a message is either read completely — everything it
//! says is in the [`Package`], if only among the `unmapped` fields — or it is refused with an [`Error`] that says what
//! is wrong and where. Neither errors nor warnings contain anything of the message's content.
//!
//! | To | use |
//! |---|---|
//! | read reports | [`read`]: recipients, patients, values, documents, each with its lines |
//! | know what is urgent | [`Report::signals`]: life-threatening notices, extreme values, exceeded alarm limits |
//! | read microbiology, cytology, blood groups in the standard's terms | [`TestResult::details`], [`finding`] |
//! | split a package by practice | [`Package::recipients`], [`Package::extract`] |
//! | see every field, and write files | [`tree::Tree`] |
//! | name fields, objects and codes | [`Dictionary`] |
//!
//! Sources: KBV LDT 3 Satzbeschreibung 3.2.20, by page and rule (E codes, F formats, K contexts); KBV LDT 2, field table of
//! LDT1014.01. Field ids (Feldkennungen) are written with four digits, objects as `Obj_0045`.
//!
//! ```
//! use ldt::tree::{Record, Tree};
//! use ldt::{Charset, Comparator, Interpretation, Version};
//!
//! let header = Record::new(8220)
//!     .field(9212, "LDT1014.01")
//!     .field(201, "123456700")
//!     .field(203, "Praxis")
//!     .field(205, "Weg 1")
//!     .field(215, "12345")
//!     .field(216, "Musterhausen")
//!     .field(101, "Z/39/2610/36/tst")
//!     .field(9106, "4")
//!     .field(8312, "4711")
//!     .field(9103, "20261008");
//! let report = Record::new(8201)
//!     .field(8310, "A-1")
//!     .field(8301, "20261008")
//!     .field(8302, "20261008")
//!     .field(3101, "Müster")
//!     .field(3103, "19661024")
//!     .field(8401, "E")
//!     .field(8410, "K")
//!     .field(8420, "<0.6")
//!     .field(8421, "mmol/l")
//!     .field(8422, "--");
//! let tree = Tree::new(Version::Ldt2, Charset::Latin9).record(header).record(report).record(Record::new(8221));
//! // Lengths, 8100 and 9202 are computed.
//! let message = tree.write()?;
//!
//! let package = ldt::read(&message)?;
//! assert!(package.warnings.is_empty());
//! let report = &package.reports[0];
//! assert_eq!(report.recipient.bsnr.as_deref(), Some("123456700"));
//! let value = &report.results[0].values[0];
//! assert_eq!(value.number.as_deref(), Some("0.6"));
//! assert_eq!(value.comparator, Some(Comparator::Less));
//! assert_eq!(value.interpretation, Some(Interpretation::LU));
//! assert_eq!(value.place.line(), 22);
//!
//! // A cut file is never taken for a short one.
//! assert_eq!(ldt::read(&message[..message.len() - 44]).unwrap_err().code(), "missing-trailer");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base64;
mod charge;
mod charset;
pub mod check;
mod codes;
mod dates;
mod decimal;
mod details;
mod detect;
mod dictionary;
mod error;
mod extract;
pub mod finding;
mod integrity;
mod labels;
mod ldt2;
mod ldt3;
mod ldt3_header;
mod ldt3_normal;
mod ldt3_result;
mod line;
mod mapper;
mod model;
mod notice;
mod opening;
mod package;
mod parts;
mod place;
mod signal;
mod source;
mod structure;
mod timestamp;
pub mod tree;
mod value;
mod warning;
mod write;

pub use charge::Charge;
pub use charset::Charset;
pub use details::{Catalogue, Details, Signature, TestId};
pub use detect::Confidence;
pub use dictionary::Dictionary;
pub use error::{Error, FieldId, Location, Tolerance};
pub use finding::Finding;
pub use line::looks_like_ldt;
pub use model::{
    Attachment, Comparator, Field, Interpretation, Laboratory, Limits, Normal, Patient, Recipient, Reference, Report,
    ReportStatus, ResultStatus, TestResult, Value,
};
pub use notice::{Notice, Recall};
pub use package::{MAX_BYTES, Package, Version, read};
pub use place::{Coded, Place, Sent};
pub use signal::{Signal, SignalKind};
pub use timestamp::Timestamp;
pub use warning::{Warning, WarningKind};
pub use write::{MAX_CONTENT, WriteError};

/// This reader and its version: what an earlier one read may read otherwise with it.
pub const READER: &str = concat!("ldt ", env!("CARGO_PKG_VERSION"));
