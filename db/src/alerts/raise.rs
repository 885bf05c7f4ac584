//! Raising alerts, in the transaction that stores a report.
//! Must stay true: a stored critical value has its alert and its timer, or is not stored. A value that was alerted and is sent again
//! unchanged within 90 days raises nothing, in a resend as in a new version (after that the number is another order's); one that counts no more takes its alert with it. No alert goes without a
//! successor because what came in the place of its value can't be judged. Whoever stores a version holds the lock of its chain, so two
//! workers raise one alert.
use std::cmp::Reverse;

use chrono::{DateTime, Days, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use super::decimal::Decimal;
use super::judge::{Bound, Comparison, Finding, Judgement, Limit};
use super::outcome::CLOSE_ALERTS;
use super::{Cause, Tier};
use crate::DbError;
use crate::corrected::part_of;
use crate::results::{NewObservation, NewReport};
use crate::session::Unit;
use crate::statements::statements;

/// The same of an alert's value.
macro_rules! part_of_alert {
    () => {
        "ARRAY(SELECT n FROM observations p, unnest(p.notes) AS n WHERE p.id = a.observation_id AND (n LIKE 'Sub-ID %' OR n LIKE 'Belongs to:%'))"
    };
}

statements! { Raise {
    LIMITS_OF_TESTS = "SELECT id, laboratory, test_code, unit, sex, age_from_years, age_to_years, tier, low::text, high::text,
                delta_percent::text, delta_days
           FROM critical_limits WHERE ended_at IS NULL AND test_code = ANY ($1)";
    /// The last value before of the same patient, laboratory, test, material and unit, if it is a plain number. All values are compared in one
    /// look at the reports that came since $5: what was measured since then did not come before (but for clocks: a day).
    FORMER_VALUES = "SELECT DISTINCT ON (w.n) w.n, o.value_text, o.value_number::text, o.effective_at
           FROM reports r JOIN observations o ON o.report_id = r.id
           JOIN jsonb_to_recordset($1) AS w (n integer, test_code text, specimen text, unit text, at timestamptz, days integer)
             ON o.test_code = w.test_code AND (o.specimen, o.unit) IS NOT DISTINCT FROM (w.specimen, w.unit)
            AND o.effective_at < w.at AND o.effective_at >= w.at - w.days * interval '1 day'
          WHERE r.patient_id = $2 AND r.laboratory = $3 AND r.superseded_by IS NULL AND r.id <> $4
            AND r.received_at >= $5::timestamptz - interval '1 day'
            AND o.value_number IS NOT NULL AND o.value_comparator IS NULL AND o.status NOT IN ('cancelled', 'registered')
          ORDER BY w.n, o.effective_at DESC, o.id DESC";
    /// Alerts of the chain $1 ($7: of what came within 90 days of this moment, and what that replaced) whose value no current version holds any more, or which the version $2 takes back or corrects alone, or for
    /// which it has a graver one ($3). What it takes back or corrects need not repeat what a value is told apart by; of several that it may
    /// mean, those that it holds itself among them, none goes.
    SUPERSEDE_ALERTS = concat!("WITH RECURSIVE versions AS (
            SELECT r.id, r.superseded_by, r.confirmed_at, r.critical, r.status FROM reports r
             WHERE r.report_key = $1
               AND ($7::timestamptz IS NULL OR r.confirmed_at BETWEEN $7 - interval '90 days' AND $7 + interval '90 days')
            UNION SELECT r.id, r.superseded_by, r.confirmed_at, r.critical, r.status FROM versions v JOIN reports r ON r.superseded_by = v.id
          ), standing AS (
            SELECT a.id, a.report_id, a.observation_id, a.tier, a.cause, a.test_code, a.specimen, a.collected_at, a.value_text, a.unit,
                   r.confirmed_at, ", part_of_alert!(), " AS part_of
              FROM alerts a JOIN versions r ON r.id = a.report_id
             WHERE NOT EXISTS (SELECT FROM alert_events e WHERE e.alert_id = a.id AND e.kind = 'superseded')
          ), gone AS (
            SELECT a.id, a.tier, a.cause, a.test_code FROM standing a
             WHERE NOT CASE WHEN a.observation_id IS NULL
                     THEN EXISTS (SELECT FROM versions c WHERE c.superseded_by IS NULL AND c.critical AND c.status <> 'cancelled')
                     ELSE EXISTS (SELECT FROM versions c JOIN observations o ON o.report_id = c.id
                                   WHERE c.superseded_by IS NULL AND o.status <> 'cancelled'
                                     AND (o.test_code, o.specimen, o.collected_at, o.value_text, o.unit)
                                         IS NOT DISTINCT FROM (a.test_code, a.specimen, a.collected_at, a.value_text, a.unit)
                                     AND ", part_of!("o.notes"), " = a.part_of) END
                OR EXISTS (SELECT FROM versions v JOIN observations n ON n.report_id = v.id
                            WHERE v.id = $2 AND v.superseded_by IS NULL AND v.id <> a.report_id AND a.confirmed_at <= v.confirmed_at
                              AND n.test_code = a.test_code AND n.status IN ('corrected', 'cancelled')
                              AND (n.specimen IS NULL OR n.specimen IS NOT DISTINCT FROM a.specimen)
                              AND (n.collected_at IS NULL OR n.collected_at IS NOT DISTINCT FROM a.collected_at)
                              AND (n.unit IS NULL OR n.unit IS NOT DISTINCT FROM a.unit)
                              AND (", part_of!("n.notes"), " IN ('{}', a.part_of))
                              AND n.value_text IS DISTINCT FROM a.value_text
                              AND (SELECT count(*) = 1
                                          AND bool_and((o.specimen, o.collected_at, o.value_text, o.unit)
                                                       IS NOT DISTINCT FROM (a.specimen, a.collected_at, a.value_text, a.unit)
                                                       AND ", part_of!("o.notes"), " = a.part_of)
                                         FROM versions c JOIN observations o ON o.report_id = c.id
                                        WHERE c.superseded_by IS NULL AND c.confirmed_at <= v.confirmed_at AND (c.id <> v.id OR o.status <> 'corrected')
                                          AND o.test_code = n.test_code AND o.value_text IS NOT NULL AND o.status <> 'cancelled'
                                          AND (n.specimen IS NULL OR o.specimen IS NOT DISTINCT FROM n.specimen)
                                          AND (n.collected_at IS NULL OR o.collected_at IS NOT DISTINCT FROM n.collected_at)
                                          AND (n.unit IS NULL OR o.unit IS NOT DISTINCT FROM n.unit)
                                          AND ", part_of!("n.notes"), " IN ('{}', ", part_of!("o.notes"), ")))
                OR EXISTS (SELECT FROM jsonb_to_recordset($3) AS f (tier text, cause text, test_code text, specimen text, collected_at text,
                                  value_text text, unit text, part_of text[])
                            WHERE (f.cause = 'delta') = (a.cause = 'delta')
                              AND array_position(ARRAY['check', 'phone', 'emergency'], f.tier) > array_position(ARRAY['check', 'phone', 'emergency'], a.tier)
                              AND (f.test_code, f.specimen, f.collected_at, f.value_text, f.unit, f.part_of)
                                  IS NOT DISTINCT FROM (a.test_code, a.specimen, a.collected_at, a.value_text, a.unit, a.part_of))
          ), written AS (
            INSERT INTO alert_events (id, alert_id, tier, kind, actor, actor_role)
            SELECT gen_random_uuid(), g.id, g.tier, 'superseded', $4, $5 FROM gone g ON CONFLICT DO NOTHING RETURNING alert_id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT gen_random_uuid(), $4, $5, 'alert.supersede', 'alerts', alert_id, 'success', $6 FROM written
          )
          SELECT g.id, CASE WHEN g.cause <> 'delta' THEN g.test_code END, g.tier FROM written w JOIN gone g ON g.id = w.alert_id");
    /// What is told apart by no value is silent only while its alert is open, or when the same version is sent again.
    RAISE_ALERTS = concat!("WITH RECURSIVE versions (id) AS (
            SELECT r.id FROM reports r
             WHERE r.report_key = $2
               AND ($7::timestamptz IS NULL OR r.confirmed_at BETWEEN $7 - interval '90 days' AND $7 + interval '90 days')
            UNION SELECT r.id FROM versions v JOIN reports r ON r.superseded_by = v.id
          ), found AS (
            SELECT f.* FROM jsonb_to_recordset($1) AS f (id uuid, event_id uuid, audit_id uuid, observation_id uuid, tier text, cause text, limit_id uuid,
                   test_code text, test_name text, specimen text, collected_at text, value_text text, unit text, former_value text,
                   former_at timestamptz, seconds integer, part_of text[])
             WHERE NOT EXISTS (SELECT FROM alerts a JOIN versions r ON r.id = a.report_id
                     WHERE (f.cause = 'delta') = (a.cause = 'delta')
                       AND array_position(ARRAY['check', 'phone', 'emergency'], f.tier) <= array_position(ARRAY['check', 'phone', 'emergency'], a.tier)
                       AND (f.test_code, f.specimen, f.collected_at, f.value_text, f.unit, f.part_of)
                           IS NOT DISTINCT FROM (a.test_code, a.specimen, a.collected_at, a.value_text, a.unit, ", part_of_alert!(), ")
                       AND NOT EXISTS (SELECT FROM alert_events e WHERE e.alert_id = a.id AND e.kind = 'superseded')
                       AND (f.value_text IS NOT NULL OR a.report_id = $3
                            OR NOT EXISTS (SELECT FROM alert_events e WHERE e.alert_id = a.id AND e.kind IN ('confirmed', 'dismissed'))))
          ), turns AS (
            SELECT f.id, coalesce(s.step, 0) AS step, s.user_id::text AS holder, s.deputy_id::text AS deputy,
                   now() + coalesce(s.seconds, f.seconds) * interval '1 second' AS due_at
              FROM found f LEFT JOIN alert_steps s ON s.tier = f.tier AND s.step = 1 AND s.ended_at IS NULL
          ), raised AS (
            INSERT INTO alerts (id, report_id, observation_id, tier, cause, limit_id, test_code, test_name, specimen, collected_at, value_text,
                   unit, former_value, former_at, due_at)
            SELECT f.id, $3, f.observation_id, f.tier, f.cause, f.limit_id, f.test_code, f.test_name, f.specimen, f.collected_at, f.value_text,
                   f.unit, f.former_value, f.former_at, t.due_at
              FROM found f JOIN turns t ON t.id = f.id ON CONFLICT DO NOTHING RETURNING id, due_at
          ), opened AS (
            INSERT INTO alert_states (alert_id) SELECT id FROM raised
          ), told AS (
            INSERT INTO alert_events (id, alert_id, tier, kind, round, step, holder, deputy, due_at, actor, actor_role)
            SELECT f.event_id, f.id, f.tier, 'raised', 1, t.step, t.holder, t.deputy, t.due_at, $4, $5
              FROM raised r JOIN found f ON f.id = r.id JOIN turns t ON t.id = r.id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT f.audit_id, $4, $5, 'alert.raise', 'alerts', f.id, 'success', $6 FROM raised r JOIN found f ON f.id = r.id
          )
          SELECT guard.enqueue_alert(r.id, r.due_at) FROM raised r");
} }

/// The limits that the practice has for these reports' tests.
pub(crate) async fn limits_for(unit: &Unit<'_>, reports: &[NewReport]) -> Result<Vec<Limit>, DbError> {
    let mut codes: Vec<&str> =
        reports.iter().flat_map(|report| &report.observations).map(|value| value.test_code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(unit.query(LIMITS_OF_TESTS, &[&codes]).await?.iter().map(limit).collect())
}

/// A limit that can't be read keeps no message from being stored: other values of it are as critical.
fn limit(row: &Row) -> Limit {
    let id: Uuid = row.get(0);
    let bound = bound(row).unwrap_or_else(|| {
        tracing::error!(limit = %id, "this critical limit can't be read; values of its test are counted as not judged: end it and set it anew");
        Bound::Unreadable { tier: Tier::parse(row.get(7)).unwrap_or(Tier::Emergency) }
    });
    Limit {
        id,
        laboratory: row.get(1),
        test_code: row.get(2),
        unit: row.get(3),
        sex: row.get(4),
        age_from: row.get(5),
        age_to: row.get(6),
        bound,
    }
}

fn bound(row: &Row) -> Option<Bound> {
    let number = |column: usize| match row.get::<_, Option<&str>>(column) {
        Some(text) => Decimal::parse(text).map(Some),
        None => Some(None),
    };
    Some(match (number(10)?, row.get::<_, Option<i32>>(11)) {
        (Some(percent), Some(days)) => Bound::Change { percent, days },
        _ => Bound::Value { tier: Tier::parse(row.get(7))?, low: number(8)?, high: number(9)? },
    })
}

/// The version that was stored, or confirmed by a resend.
pub(crate) struct Stored<'a> {
    pub(crate) id: Uuid,
    pub(crate) key: &'a str,
    /// When it came: what came long before or after under its number is another order's.
    pub(crate) lately: Option<DateTime<Utc>>,
    pub(crate) patient: Option<Uuid>,
    /// Whether a version that arrived later has not replaced it already.
    pub(crate) counts: bool,
    /// Whether there were others before.
    pub(crate) first: bool,
}

/// An alert to be raised. Field names are the columns'.
#[derive(Debug, Serialize)]
struct NewAlert<'a> {
    id: Uuid,
    event_id: Uuid,
    audit_id: Uuid,
    observation_id: Option<Uuid>,
    tier: &'static str,
    cause: &'static str,
    limit_id: Option<Uuid>,
    test_code: Option<&'a str>,
    test_name: Option<&'a str>,
    specimen: Option<&'a str>,
    collected_at: Option<&'a str>,
    value_text: Option<&'a str>,
    unit: Option<&'a str>,
    part_of: Vec<&'a str>,
    former_value: Option<String>,
    former_at: Option<DateTime<Utc>>,
    /// The time limit, if the practice has no ladder.
    seconds: u64,
}

