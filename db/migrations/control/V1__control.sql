-- The control schema, version 1: what the platform knows about itself.
-- Why: tenants, their identifiers, the laboratories that may send, and the ledger of every tenant's schema version. No health
--      data and no patients here: users of a practice live in the practice's own schema.
-- Locks: new tables only. Previous release: there is none.

CREATE TABLE control.tenants (
  name         text        PRIMARY KEY CHECK (name ~ '^t_[a-z0-9]{12}$'),
  kind         text        NOT NULL DEFAULT 'practice' CHECK (kind IN ('practice', 'intake')),
  slug         text        NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  display_name text        NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
  state        text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'frozen', 'deleted')),
  created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  control.tenants              IS 'Practices, and the one intake that holds messages nobody could be found for';
COMMENT ON COLUMN control.tenants.name         IS 'Opaque database name: the schema; with _app appended the login role';
COMMENT ON COLUMN control.tenants.kind         IS 'practice, or intake: same schema, but no one signs in there';
COMMENT ON COLUMN control.tenants.slug         IS 'What people type at sign-in';
COMMENT ON COLUMN control.tenants.display_name IS 'Name of the practice as shown';
COMMENT ON COLUMN control.tenants.state        IS 'active: served; frozen: not served, data kept; deleted: tombstone, applied again after every restore';
COMMENT ON COLUMN control.tenants.created_at   IS 'When it was provisioned';
CREATE UNIQUE INDEX tenants_one_intake ON control.tenants (kind) WHERE kind = 'intake';

CREATE TABLE control.tenant_identifiers (
  kind   text NOT NULL CHECK (kind IN ('bsnr', 'site', 'customer')),
  issuer text NOT NULL DEFAULT '',
  value  text NOT NULL CHECK (length(value) BETWEEN 1 AND 60),
  tenant text NOT NULL REFERENCES control.tenants (name),
  PRIMARY KEY (kind, issuer, value),
  CHECK (kind <> 'bsnr' OR value ~ '^[0-9]{9}$')
);
COMMENT ON TABLE  control.tenant_identifiers        IS 'How laboratories address a practice';
COMMENT ON COLUMN control.tenant_identifiers.kind   IS 'bsnr: (N)BSNR, LDT field 0201; site: LDT 3 field 0200; customer: LDT field 8312, unique only with its laboratory';
COMMENT ON COLUMN control.tenant_identifiers.issuer IS 'For customer numbers the laboratory that gave them, else empty';
COMMENT ON COLUMN control.tenant_identifiers.value  IS 'The identifier as sent';
COMMENT ON COLUMN control.tenant_identifiers.tenant IS 'Whom it addresses';
CREATE INDEX tenant_identifiers_tenant ON control.tenant_identifiers (tenant);

CREATE TABLE control.sources (
  id             uuid        PRIMARY KEY,
  name           text        NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 120),
  state          text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
  secret_version integer     NOT NULL DEFAULT 1 CHECK (secret_version >= 1),
  window_seconds integer     NOT NULL DEFAULT 604800 CHECK (window_seconds >= 0),
  allowed_from   cidr[]      NOT NULL DEFAULT '{}',
  created_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  control.sources                IS 'Laboratories'' channels that may post messages';
COMMENT ON COLUMN control.sources.id             IS 'UUIDv7; sent as X-Labor-Source';
COMMENT ON COLUMN control.sources.name           IS 'Name of the channel for operators';
COMMENT ON COLUMN control.sources.state          IS 'disabled: requests are refused';
COMMENT ON COLUMN control.sources.secret_version IS 'Current version of the derived signing secret; the one before is accepted too, so that a sender can change over';
COMMENT ON COLUMN control.sources.window_seconds IS 'How old a signature may be, in seconds; 0: any age. Mirth resends a frozen request for as long as an outage lasts';
COMMENT ON COLUMN control.sources.allowed_from   IS 'Addresses the channel may post from; empty: any';
COMMENT ON COLUMN control.sources.created_at     IS 'When it was registered';

