//! Reader for HL7 v2 ORU^R01, in which laboratories send results, and writer of the acknowledgement.
//!
//! A lost, misrouted or misread result harms a person. Therefore a message is either read completely — everything it says is in
//! the [`Message`], if only among the `unmapped` fields — or it is refused with an [`Error`] that says what is wrong and where.
//! Neither errors nor warnings contain anything of the message's content.
//!
//! Delimiters and escape sequences are the `er7` crate's (docs/adr/0017); what fields mean is said here.
//!
//! ```
//! let text = "MSH|^~\\&|LIS|LABOR^987654300^BSNR|PVS|PRAXIS^123456700^BSNR|20261008||ORU^R01|1|P|2.5\r\
//!             PID|1||||Muster^Eva||19661024|F\r\
//!             OBR|1|A-1|L-1|CHEM^Chemie^L|||202610080815\r\
//!             OBX|1|NM|2823-3^Potassium^LN^K^Kalium^L||7.1|mmol/L|3.5-5.1|HH|||F\r";
//! let message = hl7::read(text.as_bytes())?;
//! assert_eq!(message.recipient.bsnr.as_deref(), Some("123456700"));
//! let value = &message.reports[0].results[0];
//! assert_eq!((value.code.as_str(), value.loinc.as_deref()), ("K", Some("2823-3")));
//! assert!(value.critical, "HH is above the panic limit");
//!
//! // A cut message is never taken for a short one.
//! let cut = &text[..text.find("|mmol").unwrap()];
//! assert_eq!(hl7::read(cut.as_bytes()).unwrap_err().code(), "truncated");
//! # Ok::<(), hl7::Error>(())
//! ```

mod acknowledge;
mod attachment;
mod charset;
mod coded;
mod error;
mod header;
mod model;
mod number;
mod order;
mod patient;
mod range;
mod reader;
mod result;
mod segment;
mod status;
mod text;
mod time;
mod value;
mod warning;

pub use acknowledge::{Acknowledgement, Refusal};
pub use charset::Charset;
pub use error::{Error, Location};
pub use model::{
    Attachment, Comparator, Field, Interpretation, Laboratory, Message, Patient, Recipient, Report, ReportStatus,
    ResultStatus, Sex, TestResult, Value,
};
pub use reader::{MAX_BYTES, looks_like_hl7, read};
pub use result::{PARENT_NOTE, SUB_ID_NOTE};
pub use warning::{Warning, WarningKind};

/// This reader and its version: what an earlier one read may read otherwise with it.
pub const READER: &str = concat!("hl7 ", env!("CARGO_PKG_VERSION"));
