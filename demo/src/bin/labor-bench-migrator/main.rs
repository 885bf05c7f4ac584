//! `make bench-migrator`: what the fleet migrator costs over the statements alone, and beside refinery and django-tenants, on a Postgres of
//! its own with durable commits. Prints tables and writes its part of docs/benchmarks.md.
//! Exit codes: 0 measured; 1 something failed; 2 wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod children;
mod column;
mod django;
mod document;
mod files;
mod findings;
mod quick;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use labor_demo::machine::Machine;
use labor_demo::{Failure, sections};
use labor_testing::DataFolder;
use serde::Serialize;

use crate::findings::{Findings, Scenario};
use crate::stage::Stage;

/// The smallest fleet that is measured.
const SMALL: u64 = 100;

#[derive(Parser)]
#[command(name = "labor-bench-migrator", version, about = "Measures the fleet migrator against the statements alone")]
struct Arguments {
    /// Size of the fleet that everything is measured on.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(2..=20_000))]
    tenants: u64,
    /// Size of the fleet that shows what grows; not larger than the other one: none.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(0..=20_000))]
    large: u64,
    /// How often the column is added each way.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    runs: u16,
    /// Leave out django-tenants, which needs Python and a package index.
    #[arg(long)]
    skip_django: bool,
    /// Only this: idle, birth, drift, column, django.
    #[arg(long, value_parser = ["idle", "birth", "drift", "column", "django"])]
    only: Option<String>,
    /// Print all figures as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the document is; without this, docs/benchmarks.md, and nowhere from a debug build or with --only.
    #[arg(long)]
    document: Option<PathBuf>,
}

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) debug_build: bool,
    pub(crate) machine: Machine,
    pub(crate) postgres: String,
    pub(crate) settings: String,
    pub(crate) versions: Vec<String>,
    pub(crate) runs: u16,
    pub(crate) findings: Findings,
}

#[tokio::main]
async fn main() -> ExitCode {
    labor_demo::run::to_the_end("labor-bench-migrator", run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = DataFolder::claim_empty("bench-migrator").await?;
    eprintln!("Data and logs: {}", folder.path().display());
    let machine = Machine::look(folder.path()).await?;
    if machine.busy() {
        eprintln!("Others use {:.0} % of the processors: trust the ratios only.", machine.busy_percent);
    }
    let mut stage = Stage::build(&folder).await?;
    let (mut findings, mut versions) = (Findings::default(), vec![format!("refinery {REFINERY}")]);
    let began = Instant::now();
    let mut sizes = vec![SMALL.min(arguments.tenants), arguments.tenants];
    sizes.extend((arguments.large > arguments.tenants).then_some(arguments.large));
    sizes.dedup();
    for size in sizes {
        stage = stage.grow(size).await?;
        tell(began, &format!("{size} tenants"));
        on_fleet(arguments, &stage, began, &mut findings, &mut versions).await?;
    }
    let report = report(arguments, &stage, machine, versions, findings).await?;
    stage.postgres.stop().await?;
    // Gigabytes that nobody needs; the logs stay.
    std::fs::remove_dir_all(folder.join("postgres").join("data"))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", document::terminal(&report));
    }
    let quiet = cfg!(debug_assertions) || arguments.only.is_some();
    if let Some(path) = arguments.document.clone().or_else(|| (!quiet).then(sections::benchmarks)) {
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, sections::with_migrator(&known, &document::markdown(&report)))?;
        eprintln!("Written: {}", path.display());
    }
    Ok(())
}

/// The version in Cargo.lock is kept to this one by Cargo.toml.
const REFINERY: &str = "0.10";

async fn on_fleet(
    arguments: &Arguments,
    stage: &Stage,
    began: Instant,
    findings: &mut Findings,
    versions: &mut Vec<String>,
) -> Result<(), Failure> {
    let wanted = |scenario: Scenario| arguments.only.as_deref().is_none_or(|only| only == scenario.name());
    let large = stage.tenants > arguments.tenants;
    let runs = if large { 1 } else { usize::from(arguments.runs) };
    if wanted(Scenario::Idle) {
        quick::idle(stage, findings).await?;
        tell(began, "nothing to do");
    }
    if wanted(Scenario::Birth) {
        quick::births(stage, findings).await?;
        tell(began, "new practices");
    }
    if wanted(Scenario::Drift) {
        quick::drift(stage, usize::from(arguments.runs), findings).await?;
        tell(began, "fingerprints");
    }
    let mut seconds = Vec::new();
    if wanted(Scenario::Column) {
        seconds = column::race(stage, runs, large, findings).await?;
        tell(began, "a column and an index");
    }
    if wanted(Scenario::Django) && !arguments.skip_django && stage.tenants == arguments.tenants {
        match django::race(stage, &seconds, findings).await {
            Ok(version) => versions.extend(version),
            Err(error) => findings.remarks.push(format!("django-tenants was left out: {error}")),
        }
        tell(began, "django-tenants");
    }
    Ok(())
}

async fn report(
    arguments: &Arguments,
    stage: &Stage,
    machine: Machine,
    versions: Vec<String>,
    findings: Findings,
) -> Result<Report, Failure> {
    let Arguments { tenants, large, runs, .. } = *arguments;
    let mut command = format!("labor-bench-migrator --tenants {tenants} --large {large} --runs {runs}");
    if arguments.skip_django {
        command += " --skip-django";
    }
    let settings = "SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
                     WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'autovacuum')";
    Ok(Report {
        date: stage.text("SELECT to_char(now(), 'YYYY-MM-DD')").await?,
        command,
        debug_build: cfg!(debug_assertions),
        machine,
        postgres: stage.text("SELECT split_part(current_setting('server_version'), ' ', 1)").await?,
        settings: stage.text(settings).await?,
        versions,
        runs,
        findings,
    })
}

fn tell(began: Instant, what: &str) {
    eprintln!("{:6.0} s  {what}", began.elapsed().as_secs_f64());
}
