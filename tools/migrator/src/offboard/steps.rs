//! The steps of a deletion. Each runs in a transaction that also records it, except `disconnect`, which waits for others.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use serde_json::{Value, json};
use tokio_postgres::{Client, Transaction};

use super::{Request, copies, waiting};
use crate::{MigratorError, birth};

/// For how long connections may take to end.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(30);

/// From here on nobody can open the tenant or a copy of it: no login, and look-ups no longer find it.
pub(super) async fn freeze(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Value, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{tenant}: freeze: {what}"));
    lock_unless_held(transaction, tenant).await?;
    none_kept(transaction, tenant).await?;
    transaction
        .execute(
            "UPDATE control.tenants SET state = 'frozen' WHERE name = $1 AND state <> 'deleted'",
            &[&tenant.as_str()],
        )
        .await
        .map_err(during("the tenant's state"))?;
    let mut names = vec![tenant.role()];
    names.extend(copies::find(transaction, tenant).await?.iter().map(TenantName::role));
    let roles = transaction
        .query("SELECT oid, rolname::text FROM pg_roles WHERE rolname = ANY ($1)", &[&names])
        .await
        .map_err(during("look for the roles"))?;
    for role in &roles {
        let statement = format!("ALTER ROLE {} NOLOGIN", role.get::<_, &str>(1));
        transaction.batch_execute(&statement).await.map_err(during("revoke the login"))?;
    }
    let ids: Vec<u32> = roles.iter().map(|role| role.get(0)).collect();
    Ok(json!({ "logins_revoked": ids.len(), "role_ids": ids }))
}

/// Ends every connection of these roles but one of our own, and waits until there is no other. Outside of a transaction, which would see
/// its first picture of the activity again and again.
pub(crate) async fn disconnect(
    client: &Client,
    tenant: &TenantName,
    roles: &[u32],
    ours: Option<i32>,
) -> Result<Value, MigratorError> {
    let started = Instant::now();
    let mut closed = BTreeSet::new();
    loop {
        // Waits up to 100 ms for each to end, so this loop needs no pause of its own.
        let rows = client
            .query(
                "SELECT pid, pg_terminate_backend(pid, 100) FROM pg_stat_activity WHERE usesysid = ANY ($1) AND pid IS DISTINCT FROM $2",
                &[&roles, &ours],
            )
            .await
            .map_err(MigratorError::during(format!("{tenant}: disconnect")))?;
        if rows.is_empty() {
            return Ok(json!({ "connections_closed": closed.len() }));
        }
        let pids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        if started.elapsed() > DISCONNECT_LIMIT {
            return Err(MigratorError::Invalid(format!(
                "{tenant}: its login is shut, but the server processes {pids:?}, which were let in before, do not end although they were told \
                 to for {} s; nothing further was done. See what they wait for in pg_stat_activity, then run the command again",
                DISCONNECT_LIMIT.as_secs()
            )));
        }
        closed.extend(pids);
    }
}

/// The first step that can't be taken back.
pub(super) async fn drop_schemas(transaction: &Transaction<'_>, request: &Request) -> Result<Value, MigratorError> {
    let tenant = &request.tenant;
    let during = |what: &str| MigratorError::during(format!("{tenant}: drop: {what}"));
    lock_unless_held(transaction, tenant).await?;
    let handed_over = waiting::over(transaction, request).await?;
    let copies = copies::find(transaction, tenant).await?;
    let names: Vec<&str> = copies.iter().chain([tenant]).map(TenantName::as_str).collect();
    let tables = transaction
        .query_one(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid IN (
                SELECT objid FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND classid = 'pg_class'::regclass
                   AND refobjid IN (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1)))",
            &[&names],
        )
        .await
        .map_err(during("count the tables"))?;
    for name in copies.iter().chain([tenant]) {
        let statement = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
        transaction.batch_execute(&statement).await.map_err(during(name.as_str()))?;
        birth::drop_role(transaction, name).await?;
    }
    Ok(json!({ "tables_dropped": tables.get::<_, i64>(0), "copies_dropped": copies.len(), "handed_over": handed_over }))
}

pub(super) async fn empty_queue(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
) -> Result<Value, tokio_postgres::Error> {
    let mut deleted = 0;
    for table in ["q_messages", "a_messages", "q_dead_messages", "a_dead_messages"] {
        let statement = format!("DELETE FROM pgmq.{table} WHERE message ->> 'tenant' = $1");
        deleted += transaction.execute(&statement, &[&tenant.as_str()]).await?;
    }
    Ok(json!({ "entries_deleted": deleted }))
}

/// The opaque name stays as a tombstone, so that a restored server is told to delete the tenant again; and so do holds, with who
/// held it until when.
pub(super) async fn forget(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Value, tokio_postgres::Error> {
    let identifiers =
        transaction.execute("DELETE FROM control.tenant_identifiers WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction.execute("DELETE FROM control.ledger WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction.execute("DELETE FROM control.outcomes WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction.execute("DELETE FROM control.backup_schedules WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction.execute("DELETE FROM control.backup_runs WHERE scope = $1", &[&tenant.as_str()]).await?;
    transaction
        .execute(
            "UPDATE control.tenants SET state = 'deleted', slug = replace(name, '_', '-'), display_name = 'deleted' WHERE name = $1",
            &[&tenant.as_str()],
        )
        .await?;
    Ok(json!({ "identifiers_deleted": identifiers }))
}

/// What a restore over the practice set aside may be all that there is of some work, and no export has it.
async fn none_kept(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), MigratorError> {
    let kept = transaction
        .query_opt(
            "SELECT nspname::text FROM pg_namespace
              WHERE obj_description(oid, 'pg_namespace') LIKE 'labor: restored over: ' || $1 || ' %' LIMIT 1",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: look for what a restore set aside")))?;
    let Some(kept) = kept else { return Ok(()) };
    Err(MigratorError::Invalid(format!(
        "{tenant} was restored over, and what was there before is kept as {}: no export has it. Decide first which of the two it is to have \
         (`labor-backup restore back` or `restore confirm`; take this deletion back for that, and ask for it anew)",
        kept.get::<_, &str>(0)
    )))
}

/// A hold's foreign key locks the same row: one that is being written is waited for, and none can come until we commit.
async fn lock_unless_held(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), MigratorError> {
    let ours = transaction
        .query_one("SELECT pg_try_advisory_xact_lock(hashtextextended('labor tenant ' || $1, 0))", &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("{tenant}: look for a migrator")))?;
    if !ours.get::<_, bool>(0) {
        return Err(MigratorError::Busy(tenant.clone()));
    }
    transaction
        .execute("SELECT FROM control.tenants WHERE name = $1 FOR UPDATE", &[&tenant.as_str()])
        .await
        .map_err(MigratorError::during(format!("{tenant}: lock the tenant")))?;
    let rows = transaction
        .query(
            "SELECT holder || ' (' || reason || ', ' || coalesce('until ' || until, 'until removed') || ')'
               FROM control.holds WHERE tenant = $1 AND (until IS NULL OR until >= current_date) ORDER BY created_at",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: look for holds")))?;
    if rows.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Err(MigratorError::Invalid(format!("{tenant} is held and can't be deleted: {}", list.join("; "))))
}
