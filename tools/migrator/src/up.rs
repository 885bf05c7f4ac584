//! `up`: the control schema first, then every tenant that is not at the target, several at a time.
//! Must stay true: one failing tenant stops nothing but itself; running again continues where it stopped; nothing to do costs
//! one query.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::chain::Target;
use crate::step::Outcome;
use crate::{Migrator, MigratorError, chain};

/// What became of one tenant.
#[derive(Debug, Clone, Serialize)]
pub struct TenantReport {
    /// Which.
    pub tenant: TenantName,
    /// How long it took, in milliseconds.
    pub milliseconds: u128,
    /// `migrated`, `current`, `busy` or `failed`.
    pub outcome: &'static str,
    /// Why it failed.
    pub error: Option<String>,
}

/// What became of a run.
#[derive(Debug, Clone, Serialize)]
pub struct UpReport {
    /// Version that was wanted.
    pub version: i32,
    /// Tenants that had something to do.
    pub tenants: Vec<TenantReport>,
    /// Duration of the whole in milliseconds.
    pub milliseconds: u128,
}

impl UpReport {
    /// How many tenants are not where they should be.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.tenants.iter().filter(|t| t.error.is_some()).count()
    }
}

impl Migrator {
    /// Brings the control schema and all tenants to the newest version. `progress` hears of each tenant as it ends, after
    /// having heard once how many there are.
    ///
    /// # Errors
    /// When the database can't be reached or the control schema fails; a failing tenant is in the report instead.
    pub async fn up(&self, workers: usize, progress: impl FnMut(Progress<'_>)) -> Result<UpReport, MigratorError> {
        let started = Instant::now();
        self.migrate_control().await?;
        let target = chain::target();
        let client = self.connect().await?;
        let pending = pending(&client, &target).await?;
        let tenants = if pending.is_empty() {
            Vec::new()
        } else {
            let run_id = start_run(&client).await?;
            let tenants = self.fan_out(pending, workers, &target, run_id, progress).await?;
            finish_run(&client, run_id, &tenants).await?;
            tenants
        };
        Ok(UpReport { version: target.version, tenants, milliseconds: started.elapsed().as_millis() })
    }

    async fn fan_out(
        &self,
        pending: VecDeque<TenantName>,
        workers: usize,
        target: &Target,
        run_id: Uuid,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<Vec<TenantReport>, MigratorError> {
        progress(Progress::Started(pending.len()));
        let workers = workers.clamp(1, pending.len());
        let queue = Arc::new(Mutex::new(pending));
        let (send, mut receive) = mpsc::channel(workers);
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let worker = Worker {
                migrator: self.clone(),
                queue: queue.clone(),
                target: target.clone(),
                run_id,
                reports: send.clone(),
            };
            tasks.spawn(worker.run());
        }
        drop(send);
        let mut reports = Vec::new();
        while let Some(report) = receive.recv().await {
            progress(Progress::Tenant(&report));
            reports.push(report);
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| MigratorError::Invalid(format!("a worker ended unexpectedly: {error}")))??;
        }
        Ok(reports)
    }
}

/// What `progress` hears.
#[derive(Debug)]
pub enum Progress<'a> {
    /// So many tenants will be migrated.
    Started(usize),
    /// One of them is done.
    Tenant(&'a TenantReport),
}

struct Worker {
    migrator: Migrator,
    queue: Arc<Mutex<VecDeque<TenantName>>>,
    target: Target,
    run_id: Uuid,
    reports: mpsc::Sender<TenantReport>,
}

impl Worker {
    async fn run(self) -> Result<(), MigratorError> {
        let mut client = self.migrator.connect().await?;
        loop {
            let next = self.queue.lock().await.pop_front();
            let Some(tenant) = next else { return Ok(()) };
            if client.is_closed() {
                client = self.migrator.connect().await?;
            }
            let started = Instant::now();
            let result = self.migrator.step(&mut client, &tenant, &self.target, self.run_id).await;
            let report = describe(tenant, started.elapsed(), &result);
            if self.reports.send(report).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn describe(tenant: TenantName, took: Duration, result: &Result<Outcome, MigratorError>) -> TenantReport {
    let (outcome, error) = match result {
        Ok(Outcome::Migrated) => ("migrated", None),
        Ok(Outcome::Current) => ("current", None),
        Err(error @ MigratorError::Busy(_)) => ("busy", Some(error.to_string())),
        Err(error) => ("failed", Some(error.to_string())),
    };
    TenantReport { tenant, milliseconds: took.as_millis(), outcome, error }
}

async fn pending(client: &tokio_postgres::Client, target: &Target) -> Result<VecDeque<TenantName>, MigratorError> {
    let rows = client
        .query(
            "SELECT l.tenant FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
              WHERE l.chain_checksum <> $1 AND t.state <> 'deleted' ORDER BY l.tenant",
            &[&target.checksum],
        )
        .await
        .map_err(MigratorError::during("list the tenants"))?;
    rows.iter()
        .map(|row| TenantName::parse(row.get(0)).map_err(|error| MigratorError::Invalid(error.to_string())))
        .collect()
}

async fn start_run(client: &tokio_postgres::Client) -> Result<Uuid, MigratorError> {
    let run_id = Uuid::now_v7();
    client
        .execute("INSERT INTO control.runs (id, command) VALUES ($1, 'up')", &[&run_id])
        .await
        .map_err(MigratorError::during("record the run"))?;
    Ok(run_id)
}

async fn finish_run(
    client: &tokio_postgres::Client,
    run_id: Uuid,
    tenants: &[TenantReport],
) -> Result<(), MigratorError> {
    let failed = tenants.iter().filter(|t| t.error.is_some()).count();
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    client
        .execute(
            "UPDATE control.runs SET finished_at = now(), succeeded = $2, failed = $3 WHERE id = $1",
            &[&run_id, &count(tenants.len() - failed), &count(failed)],
        )
        .await
        .map_err(MigratorError::during("record the run"))?;
    Ok(())
}
