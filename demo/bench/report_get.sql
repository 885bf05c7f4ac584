-- What GET /v1/reports/{id} runs: MARK_SEEN, EVENTS_OF_REPORT and SEEN_BEFORE of db/src/events.rs, MATCHES_OF_REPORT of db/src/matching.rs, the others of db/src/reports.rs, word for
-- word and in that order (floor.rs has a test).
INSERT INTO report_events (id, report_id, kind, actor, actor_role)
        SELECT $1, r.id, 'seen', $2, $3 FROM reports r WHERE r.id = $4 ON CONFLICT DO NOTHING;
SELECT r.id, r.version, r.status, r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.patient_id,
         r.laboratory_name, r.order_number, r.lab_order_number, r.reported_on, r.received_at, r.critical, r.genetic,
         (SELECT ARRAY[count(*), count(*) FILTER (WHERE o.critical OR o.interpretation <> 'N'
                                                     OR (o.interpretation IS NULL AND o.flag IS NOT NULL))]
            FROM observations o WHERE o.report_id = r.id),
         (SELECT min(e.at) FROM report_events e WHERE e.report_id = r.id AND e.kind = 'acknowledged'), r.subject_birth_text, r.not_judged, r.superseded_by, r.notes, r.unmapped, r.released_at, r.reread_at, r.reread_with FROM reports r WHERE r.id = $1;
SELECT o.id, o.report_id, o.test_code, o.test_name, o.loinc, o.status, o.value_text, o.unit, o.reference_text, o.reference_low,
         o.reference_high, o.flag, o.interpretation, o.critical, o.collected_at, o.effective_at, o.notes, o.specimen,
         o.reference_unit FROM observations o WHERE o.report_id = $1 ORDER BY o.position;
SELECT id, media_type, size_bytes, scan_state FROM documents WHERE report_id = $1 ORDER BY position;
SELECT e.kind, e.at, e.actor_role, u.display_name, b.display_name, e.comment
          FROM report_events e LEFT JOIN users u ON u.id::text = e.actor LEFT JOIN users b ON b.id = e.on_behalf_of
         WHERE e.report_id = $1 ORDER BY e.at, e.id;
WITH RECURSIVE before (id) AS (
            SELECT r.id FROM reports r WHERE r.superseded_by = $1
            UNION SELECT r.id FROM before b JOIN reports r ON r.superseded_by = b.id
          )
        SELECT DISTINCT ON (e.actor) e.kind, e.at, e.actor_role, u.display_name, NULL::text, NULL::text
          FROM before b JOIN report_events e ON e.report_id = b.id AND e.kind = 'seen' LEFT JOIN users u ON u.id::text = e.actor
         ORDER BY e.actor, e.at DESC;
SELECT m.kind, m.patient_id, p.family_name, p.given_name, m.score, m.reasons, m.comment, m.at, m.actor_role, u.display_name
          FROM matches m JOIN patients p ON p.id = m.patient_id LEFT JOIN users u ON u.id::text = m.actor
         WHERE m.report_id = $1 ORDER BY m.at, m.id;
INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, 'report.read', 'reports', $4, CASE WHEN EXISTS (SELECT FROM reports WHERE id = $4) THEN 'success' ELSE 'not_found' END, $5;
