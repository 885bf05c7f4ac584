//! What the migrator says of a statement's locks, against what the server then holds.
//! Must stay true: every statement is run in a transaction on tables that were there before; pg_locks tells the locks, the file node
//! whether the table was written anew.
use std::collections::{BTreeMap, BTreeSet};

use labor_migrator::locks::{Known, LockMode, of_known};
use labor_migrator::statements::split;
use labor_testing::postgres;
use tokio_postgres::GenericClient;

const TABLES: &str = "
    CREATE TABLE a (id integer PRIMARY KEY, v text, w varchar(10), n integer, m integer NOT NULL DEFAULT 1);
    CREATE INDEX a_n ON a (n);
    CREATE UNIQUE INDEX a_m ON a (m);
    CREATE TABLE b (id integer PRIMARY KEY, a_id integer REFERENCES a (id), x text);
    CREATE TABLE c (id integer PRIMARY KEY, a_id integer);
    ALTER TABLE c ADD CONSTRAINT c_check CHECK (id > 0) NOT VALID;
    ALTER TABLE c ADD CONSTRAINT c_far FOREIGN KEY (a_id) REFERENCES a (id) NOT VALID;";

const STATEMENTS: &[&str] = &[
    "ALTER TABLE a ADD COLUMN k text",
    "ALTER TABLE a ADD COLUMN k integer NOT NULL DEFAULT 7",
    "ALTER TABLE a ADD COLUMN k timestamptz DEFAULT now()",
    "ALTER TABLE a ADD COLUMN k timestamptz DEFAULT clock_timestamp()",
    "ALTER TABLE a ADD COLUMN k uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE a ADD COLUMN k integer GENERATED ALWAYS AS (n + 1) STORED",
    "ALTER TABLE a ADD COLUMN k text CHECK (k <> '')",
    "ALTER TABLE b ADD COLUMN c_id integer REFERENCES c (id)",
    "ALTER TABLE a DROP COLUMN v",
    "ALTER TABLE b DROP COLUMN a_id",
    "ALTER TABLE a ALTER COLUMN n TYPE bigint",
    "ALTER TABLE a ALTER COLUMN n SET NOT NULL",
    "ALTER TABLE a ALTER COLUMN m DROP NOT NULL",
    "ALTER TABLE a ALTER COLUMN n SET DEFAULT 3",
    "ALTER TABLE a ALTER COLUMN m DROP DEFAULT",
    "ALTER TABLE a ALTER COLUMN n SET STATISTICS 500",
    "ALTER TABLE a ALTER COLUMN n SET (n_distinct = 5)",
    "ALTER TABLE a ALTER COLUMN v SET STORAGE EXTERNAL",
    "ALTER TABLE a ADD CONSTRAINT k CHECK (n > 0)",
    "ALTER TABLE a ADD CONSTRAINT k CHECK (n > 0) NOT VALID",
    "ALTER TABLE a ADD CONSTRAINT k UNIQUE (v)",
    "ALTER TABLE a ADD CONSTRAINT k UNIQUE USING INDEX a_m",
    "ALTER TABLE b ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES c (id)",
    "ALTER TABLE b ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES c (id) NOT VALID",
    "ALTER TABLE b ADD CONSTRAINT k FOREIGN KEY (a_id) REFERENCES b (id)",
    "ALTER TABLE c VALIDATE CONSTRAINT c_check",
    "ALTER TABLE c VALIDATE CONSTRAINT c_far",
    "ALTER TABLE c DROP CONSTRAINT c_check",
    "ALTER TABLE c DROP CONSTRAINT c_far",
    "ALTER TABLE b DROP CONSTRAINT b_a_id_fkey",
    "ALTER TABLE a RENAME TO z",
    "ALTER TABLE a RENAME COLUMN v TO z",
    "ALTER TABLE b RENAME CONSTRAINT b_a_id_fkey TO z",
    "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE a FORCE ROW LEVEL SECURITY",
    "ALTER TABLE a SET (fillfactor = 70)",
    "ALTER TABLE c SET UNLOGGED, ALTER COLUMN a_id SET STATISTICS 5",
    "ALTER TABLE a CLUSTER ON a_n",
    "ALTER TABLE b DISABLE TRIGGER USER",
    "ALTER INDEX a_n RENAME TO z",
    "CREATE INDEX k ON a (v)",
    "CREATE UNIQUE INDEX k ON ONLY a (id, v)",
    "DROP INDEX a_n",
    "REINDEX TABLE a",
    "REINDEX INDEX a_n",
    "CREATE TABLE d (id integer PRIMARY KEY)",
    "CREATE TABLE d (id integer PRIMARY KEY, a_id integer REFERENCES a (id), up integer REFERENCES d (id))",
    "CREATE TABLE d (id integer, FOREIGN KEY (id) REFERENCES c (id))",
    "CREATE TABLE d (LIKE a)",
    "CREATE TABLE d AS SELECT id FROM a",
    "DROP TABLE b",
    "DROP TABLE c, b",
    "COMMENT ON TABLE a IS 'x'",
    "COMMENT ON COLUMN a.v IS 'x'",
    "COMMENT ON INDEX a_n IS 'x'",
    "COMMENT ON CONSTRAINT c_check ON c IS 'x'",
    "UPDATE a SET v = x FROM b WHERE b.id = a.id",
    "DELETE FROM c WHERE id IN (SELECT id FROM b)",
    "INSERT INTO b (id, x) SELECT 5, 'x' WHERE NOT EXISTS (SELECT FROM c)",
    "WITH a AS (SELECT id FROM b) SELECT id FROM a",
    "SELECT id FROM a FOR UPDATE",
    "TRUNCATE c",
    "CLUSTER a USING a_n",
    "ANALYZE a",
    "LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE",
    "LOCK a",
    "CREATE POLICY k ON a USING (true)",
];

