//! The isolation check of one tenant (db/rls/isolation_check.sql).
use labor_catalog::{TenantName, sql};
use serde::Serialize;
use tokio_postgres::GenericClient;

use crate::{Migrator, MigratorError};

/// One thing that weakens a tenant's isolation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable kind, such as `rls_off`.
    pub kind: String,
    /// Table, role or schema.
    pub object: String,
    /// What is wrong.
    pub detail: String,
}

/// Looks for what weakens a tenant's isolation; sound tenants have no finding.
///
/// # Errors
/// When the database can't be asked.
pub async fn check(client: &impl GenericClient, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
    let rows = client
        .query(sql::ISOLATION_CHECK, &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("isolation check of {tenant}")))?;
    Ok(rows.iter().map(|row| Finding { kind: row.get(0), object: row.get(1), detail: row.get(2) }).collect())
}

impl Migrator {
    /// [`check`] on a connection of its own, and whether the schema is still what the ledger says: a rule that lets in one role more,
    /// or a constraint that is gone, is sound SQL and found only so.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check(&self, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
        let mut client = self.connect().await?;
        let mut findings = check(&client, tenant).await?;
        let transaction = client.transaction().await.map_err(MigratorError::during("begin"))?;
        // As the migrator read it when it wrote the ledger: the path decides how definitions are written out.
        transaction
            .batch_execute(&format!("SET LOCAL ROLE labor_owner; SET LOCAL search_path = {tenant}"))
            .await
            .map_err(MigratorError::during(format!("{tenant}: prepare the fingerprint")))?;
        let sql =
            format!("SELECT fingerprint IS DISTINCT FROM ({}) FROM control.ledger WHERE tenant = $1", sql::FINGERPRINT);
        let row = transaction
            .query_opt(&sql, &[&tenant.as_str()])
            .await
            .map_err(MigratorError::during(format!("{tenant}: fingerprint")))?;
        if row.is_some_and(|row| row.get(0)) {
            findings.push(Finding {
                kind: "drift".to_owned(),
                object: tenant.to_string(),
                detail: "tables, constraints, indexes, policies or rights are not what the migrator left".to_owned(),
            });
        }
        Ok(findings)
    }
}
