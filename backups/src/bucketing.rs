//! `bucket` and the lock of what is stored, as people and machines see them.
use clap::{Args, Subcommand};
use labor_backup::{Backup, BackupError, ObjectLock};

use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say whether the bucket keeps versions, can lock, and which lifecycle rules are missing or harmful.
    Check,
}

/// How what is stored is locked.
#[derive(Args)]
pub(crate) struct Locked {
    /// Lock what is stored for so many days, in a bucket with Object Lock.
    #[arg(long, value_name = "DAYS", env = "LABOR_OBJECT_LOCK_DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    object_lock_days: Option<u16>,
    /// Lock it so that nobody at all can lift the lock or shorten it (mode COMPLIANCE instead of GOVERNANCE).
    #[arg(long, requires = "object_lock_days")]
    object_lock_compliance: bool,
}

impl Locked {
    pub(crate) fn lock(&self) -> Option<ObjectLock> {
        self.object_lock_days.map(|days| ObjectLock { days, compliance: self.object_lock_compliance })
    }
}

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    let Command::Check = arguments.command;
    let found = Box::pin(backup.check_bucket()).await?;
    let word = |yes: bool| if yes { "yes" } else { "no" };
    let (versioning, lock, rules) = (word(found.versioning), word(found.object_lock), found.lifecycle_rules);
    output::say(json, &found, &format!("keeps versions: {versioning}; Object Lock: {lock}; lifecycle rules: {rules}"));
    if found.faults.is_empty() { Ok(()) } else { Err(BackupError::Incomplete(found.faults)) }
}
