//! Storing what a message reports.
//! Must stay true: one message is one transaction that either stores all of its records and marks it processed, or nothing; a
//! message that is processed already changes nothing. No value that a doctor could see today disappears (see `chain`); two
//! people never become one (see `patient`).
pub(crate) mod chain;
pub mod compare;
pub(crate) mod insert;
pub(crate) mod name;
pub(crate) mod number;
pub(crate) mod order;
pub(crate) mod patient;
pub mod reread;
pub(crate) mod score;
pub(crate) mod withdrawn;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::alerts::judge;
use crate::alerts::judge::Limit;
use crate::alerts::raise::{self, Stored};
use crate::session::{Query, Unit};
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Results {
    LOCK_MESSAGE = "SELECT received_at, source_id FROM raw_messages WHERE id = $1 AND state = 'received' FOR UPDATE";
    END_UNCHANGED = "SELECT";
    MARK_PROCESSED = "WITH done AS (
            UPDATE raw_messages SET state = 'processed', format = $2, charset = $3, warnings = warnings || $4, processed_at = now()
             WHERE id = $1 RETURNING id
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT $5, $7, $8, 'message.process', 'raw_messages', id, 'success', $6 FROM done";
} }

/// Who a report is about, as the laboratory sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Subject {
    /// The practice's own number.
    pub patient_number: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Birth date, if it is complete.
    pub birth_date: Option<NaiveDate>,
    /// What was sent of it, such as `1966-10`, if it is not complete.
    pub birth_date_text: Option<String>,
    /// male, female, other or unknown.
    pub sex: Option<&'static str>,
    /// Versicherten-ID.
    pub insurance_number: Option<String>,
}

impl Subject {
    /// Without what says nothing of who it is: names, dates and numbers that stand where none is known. What was sent is stored all the same.
    pub(crate) fn identifying(&self) -> Self {
        let number = |number: &Option<String>| {
            let text = number.as_deref().map(str::trim).filter(|text| !number::is_placeholder(text))?;
            Some(text.to_owned())
        };
        // Earlier than anybody alive: 01.01.1900 and its like.
        let day = |day: &NaiveDate| *day > NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
        Self {
            patient_number: number(&self.patient_number),
            family_name: self.family_name.clone().filter(|name| !name::is_placeholder(name)),
            given_name: self.given_name.clone().filter(|name| !name::is_no_given_name(name)),
            birth_date: self.birth_date.filter(day),
            birth_date_text: self.birth_date_text.clone().filter(|part| part.as_str() >= "1901"),
            sex: self.sex,
            insurance_number: number(&self.insurance_number).filter(|text| number::is_of_a_person(text)),
        }
    }

    /// Whether enough was said to make a patient of it.
    pub(crate) fn is_complete(&self) -> bool {
        self.family_name.is_some() && self.given_name.is_some() && self.birth_date.is_some()
    }
}

/// One value to be stored. Field names are the columns'.
#[derive(Debug, Clone, Serialize)]
pub struct NewObservation {
    /// The laboratory sent alarm limits that the value can't be held against.
    pub alarm_open: bool,
    /// Key.
    pub id: Uuid,
    /// Order within the report.
    pub position: usize,
    /// The laboratory's code.
    pub test_code: String,
    /// Name.
    pub test_name: Option<String>,
    /// LOINC.
    pub loinc: Option<String>,
    /// Material as sent.
    pub specimen: Option<String>,
    /// As FHIR names it.
    pub status: &'static str,
    /// As sent.
    pub status_code: Option<String>,
    /// As sent.
    pub value_text: Option<String>,
    /// `<`, `<=`, `>` or `>=`.
    pub value_comparator: Option<&'static str>,
    /// Decimal number as text.
    pub value_number: Option<String>,
    /// As sent.
    pub unit: Option<String>,
    /// As sent.
    pub reference_text: Option<String>,
    /// As sent.
    pub reference_low: Option<String>,
    /// As sent.
    pub reference_high: Option<String>,
    /// Unit of the limits, if it is one of their own.
    pub reference_unit: Option<String>,
    /// As sent.
    pub flag: Option<String>,
    /// HL7 ObservationInterpretation.
    pub interpretation: Option<&'static str>,
    /// Life-threatening.
    pub critical: bool,
    /// As sent, ISO 8601.
    pub collected_at: Option<String>,
    /// For ordering a trend.
    pub effective_at: DateTime<Utc>,
    /// Free text.
    pub notes: Vec<String>,
}

