//! Mistakes that weaken a practice's isolation, as data; each is made in a transaction, must be found, and is undone.
use labor_migrator::isolation::{Proof, check};
use tokio_postgres::Client;

use crate::mistakes_beside::BESIDE;
use crate::mistakes_of_rules::ROW_RULES;
use crate::world::{Practice, superuser, world};

pub(crate) struct Mistake {
    /// `{t}` stands for the practice, `{b}` for another one.
    pub(crate) sql: &'static str,
    /// Kind of the finding that is expected.
    kind: &'static str,
}

pub(crate) const fn mistake(sql: &'static str, kind: &'static str) -> Mistake {
    Mistake { sql, kind }
}

#[rustfmt::skip]
pub(crate) const MISTAKES: &[Mistake] = &[
    // The role.
    mistake("ALTER ROLE {t}_app BYPASSRLS", "role_attribute"),
    mistake("ALTER ROLE {t}_app SUPERUSER", "role_attribute"),
    mistake("ALTER ROLE {t}_app CREATEROLE", "role_attribute"),
    mistake("ALTER ROLE {t}_app CREATEDB", "role_attribute"),
    mistake("ALTER ROLE {t}_app REPLICATION", "role_attribute"),
    mistake("ALTER ROLE labor_owner LOGIN", "role_attribute"),
    mistake("ALTER ROLE labor_guard LOGIN", "role_attribute"),
    mistake("ALTER ROLE labor_tenants LOGIN", "role_attribute"),
    mistake("DO $$ BEGIN CREATE ROLE labor_backfill; EXCEPTION WHEN duplicate_object THEN END $$; ALTER ROLE labor_backfill LOGIN", "role_attribute"),
    mistake("DO $$ BEGIN CREATE ROLE labor_backfill; EXCEPTION WHEN duplicate_object THEN END $$; ALTER ROLE labor_backfill SUPERUSER", "role_attribute"),
    mistake("DO $$ BEGIN CREATE ROLE labor_backfill; EXCEPTION WHEN duplicate_object THEN END $$; GRANT labor_backfill TO labor_control", "role_member"),
    mistake("DO $$ BEGIN CREATE ROLE labor_backfill; EXCEPTION WHEN duplicate_object THEN END $$; GRANT labor_backfill TO {b}_app", "role_member"),
    mistake("DO $$ BEGIN CREATE ROLE labor_backfill; EXCEPTION WHEN duplicate_object THEN END $$; GRANT labor_backfill TO {t}_app", "role_membership"),
    mistake("ALTER ROLE {t}_app SET search_path = {b}", "role_search_path"),
    mistake("ALTER ROLE {t}_app RESET search_path", "role_search_path"),
    mistake("ALTER ROLE {t}_app SET labor.claim = 'x'", "role_search_path"),
    mistake("ALTER ROLE {t}_app SET role = 'labor_tenants'", "role_search_path"),
    mistake("ALTER ROLE {t}_app IN DATABASE isolation SET search_path = {b}", "role_search_path"),
    mistake("GRANT labor_owner TO {t}_app", "role_membership"),
    mistake("GRANT labor_services TO {t}_app", "role_membership"),
    mistake("GRANT {b}_app TO {t}_app", "role_membership"),
    mistake("GRANT pg_read_all_data TO {t}_app", "role_membership"),
    mistake("GRANT labor_owner TO labor_tenants", "role_membership"),
    mistake("GRANT pg_read_all_data TO labor_tenants", "role_membership"),
    mistake("GRANT {t}_app TO {b}_app", "role_member"),
    mistake("GRANT {t}_app TO labor_control", "role_member"),
    mistake("DROP OWNED BY {t}_app; ALTER ROLE {t}_app RENAME TO gone_app", "role_missing"),

    // The schema.
    mistake("ALTER SCHEMA {t} OWNER TO {t}_app", "schema_owner"),
    mistake("ALTER SCHEMA {t} OWNER TO postgres", "schema_owner"),
    mistake("GRANT CREATE ON SCHEMA {t} TO {t}_app", "schema_grant"),
    mistake("GRANT USAGE ON SCHEMA {t} TO PUBLIC", "schema_grant"),
    mistake("GRANT USAGE ON SCHEMA {t} TO labor_control", "schema_grant"),
    mistake("GRANT USAGE ON SCHEMA {t} TO {b}_app", "schema_grant"),
    mistake("GRANT USAGE ON SCHEMA {t} TO labor_tenants", "schema_grant"),
    mistake("ALTER SCHEMA {t} RENAME TO t_somewhereels", "schema_missing"),
    mistake("ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner IN SCHEMA {t} GRANT SELECT ON TABLES TO PUBLIC", "object"),

    // What is in it.
    mistake("CREATE TABLE {t}.extra (n int); ALTER TABLE {t}.extra OWNER TO labor_owner", "rls_off"),
    mistake("CREATE TABLE {t}.extra (n int); ALTER TABLE {t}.extra OWNER TO labor_owner; ALTER TABLE {t}.extra ENABLE ROW LEVEL SECURITY; GRANT SELECT ON {t}.extra TO {t}_app", "rls_not_forced"),
    mistake("CREATE TABLE {t}.extra (n int); ALTER TABLE {t}.extra OWNER TO labor_owner; ALTER TABLE {t}.extra ENABLE ROW LEVEL SECURITY; GRANT SELECT ON {t}.extra TO {t}_app", "policy_missing"),
    mistake("CREATE VIEW {t}.v AS SELECT * FROM {t}.reports", "kind"),
    mistake("CREATE VIEW {t}.v AS SELECT * FROM {b}.reports", "kind"),
    mistake("CREATE MATERIALIZED VIEW {t}.v AS SELECT * FROM {t}.reports", "kind"),
    mistake("CREATE SEQUENCE {t}.s", "kind"),
    mistake("CREATE FUNCTION {t}.f() RETURNS int RETURN 1", "function"),
    mistake("CREATE FUNCTION {t}.f() RETURNS SETOF {b}.reports LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM {b}.reports'", "function"),
    mistake("CREATE PROCEDURE {t}.p() LANGUAGE sql AS 'SELECT 1'", "function"),
    mistake("CREATE TYPE {t}.e AS ENUM ('a')", "type"),
    mistake("CREATE DOMAIN {t}.d AS text", "type"),
    mistake("CREATE TYPE {t}.c AS (n int)", "type"),
    mistake("CREATE OPERATOR {t}.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)", "object"),
    mistake("CREATE COLLATION {t}.c FROM \"C\"", "object"),
    mistake("CREATE STATISTICS {t}.s ON id, kind FROM {t}.reports", "object"),
    mistake("CREATE FUNCTION guard.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON {t}.reports FOR EACH ROW EXECUTE FUNCTION guard.f()", "trigger"),
    mistake("CREATE RULE r AS ON INSERT TO {t}.reports DO ALSO NOTIFY reports", "rule"),
    mistake("CREATE RULE r AS ON UPDATE TO {t}.reports DO INSTEAD NOTHING", "rule"),
    mistake("ALTER TABLE {t}.audit ADD FOREIGN KEY (object_id) REFERENCES {b}.reports (id)", "foreign_key"),
    mistake("ALTER TABLE {t}.raw_messages ADD FOREIGN KEY (source_id) REFERENCES control.sources (id) NOT VALID", "foreign_key"),
    mistake("ALTER TABLE {b}.audit INHERIT {t}.audit", "inheritance"),
    mistake("ALTER TABLE {t}.audit INHERIT {b}.audit", "inheritance"),

    // Rights.
    mistake("GRANT SELECT (laboratory_name) ON {t}.reports TO PUBLIC", "column_grant"),
    mistake("GRANT UPDATE (report_key) ON {t}.reports TO {t}_app", "column_grant"),
    mistake("GRANT UPDATE (id) ON {t}.users TO {t}_app", "column_grant"),
    mistake("GRANT UPDATE (released_at) ON {t}.reports TO {t}_app WITH GRANT OPTION", "column_grant"),
    mistake("GRANT SELECT (released_at) ON {t}.reports TO {t}_app", "column_grant"),
    mistake("GRANT UPDATE ON {t}.reports TO {t}_app", "column_grant"),
    mistake("GRANT UPDATE (value_text) ON {t}.observations TO {t}_app", "policy_missing"),
    mistake("GRANT DELETE ON {t}.audit TO {t}_app", "policy_missing"),
    mistake("GRANT UPDATE ON {t}.audit TO {t}_app", "policy_missing"),
    mistake("GRANT SELECT ON {t}.schema_stamp TO {t}_app", "policy_missing"),
    mistake("GRANT SELECT ON {t}.reports TO {t}_app WITH GRANT OPTION", "grant"),
    mistake("GRANT TEMP ON DATABASE isolation TO PUBLIC", "database_grant"),
    mistake("GRANT CREATE ON DATABASE isolation TO labor_tenants", "database_grant"),

    // The rule that names the practice's login: gone, for everybody, for another, for half of it.
    mistake("DROP POLICY tenant_login ON {t}.reports", "policy_missing"),
    mistake("ALTER POLICY tenant_login ON {t}.reports USING (true) WITH CHECK (true)", "policy_permissive"),
    mistake("ALTER POLICY tenant_login ON {t}.reports WITH CHECK (true)", "policy_permissive"),
    mistake("ALTER POLICY tenant_login ON {t}.reports USING (session_user = '{b}_app')", "policy_permissive"),
    mistake("ALTER POLICY tenant_login ON {t}.reports USING (session_user IN ('{t}_app', '{b}_app'))", "policy_permissive"),
    mistake("ALTER POLICY tenant_login ON {t}.reports USING (current_user = '{t}_app')", "policy_permissive"),
    mistake("DROP POLICY tenant_login ON {t}.reports; CREATE POLICY tenant_login ON {t}.reports FOR SELECT USING (session_user = '{t}_app')", "policy_permissive"),

    // Reaching out of it.
    mistake("GRANT USAGE ON SCHEMA control TO labor_tenants", "schema_reachable"),
    mistake("GRANT USAGE ON SCHEMA pgmq TO PUBLIC", "schema_reachable"),
    mistake("GRANT USAGE ON SCHEMA {b} TO {t}_app", "schema_reachable"),
    mistake("GRANT CREATE ON SCHEMA public TO PUBLIC", "schema_reachable"),
    mistake("GRANT CREATE ON SCHEMA guard TO labor_tenants", "schema_reachable"),
    mistake("CREATE SCHEMA planted; GRANT USAGE ON SCHEMA planted TO PUBLIC", "schema_reachable"),
    mistake("CREATE SCHEMA zoo; GRANT CREATE ON SCHEMA zoo TO PUBLIC", "schema_reachable"),
    mistake("CREATE SCHEMA t_planted; GRANT USAGE ON SCHEMA t_planted TO labor_tenants", "schema_reachable"),
    mistake("CREATE SCHEMA t_planted AUTHORIZATION {t}_app", "schema_reachable"),
    mistake("GRANT SELECT ON control.tenants TO labor_tenants", "relation_reachable"),
    mistake("GRANT SELECT (slug) ON control.tenants TO {t}_app", "relation_reachable"),
    mistake("GRANT SELECT ON {b}.reports TO {t}_app", "relation_reachable"),
    mistake("GRANT SELECT ON pg_catalog.pg_authid TO labor_tenants", "relation_reachable"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO {t}_app", "function_reachable"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.query_to_xml(text, boolean, boolean, text) TO labor_tenants", "function_reachable"),
    mistake("GRANT USAGE ON LANGUAGE plpgsql TO {t}_app", "object_reachable"),
    mistake("ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner GRANT SELECT ON TABLES TO labor_tenants", "object_reachable"),
    mistake("SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO {t}_app", "object_reachable"),
    mistake("GRANT SELECT ON guard.claim_keys TO labor_tenants", "relation_reachable"),
    mistake("GRANT SELECT (key_id) ON guard.claim_keys TO {t}_app", "relation_reachable"),
    mistake("GRANT UPDATE ON guard.claim_keys TO PUBLIC", "relation_reachable"),
    mistake("CREATE VIEW guard.v AS SELECT * FROM {b}.reports; GRANT SELECT ON guard.v TO PUBLIC", "relation_reachable"),
    mistake("CREATE FUNCTION guard.planted() RETURNS SETOF {b}.reports LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM {b}.reports'", "function_reachable"),
    mistake("CREATE FUNCTION pg_catalog.planted() RETURNS SETOF {b}.reports LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM {b}.reports'", "function_reachable"),
    mistake("ALTER FUNCTION guard.permits(text, text[]) OWNER TO postgres", "function_reachable"),
    mistake("ALTER FUNCTION guard.permits(text, text[]) RESET search_path", "function_reachable"),
    mistake("ALTER FUNCTION guard.claim() SET search_path = public", "function_reachable"),
    mistake("GRANT ALL ON DATABASE isolation TO {t}_app", "object_reachable"),

    // What lets every practice out at once.
    mistake("ALTER ROLE labor_owner BYPASSRLS", "role_attribute"),
    mistake("ALTER ROLE labor_services CREATEROLE", "role_attribute"),
    mistake("ALTER ROLE labor_control SUPERUSER", "role_attribute"),
    mistake("ALTER ROLE labor_control BYPASSRLS", "role_attribute"),
    mistake("ALTER ROLE labor_backup CREATEROLE", "role_attribute"),
    mistake("ALTER ROLE labor_migrator BYPASSRLS", "role_attribute"),
    mistake("GRANT labor_owner TO labor_control", "role_member"),
    mistake("GRANT labor_guard TO labor_owner", "role_member"),
    mistake("GRANT labor_services TO {b}_app", "role_member"),
    mistake("CREATE ROLE somebody LOGIN; GRANT labor_migrator TO somebody", "role_member"),
    mistake("ALTER DATABASE isolation SET row_security = off", "setting"),
    mistake("ALTER DATABASE isolation SET search_path = {b}", "setting"),
    mistake("ALTER ROLE ALL SET session_replication_role = replica", "setting"),
    mistake("GRANT SET ON PARAMETER session_replication_role TO PUBLIC", "parameter_grant"),
    mistake("GRANT SET ON PARAMETER session_replication_role TO labor_tenants", "parameter_grant"),
    mistake("GRANT SET ON PARAMETER session_replication_role TO {t}_app", "object_reachable"),
    mistake("GRANT pg_execute_server_program TO labor_control", "role_membership"),
    mistake("GRANT pg_read_server_files TO labor_owner", "role_membership"),
    mistake("GRANT {b}_app TO labor_control", "role_membership"),
    mistake("REVOKE labor_tenants FROM {t}_app", "role_membership"),
    mistake("GRANT CONNECT ON DATABASE isolation TO PUBLIC", "database_grant"),
    mistake("CREATE SCHEMA t_planted; GRANT USAGE ON SCHEMA t_planted TO PUBLIC", "schema_reachable"),
    mistake("CREATE SCHEMA t_fourteencharsx; GRANT CREATE ON SCHEMA t_fourteencharsx TO PUBLIC", "schema_reachable"),
    mistake("GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC", "unhardened"),
    mistake("GRANT SELECT ON pg_catalog.pg_statistic TO PUBLIC", "relation_reachable"),
    mistake("GRANT SELECT (rolpassword) ON pg_catalog.pg_authid TO PUBLIC", "relation_reachable"),
    mistake("GRANT SELECT ON pg_catalog.pg_class TO PUBLIC", "unhardened"),
    mistake("GRANT SELECT ON information_schema.tables TO PUBLIC", "unhardened"),
    mistake("GRANT UPDATE ON information_schema.sql_features TO PUBLIC", "relation_reachable"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.query_to_xml(text, boolean, boolean, text) TO PUBLIC", "unhardened"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO PUBLIC", "unhardened"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC", "function_reachable"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(integer, bigint) TO PUBLIC", "unhardened"),
    mistake("CREATE OR REPLACE FUNCTION guard.permits(tenant text, roles text[]) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN true; END $$", "function_changed"),
    mistake("CREATE OR REPLACE FUNCTION guard.permits(tenant text, roles text[]) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp RETURN true", "function_changed"),
    mistake("ALTER FUNCTION guard.permits(text, text[]) SECURITY INVOKER", "function_changed"),
    mistake("ALTER FUNCTION guard.enqueue(uuid) RENAME TO queue", "function_changed"),
    mistake("ALTER FUNCTION guard.permits(text, text[]) IMMUTABLE", "function_changed"),
    mistake("CREATE OR REPLACE FUNCTION guard.enqueue_alert(alert_id uuid, due timestamptz) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN pgmq.send('messages', jsonb_build_object('tenant', alert_id)); END $$", "function_changed"),
    mistake("ALTER FUNCTION guard.claim() STRICT", "function_changed"),
    mistake("ALTER FUNCTION guard.claim_role() LEAKPROOF", "function_changed"),
    mistake("ALTER ROLE labor_migrator SET search_path = {b}", "setting"),
    mistake("ALTER ROLE labor_control IN DATABASE isolation SET session_preload_libraries = 'x'", "setting"),
    mistake("GRANT USAGE ON LANGUAGE plpgsql TO labor_tenants", "object_reachable"),
    mistake("CREATE TRUSTED LANGUAGE planted HANDLER plpgsql_call_handler", "language_reachable"),

    // What takes rows out, or in, past the rules.
    mistake("CREATE PUBLICATION planted FOR ALL TABLES", "publication"),
    mistake("CREATE PUBLICATION planted FOR TABLE {t}.reports", "publication"),
    mistake("CREATE PUBLICATION planted FOR TABLES IN SCHEMA {b}", "publication"),
    mistake("CREATE PUBLICATION planted FOR TABLE guard.claim_keys", "publication"),
    mistake("CREATE SUBSCRIPTION planted CONNECTION 'host=x' PUBLICATION p WITH (connect = false, slot_name = NONE)", "subscription"),
    mistake("CREATE FOREIGN DATA WRAPPER planted; GRANT USAGE ON FOREIGN DATA WRAPPER planted TO PUBLIC", "foreign_data"),
    mistake("CREATE FOREIGN DATA WRAPPER planted; CREATE SERVER planted FOREIGN DATA WRAPPER planted; GRANT USAGE ON FOREIGN SERVER planted TO PUBLIC", "foreign_data"),
    mistake("CREATE FOREIGN DATA WRAPPER planted; CREATE SERVER planted FOREIGN DATA WRAPPER planted; GRANT USAGE ON FOREIGN SERVER planted TO labor_tenants", "foreign_data"),
    mistake("CREATE FOREIGN DATA WRAPPER planted; CREATE SERVER planted FOREIGN DATA WRAPPER planted; GRANT USAGE ON FOREIGN SERVER planted TO {t}_app", "object_reachable"),
    mistake("CREATE FOREIGN DATA WRAPPER planted; CREATE SERVER planted FOREIGN DATA WRAPPER planted; CREATE USER MAPPING FOR PUBLIC SERVER planted", "foreign_data"),
    mistake("CREATE FOREIGN DATA WRAPPER planted; CREATE SERVER planted FOREIGN DATA WRAPPER planted; CREATE USER MAPPING FOR {b}_app SERVER planted", "foreign_data"),

    // What runs with others' rights, or changes what a statement means.
    mistake("CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION public.e()", "event_trigger"),
    mistake("CREATE CAST (uuid AS bytea) WITH INOUT AS IMPLICIT", "cast"),
    mistake("CREATE OPERATOR pg_catalog.=== (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)", "operator"),
    mistake("SET LOCAL allow_system_table_mods = on; INSERT INTO pg_seclabel VALUES ('{t}.reports'::regclass, 'pg_class'::regclass, 0, 'planted', 'x')", "security_label"),
    mistake("CREATE FUNCTION pg_catalog.planted() RETURNS int RETURN 1", "function_reachable"),
    mistake("ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner GRANT SELECT ON TABLES TO PUBLIC", "default_grant"),
    mistake("ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT EXECUTE ON FUNCTIONS TO labor_tenants", "default_grant"),
    mistake("ALTER DEFAULT PRIVILEGES FOR ROLE labor_guard IN SCHEMA guard GRANT SELECT ON TABLES TO {b}_app", "default_grant"),
    mistake("ALTER DEFAULT PRIVILEGES FOR ROLE labor_guard GRANT EXECUTE ON FUNCTIONS TO PUBLIC", "default_grant"),

    // What stands beside the practices.
    mistake("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER planted AFTER INSERT ON control.tenants FOR EACH ROW EXECUTE FUNCTION public.f()", "trigger"),
    mistake("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER planted AFTER INSERT ON pgmq.q_messages FOR EACH ROW EXECUTE FUNCTION public.f()", "trigger"),
    mistake("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER planted BEFORE UPDATE ON guard.claim_keys FOR EACH ROW EXECUTE FUNCTION public.f()", "trigger"),
    mistake("CREATE RULE planted AS ON INSERT TO pgmq.q_messages DO ALSO NOTIFY planted", "rule"),
    mistake("CREATE VIEW control.planted AS SELECT * FROM control.tenants", "kind"),
    mistake("CREATE MATERIALIZED VIEW guard.planted AS SELECT * FROM guard.claim_keys", "kind"),
    mistake("CREATE FUNCTION control.planted() RETURNS int RETURN 1", "function"),
    mistake("ALTER FUNCTION pgmq.delete(text, bigint) SECURITY DEFINER", "function"),
    mistake("ALTER TABLE control.sources OWNER TO labor_control", "owner"),
    mistake("ALTER TABLE guard.claim_keys OWNER TO labor_owner", "owner"),
    mistake("ALTER FUNCTION pgmq.delete(text, bigint) OWNER TO postgres", "owner"),
    mistake("GRANT UPDATE ON control.tenants TO labor_control", "grant"),
    mistake("GRANT UPDATE ON control.fleet TO labor_control", "grant"),
    mistake("GRANT DELETE ON control.holds TO labor_backup", "grant"),
    mistake("GRANT DELETE ON control.backup_runs TO labor_backup", "grant"),
    mistake("GRANT UPDATE ON control.backup_runs TO labor_backup", "grant"),
    mistake("GRANT DELETE ON control.backup_schedules TO labor_control", "grant"),
    mistake("GRANT UPDATE (due_at) ON control.backup_runs TO labor_backup", "column_grant"),
    mistake("GRANT INSERT (outcome) ON control.backup_runs TO labor_backup", "column_grant"),
    mistake("GRANT UPDATE (tenant) ON control.backup_schedules TO labor_backup", "column_grant"),
    mistake("GRANT UPDATE (expression) ON control.backup_schedules TO labor_control", "column_grant"),
    mistake("GRANT SELECT ON guard.claim_keys TO labor_control", "grant"),
    mistake("GRANT SELECT ON control.tenants TO PUBLIC", "grant"),
    mistake("GRANT SELECT ON guard.claim_keys TO labor_backup", "grant"),
    mistake("GRANT SELECT ON control.tenants TO labor_control WITH GRANT OPTION", "grant"),
    mistake("GRANT UPDATE (claim_key) ON control.fleet TO labor_control", "column_grant"),
    mistake("GRANT SELECT (outer_pad) ON guard.claim_keys TO labor_control", "column_grant"),
    mistake("GRANT INSERT ON pgmq.q_messages TO pg_monitor", "grant"),
    mistake("GRANT CREATE ON SCHEMA control TO labor_control", "schema_grant"),
    mistake("GRANT USAGE ON SCHEMA guard TO labor_control", "schema_grant"),
    mistake("GRANT USAGE ON SCHEMA pgmq TO labor_control WITH GRANT OPTION", "schema_grant"),
    mistake("GRANT CREATE ON DATABASE isolation TO labor_control", "database_grant"),
    mistake("GRANT TEMP ON DATABASE isolation TO labor_backup", "database_grant"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO labor_control", "function_reachable"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.lo_create(oid) TO labor_services", "function_reachable"),
    mistake("CREATE FUNCTION public.planted() RETURNS SETOF {b}.reports LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM {b}.reports'; GRANT USAGE ON SCHEMA public TO labor_control", "function_reachable"),
    mistake("ALTER ROLE labor_backup RESET default_transaction_read_only", "setting"),
    mistake("ALTER ROLE labor_backup SET log_statement = 'all'", "setting"),
    mistake("ALTER ROLE labor_backup SET log_error_verbosity = 'verbose'", "setting"),
    mistake("ALTER DATABASE isolation SET synchronous_commit = off", "setting"),
    mistake("ALTER ROLE ALL SET standard_conforming_strings = off", "setting"),
    mistake("CREATE SCHEMA planted; CREATE VIEW planted.v AS SELECT * FROM {t}.reports", "dependent"),
    mistake("CREATE SCHEMA planted; CREATE MATERIALIZED VIEW planted.v AS SELECT * FROM {b}.reports", "dependent"),
    mistake("CREATE SCHEMA planted; CREATE FUNCTION planted.f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM {b}.reports; END", "dependent"),
    mistake("CREATE SCHEMA planted; CREATE STATISTICS planted.s ON id, kind FROM {b}.reports", "dependent"),
    mistake("CREATE SCHEMA planted; CREATE TABLE planted.guess (id uuid REFERENCES {b}.reports (id))", "foreign_key"),
    mistake("ALTER ROLE {t}_app VALID UNTIL '2030-01-01'", "role_attribute"),
    mistake("ALTER ROLE {t}_app CONNECTION LIMIT -1", "role_attribute"),

    // What this server as it is shipped would leave open, or Labor's roles lack.
    mistake("ALTER DATABASE isolation RESET temp_file_limit", "unhardened"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.lo_create(oid) TO PUBLIC", "unhardened"),
    mistake("GRANT EXECUTE ON FUNCTION pg_catalog.pg_blocking_pids(integer) TO PUBLIC", "unhardened"),
    mistake("GRANT SELECT ON pg_catalog.pg_stat_activity TO PUBLIC", "unhardened"),
    mistake("ALTER ROLE labor_backup NOBYPASSRLS", "incapable"),
    mistake("ALTER ROLE labor_backfill NOBYPASSRLS", "incapable"),
    mistake("REVOKE pg_signal_backend FROM labor_migrator", "incapable"),
];

/// What only [`labor_migrator::isolation::Proof::reach`] can see before a COMMIT: the fingerprint of the schema stays as it is.
#[tokio::test]
async fn a_child_table_elsewhere_shows_in_what_is_reached_and_not_in_the_fingerprint() {
    let world = world().await;
    let practice = world.another("child", 67).await;
    let superuser = superuser().await;
    let proof = Proof::prepare(&superuser).await.unwrap();
    superuser.batch_execute("BEGIN").await.unwrap();
    let before = proof.fingerprint(&superuser, &practice.name).await.unwrap();
    assert_eq!(proof.reach(&superuser, &practice.name).await.unwrap(), []);
    let inherit = format!("ALTER TABLE {}.audit INHERIT {}.audit", world.b.name, practice.name);
    superuser.batch_execute(&inherit).await.unwrap();
    assert_eq!(proof.fingerprint(&superuser, &practice.name).await.unwrap(), before);
    let kinds: Vec<_> =
        proof.reach(&superuser, &practice.name).await.unwrap().into_iter().map(|finding| finding.kind).collect();
    superuser.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(kinds, ["inheritance"]);
}

/// Makes a mistake, asks for the findings, undoes it. A mistake that cannot be made is one of this test.
pub(crate) async fn kinds_after(superuser: &Client, practice: &Practice, sql: &str) -> Result<Vec<String>, String> {
    superuser.batch_execute("BEGIN").await.unwrap();
    let findings = match superuser.batch_execute(sql).await {
        Ok(()) => check(superuser, &practice.name).await.map_err(|error| error.to_string()),
        Err(error) => {
            Err(format!("cannot be made: {}", error.as_db_error().map_or_else(String::new, ToString::to_string)))
        }
    };
    superuser.batch_execute("ROLLBACK").await.unwrap();
    Ok(findings?.into_iter().map(|finding| finding.kind).collect())
}

#[tokio::test]
async fn every_mistake_that_weakens_a_practice_is_found() {
    let world = world().await;
    let practice = world.another("mistakes", 3).await;
    let superuser = superuser().await;
    let mut missed = Vec::new();
    for mistake in MISTAKES.iter().chain(ROW_RULES).chain(BESIDE) {
        let sql = mistake.sql.replace("{t}", practice.name.as_str()).replace("{b}", world.b.name.as_str());
        let kinds = kinds_after(&superuser, &practice, &sql).await;
        if !kinds.as_ref().is_ok_and(|kinds| kinds.iter().any(|kind| kind == mistake.kind)) {
            missed.push(format!("{}: expected {}, found {kinds:?}", mistake.sql, mistake.kind));
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {} missed:\n{}",
        missed.len(),
        MISTAKES.len() + ROW_RULES.len() + BESIDE.len(),
        missed.join("\n")
    );
    assert_eq!(check(&superuser, &practice.name).await.unwrap(), []);
}

/// No right and no definition shows it, so it is asked with the master secret.
#[tokio::test]
async fn a_claim_key_that_does_not_come_out_of_the_master_secret_is_found() {
    let world = world().await;
    let migrator =
        labor_migrator::Migrator::new(world.platform.setting("LABOR_MIGRATOR_URL"), world.master.clone()).unwrap();
    let superuser = superuser().await;
    for (sql, found) in [
        ("SELECT 1", 0),
        ("INSERT INTO guard.claim_keys SELECT 2, inner_pad, outer_pad FROM guard.claim_keys WHERE key_id = 1", 1),
        ("INSERT INTO guard.claim_keys VALUES (-1, '', '')", 1),
        ("UPDATE guard.claim_keys SET outer_pad = inner_pad WHERE key_id = 1", 1),
        ("INSERT INTO guard.claim_keys VALUES (3, '', '', now() - interval '1 s')", 0),
    ] {
        superuser.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
        let findings = migrator.claim_keys(&superuser).await.unwrap();
        superuser.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(findings.len(), found, "{sql}: {findings:?}");
        assert!(findings.iter().all(|finding| finding.kind == "claim_key"));
    }
}

/// What looks like a mistake and is none: the role that fills columns skips row rules, as the migrator and nobody else.
#[tokio::test]
async fn the_backfill_role_as_it_should_be_is_no_finding() {
    let world = world().await;
    let sql = "DO $$ BEGIN CREATE ROLE labor_backfill; EXCEPTION WHEN duplicate_object THEN END $$;
               ALTER ROLE labor_backfill NOLOGIN BYPASSRLS; GRANT labor_backfill TO labor_migrator";
    let kinds = kinds_after(&superuser().await, &world.b, sql).await.unwrap();
    assert!(kinds.is_empty(), "{kinds:?}");
}

/// A login says in advance to whom what it makes is granted; it can make nothing. That is its own finding and nobody else's.
#[tokio::test]
async fn default_privileges_of_one_tenant_are_not_the_findings_of_another() {
    let world = world().await;
    let superuser = superuser().await;
    let sql = format!(
        "SET LOCAL ROLE {a}_app; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO labor_tenants;
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {b}_app; RESET ROLE",
        a = world.a.name,
        b = world.b.name
    );
    assert_eq!(kinds_after(&superuser, &world.b, &sql).await, Ok(vec![]));
    let own = kinds_after(&superuser, &world.a, &sql).await.unwrap();
    assert!(own.iter().any(|kind| kind == "object_reachable"), "{own:?}");
}

/// Sound SQL that lets in more than was meant: no rule of the check is broken, but the schema is not what the ledger says.
const DRIFTS: &[&str] = &[
    "ALTER POLICY claim_update ON {t}.reports USING ((SELECT guard.permits('{t}', '{admin,doctor,worker,patient}')))",
    "ALTER POLICY claim_select ON {t}.raw_messages USING ((SELECT guard.permits('{t}', '{admin,worker,receiver,patient}')))",
    "ALTER TABLE {t}.reports DROP CONSTRAINT reports_check",
    "ALTER TABLE {t}.audit ALTER actor SET DEFAULT 'nobody'",
];

#[tokio::test]
async fn what_is_sound_but_not_what_the_migrator_left_is_found_as_drift() {
    let world = world().await;
    let migrator =
        labor_migrator::Migrator::new(world.platform.setting("LABOR_MIGRATOR_URL"), world.master.clone()).unwrap();
    let superuser = superuser().await;
    for (number, sql) in (50..).zip(DRIFTS) {
        let practice = world.another(&format!("drift{number}"), number).await;
        assert_eq!(migrator.check(&practice.name).await.unwrap(), []);
        superuser.batch_execute(&sql.replace("{t}", practice.name.as_str())).await.unwrap();
        let kinds: Vec<_> = migrator.check(&practice.name).await.unwrap().into_iter().map(|f| f.kind).collect();
        assert_eq!(kinds, ["drift"], "{sql}");
    }
}
