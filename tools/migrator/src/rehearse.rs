//! `rehearse`: the pending migrations of each class of tenants, run on a clone that is taken away again.
//! Must stay true: no tenant is touched; nothing is committed, on the clone either, before the files were tried on an empty schema in a
//! transaction that was rolled back; a clone is in no table of the control schema, is told by its comment, and is dropped whatever
//! happens: by this run, or, when that was killed, by the next one. Rows reach it only through one stream within the database server.
use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::Config;

use crate::chain::Target;
use crate::connection::{Connection, begin, keep_first};
use crate::isolation::Finding;
use crate::locks::LockMode;
use crate::reference::Reference;
use crate::{Migrator, MigratorError, lint, recorded, schema};

mod clone;
mod copy;
mod observe;
mod perform;

pub use observe::Held;

/// Nobody else knows the clone.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// What is to be rehearsed.
#[derive(Clone)]
pub struct RehearseOptions {
    /// Version to rehearse; `None`: the newest.
    pub to: Option<i32>,
    /// Only the class of this tenant; its rows with `backup`.
    pub tenant: Option<TenantName>,
    /// The login labor_backup: fills the clones with rows.
    pub backup: Option<Config>,
    /// Rehearse files that no tenant has yet although the linter finds errors in them.
    pub allow_lint_errors: bool,
}

/// The login that reads the rows.
///
/// # Errors
/// When the URL can't be read or names another login.
pub fn backup_login(url: &str) -> Result<Config, MigratorError> {
    let config = labor_connect::parse(url, "labor-migrator rehearse")?;
    if config.get_user() == Some("labor_backup") {
        return Ok(config);
    }
    Err(MigratorError::Invalid(
        "--backup-url (LABOR_BACKUP_URL) has to name the login labor_backup: it reads every row and writes none"
            .to_owned(),
    ))
}

/// What a statement did.
#[derive(Debug, Clone, Serialize)]
pub struct StatementReport {
    /// File and line.
    pub place: String,
    /// Its beginning.
    pub sql: String,
    /// How long it took; of a backfill all batches together.
    pub milliseconds: u128,
    /// Locks that were new with it; `None`: it ran outside of a transaction, where they can't be looked at.
    pub locks: Option<Vec<Held>>,
    /// Tables that were written anew.
    pub rewritten: Vec<String>,
    /// Where the server did something else than was foretold; empty is right.
    pub unforetold: Vec<String>,
}

/// What became of a class.
#[derive(Debug, Clone, Serialize)]
pub struct Rehearsal {
    /// Version of its tenants.
    pub version: i32,
    /// First digits of the fingerprint of its tenants.
    pub class: String,
    /// How many tenants it stands for; held ones don't count.
    pub tenants: i64,
    /// Whose rows were copied.
    pub rows_of: Option<TenantName>,
    /// Rows that were copied.
    pub rows: u64,
    /// Whether the clone, before anything was run, was as the tenants are by the ledger.
    pub faithful: bool,
    /// What was run, in order.
    pub statements: Vec<StatementReport>,
    /// How long the row rules took, where they were applied.
    pub rules_milliseconds: Option<u128>,
    /// What the isolation check found.
    pub findings: Vec<Finding>,
    /// First digits of the fingerprint afterwards.
    pub fingerprint: String,
    /// Why it failed.
    pub error: Option<String>,
    /// Duration of the migrations.
    pub milliseconds: u128,
}

impl Rehearsal {
    /// Whether the tenants of the class can be migrated. `up` refuses those that are not what the files make.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.faithful && self.error.is_none() && self.findings.is_empty()
    }
}

/// A class that is to be rehearsed.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) version: i32,
    pub(crate) fingerprint: String,
    pub(crate) stale: bool,
    pub(crate) tenants: i64,
    /// The tenant with most pages.
    pub(crate) largest: TenantName,
}

