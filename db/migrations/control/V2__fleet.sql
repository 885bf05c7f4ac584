-- The control schema, version 2: what the fleet migrator knows about its runs.
-- Why: a run over thousands of tenants is answered for by records: which files were applied, to which version tenants are born,
--      what became of each tenant in each run, who holds a tenant back. Status and a run with nothing to do stay one query.
-- Locks: ACCESS EXCLUSIVE on control.tenants, ledger and runs for an instant; new nullable columns, no rewrite.
-- Previous release: reads none of it; it knows no spare tenants and serves none, because it serves only active ones.

ALTER TABLE control.tenants DROP CONSTRAINT tenants_state_check;
ALTER TABLE control.tenants ADD CONSTRAINT tenants_state_check CHECK (state IN ('active', 'frozen', 'spare', 'deleted'));
COMMENT ON COLUMN control.tenants.state IS 'active: served; frozen: not served, data kept; spare: an empty schema kept ready for the next practice; deleted: tombstone, applied again after every restore';

ALTER TABLE control.runs
  DROP CONSTRAINT runs_command_check,
  ADD COLUMN target     integer,
  ADD COLUMN started_on text,
  ADD COLUMN arguments  jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN outcome    text CHECK (outcome IN ('completed', 'stopped', 'failed')),
  ADD COLUMN message    text;
COMMENT ON COLUMN control.runs.target     IS 'Version of the tenant schema that was wanted; null: the command has none';
COMMENT ON COLUMN control.runs.started_on IS 'Operating system user and host it was started on';
COMMENT ON COLUMN control.runs.arguments  IS 'How it was called: waves, limits, selected tenants';
COMMENT ON COLUMN control.runs.outcome    IS 'completed; stopped: too many failures, or interrupted; failed: could not go on; null: running, or killed';
COMMENT ON COLUMN control.runs.message    IS 'Why it stopped or failed';
CREATE INDEX runs_started_at ON control.runs (started_at DESC);

ALTER TABLE control.ledger
  ADD COLUMN rules_checksum text,
  ADD COLUMN progress       jsonb,
  ADD COLUMN held_at        timestamptz,
  ADD COLUMN held_by        text,
  ADD COLUMN held_reason    text,
  ADD CONSTRAINT ledger_held CHECK ((held_at IS NULL) = (held_reason IS NULL) AND (held_at IS NULL) = (held_by IS NULL));
COMMENT ON COLUMN control.ledger.tenant         IS 'The tenant; who changes it holds an advisory lock of its name, so that a second migrator passes it by';
COMMENT ON COLUMN control.ledger.rules_checksum IS 'SHA-256 of the row rules (db/rls/tenant.sql) that were applied last; null: not known';
COMMENT ON COLUMN control.ledger.progress       IS 'What was begun outside of the transaction that ends it: version, way (up, back), rows done; null: nothing';
COMMENT ON COLUMN control.ledger.held_at        IS 'Since when migrations pass this tenant by; null: they do not';
COMMENT ON COLUMN control.ledger.held_by        IS 'Operating system user and host that holds it';
COMMENT ON COLUMN control.ledger.held_reason    IS 'Why; no health data';

CREATE TABLE control.outcomes (
  run_id       uuid        NOT NULL REFERENCES control.runs (id),
  tenant       text        NOT NULL REFERENCES control.tenants (name),
  from_version integer     NOT NULL,
  to_version   integer     NOT NULL,
  outcome      text        NOT NULL CHECK (outcome IN ('running', 'migrated', 'failed', 'busy', 'passed by')),
  error        text,
  attempts     integer     NOT NULL DEFAULT 1 CHECK (attempts >= 1),
  milliseconds integer     NOT NULL DEFAULT 0 CHECK (milliseconds >= 0),
  written_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, tenant),
  CHECK ((outcome IN ('failed', 'busy', 'passed by')) = (error IS NOT NULL))
);
COMMENT ON TABLE  control.outcomes              IS 'What became of each tenant in each run; a success is written in the transaction that changes the tenant';
COMMENT ON COLUMN control.outcomes.run_id       IS 'Which run';
COMMENT ON COLUMN control.outcomes.tenant       IS 'Which tenant';
COMMENT ON COLUMN control.outcomes.from_version IS 'Version before';
COMMENT ON COLUMN control.outcomes.to_version   IS 'Version after; of a failure the last one that was reached';
COMMENT ON COLUMN control.outcomes.outcome      IS 'running: some of several transactions are done; migrated; failed: rolled back; busy: held by another migrator; passed by: meanwhile deleted, or about to be';
COMMENT ON COLUMN control.outcomes.error        IS 'Why it failed or was passed by; no row values';
COMMENT ON COLUMN control.outcomes.attempts     IS 'How often it was tried';
COMMENT ON COLUMN control.outcomes.milliseconds IS 'From the first attempt to the end, waits included';
COMMENT ON COLUMN control.outcomes.written_at   IS 'When';
CREATE INDEX outcomes_tenant ON control.outcomes (tenant, written_at DESC);

CREATE TABLE control.migrations (
  version     integer     PRIMARY KEY CHECK (version >= 1),
  name        text        NOT NULL,
  kind        text        NOT NULL CHECK (kind IN ('transaction', 'concurrent', 'backfill')),
  phase       text        NOT NULL CHECK (phase IN ('expand', 'contract')),
  body        text        NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  control.migrations             IS 'Migrations of the tenant schema as they were applied first: an edited file is refused and shown as a difference';
COMMENT ON COLUMN control.migrations.version     IS 'Number of the migration';
COMMENT ON COLUMN control.migrations.name        IS 'Its name in the file name';
COMMENT ON COLUMN control.migrations.kind        IS 'transaction: in the tenant''s own; concurrent: outside of one; backfill: batch by batch';
COMMENT ON COLUMN control.migrations.phase       IS 'expand: the release before works on it; contract: it no longer does';
COMMENT ON COLUMN control.migrations.body        IS 'Text of the file';
COMMENT ON COLUMN control.migrations.recorded_at IS 'When a run began to apply it';

CREATE TABLE control.fleet (
  singleton         boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  control_checksum  text        NOT NULL DEFAULT '',
  guard_fingerprint text        NOT NULL DEFAULT '',
  generation        integer     NOT NULL DEFAULT 0 CHECK (generation >= 0),
  changed_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  control.fleet                  IS 'What holds for the whole fleet; one row';
COMMENT ON COLUMN control.fleet.singleton        IS 'Always true: there is one row';
COMMENT ON COLUMN control.fleet.control_checksum IS 'SHA-256 of the control stream that was applied last: equal means that there is nothing to do';
COMMENT ON COLUMN control.fleet.guard_fingerprint IS 'SHA-256 of the guard''s functions as they were made: a changed one is put back';
COMMENT ON COLUMN control.fleet.generation       IS 'Version that new tenants are born at; 0: no run was begun yet. A provisioning run locks the row FOR SHARE, so that none is missed by the run that raises it';
COMMENT ON COLUMN control.fleet.changed_at       IS 'When the row was changed';
INSERT INTO control.fleet DEFAULT VALUES;

GRANT SELECT ON control.fleet, control.runs, control.outcomes TO labor_control;
