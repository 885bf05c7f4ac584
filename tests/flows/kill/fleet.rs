//! A fleet in words that are the same for every run that got as far: tenants by the name people type, no times, no run.
//!
//! What must stay true: this is the one place that knows what "the same" means. Columns are read through JSON, so that one more or one
//! less in a table of the control schema does not matter here.
use labor_testing::Postgres;
use tokio_postgres::Client;

/// One line per fact. `{tenants}` are the names in the database; they are replaced by the slugs afterwards.
const OF_CONTROL: &str = r"
  SELECT format('tenant %s: %s %s, master secret %s', t.name, t.kind, t.state, t.secret_number) FROM control.tenants t
  UNION ALL
  SELECT format('ledger %s: %s', l.tenant, (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(l))
            WHERE key IN ('version', 'chain_checksum', 'fingerprint', 'last_error'))) FROM control.ledger l
  UNION ALL
  SELECT format('role %s: %s, in %s', r.rolname, rolconfig, (SELECT string_agg(roleid::regrole::text, ',' ORDER BY 1)
            FROM pg_auth_members WHERE member = r.oid))
    FROM control.tenants t JOIN pg_roles r ON r.rolname = t.name || '_app'
  UNION ALL
  SELECT format('LEFT OVER: schema %s of no tenant', nspname) FROM pg_namespace
   WHERE nspname LIKE 't\_%' AND nspname NOT IN (SELECT name FROM control.tenants)
  UNION ALL
  SELECT format('claim keys: %s, of them in use %s, before it %s', string_agg(key_id || CASE WHEN not_after IS NULL THEN '' ELSE ' with an end' END, ', ' ORDER BY key_id),
                f.claim_key, f.former_claim_key)
    FROM guard.claim_keys CROSS JOIN control.fleet f GROUP BY f.claim_key, f.former_claim_key";

/// Of a database that no `up` has come through yet, too.
const OF_ANY: &str = r"
  SELECT format('schema %s: owner %s, rights %s', nspname, nspowner::regrole, nspacl)
    FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%'
  UNION ALL
  SELECT format('relation %s.%s: %s, owner %s, rights %s', nspname, relname, relkind, relowner::regrole, relacl)
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
   WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
  UNION ALL
  SELECT format('function %s.%s: %s', nspname, proname, md5(prosrc))
    FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
   WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
  UNION ALL
  SELECT format('LEFT OVER: %s is invalid', indexrelid::regclass) FROM pg_index WHERE NOT (indisvalid AND indisready)
  UNION ALL
  SELECT format('LEFT OVER: %s is not valid', conname) FROM pg_constraint WHERE NOT convalidated
  UNION ALL
  SELECT format('LEFT OVER: transaction %s', gid) FROM pg_prepared_xacts WHERE database = current_database()";

const OF_QUEUE: &str = "SELECT format('queue: %s', queue_name) FROM pgmq.meta";

const STAMP: &str = "
  SELECT format('stamp %s: %s', '{schema}', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(s))
            WHERE key IN ('tenant', 'version', 'chain_checksum'))) FROM {schema}.schema_stamp s";

/// A backfill that missed a row, or did one twice otherwise, shows here; a version without the column has null.
const ROWS: &str = "
  SELECT format('patient of %s: %s', '{schema}', to_jsonb(p) - 'id' - 'created_at') FROM {schema}.patients p";

const HISTORY: &str = "
  SELECT format('history %s: %s', '{schema}', to_jsonb(h) - 'applied_on') FROM {schema}.refinery_schema_history h";

/// The migrator's own records, times and runs included: together with the facts they tell whether anything happened at all.
const RECORDS: &str = "
  SELECT 'tenants',     to_jsonb(t) FROM control.tenants t     UNION ALL
  SELECT 'identifiers', to_jsonb(t) FROM control.tenant_identifiers t UNION ALL
  SELECT 'ledger',      to_jsonb(t) FROM control.ledger t      UNION ALL
  SELECT 'runs',        to_jsonb(t) FROM control.runs t        UNION ALL
  SELECT 'outcomes',    to_jsonb(t) FROM control.outcomes t    UNION ALL
  SELECT 'migrations',  to_jsonb(t) FROM control.migrations t  UNION ALL
  SELECT 'fleet',       to_jsonb(t) FROM control.fleet t";

