-- Isolation check, fourth part: what stands beside the practices: the control schema, the queue and the guard, what Labor's services
-- were given, and what elsewhere in the database hangs on a practice's tables. Every row is a finding.
-- Why: a trigger on the queue or on the registry, a view over a practice's table, a right too much of the web process: each takes rows or
--      names out of all practices, and no practice's own definitions show it.
-- Must stay true: what check_tables.sql and check_database.sql say. What migrations of the control schema grant is expected here.
WITH ours (oid, name, owner) AS MATERIALIZED (
  SELECT n.oid, n.nspname, CASE n.nspname WHEN 'guard' THEN 'labor_guard' ELSE 'labor_owner' END
    FROM pg_namespace n WHERE n.nspname IN ('control', 'guard', 'pgmq')
), relations AS MATERIALIZED (
  SELECT c.oid, o.name AS schema, c.relname, c.relkind, c.relowner, c.relacl, o.owner
    FROM ours o JOIN pg_class c ON c.relnamespace = o.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), services (name) AS (
  VALUES ('labor_control'), ('labor_backup'), ('labor_migrator'), ('labor_backfill'), ('labor_guard')
), writes (relation, privilege) AS (
  -- What the web process and the workers may do in the control schema besides reading.
  VALUES ('sources', 'INSERT'), ('sources', 'UPDATE'), ('operators', 'INSERT'), ('holds', 'INSERT'), ('holds', 'DELETE')
), column_writes (relation, login, privilege, columns) AS (
  -- The same by single columns: requests and approvals, and the backup's own schedule and record of it.
  VALUES ('requests',         'labor_control', 'INSERT', ARRAY['id', 'kind', 'tenant', 'patient_id', 'reason', 'requested_by', 'grace_days',
                                                               'no_receipt']),
         ('requests',         'labor_control', 'UPDATE', ARRAY['approved_by', 'approved_at', 'state', 'receipt', 'withdrawn_by', 'withdrawn_at']),
         ('backup_schedules', 'labor_backup',  'INSERT', ARRAY['tenant', 'expression', 'zone', 'jitter_seconds', 'keep_daily', 'keep_weekly',
                                                               'keep_monthly', 'keep_yearly', 'set_by', 'set_at']),
         ('backup_schedules', 'labor_backup',  'UPDATE', ARRAY['expression', 'zone', 'jitter_seconds', 'keep_daily', 'keep_weekly',
                                                               'keep_monthly', 'keep_yearly', 'set_by', 'set_at']),
         ('backup_runs',      'labor_backup',  'INSERT', ARRAY['scope', 'due_at', 'begins_at', 'started_at', 'scheduler', 'session_pid',
                                                               'session_started_at']),
         ('backup_runs',      'labor_backup',  'UPDATE', ARRAY['scheduler', 'session_pid', 'session_started_at', 'attempts', 'again_at',
                                                               'ended_at', 'outcome', 'stored', 'unchanged', 'failed_tenants', 'reason'])
)
SELECT 'owner' AS kind, format('%s.%s', r.schema, r.relname) AS object, format('does not belong to %s', r.owner) AS detail
  FROM relations r WHERE pg_get_userbyid(r.relowner) <> r.owner
UNION ALL
SELECT 'owner', p.oid::regprocedure::text, format('does not belong to %s', o.owner)
  FROM ours o JOIN pg_proc p ON p.pronamespace = o.oid AND o.name <> 'guard' WHERE pg_get_userbyid(p.proowner) <> o.owner
UNION ALL
SELECT 'rls_off', format('%s.%s', r.schema, r.relname), 'who was given all tables to read reads the claim keys'
  FROM relations r JOIN pg_class c ON c.oid = r.oid WHERE r.schema = 'guard' AND r.relkind = 'r' AND NOT c.relrowsecurity
UNION ALL
SELECT 'kind', format('%s.%s', r.schema, r.relname), 'views, materialised views and foreign tables are not expected there'
  FROM relations r WHERE r.relkind IN ('v', 'm', 'f')
UNION ALL
SELECT 'trigger', g.tgrelid::regclass::text, format('trigger %s runs %s whenever somebody writes there', g.tgname, g.tgfoid::regproc)
  FROM relations r JOIN pg_trigger g ON g.tgrelid = r.oid AND NOT g.tgisinternal
UNION ALL
SELECT 'rule', w.ev_class::regclass::text, format('rewrite rule %s is not expected', w.rulename)
  FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid AND r.relkind NOT IN ('v', 'm')
UNION ALL
SELECT 'function', p.oid::regprocedure::text, CASE o.name WHEN 'control' THEN 'functions are not expected in the control schema'
                                                          ELSE 'runs with its owner''s rights, and the queue has no such function' END
  FROM ours o JOIN pg_proc p ON p.pronamespace = o.oid WHERE o.name = 'control' OR (o.name = 'pgmq' AND p.prosecdef)
UNION ALL
SELECT 'grant', format('%s.%s', r.schema, r.relname), format('%s has %s', g.name, a.privilege_type)
  FROM relations r CROSS JOIN aclexplode(r.relacl) a
 CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END) g (name)
 WHERE a.grantee <> r.relowner
   AND (a.is_grantable OR NOT CASE g.name
         WHEN 'labor_control' THEN r.schema = 'pgmq' OR (r.schema = 'control' AND (a.privilege_type = 'SELECT'
                                   OR (r.relname, a.privilege_type) IN (SELECT w.relation, w.privilege FROM writes w)))
         WHEN 'labor_backup'  THEN (a.privilege_type = 'SELECT' AND r.schema <> 'guard')
                                   OR (r.schema, r.relname, a.privilege_type) = ('control', 'backup_schedules', 'DELETE')
         WHEN 'labor_guard'   THEN r.schema = 'pgmq' AND a.privilege_type IN ('SELECT', 'INSERT', 'USAGE')
         -- pgmq gives it the numbers of its queues.
         WHEN 'pg_monitor'    THEN r.schema = 'pgmq' AND a.privilege_type = 'SELECT'
         ELSE false END)
