//! The `labor-migrator` program: reads the command line, calls the library, prints for people or machines.
//! Exit codes: 0 done; 1 failed; 2 wrong command line; 3 some tenants failed or are behind; 4 the isolation check found something.

mod output;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labor_migrator::bootstrap::{self, ServiceUrls};
use labor_migrator::provision::{Kind, NewTenant};
use labor_migrator::{Migrator, MigratorError, TenantName};
use uuid::Uuid;

#[derive(Parser)]
#[command(name = "labor-migrator", version, about = "Migrates, provisions and checks every tenant's schema")]
struct Arguments {
    /// URL of the login labor_migrator.
    #[arg(long, env = "LABOR_MIGRATOR_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// File with the master secret (64 hexadecimal digits).
    #[arg(long, env = "LABOR_MASTER_SECRET_FILE", global = true)]
    master_secret_file: Option<PathBuf>,
    /// Print JSON for machines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prepare a database once, as a superuser: roles, hardening, passwords of the service logins.
    Bootstrap {
        /// URL of a superuser.
        #[arg(long, env = "LABOR_ADMIN_URL", hide_env_values = true)]
        admin_url: String,
        /// URL of the login labor_control, for its password.
        #[arg(long, env = "LABOR_CONTROL_URL", hide_env_values = true)]
        control_url: String,
        /// URL of the login labor_backup, for its password.
        #[arg(long, env = "LABOR_BACKUP_URL", hide_env_values = true)]
        backup_url: String,
    },
    /// Bring the control schema and all tenants to the newest version. Running it again continues where it stopped.
    Up {
        /// How many tenants at a time.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
        workers: u16,
    },
    /// Where every tenant stands.
    Status,
    /// Create a tenant.
    Provision {
        /// What people type at sign-in: lower-case letters, digits, hyphens.
        slug: String,
        /// Name of the practice as shown.
        #[arg(long)]
        name: String,
        /// (N)BSNR, nine digits; may be repeated.
        #[arg(long = "bsnr")]
        bsnrs: Vec<String>,
        /// The one tenant that holds messages nobody could be found for.
        #[arg(long, conflicts_with = "bsnrs")]
        intake: bool,
    },
    /// Register a (N)BSNR of an existing practice.
    Identify {
        /// Sign-in name of the practice.
        slug: String,
        /// (N)BSNR, nine digits; may be repeated.
        #[arg(long = "bsnr", required = true)]
        bsnrs: Vec<String>,
    },
    /// Carry out an approved deletion of one tenant; prints the certificate. Running it again continues or repeats the certificate.
    Delete {
        /// Id of the request (`labor request list`).
        #[arg(long)]
        request: Uuid,
    },
    /// Isolation check of one tenant or of all.
    Check {
        /// Name of the tenant in the database; all without it.
        tenant: Option<TenantName>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            output::aside(format_args!("labor-migrator: {}", with_sources(&error)));
            ExitCode::from(1)
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, MigratorError> {
    let json = arguments.json;
    let url = arguments.database_url.clone().ok_or_else(|| missing("--database-url or LABOR_MIGRATOR_URL"))?;
    if let Command::Bootstrap { admin_url, control_url, backup_url } = &arguments.command {
        bootstrap::bootstrap(admin_url, &ServiceUrls { migrator: &url, control: control_url, backup: backup_url })
            .await?;
        output::say(
            json,
            &serde_json::json!({ "bootstrapped": true }),
            "the database is prepared; next: labor-migrator up",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let secret = arguments
        .master_secret_file
        .as_deref()
        .ok_or_else(|| missing("--master-secret-file or LABOR_MASTER_SECRET_FILE"))?;
    let migrator = Migrator::new(&url, bootstrap::read_master_secret(secret)?)?;
    match arguments.command {
        Command::Bootstrap { .. } => Ok(ExitCode::SUCCESS),
        Command::Up { workers } => output::up(json, &migrator, usize::from(workers)).await,
        Command::Status => {
            let status = migrator.status().await?;
            output::status(json, &status);
            Ok(if status.behind() == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
        }
        Command::Provision { slug, name, bsnrs, intake } => {
            let kind = if intake { Kind::Intake } else { Kind::Practice };
            let made = migrator.provision(&NewTenant { slug, display_name: name, kind, bsnrs }).await?;
            let text = format!("{} is {} at version {}", made.slug, made.tenant, made.version);
            output::say(json, &serde_json::json!(made), &text);
            Ok(ExitCode::SUCCESS)
        }
        Command::Identify { slug, bsnrs } => {
            migrator.identify(&slug, &bsnrs).await?;
            let text = format!("{slug} is addressed by {}", bsnrs.join(", "));
            output::say(json, &serde_json::json!({ "slug": slug, "bsnrs": bsnrs }), &text);
            Ok(ExitCode::SUCCESS)
        }
        Command::Delete { request } => {
            let certificate = migrator.delete(request, |step| output::aside(format_args!("{step}"))).await?;
            output::line(format_args!("{certificate:#}"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { tenant } => check(json, &migrator, tenant).await,
    }
}

async fn check(json: bool, migrator: &Migrator, tenant: Option<TenantName>) -> Result<ExitCode, MigratorError> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => migrator.status().await?.tenants.into_iter().map(|t| t.tenant).collect(),
    };
    let mut findings = Vec::new();
    for tenant in tenants {
        for finding in migrator.check(&tenant).await? {
            findings.push((tenant.clone(), finding));
        }
    }
    output::findings(json, &findings);
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

fn missing(what: &str) -> MigratorError {
    MigratorError::Invalid(format!("{what} is missing"))
}

/// The error and what it came from, in one line.
fn with_sources(error: &MigratorError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
