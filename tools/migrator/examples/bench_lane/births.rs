//! New practices: by Labor, and by the bare DDL.
use std::time::Instant;

use labor_migrator::provision::{Kind, NewTenant};
use labor_migrator::{MasterSecret, TenantName};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{Failure, Ground, milliseconds};

/// Practices by Labor, each with a connection of its own, as the program makes them.
pub(crate) async fn labor(ground: &Ground, count: usize) -> Result<Value, Failure> {
    let (mut connect, mut cold, mut pool, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let began = Instant::now();
        drop(ground.connect().await?);
        connect.push(milliseconds(began));
        let slug = TenantName::random()?.as_str().replace('_', "-");
        let wanted = NewTenant { slug: slug.clone(), display_name: slug, kind: Kind::Practice, bsnrs: Vec::new() };
        let began = Instant::now();
        let made = ground.migrator.provision(&wanted).await?;
        if made.from_pool { &mut pool } else { &mut cold }.push(milliseconds(began));
        names.push(made.tenant);
    }
    forget(ground, &names).await?;
    Ok(json!({ "connect": connect, "cold": cold, "pool": pool }))
}

/// What is measured leaves the fleet as large as it was.
async fn forget(ground: &Ground, names: &[TenantName]) -> Result<(), Failure> {
    let client = ground.connect().await?;
    for name in names {
        let sql = format!(
            "DELETE FROM control.outcomes WHERE tenant = '{name}'; DELETE FROM control.ledger WHERE tenant = '{name}';
             DELETE FROM control.tenants WHERE name = '{name}'"
        );
        client.batch_execute(&sql).await?;
        remove(&client, name).await?;
    }
    Ok(())
}

async fn remove(client: &Client, name: &TenantName) -> Result<(), Failure> {
    Ok(client.batch_execute(&format!("DROP SCHEMA {name} CASCADE; DROP ROLE {}", name.role())).await?)
}

/// The row rules name it; refinery makes it so.
const HISTORY: &str = "CREATE TABLE refinery_schema_history(
  version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";

/// The same role, schema, migrations and row rules in one transaction and in one round trip, each over a connection of its own too.
pub(crate) async fn bare(ground: &Ground, master: &MasterSecret, count: usize) -> Result<Value, Failure> {
    let chain = ground.migrator.chain();
    let files: String = chain.migrations().iter().map(|m| format!("{};\n", m.sql)).collect();
    let (mut times, mut names) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let client = ground.connect().await?;
        let name = TenantName::random()?;
        let role = name.role();
        let rules = chain.rules().replace("{tenant}", name.as_str());
        let began = Instant::now();
        let verifier = master.scram_verifier(&role)?;
        let sql = format!(
            "BEGIN;
             CREATE ROLE {role} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
                    CONNECTION LIMIT 50 PASSWORD '{verifier}' IN ROLE labor_tenants;
             ALTER ROLE {role} SET search_path = {name}, pg_catalog, pg_temp;
             CREATE SCHEMA {name} AUTHORIZATION labor_owner;
             SET LOCAL ROLE labor_owner; SET LOCAL search_path = {name};\n{HISTORY};\n{files}\n{rules};\nCOMMIT"
        );
        client.batch_execute(&sql).await?;
        times.push(milliseconds(began));
        names.push(name);
    }
    let client = ground.connect().await?;
    for name in &names {
        remove(&client, name).await?;
    }
    Ok(json!({ "bare": times }))
}
