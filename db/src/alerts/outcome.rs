//! What came of an alert: somebody was reached and repeated the value, or not.
//! Must stay true: it is confirmed only if the value itself was read back; it ends once, and whoever comes later is told by whom. What
//! was refused is audited too.
use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::read_back::repeats;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Outcomes {
    ALERT_STATE = "SELECT a.tier, a.value_text, z.kind, z.at, z.display_name
           FROM alerts a
           LEFT JOIN LATERAL (SELECT e.kind, e.at, u.display_name FROM alert_events e LEFT JOIN users u ON u.id::text = e.actor
                               WHERE e.alert_id = a.id AND e.kind IN ('confirmed', 'dismissed', 'superseded') ORDER BY e.at LIMIT 1) z ON true
          WHERE a.id = $1";
    /// Two who end it at once: the second waits for the first, and writes nothing.
    WRITE_OUTCOME = "WITH written AS (
            INSERT INTO alert_events (id, alert_id, tier, kind, reached, read_back, comment, actor, actor_role)
            SELECT $2, a.id, a.tier, $3, $4, $5, $6, $7, $8 FROM alerts a
             WHERE a.id = $1 AND NOT EXISTS (SELECT FROM alert_events e
                                              WHERE e.alert_id = a.id AND e.kind IN ('confirmed', 'dismissed', 'superseded'))
            ON CONFLICT DO NOTHING RETURNING id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT $9, $7, $8, 'alert.' || $3, 'alerts', $1, CASE WHEN EXISTS (SELECT FROM written) THEN 'success' ELSE 'refused' END, $10
          )
          SELECT id FROM written";
    /// So that what is open is found by an index. A statement of its own: the row rule asks for the event that ended the alert, and sees what
    /// was written before.
    CLOSE_ALERTS = "UPDATE alert_states s SET ended_at = now()
          WHERE s.alert_id = ANY ($1) AND s.ended_at IS NULL
            AND EXISTS (SELECT FROM alert_events e WHERE e.alert_id = s.alert_id AND e.kind IN ('confirmed', 'dismissed', 'superseded'))";
    AUDIT_REFUSED = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT $2, $3, $4, 'alert.' || $5, 'alerts', $1, CASE WHEN EXISTS (SELECT FROM alerts WHERE id = $1) THEN 'refused' ELSE 'not_found' END, $6";
} }

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody was reached and repeated the value.
    Confirmed,
    /// Somebody was reached and did not repeat it.
    ReachedWithoutReadBack,
    /// Nobody was reached.
    Unreachable,
    /// An unlikely change was looked at and is none.
    Dismissed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::ReachedWithoutReadBack => "reached_without_read_back",
            Self::Unreachable => "unreachable",
            Self::Dismissed => "dismissed",
        }
    }
}

/// What is noted with it.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// What came of it.
    pub outcome: Outcome,
    /// Who was reached, or should have been.
    pub reached: Option<&'a str>,
    /// What they repeated.
    pub read_back: Option<&'a str>,
    /// What is noted.
    pub comment: Option<&'a str>,
}

/// Whether it was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It was.
    Done,
    /// What was repeated does not hold the value.
    NotTheValue,
    /// Only an unlikely change can be dismissed.
    NotDismissible,
    /// It had ended.
    Ended {
        /// confirmed, dismissed or superseded.
        how: String,
        /// When.
        at: DateTime<Utc>,
        /// By whom; `None`: by Labor itself.
        by: Option<String>,
    },
    /// This session can see no such alert.
    NotFound,
}

/// Notes what came of an alert. Who may not is refused by the database.
///
/// # Errors
/// [`DbError::Refused`] when the claims are neither a doctor's nor a technician's; else when the database can't be asked.
pub async fn note(session: &mut TenantSession, alert: Uuid, said: &Said<'_>) -> Result<Noted, DbError> {
    let (event, audit, request, (actor, role)) =
        (Uuid::now_v7(), Uuid::now_v7(), session.request_id(), session.actor());
    let kind = said.outcome.as_str();
    let (unit, rows) = session.begin(Query { sql: ALERT_STATE, params: &[&alert] }).await?;
    let refused = rows.first().map_or(Some(Noted::NotFound), |row| {
        let (tier, value): (String, Option<String>) = (row.get(0), row.get(1));
        if let Some(how) = row.get(2) {
            return Some(Noted::Ended { how, at: row.get(3), by: row.get(4) });
        }
        let read_back = said.read_back.unwrap_or_default();
        match said.outcome {
            Outcome::Confirmed if !value.is_none_or(|value| repeats(&value, read_back)) => Some(Noted::NotTheValue),
            Outcome::Dismissed if tier != "check" => Some(Noted::NotDismissible),
            _ => None,
        }
    });
    if let Some(refused) = refused {
        if matches!(refused, Noted::Ended { .. }) {
            // Else it stood among the open ones for ever, if it does.
            unit.execute(CLOSE_ALERTS, &[&vec![alert]]).await?;
        }
        unit.commit(Query { sql: AUDIT_REFUSED, params: &[&alert, &audit, &actor, &role, &kind, &request] }).await?;
        return Ok(refused);
    }
    let Said { reached, read_back, comment, .. } = said;
    let write: [&(dyn ToSql + Sync); 10] =
        [&alert, &event, &kind, reached, read_back, comment, &actor, &role, &audit, &request];
    let written = unit.query(WRITE_OUTCOME, &write).await?;
    unit.commit(Query { sql: CLOSE_ALERTS, params: &[&vec![alert]] }).await?;
    if !written.is_empty() {
        return Ok(Noted::Done);
    }
    // Somebody else ended it in between.
    let rows = session.run(&[Query { sql: ALERT_STATE, params: &[&alert] }]).await?;
    let ended = rows.first().and_then(|rows| rows.first()).and_then(|row| Some((row.get::<_, Option<_>>(2)?, row)));
    ended.map_or(Err(DbError::Conflict), |(how, row)| Ok(Noted::Ended { how, at: row.get(3), by: row.get(4) }))
}
