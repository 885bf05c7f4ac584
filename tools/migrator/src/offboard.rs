//! `delete`: carries out an approved deletion of one tenant, step by step, and certifies it.
//! Must stay true: nothing is dropped before two different people agreed and no hold stands against it; every step can be
//! repeated, so a killed run is continued by running it again; the certificate rests on a search afterwards, not on the
//! success of the steps.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::{Migrator, MigratorError};

/// What the platform can attest after a deletion. Holds no health data and no name.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// The request that was carried out.
    pub request: Uuid,
    /// Opaque name of the tenant.
    pub tenant: TenantName,
    /// Legal basis or contract, as requested.
    pub reason: String,
    /// Operator who asked.
    pub requested_by: Uuid,
    /// The other operator, who agreed.
    pub approved_by: Uuid,
    /// Steps with time and counts.
    pub steps: Vec<Value>,
    /// What a search in the database found afterwards: all numbers are 0.
    pub found_afterwards: Value,
    /// What still exists elsewhere and until when.
    pub residuals: Vec<&'static str>,
    /// When the search was made.
    pub certified_at: DateTime<Utc>,
    /// Version of this program.
    pub software: &'static str,
}

const RESIDUALS: &[&str] = &[
    "backups and exports of this tenant: until `labor-backup erase` has deleted the objects and destroyed the tenant's key",
    "write-ahead log and physical backups of the whole server: until their retention ends",
    "this request with its two approvers and the tombstone of the opaque name: kept as evidence, without personal data of patients",
];

struct Request {
    id: Uuid,
    tenant: TenantName,
    reason: String,
    requested_by: Uuid,
    approved_by: Uuid,
    steps: Vec<Value>,
}

impl Request {
    fn did(&self, step: &str) -> bool {
        self.steps.iter().any(|s| s["step"] == step)
    }
}

impl Migrator {
    /// Carries out an approved deletion; a finished one gives its certificate again.
    ///
    /// # Errors
    /// When the request is not an approved deletion, a hold stands against it, or the database refuses. What was done stays
    /// recorded and the next run goes on from there.
    pub async fn delete(&self, request: Uuid, mut progress: impl FnMut(&str)) -> Result<Value, MigratorError> {
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        if let Some(certificate) = finished(&client, request).await? {
            return Ok(certificate);
        }
        let mut request = load(&client, request).await?;
        refuse_if_held(&client, &request.tenant).await?;
        for (step, describe) in [
            ("freeze", "login revoked, connections closed"),
            ("drop", "schema and login role dropped"),
            ("queue", "queue entries deleted"),
            ("registry", "identifiers and names deleted"),
        ] {
            if !request.did(step) {
                self.run_step(&mut client, &mut request, step).await?;
            }
            progress(describe);
        }
        let certificate = certify(&client, &request).await?;
        progress("searched for: nothing found");
        Ok(certificate)
    }

    async fn run_step(
        &self,
        client: &mut Client,
        request: &mut Request,
        step: &'static str,
    ) -> Result<(), MigratorError> {
        let during = |what: &str| MigratorError::during(format!("{}: {step}: {what}", request.tenant));
        let transaction = client.transaction().await.map_err(during("begin"))?;
        transaction.batch_execute("SET LOCAL lock_timeout = '5s'").await.map_err(during("set lock_timeout"))?;
        let counts = match step {
            "freeze" => freeze(&transaction, &request.tenant).await,
            "drop" => drop_schema(&transaction, &request.tenant).await,
            "queue" => empty_queue(&transaction, &request.tenant).await,
            _ => forget(&transaction, &request.tenant).await,
        }
        .map_err(during("statement"))?;
        let entry = json!({ "step": step, "at": Utc::now(), "counts": counts });
        transaction
            .execute(
                "UPDATE control.requests SET state = 'running', steps = steps || $2 WHERE id = $1",
                &[&request.id, &Json(&entry)],
            )
            .await
            .map_err(during("record the step"))?;
        transaction.commit().await.map_err(during("commit"))?;
        request.steps.push(entry);
        Ok(())
    }
}

async fn finished(client: &Client, request: Uuid) -> Result<Option<Value>, MigratorError> {
    let row = client
        .query_opt(
            "SELECT certificate FROM control.requests WHERE id = $1 AND kind = 'deletion' AND state = 'done'",
            &[&request],
        )
        .await
        .map_err(MigratorError::during("read the request"))?;
    Ok(row.map(|row| row.get(0)))
}

async fn load(client: &Client, id: Uuid) -> Result<Request, MigratorError> {
    let row = client
        .query_opt(
            "SELECT r.tenant, r.reason, r.requested_by, r.approved_by, r.steps, r.kind, r.state, t.kind
               FROM control.requests r JOIN control.tenants t ON t.name = r.tenant WHERE r.id = $1",
            &[&id],
        )
        .await
        .map_err(MigratorError::during("read the request"))?
        .ok_or_else(|| MigratorError::Invalid(format!("there is no request {id}")))?;
    let (kind, state, tenant_kind): (&str, &str, &str) = (row.get(5), row.get(6), row.get(7));
    if kind != "deletion" {
        return Err(MigratorError::Invalid(format!("request {id} asks for an {kind}, not for a deletion")));
    }
    if tenant_kind == "intake" {
        return Err(MigratorError::Invalid(
            "the intake can't be deleted: messages without a known recipient would have no place".to_owned(),
        ));
    }
    let (Some(approved_by), "approved" | "running") = (row.get(3), state) else {
        return Err(MigratorError::Invalid(format!(
            "request {id} is not approved; a second operator does that with `labor request approve`"
        )));
    };
    let Json(steps): Json<Vec<Value>> = row.get(4);
    let tenant = TenantName::parse(row.get(0)).map_err(|error| MigratorError::Invalid(error.to_string()))?;
    Ok(Request { id, tenant, reason: row.get(1), requested_by: row.get(2), approved_by, steps })
}

