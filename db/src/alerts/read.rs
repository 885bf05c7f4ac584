//! Reading alerts: what is open, whose turn it is, what was done.
//! Must stay true: whoever is shown an alert has seen its value, and is told if it is corrected; a list is audited as a read of a report
//! is. How many there are tells nothing of anybody, and is on every page.
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reports::ReportSummary;
use crate::results::END_UNCHANGED;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

/// An alert's columns, in the order that [`alert`] reads them. `$1` is the reader's id, `$2` their role.
macro_rules! alerts_with_turn {
    () => {
        "SELECT a.id, a.report_id, a.tier, a.cause, a.test_code, a.test_name, a.specimen, a.value_text, a.unit, a.former_value, a.former_at,
                a.raised_at, t.due_at, r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.laboratory_name, t.step,
                coalesce(h.display_name, d.display_name), coalesce(coalesce(h.id, d.id)::text = $1,
                  $2 = 'doctor' OR ($2 = 'lab_technician' AND t.round > 1)),
                z.kind, z.at, z.display_name, r.subject_birth_text
           FROM alerts a JOIN reports r ON r.id = a.report_id
          CROSS JOIN LATERAL (SELECT e.round, e.step, e.holder, e.deputy, e.due_at FROM alert_events e
                               WHERE e.alert_id = a.id AND e.round IS NOT NULL ORDER BY e.round DESC LIMIT 1) t
           LEFT JOIN users h ON h.id::text = t.holder AND h.active
           LEFT JOIN users d ON d.id::text = t.deputy AND d.active
           LEFT JOIN LATERAL (SELECT e.kind, e.at, u.display_name FROM alert_events e LEFT JOIN users u ON u.id::text = e.actor
                               WHERE e.alert_id = a.id AND e.kind IN ('confirmed', 'dismissed', 'superseded') ORDER BY e.at LIMIT 1) z ON true"
    };
}

