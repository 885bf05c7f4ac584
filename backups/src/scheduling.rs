//! `schedule` and `scheduler` as people and machines see them.
//! Must stay true: a schedule is for one tenant or for all, and that is always said; the scheduler ends with exit code 0 when it is told to.
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use labor_backup::{
    Backup, BackupError, FleetOptions, Patience, Retention, Schedule, ScheduleEntry, ScheduledRun, Scheduler,
    SchedulerOptions, Scope, TenantName,
};

use crate::{bucketing, output, status};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set when a tenant, or everybody without a schedule of their own, is backed up.
    Set(SetArguments),
    /// Schedules, when each is due next, what became of it last, and until when its tenants are backed up.
    List,
    /// What became of each due time, newest first.
    Runs(Whose),
    /// Remove a schedule. A tenant is then backed up with all others.
    Remove(Whose),
}

#[derive(Args)]
struct Whose {
    /// Name of the tenant in the database.
    #[arg(long, required_unless_present = "all")]
    tenant: Option<TenantName>,
    /// Everybody who has no schedule of their own.
    #[arg(long, conflicts_with = "tenant")]
    all: bool,
}

impl Whose {
    fn scope(self) -> Scope {
        self.tenant.map_or(Scope::All, Scope::One)
    }
}

#[derive(Args)]
struct SetArguments {
    /// Five fields of cron: minute, hour, day of the month, month, day of the week. '15 2 * * *' is a quarter past two every day.
    expression: String,
    #[command(flatten)]
    whose: Whose,
    /// The time zone in which they are read; UTC, if it is not given for a new schedule.
    #[arg(long)]
    zone: Option<String>,
    /// Begin up to so much later, such as 30m: not everybody at once; for a new schedule 0m.
    #[arg(long, value_parser = status::duration)]
    jitter: Option<Duration>,
    #[command(flatten)]
    kept: Kept,
}

/// What stays when a scheduler prunes. What is not given stays as it was set; for a new schedule 30, 8, 12 and 10.
#[derive(Args)]
struct Kept {
    /// With `scheduler --prune`: for how many days with a backup one is kept.
    #[arg(long)]
    keep_daily: Option<usize>,
    /// For how many weeks.
    #[arg(long)]
    keep_weekly: Option<usize>,
    /// For how many months.
    #[arg(long)]
    keep_monthly: Option<usize>,
    /// For how many years.
    #[arg(long)]
    keep_yearly: Option<usize>,
}

#[derive(Args)]
pub(crate) struct SchedulerArguments {
    /// Tenants that are dumped at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// A tenant that has not changed is dumped all the same when its newest backup is older. 0: always.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    at_most_days: u16,
    /// Send no more than so many MiB in a second to the bucket, all tenants together.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    max_upload_mib_per_s: Option<u32>,
    #[command(flatten)]
    locked: bucketing::Locked,
    /// After a backup, remove what has no place any more by the schedule's retention.
    #[arg(long)]
    prune: bool,
    /// Write figures for Prometheus' textfile collector into this file, every ten minutes. The collector reads what ends in .prom.
    #[arg(long, value_parser = status::prom)]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    patience: status::PatienceArguments,
}

/// From one look at all backups to the next.
const WATCH: Duration = Duration::from_secs(600);

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    match arguments.command {
        Command::Set(arguments) => set(backup, arguments, json).await?,
        Command::List => {
            let entries = Box::pin(backup.schedules(Utc::now())).await?;
            if json {
                output::line(serde_json::json!(entries));
            } else {
                output::line(table(&entries));
            }
        }
        Command::Runs(whose) => {
            let runs = backup.scheduled_runs(&whose.scope()).await?;
            if json {
                output::line(serde_json::json!(runs));
            } else {
                for run in &runs {
                    output::line(format_args!("{}  {}", time(run.due_at), became(run)));
                }
            }
        }
        Command::Remove(whose) => {
            let scope = whose.scope();
            backup.remove_schedule(&scope).await?;
            output::say(json, &serde_json::json!({ "removed": scope }), &format!("{scope}: the schedule is removed"));
        }
    }
    Ok(())
}

