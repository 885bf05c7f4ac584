//! What one user leaves on a connection for the next, and what one mistake of an operator gives an attacker.
//! Labor gives a connection only to users of the same practice and role, and a patient's to nobody (db/src/pool.rs); the rows with two roles show that the rules
//! hold also if it did not.
use labor_catalog::ClaimRole::{Admin, Doctor, Patient};

use crate::attack::Expect::{Answers, Breach, Nothing, Refused, Remains};
use crate::attack::{DENIED, Kind, attack, left_behind, mistakes};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Kind] = &[
    left_behind("Left by a patient for a doctor", Patient, Doctor, &[
        attack("search_path of the other", "SELECT laboratory_name FROM reports", Refused("42P01"), "the next one finds no table; it is an error and nobody's rows").given("SET search_path = {b}"),
        attack("a table that hides the real one", "SELECT count(*) FROM reports", Answers("5"), "no TEMP, so nothing can stand before the practice's tables").given_in_vain("SELECT 1; ROLLBACK; CREATE TEMP TABLE reports (id uuid, laboratory_name text)", "42501"),
        attack("another role", "SELECT laboratory_name FROM reports", Refused("42P01"), "as the marker group the next one sees no schema; it is an error and nobody's rows").given("SET ROLE labor_tenants"),
        attack("row_security off", "SELECT laboratory_name FROM reports", DENIED, "reading fails instead of skipping the rules").given("SET row_security = off"),
        attack("a claim for the session", "SELECT guard.claim_role()", Answers("doctor"), "the next one's own claim takes its place").given("SELECT set_config('labor.claim', current_setting('labor.claim'), false)"),
        attack("read only", "UPDATE reports SET laboratory_name = laboratory_name WHERE id = '{unreleased}'", Refused("25006"), "writing fails; it is an error and no wrong row").given("SET default_transaction_read_only = on"),
        attack("a cursor, opened as a patient", "FETCH ALL FROM c", Refused("34000"), "a cursor ends with its transaction").given("DECLARE c CURSOR FOR SELECT id::text FROM reports"),
        attack("a trap in a prepared statement", "EXECUTE p", Answers("5"), "it runs with the rights of who executes it, and tells only them").given("PREPARE p AS SELECT count(*) FROM reports"),
        attack("a listener", "NOTIFY trap", Nothing, "cannot be forbidden; Labor sends no NOTIFY, so nothing is heard").given("LISTEN trap").open(),
        attack("an advisory lock", "SELECT count(*) FROM reports", Answers("5"), "EXECUTE is revoked; where it is not, the lock stays with the session and is not one that Labor's requests ask for").given_in_vain("SELECT 1; ROLLBACK; SELECT pg_advisory_lock(4711)", "42501"),
    ]),
    left_behind("Left by a doctor for a patient", Doctor, Patient, &[
        attack("a cursor that was held", "FETCH ALL FROM c", Remains, "its rows were read before: so a connection goes only to users of the same practice and role").given("DECLARE c CURSOR WITH HOLD FOR SELECT laboratory_name FROM reports"),
        attack("a prepared statement of a doctor", "EXECUTE p", Nothing, "it is planned for, and run with the rights of, who executes it").given("PREPARE p AS SELECT laboratory_name FROM reports WHERE released_at IS NULL; EXECUTE p"),
        attack("a doctor's claim, kept", "SELECT guard.claim_role()", Answers("patient"), "the next one's own claim takes its place").given("SELECT set_config('labor.claim', current_setting('labor.claim'), false)"),
        attack("a doctor's claim in another setting", "SELECT guard.claim_role() FROM (SELECT set_config('labor.claim', current_setting('labor.kept', true), true)) s", Remains, "whoever left it gave it away; it lives a minute, and connections go only to users of the same role").given("SELECT set_config('labor.kept', current_setting('labor.claim'), false)"),
    ]),
    left_behind("Left by a doctor for another doctor", Doctor, Doctor, &[
        attack("a statement under a name that is used", "EXECUTE s0", Remains, "answers what the one before wanted it to; so injected SQL can act as the next user of the same role, in the own practice").given("PREPARE s0 AS SELECT 'what the one before wanted'::text"),
        attack("all prepared statements gone", "SELECT count(*) FROM reports", Answers("5"), "the driver's statements are gone with it: an error, and the connection is closed").given("DEALLOCATE ALL"),
        attack("a forgotten bind after a kept claim", "SELECT guard.claim_role() FROM (SELECT set_config('labor.claim', '', true)) s", Refused("28000"), "what is bound last counts, also when it is nothing").given("SELECT set_config('labor.claim', current_setting('labor.claim'), false)"),
        attack("a transaction left open", "SELECT count(*) FROM reports", Answers("5"), "BEGIN in an open transaction is a warning, and the claim is bound anew; Labor closes such a connection").given("COMMIT; BEGIN; SELECT 1"),
    ]),
    left_behind("Left by a patient for another patient", Patient, Patient, &[
        attack("another patient's claim in a setting", "SELECT guard.claim_role() FROM (SELECT set_config('labor.claim', current_setting('labor.kept', true), true)) s", Remains, "whoever left it gave it away: so a patient's connection is used for one request and closed").given("SELECT set_config('labor.kept', current_setting('labor.claim'), false)"),
        attack("a statement that answers the next patient's", "EXECUTE s0", Remains, "answers what the one before wanted it to: so a patient's connection is used for one request and closed").given("PREPARE s0 AS SELECT 'what the one before wanted'::text"),
    ]),
    left_behind("Left by a doctor of another session for an administrator", Doctor, Admin, &[
        attack("a time limit of a millisecond", "SELECT 1 FROM generate_series(1, 100000000)", Refused("57014"), "statements fail; the next connection has the practice's own limits").given("SET statement_timeout = 1"),
    ]),
    mistakes("After one mistake of an operator", &[
        attack("a new table without row rules", "SELECT text FROM {b}.notes", DENIED, "no USAGE on the schema: the other barrier holds")
            .given("CREATE TABLE {b}.notes (text text); INSERT INTO {b}.notes VALUES ('GEHEIM-VICTIM')").undo("DROP TABLE {b}.notes"),
        attack("row rules off on a table", "SELECT laboratory_name FROM {b}.reports", DENIED, "no USAGE on the schema: the other barrier holds")
            .given("ALTER TABLE {b}.reports DISABLE ROW LEVEL SECURITY").undo("ALTER TABLE {b}.reports ENABLE ROW LEVEL SECURITY"),
        attack("SELECT for PUBLIC on a table", "SELECT laboratory_name FROM {b}.reports", DENIED, "no USAGE on the schema")
            .given("GRANT SELECT ON {b}.reports TO PUBLIC").undo("REVOKE SELECT ON {b}.reports FROM PUBLIC"),
        attack("USAGE for PUBLIC on the schema", "SELECT laboratory_name FROM {b}.reports", DENIED, "no right on the table")
            .given("GRANT USAGE ON SCHEMA {b} TO PUBLIC").undo("REVOKE USAGE ON SCHEMA {b} FROM PUBLIC"),
        attack("both for PUBLIC", "SELECT laboratory_name FROM {b}.reports", DENIED, "the row rules look at the practice's users, to which there is no right")
            .given("GRANT USAGE ON SCHEMA {b} TO PUBLIC; GRANT SELECT ON {b}.reports TO PUBLIC").undo("REVOKE USAGE ON SCHEMA {b} FROM PUBLIC; REVOKE SELECT ON {b}.reports FROM PUBLIC"),
        attack("the other's login given to this one", "SET ROLE {b}_app; SELECT laboratory_name FROM {b}.reports", Nothing, "the claim is this practice's, and the row rules are the other's")
            .given("GRANT {b}_app TO {a}_app").undo("REVOKE {b}_app FROM {a}_app"),
        attack("the other's login, and its claim", "SET ROLE {b}_app; SET LOCAL labor.claim = '{b_claim}'; SELECT laboratory_name FROM {b}.reports", Refused("28000"), "the claim belongs to another login")
            .given("GRANT {b}_app TO {a}_app").undo("REVOKE {b}_app FROM {a}_app"),
        attack("the owner's role given to this login", "SET ROLE labor_owner; SELECT laboratory_name FROM {b}.reports", DENIED, "row rules are forced, for the owner too, who may not even ask for the claim")
            .given("GRANT labor_owner TO {a}_app").undo("REVOKE labor_owner FROM {a}_app"),
        attack("BYPASSRLS for this login", "SELECT laboratory_name FROM {b}.reports", DENIED, "no USAGE on the schema")
            .given("ALTER ROLE {a}_app BYPASSRLS").undo("ALTER ROLE {a}_app NOBYPASSRLS"),
        attack("pg_read_all_data for this login", "SELECT laboratory_name FROM {b}.reports", Nothing, "reads every table, but row rules hold")
            .given("GRANT pg_read_all_data TO {a}_app").undo("REVOKE pg_read_all_data FROM {a}_app"),
        attack("CREATE in its own schema", "CREATE VIEW v AS SELECT * FROM {b}.reports", DENIED, "a view is read with its owner's rights, who has none there")
            .given("GRANT CREATE ON SCHEMA {a} TO {a}_app").undo("REVOKE CREATE ON SCHEMA {a} FROM {a}_app"),
        attack("a policy too many", "SELECT count(*) FROM reports", Answers("5"), "it may let in more of the own practice's roles, never another practice")
            .given("CREATE POLICY more ON {b}.reports USING (true)").undo("DROP POLICY more ON {b}.reports"),
    ]),
    mistakes("After a mistake that both barriers do not stop, and the check finds", &[
        attack("a view of the superuser", "SELECT laboratory_name FROM {a}.v", Breach, "a superuser's view skips everything: kind")
            .given("CREATE VIEW {a}.v AS SELECT * FROM {b}.reports; GRANT SELECT ON {a}.v TO {a}_app").undo("DROP VIEW {a}.v"),
        attack("a view of the owner", "SELECT laboratory_name FROM {a}.v", Nothing, "row rules are forced, for the owner too; the check finds it all the same: kind")
            .given("CREATE VIEW {a}.v AS SELECT * FROM {b}.reports; ALTER VIEW {a}.v OWNER TO labor_owner; GRANT SELECT ON {a}.v TO {a}_app").undo("DROP VIEW {a}.v"),
        attack("a materialised view of the superuser", "SELECT laboratory_name FROM {a}.v", Breach, "a copy has no row rules: kind")
            .given("CREATE MATERIALIZED VIEW {a}.v AS SELECT * FROM {b}.reports; GRANT SELECT ON {a}.v TO {a}_app").undo("DROP MATERIALIZED VIEW {a}.v"),
        attack("a materialised view of the owner", "SELECT laboratory_name FROM {a}.v", Breach, "a copy has no row rules, whoever owns it: kind")
            .given("CREATE MATERIALIZED VIEW {a}.v AS SELECT * FROM {b}.reports; ALTER MATERIALIZED VIEW {a}.v OWNER TO labor_owner; GRANT SELECT ON {a}.v TO {a}_app").undo("DROP MATERIALIZED VIEW {a}.v"),
        attack("a definer function of the superuser", "SELECT {a}.f()", Breach, "it runs with the superuser's rights: function")
            .given("CREATE FUNCTION {a}.f() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT laboratory_name FROM {b}.reports'; GRANT EXECUTE ON FUNCTION {a}.f() TO {a}_app").undo("DROP FUNCTION {a}.f()"),
        attack("a definer function of the owner", "SELECT {a}.f()", DENIED, "row rules are forced, for the owner too; the check finds it all the same: function")
            .given("CREATE FUNCTION {a}.f() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT laboratory_name FROM {b}.reports'; ALTER FUNCTION {a}.f() OWNER TO labor_owner; GRANT EXECUTE ON FUNCTION {a}.f() TO {a}_app").undo("DROP FUNCTION {a}.f()"),
        attack("a child table of the other's", "SELECT laboratory_name FROM reports WHERE laboratory_name LIKE '%VICTIM'", Breach, "rows of a child are read by the parent's rules: inheritance")
            .given("ALTER TABLE {b}.reports INHERIT {a}.reports").undo("ALTER TABLE {b}.reports NO INHERIT {a}.reports"),
        attack("a table without rules, open to PUBLIC", "SELECT text FROM {b}.notes", Breach, "three mistakes: rls_off, grant, schema_grant")
            .given("CREATE TABLE {b}.notes (text text); INSERT INTO {b}.notes VALUES ('GEHEIM-VICTIM'); GRANT SELECT ON {b}.notes TO PUBLIC; GRANT USAGE ON SCHEMA {b} TO PUBLIC").undo("DROP TABLE {b}.notes; REVOKE USAGE ON SCHEMA {b} FROM PUBLIC"),
        attack("a superuser's login", "SELECT laboratory_name FROM {b}.reports", Breach, "a superuser is bound by nothing: role_attribute")
            .given("ALTER ROLE {a}_app SUPERUSER").undo("ALTER ROLE {a}_app NOSUPERUSER"),
        attack("the owner's role, to switch rules off", "SET ROLE labor_owner; ALTER TABLE {b}.reports NO FORCE ROW LEVEL SECURITY; SELECT laboratory_name FROM {b}.reports", Breach, "who may act as the owner may change the rules: role_membership")
            .given("GRANT labor_owner TO {a}_app").undo("REVOKE labor_owner FROM {a}_app; ALTER TABLE {b}.reports FORCE ROW LEVEL SECURITY"),
    ]),
];