statements! { ReadAlerts {
    /// The reader's turn first, the gravest first, the oldest first.
    OPEN_ALERTS = concat!(alerts_with_turn!(), " JOIN alert_states s ON s.alert_id = a.id WHERE s.ended_at IS NULL
         ORDER BY 20 DESC, array_position(ARRAY['emergency', 'phone', 'check'], a.tier), a.raised_at, a.id LIMIT 200");
    LATEST_ALERTS = concat!(alerts_with_turn!(), " ORDER BY a.raised_at DESC, a.id DESC LIMIT 200");
    ONE_ALERT = concat!(alerts_with_turn!(), " WHERE a.id = $3");
    /// Of all versions of the report: an alert stays with the version that it was raised for. $4: of what names nobody wholly, only of what
    /// came within 90 days of this moment: numbers are used again.
    ALERTS_OF_REPORT = concat!(alerts_with_turn!(), " WHERE r.report_key = (SELECT v.report_key FROM reports v WHERE v.id = $3)
            AND ($4::timestamptz IS NULL OR r.received_at BETWEEN $4 - interval '90 days' AND $4 + interval '90 days') ORDER BY a.raised_at, a.id");
    EVENTS_OF_ALERTS = "SELECT e.alert_id, e.kind, e.at, e.step, coalesce(h.display_name, d.display_name), e.due_at, e.reached, e.read_back, e.comment,
                u.display_name, e.actor_role
           FROM alert_events e LEFT JOIN users u ON u.id::text = e.actor LEFT JOIN users h ON h.id::text = e.holder LEFT JOIN users d ON d.id::text = e.deputy
          WHERE e.alert_id = ANY ($1) ORDER BY e.at, e.id";
    /// As `events::MARK_SEEN`, and before the alerts are read as there.
    MARK_LISTED_SEEN = "INSERT INTO report_events (id, report_id, kind, actor, actor_role)
        SELECT gen_random_uuid(), s.report_id, 'seen', $1, $2 FROM (SELECT DISTINCT l.report_id FROM unnest($3::uuid[]) AS l (report_id) ORDER BY l.report_id) s
        ON CONFLICT DO NOTHING";
    MARK_ALERT_SEEN = "INSERT INTO report_events (id, report_id, kind, actor, actor_role)
        SELECT gen_random_uuid(), a.report_id, 'seen', $1, $2 FROM alerts a WHERE a.id = $3 ON CONFLICT DO NOTHING";
    /// What is open is found by an index: every page asks, and the history grows.
    WAITING_ALERTS = "SELECT count(*), count(*) FILTER (WHERE w.mine), coalesce(min(w.raised_at) FILTER (WHERE w.mine), min(w.raised_at))
           FROM (SELECT a.raised_at, coalesce(coalesce(h.id, d.id)::text = $1, $2 = 'doctor' OR ($2 = 'lab_technician' AND t.round > 1)) AS mine
                   FROM alert_states s JOIN alerts a ON a.id = s.alert_id
                  CROSS JOIN LATERAL (SELECT e.round, e.holder, e.deputy FROM alert_events e
                                       WHERE e.alert_id = a.id AND e.round IS NOT NULL ORDER BY e.round DESC LIMIT 1) t
                   LEFT JOIN users h ON h.id::text = t.holder AND h.active
                   LEFT JOIN users d ON d.id::text = t.deputy AND d.active
                  WHERE s.ended_at IS NULL) w";
    AUDIT_ALERTS = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'alert.list', 'alerts', 'success', $4)";
    AUDIT_ALERT = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, 'alert.read', 'alerts', $4, CASE WHEN EXISTS (SELECT FROM alerts WHERE id = $4) THEN 'success' ELSE 'not_found' END, $5";
} }

/// An alert and whose turn it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Alert {
    /// Id.
    pub id: Uuid,
    /// The version of the report that it was raised for.
    pub report_id: Uuid,
    /// emergency: at once, also at night; phone: the same day; check: an unlikely change, may be dismissed.
    pub tier: String,
    /// laboratory: it said so itself; limit: beyond a limit of the practice; delta: changed much against the value before.
    pub cause: String,
    /// The laboratory's code of the test; absent: the report as a whole.
    pub test_code: Option<String>,
    /// Name of the test.
    pub test_name: Option<String>,
    /// What was examined.
    pub specimen: Option<String>,
    /// The value exactly as sent.
    pub value: Option<String>,
    /// Unit as sent.
    pub unit: Option<String>,
    /// For cause delta: the value before.
    pub former_value: Option<String>,
    /// For cause delta: when that was.
    pub former_at: Option<DateTime<Utc>>,
    /// When it was raised.
    pub raised_at: DateTime<Utc>,
    /// When the next one's turn comes; absent: it does not any more.
    pub due_at: Option<DateTime<Utc>>,
    /// Patient's family name as the laboratory sent it.
    pub family_name: Option<String>,
    /// Patient's given name as the laboratory sent it.
    pub given_name: Option<String>,
    /// Patient's birth date as the laboratory sent it.
    pub birth_date: Option<NaiveDate>,
    /// What was sent of it, if it is not complete.
    pub birth_date_text: Option<String>,
    /// Who measured.
    pub laboratory_name: String,
    /// Step of the ladder; 0: everybody's turn.
    pub step: i32,
    /// Whose turn it is; absent: everybody's.
    pub with: Option<String>,
    /// Whether it is the reader's turn.
    pub mine: bool,
    /// How it ended: confirmed, dismissed or superseded; absent: it is open.
    pub ended: Option<String>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// What became of it, the oldest first. Lists have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<AlertEvent>,
}

/// Something that became of an alert.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertEvent {
    /// raised, escalated, unanswered, confirmed, reached_without_read_back, unreachable, dismissed or superseded.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Step of the ladder; 0: everybody's turn.
    pub step: Option<i32>,
    /// Whose turn it became; absent: everybody's.
    pub with: Option<String>,
    /// Until when.
    pub due_at: Option<DateTime<Utc>>,
    /// Who was reached, or should have been.
    pub reached: Option<String>,
    /// What they repeated.
    pub read_back: Option<String>,
    /// What was noted.
    pub comment: Option<String>,
    /// Who did it; absent: Labor itself.
    pub name: Option<String>,
    /// In which role.
    pub role: String,
}

/// What every page says. It names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Waiting {
    /// Open alerts of the practice.
    pub open: i64,
    /// Those whose turn is the reader's.
    pub mine: i64,
    /// Since when the oldest waits: of the reader's, else of all.
    pub since: DateTime<Utc>,
}

/// Open alerts, those whose turn is the reader's first, or the latest of all; at most 200.
///
/// # Errors
/// When the database can't be asked.
pub async fn list(session: &mut TenantSession, open: bool) -> Result<Vec<Alert>, DbError> {
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let list = if open { OPEN_ALERTS } else { LATEST_ALERTS };
    // Which they are; what is shown is read once it is known as seen, and nothing else is.
    let (unit, found) = session.begin(Query { sql: list, params: &[&actor, &role] }).await?;
    let reports: Vec<Uuid> = found.iter().map(|row| row.get(1)).collect();
    unit.execute(MARK_LISTED_SEEN, &[&actor, &role, &reports]).await?;
    let rows = unit.query(list, &[&actor, &role]).await?;
    unit.commit(Query { sql: AUDIT_ALERTS, params: &[&audit_id, &actor, &role, &request] }).await?;
    Ok(rows.iter().map(alert).filter(|alert| reports.contains(&alert.report_id)).collect())
}

