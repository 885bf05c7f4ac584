//! Where a backup reads: one snapshot of the database, which others can join, with the tenant's tables locked against DDL.
//! Must stay true: the locks come before the snapshot, so that no DDL comes between what is read here and what `pg_dump` reads.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::{BackupError, proof};

/// A backup does not queue behind DDL for longer than this.
const LOCK_TIMEOUT: &str = "30s";

/// What the server is.
pub(crate) struct Server {
    pub(crate) version: String,
    pub(crate) major: u32,
}

impl Server {
    pub(crate) async fn of(client: &Client) -> Result<Self, BackupError> {
        let row = client
            .query_one(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000",
                &[],
            )
            .await
            .map_err(BackupError::during("ask for the server's version"))?;
        Ok(Self { version: row.get(0), major: u32::try_from(row.get::<_, i32>(1)).unwrap_or_default() })
    }

    /// The same of a server that is to be backed up. A login that can't read rows is refused before anything is begun: each table would
    /// refuse it with a text that helps nobody.
    pub(crate) async fn to_be_read(client: &Client) -> Result<Self, BackupError> {
        let row = client
            .query_one("SELECT rolname::text, rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user", &[])
            .await
            .map_err(BackupError::during("ask what the login may read"))?;
        if row.get(1) {
            return Self::of(client).await;
        }
        Err(BackupError::Refused(format!(
            "{} has no BYPASSRLS, which only a superuser gives: row rules hide every row from it, so it can back up nothing. On a server that \
             gives no superuser ask its provider for this attribute, or use the provider's own backups",
            row.get::<_, &str>(0)
        )))
    }
}

/// A snapshot that others can join, and what is known of the tenant in it.
pub(crate) struct Snapshot<'a> {
    pub(crate) transaction: Transaction<'a>,
    /// Before it was taken, and on a standby before the last change that it has: whatever was committed by then is in it.
    pub(crate) begun: DateTime<Utc>,
    /// The same by the database's own clock, by which everything that is in it is dated.
    pub(crate) of_database: DateTime<Utc>,
    /// For `pg_dump --snapshot`.
    pub(crate) name: String,
    /// Where the write-ahead log stood.
    pub(crate) lsn: String,
    /// What the ledger says of the tenant's definitions.
    pub(crate) ledger_fingerprint: Option<String>,
}

impl<'a> Snapshot<'a> {
    /// Waits for DDL to end, and opens it.
    pub(crate) async fn open(client: &'a mut Client, tenant: &TenantName) -> Result<Self, BackupError> {
        let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
        let ((begun, of_database), names) = {
            let look = client.transaction().await.map_err(during("begin"))?;
            let begun = state_of(&look).await?;
            let tables = proof::tables(&look, tenant).await?;
            (begun, tables.into_iter().map(|table| table.quoted).collect::<Vec<_>>())
        };
        if names.is_empty() {
            return Err(BackupError::NotFound(format!(
                "there is no schema {tenant} with tables in it; `labor-migrator status` lists the tenants"
            )));
        }
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await
            .map_err(during("begin"))?;
        let lock = format!(
            "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; LOCK TABLE {} IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0",
            names.join(", ")
        );
        transaction.batch_execute(&lock).await.map_err(during("wait for DDL to end"))?;
        let row = transaction
            .query_one(
                "SELECT pg_export_snapshot(),
                        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text,
                        (SELECT fingerprint FROM control.ledger WHERE tenant = $1)",
                &[&tenant.as_str()],
            )
            .await
            .map_err(during("export the snapshot"))?;
        Ok(Self { begun, of_database, name: row.get(0), lsn: row.get(1), ledger_fingerprint: row.get(2), transaction })
    }
}

/// The time for which the database stands, by our clock and by its own: now; of a standby, that of the last change that came to it. When it
/// is asked before a snapshot is taken, whatever was committed by then is in that.
async fn state_of(transaction: &Transaction<'_>) -> Result<(DateTime<Utc>, DateTime<Utc>), BackupError> {
    let now = Utc::now();
    let sql = "SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp(), clock_timestamp()";
    let row = transaction.query_one(sql, &[]).await;
    let row = row.map_err(BackupError::during("ask whether the database is a standby"))?;
    match (row.get(0), row.get::<_, Option<DateTime<Utc>>>(1)) {
        (false, _) => Ok((now, row.get(2))),
        (true, Some(replayed)) => Ok((now.min(replayed), replayed)),
        (true, None) => Err(BackupError::Refused(
            "the database is a standby to which nothing came since it was started: until when its state is that of the primary, nobody knows"
                .to_owned(),
        )),
    }
}
