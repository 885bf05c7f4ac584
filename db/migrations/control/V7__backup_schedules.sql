-- The control schema, version 7: when backups are due, and what became of each due time.
-- Why: several schedulers run, and each due time is done by one of them, once. The row of a run is the claim: it names the session of the
--      scheduler that is at work on it, and whose session is gone has lost it. No clock decides that, and no advisory lock, which services
--      may not take (db/rls/database.sql).
-- Locks: new tables only. Previous release: reads none of it, and goes on being called by a timer.

CREATE TABLE control.backup_schedules (
  tenant         text        UNIQUE REFERENCES control.tenants (name),
  scope          text        PRIMARY KEY GENERATED ALWAYS AS (coalesce(tenant, 'all')) STORED,
  expression     text        NOT NULL CHECK (length(expression) BETWEEN 9 AND 200),
  zone           text        NOT NULL CHECK (length(zone) BETWEEN 1 AND 60),
  jitter_seconds integer     NOT NULL DEFAULT 0 CHECK (jitter_seconds BETWEEN 0 AND 43200),
  keep_daily     integer     NOT NULL CHECK (keep_daily >= 0),
  keep_weekly    integer     NOT NULL CHECK (keep_weekly >= 0),
  keep_monthly   integer     NOT NULL CHECK (keep_monthly >= 0),
  keep_yearly    integer     NOT NULL CHECK (keep_yearly >= 0),
  set_by         text        NOT NULL CHECK (length(set_by) BETWEEN 1 AND 200),
  set_at         timestamptz NOT NULL
);
COMMENT ON TABLE  control.backup_schedules                IS 'When practices are backed up: one schedule for all, and instead of it one of a practice''s own';
COMMENT ON COLUMN control.backup_schedules.tenant         IS 'Whose own it is; null: of everybody who has none';
COMMENT ON COLUMN control.backup_schedules.scope          IS 'The same as a name: the practice''s, or all';
COMMENT ON COLUMN control.backup_schedules.expression     IS 'The five fields of cron: minute, hour, day of the month, month, day of the week';
COMMENT ON COLUMN control.backup_schedules.zone           IS 'Time zone of these, such as Europe/Berlin; retention reckons its days in it too';
COMMENT ON COLUMN control.backup_schedules.jitter_seconds IS 'A run begins up to so much later; how much comes out of schedule and due time, so that all schedulers agree';
COMMENT ON COLUMN control.backup_schedules.keep_daily     IS 'For how many days a scheduler that prunes keeps a backup';
COMMENT ON COLUMN control.backup_schedules.keep_weekly    IS 'For how many weeks';
COMMENT ON COLUMN control.backup_schedules.keep_monthly   IS 'For how many months';
COMMENT ON COLUMN control.backup_schedules.keep_yearly    IS 'For how many years';
COMMENT ON COLUMN control.backup_schedules.set_by         IS 'Operating system user and host that set it';
COMMENT ON COLUMN control.backup_schedules.set_at         IS 'When. What would have been due before is not';

CREATE TABLE control.backup_runs (
  scope              text        NOT NULL CHECK (scope = 'all' OR scope ~ '^t_[a-z0-9]{12}$'),
  due_at             timestamptz NOT NULL,
  begins_at          timestamptz NOT NULL CHECK (begins_at >= due_at),
  started_at         timestamptz NOT NULL CHECK (started_at >= begins_at),
  scheduler          text        NOT NULL CHECK (length(scheduler) BETWEEN 1 AND 200),
  session_pid        integer,
  session_started_at timestamptz,
  attempts           integer     NOT NULL DEFAULT 1 CHECK (attempts >= 0),
  again_at           timestamptz,
  ended_at           timestamptz,
  outcome            text        CHECK (outcome IN ('done', 'failed', 'overtaken')),
  stored             integer     NOT NULL DEFAULT 0 CHECK (stored >= 0),
  unchanged          integer     NOT NULL DEFAULT 0 CHECK (unchanged >= 0),
  failed_tenants     text[],
  reason             text        CHECK (length(reason) <= 4000),
  PRIMARY KEY (scope, due_at),
  CHECK ((session_pid IS NULL) = (session_started_at IS NULL)),
  CHECK ((ended_at IS NULL) = (outcome IS NULL)),
  CHECK (ended_at IS NULL OR (session_pid IS NULL AND again_at IS NULL))
);
COMMENT ON TABLE  control.backup_runs                    IS 'Scheduled backups, one row for each schedule and due time';
COMMENT ON COLUMN control.backup_runs.scope              IS 'Whose schedule: a practice''s name, or all';
COMMENT ON COLUMN control.backup_runs.due_at             IS 'When it was due, as the expression says';
COMMENT ON COLUMN control.backup_runs.begins_at          IS 'When it was to begin: with the jitter';
COMMENT ON COLUMN control.backup_runs.started_at         IS 'When it was begun first. Much later than it was to begin: no scheduler ran, or the run before took so long';
COMMENT ON COLUMN control.backup_runs.scheduler          IS 'Which scheduler was at work on it last: user, host and process';
COMMENT ON COLUMN control.backup_runs.session_pid        IS 'Server process of that scheduler''s session; null: nobody is at work';
COMMENT ON COLUMN control.backup_runs.session_started_at IS 'When that session was opened. One that is gone has lost its claim';
COMMENT ON COLUMN control.backup_runs.attempts           IS 'How often it was begun, without what somebody stopped';
COMMENT ON COLUMN control.backup_runs.again_at           IS 'Not to be tried again before; null: at once';
COMMENT ON COLUMN control.backup_runs.ended_at           IS 'When it came to its end; null: it has not';
COMMENT ON COLUMN control.backup_runs.outcome            IS 'done; failed: somebody has no new backup, and it is not tried again; overtaken: before it was done, a later one was due, or the schedule was changed';
COMMENT ON COLUMN control.backup_runs.stored             IS 'Practices that have a new backup by it';
COMMENT ON COLUMN control.backup_runs.unchanged          IS 'Practices that were found to be as they are in their newest one';
COMMENT ON COLUMN control.backup_runs.failed_tenants     IS 'Who still has none after the last attempt; null: nobody, or nobody could be tried';
COMMENT ON COLUMN control.backup_runs.reason             IS 'What somebody has to know of it; no row values';
CREATE INDEX backup_runs_open ON control.backup_runs (scope) WHERE ended_at IS NULL;

-- The only things that the backup's login writes. Of a run it changes what becomes of it, never whose it is or when it was due.
GRANT SELECT ON control.backup_schedules, control.backup_runs TO labor_backup;
GRANT INSERT (tenant, expression, zone, jitter_seconds, keep_daily, keep_weekly, keep_monthly, keep_yearly, set_by, set_at),
      UPDATE (expression, zone, jitter_seconds, keep_daily, keep_weekly, keep_monthly, keep_yearly, set_by, set_at)
   ON control.backup_schedules TO labor_backup;
GRANT DELETE ON control.backup_schedules TO labor_backup;
GRANT INSERT (scope, due_at, begins_at, started_at, scheduler, session_pid, session_started_at),
      UPDATE (scheduler, session_pid, session_started_at, attempts, again_at, ended_at, outcome, stored, unchanged, failed_tenants, reason)
   ON control.backup_runs TO labor_backup;
