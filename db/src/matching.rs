//! What people see of who a report is about: reports of nobody, who could be meant and why, how it came to be matched.
//! Must stay true: every look writes its audit row in the same transaction; patients see nothing of it; what is searched for stands in no
//! audit row. Deciding is `decide`'s.
pub mod decide;

use std::cmp::Reverse;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::claims::Cursor;
use crate::reports::{self, Page, ReportSummary, summary_columns};
use crate::results::patient::{self, known, known_columns, subject, subject_columns};
use crate::results::score::{self, Scored};
pub use crate::results::score::{Known, Reason};
use crate::results::{Subject, name, order};
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

/// The most candidates that are shown.
const MOST_CANDIDATES: usize = 20;
/// The most people that a search shows.
const MOST_FOUND: usize = 50;

statements! { Matching {
    UNMATCHED_FIRST_PAGE = concat!(
        "SELECT ",
        summary_columns!(),
        " FROM reports r WHERE r.superseded_by IS NULL AND r.patient_id IS NULL ORDER BY r.received_at DESC, r.id DESC LIMIT $1"
    );
    UNMATCHED_NEXT_PAGE = concat!(
        "SELECT ",
        summary_columns!(),
        " FROM reports r WHERE r.superseded_by IS NULL AND r.patient_id IS NULL AND (r.received_at, r.id) < ($2, $3)
          ORDER BY r.received_at DESC, r.id DESC LIMIT $1"
    );
    AUDIT_UNMATCHED = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'report.list_unmatched', 'reports', 'success', $4)";
    COUNT_UNMATCHED = "SELECT count(*) FROM (SELECT FROM reports r WHERE r.superseded_by IS NULL AND r.patient_id IS NULL LIMIT 1000) AS u";
    MATCHES_OF_REPORT = "SELECT m.kind, m.patient_id, p.family_name, p.given_name, m.score, m.reasons, m.comment, m.at, m.actor_role, u.display_name
          FROM matches m JOIN patients p ON p.id = m.patient_id LEFT JOIN users u ON u.id::text = m.actor
         WHERE m.report_id = $1 ORDER BY m.at, m.id";
    REPORT_SUBJECT = concat!(
        "SELECT r.report_key, r.order_id, r.order_number, r.received_at, r.patient_id, ",
        subject_columns!(),
        " FROM reports r WHERE r.id = $1"
    );
    AUDIT_CANDIDATES = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, 'report.list_candidates', 'reports', $4, CASE WHEN $6 THEN 'success' ELSE 'not_found' END, $5";
    FIND_BY_NAME = concat!(
        "SELECT ",
        known_columns!(),
        " FROM patients p WHERE p.name_key >= $1 AND p.name_key < $2 AND ($3::date IS NULL OR p.birth_date = $3)
          ORDER BY p.name_key, p.birth_date, p.id LIMIT 1000"
    );
    FIND_BY_BIRTH = concat!(
        "SELECT ",
        known_columns!(),
        " FROM patients p WHERE p.birth_date = $1 ORDER BY p.name_key, p.id LIMIT 1000"
    );
    AUDIT_SEARCH = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'patient.search', 'patients', 'success', $4)";
} }

/// One step of who a version was taken for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Match {
    /// matched or unmatched.
    pub kind: String,
    /// To which patient, or from which.
    pub patient_id: Uuid,
    /// The patient's family name.
    pub family_name: String,
    /// The patient's given name.
    pub given_name: Option<String>,
    /// What the reasons add up to, 0 to 100; absent when a person decided or the patient was new.
    pub score: Option<i32>,
    /// What agreed and what did not; empty when a person decided.
    pub reasons: Vec<Reason>,
    /// What the person noted.
    pub comment: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// In which role; worker: automatically.
    pub role: String,
    /// Who, as colleagues see the name; absent when it was done automatically.
    pub name: Option<String>,
}

/// Somebody who could be meant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Candidate {
    /// Who.
    pub patient: Known,
    /// How well it fits, 0 to 100; from 80 on it would be matched automatically if nobody else came near.
    pub score: u8,
    /// What agrees and what does not.
    pub reasons: Vec<Reason>,
    /// Whether something contradicts that never changes, or a person said no before: only a person can match it.
    pub excluded: bool,
}

/// Who could be meant, and whether it is settled.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Candidates {
    /// The patient, if the report has one.
    pub patient_id: Option<Uuid>,
    /// Whom the laboratory named.
    pub subject: Subject,
    /// Whether the report says enough to make a new patient of it: a family name at least.
    pub can_be_new: bool,
    /// Best first, at most 20.
    pub items: Vec<Candidate>,
}

/// Current reports without a patient, newest first. Patients see none.
///
/// # Errors
/// When the database can't be asked.
pub async fn unmatched(
    session: &mut TenantSession,
    after: Option<Cursor>,
    limit: u16,
) -> Result<Page<ReportSummary>, DbError> {
    let (audit_id, request, fetch) = (Uuid::now_v7(), session.request_id(), i64::from(limit) + 1);
    let (actor, role) = session.actor();
    let audit = Query { sql: AUDIT_UNMATCHED, params: &[&audit_id, &actor, &role, &request] };
    let mut results = match &after {
        None => session.run(&[Query { sql: UNMATCHED_FIRST_PAGE, params: &[&fetch] }, audit]).await?,
        Some(c) => session.run(&[Query { sql: UNMATCHED_NEXT_PAGE, params: &[&fetch, &c.at, &c.id] }, audit]).await?,
    };
    let items = results.swap_remove(0).iter().map(reports::summary).collect();
    Ok(reports::page(items, limit, |r: &ReportSummary| Cursor { at: r.received_at, id: r.id }))
}