impl<'a> NewAlert<'a> {
    fn new(report: &'a NewReport, finding: &Finding, former: Option<(String, DateTime<Utc>)>) -> Self {
        let value = finding.observation.and_then(|index| report.observations.get(index));
        let (former_value, former_at) = former.unzip();
        Self {
            id: Uuid::now_v7(),
            event_id: Uuid::now_v7(),
            audit_id: Uuid::now_v7(),
            observation_id: value.map(|value| value.id),
            tier: finding.tier.as_str(),
            cause: finding.cause.as_str(),
            limit_id: finding.limit,
            test_code: value.map(|value| value.test_code.as_str()),
            test_name: value.and_then(|value| value.test_name.as_deref()),
            specimen: value.and_then(|value| value.specimen.as_deref()),
            collected_at: value.and_then(|value| value.collected_at.as_deref()),
            value_text: value.and_then(|value| value.value_text.as_deref()),
            unit: value.and_then(|value| value.unit.as_deref()),
            part_of: value.map(NewObservation::part_of).into_iter().flatten().collect(),
            former_value,
            former_at,
            seconds: finding.tier.time_limit().as_secs(),
        }
    }

    /// As the statements compare alerts. What has no value is told apart by nothing, so it is none of another.
    fn is_same_value(&self, other: &Self) -> bool {
        let identity = |alert: &Self| {
            let told_apart = (alert.specimen, alert.collected_at, alert.unit, alert.part_of.clone());
            (alert.cause == Cause::Delta.as_str(), alert.test_code, alert.value_text, told_apart)
        };
        self.value_text.is_some() && identity(self) == identity(other)
    }
}

