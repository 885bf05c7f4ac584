//! `restore` on the command line: beside a practice, over it, and what follows.
//! Must stay true: whoever has something put in a practice's place said the practice's displayed name, on the command line or when asked;
//! whom nobody can ask is refused.
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use labor_backup::{Backup, BackupError, Destination, Replaced, TenantName, Which};
use labor_migrator::Migrator;
use labor_migrator::bootstrap::read_master_secrets;
use labor_migrator::isolation::weaker::Weaker;

use crate::{output, which};

#[derive(Args)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    afterwards: Option<Afterwards>,
    /// Name of the tenant in the database.
    #[arg(long, required_unless_present_any = ["over", "missing"])]
    tenant: Option<TenantName>,
    /// Id of the backup, or latest.
    #[arg(long, default_value = "latest", value_parser = which)]
    backup: Which,
    /// Name of the new schema, or new. Its role can't log in.
    #[arg(long, value_parser = into, required_unless_present_any = ["over", "missing"])]
    into: Option<Destination>,
    /// Put the backup in the place of this tenant, which is shut meanwhile. What is there is kept until `restore confirm`.
    #[arg(long, value_name = "TENANT", conflicts_with_all = ["tenant", "into"])]
    over: Option<TenantName>,
    /// Restore the newest backup of every tenant that the registry knows and whose schema is not there: after the loss of a server.
    #[arg(long, conflicts_with_all = ["tenant", "into", "over", "backup"])]
    missing: bool,
    /// With --over: the practice's displayed name, instead of being asked for it.
    #[arg(long, value_name = "PRACTICE", requires = "over")]
    yes: Option<String>,
}

#[derive(Subcommand)]
enum Afterwards {
    /// Drop what was there before `restore --over`: it can't be had back.
    Confirm(One),
    /// Put back what was there before `restore --over`; what took its place is kept instead.
    Back(One),
}

#[derive(Args)]
struct One {
    /// Name of the tenant in the database.
    tenant: TenantName,
    /// The practice's displayed name, instead of being asked for it.
    #[arg(long, value_name = "PRACTICE")]
    yes: Option<String>,
}

/// What it takes to shut and to open a practice.
#[derive(Args)]
pub(crate) struct Serving {
    /// File with the master secret, for restore --over and restore back: the practice's login gets its password out of it.
    #[arg(long, env = "LABOR_MASTER_SECRET_FILE", global = true)]
    master_secret_file: Option<PathBuf>,
    /// The same on a server that gives no superuser, as `labor-migrator` wants it.
    #[arg(long, env = "LABOR_ACCEPT_WEAKER_ISOLATION", value_enum, value_name = "WHY", global = true)]
    accept_weaker_isolation: Option<WeakerIsolation>,
}

/// Why weaker isolation is accepted.
#[derive(Clone, Copy, ValueEnum)]
enum WeakerIsolation {
    /// It is a managed server.
    Managed,
}

impl Serving {
    fn migrator(&self) -> Result<Migrator, BackupError> {
        let missing = |what: &str| BackupError::Invalid(format!("{what} is missing"));
        let url = std::env::var("LABOR_RESTORE_URL").map_err(|_| missing("LABOR_RESTORE_URL"))?;
        let file = self.master_secret_file.as_deref();
        let file = file.ok_or_else(|| missing("--master-secret-file or LABOR_MASTER_SECRET_FILE"))?;
        let weaker = self.accept_weaker_isolation.map_or(Weaker::Refused, |WeakerIsolation::Managed| Weaker::Accepted);
        Ok(Migrator::new(&url, read_master_secrets(file)?)?.accepting(weaker))
    }
}