/// What differs between two runs that did the same, and is nothing that a later run goes by.
const OF_ONE_RUN: &str = "{id,run_id,created_at,changed_at,started_at,finished_at,recorded_at,migrated_at,written_at,last_error_at,milliseconds}";

/// Name in the database, and what it is called in the facts.
const TENANTS: &str =
    "SELECT name, CASE state WHEN 'spare' THEN 'spare' ELSE slug END FROM control.tenants WHERE state <> 'deleted'";

/// What is in a database.
#[derive(PartialEq, Eq)]
pub(super) struct Fleet {
    /// Sorted lines.
    pub(super) facts: String,
    /// The login roles of its tenants.
    pub(super) roles: Vec<String>,
    records: Vec<String>,
    /// Facts and records without what is of one run: whatever is done with two fleets of the same state comes to the same.
    pub(super) state: String,
}

/// Whether nothing has happened to a database since its original was described.
pub(super) async fn is_as_found(postgres: &Postgres, database: &str, found: &Fleet) -> bool {
    let client = postgres.connect(database).await.unwrap();
    client.batch_execute("SET search_path = pg_catalog").await.unwrap();
    // The records tell most of it, at little cost.
    records(&client, "{}").await == found.records && read(&client).await == *found
}

pub(super) async fn describe(postgres: &Postgres, database: &str) -> Fleet {
    let client = postgres.connect(database).await.unwrap();
    client.batch_execute("SET search_path = pg_catalog").await.unwrap();
    read(&client).await
}

async fn lines(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn is_there(client: &Client, table: &str) -> bool {
    client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.unwrap().get(0)
}

async fn records(client: &Client, without: &str) -> Vec<String> {
    if !is_there(client, "control.fleet").await {
        return Vec::new();
    }
    let sql =
        format!("SELECT concat_ws(' ', name, record - '{without}'::text[]) FROM ({RECORDS}) AS records (name, record)");
    let mut records = lines(client, &sql).await;
    records.sort();
    records
}

async fn read(client: &Client) -> Fleet {
    let mut facts = lines(client, OF_ANY).await;
    let mut tenants = Vec::new();
    if is_there(client, "pgmq.meta").await {
        facts.extend(lines(client, OF_QUEUE).await);
    }
    // All of the control schema comes in one transaction.
    if is_there(client, "control.fleet").await {
        facts.extend(lines(client, OF_CONTROL).await);
        facts.extend(lines(client, &HISTORY.replace("{schema}", "control")).await);
        tenants = client.query(TENANTS, &[]).await.unwrap();
    }
    for tenant in &tenants {
        for sql in [STAMP, HISTORY, ROWS] {
            facts.extend(lines(client, &sql.replace("{schema}", tenant.get(0))).await);
        }
    }
    let names: Vec<&str> = tenants.iter().map(|tenant| tenant.get(0)).collect();
    for row in client.query(labor_catalog::sql::FLEET_FINGERPRINTS, &[&names]).await.unwrap() {
        facts.push(format!("definition of {}: {}", row.get::<_, &str>(0), row.get::<_, &str>(1)));
    }
    let mut same = records(client, OF_ONE_RUN).await;
    for tenant in &tenants {
        let (name, slug): (&str, &str) = (tenant.get(0), tenant.get(1));
        facts.iter_mut().chain(&mut same).for_each(|fact| *fact = fact.replace(name, &format!("<{slug}>")));
    }
    facts.sort();
    same.sort();
    let (facts, records) = (facts.join("\n"), records(client, "{}").await);
    let state = format!("{facts}\n{}", same.join("\n"));
    let roles = tenants.iter().map(|tenant| format!("{}_app", tenant.get::<_, &str>(0))).collect();
    Fleet { facts, roles, records, state }
}
