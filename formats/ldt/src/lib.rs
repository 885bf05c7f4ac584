//! Reader for LDT 2 and LDT 3, the formats in which German laboratories send results to practices.
//!
//! A lost, misrouted or misread result harms a person. Therefore a message is either read completely — everything it
//! says is in the [`Package`], if only among the `unmapped` fields — or it is refused with an [`Error`] that says what
//! is wrong and where. Neither errors nor warnings contain anything of the message's content.
//!
//! ```
//! let message: Vec<u8> = [
//!     "8000=8220", "8100=00193", "9212=LDT1014.01", "0201=123456700", "0203=Praxis", "0205=Weg 1", "0215=12345",
//!     "0216=Musterhausen", "0101=Z/39/2610/36/tst", "9106=4", "8312=4711", "9103=20261008",
//!     "8000=8201", "8100=00164", "8310=A-1", "8301=20261008", "8302=20261008", "3101=Muster", "3103=19661024",
//!     "8401=E", "8410=K", "8420=<0.6", "8421=mmol/l", "8422=--",
//!     "8000=8221", "8100=00044", "9202=00000401",
//! ]
//! .iter()
//! .flat_map(|field| {
//!     let (id, content) = field.split_once('=').unwrap();
//!     format!("{:03}{id}{content}\r\n", content.len() + 9).into_bytes()
//! })
//! .collect();
//!
//! let package = ldt::read(&message)?;
//! assert!(package.warnings.is_empty());
//! let report = &package.reports[0];
//! assert_eq!(report.recipient.bsnr.as_deref(), Some("123456700"));
//! let value = &report.results[0].values[0];
//! assert_eq!(value.number.as_deref(), Some("0.6"));
//! assert_eq!(value.comparator, Some(ldt::Comparator::Less));
//! assert_eq!(value.interpretation, Some(ldt::Interpretation::LU));
//!
//! // A cut file is never taken for a short one.
//! assert_eq!(ldt::read(&message[..message.len() - 44]).unwrap_err().code(), "missing-trailer");
//! # Ok::<(), ldt::Error>(())
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
pub use error::{Error, FieldId, Location};
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
