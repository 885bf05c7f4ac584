//! Failures that were mended otherwise than by the command that failed: the tenant is where it should be, and what the ledger says.
//! Must stay true: only the failure that was looked at is forgotten, never one that came since.
use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use crate::chain::Target;
use crate::isolation::Known;
use crate::{Migrator, MigratorError, drift};

/// The last failure of a tenant that is at its version all the same.
pub(crate) struct Failure {
    pub(crate) tenant: String,
    at: Option<DateTime<Utc>>,
}

/// Those of tenants, of these or without any of all, that are where the files with this checksum bring them.
pub(crate) async fn failures(
    client: &Client,
    checksum: &str,
    only: Option<&[String]>,
) -> Result<Vec<Failure>, MigratorError> {
    let rows = client
        .query(
            "SELECT tenant, last_error_at FROM control.ledger
              WHERE last_error IS NOT NULL AND chain_checksum = $1 AND ($2::text[] IS NULL OR tenant = ANY ($2)) ORDER BY tenant",
            &[&checksum, &only],
        )
        .await
        .map_err(MigratorError::during("look for failures that were mended"))?;
    Ok(rows.iter().map(|row| Failure { tenant: row.get(0), at: row.get(1) }).collect())
}

impl Failure {
    /// It is mended.
    pub(crate) async fn forget(&self, client: &Client) -> Result<(), MigratorError> {
        let sql = "UPDATE control.ledger SET last_error = NULL, last_error_at = NULL
                    WHERE tenant = $1 AND last_error_at IS NOT DISTINCT FROM $2";
        let forgotten = client.execute(sql, &[&self.tenant, &self.at]).await;
        forgotten.map(drop).map_err(MigratorError::during(format!("{}: clear the error", self.tenant)))
    }
}

impl Migrator {
    /// Forgets the failures of tenants that are at the target and are, by their fingerprint, what the ledger says: `up` has nothing to
    /// do with them.
    pub(crate) async fn forget_mended(
        &self,
        client: &Client,
        target: &Target,
        only: Option<&[String]>,
    ) -> Result<(), MigratorError> {
        for page in failures(client, &target.checksum, only).await?.chunks(usize::try_from(drift::PAGE).unwrap_or(1)) {
            let names: Vec<&str> = page.iter().map(|failure| failure.tenant.as_str()).collect();
            let connection = self.connection().await?;
            let found = drift::page(&connection, &Known::default(), Some(&names), "").await?;
            let whole = |name: &str| found.iter().any(|t| t.tenant.as_str() == name && t.found == t.expected);
            for failure in page.iter().filter(|failure| whole(&failure.tenant)) {
                failure.forget(client).await?;
            }
        }
        Ok(())
    }
}