/// Ends the alerts of what counts no more and raises those of what counts now; how many.
pub(crate) async fn raise(
    unit: &Unit<'_>,
    stored: &Stored<'_>,
    report: &NewReport,
    judgement: &Judgement,
) -> Result<usize, DbError> {
    let ((actor, role), request) = (unit.actor(), unit.request_id());
    let mut alerts = Vec::new();
    if stored.counts {
        alerts.extend(judgement.findings.iter().map(|finding| NewAlert::new(report, finding, None)));
        alerts.extend(changes(unit, stored, report, &judgement.comparisons).await?);
    }
    let mut alerts = Json(alerts);
    if !stored.first {
        let supersede: [&(dyn ToSql + Sync); 7] =
            [&stored.key, &stored.id, &alerts, &actor, &role, &request, &stored.lately];
        let gone = unit.query(SUPERSEDE_ALERTS, &supersede).await?;
        let ended: Vec<Uuid> = gone.iter().map(|row| row.get(0)).collect();
        if !ended.is_empty() {
            unit.execute(CLOSE_ALERTS, &[&ended]).await?;
        }
        if stored.counts {
            let successors = successors(report, judgement, &gone)?;
            alerts.0.extend(successors.iter().map(|finding| NewAlert::new(report, finding, None)));
        }
    }
    if alerts.0.is_empty() {
        return Ok(0);
    }
    keep_gravest(&mut alerts.0);
    let raised: [&(dyn ToSql + Sync); 7] = [&alerts, &stored.key, &stored.id, &actor, &role, &request, &stored.lately];
    Ok(unit.query(RAISE_ALERTS, &raised).await?.len())
}

