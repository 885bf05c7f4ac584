//! `delete`: carries out an approved deletion of one tenant, step by step, and certifies it.
//! Must stay true: nothing is dropped before two different people agreed, the time of grace is over and what has to be kept was handed over,
//! and every step that takes something away looks for holds under the tenant's own lock; every step can be repeated, so a killed run is
//! continued by running it again; the certificate rests on a search afterwards, not on the success of the steps.
mod certificate;
mod copies;
mod intake;
mod steps;
mod waiting;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

pub use certificate::Certificate;
pub(crate) use steps::disconnect;

use self::waiting::Reader;
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError};

/// In this order. The login is shut and committed before connections are ended: whoever came in between is ended too. From `shut` on nobody of
/// the practice adds anything, and `drop` is the first that takes something away. The intake is searched while the practice's identifiers are
/// still known.
const STEPS: [(&str, &str); 7] = [
    ("freeze", "login revoked"),
    ("disconnect", "connections closed"),
    ("shut", "newest records looked up"),
    ("drop", "schema, restored copies and login roles dropped"),
    ("queue", "queue entries deleted"),
    ("intake", "messages in the intake counted"),
    ("registry", "identifiers and names deleted"),
];

struct Operator {
    id: Uuid,
    username: String,
    at: DateTime<Utc>,
}

struct Request {
    id: Uuid,
    tenant: TenantName,
    reason: String,
    requested: Operator,
    approved: Operator,
    /// For so long nothing is dropped.
    grace_days: i32,
    /// Why it need not wait for the practice's receipt.
    no_receipt: Option<String>,
    steps: Vec<Value>,
}

impl Request {
    fn did(&self, step: &str) -> bool {
        self.steps.iter().any(|s| s["step"] == step)
    }

    /// A count that a step took down.
    fn count(&self, step: &str, what: &str) -> &Value {
        self.steps.iter().rev().find(|s| s["step"] == step).map_or(&Value::Null, |s| &s["counts"][what])
    }

    /// Roles that were frozen, by number: a dropped role has no name any more, but its connections still bear its number.
    fn roles(&self) -> Vec<u32> {
        let numbers = self.count("freeze", "role_ids").as_array();
        numbers.into_iter().flatten().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()).collect()
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
        self.require_secret(&client).await?;
        let mut request = load(&client, request).await?;
        let run_id = run::begin(&client, "delete", None, &json!({ "request": request.id })).await?;
        let deleted = self.delete_requested(&mut client, &mut request, &mut progress).await;
        let (ending, message) = match &deleted {
            Ok(_) => (Ending::Completed, None),
            Err(error @ MigratorError::NotYet { .. }) => (Ending::Stopped, Some(error.told())),
            Err(error) => (Ending::Failed, Some(error.told())),
        };
        // Answered after a transaction that failed was rolled back: its locks are given back, so that the next try is not refused.
        match run::end(&client, run_id, ending, message.as_deref()).await {
            Err(error) if deleted.is_ok() => tracing::warn!(error = error.told(), "done, and not noted in `history`"),
            _ => {}
        }
        deleted
    }

    async fn delete_requested(
        &self,
        client: &mut Client,
        request: &mut Request,
        progress: &mut impl FnMut(&str),
    ) -> Result<Value, MigratorError> {
        let mut reader = if request.did("shut") { None } else { self.reader(client, &request.tenant).await? };
        if request.did("shut") && !request.did("drop") && self.came_back(client, request).await? {
            for step in ["freeze", "disconnect", "shut"] {
                self.run_step(client, request, step, None).await?;
            }
            progress("somebody of the practice had been let in again: shut anew, and the waiting begins anew");
        }
        for (step, describe) in STEPS {
            // Somebody may have restored a copy since.
            let again = step == "drop" && request.did(step) && left(client, &request.tenant).await?;
            if again || !request.did(step) {
                self.run_step(client, request, step, reader.as_ref()).await?;
            }
            if step == "shut" {
                reader = None;
            }
            progress(describe);
        }
        // Who was being let in while the login was shut is seen only now; there was nothing left to read.
        steps::disconnect(client, &request.tenant, &request.roles(), None).await?;
        let certificate = certificate::certify(client, request).await?;
        progress("searched for: nothing found");
        Ok(certificate)
    }

    /// Whether anybody of the practice was let in since it was shut: somebody opened its login, or was connecting at that moment.
    async fn came_back(&self, client: &Client, request: &Request) -> Result<bool, MigratorError> {
        let row = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND rolcanlogin)
                     OR EXISTS (SELECT FROM control.tenants WHERE name = $2 AND state = 'active')
                     OR EXISTS (SELECT FROM pg_stat_activity WHERE usename = $1)",
                &[&request.tenant.role(), &request.tenant.as_str()],
            )
            .await
            .map_err(MigratorError::during(format!("{}: look whether it is still shut", request.tenant)))?;
        Ok(row.get(0))
    }

    async fn run_step(
        &self,
        client: &mut Client,
        request: &mut Request,
        step: &'static str,
        reader: Option<&Reader>,
    ) -> Result<(), MigratorError> {
        let tenant = &request.tenant;
        let during = |what: &str| MigratorError::during(format!("{tenant}: {step}: {what}"));
        let before = match step {
            "disconnect" => steps::disconnect(client, tenant, &request.roles(), reader.map(Reader::pid)).await?,
            "shut" => waiting::newest(client, tenant, reader).await?,
            "intake" => self.count_in_intake(client, tenant, request.id).await?,
            _ => Value::Null,
        };
        let transaction = client.transaction().await.map_err(during("begin"))?;
        prepare(&transaction, tenant).await?;
        let counts = match step {
            "freeze" => steps::freeze(&transaction, tenant).await?,
            "drop" => steps::drop_schemas(&transaction, request).await?,
            "queue" => steps::empty_queue(&transaction, tenant).await.map_err(during("statement"))?,
            "registry" => steps::forget(&transaction, tenant).await.map_err(during("statement"))?,
            _ => before,
        };
        // The database's clock: an export is younger or older than a step by it.
        let row = transaction
            .query_opt(
                "UPDATE control.requests
                    SET state = 'running', steps = steps || jsonb_build_object('step', $2::text, 'at', clock_timestamp(), 'counts', $3::jsonb)
                  WHERE id = $1 AND state IN ('approved', 'running') RETURNING steps -> -1",
                &[&request.id, &step, &Json(&counts)],
            )
            .await
            .map_err(during("record the step"))?;
        let Some(row) = row else {
            return Err(MigratorError::Invalid(format!(
                "{tenant}: the request was carried out by another run, or taken back, meanwhile; this step was not done again. `labor request \
                 list` says which, and the same command prints the certificate if there is one"
            )));
        };
        transaction.commit().await.map_err(during("commit"))?;
        request.steps.push(row.get(0));
        Ok(())
    }
}

