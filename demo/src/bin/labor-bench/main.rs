//! `make bench`: what Labor's API costs over the database alone, on a Postgres of its own with durable commits.
//! Prints tables and writes docs/benchmarks.md. Exit codes: 0 measured; 1 something failed; 2 wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod document;
mod figures;
mod measure;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use labor_demo::machine::Machine;
use labor_demo::{psql, sections};
use labor_testing::DataFolder;
use serde::Serialize;

use crate::figures::Case;
use crate::measure::Plan;
use crate::stage::Stage;

#[derive(Parser)]
#[command(name = "labor-bench", version, about = "Measures Labor's API against the database alone")]
struct Arguments {
    /// Length of one measurement in whole seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// How often each is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// HTTP connections, and as many of pgbench.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=50))]
    connections: u16,
    /// Print all figures as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the document goes; without this, docs/benchmarks.md, and nowhere from a debug build.
    #[arg(long)]
    document: Option<PathBuf>,
}

pub(crate) use labor_demo::Failure;

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) debug_build: bool,
    pub(crate) machine: Machine,
    pub(crate) postgres: String,
    pub(crate) seconds: u16,
    pub(crate) rounds: u16,
    pub(crate) connections: u16,
    pub(crate) values: usize,
    pub(crate) message_bytes: usize,
    pub(crate) cases: Vec<Case>,
}

#[tokio::main]
async fn main() -> ExitCode {
    labor_demo::run::to_the_end("labor-bench", run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = DataFolder::claim_empty("bench").await?;
    eprintln!("Data and logs: {}", folder.path().display());
    let stage = Stage::build(&folder, arguments.connections).await?;
    let machine = Machine::look(folder.path()).await?;
    if machine.busy() {
        eprintln!("Others use {:.0} % of the processors: the figures will be too low.", machine.busy_percent);
    }
    let report = measured(arguments, &stage, &folder, machine).await?;
    stage.stop().await?;
    // Several hundred megabytes that nobody needs; the logs stay.
    std::fs::remove_dir_all(folder.join("postgres"))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", document::terminal(&report));
    }
    if let Some(path) = document_path(arguments) {
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, sections::with_api(&known, &document::markdown(&report)))?;
        eprintln!("Written: {}", path.display());
    }
    Ok(())
}

async fn measured(
    arguments: &Arguments,
    stage: &Stage,
    folder: &DataFolder,
    machine: Machine,
) -> Result<Report, Failure> {
    let Arguments { seconds, rounds, connections, .. } = *arguments;
    let plan = Plan { length: Duration::from_secs(seconds.into()), rounds, connections };
    let about = "SELECT to_char(now(), 'YYYY-MM-DD'), split_part(current_setting('server_version'), ' ', 1)";
    let about = psql::ask(&stage.postgres, &stage.practice.superuser, about).await?;
    let (date, postgres) = about.split_once('|').ok_or("Postgres does not say its version")?;
    Ok(Report {
        date: date.to_owned(),
        command: format!("labor-bench --seconds {seconds} --rounds {rounds} --connections {connections}"),
        debug_build: cfg!(debug_assertions),
        machine,
        postgres: postgres.to_owned(),
        seconds,
        rounds,
        connections,
        values: stage.values,
        message_bytes: stage.messages.next().len(),
        cases: measure::measure(stage, folder, &plan).await?,
    })
}

fn document_path(arguments: &Arguments) -> Option<PathBuf> {
    if arguments.document.is_some() || cfg!(debug_assertions) {
        return arguments.document.clone();
    }
    Some(sections::benchmarks())
}
