//! The same work as most would do it with refinery: its own runner, tenant by tenant, its history in each schema.
use std::time::Instant;

use refinery::{Migration, Runner};
use serde_json::Value;
use tokio_postgres::Client;

use crate::race::{List, race};
use crate::{Failure, Ground, milliseconds};

/// Whatever is missing, on every tenant.
pub(crate) async fn refinery(ground: &Ground, workers: usize) -> Result<Value, Failure> {
    let files: Vec<(String, String)> =
        ground.migrator.chain().migrations().iter().map(|m| (m.file_name(), m.sql.clone())).collect();
    race(ground, workers, |client, list| run(client, list, files.clone())).await
}

async fn run(mut client: Client, list: List, files: Vec<(String, String)>) -> Result<Vec<f64>, Failure> {
    let migrations = files.iter().map(|(name, sql)| Migration::unapplied(name.trim_end_matches(".sql"), sql));
    let runner = Runner::new(&migrations.collect::<Result<Vec<_>, _>>()?);
    client.batch_execute("SET ROLE labor_owner").await?;
    let mut each = Vec::new();
    while let Some(tenant) = list.next() {
        let began = Instant::now();
        client.batch_execute(&format!("SET search_path = {tenant}")).await?;
        runner.run_async(&mut client).await?;
        each.push(milliseconds(began));
    }
    Ok(each)
}
