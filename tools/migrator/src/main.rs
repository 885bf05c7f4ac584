//! The `labor-migrator` program: reads the command line, calls the library, prints for people or machines.
//! Must stay true: the exit code alone tells a script what happened (docs/migrator.md has the list).

mod arguments;
mod checking;
mod interrupt;
mod on_files;
mod output;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use arguments::{Arguments, Command, PlanArguments, RehearseArguments, RotateCommand, UndoArguments, UpArguments};
use clap::Parser as _;
use labor_catalog::logs::may_log;
use labor_migrator::bootstrap::{self, ServiceUrls};
use labor_migrator::files::Sources;
use labor_migrator::history::OutcomeFilter;
use labor_migrator::named::{Slugs, named};
use labor_migrator::plan::PlanOptions;
use labor_migrator::provision::{Kind, NewTenant};
use labor_migrator::rehearse::{self, Rehearsal, RehearseOptions};
use labor_migrator::status::Listing;
use labor_migrator::steer::Suspended;
use labor_migrator::undo::UndoOptions;
use labor_migrator::up::{Stop, UpOptions};
use labor_migrator::{Migrator, MigratorError, TenantName};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use uuid::Uuid;

/// As clap says it: the command line lacks something, or what it may take from the environment.
const USAGE: u8 = 2;
/// Some tenants failed, are behind, or were not tried.
const INCOMPLETE: u8 = 3;
/// The isolation check found something.
const FINDINGS: u8 = 4;
/// Schemas, ledger and files do not agree.
const DRIFT: u8 = 5;
/// The linter found an error.
const LINT: u8 = 6;
/// As a shell says it of SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    start_log();
    let arguments = Arguments::parse();
    let json = arguments.json;
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            output::failed(json, &error);
            exit_code(&error)
        }
    }
}

/// What a script learns of an error: nothing was tried, or something failed.
fn exit_code(error: &MigratorError) -> ExitCode {
    ExitCode::from(match error {
        MigratorError::Opposed { .. }
        | MigratorError::Older { .. }
        | MigratorError::Superseded { .. }
        | MigratorError::NotYet { .. } => INCOMPLETE,
        MigratorError::Isolation(_)
        | MigratorError::Weak(_)
        | MigratorError::Unhardened(_)
        | MigratorError::Unsound { .. } => FINDINGS,
        MigratorError::Edited { .. } | MigratorError::Drift { .. } => DRIFT,
        MigratorError::Lint(_) | MigratorError::Unrunnable(_) => LINT,
        MigratorError::Missing(_) => USAGE,
        _ => 1,
    })
}

/// RUST_LOG says how much, but never that drivers write what they send: [`may_log`] has the last word.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let never =
        filter_fn(|record| may_log(record.target(), *record.level() > Level::INFO, *record.level() <= Level::WARN));
    tracing_subscriber::registry()
        .with(fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()))
        .with(filter)
        .with(never)
        .init();
}

async fn run(arguments: Arguments) -> Result<ExitCode, MigratorError> {
    let json = arguments.json;
    let sources = arguments.db.as_deref().map_or_else(|| Ok(Sources::embedded()), Sources::folder)?;
    if let Some(code) = on_files::run(json, arguments.db.as_deref(), &sources, &arguments.command)? {
        return Ok(code);
    }
    let url = arguments.database_url.clone().ok_or(MigratorError::Missing("--database-url or LABOR_MIGRATOR_URL"))?;
    if let Command::Bootstrap { admin_url, control_url, backup_url } = &arguments.command {
        let urls = ServiceUrls { migrator: &url, control: control_url, backup: backup_url };
        let prepared = bootstrap::bootstrap(admin_url, &urls, arguments.weaker()).await?;
        output::check::bootstrapped(json, &prepared);
        return Ok(ExitCode::SUCCESS);
    }
    let secret = arguments
        .master_secret_file
        .as_deref()
        .ok_or(MigratorError::Missing("--master-secret-file or LABOR_MASTER_SECRET_FILE"))?;
    let migrator = Migrator::with_sources(&url, bootstrap::read_master_secrets(secret)?, &sources)?;
    let migrator = migrator.accepting(arguments.weaker());
    on_fleet(json, &migrator, arguments.command).await
}