/// How many current reports have no patient; 1,000 stands for more.
///
/// # Errors
/// When the database can't be asked.
pub async fn count_unmatched(session: &mut TenantSession) -> Result<i64, DbError> {
    let rows = session.run(&[Query { sql: COUNT_UNMATCHED, params: &[] }]).await?;
    Ok(rows.first().and_then(|rows| rows.first()).map_or(0, |row| row.get(0)))
}

/// Who could be meant by a report, best first; `None` when this session can see none with this id.
///
/// # Errors
/// When the database can't be asked.
pub async fn candidates(session: &mut TenantSession, report: Uuid) -> Result<Option<Candidates>, DbError> {
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let (unit, rows) = session.begin(Query { sql: REPORT_SUBJECT, params: &[&report] }).await?;
    let found = match rows.first() {
        None => None,
        Some(row) => {
            let (key, sent): (&str, _) = (row.get(0), subject(row, 5));
            let of_order = order::patients(&unit, row.get(1), row.get(2), row.get(3)).await?;
            let says = patient::chain_says(&unit, key, None).await?;
            let mut asked = of_order.clone();
            asked.extend(says.rejected.iter().chain(says.patients.iter().map(|(patient, _)| patient)));
            let known = patient::possible(&unit, &sent, &asked).await?;
            let mut scored: Vec<(Known, Scored)> = known
                .into_iter()
                .map(|patient| {
                    let mut scored = score::score(&sent, &patient);
                    let said = [
                        (of_order.contains(&patient.id), Reason::OrderNumber),
                        (says.patients.iter().any(|(id, _)| *id == patient.id), Reason::SameReport),
                        (says.rejected.contains(&patient.id), Reason::UnmatchedBefore),
                    ];
                    for (_, reason) in said.into_iter().filter(|(holds, _)| *holds) {
                        scored = scored.with(reason);
                    }
                    (patient, scored)
                })
                .collect();
            scored.sort_by_key(|(patient, scored)| (scored.excluded(), Reverse(scored.points()), patient.id));
            scored.truncate(MOST_CANDIDATES);
            let items = scored.into_iter().map(|(patient, scored)| Candidate {
                patient,
                score: scored.points(),
                reasons: scored.reasons().to_vec(),
                excluded: scored.excluded(),
            });
            let can_be_new = sent.family_name.is_some();
            Some(Candidates { patient_id: row.get(4), can_be_new, items: items.collect(), subject: sent })
        }
    };
    let seen = found.is_some();
    unit.commit(Query { sql: AUDIT_CANDIDATES, params: &[&audit_id, &actor, &role, &report, &request, &seen] }).await?;
    Ok(found)
}

/// What a patient is searched by: the beginning of the family name or the birth date, or both.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Beginning of the family name.
    pub family_name: Option<String>,
    /// Beginning of the given name.
    pub given_name: Option<String>,
    /// Birth date.
    pub birth_date: Option<NaiveDate>,
}

impl Search {
    /// Whether it says what an index is asked for.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.birth_date.is_some() || self.family().is_some()
    }

    fn family(&self) -> Option<String> {
        self.family_name.as_deref().map(name::key).filter(|key| !key.is_empty())
    }
}

/// Patients by name and birth date, at most 50, in the order of their names.
///
/// # Errors
/// When the database can't be asked.
pub async fn search(session: &mut TenantSession, wanted: &Search) -> Result<Vec<Known>, DbError> {
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let audit = Query { sql: AUDIT_SEARCH, params: &[&audit_id, &actor, &role, &request] };
    let results = match wanted.family() {
        Some(from) => {
            // Behind all that begin so, in the column's order, which is that of the bytes.
            let to = format!("{from}{}", char::MAX);
            session.run(&[Query { sql: FIND_BY_NAME, params: &[&from, &to, &wanted.birth_date] }, audit]).await?
        }
        None => session.run(&[Query { sql: FIND_BY_BIRTH, params: &[&wanted.birth_date] }, audit]).await?,
    };
    let given = wanted.given_name.as_deref().map(name::key).unwrap_or_default();
    let fits = |patient: &Known| {
        given.is_empty() || patient.given_name.as_deref().is_some_and(|name| name::key(name).starts_with(&given))
    };
    let found = results.first().map(Vec::as_slice).unwrap_or_default().iter().map(|row| known(row, 0));
    Ok(found.filter(fits).take(MOST_FOUND).collect())
}

/// From a row of [`MATCHES_OF_REPORT`].
pub(crate) fn history(row: &Row) -> Match {
    let codes: Vec<&str> = row.get(5);
    Match {
        kind: row.get(0),
        patient_id: row.get(1),
        family_name: row.get(2),
        given_name: row.get(3),
        score: row.get(4),
        reasons: codes.into_iter().filter_map(Reason::from_code).collect(),
        comment: row.get(6),
        at: row.get(7),
        role: row.get(8),
        name: row.get(9),
    }
}
