//! Several connections over one list of tenants.
//! Must stay true: the clock runs from when all are connected until the last has committed.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use labor_migrator::TenantName;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::{Failure, Ground, milliseconds};

/// What is left to do, shared by the connections.
#[derive(Clone)]
pub(crate) struct List(Arc<Mutex<VecDeque<TenantName>>>);

impl List {
    pub(crate) fn next(&self) -> Option<TenantName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Runs one task per connection; each gives the milliseconds that it wants to report of each tenant.
pub(crate) async fn race<T>(ground: &Ground, workers: usize, task: impl Fn(Client, List) -> T) -> Result<Value, Failure>
where
    T: Future<Output = Result<Vec<f64>, Failure>> + Send + 'static,
{
    let tenants = tenants(&ground.connect().await?).await?;
    let count = tenants.len();
    let list = List(Arc::new(Mutex::new(tenants.into())));
    let mut clients = Vec::new();
    for _ in 0..workers.max(1) {
        clients.push(ground.connect().await?);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(task(client, list.clone()));
    }
    let mut each = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        each.extend(ended??);
    }
    let total = milliseconds(began);
    each.sort_by(f64::total_cmp);
    let median = each.get(each.len() / 2).copied().unwrap_or_default();
    Ok(json!({ "tenants": count, "milliseconds": total, "median_each": median }))
}

async fn tenants(client: &Client) -> Result<Vec<TenantName>, Failure> {
    let rows = client.query("SELECT tenant FROM control.ledger ORDER BY tenant", &[]).await?;
    rows.iter().map(|row| Ok(TenantName::parse(row.get(0))?)).collect()
}
