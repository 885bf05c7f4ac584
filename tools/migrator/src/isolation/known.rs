//! Fingerprints by shape: of schemas with one shape (db/rls/fingerprint.sql) one is asked for its fingerprint, which costs twice as much.
//! Must stay true: it is of one database and one run, and kept nowhere. A fingerprint stands for a shape only when that shape was seen
//! before it and is still seen after it: else somebody changed the schema in between, and it would be another schema's.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use labor_catalog::{TenantName, sql};
use tokio_postgres::{Client, GenericClient};

use super::Proof;
use crate::MigratorError;

/// The fingerprints of a run's shapes.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, String>>);

impl Known {
    /// The fingerprint that schemas of this shape have.
    fn of(&self, shape: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(shape).cloned()
    }

    /// For whoever saw the shape before and after the fingerprint, or has a schema that nobody else knows.
    pub(crate) fn keep(&self, shape: &str, fingerprint: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shape.to_owned(), fingerprint.to_owned());
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
        if let Some(fingerprint) = self.of(&shape) {
            return Ok(Some(fingerprint));
        }
        let found = proof.fingerprint(transaction, tenant).await?;
        // Not sent together with it: the first time each is prepared, and they would change places.
        let still = proof.shape(transaction, tenant).await? == Some(shape.clone());
        if let Some(fingerprint) = found.as_deref().filter(|_| still) {
            self.keep(&shape, fingerprint);
        }
        Ok(found)
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
        // One alone has nobody to be known by.
        if names.len() < 2 {
            return digests(client, sql::FLEET_FINGERPRINTS, names).await;
        }
        let shapes = digests(client, &sql::FLEET_SHAPES, names).await?;
        self.learn(client, &shapes).await?;
        let (mut found, mut unknown) = (BTreeMap::new(), Vec::new());
        for (tenant, shape) in &shapes {
            if let Some(fingerprint) = self.of(shape) {
                found.insert(tenant.clone(), fingerprint);
            } else {
                unknown.push(tenant.as_str());
            }
        }
        if !unknown.is_empty() {
            found.extend(digests(client, sql::FLEET_FINGERPRINTS, &unknown).await?);
        }
        Ok(found)
    }

    /// Asks one tenant of each shape that is not known.
    async fn learn(&self, client: &Client, shapes: &BTreeMap<String, String>) -> Result<(), MigratorError> {
        let mut chosen: BTreeMap<&str, &str> = BTreeMap::new();
        for (tenant, shape) in shapes.iter().filter(|(_, shape)| self.of(shape).is_none()) {
            chosen.entry(shape).or_insert(tenant);
        }
        if chosen.is_empty() {
            return Ok(());
        }
        let tenants: Vec<&str> = chosen.values().copied().collect();
        let found = digests(client, sql::FLEET_FINGERPRINTS, &tenants).await?;
        let still = digests(client, &sql::FLEET_SHAPES, &tenants).await?;
        for (shape, tenant) in chosen {
            if let Some(fingerprint) = found.get(tenant).filter(|_| still.get(tenant).is_some_and(|is| is == shape)) {
                self.keep(shape, fingerprint);
            }
        }
        Ok(())
    }
}

async fn digests(client: &Client, sql: &str, names: &[&str]) -> Result<BTreeMap<String, String>, MigratorError> {
    let rows = client.query(sql, &[&names]).await.map_err(MigratorError::during("fingerprint the fleet"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
