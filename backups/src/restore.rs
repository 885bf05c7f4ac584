//! `verify` and `restore`: the same restore and the same proof; one is rolled back, the other kept.
//!
//! A scratch schema lives in an uncommitted transaction only. So it can't be left over, however this process ends, and nobody else
//! ever sees it.
//!
//! Must stay true: nothing of a dump is run before its manifest proved to be of the tenant's key and its bytes to be the manifest's;
//! nothing is committed that did not pass; the live schema is never touched; what is restored serves nobody until an operator gives
//! its role a login.
use std::time::Instant;

use age::x25519::Identity;
use chrono::Utc;
use labor_catalog::TenantName;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Transaction};

use crate::blame::{cause, major};
use crate::manifest::{self, FORMAT};
use crate::pipe::ChunkReader;
use crate::seal;
use crate::snapshot::Server;
use crate::store::Pinned;
use crate::{Backup, BackupError, BackupId, Manifest, Verdict, Verified, load, proof};

/// Which backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest that has a manifest.
    Latest,
    /// This one.
    Id(BackupId),
}

/// Where a restored copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A new random name.
    New,
    /// This name, which must not exist.
    Named(TenantName),
}

/// A copy that was restored, passed, and was kept.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// Whose data it is.
    pub tenant: TenantName,
    /// Out of which backup.
    pub backup: BackupId,
    /// The new schema. Its role can't log in.
    pub schema: TenantName,
    /// Rows in it.
    pub rows: u64,
    /// What could not be compared, if anything.
    pub remarks: Vec<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// A manifest that the tenant's key made, and that key.
struct Authentic {
    manifest: Manifest,
    identity: Identity,
}

/// Where to, and whether to stay.
struct Into<'a> {
    schema: &'a TenantName,
    keep: bool,
}

/// What a restore has to say when it passed.
struct Passed {
    rows: u64,
    server_version: String,
    remarks: Vec<String>,
}

impl Backup {
    /// Restores a backup into a scratch schema, compares it with its manifest, rolls it back, and stores the result beside the manifest.
    ///
    /// # Errors
    /// [`BackupError::condemns`] tells whether the backup is bad; otherwise it could not be tried.
    pub async fn verify(&self, tenant: &TenantName, which: &Which) -> Result<Verified, BackupError> {
        let begun = Instant::now();
        let backup = self.resolve(tenant, which).await?;
        self.say(&format!("{tenant}: verifying {backup}"));
        let scratch = TenantName::random()?;
        let into = Into { schema: &scratch, keep: false };
        let result = match self.authentic(tenant, &backup).await {
            Ok(authentic) => Box::pin(self.prove(authentic, &into)).await,
            Err(error) => Err(error),
        };
        let (verdict, faults, passed) = match &result {
            Ok(passed) => (Verdict::Passed, Vec::new(), Some(passed)),
            Err(BackupError::NotProven(faults)) => (Verdict::Failed, faults.clone(), None),
            Err(error) if error.condemns() => (Verdict::Failed, vec![error.to_string()], None),
            Err(_) => (Verdict::Failed, Vec::new(), None),
        };
        let verified = Verified {
            format: FORMAT,
            tenant: tenant.clone(),
            backup,
            verified_at: Utc::now(),
            labor_backup_version: env!("CARGO_PKG_VERSION").to_owned(),
            server_version: passed.map(|passed| passed.server_version.clone()).unwrap_or_default(),
            verdict,
            faults,
            remarks: passed.map(|passed| passed.remarks.clone()).unwrap_or_default(),
            rows: passed.map(|passed| passed.rows).unwrap_or_default(),
            milliseconds: elapsed(begun),
            mac: String::new(),
        };
        match result {
            // Not a word about the backup: the surroundings failed.
            Err(error) if !error.condemns() => Err(error),
            result => {
                let document = manifest::sealed(&verified, &self.keys.open(tenant)?)?;
                self.store.put(&manifest::verified_key(tenant, &verified.backup), document.clone(), false).await?;
                let stored = serde_json::from_slice(&document);
                let stored = stored.map_err(|error| BackupError::Invalid(error.to_string()));
                result.and(stored)
            }
        }
    }

    /// Restores a backup into a schema that does not exist yet, beside the live one, and keeps it when it passed.
    ///
    /// # Errors
    /// [`BackupError::Refused`] when the target exists, the guard is missing or the tenant was deleted; else as [`Backup::verify`].
    pub async fn restore(
        &self,
        tenant: &TenantName,
        which: &Which,
        into: Destination,
    ) -> Result<Restored, BackupError> {
        let begun = Instant::now();
        let backup = self.resolve(tenant, which).await?;
        let authentic = self.authentic(tenant, &backup).await?;
        let schema = match into {
            Destination::New => TenantName::random()?,
            Destination::Named(name) => name,
        };
        self.say(&format!("{tenant}: restoring {backup} into {schema}"));
        let passed = Box::pin(self.prove(authentic, &Into { schema: &schema, keep: true })).await?;
        Ok(Restored {
            tenant: tenant.clone(),
            rows: passed.rows,
            backup,
            schema,
            remarks: passed.remarks,
            milliseconds: elapsed(begun),
        })
    }

