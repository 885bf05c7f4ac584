//! `restore --over`, `restore back` and `restore confirm`: something takes a practice's place, and what was there is kept.
//!
//! The practice is suspended, as `labor-migrator suspend` does it. One transaction sets its schema aside (`kept`), restores and proves
//! the backup under the practice's name (`restore`), takes over the messages that came since (`carry`), and notes all of it (`practice`).
//! Then the migrator brings it to its version, gives its new login the password, and opens it.
//!
//! Must stay true: a practice is as it was, or wholly replaced, whenever this process ends; the same command goes on after a kill; what
//! was set aside is dropped by `confirm` only, never under a hold; nobody is served before the isolation check found nothing.
use labor_catalog::TenantName;
use labor_migrator::up::{Progress, Stop, UpOptions};
use labor_migrator::{Migrator, run};
use serde_json::json;
use tokio_postgres::{Client, GenericClient, Transaction};

use crate::practice::{self, BACK, CONFIRM, END, OVER, Practice, REASON, Replaced};
use crate::restore::{Into, Passed, Stay};
use crate::row_rules::{self, Judged};
use crate::{Backup, BackupError, BackupId, Carried, Kept, Manifest, Which, admission, carry, kept, undone};

/// What a restore does in its transaction when it takes a practice's place.
pub(crate) struct Over {
    tenant: TenantName,
    version: i32,
    opened: bool,
}

impl Over {
    /// Before anything is restored.
    pub(crate) async fn make_room(&self, transaction: &Transaction<'_>) -> Result<(), BackupError> {
        practice::lock(transaction, &self.tenant).await?;
        practice::refuse_open(transaction, &self.tenant).await?;
        kept::refuse_second(transaction, &self.tenant).await?;
        kept::set_aside(transaction, &self.tenant).await.map(drop)
    }

    /// After it passed.
    pub(crate) async fn settle(
        &self,
        transaction: &Transaction<'_>,
        manifest: &Manifest,
        passed: &Passed,
    ) -> Result<(), BackupError> {
        let done = Replaced {
            tenant: self.tenant.clone(),
            backup: Some(manifest.backup.clone()),
            kept: None,
            rows: passed.rows,
            carried: Carried::default(),
            version: self.version,
            opened: self.opened,
            remarks: passed.remarks.clone(),
        };
        settle(transaction, done).await
    }
}

/// Takes over what must not be lost, and notes what was done.
async fn settle(transaction: &Transaction<'_>, mut done: Replaced) -> Result<(), BackupError> {
    done.kept = kept::of(transaction, &done.tenant).await?.map(|kept| kept.schema);
    done.carried = carry::carry(transaction, &done.tenant, done.kept.as_ref()).await?;
    if let Some(kept) = &done.kept
        && let Some(undone) = undone::since(transaction, &done.tenant, kept).await?
    {
        done.opened = false;
        done.remarks.push(undone);
    }
    practice::freeze(transaction, &done.tenant).await?;
    let run = done.note(transaction).await?;
    practice::settle_ledger(transaction, &done.tenant, run).await?;
    match &done.kept {
        Some(kept) => kept::leave_group(transaction, kept).await,
        None => Ok(()),
    }
}

impl Backup {
    /// Puts a backup in the place of a practice that is served, or whose schema is missing. What is there is kept until
    /// [`Backup::restore_confirm`]; what was accepted since the backup is taken over. `named` is the practice's displayed name.
    ///
    /// # Errors
    /// [`BackupError::Refused`] when it is another practice, something is kept of it already, or it is being deleted; as
    /// [`Backup::verify`] when the backup does not pass: then the practice is as it was. [`BackupError::Shut`] says what goes on.
    pub async fn restore_over(
        &self,
        migrator: &Migrator,
        tenant: &TenantName,
        which: &Which,
        named: &str,
    ) -> Result<Replaced, BackupError> {
        let client = self.connect_to_target().await?;
        practice::alone(&client, tenant).await?;
        let practice = Practice::look(&client, tenant).await?;
        practice.agreed(named)?;
        Box::pin(self.take_place(migrator, &practice, which)).await
    }