/// `row_security = off`: a row that the rules would hide from us makes the statement fail instead of passing for absent.
async fn prepare(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), MigratorError> {
    transaction
        .batch_execute("SET LOCAL lock_timeout = '5s'; SET LOCAL row_security = off")
        .await
        .map_err(MigratorError::during(format!("{tenant}: prepare the transaction")))
}

async fn left(client: &mut Client, tenant: &TenantName) -> Result<bool, MigratorError> {
    let transaction = client.transaction().await.map_err(MigratorError::during("begin"))?;
    prepare(&transaction, tenant).await?;
    Ok(!copies::find(&transaction, tenant).await?.is_empty())
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
            "SELECT r.kind, r.state, t.kind, r.tenant, r.reason, r.steps, r.requested_by, asked.username, r.requested_at,
                    r.approved_by, agreed.username, r.approved_at, r.grace_days,
                    r.no_receipt
               FROM control.requests r JOIN control.tenants t ON t.name = r.tenant
               JOIN control.operators asked ON asked.id = r.requested_by
               LEFT JOIN control.operators agreed ON agreed.id = r.approved_by WHERE r.id = $1",
            &[&id],
        )
        .await
        .map_err(MigratorError::during("read the request"))?
        .ok_or_else(|| MigratorError::Invalid(format!("there is no request {id}")))?;
    let (kind, state, tenant_kind): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
    if kind != "deletion" {
        return Err(MigratorError::Invalid(format!("request {id} asks for an {kind}, not for a deletion")));
    }
    if tenant_kind == "intake" {
        return Err(MigratorError::Invalid(
            "the intake can't be deleted: messages without a known recipient would have no place".to_owned(),
        ));
    }
    if state == "withdrawn" {
        return Err(MigratorError::Invalid(format!(
            "request {id} was taken back, so nothing is deleted; if the practice is shut, `labor-migrator resume` opens it again"
        )));
    }
    let (Some(agreed), Some(username), Some(at), "approved" | "running") =
        (row.get(9), row.get(10), row.get(11), state)
    else {
        return Err(MigratorError::Invalid(format!(
            "request {id} is not approved; a second operator does that with `labor request approve`"
        )));
    };
    let Json(steps): Json<Vec<Value>> = row.get(5);
    Ok(Request {
        id,
        tenant: TenantName::parse(row.get(3)).map_err(|error| MigratorError::Invalid(error.to_string()))?,
        reason: row.get(4),
        requested: Operator { id: row.get(6), username: row.get(7), at: row.get(8) },
        approved: Operator { id: agreed, username, at },
        grace_days: row.get(12),
        no_receipt: row.get(13),
        steps,
    })
}
