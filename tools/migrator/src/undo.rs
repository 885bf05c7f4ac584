//! `undo`: takes expand migrations back with the `.undo.sql` beside them, while no tenant has gone past a contract one.
//! Must stay true: nothing is begun before every undo was found, compared and tried on an empty schema; each tenant goes back in its own
//! transaction, and commits only as exactly what the files make at that version; running it again goes on where it stopped.
mod losses;

use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::begun::REACHED;
use crate::chain::{Chain, Target};
use crate::fleet_run::FleetRun;
use crate::migration::{Kind, Migration, Phase};
use crate::named::{SLUG, named};
use crate::queue::Selection;
use crate::reference::Reference;
use crate::step::{Task, Way};
use crate::up::{self, Progress, Stop, UpOptions, UpReport};
use crate::waves::Tolerance;
pub use losses::Loss;

use crate::{
    Migrator, MigratorError, direction, generation, locking, parse_name, recorded, run, statements, superseded,
};

/// How tenants are taken back.
#[derive(Debug, Clone)]
pub struct UndoOptions {
    /// Version to take tenants back to.
    pub to: i32,
    /// Only these; empty: all, and new ones are then born at that version.
    pub tenants: Vec<TenantName>,
    /// How many tenants at a time.
    pub workers: usize,
    /// How many may fail before the run stops.
    pub max_failures: Tolerance,
    /// How long readers and writers of a tenant may have to wait behind a lock that is itself waited for.
    pub lock_timeout: Duration,
    /// How often a tenant is tried again when a lock or the connection was not to be had.
    pub retries: u32,
}

/// A tenant that somebody holds, which is therefore not taken back.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// Which.
    pub tenant: TenantName,
    /// What people type at sign-in; a spare has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// Who holds it.
    pub by: Option<String>,
    /// Why it is held.
    pub reason: String,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", named(self.tenant.as_str(), self.slug.as_deref()))?;
        self.by.iter().try_for_each(|by| write!(f, " by {by}"))?;
        write!(f, ": {}", self.reason)
    }
}

/// What an undo is going to do.
#[derive(Debug, Clone, Serialize)]
pub struct UndoPlan {
    /// Version that tenants are taken back to.
    pub version: i32,
    /// Highest version that one of them is at.
    pub from: i32,
    /// How many tenants are after it.
    pub tenants: u64,
    /// Files that take them back, in this order.
    pub files: Vec<String>,
    /// What these files take away for good.
    pub losses: Vec<Loss>,
    /// Those of them that take a backfill back: not in batches, but with the rest of the practice's transaction.
    pub at_once: Vec<String>,
    /// Last version of the files: `up` would bring the tenants there again.
    pub newest: i32,
    /// Tenants after it that are held.
    pub held: Vec<LeftOut>,
}

impl Migrator {
    /// What an undo would do. Changes nothing.
    ///
    /// # Errors
    /// When it can't be done: an undo is missing, a tenant is at or past a contract migration, the files are not those that were applied.
    pub async fn undo_plan(&self, options: &UndoOptions) -> Result<UndoPlan, MigratorError> {
        let client = self.connect().await?;
        Ok(self.judge_undo(&client, options).await?.0)
    }

    async fn judge_undo(
        &self,
        client: &Client,
        options: &UndoOptions,
    ) -> Result<(UndoPlan, Target, Selection), MigratorError> {
        self.require_control(client).await?;
        recorded::compare(client, self.chain()).await?;
        superseded::refuse_rules(client, self.chain()).await?;
        let target = self.chain().at(options.to)?;
        let names: Vec<String> = options.tenants.iter().map(|name| name.as_str().to_owned()).collect();
        up::known(client, &names).await?;
        let selection = Selection {
            way: Way::Back,
            task: Uuid::nil(),
            checksum: target.checksum.clone(),
            settled_too: false,
            version: target.version,
            only: (!names.is_empty()).then_some(names),
            first: Vec::new(),
            unwritten: Vec::new(),
        };
        let (tenants, _, from) = selection.count(client).await?;
        let mut plan = UndoPlan {
            version: target.version,
            from,
            tenants,
            files: Vec::new(),
            losses: Vec::new(),
            at_once: Vec::new(),
            newest: self.chain().newest().version,
            held: held(client, &selection).await?,
        };
        if tenants > 0 {
            refuse_contract(client, self.chain(), target.version).await?;
            undo_files(self.chain(), &mut plan)?;
        }
        Ok((plan, target, selection))
    }

