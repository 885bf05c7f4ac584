//! A connection of the migrator, with what is prepared once and run for thousands of tenants.
//! Must stay true: between two tenants it is as it was after connecting: no transaction, no role, search_path = pg_catalog.
use std::time::Duration;

use labor_catalog::TenantName;
use tokio_postgres::{Client, IsolationLevel, Statement, Transaction};

use crate::isolation::Proof;
use crate::{Migrator, MigratorError};

/// A connection and its prepared statements.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) proof: Proof,
    pub(crate) lock: Statement,
    pub(crate) unlock: Statement,
    pub(crate) standing: Statement,
    pub(crate) record: Statement,
}

/// Generic plans: the proof's plan costs more than its run, and fits every tenant. A backend whose migrator was killed notices it while
/// it waits, and gives its locks back.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET search_path = pg_catalog; SET client_connection_check_interval = '1s'";

impl Migrator {
    /// Connects, ready to prove what is done.
    pub(crate) async fn proving(&self) -> Result<(Client, Proof), MigratorError> {
        let client = self.connect().await?;
        client.batch_execute(SETTINGS).await.map_err(MigratorError::during("prepare the connection"))?;
        Ok((client, Proof::default()))
    }

    /// The same, and prepares what is run for each tenant on its way.
    pub(crate) async fn connection(&self) -> Result<Connection, MigratorError> {
        let (client, proof) = self.proving().await?;
        // What is prepared names its tables.
        self.require_control(&client).await?;
        let (lock, unlock, standing, record) = tokio::try_join!(
            client.prepare(LOCK),
            client.prepare(UNLOCK),
            client.prepare(STANDING),
            client.prepare(RECORD)
        )
        .map_err(MigratorError::during("prepare the statements"))?;
        Ok(Connection { proof, lock, unlock, standing, record, client })
    }
}

/// Only one at a time works on a tenant. The session holds it, not a transaction: some migrations run outside of any. It is tried and
/// never waited for: who waits beside CREATE INDEX CONCURRENTLY is waited for by it.
const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('labor tenant ' || $1, 0))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(hashtextextended('labor tenant ' || $1, 0))";
const STANDING: &str = "
    SELECT version, chain_checksum, rules_checksum, held_reason, EXISTS (SELECT FROM pg_namespace WHERE nspname = tenant),
           run_id, last_error IS NOT NULL
      FROM control.ledger WHERE tenant = $1";

/// Ledger and outcome of a part of the way. It was proven to be sound. Somebody may have held, or deleted, the tenant in the meantime: then no row is left to
/// change, and the division by zero keeps the COMMIT that was sent along from succeeding.
const RECORD: &str = "
    WITH ledger AS (
      UPDATE control.ledger
         SET version = $2, chain_checksum = $3, fingerprint = $4, rules_checksum = $5, run_id = $6, migrated_at = now(),
             progress = NULL, last_error = NULL, last_error_at = NULL,
             unsound = NULL, unsound_at = NULL, served_despite = NULL
       WHERE tenant = $1 AND version = $7 AND held_at IS NULL RETURNING tenant
    ), outcome AS (
      INSERT INTO control.outcomes (run_id, tenant, from_version, to_version, outcome, attempts, milliseconds)
      SELECT $6, tenant, $7, $2, $8, $9, $10 FROM ledger
          ON CONFLICT (run_id, tenant) DO UPDATE
         SET to_version = EXCLUDED.to_version, outcome = EXCLUDED.outcome, attempts = EXCLUDED.attempts,
             milliseconds = EXCLUDED.milliseconds, error = NULL, written_at = now()
      RETURNING tenant)
    SELECT 1 / count(*) FROM outcome";

/// What came of a tenant, after it was tidied up: why it failed is told, and not that tidying up failed, too, which often comes of it.
pub(crate) fn keep_first<T>(
    tenant: &TenantName,
    result: Result<T, MigratorError>,
    tidied: Result<(), MigratorError>,
) -> Result<T, MigratorError> {
    match (result, tidied) {
        (Err(first), Err(second)) => {
            tracing::warn!(%tenant, error = second.told(), "after it had failed already");
            Err(first)
        }
        (result, tidied) => tidied.and(result),
    }
}

/// Opens a transaction in which no lock is waited for longer than this.
pub(crate) async fn begin(client: &mut Client, lock_timeout: Duration) -> Result<Transaction<'_>, MigratorError> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(MigratorError::during("begin"))?;
    transaction
        .batch_execute(&format!("SET LOCAL lock_timeout = {}", lock_timeout.as_millis().max(1)))
        .await
        .map_err(MigratorError::during("set lock_timeout"))?;
    Ok(transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_told() {
        let tenant = TenantName::random().unwrap();
        let failed = |text: &str| MigratorError::Invalid(text.to_owned());
        let said = |result: Result<u8, MigratorError>| result.map_err(|error| error.to_string());
        assert_eq!(said(keep_first(&tenant, Err(failed("1")), Err(failed("2")))), Err("1".to_owned()));
        assert_eq!(said(keep_first(&tenant, Err(failed("1")), Ok(()))), Err("1".to_owned()));
        assert_eq!(said(keep_first(&tenant, Ok(0), Err(failed("2")))), Err("2".to_owned()));
        assert_eq!(said(keep_first(&tenant, Ok(0), Ok(()))), Ok(0));
    }
}
