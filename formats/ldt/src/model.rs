//! What a message says, as plain data.
//!
//! What must stay true: `Value::text` is exactly what the laboratory sent; everything derived stands beside it.

use std::fmt;
use std::ops::Range;

use crate::charge::Charge;
use crate::details::Details;
use crate::error::FieldId;
use crate::notice::{Notice, Recall};
use crate::place::{Coded, Place, Sent};

/// To whom a report goes. In LDT 2 the header names the practice; in LDT 3 each report does (Obj_0022), and the
/// header names the laboratory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Recipient {
    /// Practice number (0201).
    pub bsnr: Option<String>,
    /// Id of a place without practice number (0200).
    pub site_id: Option<String>,
    /// The laboratory's customer number (8312): means something only together with the laboratory.
    pub customer_number: Option<String>,
}

impl Recipient {
    /// Nothing identifies the recipient.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bsnr.is_none() && self.site_id.is_none() && self.customer_number.is_none()
    }
}

/// Who sent the package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Laboratory {
    /// Name: 8239 or 0203 in LDT 3, 8320 or 8300 in LDT 2.
    pub name: Option<String>,
    /// Practice number (LDT 3 only; LDT 2 has no field for it).
    pub bsnr: Option<String>,
    /// Id of a place without practice number (LDT 3, 0200).
    pub site_id: Option<String>,
    /// KBV test number of the sending software (0105, LDT 2: 0101).
    pub test_number: Option<String>,
    /// Sender id (LDT 3, 8316).
    pub sender_id: Option<String>,
    /// Sending software and its version (LDT 3, 0103 and 0132).
    pub software: Option<String>,
}

/// One report (Befund) for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Record type: 8201 to 8205.
    pub kind: String,
    /// To whom it goes.
    pub recipient: Recipient,
    /// Order number of the practice (8310).
    pub order_number: Option<String>,
    /// Order number of the laboratory (8311).
    pub lab_order_number: Option<String>,
    /// Report id (7305).
    pub report_id: Option<String>,
    /// State of the report.
    pub status: ReportStatus,
    /// The raw 8401.
    pub status_code: Option<String>,
    /// When the order was placed (LDT 3, 8214), ISO 8601.
    pub requested: Option<String>,
    /// When it reached the laboratory (8301, 8215), ISO 8601.
    pub received: Option<String>,
    /// When the report was made (8302/8303, 8216), ISO 8601.
    pub reported: Option<String>,
    /// The patient; a report of a Laborgemeinschaft may identify nobody but the order number.
    pub patient: Option<Patient>,
    /// The ordering doctor (LANR): 8615 or a single 0212 in LDT 2, Obj_0022/Obj_0014/0212 in LDT 3.
    pub doctor_number: Option<String>,
    /// The tests.
    pub results: Vec<TestResult>,
    /// Texts that belong to the report as a whole.
    pub notes: Vec<String>,
    /// Embedded or referenced documents, wherever they hang in the record.
    pub attachments: Vec<Attachment>,
    /// Human genetics (Obj_0073, 7431 = 2): GenDG, section 11, applies.
    pub genetic: bool,
    /// A life-threatening condition was reported (Obj_0026, 7280 = 2), anywhere in the record.
    pub life_threatening: bool,
    /// All notice codes (Obj_0026, 7280), anywhere in the record.
    pub notice_codes: Vec<String>,
    /// The notices that are in no result: of the report, its materials, its patient.
    pub notices: Vec<Notice>,
    /// Recall recommended for the whole order (LDT 3, Obj_0017, 7320).
    pub recall: Option<Recall>,
    /// The lines of the record.
    pub place: Place,
    /// Fields that found no place in the fields above, in order: show them. What only [`TestResult::details`],
    /// [`TestResult::charges`] and [`Value::further`] say is here, too.
    pub unmapped: Vec<Field>,
    /// The record's bytes in the input.
    pub span: Range<usize>,
}

/// State of a report (8401).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportStatus {
    /// LDT 2: V.
    Preliminary,
    /// LDT 2: T. LDT 3: 1, the order is not complete.
    Partial,
    /// LDT 2: E. LDT 3: 2, the order is complete.
    Final,
    /// LDT 2: A, sent before.
    Archive,
    /// LDT 2: N, tests that were ordered later.
    FollowUp,
    /// Not stated, or an unknown code.
    Unknown,
}

