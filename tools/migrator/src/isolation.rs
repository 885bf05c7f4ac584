//! The proof of one tenant: the isolation check (db/rls/isolation_check.sql) and the fingerprint (db/rls/fingerprint.sql).
//! Must stay true: both are asked with `search_path = pg_catalog`. A [`Proof`] plans them once for a connection and for every
//! tenant; no statement of it knows a tenant's name but as a parameter.
use labor_catalog::{TenantName, sql};
use serde::Serialize;
use tokio::sync::OnceCell;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, Row, Statement};

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

/// The statements of a proof, each prepared when a connection first needs it, and then good for all tenants.
///
/// Planning the check costs more than running it. So the connection makes one plan that doesn't look at the name; DDL in the tenant's
/// transaction does not make it anew, another `search_path` would.
#[derive(Default)]
pub struct Proof {
    findings: OnceCell<Statement>,
    reach: OnceCell<Statement>,
    fingerprint: OnceCell<Statement>,
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
        let rows = ask(&self.findings, sql::ISOLATION_CHECK, transaction, tenant).await;
        Ok(rows
            .map_err(MigratorError::during(format!("isolation check of {tenant}")))?
            .iter()
            .map(Finding::of)
            .collect())
    }

    /// As [`Proof::findings`], without what is in the tables' definitions: for a schema whose fingerprint is that of one that was
    /// checked wholly.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn reach(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantName,
    ) -> Result<Vec<Finding>, MigratorError> {
        let rows = ask(&self.reach, sql::REACH_CHECK, transaction, tenant).await;
        Ok(rows
            .map_err(MigratorError::during(format!("isolation check of {tenant}")))?
            .iter()
            .map(Finding::of)
            .collect())
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

/// The definition of a tenant's schema, line by line.
pub(crate) async fn lines(client: &impl GenericClient, tenant: &TenantName) -> Result<Vec<String>, MigratorError> {
    let rows = client
        .query(sql::FINGERPRINT_LINES, &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("definition of {tenant}")))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// So many tenants are checked over one connection: what a server process keeps of their tables is given back with it.
const PAGE: i64 = 250;

impl Migrator {
    /// The findings, and whether the schema is still what the ledger says: a rule that lets in one role more, or a constraint that is
    /// gone, is sound SQL and found only so.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check(&self, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
        let mut client = self.connect().await?;
        let proof = Proof::prepare(&client).await?;
        check_with(&mut client, &proof, tenant).await
    }

    /// The same of several tenants, or of all without one; `found` hears of each finding at once. How many tenants were checked.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check_fleet(
        &self,
        only: &[TenantName],
        mut found: impl FnMut(&TenantName, &Finding),
    ) -> Result<u64, MigratorError> {
        let only: Option<Vec<&str>> = (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect());
        let (mut last, mut count) = (String::new(), 0);
        loop {
            let mut client = self.connect().await?;
            self.require_control(&client).await?;
            let page = page(&client, only.as_deref(), &last).await?;
            let Some(end) = page.last() else { return Ok(count) };
            end.as_str().clone_into(&mut last);
            let proof = Proof::prepare(&client).await?;
            for tenant in &page {
                count += 1;
                for finding in check_with(&mut client, &proof, tenant).await? {
                    found(tenant, &finding);
                }
            }
        }
    }
}

async fn page(client: &Client, only: Option<&[&str]>, after: &str) -> Result<Vec<TenantName>, MigratorError> {
    let rows = client
        .query(
            "SELECT name FROM control.tenants
              WHERE state <> 'deleted' AND name > $1 AND ($2::text[] IS NULL OR name = ANY ($2)) ORDER BY name LIMIT $3",
            &[&after, &only, &PAGE],
        )
        .await
        .map_err(MigratorError::during("list the tenants"))?;
    rows.iter().map(|row| crate::parse_name(row.get(0))).collect()
}

async fn check_with(client: &mut Client, proof: &Proof, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
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