impl NewObservation {
    /// To which germ or series it belongs, as its notes say it (`hl7::SUB_ID_NOTE`, `hl7::PARENT_NOTE`).
    pub(crate) fn part_of(&self) -> impl Iterator<Item = &str> {
        let notes = self.notes.iter().map(String::as_str);
        notes.filter(|note| note.starts_with("Sub-ID ") || note.starts_with("Belongs to:"))
    }
}

/// A field without a column of its own: shown, never dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// Field id of the format, or a name.
    pub field: String,
    /// What was sent.
    pub text: String,
    /// It is the message's and no report's: the laboratory's address, its software. A resend in another message may say otherwise.
    #[serde(skip)]
    pub of_message: bool,
}

/// An attachment to be noted.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Media type.
    pub media_type: String,
    /// SHA-256 of the decoded bytes.
    pub sha256: [u8; 32],
    /// Length of the decoded bytes.
    pub size_bytes: usize,
}

/// One record of a message.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// LDT record type, or the HL7 message type.
    pub kind: String,
    /// State of the whole.
    pub status: &'static str,
    /// The laboratory: BSNR, else name.
    pub laboratory: String,
    /// Name of the laboratory.
    pub laboratory_name: String,
    /// Whom it is about.
    pub subject: Subject,
    /// LDT 8310, HL7 OBR-2.
    pub order_number: Option<String>,
    /// LDT 8311, HL7 OBR-3.
    pub lab_order_number: Option<String>,
    /// LDT 3 7305.
    pub report_number: Option<String>,
    /// Date of the report.
    pub reported_on: Option<NaiveDate>,
    /// Life-threatening.
    pub critical: bool,
    /// The laboratory says so of the report as a whole, and not only of a value.
    pub critical_whole: bool,
    /// Genetic examination.
    pub genetic: bool,
    /// Number of the doctor who ordered it (LANR), if the laboratory sent a plausible one.
    pub doctor_number: Option<String>,
    /// The laboratory says that everything it sent for this order before is invalid (LDT 3 8418 = 08).
    pub invalidates_earlier: bool,
    /// Free text.
    pub notes: Vec<String>,
    /// Fields without a column.
    pub unmapped: Vec<Unmapped>,
    /// Values.
    pub observations: Vec<NewObservation>,
    /// Attachments.
    pub documents: Vec<NewDocument>,
}

/// A message that was read.
#[derive(Debug, Clone)]
pub struct ReadMessage {
    /// Which.
    pub id: Uuid,
    /// LDT2, LDT3 or HL7.
    pub format: &'static str,
    /// Character set it was read with.
    pub charset: String,
    /// Codes and places of what was tolerated.
    pub warnings: serde_json::Value,
    /// Its records.
    pub reports: Vec<NewReport>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Stored now; so many report versions are new (an unchanged resend makes none).
    Stored {
        /// New versions.
        new_versions: usize,
        /// Alerts that were raised.
        alerts: usize,
    },
    /// It was stored before, or set aside.
    Nothing,
}

/// Stores all records of a message and marks it processed.
///
/// # Errors
/// [`DbError::Conflict`] when another message about the same report was stored at the same moment; else when the database can't
/// be asked. Nothing is stored then.
pub async fn store(session: &mut TenantSession, message: &ReadMessage) -> Result<Effect, DbError> {
    let (request, (actor, role)) = (session.request_id(), session.actor());
    let lock = Query { sql: LOCK_MESSAGE, params: &[&message.id] };
    let (unit, rows) = session.begin(lock).await?;
    let Some(came) = rows.first().map(|row| Came::first_read(message.id, row.get(1), row.get(0))) else {
        unit.commit(Query { sql: END_UNCHANGED, params: &[] }).await?;
        return Ok(Effect::Nothing);
    };
    let limits = raise::limits_for(&unit, &message.reports).await?;
    let (mut new_versions, mut alerts) = (0, 0);
    for (index, report) in message.reports.iter().enumerate() {
        let (new, raised) = store_report(&unit, &came, &limits, index, report).await?;
        new_versions += usize::from(new);
        alerts += raised;
    }
    let audit_id = Uuid::now_v7();
    let finish = Query {
        sql: MARK_PROCESSED,
        params: &[
            &message.id,
            &message.format,
            &message.charset,
            &message.warnings,
            &audit_id,
            &request,
            &actor,
            &role,
        ],
    };
    unit.commit(finish).await?;
    Ok(Effect::Stored { new_versions, alerts })
}

