-- Isolation check, first part: what one tenant's schema ($1: its name) is. Every row is a finding; a sound schema has none.
-- Why: run by the migrator before a COMMIT, after each restore, in CI and by operators (`labor-migrator check`). A migration or
--      restore with a finding is rolled back. It looks at definitions only: of two schemas with one fingerprint it finds the same.
-- Must stay true, for all parts:
-- - They are run with search_path = pg_catalog, always: names are then written in one way, and the plan, once made, serves all tenants.
-- - The two about one tenant stay cheap among thousands, with one plan made without looking at the name (plan_cache_mode =
--   force_generic_plan): objects are found through pg_depend's reference index, what was granted to the role through pg_shdepend's,
--   and schemas that are no tenant's through the index on their names; no catalog that grows with the fleet is scanned. LATERAL …
--   OFFSET 0 holds the planner to that, also where catalogs were never analyzed.
-- - What costs something (writing out a condition, regular expressions) is done once, and only for what needs it.
-- - Each is a SELECT that can stand in parentheses: db/catalog/src/sql.rs puts them together.
WITH tenant AS MATERIALIZED (
  SELECT n.oid AS schema, n.nspname AS name, n.nspowner, n.nspacl,
         (SELECT oid FROM pg_roles WHERE rolname = $1::text || '_app') AS role
    FROM pg_namespace n WHERE n.nspname = $1::text
), objects AS MATERIALIZED (
  SELECT d.classid, d.objid
    FROM tenant t CROSS JOIN LATERAL (
           SELECT classid, objid FROM pg_depend
            WHERE refclassid = 'pg_namespace'::regclass AND refobjid = t.schema OFFSET 0) d
), relations AS MATERIALIZED (
  SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity
    FROM objects o CROSS JOIN LATERAL (
           SELECT oid, relname, relkind, relowner, relacl, relrowsecurity, relforcerowsecurity
             FROM pg_class WHERE oid = o.objid OFFSET 0) c
   WHERE o.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), rights AS MATERIALIZED (
  SELECT r.oid, r.relname, a.grantee, a.privilege_type, a.is_grantable
    FROM relations r, aclexplode(r.relacl) a WHERE a.grantee <> r.relowner
), some_columns AS MATERIALIZED (
  -- Of which tables db/rls/tenant.sql lets single columns be changed, and no others.
  SELECT tab, string_to_array(columns, ', ') AS columns
    FROM (VALUES
      ('users',           'username, password_hash, role, display_name, patient_id, active'),
      ('doctor_numbers',  'ended_at'),
      ('raw_messages',    'state, reason, format, charset, warnings, processed_at, body'),
      ('reports',         'patient_id, superseded_by, confirmed_at, invalidates_earlier, released_at, released_by, release_id'),
      ('documents',       'scan_state'),
      ('critical_limits', 'ended_at, ended_by'),
      ('alert_steps',     'ended_at, ended_by'),
      ('alert_states',    'ended_at')
    ) AS c (tab, columns)
), column_rights AS MATERIALIZED (
  SELECT r.oid, r.relname, a.attname, g.grantee, g.privilege_type, g.is_grantable
    FROM relations r CROSS JOIN LATERAL (
           SELECT attname, attacl FROM pg_attribute WHERE attrelid = r.oid AND attacl IS NOT NULL OFFSET 0) a
   CROSS JOIN aclexplode(a.attacl) g
), tables AS MATERIALIZED (
  -- commands: what the tenant's role was granted, on the whole or on columns.
  SELECT r.oid, r.relname, r.relrowsecurity, r.relforcerowsecurity,
         ARRAY(SELECT a.privilege_type FROM aclexplode(r.relacl) a WHERE a.grantee = t.role AND a.grantee <> r.relowner
               UNION SELECT g.privilege_type FROM column_rights g WHERE g.oid = r.oid AND g.grantee = t.role) AS commands
    FROM relations r CROSS JOIN tenant t WHERE r.relkind IN ('r', 'p')
), policies AS MATERIALIZED (
  SELECT p.polrelid, p.polname, p.polpermissive, p.polcmd, p.polroles, p.polqual, p.polwithcheck
    FROM tables t CROSS JOIN LATERAL (
           SELECT polrelid, polname, polpermissive, polcmd, polroles, polqual, polwithcheck
             FROM pg_policy WHERE polrelid = t.oid OFFSET 0) p
), expressions AS MATERIALIZED (
  SELECT p.polrelid, p.polcmd, e.writes, pg_get_expr(e.tree, p.polrelid) AS expression
    FROM tenant t JOIN policies p ON NOT p.polpermissive AND p.polroles = '{0}'
   CROSS JOIN LATERAL (VALUES (false, p.polqual), (true, p.polwithcheck)) AS e (writes, tree)
   WHERE e.tree IS NOT NULL
), conditions AS MATERIALIZED (
  -- Without white space, casts and the schema's own name, which versions of PostgreSQL write differently. Most are the
  -- claim and nothing else, which one look tells; {} stands for the tenant's name as a literal, and is none itself.
  SELECT e.polrelid, e.polcmd, e.writes, c.is_claim,
         CASE WHEN NOT c.is_claim THEN
           translate(regexp_replace(replace(replace(e.expression, quote_literal(t.name), '{}'), t.name || '.', ''),
                                    '\sAS\s[a-z_]+|::[a-z]+(\[\])?', '', 'g'), E' \t\r\n', '')
         END AS condition
    FROM tenant t CROSS JOIN expressions e
   CROSS JOIN LATERAL (
           SELECT replace(e.expression, quote_literal(t.name), '{}')
                  ~ '^[\s(]*(?:SELECT\s+)?guard\.permits\(\{\}(?:::text)?,\s*''\{[a-z_,]+\}''(?:::text\[\])?\)(?:\s+AS\s+[a-z_]+)?[\s)]*$'
                  AS is_claim OFFSET 0) c
), row_rules AS (
  -- The rules of db/rls/tenant.sql that look at rows, so that a dropped or weakened one is noticed. Written as PostgreSQL does, with
  -- all parentheses (\d shows them, as db/schemas/tenant.sql does) and without casts.
  -- Each checks the claim as well, and stands in the place of a policy that checks nothing else.
  -- 'u' is which rows an UPDATE finds, 'w' what they must be then.
  SELECT r.tab, CASE r.command WHEN 'u' THEN 'w' ELSE r.command END AS command, r.command IN ('a', 'w') AS writes,
         translate(r.expression, E' \n', '') AS condition
    FROM (VALUES
      ('documents', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) OR ((SELECT guard.permits({}, '{patient}'))
        AND (EXISTS (SELECT FROM reports r WHERE (r.id = documents.report_id)))))$r$),
      ('notices', 'r', $r$((SELECT guard.permits({}, '{admin,worker}')) OR ((SELECT guard.permits({}, '{doctor,lab_technician,patient}'))
        AND (recipient = (SELECT guard.claim_subject()))))$r$),
      ('observations', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) OR ((SELECT guard.permits({},
        '{patient}')) AND (EXISTS (SELECT FROM reports r WHERE (r.id = observations.report_id)))))$r$),
      ('orders', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) OR ((SELECT guard.permits({}, '{patient}')) AND
        (patient_id = (SELECT u.patient_id FROM users u WHERE ((u.id) = (SELECT guard.claim_subject())))) AND (EXISTS (SELECT FROM reports r
        WHERE (r.order_id = orders.id)))))$r$),
      ('patients', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) OR ((SELECT guard.permits({}, '{patient}'))
        AND (id = (SELECT u.patient_id FROM users u WHERE ((u.id) = (SELECT guard.claim_subject()))))))$r$),
      ('report_events', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) OR ((SELECT guard.permits({},
        '{patient}')) AND (actor = (SELECT guard.claim_subject()))))$r$),
      ('reports', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) OR ((SELECT guard.permits({}, '{patient}'))
        AND (released_at IS NOT NULL) AND (patient_id = (SELECT u.patient_id FROM users u WHERE ((u.id) = (SELECT
        guard.claim_subject()))))))$r$),
      ('users', 'r', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician}')) OR ((SELECT guard.permits({}, '{patient}')) AND ((id) =
        (SELECT guard.claim_subject()))) OR ((SELECT guard.permits({}, '{sign_in}')) AND (encode(sha256(convert_to(username, 'UTF8')),
        'hex') = (SELECT guard.claim_subject()))))$r$),
      ('alert_events', 'a', $r$(guard.permits_actor({}, '{admin,doctor,lab_technician,worker}', actor, actor_role) AND (at >= now()) AND (at
        <= clock_timestamp()))$r$),
      ('alert_states', 'a', $r$((SELECT guard.permits({}, '{worker}')) AND (ended_at IS NULL))$r$),
      ('alert_steps', 'a', $r$((SELECT guard.permits({}, '{admin,doctor}')) AND (created_by = guard.claim_subject()) AND (created_at >=
        now()) AND (created_at <= clock_timestamp()) AND (ended_at IS NULL))$r$),
      ('audit', 'a', $r$(guard.permits_actor({}, '{admin,doctor,lab_technician,patient,worker,receiver,sign_in}', actor, actor_role) AND (at
        >= now()) AND (at <= clock_timestamp()))$r$),
      ('critical_limits', 'a', $r$((SELECT guard.permits({}, '{admin,doctor}')) AND (created_by = guard.claim_subject()) AND (created_at >=
        now()) AND (created_at <= clock_timestamp()) AND (ended_at IS NULL))$r$),
      ('doctor_numbers', 'a', $r$((SELECT guard.permits({}, '{admin}')) AND (guard.claim_subject() = 'operator'))$r$),
      ('documents', 'a', $r$((SELECT guard.permits({}, '{worker}')) AND (EXISTS (SELECT FROM reports r WHERE ((r.id = documents.report_id)
        AND (r.released_at IS NULL)))))$r$),
      ('genetic_holds', 'a', $r$(guard.permits_actor({}, '{admin,worker}', actor, actor_role) AND (at >= now()) AND (at <=
        clock_timestamp()))$r$),
      ('matches', 'a', $r$(guard.permits_actor({}, '{admin,doctor,worker}', actor, actor_role) AND (at >= now()) AND (at <=
        clock_timestamp()))$r$),
      ('notices', 'a', $r$((SELECT guard.permits({}, '{admin,doctor,worker}')) AND (written_at = now()))$r$),
      ('observations', 'a', $r$((SELECT guard.permits({}, '{worker}')) AND (EXISTS (SELECT FROM reports r WHERE ((r.id =
        observations.report_id) AND (r.released_at IS NULL)))))$r$),
      ('report_events', 'a', $r$(guard.permits_actor({}, '{admin,doctor,lab_technician,patient,worker}', actor, actor_role) AND (at >=
        now()) AND (at <= clock_timestamp()))$r$),
      ('reports', 'a', $r$((SELECT guard.permits({}, '{worker}')) AND (released_at IS NULL) AND (released_by IS NULL) AND (release_id IS
        NULL))$r$),
      ('users', 'a', $r$((SELECT guard.permits({}, '{admin}')) AND (guard.claim_subject() = 'operator'))$r$),
      ('alert_steps', 'u', $r$((SELECT guard.permits({}, '{admin,doctor}')) AND (ended_at IS NULL))$r$),
      ('critical_limits', 'u', $r$((SELECT guard.permits({}, '{admin,doctor}')) AND (ended_at IS NULL))$r$),
      ('alert_states', 'w', $r$((SELECT guard.permits({}, '{admin,doctor,lab_technician,worker}')) AND (ended_at <= clock_timestamp()) AND
        (EXISTS (SELECT FROM alert_events e WHERE ((e.alert_id = alert_states.alert_id) AND (e.kind = ANY (ARRAY['confirmed', 'dismissed',
        'superseded']))))))$r$),
      ('alert_steps', 'w', $r$((SELECT guard.permits({}, '{admin,doctor}')) AND (ended_by = (SELECT guard.claim_subject())) AND (ended_at >=
        now()) AND (ended_at <= clock_timestamp()))$r$),
      ('critical_limits', 'w', $r$((SELECT guard.permits({}, '{admin,doctor}')) AND (ended_by = (SELECT guard.claim_subject())) AND
        (ended_at >= now()) AND (ended_at <= clock_timestamp()))$r$),
      ('doctor_numbers', 'w', $r$((SELECT guard.permits({}, '{admin}')) AND ((SELECT guard.claim_subject()) = 'operator'))$r$),
      ('raw_messages', 'w', $r$((SELECT guard.permits({}, '{worker}')) AND ((octet_length(body) > 0) OR (NOT (EXISTS
        (SELECT FROM reports r WHERE (r.raw_message_id = raw_messages.id))))))$r$),
      ('reports', 'w', $r$((SELECT guard.permits({}, '{admin,doctor,worker}')) AND (((released_at IS NULL) AND ((NOT (SELECT
        guard.permits({}, '{worker}'))) OR (NOT (EXISTS (SELECT FROM report_events e WHERE ((e.report_id = reports.id) AND (e.kind =
        'released') AND (NOT (EXISTS (SELECT FROM report_events f WHERE (f.ends = e.id)))))))))) OR ((SELECT guard.permits({}, '{doctor}'))
        AND ((released_by) = (SELECT guard.claim_subject())) AND (patient_id IS NOT NULL) AND ((NOT (genetic OR (EXISTS (SELECT FROM
        genetic_holds h WHERE (h.report_id = reports.id))))) OR (EXISTS (SELECT FROM ((genetic_holds h JOIN doctor_numbers n ON ((n.lanr =
        h.lanr))) JOIN users u ON ((u.id = n.user_id))) WHERE ((h.report_id = reports.id) AND (u.id = reports.released_by) AND (n.ended_at
        IS NULL) AND (u.role = 'doctor') AND u.active))))) OR ((SELECT guard.permits({}, '{worker}')) AND (EXISTS (SELECT FROM report_events
        e WHERE ((e.id = reports.release_id) AND (e.report_id = reports.id) AND (e.kind = 'released') AND (e.actor = (reports.released_by))
        AND (e.patient_id = reports.patient_id) AND (NOT (EXISTS (SELECT FROM report_events f WHERE (f.ends = e.id))))))) AND ((NOT (genetic
        OR (EXISTS (SELECT FROM genetic_holds h WHERE (h.report_id = reports.id))))) OR (EXISTS (SELECT FROM (genetic_holds h JOIN
        doctor_numbers n ON ((n.lanr = h.lanr))) WHERE ((h.report_id = reports.id) AND (n.user_id = reports.released_by))))))) AND ((SELECT
        guard.permits({}, '{worker}')) OR (confirmed_at <= (now() + '00:05:00'))))$r$),
      ('users', 'w', $r$((SELECT guard.permits({}, '{admin}')) AND ((SELECT guard.claim_subject()) = 'operator'))$r$)
    ) AS r (tab, command, expression)
)
SELECT 'schema_missing' AS kind, $1::text AS object, 'there is no such schema' AS detail WHERE NOT EXISTS (SELECT FROM tenant)
UNION ALL
SELECT 'schema_owner', t.name, 'the schema does not belong to labor_owner'
  FROM tenant t WHERE t.nspowner <> (SELECT oid FROM pg_roles WHERE rolname = 'labor_owner')
