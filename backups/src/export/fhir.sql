-- One FHIR R4 (4.0.1) Bundle's entries as JSON text, one a row: the patient, then reports, then their values.
-- $1: the patient; null: the reports that are nobody's yet. $2: documents whose files are in the export. Where a document is in the export (document_file in braces) src/export/files.rs says.
-- Must stay true: only what is stored is said (what was not sent is absent, never guessed); versions that were replaced are not in it
--       (they are in tables/); numbers keep the digits that were sent, which is why this is SQL: jsonb has numbers of any length.
WITH shown AS MATERIALIZED (
  SELECT r.*, CASE WHEN r.patient_id IS NOT NULL THEN jsonb_build_object('reference', 'urn:uuid:' || r.patient_id)
                   WHEN coalesce(r.subject_family_name, r.subject_given_name) ~ '\S'
                   THEN jsonb_build_object('display', concat_ws(', ', r.subject_family_name, r.subject_given_name)) END AS subject
    FROM reports r
   WHERE r.superseded_by IS NULL AND ({reports}) AND (r.patient_id = $1 OR ($1::uuid IS NULL AND r.patient_id IS NULL))
), entries (part, place, report, position, resource) AS (
  SELECT 1, p.created_at, NULL::uuid, 0, jsonb_build_object(
           'resourceType', 'Patient', 'id', p.id,
           'identifier', (SELECT jsonb_agg(jsonb_build_object('type', jsonb_build_object('coding', jsonb_build_array(
                                   jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/v2-0203', 'code', i.code))), 'value', i.value))
                            FROM (VALUES ('MR', p.patient_number), ('SN', p.insurance_number)) AS i (code, value) WHERE i.value ~ '\S'),
           'name', CASE WHEN coalesce(p.family_name, '') || coalesce(p.given_name, '') ~ '\S' THEN jsonb_build_array(jsonb_build_object(
             'use', 'official',
             'family', CASE WHEN p.family_name ~ '\S' THEN p.family_name END,
             'given', CASE WHEN p.given_name ~ '\S' THEN jsonb_build_array(p.given_name) END)) END,
           'gender', p.sex,
           'birthDate', coalesce(p.birth_date::text, CASE WHEN p.birth_date_text ~ '^[1-9]\d{3}(-(0[1-9]|1[0-2]))?$' THEN p.birth_date_text END),
           -- What is no date as it was sent (https://hl7.org/fhir/R4/extension-originaltext.html).
           '_birthDate', CASE WHEN p.birth_date IS NULL AND p.birth_date_text ~ '\S' AND p.birth_date_text !~ '^[1-9]\d{3}(-(0[1-9]|1[0-2]))?$' THEN jsonb_build_object('extension', jsonb_build_array(
             jsonb_build_object('url', 'http://hl7.org/fhir/StructureDefinition/originalText', 'valueString', p.birth_date_text))) END)
    FROM patients p WHERE p.id = $1
  UNION ALL
  SELECT 2, r.received_at, r.id, 0, jsonb_build_object(
           'resourceType', 'DiagnosticReport', 'id', r.id,
           'meta', jsonb_build_object('versionId', r.version::text, 'lastUpdated', r.received_at),
           'identifier', (SELECT jsonb_agg(jsonb_build_object('type', jsonb_build_object('coding', jsonb_build_array(
                                   jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/v2-0203', 'code', i.code))), 'value', i.value))
                            FROM (VALUES ('PLAC', r.order_number), ('FILL', r.lab_order_number)) AS i (code, value) WHERE i.value ~ '\S'),
           -- Our statuses are FHIR's (http://hl7.org/fhir/diagnostic-report-status).
           'status', r.status,
           'category', (SELECT jsonb_agg(jsonb_build_object('coding', jsonb_build_array(
                                 jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/v2-0074', 'code', c))))
                          FROM unnest(CASE WHEN r.genetic THEN ARRAY['LAB', 'GE'] ELSE ARRAY['LAB'] END) AS c),
           'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'http://loinc.org', 'code', '11502-2', 'display', 'Laboratory report')),
                                      'text', CASE WHEN r.kind ~ '\S' THEN r.kind END),
           'subject', r.subject,
           'issued', r.received_at,
           'performer', CASE WHEN r.laboratory_name ~ '\S' THEN jsonb_build_array(jsonb_build_object('display', r.laboratory_name)) END,
           'result', (SELECT jsonb_agg(jsonb_build_object('reference', 'urn:uuid:' || o.id) ORDER BY o.position)
                        FROM observations o WHERE o.report_id = r.id),
           'conclusion', (SELECT string_agg(n, E'\n' ORDER BY place) FROM unnest(r.notes) WITH ORDINALITY AS note (n, place) WHERE n ~ '\S'),
           'presentedForm', (SELECT jsonb_agg(jsonb_build_object(
                                      'contentType', regexp_replace(btrim(d.media_type), '\s+', ' ', 'g'),
                                      'url', CASE WHEN d.id = ANY ($2::uuid[]) THEN '../' || {document_file} END,
                                      'size', CASE WHEN d.size_bytes BETWEEN 1 AND 2147483647 THEN d.size_bytes END,
                                      'title', CASE WHEN d.id <> ALL ($2::uuid[]) THEN 'Not in the export: manifest.json says why' END)
                                      ORDER BY d.position)
                               FROM documents d WHERE d.report_id = r.id AND d.media_type ~ '\S'))
    FROM shown r
  UNION ALL
  SELECT 3, r.received_at, r.id, o.position, jsonb_build_object(
           'resourceType', 'Observation', 'id', o.id,
           -- Our statuses are FHIR's (http://hl7.org/fhir/observation-status); but what HL7 v2 took back as wrong (OBX-11) is no test that
           -- was not made.
           'status', CASE WHEN o.status = 'cancelled' AND o.status_code IN ('D', 'W') THEN 'entered-in-error' ELSE o.status END,
           'category', jsonb_build_array(jsonb_build_object('coding', jsonb_build_array(
             jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/observation-category', 'code', 'laboratory')))),
           'code', jsonb_build_object(
             'coding', (SELECT jsonb_agg(jsonb_build_object('system', c.system, 'code', regexp_replace(btrim(c.code), '\s+', ' ', 'g')))
                          FROM (VALUES ('http://loinc.org', o.loinc), (NULL, o.test_code)) AS c (system, code) WHERE c.code ~ '\S'),
             'text', CASE WHEN o.test_name ~ '\S' THEN o.test_name WHEN o.test_code ~ '\S' THEN o.test_code ELSE '?' END),
           'subject', r.subject,
           -- A time without an offset could be anywhere: its day is said, and the text as it was sent.
           'effectiveDateTime', CASE WHEN o.collected_at ~ 'T.*(Z|[+-]\d{2}:?\d{2})$' THEN to_jsonb(o.effective_at)
                                     ELSE to_jsonb(substring(o.collected_at FROM '^[1-9]\d{3}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?')) END,
           '_effectiveDateTime', CASE WHEN o.collected_at ~ '^\S{11}' AND o.collected_at !~ '(Z|[+-]\d{2}:?\d{2})$' THEN jsonb_build_object('extension',
             jsonb_build_array(jsonb_build_object('url', 'http://hl7.org/fhir/StructureDefinition/originalText', 'valueString', o.collected_at))) END,
           'valueQuantity', CASE WHEN o.value_number NOT IN ('NaN', 'Infinity', '-Infinity') THEN jsonb_build_object(
             -- The value as it was sent, where the number does not show all of it.
             'extension', CASE WHEN o.value_text ~ '\S' AND concat(o.value_comparator, o.value_number) <> replace(o.value_text, ',', '.') THEN jsonb_build_array(
               jsonb_build_object('url', 'http://hl7.org/fhir/StructureDefinition/originalText', 'valueString', o.value_text)) END,
             'value', o.value_number, 'comparator', o.value_comparator, 'unit', CASE WHEN o.unit ~ '\S' THEN o.unit END) END,
           'valueString', CASE WHEN coalesce(o.value_number, 'NaN') IN ('NaN', 'Infinity', '-Infinity') AND o.value_text ~ '\S'
                               THEN concat_ws(' ', o.value_text, CASE WHEN o.unit ~ '\S' THEN o.unit END) END,
           -- A value can be critical though it is flagged as less, or not at all.
           'interpretation', CASE WHEN o.interpretation IS NOT NULL OR o.flag ~ '\S' OR o.critical THEN jsonb_build_array(jsonb_build_object(
             'coding', (SELECT jsonb_agg(jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', 'code', c))
                          FROM unnest(ARRAY[o.interpretation, CASE WHEN o.critical AND coalesce(o.interpretation, '') NOT IN ('LL', 'HH', 'AA') THEN 'AA' END]) AS c
                         WHERE c IS NOT NULL),
             'text', CASE WHEN o.flag ~ '\S' THEN o.flag END)) END,
           'note', (SELECT jsonb_agg(jsonb_build_object('text', n) ORDER BY place) FROM unnest(o.notes) WITH ORDINALITY AS note (n, place) WHERE n ~ '\S'),
           'specimen', CASE WHEN o.specimen ~ '\S' THEN jsonb_build_object('display', o.specimen) END,
           'referenceRange', CASE WHEN concat(o.reference_text, o.reference_low, o.reference_high) ~ '\S' THEN jsonb_build_array(jsonb_build_object(
             'low',  CASE WHEN o.reference_low  ~ '^-?\d{1,30}([.,]\d{1,30})?$' THEN jsonb_build_object('value', replace(o.reference_low, ',', '.')::numeric,
                            'unit', CASE WHEN o.reference_unit ~ '\S' THEN o.reference_unit WHEN o.unit ~ '\S' THEN o.unit END) END,
             'high', CASE WHEN o.reference_high ~ '^-?\d{1,30}([.,]\d{1,30})?$' THEN jsonb_build_object('value', replace(o.reference_high, ',', '.')::numeric,
                            'unit', CASE WHEN o.reference_unit ~ '\S' THEN o.reference_unit WHEN o.unit ~ '\S' THEN o.unit END) END,
             'text', CASE WHEN o.reference_text ~ '\S' THEN o.reference_text
                          WHEN o.reference_low ~ '\S' AND o.reference_high ~ '\S' THEN concat(o.reference_low, ' – ', o.reference_high)
                          WHEN o.reference_low ~ '\S' THEN concat('≥ ', o.reference_low)
                          ELSE concat('≤ ', o.reference_high) END)) END)
    FROM shown r JOIN observations o ON o.report_id = r.id
)
SELECT jsonb_build_object('fullUrl', 'urn:uuid:' || (resource ->> 'id'), 'resource', jsonb_strip_nulls(resource))::text
  FROM entries ORDER BY part, place, report, position
