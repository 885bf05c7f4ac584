//! The fingerprint: equal for equal schemas whatever they are called, and another one for whatever is changed by hand.
use labor_catalog::{TenantName, sql};
use labor_migrator::isolation::Proof;
use tokio_postgres::Client;

use crate::world::{superuser, world};

async fn fingerprint(client: &Client, tenant: &TenantName) -> Option<String> {
    client.query_one(sql::FINGERPRINT, &[&tenant.as_str()]).await.unwrap().get(0)
}

async fn lines(client: &Client, tenant: &TenantName) -> Vec<String> {
    let rows = client.query(sql::FINGERPRINT_LINES, &[&tenant.as_str()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The fingerprint after a change that is then undone.
async fn after(client: &Client, tenant: &TenantName, other: &TenantName, sql: &str) -> Option<String> {
    let sql = sql.replace("{t}", tenant.as_str()).replace("{b}", other.as_str());
    client.batch_execute(&format!("BEGIN; {sql}")).await.map_err(|error| format!("{sql}: {error:?}")).unwrap();
    let found = fingerprint(client, tenant).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    found
}

#[rustfmt::skip]
pub(crate) const CHANGES: &[&str] = &[
    // What says so already is not the tenant's name.
    "ALTER POLICY tenant_login ON {t}.reports USING (session_user = '{tenant}_app')",
    // The schema and what is in it.
    "ALTER SCHEMA {t} OWNER TO postgres",
    "GRANT USAGE ON SCHEMA {t} TO labor_control",
    "GRANT CREATE ON SCHEMA {t} TO {t}_app",
    "REVOKE USAGE ON SCHEMA {t} FROM labor_backup",
    "CREATE TABLE {t}.extra (n int)",
    "CREATE UNLOGGED TABLE {t}.extra (n int)",
    "CREATE VIEW {t}.v AS SELECT id FROM {t}.reports",
    "CREATE MATERIALIZED VIEW {t}.v AS SELECT id FROM {t}.reports",
    "CREATE SEQUENCE {t}.s",
    "CREATE FUNCTION {t}.f() RETURNS int RETURN 1",
    "CREATE TYPE {t}.e AS ENUM ('a')",
    "CREATE DOMAIN {t}.d AS text",
    "CREATE STATISTICS {t}.s ON id, kind FROM {t}.reports",
    "CREATE COLLATION {t}.c FROM \"C\"",
    "ALTER DEFAULT PRIVILEGES FOR ROLE labor_owner IN SCHEMA {t} GRANT SELECT ON TABLES TO PUBLIC",
    // Tables.
    "ALTER TABLE {t}.audit RENAME TO log",
    "ALTER TABLE {t}.audit OWNER TO postgres",
    "ALTER TABLE {t}.audit SET (fillfactor = 70)",
    "ALTER TABLE {t}.audit SET (autovacuum_enabled = off)",
    "ALTER TABLE {t}.audit REPLICA IDENTITY FULL",
    "ALTER TABLE {t}.schema_stamp SET UNLOGGED",
    "ALTER TABLE {t}.audit DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {t}.audit NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {t}.audit INHERIT {b}.audit",
    // Columns.
    "ALTER TABLE {t}.audit ADD COLUMN extra text",
    "ALTER TABLE {t}.audit DROP COLUMN request_id",
    "ALTER TABLE {t}.audit RENAME request_id TO request",
    "ALTER TABLE {t}.audit ALTER action TYPE varchar(100)",
    "ALTER TABLE {t}.audit ALTER action TYPE text COLLATE \"C\"",
    "ALTER TABLE {t}.audit ALTER action DROP NOT NULL",
    "ALTER TABLE {t}.audit ALTER actor SET DEFAULT 'nobody'",
    "ALTER TABLE {t}.audit ALTER actor DROP DEFAULT",
    "ALTER TABLE {t}.patients ALTER family_name SET STATISTICS -1",
    "ALTER TABLE {t}.patients ALTER sex SET STATISTICS 500",
    "ALTER TABLE {t}.audit ALTER action SET STORAGE EXTERNAL",
    "ALTER TABLE {t}.audit ALTER action SET COMPRESSION pglz",
    "ALTER TABLE {t}.audit ALTER action SET (n_distinct = 5)",
    "ALTER TABLE {t}.observations ALTER position ADD GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE {t}.audit ADD COLUMN extra text GENERATED ALWAYS AS (action || 'x') STORED",
    // Constraints.
    "ALTER TABLE {t}.reports DROP CONSTRAINT reports_check",
    "ALTER TABLE {t}.reports DROP CONSTRAINT reports_check; ALTER TABLE {t}.reports ADD CONSTRAINT reports_check CHECK (released_by IS NULL OR released_at IS NOT NULL) NOT VALID",
    "ALTER TABLE {t}.reports RENAME CONSTRAINT reports_check TO another",
    "ALTER TABLE {t}.users ALTER CONSTRAINT users_patient_id_fkey DEFERRABLE",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.patients ON DELETE CASCADE",
    "ALTER TABLE {t}.users DISABLE TRIGGER ALL",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more CHECK (genetic OR kind <> '')",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more CHECK (genetic OR kind <> 'x')",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more CHECK (genetic OR kind > '')",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more UNIQUE (id, kind)",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more UNIQUE (kind, id)",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more UNIQUE (id) INCLUDE (kind)",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more UNIQUE NULLS NOT DISTINCT (id, kind)",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more UNIQUE (id, kind) DEFERRABLE",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more UNIQUE (id, kind) DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more EXCLUDE USING hash (id WITH =)",
    "ALTER TABLE {t}.reports ADD CONSTRAINT more EXCLUDE USING hash (id WITH =) WHERE (genetic)",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.reports NOT VALID",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.patients ON UPDATE CASCADE",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.patients ON DELETE SET NULL",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.patients ON DELETE SET NULL (patient_id)",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.patients MATCH FULL",
    "ALTER TABLE {t}.users DROP CONSTRAINT users_patient_id_fkey; ALTER TABLE {t}.users ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES {t}.patients NOT VALID",
    // Indexes.
    "DROP INDEX {t}.reports_patient_id",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports USING hash (patient_id)",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (patient_id) WHERE critical",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (patient_id) WHERE genetic",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (patient_id DESC)",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (patient_id NULLS FIRST)",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (order_id)",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (patient_id) INCLUDE (kind)",
    "DROP INDEX {t}.reports_patient_id; CREATE INDEX reports_patient_id ON {t}.reports (patient_id, kind)",
    "CREATE INDEX more ON {t}.reports (kind)",
    "CREATE INDEX more ON {t}.reports (kind text_pattern_ops)",
    "CREATE INDEX more ON {t}.reports (kind COLLATE \"C\")",
    "CREATE INDEX more ON {t}.reports (lower(kind))",
    "CREATE INDEX more ON {t}.reports (upper(kind))",
    "CREATE INDEX more ON {t}.reports USING gist (to_tsvector('simple', kind) tsvector_ops (siglen = 100))",
    "CREATE INDEX more ON {t}.reports USING gist (to_tsvector('simple', kind) tsvector_ops (siglen = 200))",
    "CREATE UNIQUE INDEX more ON {t}.reports (id, kind) NULLS NOT DISTINCT",
    "CREATE UNIQUE INDEX more ON {t}.reports (id, kind)",
    "ALTER INDEX {t}.reports_patient_id RENAME TO another",
    "ALTER INDEX {t}.reports_pkey SET (fillfactor = 70)",
    "ALTER INDEX {t}.reports_patient_id SET (fillfactor = 70)",
    "ALTER TABLE {t}.reports CLUSTER ON reports_pkey",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{t}.reports_patient_id'::regclass",
    // Policies.
    "DROP POLICY claim_select ON {t}.reports",
    "ALTER POLICY claim_select ON {t}.reports RENAME TO another",
    "ALTER POLICY claim_select ON {t}.reports TO {t}_app",
    "ALTER POLICY claim_select ON {t}.reports TO {t}_app, {b}_app",
    "ALTER POLICY claim_select ON {t}.reports USING ((SELECT guard.permits('{b}', '{doctor}')))",
    "ALTER POLICY claim_select ON {t}.reports USING (genetic)",
    "ALTER POLICY claim_select ON {t}.reports USING (critical)",
    "ALTER POLICY claim_select ON {t}.reports USING (EXISTS (SELECT FROM {t}.users u WHERE u.id = reports.id))",
    "ALTER POLICY claim_select ON {t}.reports USING (EXISTS (SELECT FROM {b}.users u WHERE u.id = reports.id))",
    "ALTER POLICY claim_select ON {t}.reports USING (EXISTS (SELECT FROM {t}.patients u WHERE u.id = reports.id))",
    "ALTER POLICY claim_update ON {t}.reports WITH CHECK (true)",
    "DROP POLICY tenant_login ON {t}.audit; CREATE POLICY tenant_login ON {t}.audit FOR SELECT TO {t}_app USING (true)",
    // Triggers and rules.
    "CREATE FUNCTION guard.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON {t}.reports FOR EACH ROW EXECUTE FUNCTION guard.f()",
    "CREATE RULE r AS ON INSERT TO {t}.reports DO ALSO NOTIFY reports",
    // Rights.
    "GRANT DELETE ON {t}.reports TO {t}_app",
    "GRANT SELECT ON {t}.reports TO PUBLIC",
    "GRANT SELECT ON {t}.reports TO {b}_app",
    "GRANT SELECT ON {t}.reports TO {t}_app WITH GRANT OPTION",
    "REVOKE SELECT ON {t}.reports FROM {t}_app",
    "REVOKE UPDATE ON {t}.reports FROM labor_owner",
    "GRANT UPDATE (report_key) ON {t}.reports TO {t}_app",
    "GRANT SELECT (kind) ON {t}.reports TO PUBLIC",
];

/// What a restored copy may have otherwise, or nobody's behaviour depends on.
#[rustfmt::skip]
pub(crate) const NO_CHANGES: &[&str] = &[
    "COMMENT ON TABLE {t}.reports IS 'another'",
    "COMMENT ON SCHEMA {t} IS 'another'",
    "ALTER TABLE {t}.audit ADD COLUMN gone text; ALTER TABLE {t}.audit DROP COLUMN gone",
    "GRANT SELECT ON {t}.reports TO PUBLIC; REVOKE SELECT ON {t}.reports FROM PUBLIC",
    "REVOKE ALL ON {t}.reports FROM labor_backup; GRANT SELECT ON {t}.reports TO labor_backup",
    "GRANT SELECT (kind) ON {t}.reports TO PUBLIC; REVOKE SELECT (kind) ON {t}.reports FROM PUBLIC",
    "INSERT INTO {t}.refinery_schema_history VALUES (99, 'x', 'x', 'x'); ANALYZE {t}.refinery_schema_history",
];

#[tokio::test]
async fn whatever_is_changed_by_hand_changes_the_fingerprint_and_nothing_else_does() {
    let world = world().await;
    let practice = world.another("fingerprint", 60).await;
    let superuser = superuser().await;
    superuser.batch_execute("SET search_path = pg_catalog").await.unwrap();
    let sound = fingerprint(&superuser, &practice.name).await;
    let mut wrong = Vec::new();
    for sql in CHANGES {
        if after(&superuser, &practice.name, &world.b.name, sql).await == sound {
            wrong.push(format!("not seen: {sql}"));
        }
    }
    for sql in NO_CHANGES {
        if after(&superuser, &practice.name, &world.b.name, sql).await != sound {
            wrong.push(format!("seen: {sql}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn equal_schemas_have_equal_lines_and_no_line_knows_the_tenant() {
    let world = world().await;
    let (one, other) = (world.another("equal", 61).await.name, world.another("alike", 62).await.name);
    let superuser = superuser().await;
    superuser.batch_execute("SET search_path = pg_catalog").await.unwrap();
    let found = lines(&superuser, &one).await;
    assert_eq!(found, lines(&superuser, &other).await);
    assert!(found.len() > 200, "{} lines", found.len());
    assert!(!found.iter().any(|line| line.contains(one.as_str())));
    assert!(found.contains(&"grant reports {tenant}_app=ar".to_owned()), "{found:#?}");
    assert!(found.contains(&"grant reports.released_at {tenant}_app=w".to_owned()), "{found:#?}");
}

#[tokio::test]
async fn one_tenant_and_the_fleet_are_read_in_the_same_way() {
    let world = world().await;
    let superuser = superuser().await;
    let proof = Proof::prepare(&superuser).await.unwrap();
    let names = [world.another("single", 63).await.name, world.another("fleet", 64).await.name];
    let nobody = TenantName::parse("t_nobodynobody").unwrap();
    superuser.batch_execute("BEGIN").await.unwrap();
    let mut expected = Vec::new();
    for name in &names {
        assert_eq!(proof.findings(&superuser, name).await.unwrap(), []);
        let found = proof.fingerprint(&superuser, name).await.unwrap().unwrap();
        assert_eq!(Some(found.clone()), fingerprint(&superuser, name).await);
        expected.push((name.as_str().to_owned(), found));
    }
    assert_eq!(proof.fingerprint(&superuser, &nobody).await.unwrap(), None);
    let wanted = [names[0].as_str(), names[1].as_str(), nobody.as_str()];
    let rows = superuser.query(sql::FLEET_FINGERPRINTS, &[&&wanted[..]]).await.unwrap();
    let mut fleet: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    fleet.sort();
    expected.sort();
    assert_eq!(fleet, expected);
    superuser.batch_execute("COMMIT").await.unwrap();
}
