//! Releasing reports to patients, and taking that back.
//! Must stay true: a doctor does it, in person, and only with what counts and is somebody's. A genetic report is released by its
//! responsible doctor alone (GenDG, section 11): the database's row rule says so, and what is asked here before only finds the words. Who
//! is responsible is as the laboratory sent it; where it sent nobody an admin names somebody, once.
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::results::patient::{subject, subject_columns};
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Releases {
    /// What counts stays so until this transaction ends, and no version comes with an alert: the first version's row is the lock of the chain.
    LOCK_RELEASE = concat!(
        "SELECT r.id, r.received_at, ",
        subject_columns!(),
        " FROM reports r WHERE r.id = $1 OR (r.version = 1 AND r.report_key = (SELECT v.report_key FROM reports v WHERE v.id = $1))
          ORDER BY r.version FOR NO KEY UPDATE"
    );
    /// $3: of what names nobody wholly, only alerts of what came within 90 days of this moment: numbers are used again.
    RELEASE_STATE = "SELECT r.superseded_by, r.patient_id IS NOT NULL, r.genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = r.id),
                (SELECT h.lanr FROM genetic_holds h WHERE h.report_id = r.id AND h.lanr IS NOT NULL),
                (SELECT n.lanr FROM doctor_numbers n JOIN users u ON u.id = n.user_id WHERE n.user_id = $2 AND n.ended_at IS NULL AND u.active),
                EXISTS (SELECT FROM alerts a JOIN reports v ON v.id = a.report_id
                         WHERE v.report_key = r.report_key AND a.tier = 'emergency'
                           AND ($3::timestamptz IS NULL OR v.received_at BETWEEN $3 - interval '90 days' AND $3 + interval '90 days')
                           AND NOT EXISTS (SELECT FROM alert_events e WHERE e.alert_id = a.id AND e.kind IN ('confirmed', 'dismissed', 'superseded')))
           FROM reports r WHERE r.id = $1";
    RELEASE_REPORT = "WITH released AS (
            UPDATE reports SET released_at = coalesce(released_at, now()), released_by = $2, release_id = $3
             WHERE id = $1 AND superseded_by IS NULL AND (released_at IS NULL OR released_by IS DISTINCT FROM $2) RETURNING id, patient_id
          ), noted AS (
            INSERT INTO report_events (id, report_id, kind, actor, actor_role, patient_id, ends)
            SELECT $3, d.id, 'released', $4, $5, d.patient_id, b.release_id FROM released d JOIN reports b ON b.id = d.id
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          VALUES ($6, $4, $5, 'report.release', 'reports', $1, 'success', $7)";
    WITHDRAW_REPORT = "WITH withdrawn AS (
            UPDATE reports SET released_at = NULL, released_by = NULL, release_id = NULL WHERE id = $1 AND released_at IS NOT NULL RETURNING id
          ), noted AS (
            INSERT INTO report_events (id, report_id, kind, ends, actor, actor_role)
            SELECT gen_random_uuid(), w.id, 'withdrawn', e.id, $2, $3
              FROM withdrawn w LEFT JOIN report_events e ON e.report_id = w.id AND e.kind = 'released'
               AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id)
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT $4, $2, $3, 'report.withdraw', 'reports', $1,
                 CASE WHEN EXISTS (SELECT FROM withdrawn) THEN 'success' WHEN EXISTS (SELECT FROM reports WHERE id = $1) THEN 'refused' ELSE 'not_found' END, $5";
    AUDIT_RELEASE_REFUSED = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT $2, $3, $4, 'report.release', 'reports', $1, CASE WHEN EXISTS (SELECT FROM reports WHERE id = $1) THEN 'refused' ELSE 'not_found' END, $5";
    HOLD_STATE = "SELECT r.genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = r.id),
                (SELECT h.lanr FROM genetic_holds h WHERE h.report_id = r.id AND h.lanr IS NOT NULL)
           FROM reports r WHERE r.id = $1";
    NAME_DOCTOR = "WITH named AS (
            INSERT INTO genetic_holds (id, report_id, lanr, actor, actor_role)
            SELECT $2, r.id, $3, $4, $5 FROM reports r
             WHERE r.id = $1 AND (r.genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = r.id))
               AND NOT EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = r.id AND h.lanr IS NOT NULL)
            ON CONFLICT DO NOTHING RETURNING id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT $6, $4, $5, 'report.name_doctor', 'reports', $1, CASE WHEN EXISTS (SELECT FROM named) THEN 'success' ELSE 'refused' END, $7
          )
          SELECT id FROM named";
} }

