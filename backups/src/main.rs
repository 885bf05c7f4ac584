//! The `labor-backup` program: reads the command line, calls the library, prints for people or machines.
//! Exit codes: 0 done; 1 failed; 2 wrong command line; 3 refused, a condition is not met; 4 the backup is bad: damaged, or not what
//! its manifest says; 5 no such tenant or backup; 6 a tenant's newest proof is too old, or there is none; 130 stopped by a signal.

mod auditing;
mod bucketing;
mod controlling;
mod everyone;
mod exporting;
mod keying;
mod output;
mod pruning;
mod restoring;
mod scheduling;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use labor_backup::{
    Backup, BackupError, BackupId, FleetOptions, InvalidId, KeyServiceSettings, Sampling, Settings, StoreLimits,
    StoreSettings, TenantName, Which,
};
use labor_catalog::logs::may_log;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use uuid::Uuid;

/// Secrets come from the environment only: everybody on a machine can read a program's arguments.
const HELP: &str = "Environment:
  LABOR_BACKUP_URL       URL of the login labor_backup
  LABOR_SCHEDULE_URL     the same login at the primary, when LABOR_BACKUP_URL names a standby; for schedule and scheduler
  LABOR_RESTORE_URL      URL of the login labor_migrator, for verify and restore
  AWS_ACCESS_KEY_ID      access key of the bucket
  AWS_SECRET_ACCESS_KEY  secret key of the bucket
  VAULT_ADDR             with LABOR_KEY_SERVICE=transit:MOUNT: address of OpenBao or Vault; and VAULT_TOKEN or VAULT_TOKEN_FILE,
                         VAULT_NAMESPACE, VAULT_CACERT
  LABOR_KMS_ACCESS_KEY_ID, LABOR_KMS_SECRET_ACCESS_KEY
                         with LABOR_KEY_SERVICE=aws-kms:KEY, when they are not the bucket's; and AWS_REGION, AWS_ENDPOINT_URL_KMS

Exit codes: 0 done; 1 failed; 2 wrong command line; 3 refused; 4 the backup is bad; 5 no such tenant or backup; 6 late; 130 stopped";

#[derive(Parser)]
#[command(name = "labor-backup", version, about = "Backs up, verifies and prunes one tenant or all, also by a schedule; restores, exports and erases one; seals the audits", after_help = HELP)]
struct Arguments {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    serving: restoring::Serving,
    /// Print JSON for machines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Places {
    /// Folder with one age identity per tenant. Deleting a file makes that tenant's backups unreadable for ever.
    #[arg(long, env = "LABOR_BACKUP_KEYS", global = true)]
    keys: Option<PathBuf>,
    /// What wraps the keys in that folder: folder (nothing does), transit:MOUNT[/PREFIX] (OpenBao, Vault) or aws-kms:KEY.
    #[arg(long, env = "LABOR_KEY_SERVICE", default_value = "folder", value_name = "SERVICE", global = true)]
    key_service: String,
    /// Folder with the pg_dump of the server's major version; else it is looked for.
    #[arg(long, env = "LABOR_PG_BIN", global = true)]
    pg_bin: Option<PathBuf>,
    /// Address of an S3 server other than Amazon's.
    #[arg(long, env = "LABOR_S3_ENDPOINT", global = true)]
    s3_endpoint: Option<String>,
    /// Region.
    #[arg(long, env = "LABOR_S3_REGION", default_value = "us-east-1", global = true)]
    s3_region: String,
    /// Bucket.
    #[arg(long, env = "LABOR_S3_BUCKET", global = true)]
    s3_bucket: Option<String>,
    /// Seconds within which the bucket has to answer.
    #[arg(long, env = "LABOR_S3_ANSWER_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600), global = true)]
    s3_answer_seconds: u16,
    /// What is sent has longer, by its size: as on a line of so many KiB in a second.
    #[arg(long, env = "LABOR_S3_SLOWEST_KIB_PER_S", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..), global = true)]
    s3_slowest_kib_per_s: u16,
}

