-- Once per database, as a superuser (`labor-migrator bootstrap`). Safe to run again.
-- A server that gives no superuser: run by the owner of the database with CREATEROLE. What that one may not do is passed over, and
--      found afterwards by db/rls/check_server.sql ("unhardened", "incapable"). A superuser is refused nothing.
-- Why: tenants log in with roles of their own, so what PostgreSQL grants to PUBLIC is granted to every tenant.
--      This file takes that away, and names the few roles that get something back.
-- Locks: short catalog locks only. Previous release: sees no difference.

-- Who is who. Only the lines with LOGIN can connect; their passwords are set by the caller, never here.
DO $$
DECLARE
  wanted text[] := ARRAY[
    'labor_owner    NOLOGIN INHERIT',               -- owns control, pgmq and every tenant schema; nobody logs in as it
    'labor_guard    NOLOGIN INHERIT',               -- owns the one schema with SECURITY DEFINER functions
    'labor_tenants  NOLOGIN',                       -- every tenant login is in it: CONNECT, the guard's functions, nothing else
    'labor_backfill NOLOGIN INHERIT BYPASSRLS',     -- data migrations, by SET ROLE: row rules bind even the owner
    'labor_services NOLOGIN',                       -- reads the catalogs that PUBLIC no longer reads
    'labor_migrator LOGIN INHERIT CREATEROLE',      -- DDL, by SET ROLE labor_owner
    'labor_control  LOGIN INHERIT',                 -- control plane and queue of API and workers
    'labor_backup   LOGIN INHERIT BYPASSRLS'        -- reads everything; writes its schedule, nothing else
  ];
  line text;
BEGIN
  FOREACH line IN ARRAY wanted LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = split_part(line, ' ', 1));
    BEGIN
      EXECUTE 'CREATE ROLE ' || line;
    EXCEPTION WHEN insufficient_privilege THEN
      -- Without it backups and data migrations reach no rows; everything else does without.
      EXECUTE 'CREATE ROLE ' || replace(line, 'BYPASSRLS', '');
    END;
  END LOOP;
END $$;

GRANT labor_owner TO labor_backfill;
GRANT labor_owner, labor_guard, labor_backfill TO labor_migrator;
GRANT labor_tenants TO labor_migrator WITH ADMIN OPTION;
GRANT labor_services TO labor_owner, labor_guard, labor_migrator, labor_control, labor_backup;
ALTER ROLE labor_backup SET default_transaction_read_only = on;
-- Who is no superuser makes things for others only as one of them, for as long as this transaction lasts.
DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    GRANT labor_owner, labor_guard TO CURRENT_USER;
  END IF;
END $$;

