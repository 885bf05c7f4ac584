//! `up`: the control schema first, then every tenant that is not at the target, wave by wave, several at a time.
//! Must stay true: nothing is begun before the files were compared with what was applied and tried on an empty schema; running it again
//! goes on where it stopped; nothing to do costs a few queries, and memory does not grow with the number of tenants.
use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use crate::ahead::Further;
use crate::chain::Target;
use crate::fleet_run::FleetRun;
use crate::isolation::Finding;
use crate::lint;
use crate::queue::Selection;
use crate::reference::Reference;
use crate::step::{Task, Way};
use crate::undo::{self, LeftOut};
use crate::waves::{Tolerance, Wave, Waves};
use crate::{Cause, Migrator, MigratorError, ahead, direction, generation, locking, recorded, run, superseded};

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Version to bring tenants to; `None`: the newest.
    pub to: Option<i32>,
    /// Only these; empty: all.
    pub tenants: Vec<TenantName>,
    /// These before all others.
    pub first: Vec<TenantName>,
    /// A few first, then more.
    pub waves: Waves,
    /// Rest between two waves.
    pub pause_between: Duration,
    /// Apply the row rules again, also where nothing else is to be done.
    pub rules: bool,
    /// Apply row rules and guard also when later ones are there.
    pub older_rules: bool,
    /// How many tenants at a time.
    pub workers: usize,
    /// How many may fail before the run stops.
    pub max_failures: Tolerance,
    /// How long readers and writers of a tenant may have to wait behind a lock that is itself waited for.
    pub lock_timeout: Duration,
    /// How often a tenant is tried again when a lock or the connection was not to be had.
    pub retries: u32,
    /// Run files that no tenant has yet although the linter finds errors in them.
    pub allow_lint_errors: bool,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            to: None,
            tenants: Vec::new(),
            first: Vec::new(),
            waves: Waves::default(),
            pause_between: Duration::ZERO,
            rules: false,
            older_rules: false,
            workers: 4,
            max_failures: Tolerance::Count(3),
            lock_timeout: Duration::from_millis(500),
            retries: 5,
            allow_lint_errors: false,
        }
    }
}

/// What became of one tenant.
#[derive(Debug, Clone, Serialize)]
pub struct TenantReport {
    /// Which.
    pub tenant: TenantName,
    /// What people type at sign-in; a spare has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// How long it took, in milliseconds, waits included.
    pub milliseconds: u128,
    /// How often it was tried.
    pub attempts: i32,
    /// `migrated`, `undone`, `current`, `passed by`, `stopped` (begun, and left where it was because the run was), `busy` or `failed`.
    pub outcome: &'static str,
    /// Why it failed, was passed by or stopped.
    pub error: Option<String>,
    /// The same for machines.
    #[serde(flatten)]
    pub cause: Option<Cause>,
}

/// What became of a run.
#[derive(Debug, Clone, Serialize)]
pub struct UpReport {
    /// Version that was wanted.
    pub version: i32,
    /// Id of the run in `history`; `None`: there was nothing to do.
    pub run: Option<Uuid>,
    /// Tenants that reached the version.
    pub migrated: u64,
    /// Tenants that did not, because something failed or another migrator was at work on them.
    pub failed: u64,
    /// Tenants that were not tried.
    pub left: u64,
    /// Tenants of those selected that are held back, and are not where they should be.
    pub held: u64,
    /// Those of them that were selected by name.
    pub held_tenants: Vec<LeftOut>,
    /// Tenants of those selected that are after the version: they were left there.
    pub ahead: u64,
    /// Some of them.
    pub ahead_tenants: Vec<Further>,
    /// Version that new tenants are born at, if it is after the version and all tenants were meant.
    pub born_at: Option<i32>,
    /// Why the run stopped early.
    pub stopped: Option<String>,
    /// Duration of the whole in milliseconds.
    pub milliseconds: u128,
}

