
CREATE SCHEMA control;

ALTER SCHEMA control OWNER TO labor_owner;

CREATE SCHEMA guard;

ALTER SCHEMA guard OWNER TO labor_guard;

COMMENT ON SCHEMA guard IS 'Verification of signed claims; the only schema with SECURITY DEFINER functions';

CREATE FUNCTION guard.claim() RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  token   text   := current_setting('labor.claim', true);
  part    text[] := string_to_array(token, '.');
  genuine boolean;
BEGIN
  IF array_length(part, 1) IS DISTINCT FROM 6 THEN
    RAISE EXCEPTION 'no claim is bound to this transaction' USING ERRCODE = '28000';
  END IF;
  IF part[2] || '_app' <> session_user THEN
    RAISE EXCEPTION 'the claim belongs to another tenant' USING ERRCODE = '28000';
  END IF;
  -- Compared by hash: equal time for every wrong signature. What is no signature at all has another hash, too.
  SELECT sha256(convert_to(encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(token, -65), 'UTF8'))), 'hex'), 'UTF8'))
         = sha256(convert_to(part[6], 'UTF8')) INTO genuine
    FROM guard.claim_keys k
   WHERE k.key_id::text = part[1] AND (k.not_after IS NULL OR k.not_after > now());
  IF genuine IS NOT TRUE THEN
    RAISE EXCEPTION 'the claim is not genuine' USING ERRCODE = '28000';
  END IF;
  IF (CASE WHEN part[5] ~ '^[0-9]{1,12}$' THEN to_timestamp(part[5]::float8) < clock_timestamp() ELSE true END) THEN
    RAISE EXCEPTION 'the claim has expired' USING ERRCODE = '28000';
  END IF;
  RETURN part;
END $_$;

ALTER FUNCTION guard.claim() OWNER TO labor_guard;

COMMENT ON FUNCTION guard.claim() IS 'The verified claim of this transaction, or error 28000';

CREATE FUNCTION guard.claim_role() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[4];
END $$;

ALTER FUNCTION guard.claim_role() OWNER TO labor_guard;

COMMENT ON FUNCTION guard.claim_role() IS 'Role of the verified claim: admin, doctor, lab_technician, patient, worker, receiver, sign_in';

CREATE FUNCTION guard.claim_subject() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[3];
END $$;

ALTER FUNCTION guard.claim_subject() OWNER TO labor_guard;

COMMENT ON FUNCTION guard.claim_subject() IS 'Subject of the verified claim: a user id, a service name, or the SHA-256 of the user name at sign-in';

CREATE FUNCTION guard.enqueue(message_id uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  claim text[] := guard.claim();
  id    bigint;
BEGIN
  IF claim[4] <> ALL (ARRAY['receiver', 'worker']) THEN
    RAISE EXCEPTION 'this role may not enqueue messages' USING ERRCODE = '42501';
  END IF;
  SELECT s INTO id
    FROM pgmq.send('messages', jsonb_build_object('tenant', claim[2], 'message_id', message_id)) AS s;
  RETURN id;
END $$;

ALTER FUNCTION guard.enqueue(message_id uuid) OWNER TO labor_guard;

COMMENT ON FUNCTION guard.enqueue(message_id uuid) IS 'Enqueues a stored raw message of the claim''s tenant for the workers';

CREATE FUNCTION guard.enqueue_alert(alert_id uuid, due timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  claim text[] := guard.claim();
  id    bigint;
BEGIN
  IF claim[4] <> 'worker' THEN
    RAISE EXCEPTION 'this role may not enqueue alerts' USING ERRCODE = '42501';
  END IF;
  SELECT s INTO id
    FROM pgmq.send('messages', jsonb_build_object('tenant', claim[2], 'alert_id', alert_id, 'due', due),
                   greatest(due, clock_timestamp())) AS s;
  RETURN id;
END $$;

ALTER FUNCTION guard.enqueue_alert(alert_id uuid, due timestamp with time zone) OWNER TO labor_guard;

COMMENT ON FUNCTION guard.enqueue_alert(alert_id uuid, due timestamp with time zone) IS 'Lets a worker look at an alert of the claim''s tenant at that time';

CREATE FUNCTION guard.permits(tenant text, roles text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[2] = tenant AND claim[4] = ANY (roles);
END $$;

ALTER FUNCTION guard.permits(tenant text, roles text[]) OWNER TO labor_guard;

COMMENT ON FUNCTION guard.permits(tenant text, roles text[]) IS 'True when the verified claim names this tenant and one of these roles';

CREATE FUNCTION guard.permits_actor(tenant text, roles text[], actor text, actor_role text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[2] = tenant AND claim[4] = ANY (roles) AND claim[3] = actor AND claim[4] = actor_role;
END $$;

ALTER FUNCTION guard.permits_actor(tenant text, roles text[], actor text, actor_role text) OWNER TO labor_guard;

COMMENT ON FUNCTION guard.permits_actor(tenant text, roles text[], actor text, actor_role text) IS 'True when guard.permits() is, and the verified claim is this actor''s in this role';

CREATE TABLE control.backup_runs (
    scope text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    begins_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone NOT NULL,
    scheduler text NOT NULL,
    session_pid integer,
    session_started_at timestamp with time zone,
    attempts integer DEFAULT 1 NOT NULL,
    again_at timestamp with time zone,
    ended_at timestamp with time zone,
    outcome text,
    stored integer DEFAULT 0 NOT NULL,
    unchanged integer DEFAULT 0 NOT NULL,
    failed_tenants text[],
    reason text,
    CONSTRAINT backup_runs_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT backup_runs_check CHECK ((begins_at >= due_at)),
    CONSTRAINT backup_runs_check1 CHECK ((started_at >= begins_at)),
    CONSTRAINT backup_runs_check2 CHECK (((session_pid IS NULL) = (session_started_at IS NULL))),
    CONSTRAINT backup_runs_check3 CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT backup_runs_check4 CHECK (((ended_at IS NULL) OR ((session_pid IS NULL) AND (again_at IS NULL)))),
    CONSTRAINT backup_runs_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'failed'::text, 'overtaken'::text]))),
    CONSTRAINT backup_runs_reason_check CHECK ((length(reason) <= 4000)),
    CONSTRAINT backup_runs_scheduler_check CHECK (((length(scheduler) >= 1) AND (length(scheduler) <= 200))),
    CONSTRAINT backup_runs_scope_check CHECK (((scope = 'all'::text) OR (scope ~ '^t_[a-z0-9]{12}$'::text))),
    CONSTRAINT backup_runs_stored_check CHECK ((stored >= 0)),
    CONSTRAINT backup_runs_unchanged_check CHECK ((unchanged >= 0))
);

ALTER TABLE control.backup_runs OWNER TO labor_owner;

COMMENT ON TABLE control.backup_runs IS 'Scheduled backups, one row for each schedule and due time';

COMMENT ON COLUMN control.backup_runs.scope IS 'Whose schedule: a practice''s name, or all';

COMMENT ON COLUMN control.backup_runs.due_at IS 'When it was due, as the expression says';

COMMENT ON COLUMN control.backup_runs.begins_at IS 'When it was to begin: with the jitter';

COMMENT ON COLUMN control.backup_runs.started_at IS 'When it was begun first. Much later than it was to begin: no scheduler ran, or the run before took so long';

COMMENT ON COLUMN control.backup_runs.scheduler IS 'Which scheduler was at work on it last: user, host and process';

COMMENT ON COLUMN control.backup_runs.session_pid IS 'Server process of that scheduler''s session; null: nobody is at work';

COMMENT ON COLUMN control.backup_runs.session_started_at IS 'When that session was opened. One that is gone has lost its claim';

COMMENT ON COLUMN control.backup_runs.attempts IS 'How often it was begun, without what somebody stopped';

COMMENT ON COLUMN control.backup_runs.again_at IS 'Not to be tried again before; null: at once';

COMMENT ON COLUMN control.backup_runs.ended_at IS 'When it came to its end; null: it has not';

COMMENT ON COLUMN control.backup_runs.outcome IS 'done; failed: somebody has no new backup, and it is not tried again; overtaken: before it was done, a later one was due, or the schedule was changed';

COMMENT ON COLUMN control.backup_runs.stored IS 'Practices that have a new backup by it';

COMMENT ON COLUMN control.backup_runs.unchanged IS 'Practices that were found to be as they are in their newest one';

COMMENT ON COLUMN control.backup_runs.failed_tenants IS 'Who still has none after the last attempt; null: nobody, or nobody could be tried';

COMMENT ON COLUMN control.backup_runs.reason IS 'What somebody has to know of it; no row values';

CREATE TABLE control.backup_schedules (
    tenant text,
    scope text GENERATED ALWAYS AS (COALESCE(tenant, 'all'::text)) STORED NOT NULL,
    expression text NOT NULL,
    zone text NOT NULL,
    jitter_seconds integer DEFAULT 0 NOT NULL,
    keep_daily integer NOT NULL,
    keep_weekly integer NOT NULL,
    keep_monthly integer NOT NULL,
    keep_yearly integer NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone NOT NULL,
    CONSTRAINT backup_schedules_expression_check CHECK (((length(expression) >= 9) AND (length(expression) <= 200))),
    CONSTRAINT backup_schedules_jitter_seconds_check CHECK (((jitter_seconds >= 0) AND (jitter_seconds <= 43200))),
    CONSTRAINT backup_schedules_keep_daily_check CHECK ((keep_daily >= 0)),
    CONSTRAINT backup_schedules_keep_monthly_check CHECK ((keep_monthly >= 0)),
    CONSTRAINT backup_schedules_keep_weekly_check CHECK ((keep_weekly >= 0)),
    CONSTRAINT backup_schedules_keep_yearly_check CHECK ((keep_yearly >= 0)),
    CONSTRAINT backup_schedules_set_by_check CHECK (((length(set_by) >= 1) AND (length(set_by) <= 200))),
    CONSTRAINT backup_schedules_zone_check CHECK (((length(zone) >= 1) AND (length(zone) <= 60)))
);

