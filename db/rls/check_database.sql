-- Isolation check, third part: what holds for all tenants' logins at once. Every row is a finding.
-- Why: a right given to PUBLIC or to labor_tenants, a role of Labor's that can do more than it should, or a setting of the whole
--      database lets every tenant out of its schema, and no tenant's own definitions show it.
-- What the server itself leaves open as it is shipped is check_server.sql's, and no finding here.
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
), languages AS MATERIALIZED (
  SELECT l.lanname, l.oid < 16384 AND a.shipped AS shipped
    FROM tenants t CROSS JOIN pg_language l
   CROSS JOIN LATERAL (SELECT coalesce(bool_or(grantee = 0), false) AS shipped
                         FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = 'pg_language'::regclass AND i.objoid = l.oid),
                                                  acldefault('l', l.lanowner)))) a
   WHERE l.lanpltrusted AND has_language_privilege(t.oid, l.oid, 'USAGE')
), relations AS MATERIALIZED (
  -- Catalogs name every tenant's tables and roles, and pg_statistic holds values of their rows. Drivers need three of them. Who may
  -- lock pg_settings is check_server.sql's.
  SELECT c.oid, c.relname, r.writes, r.reads,
         -- Made by initdb, and PUBLIC could read it, or single columns of it, from the beginning. What initdb grants in information_schema
         -- is not recorded: all but its own helpers.
         c.oid < 16384 AND ((c.relnamespace = 'information_schema'::regnamespace AND c.relname !~ '^_') OR EXISTS (
           SELECT FROM pg_init_privs i CROSS JOIN aclexplode(i.initprivs) a
            WHERE i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND a.grantee = 0 AND a.privilege_type = 'SELECT'
              AND (i.objsubid = 0 OR NOT has_table_privilege(t.oid, c.oid, 'SELECT')))) AS shipped
    FROM tenants t JOIN pg_class c ON c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                                  AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
   CROSS JOIN LATERAL (
           SELECT has_table_privilege(t.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
                  OR (has_any_column_privilege(t.oid, c.oid, 'INSERT, UPDATE, REFERENCES') AND c.oid <> 'pg_settings'::regclass) AS writes,
                  has_any_column_privilege(t.oid, c.oid, 'SELECT')
                  AND c.oid NOT IN ('pg_type'::regclass, 'pg_range'::regclass, 'pg_enum'::regclass) AS reads) r
   WHERE r.writes OR r.reads
), functions AS MATERIALIZED (
  SELECT p.oid, p.proname, p.prosecdef,
         p.oid < 16384 AND NOT p.prosecdef AND EXISTS (
           SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid),
                                           acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS shipped
    FROM tenants t JOIN pg_proc p ON p.pronamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                               AND (p.prosecdef OR p.oid >= 16384 OR p.proname ~ ('^(query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|ts_stat|ts_rewrite'
                     || '|lo_|lowrite|loread|pg_advisory|pg_try_advisory|pg_notify|pg_terminate_backend|pg_cancel_backend'
                     || '|pg_sleep|pg_stat_get_|pg_relation_size|pg_total_relation_size|pg_table_size|pg_indexes_size'
                     || '|pg_database_size|pg_tablespace_size|pg_lock_status|pg_prepared_statement|pg_cursor|to_reg'
                     || '|pg_blocking_pids|pg_safe_snapshot_blocking_pids|pg_isolation_test'
                     || '|pg_show_all_settings|pg_prepared_xact|pg_create_|pg_partition_|pg_column_is_updatable|pg_relation_is_updatable'
                     || '|brin_summarize|brin_desummarize|gin_clean_pending_list|pg_control_|pg_describe_object|pg_identify_object'
                     || '|pg_get_|pg_export_snapshot|pg_logical|pg_backup|pg_log_backend|pg_current_logfile|pg_ls_|pg_read_)'))
   WHERE has_function_privilege(t.oid, p.oid, 'EXECUTE')
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
-- Who skips row rules and was given all tables reads every practice, and the claim keys, too. It is told, and stops nothing: somebody let
-- them in. Who replicates is not looked for: a standby does.
SELECT 'overseer', r.rolname, 'skips the row rules of every practice'
  FROM pg_roles r WHERE r.rolbypassrls AND NOT r.rolsuper AND r.rolname <> 'labor_tenants' AND r.oid NOT IN (SELECT oid FROM ours)
   AND r.rolname !~ '^t_[a-z0-9]{12}_app$'
UNION ALL
SELECT 'overseer', r.rolname, format('is a member of %s: it reaches every practice''s tables, or the files under them', string_agg(m.roleid::regrole::text, ', ' ORDER BY m.roleid))
  FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
 WHERE pg_get_userbyid(m.roleid) IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
   AND NOT r.rolsuper AND r.rolname <> 'labor_tenants' AND r.oid NOT IN (SELECT oid FROM ours) AND r.rolname !~ '^t_[a-z0-9]{12}_app$'
 GROUP BY r.rolname
UNION ALL
SELECT 'role_member', r.rolname, 'is in labor_tenants, and no practice''s login'
  FROM pg_auth_members m JOIN tenants t ON t.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
 WHERE NOT r.rolsuper AND r.rolname <> 'labor_migrator' AND r.rolname !~ '^t_[a-z0-9]{12}_app$'
UNION ALL
SELECT 'owner', d.datname, format('belongs to %s, who may let in anybody', r.rolname)
  FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
 WHERE d.datname = current_database()
   AND (r.oid IN (SELECT oid FROM ours) OR r.rolname = 'labor_tenants' OR r.rolname ~ '^t_[a-z0-9]{12}_app$')
UNION ALL
-- Such a setting reaches every login of the database, or of the cluster.
SELECT 'setting', split_part(v.item, '=', 1),
       CASE WHEN s.setrole <> 0 THEN format('is set for %s', pg_get_userbyid(s.setrole))
            WHEN s.setdatabase = 0 THEN 'is set for all roles of the server' ELSE 'is set for the whole database' END
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS v (item)
 WHERE (s.setrole = 0 OR s.setrole IN (SELECT oid FROM ours)) AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND (split_part(v.item, '=', 1) IN ('search_path', 'role', 'row_security', 'session_replication_role', 'session_preload_libraries',
                                       'local_preload_libraries', 'allow_system_table_mods', 'lo_compat_privileges', 'labor.claim',
                                       -- What says something else about the same statement.
                                       'standard_conforming_strings', 'transform_null_equals', 'array_nulls',
                                       -- Senders are told that what they sent is durable.
                                       'synchronous_commit')
        -- Statements and values of rows in the server's log. labor_control's errors are there, and hold none.
        OR (s.setrole IN (SELECT oid FROM ours WHERE name <> 'labor_control')
            AND split_part(v.item, '=', 1) IN ('log_statement', 'log_min_duration_statement', 'log_min_error_statement', 'log_min_messages',
                                               'log_min_duration_sample', 'log_transaction_sample_rate', 'log_error_verbosity',
                                               'log_parameter_max_length', 'log_parameter_max_length_on_error')))
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
SELECT 'language_reachable', l.lanname, 'every tenant''s role can write functions and DO blocks in it' FROM languages l WHERE NOT l.shipped
UNION ALL
SELECT 'relation_reachable', r.oid::regclass::text, 'every tenant''s role has rights on it'
  FROM relations r WHERE r.writes OR (r.reads AND NOT r.shipped)
UNION ALL
SELECT 'function_reachable', f.oid::regprocedure::text,
       CASE WHEN f.prosecdef THEN 'every tenant''s role can call it, and it runs with its owner''s rights'
            WHEN f.oid >= 16384 THEN 'every tenant''s role can call it; it was put there after the server was made, as by an extension'
            ELSE 'every tenant''s role can call it; db/rls/database.sql says why it must not' END
  FROM functions f WHERE NOT f.shipped
UNION ALL
-- What sends rows out of the database, or in, past the row rules.
SELECT 'publication', p.pubname, 'sends the rows of all tables to whoever may replicate, past the row rules' FROM pg_publication p WHERE p.puballtables
UNION ALL
SELECT 'publication', p.pubname, format('sends rows of %s to whoever may replicate, past the row rules', string_agg(DISTINCT n.nspname::text, ', '))
  FROM pg_publication p
  JOIN (SELECT prpubid AS publication, c.relnamespace AS schema FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
        UNION ALL SELECT pnpubid, pnnspid FROM pg_publication_namespace) r ON r.publication = p.oid
  JOIN pg_namespace n ON n.oid = r.schema AND (n.nspname IN ('guard', 'control', 'pgmq') OR n.nspname ~ '^t_')
 GROUP BY p.pubname
UNION ALL
SELECT 'subscription', s.subname, 'writes rows that another server sends, past the row rules'
  FROM pg_subscription s WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
-- What runs with others' rights, or changes what a statement means.
SELECT 'event_trigger', e.evtname, format('runs %s with the rights of whoever changes a definition, the migrator''s among them', e.evtfoid::regproc)
  FROM pg_event_trigger e
UNION ALL
SELECT 'foreign_data', w.fdwname, 'every tenant''s role can make servers of it'
  FROM tenants t CROSS JOIN pg_foreign_data_wrapper w WHERE has_foreign_data_wrapper_privilege(t.oid, w.oid, 'USAGE')
UNION ALL
SELECT 'foreign_data', s.srvname, 'every tenant''s role can use this server'
  FROM tenants t CROSS JOIN pg_foreign_server s WHERE has_server_privilege(t.oid, s.oid, 'USAGE')
UNION ALL
SELECT 'foreign_data', m.srvname, format('%s has a login at this server', m.usename)
  FROM pg_user_mappings m WHERE m.umuser = 0 OR m.umuser = (SELECT oid FROM tenants) OR m.usename ~ '^t_[a-z0-9]{12}_app$'
UNION ALL
SELECT 'cast', format('%s AS %s', c.castsource::regtype, c.casttarget::regtype), 'was made after the server: rules and statements may mean something else'
  FROM pg_cast c WHERE c.oid >= 16384
UNION ALL
SELECT 'operator', o.oid::regoperator::text, 'was put into pg_catalog after the server was made: rules and statements may mean something else'
  FROM pg_operator o WHERE o.oid >= 16384 AND o.oprnamespace = 'pg_catalog'::regnamespace
UNION ALL
SELECT 'security_label', format('%s %s', l.provider, coalesce(l.objname, l.objoid::text)), 'a label gives a provider a say in who reads what'
  FROM pg_seclabels l
UNION ALL
-- What somebody will make is granted in advance. A tenant's login can make nothing; what it says about that is its own finding.
SELECT 'default_grant', pg_get_userbyid(d.defaclrole), format('%s gets %s on what it makes',
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type)
  FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) a
 WHERE pg_get_userbyid(d.defaclrole) !~ '^t_[a-z0-9]{12}_app$'
   AND (a.grantee = 0 OR a.grantee = (SELECT oid FROM tenants) OR pg_get_userbyid(a.grantee) ~ '^t_[a-z0-9]{12}_app$')
UNION ALL
SELECT 'default_grant', o.name, 'PUBLIC may call the functions that it makes'
  FROM ours o WHERE o.name IN ('labor_owner', 'labor_guard')
   AND NOT EXISTS (SELECT FROM pg_default_acl d WHERE d.defaclrole = o.oid AND d.defaclobjtype = 'f' AND d.defaclnamespace = 0)
