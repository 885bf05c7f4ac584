//! Clones: made, found again and dropped.
//! Must stay true: only a schema with our comment that is no registered tenant's is dropped, and only when no other rehearsal is at work
//! on it; schema, role and comment come and go in one transaction.
use labor_catalog::TenantName;

use super::{LOCK_TIMEOUT, Subject};
use crate::chain::{Chain, Target};
use crate::connection::{Connection, begin};
use crate::{Migrator, MigratorError, parse_name};

/// How the comment of a clone begins.
const MARK: &str = "labor-migrator rehearsal";

/// Makes an empty clone. The connection holds its lock until it is dropped.
pub(super) async fn create(migrator: &Migrator, connection: &mut Connection) -> Result<TenantName, MigratorError> {
    let tenant = TenantName::random()?;
    let during = || MigratorError::during(format!("make the clone {tenant}"));
    connection.client.query_one(&connection.lock, &[&tenant.as_str()]).await.map_err(during())?;
    let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
    migrator.create_role_and_schema(&transaction, &tenant).await?;
    let who = crate::run::started_on().replace('\'', "''");
    let sql = format!("ALTER ROLE {} NOLOGIN; COMMENT ON SCHEMA {tenant} IS '{MARK} by {who}'", tenant.role());
    transaction.batch_execute(&sql).await.map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(tenant)
}

/// Takes a clone away.
pub(super) async fn drop_one(connection: &mut Connection, tenant: &TenantName) -> Result<(), MigratorError> {
    let during =
        || MigratorError::during(format!("drop the clone {tenant}; the next `labor-migrator rehearse` tries again"));
    let sql = format!("DROP SCHEMA IF EXISTS {tenant} CASCADE; DROP ROLE IF EXISTS {}", tenant.role());
    let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
    transaction.batch_execute(&sql).await.map_err(during())?;
    transaction.commit().await.map_err(during())?;
    connection.client.execute(&connection.unlock, &[&tenant.as_str()]).await.map_err(during())?;
    Ok(())
}

/// Drops what a killed rehearsal left.
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
        if locked.get(0) {
            drop_one(connection, &tenant).await?;
        }
    }
    Ok(())
}

/// The classes that are behind, each with its largest tenant; only that of one tenant, which then stands for its largest.
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
                    count(*) OVER (PARTITION BY l.version, l.chain_checksum, l.fingerprint, l.rules_checksum), l.tenant
               FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
               LEFT JOIN pg_namespace n ON n.nspname = l.tenant
              CROSS JOIN LATERAL (SELECT coalesce(sum(c.relpages), 0) AS pages FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
                     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                       AND d.classid = 'pg_class'::regclass) s
              WHERE t.state <> 'deleted' AND l.chain_checksum <> $1 AND l.version <= $3 AND ($4::text IS NULL OR l.tenant = $4)
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
