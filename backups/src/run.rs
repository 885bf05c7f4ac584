//! `run --tenant`: snapshot → `pg_dump` → seal → ship → manifest; and what `run --all` shares with it.
//! Must stay true: digests, dump and stamp are of one snapshot; the upload is completed only after the dump's own verdict was
//! seen; the manifest is written last and never over another one; a key that earlier backups do not know is never used unasked; what
//! only the store has to do is waited for without a snapshot; of a tenant that was deleted meanwhile nothing is left.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_postgres::Client;

use crate::dump::Dump;
use crate::keys::SealingKey;
use crate::list::Earlier;
use crate::mac::MacKey;
use crate::manifest::{self, FORMAT};
use crate::pipe::{Chunk, ChunkReader, PartWriter};
use crate::program::PgDump;
use crate::proof::{self, Contents};
use crate::seal::{self, Sums};
use crate::ship::{self, Upload};
use crate::snapshot::{Server, Snapshot};
use crate::{Backup, BackupError, BackupId, Manifest, clock};

/// A backup that is being made, before anything is known of its contents.
pub(crate) struct Making<'a> {
    tenant: &'a TenantName,
    server: &'a Server,
    program: &'a PgDump,
    key: SealingKey,
    started_at: DateTime<Utc>,
    backup: BackupId,
    lsn: String,
    ledger_fingerprint: Option<String>,
}

impl<'a> Making<'a> {
    pub(crate) fn new(
        tenant: &'a TenantName,
        server: &'a Server,
        program: &'a PgDump,
        key: SealingKey,
        snapshot: &Snapshot<'_>,
    ) -> Self {
        Self {
            tenant,
            server,
            program,
            key,
            started_at: snapshot.begun,
            backup: BackupId::new(snapshot.begun),
            lsn: snapshot.lsn.clone(),
            ledger_fingerprint: snapshot.ledger_fingerprint.clone(),
        }
    }

    fn manifest(self, sums: Sums, contents: Contents) -> Manifest {
        Manifest {
            format: FORMAT,
            tenant: self.tenant.clone(),
            backup: self.backup,
            started_at: self.started_at,
            finished_at: Utc::now(),
            schema_version: contents.version,
            ledger_fingerprint: self.ledger_fingerprint.filter(|ledger| *ledger != contents.fingerprint),
            fingerprint: contents.fingerprint,
            besides: contents.besides,
            tables: contents.tables,
            plain: sums.plain,
            sealed: sums.sealed,
            recipient: self.key.recipient.to_string(),
            snapshot_lsn: self.lsn,
            server_version: self.server.version.clone(),
            pg_dump_version: self.program.version.clone(),
            labor_backup_version: env!("CARGO_PKG_VERSION").to_owned(),
            mac: String::new(),
        }
    }
}

/// A dump that is whole and on its way, and what is known of it.
pub(crate) struct Dumped<'a> {
    upload: Upload<'a>,
    manifest: Manifest,
    mac_key: MacKey,
}

impl Backup {
    /// Backs up one tenant with `pg_dump`. When this returns an error there is no backup, and nothing of it in the bucket.
    ///
    /// # Errors
    /// When the tenant is unknown, `pg_dump` does not fit or fails, or the database or the store refuses;
    /// [`BackupError::Refused`] when the key is not that of the tenant's earlier backups.
    pub async fn run(&self, tenant: &TenantName) -> Result<Manifest, BackupError> {
        let mut client = labor_connect::connect(&self.source).await?;
        clock::agrees_with_database(&client).await?;
        self.may_lock().await?;
        let server = Server::to_be_read(&client).await?;
        let program = PgDump::find(self.program_folder.as_deref(), server.major).await?;
        // What can be asked of the store before is asked before: no migration waits for that.
        let earlier = Box::pin(self.unless_stopped(self.earlier(tenant))).await?;
        let key = self.key_for_run(tenant, earlier.as_ref()).await?;
        self.sweep(Some(tenant)).await;
        let snapshot = self.unless_stopped(Snapshot::open(&mut client, tenant)).await?;
        let making = Making::new(tenant, &server, &program, key, &snapshot);
        self.say(&format!("{tenant}: backup {}, pg_dump {}", making.backup, program.version));
        let (to_sealer, plain) = mpsc::channel(4);
        let dumping = async {
            self.dump(&program, tenant, &snapshot, to_sealer).await?;
            self.say(&format!("{tenant}: pg_dump is done"));
            Ok(())
        };
        let contents = proof::all(&snapshot.transaction, tenant);
        let dumped = Box::pin(self.store_dump(making, plain, dumping, contents)).await?;
        // Whatever the store does from here on: no migration waits for it.
        drop(snapshot);
        let manifest = self.finish(dumped).await?;
        self.unless_deleted(&client, tenant, &manifest::of_backup(tenant, &manifest.backup)).await?;
        if manifest.ledger_fingerprint.is_some() {
            self.say(&format!(
                "{tenant}: its definitions are not those that the ledger has; they were backed up as they are"
            ));
        }
        self.say(&format!("{tenant}: {} rows, {} bytes stored", manifest.rows(), manifest.sealed.bytes));
        Ok(manifest)
    }

