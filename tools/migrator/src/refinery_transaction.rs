//! Lets refinery work inside a transaction that is already open.
//! refinery's own support for `Client` begins and commits by itself; a tenant's DDL, stamp and ledger row must commit together.
use futures_util::future::join_all;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Report, Runner};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::{Error, Transaction};

use crate::script::lines_before;
use crate::{MigratorError, statements};

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

/// The statements one by one, sent together: of some errors the server says no place, and then it is that of the statement.
async fn execute(transaction: &Transaction<'_>, query: &str) -> Result<(), (Option<usize>, Error)> {
    let Ok(statements) = statements::split(query) else {
        return transaction.batch_execute(query).await.map_err(|error| (None, error));
    };
    let sent = join_all(statements.iter().map(|statement| transaction.batch_execute(&statement.sql))).await;
    // After the first that fails the server refuses the rest.
    for (statement, result) in statements.iter().zip(sent) {
        result.map_err(|error| (Some(statement.line + lines_before(&statement.sql, &error)), error))?;
    }
    Ok(())
}

impl AsyncTransaction for InTransaction<'_, '_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Error> {
        let mut count = 0;
        for query in queries {
            if let Err((line, error)) = execute(self.transaction, query).await {
                (self.line, self.refused) = (line, Some(query.to_owned()));
                return Err(error);
            }
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