CREATE TABLE control.operators (
  id           uuid        PRIMARY KEY,
  username     text        NOT NULL UNIQUE,
  display_name text        NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  control.operators              IS 'People who run the platform; they request and approve, and see no health data';
COMMENT ON COLUMN control.operators.id           IS 'UUIDv7';
COMMENT ON COLUMN control.operators.username     IS 'Name used in requests and approvals';
COMMENT ON COLUMN control.operators.display_name IS 'Name as shown';
COMMENT ON COLUMN control.operators.created_at   IS 'When the row was written';

CREATE TABLE control.runs (
  id          uuid        PRIMARY KEY,
  command     text        NOT NULL CHECK (command IN ('up', 'provision', 'delete')),
  started_by  text        NOT NULL DEFAULT session_user,
  started_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  succeeded   integer     NOT NULL DEFAULT 0,
  failed      integer     NOT NULL DEFAULT 0
);
COMMENT ON TABLE  control.runs             IS 'Every run of the migrator';
COMMENT ON COLUMN control.runs.id          IS 'UUIDv7';
COMMENT ON COLUMN control.runs.command     IS 'What was run';
COMMENT ON COLUMN control.runs.started_by  IS 'Database login that ran it';
COMMENT ON COLUMN control.runs.started_at  IS 'Start';
COMMENT ON COLUMN control.runs.finished_at IS 'End; null: running, or killed';
COMMENT ON COLUMN control.runs.succeeded   IS 'Tenants that reached the target';
COMMENT ON COLUMN control.runs.failed      IS 'Tenants that were rolled back';

CREATE TABLE control.ledger (
  tenant         text        PRIMARY KEY REFERENCES control.tenants (name),
  version        integer     NOT NULL,
  chain_checksum text        NOT NULL,
  fingerprint    text        NOT NULL,
  run_id         uuid        REFERENCES control.runs (id),
  migrated_at    timestamptz NOT NULL DEFAULT now(),
  last_error     text,
  last_error_at  timestamptz
);
COMMENT ON TABLE  control.ledger                IS 'Where every tenant''s schema stands, written in the transaction that changes it';
COMMENT ON COLUMN control.ledger.tenant         IS 'The tenant; its row is also the lock: a second migrator skips it';
COMMENT ON COLUMN control.ledger.version        IS 'Number of the last migration applied';
COMMENT ON COLUMN control.ledger.chain_checksum IS 'SHA-256 over names and texts of all migrations applied and of the row rules';
COMMENT ON COLUMN control.ledger.fingerprint    IS 'SHA-256 of the schema''s definition: equal for all tenants of a class';
COMMENT ON COLUMN control.ledger.run_id         IS 'The run that brought it here';
COMMENT ON COLUMN control.ledger.migrated_at    IS 'When';
COMMENT ON COLUMN control.ledger.last_error     IS 'Why the last attempt was rolled back; null after a success';
COMMENT ON COLUMN control.ledger.last_error_at  IS 'When that was';

CREATE TABLE control.requests (
  id            uuid        PRIMARY KEY,
  kind          text        NOT NULL CHECK (kind IN ('export', 'deletion')),
  tenant        text        NOT NULL REFERENCES control.tenants (name),
  reason        text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  requested_by  uuid        NOT NULL REFERENCES control.operators (id),
  requested_at  timestamptz NOT NULL DEFAULT now(),
  approved_by   uuid        REFERENCES control.operators (id),
  approved_at   timestamptz,
  state         text        NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'approved', 'running', 'done')),
  steps         jsonb       NOT NULL DEFAULT '[]',
  finished_at   timestamptz,
  certificate   jsonb,
  CHECK (approved_by <> requested_by),
  CHECK (state = 'requested' OR approved_by IS NOT NULL),
  CHECK ((state = 'done') = (certificate IS NOT NULL))
);
COMMENT ON TABLE  control.requests              IS 'What compliance asks to be done with one tenant; the tool that has the privilege carries it out and records the outcome';
COMMENT ON COLUMN control.requests.id           IS 'UUIDv7';
COMMENT ON COLUMN control.requests.kind         IS 'export, or deletion';
COMMENT ON COLUMN control.requests.tenant       IS 'Which tenant';
COMMENT ON COLUMN control.requests.reason       IS 'Legal basis or contract; no health data';
COMMENT ON COLUMN control.requests.requested_by IS 'Who asked';
COMMENT ON COLUMN control.requests.requested_at IS 'When';
COMMENT ON COLUMN control.requests.approved_by  IS 'The second person; never the one who asked';
COMMENT ON COLUMN control.requests.approved_at  IS 'When';
COMMENT ON COLUMN control.requests.state        IS 'requested, approved, running, done';
COMMENT ON COLUMN control.requests.steps        IS 'Steps done, each with time and counts: where a killed run goes on';
COMMENT ON COLUMN control.requests.finished_at  IS 'When it was done';
COMMENT ON COLUMN control.requests.certificate  IS 'Proof of what was done';
CREATE INDEX requests_tenant ON control.requests (tenant);

CREATE TABLE control.holds (
  id         uuid        PRIMARY KEY,
  tenant     text        NOT NULL REFERENCES control.tenants (name),
  holder     text        NOT NULL,
  reason     text        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  until      date
);
COMMENT ON TABLE  control.holds            IS 'Legal holds and running retention periods: a deletion is refused while there is one';
COMMENT ON COLUMN control.holds.id         IS 'UUIDv7';
COMMENT ON COLUMN control.holds.tenant     IS 'Which tenant';
COMMENT ON COLUMN control.holds.holder     IS 'Who holds';
COMMENT ON COLUMN control.holds.reason     IS 'Why; no health data';
COMMENT ON COLUMN control.holds.created_at IS 'Since when';
COMMENT ON COLUMN control.holds.until      IS 'Last day; null: until removed';
CREATE INDEX holds_tenant ON control.holds (tenant);

GRANT USAGE ON SCHEMA control TO labor_control, labor_backup;
GRANT SELECT ON control.tenants, control.tenant_identifiers, control.ledger, control.requests, control.holds, control.operators
  TO labor_control, labor_backup;
GRANT SELECT, INSERT, UPDATE ON control.sources TO labor_control;
GRANT INSERT ON control.operators, control.requests, control.holds TO labor_control;
GRANT DELETE ON control.holds TO labor_control;
GRANT UPDATE (approved_by, approved_at, state) ON control.requests TO labor_control;