-- No TEMP and no CREATE for anybody but the owner; CONNECT by name.
DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO labor_tenants, labor_migrator, labor_control, labor_backup', current_database());
  EXECUTE format('GRANT CREATE ON DATABASE %I TO labor_owner', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS guard AUTHORIZATION labor_guard;

ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE labor_guard REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- From here on only a superuser gets everything done.
-- A practice's password opens this database and none that the server was made with, which nobody hardens.
DO $$
DECLARE other name;
BEGIN
  FOR other IN SELECT d.datname FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                WHERE d.datname IN ('postgres', 'template1') AND d.datname <> current_database() AND a.grantee = 0 LOOP
    BEGIN
      EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', other);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $$;
DO $$
DECLARE step text;
BEGIN
  FOREACH step IN ARRAY ARRAY[
    -- Closes the connections of a tenant that is being deleted.
    'GRANT pg_signal_backend TO labor_migrator',
    -- One tenant's sort must not fill the disk of all; building an index and dumping may take what they need.
    format('ALTER DATABASE %I SET temp_file_limit = %L', current_database(), '1GB'),
    'ALTER ROLE labor_migrator SET temp_file_limit = -1',
    'ALTER ROLE labor_backup SET temp_file_limit = -1',
    -- PostgreSQL's messages about bad input and violated constraints quote values. Every session is told of its own, so they are not
    -- written to the server's log, but for those of labor_control, which binds no health data, and of what the server does by itself.
    -- Statements and their parameters are not written either.
    format('ALTER DATABASE %I SET log_min_messages = fatal', current_database()),
    'ALTER ROLE labor_control SET log_min_messages = warning',
    format('ALTER ROLE %I IN DATABASE %I SET log_min_messages = warning', (SELECT rolname FROM pg_roles WHERE oid = 10), current_database()),
    format('ALTER DATABASE %I SET log_error_verbosity = terse', current_database()),
    format('ALTER DATABASE %I SET log_min_error_statement = panic', current_database()),
    format('ALTER DATABASE %I SET log_statement = none', current_database()),
    format('ALTER DATABASE %I SET log_min_duration_statement = -1', current_database()),
    format('ALTER DATABASE %I SET log_min_duration_sample = -1', current_database()),
    format('ALTER DATABASE %I SET log_transaction_sample_rate = 0', current_database()),
    format('ALTER DATABASE %I SET log_parameter_max_length = 0', current_database()),
    format('ALTER DATABASE %I SET log_parameter_max_length_on_error = 0', current_database()),
    -- No DO blocks, no CREATE FUNCTION for tenants.
    'REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC',
    'GRANT  USAGE ON LANGUAGE plpgsql, sql TO labor_owner, labor_guard'
  ] LOOP
    BEGIN
      EXECUTE step;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $$;

-- Functions that run SQL text, signal backends, touch large objects, take advisory locks, or tell sizes and definitions:
-- one SELECT with set_config('role', …) inside query_to_xml() defeats every design without this list.
DO $$
DECLARE f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid::regprocedure FROM pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND p.proname ~ ('^(query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|ts_stat|ts_rewrite'
                     || '|lo_|lowrite|loread|pg_advisory|pg_try_advisory|pg_notify|pg_terminate_backend|pg_cancel_backend'
                     || '|pg_sleep|pg_stat_get_|pg_relation_size|pg_total_relation_size|pg_table_size|pg_indexes_size'
                     || '|pg_database_size|pg_tablespace_size|pg_lock_status|pg_prepared_statement|pg_cursor|to_reg'
                     || '|pg_blocking_pids|pg_safe_snapshot_blocking_pids|pg_isolation_test'
                     || '|pg_show_all_settings|pg_prepared_xact|pg_create_|pg_partition_|pg_column_is_updatable|pg_relation_is_updatable'
                     || '|brin_summarize|brin_desummarize|gin_clean_pending_list|pg_control_|pg_describe_object|pg_identify_object'
                     || '|pg_get_|pg_export_snapshot|pg_logical|pg_backup|pg_log_backend|pg_current_logfile|pg_ls_|pg_read_)')
  LOOP
    BEGIN
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO labor_services', f);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
  -- The services read definitions; the dangerous rest stays with the superuser.
  FOR f IN
    SELECT p.oid::regprocedure FROM pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND p.proname ~ '^(query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|lo_|lowrite|loread|pg_ls_|pg_read_|pg_backup|pg_logical|pg_log_backend)'
  LOOP
    BEGIN
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM labor_services', f);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
  -- Advisory locks are what migrators take turns by: no service may hold them. pgmq takes one where queues are made, as labor_owner.
  FOR f IN
    SELECT p.oid::regprocedure FROM pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^(pg_advisory|pg_try_advisory)'
  LOOP
    BEGIN
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM labor_services', f);
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO labor_owner', f);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $$;

-- Catalogs name every tenant's tables and roles. Drivers need only the three type catalogs.
DO $$
DECLARE step text;
BEGIN
  FOREACH step IN ARRAY ARRAY[
    'REVOKE SELECT ON ALL TABLES IN SCHEMA pg_catalog, information_schema FROM PUBLIC',
    'GRANT  SELECT ON pg_catalog.pg_type, pg_catalog.pg_range, pg_catalog.pg_enum TO PUBLIC',
    'GRANT  SELECT ON ALL TABLES IN SCHEMA pg_catalog TO labor_services',
    'REVOKE SELECT ON pg_catalog.pg_authid, pg_catalog.pg_statistic, pg_catalog.pg_user_mapping, pg_catalog.pg_subscription,
                      pg_catalog.pg_largeobject, pg_catalog.pg_shadow, pg_catalog.pg_statistic_ext_data FROM labor_services',
    'GRANT  SELECT (oid, subdbid, subname, subowner, subenabled) ON pg_catalog.pg_subscription TO labor_services',
    -- Whoever may UPDATE it may lock it, and whoever reads a setting waits then: the migrator for all practices.
    'REVOKE UPDATE ON pg_catalog.pg_settings FROM PUBLIC'
  ] LOOP
    BEGIN
      EXECUTE step;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    REVOKE labor_owner, labor_guard FROM CURRENT_USER;
  END IF;
END $$;