pub(crate) async fn run(
    backup: &Backup,
    arguments: Arguments,
    serving: &Serving,
    json: bool,
) -> Result<(), BackupError> {
    let Arguments { afterwards, tenant, backup: which, into, over, missing, yes } = arguments;
    if missing {
        return restore_missing(backup, serving, json).await;
    }
    match (afterwards, over, tenant.zip(into)) {
        (Some(Afterwards::Confirm(One { tenant, yes })), ..) => {
            let what = format!("What was in the place of {tenant} before is dropped for ever.");
            let dropped = Box::pin(backup.restore_confirm(&tenant, &agreed(json, yes, &what)?)).await?;
            output::say(json, &dropped, &format!("{tenant}: {} is dropped", dropped.schema));
        }
        (Some(Afterwards::Back(One { tenant, yes })), ..) => {
            let migrator = serving.migrator()?;
            let what = format!("{tenant} is shut, and what was in its place before is put back.");
            let done = Box::pin(backup.restore_back(&migrator, &tenant, &agreed(json, yes, &what)?)).await?;
            output::say(json, &done, &replaced(&done));
        }
        (None, Some(tenant), _) => {
            let migrator = serving.migrator()?;
            let what = format!("{tenant} is shut, and the backup is put in its place.");
            let done = Box::pin(backup.restore_over(&migrator, &tenant, &which, &agreed(json, yes, &what)?)).await?;
            output::say(json, &done, &replaced(&done));
        }
        (None, None, Some((tenant, into))) => {
            let made = Box::pin(backup.restore(&tenant, &which, into)).await?;
            let text = format!(
                "{tenant}: {} is restored as {} in {} ms; its role can't log in",
                made.backup, made.schema, made.milliseconds
            );
            output::say(json, &made, &text);
        }
        (None, None, None) => {
            return Err(BackupError::Invalid("--tenant and --into, or --over, are missing".to_owned()));
        }
    }
    Ok(())
}

async fn restore_missing(backup: &Backup, serving: &Serving, json: bool) -> Result<(), BackupError> {
    let run = Box::pin(backup.restore_missing(&serving.migrator()?)).await?;
    let text = format!("{} tenant(s) are there again, {} failed", run.restored.len(), run.failed.len());
    output::say(json, &run, &text);
    if run.failed.is_empty() { Ok(()) } else { Err(BackupError::Incomplete(run.faults())) }
}

/// The practice's displayed name, as whoever gives the order says it.
fn agreed(json: bool, yes: Option<String>, what: &str) -> Result<String, BackupError> {
    if let Some(name) = yes {
        return Ok(name);
    }
    if json || !std::io::stdin().is_terminal() {
        return Err(BackupError::Refused(format!(
            "{what} Nobody can be asked here: say so with --yes and the practice's displayed name; nothing was changed"
        )));
    }
    output::note(format_args!("{what} Type the practice's displayed name to go on:"));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|source| BackupError::Io { action: "read the answer".to_owned(), source })?;
    Ok(answer.trim().to_owned())
}

/// What became of the practice, and what is to be done about it.
fn replaced(done: &Replaced) -> String {
    let Replaced { tenant, carried, version, .. } = done;
    let what = done.backup.as_ref().map_or_else(|| "what was kept".to_owned(), ToString::to_string);
    let served = if done.opened { "is served" } else { "stays suspended" };
    let mut text = format!("{tenant}: {what} is in its place, at version {version}, and {served}");
    if let Some(messages) = carried.messages {
        text += &format!("\n  {messages} message(s) that it lacked were taken over, to be processed again");
    }
    if carried.again > 0 {
        text += &format!("\n  {} message(s) that were replayed since are processed again", carried.again);
    }
    match carried.audit {
        Some(rows) => text += &format!("\n  {rows} row(s) of the audit were taken over"),
        None if done.kept.is_some() => {
            text += "\n  the audit of what is kept could not be taken over: it is there still"
        }
        None => {}
    }
    text += &format!("\n  {} message(s) and {} timer(s) of alerts are in the queue", carried.enqueued, carried.timers);
    for remark in &done.remarks {
        text += &format!("\n  {remark}");
    }
    match &done.kept {
        Some(kept) => {
            text + &format!(
                "\n  what was in its place is kept as {kept}: look, then `labor-backup restore confirm {tenant}` drops it, or \
                     `labor-backup restore back {tenant}` puts it back"
            )
        }
        None => text + "\n  there was nothing in its place, so nothing is kept",
    }
}

fn into(text: &str) -> Result<Destination, labor_catalog::InvalidName> {
    if text == "new" { Ok(Destination::New) } else { TenantName::parse(text).map(Destination::Named) }
}
