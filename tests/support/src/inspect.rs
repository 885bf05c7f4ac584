//! Looking at a platform from outside, as the superuser: whether the workers are done, and whether patient data is where it must not be.
//!
//! What must stay true: nothing is changed here.

use std::path::Path;
use std::time::Duration;

use crate::error::Doing as _;
use crate::{Error, Platform, Postgres, Result, until};

/// Every table that must hold no patient data: the queue, its archive, the control schema.
const NO_PATIENT_DATA: &str =
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname IN ('pgmq', 'control', 'guard') AND c.relkind IN ('r', 'p') ORDER BY 1";

impl Platform {
    /// Waits until no message waits for a worker or is being worked on: entries leave the queue only after their effect committed. Alerts'
    /// timers stay there for as long as they run.
    ///
    /// # Errors
    /// When that is not so within the limit.
    pub async fn until_idle(&self, postgres: &Postgres, limit: Duration) -> Result<()> {
        let client = postgres.connect(self.database()).await?;
        until("the end of the work", limit, async || {
            let row =
                client.query_one("SELECT count(*) FROM pgmq.q_messages WHERE NOT message ? 'alert_id'", &[]).await;
            let waiting: i64 = row.map_err(refused("count the queue"))?.get(0);
            Ok(if waiting == 0 { Ok(()) } else { Err(format!("{waiting} messages wait")) })
        })
        .await
    }

    /// Where any of these terms is found in the logs of the programs, of Postgres, or in the queue and control tables. Empty is right.
    ///
    /// # Errors
    /// When a log or table can't be read.
    pub async fn find_patient_data(&self, postgres: &Postgres, terms: &[String]) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut logs = logs_in(self.folder())?;
        logs.push(postgres.log());
        for log in logs {
            let bytes = std::fs::read(&log).doing(|| format!("read {}", log.display()))?;
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            found.extend(
                terms
                    .iter()
                    .filter(|term| text.contains(&term.to_lowercase()))
                    .map(|term| format!("{term} in {}", log.display())),
            );
        }
        let client = postgres.connect(self.database()).await?;
        for row in client.query(NO_PATIENT_DATA, &[]).await.map_err(refused("list the tables"))? {
            let table: String = row.get(0);
            for term in terms {
                let statement =
                    format!("SELECT count(*) FROM {table} t WHERE lower(t::text) LIKE '%' || lower($1) || '%'");
                let count: i64 = client.query_one(&statement, &[term]).await.map_err(refused("search a table"))?.get(0);
                if count > 0 {
                    found.push(format!("{term} in {count} rows of {table}"));
                }
            }
        }
        Ok(found)
    }
}

fn refused(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
    move |source| Error::Postgres { doing: doing.to_owned(), source }
}

fn logs_in(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).doing(|| format!("list {}", folder.display()))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect())
}