ALTER TABLE control.backup_schedules OWNER TO labor_owner;

COMMENT ON TABLE control.backup_schedules IS 'When practices are backed up: one schedule for all, and instead of it one of a practice''s own';

COMMENT ON COLUMN control.backup_schedules.tenant IS 'Whose own it is; null: of everybody who has none';

COMMENT ON COLUMN control.backup_schedules.scope IS 'The same as a name: the practice''s, or all';

COMMENT ON COLUMN control.backup_schedules.expression IS 'The five fields of cron: minute, hour, day of the month, month, day of the week';

COMMENT ON COLUMN control.backup_schedules.zone IS 'Time zone of these, such as Europe/Berlin; retention reckons its days in it too';

COMMENT ON COLUMN control.backup_schedules.jitter_seconds IS 'A run begins up to so much later; how much comes out of schedule and due time, so that all schedulers agree';

COMMENT ON COLUMN control.backup_schedules.keep_daily IS 'For how many days a scheduler that prunes keeps a backup';

COMMENT ON COLUMN control.backup_schedules.keep_weekly IS 'For how many weeks';

COMMENT ON COLUMN control.backup_schedules.keep_monthly IS 'For how many months';

COMMENT ON COLUMN control.backup_schedules.keep_yearly IS 'For how many years';

COMMENT ON COLUMN control.backup_schedules.set_by IS 'Operating system user and host that set it';

COMMENT ON COLUMN control.backup_schedules.set_at IS 'When. What would have been due before is not';

CREATE TABLE control.fleet (
    singleton boolean DEFAULT true NOT NULL,
    control_checksum text DEFAULT ''::text NOT NULL,
    guard_fingerprint text DEFAULT ''::text NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    claim_key integer DEFAULT 1 NOT NULL,
    former_claim_key integer,
    former_ends_at timestamp with time zone,
    rules_order text[] DEFAULT '{}'::text[] NOT NULL,
    guard_order text[] DEFAULT '{}'::text[] NOT NULL,
    checked_at timestamp with time zone,
    CONSTRAINT fleet_claim_key_check CHECK ((((claim_key >= 1) AND (claim_key <= 998999)) AND ((claim_key % 1000) > 0))),
    CONSTRAINT fleet_former CHECK (((former_claim_key < claim_key) AND ((former_ends_at IS NULL) OR (former_claim_key IS NOT NULL)))),
    CONSTRAINT fleet_former_claim_key_check CHECK ((((former_claim_key >= 1) AND (former_claim_key <= 998999)) AND ((former_claim_key % 1000) > 0))),
    CONSTRAINT fleet_generation_check CHECK ((generation >= 0)),
    CONSTRAINT fleet_singleton_check CHECK (singleton)
);

ALTER TABLE control.fleet OWNER TO labor_owner;

COMMENT ON TABLE control.fleet IS 'What holds for the whole fleet; one row';

COMMENT ON COLUMN control.fleet.singleton IS 'Always true: there is one row';

COMMENT ON COLUMN control.fleet.control_checksum IS 'SHA-256 of the control stream that was applied last: equal means that there is nothing to do';

COMMENT ON COLUMN control.fleet.guard_fingerprint IS 'SHA-256 of the guard''s functions as they were made: a changed one is put back';

COMMENT ON COLUMN control.fleet.generation IS 'Version that new tenants are born at; 0: no run was begun yet. A provisioning run locks the row FOR SHARE, so that none is missed by the run that raises it';

COMMENT ON COLUMN control.fleet.changed_at IS 'When the row was changed';

COMMENT ON COLUMN control.fleet.claim_key IS 'Key that claims are signed with: (number of the master secret - 1) * 1000 + how-manieth of that secret. Births lock the row FOR SHARE and take that secret, so that none is missed by the run that changes it';

COMMENT ON COLUMN control.fleet.former_claim_key IS 'Key before it, accepted for a while; null: none';

COMMENT ON COLUMN control.fleet.former_ends_at IS 'Until when the key before is accepted, and what else comes out of its master secret; null: a rotation is under way, or there is none';

COMMENT ON COLUMN control.fleet.rules_order IS 'SHA-256 of each text of row rules that a run began to apply, in the order in which they came first. One is refused while a tenant has a later one';

COMMENT ON COLUMN control.fleet.guard_order IS 'The same of the guard''s functions; the last is what is there, and those before it are refused';

COMMENT ON COLUMN control.fleet.checked_at IS 'When `labor-migrator check --enforce` last came to the end of the whole fleet; null: never';

CREATE TABLE control.holds (
    id uuid NOT NULL,
    tenant text NOT NULL,
    holder text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    until date
);

ALTER TABLE control.holds OWNER TO labor_owner;

COMMENT ON TABLE control.holds IS 'Legal holds and running retention periods: a deletion is refused while there is one';

COMMENT ON COLUMN control.holds.id IS 'UUIDv7';

COMMENT ON COLUMN control.holds.tenant IS 'Which tenant';

COMMENT ON COLUMN control.holds.holder IS 'Who holds';

COMMENT ON COLUMN control.holds.reason IS 'Why; no health data';

COMMENT ON COLUMN control.holds.created_at IS 'Since when';

COMMENT ON COLUMN control.holds.until IS 'Last day; null: until removed';

CREATE TABLE control.ledger (
    tenant text NOT NULL,
    version integer NOT NULL,
    chain_checksum text NOT NULL,
    fingerprint text NOT NULL,
    run_id uuid,
    migrated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_error text,
    last_error_at timestamp with time zone,
    rules_checksum text,
    progress jsonb,
    held_at timestamp with time zone,
    held_by text,
    held_reason text,
    unsound jsonb,
    unsound_at timestamp with time zone,
    served_despite text,
    CONSTRAINT ledger_held CHECK ((((held_at IS NULL) = (held_reason IS NULL)) AND ((held_at IS NULL) = (held_by IS NULL)))),
    CONSTRAINT ledger_served_despite_check CHECK (((length(served_despite) >= 1) AND (length(served_despite) <= 500))),
    CONSTRAINT ledger_unsound CHECK ((((unsound IS NULL) = (unsound_at IS NULL)) AND ((served_despite IS NULL) OR (unsound IS NOT NULL)))),
    CONSTRAINT ledger_unsound_check CHECK ((jsonb_typeof(unsound) = 'array'::text))
);

ALTER TABLE control.ledger OWNER TO labor_owner;

COMMENT ON TABLE control.ledger IS 'Where every tenant''s schema stands, written in the transaction that changes it';

COMMENT ON COLUMN control.ledger.tenant IS 'The tenant; who changes it holds an advisory lock of its name, so that a second migrator passes it by';

COMMENT ON COLUMN control.ledger.version IS 'Number of the last migration applied';

COMMENT ON COLUMN control.ledger.chain_checksum IS 'SHA-256 over names and texts of all migrations applied and of the row rules';

COMMENT ON COLUMN control.ledger.fingerprint IS 'SHA-256 of the schema''s definition: equal for all tenants of a class';

COMMENT ON COLUMN control.ledger.run_id IS 'The run that brought it here';

COMMENT ON COLUMN control.ledger.migrated_at IS 'When';

COMMENT ON COLUMN control.ledger.last_error IS 'Why the last attempt was rolled back; null after a success';

COMMENT ON COLUMN control.ledger.last_error_at IS 'When that was';

COMMENT ON COLUMN control.ledger.rules_checksum IS 'SHA-256 of the row rules (db/rls/tenant.sql) that were applied last; null: not known';

COMMENT ON COLUMN control.ledger.progress IS 'What was begun outside of the transaction that ends it: version, way (up, back), rows done; null: nothing';

COMMENT ON COLUMN control.ledger.held_at IS 'Since when migrations pass this tenant by; null: they do not';

COMMENT ON COLUMN control.ledger.held_by IS 'Operating system user and host that holds it';

COMMENT ON COLUMN control.ledger.held_reason IS 'Why; no health data';

COMMENT ON COLUMN control.ledger.unsound IS 'What the last check found: kind, object and detail of each. The practice is not served while it is there';

COMMENT ON COLUMN control.ledger.unsound_at IS 'When just this was found first';

COMMENT ON COLUMN control.ledger.served_despite IS 'Why it is served all the same, as somebody decided of just these findings';

CREATE TABLE control.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    phase text NOT NULL,
    body text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT migrations_kind_check CHECK ((kind = ANY (ARRAY['transaction'::text, 'concurrent'::text, 'backfill'::text]))),
    CONSTRAINT migrations_phase_check CHECK ((phase = ANY (ARRAY['expand'::text, 'contract'::text]))),
    CONSTRAINT migrations_version_check CHECK ((version >= 1))
);

ALTER TABLE control.migrations OWNER TO labor_owner;

COMMENT ON TABLE control.migrations IS 'Migrations of the tenant schema as they were applied first: an edited file is refused and shown as a difference';

COMMENT ON COLUMN control.migrations.version IS 'Number of the migration';

COMMENT ON COLUMN control.migrations.name IS 'Its name in the file name';

COMMENT ON COLUMN control.migrations.kind IS 'transaction: in the tenant''s own; concurrent: outside of one; backfill: batch by batch';

COMMENT ON COLUMN control.migrations.phase IS 'expand: the release before works on it; contract: it no longer does';

COMMENT ON COLUMN control.migrations.body IS 'Text of the file';

COMMENT ON COLUMN control.migrations.recorded_at IS 'When a run began to apply it';

