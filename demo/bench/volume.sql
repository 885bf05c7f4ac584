-- Rows of one practice for the benchmark of backups: {reports} reports, a patient for each fourth, five values and a message each.
-- Letters are random, so that they compress as names and values do; messages are text.
SET search_path = {tenant}, pg_catalog;
INSERT INTO patients (id, identity_key, family_name, given_name)
SELECT gen_random_uuid(), encode(sha256(i::text::bytea), 'hex'), initcap(translate(md5(i::text), '0123456789', 'aeioulnrst')), 'Erika'
  FROM generate_series(1, {reports} / 4) AS i;
INSERT INTO raw_messages (id, source_id, sha256, body, state, format, charset, processed_at)
SELECT gen_random_uuid(), gen_random_uuid(), sha256(b.body), b.body, 'processed', 'LDT2', 'ISO-8859-15', now()
  FROM generate_series(1, {reports}) AS i
 CROSS JOIN LATERAL (SELECT string_agg(format(E'014%s%s\r\n', 8000 + n, md5(i::text || n)), '')::bytea FROM generate_series(1, 46) AS n) AS b (body);
INSERT INTO reports (id, raw_message_id, record_index, patient_id, report_key, version, content_sha256, kind, status, laboratory_name,
                     received_at, confirmed_at)
SELECT gen_random_uuid(), m.id, 0, p.id, encode(m.sha256, 'hex'), 1, m.sha256, '8201', 'final', 'Labor Musterstadt', now(), now()
  FROM (SELECT id, sha256, row_number() OVER () - 1 AS n FROM raw_messages) AS m
  JOIN (SELECT id, row_number() OVER () - 1 AS n FROM patients) AS p ON p.n = m.n / 4;
INSERT INTO observations (id, report_id, position, test_code, test_name, status, value_text, value_number, unit, reference_text, effective_at)
SELECT gen_random_uuid(), r.id, v.position, v.code, v.name, 'final', v.value::text, v.value, v.unit, v.reference, now()
  FROM reports AS r
 CROSS JOIN LATERAL (SELECT position, code, name, unit, reference,
                            round((('x' || substr(r.report_key, position * 4 + 1, 4))::bit(16)::integer / 6553.6 + low)::numeric, 2) AS value
                       FROM (VALUES (0, 'K', 'Kalium', 'mmol/l', '3,5 - 5,1', 1), (1, 'NA', 'Natrium', 'mmol/l', '136 - 145', 134),
                                    (2, 'CREA', 'Kreatinin', 'mg/dl', '0,7 - 1,2', 0), (3, 'HB', 'Hämoglobin', 'g/dl', '12 - 16', 9),
                                    (4, 'GLU', 'Glukose', 'mg/dl', '70 - 100', 85))
                         AS t (position, code, name, unit, reference, low)) AS v;
RESET search_path;
ANALYZE {tenant}.patients, {tenant}.raw_messages, {tenant}.reports, {tenant}.observations;
