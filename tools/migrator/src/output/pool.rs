//! How `pool` tells what it does: a bar on a terminal, else a line for each spare. As JSON the result alone.
use indicatif::ProgressBar;
use labor_migrator::pool::PoolProgress;
use labor_migrator::{Migrator, MigratorError, TenantName};

use super::{bar, line, say};

/// Keeps so many spares ready.
pub(crate) async fn pool(json: bool, migrator: &Migrator, keep: u64) -> Result<(), MigratorError> {
    let bar = bar(json);
    let report = migrator
        .keep_spares(keep, |progress| match progress {
            PoolProgress::Started(count) => bar.set_length(count),
            PoolProgress::Made(spare) => one(json, &bar, spare, "made"),
            PoolProgress::Dropped(spare) => one(json, &bar, spare, "dropped"),
        })
        .await?;
    bar.finish_and_clear();
    let text = format!("{} spare(s) ready, {} made, {} dropped", report.ready, report.made, report.dropped);
    say(json, &serde_json::json!(report), &text);
    Ok(())
}

fn one(json: bool, bar: &ProgressBar, spare: &TenantName, what: &str) {
    bar.inc(1);
    if bar.is_hidden() && !json {
        line(format_args!("{spare} {what}"));
    }
}