async fn on_fleet(json: bool, migrator: &Migrator, command: Command) -> Result<ExitCode, MigratorError> {
    match command {
        // Done before there was a migrator.
        Command::Bootstrap { .. } | Command::Lint { .. } | Command::New(_) => Ok(ExitCode::SUCCESS),
        Command::Up(arguments) => up(json, migrator, arguments).await,
        Command::Undo(arguments) => undo(json, migrator, arguments).await,
        Command::Status { all } => status(json, migrator, all).await,
        Command::Provision { slug, name, bsnrs, intake } => {
            let kind = if intake { Kind::Intake } else { Kind::Practice };
            let made = migrator.provision(&NewTenant { slug, display_name: name, kind, bsnrs }).await?;
            let text = format!("{} is {} at version {}", made.slug, made.tenant, made.version);
            output::say(json, &serde_json::json!(made), &text);
            Ok(ExitCode::SUCCESS)
        }
        Command::Baseline { schema, slug, name, bsnrs, version } => {
            let wanted = NewTenant { slug, display_name: name, kind: Kind::Practice, bsnrs };
            output::baseline::adopted(json, &migrator.baseline(&schema, &wanted, version).await?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Pool { keep } => {
            output::pool::pool(json, migrator, keep).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Identify { tenant, bsnrs } => {
            let tenant = migrator.identify(&tenant, &bsnrs).await?;
            let slug = Slugs::new(migrator).of(&tenant).await;
            let text = format!("{} is addressed by {}", named(tenant.as_str(), slug.as_deref()), bsnrs.join(", "));
            output::say(json, &serde_json::json!({ "tenant": tenant, "slug": slug, "bsnrs": bsnrs }), &text);
            Ok(ExitCode::SUCCESS)
        }
        Command::Delete { request } => {
            let certificate = migrator.delete(request, |step| output::aside(format_args!("{step}"))).await?;
            output::line(format_args!("{certificate:#}"));
            Ok(ExitCode::SUCCESS)
        }
        Command::History { run, tenant, failed, limit } => {
            history(json, migrator, run, tenant, failed, limit.map(i64::from)).await
        }
        Command::Hold { .. }
        | Command::Release { .. }
        | Command::Suspend { .. }
        | Command::Resume { .. }
        | Command::ServeDespite { .. }
        | Command::Rename { .. } => steer(json, migrator, command).await,
        Command::Drift { tenants, diff } => drift(json, migrator, &tenants, diff).await,
        Command::Plan(arguments) => plan(json, migrator, arguments).await,
        Command::Rehearse(arguments) => rehearse(json, migrator, arguments).await,
        Command::Check(arguments) => checking::check(json, migrator, arguments).await,
        Command::Rotate { command } => rotate(json, migrator, &command).await,
        Command::Verify { tenants } => verify(json, migrator, &tenants).await,
    }
}

async fn up(json: bool, migrator: &Migrator, arguments: UpArguments) -> Result<ExitCode, MigratorError> {
    let options = UpOptions {
        to: arguments.to,
        tenants: resolve(migrator, &arguments.run.tenants).await?,
        first: resolve(migrator, &arguments.first).await?,
        waves: arguments.wave,
        pause_between: arguments.pause_between,
        rules: arguments.rules,
        older_rules: arguments.older_rules,
        workers: usize::from(arguments.run.workers),
        max_failures: arguments.run.max_failures,
        lock_timeout: arguments.run.lock_timeout,
        retries: arguments.run.retries,
        allow_lint_errors: arguments.allow_lint_errors,
    };
    let stop = Stop::default();
    let report = tokio::select! {
        report = output::up(json, migrator, &options, &stop) => report?,
        // Tenants that were begun are rolled back by the server, which misses us.
        () = interrupt::twice(json, &stop) => return Ok(ExitCode::from(INTERRUPTED)),
    };
    Ok(if report.complete() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

async fn undo(json: bool, migrator: &Migrator, arguments: UndoArguments) -> Result<ExitCode, MigratorError> {
    let options = UndoOptions {
        to: arguments.to,
        tenants: resolve(migrator, &arguments.run.tenants).await?,
        workers: usize::from(arguments.run.workers),
        max_failures: arguments.run.max_failures,
        lock_timeout: arguments.run.lock_timeout,
        retries: arguments.run.retries,
    };
    let plan = migrator.undo_plan(&options).await?;
    output::undo::plan(json, &plan);
    if !output::undo::agreed(json, arguments.yes, &plan)? {
        output::aside(format_args!("labor-migrator: nothing was changed"));
        return Ok(ExitCode::from(INCOMPLETE));
    }
    let stop = Stop::default();
    let report = tokio::select! {
        report = output::undo::undo(json, migrator, &options, &stop) => report?,
        () = interrupt::twice(json, &stop) => return Ok(ExitCode::from(INTERRUPTED)),
    };
    Ok(if report.complete() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

async fn history(
    json: bool,
    migrator: &Migrator,
    run: Option<Uuid>,
    tenant: Option<String>,
    failed: bool,
    limit: Option<i64>,
) -> Result<ExitCode, MigratorError> {
    let limit = limit.or((!json && run.is_none()).then_some(output::ROWS));
    if run.is_none() && tenant.is_none() && !failed {
        output::history::runs(json, &migrator.runs(limit).await?);
        return Ok(ExitCode::SUCCESS);
    }
    let tenant = match tenant {
        Some(name) => Some(migrator.resolve(&name).await?),
        None => None,
    };
    output::history::outcomes(json, &migrator.outcomes(&OutcomeFilter { run, tenant, failed }, limit).await?);
    Ok(ExitCode::SUCCESS)
}

/// A decision about one tenant.
async fn steer(json: bool, migrator: &Migrator, command: Command) -> Result<ExitCode, MigratorError> {
    let (tenant, done) = match command {
        Command::Hold { tenant, reason } => {
            let tenant = migrator.resolve(&tenant).await?;
            migrator.hold(&tenant, &reason).await?;
            (tenant, "held: migrations pass it by")
        }
        Command::Release { tenant } => {
            let tenant = migrator.resolve(&tenant).await?;
            migrator.release(&tenant).await?;
            (tenant, "released: the next up takes it along")
        }
        Command::Suspend { tenant, reason } => {
            let tenant = migrator.resolve(&tenant).await?;
            let done = match migrator.suspend(&tenant, &reason).await? {
                Suspended::Now => "suspended: nobody is served",
                Suspended::Already => {
                    "suspended already: nobody is served, who was still connected is out, and the reason given then stays"
                }
            };
            (tenant, done)
        }
        Command::Resume { tenant } => {
            let tenant = migrator.resolve(&tenant).await?;
            migrator.resume(&tenant).await?;
            (tenant, "open again")
        }
        Command::ServeDespite { tenant, reason } => {
            let tenant = migrator.resolve(&tenant).await?;
            migrator.serve_despite(&tenant, &reason).await?;
            (tenant, "served, until something else is found")
        }
        Command::Rename { tenant, name } => {
            let tenant = migrator.resolve(&tenant).await?;
            migrator.rename(&tenant, &name).await?;
            (tenant, "renamed")
        }
        _ => return Err(MigratorError::Invalid("this command is about no single tenant".to_owned())),
    };
    let slug = Slugs::new(migrator).of(&tenant).await;
    let text = format!("{} is {done}", named(tenant.as_str(), slug.as_deref()));
    output::say(json, &serde_json::json!({ "tenant": tenant, "slug": slug, "done": done }), &text);
    Ok(ExitCode::SUCCESS)
}

async fn rotate(json: bool, migrator: &Migrator, command: &RotateCommand) -> Result<ExitCode, MigratorError> {
    match command {
        RotateCommand::ClaimKey => output::rotate::claim_key(json, migrator).await?,
        RotateCommand::Master => output::rotate::master(json, migrator).await?,
        RotateCommand::Finish { now } => output::rotate::finish(json, migrator, *now).await?,
        RotateCommand::Status => output::rotate::status(json, migrator).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn resolve(migrator: &Migrator, names: &[String]) -> Result<Vec<TenantName>, MigratorError> {
    let mut tenants = Vec::new();
    for name in names {
        tenants.push(migrator.resolve(name).await?);
    }
    Ok(tenants)
}

async fn status(json: bool, migrator: &Migrator, all: bool) -> Result<ExitCode, MigratorError> {
    let status =
        migrator.status(if all { Listing::All } else { Listing::Unsettled((!json).then_some(output::ROWS)) }).await?;
    output::check::left_open(json, &status.left_open);
    output::status(json, &status);
    Ok(if status.behind() + status.ahead() + status.failed() + status.shut() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INCOMPLETE)
    })
}

async fn drift(json: bool, migrator: &Migrator, names: &[String], diff: bool) -> Result<ExitCode, MigratorError> {
    let tenants = resolve(migrator, names).await?;
    let count = migrator.drift(&tenants, diff, |drift| output::drift(json, drift)).await?;
    if count == 0 && !json {
        output::line(format_args!("every schema is as the migrator left it"));
    }
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::from(DRIFT) })
}

async fn plan(json: bool, migrator: &Migrator, arguments: PlanArguments) -> Result<ExitCode, MigratorError> {
    let tenants = resolve(migrator, &arguments.tenants).await?;
    let workers = usize::from(arguments.workers);
    let plan = migrator.plan(&PlanOptions { to: arguments.to, tenants, workers }).await?;
    output::plan::plan(json, &plan);
    Ok(on_files::exit_code(&plan.findings))
}

async fn rehearse(json: bool, migrator: &Migrator, arguments: RehearseArguments) -> Result<ExitCode, MigratorError> {
    let tenant = match &arguments.tenant {
        Some(name) => Some(migrator.resolve(name).await?),
        None => None,
    };
    let backup = match (arguments.data, arguments.backup_url.as_deref().filter(|url| !url.is_empty())) {
        (false, _) => None,
        (true, Some(url)) => Some(rehearse::backup_login(url)?),
        (true, None) => {
            let what = "--backup-url or LABOR_BACKUP_URL, with which --data reads the rows,";
            return Err(MigratorError::Missing(what));
        }
    };
    let options = RehearseOptions { to: arguments.to, tenant, backup, allow_lint_errors: arguments.allow_lint_errors };
    let reports = migrator.rehearse(&options, |report| output::rehearse::rehearsal(json, report)).await?;
    if reports.is_empty() && !json {
        output::line(format_args!("nothing to rehearse: no tenant is behind that is not held"));
    }
    Ok(if reports.iter().all(Rehearsal::passed) {
        ExitCode::SUCCESS
    } else if reports.iter().any(|report| !report.findings.is_empty()) {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::FAILURE
    })
}

async fn verify(json: bool, migrator: &Migrator, names: &[String]) -> Result<ExitCode, MigratorError> {
    let tenants = resolve(migrator, names).await?;
    let verified = migrator.verify(&tenants, |row| output::verify::row(json, row)).await?;
    output::verify::end(json, &verified);
    Ok(match (verified.findings, verified.busy + verified.behind + verified.failed) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(INCOMPLETE),
        _ => ExitCode::from(DRIFT),
    })
}
