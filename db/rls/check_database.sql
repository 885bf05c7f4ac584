-- Isolation check, third part: what holds for all tenants' logins at once. Every row is a finding.
-- Why: a right given to PUBLIC or to labor_tenants, a role of Labor's that can do more than it should, or a setting of the whole
--      database lets every tenant out of its schema, and no tenant's own definitions show it.
-- Must stay true: what check_tables.sql says. It asks for nothing that only a database with the schema control has, for restores are
--      checked too. It expects what db/rls/database.sql makes, and names the same functions (a test compares). It is asked once in a
--      while, not of each tenant: it looks at the names of all schemas.
WITH tenants AS MATERIALIZED (
  SELECT oid FROM pg_roles WHERE rolname = 'labor_tenants'
), acting (role, member) AS (
  -- Who may act as whom (db/rls/database.sql). More is a finding, but for superusers and tenants' logins, whom each tenant's own
  -- check looks at.
  VALUES ('labor_owner', 'labor_backfill'), ('labor_owner', 'labor_migrator'), ('labor_guard', 'labor_migrator'),
         ('labor_backfill', 'labor_migrator'), ('pg_signal_backend', 'labor_migrator'), ('labor_tenants', 'labor_migrator'),
         ('labor_services', 'labor_owner'), ('labor_services', 'labor_guard'), ('labor_services', 'labor_migrator'),
         ('labor_services', 'labor_control'), ('labor_services', 'labor_backup')
), ours (oid, name) AS MATERIALIZED (
  SELECT oid, rolname FROM pg_roles
   WHERE rolname IN ('labor_owner', 'labor_guard', 'labor_backfill', 'labor_services', 'labor_migrator', 'labor_control', 'labor_backup')
)
SELECT 'role_attribute' AS kind, r.rolname::text AS object,
       'can log in, is a superuser, skips row rules, or may make roles or databases' AS detail
  FROM pg_roles r WHERE r.rolname IN ('labor_owner', 'labor_guard', 'labor_tenants', 'labor_services')
   AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
UNION ALL
-- Fills columns in the background, past the row rules: nobody gets at it but the migrator.
SELECT 'role_attribute', r.rolname, 'can log in, is a superuser, or may make roles or databases'
  FROM pg_roles r WHERE r.rolname = 'labor_backfill' AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
UNION ALL
SELECT 'role_attribute', r.rolname, 'is a superuser, or may more than db/rls/database.sql gives it'
  FROM pg_roles r WHERE r.rolname IN ('labor_migrator', 'labor_control', 'labor_backup')
   AND (r.rolsuper OR r.rolcreatedb OR r.rolreplication OR (r.rolbypassrls AND r.rolname <> 'labor_backup')
        OR (r.rolcreaterole AND r.rolname <> 'labor_migrator'))
UNION ALL
SELECT 'role_member', m.member::regrole::text, format('can act as %s', o.name)
  FROM ours o JOIN pg_auth_members m ON m.roleid = o.oid
 WHERE (o.name, pg_get_userbyid(m.member)) NOT IN (SELECT role::name, member::name FROM acting)
   AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = m.member)
UNION ALL
SELECT 'role_membership', o.name, format('is a member of %s', m.roleid::regrole)
  FROM ours o JOIN pg_auth_members m ON m.member = o.oid
 WHERE (pg_get_userbyid(m.roleid), o.name) NOT IN (SELECT role::name, member::name FROM acting)
   AND m.roleid NOT IN (SELECT oid FROM ours)
   AND NOT (o.name = 'labor_migrator' AND pg_get_userbyid(m.roleid) ~ '^t_[a-z0-9]{12}_app$')
UNION ALL
-- Such a setting reaches every login of the database, or of the cluster.
SELECT 'setting', split_part(v.item, '=', 1),
       CASE s.setdatabase WHEN 0 THEN 'is set for all roles of the server' ELSE 'is set for the whole database' END
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS v (item)
 WHERE s.setrole = 0 AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND split_part(v.item, '=', 1) IN ('search_path', 'role', 'row_security', 'session_replication_role', 'session_preload_libraries',
                                      'local_preload_libraries', 'allow_system_table_mods', 'lo_compat_privileges', 'labor.claim')
UNION ALL
SELECT 'parameter_grant', p.parname, format('%s has %s on this setting', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE 'labor_tenants' END, a.privilege_type)
  FROM pg_parameter_acl p CROSS JOIN aclexplode(p.paracl) a WHERE a.grantee = 0 OR a.grantee = (SELECT oid FROM tenants)
UNION ALL
SELECT 'database_grant', d.datname, format('%s has %s on the database', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE 'labor_tenants' END, a.privilege_type)
  FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
 WHERE d.datname = current_database()
   AND (a.grantee = 0 OR (a.grantee = (SELECT oid FROM tenants) AND (a.privilege_type <> 'CONNECT' OR a.is_grantable)))
UNION ALL
-- A schema named almost as a tenant's is no tenant's, so nobody else looks at it.
SELECT 'schema_reachable', n.nspname, 'every tenant''s role can use it, or create in it'
  FROM tenants t CROSS JOIN pg_namespace n
 WHERE n.nspname >= 't_' AND n.nspname < 't`' AND n.nspname !~ '^t_[a-z0-9]{12}$' AND has_schema_privilege(t.oid, n.oid, 'USAGE, CREATE')
UNION ALL
SELECT 'language_reachable', l.lanname, 'every tenant''s role can write functions and DO blocks in it'
  FROM tenants t CROSS JOIN pg_language l WHERE l.lanpltrusted AND has_language_privilege(t.oid, l.oid, 'USAGE')
UNION ALL
-- Catalogs name every tenant's tables and roles, and pg_statistic holds values of their rows. Drivers need three of them; to UPDATE
-- pg_settings is to SET.
SELECT 'relation_reachable', c.oid::regclass::text, 'every tenant''s role has rights on it'
  FROM tenants t JOIN pg_class c ON c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                                AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
 WHERE has_table_privilege(t.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
    OR (has_any_column_privilege(t.oid, c.oid, 'INSERT, UPDATE, REFERENCES') AND c.oid <> 'pg_settings'::regclass)
    OR (has_any_column_privilege(t.oid, c.oid, 'SELECT') AND c.oid NOT IN ('pg_type'::regclass, 'pg_range'::regclass, 'pg_enum'::regclass))
UNION ALL
SELECT 'function_reachable', p.oid::regprocedure::text,
       CASE WHEN p.prosecdef THEN 'every tenant''s role can call it, and it runs with its owner''s rights'
            ELSE 'every tenant''s role can call it; db/rls/database.sql says why it must not' END
  FROM tenants t JOIN pg_proc p ON p.pronamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                               AND (p.prosecdef OR p.proname ~ ('^(query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|ts_stat|ts_rewrite'
                     || '|lo_|lowrite|loread|pg_advisory|pg_try_advisory|pg_notify|pg_terminate_backend|pg_cancel_backend'
                     || '|pg_sleep|pg_stat_get_|pg_relation_size|pg_total_relation_size|pg_table_size|pg_indexes_size'
                     || '|pg_database_size|pg_tablespace_size|pg_lock_status|pg_prepared_statement|pg_cursor|to_reg'
                     || '|pg_get_|pg_export_snapshot|pg_logical|pg_backup|pg_log_backend|pg_current_logfile|pg_ls_|pg_read_)'))
 WHERE has_function_privilege(t.oid, p.oid, 'EXECUTE')
