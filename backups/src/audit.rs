//! The audit, sealed: every few minutes the new rows of each practice's audit are hashed, the hashes are put into a Merkle tree, its root is
//! chained to the one before and signed, and the document goes to the object store. Whoever changes a row later is found, and which row it was;
//! but for a superuser who makes the server itself answer with what was sealed (docs/adr/0020).
//!
//! Why not in the database: a hash chain in a trigger costs most of its write rate, and what a database administrator can write they can
//! write anew (docs/adr/0020). Must stay true: sealing writes nothing into the database and slows no writer; the store's copy of a seal is
//! never replaced; a row that no seal has is told, not sealed, when it says that it is older than what was sealed.
mod chain;
mod findings;
mod seal;
mod sealing;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use labor_catalog::TenantName;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::class::to_be_backed_up;
use crate::list::AT_ONCE;
use crate::{Backup, BackupError, PublicKey, clock, proof};

pub use self::chain::AuditHead;
pub(crate) use self::chain::Chain;
pub(crate) use self::findings::Judge;
pub use self::findings::{AuditFault, AuditFindings};
pub use self::sealing::{SealRun, Sealed, Sealer};

/// How far a row may lag behind what was sealed last, by its own time, which the database's row rules set. No transaction of Labor's takes so
/// long (a worker's claim ends after ten minutes): an older row that no seal has was added by somebody.
const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// Bytes of text in a row, at most. Labor's have some hundred; one of hundreds of megabytes is somebody's who wants to stop the sealer.
const LARGEST_ROW: usize = 64 << 10;

/// Nobody waits for a table that somebody locks for longer.
const LOCK_TIMEOUT: &str = "10s";
/// Nor for an answer of the database.
const STATEMENT_TIMEOUT: &str = "10min";

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

/// Whose audits there are.
#[derive(Clone, Debug, Default)]
pub struct Audits {
    /// Practices whose audit can be sealed, and held against its seals.
    pub tenants: BTreeSet<TenantName>,
    /// Those that were deleted, as two people agreed.
    pub deleted: BTreeSet<TenantName>,
    /// What is wrong with those that have seals and are neither.
    pub faults: Vec<String>,
}

impl Backup {
    /// Practices whose audit can be sealed: one of them, or all; and what is wrong with others that have seals.
    pub(crate) async fn audited(&self, client: &Client, only: Option<&TenantName>) -> Result<Audits, BackupError> {
        let tenants = concat!(
            "SELECT t.name FROM control.tenants t JOIN pg_namespace n ON n.nspname = t.name WHERE ",
            to_be_backed_up!()
        );
        let mut tenants = names(client, tenants).await?;
        if let Some(only) = only {
            tenants.retain(|tenant| tenant == only);
            if tenants.is_empty() {
                return Err(BackupError::NotFound(format!("there is no practice {only} that has an audit")));
            }
            return Ok(Audits { tenants, ..Audits::default() });
        }
        let deleted = "SELECT t.name FROM control.tenants t WHERE t.state = 'deleted'
                       AND EXISTS (SELECT FROM control.requests r WHERE r.tenant = t.name AND r.kind = 'deletion' AND r.state = 'done')";
        let deleted = names(client, deleted).await?;
        let sealed: Vec<TenantName> =
            self.store.folders(ALL).await?.iter().filter_map(|name| name.parse().ok()).collect();
        let unknown = sealed.iter().filter(|tenant| !tenants.contains(tenant) && !deleted.contains(tenant));
        let faults = unknown.map(|tenant| {
            format!("{tenant} has seals in the bucket and is no practice of the registry, nor was it deleted: find out who removed it")
        });
        let faults = faults.collect();
        Ok(Audits { tenants, deleted, faults })
    }

    /// Practices whose audit can be held against its seals: one of them, or all; and what is wrong with others that have seals.
    ///
    /// # Errors
    /// When the database or the store refuses, or there is no such practice.
    pub async fn audits(&self, only: Option<&TenantName>) -> Result<Audits, BackupError> {
        let work = async { self.audited(&connect(self).await?, only).await };
        Box::pin(self.unless_stopped(work)).await
    }

    /// Holds a practice's audit against its seals: whether each seal is signed by one of these keys and follows the one before it, and each
    /// row is what it was. `expected` is a head that was kept elsewhere; what was sealed after `until` is not looked at, as for a database that was
    /// restored as of then. Takes some 100 bytes of memory for each row.
    ///
    /// # Errors
    /// When the store or the database refuses. What does not hold is in the findings.
    pub async fn verify_audit(
        &self,
        tenant: &TenantName,
        keys: &[PublicKey],
        expected: Option<AuditHead>,
        until: Option<DateTime<Utc>>,
    ) -> Result<AuditFindings, BackupError> {
        let work = async {
            let mut client = connect(self).await?;
            clock::agrees_with_database(&client).await?;
            // The seals before the rows: what is sealed meanwhile is in the snapshot, what is written meanwhile in no seal.
            let mut chain = Chain::new(tenant, expected, until);
            self.read_chain(&mut chain, tenant, Some(keys), |_, _| Ok(())).await?;
            let transaction = begin(&mut client, tenant).await?;
            let mut judge = Judge::new(tenant, &chain, until.unwrap_or_else(Utc::now));
            rows(&transaction, tenant, |line| judge.row(line)).await?;
            Ok(judge.finish(true))
        };
        Box::pin(self.unless_stopped(work)).await
    }