    /// Passes on what `pg_dump` writes, and then its verdict.
    pub(crate) async fn dump(
        &self,
        program: &PgDump,
        tenant: &TenantName,
        snapshot: &Snapshot<'_>,
        to: Sender<Chunk>,
    ) -> Result<(), BackupError> {
        let mut dump = Dump::start(program, &self.source, tenant, &snapshot.name)?;
        dump.pass_on(to).await?;
        dump.verdict().await
    }

    /// Seals what comes through `plain` and sends all of it but the last step, which is [`Backup::finish`]; after an error nothing is left.
    /// `dumping` ends when the text is whole; dump, sealing, sending and digests go on at once, and each waits for the next one's room.
    pub(crate) async fn store_dump(
        &self,
        making: Making<'_>,
        plain: Receiver<Chunk>,
        dumping: impl Future<Output = Result<(), BackupError>>,
        contents: impl Future<Output = Result<Contents, BackupError>>,
    ) -> Result<Dumped<'_>, BackupError> {
        let mut upload = Upload::new(&self.store, manifest::dump_key(making.tenant, &making.backup));
        let (to_store, parts) = mpsc::channel(1);
        let recipient = making.key.recipient.clone();
        let sealer = tokio::task::spawn_blocking(move || {
            let out = PartWriter::new(to_store, ship::part_size);
            let (sums, out) = seal::seal(ChunkReader::new(plain), &recipient, out)?;
            out.finish().map(|()| sums)
        });
        let sealing = async {
            let sealed = sealer.await.map_err(std::io::Error::other).and_then(|sealed| sealed);
            sealed.map_err(BackupError::io("seal the dump"))
        };
        // The first failure ends all, and kills pg_dump. Sending comes before sealing, whose "broken pipe" would hide the store's reason.
        let work = async { tokio::try_join!(dumping, upload.send(parts), sealing, contents) };
        let ((), (), sums, contents) = match Box::pin(self.unless_stopped(work)).await {
            Ok(done) => done,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let mac_key = making.key.mac.clone();
        Ok(Dumped { upload, manifest: making.manifest(sums, contents), mac_key })
    }

    /// The tenant's key, made now only when there are no backups that a lost one would have to open.
    pub(crate) async fn key_for_run(
        &self,
        tenant: &TenantName,
        earlier: Option<&Earlier>,
    ) -> Result<SealingKey, BackupError> {
        let Some(earlier) = earlier.filter(|_| !self.new_key) else {
            return self.keys.sealing_or_make(tenant.as_str()).await;
        };
        let question =
            "Is LABOR_BACKUP_KEYS (--keys) the right folder? If the old key is lost, --new-key goes on without it";
        let (there, path) = (self.keys.has(tenant.as_str())?, self.keys.file(tenant.as_str()));
        let backup = &earlier.backup;
        if !there {
            return Err(BackupError::Refused(format!(
                "there is no key {}, but {tenant} has backups, {backup} the newest, that a new key can't open. {question}",
                path.display()
            )));
        }
        let key = self.keys.sealing(tenant.as_str()).await?;
        match &earlier.manifest {
            Some(manifest) if manifest.recipient != key.recipient.to_string() => Err(BackupError::Refused(format!(
                "the key {} is not the one that {backup}, the newest backup of {tenant}, was encrypted to ({}). {question}",
                path.display(),
                manifest.recipient
            ))),
            _ => Ok(key),
        }
    }

    /// Takes back what begins with `made`, if its tenant was deleted while it was on its way: `erase` may have searched before it came, and certified that there
    /// is nothing. Asked after the last object is there, so one of the two sees it.
    pub(crate) async fn unless_deleted(
        &self,
        client: &Client,
        tenant: &TenantName,
        made: &str,
    ) -> Result<(), BackupError> {
        let sql = "SELECT FROM control.tenants WHERE name = $1 AND state = 'deleted'";
        let deleted = match client.query_opt(sql, &[&tenant.as_str()]).await {
            // A connection that lay idle during a long upload may have been cut.
            Err(_) => labor_connect::connect(&self.source).await?.query_opt(sql, &[&tenant.as_str()]).await,
            answered => answered,
        };
        let ask = format!("{tenant}: ask whether it was deleted while {made}, which is there, was made");
        if deleted.map_err(BackupError::during(ask))?.is_none() {
            return Ok(());
        }
        let (_, refused) = self.store.delete_all(made).await?;
        match refused {
            None => Err(BackupError::NotFound(format!(
                "{tenant} was deleted while it was backed up; what was made of it then is taken back"
            ))),
            Some(why) => Err(BackupError::Refused(format!(
                "{tenant} was deleted while it was backed up, and {made} can't be deleted ({why}): run `labor-backup erase` again"
            ))),
        }
    }

    /// Completes the upload and writes the manifest. When one of them fails, both are taken back. Nothing is read any more: whoever calls it
    /// has given up the snapshot, which keeps migrations from the tenant's tables.
    pub(crate) async fn finish(&self, dumped: Dumped<'_>) -> Result<Manifest, BackupError> {
        let Dumped { upload, manifest, mac_key } = dumped;
        let keys = [
            manifest::manifest_key(&manifest.tenant, &manifest.backup),
            manifest::dump_key(&manifest.tenant, &manifest.backup),
        ];
        let stored = async {
            upload.complete(&manifest.sealed).await?;
            let manifest = Manifest { finished_at: Utc::now(), ..manifest }.signed(&mac_key)?;
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
