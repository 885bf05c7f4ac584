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
    ['patients',        'adlpw',   'w',        'adw',   '' ],
    ['orders',          'adlpw',   'w',        'w',     '' ],
    ['raw_messages',    'awr',     'wr',       'w',     '' ],
    ['reports',         'adlpw',   'w',        'adw',   '' ],
    ['observations',    'adlpw',   'w',        '',      '' ],
    ['documents',       'adlpw',   'w',        'w',     '' ],
    ['audit',           'a',       'adlpwrs',  '',      '' ]
  ];
  -- Which rows, on top of the matrix; db/rls/check_tables.sql expects the same. One user's patient:
  own    text := $r$(SELECT u.patient_id FROM users u WHERE u.id::text = (SELECT guard.claim_subject()))$r$;
  row_rules text[][] := ARRAY[
    -- A patient sees what is their own, and a report only once it was released to them (never automatically).
    ['patient_own', 'patients',     'SELECT', $r$(SELECT guard.claim_role()) <> 'patient' OR id = $r$ || own],
    ['patient_own', 'orders',       'SELECT', $r$(SELECT guard.claim_role()) <> 'patient' OR patient_id = $r$ || own],
    ['patient_own', 'reports',      'SELECT', $r$(SELECT guard.claim_role()) <> 'patient'
                                                 OR (released_at IS NOT NULL AND patient_id = $r$ || own || ')'],
    ['patient_own', 'observations', 'SELECT', $r$(SELECT guard.claim_role()) <> 'patient'
                                                 OR EXISTS (SELECT FROM reports r WHERE r.id = report_id)$r$],
    ['patient_own', 'documents',    'SELECT', $r$(SELECT guard.claim_role()) <> 'patient'
                                                 OR EXISTS (SELECT FROM reports r WHERE r.id = report_id)$r$],
    -- Users: at sign-in only the one row whose name was typed; a patient only their own; the rest of the practice sees colleagues.
    ['own_row',     'users',        'SELECT', $r$CASE (SELECT guard.claim_role())
                                                   WHEN 'sign_in' THEN encode(sha256(convert_to(username, 'UTF8')), 'hex') = (SELECT guard.claim_subject())
                                                   WHEN 'patient' THEN id::text = (SELECT guard.claim_subject())
                                                   ELSE true
                                                 END$r$],
    -- Nobody writes an audit row in another's name.
    ['own_actor',   'audit',        'INSERT', $r$actor = guard.claim_subject() AND actor_role = guard.claim_role()$r$]
  ];
  rule   text[];
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
    EXECUTE format('CREATE POLICY tenant_login ON %I TO {tenant}_app USING (true) WITH CHECK (true)', tab);
    FOR i IN 2..5 LOOP
      CONTINUE WHEN rule[i] = '';
      command := (ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])[i - 1];
      SELECT quote_literal('{' || string_agg(names ->> letter, ',') || '}') INTO roles
        FROM string_to_table(rule[i], NULL) AS letter;
      EXECUTE format('GRANT %s ON TABLE %I TO {tenant}_app', command, tab);
      EXECUTE format('CREATE POLICY claim_%s ON %I AS RESTRICTIVE FOR %s TO {tenant}_app ', lower(command), tab, command)
        || CASE command
             WHEN 'INSERT' THEN format('WITH CHECK (guard.permits(%L, %s))', '{tenant}', roles)
             WHEN 'UPDATE' THEN format('USING ((SELECT guard.permits(%L, %s))) WITH CHECK ((SELECT guard.permits(%1$L, %2$s)))', '{tenant}', roles)
             ELSE               format('USING ((SELECT guard.permits(%L, %s)))', '{tenant}', roles)
           END;
    END LOOP;
    EXECUTE format('GRANT SELECT ON TABLE %I TO labor_backup', tab);
  END LOOP;

  FOREACH rule SLICE 1 IN ARRAY row_rules LOOP
    tab := rule[2];
    CONTINUE WHEN to_regclass(format('{tenant}.%I', tab)) IS NULL;
    EXECUTE format('CREATE POLICY %I ON %I AS RESTRICTIVE FOR %s TO {tenant}_app ', rule[1], tab, rule[3])
      || format(CASE rule[3] WHEN 'INSERT' THEN 'WITH CHECK (%s)' ELSE 'USING (%s)' END, rule[4]);
  END LOOP;
END $$;

-- The history and the stamp belong to the migrator; the tenant's login has no right to them at all.
ALTER TABLE refinery_schema_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE schema_stamp ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON refinery_schema_history, schema_stamp FROM {tenant}_app;
GRANT SELECT ON refinery_schema_history, schema_stamp TO labor_backup;
GRANT USAGE ON SCHEMA {tenant} TO {tenant}_app, labor_backup;
