//! Clones: made, found again and dropped.
//! Must stay true: only a schema with our comment that is no registered tenant's is dropped, and only when no other rehearsal is at work
//! on it; schema, role and comment come and go in one transaction.
use labor_catalog::TenantName;
use tokio_postgres::Client;

use super::{LOCK_TIMEOUT, Subject};
use crate::chain::{Chain, Target};
use crate::connection::{Connection, begin, keep_first};
use crate::{Migrator, MigratorError, birth, parse_name};

/// How the comment of a clone begins.
const MARK: &str = "labor-migrator rehearsal";

/// Makes an empty clone, which says whose rows it may get: a deletion of that tenant finds it. The connection holds its lock until it is
/// dropped.
pub(super) async fn create(
    migrator: &Migrator,
    connection: &mut Connection,
    source: &TenantName,
) -> Result<TenantName, MigratorError> {
    let tenant = TenantName::random()?;
    let during = || MigratorError::during(format!("make the clone {tenant}"));
    connection.client.query_one(&connection.lock, &[&tenant.as_str()]).await.map_err(during())?;
    let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
    // Nobody logs in to it: which secret does not matter.
    birth::create_role_and_schema(&transaction, &tenant, migrator.ring.newest_secret()).await?;
    let who = crate::run::started_on().replace('\'', "''");
    let sql =
        format!("ALTER ROLE {} NOLOGIN; COMMENT ON SCHEMA {tenant} IS '{MARK} of {source} by {who}'", tenant.role());
    transaction.batch_execute(&sql).await.map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(tenant)
}

/// Takes a clone away.
pub(super) async fn drop_one(connection: &mut Connection, tenant: &TenantName) -> Result<(), MigratorError> {
    let during =
        || MigratorError::during(format!("drop the clone {tenant}; the next `labor-migrator rehearse` tries again"));
    let dropped = drop_all(&mut connection.client, tenant, during).await;
    if connection.client.is_closed() {
        return dropped;
    }
    // Also of one that stays: whoever tries next may be another migrator.
    let unlocked = connection.client.execute(&connection.unlock, &[&tenant.as_str()]).await;
    keep_first(tenant, dropped, unlocked.map(drop).map_err(during()))
}

/// With what a file gave the clone's role outside of the schema: DROP ROLE would stop at that.
async fn drop_all<F: FnOnce(tokio_postgres::Error) -> MigratorError>(
    client: &mut Client,
    tenant: &TenantName,
    during: impl Fn() -> F,
) -> Result<(), MigratorError> {
    let transaction = begin(client, LOCK_TIMEOUT).await?;
    let sql = format!("DROP SCHEMA IF EXISTS {tenant} CASCADE");
    transaction.batch_execute(&sql).await.map_err(during())?;
    birth::drop_role(&transaction, tenant).await?;
    transaction.commit().await.map_err(during())
}

/// Drops what a killed rehearsal left. What can't be dropped is no reason not to rehearse.
pub(super) async fn drop_leftovers(connection: &mut Connection) -> Result<(), MigratorError> {
    let during = || MigratorError::during("look for clones that were left");
    let rows = connection
        .client
        .query(
            "SELECT n.nspname::text FROM pg_description d JOIN pg_namespace n ON n.oid = d.objoid
              WHERE d.classoid = 'pg_namespace'::regclass AND d.objsubid = 0 AND starts_with(d.description, $1)
                AND n.nspname LIKE 't\\_%' AND NOT EXISTS (SELECT FROM control.tenants t WHERE t.name = n.nspname)",
            &[&MARK],
        )
        .await
        .map_err(during())?;
    for row in rows {
        let tenant = parse_name(row.get(0))?;
        let locked = connection.client.query_one(&connection.lock, &[&tenant.as_str()]).await.map_err(during())?;
        if !locked.get::<_, bool>(0) {
            continue;
        }
        if let Err(error) = drop_one(connection, &tenant).await {
            if connection.client.is_closed() {
                return Err(error);
            }
            tracing::warn!(%tenant, error = error.told(), "the clone of an earlier rehearsal is left");
        }
    }
    Ok(())
}

/// The classes that are behind, each with its largest tenant. Who is held is left out, as by `up`. What was begun is no class of its own: the
/// clone begins before it. Only that of one tenant, held or not, which then stands for its largest.
pub(super) async fn subjects(
    connection: &Connection,
    chain: &Chain,
    target: &Target,
    only: Option<&TenantName>,
) -> Result<Vec<Subject>, MigratorError> {
    let rows = connection
        .client
        .query(
            "SELECT DISTINCT ON (1, 2, 3) l.version, coalesce(l.fingerprint, ''), l.rules_checksum IS DISTINCT FROM $2,
                    count(*) OVER (PARTITION BY l.version, coalesce(l.fingerprint, ''), l.rules_checksum IS DISTINCT FROM $2), l.tenant
               FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
               LEFT JOIN pg_namespace n ON n.nspname = l.tenant
              CROSS JOIN LATERAL (SELECT coalesce(sum(c.relpages), 0) AS pages FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
                     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                       AND d.classid = 'pg_class'::regclass) s
              WHERE t.state <> 'deleted' AND l.chain_checksum <> $1 AND l.version <= $3
                AND CASE WHEN $4::text IS NULL THEN l.held_at IS NULL ELSE l.tenant = $4 END
              ORDER BY 1, 2, 3, s.pages DESC, l.tenant",
            &[&target.checksum, &chain.rules_checksum(), &target.version, &only.map(TenantName::as_str)],
        )
        .await
        .map_err(MigratorError::during("read the ledger"))?;
    rows.iter()
        .map(|row| {
            Ok(Subject {
                version: row.get(0),
                fingerprint: row.get(1),
                stale: row.get(2),
                tenants: row.get(3),
                largest: parse_name(row.get(4))?,
            })
        })
        .collect()
}
