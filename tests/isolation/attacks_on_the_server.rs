//! Attacks on what all practices share: keys, queue, control schema, catalogs, files, server.
use crate::attack::Attack;
use crate::attack::Expect::{Answers, Nothing, Refused, Remains};

const fn attack(name: &'static str, sql: &'static str, expect: crate::attack::Expect, why: &'static str) -> Attack {
    Attack { name, sql, expect, why }
}

const DENIED: crate::attack::Expect = Refused("42501");

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    // Keys.
    attack("steal the claim keys", "SELECT encode(inner_pad, 'hex') FROM guard.claim_keys", DENIED, "USAGE on the schema, no right on the table"),
    attack("one column of the keys", "SELECT key_id::text FROM guard.claim_keys", DENIED, "no right on any column"),
    attack("count the keys", "SELECT count(*) FROM guard.claim_keys", DENIED, "no right on the table"),
    attack("add a key", "INSERT INTO guard.claim_keys (key_id, inner_pad, outer_pad) VALUES (66, '', '')", DENIED, "no right on the table"),
    attack("replace the keys", "UPDATE guard.claim_keys SET inner_pad = ''", DENIED, "no right on the table"),
    attack("lock the keys", "LOCK TABLE guard.claim_keys", DENIED, "would stop every practice"),
    attack("replace the verifier", "CREATE OR REPLACE FUNCTION guard.permits(tenant text, roles text[]) RETURNS boolean LANGUAGE internal AS 'booltrue'", DENIED, "no CREATE, not the owner"),
    attack("drop the verifier", "DROP FUNCTION guard.permits(text, text[]) CASCADE", DENIED, "not the owner"),
    attack("alter the verifier", "ALTER FUNCTION guard.permits(text, text[]) SECURITY INVOKER", DENIED, "not the owner"),
    attack("a path before the verifier's", "SELECT set_config('search_path', '{a}, pg_temp, pg_catalog', true), guard.claim_role()", Answers("{a}, pg_temp, pg_catalog"), "the verifier pins its own path"),

    // Queue and control.
    attack("read the queue", "SELECT message::text FROM pgmq.q_messages", DENIED, "no USAGE"),
    attack("read the dead letters", "SELECT message::text FROM pgmq.q_dead_messages", DENIED, "no USAGE"),
    attack("pgmq.send", "SELECT pgmq.send('messages', '{\"tenant\": \"{b}\"}')", DENIED, "guard.enqueue() is the only way in"),
    attack("pgmq.read", "SELECT msg_id FROM pgmq.read('messages', 60, 10)", DENIED, "would take entries away"),
    attack("pgmq.pop", "SELECT msg_id FROM pgmq.pop('messages')", DENIED, "would take entries away"),
    attack("pgmq.purge_queue", "SELECT pgmq.purge_queue('messages')", DENIED, "would empty the queue"),
    attack("pgmq.drop_queue", "SELECT pgmq.drop_queue('messages')", DENIED, "would end the queue"),
    attack("pgmq.create", "SELECT pgmq.create('mine')", DENIED, "no USAGE"),
    attack("enqueue as an administrator", "SELECT guard.enqueue(gen_random_uuid())", DENIED, "receiver and worker only"),
    attack("list the practices", "SELECT slug FROM control.tenants", DENIED, "no USAGE"),
    attack("list the laboratories", "SELECT name FROM control.sources", DENIED, "no USAGE"),
    attack("take over a BSNR", "UPDATE control.tenant_identifiers SET tenant = '{a}'", DENIED, "no USAGE"),
    attack("ask for a deletion", "INSERT INTO control.requests (id, kind, tenant, reason, requested_by) VALUES (gen_random_uuid(), 'deletion', '{b}', 'x', gen_random_uuid())", DENIED, "no USAGE"),
    attack("the ledger", "UPDATE control.ledger SET chain_checksum = ''", DENIED, "no USAGE"),

    // Files and programs.
    attack("pg_read_file", "SELECT pg_read_file('postgresql.conf')", DENIED, "superusers only"),
    attack("pg_read_binary_file", "SELECT encode(pg_read_binary_file('pg_hba.conf'), 'hex')", DENIED, "superusers only"),
    attack("pg_ls_dir", "SELECT pg_ls_dir('.')", DENIED, "superusers only"),
    attack("pg_stat_file", "SELECT (pg_stat_file('PG_VERSION')).size", DENIED, "superusers only"),
    attack("lo_import", "SELECT lo_import('/etc/passwd')::text", DENIED, "EXECUTE revoked"),
    attack("lo_export", "SELECT lo_export(1, '/tmp/x')", DENIED, "EXECUTE revoked"),
    attack("a large object", "SELECT lo_create(0)::text", DENIED, "a place outside of every schema and rule"),
    attack("a large object from bytes", "SELECT lo_from_bytea(0, 'x')::text", DENIED, "EXECUTE revoked"),
    attack("COPY TO PROGRAM", "COPY reports TO PROGRAM 'cat > /tmp/x'", DENIED, "superusers only"),
    attack("COPY FROM PROGRAM", "COPY audit FROM PROGRAM 'id'", DENIED, "superusers only"),
    attack("COPY TO a file", "COPY reports TO '/tmp/x'", DENIED, "superusers only"),
    attack("COPY FROM a file", "COPY audit FROM '/etc/passwd'", DENIED, "superusers only"),
    attack("LOAD", "LOAD '/tmp/x.so'", DENIED, "superusers only"),

    // Code.
    attack("DO", "DO $$ BEGIN RAISE NOTICE 'x'; END $$", DENIED, "no USAGE on the language"),
    attack("DO in another language", "DO LANGUAGE sql 'SELECT 1'", DENIED, "no USAGE on the language"),
    attack("CREATE FUNCTION", "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", DENIED, "no USAGE on the language, no CREATE"),
    attack("CREATE FUNCTION in SQL", "CREATE FUNCTION f() RETURNS int RETURN 1", DENIED, "no USAGE on the language, no CREATE"),
    attack("a function in pg_temp", "CREATE FUNCTION pg_temp.f() RETURNS int RETURN 1", DENIED, "no TEMP"),
    attack("CREATE PROCEDURE", "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", DENIED, "no USAGE on the language, no CREATE"),
    attack("CREATE OPERATOR", "CREATE OPERATOR = (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)", DENIED, "no CREATE"),
    attack("CREATE CAST", "CREATE CAST (uuid AS boolean) WITH INOUT AS IMPLICIT", Refused("42501"), "owns neither type"),
    attack("CREATE TEMP TABLE", "CREATE TEMP TABLE t (n int)", DENIED, "no TEMP on the database"),
    attack("a temporary view", "CREATE TEMP VIEW reports AS SELECT 1", DENIED, "no TEMP; it would shadow the real one"),
    attack("CREATE TABLE", "CREATE TABLE t (n int)", DENIED, "no CREATE"),
    attack("CREATE TABLE in public", "CREATE TABLE public.t (n int)", DENIED, "no right on public"),
    attack("CREATE SCHEMA", "CREATE SCHEMA mine", DENIED, "no CREATE on the database"),
    attack("CREATE TYPE", "CREATE TYPE t AS (n int)", DENIED, "no CREATE"),
    attack("CREATE DOMAIN", "CREATE DOMAIN d AS text", DENIED, "no CREATE"),
    attack("CREATE SEQUENCE", "CREATE SEQUENCE s", DENIED, "no CREATE"),
    attack("CREATE EXTENSION", "CREATE EXTENSION plpgsql SCHEMA {a}", Refused("42710"), "it is there already; others need CREATE on the database"),
    attack("another extension", "CREATE EXTENSION dblink", DENIED, "no CREATE on the database"),
    attack("a foreign server", "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw", Refused("42704"), "there is no wrapper"),
    attack("an event trigger", "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()", DENIED, "superusers only"),
    attack("a subscription", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", Refused("25001"), "not inside a transaction; and superusers only"),
    attack("a tablespace", "CREATE TABLESPACE t LOCATION '/tmp'", Refused("25001"), "not inside a transaction; and superusers only"),
    attack("CREATE DATABASE", "CREATE DATABASE mine", Refused("25001"), "not inside a transaction; and no CREATEDB"),

    // Other backends.
    attack("pg_terminate_backend", "SELECT pg_terminate_backend(1)", DENIED, "EXECUTE revoked"),
    attack("pg_cancel_backend", "SELECT pg_cancel_backend(1)", DENIED, "EXECUTE revoked"),
    attack("advisory lock", "SELECT pg_advisory_lock(1)::text", DENIED, "the migrator's locks are shared by all"),
    attack("try an advisory lock", "SELECT pg_try_advisory_xact_lock(1)", DENIED, "would tell what others hold"),
    attack("unlock all", "SELECT pg_advisory_unlock_all()::text", DENIED, "EXECUTE revoked"),
    attack("pg_sleep", "SELECT pg_sleep(60)::text", DENIED, "holds a connection of the budget"),
    attack("pg_notify", "SELECT pg_notify('x', '{b}')::text", DENIED, "EXECUTE revoked"),
    attack("export a snapshot", "SELECT pg_export_snapshot()", DENIED, "EXECUTE revoked"),
    attack("logical decoding", "SELECT pg_logical_slot_get_changes('x', NULL, NULL)::text", DENIED, "EXECUTE revoked"),
    attack("reload the configuration", "SELECT pg_reload_conf()", DENIED, "superusers only"),
    attack("ALTER SYSTEM", "ALTER SYSTEM SET log_statement = 'all'", Refused("25001"), "not inside a transaction; and superusers only"),
    attack("log what others say", "SET log_statement = 'all'", DENIED, "superusers only"),
    attack("a library for the next session", "SET local_preload_libraries = 'x'", Nothing, "may be set; read only at the start of a session, and only from a folder that superusers write"),

    // Catalogs.
    attack("pg_class", "SELECT relname::text FROM pg_class", DENIED, "names of every practice's tables"),
    attack("pg_authid", "SELECT rolpassword FROM pg_authid", DENIED, "password verifiers"),
    attack("pg_shadow", "SELECT passwd FROM pg_shadow", DENIED, "password verifiers"),
    attack("pg_roles", "SELECT rolname::text FROM pg_roles", DENIED, "names of every practice's role"),
    attack("pg_namespace", "SELECT nspname::text FROM pg_namespace", DENIED, "names of every practice"),
    attack("pg_policy", "SELECT polname::text FROM pg_policy", DENIED, "the rules"),
    attack("pg_proc", "SELECT prosrc FROM pg_proc", DENIED, "the verifier's source"),
    attack("pg_stat_activity", "SELECT query FROM pg_stat_activity", DENIED, "what others run"),
    attack("pg_stat_get_activity", "SELECT query FROM pg_stat_get_activity(NULL)", DENIED, "the same without the view"),
    attack("pg_stat_user_tables", "SELECT n_live_tup FROM pg_stat_user_tables", DENIED, "numbers of rows"),
    attack("pg_stats", "SELECT most_common_vals::text FROM pg_stats", DENIED, "values of columns"),
    attack("pg_statistic", "SELECT stavalues1::text FROM pg_statistic", DENIED, "values of columns"),
    attack("information_schema", "SELECT table_name::text FROM information_schema.tables", DENIED, "names"),
    attack("pg_locks", "SELECT pid FROM pg_locks", DENIED, "what others do"),
    attack("pg_settings", "SELECT setting FROM pg_settings", DENIED, "paths of the server"),
    attack("pg_db_role_setting", "SELECT setconfig::text FROM pg_db_role_setting", DENIED, "settings of others"),
    attack("pg_largeobject", "SELECT encode(data, 'hex') FROM pg_largeobject", DENIED, "no large objects"),
    attack("pg_prepared_statements", "SELECT statement FROM pg_prepared_statements", DENIED, "EXECUTE and SELECT revoked"),
    attack("change a catalog", "UPDATE pg_catalog.pg_type SET typname = 'x'", DENIED, "readable, not writable"),
    attack("the size of a table", "SELECT pg_total_relation_size('reports'::regclass)", DENIED, "how much a practice receives"),
    attack("the size of the database", "SELECT pg_database_size(current_database())", DENIED, "EXECUTE revoked"),
    attack("a definition", "SELECT pg_get_constraintdef(1)", DENIED, "EXECUTE revoked"),
    attack("a name without an error", "SELECT to_regclass('{b}.reports')::text", DENIED, "EXECUTE revoked"),

    // Attributes of one's own role.
    attack("BYPASSRLS for oneself", "ALTER ROLE {a}_app BYPASSRLS", DENIED, "superusers only"),
    attack("SUPERUSER for oneself", "ALTER ROLE {a}_app SUPERUSER", DENIED, "superusers only"),
    attack("CREATEROLE for oneself", "ALTER ROLE {a}_app CREATEROLE", DENIED, "not one's own to give"),
    attack("REPLICATION for oneself", "ALTER ROLE {a}_app REPLICATION", DENIED, "superusers only"),
    attack("a new role", "CREATE ROLE mine LOGIN SUPERUSER", DENIED, "no CREATEROLE"),
    attack("more connections", "ALTER ROLE {a}_app CONNECTION LIMIT 1000", DENIED, "not one's own to give"),
    attack("a setting of the database", "ALTER DATABASE isolation SET search_path = {a}", DENIED, "not the owner"),
    attack("a setting for all roles", "ALTER ROLE ALL SET search_path = {a}", DENIED, "superusers only"),

    // What remains, as DESIGN.md says: it reaches nobody's rows, and Labor relies on none of it.
    attack("LISTEN", "LISTEN everything", Nothing, "cannot be forbidden; Labor sends no NOTIFY, so there is nothing to hear"),
    attack("NOTIFY", "NOTIFY everything, 'x'", Nothing, "cannot be forbidden; Labor listens to nothing"),
    attack("one's own setting", "ALTER ROLE {a}_app SET work_mem = '5MB'", Nothing, "cannot be forbidden; the isolation check reports it as role_search_path"),
    attack("undo it", "ALTER ROLE {a}_app RESET work_mem", Nothing, "so that the next check is clean"),
    attack("the server's version", "SELECT version()", Remains, "no secret"),
    attack("the names of databases by number", "SELECT pg_describe_object(1262, 1, 0)", Remains, "a name at most"),
];
