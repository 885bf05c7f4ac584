//! The search for what could be left of a deleted tenant, and the certificate that rests on it.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::{Request, copies, prepare};
use crate::MigratorError;

/// What the platform can attest after a deletion. Holds no health data, and no names but those of the two operators.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// The request that was carried out.
    pub request: Uuid,
    /// Opaque name of the tenant.
    pub tenant: TenantName,
    /// Legal basis or contract, as requested.
    pub reason: String,
    /// Operator who asked, by user name.
    pub requested_by: String,
    /// The same, by id.
    pub requested_by_id: Uuid,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// The other operator, who agreed, by user name.
    pub approved_by: String,
    /// The same, by id.
    pub approved_by_id: Uuid,
    /// When.
    pub approved_at: DateTime<Utc>,
    /// Steps with time and counts.
    pub steps: Vec<Value>,
    /// What a search in the database found afterwards: all numbers are 0.
    pub found_afterwards: Value,
    /// Messages in the intake in which a BSNR of the tenant occurs: they were not deleted.
    pub intake_messages: u64,
    /// What still exists elsewhere and until when.
    pub residuals: Vec<String>,
    /// When the search was made.
    pub certified_at: DateTime<Utc>,
    /// Version of this program.
    pub software: &'static str,
}

const RESIDUALS: &[&str] = &[
    "backups of this tenant: until `labor-backup erase` has deleted the objects and destroyed the tenant's key",
    "exports and copies for patients that were made of it, and copies of the folder of keys: until whoever has them removes them",
    "backups of the control schema (control/ in the bucket), with its names, identifiers and requests: until they are removed by hand",
    "copies restored into other databases or servers: this search was made in one database; until whoever restored them drops them",
    "write-ahead log and physical backups of the whole server: until their retention ends",
    "values that were gathered for planning (pg_statistic) and the displayed name (control.tenants), as bytes in the empty space of these \
     tables' pages: until PostgreSQL writes over them, or a superuser runs VACUUM FULL on both",
    "this and its earlier requests with who asked and agreed (a copy's with the opaque id of its patient, an export's with who confirmed it), \
     holds that once stood against it, and the tombstone of the opaque name: kept as evidence, without health data",
];

fn residuals(intake_messages: u64) -> Vec<String> {
    let intake = format!(
        "messages in the intake that also address this practice, because they name several recipients or one that was not known \
         then: {intake_messages} with one of its BSNRs; quarantined there until a person has dealt with them"
    );
    RESIDUALS.iter().map(|text| (*text).to_owned()).chain([intake]).collect()
}

/// Searches for what could be left, and certifies only when there is nothing.
pub(super) async fn certify(client: &mut Client, request: &Request) -> Result<Value, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{}: {what}", request.tenant));
    let transaction = client.transaction().await.map_err(during("begin"))?;
    prepare(&transaction, &request.tenant).await?;
    let found = search(&transaction, request).await?;
    if found.as_object().is_none_or(|counts| counts.values().any(|count| *count != json!(0))) {
        return Err(MigratorError::Invalid(format!(
            "{} is not wholly deleted, so nothing is certified: {found}",
            request.tenant
        )));
    }
    let intake_messages = request.count("intake", "intake_messages").as_u64().unwrap_or_default();
    let certificate = json!(Certificate {
        request: request.id,
        tenant: request.tenant.clone(),
        reason: request.reason.clone(),
        requested_by: request.requested.username.clone(),
        requested_by_id: request.requested.id,
        requested_at: request.requested.at,
        approved_by: request.approved.username.clone(),
        approved_by_id: request.approved.id,
        approved_at: request.approved.at,
        steps: request.steps.clone(),
        found_afterwards: found,
        intake_messages,
        residuals: residuals(intake_messages),
        certified_at: Utc::now(),
        software: concat!("labor-migrator ", env!("CARGO_PKG_VERSION")),
    });
    transaction
        .execute(
            "UPDATE control.requests SET state = 'done', finished_at = now(), certificate = $2 WHERE id = $1",
            &[&request.id, &certificate],
        )
        .await
        .map_err(during("write the certificate"))?;
    transaction.commit().await.map_err(during("commit the certificate"))?;
    Ok(certificate)
}

/// Under the tenant's lock, so that a restore that asks for the same row is either seen or refused.
async fn search(transaction: &Transaction<'_>, request: &Request) -> Result<Value, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{}: search for what is left: {what}", request.tenant));
    transaction
        .execute("SELECT FROM control.tenants WHERE name = $1 FOR UPDATE", &[&request.tenant.as_str()])
        .await
        .map_err(during("lock the tombstone"))?;
    let copies = copies::find(transaction, &request.tenant).await?;
    let row = transaction
        .query_one(
            "SELECT jsonb_build_object(
                'schemas',     (SELECT count(*) FROM pg_namespace WHERE nspname = $1),
                'roles',       (SELECT count(*) FROM pg_roles WHERE rolname = $1 || '_app' OR oid = ANY ($2)),
                'copies',      $3::bigint,
                'connections', (SELECT count(*) FROM pg_stat_activity WHERE usesysid = ANY ($2)),
                'identifiers', (SELECT count(*) FROM control.tenant_identifiers WHERE tenant = $1),
                'ledger',      (SELECT count(*) FROM control.ledger WHERE tenant = $1),
                'backup_plan', (SELECT count(*) FROM control.backup_schedules WHERE tenant = $1)
                             + (SELECT count(*) FROM control.backup_runs WHERE scope = $1),
                'queue',       (SELECT count(*) FROM pgmq.q_messages WHERE message ->> 'tenant' = $1)
                             + (SELECT count(*) FROM pgmq.a_messages WHERE message ->> 'tenant' = $1)
                             + (SELECT count(*) FROM pgmq.q_dead_messages WHERE message ->> 'tenant' = $1)
                             + (SELECT count(*) FROM pgmq.a_dead_messages WHERE message ->> 'tenant' = $1))",
            &[&request.tenant.as_str(), &request.roles(), &i64::try_from(copies.len()).unwrap_or(i64::MAX)],
        )
        .await
        .map_err(during("count"))?;
    Ok(row.get(0))
}
