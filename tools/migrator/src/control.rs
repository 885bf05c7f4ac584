//! The control stream: control schema, queue, guard functions and claim keys.
//! Must stay true: safe to run at any time and by two at once; an advisory lock makes them take turns; nobody who
//! is served waits long behind us.
use std::time::Duration;

use aws_lc_rs::digest;
use labor_catalog::sql;
use labor_connect::ConnectError;
use pgmq::PGMQueueExt;
use refinery_core::{Migration, Runner};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use crate::connection::begin;
use crate::{Migrator, MigratorError, isolation, refinery_transaction, superseded};

/// Queue of stored raw messages that wait for a worker.
pub const MESSAGES: &str = "messages";
/// Messages that were given up, with the reason.
pub const DEAD_MESSAGES: &str = "dead_messages";

/// For this long sign-ins may queue behind us.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// Milliseconds between tries: about half a minute together.
const PAUSES: [u64; 9] = [250, 500, 1000, 2000, 3000, 5000, 5000, 5000, 5000];

impl Migrator {
    /// Brings control schema, queue and guard to the version of this binary, unless they are there. The caller has asked whether the server
    /// was hardened ([`Migrator::left_open`]).
    ///
    /// # Errors
    /// When the database was never bootstrapped, or refuses; when a later guard is there, unless that is meant to be taken back.
    pub(crate) async fn migrate_control(&self, client: &mut Client, older_rules: bool) -> Result<(), MigratorError> {
        let checksum = self.control_checksum();
        if !is_current(client, &checksum).await? {
            self.apply_in_turn(client, &checksum, older_rules).await?;
        }
        self.require_secret(client).await
    }

    /// Every sign-in queues behind a lock that we wait for: it is waited for briefly, and again after a pause.
    async fn apply_in_turn(&self, client: &mut Client, checksum: &str, older_rules: bool) -> Result<(), MigratorError> {
        for pause in PAUSES.map(Duration::from_millis) {
            match self.apply_control(client, checksum, older_rules).await {
                Err(error) if error.is_passing() => tracing::info!(%error, "the control schema will be tried again"),
                ended => return ended,
            }
            tokio::time::sleep(pause).await;
            // Another migrator may have done it meanwhile.
            if is_current(client, checksum).await? {
                return Ok(());
            }
        }
        match self.apply_control(client, checksum, older_rules).await {
            Err(error @ MigratorError::ControlLocked(_)) => Err(error),
            Err(error) if error.is_passing() => Err(MigratorError::ControlLocked(error.to_string())),
            ended => ended,
        }
    }

    async fn apply_control(&self, client: &mut Client, checksum: &str, older_rules: bool) -> Result<(), MigratorError> {
        let transaction = begin(client, LOCK_TIMEOUT).await?;
        if !is_bootstrapped(&transaction).await? {
            return Err(MigratorError::NotBootstrapped);
        }
        let ours = transaction
            .query_one("SELECT pg_try_advisory_xact_lock(hashtext('labor control'))", &[])
            .await
            .map_err(MigratorError::during("look for another migrator"))?;
        if !ours.get::<_, bool>(0) {
            return Err(MigratorError::ControlLocked("another migrator is at work on it".to_owned()));
        }
        if !queue_is_whole(&transaction).await? {
            self.install_queue().await?;
        }
        transaction
            .batch_execute(
                "SET LOCAL ROLE labor_owner; CREATE SCHEMA IF NOT EXISTS control; SET LOCAL search_path = control",
            )
            .await
            .map_err(MigratorError::during("enter the control schema"))?;
        refinery_transaction::apply(&transaction, &self.control_runner()?).await?;
        superseded::place_guard(&transaction, older_rules).await?;
        transaction.batch_execute(QUEUE_RIGHTS).await.map_err(MigratorError::during("grant rights on the queue"))?;
        transaction
            .batch_execute("SET LOCAL ROLE labor_guard")
            .await
            .map_err(MigratorError::during("become labor_guard"))?;
        transaction.batch_execute(sql::GUARD).await.map_err(MigratorError::during("db/rls/guard.sql"))?;
        // What is left now is none of ours, and would be noted as if it were.
        let findings = isolation::guard_findings(&transaction).await?;
        if !findings.is_empty() {
            return Err(MigratorError::Weak(findings));
        }
        let note = format!(
            "UPDATE control.fleet SET control_checksum = $1, guard_fingerprint = ({GUARD_FINGERPRINT}), changed_at = now()"
        );
        transaction
            .batch_execute("SET LOCAL ROLE NONE")
            .await
            .map_err(MigratorError::during("leave the control schema"))?;
        self.write_first_claim_key(&transaction).await?;
        transaction.execute(&note, &[&checksum]).await.map_err(MigratorError::during("note the control version"))?;
        transaction.commit().await.map_err(MigratorError::during("commit the control schema"))
    }

