-- Isolation check, what is the server's: what PostgreSQL gives to PUBLIC as it is shipped and db/rls/database.sql takes away
-- ("unhardened"), and what Labor's own roles lack ("incapable"). Every row is a finding, but nobody's mistake: on a server whose system
-- objects nobody may change they stay, and whoever runs Labor there has to say so (docs/adr/0012-weaker-isolation-is-acknowledged.md).
-- Why apart: every command that begins something asks it first, so it must not cost more in a large fleet. It looks at what initdb made,
--      by its number, and at no tenant's tables.
-- Must stay true: what check_tables.sql says. It names the same functions as db/rls/database.sql and check_database.sql (a test compares).
WITH tenants AS MATERIALIZED (
  SELECT oid FROM pg_roles WHERE rolname = 'labor_tenants'
), callable AS MATERIALIZED (
  -- On a hardened server nothing is left after this, so nothing more is asked of each.
  SELECT p.oid, p.proname, p.proowner
    FROM tenants t JOIN pg_proc p ON p.oid < 16384 AND NOT p.prosecdef AND has_function_privilege(t.oid, p.oid, 'EXECUTE')
                                 AND p.proname ~ ('^(query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|ts_stat|ts_rewrite'
                     || '|lo_|lowrite|loread|pg_advisory|pg_try_advisory|pg_notify|pg_terminate_backend|pg_cancel_backend'
                     || '|pg_sleep|pg_stat_get_|pg_relation_size|pg_total_relation_size|pg_table_size|pg_indexes_size'
                     || '|pg_database_size|pg_tablespace_size|pg_lock_status|pg_prepared_statement|pg_cursor|to_reg'
                     || '|pg_blocking_pids|pg_safe_snapshot_blocking_pids|pg_isolation_test'
                     || '|pg_show_all_settings|pg_prepared_xact|pg_create_|pg_partition_|pg_column_is_updatable|pg_relation_is_updatable'
                     || '|brin_summarize|brin_desummarize|gin_clean_pending_list|pg_control_|pg_describe_object|pg_identify_object'
                     || '|pg_get_|pg_export_snapshot|pg_logical|pg_backup|pg_log_backend|pg_current_logfile|pg_ls_|pg_read_)')
   WHERE p.pronamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
), functions AS MATERIALIZED (
  SELECT p.proname FROM callable p
   WHERE EXISTS (SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid),
                                                 acldefault('f', p.proowner))) a WHERE a.grantee = 0)
)
SELECT 'unhardened' AS kind, 'languages' AS object,
       format('every tenant''s role can run DO blocks: %s', string_agg(l.lanname, ', ' ORDER BY l.lanname)) AS detail
  FROM tenants t JOIN pg_language l ON l.oid < 16384 AND l.lanpltrusted AND has_language_privilege(t.oid, l.oid, 'USAGE')
 WHERE EXISTS (SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = 'pg_language'::regclass AND i.objoid = l.oid),
                                               acldefault('l', l.lanowner))) a WHERE a.grantee = 0)