/// What came of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// The patient sees it.
    Done,
    /// A newer version counts: this one.
    Replaced(Uuid),
    /// It is nobody's.
    Unmatched,
    /// Somebody has to confirm an emergency alert of it first.
    AlertOpen,
    /// It is genetic, and another doctor is responsible.
    NotResponsible,
    /// It is genetic, and nobody is named as responsible.
    NobodyResponsible,
    /// This session can see no such report.
    NotFound,
}

/// Releases a report to its patient. Said again it changes nothing but who released it last.
///
/// # Errors
/// [`DbError::Refused`] when the row rule refuses; else when the database can't be asked.
pub async fn release(session: &mut TenantSession, report: Uuid, user: Uuid) -> Result<Released, DbError> {
    let (event, audit, request, (actor, role)) =
        (Uuid::now_v7(), Uuid::now_v7(), session.request_id(), session.actor());
    let (unit, locked) = session.begin(Query { sql: LOCK_RELEASE, params: &[&report] }).await?;
    let lately: Option<DateTime<Utc>> = locked
        .iter()
        .find(|row| row.get::<_, Uuid>(0) == report && !subject(row, 2).is_complete())
        .map(|row| row.get(1));
    // A statement of its own: the one before sees nothing that was written while it waited.
    let rows = unit.query(RELEASE_STATE, &[&report, &user, &lately]).await?;
    let refused = rows.first().map_or(Some(Released::NotFound), |row| {
        let (responsible, own): (Option<String>, Option<String>) = (row.get(3), row.get(4));
        match (row.get::<_, Option<Uuid>>(0), row.get(1), row.get(2), row.get(5)) {
            (Some(newer), ..) => Some(Released::Replaced(newer)),
            (None, false, ..) => Some(Released::Unmatched),
            (None, true, true, _) if responsible.is_none() => Some(Released::NobodyResponsible),
            (None, true, true, _) if responsible != own => Some(Released::NotResponsible),
            (None, true, _, true) => Some(Released::AlertOpen),
            _ => None,
        }
    });
    if let Some(refused) = refused {
        unit.commit(Query { sql: AUDIT_RELEASE_REFUSED, params: &[&report, &audit, &actor, &role, &request] }).await?;
        return Ok(refused);
    }
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&report, &user, &event, &actor, &role, &audit, &request];
    unit.commit(Query { sql: RELEASE_REPORT, params: &params }).await?;
    Ok(Released::Done)
}

/// Takes a release back, in turns with workers, who ask the events for what the row says. False when this session can see no such report.
///
/// # Errors
/// When the database can't be asked.
pub async fn withdraw(session: &mut TenantSession, report: Uuid) -> Result<bool, DbError> {
    let (audit, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let withdraw = Query { sql: WITHDRAW_REPORT, params: &[&report, &actor, &role, &audit, &request] };
    let results = session.run(&[Query { sql: LOCK_RELEASE, params: &[&report] }, withdraw]).await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}

/// What came of naming a responsible doctor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It is that doctor.
    Done,
    /// Somebody is responsible already.
    Before,
    /// It is no genetic report.
    NotGenetic,
    /// This session can see no such report.
    NotFound,
}

/// Names the responsible doctor of a genetic report of which the laboratory sent none. Once.
///
/// # Errors
/// [`DbError::Refused`] when the claims are no admin's; else when the database can't be asked.
pub async fn name_doctor(session: &mut TenantSession, report: Uuid, lanr: &str) -> Result<Named, DbError> {
    let (id, audit, request, (actor, role)) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id(), session.actor());
    let name = Query { sql: NAME_DOCTOR, params: &[&report, &id, &lanr, &actor, &role, &audit, &request] };
    let results = session.run(&[Query { sql: HOLD_STATE, params: &[&report] }, name]).await?;
    let [state, named] = results.as_slice() else { return Err(DbError::Data("a statement gave no result")) };
    let Some(state) = state.first() else { return Ok(Named::NotFound) };
    Ok(match (named.is_empty(), state.get(0)) {
        (false, _) => Named::Done,
        (true, false) => Named::NotGenetic,
        (true, true) => Named::Before,
    })
}
