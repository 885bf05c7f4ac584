//! What every package must agree on about Labor's database: names, derived secrets, the catalogue of columns, and the SQL
//! that more than one tool runs. No driver and no I/O; everything else depends on this.
pub mod catalogue;
pub mod claim;
pub mod claim_key;
pub mod finding;
pub mod keyring;
pub mod logs;
pub mod name;
pub mod secret;
pub mod served;
pub mod sql;

pub use catalogue::{Class, Column};
pub use claim::{ClaimRole, SignedClaim};
pub use claim_key::{ClaimKey, ClaimKeyId};
pub use finding::Finding;
pub use keyring::{InvalidKeyring, Keyring, SecretNumber, may_hold_secrets};
pub use name::{InvalidName, TenantName};
pub use secret::{InvalidSecret, MasterSecret};
pub use served::SERVED_VERSIONS;
