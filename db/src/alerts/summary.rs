//! How well alerts are seen to: the figures of a period.
//! Must stay true: numbers only, no patient; what was not judged is counted beside what was, so that nobody takes silence for health.
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Summary {
    /// Days as UTC has them; the last one belongs to the period.
    FIGURES_OF_TIERS = "SELECT t.tier, count(a.id), count(c.at), count(*) FILTER (WHERE c.at <= a.due_at),
                count(*) FILTER (WHERE z.kind = 'dismissed'), count(*) FILTER (WHERE z.kind = 'superseded' AND c.at IS NULL),
                count(*) FILTER (WHERE a.id IS NOT NULL AND z.kind IS NULL),
                count(*) FILTER (WHERE EXISTS (SELECT FROM alert_events e WHERE e.alert_id = a.id AND e.kind = 'escalated')),
                coalesce(sum((SELECT count(*) FROM alert_events e WHERE e.alert_id = a.id AND e.kind = 'unreachable')), 0)::bigint,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM c.at - a.raised_at)::float8 / 60),
                percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM c.at - a.raised_at)::float8 / 60)
           FROM unnest(ARRAY['emergency', 'phone', 'check']) WITH ORDINALITY AS t (tier, place)
           LEFT JOIN alerts a ON a.tier = t.tier AND a.raised_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND a.raised_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
           LEFT JOIN LATERAL (SELECT e.at FROM alert_events e WHERE e.alert_id = a.id AND e.kind = 'confirmed') c ON true
           LEFT JOIN LATERAL (SELECT e.kind FROM alert_events e WHERE e.alert_id = a.id AND e.kind IN ('confirmed', 'dismissed', 'superseded')
                               ORDER BY e.at LIMIT 1) z ON true
          GROUP BY t.tier, t.place ORDER BY t.place";
    NOT_JUDGED = "SELECT coalesce(sum(r.not_judged), 0)::bigint FROM reports r
          WHERE r.superseded_by IS NULL
            AND r.received_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND r.received_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'";
    AUDIT_SUMMARY = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
          VALUES ($1, $2, $3, 'alert.report', 'alerts', 'success', $4)";
} }

/// The figures of one kind of alert.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TierFigures {
    /// emergency, phone or check.
    pub tier: String,
    /// Raised in the period.
    pub raised: i64,
    /// Of them confirmed with a read-back.
    pub confirmed: i64,
    /// Of them confirmed within the first time limit.
    pub within_limit: i64,
    /// Share of those raised that was confirmed within the first time limit, 0 to 1; absent: none was raised.
    pub share_within_limit: Option<f64>,
    /// Dismissed with a comment.
    pub dismissed: i64,
    /// The value counted no more before anybody confirmed it.
    pub superseded: i64,
    /// Still open.
    pub open: i64,
    /// Of them passed on at least once.
    pub escalated: i64,
    /// Attempts that reached nobody.
    pub unreachable_attempts: i64,
    /// Minutes until half of the confirmed were confirmed.
    pub median_minutes: Option<f64>,
    /// Minutes until nine of ten of the confirmed were.
    pub ninetieth_percentile_minutes: Option<f64>,
}

/// The figures of a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertReport {
    /// First day (UTC).
    pub from: NaiveDate,
    /// Last day (UTC).
    pub to: NaiveDate,
    /// Each kind of alert, the gravest first.
    pub tiers: Vec<TierFigures>,
    /// Values of the period's current reports that a limit names and that could not be held against it: another unit, no number, or a bound
    /// that leaves it open.
    pub not_judged: i64,
}

/// The figures of a period.
///
/// # Errors
/// When the database can't be asked.
pub async fn figures(session: &mut TenantSession, from: NaiveDate, to: NaiveDate) -> Result<AlertReport, DbError> {
    let (audit, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let results = session
        .run(&[
            Query { sql: FIGURES_OF_TIERS, params: &[&from, &to] },
            Query { sql: NOT_JUDGED, params: &[&from, &to] },
            Query { sql: AUDIT_SUMMARY, params: &[&audit, &actor, &role, &request] },
        ])
        .await?;
    let [tiers, not_judged, _] = results.as_slice() else {
        return Err(DbError::Data("a statement gave no result"));
    };
    let tiers = tiers.iter().map(|row| {
        let (raised, within_limit): (i64, i64) = (row.get(1), row.get(3));
        TierFigures {
            tier: row.get(0),
            raised,
            confirmed: row.get(2),
            within_limit,
            share_within_limit: share(within_limit, raised),
            dismissed: row.get(4),
            superseded: row.get(5),
            open: row.get(6),
            escalated: row.get(7),
            unreachable_attempts: row.get(8),
            median_minutes: row.get(9),
            ninetieth_percentile_minutes: row.get(10),
        }
    });
    Ok(AlertReport {
        from,
        to,
        tiers: tiers.collect(),
        not_judged: not_judged.first().map(|row| row.get(0)).unwrap_or_default(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "nobody raises 2^53 alerts")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
