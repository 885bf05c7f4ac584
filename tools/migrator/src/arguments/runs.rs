//! What `up`, `undo`, `plan`, `rehearse` and `new` are told.
use std::time::Duration;

use clap::Args;
use labor_migrator::waves::{Tolerance, Waves};

/// What a run over the fleet is told, up or back.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// Only this tenant (sign-in name, or name in the database); may be repeated.
    #[arg(long = "tenant", value_name = "TENANT")]
    pub(crate) tenants: Vec<String>,
    /// How many tenants at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
    /// Stop when more tenants than that have failed: a number, or a percentage of all that the run is about.
    #[arg(long, default_value = "3", value_name = "N|%")]
    pub(crate) max_failures: Tolerance,
    /// Give up on a lock after this long: readers and writers of a tenant never queue behind us for longer.
    #[arg(long, default_value = "500ms", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    /// How often a tenant is tried again when a lock or the connection was not to be had.
    #[arg(long, default_value_t = 5)]
    pub(crate) retries: u32,
}

#[derive(Args)]
pub(crate) struct UpArguments {
    /// Bring tenants to this version instead of the newest.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<i32>,
    /// This tenant before all others; may be repeated.
    #[arg(long, value_name = "TENANT")]
    pub(crate) first: Vec<String>,
    /// Waves, such as canary=5,10%,rest: numbers of tenants, percentages, and what is left. In a wave called canary no failure is
    /// tolerated, and neither spares nor suspended practices nor the intake are in it.
    #[arg(long, default_value = "rest")]
    pub(crate) wave: Waves,
    /// How long to rest between two waves, such as 30s or 10m.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub(crate) pause_between: Duration,
    /// Apply the row rules again, also where nothing else is to be done: puts back a policy that was changed by hand, and a right of the
    /// practice's own login. What others were granted stays; `check` tells it.
    #[arg(long)]
    pub(crate) rules: bool,
    /// Apply row rules and guard of this program although later ones are there: takes back what a newer program has closed.
    #[arg(long)]
    pub(crate) older_rules: bool,
    #[command(flatten)]
    pub(crate) run: RunArguments,
    /// Run files that no tenant has yet although `lint` finds errors in them.
    #[arg(long)]
    pub(crate) allow_lint_errors: bool,
}

#[derive(Args)]
pub(crate) struct UndoArguments {
    /// Version to take tenants back to.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: i32,
    #[command(flatten)]
    pub(crate) run: RunArguments,
    /// Don't ask. Needed where nobody can be asked.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct NewArguments {
    /// What it does, in lower case letters, digits and single underscores.
    pub(crate) name: String,
    /// How it is run.
    #[arg(long, default_value = "transaction", value_parser = ["transaction", "concurrent", "backfill"])]
    pub(crate) kind: String,
    /// Whether the previous release goes on working (expand), or only what it needed is taken away (contract).
    #[arg(long, default_value = "expand", value_parser = ["expand", "contract"])]
    pub(crate) phase: String,
}

#[derive(Args)]
pub(crate) struct PlanArguments {
    /// Version to bring tenants to instead of the newest.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<i32>,
    /// Only this tenant (sign-in name, or name in the database); may be repeated.
    #[arg(long = "tenant", value_name = "TENANT")]
    pub(crate) tenants: Vec<String>,
    /// How many tenants at a time, for the estimate.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
}

#[derive(Args)]
pub(crate) struct RehearseArguments {
    /// Version to rehearse instead of the newest.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<i32>,
    /// Only the class of this tenant (sign-in name, or name in the database); with --data its rows.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Fill the clone with the rows of the class's largest tenant; they stay in the database and go with the clone.
    #[arg(long)]
    pub(crate) data: bool,
    /// URL of the login labor_backup, for --data.
    #[arg(long, env = "LABOR_BACKUP_URL", hide_env_values = true)]
    pub(crate) backup_url: Option<String>,
    /// Rehearse files that no tenant has yet although `lint` finds errors in them.
    #[arg(long)]
    pub(crate) allow_lint_errors: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || format!("{text:?} is not a duration; write 500ms, 30s or 10m");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}
