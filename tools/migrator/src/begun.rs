//! The mark in the ledger of what runs outside of a tenant's transaction: a concurrent file, its undo, a backfill.
//! Must stay true: it is committed before the first statement, and after the proof that the tenant is what the ledger says; a tenant
//! that bears it is behind for `up`, `undo` and `status`, because the checksum of its chain is empty until the part's own transaction
//! writes it again. Whose progress is after the ledger's version was going up, whose is at it was going back.
use labor_catalog::TenantName;
use tokio_postgres::{Client, GenericClient};

use crate::connection::Connection;
use crate::migration::{Kind, Migration};
use crate::step::Way;
use crate::{MigratorError, isolation};

/// How far a tenant has gone: by the ledger `l`, or with a file that was begun.
pub(crate) const REACHED: &str = "greatest(l.version, (l.progress ->> 'version')::integer)";

/// What was begun and has not come to its end.
pub(crate) struct Begun {
    pub(crate) version: i32,
    /// Rows of a backfill that are done.
    pub(crate) rows: i64,
}

/// What a tenant's ledger says was begun.
pub(crate) async fn of(client: &Client, tenant: &TenantName) -> Result<Option<Begun>, MigratorError> {
    let row = client
        .query_opt(
            "SELECT (progress ->> 'version')::integer, coalesce((progress ->> 'rows')::bigint, 0)
               FROM control.ledger WHERE tenant = $1 AND progress IS NOT NULL",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: read what was begun")))?;
    Ok(row.map(|row| Begun { version: row.get(0), rows: row.get(1) }))
}

/// Which version was begun.
pub(crate) async fn at(connection: &Connection, tenant: &TenantName) -> Result<Option<i32>, MigratorError> {
    Ok(of(&connection.client, tenant).await?.map(|begun| begun.version))
}

/// Proves that the tenant is what the ledger says, and commits the mark. The schema of one whose concurrent file was begun already is
/// proven afterwards only.
pub(crate) async fn mark(
    connection: &mut Connection,
    tenant: &TenantName,
    way: Way,
    from: i32,
    migration: &Migration,
) -> Result<(), MigratorError> {
    let again = migration.kind == Kind::Concurrent && at(connection, tenant).await? == Some(migration.version);
    let Connection { client, proof, .. } = connection;
    let during = || MigratorError::during(format!("{tenant}: mark {} as begun", migration.file_name()));
    let transaction = client.transaction().await.map_err(during())?;
    let findings = proof.reach(&transaction, tenant).await?;
    if !findings.is_empty() {
        return Err(MigratorError::Isolation(findings));
    }
    if !again {
        compare(&transaction, proof.fingerprint(&transaction, tenant).await?, tenant, from).await?;
    }
    let way = if way == Way::Up { "up" } else { "back" };
    let marked = transaction
        .execute(
            "UPDATE control.ledger
                SET chain_checksum = '',
                    progress = CASE WHEN (progress ->> 'version')::integer = $3 THEN progress
                                    ELSE jsonb_build_object('version', $3::integer, 'way', $4::text, 'rows', 0) END
              WHERE tenant = $1 AND version = $2 AND held_at IS NULL",
            &[&tenant.as_str(), &from, &migration.version, &way],
        )
        .await
        .map_err(during())?;
    if marked == 0 {
        transaction.rollback().await.map_err(during())?;
        return Err(stopped(client, tenant).await?);
    }
    transaction.commit().await.map_err(during())
}

/// Whether the tenant is what the ledger says, after what was begun was made again.
pub(crate) async fn is_whole(
    connection: &mut Connection,
    tenant: &TenantName,
    version: i32,
) -> Result<(), MigratorError> {
    let Connection { client, proof, .. } = connection;
    let during = || MigratorError::during(format!("{tenant}: prove version {version}"));
    let transaction = client.transaction().await.map_err(during())?;
    compare(&transaction, proof.fingerprint(&transaction, tenant).await?, tenant, version).await?;
    transaction.rollback().await.map_err(during())
}

async fn compare(
    client: &impl GenericClient,
    found: Option<String>,
    tenant: &TenantName,
    version: i32,
) -> Result<(), MigratorError> {
    let row = client
        .query_one("SELECT fingerprint FROM control.ledger WHERE tenant = $1", &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("{tenant}: read the ledger")))?;
    if found.as_deref() == Some(row.get::<_, &str>(0)) {
        return Ok(());
    }
    let lines = isolation::lines(client, tenant).await?;
    Err(MigratorError::Drift { tenant: tenant.clone(), version, lines })
}

/// Why the ledger's row may no longer be changed.
pub(crate) async fn stopped(client: &Client, tenant: &TenantName) -> Result<MigratorError, MigratorError> {
    let row = client
        .query_opt("SELECT held_reason FROM control.ledger WHERE tenant = $1", &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("{tenant}: read the ledger")))?;
    Ok(match row.and_then(|row| row.get::<_, Option<String>>(0)) {
        Some(reason) => MigratorError::Held { tenant: tenant.clone(), reason },
        None => MigratorError::Changed(tenant.clone()),
    })
}
