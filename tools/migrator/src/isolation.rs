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
    /// [`check`] on a connection of its own.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check(&self, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
        check(&self.connect().await?, tenant).await
    }
}