    /// Restore, proof, and then commit or rollback.
    async fn prove(&self, authentic: Authentic, into: &Into<'_>) -> Result<Passed, BackupError> {
        let config = self.target.as_ref().ok_or_else(|| {
            BackupError::Invalid(
                "LABOR_RESTORE_URL is missing: the URL of the login labor_migrator, which verify and restore need"
                    .to_owned(),
            )
        })?;
        let Authentic { manifest, identity } = authentic;
        let mut client = labor_connect::connect(config).await?;
        let server = Server::of(&client).await?;
        allowed(&client, &manifest.tenant, into.schema).await?;
        // So that the server notices within two minutes when our machine vanishes, and rolls back.
        let keep_alive = "SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6";
        client.batch_execute(keep_alive).await.map_err(BackupError::during("prepare the connection"))?;
        let dump = manifest::dump_key(&manifest.tenant, &manifest.backup);
        let dump = Box::pin(self.unless_stopped(self.pin_what_stays(&manifest, &dump))).await?;
        // Time went by: whether the tenant still is to be restored is asked again.
        allowed(&client, &manifest.tenant, into.schema).await?;
        let transaction = client.transaction().await.map_err(BackupError::during("begin"))?;
        let authentic = Authentic { manifest, identity };
        let result = self.unless_stopped(self.attempt(&transaction, &authentic, &dump, into, &server)).await;
        match result {
            Ok(passed) if into.keep => {
                finish(&transaction, &authentic.manifest, into.schema).await?;
                transaction.commit().await.map_err(BackupError::during(format!("{}: commit", into.schema)))?;
                Ok(passed)
            }
            result => {
                // Also done by the server when this fails, or when we are killed before.
                if let Err(error) = transaction.rollback().await {
                    tracing::debug!(%error, "the connection went before the rollback");
                }
                result
            }
        }
    }

    /// Of an object that is not the manifest's, the manifest is looked for again: `prune` may have removed both meanwhile.
    async fn pin_what_stays(&self, manifest: &Manifest, dump: &str) -> Result<Pinned, BackupError> {
        let Manifest { tenant, backup, .. } = manifest;
        match self.store.pin(dump, &manifest.sealed).await {
            Err(error) if error.condemns() => match self.store.get(&manifest::manifest_key(tenant, backup)).await? {
                Some(_) => Err(error),
                None => Err(BackupError::NotFound(format!("{backup} of {tenant} was removed meanwhile"))),
            },
            pinned => pinned,
        }
    }

    async fn attempt(
        &self,
        transaction: &Transaction<'_>,
        Authentic { manifest, identity }: &Authentic,
        dump: &Pinned,
        into: &Into<'_>,
        server: &Server,
    ) -> Result<Passed, BackupError> {
        let Into { schema, keep } = *into;
        if keep {
            exclude_deletion(transaction, &manifest.tenant).await?;
        }
        load::create_role(transaction, schema).await?;
        let (sealed, identity) = (self.store.read(dump), identity.clone());
        let (sender, mut plain) = mpsc::channel(4);
        let opener = tokio::task::spawn_blocking(move || {
            let pass_on = |chunk| sender.blocking_send(chunk).map_err(|_| std::io::ErrorKind::BrokenPipe.into());
            seal::open(ChunkReader::new(sealed), &identity, pass_on)
        });
        let loaded = load::load(transaction, &mut plain, &manifest.tenant, schema).await;
        drop(plain);
        let opened = opener.await.map_err(|error| BackupError::io("open the backup")(std::io::Error::other(error)))?;
        let older = major(&server.version) < major(&manifest.server_version);
        cause(loaded, opened, manifest, older)?;
        let name = if keep { "copy" } else { "scratch schema" };
        self.say(&format!("{name} {schema} of {}: loaded, comparing", manifest.tenant));
        let same_major = major(&server.version) == major(&manifest.server_version);
        let mut faults = compare(transaction, manifest, schema, same_major).await?;
        let (own, database) = proof::isolation(transaction, schema).await?;
        faults.extend(own);
        if !faults.is_empty() {
            return Err(BackupError::NotProven(faults));
        }
        if !database.is_empty() {
            return Err(BackupError::Refused(format!(
                "the database is not as it has to be, whatever is restored into it; `labor-migrator check` tells more: {}",
                database.join("; ")
            )));
        }
        let remark = format!(
            "definitions not compared: the backup is of PostgreSQL {}, this is {}",
            manifest.server_version, server.version
        );
        Ok(Passed {
            rows: manifest.rows(),
            server_version: server.version.clone(),
            remarks: if same_major { Vec::new() } else { vec![remark] },
        })
    }

    /// The id that was asked for.
    async fn resolve(&self, tenant: &TenantName, which: &Which) -> Result<BackupId, BackupError> {
        match which {
            Which::Id(id) => Ok(id.clone()),
            Which::Latest => self.latest(tenant).await,
        }
    }

