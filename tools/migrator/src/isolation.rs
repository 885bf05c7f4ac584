//! The proof of one tenant: the isolation check (db/rls/isolation_check.sql) and the fingerprint (db/rls/fingerprint.sql).
//! Must stay true: both are asked with `search_path = pg_catalog`. A [`Proof`] plans them once for a connection and for every
//! tenant; no statement of it knows a tenant's name but as a parameter.
use labor_catalog::{TenantName, sql};
use serde::Serialize;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement};

use crate::{Migrator, MigratorError};

/// What is asked for first. LOCAL: a step's own search_path comes back with its transaction.
const ENTER: &str = "SET LOCAL search_path = pg_catalog";

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

impl Finding {
    fn of(row: &Row) -> Self {
        Self { kind: row.get(0), object: row.get(1), detail: row.get(2) }
    }
}

/// The two statements of a proof, prepared once on a connection and good for all tenants.
///
/// Planning the check costs more than running it. So the connection makes one plan that doesn't look at the name; DDL in the tenant's
/// transaction does not make it anew, another `search_path` would.
#[derive(Clone)]
pub struct Proof {
    findings: Statement,
    fingerprint: Statement,
}

impl Proof {
    /// Prepares both on this connection, outside of a transaction: the connection keeps the setting that all its plans are generic.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prepare(client: &impl GenericClient) -> Result<Self, MigratorError> {
        let during = || MigratorError::during("prepare the proof");
        client.batch_execute("SET plan_cache_mode = force_generic_plan").await.map_err(during())?;
        Ok(Self {
            findings: client.prepare(sql::ISOLATION_CHECK).await.map_err(during())?,
            fingerprint: client.prepare(sql::FINGERPRINT).await.map_err(during())?,
        })
    }

    /// What weakens a tenant's isolation, as this transaction sees it; its `search_path` is `pg_catalog` afterwards.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn findings(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantName,
    ) -> Result<Vec<Finding>, MigratorError> {
        let tenant = tenant.as_str();
        let parameters: [&(dyn ToSql + Sync); 1] = [&tenant];
        // Sent together in this order, answered together.
        let (entered, rows) =
            tokio::join!(transaction.batch_execute(ENTER), transaction.query(&self.findings, &parameters));
        let during = || MigratorError::during(format!("isolation check of {tenant}"));
        entered.map_err(during())?;
        Ok(rows.map_err(during())?.iter().map(Finding::of).collect())
    }

    /// The digest of a tenant's definitions, as this transaction sees them; its `search_path` is `pg_catalog` afterwards. `None` when
    /// there is no such schema.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn fingerprint(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantName,
    ) -> Result<Option<String>, MigratorError> {
        let tenant = tenant.as_str();
        let parameters: [&(dyn ToSql + Sync); 1] = [&tenant];
        let (entered, row) =
            tokio::join!(transaction.batch_execute(ENTER), transaction.query_one(&self.fingerprint, &parameters));
        let during = || MigratorError::during(format!("fingerprint of {tenant}"));
        entered.map_err(during())?;
        Ok(row.map_err(during())?.get(0))
    }
}

/// Looks for what weakens a tenant's isolation; sound tenants have no finding. For one tenant; for many, a [`Proof`].
///
/// # Errors
/// When the database can't be asked.
pub async fn check(client: &impl GenericClient, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
    let rows = client
        .query(sql::ISOLATION_CHECK, &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("isolation check of {tenant}")))?;
    Ok(rows.iter().map(Finding::of).collect())
}

impl Migrator {
    /// The findings, and whether the schema is still what the ledger says: a rule that lets in one role more, or a constraint that is
    /// gone, is sound SQL and found only so.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check(&self, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
        let mut client = self.connect().await?;
        let proof = Proof::prepare(&client).await?;
        let transaction = client.transaction().await.map_err(MigratorError::during("begin"))?;
        let mut findings = proof.findings(&transaction, tenant).await?;
        let found = proof.fingerprint(&transaction, tenant).await?;
        let ledger = transaction
            .query_opt("SELECT fingerprint FROM control.ledger WHERE tenant = $1", &[&tenant.as_str()])
            .await
            .map_err(MigratorError::during(format!("{tenant}: read the ledger")))?;
        if ledger.is_some_and(|row| row.get::<_, Option<String>>(0) != found) {
            findings.push(Finding {
                kind: "drift".to_owned(),
                object: tenant.to_string(),
                detail: "tables, constraints, indexes, policies or rights are not what the migrator left".to_owned(),
            });
        }
        Ok(findings)
    }
}
