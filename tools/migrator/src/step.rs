//! One tenant, one transaction: migrations, row rules, stamp, ledger row and proof.
//! Must stay true: nothing here commits; whoever opened the transaction commits when the step returned `Ok`, else nothing
//! happened. The tenant's ledger row is the lock, tried and never waited for.
use labor_catalog::{TenantName, sql};
use tokio_postgres::{IsolationLevel, Transaction};
use uuid::Uuid;

use crate::chain::Target;
use crate::{Migrator, MigratorError, chain, isolation, refinery_transaction};

/// Readers and writers of a tenant never queue behind DDL for longer than this.
const LOCK_TIMEOUT: &str = "500ms";

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The schema was changed and proven.
    Migrated,
    /// It was already there.
    Current,
}

/// Opens the transaction of a step.
pub(crate) async fn begin(client: &mut tokio_postgres::Client) -> Result<Transaction<'_>, MigratorError> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(MigratorError::during("begin"))?;
    transaction
        .batch_execute(&format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        .await
        .map_err(MigratorError::during("set lock_timeout"))?;
    Ok(transaction)
}

/// Brings one tenant to the target in the caller's transaction, and proves it.
///
/// # Errors
/// [`MigratorError::Busy`] when another migrator holds the tenant; else whatever failed. The caller rolls back.
pub(crate) async fn run(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    target: &Target,
    run_id: Uuid,
) -> Result<Outcome, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{tenant}: {what}"));
    let row = transaction
        .query_opt(
            "SELECT chain_checksum FROM control.ledger WHERE tenant = $1 FOR UPDATE SKIP LOCKED",
            &[&tenant.as_str()],
        )
        .await
        .map_err(during("lock the ledger row"))?;
    let Some(row) = row else {
        return Err(MigratorError::Busy(tenant.clone()));
    };
    if row.get::<_, &str>(0) == target.checksum {
        return Ok(Outcome::Current);
    }
    // row_security = off: a data migration that row rules would silently empty fails loudly instead.
    let enter = format!("SET LOCAL ROLE labor_owner; SET LOCAL row_security = off; SET LOCAL search_path = {tenant}");
    transaction.batch_execute(&enter).await.map_err(during("enter the schema"))?;
    refinery_transaction::apply(transaction, &chain::tenant()).await?;
    let rules = sql::TENANT_RULES.replace("{tenant}", tenant.as_str());
    transaction.batch_execute(&rules).await.map_err(during("apply the row rules"))?;
    stamp(transaction, tenant, target).await.map_err(during("write the stamp"))?;
    // The fingerprint and the check are taken where no tenant's schema is in the path (db/rls/fingerprint.sql).
    transaction.batch_execute("SET LOCAL search_path = pg_catalog").await.map_err(during("leave the schema"))?;
    let fingerprint: String =
        transaction.query_one(sql::FINGERPRINT, &[&tenant.as_str()]).await.map_err(during("fingerprint"))?.get(0);
    transaction
        .execute(
            "UPDATE control.ledger SET version = $2, chain_checksum = $3, fingerprint = $4, run_id = $5, migrated_at = now(),
                    last_error = NULL, last_error_at = NULL
              WHERE tenant = $1",
            &[&tenant.as_str(), &target.version, &target.checksum, &fingerprint, &run_id],
        )
        .await
        .map_err(during("write the ledger"))?;
    transaction.batch_execute("SET LOCAL ROLE NONE").await.map_err(during("become the migrator"))?;
    let findings = isolation::check(transaction, tenant).await?;
    if findings.is_empty() { Ok(Outcome::Migrated) } else { Err(MigratorError::Isolation(findings)) }
}

async fn stamp(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    target: &Target,
) -> Result<u64, tokio_postgres::Error> {
    transaction
        .execute(
            "INSERT INTO schema_stamp (tenant, version, chain_checksum) VALUES ($1, $2, $3)
             ON CONFLICT (singleton) DO UPDATE
                SET tenant = EXCLUDED.tenant, version = EXCLUDED.version, chain_checksum = EXCLUDED.chain_checksum, stamped_at = now()",
            &[&tenant.as_str(), &target.version, &target.checksum],
        )
        .await
}

impl Migrator {
    /// One tenant in a transaction of its own; a failure is recorded in the ledger after the rollback.
    pub(crate) async fn step(
        &self,
        client: &mut tokio_postgres::Client,
        tenant: &TenantName,
        target: &Target,
        run_id: Uuid,
    ) -> Result<Outcome, MigratorError> {
        let transaction = begin(client).await?;
        match run(&transaction, tenant, target, run_id).await {
            Ok(outcome) => {
                transaction.commit().await.map_err(MigratorError::during(format!("{tenant}: commit")))?;
                Ok(outcome)
            }
            Err(error) => {
                drop(transaction);
                if !matches!(error, MigratorError::Busy(_)) {
                    record_failure(client, tenant, &error).await;
                }
                Err(error)
            }
        }
    }
}

/// Best effort: when the connection itself is gone, the report of the run still names the failure.
async fn record_failure(client: &tokio_postgres::Client, tenant: &TenantName, error: &MigratorError) {
    let written = client
        .execute(
            "UPDATE control.ledger SET last_error = left($2, 2000), last_error_at = now() WHERE tenant = $1",
            &[&tenant.as_str(), &error.to_string()],
        )
        .await;
    if let Err(error) = written {
        tracing::warn!(%tenant, %error, "the failure could not be written to the ledger");
    }
}
