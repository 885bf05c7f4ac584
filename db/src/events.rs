//! What people did with a report: seen it, taken note of it.
//! Must stay true: an event is written in the transaction of what it tells of, by the one who is named in it. Only what counts today
//! can be acknowledged, and only by a doctor; a correction is a new version, so it has to be acknowledged anew.
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corrected::corrected_by;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Events {
    /// Before the report is read: a worker that supersedes it waits for this row's transaction, or is waited for. So whoever reads a
    /// version that is replaced meanwhile either reads that it was, or is found by the worker and told.
    MARK_SEEN = "INSERT INTO report_events (id, report_id, kind, actor, actor_role)
        SELECT $1, r.id, 'seen', $2, $3 FROM reports r WHERE r.id = $4 ON CONFLICT DO NOTHING";
    EVENTS_OF_REPORT = "SELECT e.kind, e.at, e.actor_role, u.display_name, b.display_name, e.comment
          FROM report_events e LEFT JOIN users u ON u.id::text = e.actor LEFT JOIN users b ON b.id = e.on_behalf_of
         WHERE e.report_id = $1 ORDER BY e.at, e.id";
    SEEN_BEFORE = concat!("WITH RECURSIVE corrected (id) AS (
            SELECT r.id FROM reports this JOIN reports r ON r.report_key = this.report_key JOIN observations o ON o.report_id = r.id
             WHERE this.id = $1 AND ", corrected_by!("AND n.id = $1"), " IS NOT NULL
          ), before (id) AS (
            SELECT r.id FROM reports r WHERE r.superseded_by = $1
            UNION SELECT c.id FROM corrected c
            UNION SELECT r.id FROM before b JOIN reports r ON r.superseded_by = b.id
          )
        SELECT DISTINCT ON (e.actor) e.kind, e.at, e.actor_role, u.display_name, NULL::text, NULL::text
          FROM before b JOIN report_events e ON e.report_id = b.id AND e.kind = 'seen' LEFT JOIN users u ON u.id::text = e.actor
         ORDER BY e.actor, e.at DESC");
    /// What counts stays so until this transaction ends: who supersedes it waits.
    WHAT_COUNTS = "SELECT r.superseded_by, $2::uuid IS NULL OR EXISTS (
                 SELECT FROM users u WHERE u.id = $2 AND u.role = 'doctor' AND u.active)
          FROM reports r WHERE r.id = $1 FOR KEY SHARE OF r";
    /// All that a list of a patient's values can show: rather one told too many. In the same order as above.
    MARK_VALUES_SEEN = "INSERT INTO report_events (id, report_id, kind, actor, actor_role)
        SELECT gen_random_uuid(), r.id, 'seen', $1, $2 FROM reports r
         WHERE r.patient_id = $3 AND r.superseded_by IS NULL ORDER BY r.id ON CONFLICT DO NOTHING";
    ACKNOWLEDGE_REPORT = "WITH counts AS (
            SELECT r.id FROM reports r
             WHERE r.id = $1 AND r.superseded_by IS NULL
               AND ($5::uuid IS NULL OR EXISTS (SELECT FROM users u WHERE u.id = $5 AND u.role = 'doctor' AND u.active))
          ), written AS (
            INSERT INTO report_events (id, report_id, kind, actor, actor_role, on_behalf_of, comment)
            SELECT $2, c.id, 'acknowledged', $3, $4, $5, $6 FROM counts c ON CONFLICT DO NOTHING
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT $7, $3, $4, 'report.acknowledge', 'reports', $1, CASE WHEN EXISTS (SELECT FROM counts) THEN 'success' ELSE 'refused' END, $8";
} }

/// What somebody did with one version of a report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReportEvent {
    /// seen, acknowledged, or told: the person has read the notice that it does not count any more.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
    /// In which role.
    pub role: String,
    /// Who, as colleagues see the name.
    pub name: Option<String>,
    /// The colleague for whom it was acknowledged.
    pub on_behalf_of: Option<String>,
    /// What the doctor noted.
    pub comment: Option<String>,
}

/// What came of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is acknowledged, now or by the same person before.
    Done,
    /// A newer version counts: this one.
    Replaced(Uuid),
    /// The colleague is no doctor of this practice.
    NoSuchColleague,
    /// This session can see no such report.
    NotFound,
}

/// Takes note of the report, for oneself or for a colleague. Who is no doctor is refused by the database.
///
/// # Errors
/// [`DbError::Refused`] when the claims are no doctor's; else when the database can't be asked.
pub async fn acknowledge(
    session: &mut TenantSession,
    report: Uuid,
    on_behalf_of: Option<Uuid>,
    comment: Option<&str>,
) -> Result<Acknowledged, DbError> {
    let (id, audit_id, request) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id());
    let (actor, role) = session.actor();
    let results = session
        .run(&[
            Query { sql: WHAT_COUNTS, params: &[&report, &on_behalf_of] },
            Query { sql: MARK_SEEN, params: &[&Uuid::now_v7(), &actor, &role, &report] },
            Query {
                sql: ACKNOWLEDGE_REPORT,
                params: &[&report, &id, &actor, &role, &on_behalf_of, &comment, &audit_id, &request],
            },
        ])
        .await?;
    let Some(row) = results.first().and_then(|rows| rows.first()) else { return Ok(Acknowledged::NotFound) };
    Ok(match (row.get::<_, Option<Uuid>>(0), row.get(1)) {
        (Some(newer), _) => Acknowledged::Replaced(newer),
        (None, false) => Acknowledged::NoSuchColleague,
        (None, true) => Acknowledged::Done,
    })
}

/// From a row of [`EVENTS_OF_REPORT`] or [`SEEN_BEFORE`].
pub(crate) fn event(row: &Row) -> ReportEvent {
    ReportEvent {
        kind: row.get(0),
        at: row.get(1),
        role: row.get(2),
        name: row.get(3),
        on_behalf_of: row.get(4),
        comment: row.get(5),
    }
}
