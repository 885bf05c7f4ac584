//! What a deletion waits for before anything is dropped: the time of grace, and, while records have to be kept (`control.retention`), the
//! practice's receipt for them.
//! Must stay true: what counts as handed over was exported after the last connection of the practice had ended, so that nothing came later;
//! whose newest record can't be looked up counts as one that got it when it was shut.
use labor_catalog::claim::CLAIM_LIFE;
use labor_catalog::{ClaimKey, ClaimRole, SignedClaim, TenantName};
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Transaction};

use super::Request;
use crate::keys::{self, Lock};
use crate::{Migrator, MigratorError};

/// A connection as the practice, from before its login was shut: row rules hide its rows from everybody else, their owner too.
pub(super) struct Reader {
    client: Client,
    claim: SignedClaim,
    pid: i32,
}

impl Reader {
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }
}

impl Migrator {
    /// None: its login is shut already, can't be used, or is gone with its schema.
    pub(super) async fn reader(&self, client: &Client, tenant: &TenantName) -> Result<Option<Reader>, MigratorError> {
        let open = client
            .query_one(
                "SELECT to_regnamespace($1) IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = $2 AND rolcanlogin)",
                &[&tenant.as_str(), &tenant.role()],
            )
            .await
            .map_err(MigratorError::during(format!("{tenant}: look for its login")))?;
        if !open.get::<_, bool>(0) {
            return Ok(None);
        }
        let key = keys::read(client, Lock::None).await?.current;
        let signer = ClaimKey::new(key, self.secret(key.secret())?);
        let client = match self.log_in(tenant, key.secret()).await {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(%tenant, error = error.told(), "its newest records can't be looked up: it counts as one that has some of today");
                return Ok(None);
            }
        };
        let pid = client
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .map_err(MigratorError::during(format!("{tenant}: log in to look up its newest records")))?
            .get(0);
        let claim = SignedClaim::sign(&signer, tenant, "labor-migrator", ClaimRole::Worker, CLAIM_LIFE);
        Ok(Some(Reader { client, claim, pid }))
    }
}

/// When the practice got its newest record of each class. Where nobody can look, also because the schema is gone (its backups may be all
/// that there is), it counts as now.
pub(super) async fn newest(
    client: &Client,
    tenant: &TenantName,
    reader: Option<&Reader>,
) -> Result<Value, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{tenant}: look up its newest records: {what}"));
    let Some(reader) = reader else {
        let sql = "SELECT jsonb_build_object('results', now(), 'messages', now(), 'not_looked_up', true)";
        return Ok(client.query_one(sql, &[]).await.map_err(during("ask for the time"))?.get(0));
    };
    let batch = format!("BEGIN READ ONLY; SET LOCAL labor.claim = '{}'", reader.claim.as_str());
    reader.client.batch_execute(&batch).await.map_err(during("begin"))?;
    let row = reader
        .client
        .query_one(
            "SELECT jsonb_build_object('results', (SELECT max(received_at) FROM reports),
                                       'messages', (SELECT max(received_at) FROM raw_messages))",
            &[],
        )
        .await
        .map_err(during("read"))?;
    reader.client.batch_execute("COMMIT").await.map_err(during("end"))?;
    Ok(row.get(0))
}

/// Whether nothing has to be waited for any more: then what had to be kept, and what was handed over or why nothing.
pub(super) async fn over(transaction: &Transaction<'_>, request: &Request) -> Result<Value, MigratorError> {
    let tenant = &request.tenant;
    let during = |what: &str| MigratorError::during(format!("{tenant}: {what}"));
    let shut = request.steps.iter().rev().find(|step| step["step"] == "disconnect").map_or(&Value::Null, |s| &s["at"]);
    let grace = transaction
        .query_one(
            "SELECT until <= now(), to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC')
               FROM (SELECT coalesce(($1::jsonb #>> '{}')::timestamptz, now()) + make_interval(days => $2) AS until) grace",
            &[&Json(shut), &request.grace_days],
        )
        .await
        .map_err(during("look at the time of grace"))?;
    let mut waits = Vec::new();
    if !grace.get::<_, bool>(0) {
        waits.push(format!("it is kept until {} ({} days of grace)", grace.get::<_, &str>(1), request.grace_days));
    }
    let (kept, newest) = (kept(transaction, request).await?, receipt(transaction, tenant, shut).await?);
    let receipt = newest.as_ref().filter(|newest| newest.in_time).map(|newest| &newest.receipt);
    let unconfirmed = receipt.is_none() && request.no_receipt.is_none() && !kept.is_empty();
    if unconfirmed {
        waits.extend(kept.iter().cloned());
        waits.extend(newest.as_ref().map(|early| {
            let at = &early.receipt["exported_at"];
            format!("what the practice confirmed to have was exported at {at}, before it was shut at {shut}")
        }));
    }
    if waits.is_empty() {
        return Ok(json!({ "receipt": receipt, "no_receipt": request.no_receipt, "kept": kept }));
    }
    Err(MigratorError::NotYet { tenant: tenant.clone(), waits, unconfirmed })
}

/// Which records have to be kept still, and until when.
async fn kept(transaction: &Transaction<'_>, request: &Request) -> Result<Vec<String>, MigratorError> {
    let newest = request.steps.iter().rev().find(|step| step["step"] == "shut").map_or(&Value::Null, |s| &s["counts"]);
    let rows = transaction
        .query(
            "SELECT format('its %s are to be kept until %s (%s)', data_class, until::date, basis)
               FROM (SELECT data_class, basis, ($1::jsonb ->> data_class)::timestamptz + make_interval(years => years) AS until
                       FROM control.retention) r
              WHERE until > now() ORDER BY data_class DESC",
            &[&Json(newest)],
        )
        .await
        .map_err(MigratorError::during(format!("{}: look for records to be kept", request.tenant)))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What a practice confirmed to have.
struct Confirmed {
    /// Without who confirmed it: that stays with the request.
    receipt: Value,
    /// Exported after nobody of the practice could write any more.
    in_time: bool,
}

/// The newest export of the whole practice that it has confirmed.
async fn receipt(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    shut: &Value,
) -> Result<Option<Confirmed>, MigratorError> {
    let row = transaction
        .query_opt(
            "SELECT (receipt - 'from') || jsonb_build_object('request', id),
                    coalesce((receipt ->> 'exported_at')::timestamptz > ($2::jsonb #>> '{}')::timestamptz, false)
               FROM control.requests WHERE tenant = $1 AND kind = 'export' AND state <> 'withdrawn' AND receipt IS NOT NULL
              ORDER BY (receipt ->> 'exported_at')::timestamptz DESC LIMIT 1",
            &[&tenant.as_str(), &Json(shut)],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: look for its receipt")))?;
    Ok(row.map(|row| Confirmed { receipt: row.get(0), in_time: row.get(1) }))
}