CREATE TABLE control.operators (
    id uuid NOT NULL,
    username text NOT NULL,
    display_name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE control.operators OWNER TO labor_owner;

COMMENT ON TABLE control.operators IS 'People who run the platform; they request and approve, and see no health data';

COMMENT ON COLUMN control.operators.id IS 'UUIDv7';

COMMENT ON COLUMN control.operators.username IS 'Name used in requests and approvals';

COMMENT ON COLUMN control.operators.display_name IS 'Name as shown';

COMMENT ON COLUMN control.operators.created_at IS 'When the row was written';

CREATE TABLE control.outcomes (
    run_id uuid NOT NULL,
    tenant text NOT NULL,
    from_version integer NOT NULL,
    to_version integer NOT NULL,
    outcome text NOT NULL,
    error text,
    attempts integer DEFAULT 1 NOT NULL,
    milliseconds integer DEFAULT 0 NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT outcomes_attempts_check CHECK ((attempts >= 1)),
    CONSTRAINT outcomes_check CHECK (((outcome = ANY (ARRAY['failed'::text, 'busy'::text, 'passed by'::text])) = (error IS NOT NULL))),
    CONSTRAINT outcomes_milliseconds_check CHECK ((milliseconds >= 0)),
    CONSTRAINT outcomes_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'migrated'::text, 'failed'::text, 'busy'::text, 'passed by'::text])))
);

ALTER TABLE control.outcomes OWNER TO labor_owner;

COMMENT ON TABLE control.outcomes IS 'What became of each tenant in each run; a success is written in the transaction that changes the tenant';

COMMENT ON COLUMN control.outcomes.run_id IS 'Which run';

COMMENT ON COLUMN control.outcomes.tenant IS 'Which tenant';

COMMENT ON COLUMN control.outcomes.from_version IS 'Version before';

COMMENT ON COLUMN control.outcomes.to_version IS 'Version after; of a failure the last one that was reached';

COMMENT ON COLUMN control.outcomes.outcome IS 'running: some of several transactions are done; migrated; failed: rolled back; busy: held by another migrator; passed by: meanwhile deleted, or about to be';

COMMENT ON COLUMN control.outcomes.error IS 'Why it failed or was passed by; no row values';

COMMENT ON COLUMN control.outcomes.attempts IS 'How often it was tried';

COMMENT ON COLUMN control.outcomes.milliseconds IS 'From the first attempt to the end, waits included';

COMMENT ON COLUMN control.outcomes.written_at IS 'When';

CREATE TABLE control.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

ALTER TABLE control.refinery_schema_history OWNER TO labor_owner;

CREATE TABLE control.requests (
    id uuid NOT NULL,
    kind text NOT NULL,
    tenant text NOT NULL,
    reason text NOT NULL,
    requested_by uuid NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    approved_by uuid,
    approved_at timestamp with time zone,
    state text DEFAULT 'requested'::text NOT NULL,
    steps jsonb DEFAULT '[]'::jsonb NOT NULL,
    finished_at timestamp with time zone,
    certificate jsonb,
    patient_id uuid,
    grace_days integer DEFAULT 14 NOT NULL,
    no_receipt text,
    receipt jsonb,
    withdrawn_by uuid,
    withdrawn_at timestamp with time zone,
    CONSTRAINT requests_agreed CHECK (((state = ANY (ARRAY['requested'::text, 'withdrawn'::text])) OR (approved_by IS NOT NULL))),
    CONSTRAINT requests_check CHECK ((approved_by <> requested_by)),
    CONSTRAINT requests_check1 CHECK (((no_receipt IS NULL) OR ((kind = 'deletion'::text) AND ((length(no_receipt) >= 1) AND (length(no_receipt) <= 500))))),
    CONSTRAINT requests_check2 CHECK (((state = 'done'::text) = (certificate IS NOT NULL))),
    CONSTRAINT requests_check3 CHECK (((receipt IS NULL) OR (kind = 'export'::text))),
    CONSTRAINT requests_grace_days_check CHECK (((grace_days >= 0) AND (grace_days <= 365))),
    CONSTRAINT requests_kind_check CHECK ((kind = ANY (ARRAY['export'::text, 'copy'::text, 'deletion'::text]))),
    CONSTRAINT requests_patient CHECK (((kind = 'copy'::text) = (patient_id IS NOT NULL))),
    CONSTRAINT requests_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500))),
    CONSTRAINT requests_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'approved'::text, 'running'::text, 'done'::text, 'withdrawn'::text]))),
    CONSTRAINT requests_waited CHECK (((NOT (steps @> '[{"step": "drop"}]'::jsonb)) OR ((steps @> '[{"step": "shut"}]'::jsonb) AND (state <> 'withdrawn'::text)))),
    CONSTRAINT requests_withdrawn CHECK (((state = 'withdrawn'::text) = ((withdrawn_by IS NOT NULL) AND (withdrawn_at IS NOT NULL))))
);

ALTER TABLE control.requests OWNER TO labor_owner;

COMMENT ON TABLE control.requests IS 'What compliance asks to be done with one tenant; the tool that has the privilege carries it out and records the outcome';

COMMENT ON COLUMN control.requests.id IS 'UUIDv7';

COMMENT ON COLUMN control.requests.kind IS 'export: of a whole practice; copy: of one patient''s data, for the patient; deletion: of a whole practice';

COMMENT ON COLUMN control.requests.tenant IS 'Which tenant';

COMMENT ON COLUMN control.requests.reason IS 'Legal basis or contract; no health data';

COMMENT ON COLUMN control.requests.requested_by IS 'Who asked';

COMMENT ON COLUMN control.requests.requested_at IS 'When';

COMMENT ON COLUMN control.requests.approved_by IS 'The second person; never the one who asked';

COMMENT ON COLUMN control.requests.approved_at IS 'When';

COMMENT ON COLUMN control.requests.state IS 'requested, approved, running, done; withdrawn: nothing was dropped, and nothing will be';

COMMENT ON COLUMN control.requests.steps IS 'Steps done, each with time and counts: where a killed run goes on';

COMMENT ON COLUMN control.requests.finished_at IS 'When it was done';

COMMENT ON COLUMN control.requests.certificate IS 'Proof of what was done';

COMMENT ON COLUMN control.requests.patient_id IS 'For kind copy: the patient, by the id that the practice''s schema has';

COMMENT ON COLUMN control.requests.grace_days IS 'Of a deletion: for so many days the practice is shut and kept before anything is dropped';

COMMENT ON COLUMN control.requests.no_receipt IS 'Of a deletion: why the practice need not get its records first, as two people agreed; null: it has to';

COMMENT ON COLUMN control.requests.receipt IS 'Of an export: that the practice has it: by whom and when, which manifest (SHA-256), when it was exported';

COMMENT ON COLUMN control.requests.withdrawn_by IS 'Who took it back';

COMMENT ON COLUMN control.requests.withdrawn_at IS 'When';

CREATE TABLE control.retention (
    data_class text NOT NULL,
    years integer NOT NULL,
    basis text NOT NULL,
    CONSTRAINT retention_basis_check CHECK (((length(basis) >= 1) AND (length(basis) <= 500))),
    CONSTRAINT retention_data_class_check CHECK ((data_class = ANY (ARRAY['results'::text, 'messages'::text]))),
    CONSTRAINT retention_years_check CHECK (((years >= 0) AND (years <= 100)))
);

ALTER TABLE control.retention OWNER TO labor_owner;

COMMENT ON TABLE control.retention IS 'For how long records are kept: a practice with younger ones is deleted only once it has them (requests.receipt)';

COMMENT ON COLUMN control.retention.data_class IS 'results: counted from the newest report; messages: from the newest message';

COMMENT ON COLUMN control.retention.years IS 'Years; 0: not at all';

COMMENT ON COLUMN control.retention.basis IS 'Statute or contract';

CREATE TABLE control.runs (
    id uuid NOT NULL,
    command text NOT NULL,
    started_by text DEFAULT SESSION_USER NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    succeeded integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    target integer,
    started_on text,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    outcome text,
    message text,
    CONSTRAINT runs_outcome_check CHECK ((outcome = ANY (ARRAY['completed'::text, 'stopped'::text, 'failed'::text])))
);

ALTER TABLE control.runs OWNER TO labor_owner;

COMMENT ON TABLE control.runs IS 'Every run of the migrator';

COMMENT ON COLUMN control.runs.id IS 'UUIDv7';

COMMENT ON COLUMN control.runs.command IS 'What was run';

COMMENT ON COLUMN control.runs.started_by IS 'Database login that ran it';

COMMENT ON COLUMN control.runs.started_at IS 'Start';

COMMENT ON COLUMN control.runs.finished_at IS 'End; null: running, or killed';

COMMENT ON COLUMN control.runs.succeeded IS 'Tenants that reached the target';

COMMENT ON COLUMN control.runs.failed IS 'Tenants that were rolled back';

COMMENT ON COLUMN control.runs.target IS 'Version of the tenant schema that was wanted; null: the command has none';

COMMENT ON COLUMN control.runs.started_on IS 'Operating system user and host it was started on';

COMMENT ON COLUMN control.runs.arguments IS 'How it was called: waves, limits, selected tenants';

COMMENT ON COLUMN control.runs.outcome IS 'completed; stopped: too many failures, or interrupted; failed: could not go on; null: running, or killed';

COMMENT ON COLUMN control.runs.message IS 'Why it stopped or failed';

