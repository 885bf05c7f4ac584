-- Repeatable: run by the migrator as labor_owner, in the tenant's own transaction, whenever its text has changed or a migration
-- makes tables. {tenant} stands for the tenant's opaque name; the schema is already first in search_path.
-- Why: who may do what, as data. A command that no role has is not granted at all.
-- Must stay true: every table is listed here (the isolation check and a test compare), RLS is enabled AND forced, a sub-SELECT
-- wraps the claim, so that it is verified once a statement; but where it is compared with who stands in the row. It fits every version of the schema that this
-- release serves: a table that is not there yet is passed over, and nothing is granted on it.
-- Locks: ACCESS EXCLUSIVE on each table for the length of the transaction. Previous release: sees the same rows.

DO $$
DECLARE
  -- a: admin, d: doctor, l: lab_technician, p: patient, w: worker, r: receiver (webhook), s: sign_in
  names  jsonb := '{"a":"admin","d":"doctor","l":"lab_technician","p":"patient","w":"worker","r":"receiver","s":"sign_in"}';
  matrix text[][] := ARRAY[
    -- table            SELECT     INSERT      UPDATE   DELETE
    ['users',           'adlps',   'a',        'a',     '' ],
    ['doctor_numbers',  'adlw',    'a',        'a',     '' ],
    ['patients',        'adlpw',   'adw',      'adw',   '' ],
    ['orders',          'adlpw',   'w',        'adw',   '' ],
    ['raw_messages',    'awr',     'wr',       'w',     '' ],
    ['reports',         'adlpw',   'w',        'adw',   '' ],
    ['observations',    'adlpw',   'w',        '',      '' ],
    ['documents',       'adlpw',   'w',        'w',     '' ],
    ['matches',         'adlw',    'adw',      '',      '' ],
    ['report_events',   'adlpw',   'adlpw',    '',      '' ],
    ['notices',         'adlpw',   'adw',      '',      '' ],
    ['genetic_holds',   'adlw',    'aw',       '',      '' ],
    ['critical_limits', 'adlw',    'ad',       'ad',    '' ],
    ['alert_steps',     'adlw',    'ad',       'ad',    '' ],
    ['alerts',          'adlw',    'w',        '',      '' ],
    ['alert_events',    'adlw',    'adlw',     '',      '' ],
    ['alert_states',    'adlw',    'w',        'adlw',  '' ],
    ['audit',           'a',       'adlpwrs',  '',      '' ]
  ];
  -- Whom the matrix lets SELECT some rows only, and which; db/rls/check_tables.sql expects the same. Everybody else is asked about
  -- first, so that whoever sees all rows costs one verification of the claim (ADR 0013). One user's patient:
  own    text := $r$(SELECT u.patient_id FROM users u WHERE u.id::text = (SELECT guard.claim_subject()))$r$;
  few_rows text[][] := ARRAY[
    -- A patient sees what is their own, and a report only once it was released to them (never automatically); an order with a report of it.
    ['p', 'patients',     $r$id = $r$ || own],
    ['p', 'orders',       $r$patient_id = $r$ || own || $r$ AND EXISTS (SELECT FROM reports r WHERE r.order_id = orders.id)$r$],
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
  -- Where UPDATE is of single columns: whatever else is in such a row stays as it was written, whoever asks. Roles of a practice share one
  -- login, so this is for all of them; db/rls/check_tables.sql expects the same.
  some_columns text[][] := ARRAY[
    ['users',           'username, password_hash, role, display_name, patient_id, active'],
    ['doctor_numbers',  'ended_at'],
    ['raw_messages',    'state, reason, format, charset, warnings, processed_at, body'],
    ['reports',         'patient_id, superseded_by, confirmed_at, invalidates_earlier, released_at, released_by, release_id'],
    ['documents',       'scan_state'],
    ['critical_limits', 'ended_at, ended_by'],
    ['alert_steps',     'ended_at, ended_by'],
    ['alert_states',    'ended_at']
  ];
  -- What an added row must be besides; db/rls/check_tables.sql expects the same.
  added_rows text[][] := ARRAY[
    -- Nothing comes released, nothing is added to what is, and who signs in and who is which doctor is for operators to say.
    ['reports',         $r$released_at IS NULL AND released_by IS NULL AND release_id IS NULL$r$],
    ['observations',    $r$EXISTS (SELECT FROM reports r WHERE r.id = observations.report_id AND r.released_at IS NULL)$r$],
    ['documents',       $r$EXISTS (SELECT FROM reports r WHERE r.id = documents.report_id AND r.released_at IS NULL)$r$],
    ['users',           $r$guard.claim_subject() = 'operator'$r$],
    ['doctor_numbers',  $r$guard.claim_subject() = 'operator'$r$],
    -- When something was done, and from when a limit is valid, is the database's time.
    ['report_events',   $r$at >= now() AND at <= clock_timestamp()$r$],
    ['alert_events',    $r$at >= now() AND at <= clock_timestamp()$r$],
    ['matches',         $r$at >= now() AND at <= clock_timestamp()$r$],
    ['genetic_holds',   $r$at >= now() AND at <= clock_timestamp()$r$],
    ['audit',           $r$at >= now() AND at <= clock_timestamp()$r$],
    ['notices',         $r$written_at = now()$r$],
    ['alert_states',    $r$ended_at IS NULL$r$],
    ['critical_limits', $r$created_by = guard.claim_subject() AND created_at >= now() AND created_at <= clock_timestamp() AND ended_at IS NULL$r$],
    ['alert_steps',     $r$created_by = guard.claim_subject() AND created_at >= now() AND created_at <= clock_timestamp() AND ended_at IS NULL$r$]
  ];
  -- Which rows are changed at all: what ended does not end again.
  kept_rows text[][] := ARRAY[
    ['critical_limits', $r$ended_at IS NULL$r$],
    ['alert_steps',     $r$ended_at IS NULL$r$]
  ];
  -- What a changed row must be besides; db/rls/check_tables.sql expects the same. A report is released by a doctor in person, a genetic one
  -- by its responsible doctor alone (GenDG, section 11): which reports are genetic and who is responsible stands where neither can be
  -- changed. What is nobody's is released to nobody, so that whoever matches it releases nothing. The worker writes to a report as its
  -- events say that it is: released if there is a release that nothing ended, the one that the row names, by that doctor, who may, and to
  -- that patient; else not. So it can neither release again what it took back nor add to it in between.
  changed_rows text[][] := ARRAY[
    ['reports', $r$((released_at IS NULL
          AND (NOT (SELECT guard.permits('{tenant}', '{worker}'))
               OR NOT EXISTS (SELECT FROM report_events e WHERE e.report_id = reports.id AND e.kind = 'released'
                    AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id))))
      OR ((SELECT guard.permits('{tenant}', '{doctor}')) AND released_by::text = (SELECT guard.claim_subject()) AND patient_id IS NOT NULL
          AND (NOT (genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = reports.id))
               OR EXISTS (SELECT FROM genetic_holds h JOIN doctor_numbers n ON n.lanr = h.lanr JOIN users u ON u.id = n.user_id
                    WHERE h.report_id = reports.id AND u.id = released_by AND n.ended_at IS NULL AND u.role = 'doctor' AND u.active)))
      OR ((SELECT guard.permits('{tenant}', '{worker}'))
          AND EXISTS (SELECT FROM report_events e
               WHERE e.id = release_id AND e.report_id = reports.id AND e.kind = 'released' AND e.actor = released_by::text
                 AND e.patient_id = reports.patient_id AND NOT EXISTS (SELECT FROM report_events f WHERE f.ends = e.id))
          AND (NOT (genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = reports.id))
               OR EXISTS (SELECT FROM genetic_holds h JOIN doctor_numbers n ON n.lanr = h.lanr
                    WHERE h.report_id = reports.id AND n.user_id = released_by))))$r$],
    -- Which version is the laboratory's last word workers say; a person's word can only be that it is known today (but for clocks).
    ['reports',         $r$((SELECT guard.permits('{tenant}', '{worker}')) OR confirmed_at <= now() + interval '5 minutes')$r$],
    -- What was understood keeps its bytes; nothing comes of a message in the intake but other messages.
    ['raw_messages',    $r$(octet_length(body) > 0 OR NOT EXISTS (SELECT FROM reports r WHERE r.raw_message_id = raw_messages.id))$r$],
    ['doctor_numbers',  $r$(SELECT guard.claim_subject()) = 'operator'$r$],
    -- Who signs in as whom, with which password and for which patient: an administrator could be anybody else.
    ['users',           $r$(SELECT guard.claim_subject()) = 'operator'$r$],
    -- A limit and a step of the ladder end now, and whoever ended them is named.
    ['critical_limits', $r$ended_by = (SELECT guard.claim_subject()) AND ended_at >= now() AND ended_at <= clock_timestamp()$r$],
    ['alert_steps',     $r$ended_by = (SELECT guard.claim_subject()) AND ended_at >= now() AND ended_at <= clock_timestamp()$r$],
    -- No alert is out of sight without the event that ended it.
    ['alert_states',    $r$ended_at <= clock_timestamp() AND EXISTS (SELECT FROM alert_events e
      WHERE e.alert_id = alert_states.alert_id AND e.kind IN ('confirmed', 'dismissed', 'superseded'))$r$]
  ];
  rule   text[];
  few    text[];
  changed text[];
  adds   text;
  keeps  text;
  writes text;
  single text;
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
    adds := '';
    FOREACH changed SLICE 1 IN ARRAY added_rows LOOP
      CONTINUE WHEN changed[1] <> tab;
      adds := adds || ' AND ' || changed[2];
    END LOOP;
    single := '';
    FOREACH changed SLICE 1 IN ARRAY some_columns LOOP
      CONTINUE WHEN changed[1] <> tab;
      single := format(' (%s)', changed[2]);
    END LOOP;
    keeps := '';
    FOREACH changed SLICE 1 IN ARRAY kept_rows LOOP
      CONTINUE WHEN changed[1] <> tab;
      keeps := keeps || ' AND ' || changed[2];
    END LOOP;
    writes := '';
    FOREACH changed SLICE 1 IN ARRAY changed_rows LOOP
      CONTINUE WHEN changed[1] <> tab OR to_regclass('{tenant}.genetic_holds') IS NULL OR to_regclass('{tenant}.doctor_numbers') IS NULL;
      writes := writes || ' AND ' || changed[2];
    END LOOP;
    FOR i IN 2..5 LOOP
      CONTINUE WHEN rule[i] = '';
      command := (ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])[i - 1];
      SELECT quote_literal('{' || string_agg(names ->> letter, ',') || '}') INTO roles
        FROM string_to_table(rule[i], NULL) AS letter;
      EXECUTE format('GRANT %s%s ON TABLE %I TO {tenant}_app', command, CASE command WHEN 'UPDATE' THEN single ELSE '' END, tab);
      EXECUTE format('CREATE POLICY claim_%s ON %I AS RESTRICTIVE FOR %s TO PUBLIC ', lower(command), tab, command)
        || CASE command
             -- Nobody writes such a row in another's name: whoever is named there is compared in the one verification.
             WHEN 'INSERT' THEN format(CASE WHEN tab IN ('audit', 'matches', 'report_events', 'genetic_holds', 'alert_events') THEN 'WITH CHECK (guard.permits_actor(%L, %s, actor, actor_role)'
                                            ELSE 'WITH CHECK ((SELECT guard.permits(%L, %s))' END, '{tenant}', roles) || adds || ')'
             WHEN 'UPDATE' THEN format('USING ((SELECT guard.permits(%L, %s))%s) WITH CHECK ((SELECT guard.permits(%1$L, %2$s))', '{tenant}', roles, keeps) || writes || ')'
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
