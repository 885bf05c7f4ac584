//! Storing what a message reports.
//! Must stay true: one message is one transaction that either stores all of its records and marks it processed, or nothing; a
//! message that is processed already changes nothing. No value that a doctor could see today disappears: an earlier version
//! is superseded only by one that holds every test of it, or when the laboratory says that it invalidates it.
use aws_lc_rs::digest;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::session::{Query, Unit};
use crate::{DbError, TenantSession};

/// Who a report is about, as the laboratory sent it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Subject {
    /// The practice's own number.
    pub patient_number: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Birth date, if it is complete.
    pub birth_date: Option<NaiveDate>,
    /// male, female, other or unknown.
    pub sex: Option<&'static str>,
    /// Versicherten-ID.
    pub insurance_number: Option<String>,
}

/// One value to be stored. Field names are the columns'.
#[derive(Debug, Clone, Serialize)]
pub struct NewObservation {
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
    /// LDT record type.
    pub kind: String,
    /// State of the whole.
    pub status: &'static str,
    /// The laboratory: BSNR, else name.
    pub laboratory: String,
    /// Name of the laboratory.
    pub laboratory_name: String,
    /// Whom it is about.
    pub subject: Subject,
    /// LDT 8310.
    pub order_number: Option<String>,
    /// LDT 8311.
    pub lab_order_number: Option<String>,
    /// LDT 3 7305.
    pub report_number: Option<String>,
    /// Date of the report.
    pub reported_on: Option<NaiveDate>,
    /// Life-threatening.
    pub critical: bool,
    /// Genetic examination.
    pub genetic: bool,
    /// The laboratory says that everything it sent for this order before is invalid (LDT 3 8418 = 08).
    pub invalidates_earlier: bool,
    /// Free text.
    pub notes: Vec<String>,
    /// Fields without a column.
    pub unmapped: serde_json::Value,
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
    /// LDT2 or LDT3.
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
    let request = session.request_id();
    let lock = Query {
        sql: "SELECT received_at FROM raw_messages WHERE id = $1 AND state = 'received' FOR UPDATE",
        params: &[&message.id],
    };
    let (unit, rows) = session.begin(lock).await?;
    let Some(received_at) = rows.first().map(|row| row.get::<_, DateTime<Utc>>(0)) else {
        unit.commit(Query { sql: "SELECT", params: &[] }).await?;
        return Ok(Effect::Nothing);
    };
    let mut new_versions = 0;
    for (index, report) in message.reports.iter().enumerate() {
        new_versions += usize::from(store_report(&unit, message.id, index, report, received_at).await?);
    }
    let audit_id = Uuid::now_v7();
    let finish = Query {
        sql: "WITH done AS (
                UPDATE raw_messages SET state = 'processed', format = $2, charset = $3, warnings = $4, processed_at = now()
                 WHERE id = $1 RETURNING id
              )
              INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id)
              SELECT $5, 'message.process', 'raw_messages', id, 'success', $6 FROM done",
        params: &[&message.id, &message.format, &message.charset, &message.warnings, &audit_id, &request],
    };
    unit.commit(finish).await?;
    Ok(Effect::Stored { new_versions })
}

async fn store_report(
    unit: &Unit<'_>,
    message_id: Uuid,
    index: usize,
    report: &NewReport,
    received_at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let key = report_key(message_id, index, report);
    let content = content_digest(report)?;
    let (current, newest) = current_versions(unit, &key, &content).await?;
    if current.iter().any(|version| version.same) {
        return Ok(false);
    }
    let patient = match_patient(unit, &report.subject).await?;
    let order = upsert_order(unit, report, patient).await?;
    let id = Uuid::now_v7();
    insert_report(
        unit,
        &Row { id, message_id, index, key: &key, content, order, patient, received_at, version: newest + 1 },
        report,
    )
    .await?;
    insert_observations(unit, id, patient, report).await?;
    insert_documents(unit, id, message_id, report).await?;
    let mine = Version {
        id,
        received_at,
        same: false,
        invalidates_earlier: report.invalidates_earlier,
        tests: report.observations.iter().map(|o| o.test_code.clone()).collect(),
    };
    for other in &current {
        let (earlier, later) = if other.received_at <= mine.received_at { (other, &mine) } else { (&mine, other) };
        if later.replaces(earlier) {
            unit.execute(
                "UPDATE reports SET superseded_by = $2 WHERE id = $1 AND superseded_by IS NULL",
                &[&earlier.id, &later.id],
            )
            .await?;
        }
    }
    Ok(true)
}

/// A version of a report that is current so far.
struct Version {
    id: Uuid,
    received_at: DateTime<Utc>,
    same: bool,
    invalidates_earlier: bool,
    tests: Vec<String>,
}

