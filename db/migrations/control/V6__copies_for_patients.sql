-- The control schema, version 6: requests for a copy of one patient's data.
-- Why: who asks for a copy of their own data (GDPR, Article 15) gets theirs and nobody else's, by the same two people as a whole export.
-- Locks: ACCESS EXCLUSIVE on control.requests for an instant; the column is empty, and the table has a few rows to check.
-- Previous release: knows exports and deletions only, and refuses a copy.

ALTER TABLE control.requests
  DROP CONSTRAINT requests_kind_check,
  ADD CONSTRAINT requests_kind_check CHECK (kind IN ('export', 'copy', 'deletion')),
  ADD COLUMN patient_id uuid,
  ADD CONSTRAINT requests_patient CHECK ((kind = 'copy') = (patient_id IS NOT NULL));
COMMENT ON COLUMN control.requests.kind       IS 'export: of a whole practice; copy: of one patient''s data, for the patient; deletion: of a whole practice';
COMMENT ON COLUMN control.requests.patient_id IS 'For kind copy: the patient, by the id that the practice''s schema has';
