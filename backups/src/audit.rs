//! The audit, sealed: every few minutes the new rows of each practice's audit are hashed, the hashes are put into a Merkle tree, its root is
//! chained to the one before and signed, and the document goes to the object store. Whoever changes a row later, with whatever rights in
//! the database, is found, and which row it was.
//!
//! Why not in the database: a hash chain in a trigger costs most of its write rate, and what a database administrator can write they can
//! write anew (docs/adr/0020). Must stay true: sealing writes nothing into the database and slows no writer; the store's copy of a seal is
//! never replaced; a row that no seal has is told, not sealed, when it says that it is older than what was sealed.
mod chain;
mod findings;
mod seal;
mod sealing;

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use labor_catalog::TenantName;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::class::to_be_backed_up;
use crate::list::AT_ONCE;
use crate::{Backup, BackupError, PublicKey, proof};

pub use self::chain::AuditHead;
pub(crate) use self::chain::Chain;
pub(crate) use self::findings::Judge;
pub use self::findings::{AuditFault, AuditFindings};
pub use self::sealing::{SealRun, Sealed, Sealer};

/// How far a row may lag behind what was sealed last, by its own time, which the database's row rules set. No transaction of Labor's takes so
/// long: an older row that no seal has was added by somebody.
const WINDOW: TimeDelta = TimeDelta::hours(1);

/// Nobody waits for a table that somebody locks for longer.
const LOCK_TIMEOUT: &str = "10s";

/// Where all practices' seals are.
pub(crate) const ALL: &str = "audit/";

const NOTHING: [&(dyn ToSql + Sync); 0] = [];

/// The folder of a practice's seals.
pub(crate) fn folder(tenant: &TenantName) -> String {
    format!("{ALL}{tenant}/")
}

/// The object of a seal. In the order of the numbers when sorted by name.
fn key(tenant: &TenantName, number: u64) -> String {
    format!("{}{}", folder(tenant), name(number))
}

/// The name of a seal's file.
pub(crate) fn name(number: u64) -> String {
    format!("{number:012}.seal")
}

/// The number of a seal by its file's name.
pub(crate) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".seal")?.parse().ok().filter(|number| self::name(*number) == name)
}

/// Of one that has seals and is no practice of the registry.
fn unknown(tenant: &TenantName) -> String {
    format!(
        "{tenant} has seals in the bucket and is no practice of the registry: if it was deleted, `labor-backup erase` ends that; else find out who removed it"
    )
}

impl Backup {
    /// Practices that have an audit to be sealed; and, if all are wanted, those that have seals and are not among them.
    pub(crate) async fn audited(
        &self,
        client: &Client,
        only: Option<&TenantName>,
    ) -> Result<(BTreeSet<TenantName>, BTreeSet<TenantName>), BackupError> {
        let tenants = concat!(
            "SELECT t.name FROM control.tenants t JOIN pg_namespace n ON n.nspname = t.name WHERE ",
            to_be_backed_up!()
        );
        let rows = client.query(tenants, &[]).await.map_err(BackupError::during("list the tenants"))?;
        let name = |row: &tokio_postgres::Row| TenantName::parse(row.get(0));
        let parsed = rows.iter().map(name).collect::<Result<BTreeSet<_>, _>>();
        let tenants = parsed.map_err(|error| BackupError::Invalid(error.to_string()))?;
        let Some(only) = only else {
            let sealed = self.store.folders(ALL).await?;
            let unknown = sealed.iter().filter_map(|name| name.parse().ok()).filter(|name| !tenants.contains(name));
            let unknown = unknown.collect();
            return Ok((tenants, unknown));
        };
        if tenants.contains(only) {
            return Ok(([only.clone()].into(), BTreeSet::new()));
        }
        Err(BackupError::NotFound(format!("there is no practice {only} that has an audit")))
    }

    /// Practices whose audit can be held against its seals, and what is wrong with those that have seals only; one of them, or all.
    ///
    /// # Errors
    /// When the database or the store refuses, or there is no such practice.
    pub async fn audits(&self, only: Option<&TenantName>) -> Result<(BTreeSet<TenantName>, Vec<String>), BackupError> {
        let work = async {
            let (tenants, strangers) = self.audited(&connect(self).await?, only).await?;
            Ok((tenants, strangers.iter().map(unknown).collect()))
        };
        Box::pin(self.unless_stopped(work)).await
    }

