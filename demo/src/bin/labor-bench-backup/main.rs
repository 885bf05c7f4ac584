//! `make bench-backup`: what backing up a fleet costs beside a loop of `pg_dump`, on a Postgres and an S3 server of its own. Prints
//! tables and writes its part of docs/benchmarks.md.
//! Exit codes: 0 measured; 1 something failed; 2 wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod measure;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use labor_demo::figures::Figures;
use labor_demo::machine::Machine;
use labor_demo::{Failure, sections};
use labor_testing::DataFolder;
use serde::Serialize;

use crate::stage::Stage;

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/backup.md"));

#[derive(Parser)]
#[command(name = "labor-bench-backup", version, about = "Measures backups of a fleet against pg_dump")]
struct Arguments {
    /// Sizes of the fleet, ascending.
    #[arg(long, default_values_t = [100, 1000, 5000], value_delimiter = ',', value_parser = clap::value_parser!(u32).range(40..=20_000))]
    tenants: Vec<u32>,
    /// At which of these sizes everything else is measured, beside pg_dump.
    #[arg(long, default_value_t = 1000)]
    fleet: u32,
    /// Tenants with real volume at that size.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    large: u32,
    /// Reports of each of those.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    reports: u32,
    /// Tenants that are dumped at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Print all figures as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the document is; without this, docs/benchmarks.md, and nowhere from a debug build.
    #[arg(long)]
    document: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    postgres: String,
    command: String,
    date: String,
    figures: Figures,
}

#[tokio::main]
async fn main() -> ExitCode {
    labor_demo::run::to_the_end("labor-bench-backup", run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.tenants.contains(&arguments.fleet) {
        return Err(format!("--fleet {} is none of --tenants", arguments.fleet).into());
    }
    let folder = DataFolder::claim_empty("bench-backup").await?;
    eprintln!("Data and logs: {}", folder.path().display());
    let machine = Machine::look(folder.path()).await?;
    if machine.busy() {
        eprintln!("Others use {:.0} % of the processors: trust the ratios only.", machine.busy_percent);
    }
    let began = Instant::now();
    let tell = |what: &str| eprintln!("{:6.0} s  {what}", began.elapsed().as_secs_f64());
    let stage = Stage::start(&folder, arguments.jobs).await?;
    let mut figures = Figures::default();
    for size in &arguments.tenants {
        stage.grow(*size).await?;
        tell(&format!("{size} tenants"));
        measure::growth(&stage, *size, &mut figures).await?;
        tell("all of them backed up");
        if *size == arguments.fleet {
            stage.fill_some(arguments.large, arguments.reports).await?;
            tell(&format!("{} of them have {} reports", arguments.large, arguments.reports));
            measure::fleet(&stage, *size, arguments.large, &mut figures).await?;
            measure::nightly(&stage, *size, &mut figures).await?;
            measure::one_large(&stage, &mut figures).await?;
            tell("the fleet, a night, and one tenant");
            stage.empty_again().await?;
        }
    }
    let command = format!(
        "labor-bench-backup --tenants {} --fleet {} --large {} --reports {} --jobs {}",
        arguments.tenants.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        arguments.fleet,
        arguments.large,
        arguments.reports,
        arguments.jobs
    );
    let (postgres, date) = (
        stage.text("SELECT split_part(current_setting('server_version'), ' ', 1)").await?,
        stage.text("SELECT current_date::text").await?,
    );
    stage.stop().await?;
    let report = Report { machine, postgres, command, date, figures };
    tell("done");
    finish(arguments, &report)
}

fn finish(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    let machine = report.machine.line(&report.postgres, cfg!(debug_assertions));
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("\n{machine}\n{}", report.figures.terminal());
    }
    if let Some(path) = arguments.document.clone().or_else(|| (!cfg!(debug_assertions)).then(sections::benchmarks)) {
        let (wishes, tables) = report.figures.markdown();
        let part = TEMPLATE
            .replace("{date}", &report.date)
            .replace("{machine}", &machine)
            .replace("{command}", &report.command)
            .replace("{fleet}", &arguments.fleet.to_string())
            .replace("{large}", &arguments.large.to_string())
            .replace("{reports}", &arguments.reports.to_string())
            .replace("{jobs}", &arguments.jobs.to_string())
            .replace("{wishes}", &wishes)
            .replace("{tables}", &tables);
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, sections::with_backup(&known, &part))?;
        eprintln!("Written: {}", path.display());
    }
    Ok(())
}