    /// The manifest of a backup, once it proved to be made with the tenant's key.
    async fn authentic(&self, tenant: &TenantName, backup: &BackupId) -> Result<Authentic, BackupError> {
        let document = self.store.get(&manifest::manifest_key(tenant, backup)).await?;
        let document = document.ok_or_else(|| {
            BackupError::NotFound(format!(
                "there is no backup {backup} of {tenant} with a manifest; `labor-backup list` lists them"
            ))
        })?;
        let identity = self.keys.open(tenant)?;
        let manifest = Manifest::read(&document, tenant, backup)?;
        if identity.to_public().to_string() != manifest.recipient {
            let reason = format!("is not the one that {backup} was encrypted to ({})", manifest.recipient);
            return Err(BackupError::Key { path: self.keys.file(tenant), reason });
        }
        manifest::authenticate(&document, backup, &identity)?;
        Ok(Authentic { manifest, identity })
    }
}

/// Rows and definitions against the manifest. FORCE ROW LEVEL SECURITY keeps even the owner from reading; it is lifted under a
/// savepoint that is then rolled back, so that what is committed is what the dump made.
async fn compare(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    into: &TenantName,
    same_major: bool,
) -> Result<Vec<String>, BackupError> {
    let during = |what: &str| BackupError::during(format!("{into}: {what}"));
    transaction
        .batch_execute("SAVEPOINT look; SET LOCAL ROLE labor_owner")
        .await
        .map_err(during("look at the result"))?;
    let fingerprint = proof::fingerprint(transaction, into).await?;
    let lift: String = proof::tables(transaction, into)
        .await?
        .iter()
        .map(|table| format!("ALTER TABLE ONLY {} NO FORCE ROW LEVEL SECURITY;", table.quoted))
        .collect();
    transaction.batch_execute(&lift).await.map_err(during("read as the owner"))?;
    let found = proof::contents(transaction, into, fingerprint).await?;
    transaction
        .batch_execute("ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look")
        .await
        .map_err(during("look away"))?;
    Ok(proof::differences(manifest, &found, same_major))
}

/// The last steps of a copy that is kept: the group is locked for a moment only.
async fn finish(transaction: &Transaction<'_>, manifest: &Manifest, into: &TenantName) -> Result<(), BackupError> {
    let statements = format!(
        "GRANT labor_tenants TO {role}; SET LOCAL ROLE labor_owner;
         COMMENT ON SCHEMA {into} IS 'labor: restored from {} of {}; not served'; RESET ROLE",
        manifest.backup,
        manifest.tenant,
        role = into.role(),
    );
    transaction.batch_execute(&statements).await.map_err(BackupError::during(format!("{into}: finish")))
}

/// What must hold before anything is restored.
async fn allowed(client: &Client, tenant: &TenantName, into: &TenantName) -> Result<(), BackupError> {
    let facts = client
        .query_one(
            "SELECT to_regclass('control.tenants') IS NOT NULL,
                    (SELECT count(DISTINCT p.proname) = 5 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                      WHERE n.nspname = 'guard' AND p.prosecdef AND pg_get_userbyid(p.proowner) = 'labor_guard'
                        AND p.proname IN ('claim', 'permits', 'permits_actor', 'claim_role', 'claim_subject')),
                    EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
                    EXISTS (SELECT FROM pg_roles WHERE rolname = $1 || '_app')",
            &[&into.as_str()],
        )
        .await
        .map_err(BackupError::during("look whether a restore is possible"))?;
    let refuse = |reason: String| Err(BackupError::Refused(reason));
    if !facts.get::<_, bool>(1) {
        return refuse(
            "the guard schema or its claim functions are missing: policies that check claims could not be restored. \
                       Run `labor-migrator bootstrap` and `labor-migrator up` first"
                .to_owned(),
        );
    }
    if !facts.get::<_, bool>(0) {
        return refuse(
            "the control schema is missing, so nobody knows which tenants were deleted. Run `labor-migrator up` first"
                .to_owned(),
        );
    }
    if facts.get::<_, bool>(2) || facts.get::<_, bool>(3) {
        return refuse(format!("{into} exists already; restore into a new name"));
    }
    let state = client.query_opt("SELECT state FROM control.tenants WHERE name = $1", &[&tenant.as_str()]).await;
    let state = state.map_err(BackupError::during("read the tombstones"))?;
    if state.is_some_and(|row| row.get::<_, &str>(0) == "deleted") {
        return refuse(format!("{tenant} was deleted; deleted data is not brought back"));
    }
    Ok(())
}

/// A deletion locks the same row: either it waits and then finds the copy, or this finds the tenant frozen or deleted.
async fn exclude_deletion(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let state = transaction
        .query_opt("SELECT state FROM control.tenants WHERE name = $1 FOR SHARE", &[&tenant.as_str()])
        .await
        .map_err(BackupError::during("keep a deletion waiting"))?;
    match state.map(|row| row.get::<_, String>(0)) {
        Some(state) if state != "active" => {
            Err(BackupError::Refused(format!("{tenant} is {state}: its deletion has begun, so no copy of it is kept")))
        }
        _ => Ok(()),
    }
}

fn elapsed(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