UNION ALL
SELECT 'schema_grant', t.name, format('%s has %s on the schema', g.name, a.privilege_type)
  FROM tenant t CROSS JOIN aclexplode(t.nspacl) a
  CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END) g (name)
 WHERE a.grantee <> t.nspowner
   AND NOT (a.privilege_type = 'USAGE' AND (a.grantee = t.role OR g.name = 'labor_backup'))
UNION ALL
SELECT 'owner', r.relname, 'does not belong to labor_owner'
  FROM relations r WHERE r.relowner <> (SELECT oid FROM pg_roles WHERE rolname = 'labor_owner')
UNION ALL
SELECT 'kind', r.relname, 'views, materialised views, foreign tables and sequences are not allowed in a tenant''s schema'
  FROM relations r WHERE r.relkind NOT IN ('r', 'p')
UNION ALL
SELECT 'grant', g.relname, format('%s has %s', o.name, g.privilege_type)
  FROM rights g CROSS JOIN tenant t CROSS JOIN LATERAL (SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END) o (name)
 WHERE NOT (g.grantee = t.role AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND NOT g.is_grantable)
   AND NOT (o.name = 'labor_backup' AND g.privilege_type = 'SELECT')
UNION ALL
SELECT 'column_grant', g.relname || '.' || g.attname, 'a right on this column that db/rls/tenant.sql does not give'
  FROM column_rights g CROSS JOIN tenant t
 WHERE NOT (g.grantee = t.role AND g.privilege_type = 'UPDATE' AND NOT g.is_grantable
            AND (g.relname::text, g.attname::text) IN (SELECT c.tab, unnest(c.columns) FROM some_columns c))
