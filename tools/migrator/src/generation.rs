//! The generation: the version that new tenants are born at.
//! Must stay true: who provisions holds the row FOR SHARE until the tenant is registered, who raises the generation waits for that; so a
//! tenant born at the old version is always seen by the run that raised it.
use tokio_postgres::{Client, Transaction};

use crate::MigratorError;
use crate::chain::{Chain, Target};

/// Born at: the generation's version, or the newest file when no run was begun yet.
pub(crate) async fn of_births(transaction: &Transaction<'_>, chain: &Chain) -> Result<Target, MigratorError> {
    let row = transaction
        .query_one("SELECT generation FROM control.fleet FOR SHARE", &[])
        .await
        .map_err(MigratorError::during("read the fleet's version"))?;
    let version: i32 = row.get(0);
    let newest = chain.newest();
    if version == 0 {
        return Ok(newest);
    }
    if version > newest.version {
        let what = format!("the fleet is ahead: new tenants are born at version {version}");
        return Err(MigratorError::Older { what, newest: newest.version, tenants: Vec::new() });
    }
    chain.at(version)
}

/// The version that tenants are born at; 0: no run has said yet.
pub(crate) async fn of(client: &Client) -> Result<i32, MigratorError> {
    let row = client
        .query_one("SELECT generation FROM control.fleet", &[])
        .await
        .map_err(MigratorError::during("read the fleet's version"))?;
    Ok(row.get(0))
}

/// From now on tenants are born at this version, if it is a higher one.
pub(crate) async fn raise(client: &mut Client, version: i32) -> Result<(), MigratorError> {
    set(client, version, "generation < $1").await
}

/// From now on tenants are born at this lower version, also when no run has said yet at which.
pub(crate) async fn lower(client: &mut Client, version: i32) -> Result<(), MigratorError> {
    set(client, version, "generation > $1 OR generation = 0").await
}

async fn set(client: &mut Client, version: i32, when: &str) -> Result<(), MigratorError> {
    client
        .execute(&format!("UPDATE control.fleet SET generation = $1, changed_at = now() WHERE {when}"), &[&version])
        .await
        .map_err(MigratorError::during("set the version that new tenants are born at"))?;
    Ok(())
}