/// A message, from whom and when it came, and the how many-th time it is read.
struct Came<'a> {
    id: Uuid,
    source: Uuid,
    at: DateTime<Utc>,
    reading: i32,
    /// With which reader, if it is read again.
    reread_with: Option<&'a str>,
}

impl Came<'_> {
    fn first_read(id: Uuid, source: Uuid, at: DateTime<Utc>) -> Self {
        Self { id, source, at, reading: 1, reread_with: None }
    }
}

/// Stores one record as the next version of its report, unless its content is there already; what it replaces is superseded. The order's row
/// is locked before the chain's, by people who match too. Whether there is a new version, and how many alerts were raised.
async fn store_report(
    unit: &Unit<'_>,
    came: &Came<'_>,
    limits: &[Limit],
    index: usize,
    report: &NewReport,
) -> Result<(bool, usize), DbError> {
    let (message_id, received_at) = (came.id, came.at);
    let key = chain::report_key(came.source, message_id, index, report);
    let content = chain::content_digest(report)?;
    let (order, known_order) = order::find_or_make(unit, report).await?.unzip();
    // Numbers are used again, also for the same person: what came long ago is another order's. Neither does it keep a new result from being
    // seen, or its alert from being raised, because it says the same, nor is it hidden by it. What is corrected so late is marked there.
    let lately = Some(received_at);
    let chain = chain::Chain::lock(unit, &key).await?.around(received_at);
    let judgement = judge::judge(report, limits);
    if let Some(same) = chain.current_with(&content) {
        let counts = chain.confirm(unit, same, report, received_at).await?;
        // What it invalidates takes its alerts with it. It raises none itself, unless the value's alert ended because of a correction.
        let (patient, report) = insert::stored(unit, same.id(), report).await?;
        let stored = Stored { id: same.id(), key: &key, lately, patient, counts, first: false };
        return Ok((false, raise::raise(unit, &stored, &report, &judgement).await?));
    }
    let place = patient::Place {
        key: &key,
        first: chain.next == 1,
        source: came.source,
        arrived_at: received_at,
        order,
        order_number: report.order_number.as_deref().filter(|number| !number::is_placeholder(number)),
    };
    let meant = patient::find(unit, &report.subject.identifying(), &place).await?;
    let id = Uuid::now_v7();
    let patient = meant.as_ref().map(|meant| meant.patient);
    let row = insert::Row {
        id,
        message_id,
        index,
        key: &key,
        content,
        order,
        patient,
        received_at,
        version: chain.next,
        not_judged: judgement.not_judged(),
        reading: came.reading,
        reread_with: came.reread_with,
    };
    insert::record(unit, &row, report).await?;
    let counts = chain.add(unit, &chain::Version::of(id, message_id, report, content, received_at)).await?;
    if chain.next == 1 && known_order == Some(true) {
        order::tell_of_another_name(unit, id).await?;
    }
    if let Some(meant) = &meant {
        order::note_match(unit, id, order, meant).await?;
        order::match_waiting(unit, &place).await?;
    }
    hold(unit, &row, report, &place, known_order).await?;
    let stored = Stored { id, key: &key, lately, patient, counts, first: chain.next == 1 };
    Ok((true, raise::raise(unit, &stored, report, &judgement).await?))
}

/// What is held, and for whom, is held of all that may be the same examination. Of a record that is new in every respect nothing is.
async fn hold(
    unit: &Unit<'_>,
    row: &insert::Row<'_>,
    report: &NewReport,
    place: &patient::Place<'_>,
    known_order: Option<bool>,
) -> Result<(), DbError> {
    let of_order = known_order.unwrap_or(place.order_number.is_some());
    if !report.genetic && row.version == 1 && !of_order {
        return Ok(());
    }
    let near = Some(row.received_at).filter(|_| !report.subject.identifying().is_complete());
    insert::genetic_hold(unit, row, report, place, near).await
}
