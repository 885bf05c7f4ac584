//! The fleet migrator: the only package that runs DDL.
//! Must stay true: a tenant comes to a version in a transaction of its own, together with its stamp, its ledger row and the isolation
//! check. What can't run there (`Kind: concurrent`, a backfill, their undo) runs before it, after a committed mark in the ledger and the
//! proof that the tenant is what the ledger says. So a tenant is wholly at a version, as it was, or marked as begun: then it counts as
//! behind, and `up` goes on there.
pub mod ahead;
mod backfill;
pub mod baseline;
mod begun;
mod birth;
pub mod bootstrap;
pub mod chain;
mod concurrent;
mod connection;
pub mod control;
mod direction;
pub mod drift;
mod error;
pub mod files;
mod fleet_run;
mod generation;
pub mod header;
pub mod history;
pub mod holders;
pub mod isolation;
mod keys;
pub mod lint;
mod locking;
pub mod locks;
mod mended;
pub mod migration;
pub mod named;
pub mod new;
pub mod offboard;
pub mod plan;
pub mod pool;
pub mod provision;
mod queue;
mod recorded;
mod reference;
mod refinery_transaction;
pub mod rehearse;
pub mod rotate;
pub mod run;
mod schema;
mod script;
pub mod statements;
pub mod status;
pub mod steer;
mod step;
mod superseded;
pub mod undo;
pub mod up;
pub mod verify;
mod watch;
pub mod waves;
mod worker;

use std::sync::Arc;

pub use error::{Cause, MigratorError};
pub use labor_catalog::{Keyring, MasterSecret, TenantName};

use chain::Chain;
use files::Sources;

/// The migrator's own login.
pub(crate) const LOGIN: &str = "labor_migrator";

/// A migrator that stands still, or whose host is gone, gives back within half a minute what its transaction has locked; what it holds as a
/// session, once the server has noticed that nobody is there.
const BOUNDS: &str = "-c idle_in_transaction_session_timeout=30s \
                      -c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/// What every command of the migrator needs.
#[derive(Clone)]
pub struct Migrator {
    url: String,
    config: tokio_postgres::Config,
    ring: Keyring,
    chain: Arc<Chain>,
    control: Arc<Vec<(String, String)>>,
    weaker: isolation::weaker::Weaker,
}

impl Migrator {
    /// Reads the URL of the migrator's login and the SQL files of this program. Connects to nothing yet.
    ///
    /// # Errors
    /// When the URL or a file can't be read.
    pub fn new(url: &str, secrets: impl Into<Keyring>) -> Result<Self, MigratorError> {
        Self::with_sources(url, secrets, &Sources::embedded())
    }

    /// As [`Migrator::new`], with other SQL files.
    ///
    /// # Errors
    /// When the URL or a file can't be read.
    pub fn with_sources(url: &str, secrets: impl Into<Keyring>, sources: &Sources) -> Result<Self, MigratorError> {
        let mut config = labor_connect::parse(url, "labor-migrator")?;
        let wanted = config.get_options().map_or_else(|| BOUNDS.to_owned(), |options| format!("{BOUNDS} {options}"));
        config.options(wanted);
        Ok(Self {
            url: url.to_owned(),
            config,
            ring: secrets.into(),
            chain: Arc::new(Chain::new(sources)?),
            control: Arc::new(sources.control_migrations()?),
            weaker: isolation::weaker::Weaker::default(),
        })
    }

    /// The migrations of a tenant's schema.
    #[must_use]
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Connects as the one login that may change schemas.
    pub(crate) async fn connect(&self) -> Result<tokio_postgres::Client, MigratorError> {
        let login = self.config.get_user().unwrap_or_default();
        if login != LOGIN {
            return Err(MigratorError::WrongLogin(login.to_owned()));
        }
        Ok(labor_connect::connect(&self.config).await?)
    }
}

/// A name that the database gave.
pub(crate) fn parse_name(text: &str) -> Result<TenantName, MigratorError> {
    TenantName::parse(text).map_err(|error| MigratorError::Invalid(error.to_string()))
}