HAVING count(*) > 0
UNION ALL
-- Catalogs name every tenant's tables and roles, and pg_statistic holds values of their rows. Drivers need three of them. What initdb grants
-- in information_schema is not recorded: all but its own helpers.
SELECT 'unhardened', 'catalogs',
       format('every tenant''s role can read %s catalogs and views, which name all practices and roles: %s', count(*),
              CASE WHEN count(*) <= 5 THEN string_agg(c.relname, ', ' ORDER BY c.relname) ELSE 'pg_class, pg_roles, pg_stat_activity and so on' END)
  FROM tenants t JOIN pg_class c ON c.oid < 16384 AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
                                AND c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
 WHERE has_any_column_privilege(t.oid, c.oid, 'SELECT') AND c.oid NOT IN ('pg_type'::regclass, 'pg_range'::regclass, 'pg_enum'::regclass)
   -- Whoever may write there as well was given it.
   AND NOT has_table_privilege(t.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
   AND NOT (has_any_column_privilege(t.oid, c.oid, 'INSERT, UPDATE, REFERENCES') AND c.oid <> 'pg_settings'::regclass)
   AND ((c.relnamespace = 'information_schema'::regnamespace AND c.relname !~ '^_') OR EXISTS (
          SELECT FROM pg_init_privs i CROSS JOIN aclexplode(i.initprivs) a
           WHERE i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND a.grantee = 0 AND a.privilege_type = 'SELECT'
             AND (i.objsubid = 0 OR NOT has_table_privilege(t.oid, c.oid, 'SELECT'))))
HAVING count(*) > 0
UNION ALL
SELECT 'unhardened', g.what, format('every tenant''s role can call %s', g.names)
  FROM (SELECT b.what, string_agg(DISTINCT f.proname::text, ', ' ORDER BY f.proname::text) AS names
          FROM functions f CROSS JOIN LATERAL (
                 SELECT CASE WHEN f.proname ~ '_to_xml|^ts_' THEN 'functions that run SQL text'
                             WHEN f.proname ~ '^(lo_|lowrite|loread)' THEN 'large objects'
                             WHEN f.proname ~ 'advisory' THEN 'advisory locks, by which migrators take turns'
                             WHEN f.proname ~ '^pg_stat_get_' THEN 'numbers about others'' tables and sessions'
                             ELSE 'functions about sessions, sizes and definitions' END) b (what)
         GROUP BY b.what) g
UNION ALL
-- Whoever may UPDATE this view may lock it, and who reads a setting waits then: the migrator, for all practices.
SELECT 'unhardened', 'pg_settings', 'every tenant''s role can lock it, and the migrator waits for that'
  FROM tenants t WHERE has_any_column_privilege(t.oid, 'pg_settings'::regclass, 'UPDATE')
UNION ALL
SELECT 'unhardened', 'other databases', format('every tenant''s password opens %s as well, where nothing is hardened', string_agg(DISTINCT d.datname::text, ', '))
  FROM tenants t CROSS JOIN pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
 WHERE d.datname IN ('postgres', 'template1') AND d.datname <> current_database() AND d.datallowconn AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
HAVING count(*) > 0
UNION ALL
-- What the database says goes for its logins, else what the server says.
SELECT 'unhardened', w.object, format('%s: %s = %s', w.meaning, w.name, v.value)
  FROM (VALUES ('temp_file_limit', '^[^-]', 'temporary files', 'one practice''s sort can fill the disk of all'),
               ('log_min_messages', '^(fatal|panic)$', 'server log', 'errors are logged, which quote values of rows'),
               ('log_error_verbosity', '^terse$', 'server log', 'errors are logged with their DETAIL, which quotes rows'),
               ('log_min_error_statement', '^panic$', 'server log', 'statements are logged with their errors'),
               ('log_statement', '^none$', 'server log', 'statements are logged'),
               ('log_min_duration_statement', '^-1$', 'server log', 'slow statements are logged'),
               ('log_min_duration_sample', '^-1$', 'server log', 'slow statements are logged'),
               ('log_transaction_sample_rate', '^0$', 'server log', 'statements are logged'),
               ('log_parameter_max_length', '^0$', 'server log', 'parameters are logged with statements'),
               ('log_parameter_max_length_on_error', '^0$', 'server log', 'parameters are logged with errors')) AS w (name, sound, object, meaning)
  JOIN pg_settings g ON g.name = w.name
  LEFT JOIN LATERAL (SELECT split_part(c.item, '=', 2) AS value FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c (item)
                      WHERE s.setrole = 0 AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND split_part(c.item, '=', 1) = w.name) d ON true
 -- What this session has only for itself, or from before, says nothing about others.
 CROSS JOIN LATERAL (SELECT coalesce(d.value, CASE WHEN g.source IN ('database', 'user', 'database user', 'session', 'client')
                                                   THEN g.boot_val ELSE g.setting END) AS value) v
 WHERE EXISTS (SELECT FROM tenants) AND v.value !~ w.sound
UNION ALL
SELECT 'incapable', r.rolname, CASE r.rolname WHEN 'labor_backup' THEN 'has no BYPASSRLS, which only a superuser gives: labor-backup reads no rows'
                                              ELSE 'has no BYPASSRLS, which only a superuser gives: migrations of data in batches reach no rows' END
  FROM pg_roles r WHERE r.rolname IN ('labor_backup', 'labor_backfill') AND NOT r.rolbypassrls AND NOT r.rolsuper
UNION ALL
SELECT 'incapable', 'labor_migrator', 'is not in pg_signal_backend: it cannot end the connections of a practice that is suspended or deleted'
  FROM pg_roles r WHERE r.rolname = 'labor_migrator'
   AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = 'pg_signal_backend'::regrole)
