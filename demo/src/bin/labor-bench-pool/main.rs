//! `make bench-pool`: what reading one row costs through Labor's sessions and pools, with many tenants and few connections, on a
//! Postgres of its own. Prints tables and writes its part of docs/benchmarks.md.
//! Exit codes: 0 measured; 1 something failed; 2 wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod document;
mod fair;
mod findings;
mod fleet;
mod law;
mod load;
mod memory;
mod read;
mod recovery;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use labor_demo::machine::Machine;
use labor_demo::{Failure, sections};
use labor_testing::DataFolder;
use serde::Serialize;

use crate::findings::{Findings, Topic};
use crate::stage::Stage;

#[derive(Parser)]
#[command(name = "labor-bench-pool", version, about = "Measures Labor's sessions and pools against bare connections")]
struct Arguments {
    /// Size of the fleet.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    tenants: u32,
    /// Length of one measurement in whole seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// How often each is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Connections to the one tenant whose row is read.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=50))]
    connections: u16,
    /// Only this: read, trip, memory, throughput, fairness, recovery.
    #[arg(long, value_parser = ["read", "trip", "memory", "throughput", "fairness", "recovery"])]
    only: Option<String>,
    /// Print all figures as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the document is; without this, docs/benchmarks.md, and nowhere from a debug build or with --only.
    #[arg(long)]
    document: Option<PathBuf>,
}

/// How long and how often.
pub(crate) struct Plan {
    pub(crate) length: Duration,
    pub(crate) rounds: u16,
    pub(crate) connections: u16,
}

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) debug_build: bool,
    pub(crate) machine: Machine,
    pub(crate) postgres: String,
    pub(crate) tenants: u32,
    pub(crate) seconds: u16,
    pub(crate) rounds: u16,
    pub(crate) connections: u16,
    pub(crate) findings: Findings,
}

#[tokio::main]
async fn main() -> ExitCode {
    labor_demo::run::to_the_end("labor-bench-pool", run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = DataFolder::claim_empty("bench-pool").await?;
    eprintln!("Data and logs: {}", folder.path().display());
    let machine = Machine::look(folder.path()).await?;
    if machine.busy() {
        eprintln!("Others use {:.0} % of the processors: trust the ratios only.", machine.busy_percent);
    }
    let began = Instant::now();
    let stage = Stage::build(&folder, arguments.tenants).await?;
    tell(began, &format!("{} tenants", arguments.tenants));
    let findings = measured(arguments, &stage, &folder, began).await?;
    let report = report(arguments, &stage, machine, findings).await?;
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
        std::fs::write(&path, sections::with_pool(&known, &document::markdown(&report)))?;
        eprintln!("Written: {}", path.display());
    }
    Ok(())
}

async fn measured(
    arguments: &Arguments,
    stage: &Stage,
    folder: &DataFolder,
    began: Instant,
) -> Result<Findings, Failure> {
    let Arguments { seconds, rounds, connections, .. } = *arguments;
    let plan = Plan { length: Duration::from_secs(seconds.into()), rounds, connections };
    let mut findings = Findings::default();
    for topic in Topic::ALL {
        if arguments.only.as_deref().is_some_and(|only| only != topic.name()) {
            continue;
        }
        match topic {
            Topic::Read => read::rates(stage, folder, &plan, &mut findings).await?,
            Topic::Trip => read::trips(stage, &plan, &mut findings).await?,
            Topic::Memory => fleet::memory(stage, &mut findings).await?,
            Topic::Throughput => fleet::throughput(stage, &plan, &mut findings).await?,
            Topic::Fairness => fair::measure(stage, &plan, &mut findings).await?,
            Topic::Recovery => recovery::measure(stage, &mut findings).await?,
        }
        tell(began, topic.title());
    }
    Ok(findings)
}

async fn report(arguments: &Arguments, stage: &Stage, machine: Machine, findings: Findings) -> Result<Report, Failure> {
    let Arguments { tenants, seconds, rounds, connections, .. } = *arguments;
    Ok(Report {
        date: stage.text("SELECT to_char(now(), 'YYYY-MM-DD')").await?,
        command: format!(
            "labor-bench-pool --tenants {tenants} --seconds {seconds} --rounds {rounds} --connections {connections}"
        ),
        debug_build: cfg!(debug_assertions),
        machine,
        postgres: stage.text("SELECT split_part(current_setting('server_version'), ' ', 1)").await?,
        tenants,
        seconds,
        rounds,
        connections,
        findings,
    })
}

fn tell(began: Instant, what: &str) {
    eprintln!("{:6.0} s  {what}", began.elapsed().as_secs_f64());
}