#[derive(Subcommand)]
enum Command {
    /// Back up one tenant, or every tenant that changed since its last backup.
    Run {
        /// Name of the tenant in the database.
        #[arg(long, required_unless_present = "all")]
        tenant: Option<TenantName>,
        /// Every tenant that is not deleted, if anything in it changed.
        #[arg(long, conflicts_with = "tenant")]
        all: bool,
        /// With --all: tenants that are dumped at a time.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), requires = "all")]
        jobs: u16,
        /// With --all: a tenant that has not changed is dumped all the same when its newest backup is older. 0: always.
        #[arg(long, default_value_t = 30, value_name = "DAYS", requires = "all")]
        at_most_days: u16,
        /// Send no more than so many MiB in a second to the bucket, all tenants together.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        max_upload_mib_per_s: Option<u32>,
        #[command(flatten)]
        locked: bucketing::Locked,
        /// Make the bucket if there is none (demo: a real one is made with its versioning and lock policy).
        #[arg(long)]
        create_bucket: bool,
        /// Go on with a key that earlier backups of this tenant were not encrypted to, or make one although there are such backups.
        #[arg(long, conflicts_with = "all")]
        new_key: bool,
    },
    /// Backups in the bucket, newest first.
    List {
        /// Name of the tenant in the database; all without it.
        #[arg(long)]
        tenant: Option<TenantName>,
    },
    /// Restore a backup into a scratch schema, compare it with its manifest, and drop it.
    Verify {
        /// Name of the tenant in the database.
        #[arg(long, required_unless_present = "all")]
        tenant: Option<TenantName>,
        /// The newest backup of every tenant, unless it was verified and passed.
        #[arg(long, conflicts_with_all = ["tenant", "backup"])]
        all: bool,
        /// With --all: so many of those that passed as well, the longest ago first.
        #[arg(long, default_value_t = 5, requires = "all")]
        again: usize,
        /// With --all: backups that are restored at a time.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64), requires = "all")]
        jobs: u16,
        /// Id of the backup, or latest.
        #[arg(long, default_value = "latest", value_parser = which)]
        backup: Which,
    },
    /// How old the newest proof of each tenant's state is; exit code 6 when one is too old or can't be told.
    Status(status::Arguments),
    /// Say which backups have no place any more, and with --apply remove them.
    Prune(pruning::Arguments),
    /// What the bucket does for what is in it.
    Bucket(bucketing::Arguments),
    /// When backups are due: set, list, remove.
    Schedule(scheduling::Arguments),
    /// Back up whoever is due, until it is told to end. Several may run; each due time is done by one of them.
    Scheduler(scheduling::SchedulerArguments),
    /// Restore a backup into a new schema beside the live one, or over it; then confirm that, or go back.
    Restore(restoring::Arguments),
    /// Back up the control schema (registry, channels, operators, requests, holds), restore it into a new database, remove old ones.
    Control {
        #[command(subcommand)]
        command: controlling::Control,
    },
    /// Carry out an approved export of a practice, or of one patient: tables, messages, documents, FHIR, a signed manifest.
    Export(exporting::Arguments),
    /// Prove offline that an export's files equal its manifest. Needs neither database nor bucket.
    CheckExport(exporting::CheckArguments),
    /// The practices' audits: seal what is new, and hold them against their seals.
    Audit(auditing::Arguments),
    /// Keys of the backups: list them, and wrap them anew by the service that is set.
    Keys(keying::Arguments),
    /// After `labor-migrator delete`: destroy the tenant's key, delete its objects, search for them, certify.
    Erase {
        /// Id of the request (`labor request list`).
        #[arg(long)]
        request: Uuid,
        /// Go on although there are backups and no key: it was destroyed before, by an earlier run or by hand.
        #[arg(long)]
        key_already_destroyed: bool,
        #[command(flatten)]
        signing: exporting::Signing,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    start_log();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("labor-backup: {}", with_sources(&error)));
            ExitCode::from(code(&error))
        }
    }
}

/// RUST_LOG says how much, but never that drivers write what they send: [`may_log`] has the last word.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let never =
        filter_fn(|record| may_log(record.target(), *record.level() > Level::INFO, *record.level() <= Level::WARN));
    tracing_subscriber::registry().with(fmt::layer().with_writer(std::io::stderr)).with(filter).with(never).init();
}

async fn run(arguments: Arguments) -> Result<(), BackupError> {
    let json = arguments.json;
    if let Command::CheckExport(arguments) = &arguments.command {
        return exporting::check(arguments, json);
    }
    let backup = Backup::new(settings(arguments.places)?)?.with_progress(|line| output::note(line));
    stop_on_signal(&backup)?;
    carry_out(backup, arguments.command, &arguments.serving, json).await
}

