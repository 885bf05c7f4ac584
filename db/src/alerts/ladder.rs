//! The ladder: who is asked to see to an alert, one after the other.
//! Must stay true: it is replaced as a whole, in one transaction; a step that was valid stays readable. Nobody stands on it who can't see
//! to an alert.
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Tier;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Ladder {
    LIST_STEPS = "SELECT tier, user_id, deputy_id, seconds FROM alert_steps WHERE ended_at IS NULL ORDER BY tier, step";
    END_STEPS = "UPDATE alert_steps SET ended_at = now(), ended_by = $1 WHERE ended_at IS NULL";
    ADD_STEPS = "WITH added AS (
            INSERT INTO alert_steps (id, tier, step, user_id, deputy_id, seconds, created_by)
            SELECT n.id, n.tier, n.step, u.id, d.id, n.seconds, $2
              FROM jsonb_to_recordset($1) AS n (id uuid, tier text, step integer, user_id uuid, deputy_id uuid, seconds integer)
              JOIN users u ON u.id = n.user_id AND u.active AND u.role IN ('doctor', 'lab_technician')
              LEFT JOIN users d ON d.id = n.deputy_id AND d.active AND d.role IN ('doctor', 'lab_technician')
             WHERE n.deputy_id IS NULL OR d.id IS NOT NULL
            RETURNING id
          ) SELECT id FROM added";
    AUDIT_LADDER = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
          VALUES ($1, $2, $3, 'ladder.replace', 'alert_steps', 'success', $4)";
} }

/// Most steps of a ladder.
pub const LONGEST: usize = 20;

/// Whose turn it is, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A doctor or technician of the practice.
    pub user_id: Uuid,
    /// Whose turn it is if that user can't sign in any more.
    pub deputy_id: Option<Uuid>,
    /// After so long the next step takes over: 1 to 604,800.
    #[schema(minimum = 1, maximum = 604_800)]
    pub seconds: i32,
}

/// The steps for each kind of alert, in order. Without any it is all doctors' turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertLadder {
    /// For emergency alerts.
    pub emergency: Vec<Step>,
    /// For phone alerts.
    pub phone: Vec<Step>,
    /// For unlikely changes.
    pub check: Vec<Step>,
}

impl AlertLadder {
    fn of(&mut self, tier: Tier) -> &mut Vec<Step> {
        match tier {
            Tier::Emergency => &mut self.emergency,
            Tier::Phone => &mut self.phone,
            Tier::Check => &mut self.check,
        }
    }
}

/// A step as it is stored. Field names are the columns'.
#[derive(Debug, Serialize)]
struct NewStep<'a> {
    id: Uuid,
    tier: &'static str,
    step: usize,
    #[serde(flatten)]
    what: &'a Step,
}

/// The ladder that is valid.
///
/// # Errors
/// When the database can't be asked.
pub async fn get(session: &mut TenantSession) -> Result<AlertLadder, DbError> {
    let rows = session.run(&[Query { sql: LIST_STEPS, params: &[] }]).await?;
    let mut ladder = AlertLadder::default();
    for row in rows.iter().flatten() {
        let tier = Tier::parse(row.get(0)).ok_or(DbError::Data("alert_steps.tier"))?;
        ladder.of(tier).push(Step { user_id: row.get(1), deputy_id: row.get(2), seconds: row.get(3) });
    }
    Ok(ladder)
}

/// Replaces the ladder; whose turn it is already keeps it. False, and nothing changes, when somebody on it is no doctor or technician of
/// the practice who can sign in.
///
/// # Errors
/// [`DbError::Refused`] when the claims are neither a doctor's nor an admin's; else when the database can't be asked.
pub async fn replace(session: &mut TenantSession, ladder: &AlertLadder) -> Result<bool, DbError> {
    let (audit, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let tiers = [(Tier::Emergency, &ladder.emergency), (Tier::Phone, &ladder.phone), (Tier::Check, &ladder.check)];
    let steps: Vec<NewStep<'_>> = tiers
        .into_iter()
        .flat_map(|(tier, steps)| steps.iter().zip(1..).map(move |(what, step)| (tier, what, step)))
        .map(|(tier, what, step)| NewStep { id: Uuid::now_v7(), tier: tier.as_str(), step, what })
        .collect();
    let (unit, _) = session.begin(Query { sql: END_STEPS, params: &[&actor] }).await?;
    if unit.query(ADD_STEPS, &[&Json(&steps), &actor]).await?.len() != steps.len() {
        // Dropped, the transaction ends without an effect.
        return Ok(false);
    }
    unit.commit(Query { sql: AUDIT_LADDER, params: &[&audit, &actor, &role, &request] }).await?;
    Ok(true)
}
