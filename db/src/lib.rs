//! The only door to the database.
//! Must stay true: tenant data is reached through a [`TenantSession`] and nothing else; a session is made from [`Claims`], and
//! claims only from a verified token or by a service about itself. All query SQL of the product is in this package.
//!
//! Two drivers, one job each: tenant-bound connections are tokio-postgres (they pipeline), control plane and queue are sqlx
//! (checked at compile time). A module uses one of them.
pub mod alerts;
pub mod claims;
pub mod control;
mod corrected;
mod database_check;
mod error;
pub mod events;
pub mod keys;
pub mod matching;
pub mod messages;
pub mod notices;
pub mod pool;
pub mod queue;
pub mod releases;
pub mod reports;
pub mod requests;
pub mod results;
pub mod secrets;
mod served;
pub mod session;
pub mod statements;
pub mod users;

pub use claims::{AccessTokens, Claims, InvalidToken};
pub use control::Control;
pub use database_check::Finding;
pub use error::DbError;
pub use keys::KeysInUse;
pub use labor_catalog::{ClaimRole, MasterSecret, TenantName};
pub use pool::{PoolSettings, Tenants};
pub use secrets::Secrets;
pub use session::TenantSession;
