//! `make bench-recovery`: how long it takes until what was lost is served again, and how much is lost, on servers of its own. Prints tables
//! and writes its part of docs/benchmarks.md.
//! Exit codes: 0 measured; 1 something failed; 2 wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod fleet;
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use labor_demo::figures::Figures;
use labor_demo::machine::Machine;
use labor_demo::{Failure, sections};
use labor_testing::DataFolder;
use serde::Serialize;

use crate::fleet::Fleet;

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/recovery.md"));

#[derive(Parser)]
#[command(name = "labor-bench-recovery", version, about = "Measures restores: one practice, and a lost server")]
struct Arguments {
    /// Practices on the server.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(3..=20_000))]
    tenants: u32,
    /// Practices with real volume among them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    large: u32,
    /// Reports of each of those.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    reports: u32,
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
    labor_demo::run::to_the_end("labor-bench-recovery", run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { tenants, large, reports, .. } = *arguments;
    if large + 1 > tenants {
        return Err("--large has to leave a practice without rows".into());
    }
    let folder = DataFolder::claim_empty("bench-recovery").await?;
    eprintln!("Data and logs: {}", folder.path().display());
    let machine = Machine::look(folder.path()).await?;
    if machine.busy() {
        eprintln!("Others use {:.0} % of the processors: these are no figures to plan with.", machine.busy_percent);
    }
    let began = Instant::now();
    let tell = |what: &str| eprintln!("{:6.0} s  {what}", began.elapsed().as_secs_f64());
    let fleet = Fleet::start(&folder, tenants, large, reports).await?;
    tell(&format!("{tenants} practices, {large} of them with {reports} reports"));
    let (postgres, date) = (
        fleet.text("SELECT split_part(current_setting('server_version'), ' ', 1)").await?,
        fleet.text("SELECT current_date::text").await?,
    );
    let mut figures = Figures::default();
    measure::night(&fleet, &mut figures).await?;
    tell("a night");
    measure::one(&fleet, measure::SMALL, &fleet.small, &mut figures).await?;
    measure::one(&fleet, measure::LARGE, &fleet.large, &mut figures).await?;
    tell("two practices restored");
    measure::server(fleet, tenants, &mut figures).await?;
    tell("a server restored");
    let command = format!("labor-bench-recovery --tenants {tenants} --large {large} --reports {reports}");
    finish(arguments, &Report { machine, postgres, command, date, figures })
}

fn finish(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    let machine = report.machine.line(&report.postgres, cfg!(debug_assertions));
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("\n{machine}\n{}", report.figures.terminal());
    }
    if let Some(path) = arguments.document.clone().or_else(|| (!cfg!(debug_assertions)).then(sections::benchmarks)) {
        let (_, tables) = report.figures.markdown();
        let part = TEMPLATE
            .replace("{date}", &report.date)
            .replace("{machine}", &machine)
            .replace("{command}", &report.command)
            .replace("{tenants}", &arguments.tenants.to_string())
            .replace("{large}", &arguments.large.to_string())
            .replace("{reports}", &arguments.reports.to_string())
            .replace("{tables}", &tables);
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, sections::with_recovery(&known, &part))?;
        eprintln!("Written: {}", path.display());
    }
    Ok(())
}