async fn set(backup: &Backup, arguments: SetArguments, json: bool) -> Result<(), BackupError> {
    let SetArguments { expression, whose, zone, jitter, kept } = arguments;
    let (scope, now) = (whose.scope(), Utc::now());
    let retention = Retention { daily: 30, weekly: 8, monthly: 12, yearly: 10 };
    let new = Schedule { expression: String::new(), zone: "UTC".to_owned(), jitter_seconds: 0, retention };
    let before = backup.schedule(&scope).await?.map_or(new, |set| set.schedule);
    let retention = Retention {
        daily: kept.keep_daily.unwrap_or(before.retention.daily),
        weekly: kept.keep_weekly.unwrap_or(before.retention.weekly),
        monthly: kept.keep_monthly.unwrap_or(before.retention.monthly),
        yearly: kept.keep_yearly.unwrap_or(before.retention.yearly),
    };
    let seconds = |jitter: Duration| u32::try_from(jitter.as_secs()).unwrap_or(u32::MAX);
    let jitter_seconds = jitter.map_or(before.jitter_seconds, seconds);
    let schedule = Schedule { expression, zone: zone.unwrap_or(before.zone), jitter_seconds, retention };
    backup.set_schedule(&scope, &schedule, now).await?;
    let next_at = schedule.next(&scope, now)?;
    let told = serde_json::json!({ "scope": scope, "schedule": schedule, "next_at": next_at });
    let next = next_at.map_or_else(|| "never".to_owned(), time);
    output::say(json, &told, &format!("{scope}: set; the next backup begins {next} UTC, if a scheduler runs"));
    Ok(())
}

/// Until it is told to end. Then what is at work is given back.
pub(crate) async fn serve(backup: Backup, arguments: SchedulerArguments) -> Result<(), BackupError> {
    let SchedulerArguments { jobs, at_most_days, max_upload_mib_per_s, locked, prune, metrics, patience } = arguments;
    let backup = backup.with_upload_limit(max_upload_mib_per_s).with_object_lock(locked.lock());
    let fleet = FleetOptions { jobs: usize::from(jobs), at_most_days };
    let scheduler = Scheduler::new(&backup, SchedulerOptions { fleet, prune });
    let watching = async {
        if let Some(file) = metrics {
            watch(&backup, &file, patience.into()).await;
        }
    };
    let serving = async {
        let served = Box::pin(scheduler.serve()).await;
        // Whoever watches has nothing to watch when nothing was begun.
        backup.stop_token().cancel();
        served
    };
    tokio::join!(serving, Box::pin(watching)).0
}

/// Writes the figures again and again, until it is stopped. What can't be told is logged: the file then says how old it is.
async fn watch(backup: &Backup, file: &std::path::Path, patience: Patience) {
    let stop = backup.stop_token();
    while !stop.is_cancelled() {
        match Box::pin(backup.scheduled_figures(patience, Utc::now())).await {
            Ok(text) => {
                if let Err(error) = status::replace(file, &text) {
                    tracing::error!(%error, file = %file.display(), "the figures can't be written");
                }
            }
            Err(BackupError::Stopped) => {}
            Err(error) => tracing::error!(%error, "how old the backups are can't be told"),
        }
        tokio::select! { () = stop.cancelled() => {} () = tokio::time::sleep(WATCH) => {} }
    }
}

fn table(entries: &[ScheduleEntry]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "for",
        "expression",
        "zone",
        "jitter",
        "next (UTC)",
        "last",
        "backed up until",
    ]);
    for ScheduleEntry { set, next_at, last_run, proven_until, tenants, .. } in entries {
        table.add_row([
            match &set.scope {
                Scope::All => format!("all others ({tenants})"),
                Scope::One(tenant) => tenant.to_string(),
            },
            set.schedule.expression.clone(),
            set.schedule.zone.clone(),
            format!("{} min", set.schedule.jitter_seconds.div_ceil(60)),
            next_at.map_or_else(|| "never".to_owned(), time),
            last_run
                .as_ref()
                .map_or_else(|| "never".to_owned(), |run| format!("{}: {}", time(run.due_at), became(run))),
            proven_until.map_or_else(|| "somebody has none".to_owned(), time),
        ]);
    }
    table
}

fn became(run: &ScheduledRun) -> String {
    let what = match (run.outcome, run.at_work, run.again_at) {
        (Some(outcome), ..) => outcome.word().to_owned(),
        (None, true, _) => format!("at work: {}", run.scheduler),
        (None, false, Some(again)) => format!("to be tried again at {}", time(again)),
        (None, false, None) => "left; the next scheduler takes it up".to_owned(),
    };
    let counts = format!("{} stored, {} unchanged, {} failed", run.stored, run.unchanged, run.failed.len());
    let late = run.late_seconds.map(|late| format!(", late by {} min", late / 60)).unwrap_or_default();
    let why = run.reason.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    format!("{what} ({counts}{late}{why})")
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}
