//! The control stream: control schema, queue, guard functions and claim keys.
//! Must stay true: safe to run at any time and by two at once; an advisory lock makes them take turns.
use labor_catalog::claim::CLAIM_KEY_ID;
use labor_catalog::sql;
use labor_connect::ConnectError;
use pgmq::PGMQueueExt;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_postgres::{GenericClient, Transaction};

use crate::{Migrator, MigratorError, chain, refinery_transaction};

/// Queue of stored raw messages that wait for a worker.
pub const MESSAGES: &str = "messages";
/// Messages that were given up, with the reason.
pub const DEAD_MESSAGES: &str = "dead_messages";

impl Migrator {
    /// Brings control schema, queue and guard to the version of this binary.
    ///
    /// # Errors
    /// When the database was never bootstrapped, or refuses.
    pub async fn migrate_control(&self) -> Result<(), MigratorError> {
        let mut client = self.connect().await?;
        let transaction = client.transaction().await.map_err(MigratorError::during("begin"))?;
        if !exists(&transaction, "guard").await? {
            return Err(MigratorError::NotBootstrapped);
        }
        transaction
            .batch_execute("SELECT pg_advisory_xact_lock(hashtext('labor control'))")
            .await
            .map_err(MigratorError::during("wait for another migrator"))?;
        // Most calls find nothing to do: an installed queue is not touched again.
        if !exists(&transaction, "pgmq").await? {
            self.install_queue().await?;
        }
        transaction
            .batch_execute(
                "SET LOCAL ROLE labor_owner; CREATE SCHEMA IF NOT EXISTS control; SET LOCAL search_path = control",
            )
            .await
            .map_err(MigratorError::during("enter the control schema"))?;
        refinery_transaction::apply(&transaction, &chain::control()).await?;
        transaction.batch_execute(QUEUE_RIGHTS).await.map_err(MigratorError::during("grant rights on the queue"))?;
        transaction
            .batch_execute("SET LOCAL ROLE labor_guard")
            .await
            .map_err(MigratorError::during("become labor_guard"))?;
        transaction.batch_execute(sql::GUARD).await.map_err(MigratorError::during("db/rls/guard.sql"))?;
        self.write_claim_key(&transaction).await?;
        transaction.commit().await.map_err(MigratorError::during("commit the control schema"))
    }

    /// Written once. Another key under the same number would shut every running process out of every tenant.
    async fn write_claim_key(&self, transaction: &Transaction<'_>) -> Result<(), MigratorError> {
        let pads = self.master.claim_key_pads(CLAIM_KEY_ID);
        transaction
            .execute(
                "INSERT INTO guard.claim_keys (key_id, inner_pad, outer_pad) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO NOTHING",
                &[&key_id(), &&pads.inner[..], &&pads.outer[..]],
            )
            .await
            .map_err(MigratorError::during("write the claim key"))?;
        self.require_secret(transaction).await
    }

    /// Our master secret is the one that this database was prepared with: it gives the same claim key.
    pub(crate) async fn require_secret(&self, client: &impl GenericClient) -> Result<(), MigratorError> {
        let pads = self.master.claim_key_pads(CLAIM_KEY_ID);
        let row = client
            .query_opt(
                "SELECT inner_pad = $2 AND outer_pad = $3 FROM guard.claim_keys WHERE key_id = $1",
                &[&key_id(), &&pads.inner[..], &&pads.outer[..]],
            )
            .await
            .map_err(MigratorError::during("compare the claim key"))?;
        if row.is_some_and(|row| row.get(0)) { Ok(()) } else { Err(MigratorError::WrongSecret) }
    }

    /// pgmq comes as SQL embedded in its crate: no extension, so it works on managed servers too. Its installer speaks sqlx.
    async fn install_queue(&self) -> Result<(), MigratorError> {
        let fault = |error: &dyn std::fmt::Display| MigratorError::Queue(error.to_string());
        let options: PgConnectOptions = self.url.parse().map_err(|_| ConnectError::Url)?;
        let options = options.options([("role", "labor_owner")]);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.map_err(|e| fault(&e))?;
        let queue = PGMQueueExt::new_with_pool(pool.clone()).await;
        queue.install_sql_from_embedded().await.map_err(|e| fault(&e))?;
        for name in [MESSAGES, DEAD_MESSAGES] {
            queue.create(name).await.map_err(|e| fault(&e))?;
        }
        pool.close().await;
        Ok(())
    }

    pub(crate) async fn require_control(&self, client: &tokio_postgres::Client) -> Result<(), MigratorError> {
        let there = client
            .query_one("SELECT to_regclass('control.ledger') IS NOT NULL", &[])
            .await
            .map_err(MigratorError::during("look for the control schema"))?;
        if there.get(0) { Ok(()) } else { Err(MigratorError::NotInitialised) }
    }
}

fn key_id() -> i32 {
    i32::try_from(CLAIM_KEY_ID).unwrap_or(i32::MAX)
}

/// Tenants have no rights on the queue at all: guard.enqueue() is their only way in.
const QUEUE_RIGHTS: &str = "
    GRANT USAGE ON SCHEMA pgmq TO labor_control, labor_guard;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgmq TO labor_control, labor_guard;
    GRANT SELECT ON pgmq.meta TO labor_control, labor_guard;
    GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_messages, pgmq.a_messages, pgmq.q_dead_messages, pgmq.a_dead_messages TO labor_control;
    GRANT INSERT, SELECT ON pgmq.q_messages TO labor_guard;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA pgmq TO labor_control, labor_guard;
    GRANT USAGE ON LANGUAGE plpgsql, sql TO labor_control;
";

async fn exists(transaction: &Transaction<'_>, schema: &str) -> Result<bool, MigratorError> {
    let row = transaction
        .query_one("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", &[&schema])
        .await
        .map_err(MigratorError::during("look for the schemas"))?;
    Ok(row.get(0))
}