    /// The same, when it is known which practice is meant and nobody else restores it.
    pub(crate) async fn take_place(
        &self,
        migrator: &Migrator,
        practice: &Practice,
        which: &Which,
    ) -> Result<Replaced, BackupError> {
        let tenant = &practice.tenant;
        let backup = self.resolve(tenant, which).await?;
        if let Some(done) = practice.done(OVER).filter(|done| done.backup.as_ref() == Some(&backup)) {
            self.say(&format!("{tenant}: {backup} is in its place already, going on"));
            return Box::pin(self.open(migrator, done)).await;
        }
        practice.may_be_replaced()?;
        let client = self.connect_to_target().await?;
        admission::allowed(&client, tenant, None).await?;
        kept::refuse_second(&client, tenant).await?;
        drop(client);
        let authentic = self.authentic(tenant, &backup).await?;
        let (version, opened) = (practice.version_after(&authentic.manifest)?, practice.to_be_opened());
        migrator.holds_secret().await?;
        let over = Over { tenant: tenant.clone(), version, opened };
        let into = Into { schema: tenant, stay: Stay::Over(&over) };
        self.say(&format!("{tenant}: {backup} takes its place"));
        let replaced = async {
            self.shut(migrator, practice).await?;
            self.prove(authentic, &into).await.map(drop)
        };
        let replaced = Box::pin(replaced).await;
        Box::pin(self.conclude(migrator, tenant, Some(backup), replaced)).await
    }

    /// Puts what is kept of a practice back into its place; what took it is kept then, and the messages that it accepted are taken over.
    ///
    /// # Errors
    /// [`BackupError::NotFound`] when nothing is kept, [`BackupError::Refused`] when what is kept has findings now; else as
    /// [`Backup::restore_over`].
    pub async fn restore_back(
        &self,
        migrator: &Migrator,
        tenant: &TenantName,
        named: &str,
    ) -> Result<Replaced, BackupError> {
        let mut client = self.connect_to_target().await?;
        practice::alone(&client, tenant).await?;
        let practice = Practice::look(&client, tenant).await?;
        practice.agreed(named)?;
        if let Some(done) = practice.done(BACK) {
            self.say(&format!("{tenant}: what was kept is in its place already, going on"));
            return Box::pin(self.open(migrator, done)).await;
        }
        practice.may_be_replaced()?;
        let kept = kept::of(&client, tenant).await?.ok_or_else(|| nothing_kept(tenant))?;
        migrator.holds_secret().await?;
        self.say(&format!("{tenant}: {} takes its place", kept.schema));
        let replaced = async {
            self.shut(migrator, &practice).await?;
            self.unless_stopped(exchange(&mut client, &kept, &practice)).await
        };
        let replaced = Box::pin(replaced).await;
        Box::pin(self.conclude(migrator, tenant, None, replaced)).await
    }

    /// Drops what is kept of a practice.
    ///
    /// # Errors
    /// [`BackupError::NotFound`] when nothing is kept, [`BackupError::Refused`] when the practice is under a hold, or not open yet.
    pub async fn restore_confirm(&self, tenant: &TenantName, named: &str) -> Result<Kept, BackupError> {
        let mut client = self.connect_to_target().await?;
        practice::alone(&client, tenant).await?;
        let practice = Practice::look(&client, tenant).await?;
        practice.agreed(named)?;
        if practice.shut_by_us() {
            return Err(BackupError::Refused(format!(
                "{tenant} is not open yet: the command that shut it has to come to its end first; nothing was changed"
            )));
        }
        let kept = kept::of(&client, tenant).await?.ok_or_else(|| nothing_kept(tenant))?;
        let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
        let transaction = client.transaction().await.map_err(during("begin"))?;
        practice::lock(&transaction, tenant).await?;
        refuse_held(&transaction, tenant).await?;
        kept::drop_kept(&transaction, &kept).await?;
        run::note(&transaction, CONFIRM, &json!({ "tenant": tenant, "kept": kept.schema, "since": kept.since }))
            .await?;
        transaction.commit().await.map_err(during("commit"))?;
        Ok(kept)
    }