UNION ALL
SELECT 'column_grant', g.relname, 'UPDATE of the whole table: db/rls/tenant.sql gives it for single columns'
  FROM rights g CROSS JOIN tenant t
 WHERE g.grantee = t.role AND g.privilege_type = 'UPDATE' AND g.relname::text IN (SELECT c.tab FROM some_columns c)
UNION ALL
SELECT 'rls_off', t.relname, 'row level security is not enabled: a new table needs a line in db/rls/tenant.sql; if it has one, up --rules puts it back' FROM tables t WHERE NOT t.relrowsecurity
UNION ALL
SELECT 'rls_not_forced', t.relname, 'row level security is not forced: add the table to db/rls/tenant.sql'
  FROM tables t WHERE t.commands <> '{}' AND NOT t.relforcerowsecurity
UNION ALL
-- NOT IN, because PostgreSQL then hashes the right side once, whatever it thinks of its size; no column of it can be null.
SELECT 'policy_missing', t.relname, format('no restrictive policy checks exactly the claim for %s', w.command)
  FROM tables t
  JOIN (VALUES ('SELECT', 'r', false), ('INSERT', 'a', true), ('UPDATE', 'w', false), ('UPDATE', 'w', true), ('DELETE', 'd', false))
       AS w (command, code, writes) ON w.command = ANY (t.commands)
 WHERE (t.oid, w.code::"char", w.writes) NOT IN (SELECT c.polrelid, c.polcmd, c.writes FROM conditions c WHERE c.is_claim)
   AND (t.relname::text, w.code, w.writes) NOT IN (SELECT r.tab, r.command, r.writes FROM row_rules r)
