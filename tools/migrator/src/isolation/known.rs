//! What the files make, by shape (db/rls/fingerprint.sql): a schema that looks the same needs no fingerprint of its own, which costs twice
//! as much.
//! Must stay true: **only an empty schema that was built for it, and rolled back, vouches for others.** Nobody else saw it, so nobody
//! changed it between its shape and its fingerprint, and nothing names it. One tenant never vouches for another: if the files gave each a
//! constraint that names its own schema, one that was changed to name another's would have the other's shape. It is of one database and one
//! run, and kept nowhere.
use std::collections::BTreeMap;

use labor_catalog::{TenantName, sql};
use tokio_postgres::{Client, GenericClient};

use super::Proof;
use crate::MigratorError;

/// Fingerprints of what was built, by shape.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<String, String>);

impl Known {
    /// Of a schema that was built for it, in the transaction that built it; its fingerprint.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub(crate) async fn keep(
        &mut self,
        proof: &Proof,
        transaction: &impl GenericClient,
        built: &TenantName,
    ) -> Result<String, MigratorError> {
        let fingerprint = proof.fingerprint(transaction, built).await?.unwrap_or_default();
        if let Some(shape) = proof.shape(transaction, built).await? {
            self.0.insert(shape, fingerprint.clone());
        }
        Ok(fingerprint)
    }

    /// As [`Proof::fingerprint`].
    ///
    /// # Errors
    /// When the database can't be asked.
    pub(crate) async fn fingerprint(
        &self,
        proof: &Proof,
        transaction: &impl GenericClient,
        tenant: &TenantName,
    ) -> Result<Option<String>, MigratorError> {
        let Some(shape) = proof.shape(transaction, tenant).await? else { return Ok(None) };
        match self.0.get(&shape) {
            Some(fingerprint) => Ok(Some(fingerprint.clone())),
            None => proof.fingerprint(transaction, tenant).await,
        }
    }

    /// The fingerprints of many tenants, by name; none for a schema that is not there. With `search_path = pg_catalog`.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub(crate) async fn fingerprints(
        &self,
        client: &Client,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, MigratorError> {
        if self.0.is_empty() {
            return digests(client, sql::FLEET_FINGERPRINTS, names).await;
        }
        let (mut found, mut unknown) = (BTreeMap::new(), Vec::new());
        for (tenant, shape) in digests(client, &sql::FLEET_SHAPES, names).await? {
            match self.0.get(&shape) {
                Some(fingerprint) => drop(found.insert(tenant, fingerprint.clone())),
                None => unknown.push(tenant),
            }
        }
        let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
        if !unknown.is_empty() {
            found.extend(digests(client, sql::FLEET_FINGERPRINTS, &unknown).await?);
        }
        Ok(found)
    }
}

async fn digests(client: &Client, sql: &str, names: &[&str]) -> Result<BTreeMap<String, String>, MigratorError> {
    let rows = client.query(sql, &[&names]).await.map_err(MigratorError::during("fingerprint the fleet"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