async fn refuse_if_held(client: &Client, tenant: &TenantName) -> Result<(), MigratorError> {
    let rows = client
        .query(
            "SELECT holder || ' (' || reason || ', ' || coalesce('until ' || until, 'until removed') || ')'
               FROM control.holds WHERE tenant = $1 AND (until IS NULL OR until >= current_date) ORDER BY created_at",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during("look for holds"))?;
    if rows.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Err(MigratorError::Invalid(format!("{tenant} is held and can't be deleted: {}", list.join("; "))))
}

type StepResult = Result<Value, tokio_postgres::Error>;

/// From here on nobody can open the tenant: no login, no open connection, and look-ups no longer find it.
async fn freeze(transaction: &Transaction<'_>, tenant: &TenantName) -> StepResult {
    transaction.execute("UPDATE control.tenants SET state = 'frozen' WHERE name = $1", &[&tenant.as_str()]).await?;
    if role_exists(transaction, tenant).await? {
        transaction.batch_execute(&format!("ALTER ROLE {} NOLOGIN", tenant.role())).await?;
    }
    let closed = transaction
        .query_one(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1",
            &[&tenant.role()],
        )
        .await?;
    Ok(json!({ "connections_closed": closed.get::<_, i64>(0) }))
}

async fn drop_schema(transaction: &Transaction<'_>, tenant: &TenantName) -> StepResult {
    let tables = transaction
        .query_one(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid IN (
                SELECT objid FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND classid = 'pg_class'::regclass
                   AND refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1))",
            &[&tenant.as_str()],
        )
        .await?;
    transaction.batch_execute(&format!("DROP SCHEMA IF EXISTS {tenant} CASCADE")).await?;
    transaction.batch_execute(&format!("DROP ROLE IF EXISTS {}", tenant.role())).await?;
    Ok(json!({ "tables_dropped": tables.get::<_, i64>(0) }))
}

async fn empty_queue(transaction: &Transaction<'_>, tenant: &TenantName) -> StepResult {
    let mut deleted = 0;
    for table in ["q_messages", "a_messages", "q_dead_messages", "a_dead_messages"] {
        let statement = format!("DELETE FROM pgmq.{table} WHERE message ->> 'tenant' = $1");
        deleted += transaction.execute(&statement, &[&tenant.as_str()]).await?;
    }
    Ok(json!({ "entries_deleted": deleted }))
}

/// The opaque name stays as a tombstone, so that a restored server is told to delete the tenant again.
async fn forget(transaction: &Transaction<'_>, tenant: &TenantName) -> StepResult {
    let identifiers =
        transaction.execute("DELETE FROM control.tenant_identifiers WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction.execute("DELETE FROM control.ledger WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction.execute("DELETE FROM control.holds WHERE tenant = $1", &[&tenant.as_str()]).await?;
    transaction
        .execute(
            "UPDATE control.tenants SET state = 'deleted', slug = replace(name, '_', '-'), display_name = 'deleted' WHERE name = $1",
            &[&tenant.as_str()],
        )
        .await?;
    Ok(json!({ "identifiers_deleted": identifiers }))
}

async fn role_exists(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<bool, tokio_postgres::Error> {
    Ok(transaction
        .query_one("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", &[&tenant.role()])
        .await?
        .get(0))
}

/// Searches for what could be left, and certifies only when there is nothing.
async fn certify(client: &Client, request: &Request) -> Result<Value, MigratorError> {
    let row = client
        .query_one(
            "SELECT jsonb_build_object(
                'schemas',     (SELECT count(*) FROM pg_namespace WHERE nspname = $1),
                'roles',       (SELECT count(*) FROM pg_roles WHERE rolname = $1 || '_app'),
                'connections', (SELECT count(*) FROM pg_stat_activity WHERE usename = $1 || '_app'),
                'identifiers', (SELECT count(*) FROM control.tenant_identifiers WHERE tenant = $1),
                'ledger',      (SELECT count(*) FROM control.ledger WHERE tenant = $1),
                'queue',       (SELECT count(*) FROM pgmq.q_messages WHERE message ->> 'tenant' = $1)
                             + (SELECT count(*) FROM pgmq.a_messages WHERE message ->> 'tenant' = $1)
                             + (SELECT count(*) FROM pgmq.q_dead_messages WHERE message ->> 'tenant' = $1)
                             + (SELECT count(*) FROM pgmq.a_dead_messages WHERE message ->> 'tenant' = $1))",
            &[&request.tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during("search for what is left"))?;
    let found: Value = row.get(0);
    if found.as_object().is_none_or(|counts| counts.values().any(|count| *count != json!(0))) {
        return Err(MigratorError::Invalid(format!(
            "{} is not wholly deleted, so nothing is certified: {found}",
            request.tenant
        )));
    }
    let certificate = json!(Certificate {
        request: request.id,
        tenant: request.tenant.clone(),
        reason: request.reason.clone(),
        requested_by: request.requested_by,
        approved_by: request.approved_by,
        steps: request.steps.clone(),
        found_afterwards: found,
        residuals: RESIDUALS.to_vec(),
        certified_at: Utc::now(),
        software: concat!("labor-migrator ", env!("CARGO_PKG_VERSION")),
    });
    client
        .execute(
            "UPDATE control.requests SET state = 'done', finished_at = now(), certificate = $2 WHERE id = $1",
            &[&request.id, &certificate],
        )
        .await
        .map_err(MigratorError::during("write the certificate"))?;
    Ok(certificate)
}
