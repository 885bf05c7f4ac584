//! The stage: one Postgres with durable commits, and on it each stack with a database of its own.
//! Must stay true: both stacks run as many processes, are loaded and looked at by the same program, and what was accepted is counted in
//! the database afterwards.
use std::path::PathBuf;
use std::time::Duration;

use labor_demo::Failure;
use labor_demo::client::Client;
use labor_demo::cpu::Cpu;
use labor_demo::memory::mebibytes;
use labor_demo::messages::order_number;
use labor_demo::practice::{Doctor, Door, Practice};
use labor_testing::{DataFolder, Durability, Postgres, Running};

use crate::node::Redis;

const STOP_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) folder: PathBuf,
}

/// What takes messages and shows reports: a web server, a worker, and where they keep things.
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) door: Door,
    pub(crate) doctor: Doctor,
    pub(crate) server: Running,
    pub(crate) worker: Running,
    pub(crate) database: String,
    /// Where its tables are.
    pub(crate) schema: String,
    /// Of Node only.
    pub(crate) redis: Option<Redis>,
}

/// The two processes that a stack consists of, beside its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Server,
    Worker,
}

/// What is in the database.
#[derive(Debug)]
struct Found {
    reports: i64,
    orders: i64,
    empty: i64,
}

impl Found {
    fn is_right(&self, wanted: usize) -> bool {
        self.empty == 0 && self.reports == self.orders && usize::try_from(self.reports) == Ok(wanted)
    }
}

impl Stage {
    pub(crate) async fn build(folder: &DataFolder) -> Result<Self, Failure> {
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Safe).await?;
        Ok(Self { postgres, folder: folder.path().to_owned() })
    }

    /// A practice in a database of this name, with these settings beside the defaults; no worker.
    pub(crate) async fn practice(
        &self,
        database: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Practice, Failure> {
        Practice::build(&self.postgres, &self.folder.join(database), database, settings).await
    }

    /// Labor as shipped: `labor serve` and `labor work`, without any setting.
    pub(crate) async fn labor(&self, database: &str) -> Result<Stack, Failure> {
        let Practice { platform, server, door, doctor, tenant, .. } = self.practice(database, []).await?;
        let worker = platform.work(&[]).await?;
        let (database, schema) = (database.to_owned(), tenant.to_string());
        Ok(Stack { name: "Labor", door, doctor, server: server.running, worker, database, schema, redis: None })
    }

    /// All begin with the same debts to the disk.
    pub(crate) async fn checkpoint(&self) -> Result<(), Failure> {
        Ok(self.postgres.connect("postgres").await?.batch_execute("CHECKPOINT").await?)
    }

    pub(crate) async fn text(&self, sql: &str) -> Result<String, Failure> {
        Ok(self.postgres.connect("postgres").await?.query_one(sql, &[]).await?.get(0))
    }
}

impl Stack {
    /// From this number up there are exactly so many reports, each once and with values.
    pub(crate) async fn exactly_once(&self, stage: &Stage, first: u32, wanted: usize) -> Result<(), Failure> {
        let schema = &self.schema;
        let sql = format!(
            "SELECT count(*), count(DISTINCT r.order_number),
                    count(*) FILTER (WHERE NOT EXISTS (SELECT FROM {schema}.observations o WHERE o.report_id = r.id))
               FROM {schema}.reports r WHERE r.order_number >= $1"
        );
        let row = stage.postgres.connect(&self.database).await?.query_one(&sql, &[&order_number(first)]).await?;
        let found = Found { reports: row.get(0), orders: row.get(1), empty: row.get(2) };
        if found.is_right(wanted) {
            return Ok(());
        }
        Err(format!("{}: {wanted} messages were accepted, and in the database are {found:?}", self.name).into())
    }

    /// The doctor, with a token for a quarter of an hour.
    pub(crate) async fn sign_in(&self) -> Result<Client, Failure> {
        self.doctor.sign_in(&self.door.base).await
    }

    /// A figure of its process, such as `VmRSS`, in MiB.
    pub(crate) fn mebibytes(&self, part: Part, field: &str) -> f64 {
        mebibytes(&self.pid(part).to_string(), field)
    }

    /// Processor time used up to now, with Redis if there is one.
    pub(crate) fn cpu(&self, stage: &Stage) -> Result<Cpu, Failure> {
        let redis = self.redis.as_ref().map(|redis| redis.running.pid());
        let stack: Vec<u32> = [self.server.pid(), self.worker.pid()].into_iter().chain(redis).collect();
        Ok(Cpu::now(&stack, stage.postgres.pid().ok_or("Postgres has ended")?))
    }

    /// Lets the highest figure of both processes begin anew.
    pub(crate) fn forget_peaks(&self) -> Result<(), Failure> {
        for part in [Part::Server, Part::Worker] {
            // proc(5): resets VmHWM to what is resident now.
            std::fs::write(format!("/proc/{}/clear_refs", self.pid(part)), "5")?;
        }
        Ok(())
    }

    /// Ends its processes, so that the next stack has the machine alone, and drops its database.
    pub(crate) async fn stop(self, stage: &Stage) -> Result<(), Failure> {
        self.server.terminate(STOP_LIMIT).await?;
        self.worker.terminate(STOP_LIMIT).await?;
        drop(self.redis);
        Ok(stage.postgres.drop_database(&self.database).await?)
    }

    fn pid(&self, part: Part) -> u32 {
        match part {
            Part::Server => self.server.pid(),
            Part::Worker => self.worker.pid(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_every_message_once_and_with_values_is_right() {
        let right = |reports, orders, empty| Found { reports, orders, empty }.is_right(3);
        assert!(right(3, 3, 0));
        assert!(!right(4, 3, 0) && !right(2, 2, 0) && !right(4, 4, 0) && !right(3, 2, 0) && !right(3, 3, 1));
    }
}