    fn control_runner(&self) -> Result<Runner, MigratorError> {
        let migrations = self.control.iter().map(|(stem, sql)| Migration::unapplied(stem, sql));
        Ok(Runner::new(&migrations.collect::<Result<Vec<_>, _>>()?))
    }

    /// Whether `up` would leave the control schema as it is.
    pub(crate) async fn control_is_current(&self, client: &Client) -> Result<bool, MigratorError> {
        is_current(client, &self.control_checksum()).await
    }

    /// Changes when anything does that [`Self::apply_control`] would apply.
    pub(crate) fn control_checksum(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for (stem, sql) in self.control.iter() {
            context.update(format!("{stem}\n{sql}\n").as_bytes());
        }
        context.update(QUEUE_RIGHTS.as_bytes());
        context.update(sql::GUARD.as_bytes());
        hex::encode(context.finish())
    }

    /// pgmq comes as SQL embedded in its crate: no extension, so it works on managed servers too. Its installer speaks sqlx, so it commits
    /// on a connection of its own: scripts, then each queue. All of it may be repeated: scripts that were run are passed over, and so is a
    /// queue that is there.
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

    pub(crate) async fn require_control(&self, client: &Client) -> Result<(), MigratorError> {
        let there = client
            .query_one("SELECT to_regclass('control.fleet') IS NOT NULL", &[])
            .await
            .map_err(MigratorError::during("look for the control schema"))?;
        if there.get(0) { Ok(()) } else { Err(MigratorError::NotInitialised) }
    }
}

/// The guard's functions as the database has them: somebody who changed one by hand is found, and it is put back.
pub(crate) const GUARD_FINGERPRINT: &str = "
    SELECT encode(sha256(convert_to(string_agg(concat_ws(' ', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, p.provolatile, p.proisstrict, p.proleakproof, p.proparallel,
                  p.prolang, p.prosqlbody IS NULL, p.proconfig, p.proacl, p.prosrc), E'\\n' ORDER BY p.oid::regprocedure::text COLLATE \"C\"), 'UTF8')), 'hex')
      FROM pg_proc p WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'guard')";

async fn is_current(client: &Client, checksum: &str) -> Result<bool, MigratorError> {
    // Also whether the guard has the key in use: without it nobody is let in anywhere.
    let sql = format!(
        "SELECT control_checksum = $1 AND guard_fingerprint = ({GUARD_FINGERPRINT})
                AND (SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass('guard.claim_keys'))
                AND EXISTS (SELECT FROM guard.claim_keys WHERE key_id = claim_key) FROM control.fleet"
    );
    match client.query_opt(&sql, &[&checksum]).await {
        Ok(row) => Ok(row.is_some_and(|row| row.get(0))),
        // No control schema, or one that is older than this table.
        Err(error) if matches!(error.code(), Some(code) if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME].contains(code)) => {
            Ok(false)
        }
        Err(error) => Err(MigratorError::during("read the fleet's version")(error)),
    }
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

async fn is_bootstrapped(transaction: &Transaction<'_>) -> Result<bool, MigratorError> {
    let row = transaction
        .query_one("SELECT to_regnamespace('guard') IS NOT NULL", &[])
        .await
        .map_err(MigratorError::during("look for the guard"))?;
    Ok(row.get(0))
}

/// Most calls find it so, and an installed queue is not touched again. What is made last is looked for: whoever was killed on the way to it
/// left the schema, or one queue of two.
async fn queue_is_whole(transaction: &Transaction<'_>) -> Result<bool, MigratorError> {
    let row = transaction
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&format!("pgmq.q_{DEAD_MESSAGES}")])
        .await
        .map_err(MigratorError::during("look for the queue"))?;
    Ok(row.get(0))
}
