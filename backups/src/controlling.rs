//! `control` on the command line: the backups of the control schema.
//! Must stay true: what was removed and what was not is told, however the run ends.
use clap::Subcommand;
use labor_backup::{Backup, BackupError, ControlBackup, ControlPruned, Fate, Retention};

use crate::output;
use crate::pruning::{self, Days};

#[derive(Subcommand)]
pub(crate) enum Control {
    /// Back it up.
    Run,
    /// Restore the newest backup of it into a database that was prepared and has no tenants yet.
    Restore,
    /// Say which backups of it have no place any more, and with --apply remove them. They name practices that were deleted since.
    Prune {
        /// For how many days with a backup one is kept.
        #[arg(long, default_value_t = 30)]
        keep_daily: usize,
        /// For how many weeks.
        #[arg(long, default_value_t = 8)]
        keep_weekly: usize,
        /// For how many months.
        #[arg(long, default_value_t = 12)]
        keep_monthly: usize,
        #[command(flatten)]
        days: Days,
    },
}

pub(crate) async fn run(backup: &Backup, command: &Control, json: bool) -> Result<(), BackupError> {
    match command {
        Control::Run => say(json, &Box::pin(backup.control_run()).await?, "stored"),
        Control::Restore => say(json, &Box::pin(backup.control_restore()).await?, "restored"),
        Control::Prune { keep_daily, keep_weekly, keep_monthly, days } => {
            // Only the newest is ever restored: nobody needs one that is years old.
            let (daily, weekly, monthly) = (*keep_daily, *keep_weekly, *keep_monthly);
            let options = days.options(Retention { daily, weekly, monthly, yearly: 0 });
            return pruned(&Box::pin(backup.control_prune(&options)).await?, json);
        }
    }
    Ok(())
}

fn say(json: bool, done: &ControlBackup, what: &str) {
    let rows = done.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect::<Vec<_>>().join(", ");
    let mut text = format!("control schema: {} of {} is {what}: {rows}", done.backup, done.made_at.format("%F %T UTC"));
    for tenant in &done.erased_since {
        text += &format!("\n  {tenant} was erased since, and stays deleted");
    }
    output::say(json, done, &text);
}

fn pruned(run: &ControlPruned, json: bool) -> Result<(), BackupError> {
    if !json {
        let mut table = pruning::empty_table();
        for backup in &run.backups {
            pruning::add(&mut table, "control", backup);
        }
        output::line(table);
    }
    let count = |fate: &Fate| run.backups.iter().filter(|backup| backup.fate == *fate).count();
    let stay = count(&Fate::Stays);
    let text = if run.applied {
        let gone = count(&Fate::Removed);
        format!("{gone} removed, {} not, {stay} stay", run.backups.len() - gone - stay)
    } else {
        let would = count(&Fate::ToBeRemoved);
        format!("{would} would be removed, {stay} stay. Nothing was done: --apply does it")
    };
    output::say(json, run, &text);
    pruning::ended(run.stopped, run.faults())
}