impl Version {
    fn replaces(&self, earlier: &Self) -> bool {
        self.invalidates_earlier || earlier.tests.iter().all(|test| self.tests.contains(test))
    }
}

/// The current versions of a report. Messages about one report take turns: the first version's row is the lock, and only the
/// statement after it sees what the turn before has written. Also gives the highest version number seen: the next one is used, so
/// that of two who both saw no version one is refused and tried again. The order in which messages *arrived* decides what replaces what, not the order of the work.
async fn current_versions(unit: &Unit<'_>, key: &str, content: &[u8]) -> Result<(Vec<Version>, i32), DbError> {
    unit.execute("SELECT FROM reports WHERE report_key = $1 AND version = 1 FOR UPDATE", &[&key]).await?;
    let rows = unit
        .query(
            "SELECT r.id, r.received_at, r.content_sha256 = $2, r.invalidates_earlier,
                    (SELECT coalesce(array_agg(DISTINCT o.test_code), '{}') FROM observations o WHERE o.report_id = r.id),
                    r.superseded_by IS NULL, r.version
               FROM reports r WHERE r.report_key = $1 ORDER BY r.version",
            &[&key, &content],
        )
        .await?;
    let version = |row: &tokio_postgres::Row| Version {
        id: row.get(0),
        received_at: row.get(1),
        same: row.get(2),
        invalidates_earlier: row.get(3),
        tests: row.get(4),
    };
    let newest = rows.last().map_or(0, |row| row.get(6));
    Ok((rows.iter().filter(|row| row.get(5)).map(version).collect(), newest))
}

/// What is known of a report row besides its contents.
struct Row<'a> {
    id: Uuid,
    message_id: Uuid,
    index: usize,
    key: &'a str,
    content: [u8; 32],
    order: Option<Uuid>,
    patient: Option<Uuid>,
    received_at: DateTime<Utc>,
    version: i32,
}

async fn insert_report(unit: &Unit<'_>, row: &Row<'_>, report: &NewReport) -> Result<(), DbError> {
    let index = i32::try_from(row.index).map_err(|_| DbError::Data("too many records in one message"))?;
    unit.execute(
        "INSERT INTO reports (id, raw_message_id, record_index, order_id, patient_id, report_key, version, content_sha256, kind, status,
                laboratory_name, subject_family_name, subject_given_name, subject_birth_date, order_number, lab_order_number,
                reported_on, critical, genetic, notes, unmapped, received_at, invalidates_earlier)
         VALUES ($1, $2, $3, $4, $5, $6, $23, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
        &[
            &row.id,
            &row.message_id,
            &index,
            &row.order,
            &row.patient,
            &row.key,
            &&row.content[..],
            &report.kind,
            &report.status,
            &report.laboratory_name,
            &report.subject.family_name,
            &report.subject.given_name,
            &report.subject.birth_date,
            &report.order_number,
            &report.lab_order_number,
            &report.reported_on,
            &report.critical,
            &report.genetic,
            &report.notes,
            &report.unmapped,
            &row.received_at,
            &report.invalidates_earlier,
            &row.version,
        ],
    )
    .await?;
    Ok(())
}

/// All values in one statement, whatever their number. (COPY FROM is refused on tables with row rules.)
async fn insert_observations(
    unit: &Unit<'_>,
    report_id: Uuid,
    patient: Option<Uuid>,
    report: &NewReport,
) -> Result<(), DbError> {
    if report.observations.is_empty() {
        return Ok(());
    }
    unit.execute(
        "INSERT INTO observations (id, report_id, patient_id, position, test_code, test_name, loinc, status, status_code, value_text,
                value_comparator, value_number, unit, reference_text, reference_low, reference_high, flag, interpretation, critical,
                collected_at, effective_at, notes)
         SELECT o.id, $2, $3, o.position, o.test_code, o.test_name, o.loinc, o.status, o.status_code, o.value_text, o.value_comparator,
                o.value_number, o.unit, o.reference_text, o.reference_low, o.reference_high, o.flag, o.interpretation, o.critical,
                o.collected_at, o.effective_at, o.notes
           FROM jsonb_to_recordset($1) AS o (id uuid, position integer, test_code text, test_name text, loinc text, status text,
                status_code text, value_text text, value_comparator text, value_number numeric, unit text, reference_text text,
                reference_low text, reference_high text, flag text, interpretation text, critical boolean, collected_at text,
                effective_at timestamptz, notes text[])",
        &[&Json(&report.observations), &report_id, &patient],
    )
    .await?;
    Ok(())
}

