//! The values of a report, and those of a patient across reports.
//! Must stay true: a value that the laboratory corrected or took back is never read without that (`corrected`).
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Page, page};
use crate::claims::Cursor;
use crate::corrected::corrected_by;
use crate::events;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

/// One value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Observation {
    /// Id.
    pub id: Uuid,
    /// The report it is in.
    pub report_id: Uuid,
    /// The laboratory's code of the test.
    pub test_code: String,
    /// Name of the test.
    pub test_name: Option<String>,
    /// LOINC code, if the laboratory sent one.
    pub loinc: Option<String>,
    /// What was examined: serum, urine …
    pub specimen: Option<String>,
    /// registered, preliminary, final, corrected, cancelled or unknown.
    pub status: String,
    /// The value exactly as sent.
    pub value: Option<String>,
    /// Unit as sent.
    pub unit: Option<String>,
    /// Reference range as text.
    pub reference_text: Option<String>,
    /// Lower reference limit.
    pub reference_low: Option<String>,
    /// Upper reference limit.
    pub reference_high: Option<String>,
    /// Unit of the limits, where the sender gave one of their own.
    pub reference_unit: Option<String>,
    /// Flag as sent.
    pub flag: Option<String>,
    /// HL7 ObservationInterpretation: N, L, LU, LL, H, HU, HH, A or AA.
    pub interpretation: Option<String>,
    /// Marked life-threatening by the laboratory.
    pub critical: bool,
    /// Time of collection, with the precision sent.
    pub collected_at: Option<String>,
    /// Time that a trend is ordered by.
    pub effective_at: DateTime<Utc>,
    /// Who measured.
    pub laboratory_name: String,
    /// Free text.
    pub notes: Vec<String>,
    /// A later version of the report that corrects this value, or takes it back, and leaves others of this one as they are.
    pub corrected_by: Option<Uuid>,
}

/// Columns of an [`Observation`], in the order that [`observation`] reads them; `o` is observations. Who measured is the report's.
macro_rules! observation_columns {
    () => {
        "o.id, o.report_id, o.test_code, o.test_name, o.loinc, o.status, o.value_text, o.unit, o.reference_text, o.reference_low,
         o.reference_high, o.flag, o.interpretation, o.critical, o.collected_at, o.effective_at, o.notes, o.specimen,
         o.reference_unit, "
    };
}

statements! { Values {
    VALUES_OF_REPORT = concat!(
        "SELECT ",
        observation_columns!(),
        corrected_by!(""),
        " FROM observations o JOIN reports r ON r.id = o.report_id WHERE o.report_id = $1 ORDER BY o.position"
    );
    /// What was not noted as seen a moment ago is not shown: a report that became this patient's since would be one that nobody knows they saw.
    TREND_FIRST_PAGE = concat!(
        "SELECT ",
        observation_columns!(),
        corrected_by!(""),
        ", r.laboratory_name FROM observations o JOIN reports r ON r.id = o.report_id
          WHERE r.patient_id = $1 AND r.superseded_by IS NULL
            AND EXISTS (SELECT FROM report_events e WHERE e.report_id = r.id AND e.kind = 'seen' AND e.actor = $3)
          ORDER BY o.effective_at DESC, o.id DESC LIMIT $2"
    );
    TREND_NEXT_PAGE = concat!(
        "SELECT ",
        observation_columns!(),
        corrected_by!(""),
        ", r.laboratory_name FROM observations o JOIN reports r ON r.id = o.report_id
          WHERE r.patient_id = $1 AND r.superseded_by IS NULL AND (o.effective_at, o.id) < ($4, $5)
            AND EXISTS (SELECT FROM report_events e WHERE e.report_id = r.id AND e.kind = 'seen' AND e.actor = $3)
          ORDER BY o.effective_at DESC, o.id DESC LIMIT $2"
    );
    AUDIT_PATIENT = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, 'patient.read_values', 'patients', $4, CASE WHEN EXISTS (SELECT FROM patients WHERE id = $4) THEN 'success' ELSE 'not_found' END, $5";
    KNOWN_PATIENT = "SELECT FROM patients WHERE id = $1";
} }

/// A patient's values across all current reports, newest first; `None` when this session can see no such patient.
///
/// # Errors
/// When the database can't be asked.
pub async fn observations_of(
    session: &mut TenantSession,
    patient: Uuid,
    after: Option<Cursor>,
    limit: u16,
) -> Result<Option<Page<Observation>>, DbError> {
    let (audit_id, request, fetch) = (Uuid::now_v7(), session.request_id(), i64::from(limit) + 1);
    let known = Query { sql: KNOWN_PATIENT, params: &[&patient] };
    let (actor, role) = session.actor();
    let audit = Query { sql: AUDIT_PATIENT, params: &[&audit_id, &actor, &role, &patient, &request] };
    let seen = Query { sql: events::MARK_VALUES_SEEN, params: &[&actor, &role, &patient] };
    let results = match &after {
        None => {
            session
                .run(&[seen, known, Query { sql: TREND_FIRST_PAGE, params: &[&patient, &fetch, &actor] }, audit])
                .await?
        }
        Some(c) => {
            session
                .run(&[
                    seen,
                    known,
                    Query { sql: TREND_NEXT_PAGE, params: &[&patient, &fetch, &actor, &c.at, &c.id] },
                    audit,
                ])
                .await?
        }
    };
    let [_, known, values, _] = results.as_slice() else {
        return Err(DbError::Data("a statement gave no result"));
    };
    if known.is_empty() {
        return Ok(None);
    }
    let items = values.iter().map(|value| observation(value, value.get(20))).collect();
    Ok(Some(page(items, limit, |o: &Observation| Cursor { at: o.effective_at, id: o.id })))
}

/// From a row of [`VALUES_OF_REPORT`] or a trend.
pub(super) fn observation(row: &Row, laboratory_name: String) -> Observation {
    Observation {
        id: row.get(0),
        report_id: row.get(1),
        test_code: row.get(2),
        test_name: row.get(3),
        loinc: row.get(4),
        status: row.get(5),
        value: row.get(6),
        unit: row.get(7),
        reference_text: row.get(8),
        reference_low: row.get(9),
        reference_high: row.get(10),
        flag: row.get(11),
        interpretation: row.get(12),
        critical: row.get(13),
        collected_at: row.get(14),
        effective_at: row.get(15),
        laboratory_name,
        notes: row.get(16),
        specimen: row.get(17),
        reference_unit: row.get(18),
        corrected_by: row.get(19),
    }
}
