//! A fleet in words that are the same for every run that got as far: tenants by the name people type, no times, no run.
//!
//! What must stay true: this is the one place that knows what "the same" means. Columns are read through JSON, so that one more or one
//! less in a table of the control schema does not matter here.
use labor_testing::Postgres;

/// One line per fact. `{tenants}` are the names in the database; they are replaced by the slugs afterwards.
const FACTS: &str = r"
  SELECT format('tenant %s: %s %s', t.name, t.kind, t.state) FROM control.tenants t
  UNION ALL
  SELECT format('ledger %s: %s', l.tenant, (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(l))
            WHERE key IN ('version', 'chain_checksum', 'fingerprint', 'last_error'))) FROM control.ledger l
  UNION ALL
  SELECT format('role %s: %s, in %s', r.rolname, rolconfig, (SELECT string_agg(roleid::regrole::text, ',' ORDER BY 1)
            FROM pg_auth_members WHERE member = r.oid))
    FROM control.tenants t JOIN pg_roles r ON r.rolname = t.name || '_app'
  UNION ALL
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
  SELECT format('LEFT OVER: schema %s of no tenant', nspname) FROM pg_namespace
   WHERE nspname LIKE 't\_%' AND nspname NOT IN (SELECT name FROM control.tenants)
  UNION ALL
  SELECT format('LEFT OVER: transaction %s', gid) FROM pg_prepared_xacts WHERE database = current_database()
  UNION ALL
  SELECT format('claim keys: %s', count(*)) FROM guard.claim_keys
  UNION ALL
  SELECT format('queue: %s', queue_name) FROM pgmq.meta";

const STAMP: &str = "
  SELECT format('stamp %s: %s', '{schema}', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(s))
            WHERE key IN ('tenant', 'version', 'chain_checksum'))) FROM {schema}.schema_stamp s";

const HISTORY: &str = "
  SELECT format('history %s: %s', '{schema}', to_jsonb(h) - 'applied_on') FROM {schema}.refinery_schema_history h";

/// What is in a database.
pub(super) struct Fleet {
    /// Sorted lines.
    pub(super) facts: String,
    /// The login roles of its tenants.
    pub(super) roles: Vec<String>,
}

pub(super) async fn describe(postgres: &Postgres, database: &str) -> Fleet {
    let client = postgres.connect(database).await.unwrap();
    let lines = async |sql: &str| -> Vec<String> {
        client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let mut facts = lines(FACTS).await;
    facts.extend(lines(&HISTORY.replace("{schema}", "control")).await);
    let tenants = client.query("SELECT name, slug FROM control.tenants WHERE state <> 'deleted'", &[]).await.unwrap();
    for tenant in &tenants {
        for sql in [STAMP, HISTORY] {
            facts.extend(lines(&sql.replace("{schema}", tenant.get(0))).await);
        }
    }
    for tenant in &tenants {
        let (name, slug): (&str, &str) = (tenant.get(0), tenant.get(1));
        facts.iter_mut().for_each(|fact| *fact = fact.replace(name, &format!("<{slug}>")));
    }
    facts.sort();
    let roles = tenants.iter().map(|tenant| format!("{}_app", tenant.get::<_, &str>(0))).collect();
    Fleet { facts: facts.join("\n"), roles }
}
