//! People decide who a report is about.
//! Must stay true: a decision is about all versions of the report, in one transaction with its audit rows. Whoever un-matches takes the release
//! away too, and everybody else who saw a version is told: who is reading it meanwhile is waited for, as when a worker supersedes it. What
//! was noted of the patient from the report alone goes with it, and so do reports that only the order's number led to the patient.
use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::alerts::outcome::CLOSE_ALERTS;
use crate::results::chain::{LOCK_CHAIN, hex_digest};
use crate::results::order::{self, Because, KNOWN_PERSON};
use crate::results::patient::{self, Place, chain_says, subject, subject_columns};
use crate::session::{Query, Unit};
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Decide {
    REPORT_FACTS = concat!(
        "SELECT r.report_key, r.order_id, r.order_number, r.received_at, ",
        subject_columns!(),
        " FROM reports r WHERE r.id = $1"
    );
    /// Before the chain, as workers do.
    LOCK_ORDERS = "SELECT FROM orders WHERE id IN (SELECT r.order_id FROM reports r WHERE r.report_key = $1) ORDER BY id FOR NO KEY UPDATE";
    /// $2: only of what came within 90 days of this moment, as in `order::MATCH_CHAIN`.
    VERSION_PATIENTS = "SELECT r.id, r.patient_id FROM reports r
          WHERE r.report_key = $1
            AND ($2::timestamptz IS NULL OR r.received_at BETWEEN $2 - interval '90 days' AND $2 + interval '90 days')";
    FREE_NUMBERS = "UPDATE patients
            SET patient_number   = coalesce(patient_number, $2),
                insurance_number = coalesce(insurance_number, $3)
          WHERE id = $1";
    AUDIT_DECISION = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        VALUES ($1, $2, $3, $4, 'reports', $5, $6, $7)";
    /// Whoever is reading a version is waited for, in the order in which they lock, or waits (`events::MARK_SEEN`).
    LOCK_VERSIONS = "SELECT FROM reports WHERE report_key = $1 ORDER BY id FOR UPDATE";
    /// $1: key, $2: why, $6: only of what came within 90 days of this moment. What was released is withdrawn, and that is noted as such.
    UNMATCH_CHAIN = "WITH gone AS (
            SELECT r.id, r.patient_id, r.released_at FROM reports r
             WHERE r.report_key = $1 AND r.patient_id IS NOT NULL
               AND ($6::timestamptz IS NULL OR r.received_at BETWEEN $6 - interval '90 days' AND $6 + interval '90 days')
          ), withdrawn AS (
            UPDATE reports r SET patient_id = NULL, released_at = NULL, released_by = NULL, release_id = NULL FROM gone g WHERE r.id = g.id
          ), noted AS (
            INSERT INTO report_events (id, report_id, kind, ends, actor, actor_role)
            SELECT gen_random_uuid(), g.id, 'withdrawn', e.id, $3, $4
              FROM gone g LEFT JOIN report_events e ON e.report_id = g.id AND e.kind = 'released'
               AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id)
             WHERE g.released_at IS NOT NULL OR e.id IS NOT NULL
          ), written AS (
            INSERT INTO matches (id, report_id, kind, patient_id, comment, actor, actor_role)
            SELECT gen_random_uuid(), g.id, 'unmatched', g.patient_id, $2, $3, $4 FROM gone g RETURNING id, report_id
          ), told AS (
            INSERT INTO notices (id, recipient, report_id, kind, match_id)
            SELECT gen_random_uuid(), e.actor, w.report_id, 'unmatched', w.id
              FROM written w JOIN report_events e ON e.report_id = w.report_id AND e.kind = 'seen'
             WHERE e.actor <> $3
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT gen_random_uuid(), $3, $4, 'report.unmatch', 'reports', g.id, 'success', $5 FROM gone g";
    /// What was compared with values of somebody else is told as such no more: alerts of the chain's changes, and those of the patient's other
    /// reports that were compared with a value of the chain. Once it is matched again a new version is compared anew.
    SUPERSEDE_CHANGES = "WITH leaving AS (
            SELECT r.id, r.patient_id FROM reports r
             WHERE r.report_key = $1 AND r.patient_id IS NOT NULL
               AND ($2::timestamptz IS NULL OR r.received_at BETWEEN $2 - interval '90 days' AND $2 + interval '90 days')
          ), gone AS (
            SELECT a.id, a.tier FROM alerts a JOIN reports r ON r.id = a.report_id
             WHERE a.cause = 'delta' AND NOT EXISTS (SELECT FROM alert_events e WHERE e.alert_id = a.id AND e.kind = 'superseded')
               AND r.patient_id IN (SELECT l.patient_id FROM leaving l)
               AND (r.id IN (SELECT l.id FROM leaving l)
                    OR EXISTS (SELECT FROM leaving l JOIN observations o ON o.report_id = l.id
                                WHERE o.test_code = a.test_code AND o.value_text = a.former_value AND o.effective_at = a.former_at
                                  AND (o.specimen, o.unit) IS NOT DISTINCT FROM (a.specimen, a.unit)))
          ), written AS (
            INSERT INTO alert_events (id, alert_id, tier, kind, actor, actor_role)
            SELECT gen_random_uuid(), g.id, g.tier, 'superseded', $3, $4 FROM gone g ON CONFLICT DO NOTHING RETURNING alert_id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT gen_random_uuid(), $3, $4, 'alert.supersede', 'alerts', w.alert_id, 'success', $5 FROM written w
          )
          SELECT w.alert_id FROM written w";
    /// What no report says of the patient any more that is theirs, but one that was taken away.
    FORGET_NUMBERS = "UPDATE patients p
            SET insurance_number = CASE WHEN p.insurance_number = $2 AND NOT EXISTS (
                  SELECT FROM reports r WHERE r.patient_id = p.id AND r.subject_insurance_number = $2) THEN NULL ELSE p.insurance_number END,
                patient_number = CASE WHEN p.patient_number = $3 AND NOT EXISTS (
                  SELECT FROM reports r WHERE r.patient_id = p.id AND r.subject_patient_number = $3) THEN NULL ELSE p.patient_number END
          WHERE p.id = $1 AND (p.insurance_number = $2 OR p.patient_number = $3)";
    /// An order keeps the patient as long as another report of it is theirs.
    FREE_ORDERS = "UPDATE orders o SET patient_id = NULL
          WHERE o.patient_id = $2 AND o.id IN (SELECT r.order_id FROM reports r WHERE r.report_key = $1)
            AND NOT EXISTS (SELECT FROM reports r WHERE r.order_id = o.id AND r.patient_id = $2)";
    /// Reports of the same order that only its number led to this patient, when no other report of it is theirs. $1, $2: the order and its
    /// number, $3: arrival, $4: patient.
    LED_BY_ORDER = "WITH of_order AS (
            SELECT r.report_key, bool_or('order_number' = ANY (m.reasons)) AND bool_and(m.reasons && '{order_number,same_report}') AS led
              FROM reports r JOIN matches m ON m.report_id = r.id AND m.patient_id = $4 AND m.kind = 'matched'
             WHERE (r.order_id = $1 OR r.order_number = $2) AND r.patient_id = $4
               AND r.received_at BETWEEN $3::timestamptz - interval '90 days' AND $3::timestamptz + interval '90 days'
             GROUP BY r.report_key
          )
          SELECT o.report_key FROM of_order o WHERE o.led AND NOT EXISTS (SELECT FROM of_order k WHERE NOT k.led) ORDER BY 1 LIMIT 100";
} }

