//! What happens when an alert's time limit is over: the next one's turn.
//! Must stay true: it works from rows alone, so a worker may be killed at any moment and the timer may come twice; each turn's timer is
//! enqueued with the turn, in one transaction; an alert that ended takes no further turn. A timer that comes too early, because a clock was
//! set back, is not done.
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::outcome::CLOSE_ALERTS;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

/// How long it stays everybody's turn before everybody is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
/// So long after it was raised nobody is asked again: whoever has not seen to it by then does not do so because of one more row. The alert
/// stays open and on every page.
const UNANSWERED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

statements! { Timer {
    /// The next step of the ladder, after the last one everybody. Two workers who find the same turn over write the same round.
    NEXT_TURN = "WITH turn AS (
            SELECT a.id, a.tier, a.raised_at, e.round, e.step, e.due_at
              FROM alerts a JOIN alert_events e ON e.alert_id = a.id AND e.round IS NOT NULL
             WHERE a.id = $1 ORDER BY e.round DESC LIMIT 1
          ), next AS (
            SELECT t.id, t.tier, t.round + 1 AS round, coalesce(s.step, 0) AS step, s.user_id::text AS holder, s.deputy_id::text AS deputy,
                   CASE WHEN s.step IS NOT NULL OR t.step > 0 OR t.raised_at > now() - $2::float8 * interval '1 second'
                        THEN now() + coalesce(s.seconds, $3::float8) * interval '1 second' END AS due_at
              FROM turn t
              LEFT JOIN LATERAL (SELECT l.step, l.user_id, l.deputy_id, l.seconds FROM alert_steps l
                                  WHERE t.step > 0 AND l.tier = t.tier AND l.step > t.step AND l.ended_at IS NULL
                                  ORDER BY l.step LIMIT 1) s ON true
             WHERE t.due_at <= clock_timestamp()
               AND NOT EXISTS (SELECT FROM alert_events e WHERE e.alert_id = t.id AND e.kind IN ('confirmed', 'dismissed', 'superseded'))
          ), written AS (
            INSERT INTO alert_events (id, alert_id, tier, kind, round, step, holder, deputy, due_at, actor, actor_role)
            SELECT $4, n.id, n.tier, CASE WHEN n.due_at IS NULL THEN 'unanswered' ELSE 'escalated' END, n.round, n.step, n.holder, n.deputy, n.due_at, $6, $7
              FROM next n ON CONFLICT DO NOTHING RETURNING alert_id, kind, step, due_at
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT $5, $6, $7, 'alert.' || kind, 'alerts', alert_id, 'success', $8 FROM written
          )
          SELECT step, due_at IS NULL, CASE WHEN due_at IS NOT NULL THEN guard.enqueue_alert(alert_id, due_at) END FROM written";
    /// For how long the turn that a timer is for still has: only if it is the last turn of an alert that is open.
    TURN_LEFT = "SELECT extract(epoch FROM e.due_at - clock_timestamp())::float8
           FROM alert_events e
          WHERE e.alert_id = $1 AND e.round IS NOT NULL AND e.due_at = $2 AND e.due_at > clock_timestamp()
            AND NOT EXISTS (SELECT FROM alert_events l WHERE l.alert_id = e.alert_id AND (l.round > e.round OR l.kind IN ('confirmed', 'dismissed', 'superseded')))";
    /// For the turn that it is: a timer of another one finds nothing to do.
    WAKE_AGAIN = "SELECT guard.enqueue_alert(a.id, coalesce(t.due_at, now())) FROM alerts a
          CROSS JOIN LATERAL (SELECT e.due_at FROM alert_events e WHERE e.alert_id = a.id AND e.round IS NOT NULL ORDER BY e.round DESC LIMIT 1) t
          WHERE a.id = $1";
    /// Of each alert that is open and of which somebody is to be asked again; what has a timer already has two then, which does no harm.
    WAKE_OPEN = "SELECT guard.enqueue_alert(s.alert_id, t.due_at) FROM alert_states s
          CROSS JOIN LATERAL (SELECT e.due_at FROM alert_events e WHERE e.alert_id = s.alert_id AND e.round IS NOT NULL ORDER BY e.round DESC LIMIT 1) t
          WHERE s.ended_at IS NULL AND t.due_at IS NOT NULL";
} }

/// What a timer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It ended, or it is somebody else's turn already.
    Nothing,
    /// It is the next one's turn: a step of the ladder, or everybody's (0).
    Escalated(i32),
    /// Nobody saw to it in a day, and nobody is asked again; it stays open.
    Unanswered,
    /// Its time is not over yet.
    NotYet(Duration),
}

/// Looks at an alert whose time limit may be over. `due`: of which turn the timer is, if it says so.
///
/// # Errors
/// When the database can't be asked; nothing has changed then.
pub async fn wake(session: &mut TenantSession, alert: Uuid, due: Option<DateTime<Utc>>) -> Result<Woken, DbError> {
    let (event, audit, request, (actor, role)) =
        (Uuid::now_v7(), Uuid::now_v7(), session.request_id(), session.actor());
    let (ends, again) = (UNANSWERED_AFTER.as_secs_f64(), AGAIN_AFTER.as_secs_f64());
    let next = Query { sql: NEXT_TURN, params: &[&alert, &ends, &again, &event, &audit, &actor, &role, &request] };
    // What ended and is among the open ones still, as in a copy that was taken in between, is so no more.
    let ended = vec![alert];
    let close = Query { sql: CLOSE_ALERTS, params: &[&ended] };
    let rows = session.run(&[next, Query { sql: TURN_LEFT, params: &[&alert, &due] }, close]).await?;
    let [next, left, _] = rows.as_slice() else { return Err(DbError::Data("a statement gave no result")) };
    Ok(match next.first() {
        None => left.first().map_or(Woken::Nothing, |row| {
            Woken::NotYet(Duration::try_from_secs_f64(row.get(0)).unwrap_or(AGAIN_AFTER).min(AGAIN_AFTER))
        }),
        Some(row) if row.get(1) => Woken::Unanswered,
        Some(row) => Woken::Escalated(row.get(0)),
    })
}

/// Enqueues a timer that was given up anew. False when there is no such alert.
///
/// # Errors
/// When the database can't be asked.
pub async fn wake_again(session: &mut TenantSession, alert: Uuid) -> Result<bool, DbError> {
    let rows = session.run(&[Query { sql: WAKE_AGAIN, params: &[&alert] }]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}

/// Enqueues the timers of all open alerts: in a restored copy there are none. How many.
///
/// # Errors
/// When the database can't be asked.
pub async fn wake_all(session: &mut TenantSession) -> Result<usize, DbError> {
    let rows = session.run(&[Query { sql: WAKE_OPEN, params: &[] }]).await?;
    Ok(rows.first().map_or(0, Vec::len))
}
