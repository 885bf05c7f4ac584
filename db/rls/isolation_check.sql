-- Isolation check of one tenant ($1: its name). Every row is a finding; a sound tenant has none.
-- Why: run by the migrator before each tenant's COMMIT, after each restore, in CI and by operators. A tenant with a finding is
--      not served.
-- Must stay cheap among thousands of tenants: objects are found through pg_depend's reference index, never by scanning pg_class.
WITH tenant AS (
  SELECT n.oid AS schema, n.nspname AS name, n.nspowner, n.nspacl,
         (SELECT oid FROM pg_roles WHERE rolname = $1 || '_app') AS role
    FROM pg_namespace n WHERE n.nspname = $1
), objects AS (
  SELECT d.classid, d.objid FROM pg_depend d, tenant t
   WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = t.schema
), relations AS (
  SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c WHERE c.oid IN (SELECT objid FROM objects WHERE classid = 'pg_class'::regclass)
     AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), rights AS (
  SELECT r.oid, r.relname, a.grantee, a.privilege_type
    FROM relations r, aclexplode(r.relacl) a WHERE a.grantee <> r.relowner
), tables AS (
  SELECT r.oid, r.relname, r.relrowsecurity, r.relforcerowsecurity,
         EXISTS (SELECT FROM rights g, tenant t WHERE g.oid = r.oid AND g.grantee = t.role) AS reachable
    FROM relations r WHERE r.relkind IN ('r', 'p')
), policies AS (
  SELECT p.polrelid, p.polname, p.polpermissive, p.polcmd, p.polroles,
         coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') AS expression
    FROM pg_policy p WHERE p.polrelid IN (SELECT oid FROM tables)
)
SELECT 'schema_missing' AS kind, $1 AS object, 'there is no such schema' AS detail WHERE NOT EXISTS (SELECT FROM tenant)
UNION ALL
SELECT 'role_missing', $1 || '_app', 'the tenant has no login role' FROM tenant WHERE role IS NULL
UNION ALL
SELECT 'role_attribute', r.rolname, 'superuser, BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION is set'
  FROM tenant t JOIN pg_roles r ON r.oid = t.role
 WHERE r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
UNION ALL
SELECT 'role_search_path', r.rolname, 'search_path of the role is not exactly its own schema'
  FROM tenant t JOIN pg_roles r ON r.oid = t.role
 WHERE r.rolconfig IS DISTINCT FROM ARRAY[format('search_path=%s, pg_catalog, pg_temp', t.name)]
UNION ALL
SELECT 'role_membership', g.rolname, 'the tenant''s role is a member of it'
  FROM tenant t JOIN pg_auth_members m ON m.member = t.role JOIN pg_roles g ON g.oid = m.roleid
 WHERE g.rolname <> 'labor_tenants'
UNION ALL
SELECT 'role_member', g.rolname, 'can act as the tenant''s role'
  FROM tenant t JOIN pg_auth_members m ON m.roleid = t.role JOIN pg_roles g ON g.oid = m.member
 WHERE g.rolname <> 'labor_migrator'
UNION ALL
SELECT 'schema_owner', t.name, 'the schema does not belong to labor_owner'
  FROM tenant t WHERE t.nspowner <> (SELECT oid FROM pg_roles WHERE rolname = 'labor_owner')
UNION ALL
SELECT 'schema_grant', t.name, format('%s has %s on the schema', coalesce(g.rolname, 'PUBLIC'), a.privilege_type)
  FROM tenant t CROSS JOIN aclexplode(t.nspacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
 WHERE a.grantee <> t.nspowner
   AND NOT (a.privilege_type = 'USAGE' AND (a.grantee = t.role OR g.rolname = 'labor_backup'))
UNION ALL
SELECT 'owner', r.relname, 'does not belong to labor_owner'
  FROM relations r WHERE r.relowner <> (SELECT oid FROM pg_roles WHERE rolname = 'labor_owner')
UNION ALL
SELECT 'kind', r.relname, 'views, materialised views, foreign tables and sequences are not allowed in a tenant''s schema'
  FROM relations r WHERE r.relkind NOT IN ('r', 'p')
UNION ALL
SELECT 'grant', g.relname, format('%s has %s', coalesce(o.rolname, 'PUBLIC'), g.privilege_type)
  FROM rights g CROSS JOIN tenant t LEFT JOIN pg_roles o ON o.oid = g.grantee
 WHERE NOT (g.grantee = t.role AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
   AND NOT (o.rolname = 'labor_backup' AND g.privilege_type = 'SELECT')
UNION ALL
SELECT 'column_grant', c.relname || '.' || a.attname, 'rights on single columns are not allowed'
  FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
UNION ALL
SELECT 'rls_off', t.relname, 'row level security is not enabled: add the table to db/rls/tenant.sql' FROM tables t WHERE NOT t.relrowsecurity
UNION ALL
SELECT 'rls_not_forced', t.relname, 'row level security is not forced: add the table to db/rls/tenant.sql'
  FROM tables t WHERE t.reachable AND NOT t.relforcerowsecurity
UNION ALL
SELECT 'policy_missing', t.relname, format('no restrictive policy checks the claim for %s', w.command)
  FROM tables t CROSS JOIN tenant n
  CROSS JOIN (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) AS w (command, code)
 WHERE EXISTS (SELECT FROM rights g WHERE g.oid = t.oid AND g.grantee = n.role AND g.privilege_type = w.command)
   AND NOT EXISTS (
     SELECT FROM policies p
      WHERE p.polrelid = t.oid AND NOT p.polpermissive AND p.polcmd = w.code::"char" AND p.polroles = ARRAY[n.role]
        AND p.expression LIKE '%guard.permits(' || quote_literal(n.name) || '%')
UNION ALL
SELECT 'policy_foreign', t.relname, format('policy %s is for another role than the tenant''s', p.polname)
  FROM policies p JOIN tables t ON t.oid = p.polrelid CROSS JOIN tenant n WHERE p.polroles <> ARRAY[n.role]
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
