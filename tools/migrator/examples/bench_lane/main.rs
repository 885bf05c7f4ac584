//! What `make bench-migrator` races against each other on a fleet, each as a process of its own: bare loops without any of Labor's care,
//! refinery's own runner, and the library's calls that take milliseconds. Times begin after connecting; the answer is one line of JSON.
//! Must stay true: it is no product and is installed nowhere; a bare loop sends the same SQL files as the product.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what labor-bench-migrator reads")]

mod bare;
mod births;
mod engine;
mod library;
mod race;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use labor_migrator::files::Sources;
use labor_migrator::{Migrator, bootstrap};
use serde_json::Value;
use tokio_postgres::{Client, Config};

use crate::bare::Beside;

#[derive(Parser)]
struct Arguments {
    #[arg(long, env = "LABOR_MIGRATOR_URL", hide_env_values = true)]
    database_url: String,
    #[arg(long, env = "LABOR_MASTER_SECRET_FILE")]
    master_secret_file: PathBuf,
    /// Folder with the SQL files.
    #[arg(long)]
    db: PathBuf,
    #[command(subcommand)]
    lane: Lane,
}

#[derive(Subcommand)]
enum Lane {
    /// The newest migration on every tenant by a bare loop: one transaction and one round trip per tenant.
    Floor {
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// The same, and what is written of each tenant: history, stamp, ledger, outcome.
    Records {
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// The newest migration with Labor's proof before COMMIT.
    Proof {
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// The same by refinery's own runner.
    Refinery {
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// SQL from standard input on every tenant, a transaction each.
    Each {
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// Connecting alone, `up` with nothing to do, `status`.
    Idle {
        #[arg(long)]
        count: usize,
    },
    /// Fingerprints of the whole fleet.
    Drift {
        #[arg(long)]
        count: usize,
    },
    /// Practices by Labor.
    Births {
        #[arg(long)]
        count: usize,
    },
    /// Practices by the bare DDL: the same SQL without registration, proof and records.
    BareBirths {
        #[arg(long)]
        count: usize,
    },
}

/// Anything that goes wrong ends the lane with its message.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What every lane has.
struct Ground {
    migrator: Migrator,
    config: Config,
}

impl Ground {
    async fn connect(&self) -> Result<Client, Failure> {
        Ok(labor_connect::connect(&self.config).await?)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench_lane: {error}");
            let mut source = error.source();
            while let Some(inner) = source {
                eprintln!("  because: {inner}");
                source = inner.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Value, Failure> {
    let secret = bootstrap::read_master_secrets(&arguments.master_secret_file)?;
    let migrator = Migrator::with_sources(&arguments.database_url, secret, &Sources::folder(&arguments.db)?)?;
    let ground = Ground { migrator, config: labor_connect::parse(&arguments.database_url, "bench_lane")? };
    match arguments.lane {
        Lane::Floor { workers } => bare::newest(&ground, workers, Beside::Nothing).await,
        Lane::Records { workers } => bare::newest(&ground, workers, Beside::Records).await,
        Lane::Proof { workers } => bare::newest(&ground, workers, Beside::Proof).await,
        Lane::Each { workers } => bare::each(&ground, workers, &std::io::read_to_string(std::io::stdin())?).await,
        Lane::Refinery { workers } => engine::refinery(&ground, workers).await,
        Lane::Idle { count } => library::idle(&ground, count).await,
        Lane::Drift { count } => library::drift(&ground, count).await,
        Lane::Births { count } => births::labor(&ground, count).await,
        Lane::BareBirths { count } => {
            births::bare(&ground, bootstrap::read_master_secrets(&arguments.master_secret_file)?.newest_secret(), count)
                .await
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