/// For whom a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A patient of the practice.
    Patient(Uuid),
    /// A new patient, made from what the report says.
    NewPatient,
}

/// What came of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is this patient's now.
    Matched(Uuid),
    /// It is nobody's now.
    Unmatched,
    /// This session can see no such report.
    NotFound,
    /// It, or another version of it, has a patient already.
    AlreadyMatched,
    /// It has no patient.
    NotMatched,
    /// This session can see no such patient.
    NoSuchPatient,
    /// It doesn't even say a family name, so no patient can be made of it.
    Nameless,
}

/// Matches all versions of a report to a patient. Reports of the same order that name nobody follow.
///
/// # Errors
/// [`DbError::Refused`] when the claims are neither a doctor's nor an admin's; [`DbError::Conflict`] when somebody else decided at the same
/// moment; else when the database can't be asked.
pub async fn match_to(
    session: &mut TenantSession,
    report: Uuid,
    decision: Decision,
    comment: Option<&str>,
) -> Result<Decided, DbError> {
    let (unit, rows) = session.begin(Query { sql: REPORT_FACTS, params: &[&report] }).await?;
    let Some(row) = rows.first() else { return refused(unit, MATCH, report, Decided::NotFound).await };
    let (key, sent): (&str, _) = (row.get(0), subject(row, 4));
    unit.execute(LOCK_ORDERS, &[&key]).await?;
    unit.execute(LOCK_CHAIN, &[&key]).await?;
    // Numbers are used again: of what names nobody wholly, older versions may be another's.
    let lately: Option<DateTime<Utc>> = (!sent.is_complete()).then(|| row.get(3));
    let versions = unit.query(VERSION_PATIENTS, &[&key, &lately]).await?;
    if versions.iter().any(|version| {
        version
            .get::<_, Option<Uuid>>(1)
            .is_some_and(|patient| version.get::<_, Uuid>(0) == report || decision != Decision::Patient(patient))
    }) {
        return refused(unit, MATCH, report, Decided::AlreadyMatched).await;
    }
    let patient = match decision {
        Decision::Patient(patient) => {
            if unit.query(KNOWN_PERSON, &[&patient]).await?.is_empty() {
                return refused(unit, MATCH, report, Decided::NoSuchPatient).await;
            }
            unit.execute(FREE_NUMBERS, &[&patient, &sent.patient_number, &sent.insurance_number]).await?;
            patient
        }
        Decision::NewPatient if sent.family_name.is_none() => {
            return refused(unit, MATCH, report, Decided::Nameless).await;
        }
        Decision::NewPatient => {
            // A person says that it is nobody who is known: nobody may be met by the same names.
            let id = Uuid::now_v7();
            let identity = hex_digest(&["decided", &id.to_string()]);
            patient::insert(&unit, id, &identity, &sent).await?.ok_or(DbError::Conflict)?
        }
    };
    order::match_chain(&unit, key, patient, &Because { score: None, reasons: &[], comment, lately }).await?;
    let place = Place {
        key,
        first: false,
        source: Uuid::nil(),
        arrived_at: row.get(3),
        order: row.get(1),
        order_number: row.get(2),
    };
    order::match_waiting(&unit, &place).await?;
    finish(unit, Decided::Matched(patient)).await
}

