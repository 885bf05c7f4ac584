//! What a restore over a practice must not lose: messages that were accepted after the backup, and what waits to be done.
//!
//! A message that was answered with 202 is the platform's to keep. So every message that what is kept has and what is restored lacks is
//! copied byte for byte, as if it had just come in, and enqueued; and so is what the backup itself holds as not yet processed, whose
//! queue entries were done long ago. Open alerts get their timers. And the audit goes on: who did what since the backup was made is kept,
//! whatever else is as it was.
//!
//! Must stay true: it happens in the transaction of the restore; a message that is processed twice has one effect (the worker's rule), so
//! too much in the queue does no harm; queue entries hold opaque ids only.
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use tokio_postgres::Transaction;

use crate::BackupError;
use crate::error::describe;

/// What was taken over, and enqueued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Messages that what is kept has and what took its place lacked: copied as they came, to be processed again. None: there was nothing
    /// to look into.
    pub messages: Option<u64>,
    /// Messages that waited for somebody when the backup was made, and were processed since: they are processed again.
    #[serde(default)]
    pub again: u64,
    /// Messages that are in the queue now: these, and others that were not processed yet.
    pub enqueued: u64,
    /// Open alerts whose timers are in the queue now.
    pub timers: u64,
    /// Rows of the audit that what is kept has and what took its place lacked. None: there was nothing to look into, or it is so damaged that
    /// they could not be taken over.
    #[serde(default)]
    pub audit: Option<u64>,
}

/// The columns of a message that its sender decides; all others are as of one that just came in.
const AS_IT_CAME: &str = "id, source_id, sender_message_id, sha256, body, content_type, received_at";

/// The columns that two tables have.
const IN_BOTH: &str = "SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_attribute a
    JOIN pg_attribute b ON b.attname = a.attname AND b.attrelid = $2::text::regclass AND b.attnum > 0 AND NOT b.attisdropped
   WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped";

/// Carries over from one schema of a practice to the one that takes its place, and enqueues.
pub(crate) async fn carry(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    kept: Option<&TenantName>,
) -> Result<Carried, BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    let from = table_of(transaction, kept, "raw_messages").await?;
    let audit_from = table_of(transaction, kept, "audit").await?;
    // FORCE ROW LEVEL SECURITY keeps even the owner from reading. Nobody else sees it lifted: it is back before the commit.
    let own = ["raw_messages", "alert_states", "alert_events", "audit"].map(|table| format!("{tenant}.{table}"));
    let force = |word: &str| {
        let all = own.iter().chain(&from).chain(&audit_from);
        all.map(|table| format!("ALTER TABLE ONLY {table} {word} ROW LEVEL SECURITY;")).collect::<String>()
    };
    let enter = format!("SET LOCAL ROLE labor_owner; SET LOCAL row_security = off; {}", force("NO FORCE"));
    transaction.batch_execute(&enter).await.map_err(during("read messages as the owner"))?;
    let (messages, again) = match &from {
        Some(from) => {
            let (messages, again) = take_messages(transaction, tenant, from).await?;
            (Some(messages), again)
        }
        None => (None, 0),
    };
    let audit = match &audit_from {
        Some(from) => take_audit(transaction, tenant, from).await?,
        None => None,
    };
    let enqueued = count(transaction, &messages_to_queue(tenant), tenant).await?;
    let timers = count(transaction, &timers_to_queue(tenant), tenant).await?;
    let leave = format!("{} RESET ROLE", force("FORCE"));
    transaction.batch_execute(&leave).await.map_err(during("shut the messages again"))?;
    Ok(Carried { messages, again, enqueued, timers, audit })
}

