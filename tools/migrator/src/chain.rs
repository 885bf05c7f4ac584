//! The two streams of migrations, embedded in the binary: one for the control schema, one for every tenant.
//! Must stay true: the checksum of a chain changes when any applied file or the row rules change, and with nothing else.
use aws_lc_rs::digest;
use labor_catalog::sql;
use refinery_core::Runner;

mod control {
    refinery::embed_migrations!("../../db/migrations/control");
}
mod tenant {
    refinery::embed_migrations!("../../db/migrations/tenant");
}

/// Migrations of the control schema.
#[must_use]
pub fn control() -> Runner {
    control::migrations::runner()
}

/// Migrations of a tenant's schema.
#[must_use]
pub fn tenant() -> Runner {
    tenant::migrations::runner()
}

/// Where a tenant's schema is to be brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Number of the last migration.
    pub version: i32,
    /// SHA-256 in hex over all migrations and the row rules.
    pub checksum: String,
}

/// The newest version that this binary knows.
#[must_use]
pub fn target() -> Target {
    let runner = tenant();
    let mut context = digest::Context::new(&digest::SHA256);
    let mut version = 0;
    let mut migrations: Vec<_> = runner.get_migrations().iter().collect();
    migrations.sort();
    for migration in migrations {
        version = migration.version();
        context.update(format!("{migration}\n{}\n", migration.sql().unwrap_or_default()).as_bytes());
    }
    context.update(sql::TENANT_RULES.as_bytes());
    Target { version, checksum: hex::encode(context.finish()) }
}
