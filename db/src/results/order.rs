//! Reports of one order are about one patient, also those that name nobody.
//! Must stay true: numbers are used again, so only what arrived within 90 days is of one order, and only if it is all one patient's. Whoever
//! stores or matches a report of an order of the laboratory holds its row: of two reports of it, the later one sees the other.
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::patient::{self, Meant, Place, known_columns, subject, subject_columns};
use super::{NewReport, chain, number, withdrawn};
use crate::DbError;
use crate::notices::{RENAMED_REPORTS, TELL_READERS_OF_RENAMED};
use crate::session::Unit;
use crate::statements::statements;

statements! { Order {
    /// Locks the row also when there is nothing to change.
    FIND_OR_MAKE_ORDER =
        "INSERT INTO orders (id, laboratory, lab_order_number, order_number) VALUES ($1, $2, $3, $4)
         ON CONFLICT (laboratory, lab_order_number) DO UPDATE SET order_number = coalesce(orders.order_number, EXCLUDED.order_number)
         RETURNING id";
    /// Of reports that name somebody: what was led here itself leads nowhere. Null: such a report waits for its patient.
    ORDER_PATIENTS =
        "SELECT DISTINCT r.patient_id FROM reports r
          WHERE (r.order_id = $1 OR r.order_number = $2) AND r.subject_family_name IS NOT NULL
            AND r.received_at BETWEEN $3::timestamptz - interval '90 days' AND $3::timestamptz + interval '90 days'
          LIMIT 20";
    NOTE_MATCH = "WITH ordered AS (
            UPDATE orders SET patient_id = $3 WHERE id = $8 AND patient_id IS NULL
          )
          INSERT INTO matches (id, report_id, kind, patient_id, score, reasons, actor, actor_role) VALUES ($1, $2, 'matched', $3, $4, $5, $6, $7)";
    /// Reports of nobody that share a number with this one, other versions of it left out.
    WAITING_REPORTS = concat!(
        "SELECT DISTINCT ON (r.report_key) r.report_key, r.received_at, r.order_id, r.order_number, ",
        subject_columns!(),
        " FROM reports r
          WHERE (r.order_id = $1 OR r.order_number = $2) AND r.patient_id IS NULL AND r.report_key <> $4
            AND r.received_at BETWEEN $3::timestamptz - interval '90 days' AND $3::timestamptz + interval '90 days'
          ORDER BY r.report_key, r.version DESC
          LIMIT 100"
    );
    KNOWN_PERSON = concat!("SELECT ", known_columns!(), " FROM patients p WHERE p.id = $1");
    /// All versions of a report that have no patient get this one. $1: key, $2: patient, $9: only of what came within 90 days of this moment.
    MATCH_CHAIN = "WITH taken AS (
            UPDATE reports SET patient_id = $2
             WHERE report_key = $1 AND patient_id IS NULL
               AND ($9::timestamptz IS NULL OR received_at BETWEEN $9 - interval '90 days' AND $9 + interval '90 days')
            RETURNING id, order_id
          ), written AS (
            INSERT INTO matches (id, report_id, kind, patient_id, score, reasons, comment, actor, actor_role)
            SELECT gen_random_uuid(), t.id, 'matched', $2, $3, $4, $5, $6, $7 FROM taken t
          ), ordered AS (
            UPDATE orders SET patient_id = $2 WHERE patient_id IS NULL AND id IN (SELECT t.order_id FROM taken t)
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT gen_random_uuid(), $6, $7, 'report.match', 'reports', t.id, 'success', $8 FROM taken t";
} }

/// The order that the record answers, by the laboratory's number, and whether it was known; made when there is none. Its row stays locked.
pub(super) async fn find_or_make(unit: &Unit<'_>, report: &NewReport) -> Result<Option<(Uuid, bool)>, DbError> {
    // Of a laboratory that does not say who it is, the number may be another's.
    let number = report.lab_order_number.as_deref().filter(|number| !number::is_placeholder(number));
    let Some(number) = number.filter(|_| !report.laboratory.is_empty()) else { return Ok(None) };
    let id = Uuid::now_v7();
    let made = unit.query(FIND_OR_MAKE_ORDER, &[&id, &report.laboratory, &number, &report.order_number]).await?;
    Ok(made.first().map(|row| row.get::<_, Uuid>(0)).map(|order| (order, order != id)))
}

