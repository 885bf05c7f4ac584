//! What somebody is told because they saw a value that does not count any more, or that was somebody else's.
//! Must stay true: whoever saw the old version is told, in the transaction that replaces it or takes it away from the patient; nobody reads
//! another's notices but an admin, and nobody can take one away. Of a report that a patient may not see they read nothing here either.
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corrected::{corrected_by, renamed};
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Notices {
    /// $1 was replaced by $2; $3: the laboratory says that nothing of it counts. Whoever saw $1 or what was before it is told if a value that
    /// they saw is another now or gone, or what was said in words. What only became more complete is no correction; who was told already that a version further
    /// back is wrong is not told so again.
    TELL_READERS = "WITH RECURSIVE before (id) AS (
            SELECT $1::uuid
            UNION SELECT r.id FROM before b JOIN reports r ON r.superseded_by = b.id
          )
        INSERT INTO notices (id, recipient, report_id, kind, replaced_by)
        SELECT gen_random_uuid(), e.actor, e.report_id, CASE WHEN $3 THEN 'invalidated' ELSE 'corrected' END, $2
          FROM before b JOIN report_events e ON e.report_id = b.id AND e.kind = 'seen'
         WHERE (b.id = $1 OR NOT EXISTS (SELECT FROM notices t
                                          WHERE t.recipient = e.actor AND t.report_id = b.id AND t.replaced_by IS NOT NULL))
           AND ($3
            OR EXISTS (SELECT FROM observations o
                        WHERE o.report_id = b.id AND (o.value_text IS NOT NULL OR (o.notes <> '{}' AND o.status NOT IN ('registered', 'cancelled')))
                          AND NOT EXISTS (
                            SELECT FROM observations n
                             WHERE n.report_id = $2 AND n.test_code = o.test_code AND n.critical = o.critical AND n.notes @> o.notes
                               AND n.value_text IS NOT DISTINCT FROM o.value_text
                               AND (n.specimen, n.collected_at, n.unit, n.flag, n.interpretation, n.status = 'cancelled')
                                   IS NOT DISTINCT FROM (o.specimen, o.collected_at, o.unit, o.flag, o.interpretation, o.status = 'cancelled'))))
        ON CONFLICT DO NOTHING";
    /// The same where $2 corrects or takes back single values of $1, which stays current because of its others.
    TELL_READERS_OF_SOME = concat!("INSERT INTO notices (id, recipient, report_id, kind, replaced_by)
        SELECT gen_random_uuid(), e.actor, $1, 'corrected', $2
          FROM report_events e
         WHERE e.report_id = $1 AND e.kind = 'seen'
           AND EXISTS (SELECT FROM reports r JOIN observations o ON o.report_id = r.id
                        WHERE r.id = $1 AND ", corrected_by!("AND n.id = $2"), " IS NOT NULL)
        ON CONFLICT DO NOTHING");
    /// The reports of the same order that name another than $1, locked: whoever is reading one is waited for.
    RENAMED_REPORTS = concat!("SELECT x.id FROM reports r JOIN reports x ON ", renamed!(), " WHERE r.id = $1 ORDER BY x.id FOR UPDATE OF x");
    /// $2 names another for the order of $1.
    TELL_READERS_OF_RENAMED = "INSERT INTO notices (id, recipient, report_id, kind, replaced_by)
        SELECT gen_random_uuid(), e.actor, $1, 'corrected', $2 FROM report_events e WHERE e.report_id = $1 AND e.kind = 'seen'
        ON CONFLICT DO NOTHING";
    MY_NOTICES = "SELECT n.id, n.report_id,
               CASE WHEN EXISTS (SELECT FROM reports c WHERE c.id = n.replaced_by AND c.report_key <> r.report_key) THEN 'renamed' ELSE n.kind END, n.replaced_by, n.written_at, r.subject_family_name, r.subject_given_name, r.laboratory_name
          FROM notices n LEFT JOIN reports r ON r.id = n.report_id
         WHERE n.recipient = $1
           -- A patient is told once the version that counts was released to them; that it was another's at once, although they see it no more.
           AND (n.kind = 'unmatched' OR (r.id IS NOT NULL AND EXISTS (SELECT FROM reports c WHERE c.id = n.replaced_by)))
           AND NOT EXISTS (SELECT FROM report_events e
                            WHERE e.report_id = n.report_id AND e.kind = 'told' AND e.actor = n.recipient AND e.notice_id = n.id)
         ORDER BY n.written_at DESC, n.id LIMIT 200";
    MARK_READ = "WITH written AS (
            INSERT INTO report_events (id, report_id, kind, actor, actor_role, notice_id)
            SELECT $6, n.report_id, 'told', $1, $4, n.id FROM notices n WHERE n.recipient = $1 AND n.id = $2
            ON CONFLICT DO NOTHING RETURNING notice_id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT $3, $1, $4, 'notice.read', 'notices', notice_id, 'success', $5 FROM written
          )
          SELECT notice_id FROM written";
    AUDIT_NOTICES = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'notice.list', 'notices', 'success', $4)";
} }

/// Something that was seen and does not count any more, or was somebody else's.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Notice {
    /// Id of the notice.
    pub id: Uuid,
    /// The version that was seen.
    pub report_id: Uuid,
    /// corrected: a value is another now, or gone; invalidated: the laboratory says that nothing of it counts; unmatched: it was assigned to
    /// the wrong patient; renamed: the laboratory sent the same order under another name or birth date.
    pub kind: String,
    /// The version that came instead, or the report under the other name; absent when it was unmatched.
    pub replaced_by: Option<Uuid>,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// Patient's family name as the laboratory sent it.
    pub family_name: Option<String>,
    /// Patient's given name as the laboratory sent it.
    pub given_name: Option<String>,
    /// Who measured; absent when the reader may not see the report any more.
    pub laboratory_name: Option<String>,
}

/// The reader's own notices that they have not read yet, newest first, at most 200.
///
/// # Errors
/// When the database can't be asked.
pub async fn unread(session: &mut TenantSession) -> Result<Vec<Notice>, DbError> {
    let (audit_id, request) = (Uuid::now_v7(), session.request_id());
    let (actor, role) = session.actor();
    let results = session
        .run(&[
            Query { sql: MY_NOTICES, params: &[&actor] },
            Query { sql: AUDIT_NOTICES, params: &[&audit_id, &actor, &role, &request] },
        ])
        .await?;
    let rows = results.first().map(Vec::as_slice).unwrap_or_default();
    Ok(rows
        .iter()
        .map(|row| Notice {
            id: row.get(0),
            report_id: row.get(1),
            kind: row.get(2),
            replaced_by: row.get(3),
            written_at: row.get(4),
            family_name: row.get(5),
            given_name: row.get(6),
            laboratory_name: row.get(7),
        })
        .collect())
}

/// Says that the reader has read this notice of theirs. False when there is none that is unread.
///
/// # Errors
/// When the database can't be asked.
pub async fn mark_read(session: &mut TenantSession, notice: Uuid) -> Result<bool, DbError> {
    let (audit_id, event, request) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id());
    let (actor, role) = session.actor();
    let rows = session
        .run(&[Query { sql: MARK_READ, params: &[&actor, &notice, &audit_id, &role, &request, &event] }])
        .await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}