    /// Takes tenants back to a version.
    ///
    /// # Errors
    /// As [`Migrator::undo_plan`], and when an undo does not make, on an empty schema, what the files make at the version; a failing
    /// tenant is told to `progress` and counted instead.
    pub async fn undo(
        &self,
        options: &UndoOptions,
        stop: &Stop,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<UpReport, MigratorError> {
        let started = Instant::now();
        let mut client = self.connect().await?;
        direction::take(&client, Way::Back, self.chain()).await?;
        let (plan, target, selection) = self.judge_undo(&client, options).await?;
        let reference = if plan.tenants == 0 { Reference::default() } else { self.try_undos(&plan).await? };
        if options.tenants.is_empty() {
            // First: nobody is born after the version while the others go back to it.
            generation::lower(&mut client, target.version).await?;
        }
        let (total, ..) = selection.count(&client).await?;
        let mut report = UpReport::begin(target.version);
        report.leave_out(selection.only.as_deref(), plan.held.clone());
        if total > 0 {
            locking::warn_of_deadlocks(&client, options.lock_timeout).await?;
            progress(Progress::Started(total));
            let arguments = json!({
                "tenants": options.tenants, "workers": options.workers, "max_failures": options.max_failures,
                "retries": options.retries, "files": plan.files, "tenants_pending": total,
                "rules_checksum": self.chain().rules_checksum(),
            });
            let run_id = run::begin(&client, "undo", Some(target.version), &arguments).await?;
            let lock_timeout = options.lock_timeout;
            let task = Task {
                chain: self.chain().clone(),
                way: Way::Back,
                target,
                reference,
                run_id,
                lock_timeout,
                rules_again: false,
            };
            let options = options.of_run();
            let run = FleetRun::new(self, client, &options, stop, task, selection, total);
            run.finish(&mut report, &mut progress).await?;
        }
        report.milliseconds = started.elapsed().as_millis();
        Ok(report)
    }

    /// Tries the undos on an empty schema: what they leave must be what the files make. Gives the versions that tenants pass.
    async fn try_undos(&self, plan: &UndoPlan) -> Result<Reference, MigratorError> {
        let mut connection = self.connection().await?;
        let chain = self.chain();
        let lines = Reference::rehearse_back(self, &mut connection, chain, plan.from, plan.version).await?;
        if !lines.is_empty() {
            return Err(MigratorError::Invalid(format!(
                "what {} leave(s) on an empty schema is not version {} (- what the files make, + what is left); no tenant was touched. Correct \
                 the undo:\n  {}",
                plan.files.join(" and "),
                plan.version,
                lines.join("\n  ")
            )));
        }
        let mut passed: Vec<i32> = chain.segments_back(plan.from, plan.version).iter().map(|part| part.to).collect();
        passed.reverse();
        Reference::build(self, &mut connection, chain, &passed).await
    }
}

impl UndoOptions {
    fn of_run(&self) -> UpOptions {
        UpOptions {
            tenants: self.tenants.clone(),
            workers: self.workers,
            max_failures: self.max_failures,
            lock_timeout: self.lock_timeout,
            retries: self.retries,
            ..UpOptions::default()
        }
    }
}

/// The previous release runs against every tenant: one that has contracted, even if it is not to be taken back, would fail under it. A
/// backfill that is under way counts as begun.
async fn refuse_contract(client: &Client, chain: &Chain, to: i32) -> Result<(), MigratorError> {
    for migration in chain.between(to, i32::MAX).filter(|migration| migration.phase == Phase::Contract) {
        let row = client
            .query_one(
                &format!(
                    "SELECT count(*) FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                      WHERE t.state <> 'deleted' AND {REACHED} >= $1"
                ),
                &[&migration.version],
            )
            .await
            .map_err(MigratorError::during("look for tenants that have contracted"))?;
        let count: i64 = row.get(0);
        if count > 0 {
            return Err(MigratorError::Invalid(format!(
                "{count} tenant(s) are at or past {}, which is a contract: what the previous release needs was taken away there, so going \
                 back to version {to} would not make it work. Nothing was changed; go forward with a new migration instead",
                migration.file_name()
            )));
        }
    }
    Ok(())
}

fn undo_files(chain: &Chain, plan: &mut UndoPlan) -> Result<(), MigratorError> {
    let migrations: Vec<_> = chain.between(plan.version, plan.from).collect();
    for migration in migrations.into_iter().rev() {
        if migration.undo.is_none() {
            return Err(MigratorError::Invalid(format!(
                "{} is missing, so {} can't be taken back; nothing was changed. Write it beside the migration; where nothing is to be done, \
                 as after most backfills, it holds a comment that says why",
                migration.undo_file_name(),
                migration.file_name()
            )));
        }
        let statements = migration.undo_statements()?;
        if matches!(migration.kind, Kind::Backfill { .. }) && !statements.is_empty() {
            plan.at_once.push(migration.undo_file_name());
        }
        plan.files.push(migration.undo_file_name());
        plan.losses.extend(losses::of(migration)?);
    }
    Ok(())
}

/// Who is held of those that would be migrated.
pub(crate) async fn held(client: &Client, selection: &Selection) -> Result<Vec<LeftOut>, MigratorError> {
    let would = match selection.way {
        Way::Up => format!("{REACHED} <= $1"),
        Way::Back => format!("{REACHED} > $1"),
    };
    let rows = client
        .query(
            &format!(
                "SELECT l.tenant, coalesce(l.held_reason, ''), {SLUG}, l.held_by FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                  WHERE l.held_at IS NOT NULL AND {would} AND (l.chain_checksum <> $3 OR $4) AND t.state <> 'deleted' AND ($2::text[] IS NULL OR l.tenant = ANY ($2))
                  ORDER BY l.tenant"
            ),
            &[&selection.version, &selection.only, &selection.checksum, &selection.settled_too],
        )
        .await
        .map_err(MigratorError::during("list the held tenants"))?;
    rows.iter()
        .map(|row| {
            Ok(LeftOut { tenant: parse_name(row.get(0))?, slug: row.get(2), by: row.get(3), reason: row.get(1) })
        })
        .collect()
}

/// Inside a schema that was entered: what ran in a transaction is taken back, the last first, and the history forgets all of it.
pub(crate) async fn take_back(
    transaction: &Transaction<'_>,
    chain: &Chain,
    from: i32,
    to: i32,
) -> Result<(), MigratorError> {
    for (place, sql) in undos(chain, from, to)? {
        transaction.batch_execute(&sql).await.map_err(MigratorError::during(place))?;
    }
    transaction
        .execute("DELETE FROM refinery_schema_history WHERE version > $1", &[&to])
        .await
        .map_err(MigratorError::during("take the history back"))?;
    Ok(())
}

/// The statements that take versions back inside of a transaction, each with its file and line.
///
/// # Errors
/// When a file is not SQL.
pub(crate) fn undos(chain: &Chain, from: i32, to: i32) -> Result<Vec<(String, String)>, MigratorError> {
    let mut undos = Vec::new();
    let migrations: Vec<_> = chain.between(to, from).filter(|migration| migration.kind != Kind::Concurrent).collect();
    for migration in migrations.into_iter().rev() {
        let backfill = matches!(migration.kind, Kind::Backfill { .. });
        for statement in migration.undo_statements()? {
            // Row rules bind even the owner: data is changed by the role that they don't bind.
            let sql = if backfill {
                format!("SET LOCAL ROLE labor_backfill; {}; SET LOCAL ROLE labor_owner", statement.sql)
            } else {
                statement.sql
            };
            undos.push((format!("{}:{}", migration.undo_file_name(), statement.line), sql));
        }
    }
    Ok(undos)
}

/// What is taken back outside of a transaction elsewhere, inside of one where nobody else is.
pub(crate) async fn take_back_new(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), MigratorError> {
    for statement in migration.undo_statements()? {
        let refused = |source| MigratorError::Statement {
            whose: "a new schema".to_owned(),
            file: migration.undo_file_name(),
            line: Some(statement.line),
            source,
        };
        transaction.batch_execute(&statements::for_new_tenant(&statement)).await.map_err(refused)?;
    }
    Ok(())
}