/// The person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patient {
    /// The practice's patient number (3000).
    pub number: Option<String>,
    /// 3101.
    pub family_name: Option<String>,
    /// 3102; several are joined by a blank.
    pub given_name: Option<String>,
    /// 3104.
    pub title: Option<String>,
    /// 3100, for example "Graf".
    pub name_suffix: Option<String>,
    /// 3120, for example "von".
    pub name_prefix: Option<String>,
    /// ISO 8601; `1966-10` or `1966` if day or month are unknown (F003).
    pub birth_date: Option<String>,
    /// M, W, D, X or U (E019).
    pub sex: Option<String>,
    /// 3119, or the old 3105.
    pub insurance_number: Option<String>,
    /// The material is not from a person (LDT 3, Obj_0053): name and owner are among the unmapped fields.
    pub animal: bool,
    /// Where the person's first field stands.
    pub place: Place,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Result id (7304).
    pub result_id: Option<String>,
    /// 8410. Without it: the LOINC code, the request text (8434) of an LDT 2 group, or the object's name.
    pub test_code: String,
    /// 8411, 7366, or the request text (8434).
    pub test_name: Option<String>,
    /// LOINC, if the catalogue is LOINC (7260 = 1, 7365).
    pub loinc: Option<String>,
    /// State of the result.
    pub status: ResultStatus,
    /// The raw 8418.
    pub status_code: Option<String>,
    /// All values (LDT 3 may send conventional and SI units side by side). One with `from_text` if the result is text.
    pub values: Vec<Value>,
    /// Result texts and remarks, as sent; coded fields of microbiology, cytology … as "label: text".
    pub notes: Vec<String>,
    /// When the material was taken, ISO 8601.
    pub collected_at: Option<String>,
    /// When it was measured (LDT 3, 8225), ISO 8601.
    pub measured_at: Option<String>,
    /// The material (8430, else 8428; with 8431 and 7292).
    pub specimen: Option<String>,
    /// The laboratory's code of the material (8428).
    pub specimen_code: Option<String>,
    /// Obj_0026 with 7280 = 2 inside this result.
    pub life_threatening: bool,
    /// Obj_0073 with 7431 = 2.
    pub genetic: bool,
    /// Notice codes (7280) inside this result.
    pub notice_codes: Vec<String>,
    /// The notices inside this result.
    pub notices: Vec<Notice>,
    /// What it is charged for (LDT 2: 5001; LDT 3: Obj_0058).
    pub charges: Vec<Charge>,
    /// LDT 3: what the result object says in its own terms.
    pub details: Option<Box<Details>>,
    /// The lines of the group (LDT 2) or object (LDT 3).
    pub place: Place,
}

/// State of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResultStatus {
    /// Pending: 02, F.
    Registered,
    /// 03, 05, 10; LDT 2 without 8418 in a T or V report.
    Preliminary,
    /// 06, 07, B; LDT 2 without 8418 in an E, A or N report.
    Final,
    /// 04, 08, K: all earlier values of this test are void.
    Corrected,
    /// 09, 11, 12: there will be no value.
    Cancelled,
    /// 01, none, or an unknown code.
    Unknown,
}

/// One value of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    /// Exactly as sent.
    pub text: String,
    /// `<` or `>` before the number.
    pub comparator: Option<Comparator>,
    /// The number as a plain decimal text: no exponent, no comma, digits after the point as sent.
    pub number: Option<String>,
    /// 8421.
    pub unit: Option<String>,
    /// 8419 = 1.
    pub si: bool,
    /// 8422 as sent.
    pub flag: Option<String>,
    /// What the flag means.
    pub interpretation: Option<Interpretation>,
    /// Normal values.
    pub reference: Option<Reference>,
    /// Alarm limits (7363, 7371).
    pub alarm: Option<Limits>,
    /// There was no 8420: `text` is the result text (which is also in the notes), perhaps empty.
    pub from_text: bool,
    /// How the value is written (LDT 3, 7306, E058).
    pub form: Option<Coded>,
    /// Further normal values (LDT 3, Obj_0042): for another age, sex or unit.
    pub further: Vec<Normal>,
    /// The line of the 8420, or the lines of the result text.
    pub place: Place,
}

/// How a number is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

/// The indicator 8422 (E005) in the words of HL7. `++` is *strongly* raised (HU), only `!+` is *extremely* raised (HH):
/// taking `++` for HH would raise critical alarms by the thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interpretation {
    /// Normal.
    N,
    /// Slightly low: L, -.
    L,
    /// Strongly low: LL, --.
    LU,
    /// Extremely low: !L, !-.
    LL,
    /// Slightly high: H, +.
    H,
    /// Strongly high: HH, ++.
    HU,
    /// Extremely high: !H, !+.
    HH,
    /// Abnormal: A, AA, and `!` of LDT 2.
    A,
}

/// Normal values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// 8460, 7316 and 7317, lines joined.
    pub text: Option<String>,
    /// 8461 as sent.
    pub low: Option<String>,
    /// 8462 as sent.
    pub high: Option<String>,
    /// The limits' own unit (LDT 3): if it is not the value's, do not compare.
    pub unit: Option<String>,
    /// For whom or by which standard they are (LDT 3, 8424, E052).
    pub specification: Option<Coded>,
    /// Where.
    pub place: Place,
}

/// Alarm limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// 7363 as sent.
    pub low: Option<String>,
    /// 7371 as sent.
    pub high: Option<String>,
    /// The limits' own unit.
    pub unit: Option<String>,
    /// Where.
    pub place: Place,
}

/// Normal values beside the first ones (Obj_0042).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Normal {
    /// Normal values.
    pub reference: Option<Reference>,
    /// Alarm limits.
    pub alarm: Option<Limits>,
    /// The indicator for these normal values (8422).
    pub flag: Option<Sent>,
}

/// A document (LDT 3, Obj_0010).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// From the file format (6303); `application/octet-stream` if unknown. What the sender claims, not what it is.
    pub media_type: String,
    /// 6303 as sent.
    pub format: Option<String>,
    /// Document type (9970, E053): 100 is a laboratory report.
    pub document_type: Option<String>,
    /// What it shows (6327).
    pub name: Option<String>,
    /// The content in Base64 (6329, joined).
    pub base64: Option<String>,
    /// A file elsewhere (6305) instead of the content.
    pub reference: Option<String>,
    /// Where.
    pub place: Place,
}

/// A line that found no place in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Line number, from 1.
    pub line: usize,
    /// Field id.
    pub id: FieldId,
    /// The number of the innermost LDT 3 object around it (7 for Obj_0007).
    pub object: Option<u16>,
    /// Content as sent.
    pub text: String,
}
