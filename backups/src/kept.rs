//! What was in a practice's place before a restore: its schema under another name, with its role, which nobody can log in as.
//!
//! Must stay true: at most one is kept of a practice; the practice's login can't reach it, because the rights stay with the role that was
//! renamed along; nobody else reads or writes its tables while they change their names; it is found by what is written on the schema itself,
//! so it is known as long as it is there, and a deletion of the practice takes it along.
use chrono::{DateTime, SecondsFormat, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::{GenericClient, Transaction};

use crate::{BackupError, proof};

/// What is kept of a practice that something else took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Of whom.
    pub tenant: TenantName,
    /// The schema.
    pub schema: TenantName,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// All that are kept, or of one practice; read from the comments that [`set_aside`] writes.
pub(crate) async fn all(client: &impl GenericClient, of: Option<&TenantName>) -> Result<Vec<Kept>, BackupError> {
    let rows = client
        .query(
            "SELECT k.of, k.schema, k.since::timestamptz
               FROM (SELECT n.nspname::text AS schema, substring(d.text FROM '^labor: restored over: (t_[a-z0-9]{12}) ') AS of,
                            substring(d.text FROM ' kept since ([0-9TZ:.-]+)$') AS since
                       FROM pg_namespace n CROSS JOIN LATERAL (SELECT obj_description(n.oid, 'pg_namespace')) d (text)
                      WHERE n.nspname ~ '^t_[a-z0-9]{12}$') k
              WHERE k.of IS NOT NULL AND k.since IS NOT NULL AND ($1::text IS NULL OR k.of = $1) ORDER BY 1, 3",
            &[&of.map(TenantName::as_str)],
        )
        .await
        .map_err(BackupError::during("look what is kept of restored practices"))?;
    let name = |text: &str| TenantName::parse(text).map_err(|error| BackupError::Invalid(error.to_string()));
    rows.iter()
        .map(|row| Ok(Kept { tenant: name(row.get(0))?, schema: name(row.get(1))?, since: row.get(2) }))
        .collect()
}

/// What is kept of this practice.
pub(crate) async fn of(client: &impl GenericClient, tenant: &TenantName) -> Result<Option<Kept>, BackupError> {
    Ok(all(client, Some(tenant)).await?.pop())
}

/// Refuses to keep a second one: nobody could say which of them is which.
pub(crate) async fn refuse_second(client: &impl GenericClient, tenant: &TenantName) -> Result<(), BackupError> {
    match of(client, tenant).await? {
        None => Ok(()),
        Some(Kept { schema, since, .. }) => Err(BackupError::Refused(format!(
            "{tenant} was restored before, and what was there until {} is still kept as {schema}: first `labor-backup restore confirm {tenant}`, \
             which drops it, or `labor-backup restore back {tenant}`, which puts it back; nothing was changed",
            since.format("%Y-%m-%d %H:%M")
        ))),
    }
}

/// Takes a practice's schema and role out of the way, under a new name. What is missing of them is passed over: none is returned when there
/// was no schema.
pub(crate) async fn set_aside(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
) -> Result<Option<TenantName>, BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    let there = transaction
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS (SELECT FROM pg_roles WHERE rolname = $2)",
            &[&tenant.as_str(), &tenant.role()],
        )
        .await
        .map_err(during("look what is there"))?;
    let (schema, role): (bool, bool) = (there.get(0), there.get(1));
    if !schema {
        if role {
            drop_role(transaction, tenant).await?;
        }
        return Ok(None);
    }
    lock_tables(transaction, tenant).await?;
    let name = TenantName::random()?;
    let since = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let rename = format!(
        "SET LOCAL ROLE labor_owner; ALTER SCHEMA {tenant} RENAME TO {name};
         COMMENT ON SCHEMA {name} IS 'labor: restored over: {tenant} as it was, kept since {since}'; RESET ROLE"
    );
    transaction.batch_execute(&rename).await.map_err(during("set the schema aside"))?;
    if role {
        let (old, new) = (tenant.role(), name.role());
        let shut = format!("ALTER ROLE {old} RENAME TO {new}; ALTER ROLE {new} NOLOGIN");
        transaction.batch_execute(&shut).await.map_err(during("set its role aside"))?;
    }
    Ok(Some(name))
}

/// Takes the role of what is kept out of the group, which is locked from then on: done last.
pub(crate) async fn leave_group(transaction: &Transaction<'_>, kept: &TenantName) -> Result<(), BackupError> {
    let role = kept.role();
    let there = transaction.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await;
    if there.map_err(BackupError::during(format!("look for {role}")))?.is_none() {
        return Ok(());
    }
    let leave = format!("REVOKE labor_tenants FROM {role}");
    transaction.batch_execute(&leave).await.map_err(BackupError::during(format!("shut {role} out")))
}

/// Puts what is kept into the practice's place, which is empty. Its role stays shut.
pub(crate) async fn put_back(transaction: &Transaction<'_>, kept: &Kept) -> Result<(), BackupError> {
    let Kept { tenant, schema, .. } = kept;
    lock_tables(transaction, schema).await?;
    let rename = format!(
        "SET LOCAL ROLE labor_owner; ALTER SCHEMA {schema} RENAME TO {tenant}; COMMENT ON SCHEMA {tenant} IS NULL; RESET ROLE;
         ALTER ROLE {} RENAME TO {}",
        schema.role(),
        tenant.role()
    );
    transaction.batch_execute(&rename).await.map_err(BackupError::during(format!("{tenant}: put {schema} back")))
}

/// Drops what is kept, with its role.
pub(crate) async fn drop_kept(transaction: &Transaction<'_>, kept: &Kept) -> Result<(), BackupError> {
    let schema = &kept.schema;
    lock_tables(transaction, schema).await?;
    let statement = format!("DROP SCHEMA {schema} CASCADE");
    transaction.batch_execute(&statement).await.map_err(BackupError::during(format!("drop {schema}")))?;
    drop_role(transaction, schema).await
}

/// A backup that reads them is waited for, so that it never finds half of one schema and half of another.
async fn lock_tables(transaction: &Transaction<'_>, schema: &TenantName) -> Result<(), BackupError> {
    let tables = proof::tables(transaction, schema).await?;
    if tables.is_empty() {
        return Ok(());
    }
    let names = tables.into_iter().map(|table| table.quoted).collect::<Vec<_>>().join(", ");
    let lock = format!("SET LOCAL ROLE labor_owner; LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE; RESET ROLE");
    transaction.batch_execute(&lock).await.map_err(BackupError::during(format!(
        "{schema}: wait until nobody reads its tables (is a backup of it running? Try again when it is done)"
    )))
}

async fn drop_role(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let role = tenant.role();
    let there = transaction.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await;
    if there.map_err(BackupError::during(format!("look for {role}")))?.is_none() {
        return Ok(());
    }
    let statement = format!("GRANT {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}");
    transaction.batch_execute(&statement).await.map_err(BackupError::during(format!("drop {role}")))
}
