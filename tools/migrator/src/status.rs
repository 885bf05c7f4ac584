//! `status`: where every tenant stands. One query, whatever the number of tenants.
use labor_catalog::TenantName;
use serde::Serialize;

use crate::{Migrator, MigratorError, chain};

/// One tenant's line.
#[derive(Debug, Clone, Serialize)]
pub struct TenantStatus {
    /// Name in the database.
    pub tenant: TenantName,
    /// What people type at sign-in.
    pub slug: String,
    /// practice or intake.
    pub kind: String,
    /// active, frozen or deleted.
    pub state: String,
    /// Version of its schema.
    pub version: i32,
    /// Whether it is at the version of this binary.
    pub current: bool,
    /// First digits of the schema's fingerprint: tenants of a class share it.
    pub class: String,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// The fleet.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of this binary.
    pub target: i32,
    /// Tenants, in order of their names.
    pub tenants: Vec<TenantStatus>,
}

impl Status {
    /// How many tenants are behind or failed.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.tenants.iter().filter(|t| !t.current).count()
    }

    /// How many different schema definitions there are; a healthy fleet has one.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.tenants.iter().map(|t| &t.class).collect::<std::collections::BTreeSet<_>>().len()
    }
}

impl Migrator {
    /// Where every tenant stands.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn status(&self) -> Result<Status, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        let target = chain::target();
        let rows = client
            .query(
                "SELECT t.name, t.slug, t.kind, t.state, l.version, l.chain_checksum = $1 AS current, left(l.fingerprint, 12), l.last_error
                   FROM control.tenants t JOIN control.ledger l ON l.tenant = t.name
                  WHERE t.state <> 'deleted' ORDER BY t.kind DESC, t.slug",
                &[&target.checksum],
            )
            .await
            .map_err(MigratorError::during("read the ledger"))?;
        let tenants = rows
            .iter()
            .map(|row| {
                Ok(TenantStatus {
                    tenant: TenantName::parse(row.get(0)).map_err(|e| MigratorError::Invalid(e.to_string()))?,
                    slug: row.get(1),
                    kind: row.get(2),
                    state: row.get(3),
                    version: row.get(4),
                    current: row.get(5),
                    class: row.get(6),
                    last_error: row.get(7),
                })
            })
            .collect::<Result<_, MigratorError>>()?;
        Ok(Status { target: target.version, tenants })
    }
}
