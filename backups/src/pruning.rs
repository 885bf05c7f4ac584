//! `prune` as people and machines see it.
//! Must stay true: a run that removes nothing says so in its last line, and how it would.
use chrono::Utc;
use clap::Args;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use labor_backup::{Backup, BackupError, Fate, PruneOptions, PruneRun, Pruned, Retention, TenantName};

use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of the tenant in the database.
    #[arg(long, required_unless_present = "all")]
    tenant: Option<TenantName>,
    /// Every tenant that has backups.
    #[arg(long, conflicts_with = "tenant")]
    all: bool,
    /// For how many days with a backup one is kept.
    #[arg(long, default_value_t = 30)]
    keep_daily: usize,
    /// For how many weeks.
    #[arg(long, default_value_t = 8)]
    keep_weekly: usize,
    /// For how many months.
    #[arg(long, default_value_t = 12)]
    keep_monthly: usize,
    /// For how many years.
    #[arg(long, default_value_t = 10)]
    keep_yearly: usize,
    #[command(flatten)]
    days: Days,
}

/// What a day is, and whether it is meant.
#[derive(Args)]
pub(crate) struct Days {
    /// The time zone in which a day is a day.
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    /// Remove them. Without it, it is only said what would be removed.
    #[arg(long)]
    apply: bool,
}

impl Days {
    pub(crate) fn options(&self, retention: Retention) -> PruneOptions {
        PruneOptions { retention, time_zone: self.time_zone.clone(), now: Utc::now(), apply: self.apply }
    }
}

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    let retention = Retention {
        daily: arguments.keep_daily,
        weekly: arguments.keep_weekly,
        monthly: arguments.keep_monthly,
        yearly: arguments.keep_yearly,
    };
    let run = Box::pin(backup.prune(arguments.tenant.as_ref(), &arguments.days.options(retention))).await?;
    if !json {
        output::line(table(&run));
    }
    output::say(json, &run, &summary(&run));
    ended(run.stopped, run.faults())
}

pub(crate) fn ended(stopped: bool, faults: Vec<String>) -> Result<(), BackupError> {
    match (stopped, faults.is_empty()) {
        (true, _) => Err(BackupError::Stopped),
        (false, true) => Ok(()),
        (false, false) => Err(BackupError::Incomplete(faults)),
    }
}

pub(crate) fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["tenant", "backup", "", "why"]);
    table
}

fn table(run: &PruneRun) -> Table {
    let mut table = empty_table();
    for (tenant, one) in &run.tenants {
        if let Some(reason) = &one.untouched {
            table.add_row([tenant.to_string(), "all".to_owned(), "stay".to_owned(), reason.clone()]);
        }
        // Of whom nothing is removed, only what was removed before that was known.
        let shown = |backup: &&Pruned| one.untouched.is_none() || backup.fate != Fate::Stays;
        for backup in one.backups.iter().filter(shown) {
            add(&mut table, tenant.as_str(), backup);
        }
    }
    table
}

/// A line for one backup.
pub(crate) fn add(table: &mut Table, of: &str, backup: &Pruned) {
    let fate = match &backup.fate {
        Fate::Stays => "stays",
        Fate::ToBeRemoved => "would be removed",
        Fate::Removed => "removed",
        Fate::Locked { until } => &format!("locked until {}", until.format("%Y-%m-%d")),
        Fate::NotRemoved { .. } => "NOT removed",
    };
    table.add_row([of.to_owned(), backup.backup.to_string(), fate.to_owned(), backup.reasons.join("; ")]);
}

fn summary(run: &PruneRun) -> String {
    let all = || run.tenants.values().flat_map(|one| &one.backups);
    let count = |fate: &Fate| all().filter(|backup| backup.fate == *fate).count();
    let untouched = run.tenants.values().filter(|one| one.untouched.is_some()).count();
    let stay = count(&Fate::Stays);
    let locked = match all().filter(|backup| matches!(backup.fate, Fate::Locked { .. })).count() {
        0 => String::new(),
        count => format!("{count} hidden, and kept by an object lock until it ends, "),
    };
    let kept = all().filter(|backup| matches!(backup.fate, Fate::NotRemoved { .. })).count();
    let tail = format!("{stay} stay; nothing of {untouched} of {} tenants may be removed", run.tenants.len());
    let tail = if run.ended_by.is_some() { format!("{tail}; it ended before it had seen all") } else { tail };
    if run.applied {
        format!("{} removed, {locked}{kept} not, {tail}", count(&Fate::Removed))
    } else {
        format!("{} would be removed, {tail}. Nothing was done: --apply does it", count(&Fate::ToBeRemoved))
    }
}
