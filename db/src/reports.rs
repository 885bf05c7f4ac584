//! Reading reports and values. Every read writes its audit row in the same transaction and round trip.
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::claims::Cursor;
use crate::corrected::renamed;
use crate::events::{self, ReportEvent};
use crate::matching::{self, Match};
use crate::results::Subject;
use crate::results::reread::ReadAgain;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};
pub use values::{Observation, observations_of};
use values::{VALUES_OF_REPORT, observation};

pub(crate) mod values;

/// A report as a list shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReportSummary {
    /// Id of this version of the report.
    pub id: Uuid,
    /// Version, from 1.
    pub version: i32,
    /// registered, partial, preliminary, final, corrected or cancelled.
    pub status: String,
    /// Patient's family name as the laboratory sent it.
    pub family_name: Option<String>,
    /// Patient's given name as the laboratory sent it.
    pub given_name: Option<String>,
    /// Patient's birth date as the laboratory sent it, if it is complete.
    pub birth_date: Option<NaiveDate>,
    /// The part of the birth date that was sent, such as 1966-10, if it is not complete.
    pub birth_date_text: Option<String>,
    /// The practice's patient, if one was matched.
    pub patient_id: Option<Uuid>,
    /// Who measured.
    pub laboratory_name: String,
    /// The practice's order number.
    pub order_number: Option<String>,
    /// The laboratory's order number.
    pub lab_order_number: Option<String>,
    /// Date of the report.
    pub reported_on: Option<NaiveDate>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// The laboratory marked something as life-threatening.
    pub critical: bool,
    /// Genetic examination.
    pub genetic: bool,
    /// Number of values.
    pub observations: i64,
    /// Number of values outside their reference range.
    pub abnormal: i64,
    /// When a doctor first acknowledged this version; patients are not told.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// How many values a limit of the practice names that could not be held against it: another unit, no number, or a bound that leaves it
    /// open. Nobody was alerted of them.
    pub not_judged: i32,
}

impl ReportSummary {
    /// Whether it says wholly whom it is about. What does not is told from last year's under the same number by when it came.
    pub(crate) fn names_somebody(&self) -> bool {
        let (family_name, given_name) = (self.family_name.clone(), self.given_name.clone());
        Subject { family_name, given_name, birth_date: self.birth_date, ..Subject::default() }
            .identifying()
            .is_complete()
    }
}

/// An attachment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Document {
    /// Id.
    pub id: Uuid,
    /// Media type.
    pub media_type: String,
    /// Length in bytes.
    pub size_bytes: i64,
    /// not_scanned, clean or infected; only clean ones can be opened.
    pub scan_state: String,
}

/// A report with everything in it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Report {
    /// As in lists.
    #[serde(flatten)]
    pub summary: ReportSummary,
    /// The version that replaced this one, if any.
    pub superseded_by: Option<Uuid>,
    /// The versions that this one replaced, the newest first.
    pub replaces: Vec<Uuid>,
    /// A report of the same order of the laboratory under another name or birth date: one of the two is about the wrong person.
    pub renamed: Option<Uuid>,
    /// That it comes of reading the laboratory's message again.
    pub read_again: Option<ReadAgain>,
    /// When a doctor released it to the patient.
    pub released_at: Option<DateTime<Utc>>,
    /// Free text of the report.
    pub notes: Vec<String>,
    /// Fields without a place of their own: shown, never dropped.
    pub unmapped: serde_json::Value,
    /// The values, in the laboratory's order.
    pub values: Vec<Observation>,
    /// Attachments.
    pub documents: Vec<Document>,
    /// Who has seen and acknowledged this version; patients are not told.
    pub events: Vec<ReportEvent>,
    /// Who saw a version that this one replaced.
    pub seen_before: Vec<ReportEvent>,
    /// To whom this version was matched and from whom it was taken away, oldest first; patients are not told.
    pub matches: Vec<Match>,
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last one.
    pub next: Option<String>,
}

/// Columns of a [`ReportSummary`], in the order that [`summary`] reads them; `r` is reports.
macro_rules! summary_columns {
    () => {
        "r.id, r.version, r.status, r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.patient_id,
         r.laboratory_name, r.order_number, r.lab_order_number, r.reported_on, r.received_at, r.critical, r.genetic,
         (SELECT ARRAY[count(*), count(*) FILTER (WHERE o.critical OR o.interpretation <> 'N'
                                                     OR (o.interpretation IS NULL AND o.flag IS NOT NULL))]
            FROM observations o WHERE o.report_id = r.id),
         (SELECT min(e.at) FROM report_events e WHERE e.report_id = r.id AND e.kind = 'acknowledged'), r.subject_birth_text, r.not_judged"
    };
}
pub(crate) use summary_columns;

