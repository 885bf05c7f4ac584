//! Everything that is measured, set up once: Postgres, one practice with a doctor and reports, Labor's web server.
use std::sync::Arc;
use std::time::Duration;

use labor_demo::messages::Messages;
use labor_demo::practice::Practice;
use labor_demo::psql;
use labor_testing::{DataFolder, Durability, Postgres};

use crate::Failure;

/// Reports in the practice: enough for its indexes to be used.
const REPORTS: u32 = 300;
const WORK_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What runs, and who may do what.
pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) practice: Practice,
    pub(crate) messages: Arc<Messages>,
    /// The report that is read, and how many values it has.
    pub(crate) report: String,
    pub(crate) values: usize,
}

impl Stage {
    /// Sets up.
    pub(crate) async fn build(folder: &DataFolder, connections: u16) -> Result<Self, Failure> {
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Safe).await?;
        // As many connections to the practice as pgbench gets.
        let connections = ("LABOR_CONNECTIONS_PER_TENANT".to_owned(), connections.to_string());
        let practice = Practice::build(&postgres, folder.path(), "labor", [connections]).await?;
        let messages = Messages::new()?;
        store_reports(&practice, &postgres, &messages).await?;
        let (report, values) = one_report(&practice).await?;
        psql::ask(&postgres, &practice.superuser, "VACUUM ANALYZE").await?;
        Ok(Self { postgres, practice, messages: Arc::new(messages), report, values })
    }

    /// A number from the database.
    pub(crate) async fn number(&self, sql: &str) -> Result<u64, Failure> {
        self.practice.number(&self.postgres, sql).await
    }

    /// Ends the servers.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.practice.server.running.terminate(STOP_LIMIT).await?;
        Ok(self.postgres.stop().await?)
    }
}

/// Posts messages and lets a worker make reports of them; no worker runs while figures are taken.
async fn store_reports(practice: &Practice, postgres: &Postgres, messages: &Messages) -> Result<(), Failure> {
    for _ in 0..REPORTS {
        let answer = practice.door.sender.send(&messages.next()).await?;
        if answer.status != 202 {
            return Err(format!("a message was answered with {}: {}", answer.status, answer.text).into());
        }
    }
    let worker = practice.platform.work(&[]).await?;
    practice.platform.until_idle(postgres, WORK_LIMIT).await?;
    worker.terminate(STOP_LIMIT).await?;
    Ok(())
}

/// Id of a report that the doctor sees, and the number of its values.
async fn one_report(practice: &Practice) -> Result<(String, usize), Failure> {
    let client = practice.doctor.sign_in(&practice.server.base).await?;
    let page = client.reports().await?;
    let id = page.items.first().ok_or("the practice has no report")?.id.clone();
    let values = client.report(&id).await?.values.len();
    if values == 0 {
        return Err("the report has no values".into());
    }
    Ok((id, values))
}
