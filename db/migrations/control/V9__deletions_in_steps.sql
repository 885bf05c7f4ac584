-- The control schema, version 9: what a deletion waits for: a time of grace, and the practice's receipt of its records.
-- Why: records are kept for years after a treatment, and that is the practice's duty, not the platform's: so a practice gets what it has to
--      keep before it is deleted, and says so. Whoever asked by mistake can take it back while nothing is dropped.
-- Locks: ACCESS EXCLUSIVE on control.requests for an instant: its few rows are checked, the constant default rewrites nothing.
-- Previous release: its `labor request create deletion` gives the default grace, and it takes nothing back. Its `labor-migrator delete` would
--      wait for nothing: a constraint refuses the step in which it drops.

ALTER TABLE control.requests
  ADD COLUMN grace_days   integer NOT NULL DEFAULT 14 CHECK (grace_days BETWEEN 0 AND 365),
  ADD COLUMN no_receipt   text CHECK (no_receipt IS NULL OR (kind = 'deletion' AND length(no_receipt) BETWEEN 1 AND 500)),
  ADD COLUMN receipt      jsonb CHECK (receipt IS NULL OR kind = 'export'),
  ADD COLUMN withdrawn_by uuid REFERENCES control.operators (id),
  ADD COLUMN withdrawn_at timestamptz,
  DROP CONSTRAINT requests_check1,
  DROP CONSTRAINT requests_state_check,
  ADD CONSTRAINT requests_state_check CHECK (state IN ('requested', 'approved', 'running', 'done', 'withdrawn')),
  ADD CONSTRAINT requests_agreed CHECK (state IN ('requested', 'withdrawn') OR approved_by IS NOT NULL),
  ADD CONSTRAINT requests_withdrawn CHECK ((state = 'withdrawn') = (withdrawn_by IS NOT NULL AND withdrawn_at IS NOT NULL));
COMMENT ON COLUMN control.requests.state        IS 'requested, approved, running, done; withdrawn: nothing was dropped, and nothing will be';
COMMENT ON COLUMN control.requests.grace_days   IS 'Of a deletion: for so many days the practice is shut and kept before anything is dropped';
COMMENT ON COLUMN control.requests.no_receipt   IS 'Of a deletion: why the practice need not get its records first, as two people agreed; null: it has to';
COMMENT ON COLUMN control.requests.receipt      IS 'Of an export: that the practice has it: by whom and when, which manifest (SHA-256), when it was exported';
COMMENT ON COLUMN control.requests.withdrawn_by IS 'Who took it back';
COMMENT ON COLUMN control.requests.withdrawn_at IS 'When';
-- Whoever was dropped already goes on.
UPDATE control.requests SET steps = steps || '[{"step": "shut", "counts": {}, "before": "version 9"}]' WHERE steps @> '[{"step": "drop"}]';
ALTER TABLE control.requests
  ADD CONSTRAINT requests_waited CHECK (NOT steps @> '[{"step": "drop"}]' OR (steps @> '[{"step": "shut"}]' AND state <> 'withdrawn'));
-- The web process asks; what was done is for the migrator alone to say.
REVOKE INSERT ON control.requests FROM labor_control;
GRANT INSERT (id, kind, tenant, patient_id, reason, requested_by, grace_days, no_receipt) ON control.requests TO labor_control;
GRANT UPDATE (receipt, withdrawn_by, withdrawn_at) ON control.requests TO labor_control;

CREATE TABLE control.retention (
  data_class text    PRIMARY KEY CHECK (data_class IN ('results', 'messages')),
  years      integer NOT NULL CHECK (years BETWEEN 0 AND 100),
  basis      text    NOT NULL CHECK (length(basis) BETWEEN 1 AND 500)
);
COMMENT ON TABLE  control.retention            IS 'For how long records are kept: a practice with younger ones is deleted only once it has them (requests.receipt)';
COMMENT ON COLUMN control.retention.data_class IS 'results: counted from the newest report; messages: from the newest message';
COMMENT ON COLUMN control.retention.years      IS 'Years; 0: not at all';
COMMENT ON COLUMN control.retention.basis      IS 'Statute or contract';
INSERT INTO control.retention (data_class, years, basis) VALUES
  ('results',  10, '§ 630f(3) BGB: ten years after the end of the treatment'),
  ('messages', 10, 'what the results were read from: as long as they');
GRANT SELECT ON control.retention TO labor_control, labor_backup;