type Held = BTreeMap<String, LockMode>;

/// Tables that were there before, their locks of ours, and their file nodes.
async fn look(client: &impl GenericClient) -> (Held, BTreeMap<u32, i64>) {
    let rows = client
        .query(
            "SELECT t.name, l.mode FROM pg_locks l JOIN before_it t ON t.oid = l.relation
              WHERE l.pid = pg_backend_pid() AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            &[],
        )
        .await
        .unwrap();
    let mut held = Held::new();
    for row in rows {
        let mode = LockMode::from_pg_locks(row.get(1)).unwrap();
        held.entry(row.get(0)).and_modify(|known| *known = known.with(mode)).or_insert(mode);
    }
    let files = client
        .query(
            "SELECT t.oid, coalesce(c.relfilenode, 0)::bigint FROM before_it t LEFT JOIN pg_class c ON c.oid = t.oid",
            &[],
        )
        .await
        .unwrap();
    (held, files.iter().map(|row| (row.get(0), row.get(1))).collect())
}

#[tokio::test]
async fn the_server_holds_what_was_foretold() {
    postgres().await.create_database("locks").await.unwrap();
    let mut client = postgres().await.connect("locks").await.unwrap();
    client
        .batch_execute(&format!(
            "CREATE SCHEMA s; SET search_path = s; {TABLES}
             CREATE TEMP TABLE before_it AS SELECT oid, relname::text AS name FROM pg_class
               WHERE relnamespace = 's'::regnamespace AND relkind = 'r'"
        ))
        .await
        .unwrap();
    let mut known = Known::default();
    for statement in split(TABLES).unwrap() {
        known.follow(&statement);
    }
    let mut wrong = Vec::new();
    for sql in STATEMENTS {
        let transaction = client.transaction().await.unwrap();
        let (none, before) = look(&transaction).await;
        assert!(none.is_empty(), "{sql}: {none:?}");
        transaction.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let (held, after) = look(&transaction).await;
        transaction.rollback().await.unwrap();
        let (mut foretold, mut rewrites) = (Held::new(), BTreeSet::new());
        for effect in split(sql).unwrap().iter().flat_map(|statement| of_known(statement, &known)) {
            foretold
                .entry(effect.table.clone())
                .and_modify(|mode| *mode = mode.with(effect.mode))
                .or_insert(effect.mode);
            rewrites.extend(effect.rewrite.then_some(effect.table));
        }
        // A dropped table has no file any more; TRUNCATE gives a new one that is empty, which costs nothing.
        let changed =
            before.iter().any(|(oid, file)| after[oid] != 0 && after[oid] != *file) && !sql.starts_with("TRUNCATE");
        if foretold != held || changed == rewrites.is_empty() {
            wrong.push(format!("{sql}\n  foretold {foretold:?} {rewrites:?}\n  held     {held:?} {changed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What can't be run in a transaction is only looked up.
#[test]
fn what_runs_alone_lets_readers_and_writers_pass() {
    let gentle = LockMode::ShareUpdateExclusive;
    for (sql, mode, rewrite) in [
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS k ON a (v)", gentle, false),
        ("REINDEX TABLE CONCURRENTLY a", gentle, false),
        ("REINDEX (CONCURRENTLY) TABLE a", gentle, false),
        ("VACUUM a", gentle, false),
        ("VACUUM FULL a", LockMode::AccessExclusive, true),
        ("VACUUM (FULL) a", LockMode::AccessExclusive, true),
        ("VACUUM (VERBOSE, FULL) a", LockMode::AccessExclusive, true),
        ("ALTER TABLE a ATTACH PARTITION p DEFAULT", gentle, false),
    ] {
        let effects = of_known(&split(sql).unwrap()[0], &Known::default());
        let [effect] = effects.as_slice() else { panic!("{sql}: {effects:?}") };
        assert_eq!((effect.table.as_str(), effect.mode, effect.rewrite), ("a", mode, rewrite), "{sql}");
    }
    for sql in ["DO $$ BEGIN PERFORM 1; END $$", "DROP INDEX x", "CREATE EXTENSION x"] {
        let effects = of_known(&split(sql).unwrap()[0], &Known::default());
        assert_eq!((effects[0].table.as_str(), effects[0].mode), ("?", LockMode::AccessExclusive), "{sql}");
    }
}
