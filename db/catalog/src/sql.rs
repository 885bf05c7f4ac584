//! SQL files that more than one tool runs, embedded so that a binary and its SQL can't drift apart.

/// Roles and hardening of a database, run once by a superuser.
pub const DATABASE: &str = include_str!("../../rls/database.sql");
/// Claim verification, run as `labor_guard`.
pub const GUARD: &str = include_str!("../../rls/guard.sql");
/// Row policies of a tenant; `{tenant}` stands for its name.
pub const TENANT_RULES: &str = include_str!("../../rls/tenant.sql");
/// Finds what weakens the isolation of one tenant (`$1`: its name); no row means sound.
pub const ISOLATION_CHECK: &str = include_str!("../../rls/isolation_check.sql");
/// Digest of the definition of one tenant's schema (`$1`: its name), equal for all tenants of a class.
pub const FINGERPRINT: &str = include_str!("../../rls/fingerprint.sql");
