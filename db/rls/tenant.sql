-- Repeatable: run by the migrator as labor_owner, in the tenant's own transaction, whenever its text has changed or a migration
-- makes tables. {tenant} stands for the tenant's opaque name; the schema is already first in search_path.
-- Why: who may do what, as data. A command that no role has is not granted at all.
-- Must stay true: every table is listed here (the isolation check and a test compare), RLS is enabled AND forced, a sub-SELECT
-- wraps the claim except in INSERT (Citus refuses sub-SELECTs in INSERT checks). It fits every version of the schema that this
-- release serves: a table that is not there yet is passed over, and nothing is granted on it.
-- Locks: ACCESS EXCLUSIVE on each table for the length of the transaction. Previous release: sees the same rows.

DO $$
DECLARE
  -- a: admin, d: doctor, l: lab_technician, p: patient, w: worker, r: receiver (webhook), s: sign_in
  names  jsonb := '{"a":"admin","d":"doctor","l":"lab_technician","p":"patient","w":"worker","r":"receiver","s":"sign_in"}';
  matrix text[][] := ARRAY[
    -- table            SELECT     INSERT      UPDATE   DELETE
    ['users',           'adlps',   'a',        'a',     '' ],
    ['patients',        'adlpw',   'adw',      'adw',   '' ],
    ['orders',          'adlpw',   'w',        'adw',   '' ],
    ['raw_messages',    'awr',     'wr',       'w',     '' ],
    ['reports',         'adlpw',   'w',        'adw',   '' ],
    ['observations',    'adlpw',   'w',        '',      '' ],
    ['documents',       'adlpw',   'w',        'w',     '' ],
    ['matches',         'adlw',    'adw',      '',      '' ],
    ['report_events',   'adlpw',   'adlp',     '',      '' ],
    ['notices',         'adlpw',   'adw',      '',      '' ],
    ['audit',           'a',       'adlpwrs',  '',      '' ]
  ];
  -- Whom the matrix lets SELECT some rows only, and which; db/rls/check_tables.sql expects the same. Everybody else is asked about
  -- first, so that whoever sees all rows costs one verification of the claim (ADR 0013). One user's patient:
  own    text := $r$(SELECT u.patient_id FROM users u WHERE u.id::text = (SELECT guard.claim_subject()))$r$;
  few_rows text[][] := ARRAY[
    -- A patient sees what is their own, and a report only once it was released to them (never automatically).
    ['p', 'patients',     $r$id = $r$ || own],
    ['p', 'orders',       $r$patient_id = $r$ || own],
    ['p', 'reports',      $r$released_at IS NOT NULL AND patient_id = $r$ || own],
    ['p', 'observations', $r$EXISTS (SELECT FROM reports r WHERE r.id = report_id)$r$],
    ['p', 'documents',    $r$EXISTS (SELECT FROM reports r WHERE r.id = report_id)$r$],
    ['p', 'report_events', $r$actor = (SELECT guard.claim_subject())$r$],
    -- What somebody is told is for them alone; an admin sees who still has to read it, and the worker what was told already.
    ['dlp', 'notices',    $r$recipient = (SELECT guard.claim_subject())$r$],
    -- Users: a patient only themselves, at sign-in only the one row whose name was typed; the rest of the practice sees colleagues.
    ['p', 'users',        $r$id::text = (SELECT guard.claim_subject())$r$],
    ['s', 'users',        $r$encode(sha256(convert_to(username, 'UTF8')), 'hex') = (SELECT guard.claim_subject())$r$]
  ];
  rule   text[];
  few    text[];
  staff  text;
  seen   text;
  roles  text;
  command text;
  tab    text;
  old    record;
BEGIN
  FOR old IN
    SELECT p.polname, c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
     WHERE p.polrelid IN (SELECT objid FROM pg_depend
                           WHERE refclassid = 'pg_namespace'::regclass AND refobjid = to_regnamespace('{tenant}')
                             AND classid = 'pg_class'::regclass)
  LOOP
    EXECUTE format('DROP POLICY %I ON %I', old.polname, old.relname);
  END LOOP;

  FOREACH rule SLICE 1 IN ARRAY matrix LOOP
    tab := rule[1];
    CONTINUE WHEN to_regclass(format('{tenant}.%I', tab)) IS NULL;
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tab);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tab);
    EXECUTE format('REVOKE ALL ON TABLE %I FROM {tenant}_app', tab);
    -- One login's, and said by the condition: a login could take away rules that are for itself or its group (DROP OWNED BY), and
    -- whoever lost them would see nothing, without an error.
    EXECUTE format('CREATE POLICY tenant_login ON %I TO PUBLIC USING (session_user = %L) WITH CHECK (session_user = %2$L)',
                   tab, '{tenant}_app');
    staff := rule[2];
    seen := '';
    FOREACH few SLICE 1 IN ARRAY few_rows LOOP
      CONTINUE WHEN few[2] <> tab;
      staff := translate(staff, few[1], '');
      SELECT '{' || string_agg(names ->> letter, ',') || '}' INTO roles FROM string_to_table(few[1], NULL) AS letter;
      seen := seen || format(' OR ((SELECT guard.permits(%L, %L)) AND %s)', '{tenant}', roles, few[3]);
    END LOOP;
    SELECT format('(SELECT guard.permits(%L, %L))', '{tenant}', '{' || string_agg(names ->> letter, ',') || '}') || seen INTO seen
      FROM string_to_table(staff, NULL) AS letter;
    FOR i IN 2..5 LOOP
      CONTINUE WHEN rule[i] = '';
      command := (ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])[i - 1];
      SELECT quote_literal('{' || string_agg(names ->> letter, ',') || '}') INTO roles
        FROM string_to_table(rule[i], NULL) AS letter;
      EXECUTE format('GRANT %s ON TABLE %I TO {tenant}_app', command, tab);
      EXECUTE format('CREATE POLICY claim_%s ON %I AS RESTRICTIVE FOR %s TO PUBLIC ', lower(command), tab, command)
        || CASE command
             -- Nobody writes such a row in another's name: whoever is named there is compared in the one verification.
             WHEN 'INSERT' THEN format(CASE WHEN tab IN ('audit', 'matches', 'report_events') THEN 'WITH CHECK (guard.permits_actor(%L, %s, actor, actor_role))'
                                            ELSE 'WITH CHECK (guard.permits(%L, %s))' END, '{tenant}', roles)
             WHEN 'UPDATE' THEN format('USING ((SELECT guard.permits(%L, %s))) WITH CHECK ((SELECT guard.permits(%1$L, %2$s)))', '{tenant}', roles)
             WHEN 'SELECT' THEN format('USING (%s)', seen)
             ELSE               format('USING ((SELECT guard.permits(%L, %s)))', '{tenant}', roles)
           END;
    END LOOP;
    EXECUTE format('GRANT SELECT ON TABLE %I TO labor_backup', tab);
  END LOOP;
END $$;

-- The history and the stamp belong to the migrator; the tenant's login has no right to them at all.
ALTER TABLE refinery_schema_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE schema_stamp ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON refinery_schema_history, schema_stamp FROM {tenant}_app;
GRANT SELECT ON refinery_schema_history, schema_stamp TO labor_backup;
GRANT USAGE ON SCHEMA {tenant} TO {tenant}_app, labor_backup;
