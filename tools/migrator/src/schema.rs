//! What happens inside a tenant's schema, in a transaction that somebody else opened and will commit.
//! Must stay true: a new tenant goes through the same files as one that is migrated; nothing here commits.
use labor_catalog::TenantName;
use tokio_postgres::Transaction;

use crate::chain::{Chain, Segment, Target};
use crate::migration::{Kind, Migration};
use crate::{MigratorError, refinery_transaction, statements};

/// Acts as the owner, with the schema first in the path. `row_security = off`: a data migration that row rules would silently empty
/// fails loudly instead.
pub(crate) fn enter_sql(tenant: &TenantName) -> String {
    format!("SET LOCAL ROLE labor_owner; SET LOCAL row_security = off; SET LOCAL search_path = {tenant}")
}

/// Condition on `pg_class c`: reading the table runs nobody's code, as a view, a rule or a row policy could with the migrator's rights.
pub(crate) const PLAIN_TABLE: &str =
    "c.relkind = 'r' AND NOT (c.relhasrules OR c.relhastriggers OR c.relforcerowsecurity)
                             AND c.relowner = 'labor_owner'::regrole";

/// Runs [`enter_sql`].
pub(crate) async fn enter(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), MigratorError> {
    let enter = enter_sql(tenant);
    transaction.batch_execute(&enter).await.map_err(MigratorError::during(format!("{tenant}: enter the schema")))
}

/// Back to the migrator's own login and path.
pub(crate) const LEAVE: &str = "SET LOCAL search_path = pg_catalog; SET LOCAL ROLE NONE";

/// Runs [`LEAVE`].
pub(crate) async fn leave(transaction: &Transaction<'_>) -> Result<(), MigratorError> {
    transaction.batch_execute(LEAVE).await.map_err(MigratorError::during("leave the schema"))
}

/// Runs or, for what ran outside of the transaction, records the migrations of a segment.
pub(crate) async fn apply(
    transaction: &Transaction<'_>,
    chain: &Chain,
    segment: &Segment<'_>,
) -> Result<(), MigratorError> {
    let target = match segment.outside {
        None => refinery_core::Target::Version(segment.to),
        Some(_) => refinery_core::Target::FakeVersion(segment.to),
    };
    refinery_transaction::apply(transaction, &chain.runner(target)?).await?;
    Ok(())
}

/// Writes a history for a schema that is at a version already. One that is there must be that of these files.
pub(crate) async fn record_as_applied(
    transaction: &Transaction<'_>,
    chain: &Chain,
    version: i32,
) -> Result<(), MigratorError> {
    let runner = chain.runner(refinery_core::Target::FakeVersion(version))?;
    refinery_transaction::apply(transaction, &runner).await?;
    Ok(())
}

/// Brings an empty schema, or one that this function left, to a version. Its tables are empty, so what runs outside of a transaction
/// elsewhere runs inside of it here.
pub(crate) async fn build(
    transaction: &Transaction<'_>,
    chain: &Chain,
    from: i32,
    to: i32,
) -> Result<(), MigratorError> {
    if from == to {
        return Ok(());
    }
    chain.runnable()?;
    for segment in chain.segments(from, to) {
        if let Some(migration) = segment.outside {
            run_inside(transaction, migration).await?;
        }
        apply(transaction, chain, &segment).await?;
    }
    Ok(())
}

async fn run_inside(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), MigratorError> {
    for statement in migration.statements()? {
        let sql = match migration.kind {
            Kind::Backfill { batch, .. } => {
                let sql = statement.sql.replace("{batch}", &batch.to_string());
                format!("SET LOCAL ROLE labor_backfill; {sql}; SET LOCAL ROLE labor_owner")
            }
            Kind::Transaction | Kind::Concurrent => statements::for_new_tenant(&statement),
        };
        let refused = |source| MigratorError::Statement {
            whose: "a new schema".to_owned(),
            file: migration.file_name(),
            line: Some(statement.line),
            source,
        };
        transaction.batch_execute(&sql).await.map_err(refused)?;
    }
    Ok(())
}

/// Applies the row rules.
pub(crate) async fn rule(
    transaction: &Transaction<'_>,
    chain: &Chain,
    tenant: &TenantName,
) -> Result<(), MigratorError> {
    let rules = chain.rules().replace("{tenant}", tenant.as_str());
    transaction.batch_execute(&rules).await.map_err(MigratorError::during(format!("{tenant}: apply the row rules")))
}

/// Whether a segment makes tables that have no row rules yet.
pub(crate) fn makes_tables(chain: &Chain, from: i32, to: i32) -> bool {
    chain.makers().iter().any(|version| *version > from && *version <= to)
}

/// Writes the version into the schema itself, so that a restored copy knows it. Nothing in it needs quoting.
pub(crate) fn stamp_sql(tenant: &TenantName, target: &Target) -> String {
    format!(
        "INSERT INTO schema_stamp (tenant, version, chain_checksum) VALUES ('{tenant}', {}, '{}')
             ON CONFLICT (singleton) DO UPDATE
            SET tenant = EXCLUDED.tenant, version = EXCLUDED.version, chain_checksum = EXCLUDED.chain_checksum, stamped_at = now()",
        target.version, target.checksum
    )
}

/// Runs [`stamp_sql`].
pub(crate) async fn stamp(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    target: &Target,
) -> Result<(), MigratorError> {
    transaction
        .batch_execute(&stamp_sql(tenant, target))
        .await
        .map_err(MigratorError::during(format!("{tenant}: write the stamp")))
}