async fn carry_out(
    backup: Backup,
    command: Command,
    serving: &restoring::Serving,
    json: bool,
) -> Result<(), BackupError> {
    match command {
        Command::Run { tenant, all: _, jobs, at_most_days, max_upload_mib_per_s, locked, create_bucket, new_key } => {
            if create_bucket {
                backup.ensure_bucket().await?;
            }
            let backup =
                backup.with_new_key(new_key).with_upload_limit(max_upload_mib_per_s).with_object_lock(locked.lock());
            let Some(tenant) = tenant else {
                let options = FleetOptions { jobs: usize::from(jobs), at_most_days };
                return everyone::run(&backup, options, json).await;
            };
            let made = Box::pin(backup.run(&tenant)).await?;
            let text = format!("{tenant}: {} is stored; verify it to know that it is good", made.backup);
            output::say(json, &made, &text);
        }
        Command::List { tenant } => output::list(json, &backup.list(tenant.as_ref()).await?),
        Command::Verify { tenant: None, again, jobs, .. } => {
            return everyone::verify(&backup, Sampling { jobs: usize::from(jobs), again }, json).await;
        }
        Command::Verify { tenant: Some(tenant), backup: which, .. } => {
            let found = Box::pin(backup.verify(&tenant, &which)).await?;
            let remarks = found.remarks.iter().map(|remark| format!(" ({remark})")).collect::<String>();
            let text = format!(
                "{tenant}: {} is good: {} rows restored and equal in {} ms{remarks}",
                found.backup, found.rows, found.milliseconds
            );
            output::say(json, &found, &text);
        }
        Command::Status(arguments) => return status::run(&backup, arguments, json).await,
        Command::Prune(arguments) => return pruning::run(&backup, arguments, json).await,
        Command::Bucket(arguments) => return bucketing::run(&backup, arguments, json).await,
        Command::Schedule(arguments) => return Box::pin(scheduling::run(&backup, arguments, json)).await,
        Command::Scheduler(arguments) => return Box::pin(scheduling::serve(backup, arguments)).await,
        Command::Restore(arguments) => return restoring::run(&backup, arguments, serving, json).await,
        Command::Control { command } => return controlling::run(&backup, &command, json).await,
        Command::Export(arguments) => return exporting::run(&backup, arguments, json).await,
        Command::Audit(arguments) => return auditing::run(&backup, arguments, json).await,
        Command::Keys(arguments) => return keying::run(&backup, arguments, json).await,
        Command::Erase { request, key_already_destroyed, signing } => {
            let key = signing.key()?;
            let certificate = Box::pin(backup.erase(request, key_already_destroyed, key.as_ref())).await?;
            output::say(true, &certificate, "");
        }
        Command::CheckExport(_) => {}
    }
    Ok(())
}

fn settings(places: Places) -> Result<Settings, BackupError> {
    let missing = |what: &str| BackupError::Invalid(format!("{what} is missing"));
    let variable = |name: &str| std::env::var(name).map_err(|_| missing(name));
    Ok(Settings {
        database_url: variable("LABOR_BACKUP_URL")?,
        schedule_url: variable("LABOR_SCHEDULE_URL").ok(),
        restore_url: variable("LABOR_RESTORE_URL").ok(),
        keys: places.keys.ok_or_else(|| missing("--keys or LABOR_BACKUP_KEYS"))?,
        key_service: KeyServiceSettings::read(&places.key_service, &|name| std::env::var(name).ok())?,
        program_folder: places.pg_bin,
        store: StoreSettings {
            endpoint: places.s3_endpoint.filter(|endpoint| !endpoint.is_empty()),
            region: places.s3_region,
            bucket: places.s3_bucket.ok_or_else(|| missing("--s3-bucket or LABOR_S3_BUCKET"))?,
            access_key: variable("AWS_ACCESS_KEY_ID")?,
            secret_key: variable("AWS_SECRET_ACCESS_KEY")?,
            limits: StoreLimits {
                answer: Duration::from_secs(places.s3_answer_seconds.into()),
                bytes_per_second: u32::from(places.s3_slowest_kib_per_s) << 10,
            },
        },
    })
}

/// SIGINT and SIGTERM stop orderly: the upload is aborted, the restore rolled back.
fn stop_on_signal(backup: &Backup) -> Result<(), BackupError> {
    let listen =
        |kind| signal(kind).map_err(|source| BackupError::Io { action: "listen for signals".to_owned(), source });
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = backup.stop_token();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
        stop.cancel();
    });
    Ok(())
}

pub(crate) fn which(text: &str) -> Result<Which, InvalidId> {
    if text == "latest" { Ok(Which::Latest) } else { text.parse::<BackupId>().map(Which::Id) }
}

fn code(error: &BackupError) -> u8 {
    match error {
        BackupError::Refused(_) => 3,
        BackupError::Damaged(_) | BackupError::NotProven(_) | BackupError::NotTheExport(_) | BackupError::Bad(_) => 4,
        BackupError::NotFound(_) => 5,
        BackupError::Late(_) => 6,
        BackupError::Stopped => 130,
        _ => 1,
    }
}

/// The error and what it came from, in one line.
fn with_sources(error: &BackupError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        // The driver's own text for a server's answer is "db error"; the answer is in the message already.
        if inner.downcast_ref::<tokio_postgres::error::DbError>().is_some() {
            break;
        }
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) && inner_text != "db error" {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