async fn insert_documents(
    unit: &Unit<'_>,
    report_id: Uuid,
    message_id: Uuid,
    report: &NewReport,
) -> Result<(), DbError> {
    for (position, document) in report.documents.iter().enumerate() {
        let position = i32::try_from(position).map_err(|_| DbError::Data("too many attachments in one record"))?;
        let size = i64::try_from(document.size_bytes).map_err(|_| DbError::Data("an attachment is too large"))?;
        unit.execute(
            "INSERT INTO documents (id, report_id, raw_message_id, position, media_type, sha256, size_bytes) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[&Uuid::now_v7(), &report_id, &message_id, &position, &document.media_type, &&document.sha256[..], &size],
        )
        .await?;
    }
    Ok(())
}

/// The patient with this name, birth date and sex, made when there is none. `None`, for a person to decide, when the sender did
/// not say enough or when insurance numbers contradict each other: two people must never become one.
async fn match_patient(unit: &Unit<'_>, subject: &Subject) -> Result<Option<Uuid>, DbError> {
    let (Some(family), Some(given), Some(birth)) = (&subject.family_name, &subject.given_name, subject.birth_date)
    else {
        return Ok(None);
    };
    let sex = subject.sex.unwrap_or("unknown");
    let key = hex_digest(&[&family.trim().to_lowercase(), &given.trim().to_lowercase(), &birth.to_string(), sex]);
    let rows = unit
        .query(
            "INSERT INTO patients (id, identity_key, patient_number, family_name, given_name, birth_date, sex, insurance_number)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (identity_key) DO UPDATE
                SET patient_number   = coalesce(patients.patient_number, EXCLUDED.patient_number),
                    insurance_number = coalesce(patients.insurance_number, EXCLUDED.insurance_number)
             RETURNING id, insurance_number IS DISTINCT FROM coalesce($8, insurance_number)
                        OR patient_number IS DISTINCT FROM coalesce($3, patient_number) AS contradicts",
            &[&Uuid::now_v7(), &key, &subject.patient_number, family, given, &birth, &sex, &subject.insurance_number],
        )
        .await?;
    Ok(rows.first().filter(|row| !row.get::<_, bool>("contradicts")).map(|row| row.get("id")))
}

async fn upsert_order(unit: &Unit<'_>, report: &NewReport, patient: Option<Uuid>) -> Result<Option<Uuid>, DbError> {
    let Some(number) = &report.lab_order_number else {
        return Ok(None);
    };
    let rows = unit
        .query(
            "INSERT INTO orders (id, laboratory, lab_order_number, order_number, patient_id) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (laboratory, lab_order_number) DO UPDATE
                SET order_number = coalesce(orders.order_number, EXCLUDED.order_number),
                    patient_id   = coalesce(orders.patient_id, EXCLUDED.patient_id)
             RETURNING id",
            &[&Uuid::now_v7(), &report.laboratory, number, &report.order_number, &patient],
        )
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The same for all versions of a report: laboratory, its order number (else the practice's, else the report's) and record
/// type. A record without any number is a chain of its own.
fn report_key(message_id: Uuid, index: usize, report: &NewReport) -> String {
    let number =
        [("lab order", &report.lab_order_number), ("order", &report.order_number), ("report", &report.report_number)];
    match number.into_iter().find_map(|(kind, value)| value.as_ref().map(|value| (kind, value))) {
        Some((kind, value)) => hex_digest(&[&report.laboratory, &report.kind, kind, value]),
        None => hex_digest(&["message", &message_id.to_string(), &index.to_string()]),
    }
}

/// Digest of what a doctor reads. Sender's repetition marks, report numbers and arrival times are not in it, so an unchanged
/// resend is recognised.
fn content_digest(report: &NewReport) -> Result<[u8; 32], DbError> {
    let values: Vec<_> = report
        .observations
        .iter()
        .map(|o| {
            (
                (&o.test_code, &o.test_name, settled(o.status), &o.value_text, &o.unit, &o.reference_text),
                (&o.reference_low, &o.reference_high, &o.flag, o.critical, &o.collected_at, &o.notes),
            )
        })
        .collect();
    let documents: Vec<_> = report.documents.iter().map(|d| &d.sha256).collect();
    let whole =
        (&report.subject, settled(report.status), report.critical, report.genetic, &report.notes, values, documents);
    let text = serde_json::to_vec(&whole).map_err(|_| DbError::Data("a report can't be digested"))?;
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, &text).as_ref());
    Ok(out)
}

/// A corrected value that is sent again is marked as sent before, no longer as corrected: the mark alone is no news.
fn settled(status: &'static str) -> &'static str {
    if status == "corrected" { "final" } else { status }
}

/// SHA-256 in hex over parts that can't run into each other.
fn hex_digest(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}