UNION ALL
SELECT 'column_grant', format('%s.%s.%s', r.schema, r.relname, t.attname),
       format('%s has %s on the column', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type)
  FROM relations r JOIN pg_attribute t ON t.attrelid = r.oid AND t.attacl IS NOT NULL CROSS JOIN aclexplode(t.attacl) a
 WHERE a.is_grantable OR a.grantee = 0 OR r.schema <> 'control'
    OR NOT EXISTS (SELECT FROM column_writes w
                    WHERE (w.relation, w.login, w.privilege) = (r.relname, pg_get_userbyid(a.grantee), a.privilege_type)
                      AND t.attname = ANY (w.columns))
UNION ALL
SELECT 'schema_grant', o.name, format('%s has %s on the schema', g.name, a.privilege_type)
  FROM ours o JOIN pg_namespace n ON n.oid = o.oid CROSS JOIN aclexplode(n.nspacl) a
 CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END) g (name)
 WHERE a.grantee <> n.nspowner
   AND NOT (a.privilege_type = 'USAGE' AND NOT a.is_grantable AND (o.name, g.name) IN (VALUES
         ('control', 'labor_control'), ('control', 'labor_backup'), ('pgmq', 'labor_control'), ('pgmq', 'labor_guard'), ('pgmq', 'pg_monitor'),
         ('guard', 'labor_tenants'), ('guard', 'labor_owner'), ('guard', 'labor_backup')))
UNION ALL
SELECT 'database_grant', d.datname, format('%s has %s on the database', pg_get_userbyid(a.grantee), a.privilege_type)
  FROM pg_database d CROSS JOIN aclexplode(d.datacl) a
 WHERE d.datname = current_database() AND a.privilege_type <> 'CONNECT' AND a.grantee <> d.datdba
   AND pg_get_userbyid(a.grantee) IN (SELECT s.name FROM services s)
UNION ALL
-- Rights in pg_catalog are labor_services', and of those none that run SQL text, read files or touch large objects.
SELECT 'function_reachable', p.oid::regprocedure::text, format('%s was given it', r.rolname)
  FROM pg_roles r
  JOIN pg_shdepend s ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.classid = 'pg_proc'::regclass AND s.deptype = 'a'
                    AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  JOIN pg_proc p ON p.oid = s.objid AND p.pronamespace = 'pg_catalog'::regnamespace
 WHERE r.rolname IN (SELECT s.name FROM services s)
    OR (r.rolname = 'labor_services'
        AND p.proname ~ '^(query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|lo_|lowrite|loread|pg_ls_|pg_read_|pg_backup|pg_logical|pg_log_backend|pg_advisory|pg_try_advisory)')
UNION ALL
SELECT 'function_reachable', p.oid::regprocedure::text, format('%s can call it, and it runs with the rights of %s', r.rolname, pg_get_userbyid(p.proowner))
  FROM pg_proc p JOIN pg_roles r ON r.rolname IN ('labor_control', 'labor_backup')
 WHERE p.prosecdef AND p.oid >= 16384 AND p.pronamespace NOT IN (SELECT o.oid FROM ours o WHERE o.name = 'guard')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
   AND has_function_privilege(r.oid, p.oid, 'EXECUTE') AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE')
UNION ALL
SELECT 'setting', 'default_transaction_read_only', 'is not on for labor_backup, which writes its own schedule and nothing else'
  FROM pg_roles r WHERE r.rolname = 'labor_backup' AND NOT coalesce('default_transaction_read_only=on' = ANY (r.rolconfig), false)
UNION ALL
-- What elsewhere reads or holds on to a practice's tables.
SELECT 'dependent', w.ev_class::regclass::text, format('is a view or a rule over %s, read with its owner''s rights', string_agg(DISTINCT n.nspname::text, ', '))
  FROM pg_rewrite w JOIN pg_class v ON v.oid = w.ev_class
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid AND c.relnamespace <> v.relnamespace
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname ~ '^t_[a-z0-9]{12}$'
 WHERE w.oid >= 16384 GROUP BY w.ev_class
UNION ALL
SELECT 'dependent', p.oid::regprocedure::text, format('is a function over %s', string_agg(DISTINCT n.nspname::text, ', '))
  FROM pg_proc p
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid AND c.relnamespace <> p.pronamespace
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname ~ '^t_[a-z0-9]{12}$'
 WHERE p.oid >= 16384 AND p.prosqlbody IS NOT NULL GROUP BY p.oid
UNION ALL
SELECT 'dependent', format('%s: statistics %s', n.nspname, s.stxname), 'are kept outside of the practice''s schema, of its values'
  FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid AND c.relnamespace <> s.stxnamespace
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname ~ '^t_[a-z0-9]{12}$'
UNION ALL
-- One between two practices is a finding about the schema that it starts from.
SELECT 'foreign_key', k.conrelid::regclass::text, format('constraint %s points into %s: it tells which keys are there', k.conname, n.nspname)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname ~ '^t_[a-z0-9]{12}$'
  JOIN pg_class f ON f.oid = k.conrelid JOIN pg_namespace o ON o.oid = f.relnamespace AND o.nspname !~ '^t_[a-z0-9]{12}$'
 WHERE k.contype = 'f'