/// A record may hold a value twice; it is told once, as the graver of both.
fn keep_gravest(alerts: &mut Vec<NewAlert<'_>>) {
    alerts.sort_by_key(|alert| Reverse(Tier::parse(alert.tier)));
    let mut kept: Vec<NewAlert<'_>> = Vec::new();
    for alert in alerts.drain(..) {
        if !kept.iter().any(|other| other.is_same_value(&alert)) {
            kept.push(alert);
        }
    }
    *alerts = kept;
}

/// What came in the place of a critical value and can't be judged is as grave as that was: it may be the same in another unit.
fn successors(report: &NewReport, judgement: &Judgement, gone: &[Row]) -> Result<Vec<Finding>, DbError> {
    let mut successors = Vec::new();
    for (index, limit) in &judgement.open {
        let test = report.observations.get(*index).map(|value| value.test_code.as_str());
        let before = gone.iter().filter(|row| test.is_some() && row.get::<_, Option<&str>>(1) == test);
        let tiers: Option<Vec<Tier>> = before.map(|row| Tier::parse(row.get(2))).collect();
        if let Some(tier) = tiers.ok_or(DbError::Data("alerts.tier"))?.into_iter().max() {
            successors.push(Finding { observation: Some(*index), tier, cause: Cause::Limit, limit: Some(*limit) });
        }
    }
    Ok(successors)
}