    /// Holds a practice's audit against its seals: whether each seal is signed by one of these keys and follows the one before it, and each
    /// row is what it was. `expected` is a head that was kept elsewhere. Takes some 100 bytes of memory for each row.
    ///
    /// # Errors
    /// When the store or the database refuses. What does not hold is in the findings.
    pub async fn verify_audit(
        &self,
        tenant: &TenantName,
        keys: &[PublicKey],
        expected: Option<AuditHead>,
    ) -> Result<AuditFindings, BackupError> {
        let work = async {
            // The seals first: rows that are sealed meanwhile are in the snapshot, rows that are written meanwhile in no seal.
            let mut chain = Chain::new(tenant, expected, None);
            self.read_chain(&mut chain, tenant, Some(keys), |_, _| Ok(())).await?;
            let mut client = connect(self).await?;
            let transaction = begin(&mut client, tenant).await?;
            let mut judge = Judge::new(tenant, &chain, Utc::now());
            rows(&transaction, tenant, |line| judge.row(line)).await?;
            Ok(judge.finish(true))
        };
        Box::pin(self.unless_stopped(work)).await
    }

    /// The numbers of a practice's seals, in their order.
    async fn seals(&self, tenant: &TenantName) -> Result<Vec<u64>, BackupError> {
        let folder = folder(tenant);
        let objects = self.store.list(&folder).await?;
        let mut numbers: Vec<_> =
            objects.iter().filter_map(|object| number(object.key.strip_prefix(&folder)?)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads all seals of a practice, and tells `also` each that is looked at.
    pub(crate) async fn read_chain(
        &self,
        chain: &mut Chain,
        tenant: &TenantName,
        keys: Option<&[PublicKey]>,
        mut also: impl FnMut(u64, &[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let seals = self.seals(tenant).await?;
        let read = seals
            .iter()
            .map(async |number: &u64| Ok::<_, BackupError>((*number, self.read_seal(tenant, *number).await?)));
        let mut read = std::pin::pin!(stream::iter(read).buffered(AT_ONCE));
        while let Some((number, document)) = read.try_next().await? {
            if chain.add(number, &document, keys) {
                also(number, &document)?;
            }
        }
        chain.end();
        Ok(())
    }

    /// Nothing of one that is not there any more: it will not be taken for a seal.
    async fn read_seal(&self, tenant: &TenantName, number: u64) -> Result<Vec<u8>, BackupError> {
        Ok(self.store.get(&key(tenant, number)).await?.unwrap_or_default())
    }
}

/// A connection to the primary: a standby may lack what was sealed.
async fn connect(backup: &Backup) -> Result<Client, BackupError> {
    let client = labor_connect::connect(&backup.plan).await?;
    let row = client.query_one("SELECT pg_catalog.pg_is_in_recovery()", &[]).await;
    if row.map_err(BackupError::during("ask whether the database is a standby"))?.get(0) {
        return Err(BackupError::Refused(
            "the database is a standby, which may lack what was sealed: name the primary with LABOR_SCHEDULE_URL"
                .to_owned(),
        ));
    }
    Ok(client)
}

/// Everything alike, whatever the login's own settings are; the lock comes before the snapshot, so that what a restore puts in the table's
/// place is seen whole. Refused when the audit is no plain table: rules and views answer what they like.
async fn begin<'c>(client: &'c mut Client, tenant: &TenantName) -> Result<Transaction<'c>, BackupError> {
    let during = || BackupError::during(format!("{tenant}: prepare reading its audit"));
    let begun = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let transaction = begun.await.map_err(during())?;
    let prepare = format!(
        "{}; SET LOCAL search_path = pg_catalog; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
         LOCK TABLE ONLY {tenant}.audit IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0",
        proof::READ_ALIKE
    );
    transaction.batch_execute(&prepare).await.map_err(during())?;
    let plain = "SELECT relkind = 'r' AND NOT relhasrules FROM pg_class WHERE oid = $1::text::regclass";
    let row = transaction.query_one(plain, &[&format!("{tenant}.audit")]).await.map_err(during())?;
    if row.get(0) {
        return Ok(transaction);
    }
    Err(BackupError::Refused(format!(
        "{tenant}.audit is not a plain table: somebody put rules or something else in its place"
    )))
}

/// Every row of a practice's audit, as `to_jsonb` writes it.
pub(crate) async fn rows(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    mut take: impl FnMut(&str) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let during = || BackupError::during(format!("{tenant}: read its audit"));
    // By its full name: a function of the practice's own schema would fit better, and could say anything.
    let statement = format!("SELECT pg_catalog.to_jsonb(a)::text FROM ONLY {tenant}.audit a");
    let mut rows = std::pin::pin!(transaction.query_raw(&statement, NOTHING).await.map_err(during())?);
    while let Some(row) = rows.try_next().await.map_err(during())? {
        take(row.get(0))?;
    }
    Ok(())
}