impl UpReport {
    /// Of a run that has done nothing yet.
    pub(crate) fn begin(version: i32) -> Self {
        Self {
            version,
            run: None,
            migrated: 0,
            failed: 0,
            left: 0,
            held: 0,
            held_tenants: Vec::new(),
            ahead: 0,
            ahead_tenants: Vec::new(),
            born_at: None,
            stopped: None,
            milliseconds: 0,
        }
    }

    /// Who is held. Who was selected by name shall not be passed by unnoticed.
    pub(crate) fn leave_out(&mut self, only: Option<&[String]>, held: Vec<LeftOut>) {
        self.held = u64::try_from(held.len()).unwrap_or_default();
        if only.is_some() {
            self.held_tenants = held;
        }
    }

    /// Whether every tenant that is not held, or was selected by name, is where it should be, and who is born will be.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.held_tenants.is_empty() && self.failed == 0 && self.left == 0 && self.ahead == 0 && self.born_at.is_none()
    }
}

/// What `progress` hears.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The server leaves something open, and somebody agreed to it.
    LeftOpen(&'a [Finding]),
    /// So many tenants will be migrated.
    Started(u64),
    /// A wave begins.
    Wave(&'a Wave),
    /// One tenant is done.
    Tenant(&'a TenantReport),
}

/// Asks a run to end: tenants that were begun are finished, no other is begun.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Option<String>>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Stop {
    /// The first reason stays.
    pub fn because(&self, reason: impl Into<String>) {
        self.0.send_if_modified(|known| known.is_none() && known.replace(reason.into()).is_none());
    }

    /// Why, if it was asked for.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    pub(crate) async fn asked(&self) {
        // The sender is ours, so this ends only when a reason is there.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

impl Migrator {
    /// Brings the control schema and all tenants to a version.
    ///
    /// # Errors
    /// When the database can't be reached, the control schema fails, the files don't fit what was applied, or they fail on an empty
    /// schema; a failing tenant is told to `progress` and counted instead.
    pub async fn up(
        &self,
        options: &UpOptions,
        stop: &Stop,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<UpReport, MigratorError> {
        let started = Instant::now();
        let mut client = self.connect().await?;
        let left_open = self.left_open(&client).await?;
        if !left_open.is_empty() {
            progress(Progress::LeftOpen(&left_open));
        }
        // Before anything is changed: the guard is everybody's.
        direction::take(&client, Way::Up, self.chain()).await?;
        if !options.older_rules {
            superseded::refuse_rules(&client, self.chain()).await?;
        }
        self.migrate_control(&mut client, options.older_rules).await?;
        let applied = recorded::compare(&client, self.chain()).await?;
        let target = options.to.map_or_else(|| Ok(self.chain().newest()), |version| self.chain().at(version))?;
        let selection = selected(&client, options, &target).await?;
        let (mut total, ..) = selection.count(&client).await?;
        self.forget_mended(&client, &target, selection.only.as_deref()).await?;
        let mut report = UpReport::begin(target.version);
        report.leave_out(selection.only.as_deref(), undo::held(&client, &selection).await?);
        (report.ahead, report.ahead_tenants) = ahead::of(&client, target.version, selection.only.as_deref()).await?;
        if selection.only.is_none() {
            report.born_at = Some(generation::of(&client).await?).filter(|version| *version > target.version);
        }
        if total == 0 {
            recorded::keep(&client, self.chain(), &target).await?;
            if selection.only.is_none() {
                generation::raise(&mut client, target.version).await?;
                // Who was born at the old version since the count was taken is registered only now that the generation is raised.
                (total, ..) = selection.count(&client).await?;
            }
        }
        if total == 0 {
            report.milliseconds = started.elapsed().as_millis();
            return Ok(report);
        }
        if !options.allow_lint_errors {
            lint::refuse_errors(self.chain().migrations(), self.chain().rules(), applied, target.version)?;
        }
        progress(Progress::Started(total));
        let task = self.begin_up(&client, options, target, total).await?;
        let run = FleetRun::new(self, client, options, stop, task, selection, total);
        run.finish(&mut report, &mut progress).await?;
        report.milliseconds = started.elapsed().as_millis();
        Ok(report)
    }

    /// Whether `up` would be let: nobody goes the other way or by other files, and row rules and guard that are there are not later than
    /// this program's. For whoever shuts a practice that `up` has to bring back.
    ///
    /// # Errors
    /// [`MigratorError::Opposed`], [`MigratorError::Superseded`], or when the database can't be asked.
    pub async fn may_go_up(&self) -> Result<(), MigratorError> {
        let client = self.connect().await?;
        superseded::refuse_rules(&client, self.chain()).await?;
        superseded::refuse_guard(&client).await?;
        direction::take(&client, Way::Up, self.chain()).await
    }

    /// Tries the files on an empty schema, keeps them, and records that a run begins.
    async fn begin_up(
        &self,
        client: &tokio_postgres::Client,
        options: &UpOptions,
        target: Target,
        total: u64,
    ) -> Result<Task, MigratorError> {
        locking::warn_of_deadlocks(client, options.lock_timeout).await?;
        let mut connection = self.connection().await?;
        let chain = self.chain().clone();
        // From the beginning: one that is released, adopted or restored during the run may be at any version.
        let passed = chain.segments(0, target.version).iter().map(|segment| segment.to).collect::<Vec<_>>();
        let reference = Reference::build(self, &mut connection, &chain, &passed).await?;
        recorded::record(client, &chain, target.version).await?;
        // Somebody else's text may stand there, which was not to be overwritten: what is run is what is recorded.
        recorded::require(client, &chain, target.version).await?;
        if options.older_rules {
            superseded::forget_later_rules(client, &chain).await?;
        }
        superseded::note_rules(client, &chain).await?;
        let arguments = json!({
            "waves": options.waves, "max_failures": options.max_failures, "workers": options.workers,
            "tenants": options.tenants, "rules": options.rules, "older_rules": options.older_rules, "retries": options.retries, "tenants_pending": total,
            "rules_checksum": chain.rules_checksum(),
        });
        let run_id = run::begin(client, "up", Some(target.version), &arguments).await?;
        let (lock_timeout, rules_again) = (options.lock_timeout, options.rules);
        Ok(Task { chain, way: Way::Up, target, reference, run_id, lock_timeout, rules_again })
    }
}

/// The tenants that are meant.
async fn selected(
    client: &tokio_postgres::Client,
    options: &UpOptions,
    target: &Target,
) -> Result<Selection, MigratorError> {
    let names = |list: &[TenantName]| list.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let mut selection = Selection {
        way: Way::Up,
        task: Uuid::nil(),
        checksum: target.checksum.clone(),
        version: target.version,
        settled_too: options.rules,
        only: (!options.tenants.is_empty()).then(|| names(&options.tenants)),
        first: names(&options.first),
        unwritten: Vec::new(),
    };
    known(client, &[names(&options.tenants), names(&options.first)].concat()).await?;
    selection.choose_first(client).await?;
    Ok(selection)
}

/// A name that was typed wrong is no tenant that is up to date.
pub(crate) async fn known(client: &tokio_postgres::Client, names: &[String]) -> Result<(), MigratorError> {
    if names.is_empty() {
        return Ok(());
    }
    let row = client
        .query_opt(
            "SELECT n FROM unnest($1::text[]) AS n
              WHERE NOT EXISTS (SELECT FROM control.tenants t WHERE t.name = n AND t.state <> 'deleted') LIMIT 1",
            &[&names],
        )
        .await
        .map_err(MigratorError::during("look up the tenants"))?;
    row.map_or(Ok(()), |row| Err(MigratorError::UnknownTenant(row.get(0))))
}
