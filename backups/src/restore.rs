//! `verify` and `restore`: the same restore and the same proof; one is rolled back, the other kept.
//!
//! A scratch schema lives in an uncommitted transaction only. So it can't be left over, however this process ends, and nobody else
//! ever sees it.
//!
//! Must stay true: nothing of a dump is run before its manifest proved to be of the tenant's key and its bytes to be the manifest's;
//! nothing is committed that did not pass; what is restored beside the live schema serves nobody until an operator gives its role a
//! login; the live schema is touched by `--over` only, which renames it in the same transaction (`over`).
use std::time::Instant;

use age::x25519::Identity;
use chrono::Utc;
use labor_catalog::TenantName;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_postgres::Transaction;

use crate::admission::{allowed, exclude_deletion};
use crate::blame::{cause, major};
use crate::mac::MacKey;
use crate::manifest::{self, FORMAT};
use crate::over::Over;
use crate::pipe::ChunkReader;
use crate::reading::Pinned;
use crate::row_rules::{self, Judged};
use crate::seal;
use crate::snapshot::Server;
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
pub(crate) struct Authentic {
    pub(crate) manifest: Manifest,
    identity: Identity,
}

/// Where to.
pub(crate) struct Into<'a> {
    pub(crate) schema: &'a TenantName,
    pub(crate) stay: Stay<'a>,
}

/// Whether it stays there.
#[derive(Clone, Copy)]
pub(crate) enum Stay<'a> {
    /// It is rolled back.
    No,
    /// As a copy that nobody is served from.
    Beside,
    /// In the place of what is there.
    Over(&'a Over),
}

/// What a restore has to say when it passed.
pub(crate) struct Passed {
    pub(crate) rows: u64,
    server_version: String,
    pub(crate) remarks: Vec<String>,
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
        let into = Into { schema: &scratch, stay: Stay::No };
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
                let document = manifest::sealed(&verified, &self.keys.sealing(tenant.as_str()).await?.mac)?;
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
        let passed = Box::pin(self.prove(authentic, &Into { schema: &schema, stay: Stay::Beside })).await?;
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
    pub(crate) async fn prove(&self, authentic: Authentic, into: &Into<'_>) -> Result<Passed, BackupError> {
        let Authentic { manifest, identity } = authentic;
        let mut client = self.connect_to_target().await?;
        let server = Server::of(&client).await?;
        let new = (!matches!(into.stay, Stay::Over(_))).then_some(into.schema);
        allowed(&client, &manifest.tenant, new).await?;
        // So that the server notices within two minutes when our machine vanishes, and rolls back.
        let keep_alive = "SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6";
        client.batch_execute(keep_alive).await.map_err(BackupError::during("prepare the connection"))?;
        let dump = manifest::dump_key(&manifest.tenant, &manifest.backup);
        let dump = Box::pin(self.unless_stopped(self.pin_what_stays(&manifest, &dump))).await?;
        // Time went by: whether the tenant still is to be restored is asked again.
        allowed(&client, &manifest.tenant, new).await?;
        let transaction = client.transaction().await.map_err(BackupError::during("begin"))?;
        let authentic = Authentic { manifest, identity };
        let result = self.unless_stopped(self.attempt(&transaction, &authentic, &dump, into, &server)).await;
        let result = match result {
            Ok(passed) => finish(&transaction, &authentic.manifest, into, &passed).await.map(|()| passed),
            failed => failed,
        };
        match (into.stay, result) {
            (Stay::Beside | Stay::Over(_), Ok(passed)) => {
                transaction.commit().await.map_err(BackupError::during(format!("{}: commit", into.schema)))?;
                Ok(passed)
            }
            (_, result) => {
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
        let Into { schema, stay } = *into;
        match stay {
            Stay::No => {}
            Stay::Beside => exclude_deletion(transaction, &manifest.tenant).await?,
            Stay::Over(over) => over.make_room(transaction).await?,
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
        let name = match stay {
            Stay::No => "scratch schema",
            Stay::Beside => "copy",
            Stay::Over(_) => "schema",
        };
        self.say(&format!("{name} {schema} of {}: loaded, comparing", manifest.tenant));
        let same_major = major(&server.version) == major(&manifest.server_version);
        let mut faults = compare(transaction, manifest, schema, same_major).await?;
        if !faults.is_empty() {
            faults.extend(proof::isolation(transaction, schema).await?.0);
            return Err(BackupError::NotProven(faults));
        }
        let mut remarks = match row_rules::judge(transaction, schema, manifest.schema_version).await? {
            Judged::Sound(remark) => Vec::from_iter(remark),
            Judged::Unknown(remark) => vec![remark],
            Judged::Faulty(found) => return Err(BackupError::NotProven(found)),
        };
        if !same_major {
            remarks.push(format!(
                "definitions not compared: the backup is of PostgreSQL {}, this is {}",
                manifest.server_version, server.version
            ));
        }
        Ok(Passed { rows: manifest.rows(), server_version: server.version.clone(), remarks })
    }

    /// The id that was asked for.
    pub(crate) async fn resolve(&self, tenant: &TenantName, which: &Which) -> Result<BackupId, BackupError> {
        match which {
            Which::Id(id) => Ok(id.clone()),
            Which::Latest => self.latest(tenant).await,
        }
    }

    /// The manifest of a backup, once it proved to be made with the tenant's key.
    pub(crate) async fn authentic(&self, tenant: &TenantName, backup: &BackupId) -> Result<Authentic, BackupError> {
        let document = self.store.get(&manifest::manifest_key(tenant, backup)).await?;
        let document = document.ok_or_else(|| {
            BackupError::NotFound(format!(
                "there is no backup {backup} of {tenant} with a manifest; `labor-backup list` lists them"
            ))
        })?;
        let identity = self.keys.open(tenant.as_str()).await?;
        let manifest = Manifest::read(&document, tenant, backup)?;
        if identity.to_public().to_string() != manifest.recipient {
            let reason = format!("is not the one that {backup} was encrypted to ({})", manifest.recipient);
            return Err(BackupError::Key { path: self.keys.file(tenant.as_str()), reason });
        }
        manifest::authenticate(&document, backup, &MacKey::of(&identity)?)?;
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

/// The last steps of what stays: the group is locked for a moment only.
async fn finish(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    into: &Into<'_>,
    passed: &Passed,
) -> Result<(), BackupError> {
    let Into { schema, stay } = *into;
    match stay {
        Stay::No => return Ok(()),
        Stay::Beside => {
            let comment = format!(
                "SET LOCAL ROLE labor_owner;
                 COMMENT ON SCHEMA {schema} IS 'labor: restored from {} of {}; not served'; RESET ROLE",
                manifest.backup, manifest.tenant,
            );
            transaction
                .batch_execute(&comment)
                .await
                .map_err(BackupError::during(format!("{schema}: say what it is")))?;
        }
        Stay::Over(over) => over.settle(transaction, manifest, passed).await?,
    }
    let member = format!("GRANT labor_tenants TO {}", schema.role());
    transaction.batch_execute(&member).await.map_err(BackupError::during(format!("{schema}: finish")))
}

fn elapsed(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