    /// The numbers of a practice's seals, in their order; and those that somebody deleted or wrote over, where the bucket keeps versions: a
    /// lock does not keep a seal from being hidden behind a newer version or a delete marker, and the next from being made in its place.
    async fn seals(&self, tenant: &TenantName) -> Result<(Vec<u64>, BTreeSet<u64>), BackupError> {
        let folder = folder(tenant);
        let number_of = |key: &str| number(key.strip_prefix(&folder)?);
        let (objects, versions) = tokio::try_join!(self.store.list(&folder), self.store.versions(&folder))?;
        let numbers: BTreeSet<_> = objects.iter().filter_map(|object| number_of(&object.key)).collect();
        let mut versions_of: BTreeMap<u64, usize> = BTreeMap::new();
        for number in versions.iter().filter_map(|version| number_of(version.key())) {
            *versions_of.entry(number).or_default() += 1;
        }
        let disturbed = versions_of.iter().filter(|(number, count)| **count > 1 || !numbers.contains(number));
        let disturbed = disturbed.map(|(number, _)| *number).collect();
        Ok((numbers.into_iter().collect(), disturbed))
    }

    /// Reads all seals of a practice, and tells `also` each that is looked at.
    pub(crate) async fn read_chain(
        &self,
        chain: &mut Chain,
        tenant: &TenantName,
        keys: Option<&[PublicKey]>,
        mut also: impl FnMut(u64, &[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let (seals, disturbed) = self.seals(tenant).await?;
        disturbed.into_iter().for_each(|number| chain.disturbed(number));
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

async fn names(client: &Client, statement: &str) -> Result<BTreeSet<TenantName>, BackupError> {
    let rows = client.query(statement, &[]).await.map_err(BackupError::during("list the tenants"))?;
    let names = rows.iter().map(|row| TenantName::parse(row.get(0))).collect::<Result<_, _>>();
    names.map_err(|error| BackupError::Invalid(error.to_string()))
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
/// place is seen whole.
async fn begin<'c>(client: &'c mut Client, tenant: &TenantName) -> Result<Transaction<'c>, BackupError> {
    let during = || BackupError::during(format!("{tenant}: prepare reading its audit"));
    let begun = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let transaction = begun.await.map_err(during())?;
    let prepare = format!(
        "{}; SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
         LOCK TABLE ONLY {tenant}.audit IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0",
        proof::READ_ALIKE
    );
    transaction.batch_execute(&prepare).await.map_err(during())?;
    plain(&transaction, tenant).await?;
    Ok(transaction)
}

/// SQL of a row `a` of a practice's audit: what `to_jsonb` writes of it, by PostgreSQL's own function and no nearer one of the practice's
/// schema; null when it is larger than any of Labor's. Refused when the audit is no plain table of plain columns: rules, views and casts of
/// anybody's own answer what they like.
async fn plain(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<String, BackupError> {
    let look = "SELECT c.relkind = 'r' AND NOT c.relhasrules AND bool_and(a.atttypid < 16384),
                       string_agg(format('coalesce(pg_catalog.octet_length(a.%I), 0)', a.attname), ' + ') FILTER (WHERE a.attlen = -1)
                  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 WHERE c.oid = $1::text::pg_catalog.regclass GROUP BY c.oid, c.relkind, c.relhasrules";
    let row = transaction.query_one(look, &[&format!("{tenant}.audit")]).await;
    let row = row.map_err(BackupError::during(format!("{tenant}: look at its audit")))?;
    if !row.get::<_, bool>(0) {
        return Err(BackupError::Refused(format!(
            "{tenant}.audit is not a plain table: somebody put rules, a view or a type of their own in its place"
        )));
    }
    let size: Option<String> = row.get(1);
    Ok(format!(
        "CASE WHEN {} <= {LARGEST_ROW} THEN pg_catalog.to_jsonb(a)::pg_catalog.text END",
        size.unwrap_or_else(|| "0".to_owned())
    ))
}

fn too_large(tenant: &TenantName) -> BackupError {
    BackupError::Refused(format!(
        "{tenant}.audit has a row of more than {LARGEST_ROW} bytes, which Labor never writes: find it by the length of its columns, and who wrote it"
    ))
}

/// Every row of a practice's audit, as `to_jsonb` writes it.
pub(crate) async fn rows(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    mut take: impl FnMut(&str) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let during = || BackupError::during(format!("{tenant}: read its audit"));
    let statement = format!("SELECT {} FROM ONLY {tenant}.audit a", plain(transaction, tenant).await?);
    let mut rows = std::pin::pin!(transaction.query_raw(&statement, NOTHING).await.map_err(during())?);
    while let Some(row) = rows.try_next().await.map_err(during())? {
        take(row.get::<_, Option<&str>>(0).ok_or_else(|| too_large(tenant))?)?;
    }
    Ok(())
}