/// Takes all versions of a report away from their patient.
///
/// # Errors
/// As [`match_to`].
pub async fn unmatch(session: &mut TenantSession, report: Uuid, reason: &str) -> Result<Decided, DbError> {
    let (unit, rows) = session.begin(Query { sql: REPORT_FACTS, params: &[&report] }).await?;
    let Some(row) = rows.first() else { return refused(unit, UNMATCH, report, Decided::NotFound).await };
    let key: &str = row.get(0);
    unit.execute(LOCK_ORDERS, &[&key]).await?;
    let arrived_at: DateTime<Utc> = row.get(3);
    let lately = (!subject(row, 4).is_complete()).then_some(arrived_at);
    let lost = withdraw(&unit, key, reason, lately).await?;
    if lost.is_empty() {
        return refused(unit, UNMATCH, report, Decided::NotMatched).await;
    }
    let (order, order_number): (Option<Uuid>, Option<&str>) = (row.get(1), row.get(2));
    for patient in lost {
        let led = unit.query(LED_BY_ORDER, &[&order, &order_number, &arrived_at, &patient]).await?;
        for follower in &led {
            withdraw(&unit, follower.get(0), reason, Some(arrived_at)).await?;
        }
    }
    finish(unit, Decided::Unmatched).await
}

/// Takes one chain away from whose it is; who that was.
async fn withdraw(
    unit: &Unit<'_>,
    key: &str,
    reason: &str,
    lately: Option<DateTime<Utc>>,
) -> Result<HashSet<Uuid>, DbError> {
    unit.execute(LOCK_CHAIN, &[&key]).await?;
    unit.execute(LOCK_VERSIONS, &[&key]).await?;
    let sent = chain_says(unit, key, lately).await?.patients;
    let ((actor, role), request) = (unit.actor(), unit.request_id());
    let gone = unit.query(SUPERSEDE_CHANGES, &[&key, &lately, &actor, &role, &request]).await?;
    let gone: Vec<Uuid> = gone.iter().map(|row| row.get(0)).collect();
    if !gone.is_empty() {
        unit.execute(CLOSE_ALERTS, &[&gone]).await?;
    }
    unit.execute(UNMATCH_CHAIN, &[&key, &reason, &actor, &role, &request, &lately]).await?;
    for (patient, said) in &sent {
        unit.execute(FORGET_NUMBERS, &[patient, &said.insurance_number, &said.patient_number]).await?;
        unit.execute(FREE_ORDERS, &[&key, patient]).await?;
    }
    Ok(sent.into_iter().map(|(patient, _)| patient).collect())
}

/// The action of an audit row.
const MATCH: &str = "report.match";
const UNMATCH: &str = "report.unmatch";

/// Nothing is changed but the audit.
async fn refused(unit: Unit<'_>, action: &str, report: Uuid, why: Decided) -> Result<Decided, DbError> {
    let ((actor, role), request) = (unit.actor(), unit.request_id());
    let outcome = if why == Decided::NotFound { "not_found" } else { "refused" };
    let audit =
        Query { sql: AUDIT_DECISION, params: &[&Uuid::now_v7(), &actor, &role, &action, &report, &outcome, &request] };
    unit.commit(audit).await?;
    Ok(why)
}

/// The audit rows were written with what they tell of.
async fn finish(unit: Unit<'_>, decided: Decided) -> Result<Decided, DbError> {
    unit.commit(Query { sql: crate::results::END_UNCHANGED, params: &[] }).await?;
    Ok(decided)
}
