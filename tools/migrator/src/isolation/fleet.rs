//! `labor-migrator check`: one tenant, or all of them.
use labor_catalog::TenantName;
use tokio_postgres::Client;

use super::{Finding, Proof, database};
use crate::{Migrator, MigratorError};

/// So many tenants are checked over one connection: what a server process keeps of their tables is given back with it.
const PAGE: i64 = 250;

impl Migrator {
    /// The findings about one tenant and about the database, and whether the schema is still what the ledger says: a rule that lets in one role more, or a constraint that is
    /// gone, is sound SQL and found only so.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check(&self, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
        let mut client = self.connect().await?;
        let mut findings = database::findings(&client).await?;
        let proof = Proof::prepare(&client).await?;
        findings.extend(check_with(&mut client, &proof, tenant).await?);
        Ok(findings)
    }

    /// The same of several tenants, or of all without one; `found` hears of each finding at once, without a tenant of those about the
    /// database. How many tenants were checked.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check_fleet(
        &self,
        only: &[TenantName],
        mut found: impl FnMut(Option<&TenantName>, &Finding),
    ) -> Result<u64, MigratorError> {
        let only: Option<Vec<&str>> = (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect());
        let (mut last, mut count) = (String::new(), 0);
        loop {
            let mut client = self.connect().await?;
            if last.is_empty() {
                self.require_control(&client).await?;
                for finding in database::findings(&client).await? {
                    found(None, &finding);
                }
            }
            let page = page(&client, only.as_deref(), &last).await?;
            let Some(end) = page.last() else { return Ok(count) };
            end.as_str().clone_into(&mut last);
            let proof = Proof::prepare(&client).await?;
            for tenant in &page {
                count += 1;
                for finding in check_with(&mut client, &proof, tenant).await? {
                    found(Some(tenant), &finding);
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