statements! { Reports {
    FIRST_PAGE = concat!(
        "SELECT ",
        summary_columns!(),
        " FROM reports r WHERE r.superseded_by IS NULL ORDER BY r.received_at DESC, r.id DESC LIMIT $1"
    );
    NEXT_PAGE = concat!(
        "SELECT ",
        summary_columns!(),
        " FROM reports r WHERE r.superseded_by IS NULL AND (r.received_at, r.id) < ($2, $3)
          ORDER BY r.received_at DESC, r.id DESC LIMIT $1"
    );
    ONE_REPORT =
        concat!("SELECT ", summary_columns!(), ", r.superseded_by, r.notes, r.unmapped, r.released_at, r.reread_at, r.reread_with,
                  (SELECT x.id FROM reports x WHERE ", renamed!(), " ORDER BY x.received_at DESC, x.id DESC LIMIT 1),
                  ARRAY(SELECT e.id FROM reports e WHERE e.superseded_by = r.id ORDER BY e.confirmed_at DESC, e.version DESC)
             FROM reports r WHERE r.id = $1");
    DOCUMENTS_OF_REPORT =
        "SELECT id, media_type, size_bytes, scan_state FROM documents WHERE report_id = $1 ORDER BY position";
    AUDIT_LIST = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'report.list', 'reports', 'success', $4)";
    AUDIT_REPORT = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, 'report.read', 'reports', $4, CASE WHEN EXISTS (SELECT FROM reports WHERE id = $4) THEN 'success' ELSE 'not_found' END, $5";
} }

/// Current reports, newest first.
///
/// # Errors
/// When the database can't be asked.
pub async fn list(
    session: &mut TenantSession,
    after: Option<Cursor>,
    limit: u16,
) -> Result<Page<ReportSummary>, DbError> {
    let (audit_id, request, fetch) = (Uuid::now_v7(), session.request_id(), i64::from(limit) + 1);
    let (actor, role) = session.actor();
    let audit = Query { sql: AUDIT_LIST, params: &[&audit_id, &actor, &role, &request] };
    let mut results = match &after {
        None => session.run(&[Query { sql: FIRST_PAGE, params: &[&fetch] }, audit]).await?,
        Some(c) => session.run(&[Query { sql: NEXT_PAGE, params: &[&fetch, &c.at, &c.id] }, audit]).await?,
    };
    let items = results.swap_remove(0).iter().map(summary).collect();
    Ok(page(items, limit, |r: &ReportSummary| Cursor { at: r.received_at, id: r.id }))
}

/// One report; `None` when this session can see none with this id.
///
/// # Errors
/// When the database can't be asked.
pub async fn get(session: &mut TenantSession, id: Uuid) -> Result<Option<Report>, DbError> {
    let (audit_id, request) = (Uuid::now_v7(), session.request_id());
    let (actor, role) = session.actor();
    let results = session
        .run(&[
            Query { sql: events::MARK_SEEN, params: &[&Uuid::now_v7(), &actor, &role, &id] },
            Query { sql: ONE_REPORT, params: &[&id] },
            Query { sql: VALUES_OF_REPORT, params: &[&id] },
            Query { sql: DOCUMENTS_OF_REPORT, params: &[&id] },
            Query { sql: events::EVENTS_OF_REPORT, params: &[&id] },
            Query { sql: events::SEEN_BEFORE, params: &[&id] },
            Query { sql: matching::MATCHES_OF_REPORT, params: &[&id] },
            Query { sql: AUDIT_REPORT, params: &[&audit_id, &actor, &role, &id, &request] },
        ])
        .await?;
    let [_, report, values, documents, events, seen_before, matches, _] = results.as_slice() else {
        return Err(DbError::Data("a statement gave no result"));
    };
    Ok(report.first().map(|row| Report {
        summary: summary(row),
        superseded_by: row.get(18),
        notes: row.get(19),
        unmapped: row.get(20),
        released_at: row.get(21),
        read_again: ReadAgain::of(row, 22),
        renamed: row.get(24),
        replaces: row.get(25),
        values: values.iter().map(|value| observation(value, row.get(7))).collect(),
        documents: documents
            .iter()
            .map(|row| Document {
                id: row.get(0),
                media_type: row.get(1),
                size_bytes: row.get(2),
                scan_state: row.get(3),
            })
            .collect(),
        events: events.iter().map(events::event).collect(),
        seen_before: seen_before.iter().map(events::event).collect(),
        matches: matches.iter().map(matching::history).collect(),
    }))
}

/// One row more than wanted was fetched: it tells whether there is a next page.
pub(crate) fn page<T>(mut items: Vec<T>, limit: u16, position: impl Fn(&T) -> Cursor) -> Page<T> {
    let more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    let next = items.last().filter(|_| more).map(|last| position(last).encode());
    Page { items, next }
}

pub(crate) fn summary(row: &Row) -> ReportSummary {
    let counts: Vec<i64> = row.get(14);
    let count = |n: usize| counts.get(n).copied().unwrap_or_default();
    ReportSummary {
        id: row.get(0),
        version: row.get(1),
        status: row.get(2),
        family_name: row.get(3),
        given_name: row.get(4),
        birth_date: row.get(5),
        patient_id: row.get(6),
        laboratory_name: row.get(7),
        order_number: row.get(8),
        lab_order_number: row.get(9),
        reported_on: row.get(10),
        received_at: row.get(11),
        critical: row.get(12),
        genetic: row.get(13),
        observations: count(0),
        abnormal: count(1),
        acknowledged_at: row.get(15),
        birth_date_text: row.get(16),
        not_judged: row.get(17),
    }
}
