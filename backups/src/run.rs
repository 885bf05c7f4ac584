//! `run`: snapshot → dump → seal → ship → manifest.
//! Must stay true: digests, dump and stamp are of one snapshot; the upload is completed only after `pg_dump`'s exit status was
//! seen; the manifest is written last and never over another one; a key that earlier backups do not know is never used unasked.
use age::x25519::Identity;
use chrono::Utc;
use labor_catalog::TenantName;
use tokio::sync::mpsc;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::dump::Dump;
use crate::manifest::{self, FORMAT};
use crate::pipe::{ChunkReader, PartWriter};
use crate::program::PgDump;
use crate::proof::{self, Contents};
use crate::seal::{self, Sums};
use crate::ship::{self, Upload};
use crate::{Backup, BackupError, BackupId, Manifest};

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
}

/// A snapshot that others can join, and what is known of the tenant in it.
struct Snapshot<'a> {
    transaction: Transaction<'a>,
    name: String,
    lsn: String,
    ledger_fingerprint: Option<String>,
}

impl Backup {
    /// Backs up one tenant. When this returns an error there is no backup, and nothing of it in the bucket.
    ///
    /// # Errors
    /// When the tenant is unknown, `pg_dump` does not fit or fails, or the database or the store refuses;
    /// [`BackupError::Refused`] when the key is not that of the tenant's earlier backups.
    pub async fn run(&self, tenant: &TenantName) -> Result<Manifest, BackupError> {
        let started_at = Utc::now();
        let backup = BackupId::new(started_at);
        let mut client = labor_connect::connect(&self.source).await?;
        let server = Server::of(&client).await?;
        let program = PgDump::find(self.program_folder.as_deref(), server.major).await?;
        let snapshot = self.unless_stopped(Snapshot::open(&mut client, tenant)).await?;
        let identity = self.key_for_run(tenant).await?;
        self.say(&format!("{tenant}: backup {backup}, pg_dump {}", program.version));
        self.store.sweep(&manifest::folder(tenant)).await;
        let mut upload = Upload::begin(&self.store, manifest::dump_key(tenant, &backup)).await?;
        let work = self.fill(&mut upload, &program, tenant, &snapshot, identity.to_public());
        let (sums, contents) = match Box::pin(self.unless_stopped(work)).await {
            Ok(done) => done,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let manifest = Manifest {
            format: FORMAT,
            tenant: tenant.clone(),
            backup,
            started_at,
            finished_at: Utc::now(),
            schema_version: contents.version,
            ledger_fingerprint: snapshot.ledger_fingerprint.filter(|ledger| *ledger != contents.fingerprint),
            fingerprint: contents.fingerprint,
            tables: contents.tables,
            plain: sums.plain,
            sealed: sums.sealed,
            recipient: identity.to_public().to_string(),
            snapshot_lsn: snapshot.lsn,
            server_version: server.version,
            pg_dump_version: program.version,
            labor_backup_version: env!("CARGO_PKG_VERSION").to_owned(),
            mac: String::new(),
        };
        let manifest = self.finish(upload, manifest, &identity).await?;
        if manifest.ledger_fingerprint.is_some() {
            self.say(&format!(
                "{tenant}: its definitions are not those that the ledger has; they were backed up as they are"
            ));
        }
        self.say(&format!("{tenant}: {} rows, {} bytes stored", manifest.rows(), manifest.sealed.bytes));
        Ok(manifest)
    }

    /// Everything up to the last part: dump, sealing, sending and digests at once. Each waits for the next one's room.
    async fn fill(
        &self,
        upload: &mut Upload<'_>,
        program: &PgDump,
        tenant: &TenantName,
        snapshot: &Snapshot<'_>,
        recipient: age::x25519::Recipient,
    ) -> Result<(Sums, Contents), BackupError> {
        let mut dump = Dump::start(program, &self.source, tenant, &snapshot.name)?;
        let (to_sealer, plain) = mpsc::channel(4);
        let (to_store, parts) = mpsc::channel(1);
        let sealer = tokio::task::spawn_blocking(move || {
            let out = PartWriter::new(to_store, ship::part_size);
            let (sums, out) = seal::seal(ChunkReader::new(plain), &recipient, out)?;
            out.finish().map(|()| sums)
        });
        let sealing = async {
            let sealed = sealer.await.map_err(std::io::Error::other).and_then(|sealed| sealed);
            sealed.map_err(BackupError::io("seal the dump"))
        };
        let dumping = async {
            dump.pass_on(to_sealer).await?;
            dump.verdict().await?;
            self.say(&format!("{tenant}: pg_dump is done"));
            Ok(())
        };
        let digests = async {
            let fingerprint = proof::fingerprint(&snapshot.transaction, tenant).await?;
            proof::contents(&snapshot.transaction, tenant, fingerprint).await
        };
        // The first failure ends all, and kills pg_dump. Sending comes before sealing, whose "broken pipe" would hide the store's reason.
        let ((), (), sums, contents) = tokio::try_join!(dumping, upload.send(parts), sealing, digests)?;
        Ok((sums, contents))
    }

    /// The tenant's key, made now only when there are no backups that a lost one would have to open.
    async fn key_for_run(&self, tenant: &TenantName) -> Result<Identity, BackupError> {
        if self.new_key {
            return self.keys.open_or_make(tenant);
        }
        let there = self.keys.has(tenant)?;
        let earlier = self.earlier(tenant).await?;
        let path = self.keys.file(tenant);
        let question =
            "Is LABOR_BACKUP_KEYS (--keys) the right folder? If the old key is lost, --new-key goes on without it";
        match earlier {
            Some((backup, _)) if !there => Err(BackupError::Refused(format!(
                "there is no key {}, but {tenant} has backups, {backup} the newest, that a new key can't open. {question}",
                path.display()
            ))),
            Some((backup, Some(recipient))) if self.keys.open(tenant)?.to_public().to_string() != recipient => {
                Err(BackupError::Refused(format!(
                    "the key {} is not the one that {backup}, the newest backup of {tenant}, was encrypted to ({recipient}). \
                     {question}",
                    path.display()
                )))
            }
            _ => self.keys.open_or_make(tenant),
        }
    }

    /// Completes the upload and writes the manifest. When one of them fails, both are taken back.
    async fn finish(
        &self,
        upload: Upload<'_>,
        manifest: Manifest,
        identity: &Identity,
    ) -> Result<Manifest, BackupError> {
        let keys = [
            manifest::manifest_key(&manifest.tenant, &manifest.backup),
            manifest::dump_key(&manifest.tenant, &manifest.backup),
        ];
        let stored = async {
            upload.complete(&manifest.sealed).await?;
            let manifest = Manifest { finished_at: Utc::now(), ..manifest }.signed(identity)?;
            let document =
                serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Invalid(error.to_string()))?;
            self.store.put(&keys[0], document, true).await?;
            Ok(manifest)
        };
        match Box::pin(stored).await {
            Ok(manifest) => Ok(manifest),
            Err(error) => {
                self.store.take_back(&keys).await;
                Err(error)
            }
        }
    }
}

impl<'a> Snapshot<'a> {
    /// The locks come before the snapshot: no DDL can come between what is read and what `pg_dump` reads.
    async fn open(client: &'a mut Client, tenant: &TenantName) -> Result<Self, BackupError> {
        let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
        let names = {
            let look = client.transaction().await.map_err(during("begin"))?;
            let tables = proof::tables(&look, tenant).await?;
            tables.into_iter().map(|table| table.quoted).collect::<Vec<_>>()
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
        Ok(Self { name: row.get(0), lsn: row.get(1), ledger_fingerprint: row.get(2), transaction })
    }
}
