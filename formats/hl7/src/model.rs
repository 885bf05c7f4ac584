//! What a message says, as plain data.
//!
//! What must stay true: `Value::text` is what the laboratory sent; everything derived stands beside it.

use std::fmt;

use crate::{Charset, Warning};

/// One ORU^R01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MSH-10.
    pub control_id: Option<String>,
    /// Who sent it (MSH-3 and MSH-4).
    pub laboratory: Laboratory,
    /// To whom it goes: one recipient for the whole message, because there is one MSH-6.
    pub recipient: Recipient,
    /// What it was read in.
    pub charset: Charset,
    /// One for each patient and order.
    pub reports: Vec<Report>,
    /// What was tolerated.
    pub warnings: Vec<Warning>,
}

/// Who sent the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Laboratory {
    /// Practice number, where MSH-4 says that it is one.
    pub bsnr: Option<String>,
    /// MSH-4, else MSH-3, as they name it.
    pub name: String,
}

/// To whom the message goes. Both are none when it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipient {
    /// Practice number, where the message says that it is one.
    pub bsnr: Option<String>,
    /// What this laboratory calls the practice (MSH-6.1), if there is no practice number.
    pub customer_number: Option<String>,
}

/// What is reported for one order of one patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Placer order number (OBR-2, else ORC-2).
    pub order_number: Option<String>,
    /// Filler order number (OBR-3, else ORC-3).
    pub lab_order_number: Option<String>,
    /// State of the whole.
    pub status: ReportStatus,
    /// The latest OBR-22, ISO 8601.
    pub reported: Option<String>,
    /// Nobody, if there is no PID.
    pub patient: Option<Patient>,
    /// The values, in the laboratory's order.
    pub results: Vec<TestResult>,
    /// NTE that belong to the patient or the order.
    pub notes: Vec<String>,
    /// ED and RP.
    pub attachments: Vec<Attachment>,
    /// Number of the doctor who ordered the genetic examinations (OBR-16, else ORC-12), where it is called a LANR, or is nine digits of which
    /// nothing is said; of several doctors none.
    pub doctor_number: Option<String>,
    /// Genetics or cytogenetics (OBR-24 is GE or CG): GenDG, section 11, applies.
    pub genetic: bool,
    /// What found no place above, in order: show it.
    pub unmapped: Vec<Field>,
}

/// State of a report, from OBR-25 and the states of its values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReportStatus {
    /// Nothing measured yet.
    Registered,
    /// Something is still to come.
    Partial,
    /// Not validated, or nobody says in what state it is.
    #[default]
    Preliminary,
    /// Complete.
    Final,
    /// Complete, and something sent before was corrected or taken back.
    Corrected,
    /// There will be none.
    Cancelled,
}

/// The person (PID).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patient {
    /// The practice's own number: a PID-3 that the practice assigned.
    pub number: Option<String>,
    /// Versicherten-ID: a PID-3 of the statutory insurance.
    pub insurance_number: Option<String>,
    /// PID-5.1.
    pub family_name: Option<String>,
    /// PID-5.2 and PID-5.3.
    pub given_name: Option<String>,
    /// PID-7, ISO 8601; `1966-10` or `1966` if the rest is unknown.
    pub birth_date: Option<String>,
    /// PID-8.
    pub sex: Option<Sex>,
}

/// Administrative sex (PID-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// M.
    Male,
    /// F, and W, which German systems send.
    Female,
    /// O and A, and D and X, which German systems send.
    Other,
    /// U, N, and what is not in the table.
    Unknown,
}

/// One value, or the place of one (OBX).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestResult {
    /// The laboratory's code (OBX-3); the LOINC code if there is no other.
    pub code: String,
    /// The name that goes with the code.
    pub name: Option<String>,
    /// LOINC code, where OBX-3 says that it is one.
    pub loinc: Option<String>,
    /// State.
    pub status: ResultStatus,
    /// OBX-11 as sent, in capitals; none if it is longer than any code.
    pub status_code: Option<String>,
    /// The value; none if there is none, or if it was taken back.
    pub value: Option<Value>,
    /// OBX-6.
    pub unit: Option<String>,
    /// OBX-7 as sent.
    pub range: Option<String>,
    /// Lower limit, if OBX-7 can be read in one way only.
    pub low: Option<String>,
    /// Upper limit, if OBX-7 can be read in one way only.
    pub high: Option<String>,
    /// OBX-8 as sent.
    pub flag: Option<String>,
    /// What OBX-8 means.
    pub interpretation: Option<Interpretation>,
    /// Beyond a panic limit (LL, HH, AA).
    pub critical: bool,
    /// When the material was taken, ISO 8601 with the precision sent.
    pub collected: Option<String>,
    /// SPM-4, else OBR-15.
    pub specimen: Option<String>,
    /// NTE under the value, and what makes the value understood.
    pub notes: Vec<String>,
}

/// A value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    /// As sent; a structured number as `<0.6`, a code as its text.
    pub text: String,
    /// `<` or `>` before the number.
    pub comparator: Option<Comparator>,
    /// The number as a plain decimal text, if it can be read in one way only.
    pub number: Option<String>,
}

/// How a number is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What HL7 table 0078 says of a value. There is no `HU` here: HH is the panic limit itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interpretation {
    /// Normal.
    N,
    /// Below the reference range.
    L,
    /// Above the reference range.
    H,
    /// Abnormal, of a value that is no number.
    A,
    /// Below the lower panic limit.
    LL,
    /// Above the upper panic limit.
    HH,
    /// Very abnormal, as a panic limit is for numbers.
    AA,
}

impl fmt::Display for Interpretation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// State of a value (OBX-11, HL7 table 0085).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResultStatus {
    /// I, S, O: nothing to be relied on yet.
    Registered,
    /// P, R.
    Preliminary,
    /// F, U.
    Final,
    /// C.
    Corrected,
    /// X, N: there will be no value.
    Cancelled,
    /// D, W: what was sent before is wrong and must not be used.
    Withdrawn,
    /// Another code, or none at all.
    #[default]
    Unknown,
}

/// A document (OBX of type ED or RP).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// From what the sender claims; `application/octet-stream` if that is not known.
    pub media_type: String,
    /// Its bytes, as sent if they can't be decoded; none for a reference.
    pub bytes: Option<Vec<u8>>,
    /// Where it is instead (RP).
    pub reference: Option<String>,
}

/// Something that found no place in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Which field, such as `CHEM OBR-16`.
    pub name: String,
    /// Its text.
    pub text: String,
}
