//! The fleet migrator: the only package that runs DDL.
//! Must stay true: whatever changes a tenant's schema happens in that tenant's own transaction, together with its stamp, its
//! ledger row and the isolation check, so that a tenant is either wholly at a version or as it was.
pub mod bootstrap;
pub mod chain;
pub mod control;
mod error;
pub mod files;
pub mod header;
pub mod isolation;
pub mod lint;
pub mod migration;
pub mod new;
pub mod offboard;
pub mod provision;
mod refinery_transaction;
pub mod statements;
pub mod status;
pub mod step;
pub mod up;

pub use error::MigratorError;
pub use labor_catalog::{MasterSecret, TenantName};

/// What every command of the migrator needs.
#[derive(Clone)]
pub struct Migrator {
    url: String,
    config: tokio_postgres::Config,
    master: MasterSecret,
}

impl Migrator {
    /// Reads the URL of the migrator's login. Connects to nothing yet.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn new(url: &str, master: MasterSecret) -> Result<Self, MigratorError> {
        Ok(Self { url: url.to_owned(), config: labor_connect::parse(url, "labor-migrator")?, master })
    }

    pub(crate) async fn connect(&self) -> Result<tokio_postgres::Client, MigratorError> {
        Ok(labor_connect::connect(&self.config).await?)
    }
}