CREATE TABLE control.sources (
    id uuid NOT NULL,
    name text NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    secret_version integer DEFAULT 1 NOT NULL,
    window_seconds integer DEFAULT 604800 NOT NULL,
    allowed_from cidr[] DEFAULT '{}'::cidr[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    secret_number integer DEFAULT 1 NOT NULL,
    former_secret_number integer DEFAULT 1 NOT NULL,
    CONSTRAINT sources_former_secret_number_check CHECK (((former_secret_number >= 1) AND (former_secret_number <= 999))),
    CONSTRAINT sources_name_check CHECK (((length(name) >= 1) AND (length(name) <= 120))),
    CONSTRAINT sources_secret_number_check CHECK (((secret_number >= 1) AND (secret_number <= 999))),
    CONSTRAINT sources_secret_version_check CHECK ((secret_version >= 1)),
    CONSTRAINT sources_state_check CHECK ((state = ANY (ARRAY['active'::text, 'disabled'::text]))),
    CONSTRAINT sources_window_seconds_check CHECK ((window_seconds >= 0))
);

ALTER TABLE control.sources OWNER TO labor_owner;

COMMENT ON TABLE control.sources IS 'Laboratories'' channels that may post messages';

COMMENT ON COLUMN control.sources.id IS 'UUIDv7; sent as X-Labor-Source';

COMMENT ON COLUMN control.sources.name IS 'Name of the channel for operators';

COMMENT ON COLUMN control.sources.state IS 'disabled: requests are refused';

COMMENT ON COLUMN control.sources.secret_version IS 'Current version of the derived signing secret; the one before is accepted too, so that a sender can change over';

COMMENT ON COLUMN control.sources.window_seconds IS 'How old a signature may be, in seconds; 0: any age. Mirth resends a frozen request for as long as an outage lasts';

COMMENT ON COLUMN control.sources.allowed_from IS 'Addresses the channel may post from; empty: any';

COMMENT ON COLUMN control.sources.created_at IS 'When it was registered';

COMMENT ON COLUMN control.sources.secret_number IS 'Number of the master secret that the current version of the signing secret comes out of';

COMMENT ON COLUMN control.sources.former_secret_number IS 'Number of the master secret that the version before comes out of';

CREATE TABLE control.tenant_identifiers (
    kind text NOT NULL,
    issuer text DEFAULT ''::text NOT NULL,
    value text NOT NULL,
    tenant text NOT NULL,
    CONSTRAINT tenant_identifiers_check CHECK (((kind <> 'bsnr'::text) OR (value ~ '^[0-9]{9}$'::text))),
    CONSTRAINT tenant_identifiers_kind_check CHECK ((kind = ANY (ARRAY['bsnr'::text, 'site'::text, 'customer'::text]))),
    CONSTRAINT tenant_identifiers_value_check CHECK (((length(value) >= 1) AND (length(value) <= 60)))
);

ALTER TABLE control.tenant_identifiers OWNER TO labor_owner;

COMMENT ON TABLE control.tenant_identifiers IS 'How laboratories address a practice';

COMMENT ON COLUMN control.tenant_identifiers.kind IS 'bsnr: (N)BSNR, LDT field 0201; site: LDT 3 field 0200; customer: LDT field 8312, unique only with its laboratory';

COMMENT ON COLUMN control.tenant_identifiers.issuer IS 'For customer numbers the laboratory that gave them, else empty';

COMMENT ON COLUMN control.tenant_identifiers.value IS 'The identifier as sent';

COMMENT ON COLUMN control.tenant_identifiers.tenant IS 'Whom it addresses';

CREATE TABLE control.tenants (
    name text NOT NULL,
    kind text DEFAULT 'practice'::text NOT NULL,
    slug text NOT NULL,
    display_name text NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    secret_number integer DEFAULT 1 NOT NULL,
    CONSTRAINT tenants_display_name_check CHECK (((length(display_name) >= 1) AND (length(display_name) <= 200))),
    CONSTRAINT tenants_kind_check CHECK ((kind = ANY (ARRAY['practice'::text, 'intake'::text]))),
    CONSTRAINT tenants_name_check CHECK ((name ~ '^t_[a-z0-9]{12}$'::text)),
    CONSTRAINT tenants_secret_number_check CHECK (((secret_number >= 1) AND (secret_number <= 999))),
    CONSTRAINT tenants_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT tenants_state_check CHECK ((state = ANY (ARRAY['active'::text, 'frozen'::text, 'spare'::text, 'deleted'::text])))
);

ALTER TABLE control.tenants OWNER TO labor_owner;

COMMENT ON TABLE control.tenants IS 'Practices, and the one intake that holds messages nobody could be found for';

COMMENT ON COLUMN control.tenants.name IS 'Opaque database name: the schema; with _app appended the login role';

COMMENT ON COLUMN control.tenants.kind IS 'practice, or intake: same schema, but no one signs in there';

COMMENT ON COLUMN control.tenants.slug IS 'What people type at sign-in';

COMMENT ON COLUMN control.tenants.display_name IS 'Name of the practice as shown';

COMMENT ON COLUMN control.tenants.state IS 'active: served; frozen: not served, data kept; spare: an empty schema kept ready for the next practice; deleted: tombstone, applied again after every restore';

COMMENT ON COLUMN control.tenants.created_at IS 'When it was provisioned';

COMMENT ON COLUMN control.tenants.secret_number IS 'Number of the master secret that the password of its login comes out of';

CREATE TABLE guard.claim_keys (
    key_id integer NOT NULL,
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL,
    not_after timestamp with time zone
);

ALTER TABLE guard.claim_keys OWNER TO labor_guard;

COMMENT ON TABLE guard.claim_keys IS 'HMAC-SHA256 keys that claims are signed with, two of them during a rotation';

COMMENT ON COLUMN guard.claim_keys.inner_pad IS 'key XOR 0x36 repeated (RFC 2104), so that plain sha256() is enough to verify';

COMMENT ON COLUMN guard.claim_keys.outer_pad IS 'key XOR 0x5c repeated (RFC 2104)';

ALTER TABLE ONLY control.backup_runs
    ADD CONSTRAINT backup_runs_pkey PRIMARY KEY (scope, due_at);

ALTER TABLE ONLY control.backup_schedules
    ADD CONSTRAINT backup_schedules_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY control.backup_schedules
    ADD CONSTRAINT backup_schedules_tenant_key UNIQUE (tenant);

ALTER TABLE ONLY control.fleet
    ADD CONSTRAINT fleet_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY control.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY control.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY control.operators
    ADD CONSTRAINT operators_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.operators
    ADD CONSTRAINT operators_username_key UNIQUE (username);

ALTER TABLE ONLY control.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (run_id, tenant);

ALTER TABLE ONLY control.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);

ALTER TABLE ONLY control.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (data_class);

ALTER TABLE ONLY control.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.sources
    ADD CONSTRAINT sources_name_key UNIQUE (name);

ALTER TABLE ONLY control.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (id);

ALTER TABLE ONLY control.tenant_identifiers
    ADD CONSTRAINT tenant_identifiers_pkey PRIMARY KEY (kind, issuer, value);

ALTER TABLE ONLY control.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (name);

ALTER TABLE ONLY control.tenants
    ADD CONSTRAINT tenants_slug_key UNIQUE (slug);

ALTER TABLE ONLY guard.claim_keys
    ADD CONSTRAINT claim_keys_pkey PRIMARY KEY (key_id);

CREATE INDEX backup_runs_open ON control.backup_runs USING btree (scope) WHERE (ended_at IS NULL);

CREATE INDEX holds_tenant ON control.holds USING btree (tenant);

CREATE INDEX outcomes_tenant ON control.outcomes USING btree (tenant, written_at DESC);

CREATE INDEX requests_tenant ON control.requests USING btree (tenant);

CREATE INDEX runs_started_at ON control.runs USING btree (started_at DESC);

CREATE INDEX tenant_identifiers_tenant ON control.tenant_identifiers USING btree (tenant);

CREATE UNIQUE INDEX tenants_one_intake ON control.tenants USING btree (kind) WHERE (kind = 'intake'::text);

ALTER TABLE ONLY control.backup_schedules
    ADD CONSTRAINT backup_schedules_tenant_fkey FOREIGN KEY (tenant) REFERENCES control.tenants(name);

ALTER TABLE ONLY control.holds
    ADD CONSTRAINT holds_tenant_fkey FOREIGN KEY (tenant) REFERENCES control.tenants(name);

ALTER TABLE ONLY control.ledger
    ADD CONSTRAINT ledger_run_id_fkey FOREIGN KEY (run_id) REFERENCES control.runs(id);

ALTER TABLE ONLY control.ledger
    ADD CONSTRAINT ledger_tenant_fkey FOREIGN KEY (tenant) REFERENCES control.tenants(name);

ALTER TABLE ONLY control.outcomes
    ADD CONSTRAINT outcomes_run_id_fkey FOREIGN KEY (run_id) REFERENCES control.runs(id);

ALTER TABLE ONLY control.outcomes
    ADD CONSTRAINT outcomes_tenant_fkey FOREIGN KEY (tenant) REFERENCES control.tenants(name);

ALTER TABLE ONLY control.requests
    ADD CONSTRAINT requests_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES control.operators(id);

ALTER TABLE ONLY control.requests
    ADD CONSTRAINT requests_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES control.operators(id);

ALTER TABLE ONLY control.requests
    ADD CONSTRAINT requests_tenant_fkey FOREIGN KEY (tenant) REFERENCES control.tenants(name);

ALTER TABLE ONLY control.requests
    ADD CONSTRAINT requests_withdrawn_by_fkey FOREIGN KEY (withdrawn_by) REFERENCES control.operators(id);

ALTER TABLE ONLY control.tenant_identifiers
    ADD CONSTRAINT tenant_identifiers_tenant_fkey FOREIGN KEY (tenant) REFERENCES control.tenants(name);

ALTER TABLE guard.claim_keys ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA control TO labor_control;
GRANT USAGE ON SCHEMA control TO labor_backup;

