-- Isolation check, second part: who can act as one tenant's login ($1: the tenant's name), and what that login can reach besides its
-- own schema. Every row is a finding.
-- Why: no fingerprint tells it, and DDL in one schema can grant in another. So it is asked in every tenant's transaction, and must
--      cost next to nothing.
-- Must stay true: what check_tables.sql says.
WITH tenant AS MATERIALIZED (
  SELECT n.oid AS schema, n.nspname AS name, r.role
    FROM pg_namespace n CROSS JOIN (SELECT (SELECT oid FROM pg_roles WHERE rolname = $1::text || '_app') AS role) r
   WHERE n.nspname = $1::text
), objects AS (
  SELECT d.classid, d.objid
    FROM tenant t CROSS JOIN LATERAL (
           SELECT classid, objid FROM pg_depend
            WHERE refclassid = 'pg_namespace'::regclass AND refobjid = t.schema OFFSET 0) d
), shared AS (
  SELECT d.classid, d.objid FROM pg_depend d
   WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = 'guard')
), granted AS (
  -- What the role, or the group it inherits from, was given or owns, wherever it is in this database; and what the role alone was
  -- given of what all databases share (to connect is the group's). PUBLIC is in no such list.
  SELECT s.classid, s.objid FROM tenant t JOIN pg_shdepend s
      ON s.refclassid = 'pg_authid'::regclass AND s.refobjid IN (t.role, (SELECT oid FROM pg_roles WHERE rolname = 'labor_tenants'))
   WHERE (s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) OR (s.dbid = 0 AND s.refobjid = t.role))
     AND s.deptype IN ('a', 'o')
     -- What another tenant's login will grant on what it creates is that one's finding: it can create nothing.
     AND NOT (s.classid = 'pg_default_acl'::regclass
              AND coalesce((SELECT d.defaclrole <> t.role AND pg_get_userbyid(d.defaclrole) ~ '^t_[a-z0-9]{12}_app$'
                              FROM pg_default_acl d WHERE d.oid = s.objid), false))
  EXCEPT
  SELECT classid, objid FROM (TABLE objects UNION ALL TABLE shared) known
), schemas AS (
  -- Those in which PUBLIC could have been let: all that are not called as a tenant's is (t_…); each tenant's own check sees its own.
  -- Ranges with two ends: of one with a single end PostgreSQL thinks, without statistics, that it holds a third of all schemas.
  SELECT oid, nspname FROM pg_namespace WHERE nspname >= '' AND nspname < 't_'
  UNION SELECT oid, nspname FROM pg_namespace
         WHERE nspname >= 't`' AND nspname <= (SELECT nspname FROM pg_namespace ORDER BY nspname DESC LIMIT 1)
  UNION SELECT oid, nspname FROM pg_namespace WHERE oid = ANY (ARRAY(SELECT objid FROM granted WHERE classid = 'pg_namespace'::regclass))
)
SELECT 'role_missing' AS kind, $1::text || '_app' AS object, 'the tenant has no login role' AS detail FROM tenant WHERE role IS NULL
UNION ALL
SELECT 'role_attribute', r.rolname, 'superuser, BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION is set'
  FROM tenant t JOIN pg_roles r ON r.oid = t.role
 WHERE r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
UNION ALL
SELECT 'role_attribute', r.rolname, CASE WHEN r.rolvaliduntil IS NOT NULL THEN format('its password ends at %s: the practice is shut then', r.rolvaliduntil)
                                         ELSE 'may have as many connections as the server has: one practice could take them all' END
  FROM tenant t JOIN pg_roles r ON r.oid = t.role
 WHERE r.rolvaliduntil < 'infinity' OR r.rolconnlimit < 0
UNION ALL
SELECT 'role_search_path', r.rolname, 'search_path of the role is not exactly its own schema'
  FROM tenant t JOIN pg_roles r ON r.oid = t.role
 WHERE r.rolconfig IS DISTINCT FROM ARRAY[format('search_path=%s, pg_catalog, pg_temp', t.name)]