impl Migrator {
    /// Rehearses every class, or that of one tenant; `done` hears of each.
    ///
    /// # Errors
    /// When the database can't be asked, the files are such that `up` would refuse them, or a clone can't be made or taken away. A
    /// migration that fails on the clone is in the report.
    pub async fn rehearse(
        &self,
        options: &RehearseOptions,
        mut done: impl FnMut(&Rehearsal),
    ) -> Result<Vec<Rehearsal>, MigratorError> {
        let mut connection = self.connection().await?;
        self.require_control(&connection.client).await?;
        clone::drop_leftovers(&mut connection).await?;
        let applied = recorded::compare(&connection.client, self.chain()).await?;
        let target = crate::plan::target(self.chain(), options.to)?;
        let subjects = clone::subjects(&connection, self.chain(), &target, options.tenant.as_ref()).await?;
        if !subjects.is_empty() {
            self.try_first(&mut connection, options, applied, &target).await?;
        }
        let mut reports = Vec::new();
        for subject in subjects {
            let tenant = clone::create(self, &mut connection, &subject.largest).await?;
            let result = self.on_clone(&mut connection, options, &subject, &tenant, target.version).await;
            // A connection that broke has left its locks: the clone is taken away over a new one.
            if connection.client.is_closed() {
                connection = self.connection().await?;
            }
            // Told first: what was found may be the very reason why the clone can't be taken away.
            if let Ok(report) = &result {
                done(report);
            }
            let dropped = clone::drop_one(&mut connection, &tenant).await;
            reports.push(keep_first(&tenant, result, dropped)?);
        }
        Ok(reports)
    }

    /// What `up` refuses before it touches a tenant is refused here, in its words, before a clone is made: what runs on one is
    /// committed, and would stay if it reached out of the clone.
    async fn try_first(
        &self,
        connection: &mut Connection,
        options: &RehearseOptions,
        applied: i32,
        target: &Target,
    ) -> Result<(), MigratorError> {
        let chain = self.chain();
        if !options.allow_lint_errors {
            lint::refuse_errors(chain.migrations(), chain.rules(), applied, target.version)?;
        }
        let passed: Vec<i32> = chain.segments(0, target.version).iter().map(|segment| segment.to).collect();
        Reference::build(self, connection, chain, &passed).await?;
        Ok(())
    }

    async fn on_clone(
        &self,
        connection: &mut Connection,
        options: &RehearseOptions,
        subject: &Subject,
        tenant: &TenantName,
        to: i32,
    ) -> Result<Rehearsal, MigratorError> {
        let mut report = Rehearsal {
            version: subject.version,
            class: subject.fingerprint.chars().take(12).collect(),
            tenants: subject.tenants,
            rows_of: None,
            rows: 0,
            faithful: true,
            statements: Vec::new(),
            rules_milliseconds: None,
            findings: Vec::new(),
            fingerprint: String::new(),
            error: None,
            milliseconds: 0,
        };
        self.furnish(connection, options, subject, tenant, &mut report).await?;
        let started = Instant::now();
        let result = perform::run(self, connection, subject, tenant, to, &mut report).await;
        report.milliseconds = started.elapsed().as_millis();
        match result {
            Err(error) if connection.client.is_closed() => return Err(error),
            Err(error) => report.error = Some(error.to_string()),
            Ok(()) => {}
        }
        Ok(report)
    }

    /// The schema of the class's version, rows if wanted, then the row rules: once they are there the owner can't write either.
    async fn furnish(
        &self,
        connection: &mut Connection,
        options: &RehearseOptions,
        subject: &Subject,
        tenant: &TenantName,
        report: &mut Rehearsal,
    ) -> Result<(), MigratorError> {
        let chain = self.chain();
        let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
        // While rows are read elsewhere it idles, and locks nothing but the clone.
        let patient = transaction.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0").await;
        patient.map_err(MigratorError::during("begin the clone"))?;
        schema::enter(&transaction, tenant).await?;
        schema::build(&transaction, chain, 0, subject.version).await?;
        if let Some(backup) = &options.backup {
            report.rows_of = Some(subject.largest.clone());
            report.rows = copy::fill(&transaction, backup, &subject.largest, tenant).await?;
        }
        schema::rule(&transaction, chain, tenant).await?;
        schema::leave(&transaction).await?;
        let fingerprint = connection.proof.fingerprint(&transaction, tenant).await?.unwrap_or_default();
        // Rules of an earlier release aren't at hand: then it can't be told by the fingerprint.
        report.faithful = subject.stale || fingerprint == subject.fingerprint;
        transaction.commit().await.map_err(MigratorError::during("furnish the clone"))?;
        if options.backup.is_some() {
            let analyze = format!(
                "SET ROLE labor_owner; SET search_path = {tenant}; ANALYZE; SET search_path = pg_catalog; RESET ROLE"
            );
            connection.client.batch_execute(&analyze).await.map_err(MigratorError::during("analyze the clone"))?;
        }
        Ok(())
    }
}

/// The strongest of each table.
pub(crate) fn strongest(effects: &[crate::locks::Effect]) -> std::collections::BTreeMap<&str, LockMode> {
    let mut tables = std::collections::BTreeMap::new();
    for effect in effects {
        let mode = tables.entry(effect.table.as_str()).or_insert(effect.mode);
        *mode = mode.with(effect.mode);
    }
    tables
}