/// Whose reports of the order there are, at most 20; none as long as one that names somebody waits for a patient, who may be another.
pub(crate) async fn patients(
    unit: &Unit<'_>,
    order: Option<Uuid>,
    order_number: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Vec<Uuid>, DbError> {
    if order.is_none() && order_number.is_none() {
        return Ok(Vec::new());
    }
    let rows = unit.query(ORDER_PATIENTS, &[&order, &order_number, &at]).await?;
    let patients: Option<Vec<Uuid>> = rows.iter().map(|row| row.get(0)).collect();
    Ok(patients.unwrap_or_default())
}

/// Tells whoever saw a report of the same order under another name or birth date that there is this one. Whoever asks holds the order's row.
pub(super) async fn tell_of_another_name(unit: &Unit<'_>, report: Uuid) -> Result<(), DbError> {
    for row in unit.query(RENAMED_REPORTS, &[&report]).await? {
        unit.execute(TELL_READERS_OF_RENAMED, &[&row.get::<_, Uuid>(0), &report]).await?;
    }
    Ok(())
}

/// Writes down who a new version is about, and why.
pub(super) async fn note_match(
    unit: &Unit<'_>,
    report: Uuid,
    order: Option<Uuid>,
    meant: &Meant,
) -> Result<(), DbError> {
    let (actor, role) = unit.actor();
    unit.execute(
        NOTE_MATCH,
        &[&Uuid::now_v7(), &report, &meant.patient, &meant.score, &meant.reasons, &actor, &role, &order],
    )
    .await?;
    Ok(())
}

/// Who or what matches a chain.
pub(crate) struct Because<'a> {
    pub(crate) score: Option<i32>,
    /// Empty: a person decided.
    pub(crate) reasons: &'a [&'static str],
    pub(crate) comment: Option<&'a str>,
    /// Of a report that names nobody wholly, when it came: older versions under its number may be another's.
    pub(crate) lately: Option<DateTime<Utc>>,
}

/// Gives all versions of a report that have no patient this one; how many there were.
pub(crate) async fn match_chain(
    unit: &Unit<'_>,
    key: &str,
    patient: Uuid,
    because: &Because<'_>,
) -> Result<u64, DbError> {
    let ((actor, role), request) = (unit.actor(), unit.request_id());
    unit.execute(
        MATCH_CHAIN,
        &[&key, &patient, &because.score, &because.reasons, &because.comment, &actor, &role, &request, &because.lately],
    )
    .await
}

/// Reports of the same order that wait for a patient because they don't say enough are looked at again, now that one of it has a patient.
pub(crate) async fn match_waiting(unit: &Unit<'_>, place: &Place<'_>) -> Result<(), DbError> {
    if place.order.is_none() && place.order_number.is_none() {
        return Ok(());
    }
    let waiting =
        unit.query(WAITING_REPORTS, &[&place.order, &place.order_number, &place.arrived_at, &place.key]).await?;
    for row in &waiting {
        let (key, sent): (&str, _) = (row.get(0), subject(row, 4));
        if sent.is_complete() {
            continue;
        }
        unit.execute(chain::LOCK_CHAIN, &[&key]).await?;
        withdrawn::unsure(unit, key).await?;
        let order_number = row.get::<_, Option<&str>>(3).filter(|number| !number::is_placeholder(number));
        // What was decided for its source is none of the order's news.
        let waits =
            Place { key, first: false, source: Uuid::nil(), arrived_at: row.get(1), order: row.get(2), order_number };
        if let Some(meant) = patient::find(unit, &sent, &waits).await? {
            let because =
                Because { score: meant.score, reasons: &meant.reasons, comment: None, lately: Some(row.get(1)) };
            match_chain(unit, key, meant.patient, &because).await?;
        }
    }
    Ok(())
}