GRANT USAGE ON SCHEMA guard TO labor_tenants;
GRANT USAGE ON SCHEMA guard TO labor_owner;
GRANT USAGE ON SCHEMA guard TO labor_backup;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;

REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
GRANT ALL ON LANGUAGE plpgsql TO labor_owner;
GRANT ALL ON LANGUAGE plpgsql TO labor_guard;

REVOKE ALL ON FUNCTION guard.claim() FROM PUBLIC;
GRANT ALL ON FUNCTION guard.claim() TO labor_tenants;

REVOKE ALL ON FUNCTION guard.claim_role() FROM PUBLIC;
GRANT ALL ON FUNCTION guard.claim_role() TO labor_tenants;

REVOKE ALL ON FUNCTION guard.claim_subject() FROM PUBLIC;
GRANT ALL ON FUNCTION guard.claim_subject() TO labor_tenants;

REVOKE ALL ON FUNCTION guard.enqueue(message_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION guard.enqueue(message_id uuid) TO labor_tenants;

REVOKE ALL ON FUNCTION guard.enqueue_alert(alert_id uuid, due timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION guard.enqueue_alert(alert_id uuid, due timestamp with time zone) TO labor_tenants;

REVOKE ALL ON FUNCTION guard.permits(tenant text, roles text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION guard.permits(tenant text, roles text[]) TO labor_tenants;

REVOKE ALL ON FUNCTION guard.permits_actor(tenant text, roles text[], actor text, actor_role text) FROM PUBLIC;
GRANT ALL ON FUNCTION guard.permits_actor(tenant text, roles text[], actor text, actor_role text) TO labor_tenants;

REVOKE ALL ON FUNCTION pg_catalog.brin_desummarize_range(regclass, bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.brin_desummarize_range(regclass, bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.brin_summarize_new_values(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.brin_summarize_new_values(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.brin_summarize_range(regclass, bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.brin_summarize_range(regclass, bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.cursor_to_xml(cursor refcursor, count integer, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.cursor_to_xmlschema(cursor refcursor, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.database_to_xml(nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.database_to_xml_and_xmlschema(nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.database_to_xmlschema(nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.gin_clean_pending_list(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.gin_clean_pending_list(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.lo_close(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_get(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_get(oid, bigint, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_lseek(integer, integer, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_lseek64(integer, bigint, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_open(oid, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_put(oid, bigint, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_tell(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_tell64(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_truncate(integer, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_truncate64(integer, bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_unlink(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.loread(integer, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lowrite(integer, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_lock(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_lock(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_lock(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_lock_shared(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_lock_shared(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_lock_shared(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_lock_shared(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_unlock(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_unlock(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_unlock(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_unlock(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_unlock_all() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_unlock_all() TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_unlock_shared(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_unlock_shared(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_unlock_shared(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_unlock_shared(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_blocking_pids(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_blocking_pids(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_cancel_backend(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_cancel_backend(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_column_is_updatable(regclass, smallint, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_column_is_updatable(regclass, smallint, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_control_checkpoint(OUT checkpoint_lsn pg_lsn, OUT redo_lsn pg_lsn, OUT redo_wal_file text, OUT timeline_id integer, OUT prev_timeline_id integer, OUT full_page_writes boolean, OUT next_xid text, OUT next_oid oid, OUT next_multixact_id xid, OUT next_multi_offset xid, OUT oldest_xid xid, OUT oldest_xid_dbid oid, OUT oldest_active_xid xid, OUT oldest_multi_xid xid, OUT oldest_multi_dbid oid, OUT oldest_commit_ts_xid xid, OUT newest_commit_ts_xid xid, OUT checkpoint_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_control_checkpoint(OUT checkpoint_lsn pg_lsn, OUT redo_lsn pg_lsn, OUT redo_wal_file text, OUT timeline_id integer, OUT prev_timeline_id integer, OUT full_page_writes boolean, OUT next_xid text, OUT next_oid oid, OUT next_multixact_id xid, OUT next_multi_offset xid, OUT oldest_xid xid, OUT oldest_xid_dbid oid, OUT oldest_active_xid xid, OUT oldest_multi_xid xid, OUT oldest_multi_dbid oid, OUT oldest_commit_ts_xid xid, OUT newest_commit_ts_xid xid, OUT checkpoint_time timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_control_init(OUT max_data_alignment integer, OUT database_block_size integer, OUT blocks_per_segment integer, OUT wal_block_size integer, OUT bytes_per_wal_segment integer, OUT max_identifier_length integer, OUT max_index_columns integer, OUT max_toast_chunk_size integer, OUT large_object_chunk_size integer, OUT float8_pass_by_value boolean, OUT data_page_checksum_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_control_init(OUT max_data_alignment integer, OUT database_block_size integer, OUT blocks_per_segment integer, OUT wal_block_size integer, OUT bytes_per_wal_segment integer, OUT max_identifier_length integer, OUT max_index_columns integer, OUT max_toast_chunk_size integer, OUT large_object_chunk_size integer, OUT float8_pass_by_value boolean, OUT data_page_checksum_version integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_control_recovery(OUT min_recovery_end_lsn pg_lsn, OUT min_recovery_end_timeline integer, OUT backup_start_lsn pg_lsn, OUT backup_end_lsn pg_lsn, OUT end_of_backup_record_required boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_control_recovery(OUT min_recovery_end_lsn pg_lsn, OUT min_recovery_end_timeline integer, OUT backup_start_lsn pg_lsn, OUT backup_end_lsn pg_lsn, OUT end_of_backup_record_required boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_control_system(OUT pg_control_version integer, OUT catalog_version_no integer, OUT system_identifier bigint, OUT pg_control_last_modified timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_control_system(OUT pg_control_version integer, OUT catalog_version_no integer, OUT system_identifier bigint, OUT pg_control_last_modified timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_create_logical_replication_slot(slot_name name, plugin name, temporary boolean, twophase boolean, OUT slot_name name, OUT lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_create_logical_replication_slot(slot_name name, plugin name, temporary boolean, twophase boolean, OUT slot_name name, OUT lsn pg_lsn) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_create_physical_replication_slot(slot_name name, immediately_reserve boolean, temporary boolean, OUT slot_name name, OUT lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_create_physical_replication_slot(slot_name name, immediately_reserve boolean, temporary boolean, OUT slot_name name, OUT lsn pg_lsn) TO labor_services;

GRANT ALL ON FUNCTION pg_catalog.pg_create_restore_point(text) TO labor_services;

GRANT ALL ON FUNCTION pg_catalog.pg_current_logfile() TO labor_services;

GRANT ALL ON FUNCTION pg_catalog.pg_current_logfile(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_cursor(OUT name text, OUT statement text, OUT is_holdable boolean, OUT is_binary boolean, OUT is_scrollable boolean, OUT creation_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_cursor(OUT name text, OUT statement text, OUT is_holdable boolean, OUT is_binary boolean, OUT is_scrollable boolean, OUT creation_time timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_database_size(name) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_database_size(name) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_database_size(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_database_size(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_describe_object(oid, oid, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_describe_object(oid, oid, integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_export_snapshot() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_export_snapshot() TO labor_services;

GRANT ALL ON FUNCTION pg_catalog.pg_get_backend_memory_contexts(OUT name text, OUT ident text, OUT parent text, OUT level integer, OUT total_bytes bigint, OUT total_nblocks bigint, OUT free_bytes bigint, OUT free_chunks bigint, OUT used_bytes bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_catalog_foreign_keys(OUT fktable regclass, OUT fkcols text[], OUT pktable regclass, OUT pkcols text[], OUT is_array boolean, OUT is_opt boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_catalog_foreign_keys(OUT fktable regclass, OUT fkcols text[], OUT pktable regclass, OUT pkcols text[], OUT is_array boolean, OUT is_opt boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_constraintdef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_constraintdef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_expr(pg_node_tree, oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_expr(pg_node_tree, oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_expr(pg_node_tree, oid, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_expr(pg_node_tree, oid, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_function_arg_default(oid, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_function_arg_default(oid, integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_function_arguments(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_function_arguments(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_function_identity_arguments(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_function_identity_arguments(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_function_result(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_function_result(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_function_sqlbody(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_function_sqlbody(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_functiondef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_functiondef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_indexdef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_indexdef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_indexdef(oid, integer, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_indexdef(oid, integer, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_keywords(OUT word text, OUT catcode "char", OUT barelabel boolean, OUT catdesc text, OUT baredesc text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_keywords(OUT word text, OUT catcode "char", OUT barelabel boolean, OUT catdesc text, OUT baredesc text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_multixact_members(multixid xid, OUT xid xid, OUT mode text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_multixact_members(multixid xid, OUT xid xid, OUT mode text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_object_address(type text, object_names text[], object_args text[], OUT classid oid, OUT objid oid, OUT objsubid integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_object_address(type text, object_names text[], object_args text[], OUT classid oid, OUT objid oid, OUT objsubid integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_partition_constraintdef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_partition_constraintdef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_partkeydef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_partkeydef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_publication_tables(pubname text, OUT relid oid, OUT attrs int2vector, OUT qual pg_node_tree) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_publication_tables(pubname text, OUT relid oid, OUT attrs int2vector, OUT qual pg_node_tree) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_replica_identity_index(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_replica_identity_index(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_replication_slots(OUT slot_name name, OUT plugin name, OUT slot_type text, OUT datoid oid, OUT temporary boolean, OUT active boolean, OUT active_pid integer, OUT xmin xid, OUT catalog_xmin xid, OUT restart_lsn pg_lsn, OUT confirmed_flush_lsn pg_lsn, OUT wal_status text, OUT safe_wal_size bigint, OUT two_phase boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_replication_slots(OUT slot_name name, OUT plugin name, OUT slot_type text, OUT datoid oid, OUT temporary boolean, OUT active boolean, OUT active_pid integer, OUT xmin xid, OUT catalog_xmin xid, OUT restart_lsn pg_lsn, OUT confirmed_flush_lsn pg_lsn, OUT wal_status text, OUT safe_wal_size bigint, OUT two_phase boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_ruledef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_ruledef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_ruledef(oid, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_ruledef(oid, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_serial_sequence(text, text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_serial_sequence(text, text) TO labor_services;

GRANT ALL ON FUNCTION pg_catalog.pg_get_shmem_allocations(OUT name text, OUT off bigint, OUT size bigint, OUT allocated_size bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_statisticsobjdef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_statisticsobjdef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_statisticsobjdef_columns(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_statisticsobjdef_columns(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_statisticsobjdef_expressions(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_statisticsobjdef_expressions(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_triggerdef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_triggerdef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_triggerdef(oid, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_triggerdef(oid, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_userbyid(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_userbyid(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_viewdef(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_viewdef(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_viewdef(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_viewdef(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_viewdef(oid, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_viewdef(oid, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_viewdef(oid, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_viewdef(oid, integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_viewdef(text, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_viewdef(text, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_wal_replay_pause_state() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_wal_replay_pause_state() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_get_wal_resource_managers(OUT rm_id integer, OUT rm_name text, OUT rm_builtin boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_get_wal_resource_managers(OUT rm_id integer, OUT rm_name text, OUT rm_builtin boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_identify_object(classid oid, objid oid, objsubid integer, OUT type text, OUT schema text, OUT name text, OUT identity text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_identify_object(classid oid, objid oid, objsubid integer, OUT type text, OUT schema text, OUT name text, OUT identity text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_identify_object_as_address(classid oid, objid oid, objsubid integer, OUT type text, OUT object_names text[], OUT object_args text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_identify_object_as_address(classid oid, objid oid, objsubid integer, OUT type text, OUT object_names text[], OUT object_args text[]) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_indexes_size(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_indexes_size(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_isolation_test_session_is_blocked(integer, integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_isolation_test_session_is_blocked(integer, integer[]) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_lock_status(OUT locktype text, OUT database oid, OUT relation oid, OUT page integer, OUT tuple smallint, OUT virtualxid text, OUT transactionid xid, OUT classid oid, OUT objid oid, OUT objsubid smallint, OUT virtualtransaction text, OUT pid integer, OUT mode text, OUT granted boolean, OUT fastpath boolean, OUT waitstart timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_lock_status(OUT locktype text, OUT database oid, OUT relation oid, OUT page integer, OUT tuple smallint, OUT virtualxid text, OUT transactionid xid, OUT classid oid, OUT objid oid, OUT objsubid smallint, OUT virtualtransaction text, OUT pid integer, OUT mode text, OUT granted boolean, OUT fastpath boolean, OUT waitstart timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_slot_get_binary_changes(slot_name name, upto_lsn pg_lsn, upto_nchanges integer, VARIADIC options text[], OUT lsn pg_lsn, OUT xid xid, OUT data bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_slot_get_changes(slot_name name, upto_lsn pg_lsn, upto_nchanges integer, VARIADIC options text[], OUT lsn pg_lsn, OUT xid xid, OUT data text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_slot_peek_binary_changes(slot_name name, upto_lsn pg_lsn, upto_nchanges integer, VARIADIC options text[], OUT lsn pg_lsn, OUT xid xid, OUT data bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_slot_peek_changes(slot_name name, upto_lsn pg_lsn, upto_nchanges integer, VARIADIC options text[], OUT lsn pg_lsn, OUT xid xid, OUT data text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_notify(text, text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_notify(text, text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_partition_ancestors(partitionid regclass, OUT relid regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_partition_ancestors(partitionid regclass, OUT relid regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_partition_root(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_partition_root(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_partition_tree(rootrelid regclass, OUT relid regclass, OUT parentrelid regclass, OUT isleaf boolean, OUT level integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_partition_tree(rootrelid regclass, OUT relid regclass, OUT parentrelid regclass, OUT isleaf boolean, OUT level integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_prepared_statement(OUT name text, OUT statement text, OUT prepare_time timestamp with time zone, OUT parameter_types regtype[], OUT from_sql boolean, OUT generic_plans bigint, OUT custom_plans bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_prepared_statement(OUT name text, OUT statement text, OUT prepare_time timestamp with time zone, OUT parameter_types regtype[], OUT from_sql boolean, OUT generic_plans bigint, OUT custom_plans bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_prepared_xact(OUT transaction xid, OUT gid text, OUT prepared timestamp with time zone, OUT ownerid oid, OUT dbid oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_prepared_xact(OUT transaction xid, OUT gid text, OUT prepared timestamp with time zone, OUT ownerid oid, OUT dbid oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_read_file_old(text, bigint, bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_relation_is_updatable(regclass, boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_relation_is_updatable(regclass, boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_relation_size(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_relation_size(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_relation_size(regclass, text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_relation_size(regclass, text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_safe_snapshot_blocking_pids(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_safe_snapshot_blocking_pids(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_show_all_settings(OUT name text, OUT setting text, OUT unit text, OUT category text, OUT short_desc text, OUT extra_desc text, OUT context text, OUT vartype text, OUT source text, OUT min_val text, OUT max_val text, OUT enumvals text[], OUT boot_val text, OUT reset_val text, OUT sourcefile text, OUT sourceline integer, OUT pending_restart boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_show_all_settings(OUT name text, OUT setting text, OUT unit text, OUT category text, OUT short_desc text, OUT extra_desc text, OUT context text, OUT vartype text, OUT source text, OUT min_val text, OUT max_val text, OUT enumvals text[], OUT boot_val text, OUT reset_val text, OUT sourcefile text, OUT sourceline integer, OUT pending_restart boolean) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_sleep(double precision) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_sleep_for(interval) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_sleep_for(interval) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_sleep_until(timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_sleep_until(timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_activity(pid integer, OUT datid oid, OUT pid integer, OUT usesysid oid, OUT application_name text, OUT state text, OUT query text, OUT wait_event_type text, OUT wait_event text, OUT xact_start timestamp with time zone, OUT query_start timestamp with time zone, OUT backend_start timestamp with time zone, OUT state_change timestamp with time zone, OUT client_addr inet, OUT client_hostname text, OUT client_port integer, OUT backend_xid xid, OUT backend_xmin xid, OUT backend_type text, OUT ssl boolean, OUT sslversion text, OUT sslcipher text, OUT sslbits integer, OUT ssl_client_dn text, OUT ssl_client_serial numeric, OUT ssl_issuer_dn text, OUT gss_auth boolean, OUT gss_princ text, OUT gss_enc boolean, OUT leader_pid integer, OUT query_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_activity(pid integer, OUT datid oid, OUT pid integer, OUT usesysid oid, OUT application_name text, OUT state text, OUT query text, OUT wait_event_type text, OUT wait_event text, OUT xact_start timestamp with time zone, OUT query_start timestamp with time zone, OUT backend_start timestamp with time zone, OUT state_change timestamp with time zone, OUT client_addr inet, OUT client_hostname text, OUT client_port integer, OUT backend_xid xid, OUT backend_xmin xid, OUT backend_type text, OUT ssl boolean, OUT sslversion text, OUT sslcipher text, OUT sslbits integer, OUT ssl_client_dn text, OUT ssl_client_serial numeric, OUT ssl_issuer_dn text, OUT gss_auth boolean, OUT gss_princ text, OUT gss_enc boolean, OUT leader_pid integer, OUT query_id bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_analyze_count(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_analyze_count(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_archiver(OUT archived_count bigint, OUT last_archived_wal text, OUT last_archived_time timestamp with time zone, OUT failed_count bigint, OUT last_failed_wal text, OUT last_failed_time timestamp with time zone, OUT stats_reset timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_archiver(OUT archived_count bigint, OUT last_archived_wal text, OUT last_archived_time timestamp with time zone, OUT failed_count bigint, OUT last_failed_wal text, OUT last_failed_time timestamp with time zone, OUT stats_reset timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_autoanalyze_count(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_autoanalyze_count(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_autovacuum_count(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_autovacuum_count(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_activity(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_activity(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_activity_start(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_activity_start(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_client_addr(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_client_addr(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_client_port(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_client_port(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_dbid(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_dbid(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_idset() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_idset() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_pid(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_pid(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_start(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_start(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_userid(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_userid(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_wait_event(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_wait_event(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_wait_event_type(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_wait_event_type(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_backend_xact_start(integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_backend_xact_start(integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_buf_written_checkpoints() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_buf_written_checkpoints() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_buf_written_clean() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_buf_written_clean() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_maxwritten_clean() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_maxwritten_clean() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_requested_checkpoints() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_requested_checkpoints() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_stat_reset_time() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_stat_reset_time() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_timed_checkpoints() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_bgwriter_timed_checkpoints() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_blocks_fetched(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_blocks_fetched(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_blocks_hit(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_blocks_hit(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_buf_alloc() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_buf_alloc() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_buf_fsync_backend() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_buf_fsync_backend() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_buf_written_backend() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_buf_written_backend() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_checkpoint_sync_time() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_checkpoint_sync_time() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_checkpoint_write_time() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_checkpoint_write_time() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_active_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_active_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_blk_read_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_blk_read_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_blk_write_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_blk_write_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_blocks_fetched(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_blocks_fetched(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_blocks_hit(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_blocks_hit(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_checksum_failures(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_checksum_failures(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_checksum_last_failure(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_checksum_last_failure(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_all(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_all(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_bufferpin(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_bufferpin(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_lock(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_lock(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_snapshot(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_snapshot(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_startup_deadlock(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_startup_deadlock(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_tablespace(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_conflict_tablespace(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_deadlocks(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_deadlocks(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_idle_in_transaction_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_idle_in_transaction_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_numbackends(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_numbackends(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_session_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_session_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions_abandoned(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions_abandoned(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions_fatal(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions_fatal(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions_killed(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_sessions_killed(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_stat_reset_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_stat_reset_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_temp_bytes(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_temp_bytes(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_temp_files(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_temp_files(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_deleted(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_deleted(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_fetched(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_fetched(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_inserted(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_inserted(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_returned(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_returned(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_updated(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_tuples_updated(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_xact_commit(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_xact_commit(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_db_xact_rollback(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_db_xact_rollback(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_dead_tuples(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_dead_tuples(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_function_calls(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_function_calls(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_function_self_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_function_self_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_function_total_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_function_total_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_ins_since_vacuum(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_ins_since_vacuum(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_last_analyze_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_last_analyze_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_last_autoanalyze_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_last_autoanalyze_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_last_autovacuum_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_last_autovacuum_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_last_vacuum_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_last_vacuum_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_live_tuples(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_live_tuples(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_mod_since_analyze(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_mod_since_analyze(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_numscans(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_numscans(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_progress_info(cmdtype text, OUT pid integer, OUT datid oid, OUT relid oid, OUT param1 bigint, OUT param2 bigint, OUT param3 bigint, OUT param4 bigint, OUT param5 bigint, OUT param6 bigint, OUT param7 bigint, OUT param8 bigint, OUT param9 bigint, OUT param10 bigint, OUT param11 bigint, OUT param12 bigint, OUT param13 bigint, OUT param14 bigint, OUT param15 bigint, OUT param16 bigint, OUT param17 bigint, OUT param18 bigint, OUT param19 bigint, OUT param20 bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_progress_info(cmdtype text, OUT pid integer, OUT datid oid, OUT relid oid, OUT param1 bigint, OUT param2 bigint, OUT param3 bigint, OUT param4 bigint, OUT param5 bigint, OUT param6 bigint, OUT param7 bigint, OUT param8 bigint, OUT param9 bigint, OUT param10 bigint, OUT param11 bigint, OUT param12 bigint, OUT param13 bigint, OUT param14 bigint, OUT param15 bigint, OUT param16 bigint, OUT param17 bigint, OUT param18 bigint, OUT param19 bigint, OUT param20 bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_recovery_prefetch(OUT stats_reset timestamp with time zone, OUT prefetch bigint, OUT hit bigint, OUT skip_init bigint, OUT skip_new bigint, OUT skip_fpw bigint, OUT skip_rep bigint, OUT wal_distance integer, OUT block_distance integer, OUT io_depth integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_recovery_prefetch(OUT stats_reset timestamp with time zone, OUT prefetch bigint, OUT hit bigint, OUT skip_init bigint, OUT skip_new bigint, OUT skip_fpw bigint, OUT skip_rep bigint, OUT wal_distance integer, OUT block_distance integer, OUT io_depth integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_replication_slot(slot_name text, OUT slot_name text, OUT spill_txns bigint, OUT spill_count bigint, OUT spill_bytes bigint, OUT stream_txns bigint, OUT stream_count bigint, OUT stream_bytes bigint, OUT total_txns bigint, OUT total_bytes bigint, OUT stats_reset timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_replication_slot(slot_name text, OUT slot_name text, OUT spill_txns bigint, OUT spill_count bigint, OUT spill_bytes bigint, OUT stream_txns bigint, OUT stream_count bigint, OUT stream_bytes bigint, OUT total_txns bigint, OUT total_bytes bigint, OUT stats_reset timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_slru(OUT name text, OUT blks_zeroed bigint, OUT blks_hit bigint, OUT blks_read bigint, OUT blks_written bigint, OUT blks_exists bigint, OUT flushes bigint, OUT truncates bigint, OUT stats_reset timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_slru(OUT name text, OUT blks_zeroed bigint, OUT blks_hit bigint, OUT blks_read bigint, OUT blks_written bigint, OUT blks_exists bigint, OUT flushes bigint, OUT truncates bigint, OUT stats_reset timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_snapshot_timestamp() FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_snapshot_timestamp() TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_subscription(subid oid, OUT subid oid, OUT relid oid, OUT pid integer, OUT received_lsn pg_lsn, OUT last_msg_send_time timestamp with time zone, OUT last_msg_receipt_time timestamp with time zone, OUT latest_end_lsn pg_lsn, OUT latest_end_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_subscription(subid oid, OUT subid oid, OUT relid oid, OUT pid integer, OUT received_lsn pg_lsn, OUT last_msg_send_time timestamp with time zone, OUT last_msg_receipt_time timestamp with time zone, OUT latest_end_lsn pg_lsn, OUT latest_end_time timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_subscription_stats(subid oid, OUT subid oid, OUT apply_error_count bigint, OUT sync_error_count bigint, OUT stats_reset timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_subscription_stats(subid oid, OUT subid oid, OUT apply_error_count bigint, OUT sync_error_count bigint, OUT stats_reset timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_deleted(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_deleted(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_fetched(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_fetched(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_hot_updated(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_hot_updated(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_inserted(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_inserted(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_returned(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_returned(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_updated(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_tuples_updated(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_vacuum_count(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_vacuum_count(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_wal(OUT wal_records bigint, OUT wal_fpi bigint, OUT wal_bytes numeric, OUT wal_buffers_full bigint, OUT wal_write bigint, OUT wal_sync bigint, OUT wal_write_time double precision, OUT wal_sync_time double precision, OUT stats_reset timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_wal(OUT wal_records bigint, OUT wal_fpi bigint, OUT wal_bytes numeric, OUT wal_buffers_full bigint, OUT wal_write bigint, OUT wal_sync bigint, OUT wal_write_time double precision, OUT wal_sync_time double precision, OUT stats_reset timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_wal_receiver(OUT pid integer, OUT status text, OUT receive_start_lsn pg_lsn, OUT receive_start_tli integer, OUT written_lsn pg_lsn, OUT flushed_lsn pg_lsn, OUT received_tli integer, OUT last_msg_send_time timestamp with time zone, OUT last_msg_receipt_time timestamp with time zone, OUT latest_end_lsn pg_lsn, OUT latest_end_time timestamp with time zone, OUT slot_name text, OUT sender_host text, OUT sender_port integer, OUT conninfo text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_wal_receiver(OUT pid integer, OUT status text, OUT receive_start_lsn pg_lsn, OUT receive_start_tli integer, OUT written_lsn pg_lsn, OUT flushed_lsn pg_lsn, OUT received_tli integer, OUT last_msg_send_time timestamp with time zone, OUT last_msg_receipt_time timestamp with time zone, OUT latest_end_lsn pg_lsn, OUT latest_end_time timestamp with time zone, OUT slot_name text, OUT sender_host text, OUT sender_port integer, OUT conninfo text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_wal_senders(OUT pid integer, OUT state text, OUT sent_lsn pg_lsn, OUT write_lsn pg_lsn, OUT flush_lsn pg_lsn, OUT replay_lsn pg_lsn, OUT write_lag interval, OUT flush_lag interval, OUT replay_lag interval, OUT sync_priority integer, OUT sync_state text, OUT reply_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_wal_senders(OUT pid integer, OUT state text, OUT sent_lsn pg_lsn, OUT write_lsn pg_lsn, OUT flush_lsn pg_lsn, OUT replay_lsn pg_lsn, OUT write_lag interval, OUT flush_lag interval, OUT replay_lag interval, OUT sync_priority integer, OUT sync_state text, OUT reply_time timestamp with time zone) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_blocks_fetched(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_blocks_fetched(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_blocks_hit(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_blocks_hit(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_function_calls(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_function_calls(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_function_self_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_function_self_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_function_total_time(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_function_total_time(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_numscans(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_numscans(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_deleted(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_deleted(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_fetched(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_fetched(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_hot_updated(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_hot_updated(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_inserted(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_inserted(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_returned(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_returned(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_updated(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_updated(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_table_size(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_table_size(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_tablespace_size(name) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_tablespace_size(name) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_tablespace_size(oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_tablespace_size(oid) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_terminate_backend(pid integer, timeout bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_terminate_backend(pid integer, timeout bigint) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_total_relation_size(regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_total_relation_size(regclass) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_lock(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_lock(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(bigint) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(integer, integer) TO labor_owner;

REVOKE ALL ON FUNCTION pg_catalog.query_to_xml(query text, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.query_to_xml_and_xmlschema(query text, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.query_to_xmlschema(query text, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.schema_to_xml(schema name, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.schema_to_xml_and_xmlschema(schema name, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.schema_to_xmlschema(schema name, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.table_to_xml(tbl regclass, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.table_to_xml_and_xmlschema(tbl regclass, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.table_to_xmlschema(tbl regclass, nulls boolean, tableforest boolean, targetns text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.to_regclass(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regclass(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regcollation(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regcollation(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regnamespace(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regnamespace(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regoper(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regoper(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regoperator(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regoperator(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regproc(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regproc(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regprocedure(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regprocedure(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regrole(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regrole(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.to_regtype(text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.to_regtype(text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.ts_rewrite(tsquery, text) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.ts_rewrite(tsquery, text) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.ts_rewrite(tsquery, tsquery, tsquery) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.ts_rewrite(tsquery, tsquery, tsquery) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.ts_stat(query text, OUT word text, OUT ndoc integer, OUT nentry integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.ts_stat(query text, OUT word text, OUT ndoc integer, OUT nentry integer) TO labor_services;

REVOKE ALL ON FUNCTION pg_catalog.ts_stat(query text, weights text, OUT word text, OUT ndoc integer, OUT nentry integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pg_catalog.ts_stat(query text, weights text, OUT word text, OUT ndoc integer, OUT nentry integer) TO labor_services;

GRANT SELECT ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(scope) ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(due_at) ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(begins_at) ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(started_at) ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(scheduler),UPDATE(scheduler) ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(session_pid),UPDATE(session_pid) ON TABLE control.backup_runs TO labor_backup;

GRANT INSERT(session_started_at),UPDATE(session_started_at) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(attempts) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(again_at) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(ended_at) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(outcome) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(stored) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(unchanged) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(failed_tenants) ON TABLE control.backup_runs TO labor_backup;

GRANT UPDATE(reason) ON TABLE control.backup_runs TO labor_backup;

GRANT SELECT,DELETE ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(tenant) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(expression),UPDATE(expression) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(zone),UPDATE(zone) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(jitter_seconds),UPDATE(jitter_seconds) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(keep_daily),UPDATE(keep_daily) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(keep_weekly),UPDATE(keep_weekly) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(keep_monthly),UPDATE(keep_monthly) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(keep_yearly),UPDATE(keep_yearly) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(set_by),UPDATE(set_by) ON TABLE control.backup_schedules TO labor_backup;

GRANT INSERT(set_at),UPDATE(set_at) ON TABLE control.backup_schedules TO labor_backup;

GRANT SELECT ON TABLE control.fleet TO labor_control;

GRANT SELECT,INSERT,DELETE ON TABLE control.holds TO labor_control;
GRANT SELECT ON TABLE control.holds TO labor_backup;

GRANT SELECT ON TABLE control.ledger TO labor_control;
GRANT SELECT ON TABLE control.ledger TO labor_backup;

GRANT SELECT,INSERT ON TABLE control.operators TO labor_control;
GRANT SELECT ON TABLE control.operators TO labor_backup;

GRANT SELECT ON TABLE control.outcomes TO labor_control;

GRANT SELECT ON TABLE control.requests TO labor_control;
GRANT SELECT ON TABLE control.requests TO labor_backup;

GRANT INSERT(id) ON TABLE control.requests TO labor_control;

GRANT INSERT(kind) ON TABLE control.requests TO labor_control;

GRANT INSERT(tenant) ON TABLE control.requests TO labor_control;

GRANT INSERT(reason) ON TABLE control.requests TO labor_control;

GRANT INSERT(requested_by) ON TABLE control.requests TO labor_control;

GRANT UPDATE(approved_by) ON TABLE control.requests TO labor_control;

GRANT UPDATE(approved_at) ON TABLE control.requests TO labor_control;

GRANT UPDATE(state) ON TABLE control.requests TO labor_control;

GRANT INSERT(patient_id) ON TABLE control.requests TO labor_control;

GRANT INSERT(grace_days) ON TABLE control.requests TO labor_control;

GRANT INSERT(no_receipt) ON TABLE control.requests TO labor_control;

GRANT UPDATE(receipt) ON TABLE control.requests TO labor_control;

GRANT UPDATE(withdrawn_by) ON TABLE control.requests TO labor_control;

GRANT UPDATE(withdrawn_at) ON TABLE control.requests TO labor_control;

GRANT SELECT ON TABLE control.retention TO labor_control;
GRANT SELECT ON TABLE control.retention TO labor_backup;

GRANT SELECT ON TABLE control.runs TO labor_control;

GRANT SELECT,INSERT,UPDATE ON TABLE control.sources TO labor_control;

GRANT SELECT ON TABLE control.tenant_identifiers TO labor_control;
GRANT SELECT ON TABLE control.tenant_identifiers TO labor_backup;

GRANT SELECT ON TABLE control.tenants TO labor_control;
GRANT SELECT ON TABLE control.tenants TO labor_backup;

REVOKE SELECT ON TABLE pg_catalog.pg_aggregate FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_aggregate TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_am FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_am TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_amop FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_amop TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_amproc FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_amproc TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_attrdef FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_attrdef TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_attribute FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_attribute TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_auth_members FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_auth_members TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_available_extension_versions FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_available_extension_versions TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_available_extensions FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_available_extensions TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_backend_memory_contexts TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_cast FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_cast TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_class FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_class TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_collation FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_collation TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_config TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_constraint FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_constraint TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_conversion FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_conversion TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_cursors FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_cursors TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_database FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_database TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_db_role_setting FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_db_role_setting TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_default_acl FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_default_acl TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_depend FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_depend TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_description FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_description TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_enum TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_event_trigger FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_event_trigger TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_extension FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_extension TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_file_settings TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_foreign_data_wrapper FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_foreign_data_wrapper TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_foreign_server FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_foreign_server TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_foreign_table FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_foreign_table TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_group FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_group TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_hba_file_rules TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_ident_file_mappings TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_index FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_index TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_inherits FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_inherits TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_init_privs FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_init_privs TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_language FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_language TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_largeobject_metadata FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_largeobject_metadata TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_locks FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_locks TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_matviews FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_matviews TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_namespace FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_namespace TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_opclass FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_opclass TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_operator FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_operator TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_opfamily FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_opfamily TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_parameter_acl FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_parameter_acl TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_partitioned_table FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_partitioned_table TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_policies FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_policies TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_policy FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_policy TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_prepared_statements FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_prepared_statements TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_prepared_xacts FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_prepared_xacts TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_proc FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_proc TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_publication FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_publication TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_publication_namespace FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_publication_namespace TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_publication_rel FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_publication_rel TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_publication_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_publication_tables TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_range TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_replication_origin FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_replication_origin TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_replication_origin_status TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_replication_slots FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_replication_slots TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_rewrite FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_rewrite TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_roles FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_roles TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_rules FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_rules TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_seclabel FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_seclabel TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_seclabels FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_seclabels TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_sequence FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_sequence TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_sequences FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_sequences TO labor_services;

REVOKE SELECT,UPDATE ON TABLE pg_catalog.pg_settings FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_settings TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_shdepend FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_shdepend TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_shdescription FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_shdescription TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_shmem_allocations TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_shseclabel FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_shseclabel TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_activity FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_activity TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_all_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_all_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_all_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_all_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_archiver FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_archiver TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_bgwriter FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_bgwriter TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_database FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_database TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_database_conflicts FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_database_conflicts TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_gssapi FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_gssapi TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_progress_analyze FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_progress_analyze TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_progress_basebackup FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_progress_basebackup TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_progress_cluster FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_progress_cluster TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_progress_copy FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_progress_copy TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_progress_create_index FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_progress_create_index TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_progress_vacuum FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_progress_vacuum TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_recovery_prefetch FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_recovery_prefetch TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_replication FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_replication TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_replication_slots FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_replication_slots TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_slru FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_slru TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_ssl FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_ssl TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_subscription FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_subscription TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_subscription_stats FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_subscription_stats TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_sys_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_sys_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_sys_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_sys_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_user_functions FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_user_functions TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_user_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_user_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_user_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_user_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_wal FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_wal TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_wal_receiver FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_wal_receiver TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_xact_all_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_xact_all_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_xact_sys_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_xact_sys_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_xact_user_functions FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_xact_user_functions TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stat_xact_user_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stat_xact_user_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_all_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_all_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_all_sequences FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_all_sequences TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_all_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_all_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_sys_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_sys_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_sys_sequences FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_sys_sequences TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_sys_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_sys_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_user_indexes FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_user_indexes TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_user_sequences FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_user_sequences TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statio_user_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statio_user_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_statistic_ext FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_statistic_ext TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stats FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stats TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stats_ext FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stats_ext TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_stats_ext_exprs FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_stats_ext_exprs TO labor_services;

REVOKE SELECT(oid) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;
GRANT SELECT(oid) ON TABLE pg_catalog.pg_subscription TO labor_services;

REVOKE SELECT(subdbid) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;
GRANT SELECT(subdbid) ON TABLE pg_catalog.pg_subscription TO labor_services;

REVOKE SELECT(subskiplsn) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(subname) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;
GRANT SELECT(subname) ON TABLE pg_catalog.pg_subscription TO labor_services;

REVOKE SELECT(subowner) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;
GRANT SELECT(subowner) ON TABLE pg_catalog.pg_subscription TO labor_services;

REVOKE SELECT(subenabled) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;
GRANT SELECT(subenabled) ON TABLE pg_catalog.pg_subscription TO labor_services;

REVOKE SELECT(subbinary) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(substream) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(subtwophasestate) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(subdisableonerr) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(subslotname) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(subsynccommit) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT(subpublications) ON TABLE pg_catalog.pg_subscription FROM PUBLIC;

REVOKE SELECT ON TABLE pg_catalog.pg_subscription_rel FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_subscription_rel TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_tables FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_tables TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_tablespace FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_tablespace TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_timezone_abbrevs FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_timezone_abbrevs TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_timezone_names FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_timezone_names TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_transform FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_transform TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_trigger FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_trigger TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_ts_config FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_ts_config TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_ts_config_map FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_ts_config_map TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_ts_dict FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_ts_dict TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_ts_parser FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_ts_parser TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_ts_template FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_ts_template TO labor_services;

GRANT SELECT ON TABLE pg_catalog.pg_type TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_user FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_user TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_user_mappings FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_user_mappings TO labor_services;

REVOKE SELECT ON TABLE pg_catalog.pg_views FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_views TO labor_services;

ALTER DEFAULT PRIVILEGES FOR ROLE labor_guard REVOKE ALL ON FUNCTIONS  FROM PUBLIC;

ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner REVOKE ALL ON FUNCTIONS  FROM PUBLIC;

