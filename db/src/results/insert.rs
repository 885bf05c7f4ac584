//! Inserting one record: report, values, attachments.
//! Must stay true: each is one statement whatever the number of rows (but attachments, which are few).
use chrono::{DateTime, Utc};
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::NewReport;
use crate::DbError;
use crate::session::Unit;
use crate::statements::statements;

statements! { Insert {
    INSERT_REPORT =
        "INSERT INTO reports (id, raw_message_id, record_index, order_id, patient_id, report_key, version, content_sha256, kind, status,
                laboratory_name, subject_family_name, subject_given_name, subject_birth_date, order_number, lab_order_number,
                reported_on, critical, genetic, notes, unmapped, received_at, confirmed_at, invalidates_earlier,
                subject_birth_text, subject_sex, subject_insurance_number, subject_patient_number)
         VALUES ($1, $2, $3, $4, $5, $6, $23, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21, $22, $24, $25, $26, $27)";
    INSERT_OBSERVATIONS =
        "INSERT INTO observations (id, report_id, position, test_code, test_name, loinc, specimen, status, status_code, value_text,
                value_comparator, value_number, unit, reference_text, reference_low, reference_high, reference_unit, flag, interpretation, critical,
                collected_at, effective_at, notes)
         SELECT o.id, $2, o.position, o.test_code, o.test_name, o.loinc, o.specimen, o.status, o.status_code, o.value_text, o.value_comparator,
                o.value_number, o.unit, o.reference_text, o.reference_low, o.reference_high, o.reference_unit, o.flag, o.interpretation, o.critical,
                o.collected_at, o.effective_at, o.notes
           FROM jsonb_to_recordset($1) AS o (id uuid, position integer, test_code text, test_name text, loinc text, specimen text, status text,
                status_code text, value_text text, value_comparator text, value_number numeric, unit text, reference_text text,
                reference_low text, reference_high text, reference_unit text, flag text, interpretation text, critical boolean, collected_at text,
                effective_at timestamptz, notes text[])";
    INSERT_DOCUMENT =
        "INSERT INTO documents (id, report_id, raw_message_id, position, media_type, sha256, size_bytes) VALUES ($1, $2, $3, $4, $5, $6, $7)";
} }

/// What is known of a report row besides its contents.
pub(super) struct Row<'a> {
    pub(super) id: Uuid,
    pub(super) message_id: Uuid,
    pub(super) index: usize,
    pub(super) key: &'a str,
    pub(super) content: [u8; 32],
    pub(super) order: Option<Uuid>,
    pub(super) patient: Option<Uuid>,
    pub(super) received_at: DateTime<Utc>,
    pub(super) version: i32,
}

pub(super) async fn report(unit: &Unit<'_>, row: &Row<'_>, report: &NewReport) -> Result<(), DbError> {
    let index = i32::try_from(row.index).map_err(|_| DbError::Data("too many records in one message"))?;
    unit.execute(
        INSERT_REPORT,
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
            &Json(&report.unmapped),
            &row.received_at,
            &report.invalidates_earlier,
            &row.version,
            &report.subject.birth_date_text,
            &report.subject.sex,
            &report.subject.insurance_number,
            &report.subject.patient_number,
        ],
    )
    .await?;
    Ok(())
}

/// All values in one statement, whatever their number. (COPY FROM is refused on tables with row rules.)
pub(super) async fn observations(unit: &Unit<'_>, report_id: Uuid, report: &NewReport) -> Result<(), DbError> {
    if report.observations.is_empty() {
        return Ok(());
    }
    unit.execute(INSERT_OBSERVATIONS, &[&Json(&report.observations), &report_id]).await?;
    Ok(())
}

pub(super) async fn documents(
    unit: &Unit<'_>,
    report_id: Uuid,
    message_id: Uuid,
    report: &NewReport,
) -> Result<(), DbError> {
    for (position, document) in report.documents.iter().enumerate() {
        let position = i32::try_from(position).map_err(|_| DbError::Data("too many attachments in one record"))?;
        let size = i64::try_from(document.size_bytes).map_err(|_| DbError::Data("an attachment is too large"))?;
        unit.execute(
            INSERT_DOCUMENT,
            &[&Uuid::now_v7(), &report_id, &message_id, &position, &document.media_type, &&document.sha256[..], &size],
        )
        .await?;
    }
    Ok(())
}
