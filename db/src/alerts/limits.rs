//! The practice's own limits.
//! Must stay true: a limit is never changed: it ends and another begins, so what was valid when an alert was raised, or was not, can be
//! shown. Numbers are exact.
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Tier;
use super::decimal::Decimal;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Limits {
    LIST_LIMITS = "SELECT id, laboratory, test_code, unit, sex, age_from_years, age_to_years, tier, low::text, high::text, delta_percent::text,
                delta_days, created_at, ended_at
           FROM critical_limits WHERE $1 OR ended_at IS NULL ORDER BY test_code, laboratory, created_at, id";
    ADD_LIMIT = "WITH added AS (
            INSERT INTO critical_limits (id, laboratory, test_code, unit, sex, age_from_years, age_to_years, tier, low, high, delta_percent,
                   delta_days, created_by)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::numeric, $10::text::numeric, $11::text::numeric, $12, $13) RETURNING id
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT $14, $13, $15, 'limit.add', 'critical_limits', id, 'success', $16 FROM added";
    END_LIMIT = "WITH ended AS (
            UPDATE critical_limits SET ended_at = now(), ended_by = $2 WHERE id = $1 AND ended_at IS NULL RETURNING id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT $3, $2, $4, 'limit.end', 'critical_limits', $1, CASE WHEN EXISTS (SELECT FROM ended) THEN 'success' ELSE 'not_found' END, $5
          )
          SELECT id FROM ended";
} }

/// A limit as it is set. One of: `low`, `high` or both, with tier emergency or phone; or `delta_percent` with `delta_days`, tier check.
#[derive(Debug, Clone)]
pub struct NewLimit {
    /// For whose values: BSNR of the laboratory, else its name as sent; `None`: any.
    pub laboratory: Option<String>,
    /// The laboratory's code of the test.
    pub test_code: String,
    /// Only values in exactly this unit are judged; empty: the laboratory sends none.
    pub unit: String,
    /// male, female or other; `None`: everybody.
    pub sex: Option<String>,
    /// From this age on, in completed years.
    pub age_from_years: Option<i32>,
    /// Up to and including this age.
    pub age_to_years: Option<i32>,
    /// How urgent.
    pub tier: Tier,
    /// Critical at or below it.
    pub low: Option<Number>,
    /// Critical at or above it.
    pub high: Option<Number>,
    /// Changed by so much.
    pub delta_percent: Option<Number>,
    /// Within so many days.
    pub delta_days: Option<i32>,
}

/// A decimal number that can be judged against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// With a point or a comma, up to 15 digits before it and 15 behind, as the table takes them: all of them can be compared.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const MOST: usize = 15;
        let text = text.trim().replace(',', ".");
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let fits = whole.trim_start_matches(['-', '0']).len() <= MOST && part.len() <= MOST;
        Decimal::parse(&text).filter(|_| fits).map(|_| Self(text))
    }
}

/// A limit of the practice.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CriticalLimit {
    /// Id.
    pub id: Uuid,
    /// For whose values; absent: any laboratory's.
    pub laboratory: Option<String>,
    /// The laboratory's code of the test.
    pub test_code: String,
    /// Only values in exactly this unit are judged; empty: the laboratory sends none.
    pub unit: String,
    /// male, female or other; absent: everybody. Whose sex is not known is meant too.
    pub sex: Option<String>,
    /// From this age on, in completed years. Whose age is not known is meant too.
    pub age_from_years: Option<i32>,
    /// Up to and including this age.
    pub age_to_years: Option<i32>,
    /// emergency, phone or check.
    pub tier: String,
    /// Critical at or below it.
    pub low: Option<String>,
    /// Critical at or above it.
    pub high: Option<String>,
    /// Changed by at least so much against the value before.
    pub delta_percent: Option<String>,
    /// How old the value before may be.
    pub delta_days: Option<i32>,
    /// Valid from then on.
    pub created_at: DateTime<Utc>,
    /// Valid until then; absent: still.
    pub ended_at: Option<DateTime<Utc>>,
}

/// The limits that are valid, or also those that ended.
///
/// # Errors
/// When the database can't be asked.
pub async fn list(session: &mut TenantSession, ended_too: bool) -> Result<Vec<CriticalLimit>, DbError> {
    let rows = session.run(&[Query { sql: LIST_LIMITS, params: &[&ended_too] }]).await?;
    Ok(rows.first().map(Vec::as_slice).unwrap_or_default().iter().map(limit).collect())
}

/// Sets a limit. Who may not is refused by the database.
///
/// # Errors
/// [`DbError::Refused`] when the claims are neither a doctor's nor an admin's; [`DbError::Statement`] of class 23 when the parts don't
/// fit together; else when the database can't be asked.
pub async fn add(session: &mut TenantSession, new: &NewLimit) -> Result<Uuid, DbError> {
    let (id, audit, request, (actor, role)) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id(), session.actor());
    let text = |number: &Option<Number>| number.as_ref().map(|number| number.0.clone());
    let (low, high, percent) = (text(&new.low), text(&new.high), text(&new.delta_percent));
    let add = Query {
        sql: ADD_LIMIT,
        params: &[
            &id,
            &new.laboratory,
            &new.test_code,
            &new.unit,
            &new.sex,
            &new.age_from_years,
            &new.age_to_years,
            &new.tier.as_str(),
            &low,
            &high,
            &percent,
            &new.delta_days,
            &actor,
            &audit,
            &role,
            &request,
        ],
    };
    session.run(&[add]).await?;
    Ok(id)
}

/// Ends a limit; what it raised stays. False when there is none that is valid.
///
/// # Errors
/// [`DbError::Refused`] when the claims are neither a doctor's nor an admin's; else when the database can't be asked.
pub async fn end(session: &mut TenantSession, id: Uuid) -> Result<bool, DbError> {
    let (audit, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let rows = session.run(&[Query { sql: END_LIMIT, params: &[&id, &actor, &audit, &role, &request] }]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}

fn limit(row: &Row) -> CriticalLimit {
    CriticalLimit {
        id: row.get(0),
        laboratory: row.get(1),
        test_code: row.get(2),
        unit: row.get(3),
        sex: row.get(4),
        age_from_years: row.get(5),
        age_to_years: row.get(6),
        tier: row.get(7),
        low: row.get(8),
        high: row.get(9),
        delta_percent: row.get(10),
        delta_days: row.get(11),
        created_at: row.get(12),
        ended_at: row.get(13),
    }
}