UNION ALL
SELECT 'policy_missing', t.relname, 'the restrictive policy about its rows (db/rls/tenant.sql) is missing or another one'
  FROM tables t JOIN row_rules r ON r.tab = t.relname
 WHERE (t.oid, r.command::"char", r.writes, r.condition)
       NOT IN (SELECT c.polrelid, c.polcmd, c.writes, c.condition FROM conditions c WHERE c.condition IS NOT NULL)
UNION ALL
SELECT 'policy_missing', t.relname, 'policy tenant_login is missing: nothing can be seen'
  FROM tables t
 WHERE t.commands <> '{}' AND NOT EXISTS (SELECT FROM policies p WHERE p.polrelid = t.oid AND p.polpermissive AND p.polname = 'tenant_login')
UNION ALL
SELECT 'policy_permissive', r.relname, 'policy tenant_login does not ask for exactly the tenant''s login'
  FROM tenant t CROSS JOIN policies p JOIN tables r ON r.oid = p.polrelid
 CROSS JOIN LATERAL (SELECT format('(SESSION_USER = %L::name)', t.name || '_app')) w (condition)
 WHERE p.polname = 'tenant_login' AND p.polpermissive
   AND (p.polcmd <> '*' OR pg_get_expr(p.polqual, p.polrelid) IS DISTINCT FROM w.condition
                        OR pg_get_expr(p.polwithcheck, p.polrelid) IS DISTINCT FROM w.condition)