/// What of a value is compared with the one before. Field names are those of the statement.
#[derive(Debug, Serialize)]
struct Wanted<'a> {
    n: usize,
    test_code: &'a str,
    specimen: Option<&'a str>,
    unit: Option<&'a str>,
    at: DateTime<Utc>,
    days: i32,
}

/// Values that changed by more than a limit allows. Of a report of nobody there is no value before.
async fn changes<'a>(
    unit: &Unit<'_>,
    stored: &Stored<'_>,
    report: &'a NewReport,
    comparisons: &[Comparison],
) -> Result<Vec<NewAlert<'a>>, DbError> {
    let Some(patient) = stored.patient.filter(|_| !comparisons.is_empty()) else { return Ok(Vec::new()) };
    let wanted = comparisons.iter().enumerate().filter_map(|(n, comparison)| {
        let value = report.observations.get(comparison.observation)?;
        Some(Wanted {
            n,
            test_code: &value.test_code,
            specimen: value.specimen.as_deref(),
            unit: value.unit.as_deref(),
            at: value.effective_at,
            days: comparison.days,
        })
    });
    let wanted = Json(wanted.collect::<Vec<_>>());
    let since =
        |wanted: &Wanted<'_>| wanted.at.checked_sub_days(Days::new(u64::try_from(wanted.days).unwrap_or_default()));
    let Some(since) = wanted.0.iter().filter_map(since).min() else { return Ok(Vec::new()) };
    let rows = unit.query(FORMER_VALUES, &[&wanted, &patient, &report.laboratory, &stored.id, &since]).await?;
    let mut alerts: Vec<NewAlert<'_>> = Vec::new();
    for row in &rows {
        let comparison = usize::try_from(row.get::<_, i32>(0)).ok().and_then(|n| comparisons.get(n));
        let former = row.get::<_, Option<&str>>(2).and_then(Decimal::parse);
        let (Some(comparison), Some(former)) = (comparison, former) else { continue };
        // What can't be computed is looked at.
        if comparison.number.changed_by(former, comparison.percent) == Some(false) {
            continue;
        }
        let finding = Finding {
            observation: Some(comparison.observation),
            tier: Tier::Check,
            cause: Cause::Delta,
            limit: Some(comparison.limit),
        };
        let alert = NewAlert::new(report, &finding, Some((row.get(1), row.get(3))));
        // Several limits may be met; one look at the value is enough.
        if alerts.iter().all(|other| other.observation_id != alert.observation_id) {
            alerts.push(alert);
        }
    }
    Ok(alerts)
}
