-- What GET /v1/reports/{id} runs: ONE, VALUES, DOCUMENTS and AUDIT_REPORT of db/src/reports.rs, word for word (floor.rs has a test).
SELECT r.id, r.version, r.status, r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.patient_id,
         r.laboratory_name, r.order_number, r.lab_order_number, r.reported_on, r.received_at, r.critical, r.genetic,
         (SELECT ARRAY[count(*), count(*) FILTER (WHERE o.critical OR o.interpretation <> 'N'
                                                     OR (o.interpretation IS NULL AND o.flag IS NOT NULL))]
            FROM observations o WHERE o.report_id = r.id), r.superseded_by, r.notes, r.unmapped FROM reports r WHERE r.id = $1;
SELECT o.id, o.report_id, o.test_code, o.test_name, o.loinc, o.status, o.value_text, o.unit, o.reference_text, o.reference_low,
         o.reference_high, o.flag, o.interpretation, o.critical, o.collected_at, o.effective_at, o.notes, o.specimen,
         o.reference_unit FROM observations o WHERE o.report_id = $1 ORDER BY o.position;
SELECT id, media_type, size_bytes, scan_state FROM documents WHERE report_id = $1 ORDER BY position;
INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, 'report.read', 'reports', $4, CASE WHEN EXISTS (SELECT FROM reports WHERE id = $4) THEN 'success' ELSE 'not_found' END, $5;
