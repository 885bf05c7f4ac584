//! The floor: the statements themselves, with as little around them as there can be.
use std::time::Instant;

use labor_migrator::TenantName;
use labor_migrator::isolation::Proof;
use serde_json::Value;
use tokio_postgres::Client;

use crate::race::{List, race};
use crate::{Failure, Ground, milliseconds};

/// What a tenant's transaction holds beside the migration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    /// What has to be written down of each tenant.
    Records,
    /// The proof; its time is then what is reported of each tenant.
    Proof,
}

/// The newest migration on every tenant.
pub(crate) async fn newest(ground: &Ground, workers: usize, beside: Beside) -> Result<Value, Failure> {
    let newest = ground.migrator.chain().migrations().last().ok_or("there is no migration")?;
    let mut sql = newest.sql.clone();
    if beside == Beside::Records {
        sql += &format!(
            ";INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES ({0}, 'bench', now()::text, '');
              UPDATE schema_stamp SET version = {0}, chain_checksum = 'bench', stamped_at = now();
              SET LOCAL ROLE NONE;
              UPDATE control.ledger SET version = {0}, chain_checksum = 'bench', migrated_at = now() WHERE tenant = '{{tenant}}';
              INSERT INTO control.outcomes (run_id, tenant, from_version, to_version, outcome)
              SELECT id, '{{tenant}}', {0} - 1, {0}, 'migrated' FROM control.runs ORDER BY id LIMIT 1",
            newest.version
        );
    }
    race(ground, workers, |client, list| loop_over(client, list, sql.clone(), beside == Beside::Proof)).await
}

/// Any SQL on every tenant; `{tenant}` stands for its name.
pub(crate) async fn each(ground: &Ground, workers: usize, sql: &str) -> Result<Value, Failure> {
    race(ground, workers, |client, list| loop_over(client, list, sql.to_owned(), false)).await
}

async fn loop_over(client: Client, list: List, sql: String, proven: bool) -> Result<Vec<f64>, Failure> {
    let proof = if proven {
        client.batch_execute("SET search_path = pg_catalog").await?;
        Some(Proof::prepare(&client).await?)
    } else {
        None
    };
    let mut each = Vec::new();
    while let Some(tenant) = list.next() {
        let body = sql.replace("{tenant}", tenant.as_str());
        let began = Instant::now();
        let open = format!("BEGIN; SET LOCAL ROLE labor_owner; SET LOCAL search_path = {tenant}; {body}");
        match &proof {
            None => {
                client.batch_execute(&format!("{open};COMMIT")).await?;
                each.push(milliseconds(began));
            }
            Some(proof) => {
                client
                    .batch_execute(&format!("{open};SET LOCAL search_path = pg_catalog; SET LOCAL ROLE NONE"))
                    .await?;
                each.push(prove(&client, proof, &tenant).await?);
                client.batch_execute("COMMIT").await?;
            }
        }
    }
    Ok(each)
}

/// As a step of the product asks: both sent together.
async fn prove(client: &Client, proof: &Proof, tenant: &TenantName) -> Result<f64, Failure> {
    let began = Instant::now();
    let (findings, shape) = tokio::join!(proof.reach(client, tenant), proof.shape(client, tenant));
    if !findings?.is_empty() || shape?.is_none() {
        return Err(format!("{tenant} is not sound").into());
    }
    Ok(milliseconds(began))
}