UNION ALL
SELECT 'policy_foreign', t.relname, format('policy %s is for a role, which could take it away: row rules are for PUBLIC', p.polname)
  FROM policies p JOIN tables t ON t.oid = p.polrelid WHERE p.polroles <> '{0}'
UNION ALL
SELECT 'policy_permissive', t.relname, format('permissive policy %s is not the expected one', p.polname)
  FROM policies p JOIN tables t ON t.oid = p.polrelid WHERE p.polpermissive AND p.polname <> 'tenant_login'
UNION ALL
SELECT 'function', p.proname, 'functions are not allowed in a tenant''s schema'
  FROM pg_proc p WHERE p.oid IN (SELECT objid FROM objects WHERE classid = 'pg_proc'::regclass)
UNION ALL
SELECT 'type', y.typname, 'types of its own break cached plans across tenants'
  FROM pg_type y WHERE y.oid IN (SELECT objid FROM objects WHERE classid = 'pg_type'::regclass)
UNION ALL
SELECT 'foreign_key', r.relname, format('constraint %s points out of the schema', k.conname)
  FROM pg_constraint k JOIN relations r ON r.oid = k.conrelid
 WHERE k.contype = 'f' AND k.confrelid NOT IN (SELECT oid FROM relations)
UNION ALL
SELECT 'trigger', r.relname, format('trigger %s is not expected', g.tgname)
  FROM pg_trigger g JOIN relations r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'rule', r.relname, format('rewrite rule %s is not expected', w.rulename)
  FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT 'inheritance', r.relname, 'its rows belong to a table outside of the schema'
  FROM relations r JOIN pg_inherits i ON i.inhrelid = r.oid
 WHERE i.inhparent NOT IN (SELECT oid FROM relations)
UNION ALL
SELECT 'object', o.classid::regclass::text, 'objects of this kind are not allowed in a tenant''s schema'
  FROM objects o WHERE o.classid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)
