//! Releases that a worker takes back: of what turned out to be genetic, and of what it can't be sure that a doctor released.
//! Must stay true: no correction is ever refused because of a release. The row rule (`db/rls/tenant.sql`) lets a worker write to a version
//! only as its events say that it is, released or not; where the row and its events disagree, whoever wrote them, the version is withdrawn
//! and that is noted, and a doctor releases it again. What is taken back is noted first, because the row rule asks the events.
use uuid::Uuid;

use crate::DbError;
use crate::session::Unit;
use crate::statements::statements;

statements! { Withdrawn {
    /// Versions that the row rule would not let a worker write to as they are: its condition, the other way round.
    UNSURE_VERSIONS = "SELECT r.id FROM reports r
          WHERE r.report_key = $1
            AND CASE WHEN r.released_at IS NULL
                THEN EXISTS (SELECT FROM report_events e WHERE e.report_id = r.id AND e.kind = 'released'
                               AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id))
                ELSE NOT EXISTS (SELECT FROM report_events e
                                  WHERE e.id = r.release_id AND e.report_id = r.id AND e.kind = 'released' AND e.actor = r.released_by::text
                                    AND e.patient_id = r.patient_id AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id))
                  OR ((r.genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = r.id))
                      AND NOT EXISTS (SELECT FROM genetic_holds h JOIN doctor_numbers n ON n.lanr = h.lanr
                                       WHERE h.report_id = r.id AND n.user_id = r.released_by)) END
          ORDER BY r.id";
    /// Ends every release of these versions that nothing ended.
    NOTE_WITHDRAWN = "WITH noted AS (
            INSERT INTO report_events (id, report_id, kind, ends, actor, actor_role)
            SELECT gen_random_uuid(), e.report_id, 'withdrawn', e.id, $2, $3 FROM report_events e
             WHERE e.report_id = ANY ($1) AND e.kind = 'released' AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id)
          )
          INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
          SELECT gen_random_uuid(), $2, $3, 'report.withdraw', 'reports', r.id, 'success', $4 FROM reports r
           WHERE r.id = ANY ($1) AND r.released_at IS NOT NULL";
    WITHDRAW_VERSIONS = "UPDATE reports SET released_at = NULL, released_by = NULL, release_id = NULL WHERE id = ANY ($1) AND released_at IS NOT NULL";
} }

/// Withdraws those versions of a report whose release is not sure. Whoever asks holds the lock of the chain.
pub(super) async fn unsure(unit: &Unit<'_>, key: &str) -> Result<(), DbError> {
    let rows = unit.query(UNSURE_VERSIONS, &[&key]).await?;
    let unsure: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    take_back(unit, &unsure).await
}

/// Withdraws these versions, and notes it.
pub(super) async fn take_back(unit: &Unit<'_>, versions: &[Uuid]) -> Result<(), DbError> {
    if versions.is_empty() {
        return Ok(());
    }
    let ((actor, role), request) = (unit.actor(), unit.request_id());
    unit.execute(NOTE_WITHDRAWN, &[&versions, &actor, &role, &request]).await?;
    unit.execute(WITHDRAW_VERSIONS, &[&versions]).await?;
    Ok(())
}
