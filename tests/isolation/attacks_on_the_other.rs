//! Attacks on another practice's rows.
use crate::attack::Attack;
use crate::attack::Expect::{Answers, Nothing, Refused, Remains};

const fn attack(name: &'static str, sql: &'static str, expect: crate::attack::Expect, why: &'static str) -> Attack {
    Attack { name, sql, expect, why }
}

const DENIED: crate::attack::Expect = Refused("42501");

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    // Rows by name.
    attack("qualified SELECT", "SELECT laboratory_name FROM {b}.reports", DENIED, "no USAGE on the other schema"),
    attack("qualified INSERT", "INSERT INTO {b}.audit (id, action, object_kind, outcome) VALUES (gen_random_uuid(), 'x', 'x', 'success')", DENIED, "no USAGE"),
    attack("qualified UPDATE", "UPDATE {b}.reports SET released_at = now()", DENIED, "no USAGE"),
    attack("qualified DELETE", "DELETE FROM {b}.reports", DENIED, "no USAGE"),
    attack("qualified TRUNCATE", "TRUNCATE {b}.reports", DENIED, "no USAGE"),
    attack("qualified LOCK", "LOCK TABLE {b}.reports IN ACCESS EXCLUSIVE MODE", DENIED, "a lock would stop the other practice"),
    attack("qualified DROP", "DROP TABLE {b}.audit", DENIED, "not the owner"),
    attack("DROP SCHEMA", "DROP SCHEMA {b} CASCADE", DENIED, "not the owner"),
    attack("MERGE", "MERGE INTO {b}.audit t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE", DENIED, "no USAGE"),
    attack("COPY TO", "COPY {b}.reports TO STDOUT", DENIED, "no USAGE"),
    attack("COPY a query", "COPY (SELECT * FROM {b}.reports) TO STDOUT", DENIED, "no USAGE"),
    attack("COPY FROM", "COPY {b}.audit FROM STDIN", DENIED, "no USAGE"),
    attack("ONLY", "SELECT laboratory_name FROM ONLY {b}.reports", DENIED, "no USAGE"),
    attack("TABLESAMPLE", "SELECT laboratory_name FROM {b}.reports TABLESAMPLE SYSTEM (100)", DENIED, "no USAGE"),
    attack("EXPLAIN", "EXPLAIN (ANALYZE) SELECT * FROM {b}.reports", DENIED, "would count rows"),
    attack("a cursor", "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM {b}.reports", DENIED, "no USAGE"),
    attack("PREPARE", "PREPARE p AS SELECT * FROM {b}.reports", DENIED, "no USAGE"),
    attack("CREATE TABLE AS", "CREATE TABLE stolen AS SELECT * FROM {b}.reports", DENIED, "no USAGE and no CREATE"),
    attack("a row by its key", "SELECT laboratory_name FROM reports WHERE id = '{b_report}'", Nothing, "one's own table does not hold it"),
    attack("a key of another", "INSERT INTO audit (id, action, object_kind, object_id, outcome) SELECT gen_random_uuid(), 'x', 'reports', id, 'success' FROM {b}.reports", DENIED, "no USAGE"),
    attack("COPY FROM into one's own", "COPY audit FROM STDIN", Refused("0A000"), "refused under row rules, so nothing comes in beside them"),

    // The path.
    attack("SET search_path", "SET search_path = {b}", Nothing, "may be set; the next attack shows that it gives nothing"),
    attack("search_path and read", "SELECT laboratory_name FROM (SELECT set_config('search_path', '{b}', false)) s, reports WHERE laboratory_name LIKE '%BERTA%'", Nothing, "names were resolved before; and there is no USAGE"),
    attack("search_path in a subquery of SQL text", "SELECT query_to_xml('SELECT * FROM {b}.reports', true, false, '')::text", DENIED, "EXECUTE of functions that run SQL text is revoked"),
    attack("ALTER ROLE search_path of the other", "ALTER ROLE {b}_app SET search_path = {a}", DENIED, "not one's own role"),

    // Another identity.
    attack("SET ROLE to the other", "SET ROLE {b}_app", DENIED, "not a member"),
    attack("SET ROLE to the owner", "SET ROLE labor_owner", DENIED, "not a member"),
    attack("SET ROLE to the guard", "SET ROLE labor_guard", DENIED, "not a member"),
    attack("SET ROLE to the backup", "SET ROLE labor_backup", DENIED, "not a member"),
    attack("SET ROLE to the marker group", "SET ROLE labor_tenants", Nothing, "a member of it, but the group has CONNECT and the guard's functions only"),
    attack("SET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION {b}_app", DENIED, "superusers only"),
    attack("set_config role", "SELECT set_config('role', '{b}_app', true)", DENIED, "not a member"),
    attack("set_config session_authorization", "SELECT set_config('session_authorization', '{b}_app', true)", DENIED, "superusers only"),
    attack("the attack that beats every SET ROLE design", "SELECT query_to_xml('SELECT set_config(''role'', ''{b}_app'', true); SELECT * FROM {b}.reports', true, false, '')::text", DENIED, "EXECUTE revoked, and not a member"),
    attack("the same through database_to_xml", "SELECT database_to_xml(true, false, '')::text", DENIED, "EXECUTE revoked"),
    attack("the same through schema_to_xml", "SELECT schema_to_xml('{b}', true, false, '')::text", DENIED, "EXECUTE revoked"),
    attack("the same through table_to_xml", "SELECT table_to_xml('reports'::regclass, true, false, '')::text", DENIED, "EXECUTE revoked"),
    attack("the same through cursor_to_xml", "SELECT cursor_to_xml('c', 1, true, false, '')::text", DENIED, "EXECUTE revoked"),
    attack("the same through ts_stat", "SELECT word FROM ts_stat('SELECT to_tsvector(laboratory_name) FROM {b}.reports')", DENIED, "EXECUTE revoked"),
    attack("the same through ts_rewrite", "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')::text", DENIED, "EXECUTE revoked"),
    attack("RESET ROLE", "RESET ROLE", Nothing, "there is nothing behind it: the login is the practice's own"),
    attack("row_security = off", "SELECT set_config('row_security', 'off', true)", Answers("off"), "may be set: reading then fails instead of skipping the rules"),
    attack("DISCARD ALL", "DISCARD ALL", Refused("25001"), "not inside a transaction; and it would only forget"),

    // The other practice's claim.
    attack("the other's claim on one's own connection", "SELECT count(*) FROM (SELECT set_config('labor.claim', '{b_claim}', true)) s, reports WHERE laboratory_name <> ''", Refused("28000"), "the claim belongs to another login"),
    attack("the other's claim, asked for", "SELECT set_config('labor.claim', '{b_claim}', true), guard.claim()", Refused("28000"), "the claim belongs to another login"),
    attack("the other's claim and permits", "SELECT (SELECT set_config('labor.claim', '{b_claim}', true)), guard.permits('{b}', '{admin}')", Refused("28000"), "the claim belongs to another login"),
    attack("permits about the other", "SELECT guard.permits('{b}', '{admin,doctor,patient,worker}')", Answers("false"), "the claim names this practice"),
    attack("enqueue for the other", "SELECT guard.enqueue('{b_report}')", DENIED, "an administrator enqueues nothing, and the tenant is the claim's"),
    attack("enqueue with a tenant", "SELECT guard.enqueue('{b}', '{b_report}')", Refused("42883"), "there is no such parameter"),

    // Objects that reach over.
    attack("a view over the other", "CREATE VIEW v AS SELECT * FROM {b}.reports", DENIED, "no CREATE in one's own schema"),
    attack("a view in the other's schema", "CREATE VIEW {b}.v AS SELECT 1", DENIED, "no CREATE there"),
    attack("a materialised view", "CREATE MATERIALIZED VIEW v AS SELECT * FROM {b}.reports", DENIED, "no CREATE"),
    attack("a rule on the other's table", "CREATE RULE r AS ON SELECT TO {b}.reports DO INSTEAD SELECT * FROM reports", DENIED, "not the owner"),
    attack("a trigger on the other's table", "CREATE TRIGGER t BEFORE INSERT ON {b}.reports EXECUTE FUNCTION suppress_redundant_updates_trigger()", DENIED, "no TRIGGER right"),
    attack("a policy on the other's table", "CREATE POLICY p ON {b}.reports USING (true)", DENIED, "not the owner"),
    attack("a policy on one's own table", "CREATE POLICY p ON reports USING (true)", DENIED, "the practice owns nothing"),
    attack("RLS off on one's own table", "ALTER TABLE reports DISABLE ROW LEVEL SECURITY", DENIED, "the practice owns nothing"),
    attack("inheritance", "ALTER TABLE {b}.reports INHERIT reports", DENIED, "its rows would appear in one's own table"),
    attack("a child table", "CREATE TABLE child () INHERITS ({b}.reports)", DENIED, "no CREATE"),
    attack("a foreign key as a probe", "ALTER TABLE audit ADD FOREIGN KEY (object_id) REFERENCES {b}.reports (id)", DENIED, "would tell which keys exist"),
    attack("a foreign key of a new table", "CREATE TABLE probe (id uuid REFERENCES {b}.reports (id))", DENIED, "no CREATE, no REFERENCES"),
    attack("an index as a probe", "CREATE UNIQUE INDEX i ON {b}.reports (id)", DENIED, "not the owner"),
    attack("statistics", "CREATE STATISTICS s ON id, kind FROM {b}.reports", DENIED, "not the owner"),
    attack("a publication", "CREATE PUBLICATION p FOR TABLE {b}.reports", DENIED, "no CREATE on the database"),
    attack("a comment", "COMMENT ON TABLE {b}.reports IS 'x'", DENIED, "not the owner"),
    attack("ALTER TABLE", "ALTER TABLE {b}.reports ADD COLUMN x text", DENIED, "not the owner"),
    attack("VACUUM", "VACUUM {b}.reports", Refused("25001"), "not inside a transaction; and not the owner"),
    attack("ANALYZE", "ANALYZE {b}.reports", DENIED, "no USAGE"),
    attack("REFRESH", "REFRESH MATERIALIZED VIEW {b}.reports", DENIED, "not the owner"),
    attack("currtid2", "SELECT currtid2('{b}.reports', '(0,1)')::text", DENIED, "asks for SELECT on the table"),

    // Rights.
    attack("GRANT oneself the other's schema", "GRANT USAGE ON SCHEMA {b} TO {a}_app", DENIED, "no grant option"),
    attack("GRANT oneself the other's table", "GRANT SELECT ON {b}.reports TO {a}_app", DENIED, "no grant option"),
    attack("GRANT the other's role", "GRANT {b}_app TO {a}_app", DENIED, "no ADMIN OPTION"),
    attack("GRANT the owner", "GRANT labor_owner TO {a}_app", DENIED, "no ADMIN OPTION"),
    attack("GRANT one's own table away", "GRANT SELECT ON reports TO {b}_app", Nothing, "a warning: rights come without grant option; the isolation check afterwards finds none"),
    attack("default privileges of the owner", "ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner GRANT SELECT ON TABLES TO {a}_app", DENIED, "not a member"),
    attack("the other's password", "ALTER ROLE {b}_app PASSWORD 'x'", DENIED, "not one's own role"),
    attack("freeze the other", "ALTER ROLE {b}_app NOLOGIN", DENIED, "not one's own role"),
    attack("drop the other's role", "DROP ROLE {b}_app", DENIED, "no CREATEROLE"),
    attack("REASSIGN OWNED", "REASSIGN OWNED BY labor_owner TO {a}_app", DENIED, "not a member"),

    // Audit.
    attack("an audit row in another's name", "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome) VALUES (gen_random_uuid(), 'somebody', 'admin', 'x', 'x', 'success')", DENIED, "the actor is the claim's subject"),
    attack("an audit row in another role", "INSERT INTO audit (id, actor_role, action, object_kind, outcome) VALUES (gen_random_uuid(), 'doctor', 'x', 'x', 'success')", DENIED, "the role is the claim's"),
    attack("change the audit", "UPDATE audit SET action = 'nothing'", DENIED, "nobody has UPDATE"),
    attack("delete the audit", "DELETE FROM audit", DENIED, "nobody has DELETE"),
    attack("empty the audit", "TRUNCATE audit", DENIED, "nobody has TRUNCATE"),
    attack("the stamp", "UPDATE schema_stamp SET tenant = '{b}'", DENIED, "belongs to the migrator"),
    attack("the history", "SELECT name FROM refinery_schema_history", DENIED, "belongs to the migrator"),

    // What remains: names. DESIGN.md, "The two keys", counts them among the seven that get through.
    attack("whether a table exists", "SELECT '{b}.reports'::regclass::oid::text", DENIED, "a name given is looked up with USAGE"),
    attack("names of practices by number", "SELECT count(DISTINCT typnamespace::regnamespace::text) FROM pg_type", Remains, "drivers need pg_type; it tells opaque names of practices and how many there are, and no row"),
    attack("names of tables by number", "SELECT pg_describe_object('pg_class'::regclass, typrelid, 0) FROM pg_type WHERE typrelid > 0", Remains, "every practice has the same tables, and the migrations are public"),
];