    /// Nobody is served from here on, and nobody is connected.
    async fn shut(&self, migrator: &Migrator, practice: &Practice) -> Result<(), BackupError> {
        let tenant = &practice.tenant;
        // Else it could be brought to its version by nobody, and would stay shut.
        migrator.may_go_up().await?;
        if !practice.there {
            return Ok(());
        }
        if practice.is_open() {
            migrator.suspend(tenant, REASON).await?;
        } else {
            migrator.end_connections(tenant).await?;
        }
        self.say(&format!("{tenant}: suspended"));
        Ok(())
    }

    /// What became of a replacement, also of one whose answer was lost: it is gone on with, or the practice is opened as it was.
    async fn conclude(
        &self,
        migrator: &Migrator,
        tenant: &TenantName,
        backup: Option<BackupId>,
        replaced: Result<(), BackupError>,
    ) -> Result<Replaced, BackupError> {
        let goes_on = command(tenant, backup.as_ref());
        let look = async {
            let client = self.connect_to_target().await?;
            practice::settled(&client, tenant).await?;
            Practice::look(&client, tenant).await
        };
        let practice = match (look.await, &replaced) {
            (Ok(practice), _) => practice,
            (Err(error), Ok(())) => return Err(shut(tenant, &error, goes_on)),
            (Err(_), Err(first)) => return Err(shut(tenant, first, goes_on)),
        };
        let done = practice.done(if backup.is_some() { OVER } else { BACK });
        match (done.filter(|done| done.backup == backup), replaced) {
            (Some(done), _) => self.open(migrator, done).await,
            (None, Ok(())) => Err(BackupError::Refused(format!("{tenant} was changed by somebody else meanwhile"))),
            (None, Err(error)) if practice.shut_by_us() => match self.open_as_it_was(migrator, &practice).await {
                Ok(()) => {
                    self.say(&format!("{tenant}: nothing was changed, and it is open again"));
                    Err(error)
                }
                Err(second @ BackupError::Shut { .. }) => Err(second),
                Err(second) => {
                    let reason = format!("{error}; nothing was changed, but opening it failed: {second}");
                    Err(shut(tenant, &reason, format!("labor-migrator resume {tenant}")))
                }
            },
            (None, Err(error)) => Err(error),
        }
    }

    /// Serves what is there; if an earlier command put it there and was killed before it opened it, as that one would have.
    async fn open_as_it_was(&self, migrator: &Migrator, practice: &Practice) -> Result<(), BackupError> {
        match practice.done(OVER).or_else(|| practice.done(BACK)) {
            Some(done) => self.open(migrator, done).await.map(drop),
            None => Ok(migrator.resume(&practice.tenant).await?),
        }
    }

    /// Brings what took the place to its version, and serves it.
    pub(crate) async fn open(&self, migrator: &Migrator, done: Replaced) -> Result<Replaced, BackupError> {
        let tenant = &done.tenant;
        let opened = async {
            migrator.give_password(tenant).await?;
            let client = self.connect_to_target().await?;
            // The fleet may have moved it on since.
            let version = Practice::look(&client, tenant).await?.version().max(done.version);
            bring(migrator, tenant, version).await?;
            if done.opened {
                migrator.resume(tenant).await?;
            } else {
                run::note(&client, END, &json!({ "tenant": tenant })).await?;
            }
            Ok::<(), BackupError>(())
        };
        match Box::pin(opened).await {
            Ok(()) => Ok(done),
            Err(error) => Err(shut(tenant, &error, command(tenant, done.backup.as_ref()))),
        }
    }
}