/// How many messages were copied, and how many are to be processed again.
async fn take_messages(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    from: &str,
) -> Result<(u64, u64), BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    let copy = format!(
        "INSERT INTO {tenant}.raw_messages ({AS_IT_CAME})
         SELECT {AS_IT_CAME} FROM {from} o
          WHERE NOT EXISTS (SELECT FROM {tenant}.raw_messages r WHERE r.id = o.id) ON CONFLICT DO NOTHING"
    );
    let messages = transaction.execute(&copy, &[]).await.map_err(during("take messages over"))?;
    let reset = format!(
        "UPDATE {tenant}.raw_messages m SET state = 'received', reason = NULL, processed_at = NULL
           FROM {from} o
          WHERE o.id = m.id AND o.state = 'processed' AND m.state IN ('quarantined', 'failed')"
    );
    let again = transaction.execute(&reset, &[]).await.map_err(during("process again what was replayed since"))?;
    Ok((messages, again))
}

/// How many rows were copied. A practice is also restored because somebody damaged its tables: that its audit can't be read keeps nothing else
/// from coming back.
async fn take_audit(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    from: &str,
) -> Result<Option<u64>, BackupError> {
    let during = || BackupError::during(format!("{tenant}: take the audit over"));
    let to = format!("{tenant}.audit");
    let columns = transaction.query_one(IN_BOTH, &[&to, &from]).await.map_err(during())?;
    let Some(columns) = columns.get::<_, Option<String>>(0) else { return Ok(None) };
    let copy = format!(
        "INSERT INTO {to} ({columns}) SELECT {columns} FROM {from} o WHERE NOT EXISTS (SELECT FROM {to} a WHERE a.id = o.id)
             ON CONFLICT DO NOTHING"
    );
    transaction.batch_execute("SAVEPOINT audit").await.map_err(during())?;
    match transaction.execute(&copy, &[]).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if error.as_db_error().is_some() => {
            tracing::warn!(%tenant, reason = describe(&error), "its audit could not be taken over; it is in what is kept");
            transaction.batch_execute("ROLLBACK TO SAVEPOINT audit").await.map_err(during())?;
            Ok(None)
        }
        Err(error) => Err(during()(error)),
    }
}

/// The same entries as `guard.enqueue` makes, in the order in which the messages came.
fn messages_to_queue(tenant: &TenantName) -> String {
    format!(
        "SELECT count(*) FROM (SELECT id FROM {tenant}.raw_messages WHERE state = 'received' ORDER BY received_at, id) m
          CROSS JOIN LATERAL pgmq.send('messages', jsonb_build_object('tenant', $1::text, 'message_id', m.id)) s"
    )
}

/// The same entries as `guard.enqueue_alert` makes, of each open alert's last turn.
fn timers_to_queue(tenant: &TenantName) -> String {
    format!(
        "SELECT count(*) FROM {tenant}.alert_states a
          CROSS JOIN LATERAL (SELECT e.due_at FROM {tenant}.alert_events e
                               WHERE e.alert_id = a.alert_id AND e.round IS NOT NULL ORDER BY e.round DESC LIMIT 1) t
          CROSS JOIN LATERAL pgmq.send('messages', jsonb_build_object('tenant', $1::text, 'alert_id', a.alert_id, 'due', t.due_at),
                                       greatest(t.due_at, clock_timestamp())) s
          WHERE a.ended_at IS NULL AND t.due_at IS NOT NULL"
    )
}

async fn count(transaction: &Transaction<'_>, statement: &str, tenant: &TenantName) -> Result<u64, BackupError> {
    let row = transaction.query_one(statement, &[&tenant.as_str()]).await;
    let count = row.map_err(BackupError::during(format!("{tenant}: enqueue")))?.get::<_, i64>(0);
    Ok(u64::try_from(count).unwrap_or_default())
}

/// A table of what is kept: a practice is also restored because somebody dropped its tables.
async fn table_of(
    transaction: &Transaction<'_>,
    kept: Option<&TenantName>,
    table: &str,
) -> Result<Option<String>, BackupError> {
    let Some(kept) = kept else { return Ok(None) };
    let name = format!("{kept}.{table}");
    let there = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'r' AND relowner = 'labor_owner'::regrole)";
    let row = transaction.query_one(there, &[&name]).await;
    let there: bool = row.map_err(BackupError::during(format!("look for {name}")))?.get(0);
    Ok(there.then_some(name))
}
