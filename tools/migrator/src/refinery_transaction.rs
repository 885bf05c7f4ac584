//! Lets refinery work inside a transaction that is already open.
//! refinery's own support for `Client` begins and commits by itself; a tenant's DDL, stamp and ledger row must commit together.
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Report, Runner};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::{Error, Transaction};

use crate::MigratorError;
use crate::script::line_in;

/// A transaction in the form that refinery drives.
struct InTransaction<'a, 'c> {
    transaction: &'a Transaction<'c>,
    /// The line of the file at which the server stopped.
    line: Option<usize>,
    /// What it refused.
    refused: Option<String>,
}

/// Applies what is missing, in this transaction. Edited, missing and out-of-order files are refused.
pub(crate) async fn apply(transaction: &Transaction<'_>, runner: &Runner) -> Result<Report, MigratorError> {
    let mut inside = InTransaction { transaction, line: None, refused: None };
    let result = runner.run_async(&mut inside).await;
    result.map_err(|source| {
        let refused = inside.refused.as_deref();
        let migration =
            runner.get_migrations().iter().find(|migration| refused.is_some() && migration.sql() == refused);
        let file = migration.map(|migration| format!("V{}__{}.sql", migration.version(), migration.name()));
        MigratorError::Migration { file, line: inside.line, source }
    })
}

impl AsyncTransaction for InTransaction<'_, '_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Error> {
        let mut count = 0;
        for query in queries {
            self.transaction.batch_execute(query).await.inspect_err(|error| {
                (self.line, self.refused) = (line_in(query, error), Some(query.to_owned()));
            })?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for InTransaction<'_, '_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Error> {
        let rows = self.transaction.query(query, &[]).await?;
        // A history row that nobody but refinery writes: text in RFC 3339 and a decimal u64. A damaged one reads as a
        // checksum of 0 at the epoch, which refinery then reports as divergent.
        let applied = rows.into_iter().map(|row| {
            let at = OffsetDateTime::parse(row.get(2), &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let checksum = row.get::<_, String>(3).parse().unwrap_or(0);
            Migration::applied(row.get(0), row.get(1), at, checksum)
        });
        Ok(applied.collect())
    }
}

impl AsyncMigrate for InTransaction<'_, '_> {}