/// By the migrator's own way: the transaction in which the tenant comes to a version proves it.
async fn bring(migrator: &Migrator, tenant: &TenantName, version: i32) -> Result<(), BackupError> {
    let options = UpOptions { to: Some(version), tenants: vec![tenant.clone()], ..UpOptions::default() };
    let mut fault = None;
    let report = migrator
        .up(&options, &Stop::default(), |progress| {
            if let Progress::Tenant(report) = progress {
                fault.clone_from(&report.error);
            }
        })
        .await?;
    if report.complete() {
        return Ok(());
    }
    let held = report.held_tenants.first().map(ToString::to_string);
    let why = fault.or(held).or(report.stopped).unwrap_or_else(|| "`labor-migrator status` tells why".to_owned());
    Err(BackupError::Refused(format!("it could not be brought to version {version}: {why}")))
}

/// One takes the place of the other, in one transaction.
async fn exchange(client: &mut Client, kept: &Kept, practice: &Practice) -> Result<(), BackupError> {
    let tenant = &kept.tenant;
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    let transaction = client.transaction().await.map_err(during("begin"))?;
    practice::lock(&transaction, tenant).await?;
    practice::refuse_open(&transaction, tenant).await?;
    kept::set_aside(&transaction, tenant).await?;
    kept::put_back(&transaction, kept).await?;
    let stamp = transaction.query_one(&format!("SELECT version FROM {tenant}.schema_stamp"), &[]).await;
    let stamp: i32 = stamp.map_err(during("read the stamp"))?.get(0);
    let remarks = match row_rules::judge(&transaction, tenant, stamp).await? {
        Judged::Sound(remark) => Vec::from_iter(remark),
        Judged::Unknown(remark) => vec![remark],
        Judged::Faulty(found) => {
            return Err(BackupError::Refused(format!(
                "{} does not pass the isolation check: {}; it stays where it is",
                kept.schema,
                found.join("; ")
            )));
        }
    };
    let done = Replaced {
        tenant: tenant.clone(),
        backup: None,
        kept: None,
        rows: 0,
        carried: Carried::default(),
        version: practice.version().max(stamp),
        opened: practice.to_be_opened(),
        remarks,
    };
    settle(&transaction, done).await?;
    let member = format!("GRANT labor_tenants TO {}", tenant.role());
    transaction.batch_execute(&member).await.map_err(during("finish"))?;
    transaction.commit().await.map_err(during("commit"))
}

/// A hold keeps everything of a practice, also what was restored over, and what there is of it in the bucket.
pub(crate) async fn refuse_held(client: &impl GenericClient, tenant: &TenantName) -> Result<(), BackupError> {
    let holders = client
        .query(
            "SELECT holder FROM control.holds WHERE tenant = $1 AND (until IS NULL OR until >= current_date) ORDER BY created_at",
            &[&tenant.as_str()],
        )
        .await
        .map_err(BackupError::during(format!("{tenant}: look for holds")))?;
    if holders.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = holders.iter().map(|row| row.get(0)).collect();
    Err(BackupError::Refused(format!("{tenant} is held by {}, so nothing of it is dropped", names.join(", "))))
}

fn nothing_kept(tenant: &TenantName) -> BackupError {
    BackupError::NotFound(format!("nothing is kept of {tenant}; `labor-backup status` lists what is"))
}

fn shut(tenant: &TenantName, reason: &impl ToString, goes_on: String) -> BackupError {
    BackupError::Shut { tenant: tenant.clone(), reason: reason.to_string(), goes_on }
}

/// The command that goes on where one was cut off.
fn command(tenant: &TenantName, backup: Option<&BackupId>) -> String {
    backup.map_or_else(
        || format!("labor-backup restore back {tenant}"),
        |backup| format!("labor-backup restore --over {tenant} --backup {backup}"),
    )
}
