//! The proof of one tenant: the isolation check (db/rls/check_*.sql) and the fingerprint (db/rls/fingerprint.sql).
//! Must stay true: all is asked with `search_path = pg_catalog`. A [`Proof`] plans its statements once for a connection and for every
//! tenant; none of them knows a tenant's name but as a parameter.
mod database;
mod enforce;
mod fleet;
mod keys;
mod known;
pub mod weaker;

pub use self::enforce::Enforced;
pub use labor_catalog::Finding;
use labor_catalog::{TenantName, sql};
use tokio::sync::OnceCell;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement};

pub(crate) use self::database::guard_findings;
pub(crate) use self::known::Known;
use crate::MigratorError;

/// What is asked for first. LOCAL: a step's own search_path comes back with its transaction.
const ENTER: &str = "SET LOCAL search_path = pg_catalog";

fn finding(row: &Row) -> Finding {
    Finding { kind: row.get(0), object: row.get(1), detail: row.get(2) }
}

/// The statements of a proof, each prepared when a connection first needs it, and then good for all tenants.
///
/// Planning the check costs more than running it. So the connection makes one plan that doesn't look at the name; DDL in the tenant's
/// transaction does not make it anew, another `search_path` would.
#[derive(Default)]
pub struct Proof {
    findings: OnceCell<Statement>,
    reach: OnceCell<Statement>,
    fingerprint: OnceCell<Statement>,
    shape: OnceCell<Statement>,
}

impl Proof {
    /// For this connection, outside of a transaction: it keeps the setting that all its plans are generic.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prepare(client: &impl GenericClient) -> Result<Self, MigratorError> {
        client
            .batch_execute("SET plan_cache_mode = force_generic_plan")
            .await
            .map_err(MigratorError::during("prepare the proof"))?;
        Ok(Self::default())
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
        found(&self.findings, sql::ISOLATION_CHECK, transaction, tenant).await
    }

    /// As [`Proof::findings`], without what is in the schema's definitions: for a schema whose fingerprint is that of one that was
    /// checked wholly.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn reach(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantName,
    ) -> Result<Vec<Finding>, MigratorError> {
        found(&self.reach, sql::REACH_CHECK, transaction, tenant).await
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
        let rows = ask(&self.fingerprint, sql::FINGERPRINT, transaction, tenant).await;
        let rows = rows.map_err(MigratorError::during(format!("fingerprint of {tenant}")))?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// As [`Proof::fingerprint`], for less: who has the shape of what the files make, built in the same database, has its
    /// fingerprint. Between two tenants it says nothing.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn shape(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantName,
    ) -> Result<Option<String>, MigratorError> {
        let rows = ask(&self.shape, &sql::SHAPE, transaction, tenant).await;
        let rows = rows.map_err(MigratorError::during(format!("shape of {tenant}")))?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }
}

async fn found(
    prepared: &OnceCell<Statement>,
    sql: &str,
    transaction: &impl GenericClient,
    tenant: &TenantName,
) -> Result<Vec<Finding>, MigratorError> {
    let rows = ask(prepared, sql, transaction, tenant).await;
    let rows = rows.map_err(MigratorError::during(format!("isolation check of {tenant}")))?;
    Ok(rows.iter().map(finding).collect())
}

async fn ask(
    prepared: &OnceCell<Statement>,
    sql: &str,
    transaction: &impl GenericClient,
    tenant: &TenantName,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let Some(statement) = prepared.get() else {
        transaction.batch_execute(ENTER).await?;
        let statement = prepared.get_or_try_init(|| transaction.prepare(sql)).await?;
        return transaction.query(statement, &[&tenant.as_str()]).await;
    };
    let tenant = tenant.as_str();
    let parameters: [&(dyn ToSql + Sync); 1] = [&tenant];
    // Sent together in this order, answered together.
    let (entered, rows) = tokio::join!(transaction.batch_execute(ENTER), transaction.query(statement, &parameters));
    entered?;
    rows
}

/// Looks for what weakens a tenant's isolation, in its schema and in the whole database; sound tenants have no finding. For one
/// tenant; for many, a [`Proof`]. With `search_path = pg_catalog`.
///
/// # Errors
/// When the database can't be asked.
pub async fn check(client: &impl GenericClient, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
    let rows = client
        .query(sql::ISOLATION_CHECK, &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("isolation check of {tenant}")))?;
    let mut findings = database::findings(client).await?;
    findings.extend(rows.iter().map(finding));
    Ok(findings)
}

/// The definition of a tenant's schema, line by line.
pub(crate) async fn lines(client: &impl GenericClient, tenant: &TenantName) -> Result<Vec<String>, MigratorError> {
    let rows = client
        .query(sql::FINGERPRINT_LINES, &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("definition of {tenant}")))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
