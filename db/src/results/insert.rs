//! Inserting one record: report, values, attachments.
//! Must stay true: each is one statement whatever the number of rows (but attachments, which are few).
use chrono::{DateTime, Utc};
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use super::patient::Place;
use super::{NewReport, withdrawn};
use crate::DbError;
use crate::session::Unit;
use crate::statements::statements;

statements! { Insert {
    INSERT_REPORT =
        "INSERT INTO reports (id, raw_message_id, record_index, order_id, patient_id, report_key, version, content_sha256, kind, status,
                laboratory_name, subject_family_name, subject_given_name, subject_birth_date, order_number, lab_order_number,
                reported_on, critical, genetic, notes, unmapped, received_at, confirmed_at, invalidates_earlier,
                subject_birth_text, subject_sex, subject_insurance_number, subject_patient_number, laboratory, not_judged,
                reading, reread_with, reread_at)
         VALUES ($1, $2, $3, $4, $5, $6, $23, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21, $22, $24, $25, $26, $27,
                $28, $29, $30, $31, CASE WHEN $30 > 1 THEN now() END)";
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
    /// What is genetic, and who alone releases it, stands where nobody changes it. A version of a report of which another is genetic is so,
    /// too, and for the same doctor if it comes without the mark or names nobody. $8: of what names nobody wholly, only what came within 90
    /// days of this moment. $9, $10: so is the same examination of the same order (else of the practice's number) that came within 90 days of
    /// $11 under another name or record type, as when the laboratory corrects how somebody is spelled.
    HOLD_REPORT = "INSERT INTO genetic_holds (id, report_id, lanr, actor, actor_role)
         SELECT $1, $2, CASE WHEN $7 THEN coalesce($3, e.lanr) ELSE e.lanr END, $4, $5
           FROM (SELECT count(*) AS held,
                        (array_agg(h.lanr ORDER BY v.report_key = $6 DESC, v.received_at DESC, v.version DESC) FILTER (WHERE h.lanr IS NOT NULL))[1] AS lanr
                   FROM reports v JOIN genetic_holds h ON h.report_id = v.id
                  WHERE (v.report_key = $6
                         AND ($8::timestamptz IS NULL OR v.received_at BETWEEN $8 - interval '90 days' AND $8 + interval '90 days'))
                     OR ((v.order_id = $9 OR v.order_number = $10)
                         AND v.received_at BETWEEN $11::timestamptz - interval '90 days' AND $11::timestamptz + interval '90 days'
                         AND (NOT EXISTS (SELECT FROM observations o WHERE o.report_id = v.id)
                              OR NOT EXISTS (SELECT FROM observations n WHERE n.report_id = $2)
                              OR EXISTS (SELECT FROM observations o JOIN observations n ON n.test_code = o.test_code
                                          WHERE o.report_id = v.id AND n.report_id = $2)))) e
          WHERE $7 OR e.held > 0
         RETURNING lanr";
    /// A doctor who is releasing one of them is waited for; whoever reads one is not.
    LOCK_HELD = "SELECT FROM reports WHERE report_key = $1 ORDER BY id FOR NO KEY UPDATE";
    /// What came before without the mark is held, and what is held without a doctor gets the one who is known now. Answers the former.
    HOLD_EARLIER = "WITH versions AS (
            SELECT v.id, EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = v.id) AS held,
                   EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = v.id AND h.lanr IS NOT NULL) AS named
              FROM reports v
             WHERE v.report_key = $1 AND v.id <> $2
               AND ($6::timestamptz IS NULL OR v.received_at BETWEEN $6 - interval '90 days' AND $6 + interval '90 days')
          ), added AS (
            INSERT INTO genetic_holds (id, report_id, lanr, actor, actor_role)
            SELECT gen_random_uuid(), v.id, $3, $4, $5 FROM versions v WHERE NOT v.held OR (NOT v.named AND $3::text IS NOT NULL)
            ON CONFLICT DO NOTHING
          )
          SELECT v.id FROM versions v WHERE NOT v.held ORDER BY v.id";
    STORED_VALUES = "SELECT r.patient_id, o.id FROM reports r LEFT JOIN observations o ON o.report_id = r.id WHERE r.id = $1 ORDER BY o.position";
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
    pub(super) not_judged: i32,
    pub(super) reading: i32,
    pub(super) reread_with: Option<&'a str>,
}

/// The report with its values and attachments.
pub(super) async fn record(unit: &Unit<'_>, row: &Row<'_>, record: &NewReport) -> Result<(), DbError> {
    report(unit, row, record).await?;
    observations(unit, row.id, record).await?;
    documents(unit, row.id, row.message_id, record).await
}

async fn report(unit: &Unit<'_>, row: &Row<'_>, report: &NewReport) -> Result<(), DbError> {
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
            &report.laboratory,
            &row.not_judged,
            &row.reading,
            &row.reread_with,
        ],
    )
    .await?;
    Ok(())
}

/// All values in one statement, whatever their number. (COPY FROM is refused on tables with row rules.)
async fn observations(unit: &Unit<'_>, report_id: Uuid, report: &NewReport) -> Result<(), DbError> {
    if report.observations.is_empty() {
        return Ok(());
    }
    unit.execute(INSERT_OBSERVATIONS, &[&Json(&report.observations), &report_id]).await?;
    Ok(())
}

async fn documents(unit: &Unit<'_>, report_id: Uuid, message_id: Uuid, report: &NewReport) -> Result<(), DbError> {
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

/// Holds a genetic report for its responsible doctor, with all versions of it; what was released before the mark came is taken back.
/// `lately`: as in `chain`.
pub(super) async fn genetic_hold(
    unit: &Unit<'_>,
    row: &Row<'_>,
    report: &NewReport,
    place: &Place<'_>,
    lately: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    let (actor, role) = unit.actor();
    let number = place.order_number.filter(|_| place.order.is_none());
    let hold: [&(dyn ToSql + Sync); 11] = [
        &Uuid::now_v7(),
        &row.id,
        &report.doctor_number,
        &actor,
        &role,
        &row.key,
        &report.genetic,
        &lately,
        &place.order,
        &number,
        &row.received_at,
    ];
    let Some(held) = unit.query(HOLD_REPORT, &hold).await?.pop() else { return Ok(()) };
    let lanr: Option<String> = held.get(0);
    unit.execute(LOCK_HELD, &[&row.key]).await?;
    let unmarked = unit.query(HOLD_EARLIER, &[&row.key, &row.id, &lanr, &actor, &role, &lately]).await?;
    let unmarked: Vec<Uuid> = unmarked.iter().map(|row| row.get(0)).collect();
    withdrawn::take_back(unit, &unmarked).await
}

/// Whose the version is, and the record with its values' ids as they were stored.
pub(super) async fn stored(
    unit: &Unit<'_>,
    id: Uuid,
    report: &NewReport,
) -> Result<(Option<Uuid>, NewReport), DbError> {
    let rows = unit.query(STORED_VALUES, &[&id]).await?;
    let mut stored = report.clone();
    for (value, row) in stored.observations.iter_mut().zip(&rows) {
        value.id = row.get::<_, Option<Uuid>>(1).ok_or(DbError::Data("a value of a report that was sent again"))?;
    }
    Ok((rows.first().and_then(|row| row.get(0)), stored))
}