UNION ALL
SELECT 'role_search_path', t.name || '_app', 'the role has settings for this database'
  FROM tenant t JOIN pg_db_role_setting s
    ON s.setrole = t.role AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT 'role_membership', pg_get_userbyid(m.roleid), 'the tenant''s role, or labor_tenants, is a member of it'
  FROM tenant t JOIN pg_auth_members m ON m.member IN (t.role, (SELECT oid FROM pg_roles WHERE rolname = 'labor_tenants'))
 WHERE pg_get_userbyid(m.roleid) <> 'labor_tenants'
UNION ALL
-- The login of a copy that a restore made is shut, and in no group.
SELECT 'role_membership', t.name || '_app', 'is not in labor_tenants, so it cannot connect'
  FROM tenant t JOIN pg_roles r ON r.oid = t.role AND r.rolcanlogin WHERE NOT EXISTS (
         SELECT FROM pg_auth_members m WHERE m.member = t.role AND m.roleid = (SELECT oid FROM pg_roles WHERE rolname = 'labor_tenants'))
UNION ALL
SELECT 'role_member', pg_get_userbyid(m.member), 'can act as the tenant''s role'
  FROM tenant t JOIN pg_auth_members m ON m.roleid = t.role
 WHERE pg_get_userbyid(m.member) <> 'labor_migrator'
UNION ALL
-- Who reads the table reads the rows of such a child, by the rules of the table; no fingerprint of this schema shows it.
SELECT 'inheritance', i.inhrelid::regclass::text, 'a table outside of the schema whose rows belong to one of the tenant''s tables'
  FROM objects o CROSS JOIN LATERAL (SELECT inhrelid FROM pg_inherits WHERE inhparent = o.objid OFFSET 0) i
 WHERE o.classid = 'pg_class'::regclass AND i.inhrelid NOT IN (SELECT objid FROM objects WHERE classid = 'pg_class'::regclass)
UNION ALL
SELECT 'database_grant', current_database()::text, 'the tenant''s role has CREATE or TEMP on the database'
  FROM tenant t WHERE has_database_privilege(t.role, current_database(), 'CREATE, TEMP')
UNION ALL
SELECT 'schema_reachable', n.nspname, 'the tenant''s role can use it, or create in it'
  FROM tenant t JOIN schemas n ON n.oid <> t.schema
 WHERE (n.nspname NOT IN ('guard', 'pg_catalog', 'information_schema') AND has_schema_privilege(t.role, n.oid, 'USAGE'))
    OR has_schema_privilege(t.role, n.oid, 'CREATE')
UNION ALL
SELECT CASE g.classid WHEN 'pg_class'::regclass THEN 'relation_reachable' WHEN 'pg_proc'::regclass THEN 'function_reachable' ELSE 'object_reachable' END,
       coalesce(i.identity, g.objid::text), format('the tenant''s role, or labor_tenants, has rights on this %s, or owns it', i.type)
  FROM granted g CROSS JOIN pg_identify_object(g.classid, g.objid, 0) i WHERE g.classid <> 'pg_namespace'::regclass
UNION ALL
SELECT 'relation_reachable', 'guard.' || c.relname, 'the tenant''s role has rights on it'
  FROM tenant t JOIN pg_class c ON c.oid IN (SELECT objid FROM shared WHERE classid = 'pg_class'::regclass) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 WHERE has_table_privilege(t.role, c.oid, 'DELETE, TRUNCATE, TRIGGER')
    OR has_any_column_privilege(t.role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
UNION ALL
SELECT 'function_reachable', 'guard.' || p.proname, 'the tenant''s role can call it, and it is not one of the guard''s own as db/rls/guard.sql makes them'
  FROM tenant t JOIN pg_proc p ON p.oid IN (SELECT objid FROM shared WHERE classid = 'pg_proc'::regclass)
 WHERE has_function_privilege(t.role, p.oid, 'EXECUTE')
   AND (p.proname NOT IN ('claim', 'permits', 'permits_actor', 'claim_role', 'claim_subject', 'enqueue', 'enqueue_alert')
        OR p.proowner <> (SELECT oid FROM pg_roles WHERE rolname = 'labor_guard')
        OR p.proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp'])