/// One alert with its events; `None` when this session can see none with this id.
///
/// # Errors
/// When the database can't be asked.
pub async fn get(session: &mut TenantSession, id: Uuid) -> Result<Option<Alert>, DbError> {
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let ids = vec![id];
    let results = session
        .run(&[
            Query { sql: MARK_ALERT_SEEN, params: &[&actor, &role, &id] },
            Query { sql: ONE_ALERT, params: &[&actor, &role, &id] },
            Query { sql: EVENTS_OF_ALERTS, params: &[&ids] },
            Query { sql: AUDIT_ALERT, params: &[&audit_id, &actor, &role, &id, &request] },
        ])
        .await?;
    let [_, alerts, events, _] = results.as_slice() else {
        return Err(DbError::Data("a statement gave no result"));
    };
    Ok(with_events(alerts, events).pop())
}

/// The alerts of all versions of a report, for whoever reads the report: that read is audited already.
///
/// # Errors
/// When the database can't be asked.
pub async fn of_report(session: &mut TenantSession, report: &ReportSummary) -> Result<Vec<Alert>, DbError> {
    let (actor, role) = session.actor();
    let lately = (!report.names_somebody()).then_some(report.received_at);
    let params: [&(dyn ToSql + Sync); 4] = [&actor, &role, &report.id, &lately];
    let found = session.run(&[Query { sql: ALERTS_OF_REPORT, params: &params }]).await?;
    let found = found.first().map(Vec::as_slice).unwrap_or_default();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // They are of other versions, too: read once it is known that these are seen.
    let reports: Vec<Uuid> = found.iter().map(|row| row.get(1)).collect();
    let seen = Query { sql: MARK_LISTED_SEEN, params: &[&actor, &role, &reports] };
    let (unit, _) = session.begin(seen).await?;
    let mut alerts = unit.query(ALERTS_OF_REPORT, &params).await?;
    alerts.retain(|row| reports.contains(&row.get(1)));
    let ids: Vec<Uuid> = alerts.iter().map(|row| row.get(0)).collect();
    let events = unit.query(EVENTS_OF_ALERTS, &[&ids]).await?;
    unit.commit(Query { sql: END_UNCHANGED, params: &[] }).await?;
    Ok(with_events(&alerts, &events))
}

/// How many alerts are open; `None` when none is. Not audited: it names nobody.
///
/// # Errors
/// When the database can't be asked.
pub async fn waiting(session: &mut TenantSession) -> Result<Option<Waiting>, DbError> {
    let (actor, role) = session.actor();
    let rows = session.run(&[Query { sql: WAITING_ALERTS, params: &[&actor, &role] }]).await?;
    let Some(row) = rows.first().and_then(|rows| rows.first()) else { return Ok(None) };
    Ok(row.get::<_, Option<DateTime<Utc>>>(2).map(|since| Waiting { open: row.get(0), mine: row.get(1), since }))
}

fn with_events(alerts: &[Row], events: &[Row]) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = alerts.iter().map(alert).collect();
    for row in events {
        let id: Uuid = row.get(0);
        if let Some(alert) = alerts.iter_mut().find(|alert| alert.id == id) {
            alert.events.push(event(row));
        }
    }
    alerts
}

fn event(row: &Row) -> AlertEvent {
    AlertEvent {
        kind: row.get(1),
        at: row.get(2),
        step: row.get(3),
        with: row.get(4),
        due_at: row.get(5),
        reached: row.get(6),
        read_back: row.get(7),
        comment: row.get(8),
        name: row.get(9),
        role: row.get(10),
    }
}

fn alert(row: &Row) -> Alert {
    Alert {
        id: row.get(0),
        report_id: row.get(1),
        tier: row.get(2),
        cause: row.get(3),
        test_code: row.get(4),
        test_name: row.get(5),
        specimen: row.get(6),
        value: row.get(7),
        unit: row.get(8),
        former_value: row.get(9),
        former_at: row.get(10),
        raised_at: row.get(11),
        due_at: row.get(12),
        family_name: row.get(13),
        given_name: row.get(14),
        birth_date: row.get(15),
        laboratory_name: row.get(16),
        step: row.get(17),
        with: row.get(18),
        mine: row.get(19),
        ended: row.get(20),
        ended_at: row.get(21),
        ended_by: row.get(22),
        birth_date_text: row.get(23),
        events: Vec::new(),
    }
}
