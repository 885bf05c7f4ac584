//! The `labor` program: API and pages, worker, and an operator's commands.
//! Exit codes: 0 done; 1 failed; 2 wrong command line.
#![expect(clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labor::admin::{self, QuarantineCommand, SourceCommand, UserCommand};
use labor::compliance::{self, HoldCommand, OperatorCommand, RequestCommand};
use labor::hardening::Watch;
use labor::queue::{self, QueueCommand};
use labor::reparse::{self, ReparseArguments};
use labor::settings::{DatabaseSettings, MetricsSettings, ServeSettings, ServerSettings, WorkSettings};
use labor::{App, metrics, serve, worker};
use labor_catalog::logs::may_log;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Parser)]
#[command(name = "labor", version, about = "API, pages, webhook and workers of Labor")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve API, pages and webhook.
    Serve {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(flatten)]
        server: ServerSettings,
        #[command(flatten)]
        serve: ServeSettings,
        #[command(flatten)]
        metrics: MetricsSettings,
    },
    /// Work on received messages.
    Work {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(flatten)]
        server: ServerSettings,
        #[command(flatten)]
        work: WorkSettings,
        #[command(flatten)]
        metrics: MetricsSettings,
    },
    /// Laboratories that may post.
    Source {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Users of a practice.
    User {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Messages that were set aside, and what was tolerated in others.
    Quarantine {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: QuarantineCommand,
    },
    /// The queue of messages and its dead letters.
    Queue {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Read a practice's messages again, as after an upgrade of a reader: what would change; with --apply, change it.
    Reparse {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(flatten)]
        arguments: ReparseArguments,
    },
    /// Operators, who request and approve.
    Operator {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// Exports and deletions of a tenant: ask, approve, list. labor-backup and labor-migrator carry them out.
    Request {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: RequestCommand,
    },
    /// Legal holds: while one stands, the tenant can't be deleted.
    Hold {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(subcommand)]
        command: HoldCommand,
    },
    /// Print the API's description.
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    start_log();
    match Box::pin(run(Arguments::parse().command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            eprintln!("labor: {text}");
            ExitCode::from(1)
        }
    }
}

/// JSON lines for machines, plain lines on a terminal; RUST_LOG says how much, but never that drivers write what they send.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let never =
        filter_fn(|record| may_log(record.target(), *record.level() > Level::INFO, *record.level() <= Level::WARN));
    // A log that can't be written (its disk is full) must not end the request that wanted to write it.
    let lines = fmt::layer().log_internal_errors(false).with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    if std::io::stderr().is_terminal() {
        registry.with(lines).with(filter).with(never).init();
    } else {
        registry.with(lines.json().flatten_event(true).with_span_list(false)).with(filter).with(never).init();
    }
}

async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    let answer: Value = match command {
        Command::Serve { database, server, serve, metrics } => {
            let app = App::new(&database, database.secrets()?, Some(&serve))?;
            let watch = Watch::begin(&app.control, server.accept_weaker_isolation.is_some()).await?;
            let _listening = metrics::listen(metrics.metrics_listen, &app).await?;
            return tokio::select! {
                served = serve::serve(app, &serve) => Ok(served?),
                refused = watch.refused() => Err(refused.into()),
            };
        }
        Command::Work { database, server, work, metrics } => {
            let app = open(&database)?;
            let watch = Watch::begin(&app.control, server.accept_weaker_isolation.is_some()).await?;
            let _listening = metrics::listen(metrics.metrics_listen, &app).await?;
            let stop = CancellationToken::new();
            let stopping = stop.clone();
            tokio::spawn(async move {
                serve::asked_to_stop().await;
                stopping.cancel();
            });
            return tokio::select! {
                () = worker::work(app, &work, stop) => Ok(()),
                refused = watch.refused() => Err(refused.into()),
            };
        }
        Command::Source { database, command } => admin::source(&open(&database)?, &command).await?,
        Command::User { database, command } => admin::user(&open(&database)?, &command).await?,
        Command::Quarantine { database, command } => admin::quarantine(&open(&database)?, &command).await?,
        Command::Queue { database, command } => queue::run(&open(&database)?, &command).await?,
        Command::Reparse { database, arguments } => {
            return Ok(reparse::run(&open(&database)?, &arguments).await?);
        }
        Command::Operator { database, command } => compliance::operator(&open(&database)?, &command).await?,
        Command::Request { database, command } => compliance::request(&open(&database)?, &command).await?,
        Command::Hold { database, command } => compliance::hold(&open(&database)?, &command).await?,
        Command::Openapi => serde_json::to_value(labor::openapi())?,
    };
    // Whoever reads may have seen enough, as `head` does.
    match writeln!(std::io::stdout(), "{answer:#}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn open(database: &DatabaseSettings) -> Result<App, Box<dyn Error>> {
    Ok(App::new(database, database.secrets()?, None)?)
}
